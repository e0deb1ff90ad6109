"""Who showed which content where, in which order, over everything seized.

A content is followed by the hash the messenger kept, so a phone that erased the file still tells.
*First* always means earliest observed: a phone not seized may have seen it before. Who is said to be
first is no matter of chance and none of a wrong clock: see :func:`firsts`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.model import Account, Attachment, Id, Link, Message, Posting, Resolution
from amparo.network.canonical import canonical, standing
from amparo.network.merge import (
    NEVER,
    OWN_CLOCK,
    UNDATED,
    Ints,
    Merged,
    Numbering,
    Observations,
    Packed,
    Packing,
    chunks,
    dated,
    grouped,
    merge,
    packed,
)


@dataclass(frozen=True, slots=True)
class Carried:
    """Which contents messages carried, sorted by message; one entry per attachment."""

    message: Packed
    content: Ints
    id: Packed
    contents: list[Id]
    paths: dict[Id, Id]
    """For attachments known by their noted path only: the Link that says so."""

    def of(self, messages: Packed) -> tuple[Ints, Ints]:
        """For each message the range of its attachments, as starts and ends."""
        return (
            np.searchsorted(self.message, messages, "left"),
            np.searchsorted(self.message, messages, "right"),
        )


def carried(view: View) -> Carried:
    """All attachments whose content is known: from the messenger's hash, else by the noted path."""
    links = view.columns(
        Link, "source", "target", "id", form="attachment_content", method="path", withdrawn=False
    )
    by_path = {source: (target, link) for source, target, link in links}
    paths: dict[Id, Id] = {}
    contents, content, message, ids = Numbering(), array("q"), Packing(), Packing()
    for id, of, named in view.columns(Attachment, "id", "message", "content"):
        guess, link = by_path.get(id, ("", ""))
        if of and (known := named or guess):
            if not named:
                paths[id] = link
            content.append(contents(known))
            message.add(of)
            ids.add(id)
    messages, attachments = message.array(), ids.array()
    order = np.lexsort((attachments, messages))
    return Carried(
        messages[order],
        np.array(content, np.int64)[order],
        attachments[order],
        contents.texts(),
        paths,
    )


@dataclass(slots=True)
class Copies:
    """Every phone's copy of the messages that carried something, attached there or not."""

    seen: Observations
    id: Packed
    exhibit: array[int]
    forward: array[int]
    """Forward score, -1 where none is stated."""
    threads: Numbering
    keys: Numbering
    accounts: Numbering
    exhibits: Numbering


def copies(view: View, held: Carried) -> Copies:
    """Two passes over the messages: which carried something, then all phones' copies of those.

    A copy without the attachment (deleted for everyone, or never fetched) still dates the message and
    names its sender. Without a key no copies can be told to be one; such a message stands alone.
    """
    to_thread, to_account = canonical(view, "thread"), canonical(view, "account")
    found = Copies(
        Observations(), packed(()), array("i"), array("q"), *(Numbering() for _ in range(4))
    )
    wanted: set[tuple[int, int]] = set()
    for rows in chunks(view.columns(Message, "id", "thread", "key")):
        starts, ends = held.of(packed(row[0] for row in rows))
        for n in np.flatnonzero(ends > starts):
            _, thread, key = rows[n]
            if key:
                wanted.add((found.threads(to_thread.get(thread, thread)), found.keys(key)))
    ids = Packing()
    names = ("id", "thread", "key", "sender", "from_owner", "sent", "server", "forward_score")
    threads, keys = found.threads.numbers, found.keys.numbers
    for rows in chunks(view.columns(Message, *names, "at_exhibit")):
        starts, ends = held.of(packed(row[0] for row in rows))
        for row, holds in zip(rows, (ends > starts).tolist(), strict=True):
            id, thread, key, sender, own, sent, server, forward, exhibit = row
            thread, sender = to_thread.get(thread, thread), to_account.get(sender, sender)
            if key:
                if key not in keys or (threads.get(thread, -1), keys[key]) not in wanted:
                    continue
                number = keys[key]
            elif holds:
                number = found.keys(unkeyed(sender, dated(own, sent, server)[0]))
            else:
                continue
            found.seen.add(found.threads(thread), number, found.accounts(sender), own, sent, server)
            ids.add(id)
            found.exhibit.append(found.exhibits(exhibit))
            found.forward.append(forward if forward is not None and 0 <= forward < NEVER else -1)
    found.id = ids.array()
    return found


def unkeyed(sender: Id, stamp: int) -> str:
    """What stands for the key of a message that has none; no key of a messenger starts so."""
    return f"\0{sender}/{'' if stamp == NEVER else stamp}"


@deriver(
    "postings",
    stage="network",
    version=4,
    reads=(Account, Attachment, Link, Message, Resolution),
    makes=(Posting,),
)
def postings(view: View) -> Iterator[Posting]:
    """Every showing of every content in every conversation, in order, with who showed it first."""
    held = carried(view)
    if not held.contents:
        return
    found = copies(view, held)
    merged = merge(found.seen, standing(view, found.accounts.numbers))
    starts, ends = held.of(found.id)
    attachment = ranges(starts, ends)
    message = np.repeat(merged.message, ends - starts)
    content = held.content[attachment]
    order, bounds = grouped(content, len(held.contents))
    writer = Writer(held, found, merged)
    for number in sorted(range(len(held.contents)), key=held.contents.__getitem__):
        entries = order[bounds[number] : bounds[number + 1]]
        if len(entries):
            yield from writer.content(number, message[entries], attachment[entries])


def ranges(starts: Ints, ends: Ints) -> Ints:
    """The numbers from each start up to its end, one range after the other."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    offsets: Ints = np.repeat(starts - before, lengths)
    return offsets + np.arange(len(offsets))


Dated = tuple[int, int]
"""A time and the grade of the stamp that gave it."""

SAID = ("server", "server", "phone", "")
"""How a posting was dated, by the grade of its stamp."""


def firsts(showings: Sequence[Dated]) -> set[Dated]:
    """The showings that may be said to be the first of these, as times and grades.

    All of the earliest instant: within one no order is known. Where only phones' own clocks date it,
    all of the earliest instant that a server dates as well: the clock may be years slow, and then the
    first is the latter; it may be right, and then the latter is not. Either alone would be more than
    the evidence says. A clock that runs fast is taken at its word, so it never unseats a server's
    stamp. Undated showings are never first, but for one that is the only one.
    """
    if len(showings) == 1:
        return set(showings)
    known = [one for one in showings if one[1] != UNDATED]
    served = [one for one in known if one[1] != OWN_CLOCK]
    stated = min((time for time, _ in known), default=NEVER)
    stamped = min((time for time, _ in served), default=NEVER)
    return {one for one in known if one[0] == stated} | {one for one in served if one[0] == stamped}


class Writer:
    """Writes the postings of one content at a time."""

    def __init__(self, held: Carried, found: Copies, merged: Merged) -> None:
        self._held, self._merged = held, merged
        self._threads, self._keys = found.threads.texts(), found.keys.texts()
        self._accounts, self._exhibits = found.accounts.texts(), found.exhibits.texts()
        self._exhibit = np.array(found.exhibit, np.int64)
        self._forward = np.array(found.forward, np.int64)
        self._order, self._bounds = grouped(merged.message, len(merged.thread))

    def content(self, number: int, message: Ints, attachment: Ints) -> Iterator[Posting]:
        """The postings of content ``number``; ``message`` and ``attachment`` are its entries."""
        held_by: dict[int, list[int]] = {}
        for m, a in zip(message.tolist(), attachment.tolist(), strict=True):
            held_by.setdefault(m, []).append(a)
        shown = self._shown(held_by)
        ordered = sorted((self._place(m), m) for m in shown)
        paths = self._held.paths
        grades = {m: int(self._merged.grade[m]) for m in shown}
        of_thread: dict[str, list[Dated]] = {}
        for (time, thread, _, _), m in ordered:
            of_thread.setdefault(thread, []).append((time, grades[m]))
        in_network = firsts([one for those in of_thread.values() for one in those])
        in_thread = {thread: firsts(those) for thread, those in of_thread.items()}
        used: set[tuple[str, str, str]] = set()
        for place, ((time, thread, key, account), m) in enumerate(ordered, 1):
            if (thread, key, account) in used:
                key = f"{key}@{time}"  # one key used twice, hours apart: two messages
            used.add((thread, key, account))
            rests = {id for o in shown[m] for id in ids(self._held.id[held_by[o]])}
            rests |= {paths[id] for id in rests if id in paths}
            copies, forward = self._copies(shown[m])
            instant = (time, grades[m])
            yield Posting(
                content=self._held.contents[number],
                thread=thread,
                key=key,
                account=account,
                time=time if time != NEVER else None,
                place=place,
                first_in_network=instant in in_network,
                first_in_thread=instant in in_thread[thread],
                dated=SAID[grades[m]],
                forward_score=forward,
                exhibits=copies,
                basis=tuple(sorted(rests)),
            )

    def _shown(self, held_by: dict[int, list[int]]) -> dict[int, list[int]]:
        """The messages that are showings of one content, each with those it takes in.

        What is left of an erased message says the content and the conversation, and no more. Where the
        content was shown there by a message that is known, the remainder is no further showing: it is
        that message's, or, where there are several, one of theirs that nobody can tell.
        """
        thread, nameless = self._merged.thread, {m for m in held_by if self._nameless(m)}
        shown = {m: [m] for m in held_by if m not in nameless}
        known: dict[int, list[int]] = {}
        for m in shown:
            known.setdefault(int(thread[m]), []).append(m)
        for m in nameless:
            same = known.get(int(thread[m]))
            if same is None:
                shown[m] = [m]
            elif len(same) == 1:
                shown[same[0]].append(m)
        return shown

    def _nameless(self, message: int) -> bool:
        """Whether neither key nor time nor sender of a message is known."""
        key = self._keys[self._merged.key[message]]
        return key == unkeyed("", NEVER) and int(self._merged.time[message]) == NEVER

    def _place(self, message: int) -> tuple[int, str, str, str]:
        """What postings are ordered by: time, conversation, key, sender."""
        time, key = int(self._merged.time[message]), self._keys[self._merged.key[message]]
        if key.startswith("\0"):
            key = "" if time == NEVER else f"@{time}"
        return (
            time,
            self._threads[self._merged.thread[message]],
            key,
            self._accounts[self._merged.sender[message]],
        )

    def _copies(self, messages: Sequence[int]) -> tuple[tuple[Id, ...], int | None]:
        """The exhibits that hold a message or what is left of it, and the highest forward score stated."""
        rows = np.concatenate(
            [self._order[self._bounds[m] : self._bounds[m + 1]] for m in messages]
        )
        exhibits = {self._exhibits[n] for n in self._exhibit[rows].tolist()}
        forward = int(self._forward[rows].max())
        return tuple(sorted(exhibits)), None if forward < 0 else forward


def ids(values: npt.NDArray[np.bytes_]) -> Iterator[Id]:
    """Packed ids as text."""
    return (value.decode("ascii") for value in values.tolist())
