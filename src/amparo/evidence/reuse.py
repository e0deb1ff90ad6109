"""What became of the blocks of deleted files: still free, given to another file, or claimed twice.

The volume's own account of its free space decides. What lies in blocks that belong to a file of today is
that file's and is never shown as the deleted one's: zeros stand in its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amparo.evidence.blocks import Run
from amparo.evidence.tsk import Entry

SURE, GUESS, PARTLY, TWICE = 0.95, 0.7, 0.5, 0.4
"""Confidence that bytes are the deleted file's: its record says so and they are free; where they lie is a
guess from its first cluster; some were given away; another deleted file claims them too. Assigned, not
measured."""


@dataclass(frozen=True)
class Found:
    """A deleted entry with what is left of it; ``method`` and ``confidence`` as in a File."""

    entry: Entry
    method: str
    confidence: float | None
    reason: str
    """"" or what to say of it."""


class Free:
    """The free ranges of a volume, ascending, joined where they touch."""

    def __init__(self, ranges: Iterable[Run]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for at, size in ranges:
            if self._ends and at <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], at + size)
            else:
                self._starts.append(at)
                self._ends.append(at + size)

    def split(self, at: int, size: int) -> list[tuple[Run, bool]]:
        """A stretch in pieces that are wholly free or wholly not."""
        out: list[tuple[Run, bool]] = []
        end = at + size
        while at < end:
            index = bisect_right(self._starts, at) - 1
            if index >= 0 and at < self._ends[index]:
                stop, free = min(end, self._ends[index]), True
            else:
                after = self._starts[index + 1] if index + 1 < len(self._starts) else end
                stop, free = min(end, after), False
            out.append(((at, stop - at), free))
            at = stop
        return out


def left(entries: Sequence[Entry], free: Free | None) -> list[Found]:
    """What is left of each deleted entry of one volume; ``free`` is None where that cannot be told."""
    found = [_one(entry, free) for entry in entries]
    for index, other in _claimed_twice([f.entry for f in found]).items():
        name = entries[other].path.decode("utf-8", "backslashreplace")
        reason = f"another deleted entry claims the same bytes: {name}. Only the later of the two is whole"
        old = found[index]
        joined = f"{old.reason}; {reason}" if old.reason else reason
        found[index] = replace(old, confidence=TWICE, reason=joined)
    return found


def _one(entry: Entry, free: Free | None) -> Found:
    method = "contiguous" if entry.guessed else "record"
    sure = GUESS if entry.guessed else SURE
    if entry.attribute is None or not entry.size:
        return Found(entry, "name", None, "")
    if not entry.extents:
        return Found(entry, method, sure, "")
    if free is None:
        return Found(entry, method, None, "whether other files have its blocks now cannot be told")
    runs: list[Run] = []
    extents: list[Run] = []
    lost = total = 0
    for extent in entry.extents:
        for (at, size), is_free in free.split(*extent):
            total += size
            lost += 0 if is_free else size
            runs.append((at if is_free else -1, size))
            if is_free:
                extents.append((at, size))
    if not lost:
        return Found(entry, method, sure, "")
    if lost == total:
        gone = replace(entry, attribute=None, runs=None, extents=(), note="given away")
        reason = f"all of its {entry.size} bytes lie where files of today lie: not shown as its own"
        return Found(gone, "name", None, reason)
    if not entry.plain or sum(size for _, size in runs) < entry.size or -1 in _places(entry.runs):
        reason = f"of its blocks, {lost} of {total} bytes belong to files of today"
        return Found(replace(entry, extents=tuple(extents)), method, PARTLY / 2, reason)
    reason = (
        f"{lost} of its {entry.size} bytes belong to files of today: zeros stand in their place"
    )
    kept = replace(entry, runs=_joined(runs), extents=tuple(extents))
    return Found(kept, method, PARTLY, reason)


def _places(runs: Sequence[Run] | None) -> set[int]:
    return {min(at, 0) for at, _ in runs or ()}


def _joined(runs: Sequence[Run]) -> list[Run]:
    out: list[Run] = []
    for at, size in runs:
        last = out[-1] if out else (0, 0)
        if out and (at == last[0] == -1 or (at >= 0 <= last[0] and at == last[0] + last[1])):
            out[-1] = (last[0], last[1] + size)
        else:
            out.append((at, size))
    return out


def _claimed_twice(entries: Sequence[Entry]) -> dict[int, int]:
    """Entries whose bytes another one has too, with that one; names of one record are one file."""
    claims = sorted(
        (at, at + size, number)
        for number, entry in enumerate(entries)
        for at, size in entry.extents
        if size
    )
    out: dict[int, int] = {}
    furthest = (0, -1)  # end, number
    for start, end, number in claims:
        far, other = furthest
        if other >= 0 and start < far and entries[other].inode != entries[number].inode:
            out.setdefault(number, other)
            out.setdefault(other, number)
        if end > far:
            furthest = (end, number)
    return out
