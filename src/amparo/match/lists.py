"""Plain hash lists and tables: one hash per line, ``md5sum`` output, CSV with named columns."""

from __future__ import annotations

import binascii
import csv
import io
import re
from collections.abc import Iterator

import numpy as np

from amparo.match.entries import (
    BY_DIGITS,
    Bulk,
    Entry,
    Reading,
    Stated,
    algorithm_of,
    truth,
    value_of,
)

_COMMENT = (b"#", b"//", b";", b"%")
_LONGEST = 1 << 16
_PATIENCE = 10_000
"""Lines without any hash after which a file is held to be no list."""
_FEWEST = 64
"""Lines worth taking at once, and lines taken singly after that could not be done."""
_SEPARATORS = (",", ";", "\t", "|")
_HASH = re.compile(
    r"""[ ]*["']?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})["']?(?=[\s,;|]|$)[ ]*([,;|\t]?)"""
)

_NAMED = re.compile(r"[Cc]ategory \((.+)\)")
"""A column of categories that names their scheme."""


def read_text(stream: io.BufferedReader, reading: Reading) -> Iterator[Entry | Bulk]:
    """Every line of a list of hashes; memory stays flat.

    A first line that names a hash column makes it a table (``MD5;SHA1;PhotoDNA;...``). Otherwise each
    line begins with an MD5, SHA-1 or SHA-256, told apart by length; further columns are read only while
    they are hashes, so a file *name* that looks like one never becomes one. Comments begin with ``#``,
    ``//``, ``;`` or ``%``. Raises ValueError where the file is no text or no list.
    """
    if b"\0" in stream.peek(1 << 16)[: 1 << 16]:
        raise ValueError("not a hash list: binary data")
    lines = _lines(stream, reading)
    first = True
    patience = 0
    for number, line in lines:
        line = line.strip()
        if not line or line.startswith(_COMMENT):
            continue
        if first and (columns := _columns(line)):
            yield from _table(lines, columns, reading)
            return
        first = False
        entry = _plain(line)
        if entry:
            yield entry
        else:
            _useless(reading, number, "no MD5, SHA-1 or SHA-256")
        patience = max(0, patience - 1)
        while not patience:
            bulk = _bulk(stream)
            if bulk is None:
                patience = _FEWEST
                break
            reading.lines_read += bulk.entries
            yield bulk


def _bulk(stream: io.BufferedReader) -> Bulk | None:
    """The lines that lie ready when all of them are bare hashes of one length, in a few calls."""
    ready = stream.peek(1 << 18)
    length = ready.find(b"\n") + 1
    end = b"\r\n" if ready[length - 2 : length] == b"\r\n" else b"\n"
    algorithm = BY_DIGITS.get(length - len(end), "")
    many = len(ready) // length if algorithm else 0
    if many < _FEWEST:
        return None
    rows = np.frombuffer(ready, np.uint8, many * length).reshape(many, length)
    if not (rows[:, -len(end) :] == np.frombuffer(end, np.uint8)).all():
        return None
    try:
        digests = bytes.fromhex(ready[: many * length].decode("ascii"))
    except ValueError:
        return None
    if len(digests) != many * (length - len(end)) // 2:
        return None  # blanks within a line
    stream.read(many * length)
    return Bulk(((algorithm, digests),), many)


def _lines(stream: io.BufferedReader, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; one longer than 64 KiB is told and left out."""
    while line := stream.readline(_LONGEST):
        reading.lines_read += 1
        number = reading.lines_read
        if len(line) == _LONGEST and not line.endswith(b"\n"):
            while (more := stream.readline(_LONGEST)) and not more.endswith(b"\n"):
                pass
            _useless(reading, number, "longer than 65,536 bytes")
            continue
        yield number, line


def _useless(reading: Reading, number: int, reason: str) -> None:
    reading.useless(f"line {number}", reason)
    if not reading.entries and reading.malformed >= _PATIENCE:
        raise ValueError(f"not a hash list: no hash in the first {_PATIENCE:,} lines")


def _plain(line: bytes) -> Entry | None:
    digits = BY_DIGITS.get(len(line))
    if digits:
        try:
            return Entry(((digits, binascii.unhexlify(line)),))
        except ValueError:
            pass
    text = line.decode("utf-8", "replace")
    found: list[tuple[str, bytes]] = []
    at = 1 if text.startswith("\\") else 0  # md5sum marks an escaped file name so
    while match := _HASH.match(text, at):
        found.append((BY_DIGITS[len(match[1])], bytes.fromhex(match[1])))
        if not match[2]:
            break
        at = match.end()
    return Entry(tuple(found)) if found else None


class _Column:
    """Which cells of a row hold what."""

    def __init__(self, names: list[str], separator: str) -> None:
        self.separator = separator
        self.hashes = [(i, a) for i, n in enumerate(names) if (a := algorithm_of(n))]
        plain = [n.strip().strip('"').lower() for n in names]

        def find(*wanted: str) -> int | None:
            return next((i for i, n in enumerate(plain) if n in wanted), None)

        self.victim = find("victim identified", "victimidentified")
        self.offender = find("offender identified", "offenderidentified")
        self.distributed = find("is distributed", "isdistributed")
        self.category = find("category")
        named = [_NAMED.fullmatch(n.strip().strip('"')) for n in names]
        stated = [(i, found[1]) for i, found in enumerate(named) if found]
        baseline = find("baseline")
        self.scheme = "Category (scheme not stated)" if self.category is not None else ""
        if self.category is None and stated:
            self.category, self.scheme = stated[0]
        elif self.category is None and baseline is not None:
            self.category, self.scheme = baseline, "INTERPOL Baseline"


def _columns(line: bytes) -> _Column | None:
    """The columns when the line is a header: it names a hash and holds none."""
    text = line.decode("utf-8", "replace")
    separator = max(_SEPARATORS, key=text.count)
    try:
        names = next(csv.reader([text], delimiter=separator), [])
    except csv.Error:  # a stray carriage return, or a cell beyond all measure
        return None
    if not any(algorithm_of(n) for n in names) or _plain(line):
        return None
    return _Column(names, separator)


def _table(
    lines: Iterator[tuple[int, bytes]], column: _Column, reading: Reading
) -> Iterator[Entry]:
    reading.scheme = column.scheme
    at = 0

    def texts() -> Iterator[str]:
        nonlocal at
        for number, line in lines:
            at = number
            yield line.decode("utf-8", "replace")

    rows = csv.reader(texts(), delimiter=column.separator)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            _useless(reading, at, f"no row of a table ({error})")
            continue
        if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
            continue
        entry = _row(row, column, reading, at)
        if entry.digests:
            yield entry
        else:
            _useless(reading, at, "no MD5, SHA-1 or SHA-256")


def _row(row: list[str], column: _Column, reading: Reading, at: int) -> Entry:
    found = []
    for index, algorithm in column.hashes:
        try:
            value = value_of(algorithm, row[index]) if index < len(row) else None
        except ValueError as error:
            reading.problem(f"line {at}", str(error))
            continue
        if value:
            found.append(value)

    def cell(index: int | None) -> str:
        return row[index].strip() if index is not None and index < len(row) else ""

    code = cell(column.category)
    if len(code) > 40:
        reading.problem(f"line {at}", "a category longer than 40 characters; left out")
        code = ""
    return Entry(
        tuple(found),
        Stated(
            code,
            truth(cell(column.victim)),
            truth(cell(column.offender)),
            truth(cell(column.distributed)),
        ),
    )
