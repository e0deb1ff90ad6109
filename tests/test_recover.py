"""Rows come back by every method, exactly; nothing live is ever called deleted."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from amparo.recover import METHODS, Row, recovered, slack
from amparo.recover.file import recover_file
from amparo.recover.words import fts4_block
from recovering import NOTES, erased, expected, note, noted, opened, taken, values

GONE = [4, 11, 12, 13, 27, 40]


def of(rows: list[Row], method: str, table: str = "note") -> list[Row]:
    return [r for r in rows if r.method == method and r.table == table]


def test_freed_cells_with_their_lost_heads(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db")
    erased(db, GONE)
    db.close()
    rows = list(recovered(*taken(tmp_path / "a.db")))
    assert values(rows) == expected(GONE)
    assert {r.method for r in rows if r.table == "note" and r.complete} <= {
        "freeblock",
        "unallocated",
    }
    assert all(r.state in ("deleted", "carved") for r in rows)
    main = taken(tmp_path / "a.db")[0]
    for row in rows:
        if row.complete:
            found = main[row.where.offset : row.where.offset + row.where.length]
            assert str(row.columns["author"]).encode() in found


def test_pages_of_the_free_list(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", 200)
    erased(db, range(40, 160))
    db.close()
    rows = list(recovered(*taken(tmp_path / "a.db")))
    found = values(rows)
    assert found <= expected(range(40, 160)) and len(found) > 100
    assert of(rows, "freelist")


def test_nothing_is_left_after_thorough_deletion(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", secure=1, journal="OFF")
    erased(db, GONE)
    db.close()
    main, _, _ = taken(tmp_path / "a.db")
    rows = list(recovered(main))
    assert not values(rows)
    report = slack(main)
    assert report["share"] < 0.05 and report["unallocated"] > 0
    gaps = of(rows, "id_gap")
    assert [(r.columns["first"], r.columns["last"]) for r in gaps] == [
        (4, 4),
        (11, 13),
        (27, 27),
        (40, 40),
    ]


def test_slack_that_was_kept_is_told(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", 200)
    erased(db, range(40, 160))
    db.close()
    report = slack(taken(tmp_path / "a.db")[0])
    assert report["share"] > 0.4 and report["free_pages_nonzero"] > 0


def test_gaps_say_how_much_is_missing_and_how_much_came_back(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db")
    erased(db, [*GONE, 58, 59, 60])
    db.close()
    gaps = of(list(recovered(*taken(tmp_path / "a.db"))), "id_gap")
    assert sum(int(str(r.columns["missing"])) for r in gaps) == len(GONE) + 3
    assert gaps[-1].columns["last"] == 60, "the end is known from sqlite_sequence"


def test_an_earlier_version_is_superseded(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, journal="WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("UPDATE note SET body='changed' WHERE _id=7")
    erased(db, [9])
    rows = [r for r in recovered(*taken(path)) if r.table == "note" and r.complete]
    db.close()
    assert [(r.rowid, r.state, r.method) for r in rows if r.rowid == 7] == [
        (7, "superseded", "before_wal")
    ]
    assert [(r.rowid, r.state) for r in rows if r.rowid == 9] == [(9, "deleted")]
    assert rows[0].columns["body"] == note(7)[3]


def test_rows_that_only_ever_stood_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, secure=1, journal="WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("INSERT INTO note VALUES (?,?,?,?,?)", note(61))
    erased(db, [61])
    rows = of(list(recovered(*taken(path))), "wal_superseded")
    db.close()
    assert [r.rowid for r in rows] == [61]
    where = rows[0].where
    assert where.file == "wal" and where.frame and where.salt and where.commit is not None
    wal = taken(path)[1]
    assert wal is None or note(61)[1].encode() in wal[where.offset : where.offset + where.length]


def test_frames_of_an_older_round(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, secure=1, journal="WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(61, 75):
        db.execute("INSERT INTO note VALUES (?,?,?,?,?)", note(number))
    erased(db, range(61, 75))
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("INSERT INTO note VALUES (?,?,?,?,?)", note(80))
    rows = list(recovered(*taken(path)))
    db.close()
    assert expected(range(62, 75)) <= values(rows) <= expected(range(61, 75)), (
        "61 may be overwritten"
    )
    assert {r.method for r in rows if r.table == "note" and r.complete} == {"wal_stale"}


def test_uncommitted_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, 30, secure=1, journal="WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA cache_size=3")
    db.execute("BEGIN")
    for number in range(31, 120):
        db.execute("INSERT INTO note VALUES (?,?,?,?,?)", note(number))
    parts = taken(path)
    db.execute("ROLLBACK")
    db.close()
    rows = of(list(recovered(*parts)), "wal_uncommitted")
    assert rows and all(r.rowid and r.rowid > 30 for r in rows)


@pytest.mark.parametrize("zeroed", [False, True])
def test_rollback_journal(tmp_path: Path, zeroed: bool) -> None:
    path = tmp_path / "a.db"
    db = noted(path, 120, secure=1, journal="PERSIST")
    erased(db, GONE)
    main, _, journal = taken(path)
    db.close()
    assert journal and journal[:8] == bytes(8), "the header is zeroed when the transaction ends"
    if not zeroed:
        pages = len(main) // 1024
        head = bytes.fromhex("d9d505f920a163d7") + b"\xff\xff\xff\xff" + bytes(4)
        journal = (
            head
            + pages.to_bytes(4, "big")
            + (512).to_bytes(4, "big")
            + (1024).to_bytes(4, "big")
            + journal[28:]
        )
    rows = list(recovered(main, None, journal))
    assert values(rows) == expected(GONE)
    assert [r.rowid for r in of(rows, "journal")] == GONE


def test_journal_segments_are_realigned_to_sectors(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, 60, secure=1, journal="PERSIST")
    erased(db, GONE)
    main, _, journal = taken(path)
    db.close()
    assert journal
    whole = (len(journal) - 512) // 1032 * 1032 + 512
    torn = journal[:512] + bytes(512) + journal[512:whole]
    assert values(recovered(main, None, torn)) == expected(GONE)


def test_dropped_table_by_its_leftover(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db")
    db.execute("DROP TABLE note")
    db.close()
    rows = list(recovered(*taken(tmp_path / "a.db")))
    assert len(values(rows)) >= 55 and values(rows) <= expected(range(1, 61))


def test_dropped_table_by_a_sibling(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db")
    db.execute("DROP TABLE note")
    db.execute("CREATE TABLE other (x TEXT)")
    db.close()
    noted(tmp_path / "b.db", 40).close()
    main = taken(tmp_path / "a.db")[0].replace(b"CREATE TABLE note", bytes(17))
    rows = list(recovered(main, sibling=taken(tmp_path / "b.db")[0]))
    assert len(values(rows)) >= 50 and values(rows) <= expected(range(1, 61))


def test_texts_that_run_over_pages(tmp_path: Path) -> None:
    db = opened(tmp_path / "a.db")
    db.execute(NOTES)
    long = {n: " ".join(f"{n}.{i}" for i in range(900)) for n in range(1, 40)}
    db.executemany(
        "INSERT INTO note VALUES (?,?,?,?,?)",
        [(n, f"author-{n}", n, t, 0.5) for n, t in long.items()],
    )
    erased(db, [5])  # its first page becomes the trunk of the free list
    erased(db, [20, 21])
    db.close()
    rows = [
        r
        for r in recovered(*taken(tmp_path / "a.db"))
        if r.table == "note" and r.method != "id_gap"
    ]
    whole = {str(r.columns["author"]): r.columns["body"] for r in rows if r.complete}
    assert whole == {"author-20": long[20], "author-21": long[21]}
    assert not any(r.cut for r in rows)


def test_tails_of_auto_vacuum(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, 200, vacuum=1)
    before = taken(path)[0]
    erased(db, range(50, 200))
    db.close()
    after = taken(path)[0]
    rows = list(recovered(after + before[len(after) :]))
    assert of(rows, "tail")
    assert values(rows) <= expected(range(50, 200)) and len(values(rows)) > 60


def test_keys_left_in_an_index(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = opened(path)
    db.execute("CREATE TABLE note (_id INTEGER PRIMARY KEY, code TEXT, n INTEGER)")
    db.execute("CREATE UNIQUE INDEX by_code ON note (code, n)")
    db.executemany(
        "INSERT INTO note VALUES (?,?,?)", [(i, f"{i * 7919:032X}", 5) for i in range(1, 90)]
    )
    db.execute("DELETE FROM note WHERE _id=44")
    db.close()
    main = bytearray(taken(path)[0])
    code = f"{44 * 7919:032X}".encode()
    table = next(
        at for at in range(0, len(main), 1024) if main[at] == 13 and code in main[at : at + 1024]
    )
    at = main.index(code, table)
    main[at - 8 : at + 33] = bytes(41)  # the row itself is overwritten
    rows = list(recovered(bytes(main)))
    keys = of(rows, "index_tombstone")
    assert [(r.rowid, r.columns["code"]) for r in keys] == [(44, code.decode())]


def test_a_lost_number_comes_back_from_an_index(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path)
    db.execute("CREATE UNIQUE INDEX by_author ON note (author, sent)")
    erased(db, [30])
    db.close()
    rows = [r for r in recovered(*taken(path)) if r.complete and r.table == "note"]
    assert [(r.rowid, r.columns["_id"], r.state) for r in rows] == [(30, 30, "deleted")]


@pytest.mark.parametrize("version", ["fts3", "fts4", "fts5"])
def test_texts_from_a_full_text_index(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.db"
    db = noted(path, secure=1, journal="OFF")
    db.execute(f"CREATE VIRTUAL TABLE note_fts USING {version}(body)")
    if version == "fts5":
        db.execute("INSERT INTO note_fts(note_fts, rank) VALUES ('automerge', 0)")
    key = "rowid" if version == "fts5" else "docid"
    for number in range(1, 61):
        db.execute(f"INSERT INTO note_fts({key}, body) VALUES (?,?)", (number, note(number)[3]))
    for number in GONE:
        db.execute(f"DELETE FROM note_fts WHERE {key}=?", (number,))
    erased(db, GONE)
    db.close()
    rows = of(list(recovered(*taken(path))), "fts_rebuild")
    found = {r.rowid for r in rows}
    assert found <= set(GONE) and len(found) >= 5, "merging segments may end one"
    for row in rows:
        assert row.rowid and row.rowid == row.columns["_id"]
        words = str(row.columns["body"]).split()
        plain = note(row.rowid)[3].lower().replace(",", "").replace("🚆the", "🚆 the").split()
        said = [w for w in words if w != "🚆"]
        glued = " ".join(w for w in plain if w != "🚆")
        assert "…" not in words and said[:6] == glued.split()[:6]


def plain(text: object) -> list[str]:
    return [w for w in re.findall(r"[^\W_]+", str(text).lower())]


@pytest.mark.parametrize("version", ["fts4", "fts5"])
@pytest.mark.parametrize("merged", ["by itself", "optimize"])
def test_texts_from_segments_that_were_merged_away(
    tmp_path: Path, version: str, merged: str
) -> None:
    path = tmp_path / "a.db"
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=4096", "secure_delete=0", "auto_vacuum=0", "journal_mode=OFF"):
        db.execute(f"PRAGMA {pragma}")
    db.execute(f"CREATE VIRTUAL TABLE other_fts USING {version}(body)")
    key = "rowid" if version == "fts5" else "docid"
    for number in range(1, 61):
        db.execute(f"INSERT INTO other_fts({key}, body) VALUES (?,?)", (number, note(number)[3]))
    gone = list(range(20, 41))
    for number in gone:
        db.execute(f"DELETE FROM other_fts WHERE {key}=?", (number,))
    db.execute(f"UPDATE other_fts SET body = 'quite another text' WHERE {key} = 50")
    db.execute(f"DELETE FROM other_fts WHERE {key} = 50")
    if merged == "optimize":
        db.execute("INSERT INTO other_fts(other_fts) VALUES ('optimize')")
    db.close()
    rows = [r for r in recovered(*taken(path)) if r.method.startswith("fts_")]
    older = [r for r in rows if r.method == "fts_older"]
    if merged == "optimize":
        assert len({r.rowid for r in older} & set(gone)) >= 20, "the index itself holds nothing"
        assert all(r.confidence <= 0.7 for r in older)
    for row in rows:
        assert row.rowid in {*gone, 50}
        words = plain(row.columns["body"])
        true = [
            plain(note(row.rowid or 0)[3]),
            *([plain("quite another text")] if row.rowid == 50 else []),
        ]
        if "…" not in str(row.columns["body"]):
            assert any(words == t[: len(words)] for t in true), row
        else:
            assert any(set(words) <= set(t) for t in true), row


def test_full_text_prefix_indexes_are_no_words(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = opened(path, secure=1, journal="OFF")
    db.execute("CREATE VIRTUAL TABLE t USING fts4(body, prefix='2,4')")
    db.execute("INSERT INTO t(docid, body) VALUES (1, 'meeting tomorrow morning')")
    db.execute("INSERT INTO t(docid, body) VALUES (2, 'other')")
    db.execute("DELETE FROM t WHERE docid=1")
    db.close()
    rows = [r for r in recovered(*taken(path)) if r.method == "fts_rebuild"]
    assert [(r.table, r.rowid, r.columns) for r in rows] == [
        ("t", 1, {"body": "meeting tomorrow morning"})
    ]


def test_children_without_their_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, secure=1)
    db.execute("CREATE TABLE note_media (note_row_id INTEGER PRIMARY KEY, path TEXT)")
    db.executemany("INSERT INTO note_media VALUES (?,?)", [(n, f"IMG-{n}.jpg") for n in (3, 4, 5)])
    erased(db, [4])
    db.close()
    rows = of(list(recovered(*taken(path))), "orphan", "note_media")
    assert [(r.columns["note_row_id"], r.columns["path"], r.state) for r in rows] == [
        (4, "IMG-4.jpg", "live")
    ]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA encoding='{encoding}'; PRAGMA secure_delete=0; PRAGMA auto_vacuum=0; {NOTES};"
    )
    db.executemany("INSERT INTO note VALUES (?,?,?,?,?)", [note(i) for i in range(1, 61)])
    erased(db, GONE)
    db.close()
    assert values(recovered(*taken(path))) == expected(GONE)


@pytest.mark.parametrize("size", [512, 65536])
def test_page_sizes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA page_size={size}; PRAGMA secure_delete=0; PRAGMA auto_vacuum=0; {NOTES};"
    )
    short = [(n, f"author-{n:04}", n * 1000, f"see you at {n}", 0.25) for n in range(1, 61)]
    db.executemany("INSERT INTO note VALUES (?,?,?,?,?)", short)
    erased(db, GONE)
    db.close()
    found = values(recovered(*taken(path)))
    assert found == {short[n - 1][1:] for n in GONE}


def test_tables_without_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = opened(path, secure=1, journal="WAL")
    db.execute(
        "CREATE TABLE k (value TEXT, name TEXT, n INTEGER, PRIMARY KEY (name, n)) WITHOUT ROWID"
    )
    rows = [(f"value {i}", f"name {i:03}", i) for i in range(50)]
    db.executemany("INSERT INTO k VALUES (?,?,?)", rows)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("DELETE FROM k WHERE n IN (7, 30)")
    found = [r for r in recovered(*taken(path)) if r.table == "k"]
    db.close()
    assert {tuple(r.columns.values()) for r in found} == {rows[7], rows[30]}
    assert all(r.rowid is None and r.state == "deleted" for r in found)


def test_columns_added_later(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, 60, journal="WAL", secure=1)
    db.execute("ALTER TABLE note ADD COLUMN place TEXT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute(
        "UPDATE note SET place=NULL WHERE _id=8"
    )  # the same row, written with one column more
    erased(db, [9])
    rows = [r for r in recovered(*taken(path)) if r.table == "note" and r.complete]
    db.close()
    assert [(r.rowid, r.columns["place"]) for r in rows] == [(9, None)]


def test_live_rows_are_given_when_asked_for(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", 20)
    db.close()
    rows = [r for r in recovered(*taken(tmp_path / "a.db"), live=True) if r.table == "note"]
    assert [tuple(r.columns.values()) for r in rows] == [note(i) for i in range(1, 21)]
    assert {r.state for r in rows} == {"live"}


def test_one_file_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = noted(path, journal="WAL", secure=1)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("CREATE TABLE pic (data BLOB)")
    db.execute("INSERT INTO pic VALUES (x'00ff')")
    db.execute("DELETE FROM pic")
    erased(db, [5])
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    objects = [json.loads(json.dumps(o)) for o in recover_file(path)]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before, "nothing is written"
    db.close()
    found = next(o for o in objects if o["rowid"] == 5 and o["table"] == "note")
    assert set(found) == {
        "table",
        "columns",
        "rowid",
        "state",
        "method",
        "confidence",
        "complete",
        "where",
    }
    assert found["columns"]["body"] == note(5)[3] and found["state"] == "deleted"
    assert found["where"]["file"] == "a.db" and found["where"]["length"] > 50
    assert {o["method"] for o in objects} <= METHODS.keys()
    blobs = [o["columns"]["data"] for o in objects if o["table"] == "pic"]
    assert blobs == [{"hex": "00ff"}]


def test_what_is_no_database() -> None:
    with pytest.raises(ValueError, match="not an SQLite database"):
        list(recovered(b"no database at all" * 100))


def block4(terms: dict[str, bytes]) -> bytes:
    """A leaf block of FTS4: terms of fewer than 128 bytes with their lists of documents."""
    out = bytearray(b"\0")
    for number, (term, places) in enumerate(terms.items()):
        out += (b"\0" if number else b"") + bytes((len(term),)) + term.encode()
        out += bytes((len(places),)) + places
    return bytes(out)


def test_older_blocks_of_a_text_index_are_whole_or_nothing() -> None:
    good = {"blue": b"\x05\x02\0", "green": b"\x05\x03\x02\x01\x01\x02\0\x02\x02\0"}
    assert fts4_block(block4(good), 2) is None, "a place may not come twice"
    good["green"] = b"\x05\x03\x03\x01\x01\x02\0\x02\x02\0"
    said = [(5, 0, 0, "blue"), (5, 0, 1, "green"), (5, 0, 2, "green"), (5, 1, 0, "green")]
    assert fts4_block(block4(good), 2) == [*said, (7, 0, 0, "green")]
    assert fts4_block(block4({"gone": b"\x05\0"}), 1) == [], "a word that left its document"
    assert fts4_block(block4({"down": b"\x09\x02\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\0"}), 1) == [
        (9, 0, 0, "down"),
        (7, 0, 0, "down"),
    ]  # fmt: skip
    for false in (
        block4(good)[:-1],  # cut off
        block4(good) + b"\0",
        block4({"green": b"\x05\x02\0", "blue": b"\x05\x02\0"}),  # out of order
        block4({"blue": b"\x05\x02\0\0\x02\0"}),  # one document twice
        block4({"blue": b"\x05\x01\x07\x02\0"}),  # no such column
        block4({"blue": b"\0\x02\0"}),  # no such document
        block4({"blue": b"\x05\x02"}),  # a list without end
        b"\0\x02\xff\xfe\x03\x05\x02\0",  # no text
        b"\x01" + block4(good)[1:],  # no leaf
    ):
        assert fts4_block(false, 2) is None


def test_words_of_a_row_that_stands_are_its_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    db = opened(path, secure=1, journal="OFF")
    db.executescript("CREATE TABLE memo (_id INTEGER PRIMARY KEY, body TEXT);"
                     "CREATE VIRTUAL TABLE memo_fts USING fts4(content);")  # fmt: skip
    for number in range(1, 31):
        db.execute("INSERT INTO memo VALUES (?,?)", (number, f"said {number} and more"))
        db.execute(
            "INSERT INTO memo_fts(docid, content) SELECT _id, body FROM memo WHERE _id=?", (number,)
        )
    db.execute("UPDATE memo SET body=NULL WHERE _id=5")
    db.execute("DELETE FROM memo WHERE _id=6")
    db.execute("DELETE FROM memo_fts WHERE docid IN (5, 6)")
    db.close()
    rows = [r for r in recovered(*taken(path)) if r.method == "fts_rebuild"]
    assert {(r.table, r.rowid, r.state, r.columns["body"]) for r in rows} == {
        ("memo", 5, "superseded", "said 5 and more"),
        ("memo", 6, "deleted", "said 6 and more"),
    }
