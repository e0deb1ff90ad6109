"""Filters: which rows a question means, said in fields and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Text

from amparo.store.backend import Backend
from amparo.store.rows import Shape, encode
from amparo.store.schema import indexed

Where = Mapping[str, Any]
"""Field to value. A text with ``*`` is a pattern; a list or set means any of its values, each taken
literally; None means absent. Parts of ``at`` are ``at_exhibit``, ``at_file`` …"""


def column_of(form: Shape[Any], name: str) -> Column[Any]:
    """The column of a field. ValueError when the kind has no such field."""
    if name not in form.types:
        raise ValueError(f"{form.kind} has no field {name}")
    return form.table.c[name]


def off_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same values, but no index of this column is walked for them.

    Without it a planner may walk a whole table in id order to spare itself the sorting of few rows.
    """
    return column.op("||")("") if isinstance(column.type, Text) else column + 0


def is_pattern(value: object) -> bool:
    """Whether this value means a pattern."""
    return isinstance(value, str) and "*" in value


def _is_list(type_: type, value: object) -> bool:
    if isinstance(value, str | bytes) or (type_ is tuple and isinstance(value, tuple)):
        return False
    return isinstance(value, Sequence | set | frozenset)


def conditions(
    backend: Backend, form: Shape[Any], where: Where, in_id_order: bool = False
) -> list[ColumnElement[bool]]:
    """The filter as SQL. ``in_id_order``: a pattern is to be checked along the way, not looked up."""
    out: list[ColumnElement[bool]] = []
    for name, value in where.items():
        column, type_ = column_of(form, name), form.types[name]
        if value is None:
            out.append(column.is_(None))
        elif _is_list(type_, value):
            out.append(backend.among(column, [encode(type_, v) for v in value]))
        elif type_ is str and is_pattern(value):
            out.append(
                backend.like(off_index(column) if in_id_order else column, encode(str, value))
            )
        else:
            out.append(column == encode(type_, value))
    return out


def looked_up(form: Shape[Any], where: Where) -> bool:
    """Whether an index gives the rows, but not in id order."""
    for name, value in where.items():
        how = indexed(form.kind, name)
        if not how or is_pattern(value) or value is None:
            continue
        if how == "some" or _is_list(form.types[name], value):
            return True
    return False
