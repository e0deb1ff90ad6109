"""Any bytes of a large file at any place, without holding the file."""

from __future__ import annotations

import io
import zlib
from collections import OrderedDict
from typing import BinaryIO, overload

from amparo.kit.source import FdReader, Reader, Source

BLOCK = 1 << 16
KEPT = 256
"""Blocks kept at hand: 16 MiB."""
SMALL = 64 << 20
"""Bytes up to which a file is simply held."""
MOST_PACKED = 1 << 30
"""Bytes of memory for a file that can only be read from its start to its end, packed block by block."""


class Window:
    """A file as a sequence of bytes: ``len(window)``, ``window[i]``, ``window[a:b]``; nothing else is held."""

    def __init__(self, source: Source) -> None:
        self.size = source.size
        stream = source.stream()
        raw = stream.raw if isinstance(stream, io.BufferedReader) else stream
        self._raw = raw if isinstance(raw, FdReader) else None
        self._stream: BinaryIO = stream
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._packed: list[bytes] | None = None
        if isinstance(raw, Reader) and raw.sequential:
            self._packed = self._pack()

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, where: int) -> int: ...
    @overload
    def __getitem__(self, where: slice) -> bytes: ...
    def __getitem__(self, where: int | slice) -> int | bytes:
        if isinstance(where, int):
            part = self.part(where + self.size if where < 0 else where, 1)
            if not part:
                raise IndexError("behind the end of the file")
            return part[0]
        start, stop, step = where.indices(self.size)
        return self.part(start, stop - start)[::step]

    def part(self, at: int, length: int) -> bytes:
        """Bytes from a place on; fewer only at the end, or where the file has been cut since."""
        length = min(length, self.size - at)
        if at < 0 or length <= 0:
            return b""
        if self._raw is not None:
            data = self._raw.bytes_at(at, length)
            while len(data) < length and (
                more := self._raw.bytes_at(at + len(data), length - len(data))
            ):
                data += more
            return data
        first, last = at // BLOCK, (at + length - 1) // BLOCK
        if last - first > KEPT // 2:
            return b"".join(self._block(n, keep=False) for n in range(first, last + 1))[
                at - first * BLOCK : at - first * BLOCK + length
            ]
        data = b"".join(map(self._block, range(first, last + 1)))
        return data[at - first * BLOCK : at - first * BLOCK + length]

    def _block(self, number: int, keep: bool = True) -> bytes:
        held = self._blocks.get(number)
        if held is not None:
            self._blocks.move_to_end(number)
            return held
        if self._packed is not None:
            data = zlib.decompress(self._packed[number]) if number < len(self._packed) else b""
        else:
            self._stream.seek(number * BLOCK)
            data = self._stream.read(min(BLOCK, self.size - number * BLOCK))
        if keep:
            self._blocks[number] = data
            if len(self._blocks) > KEPT:
                self._blocks.popitem(last=False)
        return data

    def _pack(self) -> list[bytes]:
        """What can only be read from the start is read once and kept packed. ValueError when too large."""
        packed, size = list[bytes](), 0
        while data := self._stream.read(BLOCK):
            packed.append(zlib.compress(data, 1))
            size += len(packed[-1])
            if size > MOST_PACKED:
                raise ValueError(f"larger than {MOST_PACKED >> 20} MiB even when packed again")
        return packed

    def stream(self) -> BinaryIO:
        """A stream over the same bytes."""
        return io.BufferedReader(_Stream(self), BLOCK)


class _Stream(Reader):
    def __init__(self, window: Window) -> None:
        super().__init__(window.size)
        self._window = window

    def bytes_at(self, at: int, want: int) -> bytes:
        return self._window.part(at, want)


Data = bytes | Window
"""A file's bytes, held or read where they are wanted."""


def data_of(source: Source, held: int = SMALL) -> Data:
    """A file's bytes: held up to ``held`` bytes, else read where they are wanted."""
    return source.read() if source.size <= held else Window(source)


def stream_of(data: Data) -> BinaryIO:
    """A stream over bytes."""
    return data.stream() if isinstance(data, Window) else io.BytesIO(data)
