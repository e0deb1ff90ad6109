"""Which files of an exhibit are one database at several moments, and in which order.

A phone holds its live database and dated backups of it; a card or a cloud export holds older ones. Two
files are states of one database where their names say so (``msgstore.db``, ``msgstore-2026-01-31.1.db…``)
or where they hold the same messages by key, and nothing says that they belong to two accounts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amparo.kit.view import View
from amparo.model import File, Id, Message, Resolution, ThreadInfo

_DATE = re.compile(r"(20\d\d)-(\d\d)-(\d\d)")
_PACKAGE = re.compile(r"(?<![a-z0-9.])(?:com|org)\.[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_TAIL = re.compile(r"[-.].*")
SHARED = 0.5
"""Share of the smaller one's messages from which on two files of other names are one database."""
SAME_HAND = 0.9
"""Share of common messages that both must call the owner's own, or both not."""


@dataclass(frozen=True)
class State:
    """One database file at its moment. Times in milliseconds since 1970 UTC."""

    file: Id
    path: str
    messages: int
    newest: int
    """The latest stamp of a message that stands in it."""
    dated: tuple[int, int] | None
    """Begin and end of the day its name gives."""
    modified: int | None

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Dated copies by their date; what has no date is the database itself and comes last."""
        if self.dated:
            return (0, self.dated[0], self.newest, self.path)
        return (1, self.latest or self.newest, self.newest, self.path)

    @property
    def latest(self) -> int | None:
        """The latest moment at which it can have been so; None where nothing tells."""
        if self.dated:
            return max(self.dated[1], self.newest)
        if self.modified is not None and self.modified >= self.newest:
            return self.modified
        return None


def day_of(path: str) -> tuple[int, int] | None:
    """Begin and end of the day that a file's name gives; a day is any time zone's."""
    found = _DATE.search(path.rpartition("/")[2])
    if not found:
        return None
    try:
        day = datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
    except ValueError:
        return None
    begin = int((day - timedelta(hours=14)).timestamp() * 1000)
    return begin, begin + (24 + 26) * 3_600_000


def kin(one: str, other: str) -> bool:
    """Whether two paths name states of one database: same stem, no two applications."""
    stems = {_TAIL.sub("", path.rpartition("/")[2]).lower() for path in (one, other)}
    packages = {p for path in (one, other) for p in _PACKAGE.findall(path.lower())[-1:]}
    return len(stems) == 1 and len(packages) < 2


class Holdings:
    """Which files of an exhibit hold which messages, by conversation and key, and as whose."""

    def __init__(self) -> None:
        self.numbers: dict[Id, int] = {}
        self._held: dict[int, int] = {}
        """Hash of (thread, key) to two bits for each file: held as the owner's, as somebody else's."""

    def add(self, file: Id, thread: Id, key: str, own: bool | None) -> None:
        """A message of a file."""
        number = self.numbers.setdefault(file, len(self.numbers))
        item = hash((thread, key))
        self._held[item] = self._held.get(item, 0) | 1 << 2 * number + (not own)

    def common(self) -> tuple[Counter[int], Counter[tuple[int, int]], Counter[tuple[int, int]]]:
        """Messages of each file; of each two the same; of each two under different hands."""
        alone: Counter[int] = Counter()
        both: Counter[tuple[int, int]] = Counter()
        crossed: Counter[tuple[int, int]] = Counter()
        for bits, count in Counter(self._held.values()).items():
            here = [(n, bits >> 2 * n & 3) for n in range(len(self.numbers)) if bits >> 2 * n & 3]
            for i, (n, mine) in enumerate(here):
                alone[n] += count
                for m, theirs in here[i + 1 :]:
                    (both if mine & theirs else crossed)[n, m] += count
        return alone, both, crossed


@dataclass(frozen=True)
class Databases:
    """All databases of messages, numbered."""

    all: list[tuple[Id, list[State]]]
    """The exhibit, and the states in order of time."""
    of: dict[tuple[Id, Id], tuple[int, int]]
    """Exhibit and file to the number of the database and of the state in it."""


def threads_of(view: View) -> dict[Id, Id]:
    """Conversations to the canonical ones they were resolved to; those that stand alone are left out."""
    rows = view.columns(Resolution, "source", "canonical", form="thread")
    return {source: target for source, target in rows if source != target}


def databases(view: View, threads: Mapping[Id, Id]) -> Databases:
    """Every database of messages in a case with its states."""
    found = Databases([], {})
    for exhibit, groups in sorted(states(view, threads).items()):
        for group in groups:
            for place, state in enumerate(group):
                found.of[exhibit, state.file] = (len(found.all), place)
            found.all.append((exhibit, group))
    return found


def states(view: View, threads: Mapping[Id, Id]) -> dict[Id, list[list[State]]]:
    """By exhibit: its databases of messages, each as its states in order of time, the latest last.

    ``threads`` are the canonical ids of conversations.
    """
    stands: dict[tuple[Id, Id], list[int]] = defaultdict(lambda: [0, 0])
    for sent, exhibit, file, state in view.columns(
        Message, "sent", "at_exhibit", "at_file", "at_state"
    ):
        count = stands[exhibit, file]
        if state == "live":
            count[0] += 1
            count[1] = max(count[1], sent or 0)
    for exhibit, file in view.columns(ThreadInfo, "at_exhibit", "at_file", at_state="live"):
        stands.setdefault((exhibit, file), [0, 0])  # a database from which every message was erased
    by_exhibit: dict[Id, list[Id]] = defaultdict(list)
    for exhibit, file in stands:
        by_exhibit[exhibit].append(file)
    several = {exhibit for exhibit, files in by_exhibit.items() if len(files) > 1}
    holdings: dict[Id, Holdings] = defaultdict(Holdings)
    if several:
        names = ("thread", "key", "from_owner", "at_exhibit", "at_file", "at_state")
        for thread, key, own, exhibit, file, state in view.columns(Message, *names):
            if exhibit in several and key and state in ("live", "deleted"):
                holdings[exhibit].add(file, threads.get(thread, thread), key, own)
    found: dict[Id, list[list[State]]] = {}
    for exhibit, files in by_exhibit.items():
        made = [_state(view, file, *stands[exhibit, file]) for file in sorted(files)]
        found[exhibit] = _together(made, holdings[exhibit]) if exhibit in several else [made]
    return found


def _state(view: View, id: Id, messages: int, newest: int) -> State:
    file = view.get(File, id)
    path = file.path if file else ""
    return State(id, path, messages, newest, day_of(path), file.modified if file else None)


def _together(made: list[State], holdings: Holdings) -> list[list[State]]:
    """The states of each database, in order."""
    alone, both, crossed = holdings.common()
    group = {state.file: {state.file} for state in made}
    for i, one in enumerate(made):
        for other in made[i + 1 :]:
            a, b = sorted(holdings.numbers.get(s.file, -1) for s in (one, other))
            same, swapped = both[a, b], crossed[a, b]
            if swapped and same < SAME_HAND * (same + swapped):
                continue  # two accounts that are in one group
            smaller = min(alone[a], alone[b])
            if kin(one.path, other.path) or (smaller and same >= SHARED * smaller):
                union = group[one.file] | group[other.file]
                for file in union:
                    group[file] = union
    return [
        sorted((s for s in made if s.file in files), key=lambda s: s.order)
        for files in _distinct(group.values())
    ]


def _distinct(groups: Iterable[set[Id]]) -> list[set[Id]]:
    found: list[set[Id]] = []
    for one in groups:
        if one not in found:
            found.append(one)
    return found
