"""The entries of a tar (v7, ustar, pax, GNU, sparse), read block by block by hand.

After POSIX.1-2024 "pax" and the GNU tar manual's "Basic Tar Format" and "Storing Sparse Files"; by hand so
that names stay the bytes they are, a lying size costs one entry and nothing large is held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from amparo.evidence.unpack import Segment, read_at
from amparo.kit.plugin import Warn

BLOCK = 512
MOST_HEADER = 16 << 20
"""A pax header or long name of more bytes is not believed."""
MOST_SEGMENTS = 100_000
_LARGEST = 1 << 60
"""Bytes of a file, and milliseconds before or after 1970, beyond which a number is not believed."""

FILE, FOLDER, SYMLINK, HARDLINK, SPECIAL = "file", "folder", "symlink", "hardlink", "special"
_KINDS = {
    b"0": FILE,
    b"\0": FILE,
    b"7": FILE,
    b"S": FILE,
    b"1": HARDLINK,
    b"2": SYMLINK,
    b"3": SPECIAL,
    b"4": SPECIAL,
    b"5": FOLDER,
    b"6": SPECIAL,
    b"D": FOLDER,
    b"V": FOLDER,
}

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Entry:
    """One member: ``stored`` bytes at ``at``; ``size`` is what the file comes to (sparse: more)."""

    name: bytes
    kind: str
    target: bytes
    at: int
    stored: int
    size: int
    modified: int | None
    segments: tuple[Segment, ...] | None = None


@dataclass(frozen=True)
class _Header:
    name: bytes
    size: int
    modified: int | None
    type: bytes
    target: bytes
    raw: bytes


def entries(stream: BinaryIO, size: int) -> Iterator[Entry | Warn]:
    """All entries in order; damage and cut ends are Warns and what follows a gap is found again.

    Raises ValueError where not one entry can be read.
    """
    at, read, ended = 0, 0, False
    common: Pairs = []
    own: Pairs = []
    long_name = long_target = b""
    while at < size:
        block = read_at(stream, at, BLOCK)
        if not block.strip(b"\0"):
            ended, at = True, _skip_zeros(stream, at, size)
            continue
        header = parse(block)
        if header is None:
            found = _resync(stream, at, size)
            if not ended or found < size:
                yield Warn(f"{found - at} bytes at {at} are no tar entry")
            at = found
            continue
        data = at + BLOCK
        if header.type in (b"x", b"g", b"L", b"K", b"X"):
            if header.size > min(MOST_HEADER, size - data):
                yield Warn(f"header entry at {at} states {header.size} bytes: not believed")
                at = data
                continue
            body = read_at(stream, data, header.size)
            if header.type == b"L":
                long_name = body.rstrip(b"\0")
            elif header.type == b"K":
                long_target = body.rstrip(b"\0")
            elif header.type == b"g":
                common += pax(body)
            else:
                own = pax(body)
            at = data + _padded(header.size)
            continue
        entry, after, doubt = _entry(stream, header, data, common + own, long_name, long_target)
        own, long_name, long_target = [], b"", b""
        read += 1
        if doubt:
            yield Warn(doubt)
        yield entry
        at = after
    if at > size:
        yield Warn(f"the tar breaks off: its last entry reaches {at - size} bytes beyond the end")
    elif not ended:
        yield Warn("the tar has no end mark: it may have been cut")
    if not read:
        raise ValueError("no entry of a tar could be read")


def parse(block: bytes) -> _Header | None:
    """The fields of one header block; None when its checksum does not add up."""
    if len(block) < BLOCK:
        return None
    stated = number(block[148:156])
    plain = sum(block[:148]) + 256 + sum(block[156:])
    if stated != plain:
        signed = plain - 256 * sum(b > 127 for b in block[:148] + block[156:])
        if stated != signed:
            return None
    size = number(block[124:136])
    if size is None or not 0 <= size < _LARGEST:
        return None
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        name = block[345:500].split(b"\0")[0] + b"/" + name
    seconds = number(block[136:148])
    return _Header(
        name,
        size,
        None if seconds is None or abs(seconds) > _LARGEST // 1000 else seconds * 1000,
        block[156:157],
        block[157:257].split(b"\0")[0],
        block,
    )


def number(field: bytes) -> int | None:
    """An octal or (first bit set) base-256 number; None when it is neither."""
    if field[0] & 0x80:
        value = int.from_bytes(field) & ~(0x80 << 8 * (len(field) - 1))
        if field[0] == 0xFF:
            value = int.from_bytes(field, signed=True)
        return value
    digits = field.strip(b" \0")
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def pax(body: bytes) -> Pairs:
    """``length key=value\\n`` records; stops at the first that is malformed."""
    pairs: Pairs = []
    at = 0
    while match := re.compile(rb"(\d{1,8}) ").match(body, at):
        end = at + int(match[1])
        key, found, value = body[match.end() : end - 1].partition(b"=")
        if not found or end > len(body) or end <= match.end():
            break
        pairs.append((key, value))
        at = end
    return pairs


def _entry(
    stream: BinaryIO,
    header: _Header,
    data: int,
    pairs: Pairs,
    long_name: bytes,
    long_target: bytes,
) -> tuple[Entry, int, str]:
    """The entry, where the next header stands, and "" or a doubt in words."""
    named = dict(pairs)
    name = named.get(b"GNU.sparse.name") or named.get(b"path") or long_name or header.name
    target = named.get(b"linkpath") or long_target or header.target
    stored = _integer(named.get(b"size", b""), header.size)
    modified = _milliseconds(named.get(b"mtime", b""), header.modified)
    kind = _KINDS.get(header.type, FILE)
    doubt = "" if header.type in _KINDS else f"entry of unknown type {header.type!r} read as a file"
    if kind == FILE and header.type in (b"0", b"\0") and name.endswith(b"/"):
        kind = FOLDER
    size, segments, first = stored, None, data
    try:
        if header.type == b"S":
            size, segments, first = _old_sparse(stream, header, data)
        elif any(key.startswith(b"GNU.sparse.") for key in named):
            size, segments, first = _pax_sparse(stream, pairs, data, stored)
    except ValueError as error:
        doubt = f"sparse entry read as it is stored: {error}"
    held = stored if kind in (FILE, FOLDER) and header.type != b"5" else 0
    after = first + _padded(held) if header.type == b"S" else data + _padded(held)
    entry = Entry(name, kind, target, first, stored, size, modified, segments)
    return entry, after, doubt


def _old_sparse(
    stream: BinaryIO, header: _Header, data: int
) -> tuple[int, tuple[Segment, ...], int]:
    """GNU's own form: four pairs in the header, 21 in each block that follows."""
    size = number(header.raw[483:495]) or 0
    if not 0 <= size < _LARGEST:
        raise ValueError(f"it states {size} bytes")
    pairs: list[tuple[int, int]] = []
    block, more = header.raw[386:482], header.raw[482]
    while True:
        for i in range(0, len(block) - 23, 24):
            if block[i : i + 24].strip(b"\0"):
                pairs.append((number(block[i : i + 12]) or 0, number(block[i + 12 : i + 24]) or 0))
        if not more:
            break
        extension = read_at(stream, data, BLOCK)
        if len(extension) < BLOCK or len(pairs) > MOST_SEGMENTS:
            raise ValueError("its map does not end")
        block, more, data = extension[:504], extension[504], data + BLOCK
    return size, _placed(pairs, size, data, header.size), data


def _pax_sparse(
    stream: BinaryIO, pairs: Pairs, data: int, stored: int
) -> tuple[int, tuple[Segment, ...], int]:
    """GNU's forms 0.0 (repeated keys), 0.1 (one list) and 1.0 (the list stands before the data)."""
    named = dict(pairs)
    size = _integer(named.get(b"GNU.sparse.realsize", named.get(b"GNU.sparse.size", b"")), -1)
    numbers: list[int]
    first = data
    if named.get(b"GNU.sparse.major") == b"1":
        numbers, first = _leading_map(stream, data, stored)
    elif b"GNU.sparse.map" in named:
        text = named[b"GNU.sparse.map"]
        if not re.fullmatch(rb"[0-9,]*", text):
            raise ValueError("its map is not made of numbers")
        numbers = [int(part) for part in text.split(b",") if part]
    else:
        keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
        numbers = [_integer(value, 0) for key, value in pairs if key in keys]
    found = list(zip(numbers[0::2], numbers[1::2], strict=False))
    return size, _placed(found, size, first, stored - (first - data)), first


def _leading_map(stream: BinaryIO, data: int, stored: int) -> tuple[list[int], int]:
    text = read_at(stream, data, min(stored, MOST_SEGMENTS * 42))
    match = re.match(rb"(\d{1,6})\n", text)
    if match is None or int(match[1]) > MOST_SEGMENTS:
        raise ValueError("its map has no believable length")
    count = int(match[1]) * 2
    body = re.compile(rb"(?:\d{1,19}\n){%d}" % count if count < 1000 else rb"(?:\d{1,19}\n)*")
    found = body.match(text, match.end())
    lines = found[0].split(b"\n")[:count] if found else []
    if len(lines) < count:
        raise ValueError("its map breaks off")
    used = match.end() + sum(len(line) + 1 for line in lines)
    return [int(line) for line in lines], data + _padded(used)


def _placed(
    pairs: list[tuple[int, int]], size: int, first: int, stored: int
) -> tuple[Segment, ...]:
    """Pairs of offset and length with their place in the tar. Raises ValueError unless in order."""
    segments: list[Segment] = []
    done, at = 0, first
    if len(pairs) > MOST_SEGMENTS:
        raise ValueError("its map is too long")
    for offset, length in pairs:
        if offset < done or length < 0 or offset + length > size:
            raise ValueError("its map is not in order")
        if length:
            segments.append((offset, length, at))
        done, at = offset + length, at + length
    if at - first > stored:
        raise ValueError("its map covers more than is stored")
    return tuple(segments)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _integer(text: bytes, otherwise: int) -> int:
    return int(text) if re.fullmatch(rb"\d{1,18}", text) else otherwise


def _milliseconds(text: bytes, otherwise: int | None) -> int | None:
    match = re.fullmatch(rb"(-?)(\d{1,15})(?:\.(\d{1,30}))?", text)
    if match is None:
        return otherwise
    value = int(match[2]) * 1000 + int((match[3] or b"0").ljust(3, b"0")[:3])
    return -value if match[1] else value


def _skip_zeros(stream: BinaryIO, at: int, size: int) -> int:
    """The block after a run of zero blocks."""
    while at < size:
        window = read_at(stream, at, 1 << 20)
        rest = window.lstrip(b"\0")
        if rest:
            return at + (len(window) - len(rest)) // BLOCK * BLOCK
        at += len(window)
    return size


def _resync(stream: BinaryIO, at: int, size: int) -> int:
    """The next block that is a sound header or zeros; ``size`` when there is none."""
    at += BLOCK
    while at < size:
        window = read_at(stream, at, 1 << 20)
        for i in range(0, len(window), BLOCK):
            block = window[i : i + BLOCK]
            if block[257:262] == b"ustar" and parse(block) is not None:
                return at + i
        at += len(window)
    return size
