"""What docs/validation.md tells a court: every assertion once, every test it names there to be run.

Some of the assertions are shown here: databases made by the real engine after the published sets
(encodings by journal modes; 2240 rows of which 100 are deleted), and the published search strings.
"""

from __future__ import annotations

import ast
import re
import sqlite3
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest

from amparo.model import At, Message
from amparo.recover.file import recover_file
from amparo.store import Store

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
TEST = re.compile(r"(tests/\w+\.py)::(\w+)")
STATES = {"met", "partly", "not met", "not applicable"}


def numbered(prefix: str, *numbers: int) -> list[str]:
    return [f"{prefix}-{n:02d}" for n in numbers]


ASSERTIONS = [
    *numbered("SFT-CA", *range(1, 14)),
    *numbered("SFT-AO", *range(1, 9)),
    *numbered("MDT-CA", *range(1, 14)),
    *numbered("MDT-AO", 20, 22, 23, 28, 29),
    *numbered("DFR-CR", 1, 2, 3, 4),
    *numbered("DFR-RO", 4, 5, 8),
    *numbered("FT-SS", *range(1, 11)),
    *numbered("CARVE", *range(1, 6)),
]
"""Each stands in one row; carving has no published numbers, those are the page's own."""
OPTIONAL = re.compile(r"SFT-AO|MDT-AO|DFR-RO")


def rows() -> list[list[str]]:
    """``id, assertion, state, shown by`` of every row whose first cell is such an id."""
    cells = [
        [c.strip() for c in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if re.match(r"\| *(SFT|MDT|DFR|FT|CARVE)-", line)
    ]
    assert all(len(c) == 4 for c in cells), [c for c in cells if len(c) != 4]
    return cells


@cache
def defined(path: str) -> frozenset[str]:
    """The tests of a file, by reading it; empty where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_assertion_stands_in_one_row() -> None:
    assert Counter(cells[0] for cells in rows()) == Counter(ASSERTIONS)


def test_every_test_named_is_there() -> None:
    named = TEST.findall(PAGE)
    assert len(named) > 40
    absent = [f"{path}::{name}" for path, name in named if name not in defined(path)]
    assert not absent, absent
    assert all(name.startswith("test_") for _, name in named)


@pytest.mark.parametrize("cells", rows(), ids=lambda cells: cells[0])
def test_a_row_says_what_shows_it_or_that_it_is_not_met(cells: list[str]) -> None:
    id, assertion, state, shown = cells
    assert state in STATES and len(assertion) > 15
    tests, lacking = TEST.findall(shown), "not met:" in shown
    assert bool(tests) >= (state in ("met", "partly")), "a claim without a test"
    assert lacking == (state in ("partly", "not met")), "what is lacking is said where it lacks"
    if state == "not applicable":
        assert OPTIONAL.match(id) and len(shown) > 30


def test_the_counts_in_the_summary_are_those_of_the_rows() -> None:
    counted = Counter(cells[2] for cells in rows())
    said = {
        state: int(found[1])
        for state in STATES
        if (found := re.search(rf"^- (\d+) \*\*{state}\*\*", PAGE, re.M))
    }
    assert said == dict(counted)


def test_the_page_can_be_found() -> None:
    for page in ("README.md", "docs/architecture.md"):
        assert "validation.md" in (ROOT / page).read_text(encoding="utf-8"), page
    for link in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link


# --- after the published SQLite sets ------------------------------------------------------------

SAID = 'CREATE TABLE "сообщение" (_id INTEGER PRIMARY KEY AUTOINCREMENT, "имя" TEXT NOT NULL, "größe" REAL, "本文" BLOB)'
BARE = "CREATE TABLE bare (a VARCHAR(20), b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID"
EMPTY = "CREATE TABLE empty (lamp TEXT)"


def line(number: int) -> tuple[object, ...]:
    return number, f"лампа {number} 中國 🚆 mañana", number / 8, bytes((number % 256, 0, 255))


def database(path: Path, encoding: str, journal: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"encoding='{encoding}'", f"journal_mode={journal}", "secure_delete=0",
                   "auto_vacuum=0", "wal_autocheckpoint=0"):  # fmt: skip
        db.execute(f"PRAGMA {pragma}")
    db.executescript(f"{SAID};{BARE};{EMPTY};CREATE VIEW seen AS SELECT 1;")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the file itself states its encoding
    return db


def plain(row: dict[str, Any]) -> tuple[object, ...]:
    """Values as SQLite gives them: bytes are hex in JSON."""
    found = row["columns"].values()
    return tuple(bytes.fromhex(v["hex"]) if isinstance(v, dict) else v for v in found)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("journal", ["DELETE", "PERSIST", "WAL"])
def test_all_that_is_live_in_every_encoding_and_mode(
    encoding: str, journal: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    db = database(path, encoding, journal)
    lines = [line(n) for n in range(1, 301)]
    db.execute("BEGIN")
    db.executemany('INSERT INTO "сообщение" VALUES (?,?,?,?)', lines)
    db.execute("COMMIT")
    db.execute("INSERT INTO bare VALUES ('k', 5)")
    found = [r for r in recover_file(path, live=True) if r["state"] == "live"]
    db.close()
    schema = [r["columns"] for r in found if r["table"] == "sqlite_master"]
    tables = {c["name"]: c["sql"] for c in schema if c["type"] == "table"}
    own = "CREATE TABLE sqlite_sequence(name,seq)"
    assert tables == {"сообщение": SAID, "bare": BARE, "empty": EMPTY, "sqlite_sequence": own}
    told = [r for r in found if not r["table"].startswith("sqlite_")]
    assert Counter(r["table"] for r in told) == {"сообщение": 300, "bare": 1}
    notes = [r for r in told if r["table"] == "сообщение"]
    assert {tuple(r["columns"]) for r in notes} == {("_id", "имя", "größe", "本文")}
    assert sorted(map(plain, notes)) == lines
    assert {r["where"]["file"] for r in told} == {"a.db-wal" if journal == "WAL" else "a.db"}


@pytest.mark.parametrize("journal", ["PERSIST", "WAL"])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_2240_rows_of_which_100_are_deleted(encoding: str, journal: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = database(path, encoding, journal)
    db.execute("PRAGMA secure_delete=1")  # so that only log or journal still holds them
    db.execute("BEGIN")
    db.executemany('INSERT INTO "сообщение" VALUES (?,?,?,?)', [line(n) for n in range(1, 2241)])
    db.execute("COMMIT")
    if journal == "WAL":
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gone, changed = set(range(22, 2222, 22)), {5, 700, 2001}
    db.execute("BEGIN")
    db.executemany('DELETE FROM "сообщение" WHERE _id=?', [(n,) for n in gone])
    db.executemany('UPDATE "сообщение" SET "größe"=-1 WHERE _id=?', [(n,) for n in changed])
    db.execute("COMMIT")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    told = [r for r in recover_file(path) if r["table"] == "сообщение" and r["complete"]]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    db.close()
    assert len(gone) == 100
    assert sorted(map(plain, told)) == [line(n) for n in sorted(gone | changed)]
    assert {r["rowid"] for r in told if r["state"] == "deleted"} == gone
    assert {r["rowid"] for r in told if r["state"] == "superseded"} == changed
    # before the log is folded in, the database file itself still holds the rows as they were
    assert {r["where"]["file"] for r in told} == {"a.db" if journal == "WAL" else "a.db-journal"}
    codec = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}[encoding]
    for row in told:
        where = row["where"]
        data = before[where["file"]][where["offset"] :][: where["length"]]
        assert row["columns"]["имя"].encode(codec) in data, "the bytes it is said to rest on"


# --- the published search strings ---------------------------------------------------------------

STRINGS = (
    "garçon", "Schönheit", "Россия", "فلافل", "中國", "mañana", "libertà", "inﬁnity", "ひらがな",
    "カタカナ", "대한민국", "שלום",
)  # fmt: skip


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_published_strings_of_many_scripts(
    form: Literal["NFC", "NFD", "NFKC", "NFKD"], tmp_path: Path
) -> None:
    with Store.create(tmp_path / "case.db") as store:
        texts = [*STRINGS, *(unicodedata.normalize("NFD", s) for s in STRINGS), "other words"]
        ids: dict[str, set[str]] = {}
        for number, text in enumerate(texts):
            message = Message(
                at=At("e", "f", "message", number), thread="t", key=str(number), sender="s",
                from_owner=True, sent=number, form="text", text=f"before {text} after",
            )  # fmt: skip
            store.put([message])
            ids.setdefault(unicodedata.normalize("NFKC", text), set()).add(message.id)
        for wanted in STRINGS:
            hits = {hit.id for hit in store.search(unicodedata.normalize(form, wanted))}
            assert hits == ids[unicodedata.normalize("NFKC", wanted)], wanted
            assert len(hits) == 2
        assert {h.id for h in store.search("РОССИЯ")} == ids["Россия"]
