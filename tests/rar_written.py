"""RAR 5 archives of stored files, as RARLAB's "RAR 5.0 archive format" lays them out."""

from __future__ import annotations

import struct
import zlib

UNTIL = 1_493_000_000
"""When every member was last changed, in seconds since 1970."""


def number(value: int) -> bytes:
    """A variable-length number (RAR 5.0 archive format, general archive structure)."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def block(
    kind: int, flags: int, body: bytes, extra: bytes = b"", data: bytes | None = None
) -> bytes:
    flags |= (1 if extra else 0) | (0 if data is None else 2)
    head = number(kind) + number(flags)
    head += number(len(extra)) if extra else b""
    head += b"" if data is None else number(len(data))
    head += body + extra
    head = number(len(head)) + head
    return struct.pack("<I", zlib.crc32(head)) + head + (data or b"")


def rar(files: dict[str, bytes], locked: str = "") -> bytes:
    """A RAR 5 archive with stored files; one may say that it is encrypted."""
    out = b"Rar!\x1a\x07\x01\0" + block(1, 0, number(0))
    for name, data in files.items():
        body = number(6) + number(len(data)) + number(0o100644)
        body += struct.pack("<II", UNTIL, zlib.crc32(data)) + number(0) + number(1)
        body += number(len(name.encode())) + name.encode()
        extra = b""
        if name == locked:  # encryption: version, flags, count, salt, IV
            record = number(1) + number(0) + number(0) + b"\x0f" + bytes(32)
            extra = number(len(record)) + record
        out += block(2, 0, body, extra, data)
    return out + block(5, 0, number(0))


def split_rar(name: str, data: bytes, volumes: int) -> list[bytes]:
    """One stored file as so many volumes of a RAR 5 archive."""
    step = -(-len(data) // volumes)
    out = []
    for n in range(volumes):
        piece = data[n * step : (n + 1) * step]
        said = number(1) if not n else number(3) + number(n)
        flags = (8 if n else 0) | (16 if n < volumes - 1 else 0)
        crc = zlib.crc32(data if n == volumes - 1 else piece)
        body = number(6) + number(len(data)) + number(0o100644)
        body += struct.pack("<II", UNTIL, crc) + number(0) + number(1)
        body += number(len(name.encode())) + name.encode()
        main = block(1, 0, said)
        file = block(2, flags, body, b"", piece)
        out.append(
            b"Rar!\x1a\x07\x01\0" + main + file + block(5, 0, number(1 if n < volumes - 1 else 0))
        )
    return out
