"""Who is in the operation and which groups they were in, when and by whose hand.

All times are whole seconds in milliseconds since 1970 UTC, as the server stamps them.
"""

import random
from dataclasses import dataclass, field

from amparo.replay.chance import invite_code, rng, share
from amparo.replay.numbering import Number, number
from amparo.replay.scale import Scale

START_MS = 1_740_960_000_000  # 2025-03-03 00:00 UTC
SEIZED_MS = 1_770_681_600_000  # 2026-02-10 00:00 UTC, first search of the operation
HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Account:
    """A messenger account. `hidden`: others see it only as `<lid>@lid`."""

    index: int
    number: Number
    lid: str
    hidden: bool
    poster: bool
    holder: bool

    @property
    def jid(self) -> str:
        """Phone JID."""
        return f"{self.number.digits}@s.whatsapp.net"

    @property
    def handle(self) -> str:
        """The JID under which groups name it."""
        return f"{self.lid}@lid" if self.hidden else self.jid

    @property
    def name(self) -> str:
        """Invented token, used as contact and push name."""
        return f"Contact {self.index:04d}"


@dataclass(slots=True)
class Stay:
    """One account's time in one group; nobody returns after leaving."""

    account: int
    since: int
    how: str  # create | add | link
    by: int | None  # who added
    until: int | None = None
    gone: str | None = None  # leave | remove
    gone_by: int | None = None
    promoted: int | None = None
    promoted_by: int | None = None

    def covers(self, at_ms: int) -> bool:
        """Whether the account was in the group at that moment."""
        return self.since <= at_ms and (self.until is None or at_ms < self.until)

    def rank(self, at_ms: int) -> int:
        """0 member, 1 admin, 2 creator."""
        if self.how == "create":
            return 2
        return int(self.promoted is not None and self.promoted <= at_ms)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a group: create, add, link, leave, remove, promote, subject."""

    kind: str
    at_ms: int
    actor: int | None
    subjects: tuple[int, ...]
    old: str = ""
    new: str = ""


@dataclass(slots=True)
class Group:
    """A group chat and everyone who was ever in it."""

    index: int
    jid: str
    subject: str
    created_ms: int
    creator: int
    code: str
    by_lid: bool  # hidden members allowed
    renamed_ms: int | None = None
    stays: dict[int, Stay] = field(default_factory=dict)

    def subject_at(self, at_ms: int) -> str:
        """The title shown at that moment."""
        later = self.renamed_ms is not None and self.renamed_ms <= at_ms
        return f"{self.subject} bis" if later else self.subject

    def present(self, at_ms: int) -> list[Stay]:
        """Members at that moment, by account index."""
        return [stay for stay in self.stays.values() if stay.covers(at_ms)]

    def events(self) -> list[Event]:
        """All events in time order; people added in the same second share one event."""
        found = [Event("create", self.created_ms, self.creator, (self.creator,), new=self.subject)]
        batches: dict[tuple[int, str, int | None], list[int]] = {}
        for stay in self.stays.values():
            if stay.how != "create":
                batches.setdefault((stay.since, stay.how, stay.by), []).append(stay.account)
            if stay.until is not None and stay.gone is not None:
                batches.setdefault((stay.until, stay.gone, stay.gone_by), []).append(stay.account)
            if stay.promoted is not None:
                batches.setdefault((stay.promoted, "promote", stay.promoted_by), []).append(
                    stay.account
                )
        for (at_ms, kind, actor), subjects in batches.items():
            found.append(Event(kind, at_ms, actor, tuple(subjects)))
        if self.renamed_ms is not None:
            found.append(Event("subject", self.renamed_ms, self.creator, (),
                               old=self.subject, new=self.subject_at(self.renamed_ms)))  # fmt: skip
        return sorted(found, key=lambda event: (event.at_ms, event.kind, event.subjects))


class Clock:
    """Hands out server seconds, each once, so that order is never a matter of opinion."""

    def __init__(self) -> None:
        self.used: set[int] = set()

    def take(self, about_ms: float) -> int:
        """The first unused whole second from there on, in ms."""
        at = int(about_ms) // 1000 * 1000
        while at in self.used:
            at += 1000
        self.used.add(at)
        return at


def is_legacy(holder: int) -> bool:
    """Holders whose phone runs the old schema."""
    return holder in (1, 3)


class World:
    """Accounts and groups of one operation: a pure function of (scale, seed)."""

    def __init__(self, scale: Scale, seed: int) -> None:
        self.scale, self.seed, self.clock = scale, seed, Clock()
        self.accounts = self._accounts()
        self.groups = self._groups()

    def seized_ms(self, holder: int) -> int:
        """When the holder's things were taken; the phone knows nothing later."""
        return SEIZED_MS + int(share(self.seed, "seized", holder) * 5 * 24 * 60) * 60_000

    def maps_lid(self, holder: int, account: Account) -> bool:
        """Whether this holder's phone knows the number behind a hidden account.

        A third of hidden accounts are known to no phone; the others to about a third of phones.
        """
        if account.index == holder:
            return True
        return account.index % 3 != 0 and share(self.seed, "map", holder, account.index) < 0.35

    def _accounts(self) -> list[Account]:
        scale, used = self.scale, dict.fromkeys(self.scale.countries, 0)
        inside = min(int(scale.holders * 0.75), int(scale.posters * 0.75))
        found = []
        for index in range(scale.accounts):
            country = scale.countries[index % len(scale.countries)]
            holder = index < scale.holders
            outside = index - scale.holders
            found.append(Account(
                index=index, number=number(country, used[country]),
                lid=str(10**14 + rng(self.seed, "lid", index).randrange(9 * 10**14)),
                hidden=index % 10 == 4 if holder else index % 4 == 1,
                poster=index < inside if holder else outside < scale.posters - inside,
                holder=holder,
            ))  # fmt: skip
            used[country] += 1
        return found

    def _may_join(self, account: Account, by_lid: bool) -> bool:
        """Hidden accounts join only lid groups, phones of the old schema only the others."""
        return by_lid if account.hidden else not (by_lid and is_legacy(account.index))

    def _groups(self) -> list[Group]:
        scale, wanted = self.scale, [set[int]() for _ in range(self.scale.groups)]
        for account in self.accounts[: scale.holders]:
            pick = rng(self.seed, "groups of", account.index)
            open_to = [g for g in range(scale.groups) if self._may_join(account, g % 2 == 1)]
            count = min(len(open_to), pick.randint(*scale.groups_per_holder))
            for g in pick.sample(open_to, count):
                wanted[g].add(account.index)
        return [self._group(g, wanted[g]) for g in range(scale.groups)]

    def _group(self, index: int, holders: set[int]) -> Group:
        scale, pick = self.scale, rng(self.seed, "group", index)
        by_lid = index % 2 == 1
        outsiders = [a for a in self.accounts[scale.holders :] if self._may_join(a, by_lid)]
        size = pick.randint(*scale.group_size)
        plain = [a.index for a in self.accounts if a.poster and not a.hidden
                 and (not a.holder or a.index in holders)]  # fmt: skip
        creator = self.accounts[pick.choice(plain)]
        posters = [a.index for a in outsiders if a.poster]
        chosen = holders | {creator.index} | set(pick.sample(posters, max(1, len(posters) // 2)))
        rest = [a.index for a in outsiders if a.index not in chosen]
        chosen |= set(pick.sample(rest, max(0, min(len(rest), size - len(chosen)))))
        created = self.clock.take(START_MS + pick.random() * 200 * DAY)
        old_form = index % 3 == 0
        group = Group(
            index=index,
            jid=f"{creator.number.digits}-{created // 1000}@g.us" if old_form
            else f"1203630{pick.randrange(10**11):011d}@g.us",
            subject=f"Group {index + 1:02d}", created_ms=created, creator=creator.index,
            code=invite_code(self.seed, "invite", index), by_lid=by_lid,
        )  # fmt: skip
        self._fill(group, sorted(chosen - {creator.index}), pick)
        if index % 4 == 1:
            group.renamed_ms = self.clock.take(created + 0.5 * (SEIZED_MS - created))
        return group

    def _fill(self, group: Group, members: list[int], pick: random.Random) -> None:
        """Joins first, then promotions, then departures, each by someone entitled to it."""
        start, end = group.created_ms, SEIZED_MS
        group.stays[group.creator] = Stay(group.creator, start, "create", None)
        first_batch = self.clock.take(start + 60_000)
        for member in members:
            if pick.random() < 0.35:
                group.stays[member] = Stay(member, first_batch, "add", group.creator)
                continue
            since = self.clock.take(start + HOUR + pick.random() ** 2 * (end - start - 9 * DAY))
            how = "link" if pick.random() < 0.5 else "add"
            group.stays[member] = Stay(member, since, how, group.creator if how == "add" else None)
        for member in pick.sample(members, min(len(members), pick.randint(1, 3))):
            stay = group.stays[member]
            stay.promoted = self.clock.take(
                stay.since + HOUR + pick.random() * (end - stay.since - 2 * HOUR)
            )
            stay.promoted_by = group.creator
        admins = [stay for stay in group.stays.values() if stay.promoted is not None]
        for member in members:
            stay, silent = group.stays[member], not self.accounts[member].poster
            if stay.promoted is not None or pick.random() > (0.3 if silent else 0.12):
                continue
            stay.until = self.clock.take(
                stay.since + DAY + pick.random() * (end - stay.since - 2 * DAY)
            )
            stay.gone = "remove" if pick.random() < 0.5 else "leave"
            entitled = [
                group.creator,
                *(a.account for a in admins if (a.promoted or 0) < stay.until),
            ]
            stay.gone_by = pick.choice(entitled) if stay.gone == "remove" else member
        for member in members:
            stay = group.stays[member]
            actors = [
                a.account for a in admins if a.promoted is not None and a.promoted < stay.since
            ]
            if stay.how == "add" and stay.since != first_batch and actors and pick.random() < 0.5:
                stay.by = pick.choice(actors)
        group.stays = dict(sorted(group.stays.items()))
