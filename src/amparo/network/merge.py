"""One message seen on many phones is one message: the observations of it are brought together.

Two observations are one message when conversation, message key and sender agree. Of times, only server
stamps can hold them apart: more than ten minutes between two of them and a key was used twice (or
planted). A phone's own clock can be wrong by years, so the sender's own copy goes with the stamps of
the others. A sender known on one phone by a hidden id only and on another by its number is the latter.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Packed = npt.NDArray[np.bytes_]

APART_MS = 10 * 60 * 1000
NEVER = np.iinfo(np.int64).max
"""Stands for "no time" in columns; sorts last."""
BEYOND = 1 << 62
"""A stamp at or beyond this many milliseconds, either way, is no time (a planted number)."""

RECEIVED, OWN_SERVER, OWN_CLOCK, UNDATED = range(4)
"""Grades of a stamp: the server's as received, the server's on the sender's phone, the sender's clock."""

T = TypeVar("T")


def chunks(rows: Iterable[T], size: int = 1 << 16) -> Iterator[list[T]]:
    """The rows in lists of at most ``size``."""
    rows = iter(rows)
    while part := list(islice(rows, size)):
        yield part


class Packing:
    """Ids as 36 bytes each, to be looked up by millions."""

    WIDTH = 36

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, id: str) -> None:
        self._bytes += id.encode("ascii", "replace")[: self.WIDTH].ljust(self.WIDTH, b"\0")

    def array(self) -> Packed:
        """All ids added, in order."""
        if not self._bytes:
            return np.zeros(0, f"S{self.WIDTH}")
        return np.frombuffer(bytes(self._bytes), dtype=f"S{self.WIDTH}")


def packed(ids: Iterable[str]) -> Packed:
    """Ids as an array of 36 bytes each."""
    packing = Packing()
    for id in ids:
        packing.add(id)
    return packing.array()


class Numbering:
    """Texts by number, in the order in which they were first met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def texts(self) -> list[str]:
        return list(self.numbers)


@dataclass(slots=True)
class Observations:
    """Message records as columns of numbers, one entry per record."""

    thread: array[int] = field(default_factory=lambda: array("i"))
    key: array[int] = field(default_factory=lambda: array("q"))
    sender: array[int] = field(default_factory=lambda: array("i"))
    stamp: array[int] = field(default_factory=lambda: array("q"))
    grade: array[int] = field(default_factory=lambda: array("b"))

    def add(
        self,
        thread: int,
        key: int,
        sender: int,
        own: bool | None,
        sent: int | None,
        server: int | None,
    ) -> None:
        """One record; ``own`` where it lies on the sender's phone, times in milliseconds."""
        self.thread.append(thread)
        self.key.append(key)
        self.sender.append(sender)
        stamp, grade = dated(own, sent, server)
        self.stamp.append(stamp)
        self.grade.append(grade)


def dated(own: bool | None, sent: int | None, server: int | None) -> tuple[int, int]:
    """The stamp that dates one copy of a message and its grade; a receiver's ``sent`` is the server's.

    Where it is not known whose copy it is (``own`` None), it is trusted no more than the sender's own.
    """
    received = own is False
    if server is not None and abs(server) < BEYOND:
        return server, RECEIVED if received else OWN_SERVER
    if sent is not None and abs(sent) < BEYOND:
        return sent, RECEIVED if received else OWN_CLOCK
    return NEVER, UNDATED


@dataclass(frozen=True, slots=True)
class Merged:
    """Messages, each merged from its observations."""

    message: Ints
    """Per observation: the number of its message."""
    thread: Ints
    key: Ints
    sender: Ints
    time: Ints
    """Per message; ``NEVER`` where no copy is dated."""
    grade: Ints
    """Per message: the grade of the stamp that is its time."""


def merge(seen: Observations, standing: Sequence[int]) -> Merged:
    """Brings the observations of each message together; ``standing`` is by number of sender.

    The best stamp dates a message: the least of the receivers', else the sender's server stamp, else
    its clock.
    """
    thread, sender = np.array(seen.thread, np.int64), np.array(seen.sender, np.int64)
    key, stamp = np.array(seen.key, np.int64), np.array(seen.stamp, np.int64)
    grade, rank = np.array(seen.grade, np.int64), np.array(standing, np.int64)
    total = len(thread)
    message = np.zeros(total, np.int64)
    if not total:
        return Merged(message, thread, key, sender, stamp, grade)
    order = np.lexsort((key, thread))
    changes = (np.diff(thread[order]) != 0) | (np.diff(key[order]) != 0)
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    group = np.zeros(total, np.int64)
    group[starts[1:]] = 1
    message[order] = np.cumsum(group)
    count = len(starts)
    ends = np.concatenate((starts[1:], [total]))
    for g in np.flatnonzero(odd(sender[order], stamp[order], grade[order], starts)):
        rows = order[starts[g] : ends[g]].tolist()
        parts = split(
            [(int(sender[r]), int(stamp[r]), int(grade[r]), r) for r in rows],
            lambda number: int(rank[number]),
        )
        for part in parts[1:]:
            message[part] = count
            count += 1
    return summed(message, count, thread, key, sender, stamp, grade, rank)


def odd(sender: Ints, stamp: Ints, grade: Ints, starts: Ints) -> npt.NDArray[np.bool_]:
    """Per group of equal conversation and key: whether senders differ or server stamps lie apart."""
    senders = np.minimum.reduceat(sender, starts) != np.maximum.reduceat(sender, starts)
    served = grade <= OWN_SERVER
    least = np.minimum.reduceat(np.where(served, stamp, NEVER), starts)
    most = np.maximum.reduceat(np.where(served, stamp, -NEVER), starts)
    undated = ~np.logical_or.reduceat(served, starts)
    own = np.where(served | (grade == UNDATED), NEVER, stamp)
    own_least = np.minimum.reduceat(own, starts)
    own_most = np.maximum.reduceat(np.where(own == NEVER, -NEVER, own), starts)
    apart = np.where(undated, far(own_least, own_most), far(least, most))
    return np.asarray(senders | apart, np.bool_)


def far(least: Ints, most: Ints) -> npt.NDArray[np.bool_]:
    """Whether two stamps of one key lie too far apart; in floats, since hostile stamps may overflow."""
    return np.asarray((most > least) & (most.astype(float) - least.astype(float) > APART_MS))


Row = tuple[int, int, int, int]
"""Sender, stamp, grade, number of the observation."""


def split(rows: Iterable[Row], rank: Callable[[int], int]) -> list[list[int]]:
    """Observations of one key in one conversation as lists, one per message; the earliest first.

    Senders who say better who they are come first; a weaker one (hidden id, owner not named) joins
    the nearest message of a better one within ten minutes.
    """
    ordered = sorted(rows, key=lambda r: (rank(r[0]), r[0], r[2] > OWN_SERVER, r[1], r[3]))
    clusters: list[list[Row]] = []
    for row in ordered:
        sender, stamp, grade, _ = row
        own = [c for c in clusters if c[0][0] == sender]
        better = [c for c in clusters if rank(c[0][0]) < rank(sender)]

        def gap(cluster: list[Row], stamp: int = stamp) -> tuple[int, int]:
            return (abs(cluster[0][1] - stamp), cluster[0][3])

        near = [c for c in (own or better) if grade == UNDATED or gap(c)[0] <= APART_MS]
        if not near and own and grade == OWN_CLOCK and any(c[0][2] <= OWN_SERVER for c in own):
            near = own  # the sender's clock was wrong; the server's stamps are not
        if not near and own:
            near = [c for c in better if gap(c)[0] <= APART_MS]
        if near:
            min(near, key=gap).append(row)
        else:
            clusters.append([row])
    clusters.sort(key=lambda c: (min(r[1] for r in c), c[0][0]))
    return [[r[3] for r in cluster] for cluster in clusters]


def summed(
    message: Ints,
    count: int,
    thread: Ints,
    key: Ints,
    sender: Ints,
    stamp: Ints,
    grade: Ints,
    rank: Ints,
) -> Merged:
    """The best sender and the best stamp of each message."""
    by_sender = np.lexsort((sender, rank[sender], message))
    first = np.searchsorted(message[by_sender], np.arange(count))
    head = by_sender[first]
    by_stamp = np.lexsort((stamp, grade, message))
    best = by_stamp[np.searchsorted(message[by_stamp], np.arange(count))]
    return Merged(message, thread[head], key[head], sender[head], stamp[best], grade[best])


def grouped(labels: Ints, count: int) -> tuple[Ints, Ints]:
    """(order, bounds): entries of label ``n`` are ``order[bounds[n]:bounds[n + 1]]``."""
    order: Any = np.argsort(labels, kind="stable")
    return order, np.searchsorted(labels[order], np.arange(count + 1))
