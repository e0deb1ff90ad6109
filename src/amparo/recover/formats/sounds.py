"""AMR and Ogg (Opus, Vorbis): voice notes, followed frame by frame and page by page."""

from __future__ import annotations

import zlib

from amparo.kit.spans import Spans
from amparo.recover.formats.extent import Extent, NotOne

_NARROW = (13, 14, 16, 18, 20, 21, 27, 32, 6)
_WIDE = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6)
_ENOUGH = 10
_LONGEST = 64 << 20


def amr(view: Spans, start: int) -> Extent:
    """How far the AMR at ``start`` reaches: frames of 20 ms, one after another (RFC 4867). Raises NotOne.

    There is no end mark: the file ends where no good frame follows. A mode never heard before counts
    only when frames go on behind it.
    """
    head = view.read(start, 9)
    sizes, at = (_WIDE, start + 9) if head == b"#!AMR-WB\n" else (_NARROW, start + 6)
    if sizes is _NARROW and head[:6] != b"#!AMR\n":
        raise NotOne("no header")
    heard: set[int] = set()
    frames = 0
    while at - start < _LONGEST:
        size = _frame(view, at, sizes)
        if not size:
            break
        mode = size[0]
        if mode not in heard and frames >= _ENOUGH:
            place, behind = at + size[1], 0
            while behind < 4 and (more := _frame(view, place, sizes)):
                place, behind = place + more[1], behind + 1
            if behind < 4 and place < view.size:
                break
        heard.add(mode)
        frames += 1
        at += size[1]
    if frames < _ENOUGH:
        raise NotOne("hardly any frames")
    whole = at <= view.size
    end = min(at, view.size)
    note = "ends where no frame follows" if whole else "breaks off"
    return Extent(end - start, whole, 0.8, note, end - start)


def _frame(view: Spans, at: int, sizes: tuple[int, ...]) -> tuple[int, int] | None:
    """Mode and length of a frame of good quality; None for what is no frame."""
    first = view.read(at, 1)
    if not first or first[0] & 0x87 != 4:
        return None
    mode = first[0] >> 3
    if mode < len(sizes):
        return mode, sizes[mode]
    return (mode, 1) if mode == 15 or (mode == 14 and sizes is _WIDE) else None


def ogg(view: Spans, start: int) -> Extent:
    """How far the Ogg stream at ``start`` reaches: pages in order, each with its checksum (RFC 3533).

    Raises NotOne.
    """
    at, pages = start, 0
    open_streams: dict[bytes, int] = {}
    while True:
        head = view.read(at, 27)
        if len(head) < 27 or head[:5] != b"OggS\0" or head[5] > 7:
            break
        lacing = view.read(at + 27, head[26])
        length = 27 + head[26] + sum(lacing)
        page = view.read(at, length)
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        first = bool(head[5] & 2)
        if first and pages and (len(open_streams) < pages or not open_streams):
            break  # another file
        if not first and open_streams.get(stream) != number:
            break
        if len(page) < length or page[22:26] != _crc(page[:22] + bytes(4) + page[26:]):
            break
        if head[5] & 4:
            open_streams.pop(stream, None)
        else:
            open_streams[stream] = number + 1
        pages += 1
        at += length
        if not open_streams:
            return Extent(at - start, True, 1.0, "", at - start)
    if pages < 2:
        raise NotOne("hardly any pages")
    return Extent(at - start, False, 0.7, "no last page", at - start)


_TURNED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def _crc(page: bytes) -> bytes:
    """Ogg's CRC (polynomial 04c11db7, not reflected, starting from 0) by way of zlib's reflected one."""
    value = zlib.crc32(page.translate(_TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return value.to_bytes(4, "little").translate(_TURNED)[::-1]
