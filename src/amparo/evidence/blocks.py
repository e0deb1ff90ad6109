"""A disk's bytes behind whatever image form it was acquired in; runs in a cell.

Every form becomes one sequence of bytes. The container formats are read by the libyal libraries, which
are given file objects over descriptors and can open nothing themselves.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyewf
import pymodi
import pyqcow
import pyvhdi
import pyvmdk

from amparo.kit.source import FdReader, Reader, Source

FORMS = ("raw", "ewf", "vmdk", "vhd", "qcow", "dmg")
BLOCK = 1 << 20

Run = tuple[int, int]
"""Part of a file: position in the disk's bytes (-1 for zeros that are stored nowhere) and length."""


class Blocks(Protocol):
    """``size`` bytes of a disk; ``read`` gives what lies at a place, fewer bytes only at the end.

    ``read`` raises ValueError, with one line for people, where the medium or its image is damaged.
    """

    @property
    def size(self) -> int: ...
    def read(self, at: int, size: int) -> bytes: ...


class Raw:
    """The segments of a raw image, one after another."""

    def __init__(self, fds: Sequence[int]) -> None:
        self._fds = list(fds)
        self._starts, self.size = [], 0
        for fd in self._fds:
            self._starts.append(self.size)
            self.size += os.fstat(fd).st_size

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place, across segments."""
        out = b""
        size = min(size, self.size - at)
        while size > 0:
            index = bisect_right(self._starts, at) - 1
            try:
                data = os.pread(self._fds[index], size, at - self._starts[index])
            except OSError as error:
                raise ValueError(f"not readable at byte {at}: {error.strerror}") from error
            if not data:  # ends early: it has become shorter since it was opened
                break
            out = out + data if out else data
            at, size = at + len(data), size - len(data)
        return out


class Media:
    """A disk behind a container format."""

    def __init__(self, handle: Any, size: int, held: list[Any]) -> None:
        self.handle = handle
        self._held = held  # file objects live as long as what reads them
        self.size = size

    def read(self, at: int, size: int) -> bytes:
        """Bytes at a place, unpacked."""
        size = min(size, self.size - at)
        if size <= 0:
            return b""
        try:
            return bytes(self.handle.read_buffer_at_offset(size, at))
        except OSError as error:
            raise ValueError(f"not readable at byte {at}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What a native library complains about, without its stack of function names."""
    text = str(error).split("\n")[0].split(". lib")[0].strip().rstrip(".")
    return text.partition(": ")[2] or text


def open_blocks(form: str, fds: Sequence[int]) -> Blocks:
    """The disk in an image of this form, its segments in order.

    Raises ValueError for an image that cannot be read or that is only a difference from another one.
    """
    if form == "raw":
        return Raw(fds)
    files: list[Any] = [io.BufferedReader(FdReader(fd), 1 << 16) for fd in fds]
    try:
        return _media(form, files)
    except OSError as error:
        raise ValueError(f"the {form} image cannot be read: {first_line(error)}") from error


def _media(form: str, files: list[Any]) -> Blocks:
    if form == "ewf":
        handle: Any = pyewf.handle()
        handle.open_file_objects(files)
    elif form == "vmdk":
        handle = pyvmdk.handle()
        handle.open_file_object(files[0])
        _refuse_difference(handle.parent_filename)
        handle.open_extent_data_files_as_file_objects(files[1:] or files)
    elif form == "qcow":
        handle = pyqcow.file()
        handle.open_file_object(files[0])
        _refuse_difference(handle.backing_filename)
        if handle.is_locked():
            raise ValueError("the QCOW image is encrypted")
    elif form == "vhd":
        handle = pyvhdi.file()
        handle.open_file_object(files[0])
        _refuse_difference(handle.parent_filename)
    elif form == "dmg":
        handle = pymodi.handle()
        handle.open_file_object(files[0])
    else:
        raise ValueError(f"no image form {form!r}")
    return Media(handle, int(handle.get_media_size()), files)


def _refuse_difference(parent: str | None) -> None:
    if parent:
        raise ValueError(f"holds only what differs from {parent}: merge the two images first")


def of_runs(blocks: Blocks, runs: Sequence[Run], size: int) -> Iterator[bytes]:
    """A file of ``size`` bytes from its runs in order, in blocks of up to 1 MiB.

    Fewer bytes come where the disk ends before the file does.
    """
    for at, length in runs:
        length = min(length, size)
        size -= length
        while length > 0:
            want = min(length, BLOCK)
            data = bytes(want) if at < 0 else blocks.read(at, want)
            if not data:
                return
            yield data
            at, length = at + len(data) if at >= 0 else at, length - len(data)


class RunReader(Reader):
    """A seekable stream over the runs of one file; ``size`` in bytes."""

    def __init__(self, blocks: Blocks, runs: Sequence[Run], size: int) -> None:
        self._blocks = blocks
        self._runs = list(runs)
        self._starts: list[int] = []
        total = 0
        for _, length in self._runs:
            self._starts.append(total)
            total += length
        super().__init__(min(total, size))

    def bytes_at(self, at: int, want: int) -> bytes:
        """From the run that ``at`` lies in; a run at -1 is a hole."""
        index = bisect_right(self._starts, at) - 1
        start, length = self._runs[index]
        inside = at - self._starts[index]
        some = min(want, length - inside)
        return bytes(some) if start < 0 else self._blocks.read(start + inside, some)


def source_of_runs(blocks: Blocks, runs: Sequence[Run], size: int) -> Source:
    """One file by its runs."""
    return Source(io.BufferedReader(RunReader(blocks, runs, size), 1 << 18), size)
