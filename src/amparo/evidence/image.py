"""What a block image handed over as an exhibit holds: volumes, their files, and what was deleted there.

Everything here runs in a cell: the libraries below are native code on hostile bytes. Each file is hashed
while it streams. Its locator holds the form of the image and either its runs (``[position, length]`` on
the disk, position -1 for zeros) or its record, so that its bytes are found again without a walk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from amparo.evidence import bitlocker, ewf, luks
from amparo.evidence.apfs import Container
from amparo.evidence.archive import Listed, Listing, take
from amparo.evidence.blocks import (
    FORMS,
    Blocks,
    Raw,
    of_runs,
    source_of_runs,
)
from amparo.evidence.free import free_of
from amparo.evidence.opened import BITLOCKER, LUKS, Unlocked, open_disk
from amparo.evidence.reuse import Free, left
from amparo.evidence.signatures import ENCRYPTED, READ
from amparo.evidence.tsk import MOST_RUNS, Entry, FileSystem
from amparo.evidence.unpack import Budget, Limits
from amparo.evidence.volumes import Volume, volumes
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, opener
from amparo.kit.source import Source
from amparo.model import File


class Disk(Source):
    """An image as a Source: the disk's bytes, ``blocks`` to reach any place, and its segments."""

    def __init__(self, blocks: Blocks, form: str, fds: Sequence[int]) -> None:
        whole = source_of_runs(blocks, [(0, blocks.size)], blocks.size)
        super().__init__(whole.stream(), blocks.size)
        self.blocks = blocks
        self.form = form
        self.fds = fds


def disk(fds: list[int], locator: str) -> Disk:
    """The image behind all descriptors in order; ``{"image": form}``, with ``opened`` as in :mod:`.opened`."""
    place = json.loads(locator)
    return Disk(open_disk(place, fds), str(place["image"]), fds)


@opener("image", version=2, forms=FORMS)
def image(source: Source, found: Found) -> Iterator[Listed]:
    """Files on a disk or card image with their hashes, deleted ones with what is left of them."""
    if not isinstance(source, Disk):
        raise TypeError("an image is opened with the reader image:disk")
    yield from list_image(source, found, Limits())


def list_image(source: Disk, found: Found, limits: Limits) -> Iterator[Listed]:
    """As :func:`image`, with the limits given."""
    budget = Budget(source.blocks.size, limits)
    listing = Listing("evidence/image", found.exhibit)
    opened = 0
    for volume in volumes(source.blocks):
        if isinstance(volume, Warn):
            yield volume
            continue
        opened += 1
        yield from _volume(source, volume, listing, budget)
    if not opened:
        yield Warn("the partition table names no volume")
    if source.form == "ewf":
        blocks = source.blocks
        below = blocks.below if isinstance(blocks, Unlocked) else blocks
        yield from ewf.verify(below, source.fds)


def _volume(source: Disk, volume: Volume, listing: Listing, budget: Budget) -> Iterator[Listed]:
    where = f"volume {volume.name}" if volume.name else "the volume"
    kind = volume.kind
    if kind in ENCRYPTED:
        yield Warn(f"encrypted: {where} is not read. {kind}{_needs(source.blocks, volume)}")
    elif kind == "APFS":
        yield from _apfs(source, volume, listing, budget, where)
    elif kind in READ:
        yield from _sleuth_kit(source, volume, listing, budget, where)
    elif kind == "swap space":
        yield Warn(f"{where} is swap space: no files")
    else:
        yield Warn(f"{where}: {kind or 'no known file system'}, which is not read")


def _needs(blocks: Blocks, volume: Volume) -> str:
    """Which keys would open an encrypted volume, as far as it says so itself."""

    def read(at: int, size: int) -> bytes:
        return blocks.read(volume.at + at, min(size, volume.size - at)) if at < volume.size else b""

    try:
        if volume.kind == BITLOCKER:
            return f", {bitlocker.metadata(read).needs()}"
        if volume.kind == LUKS:
            return f": {luks.header(read).needs()}"
    except ValueError as error:
        return f": {error}"
    return ", which is not opened"


def _sleuth_kit(
    source: Disk, volume: Volume, listing: Listing, budget: Budget, where: str
) -> Iterator[Listed]:
    try:
        system = FileSystem(source.blocks, volume)
    except ValueError as error:
        yield Warn(f"{where} ({volume.kind}) cannot be read: {error}")
        return

    def chunks(entry: Entry) -> Iterator[bytes]:
        if entry.runs is not None:
            return of_runs(source.blocks, entry.runs, entry.size)
        assert entry.attribute is not None
        return system.chunks(entry.inode, entry.attribute, entry.size)

    def place(entry: Entry) -> dict[str, object]:
        if entry.runs is not None:
            return {"runs": entry.runs}
        return {"fs": volume.at, "inode": entry.inode, "attribute": entry.attribute}

    deleted: list[Entry] = []
    for thing in system.entries():
        if isinstance(thing, Warn):
            yield Warn(f"{where}: {thing.reason}")
        elif thing.deleted:
            deleted.append(thing)
        else:
            yield from _take(thing, chunks, place, source.form, volume.name, listing, budget)
            yield from _slack(thing, source, volume.name, listing)
    ranges = free_of(source.blocks, volume) if deleted else None
    free = None if ranges is None else Free(ranges)
    for found in left(deleted, free):
        says = {"method": found.method, "confidence": found.confidence}
        for record in _take(
            found.entry, chunks, place, source.form, volume.name, listing, budget, says
        ):
            yield record
            if found.reason and isinstance(record, File):
                yield listing.problem(record, found.reason)
    if system.names_only:
        yield Warn(
            f"{where}: of {system.names_only} deleted entries only the name or record is left"
        )


def _apfs(
    source: Disk, volume: Volume, listing: Listing, budget: Budget, where: str
) -> Iterator[Listed]:
    try:
        container = Container(source.blocks, volume)
    except ValueError as error:
        yield Warn(f"{where}: {error}")
        return
    for number in range(container.count):

        def chunks(entry: Entry, number: int = number) -> Iterator[bytes]:
            return container.chunks(number, entry.inode, entry.size)

        def place(entry: Entry, number: int = number) -> dict[str, object]:
            return {"apfs": [volume.at, volume.size], "volume": number, "inode": entry.inode}

        for thing in container.entries(number):
            if isinstance(thing, Warn):
                yield Warn(f"{where}: {thing.reason}")
            else:
                yield from _take(thing, chunks, place, source.form, volume.name, listing, budget)


def _take(
    entry: Entry,
    chunks: Callable[[Entry], Iterator[bytes]],
    place: Callable[[Entry], dict[str, object]],
    form: str,
    prefix: str,
    listing: Listing,
    budget: Budget,
    says: Mapping[str, object] = MappingProxyType({}),
) -> Iterator[Listed]:
    """The records of one entry; its bytes are hashed where it has any. ``says`` is of a deleted one."""
    name = f"{prefix}/".encode() + entry.path if prefix else entry.path
    where: dict[str, object] = {"image": form, "inode": entry.inode}
    if entry.local:
        where["local"] = entry.local
    state = "deleted" if entry.deleted else "live"
    if entry.target is not None:
        where["target"] = entry.target.decode("utf-8", "backslashreplace")
        yield listing.file(
            name,
            entry.size,
            entry.modified,
            entry="symlink",
            state=state,
            locator=json.dumps(where),
            **says,
        )
        return
    if entry.attribute is None or entry.note:
        file = listing.file(
            name, entry.size, entry.modified, state=state, locator=json.dumps(where), **says
        )
        yield file
        if entry.note and not entry.deleted:
            yield listing.problem(file, entry.note)
        return
    where |= {**place(entry), "size": entry.size}
    taken = take(budget.watch(chunks(entry), entry.stored))
    content = taken.content
    if content is None:
        file = listing.file(
            name, entry.size, entry.modified, state=state, locator=json.dumps(where), **says
        )
        yield file
        yield listing.problem(file, taken.trouble)
        return
    where["size"] = content.size
    file = listing.file(
        name,
        content.size,
        entry.modified,
        state=state,
        content=content.id,
        locator=json.dumps(where),
        **says,
    )
    yield content
    yield file
    if taken.trouble:
        yield listing.problem(file, f"read up to byte {content.size}: {taken.trouble}")
    elif content.size < entry.size:
        yield listing.problem(file, f"breaks off after {content.size} of {entry.size} bytes")


def _slack(entry: Entry, source: Disk, prefix: str, listing: Listing) -> Iterator[Listed]:
    """What is left of earlier files behind the end of this one, as a file of its own; zeros are nothing."""
    size = sum(length for _, length in entry.slack)
    if not size or len(entry.slack) > MOST_RUNS:
        return
    try:
        if not any(any(chunk) for chunk in of_runs(source.blocks, entry.slack, size)):
            return
    except ValueError:
        return
    taken = take(of_runs(source.blocks, entry.slack, size))
    if taken.content is None:
        return
    name = (f"{prefix}/".encode() if prefix else b"") + entry.path + b"#slack"
    where = {"image": source.form, "runs": entry.slack, "size": taken.content.size}
    yield taken.content
    yield listing.file(
        name,
        taken.content.size,
        None,
        state="slack",
        content=taken.content.id,
        locator=json.dumps(where),
    )


def image_file(fds: list[int], locator: str) -> Source:
    """A file of the image behind the descriptors, with its companions; see :func:`image`."""
    place = json.loads(locator)
    blocks = open_disk(place, fds)
    source = _file(blocks, place, fds)
    source.companions = {
        suffix: _file(blocks, other, fds) for suffix, other in place.get("companions", {}).items()
    }
    return source


def _file(blocks: Blocks, place: dict[str, Any], fds: Sequence[int]) -> Source:
    size = int(place["size"])
    if "runs" in place:
        runs = [(int(at), int(length)) for at, length in place["runs"]]
        plain = isinstance(blocks, Raw) and len(fds) == len(runs) == 1
        if plain and runs[0][0] >= 0:
            return Source.of_fd(fds[0], runs[0][0], size)
        return source_of_runs(blocks, runs, size)
    if "apfs" in place:
        at, length = place["apfs"]
        container = Container(blocks, Volume("", int(at), int(length), "APFS"))
        read = container.reader(int(place["volume"]), int(place["inode"]))
    else:
        system = FileSystem(blocks, Volume("", int(place["fs"]), blocks.size, ""))
        type_, number = place["attribute"]
        read = system.reader(int(place["inode"]), (int(type_), int(number)))
    return source_of_runs(_Read(read, size), [(0, size)], size)


class _Read:
    """One file read by its record, as :class:`Blocks`."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self.size = size

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place."""
        return self._read(at, size)
