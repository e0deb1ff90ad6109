"""Every database of a case tells what is missing, what is left and what came back, of any application."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TypeVar

import pytest

from amparo.kit.plugin import Warn, load
from amparo.kit.source import Source
from amparo.model import DatabaseState, Gap, Orphan, Record, RecoveredRow
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.recover import telling
from amparo.recover.clock import moment
from amparo.recover.inside.databases import databases
from amparo.recover.telling import Parser, read_by
from parsing import FOUND
from recovering import NOTES, erased, note, noted, opened, taken

T = 1_650_000_000_000


def source(path: Path) -> Source:
    main, wal, journal = taken(path)
    made = Source.of_bytes(main)
    beside = {"-wal": wal, "-journal": journal}
    made.companions = {k: Source.of_bytes(v) for k, v in beside.items() if v}
    return made


def told(path: Path, *parsers: Parser) -> list[Record | Warn]:
    return list(databases(parsers, source(path), FOUND))


R = TypeVar("R", bound=Record)


def of(rows: list[Record | Warn], kind: type[R]) -> list[R]:
    return [r for r in rows if isinstance(r, kind)]


def test_a_gap_is_bounded_by_the_times_of_its_neighbours(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", secure=1, journal="OFF")
    erased(db, [11, 12, 13, 60])
    db.close()
    first, last = of(told(tmp_path / "a.db"), Gap)
    assert (first.at.table, first.column, first.first, first.last) == ("note", "_id", 11, 13)
    assert (first.missing, first.recovered) == (3, 0)
    assert (first.after, first.before) == (T + 77 * 10, T + 77 * 14)
    assert (last.first, last.missing, last.after, last.before) == (60, 1, T + 77 * 59, None)
    assert first.at.method == "id_gap" and first.at.state == "deleted"
    assert first.id != last.id


def test_how_thoroughly_a_database_erases(tmp_path: Path) -> None:
    found = {}
    for name, how in (("kept", 0), ("overwritten", 1)):
        db = noted(tmp_path / f"{name}.db", 200, secure=how)
        erased(db, [*range(40, 160), 170, 180])
        db.close()
        (found[name],) = of(told(tmp_path / f"{name}.db"), DatabaseState)
    noted(tmp_path / "new.db").close()
    (new,) = of(told(tmp_path / "new.db"), DatabaseState)
    assert [found[n].erasing for n in found] == list(found) and new.erasing == "no trace"
    kept = found["kept"]
    assert (kept.page_size, kept.encoding, kept.journal_mode, kept.auto_vacuum) == (
        1024, "UTF-8", "rollback journal", "none"
    )  # fmt: skip
    assert kept.pages * 1024 == (tmp_path / "kept.db").stat().st_size
    assert kept.freed > kept.freed_nonzero > 0.25 * kept.freed
    assert found["overwritten"].freed == kept.freed and found["overwritten"].freed_nonzero == 0
    assert (kept.live, kept.missing, kept.tables, new.missing) == (78, 122, 1, 0)
    methods = dict(m.split("=") for m in kept.recovered)
    assert int(methods["freelist"]) > 80 and not found["overwritten"].recovered


def test_rows_of_an_application_nobody_knows(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db")
    erased(db, [4, 27])
    db.close()
    main = (tmp_path / "a.db").read_bytes()
    rows = of(told(tmp_path / "a.db"), RecoveredRow)
    assert len(rows) == 2
    for row in rows:
        values = json.loads(row.columns)
        number = int(values["author"][-4:])
        assert tuple(values.values())[-4:] == note(number)[1:]
        assert note(number)[3] in row.text and row.complete
        assert row.at.offset is not None and row.at.length is not None and row.at.confidence
        part = main[row.at.offset : row.at.offset + row.at.length]
        assert values["author"].encode() in part
    assert {r.at.table for r in rows} == {"note"} and all(r.at.state != "live" for r in rows)


def test_bytes_lead_into_the_log_or_journal_beside_the_database(tmp_path: Path) -> None:
    db = noted(tmp_path / "w.db", journal="WAL", secure=1)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("INSERT INTO note VALUES (900, 'author-0900', 1, 'only ever in the log', 1.5)")
    db.execute("DELETE FROM note WHERE _id = 900")
    rows = of(told(tmp_path / "w.db"), RecoveredRow)
    (row,) = [r for r in rows if "only ever" in r.text]
    assert row.at.companion == "-wal" and row.at.frame
    log = (tmp_path / "w.db-wal").read_bytes()
    assert row.at.offset is not None and row.at.length is not None
    assert b"only ever in the log" in log[row.at.offset : row.at.offset + row.at.length]
    assert row.at.key().endswith("/-wal")
    db.close()
    db = noted(tmp_path / "j.db", journal="PERSIST", secure=1)
    erased(db, [7])
    db.close()
    (row,) = of(told(tmp_path / "j.db"), RecoveredRow)
    kept = (tmp_path / "j.db-journal").read_bytes()
    assert row.at.companion == "-journal" and row.at.offset is not None
    assert note(7)[3].encode() in kept[row.at.offset : row.at.offset + (row.at.length or 0)]


CHAT = """CREATE TABLE jid (_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT, server TEXT, raw_string TEXT);
CREATE TABLE chat (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER, subject TEXT,
  created_timestamp INTEGER);
CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER, from_me INTEGER,
  key_id TEXT, sender_jid_row_id INTEGER, timestamp INTEGER, message_type INTEGER, text_data TEXT);
CREATE TABLE message_media (message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, file_path TEXT,
  file_hash TEXT);
CREATE TABLE receipt_user (_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER,
  receipt_user_jid_row_id INTEGER, receipt_timestamp INTEGER);
CREATE TABLE message_add_on (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER,
  parent_message_row_id INTEGER, timestamp INTEGER);
CREATE TABLE labels (_id INTEGER PRIMARY KEY AUTOINCREMENT, words TEXT, extra TEXT);
INSERT INTO jid VALUES (1, '447700900001', 's.whatsapp.net', '447700900001@s.whatsapp.net');
INSERT INTO chat VALUES (1, 1, 'Pines', 1640000000000);
"""


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    db = opened(tmp_path / "msgstore.db", secure=0)
    db.executescript(CHAT)
    for n in range(1, 40):
        db.execute(
            "INSERT INTO message VALUES (?, 1, ?, ?, 1, ?, 1, ?)",
            (n, n % 2, f"{n:032X}", T + n * 1000, f"the blue bag number {n}"),
        )
        db.execute("INSERT INTO labels(words, extra) VALUES (?, ?)", (f"a label no. {n}", "x" * n))
    for n in (9, 20):
        db.execute("INSERT INTO message_media VALUES (?, 1, 'Media/x.jpg', NULL)", (n,))
        db.execute("INSERT INTO receipt_user VALUES (NULL, ?, 1, ?)", (n, T + n * 1000 + 700))
        db.execute("INSERT INTO receipt_user VALUES (NULL, ?, 1, ?)", (n, T + n * 1000 + 900))
        db.execute("INSERT INTO message_add_on VALUES (NULL, 1, ?, ?)", (n, T + n * 1000 + 800))
    db.execute("PRAGMA secure_delete=1")
    db.execute("DELETE FROM message WHERE _id = 20")
    db.execute("PRAGMA secure_delete=0")
    db.execute("DELETE FROM message WHERE _id = 30")
    db.execute("DELETE FROM labels WHERE _id = 30")
    db.close()
    return tmp_path / "msgstore.db"


def test_what_is_left_of_a_row_that_is_gone(phone: Path) -> None:
    (left,) = of(told(phone), Orphan)
    assert (left.parent, left.number, left.rows, left.recovered) == ("message", 20, 4, False)
    assert left.tables == ("message_add_on=1", "message_media=1", "receipt_user=2")
    assert left.time == T + 20_700
    assert (left.at.state, left.at.method) == ("live", "orphan")
    assert left.at.offset and left.at.length


def test_rows_that_a_parser_reads_are_told_by_it_alone(phone: Path) -> None:
    assert {r.at.table for r in of(told(phone), RecoveredRow)} == {"message", "labels"}
    rows = of(told(phone, whatsapp_android), RecoveredRow)
    assert [(r.at.table, json.loads(r.columns)["words"]) for r in rows] == [
        ("labels", "a label no. 30")
    ]
    asked = read_by([whatsapp_android], {"message": ["_id", "key_id"]}, FOUND)
    assert {"message", "jid", "chat"} <= asked and "labels" not in asked


def test_a_parser_that_breaks_off_still_counts_for_what_it_asked(phone: Path) -> None:
    def broken(database: object, found: object) -> object:
        next(database.rows("labels", ("words",)), None)  # type: ignore[attr-defined]
        raise ValueError("no")
        yield

    assert read_by([broken], {"labels": ["words"]}, FOUND) == {"labels"}  # type: ignore[list-item]


def test_too_many_rows_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "MOST_OF_TABLE", 50)
    db = noted(tmp_path / "a.db", 200)
    erased(db, range(40, 160))
    db.close()
    found = told(tmp_path / "a.db")
    (state,) = of(found, DatabaseState)
    assert len(of(found, RecoveredRow)) == 50 and state.left_out > 50
    (warning,) = [w.reason for w in found if isinstance(w, Warn)]
    assert warning.startswith(f"{state.left_out} recovered rows") and "note" in warning


def test_values_of_every_kind_as_json(tmp_path: Path) -> None:
    db = opened(tmp_path / "a.db")
    db.execute("CREATE TABLE thing (name TEXT, data BLOB, size REAL, none TEXT)")
    rows = [(f"name {i} <b>'\"", bytes(range(256)) * 2, i / 4, None) for i in range(40)]
    db.executemany("INSERT INTO thing VALUES (?,?,?,?)", rows)
    db.execute("DELETE FROM thing WHERE rowid = 40")
    db.close()
    (row,) = of(told(tmp_path / "a.db"), RecoveredRow)
    values = json.loads(row.columns)
    assert values["data"] == {"bytes": 512, "hex": bytes(range(256)).hex()}
    assert (values["name"], values["size"]) == (rows[39][0], 9.75)


@pytest.mark.parametrize(
    ("value", "mac", "ms"),
    [
        (T, False, T), (T // 1000, False, T), (T * 1000, False, T), (T / 1000, False, T),
        (T // 1000 - 978_307_200, True, T), ((T // 1000 - 978_307_200) * 10**9, False, T),
        (7, False, None), (-T, False, None), ("x", False, None), (None, False, None), (1 << 62, False, None),
    ],
)  # fmt: skip
def test_ways_of_counting_time(value: object, mac: bool, ms: int | None) -> None:
    assert moment(value, mac) == ms  # type: ignore[arg-type]


def test_a_function_with_others_beside_it() -> None:
    made = load(
        "amparo.recover.inside.databases:databases[amparo.parse.whatsapp_android:whatsapp_android]"
    )
    assert made.args == ((whatsapp_android,),)  # type: ignore[attr-defined]
    none = load("amparo.recover.inside.databases:databases[]")
    assert none.args == ((),)  # type: ignore[attr-defined]


def test_core_data_tables_are_counted_by_their_own_book(tmp_path: Path) -> None:
    db = opened(tmp_path / "ChatStorage.sqlite", secure=1)
    db.executescript(
        """CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER);
        CREATE TABLE ZWAMESSAGE (Z_PK INTEGER PRIMARY KEY, ZMESSAGEDATE TIMESTAMP, ZTEXT VARCHAR);
        INSERT INTO Z_PRIMARYKEY VALUES (1, 'WAMessage', 0, 33);"""
    )
    for n in (*range(1, 28), *range(29, 34)):
        db.execute("INSERT INTO ZWAMESSAGE VALUES (?, ?, 'x')", (n, T // 1000 - 978_307_200 + n))
    db.close()
    (gap,) = of(told(tmp_path / "ChatStorage.sqlite"), Gap)
    assert (gap.first, gap.last, gap.after, gap.before) == (28, 28, T + 27_000, T + 29_000)


def test_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not an SQLite database"):
        list(databases((), Source.of_bytes(b"x" * 5000), FOUND))
    sqlite3.connect(tmp_path / "empty.db").executescript(NOTES)
    (state,) = of(told(tmp_path / "empty.db"), DatabaseState)
    assert state.live == 0
