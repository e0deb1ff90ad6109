"""Known-hash sets: what need not be looked at again (ignore) and what must be acted upon (alert).

A set is compiled once into sorted arrays under ``known/<id>/`` of the case's derived files::

    set.json       name, edition, use, scheme, origin, counts, problems, table of statements
    md5.npy        distinct digests ascending (|S16; sha1 |S20, sha256 |S32, photodna |S144)
    md5.says.npy   uint16 index into the table of statements, for each digest

and looked up by memory map: the whole digest is compared, never a prefix.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.match.categories import use_of
from amparo.match.entries import EMPTY, MATCHED, WIDTH, Reading, Stated, as_text
from amparo.match.lists import read_text
from amparo.match.sorting import ArrayWriter, Sorter
from amparo.match.vics import read_vics
from amparo.model import Content, Id, KnownMatch, KnownSet

FORMAT = 1
_WINDOW = 4 << 20
"""Digests mapped at once, so memory stays bounded on sets of any size."""
_BATCH = 1 << 18
_MOST_STATEMENTS = 1 << 16


def _place(folder: Path, id: Id) -> Path:
    if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id):
        raise ValueError(f"{id!r} is not the id of a known set")
    return folder / "known" / id


class KnownFile:
    """One compiled set on disk."""

    def __init__(self, place: Path, about: dict[str, Any]) -> None:
        self._place = place
        self.record = KnownSet(**about["record"])
        self.problems: list[str] = about["problems"]
        self.updated: int | None = about["updated"]
        """Latest date an entry of the list gives, UTC milliseconds."""
        self.counts: dict[str, int] = about["counts"]
        """Distinct values for each algorithm, PhotoDNA among them."""
        self._statements = [Stated(*s) for s in about["statements"]]

    @classmethod
    def open(cls, folder: Path, id: Id) -> KnownFile:
        """The set compiled under ``folder``.

        Raises FileNotFoundError when it is not there and ValueError when it is damaged.
        """
        place = _place(folder, id)
        try:
            text = (place / "set.json").read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(f"no compiled known set {id} under {folder}") from None
        try:
            about = json.loads(text)
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}")
            known = cls(place, about)
            if known.record.id != id:
                raise ValueError("it belongs to another set")
            for algorithm in known.counts:
                known._maps(algorithm)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(
                f"the compiled known set {id} is damaged ({error}): remove it and add the list again"
            ) from error
        return known

    def _maps(self, algorithm: str) -> tuple[Any, Any]:
        keys = np.load(self._place / f"{algorithm}.npy", mmap_mode="r")
        says = np.load(self._place / f"{algorithm}.says.npy", mmap_mode="r")
        wanted = (self.counts[algorithm],)
        if keys.shape != wanted or says.shape != wanted or keys.itemsize != WIDTH[algorithm]:
            raise ValueError(f"{algorithm}.npy has another shape than {wanted}")
        return keys, says

    def stated(self, algorithm: str, digests: list[bytes]) -> list[Stated | None]:
        """For each digest what the list states of it, or None where it is not in the list.

        Raises ValueError for an unknown algorithm or a digest of another width.
        """
        width = WIDTH.get(algorithm)
        if width is None or any(len(d) != width for d in digests):
            raise ValueError(f"lookup wants whole digests of {', '.join(WIDTH)}; not {algorithm}")
        out: list[Stated | None] = [None] * len(digests)
        if not digests or not self.counts.get(algorithm):
            return out
        wanted = np.array(digests, dtype=f"S{width}")
        order = np.argsort(wanted, kind="stable")
        wanted = wanted[order]
        borders = np.array(self._maps(algorithm)[0][_WINDOW::_WINDOW])
        cuts = [0, *np.searchsorted(wanted, borders).tolist(), len(wanted)]
        for window in range(len(cuts) - 1):
            lo, hi = cuts[window], cuts[window + 1]
            if lo == hi:
                continue
            keys, says = self._maps(algorithm)  # mapped anew: the last window's pages are let go
            part = slice(window * _WINDOW, (window + 1) * _WINDOW)
            keys, says = keys[part], says[part]
            at = np.searchsorted(keys, wanted[lo:hi])
            at[at == len(keys)] = 0
            hits = np.flatnonzero(keys[at] == wanted[lo:hi])
            for row, code in zip(order[lo + hits].tolist(), says[at[hits]].tolist(), strict=True):
                out[row] = self._statements[code]
        return out

    def lookup(self, algorithm: str, digests: list[bytes]) -> list[str | None]:
        """For each digest its category code ("" where the list gives none), or None: not in the list.

        A digest listed under several codes has them all, ``0|1``: a list that contradicts itself
        settles nothing.
        """
        return [s and s.code for s in self.stated(algorithm, digests)]


def compile_set(
    source: Path, folder: Path, name: str, use: str, origin: str = ""
) -> tuple[KnownSet, list[str]]:
    """Makes a supplied list searchable; gives its record and everything that could not be used of it.

    Takes plain lists, CSV and VICS JSON. The same file under the same name gives the same id and
    changes nothing. Memory is flat; nothing is left behind when it fails. Raises ValueError where the
    file is no list, holds no hash, changed while it was read, or stands already with another ``use``.
    """
    if use not in ("alert", "ignore"):
        raise ValueError(f"use is alert or ignore, not {use!r}")
    with source.open("rb") as file:
        before = os.fstat(file.fileno())
        edition = hashlib.file_digest(file, "sha256").hexdigest()
        id = KnownSet(name=name, edition=edition, use=use).id
        place = _place(folder, id)
        if place.exists():
            there = KnownFile.open(folder, id)
            if there.record.use != use:
                raise ValueError(f"{name} is already kept as {there.record.use}: remove it first")
            return there.record, there.problems
        partial = place.with_name(f".{id}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            file.seek(0)
            about = _compile(as_text(file), partial)
            after = os.fstat(file.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise ValueError(f"{source.name} changed while it was read")
            about["record"] |= {"name": name, "edition": edition, "use": use, "origin": origin}
            with (partial / "set.json").open("w", encoding="utf-8") as out:
                json.dump(about, out, ensure_ascii=True)
                out.flush()
                os.fsync(out.fileno())
            _sync(partial)
            partial.rename(place)
            _sync(place.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    known = KnownFile.open(folder, id)
    return known.record, known.problems


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _compile(stream: io.BufferedReader, partial: Path) -> dict[str, Any]:
    """Reads the whole list into sorted arrays under ``partial``; the body of ``set.json``."""
    reading = Reading()
    json_like = stream.peek(4096)[:4096].lstrip()[:1] in (b"{", b"[")
    entries = (read_vics if json_like else read_text)(stream, reading)
    sorters = {a: Sorter(partial, a, width) for a, width in WIDTH.items()}
    table: dict[Stated, int] = {}
    for entry in entries:
        reading.entries += 1
        says = _number(table, entry.stated)
        for algorithm, digest in entry.digests:
            if digest in EMPTY:
                reading.problem("", f"the {algorithm} of an empty file: left out")
            else:
                sorters[algorithm].add(digest, says)
    counts = {a: n for a, s in sorters.items() if (n := _write(s, partial, a, table, reading))}
    if not counts:
        raise ValueError("not a hash list: it holds no hash")
    return {
        "format": FORMAT,
        "record": {
            "scheme": reading.scheme,
            "entries": reading.entries,
            "hashes": sum(counts.get(a, 0) for a in MATCHED),
            "unmatched": counts.get("photodna", 0),
        },
        "updated": reading.updated,
        "counts": counts,
        "problems": reading.lines(),
        "statements": list(table),
    }


def _number(table: dict[Stated, int], stated: Stated) -> int:
    number = table.setdefault(stated, len(table))
    if number >= _MOST_STATEMENTS:
        raise ValueError("not a list of categories: more than 65,536 different ones")
    return number


def _write(
    sorter: Sorter, partial: Path, algorithm: str, table: dict[Stated, int], reading: Reading
) -> int:
    """Writes one algorithm's arrays; gives the number of distinct values, 0 for no files."""

    statements = list(table)

    @cache
    def joined(codes: tuple[int, ...]) -> Stated:
        several = [statements[c] for c in codes]
        return Stated(
            "|".join(sorted({s.code for s in several} - {""})),
            _agreed([s.victim_identified for s in several]),
            _agreed([s.offender_identified for s in several]),
            _agreed([s.distributed for s in several]),
        )

    def join(codes: list[int]) -> int:
        both = joined(tuple(codes))
        if len({statements[c].code for c in codes} - {""}) > 1:
            reading.problem("", f"a hash listed under the categories {both.code}")
        return _number(table, both)

    keys = ArrayWriter(partial / f"{algorithm}.npy", np.dtype(f"S{sorter.width}"))
    says = ArrayWriter(partial / f"{algorithm}.says.npy", np.dtype("<u2"))
    for digests, codes in sorter.merged(join):
        keys.write(digests)
        says.write(codes)
    keys.close()
    says.close()
    if not keys.length:
        (partial / f"{algorithm}.npy").unlink()
        (partial / f"{algorithm}.says.npy").unlink()
    return keys.length


def _agreed(values: list[bool | None]) -> bool | None:
    """The one thing said, or None where nothing is said or both are."""
    said = {v for v in values if v is not None}
    return said.pop() if len(said) == 1 else None


def remove_set(folder: Path, id: Id) -> None:
    """Deletes a compiled set; FileNotFoundError when there is none."""
    place = _place(folder, id)
    gone = place.with_name(f".{id}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    place.rename(gone)
    shutil.rmtree(gone)


def drop_unlisted(folder: Path, ids: Collection[Id]) -> None:
    """Deletes compiled sets the case has no record of: left by an adding or removal cut short."""
    for place in sorted((folder / "known").glob("*-*-*-*-*")):
        if not place.name.startswith(".") and place.name not in ids:
            remove_set(folder, place.name)


@deriver("known", stage="match", version=2, reads=(Content, KnownSet), makes=(KnownMatch,))
def known(view: View, folder: Path) -> Iterator[KnownMatch]:
    """Which contents stand in a known-hash set, by which hash and under which category.

    Raises FileNotFoundError where the compiled arrays of a set are missing: silence would read as
    "nothing known".
    """
    sets = []
    for record in view.each(KnownSet):
        try:
            sets.append((record, KnownFile.open(folder, record.id)))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"the known set {record.name!r} is not compiled here: add its list again"
            ) from None
    rows = view.columns(Content, "id", "size", *MATCHED) if sets else iter(())
    while batch := [row for row in islice(rows, _BATCH)]:
        for column, algorithm in enumerate(MATCHED, 2):
            ids, digests = [], []
            for row in batch:
                digest = _digest(row[column])
                if row[1] > 0 and len(digest) == WIDTH[algorithm]:
                    ids.append(row[0])
                    digests.append(digest)
            for record, file in sets:
                for content, code in zip(ids, file.lookup(algorithm, digests), strict=True):
                    if code is not None:
                        yield KnownMatch(
                            content=content,
                            known_set=record.id,
                            algorithm=algorithm,
                            use=use_of(record.use, record.scheme, code),
                            scheme=record.scheme,
                            code=code,
                        )


def _digest(written: str) -> bytes:
    try:
        return bytes.fromhex(written)
    except ValueError:
        return b""
