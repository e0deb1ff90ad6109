"""What phones and cameras put inside a JPEG or HEIC: a small picture in its EXIF block, a short film behind it.

The small picture: programs that change the large one often leave it as it was, so it may show what was cut off
or painted over. The film, a second of what came before and after the shutter: Google and Xiaomi append an MP4 to
the JPEG and say so in its XMP, Samsung in a trailer of its own; in a HEIC it is a box called ``mpvd``. It is found
by its own boxes (ISO/IEC 14496-12), not by the stated offsets, which programs that crop the picture leave as they
were.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

from amparo.kit.spans import Range

_MOST_SEGMENTS = 64
_MOST_TAGS = 512
_SAID_AT_START = (b"MotionPhoto", b"MicroVideo")
_SAID_AT_END = (b"MotionPhoto_Data", b"SEFT")
_LOOKED_AT, _TRAILER = 128 << 10, 8 << 10
_MOST_BOXES = 10_000
_MOST_TRIES = 50
_NEEDED = {b"ftyp", b"moov", b"mdat"}

Segment = tuple[int, int, bytes]
"""Place, length and first ten bytes."""


class Bytes(Protocol):
    """What is looked through: :class:`amparo.kit.spans.Spans`, or :class:`Held`."""

    @property
    def size(self) -> int: ...
    def read(self, at: int, length: int) -> bytes: ...
    def find(self, needle: bytes, at: int, end: int) -> int: ...


class Held:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, at: int, length: int) -> bytes:
        """Bytes at a place; fewer only at the end."""
        return self._data[at : max(at, at + length)] if at >= 0 else b""

    def find(self, needle: bytes, at: int, end: int) -> int:
        """The first place of ``needle`` from ``at`` that ends by ``end``; -1 for none."""
        return self._data.find(needle, max(at, 0), end)


def embedded(whole: Bytes) -> tuple[Range | None, Range | None]:
    """Where the small picture and the film inside a JPEG or HEIC lie; None for what it has not."""
    segments = list(_segments(whole))
    return _preview(whole, segments), _film_behind(whole, segments)


def _segments(view: Bytes) -> Iterator[Segment]:
    """The segments before the pixels (T.81, B.1.1.4)."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        head = view.read(at, 10)
        if len(head) < 10 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            return
        length = 2 + int.from_bytes(head[2:4])
        yield at, length, head
        at += length


def _preview(view: Bytes, segments: list[Segment]) -> Range | None:
    """Where the EXIF thumbnail of the JPEG in ``view`` lies; None where it has none."""
    for at, length, head in segments:
        if head[1] == 0xE1 and head[4:10] == b"Exif\0\0":
            found = _in_block(view.read(at + 10, length - 10))
            if found and view.read(at + 10 + found[0], 3) == b"\xff\xd8\xff":
                return at + 10 + found[0], found[1]
            return None
    return None


def _in_block(block: bytes) -> Range | None:
    """Offset and length as the second folder of a TIFF block states them (EXIF 2.32, 4.6.2)."""
    order = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        first = struct.unpack_from(order + "I", block, 4)[0]
        entries = struct.unpack_from(order + "H", block, first)[0]
        second = struct.unpack_from(order + "I", block, first + 2 + 12 * min(entries, _MOST_TAGS))[
            0
        ]
        found: dict[int, int] = {}
        if second:
            entries = struct.unpack_from(order + "H", block, second)[0]
            for number in range(min(entries, _MOST_TAGS)):
                place = second + 2 + 12 * number
                tag, kind, _, value = struct.unpack_from(order + "HHII", block, place)
                if kind == 3:
                    value = struct.unpack_from(order + "H", block, place + 8)[0]
                found[tag] = value
    except struct.error:
        return None
    offset, length = found.get(0x201, 0), found.get(0x202, 0)
    fits = offset >= 8 and 0 < length <= len(block) - offset
    return (offset, length) if fits else None


def _film_behind(view: Bytes, segments: list[Segment]) -> Range | None:
    """Where the film of the JPEG or HEIC in ``view`` lies; None where it has none."""
    if view.read(4, 4) == b"ftyp":
        inside = _motion_box(view)
        return _film(view, inside[0], sum(inside)) if inside else None
    pixels = max((at + length for at, length, _ in segments), default=2)
    start = view.read(0, min(_LOOKED_AT, pixels))
    end = view.read(max(0, view.size - _TRAILER), _TRAILER)
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


def _film(view: Bytes, start: int, end: int) -> Range | None:
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


def _motion_box(view: Bytes) -> Range | None:
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
