"""``amparo recover FILE``: erased rows of one database, read in a cell, the file left as it was."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from amparo.cli import main

SCHEMA = """PRAGMA secure_delete=OFF; PRAGMA auto_vacuum=NONE;
CREATE TABLE note(_id INTEGER PRIMARY KEY, key TEXT, body TEXT, at INTEGER);"""


def database(path: Path) -> list[str]:
    """60 rows, every third of them erased; the bodies of the erased."""
    db = sqlite3.connect(path)
    db.executescript(SCHEMA)
    rows = [(n, f"{n:032X}", f"table lamp chair {n}", 1_700_000_000_000 + n) for n in range(60)]
    db.executemany("INSERT INTO note VALUES (?,?,?,?)", rows)
    db.commit()
    db.execute("DELETE FROM note WHERE _id % 3 = 0")
    db.commit()
    db.close()
    return [body for n, _, body, _ in rows if n % 3 == 0]


def test_erased_rows_come_back_as_json_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.db"
    erased = database(path)
    before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir()))
    assert main(["recover", str(path), "--json", "--table", "note"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    texts = [r for r in rows if "body" in r["columns"]]
    assert {r["columns"]["body"] for r in texts} == set(erased)
    assert all(r["state"] in ("deleted", "carved") for r in texts)
    one = texts[0]
    assert {"table", "columns", "state", "method", "confidence", "where"} <= set(one)
    data = before[0][one["where"]["offset"] :][: one["where"]["length"]]
    assert one["columns"]["body"].encode() in data
    assert before == (path.read_bytes(), path.stat().st_mtime_ns, sorted(tmp_path.iterdir()))


def test_live_rows_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.db"
    database(path)
    assert main(["recover", str(path), "--json", "--live"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    live = [r for r in rows if r["state"] == "live" and r["table"] == "note"]
    assert len(live) == 40


def test_a_table_for_people_and_one_line_of_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.db"
    database(path)
    assert main(["recover", str(path)]) == 0
    out = capsys.readouterr().out
    assert "table lamp chair 3" in out and "freeblock" in out
    (tmp_path / "no.db").write_text("nothing")
    assert main(["recover", str(tmp_path / "no.db")]) == 2
    assert main(["recover", str(tmp_path / "missing.db")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("thorough", [True, False])
def test_the_file_itself_is_described(
    encoding: str, thorough: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.db"
    db = sqlite3.connect(path)
    db.executescript(
        f"PRAGMA page_size=1024; PRAGMA encoding='{encoding}'; PRAGMA secure_delete={thorough};"
        "PRAGMA auto_vacuum=NONE; CREATE TABLE note(_id INTEGER PRIMARY KEY, body TEXT)"
    )
    db.executemany("INSERT INTO note VALUES (?,?)", [(n, f"lamp {n}" * 9) for n in range(200)])
    db.commit()
    db.execute("DELETE FROM note WHERE _id % 2")
    db.commit()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.close()
    assert main(["recover", str(path)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert f"page size 1024 bytes, {pages} pages, {encoding.upper()}, " in first
    assert "journal mode rollback journal (write version 1, read version 1)" in first
    assert ("overwritten" in first) == thorough
    assert main(["recover", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert all(json.loads(line)["table"] for line in out.splitlines())
    assert "page size 1024" in err
