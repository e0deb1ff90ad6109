"""The frames of all films as columns, and which of them look alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.kit.frames import CUT, unpacked
from amparo.kit.view import View
from amparo.match.bands import Codes
from amparo.match.clips_lines import LEAST, Hits, Stretch, stretches
from amparo.match.near import RADIUS, NearIndex, flat
from amparo.match.stacks import FLOOR
from amparo.model import Film, FilmFrames, Id

LAST_HOLD = 200
"""Milliseconds a film's last kept frame is on show at least."""
WIDER = 52
"""Two films with like frames are compared once more at this distance, to see how far the stretch goes."""
LEAST_UNSURE = 4
"""Votes at that distance which make a stretch where those within RADIUS made none."""
_AT_ONCE = 1 << 23
EVERYWHERE = 20_000
"""Frames that are like more others than this (bars, blank slides, titles) do not vote."""
_HITS_AT_ONCE = 1 << 22

Ints = NDArray[np.int64]


class Table(NamedTuple):
    """Frames with enough structure to be known again, film after film, in order of time."""

    films: list[Id]
    film: Ints
    """Row in ``films``."""
    time: Ints
    hold: Ints
    """Milliseconds until another frame was kept."""
    code: Codes
    mirror: Codes

    def only(self, rows: Ints | NDArray[np.bool_]) -> Table:
        """Some of the frames; the films stay."""
        film, time, hold = (column[rows] for column in (self.film, self.time, self.hold))
        return Table(self.films, film, time, hold, self.code[rows], self.mirror[rows])


class Pair(NamedTuple):
    """Two films, rows of ``films``, and a stretch they share."""

    film: int
    other: int
    mirrored: bool
    stretch: Stretch


def table_of(films: Iterable[tuple[Id, bytes]], lengths: Mapping[Id, int] | None = None) -> Table:
    """From the parts of ``shown`` frames of films, in any order; ``lengths`` in milliseconds where known.

    A damaged part is an error of ours: ValueError.
    """
    parts: dict[Id, list[bytes]] = {}
    for content, value in films:
        parts.setdefault(content, []).append(value)
    ids = sorted(parts)
    columns: list[tuple[Ints, ...]] = []
    codes, mirrors = [np.zeros((0, 4), "<u8")], [np.zeros((0, 4), "<u8")]
    for number, content in enumerate(ids):
        rows = np.concatenate([unpacked(value) for value in parts[content]])
        rows = rows[np.lexsort((rows["flags"] & ~np.uint8(CUT), rows["time"]))]
        time = rows["time"].astype(np.int64)
        after = np.searchsorted(time, time, side="right")
        upto = (lengths or {}).get(content, 0)
        ends = np.append(time, np.maximum(time[-1:] + LAST_HOLD, upto))
        good = rows["quality"] >= FLOOR
        film = np.full(len(rows), number, np.int64)
        columns.append((film[good], time[good], (ends[after] - time)[good]))
        codes.append(rows["code"][good])
        mirrors.append(rows["mirror"][good])
    stacked = [np.concatenate(c) for c in zip(*columns, strict=True)] or [np.zeros(0, np.int64)] * 3
    film, time, hold = stacked
    return Table(ids, film, time, hold, np.concatenate(codes), np.concatenate(mirrors))


def frames_of(view: View) -> Table:
    """The frames of every film of a case."""
    lengths = {c: int(reached) for c, reached in view.columns(Film, "content", "reached")}
    return table_of(view.columns(FilmFrames, "content", "value", form="shown"), lengths)


def shared(
    queries: Table, stored: Table, one_way: bool = False, radius: int = RADIUS
) -> Iterator[Pair]:
    """Every stretch of a film of ``queries`` that is in one of ``stored``.

    ``one_way``: both are one table, and of two films only the pair with the lesser row first is wanted.
    ``radius``: how like two frames must be for their films to be compared at all; above RADIUS each frame
    is compared with each, which is for a few films against many.
    """
    if not len(queries.film) or not len(stored.film):
        return
    index = NearIndex.build(stored.code)
    degree = index.count(queries.code) + index.count(queries.mirror)
    rows = np.flatnonzero(degree <= EVERYWHERE)
    # Whole films at a time, as memory allows.
    last = np.flatnonzero(np.diff(queries.film[rows], append=-1))
    hits = np.cumsum(degree[rows])[last]
    begin = 0
    while begin < len(rows):
        done = hits[np.searchsorted(last, begin) - 1] if begin else 0
        number = int(np.searchsorted(hits, done + _HITS_AT_ONCE, side="right"))
        number = max(number, int(np.searchsorted(last, begin)) + 1)
        end = int(last[number - 1]) + 1
        yield from _pairs(queries, stored, index, rows[begin:end], one_way, radius)
        begin = end


def _pairs(
    queries: Table, stored: Table, index: NearIndex, rows: Ints, one_way: bool, radius: int
) -> Iterator[Pair]:
    starts = np.searchsorted(stored.film, np.arange(len(stored.films) + 1))
    own = np.searchsorted(queries.film, np.arange(len(queries.films) + 1))
    for mirrored in (False, True):
        codes = queries.mirror if mirrored else queries.code
        found, row, distance = index.query(codes[rows], radius)
        asked = rows[found]
        film, other = queries.film[asked], stored.film[row]
        if one_way:
            keep = film < other
            asked, row, distance = asked[keep], row[keep], distance[keep]
            film, other = film[keep], other[keep]
        order = np.lexsort((row, asked, other, film))
        asked, row, distance = asked[order], row[order], distance[order]
        film, other = film[order], other[order]
        new = (np.diff(film, prepend=-1) != 0) | (np.diff(other, prepend=-1) != 0)
        for begin, end in pairwise([*np.flatnonzero(new).tolist(), len(asked)]):
            part = slice(begin, end)
            hits = _hits(queries, stored, asked[part], row[part], distance[part])
            shares = stretches(hits.only(hits.distance <= RADIUS))
            least = LEAST if shares else LEAST_UNSURE
            a, b = int(film[begin]), int(other[begin])
            mine, theirs = slice(own[a], own[a + 1]), slice(starts[b], starts[b + 1])
            if (mine.stop - mine.start) * (theirs.stop - theirs.start) <= _AT_ONCE:
                i, j, d = flat(codes[mine], stored.code[theirs], WIDER)
                shares = stretches(_hits(queries, stored, i + mine.start, j + theirs.start, d))
            for stretch in shares:
                if stretch.votes >= least:
                    yield Pair(a, b, mirrored, stretch)


def _hits(queries: Table, stored: Table, asked: Ints, row: Ints, distance: NDArray[Any]) -> Hits:
    return Hits(
        queries.time[asked],
        queries.hold[asked],
        stored.time[row],
        stored.hold[row],
        distance.astype(np.int64),
    )
