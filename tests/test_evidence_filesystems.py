"""File systems made with the system's own tools: what was deleted there, and what belongs to no file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from amparo.evidence.free import unallocated
from amparo.evidence.segments import segments
from disks import (
    CARD,
    CLUSTER,
    GONE,
    SECTOR,
    SPLIT,
    WHOLE,
    Read,
    partitioned,
    sh,
    signed,
    tool,
)


def test_ext4_with_links_holes_and_a_deleted_name(tmp_path: Path) -> None:
    tool("mkfs.ext4", "debugfs")
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/inner.bin").write_bytes(WHOLE)
    (source / "gone.bin").write_bytes(GONE)
    with (source / "holes.bin").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"tail")
    (source / "link").symlink_to("sub/inner.bin")
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 16 << 20)
    sh("mkfs.ext4", "-q", "-d", source, disk)
    sh("debugfs", "-w", "-R", "rm gone.bin", disk)
    read = Read(disk)
    assert read.bytes["sub/inner.bin"] == WHOLE
    assert read.bytes["holes.bin"] == bytes(3_000_000) + b"tail"
    assert read.files["link"].entry == "symlink"
    assert read.files["gone.bin"].state == "deleted"
    assert read.bytes["gone.bin"] == GONE  # debugfs leaves the extents; a kernel zeroes them


def test_fat32_deleted_by_mtools_with_long_names(tmp_path: Path) -> None:
    tool("mkfs.vfat", "mcopy", "mdel")
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 40 << 20)
    sh("mkfs.vfat", "-F", "32", disk)
    for name, data in (("kept name.bin", WHOLE), ("a long name that is gone.bin", GONE)):
        (tmp_path / "file").write_bytes(data)
        sh("mcopy", "-i", disk, tmp_path / "file", f"::{name}")
    sh("mdel", "-i", disk, "::a long name that is gone.bin")
    read = Read(disk)
    assert read.bytes["kept name.bin"] == WHOLE
    assert read.bytes["a long name that is gone.bin"] == GONE
    assert read.states() == {"kept name.bin": "live", "a long name that is gone.bin": "deleted"}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    tool("mkntfs", "ntfs-3g", "umount")
    disk, folder = tmp_path / "disk", tmp_path / "mount"
    folder.mkdir()
    disk.touch()
    os.truncate(disk, 16 << 20)
    sh("mkntfs", "-q", "-F", disk)
    try:
        sh("ntfs-3g", disk, folder)
    except subprocess.CalledProcessError:
        pytest.skip("ntfs-3g cannot mount here")
    try:
        yield disk, folder
    finally:
        subprocess.run(["umount", folder], capture_output=True)


def test_ntfs_deleted_files_come_back_with_their_folders(mounted: tuple[Path, Path]) -> None:
    disk, folder = mounted
    (folder / "kept.bin").write_bytes(WHOLE)
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/gone.bin").write_bytes(GONE)
    (folder / "deep/small.txt").write_bytes(b"resident in its record")
    sh("umount", folder)
    sh("ntfs-3g", disk, folder)
    shutil.rmtree(folder / "deep")
    sh("umount", folder)
    read = Read(disk)
    assert read.bytes["kept.bin"] == WHOLE
    assert read.bytes["deep/er/gone.bin"] == GONE
    assert read.bytes["deep/small.txt"] == b"resident in its record"
    assert read.states() == {
        "kept.bin": "live",
        "deep/er/gone.bin": "deleted",
        "deep/small.txt": "deleted",
    }


def free_of(path: Path) -> list[tuple[int, int]]:
    fds = [os.open(p, os.O_RDONLY) for p in segments(path, "raw")]
    try:
        return list(unallocated(fds, '{"image": "raw"}'))
    finally:
        os.close(fds[0])


def covered(ranges: list[tuple[int, int]], at: int, size: int) -> int:
    return sum(max(0, min(a + n, at + size) - max(a, at)) for a, n in ranges)


def test_free_bytes_of_a_card_are_all_but_its_files(tmp_path: Path) -> None:
    disk = partitioned(CARD, signed(1 << 17, 0, b"LUKS\xba\xbe"))
    (tmp_path / "disk").write_bytes(disk)
    ranges = free_of(tmp_path / "disk")
    assert covered(ranges, 0, 64 * SECTOR) == 64 * SECTOR, "the gap before the first volume"
    assert covered(ranges, disk.index(GONE), len(GONE)) == len(GONE)
    assert covered(ranges, disk.index(WHOLE), len(WHOLE)) == 0
    assert covered(ranges, disk.index(SPLIT[:CLUSTER]), CLUSTER) == 0
    assert covered(ranges, len(disk) - (1 << 17), 1 << 17) == 0, "encrypted"


@pytest.mark.parametrize(
    "make",
    [
        ("mkfs.ext4", "-q"),
        ("mkfs.ext2", "-q", "-b", "1024"),
        ("mkfs.vfat", "-F", "12"),
        ("mkfs.vfat", "-F", "32", "-s", "1"),
        ("mkntfs", "-q", "-F"),
        ("mkfs.exfat",),
    ],
    ids=lambda words: " ".join(words),
)
def test_an_empty_volume_is_nearly_all_free(tmp_path: Path, make: tuple[str, ...]) -> None:
    tool(make[0])
    disk = tmp_path / "disk"
    disk.touch()
    size = (8 if "12" in make else 48) << 20
    os.truncate(disk, size)
    sh(*make, disk)
    ranges = free_of(disk)
    assert all(n > 0 and at + n <= size for at, n in ranges)
    assert 0.8 * size < sum(n for _, n in ranges) < size - 4096
    read = Read(disk)
    assert not [f for f in read.files.values() if f.state == "deleted"]


def test_free_bytes_and_files_share_nothing(tmp_path: Path) -> None:
    tool("mkfs.ext4", "debugfs")
    source = tmp_path / "source"
    source.mkdir()
    (source / "kept.bin").write_bytes(WHOLE * 40)
    (source / "gone.bin").write_bytes(GONE * 40)
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 16 << 20)
    sh("mkfs.ext4", "-q", "-d", source, disk)
    at = disk.read_bytes().index(GONE * 40)
    assert covered(free_of(disk), at, len(GONE) * 40) == 0
    sh("debugfs", "-w", "-R", "rm gone.bin", disk)
    ranges = free_of(disk)
    assert covered(ranges, at, len(GONE) * 40) == len(GONE) * 40
    assert covered(ranges, disk.read_bytes().index(WHOLE * 40), len(WHOLE) * 40) == 0
