"""Which entry of a list named which hashes, so that an entry withdrawn by its name takes them along."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amparo.match.entries import WIDTH

ALGORITHMS = tuple(WIDTH)
ROW = np.dtype([("name", "V16"), ("layer", "<u2"), ("algorithm", "u1"), ("digest", "V32")])
WITHDRAWN = 255
"""Stands for the algorithm where a layer withdraws the entry."""

Names = NDArray[np.void]


def name_of(*parts: str) -> bytes:
    """A list's own name of an entry (member, kind, number) as 16 bytes."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).digest()


def rows_of(
    layer: int, listed: Iterable[tuple[bytes, str, bytes]], withdrawn: Iterable[bytes]
) -> Names:
    """What one layer says of names: (name, algorithm, digest) listed, and names withdrawn."""
    rows = [(n, layer, ALGORITHMS.index(a), d.ljust(32, b"\0")) for n, a, d in listed]
    rows += [(n, layer, WITHDRAWN, bytes(32)) for n in withdrawn]
    return np.array(rows, ROW)


def load(folder: Path) -> Names:
    """All names of a set; none where its list does not name its entries."""
    path = folder / "names.npy"
    rows: Names = np.load(path) if path.exists() else np.zeros(0, ROW)
    if rows.dtype != ROW or rows.ndim != 1:
        raise ValueError("names.npy holds something else")
    return rows


def newest(rows: Names) -> Names:
    """Of each name what its latest layer says."""
    if not len(rows):
        return rows
    _, which = np.unique(rows["name"], return_inverse=True)
    last = np.zeros(int(which.max()) + 1, rows["layer"].dtype)
    np.maximum.at(last, which, rows["layer"])
    latest: Names = rows[rows["layer"] == last[which]]
    return latest


def orphaned(before: Names, update: Names) -> list[tuple[str, bytes]]:
    """Hashes that no entry names any more once ``update`` is taken in."""
    rows = newest(before)
    touched = np.isin(rows["name"], update["name"])
    kept = {(r["algorithm"], bytes(r["digest"])) for r in rows[~touched]} | {
        (r["algorithm"], bytes(r["digest"])) for r in update
    }
    gone = {(int(r["algorithm"]), bytes(r["digest"])) for r in rows[touched]} - kept
    return sorted(
        (ALGORITHMS[a], digest[: WIDTH[ALGORITHMS[a]]]) for a, digest in gone if a != WITHDRAWN
    )
