"""Which messages an exhibit shows no more, and all that still tells of them.

Five things tell: rows brought back, rows the application only hides, older states of the same database
(dated backups), replies that repeat a message, and the same message on another exhibit. They are brought
together by the message's key, so that one line says what is gone, what it said, by which ways that is
known, and between which two moments it went.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from amparo.kit.jid import LOST
from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.link.lost import UNIQUE
from amparo.link.states import Databases, databases, threads_of
from amparo.model import Erasure, Exhibit, File, Id, Message, Quote, Resolution, Thread, ThreadInfo

BACKUP, QUOTED, ELSEWHERE = "backup_difference", "quoted_reply", "other_exhibit"
SURE = {BACKUP: 1.0, ELSEWHERE: 0.99, QUOTED: 0.95}
"""How sure the wording is. Assigned: the key is random, the same on all phones, and the row stands."""
PARTS = frozenset({"fts_rebuild", "fts_older", "index_tombstone"})
"""Ways that give back less than the message: its words without their spelling, or its key alone."""

Item = tuple[int, Id, str, int | None]
"""Number of the database, conversation ("" where the key alone is unique), key, row where there is no key."""


@dataclass(slots=True)
class Sign:
    """All that tells of one message that a database shows no more."""

    live: int = 0
    """Bits of the states of the database in which it stands."""
    rows: list[tuple[Id, str, float]] = field(default_factory=list)
    """Records of rows brought back or hidden: id, method, confidence."""
    older: list[tuple[int, Id]] = field(default_factory=list)
    """State and record where it stands in an earlier one."""
    quotes: list[Id] = field(default_factory=list)
    elsewhere: dict[Id, Id] = field(default_factory=dict)
    """Other exhibits to the record there."""


@deriver(
    "erased",
    stage="link",
    version=1,
    reads=(Exhibit, File, Message, Quote, Resolution, Thread, ThreadInfo),
    makes=(Erasure,),
)
def erased(view: View) -> Iterator[Erasure]:
    """Messages that are gone from an exhibit, what still tells of each, and when it went."""
    search = _Search(view)
    search.signs_of_rows()
    search.signs_of_quotes()
    search.partners()
    for item, sign in sorted(search.signs.items(), key=lambda pair: repr(pair[0])):
        made = search.conclude(item, sign)
        if made is not None:
            yield made


class _Search:
    """The passes over messages and quotes of one case."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._threads = threads_of(view)
        self._held: Databases = databases(view, self._threads)
        self._lost = {
            id for id, handle in view.columns(Thread, "id", "handle") if handle.startswith(LOST)
        }
        self.signs: dict[Item, Sign] = {}
        self._heard: dict[tuple[int, Id], int] = {}
        """Database and conversation to the first stamp that stands there."""
        self._quoted: dict[str, list[Id]] = defaultdict(list)

    def _item(self, number: int, thread: Id, key: str) -> Item:
        return (
            number,
            "" if UNIQUE.fullmatch(key) else self._threads.get(thread, thread),
            key,
            None,
        )

    def _several(self, number: int) -> bool:
        return len(self._held.all[number][1]) > 1

    def signs_of_rows(self) -> None:
        """Rows brought back or hidden; of databases with several states, what stands in each."""
        bits: dict[Item, int] = defaultdict(int)
        keyless: dict[tuple[int, int], list[tuple[Id, str, float]]] = defaultdict(list)
        names = ("id", "thread", "key", "form", "sent", "at_exhibit", "at_file", "at_row",
                 "at_state", "at_method", "at_confidence")  # fmt: skip
        for (
            id,
            thread,
            key,
            form,
            sent,
            exhibit,
            file,
            row,
            state,
            method,
            sure,
        ) in self._view.columns(Message, *names):
            number, place = self._held.of.get((exhibit, file), (-1, 0))
            if number < 0 or form == "system":
                continue
            if state == "live":
                to = self._threads.get(thread, thread)
                if sent is not None:
                    self._heard[number, to] = min(sent, self._heard.get((number, to), sent))
                if key and self._several(number):
                    bits[self._item(number, thread, key)] |= 1 << place
            elif key:
                sign = self.signs.setdefault(self._item(number, thread, key), Sign())
                sign.rows.append((id, method, sure or 0.0))
            elif row is not None:
                keyless[number, row].append((id, method, sure or 0.0))
        for item, here in bits.items():
            if not here >> len(self._held.all[item[0]][1]) - 1:
                self.signs.setdefault(item, Sign())
        self._by_number(keyless)

    def _by_number(self, keyless: Mapping[tuple[int, int], list[tuple[Id, str, float]]]) -> None:
        """Rows without their key: any state of the database, or another row, may know the number's key."""
        known: dict[tuple[int, int], Item] = {}
        if keyless:
            names = ("thread", "key", "at_exhibit", "at_file", "at_row")
            for thread, key, exhibit, file, row in self._view.columns(Message, *names):
                number, _ = self._held.of.get((exhibit, file), (-1, 0))
                if key and (number, row) in keyless:
                    known[number, row] = self._item(number, thread, key)
        for (number, row), rows in keyless.items():
            item = known.get((number, row), (number, "", "", row))
            self.signs.setdefault(item, Sign()).rows += rows

    def signs_of_quotes(self) -> None:
        """Replies that repeat a message of a conversation the exhibit was in when it was sent."""
        names = ("id", "thread", "key", "sent", "form", "text", "at_exhibit", "at_file")
        for id, thread, key, sent, form, text, exhibit, file in self._view.columns(Quote, *names):
            if not key or (form == "text" and not text):
                continue
            if UNIQUE.fullmatch(key):
                self._quoted[key].append(id)
            number, _ = self._held.of.get((exhibit, file), (-1, 0))
            first = self._heard.get((number, self._threads.get(thread, thread)))
            if first is not None and sent is not None and sent >= first:
                self.signs.setdefault(self._item(number, thread, key), Sign()).quotes.append(id)

    def partners(self) -> None:
        """Where the same messages stand: in which states of the database, on which other exhibits."""
        by_key: dict[str, list[Item]] = defaultdict(list)
        for item in self.signs:
            if item[2]:
                by_key[item[2]].append(item)
        names = ("id", "thread", "key", "form", "at_exhibit", "at_file", "at_state")
        for id, thread, key, form, exhibit, file, state in self._view.columns(Message, *names):
            if state != "live" or key not in by_key:
                continue
            number, place = self._held.of.get((exhibit, file), (-1, 0))
            for item in by_key[key]:
                sign = self.signs[item]
                if item[1] and item[1] != self._threads.get(thread, thread):
                    continue
                if item[0] == number:
                    sign.live |= 1 << place
                    sign.older.append((place, id))
                elif self._held.all[item[0]][0] != exhibit and form != "revoked":
                    sign.elsewhere.setdefault(exhibit, id)

    def conclude(self, item: Item, sign: Sign) -> Erasure | None:
        """The claim; None for a message that stands in the latest state."""
        number, _, key, row = item
        exhibit, states = self._held.all[number]
        last = len(states) - 1
        if sign.live >> last:
            return None
        if not sign.quotes:
            sign.quotes = self._quoted.get(key, [])
        told = self._told(sign)
        if not told:
            return None
        source = told[0][2]
        since = until = None
        held_by = gone_from = ""
        if sign.live:
            at = sign.live.bit_length() - 1
            since, until = states[at].newest, states[at + 1].latest
            held_by, gone_from = states[at].file, states[at + 1].file
        best = [r for r in (self._view.get(k, id) for _, k, id in told) if r is not None]
        first = best[0]
        assert isinstance(first, Message | Quote)
        threads = [
            self._threads.get(r.thread, r.thread) for r in best if isinstance(r, Message | Quote)
        ]
        kept = [t for t in threads if t and t not in self._lost]
        if first.form == "system":
            return None
        return Erasure(
            exhibit=exhibit,
            thread=(kept or threads)[0],
            key=key,
            row=row,
            sender=next(
                (r.sender for r in best if isinstance(r, Message | Quote) and r.sender), ""
            ),
            sent=next((r.sent for r in best if isinstance(r, Message | Quote) and r.sent), None),
            form=first.form,
            text=first.text,
            methods=tuple(dict.fromkeys(_methods(sign))),
            confidence=told[0][0],
            since=since,
            until=until,
            held_by=held_by,
            gone_from=gone_from,
            exhibits=tuple(sorted(sign.elsewhere)),
            source=source,
            basis=tuple(sorted({id for _, _, id in told})),
        )

    def _told(self, sign: Sign) -> list[tuple[float, type[Message] | type[Quote], Id]]:
        """Records that tell the message with how surely, the best first."""
        found: list[tuple[float, type[Message] | type[Quote], Id]] = []
        found += [(SURE[BACKUP], Message, id) for _, id in sorted(sign.older, reverse=True)]
        found += [(sure, Message, id) for id, method, sure in sign.rows if method not in PARTS]
        found += [(SURE[ELSEWHERE], Message, id) for _, id in sorted(sign.elsewhere.items())]
        found += [(SURE[QUOTED], Quote, id) for id in sorted(sign.quotes)]
        found.sort(key=lambda told: -told[0])
        parts = [(sure, method, id) for id, method, sure in sign.rows if method in PARTS]
        parts.sort(key=lambda part: (part[1] == "index_tombstone", -part[0], part[2]))
        return [*found, *((sure, Message, id) for sure, _, id in parts)]


def _methods(sign: Sign) -> Iterator[str]:
    """By which ways it is known, rows that stand first."""
    if sign.older:
        yield BACKUP
    whole = sorted(((-sure, m) for _, m, sure in sign.rows if m not in PARTS))
    yield from (method for _, method in whole)
    if sign.elsewhere:
        yield ELSEWHERE
    if sign.quotes:
        yield QUOTED
    yield from sorted(m for _, m, _ in sign.rows if m in PARTS)
