"""Ids, the base of all records, and the one description of a record's fields.

The description (:func:`describe`) is what the wire checks against and what tables are generated
from, so a record is written down once: as its dataclass.
"""

from __future__ import annotations

import hashlib
import re
import types
import typing
from dataclasses import dataclass, field, fields
from functools import cache
from typing import ClassVar
from uuid import NAMESPACE_DNS, uuid5

Id = str
"""A UUIDv5 in its 36-character text form; "" means "none"."""

Value = str | int | float | bool | bytes | None | tuple[str, ...]

_NAMESPACE = uuid5(NAMESPACE_DNS, "amparo.model").bytes


def make_id(kind: str, *key: Value) -> Id:
    """The id of a thing: UUIDv5 (RFC 9562) of its kind and natural key.

    Two countries derive the same id without talking. Parts are length-prefixed, so no two different
    keys give the same name.
    """
    name = kind.encode()
    for part in key:
        text = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        name += b"|%d:" % len(text) + text
    digest = bytearray(hashlib.sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    h = digest.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


@dataclass(frozen=True, slots=True)
class At:
    """Where an observation was found, down to the row or the byte.

    ``state`` is ``live``, ``superseded``, ``deleted`` or ``carved``. ``row`` is the rowid in
    ``table``; ``offset`` and ``length`` are bytes in the file, or in the one beside it that
    ``companion`` names by its suffix (``-wal``, ``-journal``). A recovered row says by which
    ``method`` (``freeblock``, ``wal_stale``, ``fts_rebuild`` …) and with what ``confidence`` (0 to 1).
    """

    exhibit: Id
    file: Id
    table: str = ""
    row: int | None = None
    offset: int | None = None
    length: int | None = None
    state: str = "live"
    method: str = ""
    confidence: float | None = None
    companion: str = ""
    frame: int | None = None
    """Number of the frame in the log, or of the page in the journal, from 1."""
    commit: int | None = None
    """Number of the transaction of the log that wrote it, from 1; none where it was never committed."""

    def key(self) -> str:
        """The part of a natural key that says where."""
        place = f"{self.file}/{self.table}/{self.row}/{self.offset}/{self.state}/{self.method}"
        return f"{place}/{self.companion}" if self.companion else place


KINDS: dict[str, type[Record]] = {}
"""Every record kind by its name, which is also the name of its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An immutable typed observation or claim; subclasses say which fields make its natural key."""

    KIND: ClassVar[str] = ""
    KEY: ClassVar[tuple[str, ...]] = ()

    _id: Id = field(init=False, repr=False, compare=False, default="")

    @property
    def id(self) -> Id:
        """Derived from kind and natural key when first asked for."""
        if not self._id:
            values = (getattr(self, name) for name in self.KEY)
            key = (value.key() if isinstance(value, At) else value for value in values)
            object.__setattr__(self, "_id", make_id(self.KIND, *key))
        return self._id

    @classmethod
    def register(cls) -> None:
        KINDS[cls.KIND] = cls


R = typing.TypeVar("R", bound=Record)


def kind(name: str, *key: str) -> typing.Callable[[type[R]], type[R]]:
    """Class decorator: gives a record its kind and natural key and registers it."""

    def set_up(cls: type[R]) -> type[R]:
        cls.KIND = name
        cls.KEY = key
        cls.register()
        return cls

    return set_up


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its name, base type and whether it may be absent."""

    name: str
    type: type
    optional: bool


@cache
def describe(cls: type[Record] | type[At]) -> tuple[Field, ...]:
    """The fields of a record kind in order, without ``id`` (which is derived, never sent)."""
    hints = typing.get_type_hints(cls)
    out = []
    for f in fields(cls):
        if f.name == "_id":
            continue
        hint, optional = hints[f.name], False
        if isinstance(hint, types.UnionType):
            rest = [a for a in typing.get_args(hint) if a is not type(None)]
            if len(rest) != 1:
                raise TypeError(f"{cls.__name__}.{f.name}: only X or X | None")
            hint, optional = rest[0], True
        if typing.get_origin(hint) is tuple:
            hint = tuple
        if hint not in (str, int, float, bool, bytes, tuple, At):
            raise TypeError(f"{cls.__name__}.{f.name}: {hint} is not a field type")
        out.append(Field(f.name, hint, optional))
    return tuple(out)


def content_id(sha256: str) -> Id:
    """The id of the content with this SHA-256 (64 hex digits, any case); "" for no hash."""
    return make_id("content", sha256.lower()) if sha256 else ""


def path_text(path: bytes) -> str:
    """A path of any bytes as text that can be shown, stored and turned back without loss.

    UTF-8 stays as it is; a backslash, a control character or a byte that is not UTF-8 becomes ``\\xNN``.
    """
    text = path.decode("utf-8", "surrogateescape")
    return re.sub(
        "[\\\\\x00-\x1f\x7f-\x9f\udc80-\udcff\u2028\u2029\u202a-\u202e\u2066-\u2069]",
        lambda m: "".join(f"\\x{b:02x}" for b in m[0].encode("utf-8", "surrogateescape")),
        text,
    )


def path_bytes(text: str) -> bytes:
    """The inverse of :func:`path_text`."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode("utf-8"))
