"""Which tables and columns an SQLite file has, so that the parsers that fit it are found by content."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.mime import SQLITE
from amparo.kit.plugin import fingerprint
from amparo.kit.source import Source
from amparo.kit.sqlite import structure_names
from amparo.model import Structure


@fingerprint("sqlite", version=1, mimes=(SQLITE,), seconds=120)
def sqlite(source: Source, found: Found) -> Iterator[Structure]:
    """The tables of a database, also those whose making still stands in the log beside it.

    Raises sqlite3.Error or ValueError for what only begins like a database.
    """
    yield Structure(content=found.content, format="sqlite", names=structure_names(source))
