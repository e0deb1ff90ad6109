"""Files that nothing names any more, cut out of bytes by their own structure: a carver.

It looks for the beginnings of known forms, follows each to its exact end, and then, with everything that
is whole taken out of the way, tries again what broke off: first straight on, then in two pieces. Over the
free space of a disk the pieces of a file that has others between it often lie next to each other already.
"""

from __future__ import annotations

import io
import struct
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from amparo.kit.spans import Claims, Places, Range, Readable, Spans
from amparo.recover import join
from amparo.recover.formats import documents, entropy, jpeg, movie, pictures, sounds
from amparo.recover.formats.extent import Extent, NotOne
from amparo.recover.pieces import SHARE, Effort, Joined

Measure = Callable[[Spans, int], Extent]
MEASURES: dict[str, Measure] = {
    "jpg": jpeg.measure,
    "png": pictures.png,
    "gif": pictures.gif,
    "webp": pictures.webp,
    "mp4": movie.measure,
    "amr": sounds.amr,
    "ogg": sounds.ogg,
    "pdf": documents.pdf,
    "zip": documents.zip_file,
    "sqlite": documents.sqlite,
}
"""How far a file of each form reaches; ``mp4`` stands for all of its family (MOV, 3GP, HEIC)."""
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff\xfe", "jpg"),  # fe: any byte
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"RIFF", "webp"),
    (b"ftyp", "mp4"),
    (b"#!AM", "amr"),
    (b"OggS", "ogg"),
    (b"%PDF", "pdf"),
    (b"PK\3\4", "zip"),
    (b"SQLi", "sqlite"),
)
_FULL = {
    "png": b"\x89PNG\r\n\x1a\n",
    "amr": b"#!AMR",
    "ogg": b"OggS\0\2",
    "pdf": b"%PDF-",
    "sqlite": b"SQLite format 3\0",
}
_UNCHECKED = frozenset(("webp", "gif", "mp4", "amr"))
_BLOCK = 1 << 20
_NOTHING = bytes(_BLOCK + 3)
_DENSE = 64
"""Beginnings that come to nothing in 64 KiB before the rest of it is passed over."""
_EXTENTS = {84: 1024, 169: 2048, 340: 4096}
"""How many extents a block holds, and its size."""
_MOST_HITS = 4_000_000
_MOST_DEFERRED = 5000


@dataclass(frozen=True)
class Carved:
    """One file: its form and the ranges of the stream it is made of, in order."""

    form: str
    segments: tuple[Range, ...]
    complete: bool
    confidence: float
    """0 to 1: that these are the file's own bytes and all of them."""
    note: str = ""
    method: str = "contiguous"
    """``contiguous``, ``closed_up`` (what lay between was whole files or in use), ``joined`` (two pieces
    found by trying) or ``nested`` (inside another carved file)."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(length for _, length in self.segments)


@dataclass
class Tally:
    """What a carving did not do, and how long it may take."""

    seconds: float = float("inf")
    """After these no further beginning is followed; what was found before stays."""
    beginnings: int = 0
    dense: int = 0
    """Beginnings passed over because too many around them lead nowhere."""
    spent: int = 0
    """Beginnings not followed because time or the bytes that may be read were used up."""
    unjoined: int = 0
    """Files that break off for which no second piece was looked for, or not everywhere."""
    unseen: int = 0
    """Bytes in which no beginning was looked for."""

    @property
    def left_out(self) -> int:
        """Beginnings that were not followed."""
        return self.dense + self.spent

    def lines(self) -> list[str]:
        """What was left undone, for people; empty where nothing was."""
        said = {
            "beginnings of files were passed over: too many around them lead nowhere": self.dense,
            "beginnings of files were not followed: time or effort was used up": self.spent,
            "files break off for which the other piece was not looked for everywhere: effort": self.unjoined,
            "bytes were not searched: time was used up": self.unseen,
        }
        return [f"{number:,} {what}" for what, number in said.items() if number]


def carve(
    stream: Readable,
    ranges: Iterable[Range] | None = None,
    *,
    align: int = 1,
    cluster: int = 0,
    nested: bool = False,
    forms: Collection[str] = frozenset(MEASURES),
    tally: Tally | None = None,
) -> Iterator[Carved]:
    """Files in some ranges of a stream (None: all of it).

    ``align``: beginnings at multiples of this many bytes of the stream come first (512 on disks), all
    others after them and only where nothing was found. ``cluster``: bytes in which the file system hands
    out space; files that break off are then joined. ``nested``: also what lies inside whole files.
    """
    if ranges is None:
        ranges = [(0, stream.seek(0, io.SEEK_END))]
    carver = _Carver(Spans(stream, ranges), align, cluster, nested, tally or Tally())
    yield from carver.run(forms)


class _Carver:
    def __init__(self, view: Spans, align: int, cluster: int, nested: bool, tally: Tally) -> None:
        self._view = view
        self._align = align
        self._cluster = cluster
        self._nested = nested
        self._tally = tally
        self._claims = Claims()
        self._whole = Claims()
        self._deferred: list[tuple[int, str]] = []
        self._budget = 64 * view.size + (256 << 20)
        self._effort = 32 * view.size + (1 << 30)
        self._clusters: dict[int, bool] = {}
        self._until = time.monotonic() + tally.seconds

    def run(self, forms: Collection[str]) -> Iterator[Carved]:
        """Aligned beginnings, joins, then all other beginnings."""
        hits = self._scan(forms)
        self._tally.beginnings = len(hits)
        aligned: list[tuple[int, str]] = []
        others: list[tuple[int, str]] = []
        for hit in hits:
            offset = self._view.segments(hit[0], 1)[0][0]
            (aligned if offset % self._align == 0 else others).append(hit)
        yield from self._follow(aligned, defer=bool(self._cluster))
        if self._cluster:
            yield from self._join()
        yield from self._follow(others, defer=False, whole=self._align > 1)

    def _scan(self, forms: Collection[str]) -> list[tuple[int, str]]:
        """All beginnings in order; blocks of ext4 that only index extents are taken out on the way."""
        chosen = [(head, form) for head, form in _HEADS if form in forms]
        heads = np.frombuffer(bytearray(b"".join(h for h, _ in chosen)), np.uint8).reshape(-1, 4)
        names = {head[:3]: form for head, form in chosen}
        out = np.empty(_BLOCK // 16, np.int64)
        hits: list[tuple[int, str]] = []
        indexes: list[Range] = []
        for at in range(0, self._view.size, _BLOCK):
            if self._late():
                self._tally.unseen = self._view.size - at
                break
            data = self._view.read(at, _BLOCK + 3)
            if len(data) < 4:
                continue
            if data == _NOTHING[: len(data)]:
                continue
            if self._cluster:
                indexes += _extent_blocks(data[:_BLOCK], at)
            array = np.frombuffer(bytearray(data), np.uint8)
            count = int(entropy.starts(array, heads, len(out), out))
            self._tally.dense += count == len(out)
            for inside in out[:count].tolist():
                form = names[data[inside : inside + 3]]
                begin = at + inside - (4 if form == "mp4" else 0)
                if begin >= 0 and len(hits) < _MOST_HITS:
                    hits.append((begin, form))
                else:
                    self._tally.spent += begin >= 0
        if not indexes:
            return hits
        self._view, places = self._view.without(indexes)
        moved = ((places.new(at), form) for at, form in hits)
        return [(at, form) for at, form in moved if at is not None]

    def _measure(self, view: Spans, at: int, form: str) -> Extent | None:
        full = _FULL.get(form)
        if full and view.read(at, len(full)) != full:
            return None
        try:
            return MEASURES[form](view, at)
        except (NotOne, struct.error):
            return None

    def _follow(
        self, hits: list[tuple[int, str]], defer: bool, whole: bool = False
    ) -> Iterator[Carved]:
        """Follow beginnings; what breaks off is deferred, told, or (``whole``) dropped."""
        failed, block = 0, -1
        for at, form in hits:
            inside = self._claims.holds(at)
            if inside and not self._nested:
                continue
            if at >> 16 != block:
                failed, block = 0, at >> 16
            if failed > _DENSE:
                self._tally.dense += 1
                continue
            if self._view.spent > self._budget or self._late():
                self._tally.spent += 1
                continue
            extent = self._measure(self._view, at, form)
            if extent is None:
                failed += 1
            elif extent.complete and self._holds_another(at, form, extent, hits):
                self._claims.take(at, 1)
                self._deferred.append((at, form))
            elif extent.complete:
                yield _told(self._view, at, form, extent, "nested" if inside else "contiguous")
                self._take(at, extent.length)
            elif not inside and not whole:
                self._claims.take(at, max(extent.sure, 1))
                failed += not extent.worth
                if defer and len(self._deferred) < _MOST_DEFERRED:
                    self._deferred.append((at, form))
                    continue
                self._tally.unjoined += defer and extent.worth
                if extent.worth:
                    yield _told(self._view, at, form, extent, "contiguous")

    def _holds_another(
        self, at: int, form: str, extent: Extent, hits: list[tuple[int, str]]
    ) -> bool:
        """Whether a whole file begins at a cluster inside one whose bytes carry no checksum.

        Then that one is in pieces: its first ends there.
        """
        if not self._cluster or form not in _UNCHECKED or len(self._deferred) >= _MOST_DEFERRED:
            return False
        first = bisect_right(hits, (at, "~"))
        for place, other in hits[first : first + _DENSE]:
            if place >= at + extent.length:
                break
            if (place - at) % self._cluster == 0:
                inner = self._measure(self._view, place, other)
                if inner is not None and inner.complete and inner.confidence >= 0.9:
                    return True
        return False

    def _take(self, at: int, length: int) -> None:
        self._claims.take(at, length)
        if self._cluster:
            length = (length + self._cluster - 1) // self._cluster * self._cluster
        self._whole.take(at, min(length, self._view.size - at))

    def _join(self) -> Iterator[Carved]:
        """What broke off, in what is left: straight on, then in two pieces, else as far as it goes.

        Forms whose bytes carry no checksum come last, lest they take pieces of others.
        """
        strong = [hit for hit in self._deferred if hit[1] not in _UNCHECKED or hit[1] == "mp4"]
        weak = [hit for hit in self._deferred if hit not in strong]
        strong = yield from self._close_up(strong, searching=False)
        strong = yield from self._close_up(strong, searching=True)
        strong = yield from self._close_up(strong, searching=False)
        weak = yield from self._close_up(weak, searching=False)
        rest, places = self._view.without(self._whole.all())
        for at, form in sorted(strong + weak):
            place = places.new(at)
            extent = None if place is None else self._measure(rest, place, form)
            if place is None or extent is None or not (extent.worth or extent.complete):
                continue
            if extent.complete:
                extent = replace(extent, complete=False, confidence=0.3, note="in pieces")
            method = "closed_up" if len(rest.segments(place, extent.length)) > 1 else "contiguous"
            yield _told(rest, place, form, extent, method)

    def _close_up(
        self, waiting: list[tuple[int, str]], searching: bool
    ) -> Generator[Carved, None, list[tuple[int, str]]]:
        """Try files again in what is left; gives those that still break off."""
        rest, places = self._view.without(self._whole.all())
        still = []
        for at, form in waiting:
            place = places.new(at)
            extent = None if place is None else self._measure(rest, place, form)
            if place is None or extent is None:
                continue
            found: list[Range] = []
            method = "closed_up"
            if extent.complete and _shows(rest, places, place, form, extent):
                found = [(place, extent.length)]
            elif searching and self._late():
                self._tally.unjoined += 1
            elif searching and (joined := self._two(form, rest, place)):
                found, extent, method = list(joined.pieces), joined.extent, "joined"
            if not found:
                still.append((at, form))
                continue
            if form in _UNCHECKED and form != "mp4":
                extent = replace(extent, confidence=0.5)
            yield _told(rest.part(found), 0, form, extent, method)
            self._claim(places, found)
            rest, places = self._view.without(self._whole.all())
        return still

    def _two(self, form: str, rest: Spans, place: int) -> Joined | None:
        """Search for the second piece with a share of the effort that is left for all."""
        share = Effort(min(SHARE, self._effort), self._clusters)
        before = share.left
        found = join.two(form, rest, place, self._cluster, share) if share.left > 0 else None
        self._effort -= before - share.left
        self._tally.unjoined += found is None and share.left <= 0
        return found

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def _claim(self, places: Places, found: list[Range]) -> None:
        """Take pieces of what is left, in whole clusters."""
        for at, length in found:
            length = (length + self._cluster - 1) // self._cluster * self._cluster
            for begin, size in places.old(at, length):
                self._claims.take(begin, size)
                self._whole.take(begin, size)


def _told(view: Spans, at: int, form: str, extent: Extent, method: str) -> Carved:
    segments = view.segments(at, extent.length)
    return Carved(form, segments, extent.complete, extent.confidence, extent.note, method)


def _shows(rest: Spans, places: Places, place: int, form: str, extent: Extent) -> bool:
    """Whether a file without checksums may be put together like this.

    One gap, filled by whole files, is believed; and what is a WebP must decode.
    """
    if form not in _UNCHECKED or form == "mp4":
        return True
    data = rest.read(place, min(extent.length, 64 << 20)) if form == "webp" else b""
    return len(places.old(place, extent.length)) <= 2 and (not data or pictures.decodes(data))


def _extent_blocks(data: bytes, at: int) -> Iterator[Range]:
    """Blocks in which ext4 keeps where a large file lies: they stand between the file's own bytes.

    ``struct ext4_extent_header``: magic f30a, entries, their greatest number, depth.
    """
    whole = data[: len(data) // 512 * 512]
    heads = np.frombuffer(whole, "<u2")[::256]
    for place in (np.flatnonzero(heads == 0xF30A) * 512).tolist():
        entries, most, depth = struct.unpack_from("<HHH", data, place + 2)
        if entries <= most and most in _EXTENTS and depth <= 5:
            yield at + place, _EXTENTS[most]
