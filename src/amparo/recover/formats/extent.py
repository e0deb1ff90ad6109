"""What a look at a file's structure says: how far it reaches, and whether that is the whole of it."""

from __future__ import annotations

from dataclasses import dataclass


class NotOne(ValueError):
    """What begins like a file of this form is none."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Lengths in bytes from the file's start."""

    length: int
    """What belongs to the file, or is worth keeping of one that breaks off."""
    complete: bool
    confidence: float
    note: str = ""
    sure: int = 0
    """How far the structure was seen to hold, for one that breaks off."""
    worth: bool = True
    """Whether anything can be seen or heard of what is left."""
