"""The pictures in the pages of a PDF: JPEGs where they lie in it, all others written out as plain bitmaps.

A picture a PDF keeps as packed pixels is no file. It becomes one of a form without choices (a Windows bitmap), so
that the same bytes come out each time it is read; its locator names the page and the place among its pictures.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from amparo.kit.source import Source

LARGEST = 512 << 20
MOST_PAGES = 2_000
MOST_PICTURES = 5_000
MOST_PIXELS = 100_000_000
LEAST = 32
"""Pixels: a picture with a shorter side is a bullet or a rule."""
_DEEPEST = 4
_WHOLE = {"DCTDecode": "jpg", "JPXDecode": "jp2"}


@dataclass(frozen=True)
class Picture:
    """One picture: page and number on it, both from 0; ``data`` as it would lie in a file of its own."""

    page: int
    number: int
    ending: str
    data: bytes
    at: int | None
    """Where it lies in the PDF just like that; None where it had to be written out."""


def pictures(data: bytes) -> Iterator[Picture | str]:
    """Every picture of the first pages, or in words why one is left out. Raises PdfiumError."""
    opened = pdfium.PdfDocument(data)
    count, seen = 0, set[int]()
    for page in range(min(len(opened), MOST_PAGES)):
        for number, held in enumerate(_held(opened, page)):
            count += 1
            if count > MOST_PICTURES:
                yield f"more than {MOST_PICTURES} pictures in it: the others are left out"
                return
            try:
                one = _picture(data, held, page, number, seen)
            except (pdfium.PdfiumError, ValueError, OSError) as error:
                yield f"page {page + 1}, picture {number + 1}: {error}"
                continue
            if one is not None:
                yield one
    if len(opened) > MOST_PAGES:
        yield f"{len(opened)} pages: only the first {MOST_PAGES} were looked at"


def _held(opened: pdfium.PdfDocument, page: int) -> Iterator[pdfium.PdfImage]:
    try:
        objects = opened[page].get_objects((pdfium_c.FPDF_PAGEOBJ_IMAGE,), max_depth=_DEEPEST)
        yield from objects
    except pdfium.PdfiumError:
        return  # a page that cannot be read does not cost the others


def _picture(
    data: bytes, held: pdfium.PdfImage, page: int, number: int, seen: set[int]
) -> Picture | None:
    width, height = held.get_px_size()
    if min(width, height) < LEAST:
        return None
    if width * height > MOST_PIXELS:
        raise ValueError(f"states {width} x {height} pixels, more than are decoded")
    filters = held.get_filters()
    if len(filters) == 1 and filters[0] in _WHOLE:
        kept = bytes(held.get_data())
        at = data.find(kept) if len(kept) > 64 else -1
        if at >= 0:
            if at in seen:
                return None
            seen.add(at)
            return Picture(page, number, _WHOLE[filters[0]], kept, at)
    return Picture(page, number, "bmp", _bitmap(held), None)


def _bitmap(held: pdfium.PdfImage) -> bytes:
    image: Image.Image = held.get_bitmap().to_pil()
    out = io.BytesIO()
    image.convert("RGB").save(out, "BMP")
    return out.getvalue()


def drawn(whole: Source, place: dict[str, Any]) -> Source:
    """One picture of a PDF written out again, by the page and number in its locator. Raises ValueError."""
    try:
        opened = pdfium.PdfDocument(whole.read(LARGEST))
        for number, held in enumerate(_held(opened, int(place["page"]))):
            if number == int(place["number"]):
                width, height = held.get_px_size()
                if width * height > MOST_PIXELS:
                    break
                return Source.of_bytes(_bitmap(held))
    except pdfium.PdfiumError as error:
        raise ValueError(f"the PDF cannot be read: {error}") from error
    raise ValueError("the PDF holds no such picture any more")
