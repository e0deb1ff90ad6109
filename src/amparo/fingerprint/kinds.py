"""Photograph, screenshot, captioned picture, document, drawing or blank: by a handful of measures, no model file.

Thirteen measures of flatness, edges, brightness and colour of one picture, weighed linearly (a softmax). The
weights were fitted by ``benchmarks/kinds.py``, which draws its own screenshots and documents, takes photographs
from public data and states how often each kind is mistaken for which on pictures it did not fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amparo.fingerprint.kinds_weights import FORMS, MEANS, SCALES, WEIGHTS
from amparo.model import ContentKind, Id

Pixels = NDArray[np.uint8]
Measures = NDArray[np.float64]
LINES = 64
"""About so many rows, and so many columns, are looked at."""
_LEVELS = np.arange(256.0)
NAMES = (
    "equal neighbours across",
    "equal neighbours down",
    "strong edges across",
    "strong edges down",
    "weak steps",
    "commonest brightness",
    "second commonest brightness",
    "spread of brightness",
    "bright share",
    "colour",
    "unevenness of rows",
    "flat rows",
    "edges to pure white or black",
)
_BLANK_SPREAD = 3.0
_CAMERA = {"screenshot": -4.0, "drawing": -4.0, "captioned": -1.0}
"""What a camera named in the EXIF adds to the weights of what cameras do not write."""


def measures(pixels: Pixels) -> Measures:
    """The measures of RGB (h, w, 3) pixels none of which were mixed, in the order of :data:`NAMES`.

    Of every few rows all columns are looked at, so that neighbours stay neighbours, and the other way round.
    """
    from amparo.fingerprint.compiled import loops

    height, width, depth = pixels.shape
    if depth != 3:
        raise ValueError(f"pixels of {depth} channels: RGB are measured")
    rows, columns = max(1, height // LINES), max(1, width // LINES)
    bright, lines, more = loops.counted(np.ascontiguousarray(pixels), rows, columns)
    across, down = len(lines) * (width - 1), (height - 1) * -(-width // columns)
    few = len(lines) * -(-width // columns)
    equal, strong = lines.sum(axis=0).tolist()
    weak, pure, equal_down, strong_down, colour = more.tolist()
    levels = bright / (len(lines) * width)
    runs = np.convolve(levels, np.ones(5), "same")
    first = int(runs.argmax())
    rest = runs.copy()
    rest[max(0, first - 12) : first + 13] = 0
    mean = float(levels @ _LEVELS)
    equal_by_row, strong_by_row = (lines / max(1, width - 1)).T
    return np.array(
        [
            equal / max(1, across),
            equal_down / max(1, down),
            strong / max(1, across),
            strong_down / max(1, down),
            weak / max(1, across),
            runs[first],
            rest.max(),
            float(levels @ (_LEVELS - mean) ** 2) ** 0.5,
            levels[225:].sum(),
            colour / few,
            strong_by_row.std() / (strong_by_row.mean() + 0.01),
            (equal_by_row > 0.7).mean(),
            pure / (strong + 10),
        ]
    )


def kind_of(content: Id, pixels: Pixels, camera: bool) -> ContentKind:
    """What kind of picture these pixels are; ``camera`` when the file names the one that took it."""
    found = measures(pixels)
    spread = float(found[NAMES.index("spread of brightness")])
    if spread < _BLANK_SPREAD:
        reason = f"brightness varies by {spread:.1f} of 255"
        return ContentKind(content=content, form="blank", score=0.99, reasons=(reason,))
    normal = (found - MEANS) / SCALES
    totals = WEIGHTS[:, :-1] @ normal + WEIGHTS[:, -1]
    if camera:
        totals += [_CAMERA.get(form, 0.0) for form in FORMS]
    shares = np.exp(totals - totals.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    reasons = _reasons(best, normal, found)
    if camera:
        reasons = ("the file names a camera", *reasons)
    score = round(float(shares[best]), 3)
    return ContentKind(content=content, form=FORMS[best], score=score, reasons=reasons)


def _reasons(best: int, normal: Measures, found: Measures) -> tuple[str, ...]:
    """The three measures that spoke most for this kind against the mean of the others."""
    speaks = (WEIGHTS[best, :-1] - WEIGHTS[:, :-1].mean(axis=0)) * normal
    told = []
    for i in np.argsort(-speaks)[:3]:
        if speaks[i] > 0.2:
            level = "high" if normal[i] > 0 else "low"
            told.append(f"{NAMES[i]}: {level} ({found[i]:.3g})")
    return tuple(told)
