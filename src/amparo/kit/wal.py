"""SQLite's write-ahead log: what was committed but not yet copied into the database file.

Format (https://www.sqlite.org/fileformat2.html#walformat), big-endian 32-bit words::

    header  magic 0x377f0682|3, version 3007000, page size, checkpoint, salt 1, salt 2, checksum 1, 2
    frame   page number, pages in the database after a commit (0: none), salt 1, 2, checksum 1, 2; page

The checksum runs over header and frames; the last bit of the magic gives the order of its words.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
_VERSION = 3007000
_WORD = 0xFFFFFFFF


class WalError(ValueError):
    """The log is not one, or does not fit the database."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Pages of the log up to its last complete commit."""

    page_size: int
    pages: int
    """Pages the database has after that commit."""
    frames: int
    """Frames up to that commit."""
    left: int
    """Whole frames behind it: unfinished, or of an older round of the log."""
    offsets: dict[int, int]
    """Page number to the offset in the log of its newest committed content."""


@lru_cache(maxsize=8)
def _powers(pairs: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """The checksum as one linear step over ``pairs`` pairs of words, modulo 2**32.

    One pair (x, y) turns (s, t) into (s + t + x, s + 2t + x + y): a matrix with Fibonacci powers.
    """
    weights = np.empty((2, 2 * pairs), dtype=np.uint32)
    a, b, c, d = 1, 0, 0, 1  # the matrix so far
    for i in range(pairs - 1, -1, -1):
        weights[:, 2 * i] = ((a + b) & _WORD, (c + d) & _WORD)
        weights[:, 2 * i + 1] = (b, d)
        a, b, c, d = (a + b) & _WORD, (a + 2 * b) & _WORD, (c + d) & _WORD, (c + 2 * d) & _WORD
    return weights[0], weights[1], (a, b, c, d)


def checksum(data: bytes, order: str, s: int = 0, t: int = 0) -> tuple[int, int]:
    """The log's checksum over a multiple of 8 bytes; ``order`` of the words is ``<`` or ``>``."""
    words = np.frombuffer(data, dtype=f"{order}u4").astype(np.uint32)
    first, second, (a, b, c, d) = _powers(len(words) // 2)
    one = int((first * words).sum(dtype=np.uint32)) + a * s + b * t
    two = int((second * words).sum(dtype=np.uint32)) + c * s + d * t
    return one & _WORD, two & _WORD


def read(stream: BinaryIO, size: int) -> Committed | None:
    """What the log has committed; None for an empty log or one without a complete commit.

    Raises WalError for what is no log.
    """
    head = stream.read(_HEADER.size)
    if not head.strip(b"\0"):
        return None
    if len(head) < _HEADER.size:
        raise WalError("the log beside it is cut off in its header")
    magic, version, page_size, _, salt1, salt2, *sums = _HEADER.unpack(head)
    order = ">" if magic & 1 else "<"
    if magic & ~1 != _MAGIC or version != _VERSION or checksum(head[:24], order) != tuple(sums):
        raise WalError("the log beside it has a damaged header")
    if page_size not in {1 << n for n in range(9, 17)}:
        raise WalError(f"the log beside it has pages of {page_size} bytes")
    s, t = sums
    whole = (size - _HEADER.size) // (_FRAME.size + page_size)
    pending: dict[int, int] = {}
    offsets: dict[int, int] = {}
    pages = frames = 0
    for i in range(whole):
        frame = stream.read(_FRAME.size + page_size)
        if len(frame) < _FRAME.size + page_size:
            break
        page, after, one, two, *sums = _FRAME.unpack_from(frame)
        if (one, two) != (salt1, salt2) or page == 0:
            break
        s, t = checksum(frame[_FRAME.size :], order, *checksum(frame[:8], order, s, t))
        if [s, t] != sums:
            break
        pending[page] = _HEADER.size + i * (_FRAME.size + page_size) + _FRAME.size
        if after:
            offsets.update(pending)
            pending.clear()
            pages, frames = after, i + 1
    return Committed(page_size, pages, frames, whole - frames, offsets) if frames else None


def overlay(database: bytearray, stream: BinaryIO, committed: Committed) -> None:
    """Write the committed pages into the database's bytes, as a checkpoint would. Raises WalError."""
    size = committed.page_size
    if database and int.from_bytes(database[16:18], "big") not in (size, 1 if size == 65536 else 0):
        raise WalError(f"the log beside it has pages of {size} bytes, the database has not")
    here = len(database) // size
    if committed.pages > 4 * (here + committed.frames) + 1024:
        raise WalError(f"the log beside it claims {committed.pages} pages")
    if committed.pages < here:
        del database[committed.pages * size :]
    database.extend(bytes(committed.pages * size - len(database)))
    for page, offset in committed.offsets.items():
        if page <= committed.pages:
            stream.seek(offset)
            database[(page - 1) * size : page * size] = stream.read(size)
