"""What nobody has seen yet, in the order in which looking helps most."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("unseen", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen(Record):
    """A visual stack that no list knows and nobody has judged, and why it should be looked at when.

    ``content`` is the centre of the stack. ``rank`` counts from 1. ``score`` is the natural logarithm of
    odds by the traits found (:mod:`amparo.match.traits`); ``turn`` counts within the series, of which
    each is shown once before any is shown twice. An order of looking, never a judgement.
    """

    content: Id
    rank: int
    score: float
    series: str = ""
    """What holds its pictures together, in words; "" for one alone."""
    turn: int = 1
    reasons: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    """``name=value`` of each trait found, for whoever repeats the sum."""
    weights: str = ""
    """``prior``, or how many judgements the weights were learnt from."""
