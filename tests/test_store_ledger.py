"""The chain of actions: appended, never changed, and whoever changes it is seen. On both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from amparo.model import Action, File, Mark, Message, chain_hash
from amparo.model.actions import GENESIS
from amparo.store import Store, dump
from postgres import new_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store.create(tmp_path / "case.db")
    else:
        made = Store.open(new_store())
    with made:
        yield made


def action(n: int, *inputs: str, error: str = "") -> Action:
    return Action(
        kind=f"review/{n}",
        version=1,
        performer="analyst ñ",
        tool="amparo",
        operation="consultation",
        purpose="case",
        started=n,
        ended=n + 1,
        status="done",
        error=error,
        inputs=inputs,
    )


def tamper(store: Store, *statements: str) -> None:
    """What somebody with the password of the database can do: take the rules away first."""
    backend = store._backend
    with backend.writing() as connection:
        if connection.dialect.name == "sqlite":
            for table in ("action", "action_input"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_update")
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_delete")
        else:
            for table in ("action", "action_input"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_actions_are_chained_from_one(store: Store) -> None:
    assert store.verify() == []
    assert [store.act(action(n, "s1", f"x{n}")) for n in (1, 2, 3)] == [1, 2, 3]
    previous = GENESIS
    for n, (sequence, made, digest) in enumerate(store.actions(), 1):
        assert (sequence, made) == (n, action(n, "s1", f"x{n}"))
        assert digest == chain_hash(previous, n, made)
        previous = digest
    assert (store.head().sequence, store.head().hash) == (3, previous)
    assert [s for s, _, _ in store.actions(after=1, limit=1)] == [2]
    assert [s for s, _, _ in store.history("s1")] == [1, 2, 3]
    assert [a for _, a, _ in store.history("x2")] == [action(2, "s1", "x2")]
    assert list(store.history("nothing")) == []
    assert store.verify() == []


def test_hostile_text_in_an_action_keeps_the_chain(store: Store) -> None:
    store.act(action(1, "a\0b", error="\ud800 \0 '; --"))
    store.act(action(2, "s", "s"))
    assert store.verify() == []
    assert store.actions()[0][1].error == "\\ud800 \u2400 '; --"


def test_long_history_comes_in_pages(store: Store) -> None:
    for n in range(230):
        store.act(action(n, "s"))
    assert [s for s, _, _ in store.history("s")] == list(range(1, 231))


@pytest.mark.parametrize("table", ["action", "action_input"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET sequence = 9", "DELETE FROM {}"])
def test_the_database_itself_refuses_changes(store: Store, table: str, verb: str) -> None:
    store.act(action(1, "s"))
    with pytest.raises(DBAPIError, match="only ever added"):
        with store._backend.writing() as connection:
            connection.exec_driver_sql(verb.format(table))
    assert store.verify() == []


@pytest.mark.parametrize(
    ("deed", "seen"),
    [
        ("UPDATE action SET performer = 'someone else' WHERE sequence = 2", "action 2 was changed"),
        ("UPDATE action SET ended = 0 WHERE sequence = 5", "action 5 was changed"),
        ("UPDATE action SET inputs = 'not json' WHERE sequence = 2", "inputs cannot be read"),
        ("DELETE FROM action WHERE sequence = 3", "actions 3 to 3 are missing"),
        ("DELETE FROM action WHERE sequence >= 4", "actions 4 to 5 are missing from the end"),
        ("DELETE FROM action", "actions 1 to 5 are missing from the end"),
        ("DELETE FROM action_input WHERE sequence = 2", "action 2 has other inputs"),
        (
            "INSERT INTO action_input (subject, sequence) VALUES ('z', 4)",
            "action 4 has other inputs",
        ),
        ("UPDATE meta SET value = '4:0' WHERE key = 'head'", "actions 5 to 5 stand after the end"),
    ],
)
def test_tampering_is_seen(store: Store, deed: str, seen: str) -> None:
    for n in range(1, 6):
        store.act(action(n, "s", f"x{n}"))
    tamper(store, deed)
    assert any(seen in fault for fault in store.verify()), store.verify()


def test_actions_that_changed_places_are_seen(store: Store) -> None:
    for n in range(1, 4):
        store.act(action(n))
    tamper(
        store,
        "UPDATE action SET sequence = 9 WHERE sequence = 1",
        "UPDATE action SET sequence = 1 WHERE sequence = 2",
        "UPDATE action SET sequence = 2 WHERE sequence = 9",
    )
    faults = store.verify()
    assert any("action 1 " in f for f in faults) and any("action 2 " in f for f in faults)


def test_a_chain_forged_to_the_end_does_not_fit_the_head(store: Store) -> None:
    store.act(action(1))
    forged = action(7)
    digest = chain_hash(GENESIS, 1, forged)
    tamper(
        store,
        f"UPDATE action SET kind = 'review/7', started = 7, ended = 8, hash = '{digest}'",
    )
    assert store.verify() == ["action 1 is not the one the case ended with"]


def test_a_mark_and_its_action_stand_or_fall_together(store: Store) -> None:
    mark = Mark(subject="c", form="tag", performer="u", time=1)
    bad = Action(**{n: getattr(action(1), n) for n in Action.__slots__} | {"ended": 1 << 64})
    with pytest.raises(ValueError, match="64 bits"):
        store.mark(mark, bad)
    assert store.get(Mark, mark.id) is None
    assert store.tally(Mark, "form") == {}
    assert store.mark(mark, action(1)) == 1


KILLED = """
import sys
from amparo.model import Action, At, Message
from amparo.store import Store
store = Store.open(sys.argv[1])
def messages(n):
    for i in range(1500):
        at = At("e", f"file-{n}", "message", i)
        yield Message(at=at, thread="t", key=str(i), sender="s", from_owner=False, sent=i,
                      form="text", text=f"word{i}")
for n in range(4):
    if store.is_done("parse/x", f"file-{n}") == (1, ""):
        continue
    a = Action(kind="parse/x", version=1, performer="machine", tool="amparo", operation="collection",
               started=1, ended=2, status="done", inputs=(f"file-{n}",))
    store.finish(a, messages(n), [(f"file-{n}", "parse/x", 1)], "parse/x")
    print(n, flush=True)
store.close()
"""


def test_a_killed_case_ends_equal_to_one_never_killed(tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for name in ("whole.db", "killed.db"):
        Store.create(tmp_path / name).close()
    command = [sys.executable, str(script)]
    subprocess.run([*command, str(tmp_path / "whole.db")], env=environment, check=True)
    for lines in (1,):
        work = subprocess.Popen(
            [*command, str(tmp_path / "killed.db")],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert work.stdout is not None
        with work.stdout:
            for _ in range(lines):
                assert work.stdout.readline()
        work.send_signal(signal.SIGKILL)
        work.wait()
    subprocess.run([*command, str(tmp_path / "killed.db")], env=environment, check=True)
    with Store.open(tmp_path / "whole.db") as whole, Store.open(tmp_path / "killed.db") as killed:
        assert dump(whole) == dump(killed)
        assert killed.tally(Message) == {"": 6000}
        assert killed.verify() == []
        assert len(killed.actions()) == 4
        assert [h.id for h in killed.search("word1499", 20)] == [
            h.id for h in whole.search("word1499", 20)
        ]
        assert not list(killed.each(File))
