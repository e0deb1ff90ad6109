"""A picture, decoded once: dimensions, PDQ and its turned forms, metadata, place, thumbnail."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFile

from amparo.fingerprint import exif
from amparo.fingerprint.blocks import exif_block
from amparo.fingerprint.pdq import SIDE, dihedral, shrunk
from amparo.fingerprint.pixels import UPRIGHT, rgb, thumbnail
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Thumb, Warn, fingerprint
from amparo.kit.source import Source
from amparo.model import Fingerprint, Media, Record

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO")
"""The only decoders that ever see evidence."""
LARGEST = 256 << 20
"""Bytes of a picture file."""
MOST_PIXELS = 300_000_000
"""For JPEG that can be decoded at a fraction of its size (phones make 200 million)."""
MOST_WHOLE = 100_000_000
"""For everything that has to be decoded whole."""
THUMB = 256

_UNDECODED = {
    "image/heic": "HEIC",
    "image/heif": "HEIF",
    "image/jxl": "JPEG XL",
    "image/jp2": "JPEG 2000",
    "image/svg+xml": "SVG",
    "image/vnd.adobe.photoshop": "Photoshop",
    "image/x-canon-cr2": "Canon raw",
    "image/x-canon-cr3": "Canon raw",
}
# What decoders raise on bad bytes; anything else is a fault of ours and shall be seen as one.
_BAD_BYTES = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ZeroDivisionError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

Image.MAX_IMAGE_PIXELS = None  # our own limit is looked at before anything is decoded
Image.init()  # in a cell nothing can be imported any more
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # nor can it start threads


@dataclass
class Decoded:
    """A picture's pixels and what its file says of them."""

    image: Image.Image
    format: str
    size: tuple[int, int]
    """As stored, before any reduction."""
    frames: int = 1
    damaged: str = ""
    quantization: str = ""


@fingerprint("image", version=1, mimes=("image/*",))
def image(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """What a picture shows and says: its visual hash, camera, time and place, and a thumbnail.

    Raises ValueError when the bytes are not those taken in.
    """
    data = source.read(LARGEST)
    if found.sha256 and hashlib.sha256(data).hexdigest() != found.sha256:
        raise ValueError("changed since intake: its SHA-256 is another")
    mime = sniff(data[:HEAD], len(data))
    block = exif_block(data, mime)
    written = exif.read(block, found.content) if block else exif.Metadata()
    for record in (written.exif, written.position):
        if record is not None:
            yield record
    for doubt in written.doubts:
        yield Warn(doubt)
    if mime in _UNDECODED:
        yield Warn(f"{_UNDECODED[mime]}: no decoder, its pixels were not looked at")
        return
    try:
        decoded = decode(data, mime)
    except MemoryError:
        yield Warn("needs more memory to decode than a cell has")
    except _BAD_BYTES as error:
        yield Warn(f"not decoded: {error or type(error).__name__}")
    else:
        yield from _describe(decoded, written.orientation, found)


def _describe(decoded: Decoded, orientation: int, found: Found) -> Iterator[Record | Thumb | Warn]:
    width, height = decoded.size if orientation < 5 else decoded.size[::-1]
    yield Media(
        content=found.content,
        format=decoded.format,
        width=width,
        height=height,
        frames=decoded.frames,
        orientation=orientation,
        damaged=decoded.damaged,
        quantization=decoded.quantization,
    )
    # Exchanged lists hash the pixels as stored, whatever the orientation says.
    hashes, quality = dihedral(np.asarray(rgb(shrunk(decoded.image))))
    for algorithm, value in (("pdq", hashes[0]), ("pdq8", b"".join(hashes))):
        yield Fingerprint(content=found.content, algorithm=algorithm, value=value, quality=quality)
    small = thumbnail(decoded.image, THUMB)
    if orientation in UPRIGHT:
        small = small.transpose(UPRIGHT[orientation])
    yield Thumb(found.content, small.width, small.height, small.tobytes())


def decode(data: bytes, mime: str, side: int = SIDE) -> Decoded:
    """The first frame, JPEG at the fraction that just covers ``side`` pixels; damaged ones as far as they go.

    Raises ValueError for too many pixels, before any is decoded, and what decoders raise on bad bytes.
    """
    try:
        return _decode(data, mime, side)
    except MemoryError:
        raise
    except _BAD_BYTES as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, _Refused):
            raise
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        decoded = _decode(data, mime, side)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    decoded.damaged = reason[:200]
    return decoded


class _Refused(ValueError):
    """Not even tried."""


def _decode(data: bytes, mime: str, side: int) -> Decoded:
    if mime == "image/webp":
        _check(_webp_size(data), MOST_WHOLE)
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    size = opened.size
    form = "JPEG" if opened.format == "MPO" else str(opened.format)
    scales = form == "JPEG" and not opened.info.get("progressive")
    _check(size, MOST_PIXELS if scales else MOST_WHOLE)
    opened.draft(None, (side, side))
    opened.load()
    # Counting the frames of a GIF or TIFF goes through them, so the first one is put aside.
    first = opened.copy() if form in ("GIF", "TIFF") else opened
    decoded = Decoded(first, form, size, _frames(opened))
    tables = getattr(opened, "quantization", None)
    if isinstance(tables, dict):
        decoded.quantization = quantization_key(tables)
    return decoded


def _check(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise _Refused(f"states {width} x {height} pixels")
    if width * height > most:
        raise _Refused(f"states {width} x {height} pixels, more than are decoded")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas of a WebP by its first chunk (RFC 9649): opening one already reserves its pixels."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise ValueError("breaks off in its header")
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<2H", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _frames(opened: Image.Image) -> int:
    """Frames or pages; 1 where counting them fails."""
    try:
        return max(1, min(int(getattr(opened, "n_frames", 1)), 1_000_000))
    except _BAD_BYTES:
        return 1


def quantization_key(tables: dict[int, list[int]]) -> str:
    """First 16 hex digits of SHA-256 over each table's number and its 64 values, big-endian.

    Equal for pictures of one camera model, or of one program that saved them anew.
    """
    digest = hashlib.sha256()
    for number, values in sorted(tables.items()):
        digest.update(struct.pack(f">B{len(values)}H", number, *values))
    return digest.hexdigest()[:16]
