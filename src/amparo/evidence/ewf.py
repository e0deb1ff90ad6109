"""What an EnCase image (EWF version 1) says of its own damage: read errors noted while it was acquired,
and chunks that no longer fit their checksums.

libewf gives zeros for both and does not say where. Layout from the published EWF specification: a head of
13 bytes, then sections of a 76-byte descriptor (type 16, next 8, size 8) and data. ``table`` has the number
of chunks (4) and a base offset (8 at byte 8); its entries (4 each from byte 24) are offsets whose top bit
says that the chunk is packed. ``error2`` has its count first and pairs of sector and count from byte 520.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from amparo.evidence.blocks import BLOCK, Blocks, Media
from amparo.kit.plugin import Warn
from amparo.kit.source import FdReader

MOST_PLACES = 20
"""Damaged places of an image named one by one."""
MAGIC = b"EVF\x09\x0d\x0a\xff\x00"
_HEAD, _SECTION = 13, 76
_LARGEST_CHUNK = 1 << 28
_MOST_SECTIONS = 1_000_000
_MOST_ENTRIES = 10_000_000

Range = tuple[int, int]
"""Position and length on the disk, in bytes."""


@dataclass(frozen=True)
class _Section:
    kind: bytes
    piece: int
    at: int
    """Of its data in its segment."""
    size: int


class Segments:
    """The segment files of one image, in order. ``sound`` is False where it is not EWF version 1."""

    def __init__(self, fds: Sequence[int]) -> None:
        self._files = [FdReader(fd) for fd in fds]
        self._sections = list(self._walk())
        self.sound = bool(self._files) and self._read(0, 0, 8) == MAGIC
        self._chunk, self._sector, self._size = self._volume()

    def _read(self, piece: int, at: int, size: int) -> bytes:
        file = self._files[piece]
        # What an image states is no reason to set memory aside.
        size = min(size, file.seek(0, io.SEEK_END) - at)
        file.seek(at)
        out = b""
        while len(out) < size and (data := file.read(size - len(out))):
            out += data
        return out

    def _walk(self) -> Iterator[_Section]:
        for piece in range(len(self._files)):
            at = _HEAD
            for _ in range(_MOST_SECTIONS):
                head = self._read(piece, at, _SECTION)
                if len(head) < _SECTION:
                    break
                kind, after, size = struct.unpack_from("<16sQQ", head)
                yield _Section(kind.rstrip(b"\0"), piece, at + _SECTION, max(0, size - _SECTION))
                if after <= at:
                    break
                at = after

    def _volume(self) -> tuple[int, int, int]:
        """Bytes of a chunk, of a sector and of the disk."""
        for section in self._sections:
            if section.kind in (b"volume", b"disk", b"data"):
                data = self._read(section.piece, section.at, 24)
                if len(data) == 24:
                    _, _, per_chunk, per_sector, sectors = struct.unpack("<IIIIQ", data)
                    if per_chunk * per_sector <= _LARGEST_CHUNK:
                        return per_chunk * per_sector, per_sector, sectors * per_sector
        return 0, 0, 0

    def held(self) -> int:
        """Bytes of the disk from its start whose chunks are in the segments that are there."""
        tables = [s for s in self._sections if s.kind == b"table"]
        counts = (int.from_bytes(self._read(t.piece, t.at, 4), "little") for t in tables)
        return min(self._size, sum(counts) * self._chunk)

    def goes_on(self) -> bool:
        """Whether the last segment ends by saying that another one follows."""
        return self.sound and bool(self._sections) and self._sections[-1].kind == b"next"

    def read_errors(self) -> list[Range]:
        """Places that could not be read when the image was taken."""
        out = []
        for section in self._sections:
            if section.kind != b"error2" or not self._sector:
                continue
            count = int.from_bytes(self._read(section.piece, section.at, 4), "little")
            data = self._read(section.piece, section.at + 520, 8 * min(count, _MOST_ENTRIES))
            for start, length in struct.iter_unpack("<II", data[: len(data) // 8 * 8]):
                out.append((start * self._sector, length * self._sector))
        return out

    def broken_chunks(self) -> Iterator[Range]:
        """Chunks whose bytes do not fit their checksum, joined where they touch."""
        begun: Range | None = None
        for number, sound in enumerate(self._chunks()):
            at = number * self._chunk
            if sound or at >= self._size:
                continue
            length = min(self._chunk, self._size - at)
            if begun is not None and begun[0] + begun[1] == at:
                begun = (begun[0], begun[1] + length)
                continue
            if begun is not None:
                yield begun
            begun = (at, length)
        if begun is not None:
            yield begun

    def _chunks(self) -> Iterator[bool]:
        sectors = _Section(b"", 0, 0, 0)
        for section in self._sections:
            if section.kind == b"sectors":
                sectors = section
            elif section.kind == b"table" and self._chunk:
                yield from self._table(section, sectors.at + sectors.size)

    def _table(self, table: _Section, end: int) -> Iterator[bool]:
        head = self._read(table.piece, table.at, 24)
        if len(head) < 24:
            return
        count, base = struct.unpack_from("<I4xQ", head)
        data = self._read(table.piece, table.at + 24, 4 * min(count, _MOST_ENTRIES))
        entries = [n for (n,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4])]
        places = [*(base + (entry & 0x7FFFFFFF) for entry in entries), end]
        for entry, (start, stop) in zip(entries, pairwise(places), strict=True):
            length = min(stop - start, 2 * self._chunk + 1024)
            packed = self._read(table.piece, start, length) if length > 4 else b""
            yield _fits(packed, bool(entry >> 31), self._chunk)


def _fits(packed: bytes, compressed: bool, size: int) -> bool:
    if not compressed:
        return zlib.adler32(packed[:-4]) == int.from_bytes(packed[-4:], "little")
    try:
        return len(zlib.decompressobj().decompress(packed, size + 1)) <= size
    except zlib.error:
        return False


def cut_off(media: Media, fds: Sequence[int]) -> None:
    """Let a disk whose last segments are missing end where those that are there end."""
    if media.size:
        try:
            media.read(media.size - 1, 1)
        except ValueError:
            segments = Segments(fds)
            if segments.goes_on():
                media.size = min(media.size, segments.held())


def verify(blocks: Blocks, fds: Sequence[int]) -> Iterator[Warn]:
    """Hold the disk's bytes against the hashes in the image, and name the places that are damaged."""
    segments = Segments(fds)
    stated = {} if segments.goes_on() else hashes(blocks)
    if segments.goes_on():
        yield Warn(
            f"the image goes on behind its segment {len(fds)}, and the next one is not there"
        )
    if segments.sound:
        yield from _places(segments.read_errors(), "could not be read when the image was taken")
    agree = True
    if stated:
        real = _hashed(blocks, list(stated))
        for name, value in stated.items():
            if not real:
                yield Warn(
                    f"the image's own {name.upper()} could not be checked: it is not readable"
                )
            elif real[name] != value:
                yield Warn(
                    f"the image's own {name.upper()} {value} does not fit its bytes: {real[name]}"
                )
        agree = real == stated
    if segments.sound and not (stated and agree):
        reason = "do not fit the image's own checksum and read as zeros"
        yield from _places(segments.broken_chunks(), reason)


def hashes(blocks: Blocks) -> dict[str, str]:
    """``md5`` and ``sha1`` of the disk as the acquisition tool wrote them into the image."""
    if not isinstance(blocks, Media):
        return {}
    stated = dict(blocks.handle.get_hash_values())
    return {n.lower(): v.lower() for n, v in stated.items() if n in ("MD5", "SHA1") and v}


def _hashed(blocks: Blocks, names: list[str]) -> dict[str, str]:
    """The same hashes of the bytes as they read; {} when they do not."""
    engines = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    at = 0
    while at < blocks.size:
        try:
            data = blocks.read(at, BLOCK)
        except ValueError:
            return {}
        if not data:
            return {}
        for engine in engines.values():
            engine.update(data)
        at += len(data)
    return {name: engine.hexdigest() for name, engine in engines.items()}


def _places(ranges: Iterable[Range], reason: str) -> Iterator[Warn]:
    further = 0
    for number, (at, length) in enumerate(ranges):
        if number < MOST_PLACES:
            yield Warn(f"bytes {at} to {at + length} of the disk {reason}")
        else:
            further += 1
    if further:
        yield Warn(f"{further} further places of the disk {reason}")
