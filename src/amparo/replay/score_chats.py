"""Scores of what was read in chats: accounts, membership, messages."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from amparo.model import Account, Attachment, Id, MembershipEvent, Message, Tenure
from amparo.replay.compare import Comparison, account_id, near, thread_of
from amparo.replay.measure import MOST, Measure

EVENTS = {
    "created": "create",
    "added": "add",
    "joined_by_link": "link",
    "left": "leave",
    "removed": "remove",
    "promoted": "promote",
    "subject": "subject",
}
LOOSE = {"joined": ("add", "link"), "left": ("leave", "remove")}
"""What a list of comings and goings states without saying how: not wrong where one of these was."""
ROLES = ("member", "admin", "creator")
WEAK = {"lid": 1, "owner": 2}
"""Forms of account that give way to a number when copies of a message name their sender differently."""


@dataclass(slots=True)
class Seen:
    """A message of the case, brought together from all live copies."""

    senders: set[Id] = field(default_factory=set)
    stamp: tuple[int, int] = (9, 0)
    """Grade (0 as received, 1 server on the sender's phone, 2 its clock) and time."""
    edited: int = -1
    texts: set[str] = field(default_factory=set)

    def add(
        self, sender: Id, own: bool, sent: int | None, server: int | None, text: str, edited: int
    ) -> None:
        """One more copy; ``edited`` is -1 for one deleted for everyone."""
        self.senders.add(sender)
        time = sent if server is None else server
        if time is not None:
            self.stamp = min(self.stamp, (0 if not own else 1 if server is not None else 2, time))
        if edited > self.edited:
            self.edited, self.texts = edited, set()
        if edited == self.edited >= 0:
            self.texts.add(text)


def accounts(case: Comparison) -> Measure:
    """Every account that members, events or senders name, under its canonical handle."""
    truth = {account_id(handle) for (handle,) in case.rows("SELECT handle_jid FROM account")}
    named = {a for (a,) in case.view.columns(Tenure, "account")}
    named |= {case.account(a) for (a,) in case.view.columns(Message, "sender", at_state="live")}
    for row in case.view.columns(MembershipEvent, "account", "actor", at_state="live"):
        named |= {case.account(a) for a in row}
    quoted = {case.account(a) for (a,) in case.view.columns(Account, "id")} & truth
    return case.tally("accounts").sets(truth, (named | quoted) - {""})


def countries(case: Comparison) -> Measure:
    """The numbering country of each account that both know."""
    known = {account_id(handle) for (handle,) in case.rows("SELECT handle_jid FROM account")}
    rows = case.rows("SELECT handle_jid, country FROM account WHERE country IS NOT NULL")
    truth = {(account_id(handle), country) for handle, country in rows}
    found = {
        (id, country)
        for id, country in case.view.columns(Account, "id", "country")
        if country and id in known and case.account(id) == id
    }
    return case.tally("countries").sets(truth, found)


def membership(case: Comparison) -> Measure:
    """Group, account, highest role, presence, and the joining and leaving that a phone states."""
    tally = case.tally("membership")
    spans: dict[tuple[str, Id], list[Stay]] = defaultdict(list)
    names = ("thread", "account", "role", "present", "since", "until")
    for thread, account, role, present, since, until in case.view.columns(Tenure, *names):
        who = (case.thread(thread), case.account(account))
        if who[0] in case.groups:
            spans[who].append(Stay(role, present, since, until))
    tally.found = sum(map(len, spans.values()))
    known = set()
    query = "SELECT grp, account, role, present, since_ms, until_ms FROM member"
    for grp, handle, role, present, since, until in case.rows(query):
        tally.truth += 1
        who = (thread_of(grp), account_id(handle))
        known.add(who)
        true, found = Stay(role, bool(present), since, until), spans.get(who, [])
        if len(found) == 1 and true.agrees(found[0]):
            tally.right += 1
            tally.true += 1
            continue
        tally.miss((*who, str(true)))
        for stay in found:
            tally.wrong((*who, str(stay)))
    for who in spans.keys() - known:
        tally.wrong(who)
    return tally.done()


@dataclass(frozen=True, slots=True)
class Stay:
    """A span of membership."""

    role: str
    present: bool
    since: int | None
    until: int | None

    def agrees(self, found: Stay) -> bool:
        """Whether ``found`` says the same; a time that no phone states is not asked for."""
        return (
            (self.role, self.present) == (found.role, found.present)
            and (self.since is None or near(self.since, found.since))
            and (self.until is None or near(self.until, found.until))
        )


def events(case: Comparison) -> Measure:
    """Who came, went, was promoted; creations and new subjects: each once, however many phones tell."""
    tally = case.tally("membership events")
    times: dict[tuple[str, str, Id], list[int]] = defaultdict(list)
    for grp, kind, handle, at in case.rows("SELECT grp, kind, account, at_ms FROM member_event"):
        who = account_id(handle) if handle and kind != "subject" else ""
        times[thread_of(grp), kind, who].append(at)
        tally.truth += 1
    told: set[tuple[str, str, Id, int]] = set()
    wrong: set[tuple[str, str, Id, int | None]] = set()
    names = ("thread", "event", "account", "actor", "time")
    for thread, event, account, actor, time in case.view.columns(
        MembershipEvent, *names, at_state="live"
    ):
        if event not in EVENTS and event not in LOOSE:
            continue
        group = case.thread(thread)
        who = {"created": actor or account, "subject": ""}.get(event, account)
        who = case.account(who)
        kind = EVENTS.get(event, "")
        if hits := [t for t in times.get((group, kind, who), ()) if near(t, time)]:
            told.update((group, kind, who, t) for t in hits)
            continue
        loose = [t for k in LOOSE.get(event, ()) for t in times.get((group, k, who), ())]
        if not any(near(t, time) for t in loose):
            wrong.add((group, event, who, time))
    everything = {(*key, t) for key, stamps in times.items() for t in stamps}
    for item in sorted(everything - told)[:MOST]:
        tally.miss(item)
    for false in sorted(wrong, key=repr)[:MOST]:
        tally.wrong(false)
    tally.right = tally.true = len(told)
    tally.found = len(told) + len(wrong)
    return tally.done()


def messages(case: Comparison) -> Measure:
    """Conversation, key, sender, time and last wording of every message on any phone."""
    tally = case.tally("messages")
    seen: dict[tuple[str, str], Seen] = defaultdict(Seen)
    captions = {
        message: caption
        for message, caption in case.view.columns(Attachment, "message", "caption")
        if caption
    }
    names = ("id", "thread", "key", "sender", "from_owner", "sent", "server", "form", "text")
    rows = case.view.columns(Message, *names, "edited", "revoked", at_state="live")
    for id, thread, key, sender, own, sent, server, form, text, edited, revoked in rows:
        if form != "system":
            words = text or captions.get(id, "")
            wording = -1 if revoked else edited or 0
            copy = seen[case.thread(thread), key]
            copy.add(case.account(sender), own, sent, server, words, wording)
    tally.found = len(seen)
    for grp, key, handle, at, kind, text in case.rows(
        "SELECT grp, key_id, sender, server_ms, kind, text FROM message"
    ):
        tally.truth += 1
        which = (thread_of(grp), key)
        found = seen.pop(which, None)
        if found is None:
            tally.miss(which)
            continue
        sender = strongest(found.senders, case.forms)
        worded = kind == "revoked" or (text or "") in found.texts
        if sender == account_id(handle) and near(found.stamp[1], at) and worded:
            tally.right += 1
            tally.true += 1
        else:
            tally.miss((*which, handle, at, (text or "")[:40]))
            tally.wrong((*which, sender, found.stamp[1], min(found.texts, default="")[:40]))
    for extra in sorted(seen)[:MOST]:
        tally.wrong(extra)
    return tally.done()


def strongest(senders: set[Id], forms: dict[Id, str]) -> Id:
    """The one account that the copies of a message name best; "" where two are named equally well."""
    best = min(WEAK.get(forms.get(s, ""), 0) for s in senders)
    named = [s for s in senders if WEAK.get(forms.get(s, ""), 0) == best]
    return named[0] if len(named) == 1 else ""
