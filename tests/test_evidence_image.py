"""Disk images: made here byte for byte or with the system's tools, and public ones where at hand."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence import image
from amparo.evidence.detect import form_of
from amparo.evidence.free import unallocated
from amparo.evidence.segments import segments
from amparo.evidence.unpack import Limits
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.model import Content, Exhibit, File, Problem, Seal
from amparo.run.exhibits import Exhibits
from amparo.store import Case

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


def test_a_card_gives_up_live_fragmented_and_deleted_files(tmp_path: Path) -> None:
    (tmp_path / "card").write_bytes(CARD)
    read = Read(tmp_path / "card")
    holds_card(read)
    assert not read.reasons


@pytest.mark.parametrize("first", ["disk.000", "disk.001", "disk.aa"])
def test_split_raw_is_one_disk(tmp_path: Path, first: str) -> None:
    stem, _, end = first.partition(".")
    cuts = [CARD[:100_000], CARD[100_000:7_000_001], CARD[7_000_001:]]
    for number, piece in enumerate(cuts):
        name = f"a{'abc'[number]}" if end == "aa" else f"{int(end) + number:03d}"
        (tmp_path / f"{stem}.{name}").write_bytes(piece)
    holds_card(Read(tmp_path / first))
    later = tmp_path / ("disk.002" if end != "aa" else first)
    if end != "aa":
        with pytest.raises(ValueError, match="later piece"):
            segments(later, "raw")


def fixed_vhd(data: bytes) -> bytes:
    """The data and a footer (Virtual Hard Disk Image Format Specification 1.0)."""
    foot = bytearray(512)
    struct.pack_into(">8sIIQI4sI4sQQIII", foot, 0, b"conectix", 2, 0x10000, (1 << 64) - 1, 0,
                     b"inv ", 0, b"Wi2k", len(data), len(data), 0, 2, 0)  # fmt: skip
    struct.pack_into(">I", foot, 64, ~sum(foot) & 0xFFFFFFFF)
    return data + bytes(foot)


def test_a_fixed_vhd_is_known_by_its_last_bytes(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(fixed_vhd(CARD))
    assert form_of(tmp_path / "disk") == "vhd"
    holds_card(Read(tmp_path / "disk"))


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vpc", "vhdx"])
def test_virtual_disks(tmp_path: Path, form: str) -> None:
    if not shutil.which("qemu-img"):
        pytest.skip("no qemu-img")
    (tmp_path / "card").write_bytes(CARD)
    made = tmp_path / "disk"
    subprocess.run(["qemu-img", "convert", "-O", form, tmp_path / "card", made], check=True)
    holds_card(Read(made))


def test_a_difference_without_its_parent_is_refused(tmp_path: Path) -> None:
    if not shutil.which("qemu-img"):
        pytest.skip("no qemu-img")
    (tmp_path / "card").write_bytes(CARD)
    made = tmp_path / "disk.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "card", made],
        check=True,
    )
    with pytest.raises(ValueError, match="differs from"):
        Read(made)


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


def test_encrypted_and_unread_volumes_are_named_one_by_one(tmp_path: Path) -> None:
    luks = signed(1 << 17, 0, b"LUKS\xba\xbe")
    bitlocker = signed(1 << 17, 3, b"-FVE-FS-")
    flash = signed(1 << 17, 1024, b"\x10\x20\xf5\xf2")
    (tmp_path / "disk").write_bytes(partitioned(CARD, luks, bitlocker, flash))
    read = Read(tmp_path / "disk")
    holds_card(read, "p1/")
    assert read.reasons == [
        "volume p2 is encrypted (LUKS): not read without its key",
        "volume p3 is encrypted (BitLocker): not read without its key",
        "volume p4: F2FS, which is not read",
    ]


def test_an_image_that_was_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    at = DATA * SECTOR + 10 * CLUSTER  # amid SPLIT's clusters
    (tmp_path / "disk").write_bytes(partitioned(CARD)[: 64 * SECTOR + at])
    read = Read(tmp_path / "disk")
    assert read.bytes["p1/WHOLE.BIN"] == WHOLE
    assert read.bytes["p1/SPLIT.BIN"] == SPLIT[:CLUSTER]
    assert any("not in the image" in r for r in read.reasons)
    assert any("2048 of 9000 bytes" in r for r in read.reasons)


def test_what_is_no_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(100_000))
    with pytest.raises(ValueError, match="disk image"):
        form_of(tmp_path / "a.bin")
    (tmp_path / "a.L01").write_bytes(b"LVF\x09\x0d\x0a\xff\x00" + bytes(600))
    with pytest.raises(ValueError, match="logical evidence"):
        form_of(tmp_path / "a.L01")
    (tmp_path / "a.dd").write_bytes(bytes(100_000))
    read = Read(tmp_path / "a.dd")
    assert (read.form, read.reasons) == (
        "raw",
        ["the volume: no known file system, which is not read"],
    )


@pytest.mark.parametrize("seed", range(12))
def test_damaged_volumes_end_in_lines(tmp_path: Path, seed: int) -> None:
    data = bytearray(CARD)
    noise = pattern(f"noise {seed}", 4000)
    for number in range(0, 4000, 4):
        where = int.from_bytes(noise[number : number + 3], "big") % (DATA * SECTOR - 64) + 64
        data[where] = noise[number + 3]
    data[54:62], data[510:512] = b"FAT16   ", b"\x55\xaa"
    (tmp_path / "disk").write_bytes(data)
    for reason in Read(tmp_path / "disk").reasons:
        assert "\n" not in reason


def tool(*names: str) -> None:
    for name in names:
        if not shutil.which(name, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin"):
            pytest.skip(f"no {name}")


def sh(*words: str | Path) -> None:
    environment = os.environ | {"PATH": os.environ.get("PATH", "") + ":/sbin:/usr/sbin"}
    subprocess.run(words, check=True, capture_output=True, env=environment)


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


# --- public images ------------------------------------------------------------------------------

PASSWORDS = "02a2a6af2f1ecf4720d7d49d640f0d0a269a7ec733e41973bdd34f09dad0e252"
KNOWN = {
    "passwords.txt": PASSWORDS,
    "a_directory/a_file": "4a49638d0e1055fd9e4c17fef7fdf4d6ccf892b6d9c2f64164203c4bfb0ec92d",
    "a_directory/another_file": "c7fbc0e821c0871805a99584c6a384533909f68a6bbe9a2a687d28d9f3b10c16",
}


def public(name: str) -> Path:
    if not (IMAGES / name).exists():
        pytest.skip(f"no {IMAGES / name}")
    return IMAGES / name


@pytest.mark.parametrize(
    ("name", "form", "prefix"),
    [
        ("ext2.E01", "ewf", ""),
        ("ext2.qcow2", "qcow", ""),
        ("ext2.splitraw.000", "raw", ""),
        ("ext2.vhd", "vhd", ""),
        ("ext2.vmdk", "vmdk", ""),
        ("apfs.raw", "raw", ""),
        ("hfsplus.raw", "raw", ""),
        ("hfsplus_zlib.dmg", "dmg", "p1/"),
        ("image.E01", "ewf", ""),
        ("image.qcow2", "qcow", ""),
    ],
)
def test_public_images_hold_what_they_are_known_to(name: str, form: str, prefix: str) -> None:
    read = Read(public(name))
    assert read.form == form
    for path, sha256 in KNOWN.items():
        assert read.hashes[prefix + path] == sha256


def test_a_deleted_name_of_a_public_image(tmp_path: Path) -> None:
    read = Read(public("image.E01"))
    deleted = {path for path, f in read.files.items() if f.state == "deleted"}
    assert {"passwords.txt~", "a_directory/another_file~"} <= deleted
    assert len(read.reasons) == 1 and "only the name or record is left" in read.reasons[0]


def test_damage_inside_an_e01_is_told(tmp_path: Path) -> None:
    data = bytearray(public("ext2.E01").read_bytes())
    at = data.find(b"sectors\0") + 76  # behind the head of the section lies the first chunk
    data[at + 40 : at + 60] = bytes(20)
    (tmp_path / "bad.E01").write_bytes(data)
    reasons = Read(tmp_path / "bad.E01").reasons
    assert any("own MD5" in r for r in reasons)
    assert (
        "bytes 0 to 32768 of the disk do not fit the image's own checksum and read as zeros"
        in reasons
    )


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


@pytest.mark.parametrize("pieces", [1, 3])
def test_an_e01_tells_of_errors_at_acquisition_and_since(tmp_path: Path, pieces: int) -> None:
    made = ewf(CARD, pieces, (25_000, 8))
    for number, piece in enumerate(made, 1):
        (tmp_path / f"card.E{number:02d}").write_bytes(piece)
    read = Read(tmp_path / "card.E01")
    holds_card(read)
    noted = "bytes 12800000 to 12804096 of the disk could not be read when the image was taken"
    assert read.reasons == [noted]
    broken = bytearray(made[-1])
    broken[-(len(broken) // 2)] ^= 1
    (tmp_path / f"card.E{pieces:02d}").write_bytes(broken)
    reasons = Read(tmp_path / "card.E01").reasons
    assert reasons[0] == noted and len(reasons) == 2
    assert reasons[1].endswith("do not fit the image's own checksum and read as zeros")
    assert pieces == 1 or int(reasons[1].split()[1]) > len(CARD) // 2


# --- in a case ----------------------------------------------------------------------------------


def test_the_stated_hash_is_held_against_all_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "disk.001").write_bytes(CARD[:5_000_000])
    (tmp_path / "disk.002").write_bytes(CARD[5_000_000:])
    path, stated = tmp_path / "c.amparo", hashlib.sha256(CARD).hexdigest()
    main(["new", str(path)])
    add = ["add", str(path), str(tmp_path / "disk.001"), "--exhibit", "D1", "--sha256"]
    assert main([*add, stated.upper()]) == 0
    assert "agrees" in capsys.readouterr().out
    assert main([*add, "0" * 64]) == 1
    assert main([*add, "beef"]) not in (0, 1)
    main(["run", str(path)])
    case = Case.open(path)
    seal = next(case.store.each(Seal))
    assert (seal.sha256, seal.bytes, seal.method) == (stated, len(CARD), "container")
    assert next(case.store.each(Exhibit)).form == "raw"
    reasons = [p.reason for p in case.store.each(Problem)]
    assert reasons == [f"the SHA-256 stated on paper is {'0' * 64}, of the container {stated}"]
    split = next(f for f in case.store.each(File) if f.path == "SPLIT.BIN")
    reach = Exhibits(case).reach(split)
    assert image.image_file(reach.open(), reach.locator).read() == SPLIT
    case.close()
    assert main(["verify", str(path)]) == 0
    (tmp_path / "disk.002").write_bytes(CARD[5_000_000:-1] + b"x")
    assert main(["verify", str(path)]) != 0


# --- what belongs to no file --------------------------------------------------------------------


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
