"""Sorting and windowing of lists that are held in memory, the same for people and groups."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")
STEP = 100


@dataclass(frozen=True)
class Listing:
    """One window of a sorted list; ``next`` is the offset of the following one, None at the end."""

    rows: list[Any]
    total: int
    sort: str
    offset: int
    next: int | None


def listing(
    request: Request, rows: list[T], columns: dict[str, Callable[[T], Any]], default: str
) -> Listing:
    """Sorts by the column the address names (a leading ``-`` turns it round) and cuts a window."""
    sort = request.query_params.get("sort", default)
    column = columns.get(sort.removeprefix("-"))
    if column is None:
        sort, column = default, columns[default.removeprefix("-")]
    keyed = [(value, row) for row in rows if (value := column(row)) is not None]
    keyed.sort(key=lambda pair: pair[0], reverse=sort.startswith("-"))
    blank = [row for row in rows if column(row) is None]
    rows = [row for _, row in keyed] + blank
    offset = whole(request, "offset")
    end = offset + STEP
    return Listing(rows[offset:end], len(rows), sort, offset, end if end < len(rows) else None)


def alike(rows: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Rows that say the same thing together, in the order in which the first of each came."""
    found: dict[Hashable, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return list(found.values())


def whole(request: Request, name: str, default: int = 0, most: int = 1 << 53) -> int:
    """A non-negative whole number of the address; the default for anything else."""
    text = request.query_params.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 18 else default
