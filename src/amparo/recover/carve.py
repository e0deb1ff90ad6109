"""Rows in bytes that no cell uses any more.

SQLite frees a cell by writing four bytes over its head: the next free block, and the block's size. What
those bytes held (payload length, row number, header length, first serial type) is restored here from
what must fit: cells lie end to end, so a freed stretch has to be tiled by whole cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from amparo.recover.pages import Form
from amparo.recover.record import SIZES, as_varint, header, signed, size_of, varint
from amparo.recover.target import Target

INTACT, FITTED, LOOSE = 3, 2, 1
"""How a piece is held: by its own head, between known bounds, or by its pattern alone."""
_MOST_STEPS = 3000
_CUT = 70.0
"""Bits of pattern from which on a row is believed of which only the first part is left."""
_WIDE = 44.0
"""Bits of pattern that stand alone."""


class Way(NamedTuple):
    """How strictly cells lie end to end."""

    gap: int
    """One more than the bytes that may stand between them."""
    stump: bool
    """Whether the beginning of a cell may stand last, whose rest was given to another."""
    usual: bool
    """Whether a number that was overwritten has to be as long as live ones are."""
    broken: bool = False
    """Whether a cell's values may be broken."""


_WAYS = (
    Way(1, stump=False, usual=True), Way(1, stump=True, usual=True), Way(4, stump=True, usual=True),
    Way(1, stump=False, usual=False), Way(1, stump=True, usual=False), Way(4, stump=True, usual=False),
    Way(4, stump=True, usual=False, broken=True),
)  # fmt: skip
"""The surest way first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One record found in free bytes."""

    target: Target
    start: int
    end: int
    rowid: int | None
    types: tuple[int, ...]
    """Serial types; -1 for one that was overwritten and cannot be told."""
    head: bytes
    """The header as it must have been; b"" where a type is unknown."""
    body: int
    """Where the values start in the page."""
    last: int
    """Where the payload's part in the page ends."""
    total: int
    overflow: int
    quality: int


class Effort:
    """How many more pieces may be tried against one another, over all pages together."""

    def __init__(self, left: int) -> None:
        self.left = left


class Carver:
    """Searches one page's free bytes for records of one target; ``check`` looks at a piece's values."""

    def __init__(
        self, page: bytes, form: Form, target: Target, check: Callable[[Piece], bool],
        effort: Effort,
    ) -> None:  # fmt: skip
        self._page, self._form, self._target, self._check = page, form, target, check
        self._index = target.kind != "table"
        self._steps = 0
        counted = not self._index and target.alias != 0 and target.usual
        self._ways = _WAYS if counted else _WAYS[3:]
        self._way = self._ways[0]
        self._refused = False
        self._effort, self._most = effort, _MOST_STEPS

    def pieces(
        self, start: int, end: int, bounds: Sequence[int], closed: bool, deep: bool = True
    ) -> list[Piece]:
        """Records in ``[start, end)``, ascending, without overlap.

        ``bounds`` are known starts of freed cells; ``closed`` says that the last one ends at ``end``;
        ``deep`` also looks for cells that have lost their head.
        """
        found = self._whole(start, end)
        if not deep:
            return found
        spans = [(p.start, p.end) for p in found]
        marks = sorted(b for b in bounds if start <= b < end)
        at = start
        more: list[Piece] = []
        anchored = False
        for first, last in [*spans, (end, end)]:
            if first - at >= 6:
                known = [b for b in marks if at <= b < first]
                inside = ([at] if anchored else []) + known
                ends_known = first < end or closed
                more += self._between(at, first, inside, ends_known)
            at, anchored = last, True
        return sorted([*found, *more], key=lambda p: p.start)

    def _whole(self, start: int, end: int) -> list[Piece]:
        """Cells that still have their head: the payload length says how long they are."""
        found: list[Piece] = []
        free = start
        for match in self._target.pattern[0].finditer(self._page, start, end):
            at = match.start(1)
            if at < free:
                continue
            piece = self._headed(at, free, end)
            strong = self._target.bits > 14 or (piece and len(piece.types) > 3)
            if piece and strong and self._check(piece):
                found.append(piece)
                free = piece.end
        return found

    def _headed(self, at: int, floor: int, end: int) -> Piece | None:
        head = header(self._page, at, end, len(self._target.columns))
        if head is None or not self._target.fits(head[1]):
            return None
        length, types, total = head
        prefix = as_varint(total)
        if self._index:
            start = at - len(prefix)
            if start < floor or self._page[start:at] != prefix:
                return None
            return self._piece(start, at, None, types, length, total, end, INTACT)
        page = self._page
        for size in range(1, 10):
            first = at - size
            start = first - len(prefix)
            if start < floor or page[at - 1] >= 0x80 or (size > 1 and page[first] < 0x80):
                break
            if page[start:first] == prefix:
                rowid = signed(varint(page, first)[0])
                if rowid > 0 or rowid < -1:
                    return self._piece(start, at, rowid, types, length, total, end, INTACT)
        return None

    def _piece(
        self, start: int, at: int, rowid: int | None, types: Sequence[int], length: int, total: int,
        end: int, quality: int, head: bytes | None = None,
    ) -> Piece | None:  # fmt: skip
        """A record whose header would start at ``at``; None where it does not fit before ``end``."""
        local = self._form.local(total, self._index)
        stop, overflow = at + local, 0
        if local < total:
            overflow = int.from_bytes(self._page[stop : stop + 4], "big")
            stop += 4
            if not overflow or overflow >= 1 << 31:
                return None
        last = at + local
        if stop > end:
            if quality != INTACT or self._target.bits < _CUT or overflow or at + 2 * length > end:
                return None
            stop = last = end  # its head is whole, the rest has been written over
        stop = max(stop, start + 4)
        kept = self._page[at : at + length] if head is None else head
        return Piece(
            self._target, start, stop, rowid, tuple(types), kept, at + length, last, total,
            overflow, quality,
        )  # fmt: skip

    def _between(self, start: int, end: int, marks: list[int], closed: bool) -> list[Piece]:
        """Cells without their head between two bounds."""
        self._steps = 0
        self._most = min(_MOST_STEPS, self._effort.left)
        hits: list[int] | None = None
        starts: list[int] = []
        self._refused = False
        for way in self._ways if closed else ():
            self._way = way
            if way.broken and not self._refused:
                break
            dead = set[int]()
            for mark in marks:
                tiles = self._tile(mark, end, dead)
                if tiles is not None:
                    return tiles
            if hits is None:
                hits = list(self._hits(start, end))
                starts = [h for h in hits if self._freed(h, 6) or self._starting(h, end)]
            for mark in starts:
                if self._steps > self._most:
                    break
                if tiles := self._tile(mark, end, dead):
                    return [*self._singly(start, mark, hits), *tiles]
            self._effort.left -= self._steps
            self._steps = 0
        return self._singly(start, end, list(self._hits(start, end)) if hits is None else hits)

    def _singly(self, start: int, end: int, hits: list[int]) -> list[Piece]:
        found: list[Piece] = []
        at = start
        for mark in hits:
            if at <= mark < end and (piece := self._alone(mark, end)) and self._check(piece):
                found.append(piece)
                at = piece.end
        return found

    def _hits(self, start: int, end: int) -> Iterator[int]:
        """Starts of cells: of whole ones, else four bytes before what is left of a header."""
        starts: set[int] = set()
        for pattern in self._target.pattern[:2]:
            for match in pattern.finditer(self._page, start + 2, end):
                at = match.start(1)
                if not match.group(1).strip(b"\0"):
                    continue  # nothing but NULL: bytes that were wiped, no row
                if pattern is self._target.pattern[0] and (whole := self._headed(at, start, end)):
                    starts.add(whole.start)
                elif at >= start + 4:
                    starts.add(at - 4)
                if len(starts) > 4000:
                    break
        wide = self._target.bits > 30
        for pattern in self._target.pattern[2:]:
            for match in pattern.finditer(self._page, start + 4, end):
                at = match.start(1) - 4
                if not match.group(1).strip(b"\0"):
                    continue
                if wide or self._freed(at, len(match.group(1)) + 4):
                    starts.add(at)
                if len(starts) > 4000:
                    break
        return iter(sorted(starts))

    def _tile(self, at: int, end: int, dead: set[int]) -> list[Piece] | None:
        """Cells that fill ``[at, end)``; None where none do. What may stand between is up to the way."""
        if end - at < self._way.gap or (self._way.stump and self._stump(at, end)):
            return []
        if at in dead:
            return None
        self._steps += 1
        for shift in range(self._way.gap):
            for piece in self._options(at + shift, end):
                self._steps += 1
                if self._steps > self._most:
                    return None
                rest = self._tile(piece.end, end, dead)
                if rest is not None:
                    return [piece, *rest]
        dead.add(at)
        return None

    def _options(self, at: int, end: int) -> Iterator[Piece]:
        """Cells that could start exactly here, the likeliest first."""
        if end - at < 6:
            return
        intact = self._starting(at, end)
        if intact:
            yield intact
            return
        if not self._freed(at, 6):
            return
        stated = int.from_bytes(self._page[at + 2 : at + 4], "big")
        lengths = [e for e in (at + stated, end) if at + 5 < e <= end]
        others = self._keys if self._index else self._without_type
        for piece in chain(self._beheaded(at, end), others(at, end, lengths)):
            if piece.end - at > stated:
                continue
            if self._way.broken or self._check(piece):
                yield piece
            else:
                self._refused = True

    def _freed(self, at: int, length: int) -> bool:
        """Whether SQLite wrote here what it writes over a freed cell: the next free block and the size.

        The size may have grown by neighbours that were freed as well; the next block lies behind it.
        """
        following = int.from_bytes(self._page[at : at + 2], "big")
        stated = int.from_bytes(self._page[at + 2 : at + 4], "big")
        return (not following or following >= at + stated) and (
            length <= stated <= self._form.usable - at
        )

    def _stump(self, at: int, end: int) -> bool:
        """Whether a cell begins here whose rest was given to another."""
        types = self._target.types
        if end - at < 4:
            return False
        if self._freed(at, end - at):
            # What is left begins with all types or all but the first, or the header's length is left.
            least = min(self._target.usual or self._target.sizes, default=0)
            return (
                self._begins(types, at + 4, end)
                or self._begins(types[1:], at + 4, end, least)
                or any(self._heads(i, end) for i in range(at + 4, min(at + 13, end)))
            )
        total, i = varint(self._page, at)
        if not self._index:
            _, i = varint(self._page, i)
        return i > at and i + total > end > i and self._heads(i, end)

    def _heads(self, i: int, end: int) -> bool:
        """Whether a header's length and the types behind it stand here, as far as anything does."""
        types = self._target.types
        longest = len(types) + 1 + sum(2 for t in types if t & {12, 13})
        return self._target.fewest < self._page[i] <= longest and self._begins(types, i + 1, end)

    def _begins(self, types: Sequence[frozenset[int]], i: int, end: int, size: int = 0) -> bool:
        """Whether types stand here, as far as anything does, and their values reach over ``end``.

        ``size`` is what values of other columns take at least.
        """
        for allowed in types:
            if i >= end:
                return True
            serial, i = varint(self._page, i)
            if serial < 0 or (serial if serial < 10 else 12 + (serial & 1)) not in allowed:
                return False
            size += size_of(serial)
        return i + size > end

    def _starting(self, at: int, end: int) -> Piece | None:
        total, i = varint(self._page, at)
        if total < 2 or i > end:
            return None
        if not self._index:
            _, i = varint(self._page, i)
        if i >= end or (self._page[i] > 0x83 and len(self._target.columns) < 200):
            return None
        return self._headed(i, at, end) if i > at else None

    def _beheaded(self, at: int, end: int) -> Iterator[Piece]:
        """Header length and types are left, or all types are."""
        page, target = self._page, self._target
        for first in range(at + 4, min(at + 13, end)):
            if first > at + 4 and page[first - 1] >= 0x80:
                break
            if target.pattern[0].match(page, first, end):
                head = header(page, first, end, len(target.columns))
                if head and target.fits(head[1]):
                    length, types, total = head
                    lead = 0 if self._index else first - at - len(as_varint(total))
                    if self._index and len(as_varint(total)) != first - at:
                        continue
                    if self._index or 1 <= lead <= 9:
                        piece = self._piece(at, first, None, types, length, total, end, FITTED)
                        if piece:
                            yield piece
            if page[first] < 0x80 and first > at + 4:
                break
        match = target.pattern[1].match(page, at + 4, end)
        if match:
            raw = match.group(1)
            types = _types(raw)
            if types and target.fits(types):
                length = len(raw) + 1
                total = length + sum(map(size_of, types))
                if len(as_varint(total)) + (0 if self._index else 1) <= 3:
                    head_bytes = bytes((length,)) + raw
                    piece = self._piece(
                        at, at + 3, None, types, length, total, end, FITTED, head_bytes
                    )
                    if piece:
                        yield piece

    def _without_type(self, at: int, end: int, lengths: list[int]) -> Iterator[Piece]:
        """Payload length, row number, header length and first type are overwritten: length decides."""
        target = self._target
        if len(target.pattern) < 3:
            return
        match = target.pattern[2].match(self._page, at + 4, end)
        raw = match.group(1) if match else b""
        rest = _types(raw)
        if not rest or len(rest) + 1 > len(target.columns):
            return
        length = len(raw) + 2
        known = 2 + length + sum(map(size_of, rest))
        allowed = target.types[0]
        if target.alias == 0:
            sizes = [0]
        else:
            fitting = [e - at - known for e in lengths]
            least = min(target.sizes, default=0)
            sizes = list(dict.fromkeys(s for s in [*fitting, *target.sizes] if least <= s < 110))
            if self._way.usual and target.usual:
                sizes = [s for s in sizes if s in target.usual]
        for size in sizes:
            serial = _serial(size, allowed)
            if serial is None:
                continue
            total = known - 2 + size
            if total > 127:
                continue
            head = bytes((length, serial)) + raw if serial >= 0 else b""
            types = (serial if serial >= 0 else -1, *rest)
            piece = self._piece(at, at + 2, None, types, length, total, end, FITTED, head)
            if piece:
                yield piece

    def _keys(self, at: int, end: int, lengths: list[int]) -> Iterator[Piece]:
        """An index key without its first two types: what they said is left out."""
        target = self._target
        if len(target.types) < 3 or target.fewest < 3:
            return
        types: list[int] = []
        i = at + 4
        while len(types) < len(target.types) - 2 and i < end:
            serial, i = varint(self._page, i)
            types.append(serial)
        if len(types) < len(target.types) - 2 or i >= end or any(t in (10, 11) for t in types):
            return
        if not all(
            (t if t < 10 else 12 + (t & 1)) in allowed
            for t, allowed in zip(types, target.types[2:], strict=True)
        ):
            return
        length = i - at - 1
        known = 1 + length + sum(map(size_of, types))
        for size in dict.fromkeys([e - at - known for e in lengths]):
            if not 0 <= size <= 120 or known + size > 128:
                continue
            first = self._split(size)
            head = bytes((length, *first)) + self._page[at + 4 : i] if first else b""
            if not first and size > 16:
                continue
            total = known - 1 + size
            piece = self._piece(
                at, at + 1, None, (*(first or (-1, -1)), *types), length, total, end, FITTED, head
            )
            if piece:
                yield piece

    def _split(self, size: int) -> tuple[int, int] | None:
        """The first two types of a key by their size together, where the first has always one length."""
        seen, allowed = self._target.seen[0], self._target.types
        if self._form.encoding != 1 or seen.rows < 4 or seen.shortest != seen.longest:
            return None
        fixed = 13 + 2 * seen.longest
        rest = size - seen.longest
        if seen.types != {13} or fixed >= 0x80 or rest < 0 or max(map(ord, seen.alphabet)) > 127:
            return None
        second = _serial(rest, allowed[1])
        return None if second is None or second < 0 else (fixed, second)

    def _alone(self, at: int, end: int) -> Piece | None:
        """A cell whose neighbours are unknown: believed for what is rare by chance."""
        if self._target.bits < _WIDE:
            return None
        for piece in self._beheaded(at, end):
            return replace(piece, quality=LOOSE)
        stated = int.from_bytes(self._page[at + 2 : at + 4], "big")
        for piece in self._without_type(at, end, [at + stated]):
            if self._target.alias == 0 or piece.end == at + stated:
                return replace(piece, quality=LOOSE)
        return None


def _types(raw: bytes) -> list[int]:
    types = []
    i = 0
    while i < len(raw):
        serial, i = varint(raw, i)
        if serial < 0 or serial in (10, 11):
            return []
        types.append(serial)
    return types


def _serial(size: int, allowed: frozenset[int]) -> int | None:
    """The serial type of a value of this size; -1 where several could be meant, None where none."""
    fitting = [t for t in allowed if t < 10 and SIZES[t] == size]
    if not fitting and 13 in allowed and 13 + 2 * size < 0x80:
        fitting.append(13 + 2 * size)
    elif not fitting and 12 in allowed and 12 + 2 * size < 0x80:
        fitting.append(12 + 2 * size)
    if not fitting:
        return None
    if size == 0 and len(fitting) > 1:
        return -1
    return fitting[0]
