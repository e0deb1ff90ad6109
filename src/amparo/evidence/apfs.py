"""Entries of the volumes of an APFS container, read by libfsapfs; runs in a cell.

APFS keeps nothing of a deleted file that could be listed; encrypted volumes are named as such.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from typing import Any

import pyfsapfs

from amparo.evidence.blocks import BLOCK, Blocks, RunReader, first_line
from amparo.evidence.tsk import DEEPEST, Entry
from amparo.evidence.volumes import Volume
from amparo.kit.plugin import Warn


class Container:
    """The APFS container on one volume of a disk. Raises ValueError when it cannot be read."""

    def __init__(self, blocks: Blocks, volume: Volume) -> None:
        size = min(volume.size, blocks.size - volume.at)
        self._stream = io.BufferedReader(RunReader(blocks, [(volume.at, size)], size), 1 << 16)
        self._container: Any = pyfsapfs.container()
        try:
            self._container.open_file_object(self._stream)
            self.count = int(self._container.get_number_of_volumes())
        except OSError as error:
            raise ValueError(f"the APFS container cannot be read: {first_line(error)}") from error

    def entries(self, number: int) -> Iterator[Entry | Warn]:
        """Everything on one volume (from 0), under ``v1/`` and so on where there are several."""
        try:
            volume = self._container.get_volume(number)
            name = str(volume.name or "")
            if volume.is_locked():
                yield Warn(
                    f"APFS volume {number + 1} ({name}) is encrypted: not read without its key"
                )
                return
            root = volume.get_root_directory()
        except OSError as error:
            yield Warn(f"APFS volume {number + 1} cannot be read: {first_line(error)}")
            return
        prefix = f"v{number + 1}".encode() if self.count > 1 else b""
        waiting: list[tuple[bytes, Any]] = [(prefix, root)]
        seen: set[int] = set()
        while waiting:
            path, folder = waiting.pop()
            inner: list[tuple[bytes, Any]] = []
            try:
                if int(folder.identifier) in seen or path.count(b"/") > DEEPEST:
                    yield Warn(f"APFS folder {path.decode('utf-8', 'replace')} nested without end")
                    continue
                seen.add(int(folder.identifier))
                for entry in folder.sub_file_entries:
                    full = (path + b"/" if path else b"") + _name(entry)
                    mode = int(entry.file_mode)
                    if stat.S_ISDIR(mode):
                        inner.append((full, entry))
                    else:
                        yield _entry(entry, full, mode)
            except OSError as error:
                shown = path.decode("utf-8", "replace") or "/"
                yield Warn(f"APFS folder {shown} not wholly listed: {first_line(error)}")
            waiting += reversed(inner)

    def reader(self, number: int, identifier: int) -> Any:
        """``f(at, size) -> bytes`` of one file. Raises ValueError, and so does what it gives."""
        try:
            file = self._container.get_volume(number).get_file_entry_by_identifier(identifier)
        except OSError as error:
            raise ValueError(first_line(error)) from error

        def read(at: int, size: int) -> bytes:
            try:
                return bytes(file.read_buffer_at_offset(size, at))
            except OSError as error:
                raise ValueError(f"not readable at byte {at}: {first_line(error)}") from error

        return read

    def chunks(self, number: int, identifier: int, size: int) -> Iterator[bytes]:
        """A file's bytes in blocks of up to 1 MiB. Raises ValueError."""
        read, at = self.reader(number, identifier), 0
        while at < size and (data := read(at, min(BLOCK, size - at))):
            yield data
            at += len(data)


def _name(entry: Any) -> bytes:
    return str(entry.name or "").encode("utf-8", "surrogateescape")


def _entry(entry: Any, path: bytes, mode: int) -> Entry:
    """One file or link; ``attribute`` is (0, 0) where there are bytes to read."""
    nanoseconds = int(entry.get_modification_time_as_integer() or 0)
    modified = nanoseconds // 1_000_000 if nanoseconds else None
    inode, links = int(entry.identifier), int(entry.number_of_links or 1)
    if stat.S_ISLNK(mode):
        target = str(entry.symbolic_link_target or "").encode("utf-8", "surrogateescape")
        return Entry(
            path, len(target), modified, "", False, inode, None, None, 0, target, links
        )  # fmt: skip
    if not stat.S_ISREG(mode):
        note = "a device, pipe or socket: not read"
        return Entry(path, 0, modified, "", False, inode, None, None, 0, None, links, note)
    size = int(entry.size or 0)
    return Entry(path, size, modified, "", False, inode, (0, 0), None, size, None, links)
