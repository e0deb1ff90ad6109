"""A PDF as what is seen first of it: pages counted, the first one that is not empty drawn small and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from amparo.fingerprint.pdq import SIDE, dihedral
from amparo.fingerprint.pixels import picked, thumbnail
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn, fingerprint
from amparo.kit.source import Source
from amparo.model import ContentKind, Fingerprint, Media, Record

LARGEST = 512 << 20
FIRST_PAGES = 5
"""Among so many the first one with anything on it is taken."""
THUMB = 256
_EMPTY_SPREAD = 1.0
_MOST_PAGES = 1_000_000


@fingerprint("pdf", version=1, mimes=("application/pdf",), seconds=120)
def pdf(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """What a PDF shows first: its pages, the visual hash and a thumbnail of the first one with anything on it.

    Raises ValueError when the bytes are not those taken in.
    """
    data = source.read(LARGEST)
    if found.sha256 and hashlib.sha256(data).hexdigest() != found.sha256:
        raise ValueError("changed since intake: its SHA-256 is another")
    try:
        opened = pdfium.PdfDocument(data)
        pages = min(len(opened), _MOST_PAGES)
        number, drawn = _first(opened, pages)
    except pdfium.PdfiumError as error:
        yield Warn(f"not drawn: {reason_of(error)}")
        return
    content = found.content
    width, height = opened[number].get_size()
    yield Media(
        content=content, format="PDF", width=round(width), height=round(height), frames=pages
    )
    told = f"a PDF of {pages} pages, seen by page {number + 1}"
    yield ContentKind(content=content, form="document", score=0.99, reasons=(told,))
    hashes, quality = dihedral(picked(drawn))
    for algorithm, value in (("pdq", hashes[0]), ("pdq8", b"".join(hashes))):
        yield Fingerprint(content=content, algorithm=algorithm, value=value, quality=quality)
    yield Thumb.of(content, thumbnail(drawn, THUMB))


def first(data: bytes) -> tuple[int, Image.Image]:
    """The first page with anything on it, and it drawn; of empty ones the very first. Raises ValueError."""
    try:
        opened = pdfium.PdfDocument(data)
        return _first(opened, len(opened))
    except pdfium.PdfiumError as error:
        raise ValueError(f"not drawn: {reason_of(error)}") from error


def _first(opened: pdfium.PdfDocument, pages: int) -> tuple[int, Image.Image]:
    if not pages:
        raise pdfium.PdfiumError("no page in it")
    kept: tuple[int, Image.Image] | None = None
    for number in range(min(pages, FIRST_PAGES)):
        drawn = draw(opened[number], SIDE * 2)
        if float(np.asarray(drawn.convert("L")).std()) > _EMPTY_SPREAD:
            return number, drawn
        kept = kept or (number, drawn)
    assert kept is not None
    return kept


def draw(page: pdfium.PdfPage, longest: int) -> Image.Image:
    """A page in RGB on white, its longer side ``longest`` pixels. Raises PdfiumError."""
    width, height = page.get_size()
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise pdfium.PdfiumError(f"a page of {width:g} x {height:g} points")
    bitmap = page.render(scale=longest / max(width, height), rev_byteorder=True)
    image: Image.Image = bitmap.to_pil()
    return image.convert("RGB")


def reason_of(error: Exception) -> str:
    """What PDFium says, for people."""
    text = str(error)
    if "assword" in text:
        return "encrypted: it cannot be read without its password"
    return text or type(error).__name__
