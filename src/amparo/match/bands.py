"""Multi-index hashing (Norouzi, Punjani, Fleet 2012) over 256-bit codes, and the flat scan beside it.

The 256 bits are cut into bands. Two codes within ``radius`` bits agree in at least one band up to its
own radius, as long as the bands' radii plus one sum up to more than ``radius``: only codes that share
such a band are compared, and none is missed. Bits that lie in no band only make two codes differ more.
Keys of a band index posting lists in CSR form: the rows with key k are ``posts[starts[k] : starts[k + 1]]``.
Importing this does not import numba; searching does.

Hits are int64[h, 3]: query row, stored row, distance. A search writes as many as ``out`` has room for,
fills ``counts`` (hits of each query) and gives the number of all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Found = NDArray[np.int64]
Search = Callable[[Codes, Counts, Found], int]
"""(queries, counts[q], out[room, 3]) -> number of hits."""

BYTES = 130
"""Most bytes a stored code may take, itself included; the lists of few codes may take a little more."""
INDEXED = 31
"""The radius for which an index is cut; it answers every smaller one too."""

_BLOCK = 1 << 20
_LEAST_STARTS = 1 << 18
_CANDIDATE = 2
"""What comparing with one code costs, in keys looked up."""


@cache
def cut(codes: int) -> tuple[int, ...]:
    """Widths of the bands for so many codes: the least work times memory, within :data:`BYTES`.

    Few wide bands take many keys with few codes each, many narrow ones the reverse: a million codes
    want 12 bands of 20 bits, ten million 11 of 23 or 24, a hundred million 10 of 25 or 26.
    """
    choices = [_fitted(bands, codes) for bands in range(8, 17)]
    return min(choices, key=lambda w: _work(w, codes) * (_starts(w) + codes * (8 + len(w))))


def _starts(widths: tuple[int, ...]) -> int:
    """Numbers that say where the keys of all bands begin."""
    return sum((1 << width) + 1 for width in widths)


def _fitted(bands: int, codes: int) -> tuple[int, ...]:
    """256 bits in so many bands, the widest narrowed until their lists fit."""
    most = max(_LEAST_STARTS, codes * (BYTES - 32 - 4 * bands) // 4)
    widths = even(bands)
    while _starts(tuple(widths)) > most:
        widest = len(widths) - 1 - widths[::-1].index(max(widths))
        widths[widest] -= 1
    return tuple(widths)


def even(bands: int) -> list[int]:
    """256 bits in so many bands, wide ones first."""
    narrow, wide = divmod(256, bands)
    return [narrow + (band < wide) for band in range(bands)]


def _work(widths: tuple[int, ...], codes: int) -> float:
    """Keys to look up for one query, and the codes they may bring up, in one figure."""
    each = zip(widths, _radii(len(widths), INDEXED), strict=True)
    keys = [(width, sum(comb(width, k) for k in range(r + 1))) for width, r in each]
    return sum(n * (1 + _CANDIDATE * codes / (1 << width)) for width, n in keys)


def _radii(bands: int, radius: int) -> list[int]:
    """A radius for each band; plus one each, they sum up to the whole radius plus one. -1: not tried.

    The wider bands, with more keys to try, get the smaller ones.
    """
    each, more = divmod(radius + 1, bands)
    return [each - 1 + (band >= bands - more) for band in range(bands)]


class Bands:
    """How 256 bits are cut into bands of these widths, and what to flip in each key for a radius."""

    def __init__(self, widths: tuple[int, ...], radius: int) -> None:
        self.radius = radius
        self.widths = np.array(widths, dtype=np.int64)
        self.offsets = np.cumsum(self.widths) - self.widths
        bits = np.zeros((len(widths), 256), dtype=np.uint8)
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
        """(radii[b], masks[b, m], ends[b]): what to flip in a key so that no pair is missed."""
        radii = np.array(_radii(len(self), self.radius), dtype=np.int64)
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
def bands_of(widths: tuple[int, ...], radius: int) -> Bands:
    """Bands of these widths, made once."""
    return Bands(widths, radius)


def bands_for(codes: int, radius: int) -> Bands:
    """The bands by which this many stored codes are indexed."""
    return bands_of(cut(codes), radius)


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
        for band, (first, width) in enumerate(zip(bands.first, bands.widths, strict=True)):
            part = starts[first : first + (1 << width) + 1]
            banding.sort_band(codes, bands.offsets[band], width, part, posts[band])
        return cls(*made)

    def search(self, codes: Codes, radius: int) -> Search:
        """Query by query: for single pictures."""
        from amparo.match.compiled import banding

        bands = bands_for(len(codes), radius)
        how = (bands.first, bands.offsets, bands.widths, bands.words, *bands.tried, radius)
        return lambda queries, counts, out: int(
            banding.probe(queries, codes, *self, *how, counts, out)
        )


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
