"""Which handles are one account and which private chats one conversation, as the evidence states.

Only what an exhibit itself states joins accounts: the messenger's own map of hidden ids (LIDs) and the
registration of the phone. A change of number is a claim beside them, never a union: a number can pass
to another person. The strengths below are assigned, not measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from amparo.kit.jid import LOST, NUMBERLESS
from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.link.lost import rejoined
from amparo.link.words import exhibit_names, listed
from amparo.model import (
    Account,
    Alias,
    Exhibit,
    Id,
    Link,
    Message,
    Record,
    Resolution,
    Thread,
    make_id,
)

METHOD = "link/accounts"
VERSION = 3

JOINING = frozenset({"lid", "owner"})
"""Bases by which the evidence states that two handles are one account."""

STATED_LR = 6.0
"""log10 likelihood ratio of a statement by the messenger itself, read from a live row."""
REMNANT_LR = 4.0
"""The same where only deleted or carved rows state it."""
NUMBER_CHANGE_LR = 2.0

PREFERENCE = {"phone": 0, "lid": 1, "other": 2, "owner": 3}
"""Which form of handle stands for an account: the number, else the hidden id, last the placeholder."""


@dataclass(slots=True)
class Statement:
    """All Alias records that state the same two accounts to be one."""

    ends: tuple[Id, Id]
    basis: str
    ids: list[Id] = field(default_factory=list)
    exhibits: set[Id] = field(default_factory=set)
    live: set[Id] = field(default_factory=set)
    """The exhibits among them where it stands in a live row."""

    def add(self, id: Id, exhibit: Id, state: str) -> None:
        self.ids.append(id)
        self.exhibits.add(exhibit)
        if state == "live":
            self.live.add(exhibit)

    def rank(self) -> tuple[int, int, tuple[Id, Id]]:
        """Better supported first; the ids make the order total."""
        return (-len(self.live), -len(self.exhibits), self.ends)


@dataclass(frozen=True, slots=True)
class Handle:
    """What an account is called. An account named by an alias alone has none."""

    form: str = "other"
    handle: str = ""
    phone: str = ""

    def number(self) -> str:
        """What two phone accounts must share to be one: "" for an account that is not a phone's."""
        return (self.phone or self.handle) if self.form == "phone" else ""

    def shown(self) -> str:
        return self.phone or self.handle or "an account without handle"


class Clusters:
    """Accounts joined by statements, never two different phone numbers in one cluster."""

    def __init__(self, handles: Mapping[Id, Handle]) -> None:
        self._handles = handles
        self._parent: dict[Id, Id] = {}
        self._number: dict[Id, str] = {}
        self._edges: dict[Id, list[tuple[Id, Statement]]] = defaultdict(list)

    def add(self, id: Id) -> None:
        """An account that stands alone until a statement joins it."""
        self._root(id)

    def _root(self, id: Id) -> Id:
        while (up := self._parent.setdefault(id, id)) != id:
            self._parent[id] = self._parent[up]
            id = up
        return id

    def _number_of(self, root: Id) -> str:
        return self._number.setdefault(root, self._handle(root).number())

    def _handle(self, id: Id) -> Handle:
        return self._handles.get(id, Handle())

    def join(self, statement: Statement) -> bool:
        """Joins both ends; False, and nothing done, where that would make two numbers one account."""
        left, right = sorted(map(self._root, statement.ends))
        numbers = {self._number_of(left), self._number_of(right)} - {""}
        if len(numbers) > 1:
            return False
        self._parent[right] = left
        self._number[left] = max(numbers, default="")
        one, other = statement.ends
        self._edges[one].append((other, statement))
        self._edges[other].append((one, statement))
        return True

    def resolved(self) -> Iterator[tuple[Id, Id, list[Statement]]]:
        """Every account in a statement, its canonical account and the statements between the two."""
        members: dict[Id, list[Id]] = defaultdict(list)
        for id in sorted(self._parent):
            members[self._root(id)].append(id)
        for _, cluster in sorted(members.items()):
            canonical = min(cluster, key=self._preference)
            path: dict[Id, list[Statement]] = {canonical: []}
            queue = [canonical]
            for here in queue:
                for there, statement in sorted(self._edges[here], key=lambda e: e[1].rank()):
                    if there not in path:
                        path[there] = [*path[here], statement]
                        queue.append(there)
            for id in cluster:
                yield id, canonical, path[id]

    def _preference(self, id: Id) -> tuple[int, str, Id]:
        handle = self._handle(id)
        return (PREFERENCE.get(handle.form, 2), handle.handle, id)


def statements(view: View) -> tuple[list[Statement], list[Statement]]:
    """What the exhibits state: (joining accounts, changes of number), best supported first.

    The ends of a change of number stay in order, old before new.
    """
    found: dict[tuple[str, Id, Id], Statement] = {}
    names = ("id", "account", "other", "basis", "at_exhibit", "at_state")
    for id, account, other, basis, exhibit, state in view.columns(Alias, *names):
        if account == other or (basis not in JOINING and basis != "number_change"):
            continue
        ends = (
            (account, other)
            if basis == "number_change"
            else (min(account, other), max(account, other))
        )
        found.setdefault((basis, *ends), Statement(ends, basis)).add(id, exhibit, state)
    ordered = sorted(found.values(), key=lambda s: (s.rank(), s.basis))
    return (
        [s for s in ordered if s.basis in JOINING],
        [s for s in ordered if s.basis == "number_change"],
    )


def said(statement: Statement, handles: Mapping[Id, Handle], names: Mapping[Id, str]) -> str:
    """A statement in a sentence for people."""
    one, other = sorted(
        (handles.get(id, Handle()) for id in statement.ends),
        key=lambda h: (-PREFERENCE.get(h.form, 2), h.handle),
    )
    where = listed(statement.exhibits, names)
    remnant = "" if statement.live else " (deleted or carved rows only)"
    if statement.basis == "owner":
        return f"registration of the phone: {one.shown()} is {other.shown()}, on {where}{remnant}"
    return f"the messenger's own map: {one.shown()} is {other.shown()}, on {where}{remnant}"


@deriver(
    "accounts",
    stage="link",
    version=VERSION,
    reads=(Account, Alias, Exhibit, Message, Thread),
    makes=(Resolution, Link),
)
def accounts(view: View) -> Iterator[Record]:
    """Which numbers, hidden ids and phone owners are one account, and both sides of a private chat."""
    joining, changes = statements(view)
    involved = {end for s in (*joining, *changes) for end in s.ends}
    handles: dict[Id, Handle] = {}
    for id, form, handle, phone in view.columns(Account, "id", "form", "handle", "phone"):
        if id in involved:
            handles[id] = Handle(form, handle, phone)
        else:
            yield Resolution(form="account", source=id, canonical=id)
    names = exhibit_names(view)
    clusters = Clusters(handles)
    for id in involved:
        clusters.add(id)
    refused = [s for s in joining if not clusters.join(s)]
    canonical: dict[Id, Id] = {}
    basis: dict[Id, tuple[Id, ...]] = {}
    for id, target, path in clusters.resolved():
        canonical[id] = target
        basis[id] = tuple(sorted({alias for s in path for alias in s.ids}))
        yield Resolution(form="account", source=id, canonical=target, basis=basis[id])
        if path:
            yield Link(
                form="same_account",
                source=id,
                target=target,
                method=METHOD,
                version=VERSION,
                log10_lr=STATED_LR if all(s.live for s in path) else REMNANT_LR,
                reasons=tuple(said(s, handles, names) for s in path),
                basis=basis[id],
            )
    yield from conflicts(refused, canonical, handles, names)
    yield from number_changes(changes, canonical, handles, names)
    yield from threads(view, canonical, basis)


def conflicts(
    refused: Iterable[Statement],
    canonical: Mapping[Id, Id],
    handles: Mapping[Id, Handle],
    names: Mapping[Id, str],
) -> Iterator[Link]:
    """Statements that would make two phone numbers one account: kept apart, and said aloud."""
    for s in refused:
        one, other = sorted(canonical[end] for end in s.ends)
        numbers = " and ".join(handles.get(id, Handle()).shown() for id in (one, other))
        yield Link(
            form="conflict",
            source=one,
            target=other,
            method=METHOD,
            version=VERSION,
            log10_lr=0.0,
            reasons=(
                f"would make {numbers} one account: kept apart, better supported statements stand",
                said(s, handles, names),
            ),
            basis=tuple(sorted(s.ids)),
        )


def number_changes(
    changes: Iterable[Statement],
    canonical: Mapping[Id, Id],
    handles: Mapping[Id, Handle],
    names: Mapping[Id, str],
) -> Iterator[Link]:
    """Announced changes of number: a claim to be weighed, not a union."""
    for s in changes:
        old, new = (canonical[end] for end in s.ends)
        if old == new:
            continue
        shown = [handles.get(end, Handle()).shown() for end in s.ends]
        yield Link(
            form="number_change",
            source=old,
            target=new,
            method=METHOD,
            version=VERSION,
            log10_lr=NUMBER_CHANGE_LR,
            reasons=(
                f"the messenger announced that {shown[0]} changed to {shown[1]},"
                f" on {listed(s.exhibits, names)}; a number can pass to another person",
            ),
            basis=tuple(sorted(s.ids)),
        )


def threads(
    view: View, canonical: Mapping[Id, Id], basis: Mapping[Id, tuple[Id, ...]]
) -> Iterator[Record]:
    """Both phones' sides of a private chat as one conversation, lost chats as the one they were."""
    private: list[tuple[Id, tuple[Id, Id], tuple[Id, Id]]] = []
    least: dict[tuple[Id, Id], Id] = {}
    lost: set[Id] = set()
    for id, service, handle, form in view.columns(Thread, "id", "service", "handle", "form"):
        sides = handle.split("|")
        if handle.startswith(LOST) and not handle.startswith(NUMBERLESS):
            lost.add(id)
        elif form != "private" or len(sides) != 2 or not all(sides):
            yield Resolution(form="thread", source=id, canonical=id)
        else:
            one, other = (make_id("account", service, side) for side in sides)
            a, b = sorted((canonical.get(one, one), canonical.get(other, other)))
            private.append((id, (one, other), (a, b)))
            least[a, b] = min(least.get((a, b), id), id)
    merged = {id: least[pair] for id, _, pair in private}
    for id, (one, other), _ in private:
        aliases = tuple(sorted({*basis.get(one, ()), *basis.get(other, ())}))
        yield Resolution(form="thread", source=id, canonical=merged[id], basis=aliases)
    found = rejoined(view, lost, lambda thread: merged.get(thread, thread)) if lost else {}
    for id in sorted(lost):
        if id not in found:
            yield Resolution(form="thread", source=id, canonical=id)
            continue
        messages = tuple(sorted(found[id].basis))
        yield Resolution(form="thread", source=id, canonical=found[id].target, basis=messages)
        yield Link(
            form="same_thread",
            source=id,
            target=found[id].target,
            method=METHOD,
            version=VERSION,
            log10_lr=STATED_LR,
            reasons=(
                f"the row of this chat is gone; {len(found[id].keys)} of its messages stand, under the"
                " same keys, in the other conversation on another exhibit, and in no third one",
            ),
            basis=messages,
        )
