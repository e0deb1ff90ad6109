"""How values read on screen: times in UTC, sizes, counts, and text from evidence made harmless.

Text from evidence is hostile: it may hold markup, direction overrides, invisible characters or a
megabyte of one letter. It is escaped, isolated, shortened, and what cannot be seen is spelt out.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup, escape

from amparo.kit.times import clock
from amparo.model import At

LONG = 240
"""Characters of evidence text shown in one place; the record page shows more."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_HARMLESS = frozenset("\u200d\u200c")
"""Joiners are needed to write some scripts and emoji."""


def spelt(text: str) -> list[tuple[bool, str]]:
    """Splits text into seen runs (False) and unseen characters by code point name (True)."""
    out: list[tuple[bool, str]] = []
    run = ""
    for c in text:
        if c in "\n\t" or c in _HARMLESS or unicodedata.category(c) not in _UNSEEN:
            run += c
            continue
        if run:
            out.append((False, run))
            run = ""
        out.append((True, f"U+{ord(c):04X}"))
    if run:
        out.append((False, run))
    return out


def evidence(value: object, limit: int = LONG) -> Markup:
    """Evidence text as safe markup, isolated from the text around it."""
    text = "" if value is None else str(value)
    cut = len(text) > limit
    if not cut and text.isprintable():
        return Markup(f'<bdi class="ev">{escape(text)}</bdi>')
    parts = [
        Markup('<span class="esc">{}</span>').format(run) if unseen else escape(run)
        for unseen, run in spelt(text[:limit])
    ]
    tail = Markup('<span class="faint">… {} characters</span>').format(len(text)) if cut else ""
    return Markup('<bdi class="ev">') + Markup("").join(parts) + Markup("</bdi>") + tail


def plain_evidence(value: object, limit: int = LONG) -> str:
    """Evidence text for an attribute, a tooltip or a graph label: unseen characters spelt out."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text[:limit]
    return "".join(f"[{run}]" if unseen else run for unseen, run in spelt(text[:limit]))


def when(milliseconds: int | None, precision: str = "second") -> str:
    """UTC as ``2017-03-04 05:06:07``; "–" for no time, the number itself when no date fits."""
    if milliseconds is None:
        return "–"
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return moment.strftime("%Y-%m-%d" if precision == "day" else "%Y-%m-%d %H:%M:%S")


def size(count: int | None) -> str:
    """Bytes in the unit people read, decimal."""
    if count is None:
        return "–"
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def number(count: int | float | None) -> str:
    """A count with narrow spaces between thousands."""
    return "–" if count is None else f"{count:,}".replace(",", "\u202f")


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: ``1 file``, ``3 files``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def short(text: str, length: int = 12) -> str:
    """The head of a hash or id."""
    return text[:length] + "…" if len(text) > length + 1 else text


def title(word: str) -> str:
    """A kind's or field's name in words."""
    return re.sub(r"_+", " ", word).strip().capitalize()


def jsonable(value: Any) -> Any:
    """Records, tuples and bytes as JSON; a record gains its ``kind``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.name != "_id"]
        if hasattr(value, "id"):
            names.insert(0, "id")
        body = {name: jsonable(getattr(value, name)) for name in names}
        kind = getattr(value, "KIND", "")
        return {"record": kind, **body} if kind else body
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    return value


def place(at: At) -> str:
    """Where something was found, below its file: table and row, or bytes."""
    parts = []
    if at.table:
        parts.append(f"table {plain_evidence(at.table, 80)}")
    if at.row is not None:
        parts.append(f"row {at.row}")
    if at.offset is not None:
        end = "" if at.length is None else f", {at.length} bytes"
        beside = {"-wal": " of its log", "-journal": " of its journal"}.get(at.companion, "")
        parts.append(f"offset {at.offset}{end}{beside}")
    if at.frame is not None:
        parts.append(f"{'page' if at.method == 'journal' else 'frame'} {at.frame}")
    if at.commit is not None:
        parts.append(f"transaction {at.commit}")
    return ", ".join(parts)


def strength(log10_lr: float) -> str:
    """A likelihood ratio in the verbal scale of the ENFSI guideline on evaluative reporting (2015)."""
    steps = ((6, "extremely strong"), (4, "very strong"), (3, "strong"), (2, "moderately strong"),
             (1, "moderate"), (0, "weak"))  # fmt: skip
    if not log10_lr:
        return "no weight either way"
    word = next((word for least, word in steps if abs(log10_lr) >= least), "unknown")
    return f"{word} support" if log10_lr > 0 else f"{word} support against"


def method(at: At) -> str:
    """How a recovered row was found and how surely: ``freeblock, confidence 0.93``; "" for a live one."""
    sure = "" if at.confidence is None else f"confidence {at.confidence:.2f}"
    return ", ".join(part for part in (at.method.replace("_", " "), sure) if part)


WAYS = {
    "backup_difference": "an older backup holds it",
    "soft_deleted": "hidden by the app, the row stands",
    "expired": "disappeared by its timer, the row stands",
    "quoted_reply": "a reply repeats it",
    "other_exhibit": "it stands on another exhibit",
    "fts_rebuild": "words from a search index",
    "fts_older": "words from older parts of a search index",
    "index_tombstone": "its key is left in an index",
    "freelist": "in a page that was set free",
    "unreachable": "in a page no table holds",
    "tail": "behind the end of the database",
    "freeblock": "in freed bytes of a page in use",
    "unallocated": "in unused bytes of a page in use",
    "overflow_slack": "behind the end of a long value",
    "journal": "in the rollback journal, as it was before",
    "before_wal": "in the database file, as it was before its log",
    "wal_superseded": "in the write-ahead log, written anew further on",
    "wal_stale": "in what an earlier write-ahead log left",
    "wal_uncommitted": "in the write-ahead log, never committed",
}
"""Ways in which what is erased is known, in words; others are said by their name."""


def way(method: str) -> str:
    """How something erased is known, in words."""
    return WAYS.get(method, plain_evidence(method.replace("_", " "), 60))


CHANGES = {
    "created": "group created",
    "subject": "subject set",
    "added": "was added",
    "joined_by_link": "joined by an invite link",
    "removed": "was removed",
    "promoted": "was made admin",
    "demoted": "is no longer admin",
    "number_changed": "changed number",
    "link_reset": "invite link reset",
}
"""Changes in a group, in words; others are said by their name."""


def change(event: str) -> str:
    """A change in a group as it reads after the name of whom it concerns."""
    if event.startswith("code:"):
        return f"notice of type {plain_evidence(event[5:], 12)}, whose meaning is not known"
    return CHANGES.get(event, plain_evidence(event.replace("_", " "), 40))


def hexhead(data: bytes | str) -> str:
    """The first bytes in hexadecimal; text stays as it is."""
    if isinstance(data, str):
        return plain_evidence(data)
    return data[:48].hex(" ", 4) + (f" … {len(data)} bytes" if len(data) > 48 else "")


def part(value: object) -> str:
    """A value as one part of an address. An id in a record may be anything a cell could write."""
    return quote(str(value), safe="")


def install(environment: Environment) -> None:
    """Makes the words of this module filters of the templates."""
    for name, function in {
        "ev": evidence,
        "evtext": plain_evidence,
        "when": when,
        "size": size,
        "num": number,
        "of": counted,
        "short": short,
        "words": title,
        "place": place,
        "hexhead": hexhead,
        "strength": strength,
        "method": method,
        "change": change,
        "way": way,
        "part": part,
        "clock": clock,
    }.items():
        environment.filters[name] = function
