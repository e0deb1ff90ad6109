"""One picture or page, larger, for a person who has asked to see it."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.fingerprint import exif
from amparo.fingerprint.blocks import exif_block
from amparo.fingerprint.decode import LARGEST, decode
from amparo.fingerprint.pdf import first
from amparo.fingerprint.pixels import UPRIGHT, thumbnail
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Thumb
from amparo.kit.source import Source

SIDE = 1024


def view(source: Source, found: Found) -> Iterator[Thumb]:
    """The picture upright, its longer side at most 1024 pixels. Raises as decoders do on bad bytes."""
    data = source.read(LARGEST)
    mime = sniff(data[:HEAD], len(data))
    if mime == "application/pdf":
        yield _page(data, found)
        return
    block = exif_block(data, mime)
    decoded = decode(data, mime, SIDE)
    orientation = decoded.orientation
    if orientation is None:
        orientation = exif.read(block, found.content).orientation if block else 1
    seen = thumbnail(decoded.image, SIDE)
    if orientation in UPRIGHT:
        seen = seen.transpose(UPRIGHT[orientation])
    yield Thumb(found.content, seen.width, seen.height, seen.tobytes())


def _page(data: bytes, found: Found) -> Thumb:
    """The page of a PDF that its thumbnail shows."""
    seen = thumbnail(first(data)[1], SIDE)
    return Thumb(found.content, seen.width, seen.height, seen.tobytes())
