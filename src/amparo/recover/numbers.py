"""Very many whole numbers of 64 bits in eight bytes each: what is live, by row number and by hash."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

FEW = 1 << 17
"""Up to so many are kept in a set or dict, which is quicker."""


class Numbers:
    """A set of numbers that is filled first and asked afterwards."""

    __slots__ = ("_few", "_many", "_sorted")

    def __init__(self) -> None:
        self._few: set[int] | None = set()
        self._many: array[int] = array("q")
        self._sorted = True

    def add(self, number: int) -> None:
        """One more; of 64 bits with sign."""
        if self._few is not None:
            self._few.add(number)
            if len(self._few) > FEW:
                self._many, self._few = array("q", self._few), None
                self._sorted = False
        else:
            self._many.append(number)
            self._sorted = False

    def _sort(self) -> array[int]:
        if not self._sorted:
            self._many = _packed(np.unique(np.frombuffer(self._many, dtype=np.int64)))
            self._sorted = True
        return self._many

    def __contains__(self, number: object) -> bool:
        if self._few is not None:
            return number in self._few
        if not isinstance(number, int) or not -(1 << 63) <= number < 1 << 63:
            return False
        held = self._sort()
        at = bisect_left(held, number)
        return at < len(held) and held[at] == number

    def __len__(self) -> int:
        return len(self._few if self._few is not None else self._sort())

    def __iter__(self) -> Iterator[int]:
        return iter(self._few if self._few is not None else self._sort())


class Pairs:
    """A dict of numbers to numbers that is filled first and asked afterwards; of one key the last counts."""

    __slots__ = ("_few", "_keys", "_sorted", "_values")

    def __init__(self) -> None:
        self._few: dict[int, int] | None = {}
        self._keys: array[int] = array("q")
        self._values: array[int] = array("q")
        self._sorted = True

    def put(self, key: int, value: int) -> None:
        """One more, or a new value."""
        if self._few is not None:
            self._few[key] = value
            if len(self._few) > FEW:
                self._keys = array("q", self._few.keys())
                self._values = array("q", self._few.values())
                self._few, self._sorted = None, False
        else:
            self._keys.append(key)
            self._values.append(value)
            self._sorted = False

    def _sort(self) -> array[int]:
        if not self._sorted:
            keys = np.frombuffer(self._keys, dtype=np.int64)
            values = np.frombuffer(self._values, dtype=np.int64)
            order = np.argsort(keys, kind="stable")
            keys, values = keys[order], values[order]
            last = np.append(keys[1:] != keys[:-1], True)
            self._keys, self._values = _packed(keys[last]), _packed(values[last])
            self._sorted = True
        return self._keys

    def get(self, key: int) -> int | None:
        """The value of a key; None where there is none."""
        if self._few is not None:
            return self._few.get(key)
        if not -(1 << 63) <= key < 1 << 63:
            return None
        keys = self._sort()
        at = bisect_left(keys, key)
        return self._values[at] if at < len(keys) and keys[at] == key else None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.get(key) is not None

    def __len__(self) -> int:
        return len(self._few if self._few is not None else self._sort())

    def __iter__(self) -> Iterator[int]:
        """Keys; in order."""
        return iter(sorted(self._few) if self._few is not None else self._sort())

    def highest(self) -> int:
        """The greatest key; 0 for none."""
        if self._few is not None:
            return max(self._few, default=0)
        keys = self._sort()
        return keys[-1] if keys else 0


def _packed(numbers: np.ndarray) -> array[int]:
    made = array("q")
    made.frombytes(np.ascontiguousarray(numbers, dtype=np.int64).tobytes())
    return made
