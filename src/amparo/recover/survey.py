"""What a database holds now: its tables, every live row by its hash, and which page belongs to what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from amparo.recover import schema
from amparo.recover.numbers import Numbers, Pairs
from amparo.recover.pages import (
    INDEX_INNER,
    INDEX_LEAF,
    TABLE_LEAF,
    Cell,
    Snapshot,
    cells,
    payload_of,
)
from amparo.recover.record import Value, decode, header, values
from amparo.recover.schema import Column, Index, Table
from amparo.recover.target import Target

MASTER = schema.table(
    "CREATE TABLE sqlite_master(type TEXT, name TEXT, tbl_name TEXT, rootpage INTEGER, sql TEXT)", 1
)
_SAMPLE = 3000
_MOST_TABLES = 5000


@dataclass(slots=True)
class Live:
    """The live rows of one table."""

    rows: Pairs = field(default_factory=Pairs)
    """Row number to the hash of its payload."""
    payloads: Numbers = field(default_factory=Numbers)
    count: int = 0


class Survey:
    """One pass over everything live in a snapshot."""

    def __init__(self, snapshot: Snapshot, wanted: Sequence[str] = ()) -> None:
        self.snapshot = snapshot
        self._wanted = {w.lower() for w in wanted}
        self.tables: dict[str, Table] = {}
        self.indexes: list[Index] = []
        self.sql: dict[str, str] = {}
        """Lower-case name to CREATE text of everything in the schema, virtual tables too."""
        self.targets: dict[str, Target] = {}
        """By table name in lower case; indexes under ``index:name``."""
        self.live: dict[str, Live] = {}
        self.owner: dict[int, Target] = {}
        """Page to what it belongs to."""
        self.used: set[int] = set()
        """Pages in use, overflow included."""
        self.tails: dict[int, int] = {}
        """The last overflow page of a chain to the first byte in it that is free."""
        self.cells = Numbers()
        """Hashes of the bytes of live cells without overflow."""
        self._read_schema()
        for target in list(self.targets.values()):
            self._read(target)
            target.compile()

    def wanted(self, table: str) -> bool:
        """Whether a table was asked for; all are where none was named."""
        return not self._wanted or table.lower() in self._wanted

    def _read_schema(self) -> None:
        assert MASTER is not None
        rows = [values for _, values, _ in self.rows(MASTER)]
        self.add(MASTER)
        for name, root, sql in _made(rows, "table"):
            self.sql[name.lower()] = sql
            table = schema.table(sql, root)
            if table and root > 0 and len(self.tables) < _MOST_TABLES:
                table.name = name
                self.add(table)
        for what, label, owner, page, text in (r[:5] for r in rows):
            if what != "index" or type(page) is not int or not isinstance(owner, str):
                continue
            held = self.tables.get(owner.lower())
            if held is None or not isinstance(label, str):
                continue
            if isinstance(text, str) and text:
                made = schema.index(text, self.tables, page)
            else:
                number = label.rpartition("_")[2][:9]
                made = schema.automatic(held, int(number) if number.isdecimal() else 0, page)
            if made and len(self.indexes) < _MOST_TABLES:
                self._add_index(held, made)

    def add(self, table: Table) -> Target:
        """Look for the rows of a table from now on."""
        stored = table.stored()
        kind = "table" if table.rowid else "keyed"
        columns = [table.columns[i] for i in stored]
        encoding = self.snapshot.form.encoding
        target = Target(table, kind, columns, stored, encoding, self.wanted(table.name))
        key = table.name.lower()
        self.tables[key] = table
        self.live[key] = Live()
        self.targets[key] = target
        return target

    def _add_index(self, table: Table, made: Index) -> None:
        self.indexes.append(made)
        if made.unique and all(c is not None for c in made.columns):
            wide = tuple(c for c in made.columns if c is not None)
            if wide not in table.unique:
                table.unique.append(wide)
        if not table.rowid:
            return
        rowid = Column("rowid", "integer", False)
        columns = [rowid if c is None else table.columns[c] for c in made.columns]
        target = Target(
            table, "index", [*columns, rowid], [*made.columns, None],
            self.snapshot.form.encoding, self.wanted(table.name),
        )  # fmt: skip
        target.root = made.root
        self.targets[f"index:{made.name.lower()}:{made.root}"] = target

    def _read(self, target: Target) -> None:
        """Mark a tree's pages, remember its rows, learn from some of them."""
        snapshot, form = self.snapshot, self.snapshot.form
        kinds = (TABLE_LEAF,) if target.kind == "table" else (INDEX_LEAF, INDEX_INNER)
        live = self.live[target.table.name.lower()]
        count = 0
        for number, page in snapshot.walk(target.root, self.used):
            self.owner[number] = target
            start = 100 if number == 1 else 0
            if page[start] not in kinds:
                continue
            for c in cells(page, start, form):
                payload, chain = payload_of(page, c, form, snapshot.page)
                if c.overflow:
                    self.used.update(chain)
                    if chain:
                        rest = c.payload - c.local - (len(chain) - 1) * (form.usable - 4)
                        self.tails[chain[-1]] = 4 + max(rest, 0)
                else:
                    self.cells.add(hash(page[c.start : c.end]))
                count += 1
                if target.kind != "index":
                    live.count += 1
                    digest = hash(payload)
                    live.payloads.add(digest)
                    if target.kind == "table":
                        live.rows.put(c.rowid, digest)
                if count < _SAMPLE or not count & 15:
                    self._learn(target, payload)

    def _learn(self, target: Target, payload: bytes) -> None:
        head = header(payload, 0, len(payload))
        if head is None or len(head[1]) > len(target.columns):
            return
        found = values(payload, head[0], head[1], self.snapshot.form.encoding, strict=False)
        if found and len(found) == len(head[1]):
            target.learn(found, head[1])

    def add_gone(self, table: Table) -> Target:
        """Look for a table that is not there any more, also beside one of the same name."""
        if table.name.lower() not in self.tables:
            return self.add(table)
        target = Target(
            table, "table" if table.rowid else "keyed", [table.columns[i] for i in table.stored()],
            table.stored(), self.snapshot.form.encoding, self.wanted(table.name),
        )  # fmt: skip
        self.targets[f"gone:{table.name.lower()}:{len(self.targets)}"] = target
        return target

    def cells_of(self, table: Table) -> Iterator[tuple[int, int, list[Value], Cell]]:
        """``(page, row number, stored values, cell)`` of every live row."""
        form = self.snapshot.form
        kinds = (TABLE_LEAF,) if table.rowid else (INDEX_LEAF, INDEX_INNER)
        for number, page in self.snapshot.walk(table.root, set()):
            start = 100 if number == 1 else 0
            if page[start] not in kinds:
                continue
            for c in cells(page, start, form):
                payload, _ = payload_of(page, c, form, self.snapshot.page)
                found = decode(payload, form.encoding)
                if found is not None:
                    yield number, c.rowid, found, c

    def rows(self, table: Table) -> Iterator[tuple[int, list[Value], Cell]]:
        """``(row number, values, cell)`` of a table as it stands, padded to all columns."""
        places = table.stored()
        for _, rowid, found, c in self.cells_of(table):
            yield rowid, arranged(table, places, found, rowid), c

    def row(self, table: Table, rowid: int) -> list[Value] | None:
        """The live values of one row."""
        payload = self.snapshot.seek(table.root, rowid)
        found = decode(payload, self.snapshot.form.encoding) if payload else None
        return None if found is None else arranged(table, table.stored(), found, rowid)


def arranged(
    table: Table, places: Sequence[int | None], found: Sequence[Value], rowid: int | None
) -> list[Value]:
    """Stored values in the order of the columns; absent ones None, the alias filled in."""
    row: list[Value] = [None] * len(table.columns)
    for place, value in zip(places, found, strict=False):
        if place is not None:
            row[place] = value
    if table.alias is not None and table.rowid:
        row[table.alias] = rowid
    return row


def _made(rows: list[list[Value]], kind: str) -> Iterator[tuple[str, int, str]]:
    for row in rows:
        what, name, _, root, sql = row[:5]
        if what == kind and isinstance(name, str) and isinstance(sql, str):
            yield name, root if type(root) is int else 0, sql
