"""One database from a folder: what can be brought back, as plain objects for JSON Lines. Nothing is written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from amparo.recover.engine import recovered
from amparo.recover.record import Value
from amparo.recover.row import Row

LARGEST = 8 << 30
"""Bytes of the largest file that is read."""


def recover_file(
    path: Path | str,
    *,
    tables: Sequence[str] = (),
    sibling: Path | str | None = None,
    live: bool = False,
    seconds: float = 3600,
) -> Iterator[dict[str, Any]]:
    """Recovered rows of a database, its log and journal beside it, one object each.

    ``table``, ``columns`` (name to value; bytes as ``{"hex": ...}``), ``rowid``, ``state``, ``method``,
    ``confidence`` (0 to 1), ``complete`` and ``where`` (``file``, ``page``, ``frame``, ``offset``,
    ``length``); of an orphan, ``belongs_to`` names what is gone: ``[[table, row number]]``. Raises ValueError for what is no database, OSError for what cannot be read.
    """
    main = Path(path)
    parts = {"db": main, "wal": beside(main, "-wal"), "journal": beside(main, "-journal")}
    data = {name: _bytes(part) for name, part in parts.items() if part.is_file()}
    if "db" not in data:
        raise FileNotFoundError(f"no such file: {main}")
    other = _bytes(Path(sibling)) if sibling else None
    rows = recovered(
        data["db"], data.get("wal"), data.get("journal"), tables=tables, sibling=other, live=live,
        seconds=seconds,
    )  # fmt: skip
    for row in rows:
        yield told(row, {name: part.name for name, part in parts.items()})


def beside(path: Path, suffix: str) -> Path:
    """A database's log or journal: the same name with something behind it."""
    return path.with_name(path.name + suffix)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path.name}: larger than {LARGEST} bytes")
    return data


def told(row: Row, names: dict[str, str]) -> dict[str, Any]:
    """A row as an object for JSON; ``names`` are the files' names by ``db``, ``wal``, ``journal``."""
    where: dict[str, Any] = {
        "file": names.get(row.where.file, row.where.file),
        "page": row.where.page,
    }
    if row.where.frame is not None:
        where["frame"] = row.where.frame
    if row.where.salt is not None:
        where["salt"], where["commit"] = row.where.salt, row.where.commit
        where["transaction"] = row.where.transaction
    where["offset"], where["length"] = row.where.offset, row.where.length
    more: dict[str, Any] = {"cut": row.cut} if row.cut else {}
    if row.parents:
        more["belongs_to"] = [list(p) for p in row.parents]
    return {
        "table": row.table,
        "columns": {name: _plain(value) for name, value in row.columns.items()},
        "rowid": row.rowid,
        "state": row.state,
        "method": row.method,
        "confidence": row.confidence,
        "complete": row.complete,
        "where": where,
        **more,
    }


def _plain(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
