"""What each account did: messages, contents shown, contents first seen from it, carried across."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.model import Account, Activity, Id, Message, Posting, Resolution
from amparo.network.canonical import canonical, standing
from amparo.network.merge import NEVER, Ints, Numbering, Observations, dated, merge

NO_MESSAGE = frozenset({"system"})
"""Forms of rows that the service wrote, not an account."""


@dataclass(slots=True)
class Tally:
    """Counts of one account in one conversation, or in all."""

    messages: int = 0
    postings: int = 0
    contents: int = 0
    originated: int = 0
    first_in_thread: int = 0
    carried: int = 0
    first: int = NEVER
    last: int = -NEVER

    def span(self, first: int, last: int) -> None:
        """Widens the time from the first to the last thing done."""
        self.first, self.last = min(self.first, first), max(self.last, last)

    def add(self, other: Tally) -> None:
        """Takes in another conversation; contents, which may recur, are counted elsewhere."""
        self.messages += other.messages
        self.postings += other.postings
        self.first_in_thread += other.first_in_thread
        self.carried += other.carried
        self.span(other.first, other.last)


@dataclass(slots=True)
class Book:
    """Tallies by number of account and thread."""

    accounts: Numbering = field(default_factory=Numbering)
    threads: Numbering = field(default_factory=Numbering)
    tallies: dict[tuple[int, int], Tally] = field(default_factory=dict)

    def of(self, account: int, thread: int) -> Tally:
        """The tally of an account in a thread."""
        return self.tallies.setdefault((account, thread), Tally())


def number_of(key: str) -> int:
    """A message key as a number of 64 bits: ten million keys meet by chance once in 400,000 cases."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def messages(view: View, book: Book) -> None:
    """Counts messages, each once however many phones hold it.

    One without a key is known by sender and time, and by how many such its exhibit showed before.
    """
    to_thread, to_account = canonical(view, "thread"), canonical(view, "account")
    seen = Observations()
    alike: dict[tuple[str, str], int] = {}
    names = ("thread", "key", "sender", "from_owner", "sent", "server", "form", "at_exhibit")
    for thread, key, sender, own, sent, server, form, exhibit in view.columns(Message, *names):
        if form in NO_MESSAGE:
            continue
        thread, sender = to_thread.get(thread, thread), to_account.get(sender, sender)
        if not key:
            key = f"\0{sender}/{dated(own, sent, server)[0]}"
            before = alike.get((exhibit, thread + key), 0)
            alike[exhibit, thread + key] = before + 1
            key += f"/{before}"
        seen.add(book.threads(thread), number_of(key), book.accounts(sender), own, sent, server)
    merged = merge(seen, standing(view, book.accounts.numbers))
    if not len(merged.thread):
        return
    order = np.lexsort((merged.time, merged.thread, merged.sender))
    sender, thread, time = merged.sender[order], merged.thread[order], merged.time[order]
    starts = starts_of(sender, thread)
    ends = np.append(starts[1:], len(order))
    known = np.where(time == NEVER, -NEVER, time)
    firsts, lasts = time[starts], np.maximum.reduceat(known, starts)
    for n, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        tally = book.of(int(sender[start]), int(thread[start]))
        tally.messages = end - start
        tally.span(int(firsts[n]), int(lasts[n]))


def starts_of(*columns: Ints) -> Ints:
    """Where a new combination of values begins in columns sorted by it; not for empty columns."""
    changes = np.logical_or.reduce([np.diff(column) != 0 for column in columns])
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def showings(view: View, book: Book) -> Distinct:
    """Counts what was shown; returns what cannot be summed over conversations."""
    contents = Numbering()
    account, thread, content, when = array("q"), array("q"), array("q"), array("q")
    network, here = array("b"), array("b")
    names = ("content", "thread", "account", "time", "first_in_network", "first_in_thread")
    for of, where, who, time, in_network, in_thread in view.columns(Posting, *names):
        t, a = book.threads(where), book.accounts(who)
        account.append(a)
        thread.append(t)
        content.append(contents(of))
        when.append(NEVER if time is None else time)
        network.append(in_network)
        here.append(in_thread)
        tally = book.of(a, t)
        tally.postings += 1
        if time is not None:
            tally.span(time, time)
    shown = Showings(np.array(account), np.array(thread), np.array(content))
    first, first_here, time = np.array(network, bool), np.array(here, bool), np.array(when)
    earliest = np.full(len(contents.numbers), NEVER)
    np.minimum.at(earliest, shown.content, time)
    # First here and not among the first anywhere: it was seen in another conversation before.
    carried = first_here & ~first & (time != NEVER) & (earliest[shown.content] < time)
    for (a, t), count in shown.here().items():
        book.of(a, t).contents = count
    for (a, t), count in shown.only(first).here().items():
        book.of(a, t).originated = count
    for (a, t), count in shown.only(first_here).here().items():
        book.of(a, t).first_in_thread = count
    for (a, t), count in shown.only(carried).here().items():
        book.of(a, t).carried = count
    return Distinct(shown.over_all(), shown.only(first).over_all())


@dataclass(frozen=True, slots=True)
class Distinct:
    """Distinct contents of each account over all conversations."""

    contents: dict[int, int]
    originated: dict[int, int]


@dataclass(frozen=True, slots=True)
class Showings:
    """Who showed what where, one entry per posting; counts are of distinct contents.

    Two postings of one instant may both be the first of a content: it still counts once.
    """

    account: Ints
    thread: Ints
    content: Ints

    def only(self, those: npt.NDArray[np.bool_]) -> Showings:
        """Some of the postings."""
        return Showings(self.account[those], self.thread[those], self.content[those])

    def here(self) -> dict[tuple[int, int], int]:
        """Per account and conversation."""
        if not len(self.account):
            return {}
        order = np.lexsort((self.content, self.account, self.thread))
        some = order[starts_of(self.thread[order], self.account[order], self.content[order])]
        return Counter(zip(self.account[some].tolist(), self.thread[some].tolist(), strict=True))

    def over_all(self) -> dict[int, int]:
        """Per account."""
        if not len(self.account):
            return {}
        order = np.lexsort((self.content, self.account))
        some = order[starts_of(self.account[order], self.content[order])]
        return Counter(self.account[some].tolist())


@deriver(
    "activity",
    stage="network",
    version=2,
    reads=(Account, Message, Posting, Resolution),
    makes=(Activity,),
)
def activity(view: View) -> Iterator[Activity]:
    """What each account did in each conversation and in all: originated, first shown, carried across."""
    book = Book()
    messages(view, book)
    distinct = showings(view, book)
    accounts, threads = book.accounts.texts(), book.threads.texts()
    of: dict[int, list[tuple[Id, Tally]]] = {}
    for (a, t), tally in book.tallies.items():
        of.setdefault(a, []).append((threads[t], tally))
    for a in sorted(of, key=accounts.__getitem__):
        if not accounts[a]:
            continue
        whole = Tally()
        for thread, tally in sorted(of[a], key=lambda pair: pair[0]):
            whole.add(tally)
            if thread:
                yield row(accounts[a], thread, tally, 1)
        whole.contents = distinct.contents.get(a, 0)
        whole.originated = distinct.originated.get(a, 0)
        yield row(accounts[a], "", whole, len(of[a]))


def row(account: Id, thread: Id, tally: Tally, threads: int) -> Activity:
    """A tally as a record."""
    return Activity(
        account=account,
        thread=thread,
        messages=tally.messages,
        postings=tally.postings,
        contents=tally.contents,
        originated=tally.originated,
        first_in_thread=tally.first_in_thread,
        carried=tally.carried,
        threads=threads,
        first=tally.first if tally.first != NEVER else None,
        last=tally.last if tally.last != -NEVER else None,
    )
