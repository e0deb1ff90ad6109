"""Where the live rows of a database keep long values, as ranges of the file or of its log.

What lies there is not deleted, though nothing but a row names it; everything else in the file is free, or
an earlier state of a page. A value that went on into overflow pages is one sequence of ranges.
"""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.spans import Range
from amparo.recover.logs import Log, page_size
from amparo.recover.pages import (
    INDEX_INNER,
    INDEX_LEAF,
    TABLE_LEAF,
    Cell,
    Snapshot,
    cells,
    form_of,
    payload_of,
)
from amparo.recover.record import decode, header

SHORTEST = 60
"""Bytes of the shortest value that could be a picture."""


class LiveValues:
    """The rows of ``main`` with what its log has committed laid over it.

    Ranges speak of ``main`` with ``wal`` behind it. Raises ValueError for what is no database.
    """

    def __init__(self, main: bytes, wal: bytes = b"") -> None:
        form = form_of(main, page_size(wal))
        log = Log(wal, form)
        over = {number: (wal, offset) for number, offset in log.live.items()}
        here = len(main) // form.size
        claimed = int.from_bytes(main[28:32], "big")
        valid = main[24:28] == main[92:96]
        count = log.pages or (claimed if valid and 0 < claimed <= here else here)
        self._main = len(main)
        self._most = len(main) + len(wal)
        self._snapshot = Snapshot(main, form, count, over)
        self._over = over
        self._seen: set[int] = set()

    def ranges(self) -> Iterator[list[Range]]:
        """Of every row with a long value that is no text: where the whole of it lies, in order.

        Raises ValueError where rows lie one over another.
        """
        told = 0
        for root in list(self._roots()):
            for number, page in self._snapshot.walk(root, self._seen):
                start = 100 if number == 1 else 0
                if page[start] in (TABLE_LEAF, INDEX_LEAF, INDEX_INNER):
                    for c in cells(page, start, self._snapshot.form):
                        if c.payload < SHORTEST or not _long(page, c):
                            continue
                        ranges = self._of(number, page, c)
                        told += sum(length for _, length in ranges)
                        if told > self._most:
                            raise ValueError("rows lie one over another")
                        yield ranges

    def _roots(self) -> Iterator[int]:
        form = self._snapshot.form
        for number, page in self._snapshot.walk(1, self._seen):
            start = 100 if number == 1 else 0
            if page[start] != TABLE_LEAF:
                continue
            for c in cells(page, start, form):
                payload, _ = payload_of(page, c, form, self._snapshot.page)
                row = decode(payload, form.encoding)
                if row and len(row) >= 4 and row[0] == "table" and type(row[3]) is int:
                    yield row[3]

    def _at(self, number: int) -> int:
        if number in self._over:
            return self._main + self._over[number][1]
        return (number - 1) * self._snapshot.form.size

    def _of(self, number: int, page: bytes, c: Cell) -> list[Range]:
        form = self._snapshot.form
        _, chain = payload_of(page, c, form, self._snapshot.page)
        out = [(self._at(number) + c.body, c.local)]
        left = c.payload - c.local
        for other in chain:
            take = min(form.usable - 4, left)
            out.append((self._at(other) + 4, take))
            left -= take
        return out


def _long(page: bytes, c: Cell) -> bool:
    """Whether a row has a long value of bytes, as far as its head tells."""
    head = header(page[c.body : c.body + c.local], 0, c.local)
    if head is None:
        return True
    return any(t >= 12 and not t & 1 and (t - 12) >> 1 >= SHORTEST for t in head[1])


def rest(size: int, taken: list[Range]) -> list[Range]:
    """The ranges up to ``size`` that are not taken."""
    out, at = [], 0
    for begin, length in sorted(taken):
        if begin > at:
            out.append((at, min(begin, size) - at))
        at = max(at, begin + length)
        if at >= size:
            break
    if at < size:
        out.append((at, size - at))
    return out
