"""NSRL Reference Data Set, version 3: the SQLite databases of NIST and their quarterly changes.

Tables by the readme of RDSv3 (``FILE`` of the minimal sets, ``METADATA`` of the full ones) and
``VERSION(version, build_set, build_date, release_date, description)``. A change file is SQL: INSERT,
UPDATE and DELETE of rows. NSRL knows hostile tools as well: known does not mean harmless.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from amparo.match.entries import WIDTH, Bulk, Entry, Gone, Reading, Stated

MAGIC = b"SQLite format 3\0"
_TABLES = ("METADATA", "FILE", "DISTINCT_HASH")
_COLUMNS = ("sha256", "sha1", "md5")
_ROWS = 20_000
_LONGEST = 1 << 20
_STATEMENT = re.compile(
    r"\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE)\s+[\"`\[]?(\w+)[\"`\]]?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[\"`\[]?\b(sha256|sha1|md5)\b[\"`\]]?\s*=\s*'([0-9A-Fa-f]*)'", re.IGNORECASE)
_VALUE = re.compile(r"'((?:[^']|'')*)'|([^\s,()']+)|(\()|(\))")
_ORDER = {
    "file": ("sha256", "sha1", "md5"),
    "metadata": ("", "", "", "", "", "", "", "", "md5", "sha1", "sha256"),
}
"""Places of the hashes where an INSERT names no columns."""


def read_rds(path: Path, reading: Reading) -> Iterator[Bulk]:
    """All hashes of an RDSv3 database, opened without writing; memory stays flat.

    Raises ValueError where it is no such database or cannot be read to its end.
    """
    uri = f"file:{_quoted(path)}?mode=ro&immutable=1"
    try:
        database = sqlite3.connect(uri, uri=True)
        try:
            for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON"):
                database.execute(f"PRAGMA {pragma}")
            # Tables only: a view would be run, and might never end.
            listed = database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
            )
            names = {str(r[0]).upper(): str(r[0]) for r in listed}
            table = next((names[t] for t in _TABLES if t in names), None)
            columns = [
                c for c in _COLUMNS if table and c in {
                    r[1].lower() for r in database.execute(f'PRAGMA table_info("{table}")')
                }
            ]  # fmt: skip
            if not table or not columns:
                raise ValueError("no RDSv3 database: no table FILE or METADATA with hashes")
            reading.scheme = _release(database, names)
            rows = database.execute(f'SELECT {", ".join(columns)} FROM "{table}"')
            while batch := rows.fetchmany(_ROWS):
                yield Bulk(
                    tuple(
                        (name, _column(batch, place, name, reading))
                        for place, name in enumerate(columns)
                    ),
                    len(batch),
                )
        finally:
            database.close()
    except (sqlite3.Error, MemoryError) as error:  # a lying row "asks for" more than there is
        raise ValueError(
            f"an SQLite database that cannot be read: {str(error) or 'it is damaged'}"
        ) from None


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _release(database: sqlite3.Connection, names: dict[str, str]) -> str:
    if "VERSION" in names:
        row = database.execute(f'SELECT * FROM "{names["VERSION"]}" LIMIT 1').fetchone()
        if row:
            return f"NSRL RDSv3 {str(row[0])[:40]}"
    return "NSRL RDSv3"


def _column(batch: list[tuple[object, ...]], place: int, algorithm: str, reading: Reading) -> bytes:
    digits = WIDTH[algorithm] * 2
    texts = [r[place] for r in batch]
    good = [t for t in texts if isinstance(t, str) and len(t) == digits]
    try:
        digests = bytes.fromhex("".join(good))
    except ValueError:
        good = [t for t in good if re.fullmatch("[0-9A-Fa-f]+", t)]
        digests = bytes.fromhex("".join(good))
    if len(digests) != len(good) * WIDTH[algorithm]:  # blanks are passed over by fromhex
        good = [t for t in good if re.fullmatch("[0-9A-Fa-f]+", t)]
        digests = bytes.fromhex("".join(good))
    for text in texts:
        if text and len(good) < len(texts) and text not in good:
            reading.problem("row", f"{algorithm} is not {digits} hexadecimal digits")
    return digests


def looks_like_changes(head: bytes) -> bool:
    """Whether a file begins as SQL that changes rows."""
    text = re.sub(rb"--[^\n]*", b"", head).lstrip()
    return bool(
        re.match(rb"(BEGIN|INSERT|UPDATE|DELETE|PRAGMA|CREATE|DROP)\b", text, re.IGNORECASE)
    )


def read_changes(stream: Iterator[bytes], reading: Reading) -> Iterator[Entry | Gone]:
    """What a change file puts in and takes out.

    A hash stands in many rows of the RDS, and the file does not say whether another row still has it: a
    hash whose row is deleted or replaced is taken out unless the same file puts it in, so that at worst a
    file is looked at again. Raises ValueError for a statement longer than 1 MiB.
    """
    for statement in _statements(stream):
        found = _STATEMENT.match(statement)
        if not found or found[1].lower() not in _ORDER:
            continue
        verb = statement.split(None, 1)[0].upper()
        if verb == "INSERT":
            for digests in _inserted(statement[found.end() :], found[1].lower()):
                yield Entry(digests, Stated())
            continue
        where = re.split(r"\bWHERE\b", statement, maxsplit=1, flags=re.IGNORECASE)
        if len(where) != 2:
            reading.problem("", f"a {verb} of every row: left out")
            continue
        if out := _pairs(where[1]):
            yield Gone(out)
        elif verb == "DELETE":
            reading.problem("", "a DELETE that names no hash: left out")
        if verb == "UPDATE" and (into := _pairs(where[0])):
            yield Entry(into, Stated())


def _statements(stream: Iterator[bytes]) -> Iterator[str]:
    """Statements, told apart as SQLite does it."""
    text = ""
    for line in stream:
        text += line.decode("utf-8", "replace")
        if len(text) > _LONGEST:
            raise ValueError("a statement longer than 1 MiB: not a change file of the RDS")
        if ";" in text[-8:] and sqlite3.complete_statement(text):
            ends = [-1, *(m.start() for m in re.finditer(";", text))] if text.count(";") > 1 else []
            if not ends:
                yield text
            start = 0
            for _, end in pairwise(ends):  # several on a line: cut where each is complete
                if sqlite3.complete_statement(text[start : end + 1]):
                    yield text[start : end + 1]
                    start = end + 1
            text = ""


def _pairs(text: str) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (name.lower(), bytes.fromhex(digits))
        for name, digits in _NAMED.findall(text)
        if len(digits) == WIDTH[name.lower()] * 2
    )


def _inserted(text: str, table: str) -> Iterator[tuple[tuple[str, bytes], ...]]:
    head, values = re.split(r"\bVALUES\b", text, maxsplit=1, flags=re.IGNORECASE) if re.search(
        r"\bVALUES\b", text, re.IGNORECASE
    ) else ("", "")  # fmt: skip
    named = tuple(n.lower() for n in re.findall(r"\w+", head))
    order = named or _ORDER[table]
    row: list[str] = []
    for quoted, bare, opens, closes in _VALUE.findall(values):
        if opens:
            row = []
        elif closes:
            yield tuple(
                (name, bytes.fromhex(value))
                for name, value in zip(order, row, strict=False)
                if name in _COLUMNS
                and len(value) == WIDTH[name] * 2
                and re.fullmatch("[0-9A-Fa-f]+", value)
            )
        else:
            row.append(bare or quoted)
