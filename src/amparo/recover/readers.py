"""How a cell reads what was carved, and how it gets the free space of a disk."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from amparo.kit.found import Found
from amparo.kit.plugin import load
from amparo.kit.source import Source
from amparo.kit.spans import Range, Spans

Reader = Callable[[list[int], str], Source]
LARGEST = 1 << 40
_CHUNK = 1 << 18
_COPIED = 1 << 20


class Space(Source):
    """A disk whose ``ranges`` (offset and length in bytes) belong to no file."""

    def __init__(self, whole: Source, ranges: list[Range]) -> None:
        super().__init__(whole.stream(), whole.size)
        self.whole = whole
        self.ranges = ranges


class Segmented(io.RawIOBase):
    """A seekable stream over some segments of another one."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._spans.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._spans.read(self._at, min(len(buffer), _CHUNK))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def segments(fds: list[int], locator: str) -> Source:
    """A file carved out of another: ``{"reader", "locator", "segments": [[offset, length], …]}``.

    ``reader`` and ``locator`` say how the other one is read. Raises ValueError for segments outside it.
    """
    place = json.loads(locator)
    whole = _reader(place["reader"])(fds, str(place["locator"]))
    wanted = [(int(at), int(length)) for at, length in place["segments"]]
    if any(at < 0 or length <= 0 or at + length > whole.size for at, length in wanted):
        raise ValueError("its segments lie outside the file it was found in")
    spans = Spans(whole.stream(), wanted)
    if spans.size > LARGEST:
        raise ValueError("larger than any file")
    source = Source(io.BufferedReader(Segmented(spans), _CHUNK), spans.size)
    source.companions = {"parent": whole}  # what is read from lives as long
    return source


def free_space(fds: list[int], locator: str) -> Space:
    """A disk with its free ranges: ``{"reader", "ranges", "locator"}``, the first two as functions."""
    place = json.loads(locator)
    inner = str(place["locator"])
    ranges: Callable[[list[int], str], Iterator[Range]] = load(str(place["ranges"]))
    return Space(_reader(place["reader"])(fds, inner), list(ranges(fds, inner)))


def free_bytes(source: Source, found: Found) -> Iterator[bytes]:
    """The free ranges of a disk one after another, in blocks; what cannot be read is zeros."""
    if not isinstance(source, Space):
        raise TypeError("free space is opened with the reader readers:free_space")
    view = Spans(source.stream(), source.ranges)
    for at in range(0, view.size, _COPIED):
        yield view.read(at, _COPIED)


def _reader(name: Any) -> Reader:
    reader: Reader = load(str(name))  # type: ignore[assignment]
    return reader
