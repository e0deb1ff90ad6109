"""The short film phones put behind a photograph: a second of what came before and after the shutter.

Google and Xiaomi append an MP4 to the JPEG and say so in its XMP, Samsung in a trailer of its own; in a HEIC it is
a box called ``mpvd``. The film is found by its own boxes (ISO/IEC 14496-12), not by the stated offsets, which
programs that crop the picture leave as they were.
"""

from __future__ import annotations

from amparo.recover.spans import Range, Spans

_SAID_AT_START = (b"MotionPhoto", b"MicroVideo")
_SAID_AT_END = (b"MotionPhoto_Data", b"SEFT")
_LOOKED_AT = 128 << 10
_MOST_BOXES = 10_000
_MOST_TRIES = 50
_NEEDED = {b"ftyp", b"moov", b"mdat"}


def film_behind(view: Spans) -> Range | None:
    """Where the film of the JPEG or HEIC in ``view`` lies; None where it has none."""
    if view.read(4, 4) == b"ftyp":
        inside = _motion_box(view)
        return _film(view, inside[0], sum(inside)) if inside else None
    start = view.read(0, _LOOKED_AT)
    end = view.read(max(0, view.size - _LOOKED_AT), _LOOKED_AT)
    if not any(m in start for m in _SAID_AT_START) and not any(m in end for m in _SAID_AT_END):
        return None
    at = 2
    for _ in range(_MOST_TRIES):
        at = view.find(b"ftyp", at, view.size)
        if at < 4:
            return None
        if found := _film(view, at - 4, view.size):
            return found
        at += 4
    return None


def _film(view: Spans, start: int, end: int) -> Range | None:
    """The boxes from ``start`` on, as far as they are some; None unless they make a film."""
    at, seen = start, set[bytes]()
    for _ in range(_MOST_BOXES):
        head = view.read(at, 16)
        length, name = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16])
        elif length == 0 and name == b"mdat":
            length = end - at
        if len(head) < 8 or length < 8 or at + length > end or not name.isalnum():
            break
        seen.add(name)
        at += length
    return (start, at - start) if seen >= _NEEDED else None


def _motion_box(view: Spans) -> Range | None:
    """The body of the box called ``mpvd``."""
    at = 0
    for _ in range(_MOST_BOXES):
        head = view.read(at, 16)
        length, body = int.from_bytes(head[:4]), 8
        if length == 1:
            length, body = int.from_bytes(head[8:16]), 16
        if length < body or at + length > view.size:
            return None
        if head[4:8] == b"mpvd":
            return at + body, length - body
        at += length
    return None
