"""Which pictures look alike: exact search of 256-bit PDQ codes within a Hamming distance.

A code is a row of uint64[n, 4]; :func:`codes_of` makes them from bytes. Every answer equals that of
:func:`flat`, which compares each with each; :mod:`amparo.match.bands` says how it is found sooner.
Nothing here imports numba until there is enough to search.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amparo.match.bands import (
    Codes,
    Found,
    Postings,
    Search,
    all_found,
    bands_for,
    flat_search,
    in_parallel,
    none_found,
)
from amparo.match.joins import join_many, join_pairs

RADIUS = 31
"""Hamming distance up to which two PDQ codes are held to be the same picture."""

FLOOR = 50
"""PDQ quality below which a code says nothing about the picture (Meta: discard 49 and below)."""

Hits = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]

_FEW = 4096
"""Codes below which no index is made."""
_QUICK_PAIRS = 1 << 24
"""Comparisons that numpy does in less time than numba takes to start (about half a second)."""
_QUICKER_PAIRS = 1 << 16
"""Comparisons that numpy does sooner than the compiled loops do once they are there."""
_JOINED = 52
"""Radius up to which a join by bands is quicker than comparing each with each."""
_CHUNK = 2048
_AT_ONCE = 16
"""From one query per this many stored codes, all are searched together, in the order of their keys."""


def codes_of(values: list[bytes]) -> Codes:
    """PDQ values of 32 bytes each as uint64[n, 4]; ValueError for another length."""
    if any(len(v) != 32 for v in values):
        raise ValueError("a PDQ code is 32 bytes")
    return np.frombuffer(bytearray(b"".join(values)), dtype="<u8").reshape(-1, 4)


class NearIndex:
    """Stored codes, searchable exactly; row numbers are the order in which they were given.

    It serves any codes of 256 bits and needs nothing else of Amparo::

        index = NearIndex.build(codes, Path("seized"))     # uint64[n, 4]; or in memory, without a path
        index = NearIndex.open(Path("seized"))             # at once: its arrays are memory-mapped
        query, stored, distance = index.query(codes[:10])  # all within 31 bits, none missed
        index.add(more)                                    # on disk when it returns

    About 100 to 130 bytes a code, itself included. What is added later stands in a tail that is scanned
    flat (100,000 codes: a fraction of a millisecond a query); build again when it has grown long. One
    process adds at a time; any number read. Radii beyond 31 are answered by a scan of everything.
    """

    def __init__(
        self, codes: Codes, postings: Postings | None, tail: Codes, path: Path | None
    ) -> None:
        self._codes = codes
        self._postings = postings
        self._tail = tail
        self._path = path

    @classmethod
    def build(cls, codes: Codes, path: Path | None = None) -> NearIndex:
        """Indexes ``codes``, in memory or as files in the folder ``path``, which is replaced whole."""
        codes = _rows(codes)
        if len(codes) >= 1 << 32:
            raise ValueError("a near index holds fewer than 2**32 codes")
        if path is None:
            postings = Postings.of(codes, np.empty) if len(codes) >= _FEW else None
            return cls(codes, postings, _rows(codes[:0]), None)
        fresh = path.with_name(f".{path.name}.partial")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        names = iter(("starts", "posts"))

        def on_disk(shape: tuple[int, ...], dtype: type) -> Any:
            file = fresh / f"{next(names)}.npy"
            return np.lib.format.open_memmap(file, "w+", dtype=dtype, shape=shape)

        try:
            with (fresh / "codes.npy").open("wb") as file:
                np.save(file, codes)
                file.flush()
                os.fsync(file.fileno())
            if len(codes) >= _FEW:
                for array in Postings.of(codes, on_disk):
                    array.flush()  # type: ignore[attr-defined]
            old = path.with_name(f".{path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            if path.exists():
                path.rename(old)
            fresh.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> NearIndex:
        """The index in this folder, memory-mapped; its files are never changed but for the tail.

        Raises FileNotFoundError when it is not there, ValueError when its files do not fit together.
        """
        codes = _mapped(path / "codes.npy")
        if codes.ndim != 2 or codes.shape[1] != 4 or codes.dtype != np.uint64:
            raise ValueError(f"{path} is no near index: codes.npy is not uint64[n, 4]")
        postings = None
        if len(codes) >= _FEW:
            postings = Postings(_mapped(path / "starts.npy"), _mapped(path / "posts.npy"))
            bands = bands_for(len(codes), RADIUS)
            shapes = (bands.starts,), (len(bands), len(codes))
            if (postings.starts.shape, postings.posts.shape) != shapes:
                raise ValueError(f"{path} is a damaged near index: build it again")
        try:
            tail = np.fromfile(path / "tail.bin", dtype="<u8")
        except FileNotFoundError:
            tail = np.empty(0, dtype=np.uint64)
        return cls(codes, postings, tail[: len(tail) // 4 * 4].reshape(-1, 4), path)

    def __len__(self) -> int:
        return len(self._codes) + len(self._tail)

    def at(self, rows: NDArray[np.int64]) -> Codes:
        """The stored codes of these rows, uint64[r, 4]."""
        old = rows < len(self._codes)
        out = np.empty((len(rows), 4), np.uint64)
        out[old] = self._codes[rows[old]]
        out[~old] = self._tail[rows[~old] - len(self._codes)]
        return out

    def add(self, codes: Codes) -> None:
        """Appends codes to the tail, on disk too where the index has a folder."""
        codes = _rows(codes)
        if self._path is not None:
            with (self._path / "tail.bin").open("ab") as file:
                file.truncate(len(self._tail) * 32)  # a half-written code of an earlier crash
                file.write(codes.tobytes())
                file.flush()
                os.fsync(file.fileno())
        self._tail = np.concatenate([self._tail, codes])

    def query(self, codes: Codes, radius: int = RADIUS) -> Hits:
        """All stored codes within ``radius``: (query row, stored row, distance), in that order."""
        queries = _rows(codes)
        found: list[Found] = []
        joined = self._joined(queries, radius)
        if joined:
            scratch = np.zeros(len(queries), dtype=np.int64)
            found += join_many(queries, self._codes, radius, scratch, keep=True)
        for search, offset in self._searches(len(queries), radius, joined):

            def one(number: int, search: Search = search, offset: int = offset) -> Found:
                chunk = queries[number * _CHUNK : (number + 1) * _CHUNK]
                counts = np.zeros(len(chunk), dtype=np.int64)
                hits = all_found(partial(search, chunk, counts), 16 * len(chunk))
                hits[:, 0] += number * _CHUNK
                hits[:, 1] += offset
                return hits

            found += in_parallel(one, -(-len(queries) // _CHUNK))
        return _hits(found)

    def count(self, codes: Codes, radius: int = RADIUS) -> NDArray[np.int64]:
        """How many stored codes lie within ``radius`` of each query; memory does not depend on it."""
        queries = _rows(codes)
        total = np.zeros(len(queries), dtype=np.int64)
        joined = self._joined(queries, radius)
        if joined:
            join_many(queries, self._codes, radius, total, keep=False)
        for search, _ in self._searches(len(queries), radius, joined):

            def one(number: int, search: Search = search) -> None:
                part = slice(number * _CHUNK, (number + 1) * _CHUNK)
                counts = np.zeros(len(queries[part]), dtype=np.int64)
                search(queries[part], counts, none_found())
                total[part] += counts

            in_parallel(one, -(-len(queries) // _CHUNK))
        return total

    def _joined(self, queries: Codes, radius: int) -> bool:
        """Whether there are queries enough to search them all together."""
        pairs = len(queries) * len(self._codes)
        many = len(queries) * _AT_ONCE >= len(self._codes) and not _quick(pairs)
        return many and self._postings is not None and radius <= RADIUS

    def _searches(self, queries: int, radius: int, joined: bool) -> list[tuple[Search, int]]:
        """How to search what is stored, and the row number each part begins with."""
        parts: list[tuple[Search, int]] = []
        for codes, postings, offset in (
            (self._codes, self._postings, 0),
            (self._tail, None, len(self._codes)),
        ):
            if not len(codes) or (joined and not offset):
                continue
            quick = _quick(queries * len(codes))
            if postings is not None and not quick and radius <= RADIUS:
                parts.append((postings.search(codes, radius), offset))
            else:
                parts.append((flat_search(codes, radius, compiled=not quick), offset))
        return parts


def flat(queries: Codes, codes: Codes, radius: int = RADIUS) -> Hits:
    """The answer of an index over ``codes``, by comparing each with each in numpy."""
    queries, codes = _rows(queries), _rows(codes)
    counts = np.zeros(len(queries), dtype=np.int64)
    search = flat_search(codes, radius, compiled=False)
    return _hits([all_found(partial(search, queries, counts), 1024)])


def pairs(codes: Codes, radius: int = RADIUS) -> Hits:
    """Every pair of codes within ``radius``, once: (i, j, distance) with i < j, in that order."""
    codes = _rows(codes)
    quick = _quick(len(codes) ** 2 // 2)
    if not quick and radius <= _JOINED:
        return _hits(join_pairs(codes, radius))

    def above(number: int) -> Found:
        begin = number * _CHUNK
        part = codes[begin : begin + _CHUNK]
        search = flat_search(codes[begin:], radius, compiled=not quick)
        counts = np.zeros(len(part), dtype=np.int64)
        hits = all_found(partial(search, part, counts), 64 * len(part))
        hits = hits[hits[:, 0] < hits[:, 1]]
        hits[:, :2] += begin
        return hits

    return _hits(in_parallel(above, -(-len(codes) // _CHUNK)))


def _quick(pairs: int) -> bool:
    """Whether so many comparisons are best left to numpy."""
    started = "amparo.match.compiled.banding" in sys.modules
    return pairs <= (_QUICKER_PAIRS if started else _QUICK_PAIRS)


def _rows(codes: Codes) -> Codes:
    """``codes`` as the inner loops want them; ValueError for another shape."""
    codes = np.require(codes, np.uint64, ["C", "W"])
    if codes.ndim != 2 or codes.shape[1] != 4:
        raise ValueError(f"codes are uint64[n, 4], not {codes.dtype}{list(codes.shape)}")
    return codes


def _mapped(file: Path) -> Any:
    """An array on disk; private pages, so that it counts as writable without ever being written."""
    return np.asarray(np.load(file, mmap_mode="c"))


def _hits(parts: list[Found]) -> Hits:
    hits = np.concatenate(parts) if parts else none_found()
    hits = hits[np.lexsort((hits[:, 1], hits[:, 0]))]
    return hits[:, 0].copy(), hits[:, 1].copy(), hits[:, 2].astype(np.int16)
