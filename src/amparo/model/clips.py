"""What was found of one film, picture or sound inside another, with the time ranges."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("clip_match", "form", "content", "other", "start", "other_start")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClipMatch(Record):
    """One stretch of a film or sound that is also in another. Times are milliseconds in each.

    ``form`` is ``film`` (the frames agree), ``still`` (a picture is a frame of the film) or ``sound`` (the
    soundtracks agree). For a still, ``content`` is the picture and its range is 0 to 0.
    """

    form: str
    content: Id
    other: Id
    start: int
    end: int
    other_start: int
    other_end: int
    speed: float = 1.0
    """Milliseconds of ``other`` for one of ``content``."""
    mirrored: bool = False
    votes: int
    """Frames that agree on this place, or tenths of a second of sound compared."""
    distance: float
    """Mean PDQ distance of these frames, or the share of sound bits that differ."""
