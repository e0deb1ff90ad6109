"""The case as one SQLite file: one writing connection in WAL mode, readers that cannot write."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Transaction,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.pool import QueuePool

from amparo.store.backend import Backend, StoreRefused

BUSY_MS = 30_000
WAL_LIMIT = 64 << 20
"""Bytes the write-ahead log is cut back to."""

_RULES = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5"
    "(body, content='', columnsize=0, detail=none, tokenize='ascii')",
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'actions are only ever added'); END"
        for table in ("action", "action_input")
        for verb in ("UPDATE", "DELETE")
    ),
)


def sealed(path: Path) -> bool:
    """Whether nothing can be written beside the database."""
    return not os.access(path.parent, os.W_OK) or bool(
        os.statvfs(path.parent).f_flag & os.ST_RDONLY
    )


def reading_mode(path: Path) -> str:
    """How to open for reading. StoreRefused when that would miss what is still in the log."""
    if not sealed(path):
        return "mode=ro"
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise StoreRefused(
            f"{log} holds changes that were never folded into {path.name}: copy the whole folder to "
            "a place that can be written to and open it there"
        )
    return "mode=ro&immutable=1"


def _engine(path: Path, mode: str, pragmas: tuple[str, ...], writes: bool) -> Engine:
    uri = f"{path.absolute().as_uri()}?{mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver begins nothing by itself.
        connection = sqlite3.connect(
            uri, uri=True, check_same_thread=False, isolation_level=None, cached_statements=256
        )
        for pragma in (f"busy_timeout={BUSY_MS}", "mmap_size=0", *pragmas):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=16, max_overflow=64
    )
    if writes:

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class Sqlite(Backend):
    """A case database in a file."""

    def __init__(self, path: Path, readonly: bool) -> None:
        writer = None
        if readonly:
            mode = reading_mode(path)
        else:
            mode = "mode=ro"
            pragmas = ("journal_mode=WAL", f"journal_size_limit={WAL_LIMIT}", "cache_size=-65536")
            writer = _engine(path, "mode=rwc", (*pragmas, "wal_autocheckpoint=4000"), True)
        # Only the writer may fold the log back: before SQLite 3.51.3 two at once can lose pages.
        reader = _engine(path, mode, ("wal_autocheckpoint=0", "cache_size=-16384"), False)
        super().__init__(reader, writer)

    def _begin(self, connection: Connection, durable: bool) -> Transaction:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        return connection.begin()

    def _settle(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA busy_timeout=1000")
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _is_full(self, error: BaseException | None) -> bool:
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL

    def _rules(self, connection: Connection) -> None:
        for statement in _RULES:
            connection.exec_driver_sql(statement)

    def among(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(each.c.value))

    def like(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        return column.op("GLOB", is_comparison=True)(
            pattern.replace("[", "[[]").replace("?", "[?]")
        )

    def insert(
        self,
        connection: Connection,
        table: str,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        columns, places = ", ".join(f'"{n}"' for n in names), ", ".join("?" * len(names))
        connection.exec_driver_sql(
            f'INSERT INTO "{table}" ({columns}) VALUES ({places})', list(map(tuple, rows))
        )

    def index_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        connection.exec_driver_sql(
            "INSERT INTO words (rowid, body) VALUES (?, ?)",
            [(doc, " ".join(words)) for doc, words in rows],
        )

    def drop_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        connection.exec_driver_sql(
            "INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)",
            [(doc, " ".join(words)) for doc, words in rows],
        )

    def find_words(self, wanted: list[str], after: int, limit: int) -> list[int]:
        match = " ".join(f'"{word}"' for word in wanted) + "*"
        with self.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? ORDER BY rowid LIMIT ?",
                (match, after, limit),
            )
            return [row[0] for row in rows]
