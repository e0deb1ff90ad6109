"""JPEG (ITU-T T.81): the exact end, found by walking every coded block of every scan.

A marker that says "end" proves little: a thumbnail has one, and so has the next picture on the disk. Here
a picture is complete when its scans hold exactly the units that its frame states and a marker follows.
Kinds that are not walked (arithmetic, lossless, 12 bits, over 64 million pixels in progressive scans) are
followed from marker to marker, with less confidence.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from amparo.kit.spans import Spans
from amparo.recover.formats import entropy
from amparo.recover.formats.extent import Extent, NotOne
from amparo.recover.formats.huffman import Tables

LONGEST = 128 << 20
"""Bytes of one picture."""
_CHUNK = 1 << 17
_MOST_SCANS = 64
_MOST_PIXELS = 64_000_000
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.S)
_WALKED = {0xC0: False, 0xC1: False, 0xC2: True}
_FRAMES = frozenset(
    (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
)
_SEGMENTS = frozenset((0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0))) | _FRAMES


class Broken(Exception):
    """The structure stops making sense here."""

    def __init__(self, place: int, note: str) -> None:
        super().__init__(note)
        self.place = place


@dataclass(frozen=True)
class Frame:
    """Size in pixels and, per component, its id and sampling factors."""

    progressive: bool
    walked: bool
    width: int
    height: int
    parts: tuple[tuple[int, int, int, int], ...]
    """Id, horizontal and vertical sampling, quantisation table."""


@dataclass
class Scan:
    """A scan as the walker needs it; ``marks`` are states on the way, their positions from the file's start."""

    at: int
    """Its first coded byte, from the file's start."""
    parts: Any
    tables: Any
    most: Any
    look: Any
    total: int
    restart: int
    every: int
    marks: Any
    done: int = 0
    """Units walked."""


def measure(view: Spans, start: int) -> Extent:
    """How far the JPEG at ``start`` reaches. Raises NotOne."""
    return Walk(view, start).extent()


class Walk:
    """One walk along a JPEG; afterwards ``scan`` is the sequential scan in which it broke off, if any."""

    def __init__(self, view: Spans, start: int) -> None:
        self._view = view
        self._start = start
        self._tables = Tables()
        self._quantisers: dict[int, int] = {}
        self._restart = 0
        self._told = False
        self._scans = 0
        self._coded = 0
        self._shown = 0
        self._seen: dict[int, Any] = {}
        self._done: set[int] = set()
        self._others = (0, 0)
        self.frame: Frame | None = None
        self.scan: Scan | None = None

    def extent(self) -> Extent:
        """Walk. Raises NotOne."""
        try:
            end = self._segments()
        except Broken as broken:
            if self.frame is None and not self._told:
                raise NotOne(str(broken)) from broken
            length = broken.place - self._start
            # Wrong bytes may be walked for long before they are noticed.
            sure = min(self._coded or length, length)
            return Extent(length, False, 0.5, str(broken), sure, self._shown > 8)
        sure_of_it = self.frame is not None and self.frame.walked
        note = "" if sure_of_it else "followed by its markers only"
        return Extent(end - self._start, True, 1.0 if sure_of_it else 0.6, note, end - self._start)

    def _segments(self) -> int:
        at = self._start + 2
        while True:
            if at - self._start > LONGEST:
                raise Broken(at, "longer than any picture")
            head = self._view.read(at, 4)
            if len(head) < 4 and head != b"\xff\xd9":
                raise Broken(at, "breaks off")
            if head[0] != 0xFF:
                raise Broken(at, "no marker where one must be")
            kind = head[1]
            if kind == 0xFF:
                at += 1
                continue
            if kind == 0xD9:
                return self._last(at)
            length = int.from_bytes(head[2:4])
            if kind not in _SEGMENTS or length < 2:
                raise Broken(at, f"marker {kind:02x} has no place here")
            body = self._view.read(at + 4, length - 2)
            if len(body) < length - 2:
                raise Broken(at + 4 + len(body), "breaks off in a segment")
            try:
                self._segment(kind, body, at + 4)
            except (ValueError, IndexError, struct.error) as error:
                raise Broken(at, str(error)) from error
            at += 2 + length
            if kind == 0xDA:
                at = self._scan(body, at)

    def _last(self, at: int) -> int:
        if not self._scans or self.frame is None:
            raise Broken(at, "ends before any picture")
        if self.frame.walked and len(self._done) < len(self.frame.parts):
            raise Broken(at, "ends before all its colours")
        return self._with_others(at + 2)

    def _with_others(self, end: int) -> int:
        """The end of the last picture of a multi-picture file (CIPA DC-007), if all is there."""
        begin, last = self._others
        fits = begin >= end and self._view.read(begin, 3) == b"\xff\xd8\xff"
        return last if fits and self._view.read(last - 2, 2) == b"\xff\xd9" else end

    def _segment(self, kind: int, body: bytes, at: int) -> None:
        if kind == 0xC4:
            self._tables.read(body)
        elif kind == 0xDB:
            self._quantisation(body)
        elif kind == 0xDD:
            self._restart = int.from_bytes(body[:2])
        elif kind in _FRAMES:
            if self.frame is not None:
                raise ValueError("a second frame")
            self.frame = _frame(kind, body)
        elif kind == 0xE2 and body[:4] == b"MPF\0":
            self._others = _last_picture(body[4:], at + 4, self._start)
        elif kind in (0xE0, 0xE1) and body[:5] in (b"JFIF\0", b"Exif\0", b"http:"):
            self._told = True

    def _quantisation(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            wide, number = body[at] >> 4, body[at] & 15
            if wide > 1 or number > 3 or at + 1 + (64 << wide) > len(body):
                raise ValueError("a quantisation table that is none")
            self._quantisers[number] = int.from_bytes(body[at + 1 : at + 2 + wide])
            at += 1 + (64 << wide)

    def _scan(self, body: bytes, at: int) -> int:
        """The place of the marker after a scan."""
        frame = self.frame
        if frame is None:
            raise Broken(at, "a scan before any frame")
        self._scans += 1
        self._coded = self._coded or at - self._start
        if self._scans > _MOST_SCANS:
            raise Broken(at, "more scans than any picture has")
        if not frame.walked:
            return self._skim(at)
        count = body[0] if body else 0
        if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
            raise Broken(at, "a scan that names no colours")
        named = [(body[1 + 2 * i], body[2 + 2 * i]) for i in range(count)]
        ids = [part[0] for part in frame.parts]
        try:
            chosen = [ids.index(name) for name, _ in named]
        except ValueError as error:
            raise Broken(at, "a scan of colours that are not there") from error
        band = np.array([body[-3], body[-2], body[-1] >> 4, body[-1] & 15], np.int64)
        scan = self._set_up(at, chosen, [t for _, t in named])
        if frame.progressive:
            return self._progressive(scan, chosen, band)
        return self._sequential(scan, chosen)

    def _set_up(self, at: int, chosen: list[int], named: list[int]) -> Scan:
        frame = self.frame
        assert frame is not None
        wide = max(p[1] for p in frame.parts)
        high = max(p[2] for p in frame.parts)
        if len(chosen) == 1:
            _, h, v, _ = frame.parts[chosen[0]]
            across = _parts(_parts(frame.width * h, wide), 8)
            down = _parts(_parts(frame.height * v, high), 8)
            blocks = [0]
        else:
            across, down = _parts(frame.width, 8 * wide), _parts(frame.height, 8 * high)
            blocks = [
                i
                for i, c in enumerate(chosen)
                for _ in range(frame.parts[c][1] * frame.parts[c][2])
            ]
        total = across * down
        most = [2048 // max(1, self._quantisers.get(frame.parts[c][3], 1)) + 8 for c in chosen]
        every = max(1, total // 2048)
        try:
            tables = self._tables.look()
        except ValueError as error:
            raise Broken(at, str(error)) from error
        return Scan(
            at - self._start,
            np.array(blocks, np.int64),
            np.array([n for t in named for n in (t >> 4 & 3, t & 3)], np.int64),
            np.array(most, np.int64),
            tables,
            total,
            self._restart,
            every,
            np.full((total // every + 1, 10), -1, np.int64),
        )

    def _sequential(self, scan: Scan, chosen: list[int]) -> int:
        state = np.zeros(10, np.int64)
        self.scan = scan
        got, end = follow(self._view, self._start + scan.at, scan, state, self._start)
        scan.done = int(state[3])
        self._shown = max(self._shown, scan.done)
        if got != entropy.DONE:
            why = "breaks off" if got == entropy.MORE else "other bytes"
            raise Broken(end, f"{why} after {scan.done} of {scan.total} units")
        self._done.update(chosen)
        self.scan = None
        return end

    def _progressive(self, scan: Scan, chosen: list[int], band: Any) -> int:
        first, last, before, after = (int(n) for n in band)
        place = self._start + scan.at
        if first > last or last > 63 or (first == 0) != (last == 0) or after > 13:
            raise Broken(place, "a band that is none")
        if (first and len(chosen) > 1) or (before and before != after + 1):
            raise Broken(place, "a band that is none")
        if first:
            seen = self._seen.setdefault(chosen[0], np.zeros((scan.total, 64), np.uint8))
        else:
            seen = np.zeros((1, 64), np.uint8)
        length = _CHUNK * 2
        while True:
            data = array_of(self._view.read(place, length))
            state = np.zeros(10, np.int64)
            tried = seen.copy() if before and first else seen
            got = entropy.progressive(
                data, len(data), scan.parts, scan.tables, scan.most, scan.look, scan.total,
                scan.restart, state, tried, band,
            )  # fmt: skip
            if got != entropy.MORE or len(data) < length or length > LONGEST:
                break
            length *= 4
        end = place + int(state[0])
        if first == 0 and not before:
            self._shown = max(self._shown, int(state[3]))
        if got != entropy.DONE:
            why = "breaks off" if got == entropy.MORE else "other bytes"
            raise Broken(end, f"{why} in scan {self._scans}")
        if first:
            self._seen[chosen[0]] = tried
        else:
            self._done.update(chosen)
        return end

    def _skim(self, at: int) -> int:
        limit = self._start + LONGEST
        while at < limit:
            data = self._view.read(at, _CHUNK)
            found = _MARKER.search(data)
            if found:
                return at + found.start()
            if len(data) < _CHUNK:
                raise Broken(at + len(data), "breaks off")
            self._shown += len(data)
            at += len(data) - 1
        raise Broken(at, "longer than any picture")


def array_of(data: bytes) -> Any:
    """Bytes as the walker takes them."""
    return np.frombuffer(bytearray(data), np.uint8)


def follow(view: Spans, at: int, scan: Scan, state: Any, zero: int) -> tuple[int, int]:
    """Walk a sequential scan from ``state``, whose position is ``at``; why it ended, and where.

    ``zero`` is what positions in ``scan.marks`` count from.
    """
    base = at
    data = array_of(view.read(base, _CHUNK))
    state[0] = 0
    while True:
        unit = int(state[3])
        got = int(
            entropy.sequential(
                data, len(data), scan.parts, scan.tables, scan.most, scan.look, scan.total,
                scan.restart, state, scan.marks, scan.every,
            )
        )  # fmt: skip
        low = -(-unit // scan.every)
        high = min(int(state[3]), scan.total - 1) // scan.every
        scan.marks[low : high + 1, 0] += base - zero
        if got != entropy.MORE or base - at > LONGEST:
            return got, base + int(state[0])
        more = view.read(base + len(data), _CHUNK)
        if not more:
            return got, base + len(data)
        used = int(state[0])
        data = np.concatenate((data[used:], array_of(more)))
        base += used
        state[0] = 0


def _parts(length: int, part: int) -> int:
    """How many parts cover a length."""
    return (length + part - 1) // part


def _frame(kind: int, body: bytes) -> Frame:
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    if not 1 <= count <= 4 or len(body) != 6 + 3 * count or not width:
        raise ValueError("a frame that is none")
    parts = []
    for at in range(6, len(body), 3):
        name, sampling, table = body[at : at + 3]
        if not 1 <= sampling >> 4 <= 4 or not 1 <= sampling & 15 <= 4 or table > 3:
            raise ValueError("a frame that is none")
        parts.append((name, sampling >> 4, sampling & 15, table))
    progressive = _WALKED.get(kind, False)
    walked = kind in _WALKED and precision == 8 and height > 0
    if progressive and width * height > _MOST_PIXELS:
        walked = False
    if len({p[0] for p in parts}) < len(parts):
        raise ValueError("two components of one name")
    return Frame(progressive, walked, width, height, tuple(parts))


def _last_picture(block: bytes, at: int, start: int) -> tuple[int, int]:
    """Begin and end of the last picture of a multi-picture file; noughts when its index says nothing.

    ``at`` is the place of the block, from which its offsets count.
    """
    order = {b"II\x2a\0": "<", b"MM\0\x2a": ">"}.get(block[:4])
    if order is None:
        return 0, 0
    try:
        folder = struct.unpack_from(order + "I", block, 4)[0]
        entries = struct.unpack_from(order + "H", block, folder)[0]
        begin = end = 0
        for number in range(min(entries, 32)):
            tag, _, count, value = struct.unpack_from(
                order + "HHII", block, folder + 2 + 12 * number
            )
            if tag != 0xB002:
                continue
            for one in range(min(count // 16, 32)):
                _, size, offset = struct.unpack_from(order + "III", block, value + 16 * one)
                place = at + offset if offset else start
                if place + size > end:
                    begin, end = place, place + size
        return (begin, end) if end - start <= LONGEST else (0, 0)
    except struct.error:
        return 0, 0
