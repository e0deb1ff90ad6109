"""What was erased, and what is left to say so: recovered rows, gaps, and how a database forgets."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import At, Record, kind


@kind("database_state", "at")
@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState(Record):
    """How one SQLite database lies there, what its free bytes still hold and what came back of it.

    Sizes in bytes. ``nonzero`` counts those free bytes that are not zero: what erasing left behind.
    """

    at: At
    pages: int
    page_size: int
    encoding: str
    """``UTF-8``, ``UTF-16LE`` or ``UTF-16BE``."""
    journal_mode: str
    """``rollback journal``, ``write-ahead log`` or ``unknown``, as the header says."""
    auto_vacuum: str
    """``none``, ``full`` or ``incremental``."""
    log_frames: int = 0
    """Frames of the write-ahead log beside it, of all its rounds."""
    journal_pages: int = 0
    """Pages kept in a rollback journal beside it."""
    freed: int = 0
    """Bytes of freed cells and free pages: where rows have stood."""
    freed_nonzero: int = 0
    unused: int = 0
    """Other bytes of pages in use that no cell uses."""
    unused_nonzero: int = 0
    erasing: str
    """What these bytes say of ``secure_delete``: ``overwritten``, ``partly``, ``kept`` or ``no trace``."""
    tables: int = 0
    live: int = 0
    """Rows that stand in it."""
    missing: int = 0
    """Row numbers that were given out and are not there."""
    recovered: tuple[str, ...] = ()
    """``method=rows``, the most first, of all rows brought back by the engine."""
    left_out: int = 0
    """Recovered rows of tables no parser reads that were too many to keep."""


@kind("gap", "at", "column", "first", "last")
@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Record):
    """A run of numbers that a table gave out and whose rows are not there: proof that something is gone.

    Numbers are counted over the whole table: of a messenger, over all its conversations.
    """

    at: At
    column: str
    """The column the numbers stand in."""
    first: int
    last: int
    missing: int
    """How many: fewer than from first to last where several runs are told as one."""
    recovered: int = 0
    """How many of them were brought back."""
    after: int | None = None
    """Time of the row before the gap."""
    before: int | None = None
    """Time of the row behind it."""


@kind("orphan", "at", "parent", "number")
@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan(Record):
    """Rows that are still there and belong to a row that is gone: it existed, and this is known of it."""

    at: At
    """The first of the rows that are left."""
    parent: str
    """The table of the row that is gone."""
    number: int
    """Its row number."""
    rows: int
    """How many rows are left that belong to it."""
    tables: tuple[str, ...]
    """``table=rows`` of them."""
    recovered: bool = False
    """Whether the row itself was brought back."""
    time: int | None = None
    """The earliest time that what is left states."""


@kind("recovered_row", "at")
@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredRow(Record):
    """A row brought back of a table that no parser reads: any application's, as it stood."""

    at: At
    columns: str
    """Column to value as a JSON object; bytes as ``{"bytes": length, "hex": first bytes}``."""
    text: str = ""
    """Its texts, a line each: what is searched."""
    complete: bool = True
    """False where a part of the row is gone."""
