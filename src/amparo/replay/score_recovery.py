"""Scores of recovery by method, each against what is there: the bytes, backups and replies that remain.

The truth names for every message a phone shows no more the places where it still shows (``trace``), found
by looking for its very bytes. A row that lies in several places is told by the case once, by the surest;
it counts for each of them. A statement is true where a message of that key, or of that row of that phone's
database, once said just that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from amparo.model import Attachment, Erasure, File, Message, Quote, Version
from amparo.replay.compare import Comparison, content_of, thread_of
from amparo.replay.measure import MOST, Measure, Tally
from amparo.replay.traces import tokens

ROWS = {
    "recovered: free pages": ("freelist", {"freelist", "unreachable", "tail"}),
    "recovered: free bytes": ("page", {"freeblock", "unallocated", "overflow_slack"}),
    "recovered: log": ("log", {"wal_superseded", "wal_stale", "wal_uncommitted", "before_wal"}),
    "recovered: journal": ("journal", {"journal"}),
    "recovered: hidden rows": ("hidden", {"soft_deleted", "expired"}),
}
"""Measure to the place its bytes lie in and the methods that read there."""
WORDS = frozenset({"fts_rebuild", "fts_older"})
KEYED = frozenset({"freelist", "page", "log", "journal", "hidden", "backup", "quote"})
"""Places that keep a message's key."""

Gone = tuple[str, str]
"""Exhibit number and message key."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One message that an exhibit shows no more."""

    text: str
    erased_ms: int
    places: frozenset[str]
    alive: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One row that was brought back or is hidden, as the case has it."""

    exhibit: str
    key: str
    row: int | None
    method: str
    text: str


class Recovered:
    """What the truth says is gone, and what the case says of it."""

    def __init__(self, case: Comparison) -> None:
        self.case = case
        places: dict[Gone, set[str]] = defaultdict(set)
        for exhibit, key, place in case.rows("SELECT exhibit, key_id, place FROM trace"):
            places[exhibit, key].add(place)
        self.lost: dict[Gone, Lost] = {}
        self.rows: dict[tuple[str, int], str] = {}
        self.said: dict[str, set[str]] = defaultdict(set)
        query = "SELECT exhibit, key_id, text, erased_ms, alive_elsewhere, row FROM erased_message"
        for exhibit, key, text, at, alive, row in case.rows(query):
            here = frozenset(places[exhibit, key])
            self.lost[exhibit, key] = Lost(text or "", at or 0, here, bool(alive))
            self.said[key].add(text or "")
            if row is not None:
                self.rows[exhibit, row] = key
        for key, text in case.rows("SELECT key_id, text FROM message"):
            self.said[key].add(text or "")
        for exhibit, row, key, text in case.rows("SELECT exhibit, row, key_id, text FROM wording"):
            self.said[key].add(text or "")
            if row is not None:
                self.rows[exhibit, row] = key
        self.told = list(self._told())
        self.exact = {(t.exhibit, t.key) for t in self.told if t.key and self.exactly(t)}
        """Whose row the case has, word for word."""

    def _told(self) -> Iterator[Told]:
        names = ("key", "form", "text", "sent", "at_exhibit", "at_row", "at_method", "at_state")
        for key, form, text, sent, exhibit, row, method, state in self.case.view.columns(
            Message, *names
        ):
            if state != "live" and form != "system" and (sent is not None or text):
                yield Told(self.case.exhibit(exhibit), key, row, method, text)

    def key(self, told: Told) -> str:
        """Its message key, by its row number where the key is lost."""
        return told.key or self.rows.get((told.exhibit, told.row or -1), "")

    def exactly(self, told: Told) -> bool:
        """Whether the message said that and nothing more; words from an index without their spelling."""
        if told.method in WORDS:
            return self.true(told)
        return told.text in self.said.get(self.key(told), set())

    def true(self, told: Told) -> bool:
        """Whether the message said that; words from an index count without their spelling."""
        said = self.said.get(self.key(told), set())
        if told.method not in WORDS:
            return _begins(told.text, said)
        words = tokens(told.text.replace("…", " "))
        return bool(words) and any(_within(words, tokens(text)) for text in said)

    def where(self, place: str) -> set[Gone]:
        """Messages that still show in a place."""
        return {gone for gone, lost in self.lost.items() if place in lost.places}


def _begins(text: str, said: Collection[str]) -> bool:
    """Whether a text is one of those, or, where it says that it breaks off, the beginning of one."""
    if text in said or not text.endswith("…") or text == "…":
        return text in said
    return any(whole.startswith(text[:-1]) for whole in said)


def _within(words: list[str], text: list[str]) -> bool:
    """Whether the words stand in the text in this order."""
    rest = iter(text)
    return all(word in rest for word in words)


def recovery(case: Comparison) -> Iterable[Measure]:
    """One measure for each way of bringing back what was erased or changed."""
    found = Recovered(case)
    for name, (place, methods) in ROWS.items():
        yield _rows(found, name, place, methods)
    yield _words(found)
    yield _quotes(found)
    yield _backups(found)
    yield _elsewhere(found)
    yield _left_over(found)
    yield _versions(found)
    yield _opened(case)


def _rows(found: Recovered, name: str, place: str, methods: Iterable[str]) -> Measure:
    tally = found.case.tally(name)
    truth = found.where(place)
    told = [t for t in found.told if t.method in methods]
    tally.truth, tally.right = len(truth), len(truth & found.exact)
    tally.found, tally.true = len(told), sum(map(found.true, told))
    for gone in sorted(truth - found.exact)[:MOST]:
        tally.miss(gone)
    for false in [t for t in told if not found.true(t)][:MOST]:
        tally.wrong((false.exhibit, false.key, false.method, false.text))
    return tally.done()


def _words(found: Recovered) -> Measure:
    """Texts from a full-text index; one whose row came back as well is told by that."""
    tally = found.case.tally("recovered: text index")
    told = [t for t in found.told if t.method in WORDS]
    whole = {
        (t.exhibit, found.key(t))
        for t in told
        if (lost := found.lost.get((t.exhibit, found.key(t))))
        and tokens(lost.text) == tokens(t.text)
    }
    truth = found.where("words")
    tally.truth, tally.right = len(truth), len(truth & (whole | found.exact))
    tally.found, tally.true = len(told), sum(map(found.true, told))
    for gone in sorted(truth - whole - found.exact)[:MOST]:
        tally.miss(gone)
    for false in [t for t in told if not found.true(t)][:MOST]:
        tally.wrong((false.exhibit, str(false.row), false.text))
    return tally.done()


def _quotes(found: Recovered) -> Measure:
    """Replies that repeat a message."""
    tally, case = found.case.tally("recovered: replies"), found.case
    held = set()
    for key, text, exhibit in case.view.columns(Quote, "key", "text", "at_exhibit"):
        tally.found += 1
        if _begins(text, found.said.get(key, ())):
            tally.true += 1
            if text in found.said[key]:
                held.add((case.exhibit(exhibit), key))
        else:
            tally.wrong((case.exhibit(exhibit), key, text))
    truth = found.where("quote")
    tally.truth, tally.right = len(truth), len(truth & held)
    for gone in sorted(truth - held)[:MOST]:
        tally.miss(gone)
    return tally.done()


def _erasures(found: Recovered, method: str) -> Iterator[tuple[Gone, Erasure]]:
    for claim in found.case.view.each(Erasure):
        if method in claim.methods:
            yield (found.case.exhibit(claim.exhibit), claim.key), claim


def _backups(found: Recovered) -> Measure:
    """Messages that an older backup shows: with their words, and between the moments at which they went."""
    tally = found.case.tally("recovered: backups")
    right = set()
    for gone, claim in _erasures(found, "backup_difference"):
        tally.found += 1
        lost = found.lost.get(gone)
        when = claim.since, claim.until
        timely = lost is not None and (
            (when[0] is None or when[0] <= lost.erased_ms)
            and (when[1] is None or lost.erased_ms <= when[1])
        )
        if timely and claim.text in found.said[gone[1]]:
            tally.true += 1
            right.add(gone)
        else:
            tally.wrong((*gone, str(when), claim.text))
    return _finish(tally, found.where("backup"), right)


def _elsewhere(found: Recovered) -> Measure:
    """Messages of which a sign is left on one exhibit and the whole on another."""
    tally = found.case.tally("recovered: other exhibits")
    right = set()
    for gone, claim in _erasures(found, "other_exhibit"):
        tally.found += 1
        if gone in found.lost and claim.text in found.said[gone[1]]:
            tally.true += 1
            right.add(gone)
        else:
            tally.wrong((*gone, claim.text))
    elsewhere = {
        (exhibit, key)
        for exhibit, key, on in found.case.rows(
            "SELECT e.exhibit, e.key_id, m.exhibits FROM erased_message e"
            " JOIN message m ON m.grp = e.grp AND m.key_id = e.key_id"
        )
        if on and set(on.split(",")) - {exhibit}
    }
    truth = {g for g in elsewhere if g in found.lost and found.lost[g].places & KEYED}
    return _finish(tally, truth, right)


def _finish(tally: Tally, truth: set[Gone], right: set[Gone]) -> Measure:
    tally.truth, tally.right = len(truth), len(truth & right)
    for gone in sorted(truth - right)[:MOST]:
        tally.miss(gone)
    return tally.done()


def _left_over(found: Recovered) -> Measure:
    """Pictures named by rows that outlived their message."""
    case = found.case
    rows = case.rows("SELECT exhibit, sha256 FROM left_over")
    truth = {(exhibit, content_of(sha256)) for exhibit, sha256 in rows}
    held = {
        (case.exhibit(exhibit), content)
        for exhibit, content, message, method in case.view.columns(
            Attachment, "at_exhibit", "content", "message", "at_method", at_state="live"
        )
        if content and (method == "orphan" or not message)
    }
    return case.tally("recovered: rows left over").sets(truth, sorted(held))


def _versions(found: Recovered) -> Measure:
    """Earlier wordings of messages that still stand, and of the subjects of groups."""
    case = found.case
    tally = case.tally("recovered: versions")
    rows = case.rows("SELECT DISTINCT exhibit, key_id, text FROM former")
    truth = {(exhibit, key, text or "") for exhibit, key, text in rows}
    subjects: dict[str, set[str]] = defaultdict(set)
    for grp, value in case.rows(
        "SELECT grp, value FROM member_event WHERE kind IN ('create', 'subject')"
    ):
        subjects[thread_of(grp)].add(value)
    right = set()
    for claim in case.view.each(Version):
        if claim.current:
            continue
        tally.found += 1
        exhibit = case.exhibit(claim.exhibit)
        known = found.said.get(claim.key, set()) if claim.of == "message" else (
            subjects.get(case.thread(claim.thread), set())
        )  # fmt: skip
        source = case.view.get(Message, claim.source)
        words = source is not None and source.at.method in WORDS
        said = {t for t in known if t == claim.text or (words and tokens(t) == tokens(claim.text))}
        if said or claim.form == "revoked":
            tally.true += 1
            right |= {(exhibit, claim.key, text) for text in said}
        else:
            tally.wrong((exhibit, claim.key, claim.text))
    tally.truth, tally.right = len(truth), len(truth & right)
    for missed in sorted(truth - right)[:MOST]:
        tally.miss(missed)
    return tally.done()


def _opened(case: Comparison) -> Measure:
    """Encrypted backups and what came out of each, byte for byte."""
    rows = case.rows("SELECT exhibit, path, sha256 FROM opened")
    truth = {(exhibit, f"{path}#decrypted", content_of(sha256)) for exhibit, path, sha256 in rows}
    names = ("exhibit", "path", "content")
    found = [(case.exhibit(e), p, c) for e, p, c in case.view.columns(File, *names) if opened(p)]
    return case.tally("encrypted backups").sets(truth, found)


def opened(path: str) -> bool:
    """Whether a file is what came out of an encrypted one."""
    return path.endswith("#decrypted")
