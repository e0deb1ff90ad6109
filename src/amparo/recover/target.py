"""What the rows of one table (or the keys of one index) look like: learnt from the live ones.

The serial types that can stand in a record's header become one regular expression over bytes, which is
what makes searching fast; what it finds is then checked by ranges, lengths and alphabets. With fewer
than 30 live rows the declared affinities decide alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from amparo.recover.record import SIZES, Value
from amparo.recover.schema import Column, Table

ENOUGH = 30
"""Live rows from which on ranges are learnt."""
_SOME = 8
"""Live rows from which on a first column that was never 0, 1 or NULL is taken to be so always."""
_INTEGERS = frozenset(range(1, 7)) | {8, 9}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_OPTIONAL = 40
"""Columns at the end that may be absent before the pattern stops telling them apart."""
_ANY_TYPES = b"(?:[\x00-\x09\x0c-\x7f]|[\x81-\xff][\x00-\x7f])*"


@dataclass(slots=True)
class Seen:
    """What the live values of one column were."""

    rows: int = 0
    types: set[int] = field(default_factory=set)
    """Serial types below 10; 12 for a blob, 13 for a text."""
    low: int = 0
    high: int = 0
    longest: int = 0
    shortest: int = 1 << 60
    alphabet: set[str] = field(default_factory=set)
    start: bytes | None = None
    """What all live blobs begin with, up to 16 bytes: a picture's or a format's first bytes."""
    different: set[Value] = field(default_factory=set)
    borrowed: bool = False
    """Learnt from another database: numbers there say nothing about how high they go here."""

    def add(self, value: Value, serial: int) -> None:
        """Learn one value."""
        self.rows += 1
        self.types.add(serial if serial < 10 else 12 + (serial & 1))
        if type(value) is int:
            first = not self.high and not self.low
            self.low = value if first else min(self.low, value)
            self.high = value if first else max(self.high, value)
        elif isinstance(value, (str, bytes)):
            self.longest = max(self.longest, len(value))
            self.shortest = min(self.shortest, len(value))
            if isinstance(value, bytes):
                known = value[:16] if self.start is None else self.start
                self.start = _shared(known, value)
            if isinstance(value, str) and len(self.alphabet) <= 300:
                self.alphabet.update(value[:400])
        if len(self.different) < 5000:
            self.different.add(value if not isinstance(value, bytes) else value[:64])

    def fits(self, value: Value, encoding: int) -> bool:
        """Whether another value could be of this column."""
        if type(value) is int:
            if self.low >= 0 and value < 0:
                return False
            span = max(self.high - self.low, abs(self.high), 1) * 4 + 65_536
            return self.borrowed or self.low - span <= value <= self.high + span
        if isinstance(value, str):
            if len(value) > 64 + 16 * max(self.longest, 1):
                return False
            if self.named():
                return len(value) <= 2 * self.longest and self.alphabet.issuperset(value)
            return not _CONTROL.search(value) or bool(self.alphabet & set("\0\x1b\x7f"))
        if isinstance(value, bytes):
            if not value.startswith(self.start or b""):
                return False
            return self.shortest != self.longest or len(value) == self.longest
        return True

    def named(self) -> bool:
        """Whether the column holds codes over a small alphabet, such as keys and hashes."""
        return (
            self.rows >= 4 * ENOUGH and 0 < len(self.alphabet) <= 40 and self.longest >= 8
            and all(c.isascii() and c.isprintable() for c in self.alphabet)
        )  # fmt: skip


def _shared(one: bytes, other: bytes) -> bytes:
    """What both begin with."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return one[:count]


def plausible(value: Value, column: Column) -> bool:
    """The check without experience: text is printable text."""
    if isinstance(value, str):
        return not _CONTROL.search(value)
    if isinstance(value, float):
        return value == 0 or 1e-30 < abs(value) < 1e30
    return True


def _declared(column: Column) -> set[int]:
    types = {0} if column.nullable else set()
    match column.affinity:
        case "integer":
            types |= _INTEGERS
        case "real":
            types |= _INTEGERS | {7}
        case "text":
            types |= {13}
        case "numeric":
            types |= _INTEGERS | {7, 13}
        case _:
            types |= _INTEGERS | {7, 12, 13}
    return types


class Target:
    """One thing to look for: the rows of a table, or the keys of an index.

    ``kind`` is ``table``, ``index`` (last column: the row number) or ``keyed`` (WITHOUT ROWID).
    """

    def __init__(
        self, table: Table, kind: str, columns: Sequence[Column], places: Sequence[int | None],
        encoding: int, named: bool,
    ) -> None:  # fmt: skip
        self.table, self.kind, self.columns, self.places = table, kind, columns, places
        self.encoding, self.named = encoding, named
        self.seen = [Seen() for _ in columns]
        self.root = table.root
        self.rows = 0
        self.fewest = len(columns)
        """Columns of the shortest live record: rows written before ALTER TABLE have fewer."""
        self.alias = table.alias if kind == "table" else None
        self.bits = 0.0
        self.types: list[frozenset[int]] = []
        self.sizes: list[int] = []
        """Bytes that a number in the first column can take."""
        self.usual: set[int] = set()
        """Bytes that live ones take there."""
        self.pattern: list[re.Pattern[bytes]] = []

    def learn(self, values: Sequence[Value], types: Sequence[int]) -> None:
        """Take one live record as an example."""
        self.rows += 1
        self.fewest = min(self.fewest, max(len(values), 1))
        for seen, value, serial in zip(self.seen, values, types, strict=False):
            seen.add(value, serial)

    def compile(self) -> None:
        """Turn what was learnt into patterns: with header length, without it, without the first type."""
        self.types = [frozenset(self._allowed(i)) for i in range(len(self.columns))]
        self.usual = {SIZES[t] for t in self.seen[0].types if t < 10}
        sizes = {SIZES[t] for t in self.types[0] if t < 10}
        if self.rows >= _SOME and 0 not in self.usual:
            sizes.discard(0)
        self.sizes = sorted(sizes)
        parts, bits = [], 0.0
        for i, types in enumerate(self.types):
            part, chance = _types_pattern(types, self.seen[i].longest, self.encoding)
            bits -= math.log2(chance)
            if i < self.fewest or len(self.types) - self.fewest > _OPTIONAL:
                parts.append(part)
            else:
                parts.append(b"(?:" + part)
        tail = b")?" * (len(parts) - self.fewest)
        if len(parts) - self.fewest > _OPTIONAL:
            parts, tail = parts[: self.fewest], _ANY_TYPES
        count = len(self.types)
        wide = sum(2 for t in self.types if t & {12, 13})
        if count + 1 < 0x80:
            longest = min(0x7F, count + 1 + wide)
            lengths = b"[" + _char(self.fewest + 1) + b"-" + _char(longest) + b"]"
            if count + 1 + wide > 0x7F:
                lengths = b"(?:" + lengths + b"|[\x81-\x83][\x00-\x7f])"
        else:
            lengths = b"[\x81-\xbf][\x00-\x7f]"
        self.bits = bits + 8 - math.log2(1 + wide)
        whole = b"".join(parts) + tail
        self.pattern = [
            re.compile(b"(?=(" + lengths + whole + b"))", re.S),
            re.compile(b"(?=(" + whole + b"))", re.S),
        ]
        if len(parts) > 1 and self.fewest > 1:
            rest = b"".join(parts[1:]) + tail
            self.pattern.append(re.compile(b"(?=(" + rest + b"))", re.S))

    def _allowed(self, i: int) -> set[int]:
        if i == self.alias:
            return {0}
        column, seen = self.columns[i], self.seen[i]
        types = _declared(column)
        if seen.rows >= ENOUGH:
            numbers = seen.types & _INTEGERS
            types = set(seen.types)
            if numbers:
                most = max((t for t in numbers if t < 8), default=1)
                types |= set(range(1, most + 1)) | {8, 9}
            if column.nullable and seen.rows < 8 * ENOUGH:
                types.add(0)
        elif seen.rows:
            types |= seen.types
        return types

    def fits(self, serials: Sequence[int]) -> bool:
        """Whether serial types could stand in a record of this kind."""
        if not self.fewest <= len(serials) <= len(self.columns):
            return False
        return all(
            (s if s < 10 else 12 + (s & 1)) in allowed
            for s, allowed in zip(serials, self.types, strict=False)
        )

    def loosely(self, serials: Sequence[int]) -> bool:
        """The same by declaration only, for cells that a page itself points to."""
        if not min(self.fewest, len(self.columns)) <= len(serials) <= len(self.columns):
            return False
        for i, serial in enumerate(serials):
            kind = serial if serial < 10 else 12 + (serial & 1)
            if i == self.alias:
                if kind:
                    return False
            elif kind not in self.types[i] and kind not in _declared(self.columns[i]):
                if kind or not self.columns[i].nullable:
                    return False
        return True

    def check(self, values: Sequence[Value]) -> bool:
        """Whether values could be a record's, by experience or else by declaration."""
        for value, seen, column in zip(values, self.seen, self.columns, strict=False):
            if value is None:
                continue
            if seen.rows >= ENOUGH:
                if not seen.fits(value, self.encoding):
                    return False
            elif not plausible(value, column):
                return False
        return any(v is not None for v in values)

    @property
    def speaks(self) -> bool:
        """Whether its records hold text or bytes: numbers alone fit too much."""
        return any(t & {12, 13} for t in self.types)

    def identity(self) -> list[tuple[int, ...]]:
        """Columns by which a row is known again: declared unique, or else never twice among the live."""
        if self.table.unique:
            return self.table.unique
        if self.kind == "index":
            return []
        return [
            (i,)
            for i, seen in enumerate(self.seen)
            if seen.rows >= ENOUGH and len(seen.different) == seen.rows < 5000
            and {12, 13} & seen.types
        ]  # fmt: skip


def _char(byte: int) -> bytes:
    return re.escape(bytes((byte,)))


def _types_pattern(types: frozenset[int], longest: int, encoding: int) -> tuple[bytes, float]:
    """A pattern for one serial type, and the chance that a random byte starts one."""
    single = {t for t in types if t < 10}
    text, blob = 13 in types, 12 in types
    if text:
        single |= set(range(13, 0x80, 2))
    if blob:
        single |= set(range(12, 0x80, 2))
    one = b"[" + b"".join(_char(t) for t in sorted(single)) + b"]" if single else b""
    chance = len(single) / 256
    if not text and not blob:
        return one, max(chance, 1 / 256)
    last = _parity(text, blob)
    more = b"[\x81-\xff]" + last
    if not longest or longest * 16 + 64 > 8000:
        more = b"(?:[\x81-\xff]" + last + b"|[\x81-\xff][\x80-\xff]" + last
        more += b"|[\x81-\xff][\x80-\xff][\x80-\xff]" + last + b")"
    chance += 127 / 256 * (0.5 if text and blob else 0.25)
    return b"(?:" + one + b"|" + more + b")", chance


def _parity(text: bool, blob: bool) -> bytes:
    if text and blob:
        return b"[\x00-\x7f]"
    wanted = range(1, 0x80, 2) if text else range(0, 0x80, 2)
    return b"[" + b"".join(_char(b) for b in wanted) + b"]"
