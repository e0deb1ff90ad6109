"""A View over records in memory, for tests of derivers: same reading rules as the store's."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from amparo.model import Id, Record, describe

R = TypeVar("R", bound=Record)


def field(record: Record, name: str) -> Any:
    """The value of ``name``; ``at_<part>`` reaches into where the record was found."""
    if name.startswith("at_"):
        return getattr(getattr(record, "at"), name[3:])  # noqa: B009
    return getattr(record, name)


class MemoryView:
    """Holds each record once by id; reads in id order. A misspelt field fails, as in a table."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_kind: dict[type[Record], dict[Id, Record]] = {}
        for record in records:
            self._by_kind.setdefault(type(record), {})[record.id] = record

    def _rows(self, kind: type[R], equal: dict[str, Any]) -> Iterator[R]:
        known = {f.name for f in describe(kind)} | {"id"}
        for name in equal:
            if name not in known and not (name.startswith("at_") and "at" in known):
                raise KeyError(f"{kind.__name__} has no field {name}")
        for _, row in sorted(self._by_kind.get(kind, {}).items()):
            assert isinstance(row, kind)
            if all(field(row, name) == value for name, value in equal.items()):
                yield row

    def each(self, kind: type[R], **equal: Any) -> Iterator[R]:
        return self._rows(kind, equal)

    def columns(self, kind: type[Record], *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        for row in self._rows(kind, equal):
            yield tuple(field(row, name) for name in names)

    def get(self, kind: type[R], id: Id) -> R | None:
        row = self._by_kind.get(kind, {}).get(id)
        return row if isinstance(row, kind) else None


class Shuffled(MemoryView):
    """Reads in an order of chance: for what must not depend on the order of ids."""

    def __init__(self, records: Iterable[Record], seed: int) -> None:
        super().__init__(records)
        self._rng = random.Random(seed)

    def _rows(self, kind: type[R], equal: dict[str, Any]) -> Iterator[R]:
        rows = list(super()._rows(kind, equal))
        self._rng.shuffle(rows)
        return iter(rows)


def derived(records: Iterable[Record], *derivers: Any) -> tuple[MemoryView, list[Record]]:
    """Runs derivers one after the other, each seeing what the ones before it made."""
    held = list(records)
    for deriver in derivers:
        made = list(deriver(MemoryView(held)))
        assert {type(r) for r in made} <= set(deriver.spec.makes)
        assert len({r.id for r in made}) == len(made), "one id was made twice"
        held += made
    return MemoryView(held), held
