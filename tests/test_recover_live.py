"""Databases too large to be held are read page by page, and the same stands in them."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence.readers import zip_member
from amparo.kit import window
from amparo.kit.source import Source
from amparo.kit.sqlite import Database, structure_names
from amparo.kit.window import Window, data_of
from amparo.model import Gap, Message, Record, RecoveredRow
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.parse.whatsapp_legacy import whatsapp_legacy
from amparo.recover import numbers
from amparo.recover.live import Live, read_with, structure
from amparo.recover.numbers import Numbers, Pairs
from amparo.recover.rows import opened as recovery_of
from amparo.store.case import Case
from parsing import FOUND, with_log
from recovering import erased, expected, note, noted, opened, values
from test_recover_ghost import phone, source
from test_recover_telling import CHAT

__all__ = ["phone"]
SQL = """CREATE TABLE a (x INTEGER PRIMARY KEY, y REAL, z TEXT, late);
CREATE TABLE keyed (k TEXT, n INTEGER, v BLOB, PRIMARY KEY (n, k)) WITHOUT ROWID;
CREATE TABLE plain (n INTEGER, long TEXT); CREATE VIEW seen AS SELECT * FROM a;
CREATE INDEX by_z ON a (z);"""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[bytes, bytes]:
    then = "BEGIN;" + "".join(
        f"INSERT INTO a VALUES ({n}, {n % 7}, 'text {n}', NULL);"
        f"INSERT INTO keyed VALUES ('k{n}', {-n}, x'00ff');"
        f"INSERT INTO plain VALUES ({n * 37 % 101}, '{'long ' * n * 9}');"
        for n in range(1, 150)
    ) + "COMMIT; DELETE FROM a WHERE x = 77;"  # fmt: skip
    return with_log(tmp_path, SQL, then)


def both(main: bytes, log: bytes) -> tuple[Database, Live]:
    made = []
    for _ in range(2):
        one = Source.of_bytes(main)
        one.companions["-wal"] = Source.of_bytes(log)
        made.append(one)
    return Database(made[0]), Live(made[1])


def test_rows_are_those_that_sqlite_gives(pair: tuple[bytes, bytes]) -> None:
    held, live = both(*pair)
    assert live.tables() == held.tables()
    for table, names in held.tables().items():
        assert list(live.rows(table, names)) == list(held.rows(table, names)), table
        assert live.has(table.upper(), names[0].upper()) and not live.has(table, "nothing")
    for table, by in (("a", "x"), ("plain", "n"), ("keyed", "n")):
        mine, theirs = (list(d.rows(table, (by, "nothing"), by=by)) for d in (live, held))
        assert [r[1:] for r in mine] == [r[1:] for r in theirs]
        assert sorted(mine, key=repr) == sorted(theirs, key=repr)
    assert list(live.rows("nothing", ("x",))) == [] == list(live.rows("a", ("x",), by="nothing"))
    assert list(held.rows("nothing", ("x",))) == [] == list(held.rows("a", ("x",), by="nothing"))
    assert live.missing == held.missing


def test_structure_of_a_large_database(pair: tuple[bytes, bytes]) -> None:
    def made() -> Source:
        one = Source.of_bytes(pair[0])
        one.companions["-wal"] = Source.of_bytes(pair[1])
        return one

    (found,) = structure(made(), FOUND)
    assert found.names == structure_names(made()) and found.content == FOUND.content


def test_damage_is_counted_and_read_past(tmp_path: Path) -> None:
    noted(tmp_path / "a.db", 200).close()
    data = bytearray((tmp_path / "a.db").read_bytes())
    data[20 * 1024 : 21 * 1024] = b"\xff" * 1024
    live = Live(Source.of_bytes(bytes(data)))
    rows = list(live.rows("note", ("author",)))
    assert 150 < len(rows) < 200 and all(a == f"author-{n:04}" for n, a in rows)
    with pytest.raises(ValueError, match="not an SQLite"):
        Live(Source.of_bytes(b"x" * 4096))


def test_a_parser_says_the_same_of_it(
    phone: tuple[Path, sqlite3.Connection, list[tuple[object, ...]]],
) -> None:
    path, db, _ = phone
    db.execute("DELETE FROM message WHERE _id IN (10, 12)")
    for parser in (whatsapp_android, whatsapp_legacy):
        held = [r for r in parser(Database(source(path)), FOUND) if isinstance(r, Record)]
        live = [r for r in read_with(parser, source(path), FOUND) if isinstance(r, Record)]
        assert held == live
    assert any(isinstance(r, Message) for r in held) or parser is whatsapp_legacy


def test_a_window_shows_any_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "KEPT", 4)
    data = bytes(i * i % 251 for i in range(700_000))
    (tmp_path / "f").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "f", "f")
        at, packed = archive.infolist()[0].header_offset + 31, archive.infolist()[0].compress_size
    monkeypatch.setattr("amparo.evidence.readers.IN_MEMORY", 1000)
    with (tmp_path / "f").open("rb") as plain, (tmp_path / "z.zip").open("rb") as zipped:
        place = f'{{"at": {at}, "packed": {packed}, "size": {len(data)}, "method": 8}}'
        for one in (
            Source.of_fd(plain.fileno()), Source.of_bytes(data), zip_member([zipped.fileno()], place)
        ):  # fmt: skip
            held = data_of(one, held=0)
            assert isinstance(held, Window) and len(held) == len(data)
            for start, stop in (
                (0, 10),
                (699_990, 900_000),
                (65_530, 65_540),
                (3, 600_000),
                (9, 9),
            ):
                assert held[start:stop] == data[start:stop]
            assert (held[5], held[-1], held[10:20:3]) == (data[5], data[-1], data[10:20:3])
            assert held.stream().read() == data
            with pytest.raises(IndexError):
                held[len(data)]
        assert data_of(Source.of_bytes(data)) == data
        monkeypatch.setattr(window, "MOST_PACKED", 100)
        with pytest.raises(ValueError, match="packed"):
            Window(zip_member([zipped.fileno()], place))


def test_rows_come_back_of_what_is_only_seen_through_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "FEW", 20)
    db = noted(tmp_path / "a.db", 200, journal="WAL", secure=1)
    db.execute("CREATE UNIQUE INDEX by_author ON note (author)")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gone = [4, 11, 12, 13, 27, 40]
    erased(db, gone)
    with_bytes = values(recovery_of(source(tmp_path / "a.db")).rows())
    monkeypatch.setattr("amparo.recover.rows.data_of", lambda s: data_of(s, 0))
    through = values(recovery_of(source(tmp_path / "a.db")).rows())
    assert through == with_bytes == expected(gone)
    db.close()


def test_very_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "FEW", 10)
    few, many = Numbers(), Pairs()
    for n in (5, -3, 1 << 62, 5, -(1 << 63)):
        few.add(n)
        many.put(n, n // 2)
    assert (len(few), len(many), many.highest(), many.get(5)) == (4, 4, 1 << 62, 2)
    for n in range(100, 0, -1):
        few.add(n)
        many.put(n, -n)
    many.put(7, 70)
    assert 7 in few and 101 not in few and (1 << 70) not in few and "x" not in few
    assert (many.get(7), many.get(8), many.get(101), many.get(1 << 70)) == (70, -8, None, None)
    assert list(many)[:4] == [-(1 << 63), -3, 1, 2] and many.highest() == 1 << 62
    assert (len(few), len(many), sorted(few)) == (103, 103, list(many))


def test_a_case_reads_a_large_database_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amparo.run.exhibits.LARGE", 10_000)
    folder = tmp_path / "phone"
    folder.mkdir()
    db = opened(folder / "msgstore.db")
    db.executescript(CHAT)
    for n in range(1, 90):
        row = (n, n % 2, f"{n:032X}", n, f"the blue bag number {n}")
        db.execute("INSERT INTO message VALUES (?, 1, ?, ?, 1, ?, 0, ?)", row)
    db.execute("DELETE FROM message WHERE _id = 30")
    db.close()
    db = noted(folder / "notes.db", 120)
    erased(db, [50, 51])
    db.close()
    case = tmp_path / "c.amparo"
    main(["new", str(case)])
    main(["add", str(case), str(folder), "--exhibit", "F-1", "--json"])
    assert main(["run", str(case), "--json"]) in (0, 1)
    with Case.open(case) as held:
        assert {g.first for g in held.store.each(Gap)} == {30, 50}
        said = {m.text.split()[-1]: m.at.state for m in held.store.each(Message)}
        assert len(said) == 89 and said.pop("30") == "deleted" and set(said.values()) == {"live"}
        rows = [r.text for r in held.store.each(RecoveredRow)]
        assert sorted(note(n)[3] in "".join(rows) for n in (50, 51)) == [True, True]
