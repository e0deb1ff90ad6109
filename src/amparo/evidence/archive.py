"""What a zip or a tar handed over as an exhibit holds; runs in a cell.

Members are hashed while they are unpacked, a block at a time, and nothing is written anywhere. Names are
kept as text and never used as paths. Archives inside are files like any other. Each File's locator holds
what :mod:`amparo.evidence.readers` needs to find its bytes without reading the directory again.
"""

from __future__ import annotations

import hashlib
import json
import stat
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from amparo.evidence import tars, ufdr, zips
from amparo.evidence.unpack import STORED, Budget, Limits, TooLarge, spread, unpacked
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, opener
from amparo.kit.source import Source
from amparo.model import Content, File, Id, Problem, path_text

Listed = File | Content | Problem | Warn

_LONGEST_TARGET = 4096
"""A symlink's target is read up to this many bytes."""


@opener("zip", version=2, forms=("zip",))
def zip(source: Source, found: Found) -> Iterator[Listed]:
    """Files inside a zip or UFDR with their hashes, also where its end was cut off."""
    yield from list_zip(source, found, Limits())


@opener("tar", version=1, forms=("tar",))
def tar(source: Source, found: Found) -> Iterator[Listed]:
    """Files inside a tar with their hashes, sparse and linked ones and those after damage too."""
    yield from list_tar(source, found, Limits())


@dataclass
class Taken:
    """A member's bytes as they came out: ``content`` of what there was, ``trouble`` if that is not all."""

    content: Content | None
    crc: int
    trouble: str


@dataclass
class Listing:
    """Makes the records of one archive; counts names that occur more than once."""

    plugin: str
    exhibit: Id
    seen: Counter[str] = field(default_factory=Counter)

    def file(self, name: bytes, size: int, modified: int | None, **more: Any) -> File:
        """The entry's record with the next free ordinal of its path."""
        path = path_text(name)
        ordinal = self.seen[path]
        self.seen[path] += 1
        return File(
            exhibit=self.exhibit, path=path, ordinal=ordinal, size=size, modified=modified, **more
        )

    def problem(self, file: File, reason: str) -> Problem:
        """What was wrong with one entry."""
        return Problem(
            stage="evidence",
            plugin=self.plugin,
            subject=file.id,
            exhibit=self.exhibit,
            path=file.path,
            reason=reason,
        )


def take(chunks: Iterator[bytes]) -> Taken:
    """Hash a member while it streams; what came before damage counts, damage becomes ``trouble``.

    A member that turns out a bomb has no content at all.
    """
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(usedforsecurity=False)
    md5 = hashlib.md5(usedforsecurity=False)
    head, size, crc, trouble = b"", 0, 0, ""
    try:
        for chunk in chunks:
            sha256.update(chunk)
            sha1.update(chunk)
            md5.update(chunk)
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            if len(head) < HEAD:
                head += chunk[: HEAD - len(head)]
    except TooLarge as error:
        return Taken(None, crc, f"refused as a bomb: {error}")
    except ValueError as error:
        trouble = str(error)
        if not size:
            return Taken(None, crc, trouble)
    content = Content(
        sha256=sha256.hexdigest(),
        sha1=sha1.hexdigest(),
        md5=md5.hexdigest(),
        size=size,
        mime=sniff(head, size),
    )
    return Taken(content, crc, trouble)


class Ranges:
    """Which bytes of the container are already some member's; two members never share any."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> bool:
        """Claim ``[start, end)``; False, and nothing claimed, where part of it is taken."""
        place = bisect_right(self._starts, start)
        if place and self._ends[place - 1] > start:
            return False
        if place < len(self._starts) and self._starts[place] < end:
            return False
        self._starts.insert(place, start)
        self._ends.insert(place, end)
        return True


def list_zip(source: Source, found: Found, limits: Limits) -> Iterator[Listed]:
    """As :func:`zip`, with the limits given."""
    stream, listing = source.stream(), Listing("evidence/zip", found.exhibit)
    budget, ranges = Budget(source.size, limits), Ranges()
    known = zips.directory(stream, source.size)
    if known is not None:
        ranges.add(known.start, source.size)
    report = ufdr.names(stream, source.size)
    yield from map(Warn, report.notes)
    for entry in zips.entries(stream, source.size):
        if isinstance(entry, Warn):
            yield entry
        elif not (stat.S_ISDIR(entry.mode) or entry.name.endswith(b"/")):
            named = report.files.get(entry.name)
            yield from _zip_entry(stream, source.size, entry, listing, budget, ranges, named)


def _zip_entry(
    stream: BinaryIO,
    end: int,
    entry: zips.Entry,
    listing: Listing,
    budget: Budget,
    ranges: Ranges,
    named: ufdr.Named | None,
) -> Iterator[Listed]:
    place: dict[str, object] = {"method": entry.method, "header": entry.header}
    name = named.path if named else entry.name
    state = "deleted" if named and named.deleted else "live"
    if named:
        place["member"] = path_text(entry.name)
    if entry.dos:
        place["dos"] = entry.dos

    def unread(reason: str) -> list[Listed]:
        locator = json.dumps(place)
        file = listing.file(name, entry.size or 0, entry.modified, state=state, locator=locator)
        return [file, listing.problem(file, reason)]

    kind = stat.S_IFMT(entry.mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        yield from unread("a device, pipe or socket: not read")
        return
    if entry.encrypted:
        yield from unread("encrypted: its bytes cannot be read without the password")
        return
    try:
        at, other = zips.data_start(stream, entry)
    except ValueError as error:
        yield from unread(str(error))
        return
    if not ranges.add(entry.header, at + entry.packed):
        yield from unread("shares bytes with another entry or the directory: refused as a bomb")
        return
    if kind == stat.S_IFLNK:
        yield _zip_link(stream, at, entry, listing)
        return
    taken = take(budget.watch(unpacked(stream, at, entry.packed, entry.method), entry.packed))
    content = taken.content
    if content is None:
        yield from unread(taken.trouble)
        return
    place |= {"at": at, "packed": entry.packed, "size": content.size}
    file = listing.file(
        name,
        content.size,
        entry.modified,
        state=state,
        content=content.id,
        locator=json.dumps(place),
    )
    yield content
    yield file
    if at + entry.packed > end:
        yield listing.problem(file, f"breaks off after {content.size} of {entry.size} bytes")
    elif taken.trouble:
        yield listing.problem(file, f"read up to byte {content.size}: {taken.trouble}")
    elif entry.size is not None and entry.size != content.size:
        yield listing.problem(file, f"states {entry.size} bytes and holds {content.size}")
    elif entry.crc is not None and entry.crc != taken.crc:
        yield listing.problem(file, "its checksum (CRC-32) does not fit its bytes")
    if named:
        for reason in ufdr.disagreements(named, content.sha256, content.md5):
            yield listing.problem(file, reason)
    if other != entry.name:
        yield listing.problem(file, f"its own header names it {path_text(other)}")


def _zip_link(stream: BinaryIO, at: int, entry: zips.Entry, listing: Listing) -> File:
    target = b""
    if entry.packed <= _LONGEST_TARGET:
        try:
            target = b"".join(unpacked(stream, at, entry.packed, entry.method))[:_LONGEST_TARGET]
        except ValueError:
            target = b""
    return listing.file(
        entry.name,
        len(target),
        entry.modified,
        entry="symlink",
        locator=json.dumps({"target": path_text(target)}),
    )


def list_tar(source: Source, found: Found, limits: Limits) -> Iterator[Listed]:
    """As :func:`tar`, with the limits given."""
    stream, listing = source.stream(), Listing("evidence/tar", found.exhibit)
    budget = Budget(source.size, limits)
    stored: dict[bytes, tuple[int, Id, str]] = {}
    for entry in tars.entries(stream, source.size):
        if isinstance(entry, Warn):
            yield entry
        elif entry.kind == tars.FILE:
            for record in _tar_file(stream, source.size, entry, listing, budget):
                if isinstance(record, File):
                    stored[entry.name] = (record.size, record.content, record.locator)
                yield record
        elif entry.kind == tars.HARDLINK:
            size, content, locator = stored.get(entry.target, (0, "", ""))
            file = listing.file(entry.name, size, entry.modified, content=content, locator=locator)
            yield file
            if entry.target in stored:
                stored[entry.name] = (size, content, locator)
            else:
                reason = (
                    f"hard link to {path_text(entry.target)}, which is not before it in the tar"
                )
                yield listing.problem(file, reason)
        elif entry.kind == tars.SYMLINK:
            yield listing.file(
                entry.name,
                len(entry.target),
                entry.modified,
                entry="symlink",
                locator=json.dumps({"target": path_text(entry.target)}),
            )
        elif entry.kind == tars.SPECIAL:
            file = listing.file(entry.name, 0, entry.modified)
            yield file
            yield listing.problem(file, "a device or pipe: not read")


def _tar_file(
    stream: BinaryIO, end: int, entry: tars.Entry, listing: Listing, budget: Budget
) -> Iterator[Listed]:
    place: dict[str, object] = {"at": entry.at}
    if entry.segments is None:
        chunks = unpacked(stream, entry.at, entry.size, STORED)
    else:
        chunks = spread(stream, entry.size, entry.segments)
        place["sparse"] = entry.segments
    taken = take(budget.watch(chunks, entry.stored))
    content = taken.content
    if content is None:
        file = listing.file(entry.name, entry.size, entry.modified)
        yield file
        yield listing.problem(file, taken.trouble)
        return
    place["size"] = content.size
    file = listing.file(
        entry.name,
        content.size,
        entry.modified,
        content=content.id,
        locator=json.dumps(place),
    )
    yield content
    yield file
    if content.size < entry.size:
        yield listing.problem(file, f"breaks off after {content.size} of {entry.size} bytes")
