"""Huffman tables of a JPEG as look-up tables: the next 16 bits give a code's length and symbol."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


class Tables:
    """The tables in force: 0..3 for DC, 4..7 for AC."""

    def __init__(self) -> None:
        self._set: list[bytes] = [b""] * 8

    def read(self, body: bytes) -> None:
        """Take in a DHT segment. Raises ValueError."""
        at = 0
        while at < len(body):
            kind, number = body[at] >> 4, body[at] & 15
            counts = body[at + 1 : at + 17]
            total = sum(counts)
            if kind > 1 or number > 3 or len(counts) < 16 or at + 17 + total > len(body):
                raise ValueError("a Huffman table that is none")
            self._set[4 * kind + number] = body[at + 1 : at + 17 + total]
            at += 17 + total

    def look(self) -> Any:
        """uint16[8, 65536], ``length << 8 | symbol``; 0 where there is no such code. Raises ValueError."""
        return _all(tuple(self._set))


@lru_cache(maxsize=8)
def _all(tables: tuple[bytes, ...]) -> Any:
    return np.stack([_one(table) for table in tables])


@lru_cache(maxsize=32)
def _one(table: bytes) -> Any:
    out = np.zeros(65536, np.uint16)
    code, at = 0, 16
    for length in range(1, 17):
        for _ in range(table[length - 1] if table else 0):
            wide = 1 << (16 - length)
            first = code << (16 - length)
            if first + wide > 65536:
                raise ValueError("a Huffman table with more codes than there can be")
            out[first : first + wide] = length << 8 | table[at]
            code, at = code + 1, at + 1
        code <<= 1
    return out
