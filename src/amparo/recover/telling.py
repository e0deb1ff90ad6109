"""One database of any application, told in records: its state, what is missing, what is left, what came back.

Rows of tables that a parser reads are told by that parser (:mod:`amparo.recover.ghost`); here come those
of all other tables, and the proofs that something is gone.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.sqlite import Database
from amparo.model import At, DatabaseState, Gap, Orphan, Record, RecoveredRow
from amparo.recover.clock import clock
from amparo.recover.engine import everything
from amparo.recover.fulltext import indexes
from amparo.recover.place import at_of
from amparo.recover.record import Value
from amparo.recover.row import Row
from amparo.recover.rows import Recovery

MOST_ROWS = 20_000
"""Recovered rows of tables without a parser that are kept of one database."""
MOST_OF_TABLE = 5_000
MOST_ORPHANS = 100_000
LONGEST_TEXT = 32_000
"""Characters of one value that are kept."""
LONGEST_BYTES = 256
GAPS = ("id_gap", "sort_id_gap")
ENCODINGS = {1: "UTF-8", 2: "UTF-16LE", 3: "UTF-16BE"}
JOURNALS = {1: "rollback journal", 2: "write-ahead log"}
TRACES, SOME = 0.02, 0.25
"""Shares of freed bytes that are not zero: below the first erasing was thorough, below the second partly."""
_BAD_DATA = (
    ValueError, KeyError, IndexError, OverflowError, EOFError, OSError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip

Parser = Callable[[Database, Found], Iterator[Record | Warn]]


class _Asked(Database):
    """An empty database with a given structure that remembers which tables were asked for."""

    def __init__(self, columns: dict[str, list[str]]) -> None:
        self.notes: list[str] = []
        self.missing: set[str] = set()
        self.asked: set[str] = set()
        self._given = {name.lower(): names for name, names in columns.items()}

    def tables(self) -> dict[str, list[str]]:
        """Tables and their columns."""
        return dict(self._given)

    def has(self, table: str, column: str = "") -> bool:
        """Whether a table, or one of its columns, is there."""
        names = self._given.get(table.lower())
        return names is not None and (not column or column.lower() in map(str.lower, names))

    def rows(self, table: str, wanted: Sequence[str], by: str = "") -> Iterator[tuple[Any, ...]]:
        """No rows; the table counts as read."""
        self.asked.add(table.lower())
        return iter(())


def read_by(parsers: Sequence[Parser], columns: dict[str, list[str]], found: Found) -> set[str]:
    """The tables, in lower case, that these parsers read."""
    asked: set[str] = set()
    for parser in parsers:
        empty = _Asked(columns)
        try:
            for _ in parser(empty, found):
                pass
        except _BAD_DATA:
            pass  # what it wanted before counts
        asked |= empty.asked
    return asked


@dataclass
class _Left:
    """What is left of a row that is gone."""

    at: At
    tables: Counter[str] = field(default_factory=Counter)
    time: int | None = None


class Telling:
    """Goes through everything recovered of one database once; :meth:`records` is all it has to say."""

    def __init__(self, recovery: Recovery, found: Found, parsers: Sequence[Parser] = ()) -> None:
        self._recovery, self._found = recovery, found
        tables = recovery.survey.tables
        self._read = read_by(parsers, {t.name: t.names for t in tables.values() if t.root}, found)
        shadows = (p.name.lower() for i in indexes(recovery) for p in i.parts.values())
        self._silent = {*shadows, *(low for low in tables if low.startswith("sqlite_"))}
        self._methods: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._back: dict[str, set[int]] = {}
        self._left: dict[tuple[str, int], _Left] = {}
        self._unheld = 0
        self._missing = 0
        self._clocks: dict[str, Callable[[list[Value]], int | None] | None] = {}

    def records(self) -> Iterator[Record | Warn]:
        """Rows as they come, then gaps, orphans and the state of the database."""
        for row in everything(self._recovery):
            if row.method in GAPS:
                yield self._gap(row)
            elif row.method == "orphan":
                self._orphan(row)
            else:
                self._methods[row.method] += 1
                if row.rowid is not None:
                    self._back.setdefault(row.table.lower(), set()).add(row.rowid)
                yield from self._row(row)
        yield from self._orphans()
        yield self._state()
        yield from map(Warn, self.lost())

    def lost(self) -> Iterator[str]:
        """What was not told, one line each."""
        if self._left_out:
            which = ", ".join(f"{name[:60]} {n}" for name, n in self._left_out.most_common(5))
            yield (
                f"{self._left_out.total()} recovered rows of tables that no parser reads were too many"
                f" to keep ({which}): amparo recover FILE gives them all"
            )
        if self._unheld:
            yield f"rows that belong to {self._unheld} further lost rows were too many to keep"
        yield from self._recovery.unfinished()

    def _row(self, row: Row) -> Iterator[Record]:
        low = row.table.lower()
        if low in self._read or low in self._silent:
            return
        if self._kept[low] >= MOST_OF_TABLE or self._kept.total() >= MOST_ROWS:
            self._left_out[row.table] += 1
            return
        self._kept[low] += 1
        values = row.shown()
        texts = (v for v in values.values() if isinstance(v, str) and v.strip())
        yield RecoveredRow(
            at=at_of(self._found, row),
            columns=json.dumps({n: shown(v) for n, v in values.items()}, ensure_ascii=False),
            text="\n".join(t[:LONGEST_TEXT] for t in texts)[: 4 * LONGEST_TEXT],
            complete=row.complete,
        )

    def _gap(self, row: Row) -> Gap:
        values = {n: v for n, v in row.columns.items() if type(v) is int}
        if row.method == "id_gap":
            self._missing += values["missing"]
        return Gap(
            at=at_of(self._found, row),
            column=str(row.columns["column"]),
            first=values["first"],
            last=values["last"],
            missing=values["missing"],
            recovered=values["recovered"],
            after=values.get("after"),
            before=values.get("before"),
        )

    def _orphan(self, row: Row) -> None:
        low = row.table.lower()
        if low not in self._clocks:
            survey = self._recovery.survey
            self._clocks[low] = clock(survey, survey.tables[low])
        reads = self._clocks[low]
        time = reads(list(row.columns.values())) if reads else None
        for parent in row.parents:
            held = self._left.get(parent)
            if held is None:
                if len(self._left) >= MOST_ORPHANS:
                    self._unheld += 1
                    continue
                held = self._left[parent] = _Left(at_of(self._found, row))
            held.tables[row.table] += 1
            if time is not None:
                held.time = min(time, held.time or time)

    def _orphans(self) -> Iterator[Orphan]:
        for (parent, number), left in self._left.items():
            yield Orphan(
                at=left.at,
                parent=parent,
                number=number,
                rows=left.tables.total(),
                tables=tuple(f"{name}={n}" for name, n in sorted(left.tables.items())),
                recovered=number in self._back.get(parent.lower(), ()),
                time=left.time,
            )

    def _state(self) -> DatabaseState:
        recovery, main = self._recovery, self._recovery.main
        free = recovery.free_bytes()
        freed, nonzero = (free["freeblock"][i] + free["free_pages"][i] for i in (0, 1))
        survey = recovery.survey
        there = [t for t in survey.tables.values() if t.root and not t.name.startswith("sqlite_")]
        vacuum = "incremental" if int.from_bytes(main[64:68], "big") else "full"
        return DatabaseState(
            at=At(self._found.exhibit, self._found.file),
            pages=recovery.snapshot.count,
            page_size=recovery.form.size,
            encoding=ENCODINGS[recovery.form.encoding],
            journal_mode=JOURNALS.get(main[18] if len(main) > 18 else 0, "unknown"),
            auto_vacuum=vacuum if int.from_bytes(main[52:56], "big") else "none",
            log_frames=len(recovery.log.frames),
            journal_pages=recovery.kept_pages,
            freed=freed,
            freed_nonzero=nonzero,
            unused=free["unallocated"][0],
            unused_nonzero=free["unallocated"][1],
            erasing=erasing(freed, nonzero),
            tables=len(there),
            live=sum(survey.live[t.name.lower()].count for t in there),
            missing=self._missing,
            recovered=tuple(f"{method}={n}" for method, n in self._methods.most_common()),
            left_out=self._left_out.total(),
        )


def erasing(freed: int, nonzero: int) -> str:
    """What freed bytes say of how thoroughly the application erases."""
    if not freed:
        return "no trace"
    share = nonzero / freed
    return "overwritten" if share < TRACES else "partly" if share < SOME else "kept"


def shown(value: Value) -> Any:
    """A value for JSON: long texts cut, bytes as their length and first ones in hexadecimal."""
    if isinstance(value, bytes):
        return {"bytes": len(value), "hex": value[:LONGEST_BYTES].hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return value


def telling(
    recovery: Recovery, found: Found, parsers: Sequence[Parser] = ()
) -> Iterator[Record | Warn]:
    """Everything there is to say of an opened database but what these parsers say."""
    yield from Telling(recovery, found, parsers).records()
