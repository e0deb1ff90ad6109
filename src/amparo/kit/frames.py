"""How the frames of a film are packed in a FilmFrames record.

``shown`` rows are 70 bytes: time in milliseconds (uint32), PDQ quality (uint8), flags (uint8), the PDQ of the frame
and that of its mirror image (32 bytes each). ``vpdq`` rows are 41: time, number of the frame (uint32),
quality, PDQ. Numbers are little-endian; PDQ bytes stand as in every exchanged list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CUT, TRIMMED, INNER = 1, 2, 4
"""Flags: the first frame of a shot; hashed without its black bars; hashed without its edges. The last two are
rows of their own beside that of the whole frame."""

SHOWN = np.dtype(
    [
        ("time", "<u4"),
        ("quality", "u1"),
        ("flags", "u1"),
        ("code", "<u8", (4,)),
        ("mirror", "<u8", (4,)),
    ]
)
VPDQ = np.dtype([("time", "<u4"), ("number", "<u4"), ("quality", "u1"), ("code", "<u8", (4,))])
FORMS = {"shown": SHOWN, "vpdq": VPDQ}
PART = 8192
"""Most rows in one record."""

Rows = NDArray[np.void]


def unpacked(value: bytes, form: str = "shown") -> Rows:
    """The rows of one record; ValueError when its length is none of this form."""
    row = FORMS[form]
    if len(value) % row.itemsize:
        raise ValueError(f"{len(value)} bytes are no rows of {form} frames")
    return np.frombuffer(value, dtype=row)


def packed(rows: list[tuple[Any, ...]], form: str) -> list[bytes]:
    """Rows (codes as 32 bytes) as the values of records, in parts."""
    row = FORMS[form]
    table = np.zeros(len(rows), dtype=row)
    for name, column in zip(row.names or (), zip(*rows, strict=True), strict=False):
        codes = name in ("code", "mirror")
        table[name] = np.frombuffer(b"".join(column), "<u8").reshape(-1, 4) if codes else column
    return [table[i : i + PART].tobytes() for i in range(0, len(table), PART)]
