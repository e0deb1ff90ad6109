"""Ranges of a stream seen as one sequence of bytes: free space without what lies between.

Positions in the sequence are *places*; :meth:`Spans.segments` turns a stretch of places back into ranges of
the stream. What cannot be read counts as zeros, so that one bad sector does not end a search.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

Range = tuple[int, int]
"""Offset and length in bytes."""

BLOCK = 1 << 16
_KEPT = 48
"""Blocks kept in memory."""


class Readable(Protocol):
    """A binary stream that can be read anywhere."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def read(self, size: int = -1, /) -> bytes: ...


class Spans:
    """``size`` bytes made of ``ranges`` of a stream, in the order given; none overlap.

    ``spent`` counts the bytes read so far and something for every reading, which is how searches keep to a budget.
    """

    def __init__(self, stream: Readable, ranges: Iterable[Range]) -> None:
        self._stream = stream
        self.ranges: list[Range] = [(at, length) for at, length in ranges if length > 0]
        self._starts: list[int] = []
        self.size = 0
        for _, length in self.ranges:
            self._starts.append(self.size)
            self.size += length
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._found: dict[bytes, tuple[int, int, int]] = {}
        self.spent = 0

    def read(self, at: int, length: int) -> bytes:
        """Bytes at a place; fewer only at the end."""
        length = min(length, self.size - at)
        self.spent += 64
        if at < 0 or length <= 0:
            return b""
        first, last = at // BLOCK, (at + length - 1) // BLOCK
        if last - first > 4:
            return self._raw(at, length)
        data = self._block(first)
        for number in range(first + 1, last + 1):
            data += self._block(number)
        inside = at - first * BLOCK
        return data[inside : inside + length]

    def _block(self, number: int) -> bytes:
        kept = self._blocks.get(number)
        if kept is None:
            start = number * BLOCK
            kept = self._raw(start, min(BLOCK, self.size - start))
            self._blocks[number] = kept
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        return kept

    def _raw(self, at: int, length: int) -> bytes:
        self.spent += length
        pieces = [self._range(offset, n) for offset, n in self.segments(at, length)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _range(self, offset: int, length: int) -> bytes:
        try:
            self._stream.seek(offset)
            data = self._stream.read(length)
            while len(data) < length and (more := self._stream.read(length - len(data))):
                data += more
        except (OSError, ValueError):
            if length <= 512:
                return bytes(length)
            half = max(512, length // 2 // 512 * 512)
            return self._range(offset, half) + self._range(offset + half, length - half)
        return data.ljust(length, b"\0")

    def segments(self, at: int, length: int) -> tuple[Range, ...]:
        """The ranges of the stream behind a stretch of places, neighbours joined."""
        out: list[Range] = []
        index = bisect_right(self._starts, at) - 1
        while length > 0 and 0 <= index < len(self.ranges):
            offset, size = self.ranges[index]
            inside = at - self._starts[index]
            take = min(length, size - inside)
            if out and sum(out[-1]) == offset + inside:
                out[-1] = (out[-1][0], out[-1][1] + take)
            else:
                out.append((offset + inside, take))
            at, length, index = at + take, length - take, index + 1
        return tuple(out)

    @property
    def starts(self) -> list[int]:
        """Places where a range begins: before each, something lies on the stream that is not in here."""
        return self._starts

    def find(self, needle: bytes, at: int, end: int) -> int:
        """The first place of ``needle`` from ``at`` that ends by ``end``; -1 for none.

        The last answer is kept, so that asking again from further on costs nothing.
        """
        end = min(end, self.size)
        start, until, known = self._found.get(needle, (0, -1, -1))
        if start <= at <= until and (known < 0 or at <= known):
            if known >= 0:
                return known if known + len(needle) <= end else -1
            if end <= until:
                return -1
            at = max(at, until - len(needle) + 1)
        else:
            start = at
        overlap = len(needle) - 1
        while at < end:
            data = self.read(at, min(BLOCK * 4, end - at))
            hit = data.find(needle)
            if hit >= 0:
                self._found[needle] = (start, at + hit, at + hit)
                return at + hit
            if at + len(data) >= end:
                break
            at += len(data) - overlap
        self._found[needle] = (start, end, -1)
        return -1

    def part(self, pieces: Iterable[Range]) -> Spans:
        """Stretches of places of this sequence as a sequence of their own."""
        ranges: list[Range] = []
        for at, length in pieces:
            ranges += self.segments(at, length)
        return Spans(self._stream, ranges)

    def without(self, cut: Sequence[Range]) -> tuple[Spans, Places]:
        """This sequence less some stretches (sorted, not overlapping), and how places move."""
        kept: list[Range] = []
        at = 0
        for start, length in cut:
            if start > at:
                kept.append((at, start - at))
            at = max(at, start + length)
        if at < self.size:
            kept.append((at, self.size - at))
        return self.part(kept), Places(kept)


class Places:
    """How places move when stretches are taken out of a sequence."""

    def __init__(self, kept: list[Range]) -> None:
        self._old = [at for at, _ in kept]
        self._kept = kept
        self._new: list[int] = []
        total = 0
        for _, length in kept:
            self._new.append(total)
            total += length

    def new(self, at: int) -> int | None:
        """Where a place is now; None when it has gone."""
        index = bisect_right(self._old, at) - 1
        if index < 0 or at >= sum(self._kept[index]):
            return None
        return self._new[index] + at - self._old[index]

    def old(self, at: int, length: int) -> list[Range]:
        """Where a stretch of places was before."""
        out = []
        index = bisect_right(self._new, at) - 1
        while length > 0 and index < len(self._kept):
            begin, size = self._kept[index]
            inside = at - self._new[index]
            take = min(length, size - inside)
            out.append((begin + inside, take))
            at, length, index = at + take, length - take, index + 1
        return out


class Claims:
    """Stretches that are taken; none overlap once asked for."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def take(self, at: int, length: int) -> None:
        """Take a stretch; what overlaps with others becomes one with them."""
        end = at + length
        low = bisect_right(self._starts, at)
        if low and self._ends[low - 1] >= at:
            low -= 1
        high = low
        while high < len(self._starts) and self._starts[high] <= end:
            at, end = min(at, self._starts[high]), max(end, self._ends[high])
            high += 1
        self._starts[low:high] = [at]
        self._ends[low:high] = [end]

    def holds(self, at: int) -> bool:
        """Whether a place is taken."""
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and at < self._ends[index]

    def all(self) -> list[Range]:
        """All stretches in order."""
        return [(s, e - s) for s, e in zip(self._starts, self._ends, strict=True)]
