"""PDF, ZIP and SQLite: files that say where their own index lies, which must then be there."""

from __future__ import annotations

import re
import struct
import zlib

from amparo.kit.spans import Spans
from amparo.recover.formats.extent import Extent, NotOne

LONGEST = 256 << 20
_CHECKED = 64 << 20
"""Bytes of a zip's members whose checksums are computed."""
_XREF = re.compile(rb"\s*(xref|\d{1,10}\s+\d{1,5}\s+obj)")
_STARTXREF = re.compile(rb"startxref\s+(\d{1,11})\s+%%EOF\Z")
_LINEARIZED = re.compile(rb"/Linearized\b.{0,200}?/L\s+(\d{1,10})", re.S)


def pdf(view: Spans, start: int) -> Extent:
    """How far the PDF at ``start`` reaches: the last end mark whose index offset leads to an index.

    Raises NotOne.
    """
    head = view.read(start, 1024)
    if not re.match(rb"%PDF-[12]\.\d", head):
        raise NotOne("no header")
    stated = _LINEARIZED.search(head)
    limit = min(view.size, start + LONGEST)
    following = view.find(b"%PDF-", start + 5, limit)
    stop = following if following >= 0 else limit
    at, end, last = start, 0, start + 8
    for _ in range(4096):
        at = view.find(b"%%EOF", at + 1, min(stop, end + (16 << 20)) if end else stop)
        if at < 0:
            break
        tail = view.read(max(start, at - 40), at + 5 - max(start, at - 40))
        found = _STARTXREF.search(tail)
        if found is None:
            continue
        last = at + 5
        offset = int(found[1])
        if offset and start + offset < at and _XREF.match(view.read(start + offset, 40)):
            end = at + 5
    if stated and view.read(start, 1) and _ends_here(view, start + int(stated[1])):
        return Extent(int(stated[1]), True, 1.0, "", int(stated[1]))
    if end:
        end += len(re.match(rb"(\r\n|\n|\r)?", view.read(end, 2))[0])  # type: ignore[index]
        return Extent(end - start, True, 0.9, "", end - start)
    worth = b" obj" in head
    if not worth:
        raise NotOne("no object in it")
    note = "its index is not where it says" if last > start + 8 else "no end mark"
    return Extent(last - start, False, 0.3, note, 8, last > start + 8)


def _ends_here(view: Spans, end: int) -> bool:
    return end <= view.size and b"%%EOF" in view.read(end - 8, 8)


def zip_file(view: Spans, start: int) -> Extent:
    """How far the ZIP at ``start`` reaches: its directory must lead back to its members.

    Members' checksums are computed, up to 64 MiB of them. Raises NotOne.
    """
    head = view.read(start, 30)
    if len(head) < 30 or not _plausible(head):
        raise NotOne("no member header")
    at, limit = start, min(view.size, start + (1 << 30))
    for _ in range(8):
        at = view.find(b"PK\5\6", at + 4, limit)
        if at < 0:
            break
        tail = view.read(at, 22)
        if len(tail) < 22:
            break
        count, size, offset, comment = struct.unpack_from("<HIIH", tail, 10)
        directory = start + offset
        if directory + size > at or (directory + size != at and not _zip64(view, at)):
            continue
        if view.read(directory, 4) != b"PK\1\2" and count:
            continue
        end = min(at + 22 + comment, view.size)
        bad, checked = _members(view, start, directory, at)
        if bad:
            return Extent(end - start, False, 0.4, f"member {bad} does not unpack", 30)
        note = "" if checked else "not all members' checksums computed"
        return Extent(end - start, True, 1.0 if checked else 0.8, note, end - start)
    return _headless(view, start)


def _plausible(head: bytes) -> bool:
    """Whether a member's header can be one: version, flags, method, length of its name."""
    version, flags, method = struct.unpack_from("<HHH", head, 4)
    name = int.from_bytes(head[26:28], "little")
    return version & 0xFF <= 63 and not flags & 0xC780 and method in _METHODS and 0 < name < 1024


_METHODS = frozenset((0, 1, 6, 8, 9, 12, 14, 93, 95, 96, 97, 98, 99))


def _zip64(view: Spans, at: int) -> bool:
    return view.read(at - 20, 4) == b"PK\6\7"


def _members(view: Spans, start: int, directory: int, end: int) -> tuple[str, bool]:
    """The first member that is not what the directory says ("" for none); whether all were checked."""
    budget, every = _CHECKED, True
    at = directory
    while at + 46 <= end and view.read(at, 4) == b"PK\1\2":
        entry = view.read(at, 46)
        flags, method, _, crc, packed, size, name, extra, comment = struct.unpack_from(
            "<HHIIIIHHH", entry, 8
        )
        offset = int.from_bytes(entry[42:46], "little")
        at += 46 + name + extra + comment
        local = view.read(start + offset, 30)
        label = f"at {offset}"
        if len(local) < 30 or local[:4] != b"PK\3\4":
            return label, every
        body = start + offset + 30 + sum(struct.unpack_from("<HH", local, 26))
        if flags & 1 or method not in (0, 8) or 0xFFFFFFFF in (packed, size) or packed > budget:
            every = False
            continue
        budget -= packed
        got = _unpacked_crc(view.read(body, packed), method, budget)
        if got is None:
            every = False
        elif got != crc:
            return label, every
    return "", every


def _unpacked_crc(data: bytes, method: int, budget: int) -> int | None:
    """The CRC of a member; None when it would unpack to too much, -1 when it does not unpack."""
    if method == 0:
        return zlib.crc32(data)
    engine, value, total = zlib.decompressobj(-15), 0, 0
    try:
        while data or not engine.eof:
            out = engine.decompress(data, 1 << 20)
            value, total = zlib.crc32(out, value), total + len(out)
            data = engine.unconsumed_tail
            if total > _CHECKED:
                return None
            if not out and not data:
                break
    except zlib.error:
        return -1
    return value if engine.eof else -1


def _headless(view: Spans, start: int) -> Extent:
    """Members up to where they stop, for a zip whose directory is gone."""
    at, last, members = start, start, 0
    while members < 100_000:
        head = view.read(at, 30)
        if len(head) < 30 or head[:4] != b"PK\3\4" or not _plausible(head):
            break
        flags = int.from_bytes(head[6:8], "little")
        packed, name, extra = struct.unpack_from("<I4xHH", head, 18)
        following = at + 30 + name + extra + packed
        if flags & 8 or following > view.size:
            break
        at, last, members = following, at, members + 1
    note = f"no directory; {members} members by their own headers"
    return Extent(max(at - start, 30), False, 0.4, note, last + 30 - start, members > 0)


def sqlite(view: Spans, start: int) -> Extent:
    """How far the SQLite database at ``start`` reaches, by its page count and its trees. Raises NotOne.

    Every page that an inner page of a tree leads to must be a page of the same kind of tree.
    """
    head = view.read(start, 112)
    if len(head) < 112:
        raise NotOne("no header")
    size = int.from_bytes(head[16:18])
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1) or head[21:24] != b"\x40\x20\x20":
        raise NotOne("no page size, or other fractions than 64, 32, 32")
    if head[18] not in (1, 2) or head[19] not in (1, 2) or head[100] not in (5, 13):
        raise NotOne("no such database")
    usable = size - head[20]
    count = int.from_bytes(head[28:32])
    counted = count and head[24:28] == head[92:96]
    if not counted:
        count = _pages(view, start, size, usable)
    whole = min(count, (view.size - start) // size)
    broken = _trees(view, start, size, usable, whole)
    if broken or whole < count:
        kept = broken - 1 if broken else whole
        note = f"page {broken} is not what leads to it" if broken else "breaks off"
        return Extent(max(1, whole) * size, False, 0.4, note, max(1, kept) * size)
    note = "" if counted else "its page count is not kept: ends where no page follows"
    return Extent(count * size, True, 0.95 if counted else 0.6, note, count * size)


def _pages(view: Spans, start: int, size: int, usable: int) -> int:
    """Pages of trees in a row, for databases of before 3.7.0 whose header does not count them."""
    number = 1
    while _cells(view, start, number, size, usable) is not None and number < 1 << 20:
        number += 1
    return max(1, number - 1)


def _cells(view: Spans, start: int, number: int, size: int, usable: int) -> tuple[int, ...] | None:
    """The kind of a tree page and the pages it leads to; None when it is no such page."""
    zero = 100 if number == 1 else 0
    page = view.read(start + (number - 1) * size, size)
    if len(page) < size or page[zero] not in (2, 5, 10, 13):
        return None
    kind = page[zero]
    begin = zero + (12 if kind < 8 else 8)
    cells, content = struct.unpack_from(">HH", page, zero + 3)
    content = content or 65536
    if begin + 2 * cells > min(content, usable) or content > usable:
        return None
    pointers = struct.unpack_from(f">{cells}H", page, begin)
    if any(not begin + 2 * cells <= p <= usable - 4 for p in pointers):
        return None
    below = [int.from_bytes(page[p : p + 4]) for p in pointers] if kind < 8 else []
    if kind < 8:
        below.append(int.from_bytes(page[zero + 8 : zero + 12]))
    return (kind, *below)


def _trees(view: Spans, start: int, size: int, usable: int, count: int) -> int:
    """The first page that is not what an inner page says; 0 for none."""
    first = _cells(view, start, 1, size, usable)
    if first is None:
        raise NotOne("its first page is none")
    bad = 0
    for number in range(1, min(count, 1 << 18) + 1):
        page = _cells(view, start, number, size, usable)
        if page is None or page[0] > 8:
            continue
        for below in page[1:]:
            inner = _cells(view, start, below, size, usable) if 1 < below <= count else None
            fits = inner is not None and (inner[0] in (5, 13)) == (page[0] == 5)
            if not fits and below <= count:
                bad = min(bad or below, below)
    return bad
