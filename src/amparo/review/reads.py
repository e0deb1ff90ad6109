"""How pages read the case: a thin layer that says whole questions over the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from amparo.model import (
    KINDS,
    Action,
    Id,
    Message,
    Posting,
    Record,
    make_id,
)
from amparo.store.search import Hit
from amparo.store.store import Store

R = TypeVar("R", bound=Record)

RECENT = 2000
"""Actions looked at to say what is in force now."""
HISTORY = 500


@dataclass(frozen=True)
class Entry:
    """One action with its place in the chain."""

    sequence: int
    action: Action
    hash: str


class Reads:
    """Questions of the desk's pages."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, kind: type[R], id: Id) -> R | None:
        """One record or None."""
        return self._store.get(kind, id)

    def many(self, kind: type[R], ids: Iterable[Id]) -> dict[Id, R]:
        """Records by id; empty ids and those not held are left out."""
        return self._store.many(kind, {id for id in ids if id})

    def keyed(self, kind: type[R], *key: str) -> R | None:
        """The record of a natural key: its id follows from it."""
        return self._store.get(kind, make_id(kind.KIND, *key))

    def maker(self, kind: type[Record], id: Id) -> str:
        """The plugin that made a record; "" where a person or the intake did, or any may have."""
        return self._store.maker(kind, id)

    def rows(self, kind: type[R], **equal: Any) -> list[R]:
        """All records with these values, each taken literally."""
        return list(self._store.each(kind, **literal(equal)))

    def among(self, kind: type[R], field: str, values: Iterable[str]) -> list[R]:
        """All records whose field is one of the values."""
        wanted = sorted({value for value in values if value})
        return list(self._store.each(kind, **{field: wanted})) if wanted else []

    def column(
        self, kind: type[Record], name: str, field: str, values: Iterable[str]
    ) -> Iterator[Any]:
        """One field of all records whose ``field`` is one of the values."""
        wanted = sorted({value for value in values if value})
        if wanted:
            for (value,) in self._store.columns(kind, name, **{field: wanted}):
                yield value

    def columns(self, kind: type[Record], *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        """The named fields of all records with these values, each taken literally."""
        return self._store.columns(kind, *names, **literal(equal))

    def tally(self, kind: type[Record], by: str) -> dict[str, int]:
        """Counts by a field the store keeps count of."""
        return self._store.tally(kind, by)

    def total(self, kind: type[Record]) -> int:
        """How many records of a kind there are."""
        return self._store.tally(kind).get("", 0)

    def window(self, kind: type[R], where: dict[str, str], after: Id, limit: int) -> list[R]:
        """Records in id order after an id, each value taken literally."""
        return self._store.find(
            kind, literal(where), after=(after, after) if after else None, limit=limit
        )

    def in_time(self, field: str, id: Id, after: Id, limit: int) -> list[Posting]:
        """Postings of a thread or an account in time order, after one of them; undated ones last."""
        last = self.get(Posting, after) if after else None
        where = literal({field: id})
        start = (last.time, last.id) if last is not None else None
        return self._store.find(Posting, where, order="time", after=start, limit=limit)

    def first(self, kind: type[R], where: dict[str, str], order: str, limit: int) -> list[R]:
        """The first records in the order of a field, each value taken literally."""
        return self._store.find(kind, literal(where), order=order, limit=limit)

    def latest(self, kind: type[R], threads: Iterable[Id], order: str, limit: int) -> list[R]:
        """The last records of a conversation in the order of a field; those without it come last."""
        return self._store.find(kind, of(threads), order=order, descending=True, limit=limit)

    def said(self, threads: Iterable[Id], after: Id, limit: int) -> list[Message]:
        """Messages of a conversation in time order, after one of them; undated ones last."""
        last = self.get(Message, after) if after else None
        start = (last.sent, last.id) if last is not None else None
        return self._store.find(Message, of(threads), order="sent", after=start, limit=limit)

    def said_before(self, threads: Iterable[Id], message: Message, count: int) -> Id:
        """The message so many places before one of a conversation; "" where it begins sooner."""
        if message.sent is None:
            return ""
        rows = self._store.find(
            Message, of(threads), order="sent", descending=True, after=(message.sent, message.id),
            limit=count,
        )  # fmt: skip
        return rows[-1].id if len(rows) == count else ""

    def search(self, text: str, limit: int, after: int) -> list[Hit]:
        """Records that hold all words."""
        return self._store.search(text, limit, after)

    def stamp(self) -> str:
        """Changes whenever a record other than a mark came or went."""
        return self._store.revision([cls for name, cls in KINDS.items() if name != "mark"])

    def history(self, id: Id) -> list[Entry]:
        """Actions that took a subject as input, oldest first, at most ``HISTORY``."""
        return [Entry(*entry) for entry in islice(self._store.history(id), HISTORY)]

    def actions_before(self, before: int | None, limit: int) -> list[Entry]:
        """Actions before a sequence (or the newest), newest first."""
        last = self._store.head().sequence if before is None else before - 1
        entries = self._store.actions(max(0, last - limit), limit)
        return [Entry(*entry) for entry in entries if entry[0] <= last][::-1]

    def in_force(self) -> tuple[list[tuple[str, int]], Entry | None]:
        """Isolation levels of recent cells with their counts, and the last thing a machine did."""
        recent = self.actions_before(None, RECENT)
        levels = Counter(e.action.isolation for e in recent if e.action.isolation)
        machine = next((e for e in recent if not e.action.kind.startswith("review/")), None)
        return levels.most_common(), machine

    def revealed_since(self, performer: str, time: int) -> int:
        """How often an analyst revealed a picture since a time."""
        count, before = 0, None
        while entries := self.actions_before(before, RECENT):
            for entry in entries:
                if entry.action.ended < time:
                    return count
                count += (entry.action.kind, entry.action.performer) == ("review/reveal", performer)
            before = entries[-1].sequence
        return count


def of(threads: Iterable[Id]) -> dict[str, Any]:
    """Of one conversation, whose rows an index holds in time order, or of its several sides."""
    ids = sorted(threads)
    return literal({"thread": ids[0] if len(ids) == 1 else ids})


def literal(equal: dict[str, Any]) -> dict[str, Any]:
    """Values that mean themselves: a text with an asterisk would otherwise be a pattern."""
    return {
        name: [value] if isinstance(value, str) and "*" in value else value
        for name, value in equal.items()
    }
