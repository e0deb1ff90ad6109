"""One picture or page, larger, for a person who has asked to see it."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.fingerprint.decode import LARGEST, decode, orientation_of
from amparo.fingerprint.pdf import first
from amparo.fingerprint.pixels import thumbnail, upright
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
    decoded = decode(data, mime, SIDE)
    orientation = orientation_of(decoded, data, mime)
    yield Thumb.of(found.content, upright(decoded.image, orientation, SIDE))


def _page(data: bytes, found: Found) -> Thumb:
    """The page of a PDF that its thumbnail shows."""
    return Thumb.of(found.content, thumbnail(first(data)[1], SIDE))
