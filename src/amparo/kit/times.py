"""Times as phones write them, made into milliseconds since 1970 UTC; nonsense becomes None.

And times within a film, written for people."""

from __future__ import annotations

LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999; calendars end there, and so does belief."""

_SMALLEST_MS = 100_000_000_000
"""Below this (March 1973 in milliseconds, the year 5138 in seconds) a number counts seconds."""


def from_ms(value: object) -> int | None:
    """Milliseconds since 1970. None for 0, negatives, text, and anything after the year 9999."""
    if type(value) is int:
        return value if 0 < value <= LATEST else None
    if type(value) is float and 0 < value <= LATEST:
        return int(value) or None
    return None


def from_unix(value: object) -> int | None:
    """Seconds or milliseconds since 1970, told apart by size: columns that changed unit over the years."""
    if type(value) is float and 0 < value <= LATEST:
        value = int(value * 1000) if value < _SMALLEST_MS else int(value)
    if type(value) is int and 0 < value < _SMALLEST_MS:
        value *= 1000
    return from_ms(value)


def clock(milliseconds: int) -> str:
    """A time within a film: ``1:02.3`` or ``1:01:02.3``."""
    minutes, rest = divmod(milliseconds // 100, 600)
    hours, minutes = divmod(minutes, 60)
    long = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{long}:{rest // 10:02}.{rest % 10}"
