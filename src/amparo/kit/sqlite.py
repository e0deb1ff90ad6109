"""SQLite databases of unknown origin: read in memory, table by table, as far as they can be read.

Built for hostile files and changing schemas:

* nothing of the file's own SQL is run: no views, triggers, virtual tables or indexes are used;
* what a log beside the file has committed is laid over it; the file itself is never opened for writing;
* absent tables and columns give None and stand in ``missing``; unreadable pages are skipped and stand in
  ``notes``. Parsers end with ``yield from database.warnings()``.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from amparo.kit import wal
from amparo.kit.plugin import Warn
from amparo.kit.source import Source

MAGIC = b"SQLite format 3\0"
LONGEST = 64 << 20
"""Bytes of the longest value that is read."""
_MOST_GAPS = 500
_MOST_NAMES = 20_000
_FAR = 1 << 62
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_ROWID_NAMES = ("rowid", "_rowid_", "oid")

_FAULTS = (sqlite3.DatabaseError, UnicodeDecodeError, MemoryError)
"""What reading may end with: SQLite's complaints, also those that quote bytes which are no text, and a
damaged row that asks for more memory than any file could fill."""

Row = tuple[Any, ...]


class Database:
    """One database's ordinary tables. Raises ValueError or sqlite3.Error for what is no database."""

    def __init__(self, source: Source, seconds: float = 3600) -> None:
        self.notes: list[str] = []
        """What could not be read, one line each."""
        self.missing: set[str] = set()
        """Tables and ``table.column`` that were wanted and are not there."""
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.deserialize(_whole(source, self.notes))
        _confine(self._connection, self._late)
        self._schema = self._read_schema()
        self._columns: dict[str, tuple[list[str], str]] = {}

    def _late(self) -> int:
        return int(time.monotonic() > self._deadline)

    def _read_schema(self) -> dict[str, str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
        try:
            names = self._connection.execute(query).fetchall()
        except MemoryError as e:  # what SQLite says of rows of endless length; the file fitted in
            raise sqlite3.DatabaseError("its structure is damaged: SQLite cannot read it") from e
        except _FAULTS as e:
            said = _said(e)
            if "malformed database schema" not in said:
                raise
            self.notes.append(
                f"a part of its structure is damaged and was passed over: {said}"[:300]
            )
            self._connection.set_authorizer(None)
            self._connection.execute("PRAGMA writable_schema=ON")  # reads on past the damage
            self._connection.set_authorizer(_allowed)
            names = self._connection.execute(query).fetchall()
        return {str(n).lower(): str(n) for (n,) in names if not str(n).startswith("sqlite_")}

    def tables(self) -> dict[str, list[str]]:
        """Ordinary tables and their columns, as written in the file."""
        return {name: list(self._describe(name)[0]) for name in self._schema.values()}

    def has(self, table: str, column: str = "") -> bool:
        """Whether an ordinary table, or one of its columns, is there."""
        if table.lower() not in self._schema:
            return False
        return not column or column.lower() in {c.lower() for c in self._describe(table)[0]}

    def _describe(self, table: str) -> tuple[list[str], str]:
        """Columns of a table and the name of its row number ("" for a table without)."""
        key = table.lower()
        if key not in self._columns:
            name = _quoted(self._schema[key])
            try:
                info = self._connection.execute(f"PRAGMA table_info({name})").fetchall()
            except _FAULTS as e:
                self.notes.append(f"{_shown(table)}: {_said(e)}")
                info = []
            self._columns[key] = (
                [str(row[1]) for row in info],
                _row_number(self._connection, name, info),
            )
        return self._columns[key]

    def rows(self, table: str, wanted: Sequence[str], by: str = "") -> Iterator[Row]:
        """``(rowid, *wanted)`` of every row that can be read; None for columns that are not there.

        In the order of the row number, or ascending by the integer column ``by``, whose other values
        are left out. Damage is noted and what lies behind it is read on.
        """
        if table.lower() not in self._schema:
            self.missing.add(table)
            return
        if self._late():
            self._note(table, "", [])
            return
        columns, rowid = self._describe(table)
        there = {c.lower(): c for c in columns}
        self.missing |= {
            f"{table}.{c}" for c in (*wanted, *((by,) if by else ())) if c.lower() not in there
        }
        if by and by.lower() not in there:
            return
        picked = [_quoted(there[c.lower()]) if c.lower() in there else "NULL" for c in wanted]
        name = _quoted(self._schema[table.lower()])
        select = f"SELECT {', '.join([rowid or 'NULL', *picked])} FROM {name} NOT INDEXED"
        if rowid and (not by or _quoted(there[by.lower()]) == rowid):
            yield from self._by_rowid(table, select, rowid)
            return
        if by:
            column = _quoted(there[by.lower()])
            select += f" WHERE typeof({column}) = 'integer' ORDER BY {column}"
        try:
            yield from self._connection.execute(select)
        except _FAULTS as e:
            self._note(table, _said(e), [])

    def _by_rowid(self, table: str, select: str, rowid: str) -> Iterator[Row]:
        """Rows in order of their number, going on behind what is damaged."""
        query = f"{select} WHERE {rowid} >= ? ORDER BY {rowid}"
        start, gaps, error = _LEAST, [], ""
        for _ in range(_MOST_GAPS):
            last = _LEAST - 1
            failed = ""
            try:
                for row in self._connection.execute(query, (start,)):
                    number = row[0]
                    if number <= last:
                        failed = "rows come round again"
                        break
                    last = number
                    yield row
            except _FAULTS as e:
                failed = _said(e)
            if not failed:
                break
            error = failed
            floor = max(start - 1, -1) if last < _LEAST else last
            # The row before the damage is lost with the failing step, so it is asked for once more.
            behind = None if self._late() else self._behind(query, floor)
            if not behind:
                gaps.append(f"{floor} and the end")
                break
            if behind[0] > floor + 1:
                gaps.append(f"{floor} and {behind[0]}")
            yield behind
            if behind[0] == _MOST:
                break
            start = behind[0] + 1
        else:
            gaps.append(f"{start} and the end")
        if gaps:
            self._note(table, error, gaps)

    def _behind(self, query: str, floor: int) -> Row | None:
        """The next row above number ``floor`` that can be read."""
        bad, step = floor, 1
        while (row := self._first(query, floor + step)) is None:
            bad, step = floor + step, step * 2
            if floor + step >= _FAR or self._late():
                return None
        good = floor + step
        while good - bad > 1:
            middle = (good + bad) // 2
            nearer = self._first(query, middle)
            if nearer is None:
                bad = middle
            else:
                good, row = middle, nearer
        return row or None

    def _first(self, query: str, start: int) -> Row | None:
        """The first row from a number on; () where there is none, None where it cannot be read."""
        try:
            row = self._connection.execute(query + " LIMIT 1", (start,)).fetchone()
        except _FAULTS:
            return None
        if row is None:
            return ()
        return row if row[0] >= start else None

    def _note(self, table: str, error: str, gaps: list[str]) -> None:
        if self._late():
            error = f"not read to the end within {self._seconds:g} s"
        more = f" and {len(gaps) - 5} more places" if len(gaps) > 5 else ""
        where = f" between rows {', '.join(gaps[:5])}{more}" if gaps else ""
        self.notes.append(f"{_shown(table)}: {error}; rows are missing{where}")

    def warnings(self, may_lack: frozenset[str] = frozenset()) -> Iterator[Warn]:
        """What was missing, in one line, and everything that could not be read; each told once.

        ``may_lack`` are tables and columns that only some versions of the application have: nothing is
        said while no more than these are missing.
        """
        if self.missing - may_lack:
            tables = sorted(m for m in self.missing if "." not in m)
            columns = sorted(m for m in self.missing if "." in m)
            yield Warn("not in this database: " + ", ".join(tables + columns))
        yield from map(Warn, self.notes)
        self.missing.clear()
        self.notes.clear()


class Beside:
    """Rows of a side table, taken along while its main table is read in ascending order of a key.

    One pass over each table, however many rows: damage in one never costs rows of the other.
    """

    __slots__ = ("_row", "_rows", "alone", "next")

    def __init__(self, database: Database, table: str, key: str, wanted: Sequence[str]) -> None:
        self._rows = database.rows(table, (key, *wanted), by=key)
        self._row: Row = ()
        self.next = _LEAST
        """Key of the row that comes next; beyond every key at the end."""
        self.alone = 0
        """Rows passed over because the main table has no such key."""
        self._advance()

    def _advance(self) -> None:
        row = next(self._rows, None)
        if row is None:
            self.next = 1 << 63
        else:
            self._row, self.next = row, row[1]

    def before(self, key: int) -> Iterator[Row]:
        """``(rowid, key, *wanted)`` of the rows that belong to no key below this one."""
        while self.next < key:
            yield self._row
            self._advance()

    def take(self, key: int) -> list[Row]:
        """The rows of this key, and on past them."""
        while self.next < key:
            self.alone += 1
            self._advance()
        found = []
        while self.next == key:
            found.append(self._row)
            self._advance()
        return found


def structure_names(source: Source) -> tuple[str, ...]:
    """``table.column`` of every ordinary table, sorted: what parsers are chosen by."""
    names: list[str] = []
    for table, columns in Database(source, seconds=60).tables().items():
        names += [f"{_shown(table)}.{_shown(column)}" for column in columns]
        if len(names) > _MOST_NAMES:
            break
    return tuple(sorted(names[:_MOST_NAMES]))


def _row_number(connection: sqlite3.Connection, name: str, info: list[Row]) -> str:
    """The name of a table's row number; "" for a table without."""
    taken = {str(row[1]).lower() for row in info}
    hidden = next((n for n in _ROWID_NAMES if n not in taken), "")
    keys = [row for row in info if row[5]]
    try:
        if hidden:
            connection.execute(f"SELECT {hidden} FROM {name} NOT INDEXED LIMIT 0")
    except _FAULTS:
        return ""  # WITHOUT ROWID
    if len(keys) == 1 and str(keys[0][2]).upper() == "INTEGER":
        return _quoted(str(keys[0][1]))
    return hidden


def text(value: Any) -> str:
    """A value of a text column, whatever a hostile file put there."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def whole(value: Any) -> int | None:
    """A value of an integer column; None for what is no whole number of 64 bits."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer() and abs(value) < _FAR:
        return int(value)
    if type(value) is str and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return None


def _shown(name: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", name)[:128]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _said(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "asks for more memory than there is"
    return _decoded(error.object) if isinstance(error, UnicodeDecodeError) else str(error)


def _decoded(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _whole(source: Source, notes: list[str]) -> bytearray:
    """The database as it stood after its last commit, ready for reading in memory."""
    data = bytearray(source.read())
    log = source.companions.get("-wal")
    if log is not None and log.size:
        try:
            committed = wal.read(log.stream(), log.size)
            if committed:
                wal.overlay(data, log.stream(), committed)
        except wal.WalError as e:
            notes.append(f"{e}: the file was read without it")
    if not data.startswith(MAGIC) or len(data) < 512:
        raise ValueError("not an SQLite database")
    data[18:20] = b"\x01\x01"  # read without a log
    page = int.from_bytes(data[16:18], "big")
    page = 65536 if page == 1 else page
    if page in {1 << n for n in range(9, 17)}:
        stated = int.from_bytes(data[28:32], "big")
        if len(data) % page:
            del data[len(data) // page * page or len(data) :]  # half a page gives false rows
        if data[24:28] == data[92:96] and stated > len(data) // page:
            notes.append(f"cut off: {len(data) // page} of {stated} pages are there")
            data[28:32] = (len(data) // page).to_bytes(4, "big")
    journal = source.companions.get("-journal")
    if journal is not None and journal.stream().read(8) == _JOURNAL_MAGIC:
        notes.append("a journal beside it was not undone: the last change may be half written")
    return data


_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 5,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def _confine(connection: sqlite3.Connection, late: Any) -> None:
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    for pragma in (
        "trusted_schema=OFF",
        "query_only=ON",
        "temp_store=MEMORY",
        "cell_size_check=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    with suppress(AttributeError, sqlite3.Error):
        connection.enable_load_extension(False)
    connection.text_factory = _decoded
    connection.set_progress_handler(late, 50_000)
    connection.set_authorizer(_allowed)


def _allowed(
    action: int, name: str | None, _b: str | None, _c: str | None, inner: str | None
) -> int:
    """Reading tables and their columns; nothing inside a view or trigger, nothing else at all."""
    reading = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    if inner is None and (
        reading
        or (action == sqlite3.SQLITE_PRAGMA and name == "table_info")
        or (action == sqlite3.SQLITE_FUNCTION and _b == "typeof")
    ):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
