"""A picture, decoded once: dimensions, PDQ and its turned forms, metadata, place, kind and a thumbnail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from amparo.fingerprint import box, exif
from amparo.fingerprint.blocks import exif_block
from amparo.fingerprint.decode import BAD_BYTES, LARGEST, UNDECODED, Decoded, decode
from amparo.fingerprint.kinds import kind_of
from amparo.fingerprint.pdq import LEAST, dihedral
from amparo.fingerprint.pixels import picked, upright
from amparo.kit.embedded import Held, embedded
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Thumb, Warn, fingerprint
from amparo.kit.source import Source
from amparo.model import Fingerprint, Media, Record

THUMB = 256


@fingerprint("image", version=4, mimes=("image/*",))
def image(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """What a picture shows and says: its visual hash, camera, time and place, and a thumbnail.

    Raises ValueError when the bytes are not those taken in.
    """
    data = source.read(LARGEST)
    if found.sha256 and hashlib.sha256(data).hexdigest() != found.sha256:
        raise ValueError("changed since intake: its SHA-256 is another")
    mime = sniff(data[:HEAD], len(data))
    decoded, reason = _try(data, mime)
    block = exif_block(data, mime) or (decoded.exif if decoded else b"")
    written = exif.read(block, found.content) if block else exif.Metadata()
    for record in (written.exif, written.position):
        if record is not None:
            yield record
    for doubt in written.doubts:
        yield Warn(doubt)
    if decoded is None:
        yield Warn(reason)
    else:
        stated = written.orientation if decoded.orientation is None else decoded.orientation
        camera = written.exif is not None and bool(written.exif.model)
        holds_more = embedded(Held(data)) != (None, None)
        yield from _describe(decoded, stated, camera, holds_more, found)


def _try(data: bytes, mime: str) -> tuple[Decoded | None, str]:
    """The picture, or why there is none."""
    if mime in UNDECODED:
        return None, f"{UNDECODED[mime]}: no decoder, its pixels were not looked at"
    try:
        return decode(data, mime), ""
    except MemoryError:
        return None, "needs more memory to decode than a cell has"
    except BAD_BYTES as error:
        return None, f"not decoded: {error or type(error).__name__}"


def _describe(
    decoded: Decoded, orientation: int, camera: bool, embeds: bool, found: Found
) -> Iterator[Record | Thumb | Warn]:
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
        embeds=embeds,
    )
    # Exchanged lists hash the pixels as stored, whatever the orientation says.
    pixels = picked(decoded.image)
    hashes, quality = dihedral(pixels)
    for algorithm, value in (("pdq", hashes[0]), ("pdq8", b"".join(hashes))):
        yield Fingerprint(content=found.content, algorithm=algorithm, value=value, quality=quality)
    if boxed := box.box_hash(pixels):
        value, clear = boxed
        yield Fingerprint(
            content=found.content, algorithm=box.ALGORITHM, value=value, quality=clear
        )
    if min(pixels.shape[:2]) >= LEAST:
        yield kind_of(found.content, pixels, camera)
    yield Thumb.of(found.content, upright(decoded.image, orientation, THUMB))
