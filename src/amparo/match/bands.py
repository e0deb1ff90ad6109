"""Multi-index hashing (Norouzi, Punjani, Fleet 2012) over 256-bit codes, and the flat scan beside it.

The 256 bits are cut into bands. Two codes within ``radius`` bits agree in at least one band up to its
own radius, as long as the bands' radii plus one sum up to more than ``radius``: only codes that share
such a band are compared, and none is missed. Keys of a band index posting lists in CSR form: the rows
with key k are ``posts[starts[k] : starts[k + 1]]``. Importing this does not import numba; searching does.

Hits are int64[h, 3]: query row, stored row, distance. A search writes as many as ``out`` has room for,
fills ``counts`` (hits of each query) and gives the number of all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Found = NDArray[np.int64]
Search = Callable[[Codes, Counts, Found], int]
"""(queries, counts[q], out[room, 3]) -> number of hits."""

_BLOCK = 1 << 20
_RANGES = 64


def cut(codes: int) -> int:
    """Number of bands: 16 of 16 bits are quickest up to two million codes, 11 of 23 or 24 beyond."""
    return 16 if codes <= 2_000_000 else 11


class Bands:
    """How 256 bits are cut into so many bands, and what to flip in each key for a radius."""

    def __init__(self, bands: int, radius: int) -> None:
        narrow, wide = divmod(256, bands)
        self.radius = radius
        self.widths = np.full(bands, narrow, dtype=np.int64)
        self.widths[:wide] += 1
        self.offsets = np.cumsum(self.widths) - self.widths
        bits = np.zeros((bands, 256), dtype=np.uint8)
        for band, (offset, width) in enumerate(zip(self.offsets, self.widths, strict=True)):
            bits[band, offset : offset + width] = 1
        self.words = np.packbits(bits, axis=1, bitorder="little").view("<u8")
        """The bits of each band, uint64[b, 4]."""
        starts = (1 << self.widths) + 1
        self.first = np.cumsum(starts) - starts
        """Where each band begins in the flat array of starts."""
        self.starts = int(starts.sum())

    def __len__(self) -> int:
        return len(self.widths)

    @cached_property
    def tried(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(radii[b], masks[b, m], ends[b]): what to flip in a key so that no pair is missed.

        The radii plus one sum up to the whole radius plus one; the wider bands, with more keys to try,
        get the smaller ones; -1 means a band need not be tried.
        """
        each, more = divmod(self.radius + 1, len(self))
        radii = np.full(len(self), each - 1, dtype=np.int64)
        radii[len(radii) - more :] += 1
        lists = []
        for width, r in zip(self.widths.tolist(), radii.tolist(), strict=True):
            flips = (c for k in range(r + 1) for c in combinations(range(width), k))
            lists.append([sum(1 << bit for bit in c) for c in flips])
        ends = np.array([len(m) for m in lists], dtype=np.int64)
        masks = np.zeros((len(lists), max(1, int(ends.max()))), dtype=np.int64)
        for row, values in enumerate(lists):
            masks[row, : len(values)] = values
        return radii, masks, ends


@cache
def _bands(number: int, radius: int) -> Bands:
    return Bands(number, radius)


def bands_for(codes: int, radius: int) -> Bands:
    """The bands for this many stored codes."""
    return _bands(cut(codes), radius)


class Postings(NamedTuple):
    """The posting lists of all bands: ``starts`` (one flat array) and ``posts`` uint32[b, n]."""

    starts: NDArray[np.uint32]
    posts: NDArray[np.uint32]

    @classmethod
    def of(cls, codes: Codes, empty: Callable[[tuple[int, ...], type], Any]) -> Postings:
        """Posting lists of ``codes`` in arrays that ``empty(shape, dtype)`` makes."""
        from amparo.match.compiled import banding

        bands = bands_for(len(codes), 0)
        made = empty((bands.starts,), np.uint32), empty((len(bands), len(codes)), np.uint32)
        starts, posts = (np.asarray(array) for array in made)
        starts[:] = 0
        for band in range(len(bands)):
            part = _starts(starts, bands, band)
            banding.sort_band(codes, bands.offsets[band], bands.widths[band], part, posts[band])
        return cls(*made)

    def search(self, codes: Codes, radius: int) -> Search:
        """Query by query: for single pictures."""
        from amparo.match.compiled import banding

        bands = bands_for(len(codes), radius)
        how = (bands.first, bands.offsets, bands.widths, bands.words, *bands.tried, radius)
        return lambda queries, counts, out: int(
            banding.probe(queries, codes, *self, *how, counts, out)
        )


class _Order(NamedTuple):
    """Codes copied into the order of one band's keys, their rows, and where each key begins."""

    codes: Codes
    rows: NDArray[np.uint32]
    starts: NDArray[np.uint32]


def _starts(starts: NDArray[np.uint32], bands: Bands, band: int) -> NDArray[np.uint32]:
    first = int(bands.first[band])
    return starts[first : first + (1 << int(bands.widths[band])) + 1]


def _in_order(codes: Codes, bands: Bands, band: int) -> _Order:
    from amparo.match.compiled import banding

    starts = np.zeros((1 << int(bands.widths[band])) + 1, dtype=np.uint32)
    rows = np.empty(len(codes), dtype=np.uint32)
    banding.sort_band(codes, bands.offsets[band], bands.widths[band], starts, rows)
    return _Order(codes[rows], rows, starts)


def join_pairs(codes: Codes, radius: int) -> list[Found]:
    """Every pair within ``radius``, once, lower row first."""
    bands = bands_for(len(codes), radius)
    counts = np.zeros(len(codes), dtype=np.int64)
    found = []
    for band in range(len(bands)):
        order = _in_order(codes, bands, band)
        found += _join(order, order, bands, band, counts, len(codes) // _RANGES + 64)
    return found


def join_many(
    queries: Codes, codes: Codes, postings: Postings, radius: int, counts: Counts, keep: bool
) -> list[Found]:
    """All hits of many queries at once, band by band in the order of the keys: reading is sequential.

    With ``keep`` false the hits are only counted, into ``counts``.
    """
    bands = bands_for(len(codes), radius)
    found = []
    for band in range(len(bands)):
        posts = np.asarray(postings.posts[band])
        stored = _Order(codes[posts], posts, _starts(postings.starts, bands, band))
        asked = _in_order(queries, bands, band)
        room = len(queries) // _RANGES + 64 if keep else 0
        found += _join(asked, stored, bands, band, counts, room)
    return found


def _join(a: _Order, b: _Order, bands: Bands, band: int, counts: Counts, room: int) -> list[Found]:
    """The pairs of a and b that this band is the first to show; only counted when ``room`` is 0.

    Keys are cut into ranges, and a row of a has one key, so no two threads add to one count. Counts are
    whole only without room: a range that found too little of it is searched twice.
    """
    from amparo.match.compiled import banding

    radii, masks, ends = bands.tried
    if not ends[band]:
        return []
    how = (band, bands.words, radii, masks, ends[band], bands.radius)
    step = (1 << int(bands.widths[band])) // _RANGES

    def joined(number: int) -> Found:
        cut = (number * step, (number + 1) * step)
        join = partial(banding.join, *a, *b, a is b, *cut, *how, counts)
        if room:
            return all_found(join, room)
        join(none_found())
        return none_found()

    return in_parallel(joined, _RANGES)


def flat_search(codes: Codes, radius: int, compiled: bool) -> Search:
    """Every query against every code, in a compiled loop or in numpy: any radius, no index."""
    if not compiled:
        return lambda queries, counts, out: _scan(queries, codes, radius, counts, out)

    from amparo.match.compiled import banding

    return lambda queries, counts, out: int(banding.scan(queries, codes, radius, counts, out))


def _scan(queries: Codes, codes: Codes, radius: int, counts: Counts, out: Found) -> int:
    """The flat search in numpy: what all others are tested against."""
    found = 0
    counts[:] = 0
    step = max(1, _BLOCK // max(1, len(codes)))
    for q in range(0, len(queries), step):
        for c in range(0, len(codes), _BLOCK):
            difference = queries[q : q + step, None] ^ codes[None, c : c + _BLOCK]
            distance = np.bitwise_count(difference).sum(axis=2, dtype=np.uint16)
            rows, columns = np.nonzero(distance <= radius)
            counts[q : q + step] += np.bincount(rows, minlength=len(distance))
            room = out[found : found + len(rows)]
            room[:, 0] = rows[: len(room)] + q
            room[:, 1] = columns[: len(room)] + c
            room[:, 2] = distance[rows[: len(room)], columns[: len(room)]]
            found += len(rows)
    return found


def all_found(search: Callable[[Found], int], guess: int) -> Found:
    """All hits of a search: once more with room enough when the guess was too small."""
    out = np.empty((guess, 3), dtype=np.int64)
    found = search(out)
    if found > guess:
        out = np.empty((found, 3), dtype=np.int64)
        search(out)
    return out[:found].copy()


def none_found() -> Found:
    """No hits."""
    return np.empty((0, 3), dtype=np.int64)


def in_parallel(do: Callable[[int], Any], times: int) -> list[Any]:
    """``do(0)`` … on all cores: the compiled loops and numpy let go of the interpreter's lock."""
    if times <= 1:
        return [do(i) for i in range(times)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(do, range(times)))
