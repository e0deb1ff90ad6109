"""Streams of an OLE compound file ([MS-CFB]), as ranges of bytes; nothing is followed twice."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from amparo.kit.spans import Range, Spans

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST = 0xFFFFFFFA
"""Sector numbers from here on are marks."""
_MOST_SECTORS = 1 << 22
_MOST_ENTRIES = 1 << 18
_BLOCK = 512
"""The smallest sector."""


def in_order(view: Spans) -> list[Range] | None:
    """The bytes of a compound file stream by stream, then what no stream has; None when it is none.

    So a picture in a document is found whole although its sectors lie scattered.
    """
    try:
        streams = sorted(Storage(view).streams(), key=lambda s: -s[1].size)
    except (ValueError, struct.error, IndexError):
        return None
    out: list[Range] = []
    taken = bytearray(-(-view.size // _BLOCK))
    for _, stream in streams[:_MOST_ENTRIES]:
        blocks = [slice(at // _BLOCK, -(-(at + n) // _BLOCK)) for at, n in stream.ranges]
        # Streams that share bytes are a forgery: of two the larger counts. Short ones share a block.
        if stream.size < _BLOCK or any(any(taken[b]) for b in blocks):
            continue
        for block, one in zip(blocks, stream.ranges, strict=True):
            taken[block] = b"\1" * len(taken[block])
            # What is left of the last sector comes along: bytes of before may lie there.
            out.append((one[0], min(block.stop * _BLOCK, view.size) - one[0]))
    free = 0
    while (free := taken.find(0, free)) >= 0:
        end = taken.find(1, free)
        end = len(taken) if end < 0 else end
        at = free * _BLOCK
        out.append((at, min(end * _BLOCK, view.size) - at))
        free = end
    return out


class Storage:
    """The file behind ``view``. Raises ValueError when it is no compound file."""

    def __init__(self, view: Spans) -> None:
        self._view = view
        head = view.read(0, 512)
        if len(head) < 512 or head[:8] != MAGIC:
            raise ValueError("no compound file")
        shift, small = struct.unpack_from("<HH", head, 30)
        if shift not in (9, 12) or small != 6:
            raise ValueError("a compound file with sectors of no known size")
        self._sector = int(1 << shift)
        self._fat = self._table(head)
        directory = b"".join(self._chain(struct.unpack_from("<I", head, 48)[0]))
        self._entries = [
            directory[at : at + 128]
            for at in range(0, min(len(directory), _MOST_ENTRIES * 128) - 127, 128)
        ]
        self._least = struct.unpack_from("<I", head, 56)[0]
        sectors = self._numbers(struct.unpack_from("<I", head, 60)[0])
        data = b"".join(self._read(s) for s in sectors)
        self._small_fat = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        self._mini: Spans | None = None
        for entry in self._entries[:1]:
            start, size = struct.unpack_from("<II", entry, 116)
            self._mini = self._stream(start, size)

    def streams(self) -> Iterator[tuple[str, Spans]]:
        """Each stream's name and bytes."""
        for entry in self._entries:
            length = struct.unpack_from("<H", entry, 64)[0]
            if entry[66] != 2 or not 2 <= length <= 64:
                continue
            name = entry[: length - 2].decode("utf-16-le", "replace")
            start, size = struct.unpack_from("<II", entry, 116)
            if size >= self._least:
                yield name, self._stream(start, size)
            elif self._mini is not None:
                yield name, self._short(self._mini, start, size)

    def _at(self, sector: int) -> int:
        return (sector + 1) * self._sector

    def _read(self, sector: int) -> bytes:
        return self._view.read(self._at(sector), self._sector).ljust(self._sector, b"\0")

    def _table(self, head: bytes) -> tuple[int, ...]:
        """Which sector follows each sector."""
        parts = list(struct.unpack_from("<109I", head, 76))
        extra, count = struct.unpack_from("<II", head, 68)
        width = self._sector // 4
        seen: set[int] = set()
        while extra < _LAST and extra not in seen and len(seen) < min(count, 1 << 15):
            seen.add(extra)
            numbers = struct.unpack(f"<{width}I", self._read(extra))
            parts += numbers[:-1]
            extra = numbers[-1]
        most = self._view.size // self._sector
        chosen = [s for s in parts if s < min(_LAST, most)][: _MOST_SECTORS // width]
        data = b"".join(self._read(s) for s in dict.fromkeys(chosen))
        return struct.unpack(f"<{len(data) // 4}I", data)

    def _numbers(self, start: int) -> list[int]:
        """The sectors of a chain, up to where it ends or goes in circles."""
        out: list[int] = []
        seen: set[int] = set()
        most = self._view.size // self._sector
        while start < min(len(self._fat), most) and start not in seen:
            seen.add(start)
            out.append(start)
            start = self._fat[start]
        return out

    def _chain(self, start: int) -> Iterator[bytes]:
        for number in self._numbers(start):
            yield self._read(number)

    def _stream(self, start: int, size: int) -> Spans:
        count = -(-size // self._sector)
        pieces = [(self._at(s), self._sector) for s in self._numbers(start)[:count]]
        return self._view.part(pieces).part([(0, size)])

    def _short(self, mini: Spans, start: int, size: int) -> Spans:
        pieces: list[tuple[int, int]] = []
        seen: set[int] = set()
        while start < len(self._small_fat) and start not in seen and len(pieces) * 64 < size:
            seen.add(start)
            pieces.append((start * 64, 64))
            start = self._small_fat[start]
        return mini.part(pieces).part([(0, size)])
