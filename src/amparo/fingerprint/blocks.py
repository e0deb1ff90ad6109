"""Where in a picture file its EXIF lies: found without decoding, also in files that do not decode."""

from __future__ import annotations

from amparo.fingerprint import heif

_MARK = b"Exif\0\0"
_MOST_SEGMENTS = 10_000


def exif_block(data: bytes, mime: str) -> bytes:
    """The TIFF structure with a picture's EXIF, b"" where there is none."""
    if mime == "image/jpeg":
        return jpeg_exif(data)
    if mime == "image/png":
        return _chunks(data, 8, "big", b"eXIf", after=4)
    if mime == "image/webp":
        return _chunks(data, 12, "little", b"EXIF", after=0).removeprefix(_MARK)
    if mime in ("image/tiff", "image/x-canon-cr2"):
        return data if data[2:4] in (b"\x2a\0", b"\0\x2a") else b""
    if mime in ("image/heic", "image/heif", "image/avif"):
        return heif.exif_item(data) or _item(data)
    if mime == "image/jxl":
        return _jxl(data)
    if mime == "image/vnd.adobe.photoshop":
        return _resource(data)
    return b""


def jpeg_exif(data: bytes, start: int = 0) -> bytes:
    """The first APP1 segment marked Exif of a JPEG there (ISO/IEC 10918-1, B.1.1; Exif 4.5.4)."""
    at = start + 2
    for _ in range(_MOST_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] in (0xDA, 0xD9):
            return b""
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == _MARK:
            return data[at + 10 : at + 2 + length]
        if length < 2:
            return b""
        at += 2 + length
    return b""


def _chunks(data: bytes, at: int, order: str, wanted: bytes, after: int) -> bytes:
    """A chunk of PNG (length, name, body, checksum) or RIFF (name, length, body, padding)."""
    for _ in range(_MOST_SEGMENTS):
        if at + 8 > len(data):
            return b""
        if order == "big":
            length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        else:
            name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
            length += length & 1
        if name == wanted:
            return data[at + 8 : at + 8 + length]
        at += 8 + length + after
    return b""


def _jxl(data: bytes) -> bytes:
    """The Exif box of a JPEG XL container (ISO/IEC 18181-2, 9.4); a bare or packed one has none to read."""
    for name, at, end in heif.boxes(data, 0, len(data)):
        if name == "Exif":
            return data[at + 4 + int.from_bytes(data[at : at + 4]) : end]
    return b""


def _resource(data: bytes) -> bytes:
    """Image resource 1058 of a Photoshop file ("Adobe Photoshop File Formats Specification", 2019)."""
    at = 26 + 4 + int.from_bytes(data[26:30])
    end = min(len(data), at + 4 + int.from_bytes(data[at : at + 4]))
    at += 4
    for _ in range(_MOST_SEGMENTS):
        if at + 12 > end or data[at : at + 4] != b"8BIM":
            return b""
        name = 1 + data[at + 6]
        body = at + 6 + name + (name & 1) + 4
        length = int.from_bytes(data[body - 4 : body])
        if data[at + 4 : at + 6] == b"\x04\x22":
            return data[body : body + length]
        at = body + length + (length & 1)
    return b""


def _item(data: bytes) -> bytes:
    """What a damaged HEIF has left of its EXIF item, which mostly begins with the mark of JPEG."""
    for mark in (_MARK + b"MM\0\x2a", _MARK + b"II\x2a\0"):
        place = data.find(mark)
        if place >= 0:
            return data[place + len(_MARK) : place + (1 << 16)]
    return b""
