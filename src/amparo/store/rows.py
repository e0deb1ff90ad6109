"""Records to rows and back, field by field as the dataclass says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from amparo.model import KINDS, At, Record
from amparo.store.schema import AT_PARTS, IDENTITY, SEARCHED, TABLES, TALLIES, flat
from amparo.store.text import clean, words

R = TypeVar("R", bound=Record)

_LARGEST = (1 << 63) - 1


def _integer(value: int) -> int:
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise ValueError("a whole number of more than 64 bits")
    return int(value)


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("not a number")
    return float(value)


def texts(value: Sequence[str]) -> str:
    """A tuple of texts as it is stored."""
    return json.dumps([clean(text) for text in value], ensure_ascii=False)


def _tuple(stored: str) -> tuple[str, ...]:
    return tuple(json.loads(stored))


_ENCODE: dict[type, Callable[[Any], Any]] = {
    str: clean,
    int: _integer,
    float: _number,
    tuple: texts,
}
_DECODE: dict[type, Callable[[Any], Any]] = {bool: bool, tuple: _tuple, bytes: bytes}


def encode(type_: type, value: Any) -> Any:
    """One value as it is stored. ValueError for a number no database holds."""
    return value if value is None or type_ not in _ENCODE else _ENCODE[type_](value)


class Shape(Generic[R]):
    """How one kind of record lies in its table; ``names`` are its columns, ``id`` first."""

    def __init__(self, cls: type[R]) -> None:
        self.cls = cls
        self.kind = cls.KIND
        self.table = TABLES[cls.KIND]
        self.fields = flat(cls)
        self.names = tuple(f.name for f in self.fields)
        self.types = {f.name: f.type for f in self.fields}
        self.searched = SEARCHED.get(cls.KIND, ())
        self._searched = [self.names.index(name) for name in self.searched]
        self.counted = (
            *((d, self.names.index(d)) for d in TALLIES.get(cls.KIND, ())),
            *((("maker", -1),) if cls.KIND not in IDENTITY else ()),
        )
        """Dimensions of the tally with the place of their column in a row."""
        self.number = list(SEARCHED).index(cls.KIND) if self.searched else -1
        paths = (n.replace("_", ".", 1) if self._part(n) else n for n in self.names)
        self._values = attrgetter(*paths)
        self._check = [
            (i, f.type, encode)
            for i, f in enumerate(self.fields)
            if (encode := _ENCODE.get(f.type))
        ]
        self._at = self.names.index(AT_PARTS[0][0]) if AT_PARTS[0][0] in self.names else 0
        self._decode = [
            (i, _DECODE[f.type]) for i, f in enumerate(self.fields) if f.type in _DECODE
        ]
        plain = [(i, f.name) for i, f in enumerate(self.fields) if not self._part(f.name)]
        members: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            members.update(vars(base))
        # Set through the slots: building by the constructor would make the id anew from stored text,
        # and a key that held a NUL would no longer give the id it had.
        slots = ((i, "_id" if name == "id" else name) for i, name in plain)
        self._set = [(i, members[slot].__set__) for i, slot in slots]
        self._set_at = members["at"].__set__ if self._at else None

    @staticmethod
    def _part(name: str) -> bool:
        return any(name == part for part, _ in AT_PARTS)

    def row(self, record: R, maker: str) -> tuple[Any, ...]:
        """The values in the order of ``names``, then ``maker``."""
        values = list(self._values(record))
        for i, type_, encode in self._check:
            value = values[i]
            # Nearly every text is an id or plain: spared the call.
            if value is None or (type_ is str and value.isascii() and "\0" not in value):
                continue
            values[i] = encode(value)
        values.append("" if self.kind in IDENTITY else maker)
        return tuple(values)

    def record(self, row: Sequence[Any]) -> R:
        """The record whose values stand in ``row`` in the order of ``names``."""
        values = list(row)
        for i, decode in self._decode:
            if values[i] is not None:
                values[i] = decode(values[i])
        made = object.__new__(self.cls)
        for i, put in self._set:
            put(made, values[i])
        if self._set_at:
            self._set_at(made, At(*values[self._at : self._at + len(AT_PARTS)]))
        return made

    def decoders(self, names: Sequence[str]) -> list[tuple[int, Callable[[Any], Any]]]:
        """Which of the named columns need turning back, and how."""
        return [
            (i, _DECODE[self.types[n]]) for i, n in enumerate(names) if self.types[n] in _DECODE
        ]

    def text(self, row: Sequence[Any]) -> str:
        """What can be searched in a row, a field a line."""
        return "\n".join([row[i] for i in self._searched if row[i]])

    def words(self, row: Sequence[Any]) -> list[str]:
        """The words to index of a row."""
        return words(self.text(row))

    def doc(self, number: int) -> int:
        """The place of the row with this number in the word index of all kinds."""
        return self.number << 40 | number


_SHAPES: dict[str, Shape[Any]] = {}


def shape_of(kind: str) -> Shape[Any]:
    """The shape of the kind with this name."""
    if kind not in _SHAPES:
        _SHAPES[kind] = Shape(KINDS[kind])
    return _SHAPES[kind]


def shape(cls: type[R]) -> Shape[R]:
    """The shape of a record kind."""
    return shape_of(cls.KIND)
