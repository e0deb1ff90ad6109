"""Inner loops over the pixels of one picture, uint8, rows first: each goes over what it needs once.

Numbers of places are unsigned, because numba asks of a signed one whether it counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types

from amparo.kit.compiled import compiled

_PIXELS = types.Array(types.uint8, 3, "C", readonly=True)
_LINES = types.Array(types.uint8, 2, "A", readonly=True)
_PLACES = types.Array(types.uint64, 1, "C", readonly=True)
_TAPS = types.Array(types.uint64, 2, "C", readonly=True)
_WEIGHTS = types.Array(types.float32, 2, "C", readonly=True)
_COUNTS: Any = types.Tuple((types.int64[::1], types.int64[:, ::1], types.int64[::1]))  # type: ignore[no-untyped-call]
_FLOATS = types.Array(types.float32, 1, "C", readonly=True)


@compiled(types.uint8[:, :, ::1](_PIXELS, _PLACES, _PLACES))
def picked(pixels: Any, rows: Any, columns: Any) -> Any:
    """RGB of these rows and columns."""
    out = np.empty((len(rows), len(columns), 3), np.uint8)
    for y in range(len(rows)):
        line, to = pixels[rows[y]], out[y]
        for x in range(len(columns)):
            at = columns[x]
            to[x, 0], to[x, 1], to[x, 2] = line[at, 0], line[at, 1], line[at, 2]
    return out


@compiled(types.uint8[:, :, ::1](_PIXELS, types.int64))
def averaged(pixels: Any, step: Any) -> Any:
    """RGB made smaller by a whole number, each pixel the rounded mean of step x step, fewer at the far edges.

    The sums hold steps up to 16.
    """
    height, width, depth = pixels.shape
    wide = -(-width // step)
    out = np.empty((-(-height // step), wide, 3), np.uint8)
    row, ahead = width * depth, wide * step * depth
    down, both = np.zeros(ahead + step * depth, np.uint16), np.empty(ahead, np.uint16)
    for y in range(len(out)):
        down[:row] = 0
        high = min(step, height - y * step)
        for line in range(y * step, y * step + high):
            values = pixels[line].reshape(row)
            for x in range(row):
                down[x] += values[x]
        both[:] = 0
        for number in range(step):
            further = down[number * depth :]
            for x in range(ahead):
                both[x] += further[x]
        for x in range(wide):
            if x == 0 or x == wide - 1:
                count = high * min(step, width - x * step)
                share = np.uint32(((1 << 24) + count // 2) // count)
            at = np.uint64(x * step * depth)
            for channel in range(3):
                total = np.uint32(both[at + np.uint64(channel)])
                out[y, x, channel] = (total * share + np.uint32(1 << 23)) >> np.uint32(24)
    return out


@compiled(types.float32[:, ::1](_PIXELS, _TAPS, _WEIGHTS, _TAPS, _WEIGHTS, _FLOATS))
def sampled(
    pixels: Any, rows: Any, row_weights: Any, columns: Any, column_weights: Any, luma: Any
) -> Any:
    """Samples float32[rows, columns]: sums over the taps (n, k) of each row and column, their channels by ``luma``."""
    _, width, depth = pixels.shape
    out = np.empty((len(rows), len(columns)), np.float32)
    sums, grey = np.empty(width * depth, np.float32), np.empty(width, np.float32)
    for y in range(len(rows)):
        sums[:] = 0
        for tap in range(rows.shape[1]):
            weight = row_weights[y, tap]
            if weight != 0:
                values = pixels[rows[y, tap]].reshape(width * depth)
                for x in range(width * depth):
                    sums[x] += weight * values[x]
        if depth == 1:
            grey[:] = luma[0] * sums
        else:
            for x in range(width):
                at = np.uint64(x * depth)
                red, green, blue = sums[at], sums[at + np.uint64(1)], sums[at + np.uint64(2)]
                grey[x] = luma[0] * red + luma[1] * green + luma[2] * blue
        for x in range(len(columns)):
            total = np.float32(0)
            for tap in range(columns.shape[1]):
                total += column_weights[x, tap] * grey[columns[x, tap]]
            out[y, x] = total
    return out


@compiled(types.boolean[::1](_LINES, types.int64, types.int64, types.int64))
def flat(lines: Any, step: Any, levels: Any, least: Any) -> Any:
    """Which rows have at least ``least`` of their every ``step``-th pixels within ``levels`` of those pixels' median."""
    out = np.empty(len(lines), np.bool_)
    counts = np.empty(256, np.int64)
    middle = -(-lines.shape[1] // step) // 2
    for y in range(len(lines)):
        counts[:] = 0
        for x in range(0, lines.shape[1], step):
            counts[lines[y, x]] += 1
        median, below = 0, counts[0]
        while below <= middle and median < 255:
            median += 1
            below += counts[median]
        near = counts[max(0, median - levels) : min(256, median + levels + 1)].sum()
        out[y] = near >= least
    return out


@compiled(_COUNTS(_PIXELS, types.int64, types.int64))
def counted(pixels: Any, every_row: Any, every_column: Any) -> Any:
    """What the measures of :mod:`amparo.fingerprint.kinds` are made of, of RGB pixels.

    Of every so many rows the brightness of all pixels (int64[256]), and a row each how many neighbours are
    equal, and how many a strong step apart (int64[n, 2]). Then, over all: weak steps across; strong steps from or to
    pure white or black; of every so many columns equal neighbours down and strong steps down; the differences of
    red and blue where both meet, added up.
    """
    height, width, _ = pixels.shape
    bright = np.zeros(256, np.int64)
    lines = np.zeros((-(-height // every_row), 2), np.int64)
    more = np.zeros(5, np.int64)
    green, step = np.empty(width, np.int16), np.empty(width, np.int16)
    for number in range(len(lines)):
        row = pixels[number * every_row]
        for x in range(width):
            green[x] = row[x, 1]
        for x in range(width):
            bright[np.uint64(green[x])] += 1
        equal = strong = weak = np.int32(0)
        for x in range(width - 1):
            step[x] = abs(green[x + 1] - green[x])
        for x in range(width - 1):
            equal += np.int32(step[x] == 0)
            strong += np.int32(step[x] >= 32)
            weak += np.int32((step[x] >= 1) & (step[x] < 7))
        if strong:
            for x in range(width - 1):
                low, high = min(green[x], green[x + 1]), max(green[x], green[x + 1])
                more[1] += (step[x] >= 32) & ((low <= 5) | (high >= 250))
        lines[number, 0], lines[number, 1] = equal, strong
        more[0] += weak
        for x in range(0, width, every_column):
            more[4] += abs(np.int64(row[x, 0]) - np.int64(row[x, 2]))
    count = -(-width // every_column)
    for y in range(height):
        for number in range(count):
            now = np.int16(pixels[y, number * every_column, 1])
            step[number] = abs(now - green[number])
            green[number] = now
        if y:
            equal = strong = np.int32(0)
            for number in range(count):
                equal += np.int32(step[number] == 0)
                strong += np.int32(step[number] >= 32)
            more[2] += equal
            more[3] += strong
    return bright, lines, more
