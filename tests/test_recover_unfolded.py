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


def test_pictures_are_told_from_bytes_that_happen_to_fit() -> None:
    """A table of pictures takes back only what begins as its pictures do."""
    picture = b"\xff\xd8\xff\xe0" + bytes(range(40))
    db = sqlite3.connect(":memory:")
    db.executescript(
        "PRAGMA secure_delete=OFF; PRAGMA auto_vacuum=NONE;"
        "CREATE TABLE thumb(row_id INTEGER PRIMARY KEY, thumbnail BLOB);"
        "CREATE TABLE other(a INTEGER PRIMARY KEY, b BLOB, c BLOB)"
    )
    rows = [(n, picture + bytes([n])) for n in range(60)]
    db.executemany("INSERT INTO thumb VALUES (?,?)", rows)
    noise = bytes(n * 7 % 251 for n in range(300))
    db.executemany("INSERT INTO other VALUES (?,?,?)", [(n, noise, noise[n:]) for n in range(40)])
    db.commit()
    db.execute("DELETE FROM thumb WHERE row_id % 5 = 0")
    db.execute("DELETE FROM other WHERE a < 30")
    db.commit()
    found = {
        row.columns["thumbnail"]
        for row in recovered(db.serialize())
        if row.table == "thumb" and "thumbnail" in row.columns
    }
    db.close()
    assert found == {blob for n, blob in rows if n % 5 == 0}
