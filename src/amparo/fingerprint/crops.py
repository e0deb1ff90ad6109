"""Hashes of parts of a picture, so that what was cut out of it or put together in it is found: 48 of each.

Only where ``case.toml`` says ``crops = true``: the search then holds 49 codes a picture. It is a
reading of its own rather than a part of :mod:`amparo.fingerprint.image`, so that it can be asked for later
without doing everything else again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from amparo.fingerprint.decode import BAD_BYTES, LARGEST, UNDECODED, decode
from amparo.fingerprint.pdq import LEAST, Pixels, pdq, shrunk
from amparo.fingerprint.pixels import rgb
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import fingerprint
from amparo.kit.source import Source
from amparo.model import Fingerprint

ALGORITHM = "pdq_crop"
FLOOR = 50
SHARES = (0.05, 0.10, 0.15, 0.20)
"""How much of the width and height is cut off: half on each side, or all of it on one."""
CORNERS = (0.04, 0.08, 0.12)
"""How much is cut off each of two sides that meet."""
_SPLITS = (0.36, 0.5, 0.64)
"""Where a collage of two is divided: two pictures of one shape, or one lying and one upright, 4 to 3."""

Place = tuple[float, float, float, float]


def places() -> list[Place]:
    """Left, top, right and bottom of each part, as shares of the width and height."""
    out: list[Place] = []
    for share in SHARES:
        half = share / 2
        out += [
            (half, half, 1 - half, 1 - half),
            (share, 0, 1, 1),
            (0, share, 1, 1),
            (0, 0, 1 - share, 1),
            (0, 0, 1, 1 - share),
        ]
    for share in CORNERS:
        rest = 1 - share
        out += [(share, share, 1, 1), (0, share, rest, 1), (share, 0, 1, rest), (0, 0, rest, rest)]
    for split in _SPLITS:
        out += [(0, 0, split, 1), (split, 0, 1, 1), (0, 0, 1, split), (0, split, 1, 1)]
    out += [(x, y, x + 0.5, y + 0.5) for y in (0, 0.5) for x in (0, 0.5)]
    return out


def crop_hashes(pixels: Pixels) -> bytes:
    """The value of a ``pdq_crop`` fingerprint of grey (h, w) pixels; empty where no part has structure.

    Each part is 40 bytes: its PDQ, then left, top, right and bottom as uint16, big-endian, in 65,535ths.
    """
    height, width = pixels.shape
    out = b""
    for place in places():
        left, top, right, bottom = place
        part = pixels[
            round(top * height) : round(bottom * height), round(left * width) : round(right * width)
        ]
        value, quality = pdq(part)
        if quality >= FLOOR:
            out += value + struct.pack(">4H", *(round(share * 65535) for share in place))
    return out


@fingerprint("crops", version=2, mimes=("image/*",))
def crops(source: Source, found: Found) -> Iterator[Fingerprint]:
    """Which pictures were cut out of this one: hashes of its parts; nothing of what does not decode."""
    data = source.read(LARGEST)
    mime = sniff(data[:HEAD], len(data))
    if mime in UNDECODED:
        return
    try:
        decoded = decode(data, mime)
    except (MemoryError, *BAD_BYTES):
        return  # the reading of the whole picture says so
    pixels = np.asarray(rgb(shrunk(decoded.image)).convert("L"))
    if min(pixels.shape) >= 2 * LEAST and (value := crop_hashes(pixels)):
        yield Fingerprint(content=found.content, algorithm=ALGORITHM, value=value, quality=100)
