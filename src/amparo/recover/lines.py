"""One database inside a cell: what can be brought back, as JSON Lines for the host to pass on."""

from __future__ import annotations

import json
from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.recover.engine import everything
from amparo.recover.file import told
from amparo.recover.rows import Recovery, opened
from amparo.recover.telling import ENCODINGS, JOURNALS, erasing

SAID = {
    "no trace": "nothing was freed",
    "overwritten": "what is deleted is overwritten",
    "partly": "what is deleted is partly overwritten",
    "kept": "what is deleted was left as it was",
}
"""What freed bytes say of secure_delete."""
FULL = 64 << 10
"""Bytes of lines sent at once."""


def lines(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """Recovered rows only, one JSON object a line; its log, journal and sibling are companions."""
    yield from _lines(source, found, live=False)


def lines_with_live(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """Recovered and live rows."""
    yield from _lines(source, found, live=True)


def about(recovery: Recovery) -> str:
    """What an examiner notes of a database first, and how much its free bytes still hold."""
    form, head = recovery.form, recovery.main[:100].ljust(100, b"\0")
    total = recovery.free_bytes()
    free, filled = (sum(t[i] for t in total.values()) for i in (0, 1))
    freed, kept = (total["freeblock"][i] + total["free_pages"][i] for i in (0, 1))
    mode = JOURNALS.get(head[18], "unknown")
    return (
        f"page size {form.size} bytes, {recovery.snapshot.count} pages, {ENCODINGS[form.encoding]},"
        f" journal mode {mode} (write version {head[18]}, read version {head[19]}); {free:,} free bytes,"
        f" {filled / (free or 1):.0%} of them not zero, of {freed:,} in freed cells and pages"
        f" {kept / (freed or 1):.0%}: {SAID[erasing(freed, kept)]}"
    )


def _lines(source: Source, found: Found, live: bool) -> Iterator[bytes | Warn]:
    recovery = opened(source, seconds=24 * 3600)
    yield Warn(about(recovery))
    names = {"db": found.path, "wal": f"{found.path}-wal", "journal": f"{found.path}-journal"}
    held = bytearray()
    for row in everything(recovery, live):
        held += json.dumps(told(row, names), ensure_ascii=False).encode("utf-8", "backslashreplace")
        held += b"\n"
        if len(held) >= FULL:
            yield bytes(held)
            held.clear()
    yield bytes(held)
    yield from map(Warn, recovery.unfinished())
