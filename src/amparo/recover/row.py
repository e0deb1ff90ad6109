"""A recovered row: what it says, how it was found, how sure that is and on which bytes it rests."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.recover.record import Value

METHODS = {
    "live": "the row stands in the database",
    "wal_superseded": "an earlier committed state in the log",
    "wal_uncommitted": "behind the last commit of the log",
    "wal_stale": "a frame of an older round of the log",
    "before_wal": "in the database file, replaced by the log",
    "journal": "in the rollback journal",
    "freeblock": "a freed cell in a page in use",
    "unallocated": "the unused part of a page in use",
    "freelist": "a page of the list of free pages",
    "unreachable": "a page that belongs to nothing",
    "tail": "behind the last page that the file states",
    "overflow_slack": "the unused end of an overflow page",
    "index_tombstone": "the key of a deleted row, left in an index",
    "fts_rebuild": "words of a deleted text, put in order from a full-text index",
    "fts_older": "the same, from parts of the index that were merged away",
    "orphan": "a live row that belongs to a row that is gone",
    "id_gap": "row numbers that were given and are not there",
    "sort_id_gap": "places in the order of rows that are not there",
}
"""Every method and what it means."""


@dataclass(frozen=True, slots=True)
class Where:
    """The bytes a row rests on."""

    file: str
    """``db``, ``wal`` or ``journal``."""
    page: int
    frame: int | None
    """Number of the frame in the log or of the page in the journal, from 1."""
    offset: int
    length: int
    salt: int | None = None
    """Which round of the log the frame is of."""
    commit: bool | None = None
    """Whether the frame ends a transaction."""
    transaction: int | None = None
    """Number of the transaction that wrote the frame, from 1; none where it was never committed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recovered row; columns that cannot be told any more are left out."""

    table: str
    columns: dict[str, Value]
    rowid: int | None
    state: str
    """``live``, ``deleted``, ``superseded`` (an earlier version of a live row) or ``carved``."""
    method: str
    confidence: float
    where: Where
    complete: bool = True
    """False where a part of the row is gone."""
    cut: str = ""
    """The column whose value breaks off, because the bytes behind were written over."""
    parents: tuple[tuple[str, int], ...] = ()
    """Table and number of the rows that are gone and to which this one belongs."""

    def shown(self) -> dict[str, Value]:
        """The columns as people are to read them: a text that breaks off ends in "…"."""
        value = self.columns.get(self.cut)
        return {**self.columns, self.cut: f"{value}…"} if isinstance(value, str) else self.columns
