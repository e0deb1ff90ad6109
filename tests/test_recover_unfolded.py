"""A database all of whose content still stands in its log is read as the log says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from amparo.recover import recovered

BODIES = [f"lámpara y mesa {n} ☂" for n in range(40)]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_encoding_of_a_file_never_folded(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA encoding='{encoding}'; PRAGMA secure_delete=OFF; PRAGMA auto_vacuum=NONE;"
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
        "CREATE TABLE note(_id INTEGER PRIMARY KEY, body TEXT, at INTEGER)"
    )
    db.executemany("INSERT INTO note VALUES (?,?,?)", [(n, b, n) for n, b in enumerate(BODIES)])
    db.execute("DELETE FROM note WHERE _id % 4 = 0")
    main, wal = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    db.close()
    rows = [r for r in recovered(main, wal, live=True) if r.table == "note" and "body" in r.columns]
    live = {r.columns["body"] for r in rows if r.state == "live"}
    erased = {r.columns["body"] for r in rows if r.state == "deleted"}
    assert live == {b for n, b in enumerate(BODIES) if n % 4}
    assert erased == {b for n, b in enumerate(BODIES) if n % 4 == 0}
