"""Known sets on disk: a supplied list compiled once, updated in layers, looked up by memory map.

A set is a folder ``known/<id>/`` of the case's derived files::

    set.json       name, edition, use, terms, scheme, counts, problems, what each layer states
    md5.npy ...    the arrays of each layer (:mod:`amparo.match.layer`); names.npy: entries by name

An update adds a layer: what it holds counts before what lies below, and the set becomes another edition
that shares the files of the one before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amparo.match import names
from amparo.match.entries import COMPARED, WIDTH, Bulk, Entry, Gone, Reading, Stated, as_text
from amparo.match.layer import (
    ABSENT,
    GONE,
    Layer,
    is_json,
    merge_layers,
    open_layers,
    prefix_of,
    write_layer,
)
from amparo.match.lists import read_text
from amparo.match.ncmec import pages_in, read_pages
from amparo.match.near import NearIndex
from amparo.match.rds import MAGIC, looks_like_changes, read_changes, read_rds
from amparo.match.sorting import Codes, Keys
from amparo.match.vics import read_vics
from amparo.model import Id, KnownSet

FORMAT = 2
_MOST_LAYERS = 8
"""Updates beyond are merged with each other, so that a lookup never asks more."""

Items = Iterator[Entry | Bulk | Gone]


@dataclass(frozen=True)
class Terms:
    """Who a list is from and on what conditions it may be used."""

    origin: str = ""
    licence: str = ""
    expires: int | None = None
    """UTC milliseconds after which it is not used any more."""


class KnownFile:
    """One compiled set on disk."""

    def __init__(self, place: Path, about: dict[str, Any]) -> None:
        self.place = place
        self.record = KnownSet(**about["record"])
        self.problems: list[str] = about["problems"]
        self.updated: int | None = about["updated"]
        """Latest date an entry of the list gives, UTC milliseconds."""
        self.about: list[dict[str, Any]] = about["layers"]
        self.layers = open_layers(place, self.about)
        self.complete: bool = about.get("kept") == sorted(WIDTH)
        """Whether every kind of value that Amparo keeps today was kept when it was compiled."""

    @classmethod
    def open(cls, folder: Path, id: Id) -> KnownFile:
        """The set compiled under ``folder``.

        Raises FileNotFoundError when it is not there and ValueError when it is damaged.
        """
        place = place_of(folder, id)
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
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(
                f"the compiled known set {id} is damaged ({error}): remove it and add the list again"
            ) from error
        return known

    @property
    def counts(self) -> dict[str, int]:
        """Distinct values for each algorithm, PhotoDNA among them; what updates took out is not."""
        return {a: n for a in WIDTH if (n := sum(about["net"].get(a, 0) for about in self.about))}

    def stated(self, algorithm: str, digests: list[bytes]) -> list[Stated | None]:
        """For each digest what the list states of it, or None where it is not in the list.

        Raises ValueError for an unknown algorithm or a digest of another width.
        """
        width = WIDTH.get(algorithm)
        if width is None or any(len(d) != width for d in digests):
            raise ValueError(f"lookup wants whole digests of {', '.join(WIDTH)}; not {algorithm}")
        out: list[Stated | None] = [None] * len(digests)
        if not digests:
            return out
        wanted = np.array(digests, dtype=f"S{width}")
        order = np.argsort(wanted, kind="stable")
        layers, codes = newest_word(self.layers, algorithm, wanted[order])
        for row in np.flatnonzero((codes != ABSENT) & (codes != GONE)).tolist():
            out[order[row]] = self.layers[layers[row]].statements[codes[row]]
        return out

    def near(self) -> NearIndex | None:
        """The list's values of PDQ to be searched by distance, made once beside it; None where it has none."""
        counted = [layer for layer in self.layers if layer.counts.get("pdq")]
        if not counted:
            return None
        path = self.place / "near"
        with contextlib.suppress(FileNotFoundError, ValueError):
            return NearIndex.open(path)
        keys = np.unique(np.concatenate([layer.maps("pdq")[0] for layer in counted]))
        _, codes = newest_word(self.layers, "pdq", keys)
        kept = np.ascontiguousarray(keys[(codes != ABSENT) & (codes != GONE)])
        return NearIndex.build(kept.view("<u8").reshape(-1, 4), path)

    def lookup(self, algorithm: str, digests: list[bytes]) -> list[str | None]:
        """For each digest its category code ("" where the list gives none), or None: not in the list.

        A digest listed under several codes has them all, ``0|1``: a list that contradicts itself
        settles nothing.
        """
        return [s and s.code for s in self.stated(algorithm, digests)]


def newest_word(layers: list[Layer], algorithm: str, wanted: Keys) -> tuple[Any, Any]:
    """Which layer speaks last of each ascending digest, and its code there; ABSENT where none does."""
    which = np.zeros(len(wanted), np.int32)
    codes = np.full(len(wanted), ABSENT, np.int32)
    for number in reversed(range(len(layers))):
        open_rows = np.flatnonzero(codes == ABSENT)
        if not len(open_rows):
            break
        found = layers[number].codes(algorithm, wanted[open_rows])
        codes[open_rows] = found
        which[open_rows] = number
    return which, codes


def place_of(folder: Path, id: Id) -> Path:
    """Where a set lies; ValueError for what is no id."""
    if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id):
        raise ValueError(f"{id!r} is not the id of a known set")
    return folder / "known" / id


def compile_set(
    source: Path, folder: Path, name: str, use: str, terms: Terms = Terms()
) -> tuple[KnownSet, list[str]]:
    """Makes a supplied list searchable; gives its record and everything that could not be used of it.

    Takes plain lists, CSV (ICSE's among them), VICS JSON, RDSv3 databases, and a folder of the saved
    pages of a hash-sharing service. The same list under the same name gives the same id and changes
    nothing. Memory is flat; nothing is left behind when it fails. Raises ValueError where the file is no
    list, holds no hash, changed while it was read, or stands already with another ``use``.
    """
    if use not in ("alert", "ignore"):
        raise ValueError(f"use is alert or ignore, not {use!r}")
    supplied = _Supplied(source)
    edition = supplied.edition()
    record = {"name": name, "edition": edition, "use": use, **asdict(terms)}
    place = place_of(folder, KnownSet(**record).id)
    if place.exists() and not (there := KnownFile.open(folder, place.name)).complete:
        remove_set(folder, place.name)  # by a version that did not keep all of it
    if place.exists():
        if there.record.use != use:
            raise ValueError(f"{name} is already kept as {there.record.use}: remove it first")
        return there.record, there.problems
    with _Partial(place) as partial:
        reading = Reading()
        layer = _layer(supplied.entries(reading), partial, 0, edition, reading, None)
        if not layer["counts"]:
            raise ValueError("not a hash list: it holds no hash")
        supplied.unchanged()
        partial.keep(record, [layer], reading)
    known = KnownFile.open(folder, place.name)
    return known.record, known.problems


def update_set(source: Path, folder: Path, old: KnownSet) -> tuple[KnownSet, list[str]]:
    """The next edition of a set: what the change file adds and takes out, on top of what is there.

    Takes the quarterly changes of the RDS, further pages of a hash-sharing service (deleted entries take
    their hashes along), and any list (its entries are added). Nothing that is there is read or written
    anew. A change taken in already changes nothing. Raises ValueError as :func:`compile_set` does, and
    FileNotFoundError where the set is not compiled here.
    """
    supplied = _Supplied(source)
    change = supplied.edition()
    below = KnownFile.open(folder, old.id)
    if any(change in layer["edition"].split() for layer in below.about):
        return below.record, below.problems
    if supplied.changes and old.use != "ignore":
        raise ValueError("changes of the RDS belong on a set that is ignored")
    edition = hashlib.sha256(f"{old.edition} {change}".encode()).hexdigest()
    record = asdict_of(old) | {"edition": edition}
    place = place_of(folder, KnownSet(name=old.name, edition=edition, use=old.use).id)
    if not place.exists():
        with _Partial(place) as partial:
            reading = Reading()
            partial.share(below.place)
            number = max(layer["number"] for layer in below.about) + 1
            layer = _layer(supplied.entries(reading), partial, number, change, reading, below)
            supplied.unchanged()
            about = _merged([*below.about, layer], partial.path)
            reading.scheme = reading.scheme or old.scheme
            reading.updated = max(filter(None, (reading.updated, below.updated)), default=None)
            partial.keep(record, about, reading)
    known = KnownFile.open(folder, place.name)
    return known.record, known.problems


def latest_of(folder: Path, sets: list[KnownSet]) -> KnownSet | None:
    """The edition that holds all the others (an update cut short leaves two); None where none does."""
    if len(sets) == 1:
        return sets[0]
    held = {
        s.id: set(" ".join(a["edition"] for a in KnownFile.open(folder, s.id).about).split())
        for s in sets
    }
    return next((s for s in sets if all(held[s.id] >= held[o.id] for o in sets)), None)


def asdict_of(record: KnownSet) -> dict[str, Any]:
    """The fields of a set that stay through its editions."""
    return {n: getattr(record, n) for n in ("name", "use", "origin", "licence", "expires")}


class _Supplied:
    """A list as it was handed over: a file, or a folder of pages."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.pages = pages_in(source.iterdir()) if source.is_dir() else []
        if source.is_dir() and not self.pages:
            raise ValueError("a folder without pages of a hash-sharing service (*.xml)")
        head = b"" if self.pages else _head(source)
        self.database = head.startswith(MAGIC)
        self.changes = looks_like_changes(head)
        if not self.pages and head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            self.pages = [source]
        self._before = self._state()

    def _state(self) -> list[tuple[int, int]]:
        stats = [path.stat() for path in self.pages or [self.source]]
        return [(s.st_size, s.st_mtime_ns) for s in stats]

    def edition(self) -> str:
        """SHA-256 of the list as supplied; of a folder, of its files' names and hashes."""
        digests = []
        for path in self.pages or [self.source]:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        if not self.source.is_dir():
            return digests[0]
        listing = "".join(f"{d}  {p.name}\n" for d, p in zip(digests, self.pages, strict=True))
        return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()

    def entries(self, reading: Reading) -> Items:
        """What stands in it, by the reader its first bytes ask for."""
        if self.pages:
            yield from read_pages(self.pages, reading)
        elif self.database:
            yield from read_rds(self.source, reading)
        else:
            with self.source.open("rb") as file:
                if self.changes:
                    yield from read_changes(file, reading)
                    return
                text = as_text(file)
                yield from (read_vics if is_json(text) else read_text)(text, reading)

    def unchanged(self) -> None:
        """ValueError where somebody wrote to it meanwhile."""
        if self._state() != self._before:
            raise ValueError(f"{self.source.name} changed while it was read")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


class _Partial:
    """A set in the making: takes its place whole, or leaves nothing."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.path = place.with_name(f".{place.name}.partial")

    def __enter__(self) -> _Partial:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def share(self, other: Path) -> None:
        """The arrays of another edition, without copying where the file system allows."""
        for file in sorted(other.glob("*.npy")):
            if file.name == "names.npy":
                continue
            try:
                os.link(file, self.path / file.name)
            except OSError:
                shutil.copyfile(file, self.path / file.name)

    def keep(self, record: dict[str, Any], layers: list[dict[str, Any]], reading: Reading) -> None:
        """Writes the description and puts the set in its place."""
        total = {a: sum(about["net"].get(a, 0) for about in layers) for a in WIDTH}
        record |= {
            "scheme": reading.scheme,
            "entries": sum(about["entries"] for about in layers),
            "hashes": sum(total[a] for a in COMPARED),
            "unmatched": total["photodna"],
        }
        about = {
            "format": FORMAT,
            "kept": sorted(WIDTH),
            "record": record,
            "updated": reading.updated,
            "problems": reading.lines(),
            "layers": layers,
        }
        with (self.path / "set.json").open("w", encoding="utf-8") as out:
            json.dump(about, out, ensure_ascii=True)
            out.flush()
            os.fsync(out.fileno())
        _sync(self.path)
        self.path.rename(self._place)
        _sync(self._place.parent)


def _layer(
    entries: Items,
    partial: _Partial,
    number: int,
    edition: str,
    reading: Reading,
    below: KnownFile | None,
) -> dict[str, Any]:
    """Writes one layer with the names of its entries; its description."""
    named: list[tuple[bytes, str, bytes]] = []
    withdrawn: list[bytes] = []
    before = names.load(below.place) if below else names.rows_of(0, (), ())

    def watched() -> Items:
        for entry in entries:
            if isinstance(entry, Gone) and entry.name:
                withdrawn.append(entry.name)
                continue
            if isinstance(entry, Entry) and entry.name:
                named.extend((entry.name, a, d) for a, d in entry.digests)
            yield entry
        here = names.rows_of(number, named, withdrawn)
        if gone := names.orphaned(before, here):
            yield Gone(tuple(gone))
        rows = np.concatenate([before, here])
        if len(rows):
            np.save(partial.path / "names.npy", rows)

    about = write_layer(watched(), partial.path, prefix_of(number), reading)
    about |= {"number": number, "edition": edition, "entries": reading.entries}
    about["net"] = _net(Layer(partial.path, prefix_of(number), about), below)
    return about


def _net(layer: Layer, below: KnownFile | None) -> dict[str, int]:
    """How many hashes of each algorithm a layer adds to what lies below; less than none where it takes."""
    net = {}
    for algorithm, count in layer.counts.items():
        keys, says = layer.maps(algorithm)
        net[algorithm] = 0
        for start in range(0, count, 1 << 20):
            part: Codes = np.array(says[start : start + (1 << 20)])
            there = np.zeros(len(part), bool)
            if below:
                _, codes = newest_word(below.layers, algorithm, keys[start : start + (1 << 20)])
                there = (codes != ABSENT) & (codes != GONE)
            net[algorithm] += int((~there & (part != GONE)).sum() - (there & (part == GONE)).sum())
    return net


def _merged(about: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The layers, updates merged into one where they have become too many."""
    if len(about) <= _MOST_LAYERS:
        return about
    number = about[-1]["number"] + 1
    one = merge_layers(open_layers(folder, about[1:]), folder, prefix_of(number))
    for layer in about[1:]:
        for algorithm in layer["counts"]:
            for end in (".npy", ".says.npy"):
                (folder / f"{prefix_of(layer['number'])}{algorithm}{end}").unlink()
    net = {a: sum(layer["net"].get(a, 0) for layer in about[1:]) for a in WIDTH}
    one |= {
        "number": number,
        "edition": " ".join(layer["edition"] for layer in about[1:]),
        "entries": sum(layer["entries"] for layer in about[1:]),
        "net": net,
    }
    return [about[0], one]


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_set(folder: Path, id: Id) -> None:
    """Deletes a compiled set; FileNotFoundError when there is none."""
    place = place_of(folder, id)
    gone = place.with_name(f".{id}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    place.rename(gone)
    shutil.rmtree(gone)


def drop_unlisted(folder: Path, ids: Collection[Id]) -> None:
    """Deletes compiled sets the case has no record of: left by an adding or removal cut short."""
    for place in sorted((folder / "known").glob("*-*-*-*-*")):
        if not place.name.startswith(".") and place.name not in ids:
            remove_set(folder, place.name)
