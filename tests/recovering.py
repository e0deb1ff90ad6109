"""Databases with deleted rows, made with every default that matters set by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from amparo.recover import Row

NOTES = "CREATE TABLE note (_id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, sent INTEGER, body TEXT, score REAL)"


def opened(
    path: Path, *, secure: int = 0, vacuum: int = 0, journal: str = "DELETE"
) -> sqlite3.Connection:
    """A new database that keeps what is deleted, unless told otherwise."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        "page_size=1024", f"auto_vacuum={vacuum}", f"journal_mode={journal}",
        f"secure_delete={secure}", "synchronous=OFF", "wal_autocheckpoint=0",
    ):  # fmt: skip
        db.execute(f"PRAGMA {pragma}")
    return db


def note(number: int) -> tuple[int, str, int, str, float]:
    """One row of ``note``."""
    body = f"the blue bag is at platform {number}, до вечера 🚆" * (1 + number % 3)
    return number, f"author-{number:04}", 1_650_000_000_000 + 77 * number, body, number / 8


def noted(path: Path, count: int = 60, **how: int | str) -> sqlite3.Connection:
    """A database of notes."""
    db = opened(path, **how)  # type: ignore[arg-type]
    db.execute(NOTES)
    db.execute("BEGIN")
    db.executemany("INSERT INTO note VALUES (?,?,?,?,?)", [note(i) for i in range(1, count + 1)])
    db.execute("COMMIT")
    return db


def erased(db: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Delete notes in one transaction."""
    db.execute("BEGIN")
    db.executemany("DELETE FROM note WHERE _id=?", [(n,) for n in numbers])
    db.execute("COMMIT")


def taken(path: Path) -> tuple[bytes, bytes | None, bytes | None]:
    """Database, log and journal as they lie."""
    parts = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-journal")]
    main, wal, journal = (p.read_bytes() if p.exists() else None for p in parts)
    assert main is not None
    return main, wal, journal


def values(rows: Iterable[Row], table: str = "note") -> set[tuple[object, ...]]:
    """Whole recovered rows of a table without their number."""
    return {
        tuple(v for n, v in r.columns.items() if n != "_id")
        for r in rows
        if r.table == table and r.complete and r.state != "live"
    }


def expected(numbers: Iterable[int]) -> set[tuple[object, ...]]:
    """The same of notes by their numbers."""
    return {note(n)[1:] for n in numbers}
