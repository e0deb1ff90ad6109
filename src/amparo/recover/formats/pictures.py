"""PNG, GIF and WebP: chunks and blocks followed to their end, with checksums where the format has them."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from amparo.kit.spans import BLOCK, Spans
from amparo.recover.formats.extent import Extent, NotOne

_MOST_CHUNKS = 200_000
_MOST_PIXELS = 50_000_000
_COLOURS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def png(view: Spans, start: int, resume: int = 0) -> Extent:
    """How far the PNG at ``start`` reaches: every chunk's CRC must hold. Raises NotOne.

    ``resume`` is the place of a chunk up to which all is known to be well (0: from the start).
    """
    head = view.read(start, 33)
    if len(head) < 33 or head[8:16] != b"\0\0\0\rIHDR" or crc(head[12:29]) != head[29:33]:
        raise NotOne("no header chunk")
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
    if not width or not height or depth not in _COLOURS.get(colour, ()):
        raise NotOne("a header that is none")
    at, pixels = resume or start + 8, bool(resume)
    for _ in range(_MOST_CHUNKS):
        chunk = view.read(at, 8)
        length, kind = int.from_bytes(chunk[:4]), chunk[4:]
        if len(chunk) < 8 or length > 1 << 31 or not (kind.isalpha() and kind.isascii()):
            return _broken(start, at, at, pixels, "no chunk where one must be")
        end = at + 12 + length
        if end > view.size:
            return _broken(start, at, view.size, pixels, "breaks off in a chunk")
        if checksum(view, at + 4, length + 4) != view.read(end - 4, 4):
            return _broken(start, at, end, pixels, f"chunk {kind.decode()} has another checksum")
        pixels = pixels or kind == b"IDAT"
        at = end
        if kind == b"IEND":
            if not pixels:
                raise NotOne("no pixels")
            return Extent(at - start, True, 1.0, "", at - start)
    return _broken(start, at, at, pixels, "more chunks than any picture has")


def _broken(start: int, at: int, end: int, pixels: bool, note: str) -> Extent:
    """What is left up to ``at`` is sure; a broken chunk of pixels is worth keeping for its first part."""
    kept = min(end, at + (1 << 20))
    return Extent(kept - start, False, 0.5, note, at - start, pixels or kept - at > 512)


def crc(data: bytes) -> bytes:
    """The CRC of a chunk's type and data as it is written."""
    return zlib.crc32(data).to_bytes(4)


def checksum(view: Spans, at: int, length: int) -> bytes:
    """As :func:`crc`, over a stretch of any length."""
    value = 0
    while length > 0:
        data = view.read(at, min(length, BLOCK * 4))
        if not data:
            break
        value = zlib.crc32(data, value)
        at, length = at + len(data), length - len(data)
    return value.to_bytes(4)


def gif(view: Spans, start: int) -> Extent:
    """How far the GIF at ``start`` reaches, block by block to its trailer (GIF89a). Raises NotOne."""
    head = view.read(start, 13)
    if len(head) < 13 or not int.from_bytes(head[6:8], "little"):
        raise NotOne("no header")
    width, height = struct.unpack_from("<HH", head, 6)
    at = start + 13 + (3 << ((head[10] & 7) + 1) if head[10] & 0x80 else 0)
    images = 0
    for _ in range(_MOST_CHUNKS):
        block = view.read(at, 10)
        if block[:1] == b";":
            if not images:
                raise NotOne("no picture in it")
            return Extent(at + 1 - start, True, 0.9, "", at + 1 - start)
        if block[:1] == b"!" and len(block) > 2:
            following = _sub_blocks(view, at + 2)
        elif block[:1] == b"," and len(block) == 10:
            left, top, across, down = struct.unpack_from("<4H", block, 1)
            code = at + 10 + (3 << ((block[9] & 7) + 1) if block[9] & 0x80 else 0)
            size = view.read(code, 1)
            inside = left + across <= max(width, 1) and top + down <= max(height, 1)
            if not inside or not across or not size or not 1 <= size[0] <= 11:
                break
            following = _sub_blocks(view, code + 1)
            images += following > 0
        else:
            break
        if following < 0:
            return Extent(-following - start, False, 0.4, "breaks off", at - start, images > 0)
        at = following
    if not images:
        raise NotOne("no picture in it")
    return Extent(at - start, False, 0.4, "no block where one must be", at - start)


def _sub_blocks(view: Spans, at: int) -> int:
    """The place after a chain of blocks; negative where it breaks off."""
    for _ in range(1 << 20):
        size = view.read(at, 1)
        if not size:
            return -at
        at += 1 + size[0]
        if not size[0]:
            return at
    return -at


def webp(view: Spans, start: int) -> Extent:
    """How far the WebP at ``start`` reaches: its chunks must fill it exactly (RFC 9649). Raises NotOne.

    Its pixels carry no checksum, so a foreign piece inside a chunk is not seen.
    """
    head = view.read(start, 30)
    size = int.from_bytes(head[4:8], "little")
    if len(head) < 30 or head[8:12] != b"WEBP" or head[12:15] != b"VP8" or size < 20:
        raise NotOne("no header")
    kind, end = head[12:16], start + 8 + size
    frame = head[20:30]
    if kind == b"VP8 " and (frame[3:6] != b"\x9d\x01\x2a" or frame[0] & 1):
        raise NotOne("no key frame")
    if kind == b"VP8L" and (frame[0] != 0x2F or frame[4] >> 5):
        raise NotOne("no lossless header")
    at, pixels = start + 12, False
    while at < end:
        chunk = view.read(at, 8)
        if len(chunk) < 8 or not all(32 <= c < 127 for c in chunk[:4]):
            return Extent(at - start, False, 0.4, "no chunk where one must be", at - start, pixels)
        length = int.from_bytes(chunk[4:], "little")
        if at + 8 + length > end:
            return Extent(at - start, False, 0.4, "a chunk that sticks out", at - start, pixels)
        pixels = pixels or chunk[:4] in (b"VP8 ", b"VP8L", b"ANMF")
        if at + 8 + length > view.size:
            return Extent(view.size - start, False, 0.4, "breaks off", at - start, pixels)
        at += 8 + length + (length & 1)
    if not pixels:
        raise NotOne("no picture in it")
    return Extent(end - start, True, 0.8, "pixels carry no checksum", end - start)


def decodes(data: bytes) -> bool:
    """Whether a WebP's pixels can be had: foreign bytes often make its coder run out of them."""
    canvas = _canvas(data)
    if not 0 < canvas <= _MOST_PIXELS:
        return False
    try:
        Image.open(io.BytesIO(data), formats=("WEBP",)).load()
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError):
        return False
    return True


def _canvas(data: bytes) -> int:
    """Pixels a WebP states, before any is decoded (RFC 9649)."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0
    if kind == b"VP8X":
        wide, high = int.from_bytes(body[4:7], "little"), int.from_bytes(body[7:10], "little")
        return (wide + 1) * (high + 1)
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    wide, high = struct.unpack_from("<2H", body, 6)
    return int((wide & 0x3FFF) * (high & 0x3FFF))
