"""The bytes of one archive member, streamed: never more in memory than a block, never without an end.

Compression methods are numbered as in PKWARE's APPNOTE 6.3.10, section 4.4.5.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from amparo.kit.source import Reader

BLOCK = 1 << 20
STORED, DEFLATE, BZIP2, LZMA, XZ = 0, 8, 12, 14, 95
METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 98: "PPMd", 99: "AES"}
"""Names, for people, of methods that are known but not read."""
_DICTIONARY = 256 << 20


class TooLarge(ValueError):
    """More bytes come out than an honest archive holds."""


@dataclass(frozen=True)
class Limits:
    """When an archive is taken for a bomb.

    Ratios are unpacked to packed bytes and count only above the free amounts (bytes), so that a
    well-packed empty database is no bomb. Deflate reaches 1,032 at most.
    """

    member_free: int = 1 << 30
    member_ratio: int = 2000
    total_free: int = 64 << 30
    total_ratio: int = 100


class Budget:
    """Counts what comes out of one archive of ``packed`` bytes against its :class:`Limits`."""

    def __init__(self, packed: int, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.total_free + limits.total_ratio * packed

    def watch(self, chunks: Iterator[bytes], packed: int) -> Iterator[bytes]:
        """The same chunks; raises :class:`TooLarge` once a member or the whole comes to too much."""
        most = self._limits.member_free + self._limits.member_ratio * packed
        out = 0
        for chunk in chunks:
            out += len(chunk)
            self._left -= len(chunk)
            if out > most:
                raise TooLarge(f"unpacks from {packed} to over {most} bytes")
            if self._left < 0:
                raise TooLarge("the archive as a whole unpacks to too many bytes")
            yield chunk


class Decompressor(Protocol):
    """What bz2 and lzma already are; :class:`Inflate` makes zlib the same."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Inflate:
    """Raw deflate; ``left`` is input after the end of the stream."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def left(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


def decompressor(method: int, start: bytes) -> tuple[Decompressor, int] | None:
    """What unpacks this method, and how many bytes of ``start`` were its header; None for stored.

    Raises ValueError for a method that is not read or a header that asks for too much memory.
    """
    if method == STORED:
        return None
    if method == DEFLATE:
        return Inflate(), 0
    if method == BZIP2:
        return bz2.BZ2Decompressor(), 0
    if method == XZ:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY * 2), 0
    if method == LZMA:
        return _lzma(start)
    raise ValueError(f"compression method {method} ({METHODS.get(method, 'unknown')}) is not read")


def _lzma(start: bytes) -> tuple[Decompressor, int]:
    """APPNOTE 5.8.8: version (2), length of properties (2), then properties of LZMA1 (5)."""
    if len(start) < 9 or start[2:4] != b"\x05\x00" or start[4] >= 9 * 5 * 5:
        raise ValueError("damaged LZMA header")
    dictionary = int.from_bytes(start[5:9], "little")
    if dictionary > _DICTIONARY:
        raise ValueError(f"LZMA asks for a dictionary of {dictionary} bytes")
    rest, lc = divmod(start[4], 9)
    pb, lp = divmod(rest, 5)
    chain = [
        {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": max(dictionary, 4096)}
    ]
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain), 9
    except lzma.LZMAError as error:
        raise ValueError(f"damaged LZMA header: {error}") from error


def unpacked(stream: BinaryIO, at: int, packed: int, method: int) -> Iterator[bytes]:
    """The member's bytes in blocks of up to 1 MiB; fewer than promised where the data breaks off.

    Raises ValueError for damaged data or an unread method.
    """
    found = decompressor(method, read_at(stream, at, min(packed, 9)))
    if found is None:
        yield from _plain(stream, at, packed)
        return
    engine, skip = found
    at, end = at + skip, at + packed
    try:
        while not engine.eof:
            data = read_at(stream, at, min(1 << 16, end - at)) if engine.needs_input else b""
            at += len(data)
            out = engine.decompress(data, BLOCK)
            if out:
                yield out
            elif not data and engine.needs_input:
                return
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"damaged compressed data: {error}") from error


def _plain(stream: BinaryIO, at: int, size: int) -> Iterator[bytes]:
    while size > 0 and (data := read_at(stream, at, min(BLOCK, size))):
        yield data
        at += len(data)
        size -= len(data)


def read_at(stream: BinaryIO, at: int, size: int) -> bytes:
    """Up to ``size`` bytes at an absolute position."""
    stream.seek(at)
    return stream.read(size)


Segment = tuple[int, int, int]
"""Part of a sparse file: offset in the file, length, position of its bytes in the container."""


def spread(stream: BinaryIO, size: int, segments: Sequence[Segment]) -> Iterator[bytes]:
    """A sparse file of ``size`` bytes: its segments in order, zeros between them."""
    done = 0
    for offset, length, at in segments:
        yield from _zeros(offset - done)
        got = 0
        for chunk in _plain(stream, at, length):
            got += len(chunk)
            yield chunk
        if got < length:
            return
        done = offset + length
    yield from _zeros(size - done)


def _zeros(count: int) -> Iterator[bytes]:
    block = bytes(min(count, BLOCK)) if count > 0 else b""
    while count > 0:
        yield block[:count]
        count -= len(block)


class Chunked(Reader):
    """A seekable stream over chunks that can only be made from the start: seeking back starts anew.

    ``size`` in bytes is known; no more than that is ever given.
    """

    sequential = True

    def __init__(self, chunks: Callable[[], Iterator[bytes]], size: int) -> None:
        super().__init__(size)
        self._make = chunks
        self._chunks = chunks()
        self._rest = b""
        self._made = 0

    def bytes_at(self, at: int, want: int) -> bytes:
        """From the chunk that ``at`` lies in."""
        if at < self._made - len(self._rest):
            self._chunks, self._rest, self._made = self._make(), b"", 0
        while self._made <= at:
            chunk = next(self._chunks, b"")
            if not chunk:
                return b""
            self._rest = chunk
            self._made += len(chunk)
        start = len(self._rest) - (self._made - at)
        return self._rest[start : start + want]
