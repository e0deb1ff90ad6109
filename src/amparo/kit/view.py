"""The reading half of the store, as derivers and scoring see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

from amparo.model import Id, Record

R = TypeVar("R", bound=Record)


class View(Protocol):
    """Reads records; never changes them."""

    def each(self, kind: type[R], **equal: Any) -> Iterator[R]:
        """Every record of a kind in id order, filtered by equality of fields."""
        ...

    def columns(self, kind: type[Record], *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        """The named fields only, as tuples in id order: the quick way over many rows.

        ``id`` is a field; those of ``at`` are ``at_exhibit``, ``at_file``, ``at_table``, ``at_row``,
        ``at_offset``, ``at_length``, ``at_state``. Tuple fields come as tuples.
        """
        ...

    def get(self, kind: type[R], id: Id) -> R | None:
        """One record or None."""
        ...
