"""Bytes of one piece of evidence, read through a read-only descriptor that somebody else opened."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class Reader(io.RawIOBase):
    """A seekable stream of known size; a kind of bytes says only how to get at some of them."""

    sequential = False
    """Whether the bytes can only be made from the start to the end: going back starts anew."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        want = min(len(buffer), self._size - self._at)
        data = self.bytes_at(self._at, want) if want > 0 else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def bytes_at(self, at: int, want: int) -> bytes:
        """Up to ``want`` bytes from ``at``, both within the size; fewer are given where that is simpler."""
        raise NotImplementedError


class FdReader(Reader):
    """A window ``[offset, offset + size)`` of a descriptor; own position, ``pread`` only."""

    def __init__(self, fd: int, offset: int = 0, size: int | None = None) -> None:
        super().__init__(os.fstat(fd).st_size - offset if size is None else size)
        self._fd = fd
        self._offset = offset

    def bytes_at(self, at: int, want: int) -> bytes:
        """As it lies in the file."""
        return os.pread(self._fd, want, self._offset + at)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """As in every reader, but without a copy on the way."""
        want = max(0, min(len(buffer), self._size - self._at))
        count = os.preadv(self._fd, [memoryview(buffer)[:want]], self._offset + self._at)
        self._at += count
        return count


class Source:
    """One file's bytes inside a cell: ``size`` in bytes, ``stream()`` to read, companions beside it.

    ``companions`` are the files an SQLite database is written with (``-wal``, ``-journal``), keyed by
    suffix. ``read()`` refuses with ValueError above ``limit`` bytes rather than filling memory.
    """

    def __init__(
        self, stream: BinaryIO, size: int, companions: dict[str, Source] | None = None
    ) -> None:
        self._stream = stream
        self.size = size
        self.companions = companions or {}

    @classmethod
    def of_fd(cls, fd: int, offset: int = 0, size: int | None = None) -> Source:
        """A source over a window of a descriptor."""
        raw = FdReader(fd, offset, size)
        length = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        return cls(io.BufferedReader(raw, 1 << 18), length)

    @classmethod
    def of_bytes(cls, data: bytes) -> Source:
        """A source over bytes in memory."""
        return cls(io.BytesIO(data), len(data))

    def stream(self) -> BinaryIO:
        """The stream, rewound to the start."""
        self._stream.seek(0)
        return self._stream

    def read(self, limit: int = 2 << 30) -> bytes:
        """All bytes; ValueError when there are more than ``limit``."""
        # Never ask for ``limit`` at once: a buffered reader takes that much memory before it reads.
        data = self.stream().read(min(limit, self.size) + 1)
        while len(data) <= limit and (more := self._stream.read(1 << 20)):
            data += more
        if len(data) > limit:
            raise ValueError(f"larger than {limit} bytes")
        return data
