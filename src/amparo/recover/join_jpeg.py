"""A JPEG in two pieces: its coded units must go on at the second and come out exactly."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from amparo.kit.spans import Spans
from amparo.recover.formats import entropy
from amparo.recover.formats import jpeg as formats_jpeg
from amparo.recover.formats.extent import NotOne
from amparo.recover.pieces import (
    BLANK,
    BREAKS,
    Effort,
    Joined,
    edges_first,
    places,
    result,
    spliced,
)

_PROBE = 8192
_SMOOTH, _WILD = 2.0, 1e9
_FOREIGN = re.compile(rb"\xff[^\x00\xd0-\xda\xc4\xdd\xff]", re.S)


def jpeg(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    walk = formats_jpeg.Walk(view, start)
    extent = walk.extent()
    like = _Likely(view, cluster, effort.known)
    borders = edges_first(view, _borders(start, extent.length, like))
    if walk.scan is None:
        return _jpeg_whole(view, start, borders, like, effort)
    best: Joined | None = None
    least = 0.0
    for border in borders:
        if border - start <= walk.scan.at:
            if found := best or _jpeg_whole(view, start, [border], like, effort):
                return found
            continue
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
    borders = list(range(last, start, -cluster))[:BREAKS]
    for border in range(start + cluster, last, cluster):
        if not like.holds(border):
            near = list(range(border, start, -cluster))[:2]
            return near + [b for b in borders if b not in near]
    return borders


class _Likely:
    """Which clusters can hold coded JPEG data: varied, and no markers but those that stand in it."""

    def __init__(self, view: Spans, cluster: int, known: dict[int, bool]) -> None:
        self._view = view
        self.cluster = cluster
        self._places: dict[int, bool] = {}
        self._known = known

    def holds(self, place: int) -> bool:
        """Whether the cluster at a place can."""
        held = self._places.get(place)
        if held is None:
            at = self._view.segments(place, 1)[0][0] if place < self._view.size else -1
            held = self._known.get(at)
            if held is None:
                held = self._known[at] = self._can(self._view.read(place, self.cluster))
            self._places[place] = held
        return held

    @staticmethod
    def _can(data: bytes) -> bool:
        if data[: len(BLANK)] == BLANK:
            return False
        end = data.find(b"\xff\xd9")
        data = data[: end + 2] if end >= 0 else data
        varied = end >= 0 or len(set(data)) > 96
        return varied and len(data) > 1 and not _FOREIGN.search(data)


def _jpeg_tails(
    view: Spans, start: int, border: int, scan: formats_jpeg.Scan, like: _Likely, effort: Effort
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
    for place in places(view, start, border, like.cluster):
        if not like.holds(place):
            continue
        if not effort.take(len(head) + 512):
            return
        state = begin.copy()
        state[0] = 0
        data = formats_jpeg.array_of(head + view.read(place, _PROBE))
        got = entropy.sequential(
            data, len(data), scan.parts, scan.tables, scan.most, scan.look, scan.total, scan.restart,
            state, unmarked, scan.every,
        )  # fmt: skip
        if got == entropy.BAD:
            effort.take(int(state[0]))
            continue
        whole = spliced(view, start, border, place)
        extent = formats_jpeg.measure(whole, 0)
        effort.take(extent.length)
        if extent.complete:
            yield result(start, border, place, extent), int(begin[3])


def _jpeg_whole(
    view: Spans, start: int, borders: list[int], like: _Likely, effort: Effort
) -> Joined | None:
    """For breaks in the header and in progressive scans: walk the whole with every place."""
    for border in borders:
        for place in places(view, start, border, like.cluster):
            if not like.holds(place):
                continue
            whole = spliced(view, start, border, place)
            try:
                extent = formats_jpeg.measure(whole, 0)
            except NotOne:
                continue
            if extent.complete:
                return result(start, border, place, extent)
            if not effort.take(extent.length):
                return None
    return None
