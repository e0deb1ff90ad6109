"""Deleted files whose clusters were given away, files that claim the same, and what lies in slack."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence.reuse import Free
from amparo.model import Content, File
from amparo.store import Case
from disks import CLUSTER, DATA, GONE, SECTOR, SPLIT, WHOLE, Read, fat16, pattern, sh, tool
from planted import picture

PAGE = CLUSTER


def read(tmp_path: Path, disk: bytes) -> Read:
    (tmp_path / "disk.dd").write_bytes(disk)
    return Read(tmp_path / "disk.dd")


def test_clusters_given_to_a_live_file_are_not_shown_as_the_deleted_ones(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        fat16(
            {
                "gone.bin": (GONE, [20, 21, 22, 23]),
                "lost.bin": (pattern("lost", 3000), [40, 41]),
                "kept.bin": (WHOLE, [40, 41, 42]),
            },
            deleted=("gone.bin", "lost.bin"),
        ),
    )
    lost, gone = found.files["_OST.BIN"], found.files["_ONE.BIN"]
    assert lost.state == "deleted" and not lost.content and lost.method == "name"
    assert lost.confidence is None
    assert (gone.method, gone.confidence) == ("contiguous", 0.7)
    assert found.bytes["_ONE.BIN"] == GONE and found.bytes["KEPT.BIN"] == WHOLE
    assert found.files["KEPT.BIN"].method == "" and found.files["KEPT.BIN"].confidence is None
    assert any("lie where files of today lie" in r for r in found.reasons)


def test_two_deleted_entries_that_claim_the_same_clusters_say_so(tmp_path: Path) -> None:
    other = pattern("other", 4000)
    disk = fat16(
        {"one.bin": (GONE, [20, 21, 22, 23]), "two.bin": (other, [22, 23]), "own.bin": (WHOLE, [30, 31, 32])},
        deleted=("one.bin", "two.bin", "own.bin"),
    )  # fmt: skip
    found = read(tmp_path, disk)
    assert found.bytes["_NE.BIN"] != GONE and found.bytes["_WO.BIN"] == other
    assert found.files["_NE.BIN"].confidence == found.files["_WO.BIN"].confidence == 0.4
    assert found.files["_WN.BIN"].confidence == 0.7
    told = [r for r in found.reasons if "claims the same bytes" in r]
    assert [("_WO.BIN" in r, "_NE.BIN" in r) for r in told] == [(True, False), (False, True)]


def ntfs(tmp_path: Path) -> tuple[Path, Path]:
    tool("mkntfs", "ntfs-3g", "umount")
    disk, folder = tmp_path / "disk", tmp_path / "mount"
    folder.mkdir()
    disk.touch()
    os.truncate(disk, 12 << 20)
    sh("mkntfs", "-q", "-F", disk)
    return disk, folder


def test_ext4_blocks_given_away_stand_as_zeros(tmp_path: Path) -> None:
    tool("mkfs.ext4", "debugfs")
    source, disk = tmp_path / "source", tmp_path / "disk"
    source.mkdir()
    old, new = GONE * 10, pattern("new", 16 << 10)
    (source / "old.bin").write_bytes(old)
    disk.touch()
    os.truncate(disk, 16 << 20)
    sh("mkfs.ext4", "-q", "-b", "1024", "-d", source, disk)
    at = disk.read_bytes().index(old)
    sh("debugfs", "-w", "-R", "rm old.bin", disk)
    assert Read(disk).bytes["old.bin"] == old
    first = at // 1024
    # The next file is given the middle of it: as a kernel would allocate, by hand.
    sh("debugfs", "-w", "-R", f"setb {first + 8} 16", disk)
    data = bytearray(disk.read_bytes())
    data[at + 8192 : at + 8192 + len(new)] = new
    disk.write_bytes(data)
    found = Read(disk)
    assert found.bytes["old.bin"] == old[:8192] + bytes(16 << 10) + old[24 << 10 :]
    assert found.files["old.bin"].confidence == 0.5
    assert found.files["old.bin"].method == "record"
    assert any("16384 of its 70000 bytes belong to files of today" in r for r in found.reasons)


def test_slack_of_a_card_is_a_file_of_its_own_where_it_is_not_zeros(tmp_path: Path) -> None:
    disk = bytearray(
        fat16(
            {
                "whole.bin": (WHOLE, [2, 3, 4]),
                "clean.bin": (WHOLE, [6, 7, 8]),
                "split.bin": (SPLIT, [10, 30, 12, 13, 9]),
            }
        )
    )
    remnant = b"a line of text that an earlier file had here"
    end = DATA * SECTOR + 2 * CLUSTER + len(WHOLE) - 2 * CLUSTER
    disk[end + 100 : end + 100 + len(remnant)] = remnant
    found = read(tmp_path, bytes(disk))
    slack = found.files["WHOLE.BIN#slack"]
    assert slack.state == "slack" and slack.size == 3 * CLUSTER - len(WHOLE)
    assert found.bytes["WHOLE.BIN#slack"][100 : 100 + len(remnant)] == remnant
    assert "CLEAN.BIN#slack" not in found.files and "SPLIT.BIN#slack" not in found.files
    assert found.bytes["WHOLE.BIN"] == WHOLE


@pytest.mark.parametrize("kind", ["mkfs.ext4", "mkntfs", "mkfs.exfat"])
def test_slack_of_other_file_systems(kind: str, tmp_path: Path) -> None:
    tool(kind, "debugfs")
    size, disk = 5000, tmp_path / "disk"
    data = pattern("short", size)
    if kind == "mkntfs":
        disk, folder = ntfs(tmp_path)
        sh("ntfs-3g", disk, folder)
        (folder / "short.bin").write_bytes(data)
        sh("umount", folder)
    elif kind == "mkfs.ext4":
        (tmp_path / "source").mkdir()
        (tmp_path / "source/short.bin").write_bytes(data)
        disk.touch()
        os.truncate(disk, 8 << 20)
        sh("mkfs.ext4", "-q", "-b", "4096", "-d", tmp_path / "source", disk)
    else:
        disk.write_bytes(exfat(tmp_path, {"short.bin": (data, False)}))
    whole = bytearray(disk.read_bytes())
    at = whole.index(data[:512])
    whole[at + size + 10 : at + size + 20] = b"left there"
    disk.write_bytes(whole)
    found = Read(disk)
    assert found.files["short.bin#slack"].state == "slack"
    assert found.bytes["short.bin#slack"][10:20] == b"left there"
    assert found.bytes["short.bin"] == data


def test_free_ranges_split_a_stretch() -> None:
    free = Free([(0, 10), (10, 10), (40, 5)])
    assert free.split(5, 50) == [
        ((5, 15), True),
        ((20, 20), False),
        ((40, 5), True),
        ((45, 10), False),
    ]
    assert Free([]).split(3, 4) == [((3, 4), False)]


def exfat(folder: Path, files: dict[str, tuple[bytes, bool]]) -> bytes:
    """An exFAT volume of the system's mkfs with files put into its root by hand; True for deleted ones."""
    from exfat import filled

    tool("mkfs.exfat")
    disk = folder / "made"
    disk.touch()
    os.truncate(disk, 8 << 20)
    sh("mkfs.exfat", "-c", "4096", disk)
    return filled(disk.read_bytes(), files)


def test_exfat_deleted_files_come_back(tmp_path: Path) -> None:
    disk = exfat(
        tmp_path,
        {"kept.bin": (WHOLE, False), "a long name that is gone.bin": (GONE, True), "last.bin": (SPLIT, False)},
    )  # fmt: skip
    found = read(tmp_path, disk)
    gone = found.files["a long name that is gone.bin"]
    assert (gone.state, gone.method, gone.confidence) == ("deleted", "contiguous", 0.7)
    assert found.bytes["a long name that is gone.bin"] == GONE
    assert found.bytes["kept.bin"] == WHOLE and found.bytes["last.bin"] == SPLIT
    assert found.states() == {
        "kept.bin": "live",
        "a long name that is gone.bin": "deleted",
        "last.bin": "live",
    }


def test_a_picture_in_slack_is_carved(tmp_path: Path) -> None:
    small = picture("PNG", 5, 12, 12)
    assert len(small) < 1000
    disk = bytearray(fat16({"whole.bin": (WHOLE, [2, 3, 4])}))
    at = DATA * SECTOR + len(WHOLE) + 17
    disk[at : at + len(small)] = small
    (tmp_path / "card.dd").write_bytes(disk)
    case = tmp_path / "a.amparo"
    assert main(["new", str(case)]) == 0
    main(["add", str(case), str(tmp_path / "card.dd")])
    main(["run", str(case)])
    with Case.open(case) as opened:
        hashes = {c.id: c.sha256 for c in opened.store.each(Content)}
        found = {f.path: hashes[f.content] for f in opened.store.each(File, state="carved")}
    (path,) = found
    assert path.startswith("WHOLE.BIN#slack#carved/")
    assert found[path] == hashlib.sha256(small).hexdigest()
