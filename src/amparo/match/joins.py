"""Exact joins of many 256-bit codes at once: each pair within a radius, found once.

Both sides are copied into the order of one band's keys after the other, so that reading is sequential,
which makes a candidate ten times cheaper than one looked up by itself; so bands are narrower here than
in an index (:mod:`amparo.match.bands`), and fewer of their keys are tried. A pair is reported by the
first band that shows it.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.match.bands import (
    Bands,
    Codes,
    Counts,
    Found,
    all_found,
    bands_of,
    even,
    in_parallel,
    none_found,
)

_RANGES = 64
_MANY = 3_000_000
"""Codes above which the codes that share a key outweigh the keys: wider bands are quicker."""


class _Order(NamedTuple):
    """Codes copied into the order of one band's keys, their rows, and where each key begins."""

    codes: Codes
    rows: NDArray[np.uint32]
    starts: NDArray[np.uint32]


def join_cut(codes: int, radius: int) -> Bands:
    """The bands for a join with so many codes."""
    return bands_of(tuple(even(16 if codes <= _MANY else 12)), radius)


def _in_order(codes: Codes, bands: Bands, band: int) -> _Order:
    from amparo.match.compiled import banding

    starts = np.zeros((1 << int(bands.widths[band])) + 1, dtype=np.uint32)
    rows = np.empty(len(codes), dtype=np.uint32)
    banding.sort_band(codes, bands.offsets[band], bands.widths[band], starts, rows)
    return _Order(codes[rows], rows, starts)


def join_pairs(codes: Codes, radius: int) -> list[Found]:
    """Every pair within ``radius``, once, lower row first."""
    bands = join_cut(len(codes), radius)
    counts = np.zeros(len(codes), dtype=np.int64)
    found = []
    for band in range(len(bands)):
        order = _in_order(codes, bands, band)
        found += _join(order, order, bands, band, counts, len(codes) // _RANGES + 64)
    return found


def join_many(queries: Codes, codes: Codes, radius: int, counts: Counts, keep: bool) -> list[Found]:
    """All hits of many queries at once. With ``keep`` false they are only counted, into ``counts``."""
    bands = join_cut(len(codes), radius)
    found = []
    for band in range(len(bands)):
        stored, asked = _in_order(codes, bands, band), _in_order(queries, bands, band)
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
