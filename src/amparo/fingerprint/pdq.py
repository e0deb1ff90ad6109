"""PDQ: the perceptual hash that police lists and hotlines exchange, with its eight turned forms.

After Meta's "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019) and its
reference program. Both tent blurs and the decimation to 64 x 64 are linear and separable: each sample is a sum
over a few rows and columns, and only those are looked at; the cosine transform is a matrix product. The bits are
those of the reference.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 512
"""The reference shrinks a picture with any longer side to SIDE x SIDE before it hashes."""
EDGE = 0.001
LEAST = 5
"""A picture with a shorter side has no hash: all bits nought, quality 0."""
FORMS = ("original", "rot90", "rot180", "rot270", "flipx", "flipy", "flipplus1", "flipminus1")
"""The order of the eight hashes in ``pdq8``, that of the reference program: turned counter-clockwise by
90, 180 and 270 degrees, mirrored top-bottom, mirrored left-right, and about the two diagonals."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Taps = tuple[NDArray[np.uint64], Floats]
"""Rows or columns that each of 64 samples is made of, and their weights, both (64, k)."""


@lru_cache(maxsize=128)
def taps(n: int) -> Taps:
    """Which pixels of a side of ``n`` the samples are made of.

    Two box blurs as wide as the reference's, then the 64 samples it takes.
    """
    width = (n + 127) // 128
    half = (width + 2) // 2
    matrix = np.zeros((64, n))

    def box(at: int) -> tuple[int, int]:
        return max(0, at - (width - half)), min(n - 1, at + half - 1)

    for row in range(64):
        low, high = box(int((row + 0.5) * n / 64))
        for k in range(low, high + 1):
            first, last = box(k)
            matrix[row, first : last + 1] += 1 / (high - low + 1) / (last - first + 1)
    begins = (matrix > 0).argmax(axis=1)
    places = begins[:, None] + np.arange(int((matrix > 0).sum(axis=1).max()))
    weights = np.take_along_axis(matrix, np.minimum(places, n - 1), axis=1)
    weights[places >= n] = 0
    return np.minimum(places, n - 1).astype(np.uint64), weights.astype(np.float32)


_GREY, _LUMA = np.ones(1, np.float32), np.array([0.299, 0.587, 0.114], np.float32)
_COSINES = np.sqrt(2 / 64) * np.cos(
    np.pi / 128 * np.arange(1, 17)[:, None] * (2 * np.arange(64) + 1)
)
_SIGNS = np.where(np.arange(1, 17) % 2, -1.0, 1.0)


def _transform(pixels: Pixels) -> tuple[NDArray[np.float64], int]:
    """The 16 x 16 cosine coefficients and the quality, of grey (h, w) or RGB (h, w, 3) pixels."""
    height, width = pixels.shape[:2]
    return _coefficients(samples(pixels, taps(height), taps(width)))


def samples(pixels: Pixels, rows: Taps, columns: Taps) -> Floats:
    """The 64 x 64 samples of grey (h, w) or RGB (h, w, 3) pixels. Raises ValueError for other channels."""
    from amparo.fingerprint.compiled import loops

    solid = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])
    luma = _LUMA if pixels.ndim == 3 else _GREY
    if solid.shape[2] != len(luma):
        raise ValueError(f"pixels of {solid.shape[2]} channels: grey or RGB are hashed")
    made: Floats = loops.sampled(solid, *rows, *columns, luma)
    return made


def _coefficients(small: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
    """The same from the 64 x 64 samples."""
    steps = sum(int(np.abs(np.trunc(np.diff(small, axis=a) * 100 / 255)).sum()) for a in (0, 1))
    return _COSINES @ small @ _COSINES.T, min(100, steps // 90)


def _bits(*forms: NDArray[np.float64]) -> list[bytes]:
    """One bit per coefficient of each, set above the lower median; the last coefficient is the first bit."""
    flat = np.array(forms).reshape(len(forms), 256)
    above = flat > np.partition(flat, 127)[:, 127, None]
    return [row.tobytes() for row in np.packbits(above[:, ::-1], axis=1)]


def pdq(pixels: Pixels) -> tuple[bytes, int]:
    """PDQ (32 bytes) and quality (0 to 100) of 8-bit grey (h, w) or RGB (h, w, 3) pixels as they are.

    For the bits of exchanged lists give it what :func:`shrunk` makes of a picture. Raises ValueError for
    another number of channels.
    """
    if min(pixels.shape[:2]) < LEAST:
        return bytes(32), 0
    coefficients, quality = _transform(pixels)
    return _bits(coefficients)[0], quality


def dihedral(pixels: Pixels) -> tuple[list[bytes], int]:
    """The eight hashes in the order of :data:`FORMS`, and the quality they share.

    They cannot be had from the stored bits of one hash, only from the coefficients: turning changes
    signs of coefficients, and with them which lie above the median.
    """
    if min(pixels.shape[:2]) < LEAST:
        return [bytes(32)] * 8, 0
    d, quality = _transform(pixels)
    rows, columns = _SIGNS[:, None], _SIGNS[None]
    forms = (
        d,
        d.T * rows,
        d * rows * columns,
        d.T * columns,
        d * rows,
        d * columns,
        d.T,
        d.T * rows * columns,
    )
    return _bits(*forms), quality


def of_samples(small: Floats) -> tuple[bytes, bytes, int]:
    """PDQ of a picture whose 64 x 64 samples are at hand, PDQ of its left-right mirror image, and quality."""
    d, quality = _coefficients(small)
    upright, mirrored = _bits(d, d * _SIGNS[None])
    return upright, mirrored, quality


def shrunk(image: Image.Image) -> Image.Image:
    """The picture the reference would hash: as it is, or SIDE x SIDE of its pixels, none of them mixed."""
    width, height = image.size
    if max(width, height) <= SIDE:
        return image
    # Column x comes from floor(x * width / SIDE). Pillow takes the middle of each pixel, so half a step
    # is taken off; its 16-bit fractions hold width / SIDE exactly, and EDGE keeps whole numbers whole.
    across, down = width / SIDE, height / SIDE
    data = (across, 0.0, EDGE - across / 2, 0.0, down, EDGE - down / 2)
    affine, nearest = Image.Transform.AFFINE, Image.Resampling.NEAREST
    return image.transform((SIDE, SIDE), affine, data, nearest)
