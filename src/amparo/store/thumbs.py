"""Small pictures by key in one SQLite file beside the case; it can be rebuilt and is never evidence."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from amparo.store.backend import StoreRefused
from amparo.store.sqlite import BUSY_MS, WAL_LIMIT, reading_mode


class Blobs:
    """Key to bytes. Safe to use from several threads.

    ``readonly``: a file that is not there is an empty one, since it can be rebuilt.
    """

    def __init__(self, path: Path, readonly: bool = False) -> None:
        self._readonly = readonly
        self._lock = threading.Lock()
        absent = readonly and not path.is_file()
        mode = reading_mode(path) if readonly else "mode=rwc"
        self._connection = sqlite3.connect(
            "file::memory:" if absent else f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
        )
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self._connection.execute("PRAGMA mmap_size=0")
        if readonly:
            self._connection.execute("PRAGMA wal_autocheckpoint=0")
        else:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        if absent or not readonly:
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS blob (key TEXT PRIMARY KEY, data BLOB NOT NULL)"
            )

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Keep these in one transaction; a key that is there gets the new bytes."""
        if self._readonly:
            raise StoreRefused("this case is open for reading only")
        rows = list(items)
        with self._lock:
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
        with self._lock, suppress(sqlite3.DatabaseError):
            row = self._connection.execute("SELECT data FROM blob WHERE key = ?", (key,)).fetchone()
            return row[0] if row and isinstance(row[0], bytes) else None
        return None

    def has(self, key: str) -> bool:
        """Whether there is something under a key."""
        with self._lock:
            found = self._connection.execute("SELECT 1 FROM blob WHERE key = ?", (key,)).fetchone()
        return found is not None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if not self._readonly:
                self._connection.execute("PRAGMA busy_timeout=1000")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
