"""The tables of a case, generated from the records: each is written down once, as its dataclass.

What the dataclasses cannot say stands in the three tables at the top: which columns are indexed,
what is counted as rows come and go, and which text can be searched.
"""

from __future__ import annotations

import dataclasses
import typing

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from amparo.model import KINDS, Action, At, Field, Record, describe

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "account_name": (("account",),),
    "activity": (("account",), ("thread",)),
    "alias": (("account",), ("other",)),
    "attachment": (("content",), ("message",)),
    "clip_match": (("content",), ("other",)),
    "content": (("mime", "id"),),
    "content_kind": (("content",), ("form", "id")),
    "erasure": (("thread", "sent"), ("source",)),
    "exif": (("content",),),
    "file": (("content",), ("exhibit", "id")),
    "film": (("content",),),
    "film_frames": (("content",),),
    "fingerprint": (("content",),),
    "known_dispute": (("content",),),
    "known_match": (("content",), ("known_set", "id")),
    "lead": (("thread",), ("message",)),
    "link": (("source",), ("target",)),
    "mark": (("subject",),),
    "media": (("content",),),
    "membership": (("thread",), ("account",)),
    "membership_event": (("thread",), ("account",)),
    "message": (("thread", "sent"),),
    "model_score": (("content",),),
    "model_vector": (("content",),),
    "position": (("content",),),
    "posting": (("content",), ("thread", "time"), ("account", "time")),
    "preview": (("owner",), ("content",)),
    "problem": (("subject",),),
    "quote": (("message",),),
    "resolution": (("source",), ("canonical",)),
    "seal": (("exhibit",),),
    "soundtrack": (("content",),),
    "stack_member": (("content",), ("stack",)),
    "structure": (("content",),),
    "tenure": (("thread",), ("account",)),
    "thread_info": (("thread",),),
    "version": (("subject",), ("source",), ("thread",)),
}
"""Secondary indexes by kind. One that ends in ``id`` serves many rows of one value in id order."""

TALLIES: dict[str, tuple[str, ...]] = {
    "content": ("mime",),
    "content_kind": ("form",),
    "erasure": ("thread", "exhibit"),
    "file": ("exhibit",),
    "known_match": ("use",),
    "mark": ("form",),
    "message": ("at_exhibit", "thread"),
    "posting": ("thread", "account"),
    "problem": ("stage",),
    "recovered_row": ("at_method",),
}
"""What is counted besides the total of each kind and the rows of each maker."""

SEARCHED: dict[str, tuple[str, ...]] = {
    "exhibit": ("number", "site", "holder"),
    "account": ("handle", "phone"),
    "account_name": ("name",),
    "thread_info": ("subject",),
    "lead": ("value", "text"),
    "message": ("text",),
    "attachment": ("caption", "name", "path"),
    "file": ("path",),
    "quote": ("text",),
    "recovered_row": ("text",),
    "reported": ("text", "name", "account"),
}
"""Text that can be searched. The place in this list is stored: add at the end only."""

IDENTITY = frozenset({"account", "thread", "content"})
"""Kinds whose rows are pure functions of their key: they belong to no maker."""

AT_PARTS = tuple((f"at_{f.name}", f.name) for f in dataclasses.fields(At))
_AT_FIELDS = tuple(Field(f"at_{f.name}", f.type, f.optional) for f in describe(At))

# Same order of text everywhere: by code point, whatever the server's language.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_TYPES: dict[type, TypeEngine[typing.Any]] = {
    str: TEXT,
    int: BigInteger(),
    float: Double(),
    bool: Boolean(create_constraint=False),
    bytes: LargeBinary(),
    tuple: TEXT,
}

METADATA = MetaData()


def flat(cls: type[Record]) -> tuple[Field, ...]:
    """The fields of a kind as columns: ``at`` taken apart, ``id`` first, without ``maker``."""
    out = [Field("id", str, False)]
    for field in describe(cls):  # type: ignore[arg-type]  # a class is hashable
        if field.type is At:
            if field.optional:
                raise TypeError(
                    f"{cls.__name__}.{field.name}: where it was found is never optional"
                )
            out += _AT_FIELDS
        else:
            out.append(field)
    return tuple(out)


def _columns(fields: typing.Iterable[Field]) -> list[Column[typing.Any]]:
    return [Column(f.name, _TYPES[f.type], nullable=f.optional) for f in fields]


def _table(cls: type[Record]) -> Table:
    fields, name = flat(cls), cls.KIND
    columns = _columns(fields)
    columns.insert(1, Column("maker", TEXT, nullable=False))
    if name in SEARCHED:
        # A number of its own that no VACUUM changes: the word index points to it.
        columns.insert(0, Column("doc", _ROW_NUMBER, primary_key=True, autoincrement=False))
        columns[1].unique = True
    else:
        columns[0].primary_key = True
    table = Table(name, METADATA, *columns)
    indexes = INDEXES.get(name, ())
    if any(f.name == "at_file" for f in fields):
        indexes = (*indexes, ("at_file",))
    for index in indexes:
        Index(f"ix_{name}_{'_'.join(index)}", *(table.c[c] for c in index))
    return table


TABLES: dict[str, Table] = {name: _table(cls) for name, cls in sorted(KINDS.items())}

META = Table(
    "meta", METADATA, Column("key", TEXT, primary_key=True), Column("value", TEXT, nullable=False)
)
DONE = Table(
    "done",
    METADATA,
    Column("plugin", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("revision", TEXT, nullable=False),
    Column("action", BigInteger(), nullable=False),
    PrimaryKeyConstraint("plugin", "subject"),
    sqlite_with_rowid=False,
)
TALLY = Table(
    "tally",
    METADATA,
    Column("kind", TEXT, nullable=False),
    Column("dimension", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),
    Column("n", BigInteger(), nullable=False),
    PrimaryKeyConstraint("kind", "dimension", "value"),
    sqlite_with_rowid=False,
)
REVISION = Table(
    "revision",
    METADATA,
    Column("kind", TEXT, primary_key=True),
    Column("n", BigInteger(), nullable=False),
)
ACTION_FIELDS = describe(typing.cast("type[Record]", Action))  # type: ignore[arg-type]
ACTION = Table(
    "action",
    METADATA,
    Column("sequence", _ROW_NUMBER, primary_key=True, autoincrement=False),
    *_columns(ACTION_FIELDS),
    Column("previous", TEXT, nullable=False),
    Column("hash", TEXT, nullable=False),
)
ACTION_INPUT = Table(
    "action_input",
    METADATA,
    Column("subject", TEXT, nullable=False),
    Column("sequence", BigInteger(), nullable=False),
    PrimaryKeyConstraint("subject", "sequence"),
    Index("ix_action_input_sequence", "sequence"),
    sqlite_with_rowid=False,
)


def layout() -> dict[str, list[str]]:
    """Every table with its columns, as kept in ``meta`` to see at once whether a case is of today."""
    return {name: sorted(c.name for c in t.columns) for name, t in sorted(METADATA.tables.items())}


def indexed(kind: str, name: str) -> str:
    """How an equality on this column is served: ``""`` not, ``some`` by index, ``order`` in id order."""
    if name == "id":
        return "some"
    for index in INDEXES.get(kind, ()):
        if index[0] == name:
            return "order" if index[1:] == ("id",) else "some"
    return "some" if name == "at_file" else ""
