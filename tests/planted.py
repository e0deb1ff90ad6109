"""Benign files of every form the carver knows, made of patterns and noise; for tests and benchmarks."""

from __future__ import annotations

import hashlib
import io
import random
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(seed: int, width: int = 320, height: int = 240, noise: int = 70) -> Image.Image:
    """A colour pattern with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    wave = np.stack([(x * 3 + y + seed * 17) % 256, (x + 2 * y) % 256, (x * y // 97) % 256], -1)
    return Image.fromarray((wave // 2 + rng.integers(0, noise, wave.shape)).astype(np.uint8))


def picture(form: str, seed: int, width: int = 320, height: int = 240, **how: object) -> bytes:
    """A picture file: JPEG, PNG, WEBP or GIF."""
    out = io.BytesIO()
    pixels(seed, width, height).save(out, form, **how)
    return out.getvalue()


def with_preview(seed: int, preview: bytes) -> bytes:
    """A JPEG with another JPEG as the thumbnail in its EXIF block."""
    tiff = struct.pack("<2sHIHI", b"II", 42, 8, 0, 14)
    folder = struct.pack("<H", 3)
    data_at = 14 + 2 + 3 * 12 + 4
    for tag, kind, value in ((0x103, 3, 6), (0x201, 4, data_at), (0x202, 4, len(preview))):
        folder += struct.pack("<HHII", tag, kind, 1, value)
    body = b"Exif\0\0" + tiff + folder + bytes(4) + preview
    main = picture("JPEG", seed)
    return main[:2] + struct.pack(">2sH", b"\xff\xe1", len(body) + 2) + body + main[2:]


def box(kind: bytes, *parts: bytes) -> bytes:
    """An ISO base media box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def film(seed: int, samples: int = 60, index_first: bool = False, brand: bytes = b"isom") -> bytes:
    """A film whose samples are length-prefixed units of random bytes, as H.264 lays them out."""
    chance = random.Random(seed)
    coded = []
    for number in range(samples):
        units = b""
        for size in [chance.randrange(60, 3000) for _ in range(chance.randrange(1, 4))]:
            unit = bytes([0x65 if number % 12 == 0 else 0x41]) + chance.randbytes(size)
            units += struct.pack(">I", len(unit)) + unit.replace(b"\0\0", b"\0\1")
        coded.append(units)
    header = box(b"ftyp", brand, struct.pack(">I", 512), brand, b"mp41")
    media = box(b"mdat", *coded)
    config = box(b"avcC", b"\x01\x42\x00\x1e\xff\xe0\x00")
    entry = box(b"avc1", bytes(6), struct.pack(">H", 1), bytes(70), config)

    def moov(at: int) -> bytes:
        sizes = [len(c) for c in coded]
        places = [at + 8 + sum(sizes[:n]) for n in range(samples)]
        table = box(
            b"stbl",
            box(b"stsd", struct.pack(">II", 0, 1), entry),
            box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
            box(b"stsz", struct.pack(f">III{samples}I", 0, 0, samples, *sizes)),
            box(b"stco", struct.pack(f">II{samples}I", 0, samples, *places)),
        )
        track = box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"minf", table)))
        return box(b"moov", box(b"mvhd", bytes(100)), track)

    if index_first:
        return header + moov(len(header) + len(moov(0))) + media
    return header + media + moov(len(header))


def voice(seed: int, frames: int = 400) -> bytes:
    """An AMR voice note of one mode with pauses."""
    chance = random.Random(seed)
    out = b"#!AMR\n"
    for number in range(frames):
        out += b"\x3c" + chance.randbytes(31) if number % 9 else b"\x44" + chance.randbytes(5)
    return out


def opus(seed: int, pages: int = 12) -> bytes:
    """An Ogg stream of random packets with correct checksums."""
    chance = random.Random(seed)
    serial = chance.randbytes(4)
    out = b""
    for number in range(pages):
        packet = b"OpusHead\x01\x01" + bytes(9) if number == 0 else chance.randbytes(900)
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        kind = 2 if number == 0 else 4 if number == pages - 1 else 0
        head = b"OggS\0" + bytes([kind]) + struct.pack("<Q", 960 * number) + serial
        head += struct.pack("<I", number) + bytes(4) + bytes([len(lacing)]) + lacing
        page = head + packet
        value = 0
        for byte in page:
            value ^= byte << 24
            for _ in range(8):
                value = (value << 1 ^ 0x04C11DB7 if value >> 31 else value << 1) & 0xFFFFFFFF
        out += page[:22] + struct.pack("<I", value) + page[26:]
    return out


def document(seed: int, versions: int = 1) -> bytes:
    """A PDF with as many saved versions as asked for, each with its own end mark."""
    chance = random.Random(seed)
    out = b"%PDF-1.4\n"
    for _ in range(versions):
        places = []
        for number in range(1, 4):
            places.append(len(out))
            data = zlib.compress(chance.randbytes(3000).hex().encode())
            out += b"%d 0 obj\n<< /Length %d >>\nstream\n" % (number, len(data))
            out += data + b"\nendstream\nendobj\n"
        at = len(out)
        out += b"xref\n0 4\n0000000000 65535 f \n"
        out += b"".join(b"%010d 00000 n \n" % p for p in places)
        out += b"trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % at
    return out


def archive(seed: int, members: int = 4) -> bytes:
    """A ZIP of text and noise."""
    chance = random.Random(seed)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(members):
            file.writestr(f"part{number}.txt", chance.randbytes(2000).hex())
            file.writestr(f"noise{number}.bin", chance.randbytes(3000))
    return out.getvalue()


def database(folder: Path, seed: int, rows: int = 600) -> bytes:
    """An SQLite database with a table and an index."""
    chance = random.Random(seed)
    path = folder / f"{seed}.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table note (id integer primary key, word text, data blob)")
        connection.execute("create index by_word on note (word)")
        for _ in range(rows):
            connection.execute(
                "insert into note (word, data) values (?, ?)",
                (chance.randbytes(12).hex(), chance.randbytes(chance.randrange(20, 90))),
            )
    connection.close()
    return path.read_bytes()


def every_form(folder: Path) -> dict[str, bytes]:
    """One file of each form."""
    return {
        "jpg": picture("JPEG", 1),
        "png": picture("PNG", 2),
        "gif": picture("GIF", 3),
        "webp": picture("WEBP", 4),
        "mp4": film(5),
        "amr": voice(6),
        "ogg": opus(7),
        "pdf": document(8, versions=2),
        "zip": archive(9),
        "sqlite": database(folder, 10),
    }


def sha256(data: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
