"""What all joining has in common: where second pieces may lie, and how much is spent on looking."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from amparo.kit.spans import Range, Spans
from amparo.recover.formats.extent import Extent

FORWARD, BACKWARD = 8192, 2048
"""Clusters after and before the break in which the second piece is looked for."""
EDGES = 4096
"""Beginnings of ranges before and after the break at which the second piece is looked for."""
BREAKS = 48
"""Cluster borders before the first wrong byte that are tried as the break."""
SHARE = 192 << 20
"""Bytes walked or compared for one file at most."""
_TAIL = 256 << 20
BLANK = bytes(256)
"""What packed data never goes on with."""


@dataclass
class Effort:
    """Bytes that may still be walked or compared for one file."""

    left: int
    known: dict[int, bool] = field(default_factory=dict)
    """Clusters, by where they lie, that were found able or unable to hold a JPEG; kept from file to file."""

    def take(self, amount: int) -> bool:
        """Whether there is that much left; it is gone then."""
        self.left -= amount + 64
        return self.left > 0


@dataclass(frozen=True)
class Joined:
    """Two pieces (places and lengths of the sequence searched) and what the whole of them is."""

    pieces: tuple[Range, Range]
    extent: Extent


def edges_first(view: Spans, borders: list[int]) -> list[int]:
    """The same borders, those first at which a range ends: a file breaks where the next bytes were taken."""
    starts = set(view.starts)
    return sorted(borders, key=lambda border: border not in starts)


def places(view: Spans, start: int, border: int, cluster: int) -> Iterator[int]:
    """Where a second piece may begin, each once.

    First where a range begins, nearest first, however far; then every cluster after the break and before
    the file.
    """
    starts = view.starts
    middle = bisect_right(starts, border)
    near = starts[max(0, middle - EDGES) : middle + EDGES]
    edges = [at for at in near if (at - border) % cluster == 0 and not start <= at <= border]
    yield from sorted(edges, key=lambda at: abs(at - border))
    seen = set(edges)
    after = range(border + cluster, min(view.size, border + (FORWARD + 1) * cluster), cluster)
    before = range(start - cluster, max(-1, start - BACKWARD * cluster - 1), -cluster)
    for at in chain(after, before):
        if at not in seen:
            yield at


class Filled:
    """Which places begin with something else than zeros."""

    def __init__(self, view: Spans) -> None:
        self._view = view
        self._known: dict[int, bool] = {}

    def holds(self, place: int) -> bool:
        """Whether the one at ``place`` does."""
        known = self._known.get(place)
        if known is None:
            known = self._view.read(place, len(BLANK)) != BLANK
            self._known[place] = known
        return known


def spliced(view: Spans, start: int, border: int, place: int) -> Spans:
    """What lies from ``start`` to ``border``, and behind it what lies from ``place`` on."""
    return view.part([(start, border - start), (place, min(_TAIL, view.size - place))])


def result(start: int, border: int, place: int, extent: Extent) -> Joined:
    """The two pieces of a file of this extent."""
    head = border - start
    return Joined(((start, head), (place, extent.length - head)), extent)
