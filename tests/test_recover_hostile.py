"""Databases made to mislead: no crash, an end within bounds, live rows never called deleted."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amparo.recover import recovered, schema, slack
from amparo.recover.record import as_varint, decode, header, varint
from amparo.recover.words import fts4_leaf, fts5_segment, fts5_segments
from recovering import NOTES, erased, expected, note, noted, opened, taken, values


def survives(main: bytes, wal: bytes | None = None, journal: bytes | None = None) -> list[object]:
    """Everything recovered, however little; ValueError alone may say that it is no database."""
    start = time.monotonic()
    try:
        rows: list[object] = list(recovered(main, wal, journal, seconds=20))
        slack(main, wal)
    except ValueError:
        rows = []
    assert time.monotonic() - start < 20
    return rows


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes | None, bytes | None]:
    path = tmp_path_factory.mktemp("hostile") / "a.db"
    db = noted(path, 120, journal="WAL")
    db.execute("CREATE INDEX by_author ON note (author)")
    db.execute("CREATE VIRTUAL TABLE words USING fts4(body)")
    db.execute("INSERT INTO words(docid, body) SELECT _id, body FROM note")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    erased(db, range(30, 70))
    db.execute("DELETE FROM words WHERE docid < 20")
    parts = taken(path)
    db.close()
    return parts


def test_lying_header(base: tuple[bytes, bytes | None, bytes | None]) -> None:
    main = base[0]
    honest = values(recovered(main))
    for offset, lie in (
        (16, b"\x00\x03"), (16, b"\xff\xff"), (20, b"\xff"), (28, b"\xff\xff\xff\xff"), (28, b"\0\0\0\1"),
        (32, b"\xff\xff\xff\xff"), (32, b"\0\0\0\1"), (36, b"\xff\xff\xff\xff"), (52, b"\xff\xff\xff\xff"),
        (56, b"\0\0\0\x09"), (0, b"not a header at "), (100, b"\x05"), (103, b"\xff\xff"),
    ):  # fmt: skip
        lying = main[:offset] + lie + main[offset + len(lie) :]
        survives(lying)
        if offset in (16, 56):
            assert values(recovered(lying)) == honest, "page size and encoding are found again"


def test_page_loops(base: tuple[bytes, bytes | None, bytes | None]) -> None:
    size = 1024
    main = bytearray(base[0])
    for at in range(size, len(main), size):
        if main[at] in (2, 5):  # every child is the page itself or the root
            count = int.from_bytes(main[at + 3 : at + 5], "big")
            for i in range(count):
                cell = int.from_bytes(main[at + 12 + 2 * i : at + 14 + 2 * i], "big")
                main[at + cell : at + cell + 4] = (at // size + 1 if i % 2 else 1).to_bytes(
                    4, "big"
                )
            main[at + 8 : at + 12] = (at // size + 1).to_bytes(4, "big")
    survives(bytes(main), base[1])


def test_overlapping_cells(base: tuple[bytes, bytes | None, bytes | None]) -> None:
    main = bytearray(base[0])
    for at in range(1024, len(main), 1024):
        if main[at] == 13:
            main[at + 3 : at + 5] = b"\x01\xf0"  # nearly 500 cells, all at one place
            main[at + 8 : at + 1000] = main[at + 8 : at + 10] * 496
    survives(bytes(main), base[1])


def test_freeblocks_and_free_list_in_circles(
    base: tuple[bytes, bytes | None, bytes | None],
) -> None:
    main = bytearray(base[0])
    for at in range(1024, len(main), 1024):
        main[at + 1 : at + 3] = b"\x00\x64"
        main[at + 100 : at + 104] = b"\x00\x64\xff\xff"
    main[32:36] = (3).to_bytes(4, "big")
    main[2048:2056] = (3).to_bytes(4, "big") + b"\xff\xff\xff\xff"
    survives(bytes(main), base[1])


def test_overflow_chain_that_comes_round(tmp_path: Path) -> None:
    db = opened(tmp_path / "a.db")
    db.execute(NOTES)
    db.execute("INSERT INTO note VALUES (1,'a',1,?,0.5)", ("long " * 4000,))
    db.close()
    main = bytearray(taken(tmp_path / "a.db")[0])
    chain = [at for at in range(2048, len(main), 1024) if b"long long" in main[at : at + 1024]]
    for at in chain:
        main[at : at + 4] = (chain[0] // 1024 + 1).to_bytes(4, "big")
    survives(bytes(main))


def test_a_payload_that_claims_to_be_huge(base: tuple[bytes, bytes | None, bytes | None]) -> None:
    main = bytearray(base[0])
    for at in range(1024, len(main), 1024):
        if main[at] == 13:
            cell = int.from_bytes(main[at + 8 : at + 10], "big")
            main[at + cell : at + cell + 9] = b"\xff" * 8 + b"\x7f"
    survives(bytes(main), base[1])


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t(" + "(" * 5000 + ")" * 5000 + ")",
        "CREATE TABLE t(" + ",".join(f"c{i}" for i in range(5000)) + ")",
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b AS (a+1), 'c d' TEXT -- )\n, [e]] BLOB)",
        "CREATE TABLE",
        "CREATE TABLE t",
        "CREATE TABLE t(",
        "CREATE TABLE t()",
        "CREATE TABLE t(,,,)",
        "CREATE TABLE t(a) WITHOUT ROWID",
        "CREATE TABLE t(PRIMARY KEY(x))",
        "CREATE VIRTUAL TABLE t USING nothing(a)",
        "CREATE TABLE t(a \0 TEXT",
        "CREATE TABLE t(a REFERENCES",
        "CREATE TABLE t(a, FOREIGN KEY(a) REFERENCES",
        "/*" * 10000,
        "'" * 9999,
    ],
)
def test_hostile_schema_text(sql: str, tmp_path: Path) -> None:
    schema.table(sql)
    db = noted(tmp_path / "a.db", 40)
    erased(db, [5])
    db.execute("CREATE VIEW aim AS SELECT * FROM note")
    db.execute("PRAGMA writable_schema=ON")
    db.execute("INSERT INTO sqlite_master VALUES ('table', 'NOTE', 'note', 2, ?)", (sql,))
    db.execute(
        "INSERT INTO sqlite_master VALUES ('view', 'note', 'note', 2, 'CREATE VIEW note AS SELECT 1')"
    )
    db.execute(
        "INSERT INTO sqlite_master VALUES ('index', 'i', 'note', 2, 'CREATE INDEX i ON note(')"
    )
    for i in range(200):
        db.execute(
            "INSERT INTO sqlite_master VALUES ('trigger', ?, 'note', 0, 'CREATE TRIGGER')",
            (f"t{i}",),
        )
    db.close()
    survives(taken(tmp_path / "a.db")[0])


def test_two_tables_in_one_tree(tmp_path: Path) -> None:
    db = noted(tmp_path / "a.db", 40)
    db.execute("PRAGMA writable_schema=ON")
    db.execute(
        "INSERT INTO sqlite_master VALUES ('table', 'twin', 'twin', 2, ?)",
        (NOTES.replace("note", "twin", 1),),
    )
    db.close()
    rows = recovered(taken(tmp_path / "a.db")[0])
    assert not values(rows, "twin") and not values(rows)


def test_logs_of_another_database(
    base: tuple[bytes, bytes | None, bytes | None], tmp_path: Path
) -> None:
    db = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    db.executescript(
        "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; CREATE TABLE z(a); INSERT INTO z VALUES(1)"
    )
    wal = taken(tmp_path / "b.db")[1]
    db.close()
    survives(base[0], wal)
    survives(base[0], b"\0" * 5000)
    survives(base[0], base[1], base[1])
    survives(base[0], None, b"\xff" * 9000)
    survives(base[0][:3000], base[1])
    survives(b"", base[1])
    survives(b"SQLite format 3\0")


def test_a_live_row_is_never_called_deleted(tmp_path: Path) -> None:
    """Copies of live rows lie everywhere: in the log, the journal, the free bytes, cut and whole."""
    path = tmp_path / "a.db"
    db = noted(path, 150, journal="WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pick = random.Random(5)
    for _ in range(30):
        number = pick.randint(1, 150)
        db.execute("DELETE FROM note WHERE _id=?", (number,))
        db.execute("INSERT INTO note VALUES (?,?,?,?,?)", note(number))
    main, wal, _ = taken(path)
    main += main + main[512:]
    rows = list(recovered(main, wal))
    db.close()
    assert not [r for r in rows if r.table == "note" and r.method != "id_gap"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), many=st.sampled_from([1, 10, 200, 3000]))
def test_flipped_bytes(
    base: tuple[bytes, bytes | None, bytes | None], seed: int, many: int
) -> None:
    pick = random.Random(seed)
    parts = []
    for data in base[:2]:
        changed = bytearray(data or b"")
        for _ in range(many if changed else 0):
            changed[pick.randrange(len(changed))] = pick.choice(
                (0, 1, 0x0D, 0x7F, 0x80, 0xFF, pick.randrange(256))
            )
        parts.append(bytes(changed))
    survives(*parts)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes(data: bytes) -> None:
    survives(b"SQLite format 3\0\x02\0" + data, data, data)
    decode(data, 1)
    header(data, 0, len(data))
    list(fts4_leaf(data))
    list(fts5_segment([data, data[::-1]]))
    fts5_segments(data)


@given(st.integers(0, 2**56 - 1))
def test_varints(value: int) -> None:
    data = as_varint(value)
    assert varint(data, 0) == (value, len(data))
    assert varint(data[:-1], 0) == (-1, 0)


def test_what_is_live_is_read_past_damage(base: tuple[bytes, bytes | None, bytes | None]) -> None:
    assert values(recovered(*base)) == expected(range(30, 70))


def test_a_header_that_ends_within_a_number() -> None:
    assert header(b"\x03\x01\x81", 0, 3) is None
    assert decode(b"\x02\xff", 1) is None
