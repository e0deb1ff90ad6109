"""The Store: everything a case knows, kept so that a kill at any instant neither loses nor doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from pathlib import Path
from typing import Self

from sqlalchemy import (
    ColumnElement,
    TableClause,
    column,
    exists,
    make_url,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.exc import DatabaseError

from amparo.model import Action, Exhibit, Id, Link, Mark, Problem, Record
from amparo.store import ledger, migrations
from amparo.store.backend import Backend, StoreRefused
from amparo.store.changes import CHUNK, Changes, changing, chunks
from amparo.store.reading import Reading
from amparo.store.schema import DONE, META, TABLES, TALLY
from amparo.store.search import Hit, search

WHOLE = "case"
"""Subject of done rows that speak of the whole case."""

_temporary = count(1)


class Audited(Reading):
    """The reading half with words and the chain of actions."""

    def search(self, text: str, limit: int = 50, after: int = 0) -> list[Hit]:
        """Records that hold every word, the last one as a beginning (see :mod:`.search`)."""
        return search(self._backend, text, limit, after)

    def actions(self, after: int = 0, limit: int = 1000) -> list[ledger.Entry]:
        """What was done after this sequence, in order: (sequence, action, hash)."""
        return ledger.actions(self._backend, after, limit)

    def history(self, id: Id) -> Iterator[ledger.Entry]:
        """Every action that took this subject as input, oldest first."""
        return ledger.history(self._backend, id)

    def verify(self) -> list[str]:
        """What does not hold in the chain of actions; empty when nobody changed it."""
        return ledger.verify(self._backend)

    def head(self) -> ledger.Head:
        """The end of the chain: what a signature over the case signs."""
        with self._backend.reading() as connection:
            return ledger.head(connection)


class Store(Audited):
    """A case's records, marks and actions in SQLite or PostgreSQL. Use :meth:`create` or :meth:`open`.

    One process writes; its threads take turns, a person's deeds first. Reading is free for all.
    """

    @classmethod
    def create(cls, where: Path | str) -> Self:
        """Make an empty case database at a path or a ``postgresql://`` address.

        FileExistsError when one is there already.
        """
        backend = _backend(where, readonly=False)
        try:
            with backend.writing(durable=True) as connection:
                if META.name in backend.tables(connection):
                    raise FileExistsError(f"there is a case database at {_shown(where)} already")
                backend.build(connection)
                migrations.stamp(connection)
        except FileExistsError:
            backend.close()
            raise
        return cls(backend)

    @classmethod
    def open(cls, where: Path | str, readonly: bool = False) -> Self:
        """Open a case database; one of an earlier Amparo is brought up to date.

        FileNotFoundError when there is none, StoreRefused when it cannot be used (the message says
        why: written by a newer Amparo, not a case database, changes left in a log on a sealed disk).
        """
        path = _path(where)
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"no case database at {path}")
        backend = _backend(where, readonly)
        try:
            migrations.upgrade(backend, readonly)
        except DatabaseError as error:
            backend.close()
            raise StoreRefused(f"{_shown(where)} cannot be read as a case: {error.orig}") from error
        except StoreRefused:
            backend.close()
            raise
        return cls(backend)

    def close(self) -> None:
        """Let go of the database; the log is folded in, so the file alone is the case."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def put(self, records: Iterable[Record], maker: str = "") -> int:
        """Add records that are not there yet, at most 1000 in a transaction; how many were new."""
        new = 0
        for chunk in chunks(records):
            with changing(self._backend) as changes:
                new += changes.add(chunk, maker)
        return new

    def finish(
        self,
        action: Action | Callable[[], Action],
        records: Iterable[Record],
        done: Sequence[tuple[str, str, int]],
        maker: str,
    ) -> int:
        """Add what a plugin made of some subjects and say it is done; how many rows were new.

        ``done`` are (subject, plugin, version). The last 1000 records, the done rows and the action
        stand or fall together. A longer batch is noted as begun (version 0) with its first rows; what
        an earlier version or an interrupted run left of these subjects is taken out first. ``action``
        may be a function, called when all records have been taken.
        """
        stale: dict[str, list[Id]] = {}
        for (plugin, version), rows in groupby(sorted(done, key=_work), _work):
            subjects = [subject for subject, _, _ in rows]
            stale.setdefault(plugin, []).extend(self._begun(plugin, version, subjects))
        for plugin, subjects in stale.items():
            self._retract(plugin, subjects)
        new, waiting = 0, None
        for chunk in chunks(records):
            if waiting is not None:
                with changing(self._backend) as changes:
                    changes.done([(subject, plugin, 0) for subject, plugin, _ in done], 0)
                    new += changes.add(waiting, maker)
            waiting = chunk
        last = _made(action)
        with changing(self._backend) as changes:
            new += changes.add(waiting or (), maker)
            changes.done(done, ledger.append(self._backend, changes.connection, last))
        return new

    def retract(self, plugin: str, subject: Id) -> int:
        """Take out what a plugin made of one subject, its problems and its done row; rows removed.

        The done row goes last, so an interrupted removal is begun again.
        """
        return self._retract(plugin, [subject])

    def forget(self, plugin: str) -> int:
        """Take out everything a plugin made of any subject, its problems and its done rows; rows removed."""
        removed = 0
        page = select(DONE.c.subject).where(DONE.c.plugin == plugin).limit(CHUNK)
        while True:
            with self._backend.reading() as connection:
                subjects = list(connection.execute(page).scalars())
            if not subjects:
                return removed
            removed += self._retract(plugin, subjects)

    def replace(
        self,
        kinds: Sequence[type[Record]],
        records: Iterable[Record],
        action: Action | Callable[[], Action],
        plugin: str,
        version: int,
        revision: str,
    ) -> int:
        """Make a deriver's output of these kinds exactly ``records``; how many rows changed.

        What is new goes in, what differs is exchanged, what no longer follows goes out; a link that
        no longer follows stays, withdrawn. The whole is done at ``revision`` for the subject
        :data:`WHOLE`; while it is under way that row says version 0. Memory is bounded: the ids seen
        lie in a temporary table. ``action`` may be a function, called when all records were taken.
        ValueError for a record of another kind.
        """
        allowed = {kind.KIND for kind in kinds}
        changed = 0
        if allowed:
            with self._backend.writing() as connection:
                begun = Changes(self._backend, connection)
                begun.done([(WHOLE, plugin, 0)], 0)
            with self._seen() as seen:
                for chunk in chunks(records):
                    if other := {r.KIND for r in chunk} - allowed:
                        raise ValueError(f"{plugin} does not make {', '.join(sorted(other))}")
                    with changing(self._backend) as changes:
                        changed += changes.swap(chunk, plugin)
                        changes.connection.exec_driver_sql(
                            self._backend.sql(
                                f"INSERT INTO {seen.name} (id) VALUES (?) ON CONFLICT DO NOTHING"
                            ),
                            [(record.id,) for record in chunk],
                        )
                for kind in sorted(allowed):
                    changed += self._drop_unseen(kind, plugin, seen)
        with changing(self._backend) as changes:
            last = ledger.append(self._backend, changes.connection, _made(action))
            changes.done([(WHOLE, plugin, version)], last, revision)
        return changed

    def act(self, action: Action) -> int:
        """Append something done to the chain, durably; its sequence."""
        with self._backend.writing(durable=True) as connection:
            return ledger.append(self._backend, connection, action)

    def mark(self, marks: Mark | Sequence[Mark], action: Action) -> int:
        """Keep a person's judgements with their action, durably; the action's sequence."""
        given = (marks,) if isinstance(marks, Mark) else marks
        with changing(self._backend, durable=True) as changes:
            changes.add(given, action.kind)
            return ledger.append(self._backend, changes.connection, action)

    def correct(self, record: Record, action: Action) -> int:
        """Exchange a record that nothing but a person's word stands behind for itself with other fields."""
        with changing(self._backend, durable=True) as changes:
            changes.drop(record.KIND, [record.id])
            changes.add([record], "")
            return ledger.append(self._backend, changes.connection, action)

    def remove(self, kind: type[Record], ids: Iterable[Id], action: Action) -> int:
        """Delete records by a person's deed; how many there were. The last go with the action."""
        removed, waiting = 0, list[Id]()
        for chunk in chunks(ids):
            if waiting:
                with changing(self._backend) as changes:
                    removed += changes.drop(kind.KIND, waiting)
            waiting = chunk
        with changing(self._backend, durable=True) as changes:
            removed += changes.drop(kind.KIND, waiting) if waiting else 0
            ledger.append(self._backend, changes.connection, action)
        return removed

    def _begun(self, plugin: str, version: int, subjects: list[Id]) -> list[Id]:
        """Those of the subjects this plugin did in an earlier version or was interrupted at."""
        statement = select(DONE.c.subject).where(
            DONE.c.plugin == plugin,
            self._backend.among(DONE.c.subject, subjects),
            DONE.c.version < version,
        )
        with self._backend.reading() as connection:
            return list(connection.execute(statement).scalars())

    def _retract(self, plugin: str, subjects: list[Id]) -> int:
        if not subjects:
            return 0
        made = select(TALLY.c.kind).where(
            TALLY.c.kind.in_(sorted(TABLES)), TALLY.c.dimension == "maker", TALLY.c.value == plugin
        )
        with self._backend.reading() as connection:
            kinds = set(connection.execute(made.where(TALLY.c.n > 0)).scalars())
        whole = self.many(Exhibit, subjects)
        parts = [subject for subject in subjects if subject not in whole]
        removed = self._drop_all(
            Problem.KIND, TABLES[Problem.KIND].c.plugin == plugin, ("subject",), subjects
        )
        for kind in sorted(kinds):
            own = TABLES[kind].c.maker == plugin
            if "at_file" in TABLES[kind].c:
                removed += self._drop_all(kind, own, ("at_file",), parts)
                removed += self._drop_all(kind, own, ("at_exhibit",), list(whole))
            else:
                about = ("content", "exhibit", "subject")
                removed += self._drop_all(kind, own, about, subjects)
        with self._backend.writing() as connection:
            mine = DONE.delete().where(
                DONE.c.plugin == plugin, self._backend.among(DONE.c.subject, subjects)
            )
            connection.execute(mine)
        return removed

    def _drop_all(
        self, kind: str, own: ColumnElement[bool], names: tuple[str, ...], subjects: list[Id]
    ) -> int:
        """Delete the rows about these subjects, up to 1000 in a transaction."""
        columns = TABLES[kind].c
        about = [self._backend.among(columns[n], subjects) for n in names if n in columns]
        if not about or not subjects:
            return 0
        statement = select(columns.id).where(own, or_(*about)).limit(CHUNK)
        removed = 0
        while True:
            with changing(self._backend) as changes:
                ids = list(changes.connection.execute(statement).scalars())
                removed += changes.drop(kind, ids) if ids else 0
            if len(ids) < CHUNK:
                return removed

    def _drop_unseen(self, kind: str, plugin: str, seen: TableClause) -> int:
        """Delete (links: withdraw) a deriver's rows that it did not make this time."""
        columns = TABLES[kind].c
        statement = select(columns.id).where(
            columns.maker == plugin,
            not_(exists().where(seen.c.id == columns.id)),
        )
        if kind == Link.KIND:
            statement = statement.where(columns.withdrawn.is_(False))
        after, dropped = "", 0
        while True:
            page = statement.where(columns.id > after).order_by(columns.id).limit(CHUNK)
            with changing(self._backend) as changes:
                ids = list(changes.connection.execute(page).scalars())
                if ids and kind == Link.KIND:
                    changes.withdraw(ids)
                elif ids:
                    changes.drop(kind, ids)
            dropped += len(ids)
            if len(ids) < CHUNK:
                return dropped
            after = ids[-1]

    @contextmanager
    def _seen(self) -> Iterator[TableClause]:
        """A temporary table of ids on the writing connection."""
        name = f"seen_{next(_temporary)}"
        with self._backend.writing() as connection:
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} (id TEXT PRIMARY KEY)")
        try:
            yield table(name, column("id"))
        finally:
            with self._backend.writing() as connection:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _work(row: tuple[str, str, int]) -> tuple[str, int]:
    return row[1], row[2]


def _made(action: Action | Callable[[], Action]) -> Action:
    return action() if callable(action) else action


def _path(where: Path | str) -> Path | None:
    """The file meant, or None for an address."""
    return None if isinstance(where, str) and "://" in where else Path(where)


def _shown(where: Path | str) -> str:
    """Where the case lies, for people: an address without its password."""
    return str(where) if _path(where) else make_url(str(where)).render_as_string(hide_password=True)


def _backend(where: Path | str, readonly: bool) -> Backend:
    if path := _path(where):
        from amparo.store.sqlite import Sqlite

        return Sqlite(path, readonly)
    from amparo.store.postgresql import Postgresql

    return Postgresql(str(where), readonly)
