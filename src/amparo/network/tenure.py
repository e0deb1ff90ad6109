"""Who was in which group from when to when, and with what role, merged over all exhibits.

Dated statements (system messages, add and leave stamps) mark the ends of a span. An undated member
list speaks for the moment its phone last heard from the group. Whoever wrote in a group was in it then,
also where no list names it. What no exhibit states stays unknown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.model import Id, Membership, MembershipEvent, Message, Resolution, Tenure, Thread
from amparo.network.canonical import canonical

SAME_EVENT_MS = 5 * 60 * 1000
"""Within this span two phones' stamps of one happening may differ."""

RECENT = 16
"""How many happenings back a statement is compared; in time order its own is among the last."""

JOIN, LEAVE, ROLE = "join", "leave", "role"
KIND = {
    "created": JOIN,
    "added": JOIN,
    "joined": JOIN,
    "joined_by_link": JOIN,
    "left": LEAVE,
    "removed": LEAVE,
    "promoted": ROLE,
    "demoted": ROLE,
}
"""What each event says of membership; others say nothing of it."""
ROLE_OF = {"created": "creator", "promoted": "admin"}
RANK = {"member": 0, "admin": 1, "creator": 2}


@dataclass(frozen=True, slots=True)
class Seen:
    """One exhibit's statement that an account joined, left or held a role in a group."""

    kind: str
    time: int
    exhibit: Id
    id: Id
    role: str = "member"
    table: str = ""
    """Where on the exhibit it was read: a list of members may repeat what a system message told."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One exhibit's list of members, as it last heard from the group; ``time`` None if never."""

    time: int | None
    present: bool
    exhibit: Id
    id: Id
    role: str = "member"
    undated: bool = True
    """Gives no stamp of its own for when the account joined."""


@dataclass(slots=True)
class Statements:
    """All that is said of one account in one group."""

    seen: list[Seen] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)


@dataclass(slots=True)
class Happening:
    """One join, leave or change of role, as one or more exhibits saw it."""

    kind: str
    seen: list[Seen]

    def takes(self, other: Seen) -> bool:
        """Whether ``other`` tells of this happening: same kind, minutes apart, by another phone.

        Two rows of one table are two happenings; another table of the phone may repeat them.
        """
        if other.kind != self.kind or abs(other.time - self.seen[0].time) > SAME_EVENT_MS:
            return False
        return all(
            s.time == other.time or (s.exhibit, s.table) != (other.exhibit, other.table)
            for s in self.seen
        )

    def time(self) -> int:
        """The stamp most exhibits agree on; the earliest of equals."""
        votes = Counter(s.time for s in {(s.exhibit, s.time): s for s in self.seen}.values())
        return min(votes, key=lambda time: (-votes[time], time))


@dataclass(slots=True)
class Span:
    """A stay in a group while it is put together."""

    since: int | None = None
    until: int | None = None
    present: bool = False
    role: str = "member"
    exhibits: set[Id] = field(default_factory=set)
    basis: set[Id] = field(default_factory=set)

    def rest_on(self, exhibit: Id, id: Id, role: str) -> None:
        """One more statement for this span."""
        self.exhibits.add(exhibit)
        self.basis.add(id)
        if RANK.get(role, 0) > RANK.get(self.role, 0):
            self.role = role

    def covers(self, time: int) -> bool:
        return (self.since is None or self.since <= time) and (
            self.until is None or time < self.until
        )


def happenings(seen: list[Seen]) -> list[Happening]:
    """What several phones saw of one happening brought together, in time order."""
    found: list[Happening] = []
    for statement in sorted(seen, key=lambda s: (s.time, s.exhibit, s.id)):
        fits = [h for h in found[-RECENT:] if h.takes(statement)]
        if fits:
            min(fits, key=lambda h: abs(h.seen[0].time - statement.time)).seen.append(statement)
        else:
            found.append(Happening(statement.kind, [statement]))
    order = {JOIN: 0, ROLE: 1, LEAVE: 2}
    return sorted(found, key=lambda h: (h.time(), order[h.kind]))


def spans(said: Statements) -> list[Span]:
    """The stays of one account in one group, in time order."""
    found: list[Span] = []
    open_ = False
    for happening in happenings(said.seen):
        time = happening.time()
        if happening.kind == JOIN:
            found.append(Span(since=time))
            open_ = True
        elif not open_:
            found.append(Span())
            open_ = True
        if happening.kind == LEAVE:
            found[-1].until = time
            open_ = False
        for s in happening.seen:
            found[-1].rest_on(s.exhibit, s.id, s.role)
    return place_lists(found, said)


def place_lists(found: list[Span], said: Statements) -> list[Span]:
    """Adds what member lists say to the spans; the newest statement says who is present."""
    latest = max((s.time for s in said.seen), default=None)
    now = bool(found) and found[-1].until is None
    for listed in sorted(said.listed, key=lambda s: (s.time is not None, s.time or 0, s.id)):
        newer = latest is None or (listed.time is not None and listed.time >= latest)
        if newer and listed.present and found and found[-1].until is not None and listed.undated:
            found.append(Span())  # in again after the last leaving that anyone saw
        if not found:
            found.append(Span())
        home = found[-1]
        if not newer and listed.time is not None:
            home = next((s for s in reversed(found) if s.covers(listed.time or 0)), home)
        home.rest_on(listed.exhibit, listed.id, listed.role)
        if newer:
            now, latest = listed.present, listed.time if listed.time is not None else latest
    if found:
        found[-1].present = now and found[-1].until is None
    return told_apart(found)


def told_apart(found: list[Span]) -> list[Span]:
    """The spans, those of which neither end is known as one: nothing tells them apart."""
    kept: dict[tuple[int | None, int | None], Span] = {}
    for span in found:
        first = kept.setdefault((span.since, span.until), span)
        if first is not span:
            first.present |= span.present
            first.exhibits |= span.exhibits
            first.basis |= span.basis
            first.role = max(first.role, span.role, key=lambda role: RANK.get(role, 0))
    return list(kept.values())


@deriver(
    "tenure",
    stage="network",
    version=3,
    reads=(Membership, MembershipEvent, Message, Resolution, Thread),
    makes=(Tenure,),
)
def tenure(view: View) -> Iterator[Tenure]:
    """Who was in which group from when to when, with what role, and on which exhibits it stands."""
    said: dict[tuple[Id, Id], Statements] = defaultdict(Statements)
    collect(view, said)
    for (thread, account), statements in sorted(said.items()):
        for span in spans(statements):
            yield Tenure(
                thread=thread,
                account=account,
                role=span.role,
                since=span.since,
                until=span.until,
                present=span.present,
                exhibits=tuple(sorted(span.exhibits)),
                basis=tuple(sorted(span.basis)),
            )


def collect(view: View, said: dict[tuple[Id, Id], Statements]) -> None:
    """All statements by canonical group and account."""
    to_thread, to_account = canonical(view, "thread"), canonical(view, "account")
    heard, wrote = last_heard(view, to_thread, to_account)
    names = (
        "id",
        "thread",
        "event",
        "account",
        "actor",
        "time",
        "at_exhibit",
        "at_file",
        "at_table",
    )
    for id, thread, event, account, actor, time, exhibit, file, table in view.columns(
        MembershipEvent, *names
    ):
        thread = to_thread.get(thread, thread)
        if time is not None:
            hear(heard, exhibit, file, thread, time)
        kind = KIND.get(event)
        if kind is None:
            continue
        for who, role in roles(event, account, actor):
            of = said[thread, to_account.get(who, who)]
            if time is None:
                of.listed.append(Listed(None, kind != LEAVE, exhibit, id, role))
            else:
                of.seen.append(Seen(kind, time, exhibit, id, role, table))
    for row in view.each(Membership):
        if not row.account:
            continue
        thread, exhibit = to_thread.get(row.thread, row.thread), row.at.exhibit
        of = said[thread, to_account.get(row.account, row.account)]
        for kind, time in ((JOIN, row.since), (LEAVE, row.until)):
            # An overwritten state of a row that stands dates nothing: its last bytes may be another's.
            if time is not None and row.at.state != "superseded":
                of.seen.append(Seen(kind, time, exhibit, row.id, row.role, row.at.table))
        of.listed.append(
            Listed(
                heard.get((row.at.file, thread), heard.get((exhibit, thread))),
                row.present,
                exhibit,
                row.id,
                row.role,
                undated=row.since is None,
            )
        )
    add_writers(said, wrote)


def roles(event: str, account: Id, actor: Id) -> Iterator[tuple[Id, str]]:
    """Whom an event is about and the role it gives them; a group's creator is in it from the start."""
    if event == "created" and actor:
        yield actor, "creator"
        if account and account != actor:
            yield account, "member"
    elif account:
        yield account, ROLE_OF.get(event, "member")


Heard = dict[tuple[Id, Id], int]
"""By file and thread, and by exhibit and thread: the last server stamp held, in milliseconds.

A dated backup beside the database speaks for its own moment, not for that of the phone.
"""
Wrote = dict[tuple[Id, Id], tuple[int, Id, Id]]
"""By group and account: its last message as (time or -1, id, exhibit)."""


def last_heard(
    view: View, to_thread: dict[Id, Id], to_account: dict[Id, Id]
) -> tuple[Heard, Wrote]:
    """What each exhibit's member lists speak for, and when each account last wrote in each group.

    The owner's own clock is left out: it may be wrong.
    """
    heard: Heard = {}
    wrote: Wrote = {}
    groups = {to_thread.get(id, id) for (id,) in view.columns(Thread, "id", form="group")}
    names = (
        "id",
        "thread",
        "sender",
        "from_owner",
        "sent",
        "server",
        "form",
        "at_exhibit",
        "at_file",
    )
    for id, thread, sender, own, sent, server, form, exhibit, file in view.columns(Message, *names):
        thread = to_thread.get(thread, thread)
        if thread not in groups:
            continue
        time = server if server is not None or own is not False else sent
        if time is not None:
            hear(heard, exhibit, file, thread, time)
        if sender and form != "system":
            by = (thread, to_account.get(sender, sender))
            this = (-1 if time is None else time, id, exhibit)
            wrote[by] = max(wrote.get(by, this), this)
    return heard, wrote


def hear(heard: Heard, exhibit: Id, file: Id, thread: Id, time: int) -> None:
    """Notes a stamp for the file it stands in and for the exhibit."""
    for place in ((exhibit, thread), (file, thread)):
        heard[place] = max(heard.get(place, time), time)


def add_writers(said: dict[tuple[Id, Id], Statements], wrote: Wrote) -> None:
    """A message states that its sender was in the group, where it tells more than the rest."""
    for by, (time, id, exhibit) in wrote.items():
        of = said[by]
        states = [(s.time, s.kind != LEAVE) for s in of.seen]
        states += [(s.time, s.present) for s in of.listed if s.time is not None]
        newest, present = max(states, default=(time, bool(of.listed)))
        if not present and (not states or time > newest + SAME_EVENT_MS):
            of.listed.append(Listed(None if time < 0 else time, True, exhibit, id))
