"""One database inside a cell: what can be brought back, as JSON Lines for the host to pass on."""

from __future__ import annotations

import json
from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.recover.engine import recovered
from amparo.recover.file import told

FULL = 64 << 10
"""Bytes of lines sent at once."""


def lines(source: Source, found: Found) -> Iterator[bytes]:
    """Recovered rows only, one JSON object a line; its log, journal and sibling are companions."""
    yield from _lines(source, found, live=False)


def lines_with_live(source: Source, found: Found) -> Iterator[bytes]:
    """Recovered and live rows."""
    yield from _lines(source, found, live=True)


def _lines(source: Source, found: Found, live: bool) -> Iterator[bytes]:
    beside = {suffix: part.read() for suffix, part in source.companions.items()}
    rows = recovered(
        source.read(),
        beside.get("-wal"),
        beside.get("-journal"),
        sibling=beside.get("-sibling"),
        live=live,
    )
    names = {"db": found.path, "wal": f"{found.path}-wal", "journal": f"{found.path}-journal"}
    held = bytearray()
    for row in rows:
        held += json.dumps(told(row, names), ensure_ascii=False).encode("utf-8", "backslashreplace")
        held += b"\n"
        if len(held) >= FULL:
            yield bytes(held)
            held.clear()
    yield bytes(held)
