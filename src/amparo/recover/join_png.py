"""A PNG in two pieces: its pixels must go on unpacking at the second, and its chunks have their checksums."""

from __future__ import annotations

import zlib

from amparo.kit.spans import Spans
from amparo.recover.formats import pictures
from amparo.recover.pieces import (
    BREAKS,
    Effort,
    Filled,
    Joined,
    edges_first,
    places,
    result,
    spliced,
)

_SAMPLE = 2048
_INFLATED = 1 << 18


def png(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    extent = pictures.png(view, start)
    low = extent.sure
    first = (low + cluster - 1) // cluster * cluster
    packed = _Packed(view, start, low, effort)
    last = min(low + packed.good, extent.length) + 8
    borders = range(start + first, start + last, cluster)[-BREAKS:]
    filled = Filled(view)
    for border in edges_first(view, [b for b in reversed(borders) if b > start]):
        head = view.read(start + low, border - start - low)
        probe = packed.at(head)
        for place in places(view, start, border, cluster):
            if not filled.holds(place):
                continue
            if not effort.take(0):
                return None
            if probe is not None and not effort.take(_SAMPLE):
                return None
            if probe is not None and not probe.goes_on(view.read(place, _SAMPLE)):
                continue
            if not _chunk_holds(view, head, place, effort):
                continue
            whole = spliced(view, start, border, place)
            again = pictures.png(whole, 0, low)
            if again.complete:
                return result(start, border, place, again)
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
    if rest < 4 or place + rest > view.size:
        return False
    # Looked at first: behind a chunk there is another, and seeing that costs nothing.
    following = view.read(place + rest + 4, 4)
    if kind != b"IEND" and not (following.isalpha() and following.isascii()):
        return False
    if not effort.take(rest):
        return False
    tail = view.read(place, rest)
    body = head + tail if len(head) < 8 else b""
    if body:
        return pictures.crc(body[4:-4]) == body[-4:]
    return zlib.crc32(tail[:-4], zlib.crc32(head[4:])).to_bytes(4) == tail[-4:]
