"""The small picture a camera puts into the EXIF block of a large one.

Programs that change the picture often leave it as it was: it may show what was cut off or painted over.
"""

from __future__ import annotations

import struct

from amparo.recover.spans import Range, Spans

_MOST_SEGMENTS = 64
_MOST_TAGS = 512


def preview(view: Spans) -> Range | None:
    """Where the EXIF thumbnail of the JPEG in ``view`` lies; None where it has none."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        head = view.read(at, 10)
        if len(head) < 10 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            return None
        length = int.from_bytes(head[2:4])
        if head[1] == 0xE1 and head[4:10] == b"Exif\0\0":
            found = _in_block(view.read(at + 10, length - 8))
            if found and view.read(at + 10 + found[0], 3) == b"\xff\xd8\xff":
                return at + 10 + found[0], found[1]
            return None
        at += 2 + length
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
