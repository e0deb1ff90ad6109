"""The picture within the picture: what a frame, letterbox, caption band or screenshot shows.

A row or column belongs to the frame when at least four fifths of its pixels lie within six levels of its
median. What lies between is the box; it is hashed like a whole picture, so that a photograph and a
screenshot of it meet. Nothing is resampled: the box is a part of the pixels PDQ is made from.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.fingerprint.pdq import dihedral

ALGORITHM = "pdq_box"
FLAT_SHARE = 0.8
LEVELS = 6
GAP = 0.03
"""Flat lines that make up less than this share of the side do not divide a picture."""
LEAST = 0.15
"""A box has at least this share of each side."""
NOTHING_CUT = 0.98
"""A box of this share of both sides is the whole picture."""
FLOOR = 50
"""PDQ quality below which a box has no hash: it would say nothing."""
_LOOKED_AT = 128

Pixels = NDArray[np.uint8]


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right``, ends not included."""

    left: int
    top: int
    right: int
    bottom: int


def content_box(pixels: Pixels) -> Box | None:
    """What is left of grey (h, w) or RGB (h, w, 3) pixels without their frame; None when nothing is cut.

    Of RGB the green channel is looked at. Rows and columns are found twice over, for a side frame is
    only seen between the bars above and below it.
    """
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 1]
    height, width = grey.shape
    left, top, right, bottom = 0, 0, width, height
    for _ in range(2):
        found = _between(grey[:, left:right])
        if found is None:
            return None
        top, bottom = found
        found = _between(grey[top:bottom].T)
        if found is None:
            return None
        left, right = found
        if (left, right) == (0, width):
            break  # with no column cut, the rows would come out the same
    across, down = (right - left) / width, (bottom - top) / height
    if min(across, down) < LEAST or min(across, down) >= NOTHING_CUT:
        return None
    return Box(left, top, right, bottom)


def _between(lines: Pixels) -> tuple[int, int] | None:
    """The longest run of lines that are not flat; None where all are.

    Flat lines cut something only at an edge, or where as many in a row as GAP takes divide the picture: of that
    many one is looked at, and most pictures have none.
    """
    side = len(lines)
    every = max(1, int(GAP * side))
    if not _flat(np.concatenate((lines[::every], lines[-1:]))).any():
        return 0, side
    return _longest(_flat(lines), side)


def _flat(lines: Pixels) -> NDArray[np.bool_]:
    """Which rows are flat; of each, some pixels in equal steps are looked at."""
    from amparo.fingerprint.compiled import loops

    width = lines.shape[1]
    step = max(1, width // _LOOKED_AT)
    least = math.ceil(FLAT_SHARE * -(-width // step))
    found: NDArray[np.bool_] = loops.flat(lines, step, LEVELS, least)
    return found


def _longest(flat: NDArray[np.bool_], side: int) -> tuple[int, int] | None:
    """The longest run of lines that are not flat, over gaps too narrow to divide a picture."""
    busy = np.flatnonzero(~flat)
    if not len(busy):
        return None
    splits = np.flatnonzero(np.diff(busy) > max(1, GAP * side))
    begins = busy[np.concatenate(([0], splits + 1))]
    ends = busy[np.concatenate((splits, [len(busy) - 1]))] + 1
    best = int(np.argmax(ends - begins))
    return int(begins[best]), int(ends[best])


def box_hash(pixels: Pixels) -> tuple[bytes, int] | None:
    """The value of a ``pdq_box`` fingerprint and its quality; None without a frame to take off.

    The value is the box's eight hashes of 32 bytes in the order of :data:`amparo.fingerprint.pdq.FORMS`,
    then left, top, right and bottom as uint16, big-endian, in 65,535ths of the width and height.
    """
    box = content_box(pixels)
    if box is None:
        return None
    hashes, quality = dihedral(pixels[box.top : box.bottom, box.left : box.right])
    if quality < FLOOR:
        return None
    height, width = pixels.shape[:2]
    across, down = 65535 / width, 65535 / height
    scales = (across, down, across, down)
    place = struct.pack(">4H", *(round(n * s) for n, s in zip(box, scales, strict=True)))
    return b"".join(hashes) + place, quality
