"""Proof that rows are missing, and how many: numbers that were given out, rows left without their parent."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from amparo.recover.clock import clock
from amparo.recover.numbers import Pairs
from amparo.recover.record import Value
from amparo.recover.row import Row, Where
from amparo.recover.rows import Recovery
from amparo.recover.schema import Table
from amparo.recover.survey import Survey, arranged

_MOST_GAPS = 2000
_DENSE = 0.1
"""Share of numbers in use from which on numbering counts as consecutive."""


def orphans(recovery: Recovery) -> Iterator[Row]:
    """Live rows that refer to a row which is gone: ``X_row_id`` to ``X``, or a declared reference."""
    survey = recovery.survey
    for table in list(survey.tables.values()):
        if not table.root or not survey.wanted(table.name):
            continue
        parents = _parents(recovery, table)
        if not parents:
            continue
        places = table.stored()
        for page, rowid, found, c in survey.cells_of(table):
            row = arranged(table, places, found, rowid)
            lost = [
                (name, value)
                for i, (name, numbers) in parents.items()
                if type(value := row[i]) is int and value > 0 and value not in numbers
            ]
            if lost:
                columns = dict(zip(table.names, row, strict=True))
                where = _place(recovery, page, c.start, c.end - c.start)
                number = rowid if table.rowid else None
                yield Row(
                    table.name, columns, number, "live", "orphan", 1.0, where,
                    parents=tuple(dict.fromkeys(lost)),
                )  # fmt: skip


def _parents(recovery: Recovery, table: Table) -> dict[int, tuple[str, Container[int]]]:
    """Columns that name a row of another table: its name and the numbers that are there."""
    tables, live = recovery.survey.tables, recovery.survey.live
    found: dict[int, tuple[str, Container[int]]] = {}
    for i, column in enumerate(table.columns):
        named = re.fullmatch(r"(?:parent_)?(.+)_row_id", column.name.lower())
        parent = table.parents.get(i, named.group(1) if named else "").lower()
        held = tables.get(parent)
        if held and held.rowid and held.root and parent != table.name.lower():
            if live[parent].rows and (named or held.alias is not None):
                found[i] = held.name, live[parent].rows
    return found


def gaps(recovery: Recovery, found: Mapping[str, set[int]] | None = None) -> Iterator[Row]:
    """Runs of row numbers and of places in the order of rows that were given and are not there.

    ``first`` to ``last``, how many are ``missing``, how many of those were ``recovered``
    (``found``: table in lower case to row numbers), times of the rows ``after`` which and ``before`` which
    they are missing (ms since 1970). Places that tell the same as row numbers are not told again.
    """
    survey, back = recovery.survey, found or {}
    highest = _highest(recovery)
    for key, table in list(survey.tables.items()):
        if not table.rowid or not table.root or not survey.wanted(table.name):
            continue
        if table.alias is None or _borrowed(table) or key.startswith("sqlite_"):
            continue
        numbers = survey.live[key].rows
        top = max(highest.get(key, 0), numbers.highest())
        lowest = next((n for n in numbers if n > 0), 1)
        start = 1 if table.autoincrement or key in highest else lowest
        name = table.columns[table.alias].name
        given, dated = Given(table, name, "id_gap", start, top), _dated(survey, table)
        told = list(_runs(recovery, given, numbers, back.get(key, set()), dated))
        yield from told
        yield from _places(recovery, table, dated, told)


def _places(recovery: Recovery, table: Table, dated: Dated, known: list[Row]) -> Iterator[Row]:
    """Missing places in the order of rows, where they tell more than the row numbers did."""
    order = table.column("sort_id")
    if order is None:
        return
    rows = Pairs()
    for number, row_, _ in recovery.survey.rows(table):
        if type(place := row_[order]) is int and place > 0:
            rows.put(place, number)
    said = {(r.columns["first"], r.columns["last"]) for r in known}
    given = Given(table, "sort_id", "sort_id_gap", next(iter(rows), 1), rows.highest())
    for row in _runs(recovery, given, rows, set(), lambda p: dated(rows.get(p) or 0)):
        if (row.columns["first"], row.columns["last"]) not in said:
            yield row


@dataclass(frozen=True)
class Given:
    """Numbers that a table gave out one after the other: from ``start`` to ``top``."""

    table: Table
    column: str
    method: str
    start: int
    top: int


Dated = Callable[[int], int | None]


def _dated(survey: Survey, table: Table) -> Dated:
    """The time of a live row by its number, where the table keeps one."""
    reads = clock(survey, table)

    def dated(number: int) -> int | None:
        row = survey.row(table, number) if reads else None
        return reads(row) if reads and row else None

    return dated


def _borrowed(table: Table) -> bool:
    """Whether a table's numbers are those of another table's rows."""
    assert table.alias is not None
    name = table.columns[table.alias].name.lower()
    return table.alias in table.parents or name.endswith("_row_id")


def _runs(
    recovery: Recovery, given: Given, present: Pairs, back: set[int], dated: Dated
) -> Iterator[Row]:
    """What is missing between the numbers ``present``; from a number on as one run."""
    table, start = given.table, given.start
    span = given.top - start + 1
    if span <= 0 or (
        len(present) < _DENSE * span and not (table.autoincrement and span < 10_000_000)
    ):
        return
    where = _place(recovery, table.root, 0, 0)
    told = 0
    last = start - 1
    begin = end = beyond = before = 0
    for number in chain((n for n in present if start <= n <= given.top), (given.top + 1,)):
        missing = number - last - 1
        if missing > 0:
            told += 1
            if told > _MOST_GAPS:
                before = before if beyond else last
                begin, end, beyond = begin or last + 1, number - 1, beyond + missing
            else:
                times = dated(last), dated(number)
                yield _gap(given, last + 1, number - 1, missing, back, times, where)
        last = number
    if beyond:
        times = dated(before), dated(end + 1)
        yield _gap(given, begin, end, beyond, back, times, where)


def _gap(
    given: Given, first: int, last: int, missing: int, back: set[int],
    times: tuple[int | None, int | None], where: Where,
) -> Row:  # fmt: skip
    few = last - first < 2 * len(back)
    hits = (
        sum(n in back for n in range(first, last + 1))
        if few
        else sum(first <= n <= last for n in back)
    )
    columns: dict[str, Value] = {
        "column": given.column, "first": first, "last": last, "missing": missing, "recovered": hits,
        "after": times[0], "before": times[1],
    }  # fmt: skip
    sure = 0.95 if given.table.autoincrement and given.method == "id_gap" else 0.7
    return Row(given.table.name, columns, None, "deleted", given.method, sure, where, False)


def _highest(recovery: Recovery) -> dict[str, int]:
    """The highest number ever given, where a database keeps it: sqlite_sequence, Core Data's Z_MAX."""
    survey = recovery.survey
    found: dict[str, int] = {}
    if held := survey.tables.get("sqlite_sequence"):
        for _, row, _ in survey.rows(held):
            if len(row) > 1 and isinstance(row[0], str) and type(row[1]) is int:
                found[row[0].lower()] = row[1]
    if held := survey.tables.get("z_primarykey"):
        name, top = held.column("Z_NAME"), held.column("Z_MAX")
        for _, row, _ in survey.rows(held) if name is not None and top is not None else ():
            label, number = row[name or 0], row[top or 0]
            if isinstance(label, str) and type(number) is int and number > 0:
                found[f"z{label.lower()}"] = number
    return found


def _place(recovery: Recovery, page: int, start: int, length: int) -> Where:
    size = recovery.form.size
    data, offset = recovery.snapshot.over.get(page, (recovery.main, (page - 1) * size))
    file = "wal" if recovery.wal and data is recovery.wal else "db"
    if offset + start + length > len(data):  # a table said to lie behind the end of the file
        return Where(file, page, None, 0, 0)
    return Where(file, page, None, offset + start, length)
