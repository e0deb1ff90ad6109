"""One database inside a cell: what can be brought back, as JSON Lines for the host to pass on."""

from __future__ import annotations

import json
from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.recover.engine import recovered
from amparo.recover.file import told
from amparo.recover.rows import Recovery, slack

ENCODINGS = {1: "UTF-8", 2: "UTF-16LE", 3: "UTF-16BE"}
LITTLE = 0.05
"""Share of free bytes below which nothing but traces is left in them."""
FULL = 64 << 10
"""Bytes of lines sent at once."""


def lines(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """Recovered rows only, one JSON object a line; its log, journal and sibling are companions."""
    yield from _lines(source, found, live=False)


def lines_with_live(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """Recovered and live rows."""
    yield from _lines(source, found, live=True)


def about(main: bytes, wal: bytes | None) -> str:
    """What an examiner notes of a database first, and how much its free bytes still hold."""
    report = slack(main, wal)
    form = Recovery(main, wal).form
    free = sum(int(report[kind]) for kind in ("freeblock", "unallocated", "free_pages"))
    write, read = main[18], main[19]
    mode = {1: "rollback journal", 2: "write-ahead log"}.get(write, "unknown")
    return (
        f"page size {form.size} bytes, {report['pages']} pages, {ENCODINGS[form.encoding]}, journal"
        f" mode {mode} (write version {write}, read version {read}); {free:,} free bytes,"
        f" {report['share']:.0%} of them not zero"
        + ("" if report["share"] >= LITTLE else ": what is deleted is overwritten, or nothing was")
    )


def _lines(source: Source, found: Found, live: bool) -> Iterator[bytes | Warn]:
    beside = {suffix: part.read() for suffix, part in source.companions.items()}
    main = source.read()
    yield Warn(about(main, beside.get("-wal")))
    rows = recovered(
        main,
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
