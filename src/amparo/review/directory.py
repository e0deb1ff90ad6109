"""Who and what is in the case: people, groups and exhibits by name, with their figures.

Lists are sorted and joined over the whole case, so their columns are read once into memory and kept
until the case changes. One canonical account is one line, whatever handles it has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from amparo.kit.jid import LOST, NUMBERLESS
from amparo.model import (
    Account,
    AccountName,
    Activity,
    Exhibit,
    Id,
    Lead,
    Resolution,
    Tenure,
    Thread,
    ThreadInfo,
    make_id,
)
from amparo.review.words import plain_evidence
from amparo.store.case import Case


def most_given(names: Counter[str]) -> str:
    """The name given most often, the first in order among equals; "" for none."""
    return min(names, key=lambda name: (-names[name], name)) if names else ""


@dataclass(slots=True)
class Person:
    """One canonical account; "person" on screen is short for this, never an identity.

    Figures follow :class:`~amparo.model.Activity` over all threads.
    """

    id: Id
    service: str
    handle: str
    form: str
    phone: str
    country: str
    owned: str = ""
    """For the owner of a phone, whose number nothing tells: the number of the exhibit."""
    names: Counter[str] = field(default_factory=Counter)
    handles: list[Id] = field(default_factory=list)
    groups: set[Id] = field(default_factory=set)
    admin_of: set[Id] = field(default_factory=set)
    messages: int = 0
    postings: int = 0
    contents: int = 0
    originated: int = 0
    first_in_thread: int = 0
    carried: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def name(self) -> str:
        """The name most exhibits give; "" when none does."""
        return most_given(self.names)

    @property
    def number(self) -> str:
        """Phone number where known, otherwise whose phone it is, otherwise the handle."""
        return self.phone or (f"owner of {self.owned}" if self.owned else self.handle)

    @property
    def label(self) -> str:
        """Name and number as one harmless line, for charts and graphs."""
        number = plain_evidence(self.number, 40)
        return f"{plain_evidence(self.name, 40)} ({number})" if self.name else number


@dataclass(slots=True)
class Group:
    """One canonical thread with what exhibits call it and who was in it."""

    id: Id
    service: str
    handle: str
    form: str
    subjects: Counter[str] = field(default_factory=Counter)
    subject: str = ""
    """The subject most exhibits give; others are on the group's page."""
    created: int | None = None
    creator: Id = ""
    exhibits: set[Id] = field(default_factory=set)
    members: set[Id] = field(default_factory=set)
    admins: set[Id] = field(default_factory=set)
    messages: int = 0
    postings: int = 0
    contents: int = 0
    originated: int = 0
    carried: int = 0
    first: int | None = None
    last: int | None = None
    invites: int = 0
    """Messages found that lead here."""
    title: str = ""
    """Subject; for a private chat its two sides; otherwise the handle. Evidence text."""

    @property
    def label(self) -> str:
        """The title as one harmless line."""
        return plain_evidence(self.title, 60)


class Directory:
    """People, groups and exhibits of a case by id, resolved to their canonical records."""

    def __init__(self, case: Case) -> None:
        store = case.store
        self.exhibits: dict[Id, Exhibit] = {e.id: e for e in store.each(Exhibit)}
        self._canonical: dict[Id, Id] = dict(store.columns(Resolution, "source", "canonical"))
        self.people: dict[Id, Person] = {}
        self.groups: dict[Id, Group] = {}
        self._read_accounts(case)
        self._read_threads(case)
        self._read_figures(case)

    def canonical(self, id: Id) -> Id:
        """The id under which an account or thread stands in claims."""
        return self._canonical.get(id, id)

    def person(self, id: Id) -> Person | None:
        """The person an account id stands for."""
        return self.people.get(self.canonical(id))

    def group(self, id: Id) -> Group | None:
        """The group or chat a thread id stands for."""
        return self.groups.get(self.canonical(id))

    def _read_accounts(self, case: Case) -> None:
        store = case.store
        rows = store.columns(Account, "id", "service", "handle", "form", "phone", "country")
        seen = {row[0]: row for row in rows}
        for id, row in seen.items():
            canonical = self.canonical(id)
            head = seen.get(canonical, row)
            person = self.people.setdefault(canonical, Person(canonical, *head[1:]))
            person.handles.append(id)
            person.owned = person.owned or self._after(row[2], "owner@")
            if row[4] and not person.phone:
                person.phone, person.country = row[4], row[5]
        for account, name in store.columns(AccountName, "account", "name"):
            whom = self.person(account)
            if whom is not None:
                whom.names[name] += 1

    def _read_threads(self, case: Case) -> None:
        store = case.store
        seen = {row[0]: row for row in store.columns(Thread, "id", "service", "handle", "form")}
        for id, row in seen.items():
            canonical = self.canonical(id)
            self.groups.setdefault(canonical, Group(canonical, *seen.get(canonical, row)[1:]))
        names = ("thread", "subject", "created", "creator", "at_exhibit")
        for thread, subject, created, creator, exhibit in store.columns(ThreadInfo, *names):
            group = self.group(thread)
            if group is None:
                continue
            group.exhibits.add(exhibit)
            if subject:
                group.subjects[subject] += 1
            if created is not None:
                group.created = min(created, group.created or created)
            group.creator = group.creator or self.canonical(creator)
        for named in self.groups.values():
            named.subject = most_given(named.subjects)
            named.title = named.subject or self._sides(named) or self._lost(named) or named.handle
        for thread, form in store.columns(Lead, "thread", "form"):
            group = self.group(thread) if thread else None
            if group is not None and form.endswith("invite"):
                group.invites += 1

    def _after(self, handle: str, prefix: str) -> str:
        """The number of the exhibit whose id stands behind a prefix in a handle of our own making."""
        head, _, rest = handle.partition(prefix)
        exhibit = self.exhibits.get(rest.partition("|")[0]) if not head else None
        return exhibit.number if exhibit is not None else ""

    def _lost(self, chat: Group) -> str:
        """A phone's status posts, and a chat whose address is gone, in words; "" for others."""
        if number := self._after(chat.handle, "owner@"):
            if chat.form == "status":
                return f"Status posts on {number}"
            return f"A chat on {number}, its address is gone" if chat.handle[-1:] == "|" else ""
        head, _, _ = chat.handle.partition("@")
        if number := self._after(chat.handle, f"{head}@") if head.startswith(LOST) else "":
            if chat.handle.startswith(NUMBERLESS):
                return f"Messages on {number} of chats that are not known"
            return f"Chat {head.removeprefix(LOST)} on {number}, its address is gone"
        return ""

    def _sides(self, chat: Group) -> str:
        """Takes the two sides of a private chat for its members; their names, "" for other threads."""
        if chat.form != "private":
            return ""
        handles = chat.handle.split("|")
        sides = [self.person(make_id("account", chat.service, h)) for h in handles]
        chat.members |= {side.id for side in sides if side is not None}
        return " and ".join(
            (side.name or side.number) if side is not None else handle
            for side, handle in zip(sides, handles, strict=True)
        )

    def _read_figures(self, case: Case) -> None:
        store = case.store
        for thread, account, role in store.columns(Tenure, "thread", "account", "role"):
            group, person = self.group(thread), self.person(account)
            if group is None or person is None:
                continue
            group.members.add(person.id)
            person.groups.add(group.id)
            if role in ("admin", "creator"):
                group.admins.add(person.id)
                person.admin_of.add(group.id)
        for row in store.each(Activity):
            person = self.person(row.account)
            if not row.thread:
                if person is not None:
                    for name in ("messages", "postings", "contents", "originated",
                                 "first_in_thread", "carried", "first", "last"):  # fmt: skip
                        setattr(person, name, getattr(row, name))
                continue
            group = self.group(row.thread)
            if group is None:
                continue
            for name in ("messages", "postings", "contents", "originated", "carried"):
                setattr(group, name, getattr(group, name) + getattr(row, name))
            if row.first is not None:
                group.first = min(row.first, group.first or row.first)
            if row.last is not None:
                group.last = max(row.last, group.last or row.last)
