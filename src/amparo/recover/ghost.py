"""Recovered rows given to the parsers of live rows, so that a deleted message is read as a message.

A ghost is a database in memory with the interface of :class:`~amparo.kit.sqlite.Database`: recovered
rows, and beside them the live rows they need to be understood (addresses, chats). Several versions of
one row go into several ghosts, one after another. Its :class:`GhostFound` says of every recovered row
how it was found.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.kit.sqlite import Database
from amparo.model import At, Record
from amparo.recover.engine import everything
from amparo.recover.place import at_of
from amparo.recover.record import Value
from amparo.recover.row import Row
from amparo.recover.rows import Recovery, opened
from amparo.recover.schema import Table

_SMALL = 50_000
"""Live rows up to which a table is taken whole."""
_MOST_VERSIONS = 16
_NUMBERLESS = 1 << 61
"""From here on rows are numbered whose own number is lost."""
_STUB = 0.9
"""How sure a row is of which only others tell."""
_PROOFS = ("id_gap", "sort_id_gap", "orphan", "live")
STATED = ("soft_deleted", "expired")
"""What a parser says of rows that stand in the database: nothing was brought back."""

Rows = dict[int, list[Value]]


class Ghost(Database):
    """Rows in memory, table by table, as a parser reads them from a file."""

    def __init__(self, columns: dict[str, list[str]], rows: dict[str, Rows]) -> None:
        self.notes: list[str] = []
        self.missing: set[str] = set()
        self._held = {name.lower(): (name, names, rows[name]) for name, names in columns.items()}

    def tables(self) -> dict[str, list[str]]:
        """Tables and their columns."""
        return {name: list(names) for name, names, _ in self._held.values()}

    def has(self, table: str, column: str = "") -> bool:
        """Whether a table, or one of its columns, is there."""
        held = self._held.get(table.lower())
        return held is not None and (not column or column.lower() in {c.lower() for c in held[1]})

    def rows(self, table: str, wanted: Sequence[str], by: str = "") -> Iterator[tuple[Any, ...]]:
        """``(rowid, *wanted)`` of every row, in the order of the row number or of a whole number."""
        held = self._held.get(table.lower())
        if held is None:
            self.missing.add(table)
            return
        places = {c.lower(): i for i, c in enumerate(held[1])}
        picked = [places.get(c.lower(), -1) for c in wanted]
        self.missing |= {f"{table}.{c}" for c, i in zip(wanted, picked, strict=True) if i < 0}
        numbers = sorted(held[2])
        if by:
            key = places.get(by.lower(), -1)
            if key < 0:
                return
            whole = {n: held[2][n][key] for n in numbers}
            numbers = [n for n in numbers if type(whole[n]) is int]
            numbers.sort(key=lambda n: whole[n])  # type: ignore[arg-type, return-value]
        for number in numbers:
            row = held[2][number]
            yield (number, *(row[i] if i >= 0 else None for i in picked))


@dataclass(frozen=True)
class GhostFound(Found):
    """Answers for a recovered row with how and how surely it was found."""

    places: dict[tuple[str, int], At] = field(default_factory=dict)

    def row(self, table: str, rowid: int | None) -> At:
        """The place of a recovered row, or of a live one that was taken along."""
        held = self.places.get((table.lower(), rowid)) if rowid is not None else None
        return held or Found.row(self, table, rowid)


class _Collected:
    """Recovered rows by table and number, in versions; partial ones put together."""

    def __init__(self, recovery: Recovery) -> None:
        self._tables = recovery.survey.tables
        self.versions: dict[str, dict[int, list[tuple[list[Value], Row]]]] = defaultdict(dict)
        self._partial: dict[tuple[str, int], tuple[dict[str, Value], Row]] = {}
        self._lost: dict[tuple[str, int], tuple[set[Value], Row]] = {}
        self._fresh = _NUMBERLESS

    def add(self, row: Row) -> None:
        table = self._tables.get(row.table.lower())
        if row.method == "orphan":
            self._leave(row)
            return
        if table is None or row.method in _PROOFS or row.table.lower().startswith("sqlite_"):
            return
        number = row.rowid
        if number is None:
            self._fresh += 1
            number = self._fresh
        if not row.complete and row.rowid is not None:
            columns, first = self._partial.setdefault((row.table.lower(), number), ({}, row))
            for name, value in row.shown().items():
                columns.setdefault(name, value)
            if row.confidence < first.confidence:
                self._partial[row.table.lower(), number] = columns, row
            return
        self._keep(table, number, row.shown(), row)

    def _keep(self, table: Table, number: int, columns: dict[str, Value], row: Row) -> None:
        held = self.versions[table.name.lower()].setdefault(number, [])
        if len(held) < _MOST_VERSIONS:
            line = [columns.get(name) for name in table.names]
            if table.alias is not None:
                line[table.alias] = number
            held.append((line, row))

    def _leave(self, child: Row) -> None:
        """What a row that is left says of its lost parent: what that one belonged to itself."""
        for name, number in child.parents:
            table = self._tables[name.lower()]
            place = _first_key(table)
            if place < 0:
                continue
            column = table.columns[place].name.lower()
            said = {n.lower(): v for n, v in child.columns.items()}
            value = said.get(f"parent_{table.name.lower()}_{column}", said.get(column))
            if type(value) is int and value > 0:
                self._lost.setdefault((name.lower(), number), (set(), child))[0].add(value)

    def _stubs(self) -> None:
        """Rows of which only others tell: their number and what they belonged to, where all agree."""
        for (low, number), (values, child) in self._lost.items():
            table = self._tables[low]
            column = table.columns[_first_key(table)].name
            if number in self.versions[low] or len(values) != 1:
                continue
            row = replace(
                child, table=table.name, columns={column: next(iter(values))}, rowid=number,
                state="deleted", confidence=_STUB, complete=False,
            )  # fmt: skip
            columns, first = self._partial.setdefault((low, number), ({}, row))
            if first is not row:
                columns.setdefault(column, next(iter(values)))
            else:
                columns.update(row.columns)

    def _belonging(self) -> None:
        """What rows known in parts belonged to, where rows of theirs that came back agree on it."""
        said: dict[tuple[str, int], set[Value]] = defaultdict(set)
        for low in {low for low, _ in self._partial}:
            place = _first_key(self._tables[low])
            wanted = (f"{low}_row_id", self._tables[low].columns[place].name.lower())
            for child, numbers in self.versions.items() if place >= 0 else ():
                names = [name.lower() for name in self._tables[child].names]
                if child == low or not set(wanted) <= set(names):
                    continue
                parent, key = map(names.index, wanted)
                for line, _ in (version for versions in numbers.values() for version in versions):
                    number, value = line[parent], line[key]
                    if type(number) is int and type(value) is int and value > 0:
                        said[low, number].add(value)
        for (low, number), (columns, _) in self._partial.items():
            if len(values := said.get((low, number), set())) == 1:
                table = self._tables[low]
                columns.setdefault(table.columns[_first_key(table)].name, next(iter(values)))

    def finish(self) -> None:
        """Rows known in parts only, where no whole one was found."""
        self._stubs()
        self._belonging()
        for (low, number), (columns, row) in self._partial.items():
            if number not in self.versions[low]:
                self._keep(self._tables[low], number, columns, row)


def ghosts(source: Source, found: Found, seconds: float) -> Iterator[tuple[Ghost, GhostFound]]:
    """Databases of the recovered rows: the first holds one version of each, the next the second ones.

    Raises ValueError for what is no database.
    """
    recovery = opened(source, seconds)
    collected = _Collected(recovery)
    for row in everything(recovery):
        collected.add(row)
    collected.finish()
    base = _live(recovery, collected)
    layers = max((len(v) for t in collected.versions.values() for v in t.values()), default=0)
    columns = {t.name: t.names for t in recovery.survey.tables.values() if t.root}
    for layer in range(layers):
        rows: dict[str, Rows] = {}
        places = {k: _orphan(found, *k) for k in base.left}
        for name in columns:
            low = name.lower()
            rows[name] = dict(base.rows[low])
            for number, versions in collected.versions[low].items():
                if layer < len(versions):
                    line, row = versions[layer]
                    rows[name][number] = line
                    places[low, number] = at_of(found, row, name)
                elif number not in rows[name] and versions and _needed(low, columns):
                    line, row = versions[-1]
                    rows[name][number] = line
        yield Ghost(columns, rows), GhostFound(**_fields(found), places=places)


def recover_with(
    parser: Callable[..., Iterator[Record | Warn]], source: Source, found: Found,
    seconds: float = 3600,
) -> Iterator[Record | Warn]:  # fmt: skip
    """What a parser of live rows makes of the recovered ones: their records, and those they refer to."""
    told: set[str] = set()
    for database, place in ghosts(source, found, seconds):
        waiting: dict[str, Record] = {}
        for record in parser(database, place):
            if isinstance(record, Warn) or not isinstance(record, Record):
                continue
            at = getattr(record, "at", None)
            if at is None:
                waiting[record.id] = record
            elif at.method and at.method not in STATED:
                yield from _referred(record, waiting, told)
                if record.id not in told:
                    told.add(record.id)
                    yield record


def _referred(record: Record, waiting: dict[str, Record], told: set[str]) -> Iterator[Record]:
    """The accounts and conversations a record names, before it."""
    for spec in dataclasses.fields(record):
        value = getattr(record, spec.name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and one in waiting and one != record.id:
                other = waiting.pop(one)
                yield from _referred(other, waiting, told)
                if other.id not in told:
                    told.add(other.id)
                    yield other


def _fields(found: Found) -> dict[str, Any]:
    return {f.name: getattr(found, f.name) for f in dataclasses.fields(Found)}


def _orphan(found: Found, table: str, number: int) -> At:
    return At(
        found.exhibit, found.file, table, number, state="live", method="orphan", confidence=1.0
    )


@dataclass
class _Live:
    rows: dict[str, Rows]
    left: list[tuple[str, int]]
    """Live rows that belong to a recovered one."""


def _needed(low: str, columns: dict[str, list[str]]) -> bool:
    """Whether other tables refer to this one: its rows are then wanted in every version."""
    return any(f"{low}_row_id" in map(str.lower, names) for names in columns.values())


def _live(recovery: Recovery, collected: _Collected) -> _Live:
    """Live rows that help to understand the recovered: small tables whole, of others what is referred to."""
    survey = recovery.survey
    result = _Live(defaultdict(dict), [])
    large: dict[str, Table] = {}
    for low, table in survey.tables.items():
        if not table.root or low.startswith("sqlite_"):
            continue
        if len(survey.live[low].payloads) > _SMALL:
            large[low] = table
        owners = _owners(table, collected)
        for position, (rowid, row, _) in enumerate(survey.rows(table)):
            number = rowid if table.rowid else position + 1
            if any(row[i] in numbers for i, numbers in owners.items()):
                result.left.append((low, number))
            elif low in large:
                continue
            result.rows[low][number] = row
    for low, table in large.items():
        for number in _referred_numbers(low, collected, survey.tables):
            row_found = survey.row(table, number) if number in survey.live[low].rows else None
            if row_found is not None:
                result.rows[low][number] = row_found
    return result


def _owners(table: Table, collected: _Collected) -> dict[int, set[Value]]:
    """Columns that name a row which was recovered and is not live."""
    found: dict[int, set[Value]] = {}
    for i, column in enumerate(table.columns):
        named = re.fullmatch(r"(.+)_row_id", column.name.lower())
        if named and named.group(1) != table.name.lower() and i == _first_key(table):
            numbers = {
                n for n, v in collected.versions[named.group(1)].items()
                if v[0][1].state != "superseded"
            }  # fmt: skip
            if numbers:
                found[i] = set(numbers)
    return found


def _first_key(table: Table) -> int:
    """The first column that names another row: the row that this one belongs to."""
    for i, column in enumerate(table.columns):
        if column.name.lower().endswith("_row_id"):
            return i
    return -1


def _referred_numbers(low: str, collected: _Collected, tables: dict[str, Table]) -> Iterator[int]:
    for other, numbers in collected.versions.items():
        names = tables[other].names
        places = [i for i, name in enumerate(names) if name.lower() == f"{low}_row_id"]
        for versions in numbers.values():
            for line, _ in versions:
                for i in places:
                    value = line[i]
                    if type(value) is int:
                        yield value
