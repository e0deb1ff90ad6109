"""MP4, MOV, 3GP, HEIC and AVIF: a tree of boxes (ISO/IEC 14496-12), and the samples their index names."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from amparo.kit.spans import Range, Spans
from amparo.recover.formats.extent import Extent, NotOne

LONGEST = 16 << 30
_INDEX = 64 << 20
"""Bytes of an index that are read."""
_TOP = frozenset(
    b"ftyp moov mdat free skip wide uuid moof mfra pnot udta meta styp sidx ssix emsg prft pdin".split()
)
_NESTED = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl"))
_LENGTH_PREFIXED = {b"avc1": b"avcC", b"avc3": b"avcC", b"hvc1": b"hvcC", b"hev1": b"hvcC"}
_MOST_SAMPLES = 2_000_000
_LOOKED_AT = 4000
"""Samples of a film whose inner lengths are checked."""


@dataclass
class Track:
    """One track's samples as ranges of the file; ``prefix`` bytes before each unit say its length."""

    prefix: int = 0
    samples: list[Range] = field(default_factory=list)


@dataclass
class Boxes:
    """The boxes of a file by their kind, as ranges from its start, and where they stop."""

    all: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Kind, offset and length with the header."""
    end: int = 0
    note: str = ""

    def first(self, kind: bytes) -> Range | None:
        """The first box of a kind."""
        return next(((at, n) for k, at, n in self.all if k == kind), None)


def measure(view: Spans, start: int) -> Extent:
    """How far the film or picture at ``start`` (of its ``ftyp`` box) reaches. Raises NotOne."""
    boxes = walk(view, start)
    kinds = {kind for kind, _, _ in boxes.all}
    moov, media = boxes.first(b"moov"), boxes.first(b"mdat")
    length = boxes.end - start
    still = b"meta" in kinds and b"moov" not in kinds
    if not kinds - {b"ftyp", b"free", b"skip", b"wide"}:
        raise NotOne("nothing but a header")
    sure = media[0] if media else length
    if start + length > view.size or boxes.note:
        kept = min(length, view.size - start)
        return Extent(
            kept, False, 0.4, boxes.note or "breaks off", min(sure, kept), moov is not None
        )
    if media is None or not (moov or still or b"moof" in kinds):
        note = "its index is missing" if media else "nothing but an index"
        return Extent(length, False, 0.3, note, sure, moov is not None)
    if moov is None or b"moof" in kinds:
        return Extent(length, True, 0.8, "media not looked into", length)
    try:
        tracks = index(view.read(start + moov[0], min(moov[1], _INDEX)))
    except (struct.error, ValueError, IndexError):
        return Extent(length, False, 0.4, "its index does not read", sure)
    samples = checked(tracks)
    bad = first_bad(view, start, samples)
    if bad is not None:
        note = f"other bytes in the sample at {samples[bad][0]}"
        return Extent(length, False, 0.4, note, sure)
    for track in tracks:
        if any(at + size > length for at, size in track.samples):
            return Extent(length, False, 0.4, "samples beyond its end", sure)
    seen = any(track.prefix for track in tracks)
    note = "" if seen else "media not looked into"
    return Extent(length, True, 0.95 if seen else 0.8, note, length)


def walk(view: Spans, start: int) -> Boxes:
    """The top boxes in a row. Raises NotOne when there is no ``ftyp``."""
    boxes = Boxes()
    at = start
    while at < view.size and len(boxes.all) < 100_000:
        head = view.read(at, 16)
        size, kind = int.from_bytes(head[:4]), head[4:8]
        least = 8
        if size == 1 and len(head) == 16:
            size, least = int.from_bytes(head[8:16]), 16
        if at == start:
            name = view.read(at + 8, 4)
            if kind != b"ftyp" or not 16 <= size <= 4096 or size % 4 or not _letters(name):
                raise NotOne("no brand")
        elif kind == b"ftyp" or kind not in _TOP or size < least or size > LONGEST:
            if kind == b"mdat" and size == 0:
                boxes.note = "its media has no stated end"
            break
        boxes.all.append((kind, at - start, size))
        at += size
        if at > view.size:
            boxes.note = f"box {kind.decode()} breaks off"
    boxes.end = at
    return boxes


def _letters(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= c < 127 for c in name)


def index(moov: bytes) -> list[Track]:
    """The tracks of a ``moov`` box. Raises ValueError or struct.error for one that is none."""
    tracks = []
    for kind, at, end in _children(moov, 8 if moov[:4] != b"\0\0\0\1" else 16, len(moov)):
        if kind == b"trak":
            tables = dict[bytes, tuple[int, int]]()
            _collect(moov, at, end, tables, 0)
            tracks.append(_track(moov, tables))
    if not tracks:
        raise ValueError("no tracks")
    return tracks


def _children(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind and body of each box in a stretch. Raises ValueError."""
    while at + 8 <= end:
        size = int.from_bytes(data[at : at + 4])
        if size < 8 or at + size > end:
            raise ValueError("a box that sticks out")
        yield data[at + 4 : at + 8], at + 8, at + size
        at += size


def _collect(data: bytes, at: int, end: int, into: dict[bytes, Range], depth: int) -> None:
    for kind, body, stop in _children(data, at, end):
        if kind in _NESTED and depth < 8:
            _collect(data, body, stop, into, depth + 1)
        else:
            into.setdefault(kind, (body, stop))


def _table(
    data: bytes, tables: dict[bytes, Range], kind: bytes, form: str, skip: int = 4
) -> list[int]:
    """The numbers of a table, in a row."""
    if kind not in tables:
        return []
    at, end = tables[kind]
    count = struct.unpack_from(">I", data, at + skip)[0]
    width = struct.calcsize(">" + form)
    if count > _MOST_SAMPLES or at + skip + 4 + count * width > end:
        raise ValueError("a table that sticks out")
    return list(struct.unpack_from(">" + form * count, data, at + skip + 4))


def _track(data: bytes, tables: dict[bytes, Range]) -> Track:
    track = Track()
    chunks = _table(data, tables, b"stco", "I") or _table(data, tables, b"co64", "Q")
    groups = _table(data, tables, b"stsc", "III")
    if b"stsz" not in tables or not chunks or not groups:
        return track
    firsts = groups[::3]
    if firsts[0] != 1 or any(a >= b for a, b in pairwise(firsts)):
        raise ValueError("groups of samples that do not begin with the first chunk and go on")
    same, count = struct.unpack_from(">II", data, tables[b"stsz"][0] + 4)
    if count > _MOST_SAMPLES:
        raise ValueError("more samples than any film has")
    sizes = [same] * count if same else _table(data, tables, b"stsz", "I", 8)
    track.prefix = _prefix(data, tables)
    number, at = 0, 0
    for chunk, place in enumerate(chunks, 1):
        while at + 3 < len(groups) and groups[at + 3] <= chunk:
            at += 3
        for _ in range(groups[at + 1]):
            if number >= len(sizes):
                return track
            track.samples.append((place, sizes[number]))
            place += sizes[number]
            number += 1
    return track


def _prefix(data: bytes, tables: dict[bytes, Range]) -> int:
    """How many bytes before each coded unit say its length (H.264, H.265); 0 for other codecs."""
    if b"stsd" not in tables:
        return 0
    at, end = tables[b"stsd"]
    config = _LENGTH_PREFIXED.get(data[at + 12 : at + 16])
    if config is None:
        return 0
    found = data.find(config, at, end)
    offset = found + 4 + (4 if config == b"avcC" else 21)
    return (data[offset] & 3) + 1 if found >= 0 and offset < end else 0


def good(data: bytes, prefix: int, size: int) -> bool:
    """Whether a sample of coded units fills its size exactly, each with a head that can be one."""
    if len(data) < size:
        return False
    at = 0
    while at < size:
        length = int.from_bytes(data[at : at + prefix])
        at += prefix
        if not length or at + length > size or data[at] & 0x80:
            return False
        if b"\0\0\0\0" in data[at : at + length - 4] and length > 8:
            return False  # emulation prevention allows no run of noughts inside a unit
        at += length
    return True


def last_unit(data: bytes, prefix: int, size: int) -> int:
    """Just behind the head of a good sample's last unit: from there on nothing was checked."""
    at = 0
    while (following := at + prefix + int.from_bytes(data[at : at + prefix])) < size:
        at = following
    return at + prefix + 1


def checked(tracks: list[Track]) -> list[tuple[int, int, int]]:
    """Offset, size and prefix of the samples that can be checked, in file order."""
    return sorted((at, n, t.prefix) for t in tracks if t.prefix for at, n in t.samples if n)


def first_bad(view: Spans, start: int, samples: list[tuple[int, int, int]]) -> int | None:
    """Number of the first sample whose bytes are not its own; None for none.

    Where there are many, some are looked at first and then those before the first bad one.
    """
    step = max(1, len(samples) // _LOOKED_AT)
    coarse = next((n for n in range(0, len(samples), step) if _bad(view, start, samples[n])), None)
    if coarse is None:
        return None
    near = range(max(0, coarse - step + 1), coarse)
    return next((n for n in near if _bad(view, start, samples[n])), coarse)


def _bad(view: Spans, start: int, sample: tuple[int, int, int]) -> bool:
    at, size, prefix = sample
    return size > 32 << 20 or not good(view.read(start + at, size), prefix, size)
