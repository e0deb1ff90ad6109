"""The hash chain of actions: what was done, by whom, in what order, and that nobody changed it since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from amparo.model import Action, Id, chain_hash
from amparo.model.actions import GENESIS
from amparo.store.backend import Backend
from amparo.store.rows import encode
from amparo.store.schema import ACTION, ACTION_FIELDS, ACTION_INPUT, META

PAGE = 1000

Entry = tuple[int, Action, str]
"""Sequence from 1, the action, its hash."""

_COLUMNS = (ACTION.c.sequence, *(ACTION.c[f.name] for f in ACTION_FIELDS), ACTION.c.hash)


@dataclass(frozen=True)
class Head:
    """The end of the chain: what a seal over the case signs."""

    sequence: int
    hash: str


def head(connection: Connection) -> Head:
    """The end of the chain as kept apart from it."""
    text = connection.execute(select(META.c.value).where(META.c.key == "head")).scalar()
    sequence, _, digest = (text or f"0:{GENESIS}").partition(":")
    return Head(int(sequence), digest)


def append(backend: Backend, connection: Connection, action: Action) -> int:
    """Chain one action to the end, within an open transaction; its sequence."""
    last = head(connection)
    stored = {f.name: encode(f.type, getattr(action, f.name)) for f in ACTION_FIELDS}
    # The hash speaks of the text as stored, so it can be checked from the table alone.
    action = _action(list(stored.values()))
    sequence = last.sequence + 1
    digest = chain_hash(last.hash, sequence, action)
    names = ["sequence", *stored, "previous", "hash"]
    places = ", ".join("?" * len(names))
    quoted = ", ".join(f'"{name}"' for name in names)
    connection.exec_driver_sql(
        backend.sql(f"INSERT INTO action ({quoted}) VALUES ({places})"),
        (sequence, *stored.values(), last.hash, digest),
    )
    subjects = sorted(set(action.inputs))
    if subjects:
        connection.exec_driver_sql(
            backend.sql("INSERT INTO action_input (subject, sequence) VALUES (?, ?)"),
            [(subject, sequence) for subject in subjects],
        )
    connection.exec_driver_sql(
        backend.sql(
            "INSERT INTO meta (key, value) VALUES ('head', ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ),
        (f"{sequence}:{digest}",),
    )
    return sequence


def _action(values: Sequence[Any]) -> Action:
    fields = {f.name: v for f, v in zip(ACTION_FIELDS, values, strict=True)}
    return Action(**{**fields, "inputs": tuple(json.loads(fields["inputs"]))})


def _entry(row: Row[Any]) -> Entry:
    return row[0], _action(row[1:-1]), row[-1]


def actions(backend: Backend, after: int, limit: int) -> list[Entry]:
    """Actions after a sequence, in order."""
    statement = select(*_COLUMNS).where(ACTION.c.sequence > after)
    with backend.reading() as connection:
        rows = connection.execute(statement.order_by(ACTION.c.sequence).limit(limit)).all()
    return [_entry(row) for row in rows]


def history(backend: Backend, subject: Id) -> Iterator[Entry]:
    """Every action that took this subject as input, oldest first."""
    after = 0
    inputs = select(ACTION_INPUT.c.sequence).where(ACTION_INPUT.c.subject == subject)
    while True:
        mine = inputs.where(ACTION_INPUT.c.sequence > after).order_by(ACTION_INPUT.c.sequence)
        page = mine.limit(100).subquery()
        statement = select(*_COLUMNS).join(page, page.c.sequence == ACTION.c.sequence)
        with backend.reading() as connection:
            rows = connection.execute(statement.order_by(ACTION.c.sequence)).all()
        if not rows:
            return
        yield from map(_entry, rows)
        after = rows[-1][0]


def verify(backend: Backend) -> list[str]:
    """What does not hold in the chain; empty when every action stands as it was written.

    Every hash is made anew, so a changed, missing, added or moved row shows; the head kept apart
    shows actions cut off at the end.
    """
    faults: list[str] = []
    # The head first: actions added while this reads lie beyond it.
    with backend.reading() as connection:
        expected = head(connection)
    sequence, previous = 0, GENESIS
    columns = (*_COLUMNS, ACTION.c.previous)
    while True:
        statement = select(*columns).where(
            ACTION.c.sequence > sequence, ACTION.c.sequence <= expected.sequence
        )
        with backend.reading() as connection:
            rows = connection.execute(statement.order_by(ACTION.c.sequence).limit(PAGE)).all()
            inputs = _inputs(connection, sequence, rows[-1][0]) if rows else {}
        for row in rows:
            if row[0] != sequence + 1:
                faults.append(f"actions {sequence + 1} to {row[0] - 1} are missing")
            faults += _faults(tuple(row), previous, inputs.get(row[0], []))
            sequence, previous = row[0], row[-2]
        if not rows:
            break
    if sequence < expected.sequence:
        faults.append(f"actions {sequence + 1} to {expected.sequence} are missing from the end")
    elif previous != expected.hash:
        faults.append(f"action {sequence} is not the one the case ended with")
    with backend.reading() as connection:
        last = connection.execute(select(func.max(ACTION.c.sequence))).scalar() or 0
        now = head(connection)
    if last > now.sequence:
        faults.append(f"actions {now.sequence + 1} to {last} stand after the end of the chain")
    return faults


def _inputs(connection: Connection, after: int, last: int) -> dict[int, list[str]]:
    statement = select(ACTION_INPUT.c.sequence, ACTION_INPUT.c.subject).where(
        ACTION_INPUT.c.sequence > after, ACTION_INPUT.c.sequence <= last
    )
    out: dict[int, list[str]] = {}
    for sequence, subject in connection.execute(statement):
        out.setdefault(sequence, []).append(subject)
    return out


def _faults(row: Sequence[Any], previous: str, inputs: list[str]) -> list[str]:
    sequence, out = row[0], []
    if row[-1] != previous:
        out.append(f"action {sequence} does not follow the one before it")
    try:
        action = _action(row[1:-2])
    except ValueError:
        return [*out, f"action {sequence} was changed: its inputs cannot be read"]
    if chain_hash(row[-1], sequence, action) != row[-2]:
        out.append(f"action {sequence} was changed after it was written")
    if sorted(set(action.inputs)) != sorted(inputs):
        out.append(f"action {sequence} has other inputs in its index than were written")
    return out
