"""Encrypted volumes on disks: opened with a key, and read as if they had never been encrypted."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.evidence import bitlocker, luks
from amparo.evidence.blocks import Raw
from amparo.evidence.free import free_ranges
from amparo.evidence.opened import Unlocked
from amparo.evidence.unlock import Locked, unlocked
from amparo.model import Content, File, Problem
from amparo.store import Case
from disks import CARD, GONE, SPLIT, WHOLE, partitioned, pattern, sh, tool
from encrypted import (
    AREA,
    MASTER,
    PASSWORD,
    RECOVERY,
    bek,
    clear,
    password,
    recovery,
    startup,
    volume_key,
)
from encrypted import bitlocker as bitlocker_volume

METHODS = sorted(bitlocker.METHODS)
SMALL = CARD[: 1 << 20]


def reader(data: bytes) -> luks.Read:
    return lambda at, size: data[at : at + size]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: bitlocker.METHODS[m][0])
def test_bitlocker_of_every_method_reads_as_before(method: int) -> None:
    volume = bitlocker_volume(SMALL, method, [startup()], to_go=method == 0x8002)
    said = bitlocker.metadata(reader(volume))
    key = bitlocker.volume_key(reader(volume), said, bek())
    assert key == volume_key(method)
    get = bitlocker.opened(reader(volume), said, key, len(volume))
    whole = get(0, len(volume))
    assert whole[: -4 * AREA] == SMALL[: -4 * AREA]
    assert whole[-4 * AREA :] == bytes(AREA * 3 + 8192) + whole[-AREA + 8192 :]
    for at, size in ((0, 1), (511, 2), (8000, 700), (700_001, 5000), (len(volume) - 7, 99)):
        assert get(at, size) == whole[at : at + size]


@pytest.mark.parametrize(
    "secret",
    [PASSWORD, RECOVERY, bek(), MASTER.hex(), volume_key(0x8004).hex()],
    ids=["password", "recovery password", "startup key", "master key", "volume key"],
)
def test_every_way_to_the_key_of_a_bitlocker_volume(secret: str | bytes) -> None:
    volume = bitlocker_volume(SMALL, 0x8004, [password(), recovery(), startup()])
    said = bitlocker.metadata(reader(volume))
    given = secret if isinstance(secret, bytes) else secret.encode()
    assert bitlocker.volume_key(reader(volume), said, given) == volume_key(0x8004)
    wrong = given[:-1] + bytes([given[-1] ^ 1])
    assert bitlocker.volume_key(reader(volume), said, wrong) is None
    assert "recovery password 00000000-0000-0000-0000-000000001002" in said.needs()


def test_suspended_protection_opens_by_itself(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bitlocker_volume(SMALL, 0x8005, [recovery(), clear()]))
    with (tmp_path / "disk").open("rb") as file:
        blocks = Raw([file.fileno()])
        (volume,) = unlocked(blocks, [])
        assert not isinstance(volume, Locked)
        assert Unlocked(blocks, [volume]).read(0, 8192) == SMALL[:8192]


@pytest.mark.parametrize("copy", range(3))
def test_damaged_metadata_are_read_from_another_copy(copy: int) -> None:
    volume = bytearray(bitlocker_volume(SMALL, 0x8004, [startup()]))
    for number in range(3):
        if number != copy:
            at = len(volume) - (4 - number) * AREA
            volume[at : at + 200] = pattern("damage", 200)
    said = bitlocker.metadata(reader(bytes(volume)))
    assert bitlocker.volume_key(reader(bytes(volume)), said, bek()) == volume_key(0x8004)
    with pytest.raises(ValueError, match="damaged"):
        bitlocker.metadata(reader(bytes(volume[: len(volume) - 4 * AREA])))


def luks_disk(folder: Path, *more: str) -> tuple[bytes, bytes]:
    """A file system of ext4, and the same as a LUKS volume made of it by cryptsetup in place."""
    tool("cryptsetup", "mkfs.ext4")
    source, plain, disk = folder / "source", folder / "plain", folder / "luks"
    source.mkdir()
    (source / "whole.bin").write_bytes(WHOLE)
    plain.touch()
    os.truncate(plain, 4 << 20)
    sh("mkfs.ext4", "-q", "-b", "4096", "-d", source, plain)
    before = plain.read_bytes()
    disk.write_bytes(before + bytes(16 << 20))
    (folder / "key").write_bytes(b"a passphrase of nobody")
    sh("cryptsetup", "reencrypt", "--encrypt", "-q", "--type", "luks2", "--reduce-device-size", "16M",
       "--key-file", folder / "key", *more, disk)  # fmt: skip
    return before, disk.read_bytes()


QUICK = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
ARGON = ("--pbkdf", "argon2id", "--pbkdf-memory", "64", "--pbkdf-force-iterations", "4")


@pytest.mark.parametrize(
    "more",
    [
        (*QUICK, "--sector-size", "512"),
        (*QUICK, "--sector-size", "4096"),
        (*ARGON, "--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"),
    ],
    ids=["512", "4096", "cbc and argon2id"],
)
def test_luks2_made_by_cryptsetup_reads_as_before(more: tuple[str, ...], tmp_path: Path) -> None:
    before, volume = luks_disk(tmp_path, *more)
    found = luks.header(reader(volume))
    assert found.version == 2 and "a passphrase, key file or volume key" in found.needs()
    assert luks.volume_key(reader(volume), found, b"another") is None
    key = luks.volume_key(reader(volume), found, b"a passphrase of nobody")
    assert key and luks.volume_key(reader(volume), found, key.hex().encode()) == key
    assert found.decrypt(key)(volume[found.at :][: len(before)], 0) == before


def test_luks1_made_by_cryptsetup_reads_as_before(tmp_path: Path) -> None:
    before, _ = luks_disk(tmp_path, *QUICK)
    sh("cryptsetup", "convert", "-q", "--type", "luks1", tmp_path / "luks")
    volume = (tmp_path / "luks").read_bytes()
    found = luks.header(reader(volume))
    assert found.version == 1
    key = luks.volume_key(reader(volume), found, b"a passphrase of nobody")
    assert key and luks.volume_key(reader(volume), found, key.hex().encode()) == key
    assert found.decrypt(key)(volume[found.at :][: len(before)], 0) == before


@pytest.mark.parametrize("seed", range(20))
def test_damaged_headers_are_refused_in_one_line(seed: int) -> None:
    text = json.dumps(
        {
            "keyslots": {"0": {"type": "luks2", "key_size": 64, "af": {"stripes": 4000, "hash": "sha256"},
                               "area": {"encryption": "aes-xts-plain64", "key_size": 64, "offset": "32768"},
                               "kdf": {"type": "pbkdf2", "hash": "sha256", "iterations": 9, "salt": "AA=="}}},
            "segments": {"0": {"type": "crypt", "offset": "8192", "size": "dynamic", "iv_tweak": "0",
                               "encryption": "aes-xts-plain64", "sector_size": 512}},
            "digests": {"0": {"hash": "sha256", "iterations": 9, "salt": "AA==", "digest": "AA=="}},
        }
    ).encode()  # fmt: skip
    head = luks.MAGIC + b"\0\2" + (8192).to_bytes(8, "big")
    volume = bytearray(head.ljust(4096, b"\0") + text.ljust(8192, b"\0"))
    assert luks.header(reader(bytes(volume))).at == 8192
    noise = pattern(f"noise {seed}", 64)
    for number in range(8):
        place = int.from_bytes(noise[4 * number : 4 * number + 3], "big") % (4096 + len(text))
        volume[place] = noise[4 * number + 3]
    fve = bytearray(bitlocker_volume(SMALL[: 8 * AREA], 0x8004, [startup(), clear()]))
    for number in range(8, 16):
        place = (
            len(fve) - 4 * AREA + int.from_bytes(noise[4 * number : 4 * number + 2], "big") % 600
        )
        fve[place] ^= noise[4 * number + 3]
    fve[-3 * AREA : -AREA] = bytes(2 * AREA)
    for data, room in ((volume, luks), (fve, bitlocker)):
        read = reader(bytes(data))
        try:
            if room is luks:
                luks.volume_key(read, luks.header(read), b"a passphrase")
            else:
                bitlocker.volume_key(read, bitlocker.metadata(read), bek())
        except (ValueError, MemoryError) as error:
            assert "\n" not in str(error)


def run(*words: str) -> int:
    return main([*words])


def test_a_disk_gives_up_its_encrypted_volumes_once_their_keys_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, volume = luks_disk(tmp_path, *QUICK)
    disk = tmp_path / "disk.dd"
    fve = bitlocker_volume(CARD, 0x8004, [password(), startup()])
    disk.write_bytes(partitioned(SMALL, volume, fve))
    case = tmp_path / "a.amparo"
    assert run("new", str(case)) == 0
    assert run("add", str(case), str(disk)) == 1
    assert run("run", str(case)) in (0, 1)
    capsys.readouterr()
    run("run", str(case))
    assert "Nothing to do" in capsys.readouterr().out, "a missing key alone is no work"
    with Case.open(case) as opened:
        reasons = sorted(p.reason for p in opened.store.each(Problem))
        assert [r[:40] for r in reasons if r.startswith("encrypted")] == [
            "encrypted: volume p2 is not read. LUKS: ",
            "encrypted: volume p3 is not read. BitLoc",
        ]
        assert "startup key (.BEK) 00000000-0000-0000-0000-000000001003" in " ".join(reasons)
        assert not [f for f in opened.store.each(File) if f.path.startswith(("p2/", "p3/"))]
    (case / "keys.txt").write_text("not the one\na passphrase of nobody\n")
    assert run("run", str(case)) == 1
    (tmp_path / "stick.BEK").write_bytes(bek())
    (case / "keys.txt").write_text("a passphrase of nobody\nfile:../stick.BEK\n")
    assert run("run", str(case)) in (0, 1)
    with Case.open(case) as opened:
        hashes = {c.id: c.sha256 for c in opened.store.each(Content)}
        files = {f.path: f for f in opened.store.each(File)}
        reasons = [p.reason for p in opened.store.each(Problem)]
        assert not [r for r in reasons if r.startswith("encrypted")]
        everything = (case / "case.db").read_bytes()
    for path, data in (
        ("p2/whole.bin", WHOLE), ("p3/WHOLE.BIN", WHOLE), ("p3/SPLIT.BIN", SPLIT), ("p3/_ONE.BIN", GONE),
    ):  # fmt: skip
        assert hashes[files[path].content] == hashlib.sha256(data).hexdigest(), path
    key = volume_key(0x8004)
    assert key not in everything and key.hex().encode() not in everything
    kept = next((case / "derived").glob("*.volumes"))
    assert kept.stat().st_mode & 0o077 == 0 and key.hex() in kept.read_text()
    kept.unlink()
    run("run", str(case))
    assert run("verify", str(case)) == 0


def test_free_space_of_an_opened_volume_is_that_of_what_it_holds(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(partitioned(SMALL, bitlocker_volume(CARD, 0x8004, [startup()])))
    with disk.open("rb") as file:
        blocks = Raw([file.fileno()])
        start = 64 * 512 + len(SMALL)
        (volume,) = unlocked(blocks, [bek()])
        assert not isinstance(volume, Locked)
        assert not any(start <= at for at, _ in free_ranges(blocks))
        opened = Unlocked(blocks, [volume])
        free = b"".join(opened.read(at, size) for at, size in free_ranges(opened) if at >= start)
        assert GONE in free and WHOLE not in free
