"""Puts files into an empty exFAT volume, after Microsoft's exFAT file system specification."""

from __future__ import annotations

import struct

STAMP = (2024 - 1980) << 25 | 3 << 21 | 4 << 16 | 12 << 11


def checksum(entries: bytes) -> int:
    value = 0
    for index, byte in enumerate(entries):
        if index not in (2, 3):
            value = ((value & 1) << 15 | value >> 1) + byte & 0xFFFF
    return value


def entry_set(name: str, first: int, size: int, contiguous: bool = True) -> bytes:
    """File, stream extension and name entries."""
    text = name.encode("utf-16-le")
    names = [text[at : at + 30].ljust(30, b"\0") for at in range(0, len(text), 30)]
    made = bytearray(32)
    struct.pack_into("<BBHHHIII", made, 0, 0x85, 1 + len(names), 0, 0x20, 0, STAMP, STAMP, STAMP)
    stream = bytearray(32)
    flags = 3 if contiguous else 1
    struct.pack_into(
        "<BBBBHHQIIQ", stream, 0, 0xC0, flags, 0, len(name), 0, 0, size, 0, first, size
    )
    made += stream + b"".join(b"\xc1\0" + part for part in names)
    struct.pack_into("<H", made, 2, checksum(bytes(made)))
    return bytes(made)


def filled(volume: bytes, files: dict[str, tuple[bytes, bool]]) -> bytes:
    """Each file in clusters of its own, one after another, without a chain; deleted ones freed again."""
    out = bytearray(volume)
    heap, count, root = struct.unpack_from("<III", volume, 88)
    sector = 1 << volume[108]
    unit = sector << volume[109]
    start = heap * sector

    def place(cluster: int) -> int:
        return start + (cluster - 2) * unit

    folder = place(root)
    entries = next(n for n in range(0, unit, 32) if out[folder + n] == 0)
    bitmap = next(n for n in range(0, unit, 32) if out[folder + n] == 0x81)
    bits = place(struct.unpack_from("<I", out, folder + bitmap + 20)[0])
    cluster = root + 1
    for name, (data, deleted) in files.items():
        made = bytearray(entry_set(name, cluster, len(data)))
        out[place(cluster) : place(cluster) + len(data)] = data
        used = -(-len(data) // unit)
        if (
            deleted
        ):  # what a driver does: the highest bit of each entry goes, the clusters are freed
            made[::32] = bytes(b & 0x7F for b in made[::32])
        else:
            for number in range(cluster - 2, cluster - 2 + used):
                out[bits + number // 8] |= 1 << number % 8
        out[folder + entries : folder + entries + len(made)] = made
        entries += len(made)
        cluster += used
        assert cluster < count
    return bytes(out)
