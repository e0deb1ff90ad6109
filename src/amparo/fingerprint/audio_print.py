"""Chromaprint: the acoustic fingerprint of a soundtrack, written after its published description.

After L. Lalinský, "How does Chromaprint work?" (2011), Y. Ke, D. Hoiem, R. Sukthankar, "Computer Vision for
Music Identification" (2005), and the trained numbers of Chromaprint's second algorithm (MIT licence), which
is what ``fpcalc`` computes and the exchanged fingerprints are: sound at 11025 Hz, one spectrum of 4096 samples
each 1365, its energy in twelve notes, smoothed and normalised; sixteen filters over 16 rows of this
picture of sound, two bits each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HERTZ = 11025
FRAME, HOP = 4096, 4096 // 3
ROW_MS = HOP * 1000 / HERTZ
"""Milliseconds between two codes: 123.8."""
WIDTH = 16
"""Rows one code looks at."""
LEAST_NORM = 0.01
LOUD = 0.1
"""Energy of a row (a full-scale tone has about 1.2 million) below which there is nothing to hear: -71 dB."""
LOUD_ROWS = 12
"""Of the 16 rows of a code, how many must be loud for it to count as sounding."""

Doubles = NDArray[np.float64]


class Filter(NamedTuple):
    """One of the sixteen: form, first note, notes, rows, and three limits between its four answers."""

    form: int
    note: int
    notes: int
    rows: int
    limits: tuple[float, float, float]


FILTERS = (
    Filter(0, 4, 3, 15, (1.98215, 2.35817, 2.63523)),
    Filter(4, 4, 6, 15, (-1.03809, -0.651211, -0.282167)),
    Filter(1, 0, 4, 16, (-0.298702, 0.119262, 0.558497)),
    Filter(3, 8, 2, 12, (-0.105439, 0.0153946, 0.135898)),
    Filter(3, 4, 4, 8, (-0.142891, 0.0258736, 0.200632)),
    Filter(4, 0, 3, 5, (-0.826319, -0.590612, -0.368214)),
    Filter(1, 2, 2, 9, (-0.557409, -0.233035, 0.0534525)),
    Filter(2, 7, 3, 4, (-0.0646826, 0.00620476, 0.0784847)),
    Filter(2, 6, 2, 16, (-0.192387, -0.029699, 0.215855)),
    Filter(2, 1, 3, 2, (-0.0397818, -0.00568076, 0.0292026)),
    Filter(5, 10, 1, 15, (-0.53823, -0.369934, -0.190235)),
    Filter(3, 6, 2, 10, (-0.124877, 0.0296483, 0.139239)),
    Filter(2, 1, 1, 14, (-0.101475, 0.0225617, 0.231971)),
    Filter(3, 5, 6, 4, (-0.0799915, -0.00729616, 0.063262)),
    Filter(1, 9, 2, 12, (-0.272556, 0.019424, 0.302559)),
    Filter(3, 4, 2, 14, (-0.164292, -0.0321188, 0.0846339)),
)
_GREY = np.array([0, 1, 3, 2], np.uint32)
_SMOOTH = np.array([0.25, 0.75, 1.0, 0.75, 0.25])
_LOWEST, _HIGHEST, _A0 = 28, 3520, 440 / 16
_AT_ONCE = 128


def _notes() -> tuple[int, Doubles]:
    """The first spectral line used, and which of twelve notes each line from there on belongs to."""
    first = max(1, round(FRAME * _LOWEST / HERTZ))
    last = min(FRAME // 2, round(FRAME * _HIGHEST / HERTZ))
    octaves = np.log2(np.arange(first, last) * HERTZ / FRAME / _A0)
    note = (12 * (octaves - np.floor(octaves))).astype(int)
    return first, (note[:, None] == np.arange(12)).astype(float)


_FIRST, _NOTES = _notes()
_WINDOW = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))) / 32767


class Chromaprint:
    """Takes mono samples at 11025 Hz as they come; memory grows by 100 bytes for each 0.12 s."""

    def __init__(self) -> None:
        self._waiting: NDArray[np.int16] = np.zeros(0, np.int16)
        self._rows: list[Doubles] = []
        self.samples = 0

    def feed(self, samples: NDArray[np.int16]) -> None:
        """The next samples, int16[n]."""
        self.samples += len(samples)
        self._waiting = np.concatenate([self._waiting, samples])
        if len(self._waiting) >= FRAME + HOP * _AT_ONCE:
            self._transform()

    def _transform(self) -> None:
        count = (len(self._waiting) - FRAME) // HOP + 1
        if len(self._waiting) < FRAME:
            return
        view = np.lib.stride_tricks.sliding_window_view(self._waiting, FRAME)
        for begin in range(0, count, _AT_ONCE):
            block = view[begin * HOP : min(begin + _AT_ONCE, count) * HOP : HOP]
            lines = np.fft.rfft(block * _WINDOW)[:, _FIRST : _FIRST + len(_NOTES)]
            self._rows.append((lines.real**2 + lines.imag**2) @ _NOTES)
        self._waiting = self._waiting[count * HOP :].copy()

    def finish(self) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """The codes, uint32[n], and which of them had something to hear, bool[n]."""
        self._transform()
        rows = np.concatenate(self._rows) if self._rows else np.zeros((0, 12))
        count = len(rows) - len(_SMOOTH) + 1
        if count < WIDTH:
            return np.zeros(0, np.uint32), np.zeros(0, np.bool_)
        image = sum(
            (weight * rows[n : n + count] for n, weight in enumerate(_SMOOTH)),
            start=np.zeros((count, 12)),
        )
        norms = np.sqrt((image**2).sum(axis=1))
        image = np.where(norms[:, None] < LEAST_NORM, 0, image / np.maximum(norms, 1e-30)[:, None])
        loud = np.lib.stride_tricks.sliding_window_view(norms >= LOUD, WIDTH).sum(axis=1)
        return codes(image), loud >= LOUD_ROWS


def codes(image: Doubles) -> NDArray[np.uint32]:
    """The codes of a picture of sound: one for each 16 rows of twelve notes, uint32[rows - 15]."""
    count = len(image) - WIDTH + 1
    sums = np.zeros((len(image) + 1, 13))
    sums[1:, 1:] = image.cumsum(axis=0).cumsum(axis=1)

    def area(row: int, note: int, row_end: int, note_end: int) -> Doubles:
        a, b = sums[row : row + count], sums[row_end : row_end + count]
        return b[:, note_end] - b[:, note] - a[:, note_end] + a[:, note]

    out = np.zeros(count, np.uint32)
    for one in FILTERS:
        bright, dark = _areas(one, area)
        value = np.log((1 + bright) / (1 + dark))
        out = out << np.uint32(2) | _GREY[np.digitize(value, one.limits)]
    return out


def _areas(one: Filter, area: object) -> tuple[Doubles, Doubles]:
    """The two sums of energy a filter compares: rows run from 0 to ``rows``, notes from ``note`` on."""
    of = area
    assert callable(of)
    w, y, z = one.rows, one.note, one.note + one.notes
    whole = of(0, y, w, z)
    if one.form == 0:
        return whole, np.zeros_like(whole)
    if one.form == 1:  # upper notes against lower
        bright = of(0, y + one.notes // 2, w, z)
    elif one.form == 2:  # later against earlier
        bright = of(w // 2, y, w, z)
    elif one.form == 3:  # two quarters against the other two
        middle, half = y + one.notes // 2, w // 2
        bright = of(0, middle, half, z) + of(half, y, w, middle)
    elif one.form == 4:  # the middle notes against those around
        bright = of(0, y + one.notes // 3, w, y + 2 * (one.notes // 3))
    else:  # the middle rows against those around
        bright = of(w // 3, y, 2 * (w // 3), z)
    return bright, whole - bright
