"""Archives and office documents that lie among an exhibit's files: what they hold, as files read again in place.

A record's locator is ``{"member": {"form": …, …}, "parent": id}``: a member of the file with that id, which may be
a member of another itself. Listing is that of :mod:`amparo.evidence.archive`, within narrower limits. Programs
(APK, JAR) are not opened: they are what somebody installed, not what somebody kept.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

from amparo.evidence.archive import Listed, list_tar, list_zip, take
from amparo.evidence.readers import from_chunks
from amparo.evidence.unpack import BLOCK, STORED, Budget, Limits, Segment, spread, unpacked
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, carver, load
from amparo.kit.source import Reader, Source
from amparo.model import Content, File, Problem, make_id

Told = File | Content | Warn
DEEPEST = 3
"""Files found inside so many others are not opened further."""
MOST = 200_000
"""Members of one archive."""
LIMITS = Limits(member_free=256 << 20, member_ratio=1100, total_free=4 << 30, total_ratio=50)
INSIDE = re.compile("#[a-z]+/")
_MARK = "#inside/"
_ARCHIVES = ("application/zip", "application/x-tar")
_PACKED = {
    "application/gzip": "gz",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
}
_OFFICE = (
    "application/vnd.openxmlformats-officedocument.*",
    "application/vnd.oasis.opendocument.*",
    "application/epub+zip",
)
_CLOSED = {
    "application/vnd.ms-cab-compressed": "CAB",
}
_KEPT_OF_DOCUMENTS = re.compile(
    "image/.*|video/.*|audio/.*|application/(?:pdf|zip|x-ole-storage|rtf|vnd.(?:openxml|oasis).*)"
)
_WRITTEN_OUT = {"pdf": "amparo.recover.pdf_pictures:drawn"}
"""What makes a file of a member that is none by itself."""
_CHUNK = 1 << 16


class Layer(Protocol):
    """What takes one layer of packing off a stream, as bz2 and lzma do."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes) -> bytes: ...


_LAYERS: dict[str, Callable[[], Layer]] = {
    "gz": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=512 << 20),
}


@carver("archive", version=1, mimes=(*_ARCHIVES, *_PACKED, *_CLOSED), seconds=3600)
def archive(source: Source, found: Found) -> Iterator[Told]:
    """Files inside archives that lie on an exhibit, also archives within these."""
    yield from _opened(source, found, lambda content: True)


@carver("document", version=1, mimes=_OFFICE, seconds=600)
def document(source: Source, found: Found) -> Iterator[Told]:
    """Pictures, films and documents inside text documents, tables and presentations."""
    yield from _opened(source, found, lambda c: bool(_KEPT_OF_DOCUMENTS.fullmatch(c.mime)))


def _opened(source: Source, found: Found, wanted: Callable[[Content], bool]) -> Iterator[Told]:
    """The members whose content is wanted; what cannot be opened is a Warn."""
    if len(INSIDE.findall(found.path)) >= DEEPEST:
        yield Warn(f"not opened: found inside {DEEPEST} others already")
        return
    form = _form(source)
    if not form:
        mime = sniff(source.stream().read(HEAD), source.size)
        yield Warn(f"{_CLOSED.get(mime, mime)}: not opened")
        return
    held: dict[str, Content] = {}
    count = 0
    for thing in _listed(source, found, form):
        if isinstance(thing, Content):
            if wanted(thing):
                held[thing.id] = thing
        elif isinstance(thing, File):
            if thing.entry != "file" or thing.content not in held:
                continue
            count += 1
            if count > MOST:
                yield Warn(f"more than {MOST} files in it: the others are left out")
                return
            content = held[thing.content]
            yield content
            yield _placed(thing, found, form)
        else:
            path = f"{thing.path}: " if isinstance(thing, Problem) else ""
            yield Warn(f"{path}{thing.reason}")


def _form(source: Source) -> str:
    mime = sniff(source.stream().read(HEAD), source.size)
    if mime == "application/x-tar":
        return "tar"
    if mime in _CLOSED:
        return ""
    return _PACKED.get(mime, "zip")


def _listed(source: Source, found: Found, form: str) -> Iterator[Listed]:
    if form == "zip":
        return list_zip(source, found, LIMITS)
    if form == "tar":
        return list_tar(source, found, LIMITS)
    return _unpacked(source, found, form)


def _unpacked(source: Source, found: Found, form: str) -> Iterator[Listed]:
    """The one file under a layer of packing."""
    name = found.path.rpartition("/")[2]
    bare, dot, ending = name.rpartition(".")
    if dot and ending.lower() in ("tgz", "tbz", "txz"):
        bare += ".tar"
    chunks = peeled(source.stream(), form)
    taken = take(Budget(source.size, LIMITS).watch(chunks, source.size))
    if taken.content is None:
        yield Warn(taken.trouble)
        return
    yield taken.content
    yield File(
        exhibit=found.exhibit,
        path=bare or name or "unpacked",
        size=taken.content.size,
        content=taken.content.id,
        locator=json.dumps({"size": taken.content.size}),
    )
    if taken.trouble:
        yield Warn(f"read up to byte {taken.content.size}: {taken.trouble}")


def peeled(stream: BinaryIO, form: str) -> Iterator[bytes]:
    """What comes out under a layer of packing, several parts one after another too.

    Raises ValueError for damage.
    """
    stream.seek(0)
    layer, began = _LAYERS[form](), False
    data = stream.read(_CHUNK)
    try:
        while data:
            out = layer.decompress(data)
            for at in range(0, len(out), BLOCK):
                yield out[at : at + BLOCK]
            began = True
            if layer.eof:
                data = layer.unused_data.lstrip(b"\0") or stream.read(_CHUNK).lstrip(b"\0")
                layer, began = _LAYERS[form](), False
            else:
                data = stream.read(_CHUNK)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"damaged compressed data: {error}") from error
    if began:
        raise ValueError("breaks off")


def _placed(file: File, found: Found, form: str) -> File:
    """The record of a member as a file of the exhibit, below the path of what holds it."""
    first = make_id("file", found.exhibit, found.path, 0, "live")
    # Two files may have one path in an exhibit; what is inside each stays apart.
    base = 0 if found.file == first else int(found.file.replace("-", "")[:7] or "0", 16)
    member = {"form": form} | json.loads(file.locator or "{}")
    return replace(
        file,
        path=f"{found.path}{_MARK}{file.path}",
        ordinal=base + file.ordinal,
        locator=json.dumps({"member": member, "parent": found.file}),
    )


class Within(Reader):
    """A stretch of a stream as a stream of its own."""

    def __init__(self, stream: BinaryIO, at: int, size: int) -> None:
        super().__init__(size)
        self._stream = stream
        self._start = at

    def bytes_at(self, at: int, want: int) -> bytes:
        """As they lie in the stream."""
        self._stream.seek(self._start + at)
        return self._stream.read(want)


def member(fds: list[int], locator: str) -> Source:
    """A member of an archive that is a file itself: ``{"reader", "locator", "member", "companions"}``.

    ``reader`` and ``locator`` say how the archive is read. Raises ValueError where it holds less than at intake.
    """
    place = json.loads(locator)
    whole = _whole(fds, str(place["reader"]), str(place["locator"]))
    source = _part(whole, place["member"])
    source.companions = {s: _part(whole, m) for s, m in place.get("companions", {}).items()}
    source.companions["parent"] = whole  # what is read from lives as long
    return source


_last: tuple[tuple[object, ...], bytes] = ((), b"")
"""An archive that had to be unpacked itself, kept because the next member is mostly of the same."""


def _whole(fds: list[int], reader: str, locator: str) -> Source:
    global _last
    status = os.fstat(fds[0])
    key = (reader, locator, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if _last[0] == key:
        return Source.of_bytes(_last[1])
    read: Callable[[list[int], str], Source] = load(reader)  # type: ignore[assignment]
    source = read(fds, locator)
    stream = source.stream()
    if isinstance(stream, io.BytesIO):
        _last = (key, stream.getvalue())
    return source


def _part(whole: Source, place: dict[str, Any]) -> Source:
    form = place["form"]
    if form in _WRITTEN_OUT:
        made: Source = load(_WRITTEN_OUT[form])(whole, place)  # type: ignore[assignment]
        return made
    stream, size = whole.stream(), int(place["size"])
    if form == "zip":
        at, packed, method = int(place["at"]), int(place["packed"]), int(place["method"])
        if method != STORED:
            return from_chunks(lambda: unpacked(stream, at, packed, method), size)
    elif form == "tar" and "sparse" in place:
        segments: list[Segment] = [(int(o), int(n), int(at)) for o, n, at in place["sparse"]]
        return from_chunks(lambda: spread(stream, size, segments), size)
    elif form in _LAYERS:
        return from_chunks(lambda: peeled(stream, form), size)
    at = int(place["at"])
    if at < 0 or at + size > whole.size:
        raise ValueError("lies outside the archive it was found in")
    return Source(io.BufferedReader(Within(stream, at, size), 1 << 17), size)
