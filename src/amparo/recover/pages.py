"""Pages of a database that may be damaged or made to mislead: never trusted, never followed twice.

Format: https://www.sqlite.org/fileformat2.html. A :class:`Snapshot` is the file as it stood at one
moment: its own pages with others laid over them. Every walk is bounded by the number of pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from amparo.kit.window import Data
from amparo.recover.record import LONGEST, signed, varint

MAGIC = b"SQLite format 3\0"
TABLE_LEAF, INDEX_LEAF, TABLE_INNER, INDEX_INNER = 0x0D, 0x0A, 0x05, 0x02
TREE = frozenset((TABLE_LEAF, INDEX_LEAF, TABLE_INNER, INDEX_INNER))
SIZES = frozenset(1 << n for n in range(9, 17))

Fetch = Callable[[int], bytes | None]
"""Bytes of a page by its number, as they stood at one moment."""


class Form(NamedTuple):
    """What all pages of a file have in common."""

    size: int
    """Bytes of a page."""
    usable: int
    """Bytes of it that hold content."""
    encoding: int
    """1: UTF-8, 2: UTF-16 little-endian, 3: big-endian."""

    def local(self, payload: int, index: bool) -> int:
        """Bytes of a payload that stand in the cell itself."""
        usable = self.usable
        most = ((usable - 12) * 64 // 255) - 23 if index else usable - 35
        if payload <= most:
            return payload
        least = ((usable - 12) * 32 // 255) - 23
        some = least + (payload - least) % (usable - 4)
        return some if some <= most else least


def form_of(main: Data, wal_page_size: int = 0) -> Form:
    """The form a file states, corrected where it cannot be true. Raises ValueError for no database."""
    size = int.from_bytes(main[16:18], "big")
    size = 65536 if size == 1 else size
    if main[:16] != MAGIC or size not in SIZES:
        size = wal_page_size if wal_page_size in SIZES else _likely_size(main)
    reserved = main[20] if len(main) > 20 else 0
    usable = size - reserved if size - reserved >= 480 else size
    encoding = int.from_bytes(main[56:60], "big")
    return Form(size, usable, encoding if encoding in (1, 2, 3) else 1)


def _likely_size(main: Data) -> int:
    """The page size at whose multiples most pages look like pages."""
    scores = {}
    for size in sorted(SIZES):
        heads = range(size, min(len(main), 4096 * size), size)
        good = sum(1 for at in heads if main[at] in TREE and plausible(main[at : at + size], 0))
        scores[size] = good * size
    best = max(scores, key=lambda s: scores[s])
    if not scores[best] and main[:16] != MAGIC:
        raise ValueError("not an SQLite database")
    return best if scores[best] else 4096


def plausible(page: bytes, start: int) -> bool:
    """Whether a page's head could be that of a tree page."""
    if len(page) < start + 12 or page[start] not in TREE:
        return False
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    content = int.from_bytes(page[start + 5 : start + 7], "big") or 65536
    array = start + (8 if page[start] & 8 else 12) + 2 * count
    return array <= min(content, len(page)) and content <= max(len(page), 65536)


@dataclass
class Snapshot:
    """The database at one moment: ``main`` with the pages in ``over`` (number -> bytes, offset) on it."""

    main: Data
    form: Form
    count: int
    over: Mapping[int, tuple[Data, int]] = field(default_factory=dict)

    def page(self, number: int) -> bytes | None:
        """A page's bytes; None where there is none."""
        if number < 1 or number > self.count:
            return None
        size = self.form.size
        data, offset = self.over.get(number, (self.main, (number - 1) * size))
        page = data[offset : offset + size]
        return page if len(page) == size else None

    def walk(self, root: int, seen: set[int]) -> Iterator[tuple[int, bytes]]:
        """The pages of a tree in key order, inner pages before their children; each page once."""
        stack = [(root, 0)]
        while stack:
            number, depth = stack.pop()
            if number in seen or depth > 40:
                continue
            page = self.page(number)
            if page is None:
                continue
            start = 100 if number == 1 else 0
            if page[start] not in TREE:
                continue
            seen.add(number)
            yield number, page
            if page[start] in (TABLE_INNER, INDEX_INNER):
                below = [(child, depth + 1) for child in children(page, start)]
                stack += reversed(below)

    def seek(self, root: int, rowid: int) -> bytes | None:
        """The payload of a row in a table's tree."""
        number = root
        for _ in range(40):
            page = self.page(number)
            if page is None:
                return None
            start = 100 if number == 1 else 0
            if page[start] == TABLE_LEAF:
                held = (c for c in cells(page, start, self.form) if c.rowid == rowid)
                return next((payload_of(page, c, self.form, self.page)[0] for c in held), None)
            if page[start] != TABLE_INNER:
                return None
            number = _child_for(page, start, rowid)
        return None

    def freelist(self) -> tuple[list[int], list[int]]:
        """Trunk and leaf pages of the list of free pages, as far as it can be followed."""
        first = self.page(1)
        trunks: list[int] = []
        leaves: list[int] = []
        seen: set[int] = {1}
        number = int.from_bytes(first[32:36], "big") if first else 0
        while number and number not in seen and (page := self.page(number)) is not None:
            seen.add(number)
            trunks.append(number)
            many = min(int.from_bytes(page[4:8], "big"), self.form.size // 4 - 2)
            for i in range(many):
                leaf = int.from_bytes(page[8 + 4 * i : 12 + 4 * i], "big")
                if 1 < leaf <= self.count and leaf not in seen:
                    seen.add(leaf)
                    leaves.append(leaf)
            number = int.from_bytes(page[:4], "big")
        return trunks, leaves


class Cell(NamedTuple):
    """One cell of a leaf: where it stands in its page, and what it holds there."""

    start: int
    end: int
    rowid: int
    """0 in an index."""
    payload: int
    """Bytes of the whole payload."""
    body: int
    """Where its local part starts."""
    local: int
    overflow: int
    """The first overflow page; 0 for none."""


def pointers(page: bytes, start: int) -> list[int]:
    """Offsets of a page's cells, those within the page only."""
    head = start + (8 if page[start] & 8 else 12)
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    count = min(count, (len(page) - head) // 2)
    array = page[head : head + 2 * count]
    return [
        at
        for i in range(0, 2 * count, 2)
        if head + 2 * count <= (at := array[i] << 8 | array[i + 1]) < len(page) - 3
    ]


def children(page: bytes, start: int) -> list[int]:
    """Page numbers below an inner page, in key order."""
    below = [int.from_bytes(page[at : at + 4], "big") for at in pointers(page, start)]
    return [*below, int.from_bytes(page[start + 8 : start + 12], "big")]


def _child_for(page: bytes, start: int, rowid: int) -> int:
    for at in pointers(page, start):
        key, _ = varint(page, at + 4)
        if rowid <= signed(key):
            return int.from_bytes(page[at : at + 4], "big")
    return int.from_bytes(page[start + 8 : start + 12], "big")


def cell(page: bytes, at: int, kind: int, form: Form) -> Cell | None:
    """The cell at an offset of a leaf (or of an inner index page); None for what cannot be one."""
    index = kind != TABLE_LEAF
    first = at + 4 if kind == INDEX_INNER else at
    payload, body = varint(page, first)
    if payload < 1 or payload > LONGEST:
        return None
    rowid = 0
    if not index:
        number, body = varint(page, body)
        if number < 0:
            return None
        rowid = signed(number)
    local = form.local(payload, index)
    end = body + local
    overflow = 0
    if local < payload:
        overflow = int.from_bytes(page[end : end + 4], "big")
        end += 4
        if not overflow:
            return None
    if end > form.usable:
        return None
    return Cell(at, max(end, at + 4), rowid, payload, body, local, overflow)


def cells(page: bytes, start: int, form: Form) -> list[Cell]:
    """The cells a page points to that can be cells."""
    kind = page[start]
    if kind not in TREE or kind == TABLE_INNER:
        return []
    found = (cell(page, at, kind, form) for at in pointers(page, start))
    return [c for c in found if c]


def payload_of(page: bytes, c: Cell, form: Form, fetch: Fetch) -> tuple[bytes, list[int]]:
    """A cell's payload, cut where its chain of overflow pages breaks, and the pages it came from."""
    data = page[c.body : c.body + c.local]
    if not c.overflow:
        return data, []
    return join(data, c.payload, c.overflow, form, fetch)


def join(
    local: bytes, total: int, overflow: int, form: Form, fetch: Fetch
) -> tuple[bytes, list[int]]:
    """Local bytes and those of the overflow pages, as far as the chain holds together."""
    parts, have, chain = [local], len(local), []
    number = overflow
    seen: set[int] = set()
    while have < total and number and number not in seen:
        page = fetch(number)
        if page is None:
            break
        following = int.from_bytes(page[:4], "big")
        take = page[4 : min(form.usable, 4 + total - have)]
        last = have + len(take) >= total
        if last != (following == 0):
            break  # this page has been used for something else
        seen.add(number)
        chain.append(number)
        parts.append(take)
        have += len(take)
        number = following
    return b"".join(parts), chain


class Area(NamedTuple):
    """Bytes of a page that no cell uses."""

    start: int
    end: int
    bounds: tuple[int, ...]
    """Where a freed cell is known to have started."""
    kind: str
    """``freeblock`` or ``unallocated``."""


def areas(page: bytes, start: int, form: Form, used: list[Cell]) -> list[Area]:
    """What lies free in a tree page: the gap before the cells, the blocks between them."""
    kind = page[start]
    head = start + (8 if kind & 8 else 12)
    at = min(head + 2 * int.from_bytes(page[start + 3 : start + 5], "big"), form.usable)
    blocks = freeblocks(page, start, form)
    found = []
    spans = sorted((c.start, c.end) for c in used)
    inner = sorted(pointers(page, start)) if kind == TABLE_INNER else []
    spans += [(p, varint(page, p + 4)[1]) for p in inner]
    for first, last in [*sorted(spans), (form.usable, form.usable)]:
        if first - at >= 4:
            within = tuple(b for b in blocks if at <= b < first)
            label = "freeblock" if within else "unallocated"
            found.append(Area(at, first, within, label))
        at = max(at, last)
    return found


def freeblocks(page: bytes, start: int, form: Form) -> list[int]:
    """Where the chain of free blocks says they start; ascending, as SQLite writes it."""
    at = int.from_bytes(page[start + 1 : start + 3], "big")
    found: list[int] = []
    last = start
    while last < at <= form.usable - 4:
        found.append(at)
        last, at = at, int.from_bytes(page[at : at + 2], "big")
    return found
