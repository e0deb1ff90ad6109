"""Where a recovered row stands, as records say it: exhibit, file or the file beside it, bytes."""

from __future__ import annotations

from amparo.kit.found import Found
from amparo.model import At
from amparo.recover.row import Row

COMPANIONS = {"db": "", "wal": "-wal", "journal": "-journal"}
"""The suffix of the file beside the database that a row was found in."""


def at_of(found: Found, row: Row, table: str = "") -> At:
    """The place of a row; ``offset`` and ``length`` count in the database, or in what ``companion`` names."""
    where = row.where
    return At(
        found.exhibit,
        found.file,
        table or row.table,
        row.rowid,
        where.offset if where.length else None,
        where.length or None,
        row.state,
        row.method,
        row.confidence,
        COMPANIONS[where.file],
        where.frame,
        where.transaction,
    )
