"""Disks made byte for byte, and what Amparo reads in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from amparo.evidence import image
from amparo.evidence.detect import form_of
from amparo.evidence.segments import segments
from amparo.evidence.unpack import Limits
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.model import Content, File, Problem

FOUND = Found("exhibit", "", "", "")
IMAGES = (
    Path(os.environ.get("AMPARO_TEST_DATA") or Path(__file__).parent.parent.parent / "shared/data")
    / "images"
)
SECTOR, CLUSTER, SECTORS, FAT, ROOT = 512, 2048, 32_768, 32, 512
DATA = 1 + 2 * FAT + ROOT * 32 // SECTOR


class Read:
    """What is in an image; every listed content is checked against what its locator leads to."""

    def __init__(self, path: Path) -> None:
        self.form = form_of(path)
        self.fds = [os.open(p, os.O_RDONLY) for p in segments(path, self.form)]
        try:
            disk = image.disk(self.fds, f'{{"image": "{self.form}"}}')
            records = list(image.list_image(disk, FOUND, Limits()))
            self.files = {f.path: f for f in records if isinstance(f, File)}
            contents = {c.id: c for c in records if isinstance(c, Content)}
            self.reasons = [r.reason for r in records if isinstance(r, Warn | Problem)]
            self.hashes = {
                f.path: contents[f.content].sha256 for f in self.files.values() if f.content
            }
            self.bytes: dict[str, bytes] = {}
            for file in self.files.values():
                if file.content:
                    source = image.image_file(self.fds, file.locator)
                    data = source.read()
                    assert len(data) == source.size == file.size
                    assert hashlib.sha256(data).hexdigest() == contents[file.content].sha256
                    if len(data) > 600:
                        stream = source.stream()
                        stream.seek(511)
                        assert stream.read(7) == data[511:518]
                    self.bytes[file.path] = data
        finally:
            for fd in self.fds:
                os.close(fd)

    def states(self) -> dict[str, str]:
        return {path: f.state for path, f in self.files.items() if not path.startswith("$")}


def pattern(name: str, size: int) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size)


def fat16(files: dict[str, tuple[bytes, list[int]]], deleted: tuple[str, ...] = ()) -> bytes:
    """A FAT16 volume of 16 MiB: ``name: (bytes, clusters)``; a deleted name keeps no chain."""
    boot = bytearray(SECTOR)
    boot[:3], boot[3:11] = b"\xeb\x3c\x90", b"INVENTED"
    struct.pack_into("<HBHBHHBH", boot, 11, SECTOR, 4, 1, 2, ROOT, SECTORS, 0xF8, FAT)
    boot[54:62], boot[510:512] = b"FAT16   ", b"\x55\xaa"
    volume = bytearray(SECTORS * SECTOR)
    volume[:SECTOR] = boot
    table = [0xFFF8, 0xFFFF] + [0] * (FAT * SECTOR // 2 - 2)
    for place, (name, (data, clusters)) in enumerate(files.items()):
        stem, _, end = name.upper().partition(".")
        entry = bytearray(32)
        entry[:11] = f"{stem:8}{end:3}".encode()
        entry[11] = 0x20
        struct.pack_into("<HHHI", entry, 22, 12 << 11, 44 << 9 | 3 << 5 | 4, clusters[0], len(data))
        if name in deleted:
            entry[0] = 0xE5
        else:
            for here, after in zip(clusters, [*clusters[1:], 0xFFFF], strict=True):
                table[here] = after
        at = (1 + 2 * FAT) * SECTOR + 32 * place
        volume[at : at + 32] = entry
        for number, cluster in enumerate(clusters):
            piece = data[number * CLUSTER : (number + 1) * CLUSTER]
            at = DATA * SECTOR + (cluster - 2) * CLUSTER
            volume[at : at + len(piece)] = piece
    packed = struct.pack(f"<{len(table)}H", *table)
    for copy in range(2):
        at = (1 + copy * FAT) * SECTOR
        volume[at : at + len(packed)] = packed
    return bytes(volume)


WHOLE, SPLIT, GONE = pattern("whole", 5000), pattern("split", 9000), pattern("gone", 7000)
CARD = fat16(
    {
        "whole.bin": (WHOLE, [2, 3, 4]),
        "split.bin": (SPLIT, [10, 30, 12, 13, 9]),
        "gone.bin": (GONE, [20, 21, 22, 23]),
    },
    deleted=("gone.bin",),
)


def holds_card(read: Read, prefix: str = "") -> None:
    assert read.bytes[f"{prefix}WHOLE.BIN"] == WHOLE
    assert read.bytes[f"{prefix}SPLIT.BIN"] == SPLIT
    assert read.bytes[f"{prefix}_ONE.BIN"] == GONE
    assert read.files[f"{prefix}_ONE.BIN"].state == "deleted"
    assert read.files[f"{prefix}WHOLE.BIN"].state == "live"
    assert '"local": "2024-03-04T12:00:00"' in read.files[f"{prefix}WHOLE.BIN"].locator


def fixed_vhd(data: bytes) -> bytes:
    """The data and a footer (Virtual Hard Disk Image Format Specification 1.0)."""
    foot = bytearray(512)
    struct.pack_into(">8sIIQI4sI4sQQIII", foot, 0, b"conectix", 2, 0x10000, (1 << 64) - 1, 0,
                     b"inv ", 0, b"Wi2k", len(data), len(data), 0, 2, 0)  # fmt: skip
    struct.pack_into(">I", foot, 64, ~sum(foot) & 0xFFFFFFFF)
    return data + bytes(foot)


def partitioned(*parts: bytes) -> bytes:
    """A DOS partition table with its parts one after another from sector 64."""
    head, body, at = bytearray(64 * SECTOR), b"", 64
    for number, part in enumerate(parts):
        sectors = len(part) // SECTOR
        struct.pack_into("<B3sB3sII", head, 446 + 16 * number, 0, b"", 0x0C, b"", at, sectors)
        body, at = body + part, at + sectors
    head[510:512] = b"\x55\xaa"
    return bytes(head) + body


def signed(size: int, at: int, signature: bytes) -> bytes:
    return bytes(at) + signature + bytes(size - at - len(signature))


def tool(*names: str) -> None:
    for name in names:
        if not shutil.which(name, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin"):
            pytest.skip(f"no {name}")


def sh(*words: str | Path) -> None:
    environment = os.environ | {"PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"}
    subprocess.run(words, check=True, capture_output=True, env=environment)


def ewf(data: bytes, pieces: int, bad: tuple[int, int]) -> list[bytes]:
    """The segments of an E01 of ``data`` in unpacked chunks, with one read error noted; no hash."""
    chunks = [data[i : i + 32768] for i in range(0, len(data), 32768)]
    each = -(-len(chunks) // pieces)
    out = []
    for number in range(pieces):
        made = bytearray(b"EVF\x09\x0d\x0a\xff\x00\x01" + struct.pack("<HH", number + 1, 0))
        volume = struct.pack("<IIIIQ", 1, len(chunks), 64, 512, len(data) // 512)
        section(made, b"data" if number else b"volume", summed(volume.ljust(1048, b"\0")))
        mine = chunks[number * each : (number + 1) * each]
        at = section(made, b"sectors", b"".join(map(summed, mine)))
        table = summed(struct.pack("<I4xQ4x", len(mine), at))
        table += summed(struct.pack(f"<{len(mine)}I", *(32772 * n for n in range(len(mine)))))
        section(made, b"table", table)
        section(made, b"table2", table)
        if number + 1 < pieces:
            section(made, b"next", b"", last=True)
        else:
            section(
                made, b"error2", summed(struct.pack("<I512x", 1)) + summed(struct.pack("<II", *bad))
            )
            section(made, b"done", b"", last=True)
        out.append(bytes(made))
    return out


def summed(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.adler32(data))


def section(made: bytearray, kind: bytes, body: bytes, last: bool = False) -> int:
    """Append one section; where its data begin."""
    at, size = len(made), 76 + len(body)
    made += summed(struct.pack("<16sQQ40x", kind, at if last else at + size, 0 if last else size))
    made += body
    return at + 76
