"""SQLite: the page reader, the recovery of rows, logs, journals, full-text indexes, the live reader."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from amparo.kit.source import Source
from amparo.kit.sqlite import Database, structure_names
from amparo.recover import recovered, schema, slack
from amparo.recover.file import told
from amparo.recover.row import METHODS, Row
from amparo.recover.words import fts4_block, fts4_leaf, fts5_segment, fts5_segments
from fuzz import mutate
from fuzz.target import target
from recovering import NOTES, erased, opened, taken

Parts = tuple[bytes, bytes, bytes]
_SQL = (b"CREATE TABLE ", b"INTEGER PRIMARY KEY", b"WITHOUT ROWID", b"REFERENCES", b"CHECK(", b"--",
        b"/*", b"*/", b"AS (", b"FOREIGN KEY", b"UNIQUE", b"COLLATE", b"[", b"]", b"`", b'"', b"'",
        b"using fts4", b"using fts5(", b"content=", b"prefix='2,3'", b"tokenize=")  # fmt: skip


@cache
def made() -> tuple[Parts, ...]:
    """Small databases with deleted rows in all places where they survive: main, log, journal."""
    out: list[Parts] = []
    with tempfile.TemporaryDirectory() as name:
        for number, journal in enumerate(
            ("DELETE", "WAL", "PERSIST", "DELETE", "DELETE", "DELETE")
        ):
            path = Path(name) / f"{number}.db"
            db = sqlite3.connect(path, isolation_level=None)
            for pragma in (
                "page_size=512", f"auto_vacuum={int(number == 3)}", f"journal_mode={journal}",
                "secure_delete=0", "synchronous=OFF", "wal_autocheckpoint=0",
            ):  # fmt: skip
                db.execute(f"PRAGMA {pragma}")
            db.execute(NOTES)
            db.executemany("INSERT INTO note VALUES (?,?,?,?,?)", [_note(i) for i in range(1, 10)])
            _MORE.get(number, lambda db: None)(db)
            erased(db, range(4, 7))
            parts = taken(path)
            db.close()
            out.append((parts[0], parts[1] or b"", parts[2] or b""))
    return tuple(out)


def _note(number: int) -> tuple[int, str, int, str, float]:
    return number, f"author-{number:04}", 1_650_000_000_000 + number, f"blue bag {number} ü", 0.5


def _large(db: sqlite3.Connection) -> None:
    db.execute("CREATE INDEX by_author ON note (author)")
    db.execute("CREATE TABLE child (_id INTEGER PRIMARY KEY, note_row_id INTEGER, x)")
    db.execute("INSERT INTO child SELECT _id, _id, 'child' FROM note")
    db.execute("INSERT INTO note VALUES (90, 'long', 1, ?, 1)", ("over " * 300,))
    db.execute("DELETE FROM note WHERE _id = 90")


def _dropped(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE gone (a, b)")
    db.execute("INSERT INTO gone SELECT author, body FROM note")
    db.execute("DROP TABLE gone")
    db.execute("CREATE TABLE other (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
    db.execute("INSERT INTO other SELECT author, body FROM note")


def _indexed(version: int) -> Callable[[sqlite3.Connection], None]:
    def make(db: sqlite3.Connection) -> None:
        db.execute(f"CREATE VIRTUAL TABLE words USING fts{version}(body)")
        db.execute("INSERT INTO words(rowid, body) SELECT _id, body FROM note")
        db.execute("DELETE FROM words WHERE rowid < 4")

    return make


_MORE: dict[int, Callable[[sqlite3.Connection], None]] = {
    2: _large, 3: _dropped, 4: _indexed(4), 5: _indexed(5)
}  # fmt: skip


@cache
def small() -> bytes:
    """The smallest database of all: two pages."""
    with tempfile.TemporaryDirectory() as name:
        db = opened(Path(name) / "a.db")
        db.execute("CREATE TABLE note (_id INTEGER PRIMARY KEY, body TEXT)")
        db.execute("INSERT INTO note VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        db.execute("DELETE FROM note WHERE _id = 2")
        db.close()
        return taken(Path(name) / "a.db")[0]


def _sound(rows: list[Row], sizes: dict[str, int]) -> None:
    for row in rows:
        assert 0 <= row.confidence <= 1 and row.method in (*METHODS, "live"), row
        assert row.where.offset >= 0 and row.where.length >= 0, row
        assert row.where.offset + row.where.length <= sizes[row.where.file], row
        json.dumps(told(row, {}), allow_nan=False)


def _recover(main: bytes, log: bytes = b"", journal: bytes = b"", sibling: bytes = b"") -> None:
    rows = list(
        recovered(
            main, log or None, journal or None, sibling=sibling or None, live=True, seconds=20
        )
    )
    _sound(rows, {"db": len(main), "wal": len(log), "journal": len(journal)})
    if not len(main) % 4:
        slack(main, log or None)


@target(lambda: [small(), *(main for main, _, _ in made())], seconds=10, longest=16 << 10)
def database(data: bytes) -> None:
    """Everything that can be brought back from a database's own bytes."""
    _recover(data)


@target(
    lambda: [log for _, log, _ in made() if log], mutate=mutate.log, seconds=10, longest=16 << 10
)
def log(data: bytes) -> None:
    """A write-ahead log beside a sound database, for the recovery and for the live reader."""
    main = made()[1][0]
    _recover(main, data)
    source = Source.of_bytes(main)
    source.companions["-wal"] = Source.of_bytes(data)
    _read(source)


@target(lambda: [journal for _, _, journal in made() if journal], seconds=10, longest=16 << 10)
def journal(data: bytes) -> None:
    """A rollback journal beside a sound database."""
    _recover(made()[2][0], b"", data)


@target(lambda: [main for main, _, _ in made()], seconds=10, longest=16 << 10)
def sibling(data: bytes) -> None:
    """Another database from which the structure of this one is learnt."""
    _recover(made()[0][0], sibling=data)


@target(lambda: [main for main, _, _ in made()], seconds=10, longest=16 << 10, mutate=mutate.cells)
def cells(data: bytes) -> None:
    """The recovery over sound pages with unlikely values, full-text tables among them."""
    _recover(data)


@target(
    lambda: [
        b"\0" + bytes([0, 3]) + b"bag\x05\x01\x02\x03\x00\0\x04ther\x06\x02\x05\x07\0",
        b"\0\x10\0\x16\x060bag\x01\x02\x02\x04\x04the\x01\x02\x02\x05\x04",
    ],
    allowed=(),
    longest=4096,
)
def words(data: bytes) -> None:
    """Leaves and segments of full-text indexes."""
    for posting in fts4_leaf(data):
        assert len(posting) == 4
    strict = fts4_block(data, 3)
    assert strict is None or strict == list(fts4_leaf(data))
    half = len(data) // 2
    list(fts5_segment([data]))
    list(fts5_segment([data[:half], data[half:]]))
    list(fts5_segments(data))


@target(
    lambda: [
        b"CREATE TABLE note (_id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL, b REAL DEFAULT 1)",
        b"CREATE TABLE \"t t\" ([a b] BLOB, 'c', d AS (a+1) STORED, PRIMARY KEY(a, d)) WITHOUT ROWID",
        b"CREATE TABLE x(y REFERENCES z(w) ON DELETE CASCADE, FOREIGN KEY(y) REFERENCES q(r))",
    ],
    allowed=(),
    words=_SQL,
    longest=4096,
)
def structure(data: bytes) -> None:
    """The text of a table as the schema keeps it."""
    made = schema.table(data.decode("utf-8", "replace"))
    if made is not None:
        assert len(made.names) == len(made.columns)
        made.stored()


def _read(source: Source) -> None:
    try:
        database = Database(source, 20)
        for table, columns in database.tables().items():
            for row in database.rows(table, columns):
                assert len(row) == len(columns) + 1
            for row in database.rows(table, columns[:1], by=columns[-1]) if columns else ():
                assert len(row) == 2
        for warning in database.warnings():
            assert warning.reason
        structure_names(source)
    except (ValueError, sqlite3.Error):
        pass


@target(lambda: [small(), *(main for main, _, _ in made())], allowed=(), longest=16 << 10)
def live(data: bytes) -> None:
    """The reader of live rows that all parsers stand on."""
    _read(Source.of_bytes(data))
