"""Runs a parser on databases written down as SQL, as a cell would: from bytes, with what lies beside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.kit.sqlite import Database
from amparo.model import Record

FOUND = Found(exhibit="exhibit-1", file="file-1", path="databases/msgstore.db", content="content-1")
R = TypeVar("R", bound=Record)


class Parsed:
    """What a parser yielded."""

    def __init__(self, yielded: Iterator[Any]) -> None:
        everything = list(yielded)
        self.records: list[Record] = [one for one in everything if isinstance(one, Record)]
        self.warnings: list[str] = [one.reason for one in everything if isinstance(one, Warn)]
        assert len(self.records) + len(self.warnings) == len(everything)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind, in the order they came."""
        return [one for one in self.records if isinstance(one, kind)]

    def handle(self, id: str) -> str:
        """The handle of an account or thread by its id; the id itself where none was told."""
        for one in self.records:
            if one.id == id and hasattr(one, "handle"):
                return str(one.handle)
        return id


def database_bytes(*sql: str, page_size: int = 4096) -> bytes:
    """The bytes of a database made by these statements, with everything that Android sets set."""
    db = sqlite3.connect(":memory:")
    db.executescript(
        f"PRAGMA page_size={page_size}; PRAGMA secure_delete=ON; PRAGMA auto_vacuum=FULL;"
    )
    for statements in sql:
        db.executescript(statements)
    data: bytes = db.serialize()
    db.close()
    return data


def with_log(folder: Path, first: str, then: str, checkpoint: bool = False) -> tuple[bytes, bytes]:
    """A database and its log as they lie on a phone whose app is running: ``then`` is only in the log."""
    path = folder / "live.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA auto_vacuum=FULL; PRAGMA secure_delete=ON; PRAGMA journal_mode=WAL;")
    db.executescript("PRAGMA wal_autocheckpoint=0;" + first)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.executescript(then)
    if checkpoint:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    pair = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    db.close()
    return pair


def parse(function: Callable[..., Iterator[Any]], *sql: str, data: bytes = b"", log: bytes = b"",
          seconds: float = 30) -> Parsed:  # fmt: skip
    """The parser's records for a database given as SQL, or as bytes with its log."""
    source = Source.of_bytes(data or database_bytes(*sql))
    if log:
        source.companions["-wal"] = Source.of_bytes(log)
    return Parsed(function(Database(source, seconds), FOUND))


def parse_bytes(function: Callable[..., Iterator[Any]], data: bytes) -> Parsed:
    """The records of a parser that reads bytes."""
    return Parsed(function(Source.of_bytes(data), FOUND))
