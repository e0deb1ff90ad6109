"""A case folder: one writer, settings that are checked, sealed cases, cases of an earlier Amparo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect

from amparo.model import At, File, Message, Structure
from amparo.store import (
    Blobs,
    Case,
    CaseBusy,
    CaseConfig,
    Store,
    StoreRefused,
    migrations,
    read_config,
    write_config,
)
from amparo.store.backend import Backend, Turns
from postgres import copied_store, new_database

FILE = File(exhibit="e", path="a b", size=1)


def test_a_case_is_made_opened_and_shared_with_readers(tmp_path: Path) -> None:
    path = tmp_path / "x.amparo"
    with Case.create(path, 'Op "Ñ" \\ \n\x7f', scheme="VICS 2.0/ES") as case:
        case.store.put([FILE])
        case.thumbs.put_many([("k", b"1"), ("k2", b"\0")])
        assert case.derived.is_dir()
        with Case.open(path) as reader:
            assert reader.store.get(File, FILE.id) == FILE
            assert reader.thumbs.get("k") == b"1"
            assert reader.config.name == 'Op "Ñ" \\ \n\x7f'
            assert reader.config.scheme == "VICS 2.0/ES"
            with pytest.raises(StoreRefused, match="reading only"):
                reader.store.put([FILE])
        with pytest.raises(FileExistsError):
            Case.create(path, "again")
    assert sorted(p.name for p in path.iterdir()) == [
        ".writer",
        "case.db",
        "case.toml",
        "derived",
        "thumbs.db",
    ]
    with pytest.raises(FileNotFoundError):
        Case.open(tmp_path / "none")


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.amparo"
    with Case.create(path, "x"):
        with pytest.raises(CaseBusy, match=f"process {os.getpid()} is writing"):
            Case.open(path, write=True)
    with Case.open(path, write=True) as case:
        assert case.writer is not None
        assert not os.get_inheritable(case.writer)


def test_a_failed_opening_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.amparo"
    Case.create(path, "x").close()
    (path / "case.db").rename(path / "away.db")
    with pytest.raises(FileNotFoundError):
        Case.open(path, write=True)
    (path / "away.db").rename(path / "case.db")
    Case.open(path, write=True).close()


def test_a_making_cut_short_is_made_again_and_a_case_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.amparo"
    path.mkdir()
    (path / "case.db").touch()
    Case.create(path, "x").close()
    (path / "case.toml").unlink()
    with Case.create(path, "again") as case:
        case.store.put([FILE])
    (path / "case.toml").unlink()
    with pytest.raises(FileExistsError, match="holds a case"):
        Case.create(path, "third")


def test_a_case_may_lie_on_a_server(tmp_path: Path) -> None:
    with Case.create(tmp_path / "x.amparo", "x", store=new_database()) as case:
        case.store.put([FILE])
    with Case.open(tmp_path / "x.amparo") as case:
        assert case.store.tally(File) == {"": 1}
    assert not (tmp_path / "x.amparo" / "case.db").exists()


def test_settings_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    write_config(path, CaseConfig("x", cells=3, isolation_floor="strong"))
    assert read_config(path, {}) == CaseConfig("x", cells=3, isolation_floor="strong")
    given = {"AMPARO_CELLS": "7", "AMPARO_SCHEME": "S", "AMPARO_TEST_DATA": "/x"}
    assert read_config(path, given) == CaseConfig(
        "x", cells=7, isolation_floor="strong", scheme="S"
    )


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ('name = "x"\ncolour = "red"', {}, "unknown colour"),
        ('name = "x"\ncells = "2"', {}, "cells must be a whole number"),
        ('name = "x"\ncells = true', {}, "cells must be a whole number"),
        ("name = 1", {}, "name must be a text"),
        ("cells = 1", {}, "a case has a name"),
        ('name = "x"\ncells = -1', {}, "negative"),
        ('name = "x', {}, "case.toml"),
        ('name = "x"\nschema = 99', {}, "newer Amparo"),
        ('name = "x"', {"AMPARO_CELLS": "many"}, "AMPARO_CELLS must be a whole number"),
    ],
)
def test_wrong_settings_are_refused(
    tmp_path: Path, text: str, environment: dict[str, str], message: str
) -> None:
    path = tmp_path / "case.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(path, environment)


def test_thumbnails_are_read_by_many_threads(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "t.db")
    blobs.put_many((str(n), str(n).encode() * 100) for n in range(200))
    blobs.put_many([("1", b"new")])
    wrong: list[int] = []

    def read() -> None:
        for n in range(2, 200):
            if blobs.get(str(n)) != str(n).encode() * 100:
                wrong.append(n)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert blobs.get("1") == b"new"
    assert blobs.has("2") and not blobs.has("no") and blobs.get("no") is None
    blobs.close()
    again = Blobs(tmp_path / "t.db", readonly=True)
    assert again.get("5") == b"5" * 100
    with pytest.raises(StoreRefused):
        again.put_many([("x", b"")])
    again.close()
    gone = Blobs(tmp_path / "none.db", readonly=True)
    assert gone.get("5") is None and not (tmp_path / "none.db").exists()
    gone.close()


READ = """
import os, sys
from pathlib import Path
from amparo.model import File
from amparo.store import Case

def read(path):
    with Case.open(Path(path)) as case:
        return (case.store.tally(File)[""], [f.path for f in case.store.each(File)],
                case.thumbs.get("k"), len(case.store.search("b")))

read(sys.argv[2])  # a like case, so that all code is loaded before leaving who we are
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
print(*read(sys.argv[1]))
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that another user can reach, with what of ours it must be able to import."""
    place = Path("/tmp") / f"amparo-sealed-{os.getpid()}-{time.monotonic_ns()}"
    place.mkdir(mode=0o755)
    yield place
    for folder in [place, *(p for p in place.rglob("*") if p.is_dir())]:
        folder.chmod(0o755)
    shutil.rmtree(place)


def read_as_nobody(path: Path) -> subprocess.CompletedProcess[str]:
    like = path.parent / "like.amparo"
    Case.create(like, "like").close()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", READ, str(path), str(like)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def seal(path: Path) -> None:
    for inside in path.rglob("*"):
        inside.chmod(0o555 if inside.is_dir() else 0o444)
    path.chmod(0o555)


def test_a_sealed_folder_can_be_read(open_place: Path) -> None:
    path = open_place / "x.amparo"
    with Case.create(path, "x") as case:
        case.store.put([FILE])
        case.thumbs.put_many([("k", b"1")])
    seal(path)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in path.iterdir())
    result = read_as_nobody(path)
    assert result.stdout == "1 ['a b'] b'1' 1\n", result.stderr
    assert sorted((p.name, p.stat().st_mtime_ns) for p in path.iterdir()) == before


def test_a_sealed_folder_with_an_unfolded_log_is_refused(open_place: Path) -> None:
    path = open_place / "x.amparo"
    with Case.create(path, "x") as case:
        case.store.put([FILE])
        shutil.copytree(path, open_place / "copy.amparo")
    seal(open_place / "copy.amparo")
    result = read_as_nobody(open_place / "copy.amparo")
    assert "changes that were never folded" in result.stderr


def test_a_copy_with_its_log_opens_for_reading_where_it_can_be_written(tmp_path: Path) -> None:
    with Case.create(tmp_path / "x", "x") as case:
        case.store.put([FILE])
        shutil.copytree(tmp_path / "x", tmp_path / "copy")
    with Case.open(tmp_path / "copy") as copy:
        assert copy.store.tally(File) == {"": 1}


def test_what_is_no_case_database_is_refused(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "text.db").write_bytes(b"no database at all, but long enough to be one" * 100)
    sqlite3.connect(tmp_path / "other.db").execute(
        "CREATE TABLE meta (key, value)"
    ).connection.close()
    (tmp_path / "empty.db").touch()
    for name in ("text.db", "other.db", "empty.db"):
        for readonly in (True, False):
            with pytest.raises(StoreRefused):
                Store.open(tmp_path / name, readonly)
    with pytest.raises(ValueError, match="no store for mysql"):
        Store.open("mysql://localhost/x")


OLD = (
    "DROP INDEX ix_structure_content",
    'ALTER TABLE "structure" DROP COLUMN "names"',
    "DROP INDEX ix_file_exhibit_id",
    'ALTER TABLE "file" DROP COLUMN "locator"',
    'ALTER TABLE "file" DROP COLUMN "modified"',
    'ALTER TABLE "message" DROP COLUMN "revoked"',
    'ALTER TABLE "message" DROP COLUMN "at_state"',
    'DROP TABLE "preview"',
)


def message(n: int) -> Message:
    return Message(
        at=At("e", "f", "t", n),
        thread="t",
        key="k",
        sender="s",
        from_owner=True,
        sent=n,
        form="text",
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A database of version 0 from when records had fewer fields, with rows in it."""
    where = tmp_path / "case.db"
    address: Path | str = where
    if request.param == "sqlite":
        Store.create(where).close()
    else:
        address = copied_store()
    store = Store.open(address)
    store.put([FILE, message(1), Structure(content="c", format="sqlite", names=("a.b",))])
    with store._backend.writing() as connection:
        for statement in OLD:
            connection.exec_driver_sql(statement)
        there = {n: list(c) for n, c in migrations.layout().items() if n != "preview"}
        for table, column in (
            ("structure", "names"),
            ("file", "locator"),
            ("file", "modified"),
            ("message", "revoked"),
            ("message", "at_state"),
        ):
            there[table].remove(column)
        stamp(connection, "0", there)
    store.close()
    return address


def stamp(connection: Connection, version: str, layout: dict[str, list[str]]) -> None:
    import json

    from amparo.store.schema import META

    for key, value in (("version", version), ("layout", json.dumps(layout))):
        connection.execute(META.update().where(META.c.key == key).values(value=value))


def test_a_case_of_an_earlier_amparo_is_brought_up_to_date(
    old: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def first(backend: Backend, connection: Connection) -> None:
        calls.append("first")

    def second(backend: Backend, connection: Connection) -> None:
        calls.append("second")
        connection.exec_driver_sql("UPDATE \"file\" SET path = 'renamed'")

    monkeypatch.setattr(migrations, "STEPS", (first, second))
    with pytest.raises(StoreRefused, match="earlier Amparo"):
        Store.open(old, readonly=True)
    for _ in range(2):
        with Store.open(old) as store:
            assert calls == ["first", "second"], "each once, in order"
            (row,) = store.each(File)
            assert (row.path, row.locator, row.modified) == ("renamed", "", None)
            assert store.get(Message, message(1).id) == message(1)
            assert store.get(Structure, next(store.each(Structure)).id).names == ()  # type: ignore[union-attr]
            with store._backend.writing() as connection:
                names = {i["name"] for i in inspect(connection).get_indexes("structure")}
                assert "ix_structure_content" in names
                assert "preview" in inspect(connection).get_table_names()
            store.put([message(2), File(exhibit="e", path="new", size=2, modified=5)])
            store.remove(File, [f.id for f in store.each(File, path="new")], _action())
    with Store.open(old, readonly=True) as store:
        assert store.tally(Message) == {"": 2}


def _action() -> Any:
    from amparo.model.actions import verb_action

    return verb_action("review/erase", "u", "amparo", "erasure", 1, ())


def test_a_step_that_fails_changes_nothing(
    old: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(backend: Backend, connection: Connection) -> None:
        connection.exec_driver_sql('DELETE FROM "file"')
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (wrong,))
        with pytest.raises(RuntimeError):
            Store.open(old)
    with Store.open(old) as store:
        assert len(list(store.each(File))) == 1


@pytest.mark.parametrize("how", ["version", "column", "table"])
def test_a_case_of_a_newer_amparo_is_refused(tmp_path: Path, how: str) -> None:
    with Store.create(tmp_path / "case.db") as store, store._backend.writing() as connection:
        layout = {n: list(c) for n, c in migrations.layout().items()}
        if how == "column":
            layout["file"].append("smell")
        elif how == "table":
            layout["smell"] = ["id"]
        stamp(connection, "99" if how == "version" else "0", layout)
    for readonly in (True, False):
        with pytest.raises(StoreRefused, match="newer Amparo"):
            Store.open(tmp_path / "case.db", readonly)


def test_a_persons_deed_goes_before_waiting_machines() -> None:
    turns, order, started = Turns(), list[str](), threading.Barrier(4)

    def wait(name: str, urgent: bool) -> None:
        started.wait()
        if urgent:
            time.sleep(0.05)
        with turns.turn(urgent):
            order.append(name)

    with turns.turn(False):
        threads = [
            threading.Thread(target=wait, args=args)
            for args in (("machine", False), ("machine", False), ("person", True))
        ]
        for thread in threads:
            thread.start()
        started.wait()
        time.sleep(0.15)
        with pytest.raises(RuntimeError, match="open already"):
            with turns.turn(True):
                pass
    for thread in threads:
        thread.join()
    assert order == ["person", "machine", "machine"]


def test_opening_is_quick_and_asks_little(tmp_path: Path) -> None:
    """What a second run costs at least: a few statements, no look at the tables themselves."""
    with Store.create(tmp_path / "case.db") as store:
        store.put([FILE])
    statements: list[str] = []
    import sqlalchemy

    def seen(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", seen)
    try:
        with Store.open(tmp_path / "case.db") as store:
            assert store.undone_count(File, "parse/x", 1) == 1
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", seen)
    assert len(statements) == 2, statements
