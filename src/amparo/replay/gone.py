"""What became of messages that were erased or changed on one phone, and where each still shows.

This is the truth of recovery: for every message that the phone shows no more, and for every wording it
shows no more, the places where it could be found by somebody who looks everywhere.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from amparo.replay.chatter import Message
from amparo.replay.ledger import Ledger
from amparo.replay.traces import Files, Value, body, indexed, tokens
from amparo.replay.view import ChatView


@dataclass(slots=True)
class Held:
    """One message row on the phone and what became of it. Times in ms."""

    chat: ChatView
    message: Message
    sha256: str
    """Of the picture it carries; "" for none."""
    row: int
    erased_ms: int | None = None
    hidden_ms: int | None = None

    def gone(self, at_ms: int) -> bool:
        """Whether the phone shows it no more at that moment."""
        return any(t is not None and t <= at_ms for t in (self.erased_ms, self.hidden_ms))

    @property
    def lost(self) -> bool:
        """Whether the phone shows it no more when it is seized."""
        return self.erased_ms is not None or self.hidden_ms is not None

    def shown(self, backups: list[int]) -> list[int]:
        """Those of these moments at which the phone showed it."""
        return [t for t in backups if self.message.server_ms < t and not self.gone(t)]

    def words_at(self, at_ms: int) -> str | None:
        """What it said at that moment; None for one deleted for everyone."""
        return None if self.message.revoked_at(at_ms) else self.message.text_at(at_ms)

    @property
    def changes(self) -> list[tuple[int, str | None]]:
        """(until, words) of every wording it had and lost, but for what went with the row itself."""
        message, found = self.message, []
        end = min([self.chat.as_of, *([self.erased_ms] if self.erased_ms else [])])
        if message.kind == "text":
            for at_ms in (message.edited_ms, message.revoked_ms):
                if at_ms is not None and at_ms <= end:
                    found.append((at_ms, message.text_at(at_ms - 1)))
        return sorted(found, key=lambda change: change[0])


@dataclass(frozen=True, slots=True)
class Former:
    """A stored row as it was before it was changed or erased."""

    row: int
    erased: bool
    text: str | None
    bytes: bytes


class Gone:
    """Keeps the bytes of rows just before they go."""

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db, self._table = db, table
        self.former: list[Former] = []

    def keep(self, row: int, text: str | None, erased: bool) -> None:
        """To be called just before a row is changed or erased."""
        values: tuple[Value, ...] = self._db.execute(
            f"SELECT * FROM {self._table} WHERE _id = ?", (row,)
        ).fetchone()
        self.former.append(Former(row, erased, text, body((None, *values[1:]))))

    def words(self, index: str) -> dict[int, dict[int, str]]:
        """What the full-text index says of documents, live or not."""
        return indexed(self._db, index)


@dataclass
class Places:
    """Where the messages of one phone that are gone, and their lost wordings, still show."""

    held: dict[int, Held]
    former: list[Former]
    backups: list[int]
    words: dict[int, dict[int, str]]
    files: Files
    keeps_quotes: bool
    """Whether a reply's copy of what it answers outlives the reply (old schema)."""

    def tell(self, ledger: Ledger) -> None:
        """Lines of the ledger: erased messages, lost wordings, and their places."""
        rows = {held.row: held for held in self.held.values()}
        replies: dict[int, list[Held]] = {}
        for held in self.held.values():
            if held.message.quoted is not None:
                replies.setdefault(held.message.quoted.number, []).append(held)
        first = self._first()
        stored: dict[int, list[Former]] = {}
        for former in self.former:
            stored.setdefault(former.row, []).append(former)
        for row, held in rows.items():
            end = held.chat.as_of
            key, grp = held.message.key_id, held.chat.truth
            if held.lost:
                when = held.erased_ms or held.hidden_ms or end
                text = held.words_at(min(when, end))
                ledger.add("erased_message", key, grp, row, text, when)
                ledger.add("wording", grp, key, text, row)
                for place in sorted(
                    self._of_erased(held, text, stored.get(row, []), replies, first)
                ):
                    ledger.add("trace", key, grp, place)
                continue
            for until, text in held.changes:
                places: set[str] = set()
                longer = going_on(text, (held.message.text, held.message.edited))
                for former in stored.get(row, []):
                    if former.text == text and not former.erased:
                        start = former.bytes.rfind((text or "").encode())
                        places |= self.files.places(former.bytes, start, longer)
                if any(
                    held.message.text_at(t) == text and t < until for t in held.shown(self.backups)
                ):
                    places.add("backup")
                if text and held.message.revoked_ms == until and self._all_words(row, text):
                    places.add("words")
                for place in sorted(places):
                    ledger.add("former", key, grp, text, place)
        for held in rows.values():
            for (
                _,
                text,
            ) in held.changes:  # what a reply repeats may have been said before the phone came
                ledger.add("wording", held.chat.truth, held.message.key_id, text, held.row)
            if (quoted := held.message.quoted) is not None:
                said = quoted.text_at(held.message.server_ms)
                ledger.add("wording", held.chat.truth, quoted.key_id, said, None)

    def _first(self) -> dict[str, int]:
        """The first message each chat still shows somewhere on the phone."""
        found: dict[str, int] = {}
        for held in self.held.values():
            if not held.lost or held.shown(self.backups):
                grp, at_ms = held.chat.truth, held.message.server_ms
                found[grp] = min(at_ms, found.get(grp, at_ms))
        return found

    def _of_erased(
        self, held: Held, text: str | None, stored: list[Former], replies: dict[int, list[Held]],
        first: dict[str, int],
    ) -> Iterator[str]:  # fmt: skip
        places: set[str] = set()
        for former in stored:
            if former.erased:
                places |= self.files.places(former.bytes)
        yield from places
        if held.erased_ms is None:
            yield "hidden"
        elif text and self._all_words(held.row, text):
            yield "words"
        if held.shown(self.backups):
            yield "backup"
        heard = held.message.server_ms >= first.get(held.chat.truth, 1 << 62)
        if heard and any(self._kept(r) for r in replies.get(held.message.number, ())):
            yield "quote"

    def _all_words(self, row: int, text: str) -> bool:
        known = self.words.get(row, {})
        return all(known.get(place) == word for place, word in enumerate(tokens(text)))

    def _kept(self, reply: Held) -> bool:
        """Whether a reply's copy of what it answers is still there."""
        message, chat = reply.message, reply.chat
        if chat.shows_revoked(message):
            return False
        ends = [message.revoked_ms] if message.revoked_at(chat.as_of) else []
        ends += [reply.erased_ms] if reply.erased_ms is not None else []
        whole = [end for end in ends if end is not None]
        if self.keeps_quotes or not whole:
            return True
        return any(message.server_ms < t < min(whole) for t in self.backups)


def going_on(text: str | None, wordings: Iterable[str | None]) -> tuple[bytes, ...]:
    """The wordings that begin with a text and go on."""
    return tuple(w.encode() for w in wordings if text and w and w != text and w.startswith(text))


Act = Callable[[], None]


@dataclass(order=True, slots=True)
class Step:
    """Something that happens to the database at a moment."""

    at_ms: int
    order: int
    number: int
    act: Act
