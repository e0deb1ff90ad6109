"""Where one film runs inside another: frames that look alike vote on a time offset and a speed.

A hit is a pair of like frames: one film's at time ``t``, the other's at time ``u``. Where a stretch of one is in
the other, the hits lie on a line ``u = offset + speed * t``. One frame proves nothing (a logo, a test picture),
so a stretch needs votes from at least two different frames of each film, and one at another speed from four.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 2
LEAST_AT_SPEED = 4
LOOSE = 300
"""Milliseconds by which a vote may miss the line: half a step of sampling in each film, and jitter."""
SLOWEST, FASTEST = 0.75, 1.35
LEAST_CHANGE, CLOSER = 0.03, 3.0
"""A speed nearer to 1 is 1; and by how much mean PDQ distance another speed must be better."""
FAR = 2000
"""Milliseconds two votes must lie apart to say something of the speed."""
GAP = 20_000
"""Milliseconds without a vote after which a stretch has ended."""
STRETCHES = 16
"""Most stretches reported for two films."""
REPEATS = 4
"""Most places in the other film that are reported for one part."""
_TRIED = 64
"""Votes from which speeds are guessed."""

Ints = NDArray[np.int64]


class Stretch(NamedTuple):
    """Part of one film that is also in another; times in milliseconds, ``speed`` of the other per one."""

    start: int
    end: int
    other_start: int
    other_end: int
    speed: float
    votes: int
    distance: float


class Hits(NamedTuple):
    """Like frames of two films: their times, how long each was on show, and their PDQ distance."""

    time: Ints
    hold: Ints
    other: Ints
    other_hold: Ints
    distance: Ints

    def only(self, chosen: NDArray[np.bool_] | Ints) -> Hits:
        """Some of them."""
        return Hits(*(column[chosen] for column in self))


def stretches(hits: Hits) -> list[Stretch]:
    """All stretches these hits speak for, the longest first found, then in order of time."""
    found: list[Stretch] = []
    while len(hits.time) >= LEAST and len(found) < STRETCHES:
        offset, speed = _best(hits)
        on = np.abs(hits.other - offset - speed * hits.time) <= LOOSE
        if not on.any():
            break
        pieces = _pieces(hits.only(on))
        found += [s for p in pieces if (s := _stretch(p, offset, speed)) is not None]
        if not any(_enough(p, speed) for p in pieces):
            break
        # Within both ranges of a stretch, other hits only say that its frames are like each other.
        inside = np.zeros(len(on), bool)
        for piece in pieces:
            if _enough(piece, speed):
                at = (hits.time >= piece.time.min()) & (hits.time <= piece.time.max())
                to = (hits.other >= piece.other.min()) & (hits.other <= piece.other.max())
                inside |= at & to
        hits = hits.only(~(on | inside))
    return sorted(_few(found))


def _few(found: list[Stretch]) -> list[Stretch]:
    """Of stretches that begin in the same part of one film only REPEATS: a fixed camera is like itself always."""
    kept: list[Stretch] = []
    for one in sorted(found, key=lambda s: (-s.votes, s.distance, s)):
        same = sum(one.start < k.end and k.start < one.end for k in kept)
        if same < REPEATS:
            kept.append(one)
    return kept


def _best(hits: Hits) -> tuple[float, float]:
    """Offset and speed that most different frames agree on; plain speed unless another is plainly better.

    Better is what explains far more frames, or no fewer and by frames that are more alike: where a camera
    moves slowly, frames a second apart are like each other too.
    """
    offset, votes = _plain(hits)
    guess = _at_speed(hits)
    if guess is None or guess[2] < LEAST_AT_SPEED or abs(guess[1] - 1) < LEAST_CHANGE:
        return offset, 1.0
    far_more = guess[2] >= 1.25 * votes + 1
    closer = guess[2] >= votes and _unlike(hits, *guess[:2]) <= _unlike(hits, offset, 1.0) - CLOSER
    return guess[:2] if far_more or closer else (offset, 1.0)


def _unlike(hits: Hits, offset: float, speed: float) -> float:
    """Mean distance of the frames that lie closest to a line."""
    on = np.abs(hits.other - offset - speed * hits.time) <= LOOSE / 2
    least = [int(hits.distance[on & (hits.time == t)].min()) for t in np.unique(hits.time[on])]
    return float(np.mean(least)) if least else 256.0


def _plain(hits: Hits) -> tuple[float, int]:
    """The offset most frames agree on at speed 1, and how many different ones do."""
    offsets = np.sort(hits.other - hits.time)
    ends = np.searchsorted(offsets, offsets + 2 * LOOSE, side="right")
    crowds = ends - np.arange(len(offsets))
    best = (0.0, 0)
    # The crowds overlap; the largest by count is looked at closely.
    for n in np.argsort(-crowds, kind="stable")[:8]:
        middle = float(np.median(offsets[n : ends[n]]))
        on = np.abs(hits.other - hits.time - middle) <= LOOSE
        best = max(best, (middle, _different(hits.only(on))), key=lambda b: b[1])
    return best


def _at_speed(hits: Hits) -> tuple[float, float, int] | None:
    """Offset, speed and votes of the best line through two hits; None where no two say anything."""
    order = np.lexsort((hits.time, hits.distance))
    if len(order) > _TRIED:
        order = order[np.arange(_TRIED) * len(order) // _TRIED]
    t, u = hits.time[order].astype(float), hits.other[order].astype(float)
    a, b = np.triu_indices(len(t), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = (u[b] - u[a]) / (t[b] - t[a])
    fits = (np.abs(t[b] - t[a]) >= FAR) & (speed >= SLOWEST) & (speed <= FASTEST)
    a, speed = a[fits], speed[fits]
    if not len(a):
        return None
    offset = u[a] - speed * t[a]
    near = np.abs(u[None] - offset[:, None] - speed[:, None] * t[None]) <= LOOSE
    best: tuple[float, float, int] | None = None
    for n in np.argsort(-near.sum(axis=1), kind="stable")[:8]:
        line = _fitted(hits, float(offset[n]), float(speed[n]))
        on = np.abs(hits.other - line[0] - line[1] * hits.time) <= LOOSE
        votes = _different(hits.only(on))
        if best is None or votes > best[2]:
            best = (*line, votes)
    return best


def _fitted(hits: Hits, offset: float, speed: float) -> tuple[float, float]:
    """The line moved to where the hits on it lie."""
    on = np.abs(hits.other - offset - speed * hits.time) <= LOOSE
    t, u = hits.time[on].astype(float), hits.other[on].astype(float)
    spread = t - t.mean() if len(t) else t
    if len(t) < LEAST_AT_SPEED or float(spread @ spread) == 0:
        return offset, speed
    fitted = float(spread @ (u - u.mean()) / (spread @ spread))
    if not SLOWEST <= fitted <= FASTEST:
        return offset, speed
    return float(u.mean() - fitted * t.mean()), fitted


def _different(hits: Hits) -> int:
    """How many different frames vote, on the side that has fewer."""
    return min(len(np.unique(hits.time)), len(np.unique(hits.other)))


def _enough(hits: Hits, speed: float) -> bool:
    return _different(hits) >= (LEAST if speed == 1.0 else LEAST_AT_SPEED)


def _pieces(hits: Hits) -> list[Hits]:
    """Votes on one line, apart where nothing votes for long."""
    order = np.argsort(hits.time, kind="stable")
    hits = hits.only(order)
    shown = np.maximum.accumulate(hits.time + hits.hold)
    breaks = np.flatnonzero(hits.time[1:] - shown[:-1] > GAP) + 1
    return [hits.only(part) for part in np.split(np.arange(len(order)), breaks)]


def _stretch(hits: Hits, offset: float, speed: float) -> Stretch | None:
    """Where these votes begin and how long both films go on showing what they voted for."""
    if not _enough(hits, speed):
        return None
    start = int(hits.time.min())
    other_goes_on = (hits.other + hits.other_hold - offset) / speed
    end = max(start, int(np.minimum(hits.time + hits.hold, other_goes_on).max()))
    least = [int(hits.distance[hits.time == t].min()) for t in np.unique(hits.time)]
    return Stretch(
        start=start,
        end=end,
        other_start=max(0, round(offset + speed * start)),
        other_end=max(0, round(offset + speed * end)),
        speed=round(speed, 3),
        votes=_different(hits),
        distance=round(float(np.mean(least)), 1),
    )
