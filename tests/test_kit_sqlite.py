"""Hostile, damaged and unfinished databases: what can be read is read, what cannot is said."""

import random
import sqlite3
import struct
import time
from pathlib import Path

import pytest

from amparo.kit import wal
from amparo.kit.source import Source
from amparo.kit.sqlite import Beside, Database, structure_names, text, whole
from parsing import database_bytes, with_log

ROWS = "CREATE TABLE t (_id INTEGER PRIMARY KEY, a TEXT, b BLOB);"
FILL = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
  INSERT INTO t SELECT i, printf('row %d ', i) || hex(zeroblob(120)), NULL FROM n;"""


def opened(data: bytes, seconds: float = 30, **beside: bytes) -> Database:
    companions = {f"-{name}": Source.of_bytes(content) for name, content in beside.items()}
    source = Source.of_bytes(data)
    source.companions = companions
    return Database(source, seconds)


def test_absent_tables_and_columns_give_none_and_are_told_once() -> None:
    db = opened(database_bytes(ROWS, "INSERT INTO t VALUES (7, 'x', x'00ff');"))
    assert list(db.rows("t", ["a", "c", "B"])) == [(7, "x", None, b"\x00\xff")]
    assert list(db.rows("gone", ["a"])) == []
    assert [w.reason for w in db.warnings()] == ["not in this database: gone, t.c"]
    assert list(db.warnings()) == []
    assert db.has("T", "A") and not db.has("t", "c") and not db.has("gone")
    assert db.tables() == {"t": ["_id", "a", "b"]}


def test_only_ordinary_tables_are_tables() -> None:
    data = database_bytes(
        ROWS,
        "CREATE VIEW message AS SELECT a AS key_id FROM t;"
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END;"
        "CREATE VIRTUAL TABLE f USING fts4(content);"
        "CREATE TABLE g (a INTEGER PRIMARY KEY, boom AS (zeroblob(900000000)));"
        "INSERT INTO g VALUES (1);",
    )
    db = opened(data)
    assert not db.has("message") and not db.has("f") and db.has("f_content")
    assert list(db.rows("message", ["key_id"])) == []
    assert list(db.rows("g", ["a", "boom"])) == [(1, 1, None)]
    names = structure_names(Source.of_bytes(data))
    assert {"t.a", "f_content.c0content"} <= set(names) and "message.key_id" not in names
    assert list(names) == sorted(names)


@pytest.mark.parametrize(
    "statement",
    ["ATTACH ':memory:' AS x", "INSERT INTO t VALUES (1,2,3)", "PRAGMA query_only=OFF", "SELECT * FROM v",
     "PRAGMA writable_schema=ON", "SELECT load_extension('x')", "CREATE TABLE q (a)", "VACUUM INTO '/tmp/x'",
     "SELECT randomblob(9)"],
)  # fmt: skip
def test_nothing_but_reading_tables_is_allowed(statement: str) -> None:
    db = opened(database_bytes(ROWS, "CREATE VIEW v AS SELECT * FROM t;"))
    with pytest.raises(sqlite3.DatabaseError, match=r"authoriz|prohibited"):
        db._connection.execute(statement)


def test_tables_without_row_numbers_and_with_odd_names() -> None:
    db = opened(database_bytes(
        "CREATE TABLE w (k INTEGER PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES (5, 'five');"
        "CREATE TABLE r (rowid TEXT, oid TEXT, x); INSERT INTO r VALUES ('q', 'p', 3);"
        'CREATE TABLE "we""ird" ("a""b" INTEGER PRIMARY KEY); INSERT INTO "we""ird" VALUES (9);'
    ))  # fmt: skip
    assert list(db.rows("w", ["v"])) == [(None, "five")]
    assert list(db.rows("r", ["rowid", "x"])) == [(1, "q", 3)]
    assert list(db.rows('we"ird', ['a"b'])) == [(9, 9)]


def test_rows_by_a_column_that_is_no_row_number() -> None:
    db = opened(database_bytes("CREATE TABLE s (m INTEGER, x);"
                               "INSERT INTO s VALUES (3,'c'), (1,'a'), ('no','z'), (NULL,'n'), (2,'b');"))  # fmt: skip
    assert [(m, x) for _, m, x in db.rows("s", ["m", "x"], by="m")] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]
    assert list(db.rows("s", ["x"], by="absent")) == []
    assert "s.absent" in db.missing


def test_text_that_is_no_text_is_kept() -> None:
    db = opened(database_bytes("CREATE TABLE t (a TEXT);"
                               "INSERT INTO t VALUES (CAST(x'41ff42' AS TEXT)), (x'c328'), (17), (1.5), (NULL);"))  # fmt: skip
    values = [a for _, a in db.rows("t", ["a"])]
    assert values == ["A\\xff" + "B", b"\xc3(", "17", "1.5", None]
    assert [text(v) for v in values] == ["A\\xffB", "\\xc3(", "17", "1.5", ""]


def test_whole_numbers() -> None:
    given = [
        5,
        "12",
        " 12",
        "9" * 40,
        3.0,
        3.5,
        float("inf"),
        float("nan"),
        b"1",
        None,
        -4,
        "-7",
        1e300,
    ]
    assert [whole(v) for v in given] == [
        5,
        12,
        None,
        None,
        3,
        None,
        None,
        None,
        None,
        None,
        -4,
        -7,
        None,
    ]


def test_damaged_pages_cost_only_their_own_rows() -> None:
    data = bytearray(database_bytes(ROWS, FILL))
    everything = {row[0] for row in opened(bytes(data)).rows("t", ["a"])}
    assert everything == set(range(1, 3001))
    broken = range(20, len(data) // 4096, 29)
    for page in broken:
        data[page * 4096 : (page + 1) * 4096] = b"\xee" * 4096
    db = opened(bytes(data))
    rows = [row[0] for row in db.rows("t", ["a"])]
    per_page = 15
    assert rows == sorted(set(rows)) and everything.issuperset(rows)
    assert len(rows) >= 3000 - per_page * len(broken)
    assert (
        len(rows) < 3000 and len(db.notes) == 1 and "rows are missing between rows" in db.notes[0]
    )


def test_a_cut_off_file_is_read_as_far_as_it_goes() -> None:
    data = database_bytes(ROWS, FILL)
    complete = dict(opened(data).rows("t", ["a"]))
    for cut in (len(data) // 2 + 77, len(data) // 2 + 3000, len(data) - 1):
        db = opened(data[:cut])
        rows = list(db.rows("t", ["a"]))
        assert rows == sorted(rows) and all(complete[number] == a for number, a in rows)
        assert len(rows) > 0.95 * 3000 * (cut // 4096 - 3) / (len(data) // 4096)
        assert db.notes[0].startswith("cut off: ") and "rows are missing between" in db.notes[1]


def inner_page(child: int, cells: int = 300) -> bytes:
    """A page of a table's tree that leads to one and the same page again and again."""
    page = bytearray(4096)
    page[0:12] = struct.pack(">BHHHBI", 5, 0, cells, 4096 - 6 * cells, 0, child)
    for i in range(cells):
        at = 4096 - 6 * (i + 1)
        page[12 + 2 * i : 14 + 2 * i] = struct.pack(">H", at)
        page[at : at + 6] = struct.pack(">IBB", child, 0x80 | (i + 1) >> 7, (i + 1) & 0x7F)
    return bytes(page)


def endless() -> bytes:
    """A database of five pages with a table of 300 * 300 * 300 * 2 rows."""
    db = sqlite3.connect(":memory:")
    db.executescript(
        "PRAGMA auto_vacuum=NONE; CREATE TABLE t (m, a); INSERT INTO t VALUES (1,'x'), (2,'y');"
    )
    data: bytes = db.serialize()
    leaf = data[4096:8192]
    grown = bytearray(data[:4096] + inner_page(5) + leaf + inner_page(3) + inner_page(4))
    grown[28:32] = struct.pack(">I", 5)
    return bytes(grown)


def test_rows_that_come_round_again_end_the_reading() -> None:
    db = opened(endless())
    assert [(n, a) for n, a in db.rows("t", ["a"])] == [(1, "x"), (2, "y")]
    assert "come round again" in db.notes[0]


def test_a_query_that_would_not_end_is_ended() -> None:
    start = time.monotonic()
    db = opened(endless(), seconds=0.3)
    assert list(db.rows("t", ["a"], by="m")) == []
    assert time.monotonic() - start < 5 and "not read to the end within 0.3 s" in db.notes[0]


@pytest.mark.parametrize(
    "data", [b"", b"SQLite format 3\0", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_what_is_no_database_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, sqlite3.Error)):
        opened(data).tables()


def test_random_damage_never_ends_in_anything_but_records_or_a_refusal() -> None:
    chance = random.Random(5)
    whole_file = database_bytes(
        ROWS, FILL.replace("3000", "200"), "CREATE TABLE u (x); INSERT INTO u VALUES (1);"
    )
    for _ in range(60):
        data = bytearray(whole_file)
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            db = opened(bytes(data), seconds=2)
            for table in db.tables():
                for row in db.rows(table, ["_id", "a", "x"]):
                    assert len(row) == 4
        except (ValueError, sqlite3.Error):
            pass


def test_a_schema_partly_damaged_is_passed_over() -> None:
    data = database_bytes(
        ROWS, "INSERT INTO t VALUES (1,'a',NULL); CREATE VIEW broken AS SELECT a FROM t;"
    )
    at = data.index(b"CREATE VIEW broken")
    db = opened(data[:at] + b"CREATE VIEW br(ken" + data[at + 18 :])
    assert list(db.rows("t", ["a"])) == [(1, "a")]
    assert "structure is damaged" in db.notes[0]


def test_time_is_limited() -> None:
    db = opened(database_bytes(ROWS, FILL), seconds=0.2)
    rows = []
    for row in db.rows("t", ["a"]):
        rows.append(row)
        time.sleep(0.001)
        if len(rows) == 300:
            break
    assert list(db.rows("t", ["a"])) == []
    assert db.notes == ["t: not read to the end within 0.2 s; rows are missing"]


def test_a_value_above_the_limit_costs_one_row() -> None:
    db = opened(
        database_bytes(
            ROWS, "INSERT INTO t VALUES (1,'a',NULL), (2,'b',zeroblob(70000000)), (3,'c',NULL);"
        )
    )
    assert [(n, a) for n, a, _ in db.rows("t", ["a", "b"])] == [(1, "a"), (3, "c")]
    assert "too big" in db.notes[0]


def test_thousands_of_tables() -> None:
    names = structure_names(
        Source.of_bytes(database_bytes("".join(f"CREATE TABLE t{i} (a, b);" for i in range(3000))))
    )
    assert len(names) == 6000


# --- the log ------------------------------------------------------------------------------------


def test_what_only_the_log_holds_is_read(tmp_path: Path) -> None:
    data, log = with_log(
        tmp_path,
        ROWS + FILL,
        "DELETE FROM t WHERE _id > 2000; UPDATE t SET a = 'new' WHERE _id = 1;",
    )
    assert data[18:20] == b"\x02\x02" and len(log) > 0
    rows = {n: a for n, a in opened(data, wal=log).rows("t", ["a"])}
    assert len(rows) == 2000 and rows[1] == "new"
    assert len(list(opened(data).rows("t", ["a"]))) == 3000


def test_an_unfinished_commit_does_not_count(tmp_path: Path) -> None:
    data, log = with_log(tmp_path, ROWS + FILL, "INSERT INTO t VALUES (9001, 'whole', NULL);"
                         "INSERT INTO t VALUES (9002, 'last', NULL);")  # fmt: skip
    cut = opened(data, wal=log[:-100])
    assert [n for n, _ in cut.rows("t", ["a"])][-1] == 9001
    flipped = bytearray(log)
    flipped[-50] ^= 1
    assert [n for n, _ in opened(data, wal=bytes(flipped)).rows("t", ["a"])][-1] == 9001


def test_frames_of_an_older_round_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;" + ROWS + FILL)
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("INSERT INTO t VALUES (9001, 'new', NULL)")
    data, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    committed = wal.read(Source.of_bytes(log).stream(), len(log))
    assert committed and committed.left > 0
    assert len(list(opened(data, wal=log).rows("t", ["a"]))) == 3001
    db.close()


@pytest.mark.parametrize("size", [512, 1024, 65536])
def test_every_page_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        f"PRAGMA page_size={size}; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;" + ROWS
    )
    db.executescript(FILL)
    rows = list(opened(path.read_bytes(), wal=Path(f"{path}-wal").read_bytes()).rows("t", ["a"]))
    assert len(rows) == 3000
    db.close()


def test_the_checksum_is_the_format_s_own() -> None:
    data = random.Random(3).randbytes(4096 + 8)
    for order in "<>":
        s = t = 0
        words = struct.unpack(f"{order}{len(data) // 4}I", data)
        for x, y in zip(words[::2], words[1::2], strict=True):
            s = (s + x + t) & 0xFFFFFFFF
            t = (t + y + s) & 0xFFFFFFFF
        assert wal.checksum(data, order) == (s, t)
        assert wal.checksum(data[8:], order, *wal.checksum(data[:8], order)) == (s, t)


def test_a_log_that_is_none_or_lies_is_said_and_left_out(tmp_path: Path) -> None:
    data, log = with_log(tmp_path, ROWS + FILL, "INSERT INTO t VALUES (9001, 'x', NULL);")
    other = database_bytes(ROWS, "INSERT INTO t VALUES (1,'a',NULL);", page_size=1024)
    for content, base, said in ((b"nonsense" * 9, data, "damaged header"), (log[:20], data, "cut off in its header"),
                                (log, other, "pages of 4096 bytes")):  # fmt: skip
        db = opened(base, wal=content)
        assert list(db.rows("t", ["a"])) and said in db.notes[0]
    assert not opened(data, wal=bytes(4096)).notes


def test_a_hot_journal_is_said() -> None:
    data = database_bytes(ROWS, "INSERT INTO t VALUES (1,'a',NULL);")
    db = opened(data, journal=bytes.fromhex("d9d505f920a163d7") + bytes(500))
    assert list(db.rows("t", ["a"])) == [(1, "a")] and "journal" in db.notes[0]
    assert not opened(data, journal=bytes(512)).notes


# --- side tables --------------------------------------------------------------------------------


def test_side_rows_are_taken_along() -> None:
    db = opened(database_bytes("CREATE TABLE s (m INTEGER, x);"
                               "INSERT INTO s VALUES (2,'b'), (1,'lone'), (2,'c'), (5,'e'), (9,'end');"))  # fmt: skip
    side = Beside(db, "s", "m", ["x"])
    assert side.next == 1
    assert [row[2] for row in side.take(2)] == ["b", "c"] and side.alone == 1
    assert side.take(3) == [] and [row[2] for row in side.take(5)] == ["e"]
    assert [row[2] for row in side.before(1 << 63)] == ["end"] and side.next == 1 << 63
    assert Beside(db, "absent", "m", ["x"]).take(1) == []
