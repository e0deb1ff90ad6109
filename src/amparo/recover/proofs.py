"""Proof that rows are missing, and how many: numbers that were given out, rows left without their parent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from amparo.recover.record import Value
from amparo.recover.row import Row, Where
from amparo.recover.rows import Recovery
from amparo.recover.schema import Table
from amparo.recover.survey import arranged

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
            lost = [i for i, numbers in parents.items() if _missing(row[i], numbers)]
            if lost:
                columns = dict(zip(table.names, row, strict=True))
                where = _place(recovery, page, c.start, c.end - c.start)
                number = rowid if table.rowid else None
                yield Row(table.name, columns, number, "live", "orphan", 1.0, where)


def _missing(value: Value, numbers: dict[int, int]) -> bool:
    return type(value) is int and value > 0 and value not in numbers


def _parents(recovery: Recovery, table: Table) -> dict[int, dict[int, int]]:
    """Columns that name a row of another table, with the numbers that are there."""
    tables, live = recovery.survey.tables, recovery.survey.live
    found: dict[int, dict[int, int]] = {}
    for i, column in enumerate(table.columns):
        named = re.fullmatch(r"(.+)_row_id", column.name.lower())
        parent = table.parents.get(i, named.group(1) if named else "").lower()
        held = tables.get(parent)
        if held and held.rowid and held.root and parent != table.name.lower():
            if live[parent].rows and (named or held.alias is not None):
                found[i] = live[parent].rows
    return found


def gaps(recovery: Recovery, found: Mapping[str, set[int]] | None = None) -> Iterator[Row]:
    """Runs of row numbers and of places in the order of rows that were given and are not there.

    ``first`` to ``last``, how many are ``missing``, how many of those were ``recovered``
    (``found``: table in lower case to row numbers).
    """
    survey, back = recovery.survey, found or {}
    highest = _highest(recovery)
    for key, table in list(survey.tables.items()):
        if not table.rowid or not table.root or not survey.wanted(table.name):
            continue
        if table.alias is None or _borrowed(table) or key.startswith("sqlite_"):
            continue
        numbers = survey.live[key].rows
        top = max(highest.get(key, 0), max(numbers, default=0))
        start = 1 if table.autoincrement or key in highest else max(min(numbers, default=1), 1)
        name = table.columns[table.alias].name
        yield from _runs(
            recovery, table, name, set(numbers), start, top, back.get(key, set()), "id_gap"
        )
        order = table.column("sort_id")
        if order is not None:
            listed = (r[order] for _, r, _ in survey.rows(table))
            whole = {p for p in listed if type(p) is int and p > 0}
            yield from _runs(
                recovery, table, "sort_id", whole, min(whole, default=1), max(whole, default=0),
                set(), "sort_id_gap",
            )  # fmt: skip


def _borrowed(table: Table) -> bool:
    """Whether a table's numbers are those of another table's rows."""
    assert table.alias is not None
    name = table.columns[table.alias].name.lower()
    return table.alias in table.parents or name.endswith("_row_id")


def _runs(
    recovery: Recovery, table: Table, column: str, present: set[int], start: int, top: int,
    back: set[int], method: str,
) -> Iterator[Row]:  # fmt: skip
    span = top - start + 1
    if span <= 0 or (
        len(present) < _DENSE * span and not (table.autoincrement and span < 10_000_000)
    ):
        return
    where = _place(recovery, table.root, 0, 0)
    told = 0
    last = start - 1
    begin = end = beyond = 0
    for number in [*sorted(n for n in present if start <= n <= top), top + 1]:
        missing = number - last - 1
        if missing > 0:
            told += 1
            if told > _MOST_GAPS:
                begin, end, beyond = begin or last + 1, number - 1, beyond + missing
            else:
                yield _gap(table, column, last + 1, number - 1, missing, back, method, where)
        last = number
    if beyond:
        yield _gap(table, column, begin, end, beyond, back, method, where)


def _gap(
    table: Table, column: str, first: int, last: int, missing: int, back: set[int], method: str,
    where: Where,
) -> Row:  # fmt: skip
    few = last - first < 2 * len(back)
    hits = (
        sum(n in back for n in range(first, last + 1))
        if few
        else sum(first <= n <= last for n in back)
    )
    columns: dict[str, Value] = {
        "column": column, "first": first, "last": last, "missing": missing, "recovered": hits,
    }  # fmt: skip
    sure = 0.95 if table.autoincrement and method == "id_gap" else 0.7
    return Row(table.name, columns, None, "deleted", method, sure, where, False)


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
    return Where(file, page, None, offset + start, length)
