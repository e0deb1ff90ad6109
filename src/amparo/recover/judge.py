"""Whether a record is a deleted row, an earlier version of a live one, or the live row itself."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.recover.numbers import Numbers, Pairs
from amparo.recover.record import Value, header, size_of
from amparo.recover.row import Row, Where
from amparo.recover.scan import Hit
from amparo.recover.schema import Table
from amparo.recover.survey import Survey, arranged
from amparo.recover.target import Target

_Key = tuple[object, ...]


class Judge:
    """Compares every find with the live rows and with what was told before; tells each row once."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._told: set[int] = set()
        self._identities: dict[tuple[str, tuple[int, ...]], Pairs] = {}
        self._tuples: dict[str, Numbers] = {}
        self._prefixes: dict[tuple[str, int], Numbers] = {}
        self._rowids: dict[str, set[int]] = {}
        """Row numbers told, by table."""
        self._keys: dict[tuple[str, int], tuple[dict[str, Value], Hit]] = {}
        self._known: dict[tuple[str, tuple[int, ...], _Key], int] = {}

        self._tops: dict[str, int] = {}
        self._said: dict[tuple[str, int, Value], int] = {}
        """Text in the key of a row that is gone, to its number."""

    def row(self, hit: Hit) -> Iterator[Row]:
        """The row of a find; nothing where it is live or was told."""
        target = hit.target
        table = target.table
        key = table.name.lower()
        rowid = hit.rowid if target.kind == "table" else None
        row = arranged(table, target.places, hit.values, rowid)
        state = self._state(hit, table, key, rowid, row)
        if state is None:
            return
        if rowid is None and target.kind == "table":
            rowid = self._number(table, target, row)
            if rowid is not None and table.alias is not None:
                row[table.alias] = rowid
        digest = hash((key, rowid, _frozen(row)))
        bare = hash((key, None, _frozen(_without(row, table.alias))))
        if digest in self._told or (rowid is None and bare in self._told):
            return
        self._told.update((digest, bare))
        if rowid is not None:
            self._rowids.setdefault(key, set()).add(rowid)
        yield Row(
            table.name, self._columns(hit, table, row, rowid), rowid, state, hit.method,
            hit.confidence, _where(hit), hit.complete and not hit.unknown, cut_of(hit),
        )  # fmt: skip

    def _columns(
        self, hit: Hit, table: Table, row: list[Value], rowid: int | None
    ) -> dict[str, Value]:
        places = hit.target.places
        lost = set(places[: hit.unknown])
        if not hit.complete:
            lost |= set(places[len(hit.values) :])
        if table.alias is not None and table.rowid:
            lost.discard(table.alias)
            if rowid is None:
                lost.add(table.alias)
        return {
            n: v for i, (n, v) in enumerate(zip(table.names, row, strict=True)) if i not in lost
        }

    def _state(
        self, hit: Hit, table: Table, key: str, rowid: int | None, row: list[Value]
    ) -> str | None:
        live = self._survey.live[key]
        digest = hash(hit.payload)
        if rowid is not None:
            now = live.rows.get(rowid)
            if now is None:
                return "deleted"
            if now == digest or not hit.complete:
                return None
            held = self._survey.row(table, rowid)
            if held is None or held == row:
                return None
            return "superseded" if self._same(hit.target, held, row) else "deleted"
        if digest in live.payloads or not live.payloads:
            return None if live.payloads else "deleted"
        if hit.unknown or not hit.complete:
            return None if self._partly_live(hit, table) else "carved"
        if hit.target.fewest < len(table.columns) and hash(
            _frozen(_without(row, table.alias))
        ) in self._all(table):
            return None
        for columns in hit.target.identity():
            found = self._live_identity(table, columns).get(hash(_picked(row, columns)))
            if found is not None:
                return "superseded"
        return "deleted"

    def _same(self, target: Target, held: list[Value], row: list[Value]) -> bool:
        """Whether two rows under one number are versions of one another."""
        for columns in target.table.unique:
            if columns != (target.table.alias,):
                return _picked(held, columns) == _picked(row, columns)
        pairs = [(a, b) for a, b in zip(held, row, strict=True) if a is not None or b is not None]
        return 2 * sum(1 for a, b in pairs if a == b) >= len(pairs)

    def _number(self, table: Table, target: Target, row: list[Value]) -> int | None:
        """A lost row number, from the live row it is a version of or from a key left in an index."""
        for columns in target.identity():
            picked = _picked(row, columns)
            found = self._live_identity(table, columns).get(hash(picked))
            if found is None:
                found = self._known.get((table.name.lower(), columns, picked))
            if found is not None:
                return found
        low = table.name.lower()
        for place, value in enumerate(row):
            number = self._said.get((low, place, value)) if _telling(value) else None
            if number is not None:
                key = self._keys[low, number][0]
                names = table.names
                if all(row[names.index(n)] == v for n, v in key.items()):
                    return number
        return None

    def _live_identity(self, table: Table, columns: tuple[int, ...]) -> Pairs:
        """Row numbers of the live rows by the hash of what makes them what they are."""
        key = (table.name.lower(), columns)
        if key not in self._identities:
            found = Pairs()
            for rowid, row, _ in self._survey.rows(table) if table.root else ():
                picked = _picked(row, columns)
                if None not in picked[-1:]:
                    found.put(hash(picked), rowid)
            self._identities[key] = found
        return self._identities[key]

    def _all(self, table: Table) -> Numbers:
        """Live rows by their values: for tables that were given columns later."""
        key = table.name.lower()
        if key not in self._tuples:
            rows = self._survey.rows(table) if table.root else ()
            held = self._tuples[key] = Numbers()
            for _, r, _ in rows:
                held.add(hash(_frozen(_without(r, table.alias))))
        return self._tuples[key]

    def _partly_live(self, hit: Hit, table: Table) -> bool:
        """Whether a live row agrees with what is left of this one."""
        places = hit.target.places
        whole = len(hit.values) - (0 if hit.complete else 1)
        known = [p for p in places[hit.unknown : whole] if p is not None and p != table.alias]
        if not known:
            return True
        key = (table.name.lower(), hash(tuple(known)))
        if key not in self._prefixes:
            rows = self._survey.rows(table) if table.root else ()
            held = self._prefixes[key] = Numbers()
            for _, r, _ in rows:
                held.add(hash(_frozen([r[p] for p in known])))
        row = arranged(table, places, hit.values, None)
        return hash(_frozen([row[p] for p in known])) in self._prefixes[key]

    def key(self, hit: Hit) -> None:
        """Keep the key of a row that is no longer there."""
        table = hit.target.table
        low = table.name.lower()
        rowid = hit.rowid
        if rowid is None or rowid <= 0 or rowid in self._survey.live[low].rows:
            return
        if not hit.complete or not (hit.exact or (hit.target.speaks and rowid <= self._top(low))):
            return
        places = hit.target.places
        row = {
            place: value
            for i, (place, value) in enumerate(zip(places, hit.values, strict=False))
            if place is not None and i >= hit.unknown
        }
        for columns in hit.target.identity():
            if all(c in row for c in columns):
                self._known[low, columns, tuple(row[c] for c in columns)] = rowid
        if (low, rowid) not in self._keys and len(self._keys) < 1_000_000:
            self._keys[low, rowid] = ({}, hit)
        if (low, rowid) in self._keys:
            columns_of = self._keys[low, rowid][0]
            for place, value in row.items():
                columns_of.setdefault(table.columns[place].name, value)
                if _telling(value):
                    self._said[low, place, value] = rowid

    def _top(self, low: str) -> int:
        """A number above which a row number cannot be, for all that is known."""
        if low not in self._tops:
            rows = self._survey.live[low].rows
            most = max(rows.highest(), max(self._rowids.get(low, ()), default=0))
            self._tops[low] = 2 * most + 100 if most else 1 << 62
        return self._tops[low]

    def tombstones(self) -> Iterator[Row]:
        """Keys of rows that were found nowhere else."""
        for (low, rowid), (columns, hit) in self._keys.items():
            if rowid in self._rowids.get(low, ()) or not columns:
                continue
            table = hit.target.table
            if table.alias is not None:
                columns[table.columns[table.alias].name] = rowid
            ordered = {n: columns[n] for n in table.names if n in columns}
            yield Row(
                table.name, ordered, rowid, "deleted", "index_tombstone", 0.9, _where(hit), False
            )

    def found(self, table: str) -> set[int]:
        """Row numbers told of a table."""
        return self._rowids.get(table.lower(), set())


def _where(hit: Hit) -> Where:
    image = hit.image
    logged = image.frame is not None and image.file == "wal"
    return Where(
        image.file, image.page, image.frame, image.offset + hit.start, hit.end - hit.start,
        image.salt if logged else None, image.commit if logged else None,
        image.transaction if logged else None,
    )  # fmt: skip


def cut_of(hit: Hit) -> str:
    """The column of a text that ends before its stated length, because the rest of the row is gone."""
    last = len(hit.values) - 1
    if hit.complete or last < 0 or not isinstance(hit.values[last], str):
        return ""
    head = header(hit.payload, 0, len(hit.payload), len(hit.target.columns))
    if head is None or last >= len(head[1]):
        return ""
    whole = head[0] + sum(map(size_of, head[1][: last + 1])) <= len(hit.payload)
    place = hit.target.places[last]
    return "" if whole or place is None else hit.target.table.names[place]


def _telling(value: Value) -> bool:
    return isinstance(value, (str, bytes)) and len(value) >= 8


def _picked(row: list[Value], columns: tuple[int, ...]) -> _Key:
    return tuple(row[c] for c in columns)


def _without(row: list[Value], alias: int | None) -> list[Value]:
    return row if alias is None else [*row[:alias], None, *row[alias + 1 :]]


def _frozen(row: list[Value]) -> tuple[object, ...]:
    return tuple(row)
