"""The entries of a zip, straight from its directory or, where that is gone, from the local headers.

Read by hand after PKWARE's APPNOTE 6.3.10 so that names stay the bytes they are, nothing is loaded whole
and a broken directory does not cost the members before the break.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from amparo.evidence.unpack import DEFLATE, Inflate, read_at
from amparo.kit.plugin import Warn

_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_ENTRY = _CENTRAL.size + 3 * 65535
_LARGEST = (1 << 63) - 1
"""Bytes of a member; what states more states nothing."""
_UNIX = (3, 19)
"""Systems (APPNOTE 4.4.2) whose external attributes carry a Unix mode: Unix and macOS."""


@dataclass(frozen=True)
class Entry:
    """One member as the zip describes it; ``header`` is the position of its local header."""

    name: bytes
    flags: int
    method: int
    crc: int | None
    packed: int
    size: int | None
    header: int
    mode: int = 0
    modified: int | None = None
    dos: str = ""
    """Local time of an unknown zone, where no UTC time was kept."""

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & 0x2041)


@dataclass(frozen=True)
class Directory:
    """Where the central directory lies; ``shift`` is what stands before the zip proper."""

    start: int
    size: int
    entries: int
    shift: int


def directory(stream: BinaryIO, size: int) -> Directory | None:
    """The central directory by the end record (zip64 too); None where there is none.

    Raises ValueError for one part of a split archive.
    """
    base = max(0, size - 65_557)
    tail = read_at(stream, base, size - base)
    at = len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        if at + _END.size <= len(tail):
            break
    if at < 0:
        return None
    _, disk, first, _, count, length, offset, _ = _END.unpack_from(tail, at)
    end = base + at
    if end >= 20:
        locator = read_at(stream, end - 20, 20)
        if locator[:4] == b"PK\x06\x07":
            place = int.from_bytes(locator[8:16], "little")
            for position in (place, end - 20 - _END64.size):
                if position < 0 or position + _END64.size > size:
                    continue
                record = read_at(stream, position, _END64.size)
                if record[:4] == b"PK\x06\x06":
                    _, _, _, _, disk, first, _, count, length, offset = _END64.unpack(record)
                    end = position
                    break
    if (disk or first) and disk != 0xFFFF:
        raise ValueError(f"part {disk + 1} of a zip split over several files")
    if length > end:
        return None
    return Directory(end - length, length, count, end - length - offset)


def entries(stream: BinaryIO, size: int) -> Iterator[Entry | Warn]:
    """All entries in the order of the directory, then those found only by their local headers.

    Raises ValueError where nothing at all looks like a zip.
    """
    found = directory(stream, size)
    seen, reach = 0, 0
    if found is not None:
        stop = found.start + found.size
        window, at = b"", 0
        base = found.start
        while base + at < stop:
            # A large window, because between two entries their bytes are read from elsewhere.
            if len(window) - at < _LONGEST_ENTRY and base + len(window) < stop:
                base, at = base + at, 0
                window = read_at(stream, base, min(stop - base, 1 << 20))
            entry = _central(window, at, found.shift)
            if entry is None:
                yield Warn(
                    f"the zip's directory breaks off after {seen} of {found.entries} entries"
                )
                break
            item, at = entry
            seen += 1
            reach = max(reach, item.header + 30 + item.packed)
            yield item
        else:
            if seen & 0xFFFF != found.entries & 0xFFFF:
                yield Warn(f"the zip states {found.entries} entries and lists {seen}")
            return
    else:
        yield Warn(
            "the zip has no directory: it breaks off, or its end was cut; read by local headers"
        )
    local = 0
    for found_locally in _locals(stream, size, reach):
        local += isinstance(found_locally, Entry)
        yield found_locally
    if not seen and not local:
        raise ValueError("no entry of a zip could be read")


def _central(window: bytes, at: int, shift: int) -> tuple[Entry, int] | None:
    """The entry at a place in a piece of the directory, and where the next one begins."""
    if len(window) < at + _CENTRAL.size or window[at : at + 4] != b"PK\x01\x02":
        return None
    (_, made, _, flags, method, time, date, crc, packed, size, *lengths) = _CENTRAL.unpack_from(
        window, at
    )
    n, x, c, _, _, external, header = lengths
    rest = window[at + _CENTRAL.size : at + _CENTRAL.size + n + x]
    if len(rest) < n + x:
        return None
    extra = dict(_extras(rest[n:]))
    wide = extra.get(1, b"")
    # Only fields that are all ones in the entry stand in the zip64 extra, in this order (4.5.3).
    values = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
    if size == 0xFFFFFFFF:
        size = min(next(values, size), _LARGEST)
    if packed == 0xFFFFFFFF:
        packed = next(values, packed)
    if header == 0xFFFFFFFF:
        header = next(values, header)
    mode = external >> 16 if made >> 8 in _UNIX else 0
    if not mode and external & 0x10:
        mode = 0o040000
    modified = _utc(extra)
    dos = "" if modified is not None else _dos(date, time)
    entry = Entry(rest[:n], flags, method, crc, packed, size, header + shift, mode, modified, dos)
    return entry, at + _CENTRAL.size + n + x + c


def _locals(stream: BinaryIO, size: int, at: int) -> Iterator[Entry | Warn]:
    """Entries by walking from one local header to the next, starting at or after ``at``."""
    at = _next_header(stream, size, at)
    while 0 <= at < size:
        head = read_at(stream, at, _LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            return
        _, _, flags, method, time, date, crc, packed, plain, n, x = _LOCAL.unpack(head)
        rest = stream.read(n + x)
        if len(rest) < n + x:
            yield Warn("the zip breaks off inside an entry's header")
            return
        extra = dict(_extras(rest[n:]))
        wide = extra.get(1, b"")
        if len(wide) >= 16 and 0xFFFFFFFF in (packed, plain):
            plain, packed = struct.unpack_from("<2Q", wide)
            plain = min(plain, _LARGEST)
        start = at + _LOCAL.size + n + x
        whole: int | None = plain
        checked: int | None = crc
        if flags & 8 and not packed:
            length = _measure(stream, start, method, flags)
            if length is None:
                yield Warn(
                    "an entry without a stated length ends what can be read by local headers"
                )
                return
            packed, whole, checked = length, None, None
        modified = _utc(extra)
        yield Entry(
            rest[:n],
            flags,
            method,
            checked,
            packed,
            whole,
            at,
            0,
            modified,
            "" if modified is not None else _dos(date, time),
        )
        at = _next_header(stream, size, start + packed, within=32)


def _next_header(stream: BinaryIO, size: int, at: int, within: int = 1 << 20) -> int:
    """Position of the next local header in the given range; -1 when there is none."""
    window = read_at(stream, at, within) if at < size else b""
    place = window.find(b"PK\x03\x04")
    return at + place if place >= 0 else -1


def _measure(stream: BinaryIO, at: int, method: int, flags: int) -> int | None:
    """Packed length of a deflated entry that states none, found by unpacking it."""
    if method != DEFLATE or flags & 1:
        return None
    engine, start = Inflate(), at
    while not engine.eof:
        data = read_at(stream, at, 1 << 16) if engine.needs_input else b""
        at += len(data)
        try:
            out = engine.decompress(data, 1 << 20)
        except zlib.error:
            return None
        if not out and not data and engine.needs_input:
            break
    return at - start - len(engine.left)


def data_start(stream: BinaryIO, entry: Entry) -> tuple[int, bytes]:
    """Where the member's bytes begin, and the name its own header gives it.

    Raises ValueError when there is no local header where the directory says.
    """
    head = read_at(stream, entry.header, _LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise ValueError("no entry where the directory says")
    n = int.from_bytes(head[26:28], "little")
    x = int.from_bytes(head[28:30], "little")
    return entry.header + _LOCAL.size + n + x, stream.read(n)


def _extras(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        tag, length = struct.unpack_from("<2H", data)
        yield tag, data[4 : 4 + length]
        data = data[4 + length :]


def _utc(extra: dict[int, bytes]) -> int | None:
    """Milliseconds UTC from the extended (0x5455), Unix (0x5855) or NTFS (0x000a) extra field."""
    stamp = extra.get(0x5455, b"")
    if len(stamp) >= 5 and stamp[0] & 1:
        return int.from_bytes(stamp[1:5], "little", signed=True) * 1000
    unix = extra.get(0x5855, b"")
    if len(unix) >= 8:
        return int.from_bytes(unix[4:8], "little", signed=True) * 1000
    ntfs = dict(_extras(extra.get(0x000A, b"")[4:])).get(1, b"")
    if len(ntfs) >= 8:
        return int.from_bytes(ntfs[:8], "little") // 10_000 - 11_644_473_600_000
    return None


def _dos(date: int, time: int) -> str:
    if not date:
        return ""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    return (
        f"{year}-{month:02d}-{day:02d}T{time >> 11:02d}:{time >> 5 & 63:02d}:{(time & 31) * 2:02d}"
    )
