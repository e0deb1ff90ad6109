"""Sorted hashes on disk: what one supplied file says, searched by memory map.

Files of layer ``n`` in a set's folder (``prefix`` is ``n.``, and nothing for the first)::

    md5.npy        distinct digests ascending (|S16; sha1 |S20, sha256 |S32, photodna |S144)
    md5.says.npy   uint16 index into the table of statements; GONE: an update took the digest out

The whole digest is compared, never a prefix.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amparo.match.entries import EMPTY, WIDTH, Bulk, Entry, Gone, Reading, Stated
from amparo.match.sorting import ArrayWriter, Codes, Keys, Sorter

GONE = 0xFFFF
ABSENT = -1
_WINDOW = 4 << 20
"""Digests mapped at once, so memory stays bounded on sets of any size."""


class Layer:
    """What one file of a set says of which digests."""

    def __init__(self, folder: Path, prefix: str, about: dict[str, Any]) -> None:
        self.folder = folder
        self.prefix = prefix
        self.edition: str = about.get("edition", "")
        self.counts: dict[str, int] = about["counts"]
        """Distinct values for each algorithm."""
        self.statements = [Stated(*s) for s in about["statements"]]
        for algorithm in self.counts:
            self.maps(algorithm)

    def maps(self, algorithm: str) -> tuple[Any, Any]:
        """Digests and codes; ValueError where they are not as counted."""
        keys = np.load(self.folder / f"{self.prefix}{algorithm}.npy", mmap_mode="r")
        says = np.load(self.folder / f"{self.prefix}{algorithm}.says.npy", mmap_mode="r")
        wanted = (self.counts[algorithm],)
        if keys.shape != wanted or says.shape != wanted or keys.itemsize != WIDTH[algorithm]:
            raise ValueError(f"{self.prefix}{algorithm}.npy has another shape than {wanted}")
        return keys, says

    def codes(self, algorithm: str, wanted: Keys) -> NDArray[np.int32]:
        """For each of the ascending digests its code, GONE or ABSENT."""
        out = np.full(len(wanted), ABSENT, np.int32)
        if not len(wanted) or not self.counts.get(algorithm):
            return out
        borders = np.array(self.maps(algorithm)[0][_WINDOW::_WINDOW])
        cuts = [0, *np.searchsorted(wanted, borders).tolist(), len(wanted)]
        for window in range(len(cuts) - 1):
            lo, hi = cuts[window], cuts[window + 1]
            if lo == hi:
                continue
            keys, says = self.maps(algorithm)  # mapped anew: the last window's pages are let go
            part = slice(window * _WINDOW, (window + 1) * _WINDOW)
            keys, says = keys[part], says[part]
            at = np.searchsorted(keys, wanted[lo:hi])
            at[at == len(keys)] = 0
            hits = np.flatnonzero(keys[at] == wanted[lo:hi])
            out[lo + hits] = says[at[hits]]
        return out


def write_layer(
    entries: Iterable[Entry | Bulk | Gone], folder: Path, prefix: str, reading: Reading
) -> dict[str, Any]:
    """Writes what the entries say; the description a :class:`Layer` opens.

    Memory is flat. Raises ValueError where they state more than 65,535 different things.
    """
    sorters = {a: Sorter(folder, f"{prefix}{a}", width) for a, width in WIDTH.items()}
    table: dict[Stated, int] = {}
    for entry in entries:
        if isinstance(entry, Gone):
            reading.gone += 1
            code = GONE
        else:
            reading.entries += entry.entries if isinstance(entry, Bulk) else 1
            code = _number(table, entry.stated)
        for algorithm, digests in entry.digests:
            _add(sorters[algorithm], digests, code, algorithm, reading)
    counts = {
        a: n for a, s in sorters.items() if (n := _write(s, folder, prefix + a, table, reading))
    }
    return {"counts": counts, "statements": list(table)}


def _add(sorter: Sorter, digests: bytes, code: int, algorithm: str, reading: Reading) -> None:
    width = sorter.width
    for empty in EMPTY:
        while len(empty) == width and (at := _aligned(digests, empty)) >= 0:
            reading.problem("", f"the {algorithm} of an empty file: left out")
            digests = digests[:at] + digests[at + width :]
    if digests:
        sorter.add_many(digests, code)


def _aligned(digests: bytes, one: bytes) -> int:
    at = digests.find(one)
    while at >= 0 and at % len(one):
        at = digests.find(one, at + 1)
    return at


def _number(table: dict[Stated, int], stated: Stated) -> int:
    number = table.setdefault(stated, len(table))
    if number >= GONE:
        raise ValueError("not a list of categories: more than 65,534 different ones")
    return number


def _write(
    sorter: Sorter, folder: Path, name: str, table: dict[Stated, int], reading: Reading
) -> int:
    """Writes one algorithm's arrays; gives the number of distinct values, 0 for no files."""
    statements = list(table)

    @cache
    def joined(codes: tuple[int, ...]) -> Stated:
        return together(statements[c] for c in codes)

    def join(codes: list[int]) -> int:
        listed = [c for c in codes if c != GONE]  # taken out and put in again: it is in
        both = joined(tuple(listed))
        if len({statements[c].code for c in listed} - {""}) > 1:
            reading.problem("", f"a hash listed under the categories {both.code}")
        return _number(table, both)

    return save(folder, name, sorter.width, sorter.merged(join))


def save(folder: Path, name: str, width: int, parts: Iterable[tuple[Keys, Codes]]) -> int:
    """Writes ascending digests with their codes; how many, and no files for none."""
    keys = ArrayWriter(folder / f"{name}.npy", np.dtype(f"S{width}"))
    says = ArrayWriter(folder / f"{name}.says.npy", np.dtype("<u2"))
    for digests, codes in parts:
        keys.write(digests)
        says.write(codes)
    keys.close()
    says.close()
    if not keys.length:
        (folder / f"{name}.npy").unlink()
        (folder / f"{name}.says.npy").unlink()
    return keys.length


def together(several: Iterable[Stated]) -> Stated:
    """What all say of one hash; a contradiction has every code, and no flag."""
    all = list(several)
    return Stated(
        "|".join(sorted({c for s in all for c in s.code.split("|")} - {""})),
        _agreed(s.victim_identified for s in all),
        _agreed(s.offender_identified for s in all),
        _agreed(s.distributed for s in all),
    )


def _agreed(values: Iterator[bool | None]) -> bool | None:
    """The one thing said, or None where nothing is said or both are."""
    said = {v for v in values if v is not None}
    return said.pop() if len(said) == 1 else None


def merge_layers(layers: list[Layer], folder: Path, prefix: str) -> dict[str, Any]:
    """Several updates, oldest first, as one: the newest word on each digest stands.

    The updates are held in memory together; the first layer of a set is not among them.
    """
    table: dict[Stated, int] = {}
    counts = {}
    for algorithm, width in WIDTH.items():
        all_keys: list[Keys] = [np.zeros(0, f"S{width}")]
        all_codes: list[Codes] = [np.zeros(0, np.uint16)]
        for layer in reversed(layers):
            if not layer.counts.get(algorithm):
                continue
            keys, says = layer.maps(algorithm)
            renumbered = np.full(GONE + 1, GONE, np.uint16)
            for number, stated in enumerate(layer.statements):
                renumbered[number] = _number(table, stated)
            all_keys.append(np.array(keys))
            all_codes.append(renumbered[says])
        keys, first = np.unique(np.concatenate(all_keys), return_index=True)
        codes = np.concatenate(all_codes)[first]
        if count := save(folder, prefix + algorithm, width, [(keys, codes)]):
            counts[algorithm] = count
    return {"counts": counts, "statements": list(table)}


def open_layers(folder: Path, about: list[dict[str, Any]]) -> list[Layer]:
    """Every layer of a set, oldest first; ValueError, KeyError or OSError where one is damaged."""
    return [Layer(folder, prefix_of(a["number"]), a) for a in about]


def prefix_of(number: int) -> str:
    """How the names of a layer's files begin."""
    return f"{number}." if number else ""


def is_json(stream: io.BufferedReader) -> bool:
    """Whether a text begins as JSON does."""
    return stream.peek(4096)[:4096].lstrip()[:1] in (b"{", b"[")
