"""The inner loop of laying one picture on many: compiled on first use."""

from __future__ import annotations

from typing import Any

import numpy as np

from amparo.kit.compiled import compiled

LANES = 32
"""Pictures of one size that are gone over at once: pixel x of picture b lies at x * LANES + b."""


@compiled()
def laid(
    stored: Any, sums: Any, squares: Any, pieces: Any, heights: Any, widths: Any, least: Any
) -> Any:
    """The correlation of the best of some pieces at its best place, for each picture, and which piece, row, column.

    ``stored`` is float32[h, w * LANES]; ``sums`` and ``squares``, int32[h + 1, w + 1, LANES], hold what lies above
    and left of each place. ``pieces`` are float32, one after the other, of mean zero and length one. Places
    where the picture's variance is not above ``least`` are left out; -1 where there is no other.
    """
    high, wide = sums.shape[0] - 1, sums.shape[1] - 1
    best, places = np.full(LANES, -1, np.float32), np.zeros((LANES, 3), np.int32)
    held = np.empty(wide * LANES, np.float32)
    begin = 0
    for piece in range(len(heights)):
        h, w = heights[piece], widths[piece]
        first, begin = begin, begin + h * w
        if h > high or w > wide:
            continue
        area = np.float32(h * w)
        many = (wide - w + 1) * LANES
        products = held[:many]
        for y in range(high - h + 1):
            products[:] = 0
            for r in range(h):
                row = stored[y + r]
                for c in range(w):
                    weight = pieces[first + r * w + c]
                    shifted = row[c * LANES : c * LANES + many]
                    for i in range(many):
                        products[i] += weight * shifted[i]
            for x in range(wide - w + 1):
                for b in range(LANES):
                    total = np.float32(
                        sums[y + h, x + w, b]
                        - sums[y, x + w, b]
                        - sums[y + h, x, b]
                        + sums[y, x, b]
                    )
                    square = np.float32(
                        squares[y + h, x + w, b]
                        - squares[y, x + w, b]
                        - squares[y + h, x, b]
                        + squares[y, x, b]
                    )
                    spread = square - total * total / area
                    if spread > least * area:
                        score = products[x * LANES + b] / np.sqrt(spread)
                        if score > best[b]:
                            best[b] = score
                            places[b, 0], places[b, 1], places[b, 2] = piece, y, x
    return best, places
