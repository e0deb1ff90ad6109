"""Collections of small pictures that systems keep, often longer than the pictures themselves.

::

    Android gallery  imgcache.*, mini, micro: BlobCache of AOSP Gallery2
        u32 0xBD248510; then blobs: u64 key, u32 adler32, u32 offset, u32 length, bytes
        bytes: UTF-16LE "path+modified+type", then a JPEG
    Android media    .thumbdata3--*, .thumbdata4--*: MiniThumbFile, one slot of 10,000 bytes per id
        u8 1, u64 magic, u32 length (big-endian), JPEG
    Windows Vista…   thumbcache_*.db: "CMMM", u32 version, u32 type, …; entries
        "CMMM", u32 size, u64 hash, [Vista: 8 bytes; 8 and later: u32 width, u32 height],
        u32 length of name, u32 of padding, u32 of data, u32 0, u64, u64, name UTF-16LE, padding, data
    Windows to XP    thumbs.db: OLE streams "1", "21" … or "256_hash", each u32 12, u32 1, u32 length,
        JPEG; stream "Catalog" has their names (number read backwards)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from amparo.kit.spans import Range, Spans
from amparo.recover import compound

_PICTURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{4}\0\0\0\0|RIFF.{4}WEBP", re.S)
_ENDINGS = {b"\xff": "jpg", b"\x89": "png", b"B": "bmp", b"R": "webp"}
_BLOB_CACHE = b"\x10\x85\x24\xbd"
_SLOT = 10_000
MOST = 2_000_000
"""Entries of one collection."""


@dataclass(frozen=True)
class Small:
    """One picture of a collection: what the collection calls it, its ending and where its bytes lie."""

    name: str
    ending: str
    segments: tuple[Range, ...]


def collection(view: Spans) -> Iterator[Small] | None:
    """The pictures of a collection; None where the bytes are no collection that is known."""
    head = view.read(0, 64)
    kind: Callable[[Spans], Iterator[Small]]
    if head[:4] == b"CMMM":
        kind = windows
    elif head[:4] == _BLOB_CACHE:
        kind = blob_cache
    elif head[:8] == compound.MAGIC and _keeps_thumbnails(view):
        kind = thumbs_db
    elif _slots(view, 0, 40):
        kind = slots
    else:
        return None
    return kind(view)


def blob_cache(view: Spans) -> Iterator[Small]:
    """Pictures of the Android gallery's cache, called by the path the gallery had for the original."""
    at, number = 4, 0
    while number < MOST:
        head = view.read(at, 20)
        if len(head) < 20:
            return
        length = int.from_bytes(head[16:20], "little")
        if int.from_bytes(head[12:16], "little") != at or not 0 < length <= view.size - at - 20:
            return
        start = view.read(at + 20, min(length, 4096))
        if found := _PICTURE.search(start):
            name = start[: found.start()].decode("utf-16-le", "replace")
            yield _small(view, name, start, found.start(), at + 20, length)
        at += 20 + length
        number += 1


def slots(view: Spans) -> Iterator[Small]:
    """Pictures of Android's small thumbnails, called by the number the media store gave the original."""
    for number in range(min(view.size // _SLOT + 1, MOST)):
        head = view.read(number * _SLOT, 16)
        length = int.from_bytes(head[9:13])
        if head[:1] == b"\1" and head[13:16] == b"\xff\xd8\xff" and 0 < length <= _SLOT - 13:
            place = view.segments(number * _SLOT + 13, length)
            yield Small(str(number), "jpg", place)


def _slots(view: Spans, first: int, most: int) -> bool:
    """Whether the beginning looks like slots of 10,000 bytes, most of them empty perhaps."""
    good = 0
    for number in range(first, min(first + most, view.size // _SLOT + 1)):
        head = view.read(number * _SLOT, 16)
        if not head.strip(b"\0"):
            continue
        if head[:1] not in (b"\0", b"\1") or head[13:16] != b"\xff\xd8\xff"[: len(head) - 13]:
            return False
        good += 1
    return good > 0


def windows(view: Spans) -> Iterator[Small]:
    """Pictures of a Windows thumbnail cache, called by the 64-bit hash that its index knows them by."""
    version = int.from_bytes(view.read(4, 4), "little")
    sizes = 16 if version == 0x15 else 24
    at = view.find(b"CMMM", 12, view.size)
    for _ in range(MOST):
        head = view.read(at, sizes + 32)
        if at < 0 or len(head) < sizes + 32:
            return
        whole = int.from_bytes(head[4:8], "little")
        name, padding, length = struct.unpack_from("<III", head, sizes)
        begin = at + sizes + 32 + name + padding
        fits = head[:4] == b"CMMM" and begin + length <= min(at + whole, view.size)
        if fits and length:
            start = view.read(begin, 16)
            if found := _PICTURE.match(start):
                label = f"{int.from_bytes(head[8:16], 'little'):016x}"
                yield _small(view, label, start, found.start(), begin, length)
        following = at + whole if fits else at + 4
        at = (
            following
            if view.read(following, 4) == b"CMMM"
            else view.find(b"CMMM", following, view.size)
        )


def thumbs_db(view: Spans) -> Iterator[Small]:
    """Pictures of a thumbs.db, called as its catalog calls the originals."""
    storage = compound.Storage(view)
    names = _catalog(storage)
    for name, stream in storage.streams():
        start = stream.read(0, 256)
        found = _PICTURE.search(start)
        if found is None or found.start() not in (12, 16, 24):
            continue
        yield _small(stream, names.get(name, name), start, found.start(), 0, stream.size)


def _keeps_thumbnails(view: Spans) -> bool:
    """Whether a compound file is a thumbs.db: a catalog, or streams called by numbers. Others are documents."""
    try:
        names = [name for name, _ in compound.Storage(view).streams()]
    except (ValueError, struct.error, IndexError):
        return True
    return not names or any(re.fullmatch(r"Catalog|\d+(_[0-9a-f]+)?", n) for n in names)


def _catalog(storage: compound.Storage) -> dict[str, str]:
    """Names by stream: the number of an entry, its digits backwards, is the name of its stream."""
    names: dict[str, str] = {}
    for name, stream in storage.streams():
        if name != "Catalog":
            continue
        data = stream.read(0, 16 << 20)
        at = int.from_bytes(data[:2], "little")
        while at + 16 < len(data) and len(names) < MOST:
            size, number = struct.unpack_from("<II", data, at)
            if not 16 < size <= len(data) - at:
                break
            label = data[at + 16 : at + size].decode("utf-16-le", "replace").split("\0")[0]
            names[str(number)[::-1]] = label
            at += size
    return names


def _small(view: Spans, name: str, start: bytes, inside: int, at: int, length: int) -> Small:
    ending = _ENDINGS[start[inside : inside + 1]]
    return Small(name, ending, view.segments(at + inside, length - inside))
