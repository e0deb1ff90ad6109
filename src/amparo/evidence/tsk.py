"""Entries of a file system as The Sleuth Kit finds them, those still listed and those deleted.

Runs in a cell. Deleted entries come from what directories still hold of them and, where the file system
keeps one record per file (the MFT of NTFS, the tables of ext), from records that no name leads to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytsk3

from amparo.evidence.blocks import BLOCK, Blocks, Run
from amparo.evidence.volumes import Image, Volume
from amparo.kit.plugin import Warn

DEEPEST = 512
"""Folders nested deeper are named in a Warn and not entered."""
LARGEST = 1 << 44
"""A file that states to be larger (bytes) is not believed: only looking for its blocks would take hours."""
MOST_RUNS = 400
"""A file in more pieces is found again by its record instead of by its runs."""

_DATA = {int(pytsk3.TSK_FS_ATTR_TYPE_DEFAULT), int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_DATA)}
_HFS_DATA = int(pytsk3.TSK_FS_ATTR_TYPE_HFS_DATA)
_NTFS_NAME = int(pytsk3.TSK_FS_ATTR_TYPE_NTFS_FNAME)
_HFS_FORK = int(pytsk3.TSK_FS_ATTR_TYPE_HFS_RSRC)
_NONRESIDENT, _ENCRYPTED, _COMPRESSED = 2, 16, 32  # TSK_FS_ATTR_FLAG_ENUM
_ALLOCATED, _UNALLOCATED = 1, 2  # TSK_FS_NAME_FLAG_ENUM, TSK_FS_META_FLAG_ENUM
_FILLER, _SPARSE = 1, 2  # TSK_FS_ATTR_RUN_FLAG_ENUM
_REGULAR, _FOLDER, _LINK = 1, 2, 6  # TSK_FS_META_TYPE_ENUM
_VIRTUAL, _VIRTUAL_FOLDER = 10, 11
_BY_RECORD = ("NTFS", "ISO 9660")
"""Here a run says less than the record: bytes never written (NTFS), gaps between extents (ISO)."""
_CHAINED = ("FAT", "exFAT")
"""Here a deleted entry says where its first cluster is; the others are taken to follow it."""
_ERRORS = (OSError, RuntimeError)
"""What pytsk3 raises over damage, the second where our own reading failed beneath it."""
_ORPHANS = b"$OrphanFiles"
_MOST_DAMAGED = 10_000
"""Unreadable entries of one folder after which the rest of it is given up."""
_LEAST_RECORD = {"ext": 128, "NTFS": 512, "FAT": 32, "exFAT": 32}
"""Bytes of the smallest record of a file: more records than fit are a lie, and scanning them endless."""


@dataclass(frozen=True)
class Entry:
    """One name, or one record without a name, with where its bytes lie."""

    path: bytes
    size: int
    modified: int | None
    """Milliseconds UTC."""
    local: str
    """Local time of an unknown zone, where no UTC time was kept."""
    deleted: bool
    inode: int
    attribute: tuple[int, int] | None
    """Type and id of the attribute that holds the bytes; None when there is none to read."""
    runs: list[Run] | None
    """Where the bytes lie on the disk; None when only the record can tell."""
    stored: int
    """Bytes of the disk it takes."""
    target: bytes | None = None
    """Of a symbolic link."""
    links: int = 1
    note: str = ""
    extents: tuple[Run, ...] = ()
    """Where the bytes lie as far as known, also where ``runs`` is None; () when inside the record."""
    slack: tuple[Run, ...] = ()
    """What is allocated to it behind its end."""
    guessed: bool = False
    """The extents are a guess from the first one and the size."""
    plain: bool = True
    """Whether the extents hold the bytes as they are, not compressed or encrypted."""


@dataclass(frozen=True)
class _Layout:
    """Where one attribute lies."""

    runs: list[Run] | None
    stored: int
    extents: tuple[Run, ...] = ()
    slack: tuple[Run, ...] = ()
    plain: bool = True


@dataclass
class FileSystem:
    """An open file system: ``volume`` says where it lies."""

    blocks: Blocks
    volume: Volume
    names_only: int = 0
    """Deleted names whose record is gone or belongs to another file by now."""
    _folders: dict[int, bytes] = field(default_factory=dict)
    """Folders walked, by record, with their paths."""
    _records: set[int] = field(default_factory=set)
    """Records that some name led to."""
    _listed: set[tuple[bytes, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._image = Image(self.blocks)
        try:
            self._fs = pytsk3.FS_Info(self._image, offset=self.volume.at)
        except _ERRORS as error:
            raise ValueError(reason_of(error)) from error
        self._block = int(self._fs.info.block_size)

    def entries(self) -> Iterator[Entry | Warn]:
        """All entries, folder by folder; what cannot be read is a Warn and the rest goes on."""
        waiting: list[tuple[bytes, Any, bool]] = [(b"", int(self._fs.info.root_inum), False)]
        while waiting:
            path, inode, deleted = waiting.pop()
            if inode in self._folders:
                continue
            self._folders[inode] = path
            if path == _ORPHANS and not self._plausible():
                yield Warn(
                    "it states more records of files than it can hold: not scanned for lost ones"
                )
                continue
            inner: list[tuple[bytes, Any, bool]] = []
            if path.count(b"/") > DEEPEST:
                yield Warn(f"folder not listed: nested over {DEEPEST} deep")
                continue
            shown = path.decode("utf-8", "replace") or "/"
            try:
                if int(self._fs.open_meta(inode=inode).info.meta.size) > self._room():
                    yield Warn(f"folder {shown} not listed: states to be larger than the volume")
                    continue
                folder = self._fs.open_dir(inode=inode)
            except _ERRORS as error:
                yield Warn(f"folder {shown} not listed: {reason_of(error)}")
                continue
            damaged, things = 0, iter(folder)
            while damaged <= _MOST_DAMAGED:
                try:
                    found = list(self._named(next(things), path, deleted, inner))
                except StopIteration:
                    break
                except _ERRORS:
                    damaged += 1
                    continue
                yield from found
            if damaged:
                yield Warn(f"folder {shown}: {damaged} entries cannot be read")
            waiting += reversed(inner)
        if self.volume.kind == "NTFS" and self._plausible():
            yield from self._nameless()

    def _plausible(self) -> bool:
        """Whether as many records as it states can lie on this volume."""
        least = _LEAST_RECORD.get(self.volume.kind, 32)
        return int(self._fs.info.last_inum) <= self._room() // least + 4096

    def _room(self) -> int:
        """Bytes of the volume that are in the image."""
        return min(self.volume.size, self.blocks.size - self.volume.at)

    def _nameless(self) -> Iterator[Entry]:
        """Files that only their record in the MFT still tells of, under the name it keeps."""
        for inode in range(int(self._fs.info.first_inum), int(self._fs.info.last_inum)):
            if inode in self._records or inode in self._folders:
                continue
            try:
                thing = self._fs.open_meta(inode=inode)
                meta = thing.info.meta
                if not int(meta.flags) & _UNALLOCATED or int(meta.type) != _REGULAR:
                    continue
                name, parent = ntfs_name(thing)
                folder = self._folder_of(parent)
            except _ERRORS:
                continue
            if name:
                yield from self._of_record(
                    thing, folder + b"/" + name if folder else name, True, inode
                )

    def _folder_of(self, inode: int) -> bytes:
        """The path of a folder by its record, as far up as records still say."""
        parts: list[bytes] = []
        seen: set[int] = set()
        while inode not in self._folders:
            name, parent = b"", inode
            if inode not in seen and len(seen) < DEEPEST:
                seen.add(inode)
                name, parent = ntfs_name(self._fs.open_meta(inode=inode))
            if not name or parent == inode:
                return b"/".join([_ORPHANS, *reversed(parts)])
            parts.append(name)
            inode = parent
        above = self._folders[inode]
        return b"/".join([*([above] if above else []), *reversed(parts)])

    def _named(
        self, thing: Any, folder: bytes, deleted: bool, inner: list[tuple[bytes, Any, bool]]
    ) -> Iterator[Entry]:
        name, meta = thing.info.name, thing.info.meta
        text = bytes(name.name or b"")
        if text in (b".", b"..", b"") or int(name.type) in (_VIRTUAL,):
            return
        orphans = not folder and text == _ORPHANS
        path = folder + b"/" + text if folder else text
        gone = deleted or orphans or bool(int(name.flags) & _UNALLOCATED)
        inode = int(name.meta_addr)
        if meta is None and gone and inode and self.volume.kind == "NTFS":
            thing, meta = self._deleted_record(thing, inode, int(name.meta_seq))
        kept = meta is not None and not (gone and not orphans and int(meta.flags) & _ALLOCATED)
        self._records.add(inode if kept else 0)
        if not kept:
            if gone and (path, -1) not in self._listed:
                self._listed.add((path, -1))
                self.names_only += 1
                yield Entry(path, 0, None, "", True, inode, None, None, 0, note="name only")
            return
        kind = int(meta.type)
        if kind in (_FOLDER, _VIRTUAL_FOLDER):
            inner.append((path, inode, gone))
            return
        if (path, inode) in self._listed:
            return
        if gone:
            self._listed.add((path, inode))
        yield from self._of_record(thing, path, gone, inode)

    def _deleted_record(self, thing: Any, inode: int, sequence: int) -> tuple[Any, Any]:
        """The record behind a deleted name: deleting a file counted its sequence up by one."""
        try:
            record = self._fs.open_meta(inode=inode)
        except _ERRORS:
            return thing, None
        meta = record.info.meta
        if int(meta.flags) & _UNALLOCATED and int(meta.seq) in (sequence, sequence + 1):
            return record, meta
        return thing, None

    def _of_record(self, thing: Any, path: bytes, deleted: bool, inode: int) -> Iterator[Entry]:
        meta = thing.info.meta
        kind = int(meta.type)
        when, local = self._times(meta)
        links = int(meta.nlink)
        if kind == _LINK:
            target = bytes(meta.link or b"")
            yield Entry(
                path, len(target), when, local, deleted, inode, None, None, 0, target, links
            )
            return
        if kind not in (_REGULAR, 0):
            note = "a device, pipe or socket: not read"
            yield Entry(path, 0, when, local, deleted, inode, None, None, 0, None, links, note)
            return
        size = int(meta.size)
        if not 0 <= size <= LARGEST:
            note = f"states a size of {size} bytes: not read"
            yield Entry(path, 0, when, local, deleted, inode, None, None, 0, None, links, note)
            return
        found = False
        for attribute in thing:
            info = attribute.info
            type_ = int(info.type)
            if type_ not in _DATA and type_ not in (_HFS_DATA, _HFS_FORK):
                continue
            stream = bytes(info.name or b"") if type_ != _HFS_FORK else b"rsrc"
            if type_ == _HFS_FORK and not int(info.size):
                continue
            if stream == b"$Bad":  # as large as the volume and stored nowhere
                continue
            if stream in (b"$Data", b"DATA"):  # how the main stream is called where it has a name
                stream = b""
            full = path + b":" + stream if stream else path
            found = found or not stream
            size = int(info.size)
            if size < 0:
                continue
            lies = self._layout(attribute, size)
            note = "encrypted by the file system" if int(info.flags) & _ENCRYPTED else ""
            yield Entry(
                full, size, when, local, deleted, inode, (type_, int(info.id)), lies.runs, lies.stored,
                None, links, note, lies.extents, () if deleted else lies.slack,
                deleted and self.volume.kind in _CHAINED and size > self._block, lies.plain,
            )  # fmt: skip
        if not found:
            size = int(meta.size)
            if not size and path.startswith(_ORPHANS):
                return  # a record wiped clean, or one never used
            if deleted and size:
                self.names_only += 1
            note = "its record no longer says where its bytes lie" if size else ""
            yield Entry(path, size, when, local, deleted, inode, None, None, 0, None, links, note)

    def _times(self, meta: Any) -> tuple[int | None, str]:
        seconds = int(meta.mtime)
        if not seconds:
            return None, ""
        if self.volume.kind in ("FAT", "exFAT"):
            # Made from local time by the C library's zone; undone by the same zone.
            return None, time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))
        return seconds * 1000 + int(meta.mtime_nano) // 1_000_000, ""

    def _layout(self, attribute: Any, size: int) -> _Layout:
        """Runs in bytes of the disk, and how many bytes of it they take."""
        if not int(attribute.info.flags) & _NONRESIDENT:
            return _Layout(None, size)
        plain = whole = not int(attribute.info.flags) & (_COMPRESSED | _ENCRYPTED)
        runs: list[Run] = []
        slack: list[Run] = []
        covered = stored = 0
        for run in attribute:
            length = int(run.len) * self._block
            flags = int(run.flags)
            if flags & (_SPARSE | _FILLER):
                if flags & _FILLER:
                    whole = False
                at = -1
            else:
                at = self.volume.at + int(run.addr) * self._block
                stored += length
                used = min(length, max(0, size - covered))
                if plain and used < length:
                    slack.append((at + used, length - used))
            length = min(length, max(0, size - covered))
            covered += length
            if length <= 0:
                continue
            last = runs[-1] if runs else (0, 0)
            if runs and (at == last[0] == -1 or (last[0] >= 0 and at == last[0] + last[1])):
                runs[-1] = (last[0], last[1] + length)
            else:
                runs.append((at, length))
        if self.volume.kind in _BY_RECORD or len(runs) > MOST_RUNS or covered < size:
            whole = False
        known = tuple(run for run in runs if run[0] >= 0)
        return _Layout(runs if whole else None, stored, known, tuple(slack), plain)

    def chunks(self, inode: int, attribute: tuple[int, int], size: int) -> Iterator[bytes]:
        """A file's bytes by its record, in blocks of up to 1 MiB. Raises ValueError."""
        reader = self.reader(inode, attribute)
        at = 0
        while at < size:
            data = reader(at, min(BLOCK, size - at))
            if not data:
                return
            yield data
            at += len(data)

    def reader(self, inode: int, attribute: tuple[int, int]) -> Any:
        """``f(at, size) -> bytes`` of one file. Raises ValueError, and so does what it gives."""
        try:
            file = self._fs.open_meta(inode=inode)
        except _ERRORS as error:
            raise ValueError(reason_of(error)) from error

        def read(at: int, size: int) -> bytes:
            try:
                return bytes(file.read_random(at, size, attribute[0], attribute[1]))
            except _ERRORS as error:
                raise ValueError(reason_of(error)) from error

        return read


def ntfs_name(record: Any) -> tuple[bytes, int]:
    """The longest name in a record of the MFT and the record of its folder; (b"", 0) without any.

    $FILE_NAME: reference to the folder at 0 (6 of 8 bytes), length of the name at 0x40, name in
    UTF-16 at 0x42 (NTFS documentation of the Linux-NTFS project).
    """
    best, parent = b"", 0
    for attribute in record:
        if int(attribute.info.type) != _NTFS_NAME:
            continue
        data = bytes(record.read_random(0, int(attribute.info.size), _NTFS_NAME, attribute.info.id))
        if len(data) < 0x42:
            continue
        text = data[0x42 : 0x42 + 2 * data[0x40]].decode("utf-16-le", "replace")
        name = text.replace("/", "_").encode("utf-8", "replace")
        if len(name) > len(best):
            best, parent = name, int.from_bytes(data[:6], "little")
    return best, parent


def reason_of(error: BaseException) -> str:
    """The Sleuth Kit's complaint without its place in the source."""
    text = str(error).split("\n")[0].strip()
    return text.rpartition("error: ")[2] or text or type(error).__name__
