"""How a cell opens one file: descriptors and a locator become a Source.

A locator is JSON. Archive members carry everything needed to find their bytes directly, so no directory
is read again; ``companions`` are the files SQLite writes beside a database, by suffix.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from amparo.evidence.unpack import STORED, Chunked, Segment, spread, unpacked
from amparo.kit.plugin import load
from amparo.kit.source import FdReader, Source

IN_MEMORY = 256 << 20
"""Compressed members up to this many bytes are unpacked into memory, larger ones streamed."""


def whole(fds: list[int], locator: str) -> Source:
    """A file of a folder. ``{"companions": ["-wal"]}`` names what the further descriptors are.

    Raises ValueError when descriptors and companions do not add up.
    """
    suffixes = json.loads(locator or "{}").get("companions", [])
    if len(fds) != len(suffixes) + 1:
        raise ValueError(f"{len(fds)} descriptors for {len(suffixes)} companions")
    source = Source.of_fd(fds[0])
    source.companions = {
        suffix: Source.of_fd(fd) for suffix, fd in zip(suffixes, fds[1:], strict=True)
    }
    return source


def together(fds: list[int], locator: str) -> Source:
    """Bytes with others beside them that lie elsewhere, a key for example.

    ``[[reader, locator, descriptors], …]``: each takes its share of the descriptors in order; the first is
    the Source, the others its companions, called ``0``, ``1`` and so on.
    """
    sources, at = [], 0
    for name, inner, count in json.loads(locator):
        reader: Callable[[list[int], str], Source] = load(str(name))  # type: ignore[assignment]
        sources.append(reader(fds[at : at + int(count)], str(inner)))
        at += int(count)
    sources[0].companions = {str(number): other for number, other in enumerate(sources[1:])}
    return sources[0]


def sealed(fds: list[int], locator: str) -> Source:
    """A database with its companions, read only while these are what they were at intake.

    ``{"reader", "locator", "sha256": {suffix: hex}}``. Raises ValueError for a companion that has changed.
    """
    place = json.loads(locator)
    reader: Callable[[list[int], str], Source] = load(str(place["reader"]))  # type: ignore[assignment]
    source = reader(fds, str(place["locator"]))
    for suffix, stated in place["sha256"].items():
        stream, digest = source.companions[suffix].stream(), hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        if digest.hexdigest() != stated:
            raise ValueError(f"its {suffix.lstrip('-')} has changed since intake")
    return source


def zip_member(fds: list[int], locator: str) -> Source:
    """A member of the zip behind the one descriptor; see :func:`amparo.evidence.archive.zip`."""
    return _member(fds, locator, _zip_part)


def tar_member(fds: list[int], locator: str) -> Source:
    """A member of the tar behind the one descriptor; see :func:`amparo.evidence.archive.tar`."""
    return _member(fds, locator, _tar_part)


def _member(fds: list[int], locator: str, part: Callable[[int, dict[str, Any]], Source]) -> Source:
    place = json.loads(locator)
    source = part(fds[0], place)
    source.companions = {
        suffix: part(fds[0], other) for suffix, other in place.get("companions", {}).items()
    }
    return source


def _zip_part(fd: int, place: dict[str, Any]) -> Source:
    at, packed, size = int(place["at"]), int(place["packed"]), int(place["size"])
    method = int(place["method"])
    if method == STORED:
        return Source.of_fd(fd, at, size)
    raw = io.BufferedReader(FdReader(fd), 1 << 17)
    return from_chunks(lambda: unpacked(raw, at, packed, method), size)


def _tar_part(fd: int, place: dict[str, Any]) -> Source:
    size = int(place["size"])
    if "sparse" not in place:
        return Source.of_fd(fd, int(place["at"]), size)
    segments: list[Segment] = [(int(o), int(n), int(at)) for o, n, at in place["sparse"]]
    raw = io.BufferedReader(FdReader(fd), 1 << 17)
    return from_chunks(lambda: spread(raw, size, segments), size)


def from_chunks(make: Callable[[], Iterator[bytes]], size: int) -> Source:
    """A member that has to be unpacked, in memory where it fits; ValueError when it is shorter than stated."""
    if size > IN_MEMORY:
        return Source(io.BufferedReader(Chunked(make, size), 1 << 18), size)
    out = bytearray()
    for chunk in make():
        out += chunk
        if len(out) >= size:
            break
    if len(out) < size:
        raise ValueError(f"holds {len(out)} bytes where intake read {size}")
    return Source.of_bytes(bytes(out[:size]))
