"""Databases too large to be held: parsers read them page by page, with the interface of a held one.

Chosen by the host for files above :data:`amparo.run.exhibits.LARGE`. What is read is the same; values of
damaged pages are left out and counted, and of columns that were added later with a default, rows from
before have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.kit.sqlite import MAGIC, Database
from amparo.kit.window import Data, data_of
from amparo.model import Record, Structure
from amparo.recover import schema
from amparo.recover.logs import Log
from amparo.recover.pages import (
    INDEX_INNER,
    INDEX_LEAF,
    TABLE_LEAF,
    Snapshot,
    cells,
    form_of,
    payload_of,
)
from amparo.recover.record import Value, decode
from amparo.recover.schema import Table
from amparo.recover.survey import MASTER, arranged

_MOST_NAMES = 20_000
Row = tuple[Any, ...]


class Live(Database):
    """One large database's ordinary tables, as they stand after the last commit of the log beside it."""

    def __init__(self, source: Source) -> None:
        self.notes: list[str] = []
        self.missing: set[str] = set()
        self._main: Data = data_of(source)
        if self._main[:16] != MAGIC:
            raise ValueError("not an SQLite database")
        beside = {k: data_of(s) for k, s in source.companions.items() if k in ("-wal", "-journal")}
        wal = beside.get("-wal", b"")
        self._form = form_of(self._main)
        log = Log(wal, self._form)
        self.notes += [f"{note}: the file was read without it" for note in log.notes]
        first = log.live.get(1)
        if first is not None:
            self._form = form_of(wal[first : first + self._form.size], self._form.size)
        here = len(self._main) // self._form.size
        claimed = int.from_bytes(self._main[28:32], "big")
        valid = self._main[24:28] == self._main[92:96] and claimed > 0
        count = log.pages or (claimed if valid else here)
        if count > here and not log.pages:
            self.notes.append(f"cut off: {here} of {count} pages are there")
        over = {n: (wal, offset) for n, offset in log.live.items()}
        self._snapshot = Snapshot(self._main, self._form, count, over)
        if beside.get("-journal", b"")[:8] == bytes.fromhex("d9d505f920a163d7"):
            self.notes.append(
                "a journal beside it was not undone: the last change may be half written"
            )
        self._held = self._read_tables()

    def _read_tables(self) -> dict[str, Table]:
        assert MASTER is not None
        held: dict[str, Table] = {}
        for _, row in self._stored(MASTER):
            what, name, _, root, sql = (*row, *(None,) * 5)[:5]
            if what != "table" or not isinstance(name, str) or not isinstance(sql, str):
                continue
            if type(root) is not int or root <= 0 or name.startswith("sqlite_"):
                continue
            made = schema.table(sql, root)
            if made is not None:
                made.name = name
                held[name.lower()] = made
        return held

    def tables(self) -> dict[str, list[str]]:
        """Ordinary tables and their columns, as written in the file."""
        return {table.name: table.names for table in self._held.values()}

    def has(self, table: str, column: str = "") -> bool:
        """Whether an ordinary table, or one of its columns, is there."""
        held = self._held.get(table.lower())
        return held is not None and (not column or held.column(column) is not None)

    def rows(self, table: str, wanted: Sequence[str], by: str = "") -> Iterator[Row]:
        """``(rowid, *wanted)`` of every row that can be read, in the order of the row number or of ``by``."""
        held = self._held.get(table.lower())
        if held is None:
            self.missing.add(table)
            return
        names = (*wanted, *((by,) if by else ()))
        self.missing |= {f"{table}.{c}" for c in names if held.column(c) is None}
        picked = [held.column(c) for c in wanted]
        places = held.stored()
        if by and held.column(by) is None:
            return
        if by and (held.column(by) != held.alias or not held.rowid):
            yield from self._by(held, picked, held.column(by))
            return
        for rowid, stored in self._stored(held):
            row = _typed(held, arranged(held, places, stored, rowid))
            number = rowid if held.rowid else None
            yield (number, *(None if i is None else row[i] for i in picked))

    def _by(self, table: Table, picked: list[int | None], key: int | None) -> Iterator[Row]:
        """Ascending by another column than the row number: the order is found first, then each row."""
        assert key is not None
        places, order = table.stored(), list[tuple[int, int]]()
        if not table.rowid:
            rows = (
                _typed(table, arranged(table, places, one, None)) for _, one in self._stored(table)
            )
            kept = [(row[key], row) for row in rows if type(row[key]) is int]
            for _, row in sorted(kept, key=lambda k: k[0]):  # type: ignore[arg-type, return-value]
                yield (None, *(None if i is None else row[i] for i in picked))
            return
        for rowid, stored in self._stored(table):
            value = arranged(table, places, stored, rowid)[key]
            if type(value) is int:
                order.append((value, rowid))
        order.sort()
        for _, rowid in order:
            payload = self._snapshot.seek(table.root, rowid)
            found = self._values(payload) if payload else None
            if found is not None:
                row = _typed(table, arranged(table, places, found, rowid))
                yield (rowid, *(None if i is None else row[i] for i in picked))

    def _stored(self, table: Table) -> Iterator[tuple[int, list[Value]]]:
        """Row number and stored values; each number once, in the order of the tree."""
        kinds = (TABLE_LEAF,) if table.rowid else (INDEX_LEAF, INDEX_INNER)
        form, page_of = self._form, self._snapshot.page
        last, broken, again = -(1 << 63), 0, 0
        for number, page in self._snapshot.walk(table.root, set()):
            start = 100 if number == 1 else 0
            if page[start] not in kinds:
                continue
            for c in cells(page, start, form):
                if table.rowid and c.rowid <= last:
                    again += 1
                    continue
                payload, _ = payload_of(page, c, form, page_of)
                found = self._values(payload) if len(payload) == c.payload else None
                if found is None:
                    broken += 1
                    continue
                last = c.rowid
                yield c.rowid, found
        for count, what in ((broken, "cannot be read"), (again, "come round again")):
            if count:
                self.notes.append(f"{_shown(table.name)}: {count} rows {what}")

    def _values(self, payload: bytes) -> list[Value] | None:
        return decode(payload, self._form.encoding)


def _typed(table: Table, row: list[Value]) -> list[Value]:
    """Whole numbers of a column of fractions are kept as integers and read as fractions."""
    for i, column in enumerate(table.columns):
        if column.affinity == "real" and type(row[i]) is int:
            row[i] = float(row[i])  # type: ignore[arg-type]
    return row


def _shown(name: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", name)[:128]


def read_with(
    parser: Callable[..., Iterator[Record | Thumb | Warn]], source: Source, found: Found
) -> Iterator[Record | Thumb | Warn]:
    """What a parser makes of a database too large to be held."""
    yield from parser(Live(source), found)


def structure(source: Source, found: Found) -> Iterator[Structure]:
    """The tables and columns of a database too large to be held."""
    names: list[str] = []
    for table, columns in Live(source).tables().items():
        names += [f"{_shown(table)}.{_shown(column)}" for column in columns]
        if len(names) > _MOST_NAMES:
            break
    yield Structure(
        content=found.content, format="sqlite", names=tuple(sorted(names[:_MOST_NAMES]))
    )
