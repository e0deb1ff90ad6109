"""Disk images: made here byte for byte, by the system's tools, and public ones where at hand."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence import image
from amparo.evidence.detect import form_of
from amparo.evidence.segments import segments
from amparo.model import Content, Exhibit, File, Problem, Seal
from amparo.run.exhibits import Exhibits
from amparo.store import Case
from disks import (
    CARD,
    CLUSTER,
    DATA,
    IMAGES,
    SECTOR,
    SPLIT,
    WHOLE,
    Read,
    ewf,
    fixed_vhd,
    holds_card,
    partitioned,
    pattern,
    signed,
)


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


def test_encrypted_and_unread_volumes_are_named_one_by_one(tmp_path: Path) -> None:
    luks = signed(1 << 17, 0, b"LUKS\xba\xbe")
    bitlocker = signed(1 << 17, 3, b"-FVE-FS-")
    flash = signed(1 << 17, 1024, b"\x10\x20\xf5\xf2")
    (tmp_path / "disk").write_bytes(partitioned(CARD, luks, bitlocker, flash))
    read = Read(tmp_path / "disk")
    holds_card(read, "p1/")
    assert read.reasons == [
        "encrypted: volume p2 is not read. LUKS: LUKS version 0",
        "encrypted: volume p3 is not read. BitLocker: a damaged boot sector",
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


def test_segments_go_on_behind_the_hundredth(tmp_path: Path) -> None:
    names = ["E01", "E02", *(f"E{n:02d}" for n in range(3, 100)), "EAA", "EAB"]
    for name in names:
        (tmp_path / f"disk.{name}").write_bytes(b"")
    found = segments(tmp_path / "disk.E01", "ewf")
    assert [p.suffix[1:] for p in found] == names
    with pytest.raises(ValueError, match="later piece"):
        segments(tmp_path / "disk.EAB", "ewf")
    for number in range(1, 1003):
        (tmp_path / f"raw.{number:03d}").write_bytes(b"")
    found = segments(tmp_path / "raw.001", "raw")
    assert [p.name for p in found[997:]] == [
        "raw.998",
        "raw.999",
        "raw.1000",
        "raw.1001",
        "raw.1002",
    ]
    for name in ("aaa", "aab", "aac"):
        (tmp_path / f"split.{name}").write_bytes(b"")
    assert len(segments(tmp_path / "split.aaa", "raw")) == 3


@pytest.mark.parametrize(
    ("form", "there", "missing", "next"),
    [
        ("ewf", ["E01", "E02", "E04", "E05"], "E03", "E04"),
        ("ewf", ["E01", "EAB"], "E02", "EAB"),
        ("raw", ["001", "003"], "002", "003"),
        ("raw", ["000", "001", "020"], "002", "020"),
        ("raw", ["aa", "ab", "ad"], "ac", "ad"),
    ],
)
def test_a_segment_missing_between_others_is_named(
    form: str, there: list[str], missing: str, next: str, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / f"disk.{name}").write_bytes(b"")
    with pytest.raises(ValueError, match=rf"disk\.{missing} is missing.*disk\.{next} is there"):
        segments(tmp_path / f"disk.{there[0]}", form)
    assert segments(tmp_path / f"disk.{there[0]}", "vhd") == [tmp_path / f"disk.{there[0]}"]


def test_an_e01_whose_last_segments_are_missing_says_so(tmp_path: Path) -> None:
    for number, data in enumerate(ewf(CARD, 3, (25_000, 8))[:2], 1):
        (tmp_path / f"card.E{number:02d}").write_bytes(data)
    read = Read(tmp_path / "card.E01")
    assert read.bytes["WHOLE.BIN"] == WHOLE
    assert any("goes on behind its segment 2" in reason for reason in read.reasons)


def test_an_image_in_more_segments_than_one_message_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = -(-len(CARD) // 600)
    for number in range(600):
        (tmp_path / f"card.{number + 1:03d}").write_bytes(CARD[number * piece :][:piece])
    case = tmp_path / "a.amparo"
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(tmp_path / "card.001")]) == 0
    with Case.open(case) as opened:
        hashes = {c.id: c.sha256 for c in opened.store.each(Content)}
        found = {f.path: hashes[f.content] for f in opened.store.each(File) if f.content}
    assert found["WHOLE.BIN"] == hashlib.sha256(WHOLE).hexdigest()
    assert found["SPLIT.BIN"] == hashlib.sha256(SPLIT).hexdigest()
