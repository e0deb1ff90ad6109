"""Recovered rows become messages through the parser of live ones, with how and how surely."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from amparo.kit.source import Source
from amparo.model import Account, Attachment, Message, Record, Thread
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.recover.engine import everything
from amparo.recover.ghost import ghosts, recover_with
from amparo.recover.judge import cut_of
from amparo.recover.row import Row
from amparo.recover.rows import Recovery
from amparo.recover.schema import table as table_of
from parsing import FOUND
from recovering import taken

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from recover_variants import CASCADE, Writer, connect, fill, insert


def source(path: Path) -> Source:
    main, wal, journal = taken(path)
    beside = {"-wal": wal, "-journal": journal}
    made = Source.of_bytes(main)
    made.companions = {k: Source.of_bytes(v) for k, v in beside.items() if v}
    return made


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection, list[tuple[object, ...]]]]:
    path = tmp_path / "msgstore.db"
    db = connect(path, secure=1, vacuum=0, journal="WAL")
    writer = Writer("ghost")
    rows = [writer.row(i) for i in range(1, 51)]
    fill(db, rows)
    db.executescript(CASCADE)
    for number in (10, 17, 24):
        db.execute(
            "INSERT INTO message_media VALUES (?,?,?,?,?,?)",
            (number, 3, f"Media/IMG-{number}.jpg", 100, "image/jpeg", None),
        )
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield path, db, rows
    db.close()


def recovered(path: Path) -> list[Record]:
    return [r for r in recover_with(whatsapp_android, source(path), FOUND) if isinstance(r, Record)]


def test_a_deleted_message_with_its_file(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, rows = phone
    db.execute("DELETE FROM message WHERE _id IN (10, 12)")
    found = recovered(path)
    messages = [r for r in found if isinstance(r, Message)]
    assert {(m.key, m.text, m.at.row, m.at.state, m.at.method) for m in messages} == {
        (rows[n - 1][3], rows[n - 1][15] or "", n, "deleted", "before_wal") for n in (10, 12)
    }
    assert all(m.at.confidence and m.at.offset and m.at.length for m in messages)
    files = [r for r in found if isinstance(r, Attachment)]
    assert [(f.path, f.at.state) for f in files] == [("Media/IMG-10.jpg", "deleted")]
    assert files[0].message == next(m.id for m in messages if m.at.row == 10)
    told = {r.id for r in found if isinstance(r, (Account, Thread))}
    assert {m.thread for m in messages} <= told, "what they refer to is told before"


def test_every_version_of_a_message_comes_through(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, rows = phone
    for text in ("second", "third", "fourth"):
        db.execute("UPDATE message SET text_data=? WHERE _id=5", (text,))
    messages = [m for m in recovered(path) if isinstance(m, Message)]
    assert {m.text for m in messages} == {rows[4][15], "second", "third"}
    assert {m.at.state for m in messages} == {"superseded"} and {m.at.row for m in messages} == {5}
    assert len({m.id for m in messages}) == 3


def test_a_live_file_of_a_recovered_message(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, _ = phone
    db.execute("DROP TRIGGER message_bd_for_message_media_trigger")
    db.execute("DELETE FROM message WHERE _id=17")
    found = recovered(path)
    files = [r for r in found if isinstance(r, Attachment)]
    assert [(f.path, f.at.state, f.at.method) for f in files] == [
        ("Media/IMG-17.jpg", "live", "orphan")
    ]
    assert files[0].message == next(r.id for r in found if isinstance(r, Message))


def test_nothing_live_comes_through(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, rows = phone
    db.execute("INSERT INTO message_quoted(message_row_id, from_me, key_id) VALUES (3, 0, 'K')")
    insert(db, [(51, *rows[0][1:3], "F" * 32, *rows[0][4:])])
    assert not [r for r in recovered(path) if hasattr(r, "at")]


def test_a_row_without_its_number(tmp_path: Path) -> None:
    path = tmp_path / "msgstore.db"
    db = connect(path, secure=0, vacuum=0, journal="DELETE")
    writer = Writer("numberless")
    rows = [writer.row(i) for i in range(1, 301)]
    fill(db, rows)
    db.executescript("DROP INDEX message_key_index; DELETE FROM message WHERE _id IN (100, 200);")
    db.close()
    messages = [m for m in recovered(path) if isinstance(m, Message)]
    assert {m.key for m in messages} == {rows[99][3], rows[199][3]}
    assert all(m.at.row is None and m.at.offset for m in messages)


def test_a_ghost_reads_like_a_database(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, rows = phone
    db.execute("DELETE FROM message WHERE _id=12")
    database, found = next(ghosts(source(path), FOUND, 60))
    assert database.has("MESSAGE", "Text_Data") and not database.has("message", "nothing")
    assert not database.has("nothing") and "jid" in database.tables()
    got = {
        n: text for n, text, none in database.rows("message", ("text_data", "nothing"), by="_id")
    }
    assert got[12] == rows[11][15] and len(got) == 50
    assert list(database.rows("nothing", ("a",))) == []
    assert [w.reason for w in database.warnings()] == [
        "not in this database: nothing, message.nothing"
    ]
    assert found.row("message", 12).state == "deleted" and found.row("message", 13).state == "live"


def test_a_message_known_from_its_words_only_has_no_direction(tmp_path: Path) -> None:
    path = tmp_path / "msgstore.db"
    db = connect(path, secure=1, vacuum=0, journal="OFF")
    writer = Writer("words")
    rows = [writer.row(i) for i in range(1, 31)]
    fill(db, rows)
    db.executescript("""CREATE VIRTUAL TABLE message_ftsv2 USING fts4(content TEXT, fts_jid TEXT);
        INSERT INTO message_ftsv2(docid, content) SELECT _id, text_data FROM message;""")
    gone = next(r for r in rows if isinstance(r[15], str) and len(r[15]) > 20)
    number = int(str(gone[0]))
    db.execute("DELETE FROM message_ftsv2 WHERE docid=?", (number,))
    db.execute("DELETE FROM message WHERE _id=?", (number,))
    db.close()
    (message,) = [m for m in recovered(path) if isinstance(m, Message) and m.at.row == number]
    assert message.at.method == "fts_rebuild" and message.text
    assert (message.from_owner, message.sender, message.sent) == (None, "", None)
    assert message.form == "unknown"


def test_what_is_left_of_a_message_makes_it_known(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, _rows = phone
    db.executescript("""DROP TRIGGER message_bd_for_message_media_trigger;
        CREATE TABLE receipt (_id INTEGER PRIMARY KEY, message_row_id INTEGER, receipt_timestamp INTEGER);
        INSERT INTO receipt VALUES (1, 30, 5), (2, 31, 5);
        DELETE FROM message WHERE _id IN (17, 30); PRAGMA journal_mode=DELETE; VACUUM;""")
    found = recovered(path)
    (message,) = [r for r in found if isinstance(r, Message)]
    (file,) = [r for r in found if isinstance(r, Attachment)]
    assert (message.at.row, message.at.state, message.at.method) == (17, "deleted", "orphan")
    assert (message.key, message.text, message.form, message.from_owner) == (
        "",
        "",
        "unknown",
        None,
    )
    assert message.at.confidence == 0.9 and message.at.offset
    (thread,) = [r for r in found if isinstance(r, Thread) and r.id == message.thread]
    assert not thread.handle.startswith("unknown-chat"), "the media row names the chat"
    assert (file.message, file.path, file.at.state) == (message.id, "Media/IMG-17.jpg", "live")


def test_a_text_that_breaks_off_says_so(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, db, rows = phone
    gone = next(r for r in rows if len(str(r[15] or "")) > 20)
    db.execute("DELETE FROM message WHERE _id=?", (gone[0],))

    def cut(recovery: Recovery) -> Iterator[Row]:
        for row in everything(recovery):
            if row.table == "message" and "text_data" in row.columns:
                columns = {n: v for n, v in row.columns.items() if n not in AFTER}
                columns["text_data"] = str(columns["text_data"])[:12]
                row = replace(row, columns=columns, complete=False, confidence=0.5, cut="text_data")
            yield row

    AFTER = ("starred", "lookup_tables", "message_add_on_flags", "sort_id")
    monkeypatch.setattr("amparo.recover.ghost.everything", cut)
    (message,) = [m for m in recovered(path) if isinstance(m, Message)]
    assert (message.key, message.text) == (gone[3], f"{str(gone[15])[:12]}…")


def test_only_a_text_before_its_stated_end_is_cut() -> None:
    """Where the bytes end inside a number, or between two values, the text before it is whole."""
    table = table_of("CREATE TABLE t (a TEXT, b TEXT, c INTEGER)")
    assert table is not None
    head = bytes((4, 13 + 2 * 5, 13 + 2 * 7, 6))
    target = SimpleNamespace(columns=table.columns, places=(0, 1, 2), table=table)
    for left, values, column in (
        (b"firstsec", ["first", "sec"], "b"),
        (b"firstseconds", ["first", "seconds"], ""),
        (b"firstseconds\0\0", ["first", "seconds"], ""),
        (b"first", ["first"], ""),
        (b"fir", ["fir"], "a"),
    ):
        hit = SimpleNamespace(complete=False, values=values, payload=head + left, target=target)
        assert cut_of(hit) == column, left  # type: ignore[arg-type]


def test_a_file_that_came_back_names_the_conversation_of_its_message(tmp_path: Path) -> None:
    path = tmp_path / "msgstore.db"
    db = connect(path, secure=1, vacuum=0, journal="OFF")
    writer = Writer("words")
    rows = [writer.row(i) for i in range(1, 31)]
    fill(db, rows)
    db.executescript(f"{CASCADE}; DROP TRIGGER message_bd_for_message_media_trigger;")
    number = next(int(str(r[0])) for r in rows if isinstance(r[15], str) and len(r[15]) > 20)
    db.executescript(
        "INSERT INTO message_ftsv2(docid, content) SELECT _id, text_data FROM message;"
    )
    for row in range(1, 31):
        db.execute(
            "INSERT INTO message_media VALUES (?,?,?,?,?,?)",
            (row, 3, f"Media/IMG-{row}.jpg", 100 + row, "image/jpeg", None),
        )
    db.execute("DELETE FROM message_ftsv2 WHERE docid=?", (number,))
    db.execute("DELETE FROM message WHERE _id=?", (number,))  # nothing is left of its own row
    db.execute("PRAGMA secure_delete=0")
    db.execute("DELETE FROM message_media")
    db.close()
    found = recovered(path)
    (message,) = [r for r in found if isinstance(r, Message) and r.at.row == number]
    (file,) = [
        r for r in found if isinstance(r, Attachment) and r.path == f"Media/IMG-{number}.jpg"
    ]
    assert (message.at.method, file.message, file.at.state) == (
        "fts_rebuild",
        message.id,
        "deleted",
    )
    (thread,) = [r for r in found if isinstance(r, Thread) and r.id == message.thread]
    assert not thread.handle.startswith("unknown-chat")
