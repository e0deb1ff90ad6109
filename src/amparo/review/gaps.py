"""Row numbers that a phone's table gave out and whose rows are gone: where they fall, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from amparo.model import Exhibit, Gap, Id, Message
from amparo.review.desk import Desk

Place = tuple[Id, str, int]
"""File, table and row number."""


@dataclass(frozen=True)
class Missing:
    """A gap with the exhibit it was found on."""

    gap: Gap
    exhibit: Exhibit | None
    here: bool
    """Whether the rows on both sides of it belong to this conversation."""


class Neighbours:
    """Gaps in the numbers of messages, found by the rows beside them."""

    def __init__(
        self, desk: Desk, files: Iterable[Id], rows: Collection[int] | None = None
    ) -> None:
        """``rows`` are the only row numbers that are asked for, where they are few."""
        self._exhibits = desk.directory().exhibits
        self.behind: dict[Place, Gap] = {}
        """By the row behind the gap."""
        self.ahead: dict[Place, Gap] = {}
        """By the row before it."""
        wanted = sorted({file for file in files if file})
        found = desk.reads.among(Gap, "at_file", wanted) if rows is None else []
        if wanted and rows:
            found += desk.reads.rows(Gap, at_file=wanted, first=sorted(n + 1 for n in rows))
            found += desk.reads.rows(Gap, at_file=wanted, last=sorted(n - 1 for n in rows))
        for gap in found:
            if gap.at.method == "id_gap":
                self.ahead[gap.at.file, gap.at.table, gap.first - 1] = gap
                self.behind[gap.at.file, gap.at.table, gap.last + 1] = gap

    def missing(self, gap: Gap, here: bool) -> Missing:
        """A gap in words' reach."""
        return Missing(gap, self._exhibits.get(gap.at.exhibit), here)


def place_of(message: Message) -> Place | None:
    """Where a message stands, for looking up gaps beside it."""
    at = message.at
    return None if at.row is None else (at.file, at.table, at.row)


def missing_here(desk: Desk, sides: list[Id], limit: int) -> tuple[list[Missing], int]:
    """Gaps beside messages of a conversation, the largest first, and how many there are."""
    places: set[Place] = set()
    for side in sides:
        rows = desk.case.store.columns(Message, "at_file", "at_table", "at_row", thread=[side])
        places.update((f, t, r) for f, t, r in rows if r is not None)
    beside = Neighbours(desk, {place[0] for place in places})
    found: dict[Id, Missing] = {}
    for place in places:
        for held in (beside.ahead.get(place), beside.behind.get(place)):
            if held is not None and held.id not in found:
                ends = {(held.at.file, held.at.table, n) for n in (held.first - 1, held.last + 1)}
                found[held.id] = beside.missing(held, ends <= places)
    rows_ = sorted(found.values(), key=lambda m: (-m.gap.missing, m.gap.after or 0, m.gap.id))
    return rows_[:limit], len(rows_)
