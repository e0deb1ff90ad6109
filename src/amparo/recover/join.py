"""Files in two pieces: where the first breaks off and where the second begins, tried cluster by cluster.

What decides is the format itself: a JPEG's coded units must go on and come out exactly, a PNG's chunk
must have its checksum, a film's samples must fill their stated sizes. Pieces begin at whole clusters
counted from the file's start.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from amparo.recover.formats import entropy, jpeg, movie, pictures
from amparo.recover.formats.extent import Extent, NotOne
from amparo.recover.spans import Range, Spans

FORWARD, BACKWARD = 8192, 2048
"""Clusters after and before the break in which the second piece is looked for."""
_BREAKS = 48
"""Cluster borders before the first wrong byte that are tried as the break."""
_PROBE = 8192
_SAMPLE = 2048
_INFLATED = 1 << 18
_SMOOTH, _WILD = 2.0, 1e9
_FOREIGN = re.compile(rb"\xff[^\x00\xd0-\xda\xc4\xdd\xff]", re.S)
_TAIL = 256 << 20
SHARE = 192 << 20
"""Bytes walked or compared for one file at most."""


@dataclass
class Effort:
    """Bytes that may still be walked or compared for one file."""

    left: int

    def take(self, amount: int) -> bool:
        """Whether there is that much left; it is gone then."""
        self.left -= amount + 64
        return self.left > 0


@dataclass(frozen=True)
class Joined:
    """Two pieces (places and lengths of the sequence searched) and what the whole of them is."""

    pieces: tuple[Range, Range]
    extent: Extent


def two(form: str, view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    """The two pieces of a file that breaks off in ``view``; None where they are not found."""
    joiner: Callable[[Spans, int, int, Effort], Joined | None] | None = {
        "jpg": _jpeg,
        "png": _png,
        "mp4": _movie,
    }.get(form)
    return joiner(view, start, cluster, effort) if joiner and cluster else None


def _places(view: Spans, start: int, border: int, cluster: int) -> Iterator[int]:
    """Where a second piece may begin: after the break, nearest first, then before the file."""
    first = border + cluster
    yield from range(first, min(view.size, first + FORWARD * cluster), cluster)
    yield from range(start - cluster, max(-1, start - BACKWARD * cluster - 1), -cluster)


def _spliced(view: Spans, start: int, border: int, place: int) -> Spans:
    return view.part([(start, border - start), (place, min(_TAIL, view.size - place))])


def _result(start: int, border: int, place: int, extent: Extent) -> Joined:
    head = border - start
    return Joined(((start, head), (place, extent.length - head)), extent)


# --- JPEG ---------------------------------------------------------------------------------------


def _jpeg(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    walk = jpeg.Walk(view, start)
    extent = walk.extent()
    like = _Likely(view, cluster)
    borders = _borders(start, extent.length, like)
    if walk.scan is None:
        return _jpeg_whole(view, start, borders, like, effort)
    best: Joined | None = None
    least = 0.0
    for border in borders:
        if border - start <= walk.scan.at:
            return best or _jpeg_whole(view, start, [border], like, effort)
        for joined, unit in _jpeg_tails(view, start, border, walk.scan, like, effort):
            jump = _jump(view, joined, unit / walk.scan.total)
            if jump < _SMOOTH:
                return joined
            if best is None or jump < least:
                note = "the picture jumps where the pieces meet"
                doubtful = replace(joined.extent, confidence=0.5, note=note)
                best, least = replace(joined, extent=doubtful), jump
    return best


def _jump(view: Spans, joined: Joined, share: float) -> float:
    """How much more a picture changes where its pieces meet than elsewhere, from row to row.

    Counted in eighths of its size, which needs no more than the mean of each block.
    """
    data = b"".join(view.read(at, length) for at, length in joined.pieces)
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
        rows = np.asarray(image.convert("L"), np.float32)
    except (OSError, ValueError, SyntaxError):
        return _WILD
    changes = np.abs(np.diff(rows, axis=0)).mean(axis=1)
    if len(changes) < 8:
        return 0.0
    at = int(share * len(rows))
    near = float(changes[max(0, at - 2) : at + 3].max())
    usual = float(np.percentile(changes, 75))
    return near / max(usual, 1.0)


def _borders(start: int, length: int, like: _Likely) -> list[int]:
    """Where the first piece may end: before the first cluster that is none of a JPEG, then backwards."""
    cluster = like.cluster
    last = start + length // cluster * cluster
    borders = list(range(last, start, -cluster))[:_BREAKS]
    for border in range(start + cluster, last, cluster):
        if not like.holds(border):
            near = list(range(border, start, -cluster))[:2]
            return near + [b for b in borders if b not in near]
    return borders


class _Likely:
    """Which clusters can hold coded JPEG data: varied, and no markers but those that stand in it."""

    def __init__(self, view: Spans, cluster: int) -> None:
        self._view = view
        self.cluster = cluster
        self._known: dict[int, bool] = {}

    def holds(self, place: int) -> bool:
        """Whether the cluster at a place can."""
        if place not in self._known:
            data = self._view.read(place, self.cluster)
            end = data.find(b"\xff\xd9")
            data = data[: end + 2] if end >= 0 else data
            varied = end >= 0 or len(set(data)) > 96
            self._known[place] = varied and len(data) > 1 and not _FOREIGN.search(data)
        return self._known[place]


def _jpeg_tails(
    view: Spans, start: int, border: int, scan: jpeg.Scan, like: _Likely, effort: Effort
) -> Iterator[tuple[Joined, int]]:
    """Every second piece that comes out exactly, and the unit in which the pieces meet.

    Goes on from the last state before the break with the bytes at every likely place.
    """
    known = scan.marks[: min(scan.done, scan.total - 1) // scan.every + 1]
    row = int(np.searchsorted(known[:, 0], border - start, "right")) - 1
    if row < 0 or known[row, 0] < scan.at:
        return
    begin = known[row].copy()
    head = view.read(start + int(begin[0]), border - start - int(begin[0]))
    unmarked = np.zeros((0, 10), np.int64)
    for place in _places(view, start, border, like.cluster):
        if not like.holds(place):
            continue
        if not effort.take(len(head) + 512):
            return
        state = begin.copy()
        state[0] = 0
        data = jpeg.array_of(head + view.read(place, _PROBE))
        got = entropy.sequential(
            data, len(data), scan.parts, scan.tables, scan.most, scan.look, scan.total, scan.restart,
            state, unmarked, scan.every,
        )  # fmt: skip
        if got == entropy.BAD:
            effort.take(int(state[0]))
            continue
        whole = _spliced(view, start, border, place)
        extent = jpeg.measure(whole, 0)
        effort.take(extent.length)
        if extent.complete:
            yield _result(start, border, place, extent), int(begin[3])


def _jpeg_whole(
    view: Spans, start: int, borders: list[int], like: _Likely, effort: Effort
) -> Joined | None:
    """For breaks in the header and in progressive scans: walk the whole with every place."""
    for border in borders:
        for place in _places(view, start, border, like.cluster):
            if not like.holds(place):
                continue
            whole = _spliced(view, start, border, place)
            try:
                extent = jpeg.measure(whole, 0)
            except NotOne:
                continue
            if extent.complete:
                return _result(start, border, place, extent)
            if not effort.take(extent.length):
                return None
    return None


# --- PNG ----------------------------------------------------------------------------------------


def _png(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    extent = pictures.png(view, start)
    low = extent.sure
    first = (low + cluster - 1) // cluster * cluster
    packed = _Packed(view, start, low, effort)
    last = min(low + packed.good, extent.length) + 8
    borders = range(start + first, start + last, cluster)[-_BREAKS:]
    for border in [b for b in reversed(borders) if b > start]:
        head = view.read(start + low, border - start - low)
        probe = packed.at(head)
        for place in _places(view, start, border, cluster):
            if not effort.take(0):
                return None
            if probe is not None and not effort.take(_SAMPLE):
                return None
            if probe is not None and not probe.goes_on(view.read(place, _SAMPLE)):
                continue
            if not _chunk_holds(view, head, place, effort):
                continue
            whole = _spliced(view, start, border, place)
            again = pictures.png(whole, 0, low)
            if again.complete:
                return _result(start, border, place, again)
    return None


class _Inflating:
    """A zlib stream on its way; ``left`` bytes of the chunk it is in are still to come."""

    def __init__(self, engine: zlib._Decompress, left: int) -> None:
        self._engine = engine
        self._left = left

    def goes_on(self, data: bytes) -> bool:
        """Whether these bytes can follow."""
        try:
            self._engine.copy().decompress(data[: self._left], _INFLATED)
        except zlib.error:
            return False
        return True


class _Packed:
    """The packed pixels of a PNG up to the chunk at ``low``, and how far that one unpacks (``good``)."""

    def __init__(self, view: Spans, start: int, low: int, effort: Effort) -> None:
        self._engine = zlib.decompressobj()
        self._sound = True
        at = start + 8
        while at < start + low and self._sound:
            length, kind = int.from_bytes(view.read(at, 4)), view.read(at + 4, 4)
            if kind == b"IDAT":
                self._feed(self._engine, view.read(at + 8, length), effort)
            at += 12 + length
        header = view.read(start + low, 8)
        self._pixels = self._sound and header[4:] == b"IDAT"
        self._length = int.from_bytes(header[:4])
        self.good = 8
        if self._pixels:
            engine = self._engine.copy()
            while self.good < 12 + self._length:
                data = view.read(
                    start + low + self.good, min(_SAMPLE, 8 + self._length - self.good)
                )
                if not data or not self._feed(engine, data, effort):
                    break
                self.good += len(data)
            self.good += _SAMPLE

    def _feed(self, engine: zlib._Decompress, data: bytes, effort: Effort) -> bool:
        """Unpack; False where that is not possible or takes too much."""
        try:
            while data:
                out = engine.decompress(data, 1 << 20)
                if not effort.take(len(out) // 8):
                    self._sound = False
                    return False
                data = engine.unconsumed_tail
                if not out and not data:
                    break
        except zlib.error:
            return False
        return True

    def at(self, head: bytes) -> _Inflating | None:
        """The stream behind ``head``, the part of the chunk before the break; None where it cannot tell."""
        if not self._pixels or len(head) < 8:
            return None
        engine = self._engine.copy()
        try:
            data = head[8:]
            while data:
                out = engine.decompress(data, 1 << 20)
                data = engine.unconsumed_tail
                if not out and not data:
                    break
        except zlib.error:
            return None
        return _Inflating(engine, max(0, 8 + self._length - len(head)))


def _chunk_holds(view: Spans, head: bytes, place: int, effort: Effort) -> bool:
    """Whether the chunk that begins with ``head`` and goes on at ``place`` has its checksum."""
    begin = head[:8]
    if len(begin) < 8:
        begin += view.read(place, 8 - len(begin))
    length, kind = int.from_bytes(begin[:4]), begin[4:]
    if len(begin) < 8 or length > 1 << 27 or not (kind.isalpha() and kind.isascii()):
        return False
    rest = 12 + length - len(head)
    if rest < 4 or place + rest > view.size or not effort.take(rest):
        return False
    tail = view.read(place, rest)
    body = head + tail if len(head) < 8 else b""
    if body:
        return pictures.crc(body[4:-4]) == body[-4:]
    return zlib.crc32(tail[:-4], zlib.crc32(head[4:])).to_bytes(4) == tail[-4:]


# --- films --------------------------------------------------------------------------------------


def _movie(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    boxes = movie.walk(view, start)
    media, moov = boxes.first(b"mdat"), boxes.first(b"moov")
    if media is None:
        return None
    if moov is not None and moov[0] < media[0]:
        try:
            tracks = movie.index(view.read(start + moov[0], moov[1]))
        except (struct.error, ValueError, IndexError):
            return None
        return _unknown_gap(view, start, cluster, (media[0], sum(media)), tracks, effort)
    return _known_gap(view, start, cluster, media, effort)


def _known_gap(
    view: Spans, start: int, cluster: int, media: Range, effort: Effort
) -> Joined | None:
    """The index lies behind the media: where it is found says how wide the gap is."""
    end = sum(media)
    at = start + media[0]
    for _ in range(1000):
        at = view.find(b"moov", at + 4, min(view.size, start + (4 << 30)))
        if at < 0:
            return None
        gap = at - 4 - start - end
        size = int.from_bytes(view.read(at - 4, 4))
        if gap <= 0 or gap % cluster or not 100 < size < 64 << 20 or not effort.take(size):
            continue
        try:
            tracks = movie.index(view.read(at - 4, size))
        except (struct.error, ValueError, IndexError):
            continue
        ranges = [r for t in tracks for r in t.samples]
        if not ranges or min(ranges)[0] < media[0] or max(o + n for o, n in ranges) > end:
            continue
        found = _at_gap(view, start, cluster, gap, movie.checked(tracks), (media[0], end), effort)
        if found is not None:
            return found
    return None


def _at_gap(
    view: Spans,
    start: int,
    cluster: int,
    gap: int,
    samples: list[tuple[int, int, int]],
    media: Range,
    effort: Effort,
) -> Joined | None:
    low, high, following = _between(view, start, samples, media)
    first = (low + cluster - 1) // cluster * cluster
    if not samples and high - first > cluster:
        return None  # nothing that could tell one border from the next
    fits = []
    for border in range(max(first, cluster), high + 1, cluster)[:1024]:
        if not effort.take(sum(n for _, n, _ in following)):
            break
        whole = view.part([(start, border), (start + border + gap, high - border + (4 << 20))])
        if all(movie.good(whole.read(at, n), prefix, n) for at, n, prefix in following):
            fits.append(border)
    return _best(view, start, fits, gap)


def _best(view: Spans, start: int, fits: list[int], gap: int) -> Joined | None:
    for border in fits[:16]:
        place = start + border + gap
        extent = movie.measure(_spliced(view, start, start + border, place), 0)
        if extent.complete:
            if len(fits) > 1:
                note = f"{len(fits)} places of the break fit"
                extent = Extent(extent.length, True, 0.6, note, extent.sure)
            return _result(start, start + border, place, extent)
    return None


def _between(
    view: Spans, start: int, samples: list[tuple[int, int, int]], media: Range
) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Offsets between which the break lies, and the samples from there on that must fit."""
    bad = movie.first_bad(view, start, samples)
    if bad is None:
        return (samples[-1][0] if samples else media[0]), media[1], samples[-1:]
    low = media[0]
    if bad:
        at, size, prefix = samples[bad - 1]
        low = at + movie.last_unit(view.read(start + at, size), prefix, size)
    following = samples[max(0, bad - 1) : bad + 4]
    return low, samples[bad][0] + samples[bad][1], following


def _unknown_gap(
    view: Spans,
    start: int,
    cluster: int,
    media: Range,
    tracks: list[movie.Track],
    effort: Effort,
) -> Joined | None:
    """The index comes first: the first sample that is not good must go on at the second piece."""
    samples = movie.checked(tracks)
    if movie.first_bad(view, start, samples) is None:
        return None
    low, high, following = _between(view, start, samples, media)
    first = (low + cluster - 1) // cluster * cluster
    for border in range(max(first, cluster), high + 1, cluster)[:256]:
        for place in _places(view, start, start + border, cluster):
            if not effort.take(256):
                return None
            if all(_sample_holds(view, start, border, place, s, effort) for s in following):
                gap = place - start - border
                fits = [border]
                for other in range(border + cluster, high + 1, cluster)[:64]:
                    at = start + other + gap
                    if all(_sample_holds(view, start, other, at, s, effort) for s in following):
                        fits.append(other)
                if (found := _best(view, start, fits, gap)) is not None:
                    return found
    return None


def _sample_holds(
    view: Spans, start: int, border: int, place: int, sample: tuple[int, int, int], effort: Effort
) -> bool:
    at, size, prefix = sample
    if at + size > border:
        first = view.read(place + max(0, at - border), 8) if at >= border else b""
        if first and (not int.from_bytes(first[:prefix]) or int.from_bytes(first[:prefix]) > size):
            return False
    effort.take(size)
    here = max(0, min(size, border - at))
    data = view.read(start + at, here) if here else b""
    return movie.good(data + view.read(place + max(0, at - border), size - here), prefix, size)
