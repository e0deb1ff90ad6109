"""The public SQLite forensic corpus: what of its deleted rows still stands, what is found, what is false.

found: rows that the corpus states as deleted. false: rows that its own statements never wrote, or that
are live. ceiling: stated rows whose bytes still stand, but for the first four of a cell, which SQLite
writes over when it frees it.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recover_peers import dissect, xsqlite

from amparo.recover import recovered

Plain = tuple[str, ...]
"""A row as texts in order of columns."""
_NO_ROWS = ("id_gap", "sort_id_gap", "orphan", "fts_rebuild", "fts_older")


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    for mark, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(mark, char)
    text = text.strip()
    if re.fullmatch(r"-?\d+\.\d+", text):
        text = repr(float(text))
    return "" if text in ("NULL", "None") else text.removesuffix(".0")


def stated(database: Path) -> Counter[Plain]:
    """Deleted rows that the corpus states."""
    text = database.with_suffix(".xml").read_text(encoding="utf-8", errors="replace")
    rows = re.findall(r'<row deleted="1">(.*?)</row>', text, re.S)
    contents = (re.findall(r"<content(?:/>|>(.*?)</content>)", row, re.S) for row in rows)
    return Counter(tuple(map(_plain, found)) for found in contents)


def history(database: Path) -> tuple[Counter[Plain], dict[Plain, tuple[Any, ...]]]:
    """Rows that the corpus' own statements ever wrote and that are not live now; values of each."""
    ever: Counter[Plain] = Counter()
    held: dict[Plain, tuple[Any, ...]] = {}
    for kept in (
        True,
        False,
    ):  # once without deleting, for how often; once as it was, for the values
        db = sqlite3.connect(":memory:")
        statement = ""
        for line in database.with_suffix(".sql").read_text("utf-8", "replace").splitlines(True):
            statement += line
            if not sqlite3.complete_statement(statement):
                continue
            if re.match(r"\s*drop" if kept else r"\s*(delete|drop)", statement, re.I):
                _note(db, ever if kept else Counter(), held)
            if not (kept and re.match(r"\s*(delete|pragma)", statement, re.I)):
                with contextlib.suppress(sqlite3.Error):
                    db.execute(statement)
            statement = ""
        _note(db, ever if kept else Counter(), held)
    now = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    now.text_factory = lambda b: b.decode("utf-8", "replace")
    live: Counter[Plain] = Counter()
    _note(now, live, {})
    return ever - live, held


def _note(db: sqlite3.Connection, rows: Counter[Plain], held: dict[Plain, tuple[Any, ...]]) -> None:
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        quoted = '"' + name.replace('"', '""') + '"'
        with contextlib.suppress(sqlite3.Error):
            for row in db.execute(f"SELECT * FROM {quoted}"):
                rows[tuple(map(_plain, row))] += 1
                held.setdefault(tuple(map(_plain, row)), row)


def serial(value: Any, encoding: str = "utf-8") -> tuple[int, bytes]:
    """The serial type of a value and its bytes, as SQLite writes them."""
    if value is None:
        return 0, b""
    if isinstance(value, float) and value == int(value) and abs(value) < 1 << 47:
        value = int(value)  # a whole number in a column of reals
    if isinstance(value, int):
        if value in (0, 1):
            return 8 + value, b""
        for kind, size in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 8)):
            if -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1:
                return kind, value.to_bytes(size, "big", signed=True)
    if isinstance(value, float):
        return 7, struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode(encoding)
        return 13 + 2 * len(text), text
    return 12 + 2 * len(value), bytes(value)


def stands(row: Sequence[Any], data: bytes) -> bool:
    """Whether all of a row still stands in a database, but for four bytes at the start of its cell."""
    usable = (int.from_bytes(data[16:18], "big") or 65536) - data[20]
    encoding = {2: "utf-16-le", 3: "utf-16-be"}.get(int.from_bytes(data[56:60], "big"), "utf-8")
    pairs = [serial(value, encoding) for value in row]
    types = b"".join(_varint(kind) for kind, _ in pairs)
    head = _varint(len(types) + (1 if len(types) < 127 else 2)) + types
    payload = head + b"".join(part for _, part in pairs)
    local, least = len(payload), (usable - 12) * 32 // 255 - 23
    if local > usable - 35:
        local = least + (local - least) % (usable - 4)
        local = local if local <= usable - 35 else least
    lost = len(head) - len(types) + len(_varint(pairs[0][0]))
    chain = range(local, len(payload), usable - 4)
    return payload[lost:local] in data and all(payload[i : i + usable - 4] in data for i in chain)


def _varint(number: int) -> bytes:
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.insert(0, number & 0x7F | 0x80)
    return bytes(parts)


def ours(database: Path) -> tuple[Counter[Plain], float]:
    """Rows found, and CPU seconds."""
    start = time.process_time()
    rows = [
        r
        for r in recovered(database.read_bytes())
        if r.table != "sqlite_master" and r.method not in _NO_ROWS
    ]
    spent = time.process_time() - start
    return Counter(tuple(map(_plain, r.columns.values())) for r in rows), spent


def corpus(
    folder: Path, work: Path, home: Path | None, with_dissect: bool, checkout: Path | None
) -> None:
    """The table per category: found / false / CPU seconds of each tool."""
    tools = ["amparo"] + ["sqlite-dissect"] * with_dissect + ["xsqlite"] * bool(checkout)
    print("\ncategory  databases  rows  ceiling  more" + "".join(f"  {t:>16}" for t in tools))
    for category in sorted(p for p in folder.iterdir() if p.is_dir()):
        count = total = ceiling = more = 0
        sums = {tool: [0, 0, 0.0] for tool in tools}
        failed: Counter[str] = Counter()
        for database in sorted(category.glob("*.db")):
            want, (ever, held), data = stated(database), history(database), database.read_bytes()
            count, total = count + 1, total + want.total()
            ceiling += sum(n for row, n in want.items() if row in held and stands(held[row], data))
            for tool, sum_ in sums.items():
                if tool == "amparo":
                    got, spent = ours(database)
                    more += (got - want).total() - (got - (ever | want)).total()
                else:
                    assert home
                    records, spent, ended = (
                        dissect(home, database, work)
                        if tool == "sqlite-dissect" or checkout is None
                        else xsqlite(home, checkout, database, work)
                    )
                    failed[tool] += bool(ended)
                    got = Counter(tuple(map(_plain, record)) for record in records)
                sum_[0] += (want & got).total()
                sum_[1] += (got - (ever | want)).total()
                sum_[2] += spent
        cells = "".join(f"  {f'{f} / {w} / {s:.2f}':>16}" for f, w, s in sums.values())
        broke = ", ".join(f"{t} failed on {n}" for t, n in failed.items() if n)
        print(
            f"{category.name:8}  {count:9}  {total:4}  {ceiling:7}  {more:4}{cells}  {broke}",
            flush=True,
        )
