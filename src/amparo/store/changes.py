"""What one transaction adds and takes away, with its counts, revisions and searchable words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, select, update

from amparo.model import Id, Link, Record
from amparo.store.backend import Backend
from amparo.store.rows import Shape, shape, shape_of
from amparo.store.schema import IDENTITY

CHUNK = 1000
"""Most rows in one transaction: a person's deed waits no longer than this."""

T = TypeVar("T")


def chunks(things: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of up to ``size``."""
    rest = iter(things)
    while chunk := list(islice(rest, size)):
        yield chunk


@contextmanager
def changing(backend: Backend, durable: bool = False) -> Iterator[Changes]:
    """One transaction; counts and revisions are settled before it commits."""
    with backend.writing(durable) as connection:
        changes = Changes(backend, connection)
        yield changes
        changes.settle()


class Changes:
    """Rows going in and out within one open transaction."""

    def __init__(self, backend: Backend, connection: Connection) -> None:
        self.backend = backend
        self.connection = connection
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._kinds: set[str] = set()

    def add(self, records: Iterable[Record], maker: str) -> int:
        """Insert those that are not there yet; how many were new. The first of equal ids counts."""
        by_kind: dict[str, dict[Id, Record]] = {}
        for record in records:
            by_kind.setdefault(record.KIND, {}).setdefault(record.id, record)
        new = 0
        for kind, by_id in by_kind.items():
            form = shape_of(kind)
            column = form.table.c.id
            here = select(column).where(self.backend.among(column, list(by_id)))
            there = set(self.connection.execute(here).scalars())
            rows = [form.row(r, maker) for r in by_id.values() if r.id not in there]
            if rows:
                self._insert(form, rows)
                new += len(rows)
        return new

    def drop(self, kind: str, ids: Sequence[Id]) -> int:
        """Delete rows by id; how many there were."""
        form = shape_of(kind)
        table = form.table
        columns = [*(table.c[n] for n in form.names), table.c.maker]
        if form.searched:
            columns.append(table.c.doc)
        statement = delete(table).where(self.backend.among(table.c.id, ids)).returning(*columns)
        rows = self.connection.execute(statement).all()
        if not rows:
            return 0
        if form.searched:
            documents = [(form.doc(row[-1]), form.words(row)) for row in rows]
            if worded := [document for document in documents if document[1]]:
                self.backend.drop_words(self.connection, worded)
        self._count(form, [row[: len(form.names) + 1] for row in rows], -1)
        return len(rows)

    def swap(self, records: Iterable[Record], maker: str) -> int:
        """Insert what is new, exchange what differs; how many. Rows of another maker stay."""
        by_kind: dict[str, dict[Id, Record]] = {}
        for record in records:
            by_kind.setdefault(record.KIND, {}).setdefault(record.id, record)
        swapped = 0
        for kind, by_id in by_kind.items():
            form = shape_of(kind)
            columns = [*(form.table.c[n] for n in form.names), form.table.c.maker]
            here = select(*columns).where(self.backend.among(form.table.c.id, list(by_id)))
            changed = []
            for row in self.connection.execute(here):
                mine = row[-1] == maker or kind in IDENTITY
                if mine and tuple(row) != form.row(by_id[row[0]], maker):
                    changed.append(row[0])
                else:
                    del by_id[row[0]]
            if changed:
                self.drop(kind, changed)
            swapped += self.add(by_id.values(), maker)
        return swapped

    def withdraw(self, ids: Sequence[Id]) -> None:
        """Mark links as no longer following; they stay, for what was once claimed was claimed."""
        table = shape(Link).table
        among = self.backend.among(table.c.id, ids)
        self.connection.execute(update(table).where(among).values(withdrawn=True))
        self._kinds.add(Link.KIND)

    def done(self, rows: Sequence[tuple[str, str, int]], sequence: int, revision: str = "") -> None:
        """Say that plugins have finished with subjects (subject, plugin, version)."""
        if rows:
            self.connection.exec_driver_sql(
                self.backend.sql(
                    "INSERT INTO done (plugin, subject, version, revision, action) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (plugin, subject) DO UPDATE SET "
                    "version = excluded.version, revision = excluded.revision, "
                    "action = excluded.action"
                ),
                [
                    (plugin, subject, version, revision, sequence)
                    for subject, plugin, version in rows
                ],
            )

    def settle(self) -> None:
        """Bring counts and revisions up to date with what this transaction did."""
        counts = [(*key, n) for key, n in sorted(self._counts.items()) if n]
        if counts:
            self.connection.exec_driver_sql(
                self.backend.sql(
                    "INSERT INTO tally (kind, dimension, value, n) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (kind, dimension, value) DO UPDATE SET n = tally.n + excluded.n"
                ),
                counts,
            )
        if self._kinds:
            self.connection.exec_driver_sql(
                self.backend.sql(
                    "INSERT INTO revision (kind, n) VALUES (?, 1) "
                    "ON CONFLICT (kind) DO UPDATE SET n = revision.n + 1"
                ),
                [(kind,) for kind in sorted(self._kinds)],
            )

    def _insert(self, form: Shape[Any], rows: list[tuple[Any, ...]]) -> None:
        names = [*form.names, "maker"]
        self._count(form, rows, 1)
        if form.searched:
            last = self.connection.execute(select(func.max(form.table.c.doc))).scalar() or 0
            documents = [(form.doc(last + n), form.words(row)) for n, row in enumerate(rows, 1)]
            rows = [(*row, last + n) for n, row in enumerate(rows, 1)]
            names.append("doc")
            if filled := [d for d in documents if d[1]]:
                self.backend.index_words(self.connection, filled)
        self.backend.insert(self.connection, form.kind, names, rows)

    def _count(self, form: Shape[Any], rows: Sequence[Sequence[Any]], sign: int) -> None:
        self._kinds.add(form.kind)
        self._counts[form.kind, "", ""] += sign * len(rows)
        for dimension, place in form.counted:
            for value, n in Counter(str(row[place]) for row in rows).items():
                self._counts[form.kind, dimension, value] += sign * n
