"""The reading half of the store: records by kind, by field, by id, in pages, and their counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, exists, func, not_, select, tuple_

from amparo.model import Id, Record
from amparo.store.backend import Backend
from amparo.store.changes import chunks
from amparo.store.rows import Shape, encode, shape
from amparo.store.schema import DONE, INDEXES, indexed
from amparo.store.where import Where, column_of, conditions, looked_up, off_index

R = TypeVar("R", bound=Record)

PAGE = 2000
"""Rows read in one short statement."""
LONG = 50_000
"""Rows of a kind from which :meth:`Reading.columns` reads them in one statement."""


class Reading:
    """Reads records; never changes them. Safe to use from several threads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def each(self, kind: type[R], **equal: Any) -> Iterator[R]:
        """Every record of a kind in id order, filtered by fields (see :data:`.where.Where`)."""
        form = shape(kind)
        return map(form.record, self._rows(form, form.names, equal))

    def columns(self, kind: type[Record], *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        """The named fields only, as tuples in id order: the quick way over many rows.

        A large kind is read in one statement, in the order it lies on disk, and sorted by the
        database: three times as quick as walking it by id, and far more on a slow disk.
        """
        form = shape(kind)
        for name in names:
            column_of(form, name)
        if self._is_long(form, equal):
            id_ = off_index(form.table.c.id)
            statement = select(*(form.table.c[n] for n in names)).order_by(id_)
            statement = statement.where(*conditions(self._backend, form, equal, in_id_order=True))
            rows: Iterator[Sequence[Any]] = self._backend.stream(statement)
        else:
            rows = self._rows(form, names, equal)
        if not (decoders := form.decoders(names)):
            return map(tuple, rows)
        return _decoded(rows, decoders)

    def get(self, kind: type[R], id: Id) -> R | None:
        """One record or None."""
        return self.many(kind, (id,)).get(id)

    def many(self, kind: type[R], ids: Iterable[Id]) -> dict[Id, R]:
        """Records by id; those that are not there are left out."""
        form = shape(kind)
        columns = [form.table.c[n] for n in form.names]
        out: dict[Id, R] = {}
        for chunk in chunks(ids, 5000):
            if len(chunk) == 1:
                wanted: ColumnElement[bool] = form.table.c.id == chunk[0]
            else:
                wanted = self._backend.among(form.table.c.id, chunk)
            with self._backend.reading() as connection:
                rows = connection.execute(select(*columns).where(wanted)).all()
            out.update((row[0], form.record(row)) for row in rows)
        return out

    def maker(self, kind: type[Record], id: Id) -> str:
        """The plugin that made a row; "" for a row of no maker and for one that is not there."""
        table = shape(kind).table
        with self._backend.reading() as connection:
            found = connection.execute(select(table.c.maker).where(table.c.id == id)).scalar()
        return found or ""

    def find(
        self,
        kind: type[R],
        where: Where | None = None,
        order: str = "id",
        descending: bool = False,
        after: tuple[Any, Id] | None = None,
        limit: int = 200,
    ) -> list[R]:
        """One page, ordered by a field and then id; those without a value come last either way.

        ``after`` is the ordering value and id of the last record of the page before.
        """
        form, where = shape(kind), where or {}
        field, id_ = column_of(form, order), form.table.c.id
        base = select(*(form.table.c[n] for n in form.names))
        base = base.where(*conditions(self._backend, form, where, in_id_order=order == "id"))
        by: ColumnElement[Any] = field
        at: ColumnElement[Any] = id_
        if looked_up(form, where) and not _in_order(form.kind, where, order):
            by = at = off_index(id_)
            if order != "id":
                by = field if form.types[order] in (bool, bytes) else off_index(field)
        optional = field.nullable if order != "id" else False
        rows: list[Row[Any]] = []
        with self._backend.reading() as connection:
            if not (after and optional and after[0] is None):
                page = base.where(field.is_not(None)) if optional else base
                if after:
                    value = encode(form.types[order], after[0])
                    page = page.where(_beyond(by, at, value, after[1], order, descending))
                page = page.order_by(*_ways((by,) if order == "id" else (by, at), descending))
                rows += connection.execute(page.limit(limit)).all()
            if optional and len(rows) < limit:
                page = base.where(field.is_(None))
                if after and after[0] is None:
                    page = page.where(at < after[1] if descending else at > after[1])
                page = page.order_by(*_ways((at,), descending)).limit(limit - len(rows))
                rows += connection.execute(page).all()
        return [form.record(row) for row in rows]

    def tally(self, kind: type[Record], by: str = "", where: Where | None = None) -> dict[str, int]:
        """How many rows, from counts kept as rows come and go: at once, however many there are.

        ``by`` is a counted field, ``maker`` or ``""`` for the total (its key is then ``""``).
        ValueError for what is not counted (:data:`.schema.TALLIES`). ``where`` may pick values of the
        one field that is counted by.
        """
        where = where or {}
        counted = {"", *(name for name, _ in shape(kind).counted)}
        dimension = by or next(iter(where), "")
        if dimension not in counted or set(where) - {dimension}:
            raise ValueError(f"{kind.KIND} is not counted by {', '.join({by, *where} - {''})}")
        wanted = where.get(dimension)
        if wanted is not None and isinstance(wanted, str | int):
            wanted = [wanted]
        text = "SELECT value, n FROM tally WHERE kind = ? AND dimension = ? AND n > 0"
        with self._backend.reading() as connection:
            rows = connection.exec_driver_sql(self._backend.sql(text), (kind.KIND, dimension))
            found = {value: int(n) for value, n in rows}
        if wanted is not None:
            chosen = {str(value) for value in wanted}
            found = {value: n for value, n in found.items() if value in chosen}
        return found if by else {"": sum(found.values())}

    def revision(self, kinds: Sequence[type[Record]]) -> str:
        """A text that changes whenever rows of these kinds changed."""
        with self._backend.reading() as connection:
            rows = connection.exec_driver_sql("SELECT kind, n FROM revision")
            at = {kind: int(n) for kind, n in rows}
        return " ".join(f"{name}:{at.get(name, 0)}" for name in sorted({k.KIND for k in kinds}))

    def undone(
        self, kind: type[R], plugin: str, version: int, where: Where | None = None
    ) -> Iterator[R]:
        """Records a plugin has not finished with at this version or a later one, in id order."""
        form = shape(kind)
        open_ = self._not_done(form, plugin, version)
        return map(form.record, self._rows(form, form.names, where or {}, open_))

    def undone_count(
        self, kind: type[Record], plugin: str, version: int, where: Where | None = None
    ) -> int:
        """How many records :meth:`undone` would give."""
        form = shape(kind)
        statement = (
            select(func.count())
            .select_from(form.table)
            .where(
                *conditions(self._backend, form, where or {}), self._not_done(form, plugin, version)
            )
        )
        with self._backend.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def is_done(self, plugin: str, subject: str) -> tuple[int, str] | None:
        """Version and revision at which a plugin finished with a subject; None when it never did.

        Version 0: it began and was interrupted, so some of its rows may stand already.
        """
        text = "SELECT version, revision FROM done WHERE plugin = ? AND subject = ?"
        with self._backend.reading() as connection:
            row = connection.exec_driver_sql(self._backend.sql(text), (plugin, subject)).first()
        return (int(row[0]), str(row[1])) if row else None

    def _is_long(self, form: Shape[Any], where: Where) -> bool:
        in_order = any(indexed(form.kind, name) == "order" for name in where)
        return not in_order and sum(self.tally(form.cls).values()) > LONG

    def _not_done(self, form: Shape[Any], plugin: str, version: int) -> ColumnElement[bool]:
        return not_(
            exists().where(
                DONE.c.plugin == plugin,
                DONE.c.subject == form.table.c.id,
                DONE.c.version >= version,
            )
        )

    def _rows(
        self,
        form: Shape[Any],
        names: Sequence[str],
        where: Where,
        *more: ColumnElement[bool],
    ) -> Iterator[Sequence[Any]]:
        """Rows in id order, in short statements: however long the reader takes, no log grows."""
        id_ = form.table.c.id
        statement = select(*(form.table.c[n] for n in names), id_.label("after"))
        statement = statement.where(
            *conditions(self._backend, form, where, in_id_order=True), *more
        )
        sorts = looked_up(form, where)
        by = off_index(id_) if sorts else id_
        after = ""
        while True:
            page = statement.where(by > after) if after else statement
            if after and sorts:
                # Sorting anew for every page would cost the square of a long list.
                ids = page.with_only_columns(id_).order_by(by)
                with self._backend.reading() as connection:
                    rest = connection.execute(ids).scalars().all()
                for chunk in chunks(rest, PAGE):
                    mine = statement.where(self._backend.among(id_, chunk)).order_by(id_)
                    with self._backend.reading() as connection:
                        rows = connection.execute(mine).all()
                    for row in rows:
                        yield row[:-1]
                return
            with self._backend.reading() as connection:
                rows = connection.execute(page.order_by(by).limit(PAGE)).all()
            for row in rows:
                yield row[:-1]
            if len(rows) < PAGE:
                return
            after = rows[-1][-1]


def _decoded(
    rows: Iterator[Sequence[Any]], decoders: list[tuple[int, Any]]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        values = list(row)
        for i, decode in decoders:
            if values[i] is not None:
                values[i] = decode(values[i])
        yield tuple(values)


def _ways(columns: Sequence[ColumnElement[Any]], descending: bool) -> list[ColumnElement[Any]]:
    return [c.desc() if descending else c.asc() for c in columns]


def _beyond(
    by: ColumnElement[Any], at: ColumnElement[Any], value: Any, id_: Id, order: str, down: bool
) -> ColumnElement[bool]:
    if order == "id":
        return at < id_ if down else at > id_
    if down:
        return tuple_(by, at) < tuple_(value, id_)
    return tuple_(by, at) > tuple_(value, id_)


def _in_order(kind: str, where: Mapping[str, Any], order: str) -> bool:
    """Whether one index both finds these rows and has them in this order."""
    names = (*where, order)
    return any(index == names for index in INDEXES.get(kind, ()))
