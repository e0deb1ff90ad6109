"""What tables a database has or had, read from the text of its CREATE statements, never by running them.

Affinity and row-id rules: https://www.sqlite.org/datatype3.html, https://www.sqlite.org/rowidtable.html.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from amparo.recover.record import MOST_COLUMNS

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|\s+"""
    r"""|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*')"""
    r"""|(?P<word>[\w$\u0080-\U0010ffff]+)|(?P<sign>.)""",
    re.S,
)
_LONGEST_SQL = 1 << 20
_CONSTRAINTS = frozenset(("constraint", "primary", "unique", "check", "foreign"))
_AFTER_TYPE = frozenset(
    [
        "constraint",
        "primary",
        "not",
        "null",
        "unique",
        "check",
        "default",
        "collate",
        "references",
        "generated",
        "as",
        "on",
    ]
)
_AFFINITIES = (
    ("INT", "integer"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("BLOB", "blob"),
    ("REAL", "real"), ("FLOA", "real"), ("DOUB", "real"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column as declared."""

    name: str
    affinity: str
    """``integer``, ``text``, ``blob``, ``real`` or ``numeric``."""
    nullable: bool = True


@dataclass(slots=True)
class Table:
    """A table, by its CREATE TABLE."""

    name: str
    columns: list[Column]
    """As stored; columns computed on reading are left out."""
    alias: int | None = None
    """The column that is the row number itself: stored as NULL."""
    rowid: bool = True
    """False for WITHOUT ROWID: kept in an index, by primary key."""
    key: list[int] = field(default_factory=list)
    """Columns of the primary key."""
    unique: list[tuple[int, ...]] = field(default_factory=list)
    """Sets of columns in which no two rows agree."""
    autoincrement: bool = False
    parents: dict[int, str] = field(default_factory=dict)
    """Column to the table that it refers to."""
    root: int = 0
    """First page; 0 for a table that is gone."""
    dropped: bool = False
    """Known from a leftover or a sibling only."""

    @property
    def names(self) -> list[str]:
        """Column names in the order of storage."""
        return [c.name for c in self.columns]

    def column(self, name: str) -> int | None:
        """A column's place by its name in any case."""
        low = name.lower()
        return next((i for i, c in enumerate(self.columns) if c.name.lower() == low), None)

    def stored(self) -> list[int]:
        """Columns in the order in which a record holds them."""
        if self.rowid:
            return list(range(len(self.columns)))
        return [*self.key, *(i for i in range(len(self.columns)) if i not in self.key)]


@dataclass(frozen=True, slots=True)
class Index:
    """An index over plain columns of a table; None stands for the row number."""

    name: str
    table: str
    columns: tuple[int | None, ...]
    unique: bool
    root: int


Token = tuple[str, str]


def tokens(sql: str) -> Iterator[Token]:
    """(kind, text): ``name`` with its quotes taken off, ``word`` or ``sign``."""
    for match in _TOKEN.finditer(sql[:_LONGEST_SQL]):
        kind = match.lastgroup
        text = match.group()
        if kind == "quoted":
            mark = text[0]
            inner = text[1:-1]
            yield "name", inner if mark == "[" else inner.replace(mark * 2, mark)
        elif kind:
            yield kind, text


def table(sql: str, root: int = 0) -> Table | None:
    """The table a CREATE TABLE makes; None for a view, a virtual table, or what cannot be read."""
    words = list(tokens(sql))
    at = _after(words, "table")
    if at is None or any(t == "virtual" for _, t in _lower(words[:at])):
        return None
    if [t for _, t in _lower(words[at : at + 3])] == ["if", "not", "exists"]:
        at += 3
    name = words[at][1] if at < len(words) else ""
    at += 1
    if at < len(words) and words[at] == ("sign", "."):
        name = words[at + 1][1] if at + 1 < len(words) else ""
        at += 2
    if at >= len(words) or words[at] != ("sign", "("):
        return None  # CREATE TABLE ... AS is stored with its columns written out
    parts, end = _parts(words, at)
    made = Table(name, [], root=root)
    typed: list[str] = []
    constraints = []
    for part in parts:
        if part and part[0][0] == "word" and part[0][1].lower() in _CONSTRAINTS:
            constraints.append(part)
        elif part:
            _add(made, part, typed)
    if not 0 < len(made.columns) <= MOST_COLUMNS:
        return None
    for part in constraints:
        _constrain(made, part, typed)
    tail = [t for _, t in _lower(words[end:])]
    made.rowid = not any(a == "without" and b == "rowid" for a, b in itertools.pairwise(tail))
    if not made.rowid:
        made.alias = None
        if not made.key:
            return None
    return made


def index(sql: str, tables: dict[str, Table], root: int) -> Index | None:
    """The index a CREATE INDEX makes over one of these tables; None for expressions."""
    words = list(tokens(sql))
    at = _after(words, "index")
    on = next((i for i, w in enumerate(words) if w[0] == "word" and w[1].lower() == "on"), None)
    if at is None or on is None or on + 2 >= len(words):
        return None
    owner = tables.get(words[on + 1][1].lower())
    if owner is None or words[on + 2] != ("sign", "("):
        return None
    parts, end = _parts(words, on + 2)
    columns: list[int | None] = []
    for part in parts:
        place = _place(owner, part)
        if place is False:
            return None
        columns.append(None if place == owner.alias else place)
    partial = any(t == "where" for _, t in _lower(words[end:]))
    unique = any(t == "unique" for _, t in _lower(words[:at])) and not partial
    return Index(words[on - 1][1], owner.name, tuple(columns), unique, root)


def automatic(owner: Table, number: int, root: int) -> Index | None:
    """The index that SQLite made by itself for a PRIMARY KEY or UNIQUE, counted from 1."""
    if 1 <= number <= len(owner.unique):
        columns = owner.unique[number - 1]
        return Index(f"sqlite_autoindex_{owner.name}_{number}", owner.name, columns, True, root)
    return None


def affinity(declared: str) -> str:
    """The kind of value a declared type asks for."""
    upper = declared.upper()
    for part, kind in _AFFINITIES:
        if part in upper:
            return kind
    return "numeric" if upper.strip() else "blob"


def _lower(words: list[Token]) -> list[Token]:
    return [(k, t.lower() if k == "word" else t if k == "sign" else "") for k, t in words]


def _after(words: list[Token], word: str) -> int | None:
    for i, (kind, text) in enumerate(words[:8]):
        if kind == "word" and text.lower() == word:
            return i + 1
    return None


def _parts(words: list[Token], at: int) -> tuple[list[list[Token]], int]:
    """What stands between the commas of a bracket, and where it ends."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for i in range(at, len(words)):
        word = words[i]
        if word == ("sign", "("):
            depth += 1
            if depth == 1:
                continue
        elif word == ("sign", ")"):
            depth -= 1
            if not depth:
                return parts, i + 1
        elif word == ("sign", ",") and depth == 1:
            parts.append([])
            continue
        parts[-1].append(word)
    return parts, len(words)


def _add(made: Table, part: list[Token], typed: list[str]) -> None:
    low = _lower(part)
    stop = next(
        (i for i, (k, t) in enumerate(low) if i and k == "word" and t in _AFTER_TYPE), len(part)
    )
    declared = " ".join(t for k, t in part[1:stop])
    words = [t for _, t in low]
    rest = words[stop:]
    if "as" in rest and "stored" not in rest and ("sign", "(") in part[stop:]:
        return  # computed on reading: not stored
    place = len(made.columns)
    pairs = list(itertools.pairwise(rest))
    nullable = ("not", "null") not in pairs
    made.columns.append(Column(part[0][1], affinity(declared), nullable))
    typed.append(declared.strip().upper())
    if "references" in rest:
        after = stop + rest.index("references") + 1
        if after < len(part):
            made.parents[place] = part[after][1]
    if ("primary", "key") in pairs:
        made.key = [place]
        made.autoincrement = "autoincrement" in rest
        if typed[place] == "INTEGER" and "desc" not in rest:
            made.alias = place
        else:
            made.unique.append((place,))
    if "unique" in rest:
        made.unique.append((place,))


def _constrain(made: Table, part: list[Token], typed: list[str]) -> None:
    low = [t for _, t in _lower(part)]
    if low[0] == "constraint":
        part, low = part[2:], low[2:]
    if not low or ("sign", "(") not in part:
        return
    at = part.index(("sign", "("))
    inner, end = _parts(part, at)
    places = [_place(made, p) for p in inner]
    if any(p is False for p in places):
        return
    columns = tuple(p for p in places if type(p) is int)
    if low[0] == "primary":
        made.key = list(dict.fromkeys(columns))
        made.autoincrement = any(t == "autoincrement" for p in inner for _, t in _lower(p))
        if len(columns) == 1 and typed[columns[0]] == "INTEGER":
            made.alias = columns[0]
        else:
            made.unique.append(columns)
    elif low[0] == "unique":
        made.unique.append(columns)
    elif low[0] == "foreign" and len(columns) == 1 and "references" in low[end:]:
        after = end + low[end:].index("references") + 1
        if after < len(part):
            made.parents[columns[0]] = part[after][1]


def _place(owner: Table, part: list[Token]) -> int | bool | None:
    """Where a key's column stands; None for the row number; False for an expression."""
    if not part or (len(part) > 1 and part[1] == ("sign", "(")):
        return False
    place = owner.column(part[0][1])
    if place is None:
        return None if part[0][1].lower() in ("rowid", "_rowid_", "oid") else False
    return place
