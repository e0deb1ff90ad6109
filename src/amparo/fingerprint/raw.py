"""Camera raw files: their own pixels need a developer's taste, so the largest preview the camera made is taken.

Every raw format keeps whole JPEGs of the same view; they are found by their own structure (ISO/IEC 10918-1,
annex B), so that no format's directory has to be believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from amparo.fingerprint import exif
from amparo.fingerprint.blocks import jpeg_exif

FORMS = {
    "image/x-canon-cr2": "Canon raw",
    "image/x-canon-cr3": "Canon raw",
    "image/x-canon-crw": "Canon raw",
    "image/x-fuji-raf": "Fujifilm raw",
    "image/x-olympus-orf": "Olympus raw",
    "image/x-panasonic-rw2": "Panasonic raw",
    "image/x-minolta-mrw": "Minolta raw",
    "image/x-sigma-x3f": "Sigma raw",
}
_SUB, _PHOTOMETRIC, _COMPRESSION, _DNG = 0x014A, 0x0106, 0x0103, 0xC612
_MOSAIC = (32803, 34892)
"""Photometric interpretations of TIFF/EP and DNG: a colour filter array, a developed one still linear."""
_PACKED = (32767, 32769, 32770, 34713, 65535)
"""Compressions of Sony, Samsung, Nikon and Pentax that no picture but a raw one has."""
_MOST_CANDIDATES = 5_000
_MOST_SEGMENTS = 200
_LEAST = 64
_START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")


@dataclass(frozen=True)
class Preview:
    """A whole JPEG inside another file: where it begins and its size in pixels."""

    at: int
    width: int
    height: int


def raw_tiff(data: bytes) -> bool:
    """Whether a TIFF is a camera's raw file: DNG, or with a directory of mosaic pixels."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return False
    byte_order = "little" if order == "<" else "big"
    at = int.from_bytes(data[4:8], byte_order)  # type: ignore[arg-type]
    main = exif.directory(data, order, at) or {}
    if _DNG in main:
        return True
    inner = main.get(_SUB, [])
    places = [p for p in inner if isinstance(p, int)] if isinstance(inner, list) else []
    for tags in (main, *(exif.directory(data, order, p) or {} for p in places[:8])):
        if exif.whole_number(tags.get(_PHOTOMETRIC)) in _MOSAIC:
            return True
        if exif.whole_number(tags.get(_COMPRESSION)) in _PACKED:
            return True
    return False


def largest_preview(data: bytes) -> Preview | None:
    """The JPEG of most pixels that a decoder can show; None where there is none."""
    best: Preview | None = None
    for number, match in enumerate(_START.finditer(data)):
        if number >= _MOST_CANDIDATES:
            break
        size = _size(data, match.start())
        if size and (best is None or size[0] * size[1] > best.width * best.height):
            best = Preview(match.start(), *size)
    return best


def _size(data: bytes, start: int) -> tuple[int, int] | None:
    """Width and height of the JPEG there; None for one that is lossless, as raw data are, or none at all."""
    at = start + 2
    for _ in range(_MOST_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 9 > len(data) or data[at] != 0xFF:
            return None
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if kind in (0xC0, 0xC1, 0xC2):
            height = int.from_bytes(data[at + 5 : at + 7])
            width = int.from_bytes(data[at + 7 : at + 9])
            eight = data[at + 4] == 8
            return (width, height) if eight and min(width, height) >= _LEAST else None
        if length < 2 or not (0xC4 <= kind <= 0xFE) or kind in (0xD8, 0xD9, 0xDA) or kind == 0xC3:
            return None
        at += 2 + length
    return None


def block_of(data: bytes, mime: str, preview: Preview | None) -> bytes:
    """The EXIF of a raw file that is not itself a TIFF: Canon's own box, else the preview's."""
    if mime == "image/x-canon-cr3":
        place = data.find(b"CMT1", 0, 1 << 20)
        if place >= 4:
            return data[place + 4 : place - 4 + int.from_bytes(data[place - 4 : place])]
    return jpeg_exif(data, preview.at) if preview else b""
