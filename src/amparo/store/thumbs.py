"""Small pictures by key in one SQLite file beside the case; it is made again where it is gone, and never evidence."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from amparo.store.backend import StoreRefused
from amparo.store.sqlite import BUSY_MS, WAL_LIMIT, reading_mode

_TABLE = "CREATE TABLE IF NOT EXISTS blob (key TEXT PRIMARY KEY, data BLOB NOT NULL)"
_ANY = "SELECT data FROM blob LIMIT 1"

UNKNOWN, INCOMPLETE, COMPLETE = range(3)
"""Whether some that were kept once are gone; of a file that was just made nothing is known."""


class Blobs:
    """Key to bytes. Safe to use from several threads.

    A file that is not there is an empty one. One that is damaged is begun anew by writing, as INCOMPLETE.
    """

    def __init__(self, path: Path, readonly: bool = False) -> None:
        self._path = path
        self._readonly = readonly
        self._lock = threading.Lock()
        self._torn = False
        self.begun_anew = 0
        """How often that was done."""
        if readonly:
            absent = not path.is_file()
            mode = f"{path.absolute().as_uri()}?{reading_mode(path)}"
            self._connection = _connected("file::memory:" if absent else mode)
            self._connection.execute("PRAGMA wal_autocheckpoint=0")
            if absent:
                self._connection.execute(_TABLE)
            return
        try:
            self._connection = _writing(path)
        except sqlite3.DatabaseError as error:
            if not _damaged(error):
                raise StoreRefused(f"{path}: {error}") from error
            self._begin_anew()

    def _begin_anew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._connection = _writing(self._path)
        self._connection.execute(f"PRAGMA user_version={INCOMPLETE}")
        self._torn = False
        self.begun_anew += 1

    @property
    def state(self) -> int:
        """UNKNOWN, INCOMPLETE or COMPLETE, as it was last set; INCOMPLETE where damage was met."""
        if self._torn:
            return INCOMPLETE
        with self._lock, suppress(sqlite3.DatabaseError):
            self._connection.execute(_ANY).fetchone()
            return int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        return INCOMPLETE

    @state.setter
    def state(self, state: int) -> None:
        try:
            with self._lock:
                self._connection.execute(f"PRAGMA user_version={int(state)}")
                self._torn = False
        except sqlite3.DatabaseError as error:
            raise StoreRefused(f"{self._path}: {error}") from error

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Keep these in one transaction; a key that is there gets the new bytes."""
        if self._readonly:
            raise StoreRefused("this case is open for reading only")
        rows = list(items)
        with self._lock:
            try:
                self._put(rows)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                self._connection.close()
                self._begin_anew()
                self._put(rows)

    def _put(self, rows: list[tuple[str, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                "INSERT INTO blob (key, data) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET data = excluded.data",
                rows,
            )
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def get(self, key: str) -> bytes | None:
        """The bytes under a key; None where there are none or the file cannot be read any more."""
        with self._lock:
            try:
                row = self._connection.execute(
                    "SELECT data FROM blob WHERE key = ?", (key,)
                ).fetchone()
            except sqlite3.DatabaseError as error:
                self._torn = self._torn or _damaged(error)
                return None
        return row[0] if row and isinstance(row[0], bytes) else None

    def count(self) -> int:
        """How many are kept; 0 where that cannot be read any more."""
        with self._lock, suppress(sqlite3.DatabaseError):
            return int(self._connection.execute("SELECT count(*) FROM blob").fetchone()[0])
        return 0

    def empty(self) -> bool:
        """Whether nothing is kept."""
        with self._lock:
            return self._connection.execute(_ANY).fetchone() is None

    def has(self, key: str) -> bool:
        """Whether there is something under a key that can be read."""
        return self.get(key) is not None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if not self._readonly:
                if self._torn:
                    with suppress(sqlite3.DatabaseError):
                        self._connection.execute(f"PRAGMA user_version={INCOMPLETE}")
                self._connection.execute("PRAGMA busy_timeout=1000")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()


def _damaged(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # none where the module itself complains
    return code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _connected(where: str) -> sqlite3.Connection:
    connection = sqlite3.connect(where, uri=True, check_same_thread=False, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA mmap_size=0")
    return connection


def _writing(path: Path) -> sqlite3.Connection:
    connection = _connected(f"{path.absolute().as_uri()}?mode=rwc")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        connection.execute(_TABLE)
        connection.execute(_ANY).fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
