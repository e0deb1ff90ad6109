"""What lies inside documents and behind photographs: the pictures of a PDF, the film behind a motion photo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pypdfium2 as pdfium

from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, carver
from amparo.kit.source import Source
from amparo.model import Content, File
from amparo.recover.entries import EMBEDDED, MADE, Entries, How, Told
from amparo.recover.pdf_pictures import LARGEST, Picture, pictures

_DEEPEST = 3


@carver("pdf", version=1, mimes=("application/pdf",), seconds=600)
def pdf(source: Source, found: Found) -> Iterator[Told]:
    """The pictures in the pages of a PDF, each once, also those of scans and of packed pixels."""
    if found.path.count(MADE) > _DEEPEST:
        yield Warn(f"not looked into: found inside {_DEEPEST} others already")
        return
    entries, seen = Entries(source.stream(), found), set[str]()
    how = How("picture", EMBEDDED, "PDF")
    try:
        for one in pictures(source.read(LARGEST)):
            if isinstance(one, str):
                yield Warn(one)
            elif one.at is not None:
                label = f"page{one.page + 1:04d}-{one.number + 1}.{one.ending}"
                yield from entries.inside(label, ((one.at, len(one.data)),), how)
            else:
                yield from _written(one, found, seen)
    except pdfium.PdfiumError as error:
        locked = "assword" in str(error)
        yield Warn(f"not opened: {'encrypted: needs its password' if locked else error}")


def _written(one: Picture, found: Found, seen: set[str]) -> Iterator[Told]:
    """The records of a picture that is a file only once it is written out."""
    data = one.data
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in seen:
        return
    seen.add(sha256)
    content = Content(
        sha256=sha256,
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        size=len(data),
        mime=sniff(data[:HEAD], len(data)),
    )
    yield content
    place = {"form": "pdf", "page": one.page, "number": one.number}
    yield File(
        exhibit=found.exhibit,
        path=f"{found.path}{MADE}picture/page{one.page + 1:04d}-{one.number + 1}.bmp",
        ordinal=int(found.file.replace("-", "")[:7] or "0", 16),
        state=EMBEDDED,
        size=len(data),
        content=content.id,
        locator=json.dumps({"member": place, "parent": found.file}),
        method="PDF, written out",
    )
