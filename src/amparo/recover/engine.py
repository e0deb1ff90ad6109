"""Row recovery over the bytes of a database, its log and its journal: nothing is written or run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amparo.recover.fulltext import indexes, rebuilt
from amparo.recover.proofs import gaps, orphans
from amparo.recover.row import Row
from amparo.recover.rows import Recovery


def recovered(
    main: bytes,
    wal: bytes | None = None,
    journal: bytes | None = None,
    *,
    tables: Sequence[str] = (),
    sibling: bytes | None = None,
    live: bool = False,
    seconds: float = 3600,
) -> Iterator[Row]:
    """Every row that can be brought back, each once; ``live`` gives the live rows as well.

    ``tables`` are searched first and at all cost, the others within bounds; ``sibling`` is another
    database of the same application whose structure and ranges are learnt from. What has gone without
    a trace comes last: rows whose parent is missing, and runs of missing numbers. Raises ValueError
    for what is no database.
    """
    yield from everything(Recovery(main, wal, journal, tables, sibling, seconds), live)


def everything(recovery: Recovery, live: bool = False) -> Iterator[Row]:
    """The rows of an opened database by all methods, the surest first."""
    shadows = {part.name.lower() for index in indexes(recovery) for part in index.parts.values()}
    older: list[Row] = []
    told: dict[tuple[str, int], set[str]] = {}
    for row in recovery.rows(live):
        low = row.table.lower()
        if row.rowid is not None and row.state != "live":
            told.setdefault((low, row.rowid), set()).update(
                name for name, value in row.columns.items() if value is not None and row.complete
            )
        if low in shadows and row.state != "live":
            older.append(row)
        yield row
    numbers: dict[str, set[int]] = {}
    for low, number in told:
        numbers.setdefault(low, set()).add(number)
    for row in rebuilt(recovery, older):
        assert row.rowid is not None
        low = row.table.lower()
        if not row.columns.keys() <= told.get((low, row.rowid), set()):
            numbers.setdefault(low, set()).add(row.rowid)
            yield row
    yield from orphans(recovery)
    yield from gaps(recovery, numbers)
