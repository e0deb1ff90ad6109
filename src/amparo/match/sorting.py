"""Sorts more hashes than fit in memory: sorted runs on disk, then one merge."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_RUN_BYTES = 32 << 20
_BLOCK = 1 << 20

Keys = NDArray[np.bytes_]
Codes = NDArray[np.uint16]


class Sorter:
    """Takes (digest, code) pairs of one width in any order; gives each digest once, in order.

    Memory is one run (``run_bytes`` of digests) while adding and about ``block`` pairs while merging.
    """

    def __init__(self, folder: Path, name: str, width: int, run_bytes: int = _RUN_BYTES) -> None:
        self.width = width
        self._folder = folder
        self._name = name
        self._most = max(1, run_bytes // width)
        self._digests = bytearray()
        self._codes = array("H")
        self._runs: list[tuple[Path, Path]] = []

    def add(self, digest: bytes, code: int) -> None:
        """One pair; ``digest`` is exactly ``width`` bytes, ``code`` below 65,536."""
        self._digests += digest
        self._codes.append(code)
        if len(self._codes) >= self._most:
            self._spill()

    def add_many(self, digests: bytes, code: int) -> None:
        """Digests one behind the other, all with one code."""
        self._digests += digests
        self._codes.frombytes(array("H", [code]).tobytes() * (len(digests) // self.width))
        if len(self._codes) >= self._most:
            self._spill()

    def _spill(self) -> None:
        keys = np.frombuffer(bytes(self._digests), dtype=f"S{self.width}")
        codes = np.array(self._codes, dtype=np.uint16)
        keys, codes = _in_order(keys, codes)
        stem = f"{self._name}.{len(self._runs)}"
        paths = self._folder / f"{stem}.keys", self._folder / f"{stem}.codes"
        keys.tofile(paths[0])
        codes.tofile(paths[1])
        self._runs.append(paths)
        self._digests = bytearray()
        self._codes = array("H")

    def merged(
        self, join: Callable[[list[int]], int], block: int = _BLOCK
    ) -> Iterator[tuple[Keys, Codes]]:
        """Blocks of distinct digests in ascending order with their codes; the runs are deleted after.

        ``join`` gives the code for a digest that came with several.
        """
        if self._codes:
            self._spill()
        ends = [paths[1].stat().st_size // 2 for paths in self._runs]
        at = [0] * len(ends)
        step = max(1, block // max(1, len(ends)))
        while active := [i for i, end in enumerate(ends) if at[i] < end]:
            # everything up to the least of the blocks' last digests is in reach of this round
            runs = {i: np.memmap(self._runs[i][0], f"S{self.width}", "r") for i in active}
            ends_of_step = (runs[i][min(at[i] + step, ends[i]) - 1] for i in active)
            last = np.bytes_(min(bytes(key).ljust(self.width, b"\0") for key in ends_of_step))
            parts = []
            for i, run in runs.items():
                count = int(np.searchsorted(run[at[i] :], last, side="right"))
                parts.append(self._part(i, at[i], count))
                at[i] += count
            together = _in_order(
                np.concatenate([keys for keys, _ in parts]),
                np.concatenate([codes for _, codes in parts]),
            )
            yield _joined(*together, join)
        for keys_path, codes_path in self._runs:
            keys_path.unlink()
            codes_path.unlink()
        self._runs = []

    def _part(self, run: int, at: int, count: int) -> tuple[Keys, Codes]:
        """A stretch of a run, read rather than mapped: pages of a map would count as our memory."""
        keys, codes = self._runs[run]
        return (
            np.fromfile(keys, dtype=f"S{self.width}", count=count, offset=at * self.width),
            np.fromfile(codes, dtype=np.uint16, count=count, offset=at * 2),
        )


def leading(keys: Keys) -> NDArray[np.uint64]:
    """The first eight bytes of each digest as a number: orders digests but for the rarest ties."""
    width = keys.dtype.itemsize
    rows = np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), width)
    head = np.zeros((len(keys), 8), np.uint8)
    head[:, : min(width, 8)] = rows[:, :8]
    return head.view(">u8").ravel().astype(np.uint64)


def _in_order(keys: Keys, codes: Codes) -> tuple[Keys, Codes]:
    """Distinct (digest, code) pairs, ascending. Numbers sort many times faster than bytes."""
    head = leading(keys)
    order = np.argsort(head)
    head, keys, codes = head[order], keys[order], codes[order]
    tied = np.zeros(len(keys) + 1, dtype=bool)
    tied[1:-1] = head[1:] == head[:-1]
    rows = np.flatnonzero(tied[1:] | tied[:-1])
    if not len(rows):
        return keys, codes
    inside = rows[np.lexsort((codes[rows], keys[rows]))]
    keys[rows], codes[rows] = keys[inside], codes[inside]
    new = np.ones(len(keys), dtype=bool)
    same = rows[1:][rows[1:] - rows[:-1] == 1]
    new[same] = (keys[same] != keys[same - 1]) | (codes[same] != codes[same - 1])
    return keys[new], codes[new]


def _joined(keys: Keys, codes: Codes, join: Callable[[list[int]], int]) -> tuple[Keys, Codes]:
    """Each digest once; several codes of one become the one ``join`` gives."""
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    if len(first) == len(keys):
        return keys, codes
    counts = np.diff(np.append(first, len(keys)))
    out = codes[first]
    for group in np.flatnonzero(counts > 1):
        start = first[group]
        out[group] = join([int(c) for c in codes[start : start + counts[group]]])
    return keys[first], out


class ArrayWriter:
    """Writes a one-dimensional .npy file whose length is known only at the end."""

    def __init__(self, path: Path, dtype: np.dtype[np.generic]) -> None:
        self._dtype = dtype
        self._file: BinaryIO = path.open("wb")
        self.length = 0
        self._header()

    def _header(self) -> None:
        head = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._file, head)  # numpy leaves room for the length

    def write(self, values: NDArray[np.generic]) -> None:
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).tobytes())
        self.length += len(values)

    def close(self) -> None:
        """Writes the true length and waits until the bytes are on disk."""
        begin = self._file.tell() - self.length * self._dtype.itemsize
        self._file.seek(0)
        self._header()
        if self._file.tell() != begin:
            raise OSError("the header of an array grew while it was written")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
