"""Every SQLite database of a case, whatever application wrote it."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn, recovery
from amparo.kit.source import Source
from amparo.model import DatabaseState, Gap, Orphan, Record, RecoveredRow
from amparo.recover.rows import opened
from amparo.recover.telling import Parser, telling


@recovery(
    "databases",
    version=1,
    mimes=("application/vnd.sqlite3",),
    makes=(DatabaseState, Gap, Orphan, RecoveredRow),
    seconds=4 * 3600,
)
def databases(parsers: tuple[Parser, ...], source: Source, found: Found) -> Iterator[Record | Warn]:
    """What is missing from a database, what is left of it, and rows of applications no parser knows."""
    yield from telling(opened(source, seconds=3600), found, parsers)
