"""HEIF files written for tests: boxes by hand, tiles by the encoder that PyAV carries."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np


def coded(pixels: np.ndarray, pixel_format: str = "yuv420p") -> tuple[bytes, bytes]:
    """The decoder's head (hvcC) and the coded picture of RGB pixels, sides even."""
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = pixels.shape[:2]
    context.pix_fmt = pixel_format
    context.time_base = Fraction(1, 25)
    context.options = {"x265-params": "log-level=none:repeat-headers=1:crf=8", "preset": "fast"}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    packets = [*context.encode(frame.reformat(format=pixel_format)), *context.encode(None)]
    stream = b"".join(bytes(p) for p in packets)
    units = [u for u in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if u]
    heads = [u for u in units if u[0] >> 1 & 0x3F in (32, 33, 34)]
    shown = [u for u in units if u[0] >> 1 & 0x3F < 32]
    arrays = b"".join(
        bytes([0x80 | u[0] >> 1 & 0x3F]) + struct.pack(">HH", 1, len(u)) + u for u in heads
    )
    head = bytes([1, 1]) + bytes(19) + bytes([0x0F, len(heads)])
    return head + arrays, b"".join(struct.pack(">L", len(u)) + u for u in shown)


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">L", len(body) + 8) + name + body


def full(name: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(name, bytes([version]) + flags.to_bytes(3, "big"), *parts)


def heif(
    tiles: list[tuple[bytes, bytes]],
    tile: tuple[int, int],
    size: tuple[int, int],
    columns: int = 0,
    turns: tuple[bytes, ...] = (),
    exif: bytes = b"",
    thumbnail: bool = False,
    brand: bytes = b"heic",
) -> bytes:
    """A picture of ``size`` out of tiles (width, height): one by itself, or a grid of ``columns``."""
    items: list[tuple[bytes, bytes, list[int]]] = []  # form, bytes, properties
    kept = [box(b"hvcC", tiles[0][0]), full(b"ispe", 0, 0, struct.pack(">2L", *tile))]
    kept += [full(b"ispe", 0, 0, struct.pack(">2L", *size)), *turns]
    own = list(range(4, 4 + len(turns)))
    for _, data in tiles:
        items.append((b"hvc1", data, [1, 2] + ([] if columns else own)))
    references = b""
    primary = 1
    if columns:
        rows = -(-len(tiles) // columns)
        plan = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">2H", *size)
        items.append((b"grid", plan, [3, *own]))
        primary = len(items)
        numbers = struct.pack(f">{len(tiles)}H", *range(1, len(tiles) + 1))
        references += box(b"dimg", struct.pack(">2H", primary, len(tiles)), numbers)
    if thumbnail:
        items.append((b"hvc1", tiles[0][1], [1, 2]))
        references += box(b"thmb", struct.pack(">3H", len(items), 1, primary))
    if exif:
        items.append((b"Exif", struct.pack(">L", 6) + b"Exif\0\0" + exif, []))
        references += box(b"cdsc", struct.pack(">3H", len(items), 1, primary))
    hidden = range(1, len(tiles) + 1) if columns else ()
    infos = b"".join(
        full(b"infe", 2, n in hidden, struct.pack(">2H", n, 0), form, b"\0")
        for n, (form, _, _) in enumerate(items, 1)
    )
    assigned = b"".join(
        struct.pack(">HB", n, len(own)) + bytes(own)
        for n, (_, _, own) in enumerate(items, 1)
        if own
    )
    count = sum(bool(own) for _, _, own in items)
    ftyp = box(b"ftyp", brand, bytes(4), b"mif1", brand)

    def meta(start: int) -> bytes:
        places, at = b"", start
        for n, (_, data, _) in enumerate(items, 1):
            places += struct.pack(">HHHHLL", n, 0, 0, 1, at, len(data))
            at += len(data)
        return full(
            b"meta", 0, 0,
            full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", 0, 0, struct.pack(">H", primary)),
            full(b"iloc", 1, 0, b"\x44\0", struct.pack(">H", len(items)), places),
            full(b"iinf", 0, 0, struct.pack(">H", len(items)), infos),
            full(b"iref", 0, 0, references) if references else b"",
            box(
                b"iprp",
                box(b"ipco", *kept),
                full(b"ipma", 0, 0, struct.pack(">L", count), assigned),
            ),
        )  # fmt: skip

    start = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(start) + box(b"mdat", *(data for _, data, _ in items))
