"""Where two soundtracks are the same: sub-fingerprints that begin alike propose a place, the bits decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROW = 1365 * 1000 / 11025
"""Milliseconds from one code to the next."""
SPAN = (19 * 1365 + 4096) * 1000 // 11025
"""Milliseconds of sound that one code is made of."""
PREFIX = 12
"""Bits cut off a code for the index: it holds the first 20."""
CROWD = 1000
"""Codes more frequent than this among all tracks propose nothing."""
PROPOSALS = 2
"""Equal beginnings at one offset (or the next) that propose a place."""
PLACES = 6
"""Most places tried for two tracks."""
DIFFER = 0.25
"""Share of bits that may differ: recodings differ in 0.07 at most, unrelated speech never in less than 0.35."""
WINDOW = 24
"""Codes (3 s) over which bits are compared; a shorter match is none."""
VARIED = 8
"""A match holds at least this many different codes ..."""
MOVES, LAGS = 0.3, (5, 12, 19)
"""... and this share of bits changes from a code to one of those so many further on: a hum is
like every hum and one noise like another, in which 0.27 change at most; in music and speech 0.38 and more."""

Codes = NDArray[np.uint32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Track(NamedTuple):
    """A soundtrack: its codes, uint32[n], and which of them had something to hear."""

    codes: Codes
    sounding: Bools

    @classmethod
    def of(cls, value: bytes, sounding: bytes) -> Track:
        """From a Soundtrack record; ValueError when its parts do not fit together."""
        codes = np.frombuffer(value, "<u4").astype(np.uint32)
        bits = np.unpackbits(np.frombuffer(sounding, np.uint8))
        if not len(codes) <= len(bits) < len(codes) + 8:
            raise ValueError(f"{len(sounding)} bytes do not say which of {len(codes)} codes sound")
        return cls(codes, bits[: len(codes)].astype(bool))


class Stretch(NamedTuple):
    """The same sound in two tracks, in codes: where it begins in each, how long, what share of bits differs."""

    begin: int
    other: int
    length: int
    differ: float


class Index:
    """All tracks by the first 20 bits of their codes; silence and what lasts are not in it."""

    def __init__(self, tracks: list[Track]) -> None:
        self._tracks = tracks
        own, place, key = [], [], []
        for number, track in enumerate(tracks):
            at = starts(track)
            own.append(np.full(len(at), number, np.int64))
            place.append(at)
            key.append(track.codes[at] >> np.uint32(PREFIX))
        keys = np.concatenate(key) if key else np.zeros(0, np.uint32)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._track = (np.concatenate(own) if own else np.zeros(0, np.int64))[order]
        self._place = (np.concatenate(place) if place else np.zeros(0, np.int64))[order]

    def places(self, track: Track, after: int = -1) -> Iterator[tuple[int, Ints]]:
        """Tracks beyond number ``after`` that this one may share sound with, and offsets to try."""
        at = starts(track)
        keys = track.codes[at] >> np.uint32(PREFIX)
        low, high = (np.searchsorted(self._keys, keys, side=s) for s in ("left", "right"))
        count = np.where(high - low > CROWD, 0, high - low)
        rows = np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())
        mine = np.repeat(at, count)
        other, offset = self._track[rows], self._place[rows] - mine
        chosen = other > after
        packed = (other[chosen] << 32) + (offset[chosen] + (1 << 31))
        values, times = np.unique(packed, return_counts=True)
        beside = np.zeros(len(values), np.int64)
        adjacent = np.diff(values) == 1
        beside[:-1] += np.where(adjacent, times[1:], 0)
        beside[1:] += np.where(adjacent, times[:-1], 0)
        likely = times + beside >= PROPOSALS
        values, votes = values[likely], (2 * times + beside)[likely]
        others = values >> 32
        for one in np.unique(others).tolist():
            group = others == one
            best = np.argsort(-votes[group], kind="stable")[:PLACES]
            yield one, (values[group][best] & 0xFFFFFFFF) - (1 << 31)


def starts(track: Track) -> Ints:
    """Where a sounding code is not simply the one before again."""
    fresh = np.ones(len(track.codes), bool)
    fresh[1:] = track.codes[1:] != track.codes[:-1]
    return np.flatnonzero(fresh & track.sounding)


def aligned(a: Track, b: Track, offsets: Ints) -> list[Stretch]:
    """Stretches in which ``b`` is ``a`` moved by one of these offsets (in codes), best first, none twice."""
    found: list[Stretch] = []
    for offset in offsets.tolist():
        found += _at(a, b, offset)
    kept: list[Stretch] = []
    for stretch in sorted(found, key=lambda s: (s.differ - s.length / 1e6, s)):
        if not any(
            stretch.begin < k.begin + k.length and k.begin < stretch.begin + stretch.length
            for k in kept
        ):
            kept.append(stretch)
    return sorted(kept)


def _at(a: Track, b: Track, offset: int) -> list[Stretch]:
    """Stretches at one offset: windows of 3 s in which few bits differ, joined where they meet."""
    begin = max(0, -offset)
    end = min(len(a.codes), len(b.codes) - offset)
    if end - begin < WINDOW:
        return []
    here, there = slice(begin, end), slice(begin + offset, end + offset)
    both = a.sounding[here] & b.sounding[there]
    bits = np.where(both, np.bitwise_count(a.codes[here] ^ b.codes[there]), 16).astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(bits)])
    low = (sums[WINDOW:] - sums[:-WINDOW]) <= DIFFER * 32 * WINDOW
    inside = np.zeros(end - begin, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])))
    for first, last in edges.reshape(-1, 2):
        inside[first : last + WINDOW - 1] = True
    found = []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    for first, last in edges.reshape(-1, 2).tolist():
        differ = float(bits[first:last].mean()) / 32
        mine = a.codes[begin + first : begin + last]
        theirs = b.codes[begin + offset + first : begin + offset + last]
        if differ <= DIFFER and _moves(mine) and _moves(theirs):
            place = begin + first
            found.append(Stretch(place, place + offset, last - first, round(differ, 4)))
    return found


def _moves(codes: Codes) -> bool:
    """Whether something changes in this sound, so that being like it says something."""
    if len(np.unique(codes)) < VARIED:
        return False
    changes = (np.bitwise_count(codes[lag:] ^ codes[:-lag]).mean() / 32 for lag in LAGS)
    return bool(max(changes) >= MOVES)
