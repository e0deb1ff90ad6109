"""Which bytes of a disk belong to no file: where carving looks. Runs in a cell.

Each file system says so itself, in a bitmap (NTFS, ext, HFS+, exFAT) or its allocation table (FAT); of a
volume that is not read, every byte counts, and so do the gaps between volumes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytsk3

from amparo.evidence.blocks import BLOCK, Blocks
from amparo.evidence.opened import open_disk
from amparo.evidence.signatures import ENCRYPTED
from amparo.evidence.volumes import Image, Volume, volumes

Range = tuple[int, int]
"""Position and length on the disk, in bytes."""

_BITMAP_RECORD = {"NTFS": 6, "HFS+": 6}
"""Record of the file that holds the bitmap: $Bitmap, the allocation file."""
_MOST_BITMAP = 1 << 30
_UNINITIALISED = 2  # EXT4_BG_BLOCK_UNINIT
_64BIT = 0x80  # EXT4_FEATURE_INCOMPAT_64BIT
_META_BG = 0x10  # EXT2_FEATURE_INCOMPAT_META_BG


def unallocated(fds: list[int], locator: str) -> Iterator[Range]:
    """Ranges of the disk behind the descriptors that no file has, ascending; locator as of a disk.

    Encrypted volumes that were not opened are left out. Raises ValueError when the image cannot be read.
    """
    yield from free_ranges(open_disk(json.loads(locator), fds))


def free_ranges(blocks: Blocks) -> Iterator[Range]:
    """:func:`unallocated` of an open disk."""
    at = 0
    for volume in volumes(blocks):
        if not isinstance(volume, Volume):
            continue
        if volume.at > at:
            yield at, volume.at - at
        end = min(volume.at + volume.size, blocks.size)
        if volume.kind not in ENCRYPTED:
            try:
                yield from _of_volume(blocks, volume, end)
            except (ValueError, OSError, RuntimeError, struct.error):
                yield volume.at, end - volume.at
        at = max(at, end)
    if at < blocks.size:
        yield at, blocks.size - at


def free_of(blocks: Blocks, volume: Volume) -> list[Range] | None:
    """Free ranges of one volume, as places on the disk; None where it cannot tell."""
    try:
        return list(_of_volume(blocks, volume, min(volume.at + volume.size, blocks.size)))
    except (ValueError, OSError, RuntimeError, struct.error):
        return None


def _of_volume(blocks: Blocks, volume: Volume, end: int) -> Iterator[Range]:
    """Free ranges of one volume; all of it where its own account cannot be had."""
    if volume.kind in _BITMAP_RECORD:
        file_system = pytsk3.FS_Info(Image(blocks), offset=volume.at)
        bits = _file(file_system, _BITMAP_RECORD[volume.kind])
        order: Any = "big" if volume.kind == "HFS+" else "little"

        unit = int(file_system.info.block_size)
        free = ~np.unpackbits(np.frombuffer(bits, np.uint8), bitorder=order).astype(bool)
        yield from _ranges(free, volume.at, unit, end)
    elif volume.kind == "ext":
        yield from _ext(blocks, volume, end)
    elif volume.kind == "FAT":
        yield from _fat(blocks, volume, end)
    elif volume.kind == "exFAT":
        yield from _exfat(blocks, volume, end)
    else:
        yield volume.at, end - volume.at


def _file(file_system: Any, record: int) -> bytes:
    file = file_system.open_meta(inode=record)
    size = int(file.info.meta.size)
    if size > _MOST_BITMAP:
        raise ValueError("a bitmap larger than any disk needs")
    out = b""
    while len(out) < size:
        out += file.read_random(len(out), min(BLOCK, size - len(out)))
    return out


def _ranges(free: np.ndarray[Any, Any], start: int, unit: int, end: int) -> Iterator[Range]:
    """Runs of True, each ``unit`` bytes from ``start`` on, cut at ``end``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], free, [False])).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        at, stop = start + first * unit, min(start + last * unit, end)
        if stop > at:
            yield at, stop - at


def _ext(blocks: Blocks, volume: Volume, end: int) -> Iterator[Range]:
    """By the block bitmap of each group (ext4 data structures, super block and group descriptors)."""
    head = blocks.read(volume.at + 1024, 1024)
    total, first, log = (struct.unpack_from("<I", head, n)[0] for n in (4, 20, 24))
    per_group, incompatible = (struct.unpack_from("<I", head, n)[0] for n in (32, 96))
    wide = bool(incompatible & _64BIT)
    width = struct.unpack_from("<H", head, 254)[0] if wide else 32
    unit = 1024 << log
    if log > 6 or not per_group or per_group > 8 * unit or incompatible & _META_BG or width < 32:
        raise ValueError("a layout that is not read")
    groups = -(-(total - first) // per_group)
    table = blocks.read(volume.at + (first + 1) * unit, min(groups * width, _MOST_BITMAP))
    for group in range(min(groups, len(table) // width)):
        entry = table[group * width : (group + 1) * width]
        where = int.from_bytes(entry[:4], "little")
        if wide and width >= 64:
            where |= int.from_bytes(entry[32:36], "little") << 32
        start = volume.at + (first + group * per_group) * unit
        count = min(per_group, total - first - group * per_group)
        if int.from_bytes(entry[18:20], "little") & _UNINITIALISED:
            yield start, min(count * unit, max(0, end - start))
            continue
        bits = blocks.read(volume.at + where * unit, -(-count // 8))
        free = ~np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little").astype(bool)
        yield from _ranges(free[:count], start, unit, end)


def _fat(blocks: Blocks, volume: Volume, end: int) -> Iterator[Range]:
    """By the first allocation table (Microsoft FAT specification)."""
    boot = blocks.read(volume.at, 512)
    sector, per_cluster, reserved, copies, root, small = struct.unpack_from("<HBHBHH", boot, 11)
    short, large, wide = (
        struct.unpack_from("<H", boot, 22)[0],
        struct.unpack_from("<I", boot, 32)[0],
        struct.unpack_from("<I", boot, 36)[0],
    )
    size = short or wide
    data = reserved + copies * size + -(-root * 32 // max(sector, 1))
    if not sector or not per_cluster or not size or size * sector > _MOST_BITMAP:
        raise ValueError("a damaged boot sector")
    clusters = ((small or large) - data) // per_cluster
    table = blocks.read(volume.at + reserved * sector, size * sector)
    if clusters < 4085:
        raw = np.frombuffer(table[: len(table) // 3 * 3], np.uint8).reshape(-1, 3).astype(np.uint16)
        pairs = (raw[:, 0] | (raw[:, 1] & 15) << 8, raw[:, 1] >> 4 | raw[:, 2] << 4)
        entries: np.ndarray[Any, Any] = np.stack(pairs, 1).ravel()
    elif clusters < 65525:
        entries = np.frombuffer(table[: len(table) // 2 * 2], "<u2")
    else:
        entries = np.frombuffer(table[: len(table) // 4 * 4], "<u4") & 0x0FFFFFFF
    free = entries[2 : clusters + 2] == 0
    yield from _ranges(free, volume.at + data * sector, per_cluster * sector, end)


def _exfat(blocks: Blocks, volume: Volume, end: int) -> Iterator[Range]:
    """By the allocation bitmap, whose entry (0x81) stands in the root folder (exFAT specification)."""
    boot = blocks.read(volume.at, 512)
    heap, clusters, root = struct.unpack_from("<III", boot, 88)
    sector, per_cluster = 1 << min(boot[108], 12), 1 << min(boot[109], 25)
    unit, start = sector * per_cluster, volume.at + heap * sector
    folder = blocks.read(start + (root - 2) * unit, min(unit, BLOCK))
    for place in range(0, len(folder) - 31, 32):
        if folder[place] == 0x81:
            first, size = struct.unpack_from("<IQ", folder, place + 20)
            bits = blocks.read(start + (first - 2) * unit, min(size, _MOST_BITMAP))
            free = ~np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little").astype(bool)
            yield from _ranges(free[:clusters], start, unit, end)
            return
    raise ValueError("no allocation bitmap")
