"""Bytes of a picture to pixels, by the decoder of its form; damaged ones as far as they go."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass

import pylibjxl
from av.error import FFmpegError
from PIL import AvifImagePlugin, Image, ImageFile

from amparo.fingerprint import exif, heif, raw
from amparo.fingerprint.blocks import exif_block
from amparo.fingerprint.pdq import SIDE
from amparo.fingerprint.pixels import Refused, check

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO", "JPEG2000", "PSD")
"""The only ones of Pillow's decoders that ever see evidence."""
LARGEST = 256 << 20
"""Bytes of a picture file."""
MOST_PIXELS = 300_000_000
"""For JPEG that can be decoded at a fraction of its size (phones make 200 million)."""
MOST_WHOLE = 100_000_000
"""For everything that has to be decoded whole."""
UNDECODED = {"image/svg+xml": "SVG"}
BAD_BYTES = (
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
    FFmpegError,
    Image.DecompressionBombError,
)
"""What decoders raise on bad bytes; anything else is a fault of ours and shall be seen as one."""

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
    orientation: int | None = None
    """1 where the form itself has turned the pixels; None where the EXIF decides."""
    exif: bytes = b""
    """Where only the decoder finds it: packed in a JPEG XL, or in the preview of a raw file."""


def decode(data: bytes, mime: str, side: int = SIDE) -> Decoded:
    """The first frame, JPEG at the fraction that just covers ``side`` pixels; damaged ones as far as they go.

    Raises ValueError for too many pixels, before any is decoded, and what decoders raise on bad bytes.
    """
    if mime == "image/jxl":
        return _jxl(data)
    if mime in ("image/heic", "image/heif"):
        return _heif(data, mime)
    if mime in raw.FORMS or (mime == "image/tiff" and raw.raw_tiff(data)):
        return _raw(data, mime, side)
    return _pillow(data, mime, side)


def _pillow(data: bytes, mime: str, side: int) -> Decoded:
    try:
        return _whole(data, mime, side)
    except BAD_BYTES as error:
        if isinstance(error, Refused | MemoryError):
            raise
        reason = str(error) or type(error).__name__
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        decoded = _whole(data, mime, side)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    decoded.damaged = reason[:200]
    return decoded


def _whole(data: bytes, mime: str, side: int) -> Decoded:
    if mime == "image/webp":
        check(_webp_size(data), MOST_WHOLE)
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    size = opened.size
    form = "JPEG" if opened.format == "MPO" else str(opened.format)
    scales = form == "JPEG" and not opened.info.get("progressive")
    check(size, MOST_PIXELS if scales else MOST_WHOLE)
    if form == "JPEG2000":
        # Half sizes are part of the form, as eighths are of JPEG.
        setattr(opened, "reduce", _halvings(size, side))  # noqa: B010  a method of every other picture
    opened.draft(None, (side, side))
    opened.load()
    # Counting the frames of a GIF or TIFF goes through them, so the first one is put aside; and what was
    # asked to be halved stays so in its class.
    first = opened.copy() if form in ("GIF", "TIFF", "JPEG2000") else opened
    frames = 1 if form == "PSD" else _frames(opened)
    decoded = Decoded(first, form, size, frames)
    if form == "AVIF":
        decoded.orientation = int(opened.getexif().get(0x0112, 1))
    tables = getattr(opened, "quantization", None)
    if isinstance(tables, dict):
        decoded.quantization = quantization_key(tables)
    return decoded


def _halvings(size: tuple[int, int], side: int) -> int:
    most = 0
    while most < 5 and min(size) >> (most + 1) >= side:
        most += 1
    return most


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
    except BAD_BYTES:
        return 1


def _heif(data: bytes, mime: str) -> Decoded:
    image, shown, missing = heif.decode(data, MOST_WHOLE)
    form = "HEIC" if mime == "image/heic" else "HEIF"
    return Decoded(image, form, image.size, shown, missing, orientation=1)


def _jxl(data: bytes) -> Decoded:
    """The first frame of a JPEG XL, turned by its decoder as its own head says."""
    stated = pylibjxl.probe(data)
    check((stated["width"], stated["height"]), MOST_WHOLE)
    # The codec with one thread is made here: in a cell none can be started.
    pixels, kept = pylibjxl.JXL(threads=1, pool_size=1).decode(data, metadata=True)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    image = Image.fromarray(pixels)
    block = kept.get("exif", b"")
    return Decoded(image, "JPEG XL", image.size, orientation=1, exif=block)


def _raw(data: bytes, mime: str, side: int) -> Decoded:
    """The largest picture the camera itself made of its raw data."""
    name = raw.FORMS.get(mime, "camera raw")
    found = raw.largest_preview(data)
    if found is None:
        raise ValueError(f"{name} without a preview in it: its pixels were not looked at")
    end = len(data)
    decoded = _pillow(data[found.at : end], "image/jpeg", side)
    decoded.format = f"{name}, preview"
    decoded.frames = 1
    decoded.exif = raw.block_of(data, mime, found)
    if mime not in ("image/tiff", "image/x-canon-cr2") and not decoded.exif:
        decoded.orientation = 1
    return decoded


def quantization_key(tables: dict[int, list[int]]) -> str:
    """First 16 hex digits of SHA-256 over each table's number and its 64 values, big-endian.

    Equal for pictures of one camera model, or of one program that saved them anew.
    """
    digest = hashlib.sha256()
    for number, values in sorted(tables.items()):
        digest.update(struct.pack(f">B{len(values)}H", number, *values))
    return digest.hexdigest()[:16]


def orientation_of(decoded: Decoded, data: bytes, mime: str) -> int:
    """The EXIF orientation a decoded picture has still to be turned by; 1 where none is stated."""
    if decoded.orientation is not None:
        return decoded.orientation
    block = exif_block(data, mime) or decoded.exif
    return exif.read(block, "").orientation if block else 1
