"""Zips and tars as exhibits: honest ones, odd ones, broken ones and bombs."""

import bz2
import gzip
import hashlib
import io
import json
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from amparo.evidence import archive, readers
from amparo.evidence.archive import Limits, list_tar, list_zip
from amparo.evidence.detect import form_of
from amparo.evidence.unpack import Chunked
from amparo.evidence.unwrap import Limit, unwrap
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Problem, path_bytes

FOUND = Found("exhibit", "", "", "")


class Read:
    """What an opener said, sorted by kind; ``bytes_of`` goes through the real readers."""

    def __init__(self, data: bytes, form: str, limits: Limits | None = None) -> None:
        self.data, self.form = data, form
        listing = {"zip": list_zip, "tar": list_tar}[form]
        records = list(listing(Source.of_bytes(data), FOUND, limits or Limits()))
        self.files = [r for r in records if isinstance(r, File)]
        self.contents = {r.id: r for r in records if isinstance(r, Content)}
        self.problems = [r for r in records if isinstance(r, Problem)]
        self.warnings = [r.reason for r in records if isinstance(r, Warn)]

    @property
    def paths(self) -> list[str]:
        return [f.path for f in self.files]

    def bytes_of(self, file: File, locator: str = "") -> bytes:
        fd = os.memfd_create("test")
        try:
            os.write(fd, self.data)
            reader = {"zip": readers.zip_member, "tar": readers.tar_member}[self.form]
            source = reader([fd], locator or file.locator)
            assert source.size == file.size
            return source.read()
        finally:
            os.close(fd)

    def check(self) -> None:
        """Every content is what its locator leads to."""
        for file in self.files:
            if file.content:
                data = self.bytes_of(file)
                content = self.contents[file.content]
                assert hashlib.sha256(data).hexdigest() == content.sha256
                assert hashlib.sha1(data).hexdigest() == content.sha1
                assert hashlib.md5(data).hexdigest() == content.md5
                assert len(data) == content.size


def zipped(
    *members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in members:
            made.writestr(name, data, compress_type=method)
    return out.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as made:
        for info, data in members:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def named(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("method", [0, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_members_of_every_method_read(method: int) -> None:
    noise, text = os.urandom(300_000), b"hello " * 50_000
    read = Read(zipped(("a/noise", noise), ("a/text", text), ("empty", b""), method=method), "zip")
    assert read.paths == ["a/noise", "a/text", "empty"]
    assert not read.problems and not read.warnings
    read.check()
    assert read.bytes_of(read.files[1]) == text
    assert read.contents[read.files[2].content].mime == "inode/x-empty"


def test_zip_names_stay_text_and_bytes() -> None:
    info = zipfile.ZipInfo("XXX.jpg")
    data = zipped(
        (info, b"1"), ("../../etc/passwd", b"2"), ("/abs", b"3"), ("C:\\x", b"4"), ("ñ", b"5")
    )
    data = data.replace(b"XXX.jpg", b"\xe9\xff\x82.jpg")
    read = Read(data, "zip")
    assert [path_bytes(p) for p in read.paths] == [
        b"\xe9\xff\x82.jpg",
        b"../../etc/passwd",
        b"/abs",
        b"C:\\x",
        "ñ".encode(),
    ]
    assert not read.problems
    read.check()


def test_zip_duplicates_get_ordinals_and_folders_are_no_files() -> None:
    with pytest.warns(UserWarning):
        data = zipped(("d/", b""), ("d/x", b"one"), ("d/x", b"two"))
    read = Read(data, "zip")
    assert [(f.path, f.ordinal) for f in read.files] == [("d/x", 0), ("d/x", 1)]
    assert [read.bytes_of(f) for f in read.files] == [b"one", b"two"]
    assert len({f.id for f in read.files}) == 2


def test_zip_times_are_utc_or_none() -> None:
    utc = zipfile.ZipInfo("utc", (2017, 5, 4, 3, 2, 2))
    utc.extra = struct.pack("<HHBl", 0x5455, 5, 1, 1_500_000_000)
    ntfs = zipfile.ZipInfo("ntfs", (2017, 5, 4, 3, 2, 2))
    ticks = (1_500_000_000_123 + 11_644_473_600_000) * 10_000
    ntfs.extra = struct.pack("<HHLHHQQQ", 0x000A, 32, 0, 1, 24, ticks, 0, 0)
    local = zipfile.ZipInfo("local", (2017, 5, 4, 3, 2, 2))
    read = Read(zipped((utc, b""), (ntfs, b""), (local, b"")), "zip")
    assert [f.modified for f in read.files] == [1_500_000_000_000, 1_500_000_000_123, None]
    assert json.loads(read.files[2].locator)["dos"] == "2017-05-04T03:02:02"


def test_zip_symlink_is_noted() -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    pipe = zipfile.ZipInfo("pipe")
    pipe.create_system, pipe.external_attr = 3, (stat.S_IFIFO | 0o777) << 16
    read = Read(zipped((info, b"/etc/passwd"), (pipe, b"")), "zip")
    assert read.files[0].entry == "symlink" and not read.files[0].content
    assert json.loads(read.files[0].locator) == {"target": "/etc/passwd"}
    assert "not read" in read.problems[0].reason


def test_encrypted_member_is_a_problem_and_the_rest_reads() -> None:
    data = bytearray(zipped(("locked", b"x" * 50), ("open", b"y" * 50), method=0))
    data[6] |= 1  # general purpose bit 0 in the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1
    read = Read(bytes(data), "zip")
    assert [bool(f.content) for f in read.files] == [False, True]
    assert read.files[0].size == 50
    assert "encrypted" in read.problems[0].reason
    assert read.problems[0].subject == read.files[0].id


def test_zip_with_stream_sizes_and_data_before_it() -> None:
    class NoSeek(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    out = NoSeek()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", b"a" * 5000)
        made.writestr("b", b"b" * 70_000)
    for prefix in (b"", b"#!/bin/sh\n" * 100):
        read = Read(prefix + out.getvalue(), "zip")
        assert read.paths == ["a", "b"] and not read.problems
        read.check()
    cut = out.getvalue()[: out.getvalue().index(b"PK\x01\x02")]
    read = Read(cut, "zip")
    assert read.paths == ["a", "b"] and "no directory" in read.warnings[0]
    read.check()


def test_zip64_sizes_and_offsets() -> None:
    """A member marked as in a file of over 4 GiB: 32-bit fields all ones, true values in the extra."""
    body, name = b"z" * 1000, b"big"
    local = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 33, zlib.crc32(body), 2**32 - 1, 2**32 - 1, 3, 20
    )
    local += name + struct.pack("<2H2Q", 1, 16, 1000, 1000)
    start = len(local) + len(body)
    central = struct.pack(
        "<4s6H3L5H2L",
        b"PK\1\2",
        45,
        45,
        0,
        0,
        0,
        33,
        zlib.crc32(body),
        2**32 - 1,
        2**32 - 1,
        3,
        28,
        0,
        0,
        0,
        0,
        2**32 - 1,
    )
    central += name + struct.pack("<2H3Q", 1, 24, 1000, 1000, 0)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(central), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    read = Read(local + body + central + end64 + locator + end, "zip")
    assert read.paths == ["big"] and not read.problems and not read.warnings
    read.check()


@pytest.mark.parametrize("keep", [0.95, 0.6, 0.3])
def test_truncated_zip_keeps_what_came_before(keep: float) -> None:
    members = [(f"m{i}", os.urandom(10_000)) for i in range(10)]
    data = zipped(*members, method=zipfile.ZIP_DEFLATED)
    read = Read(data[: int(len(data) * keep)], "zip")
    assert read.warnings
    sound = [f for f in read.files if f.id not in {p.subject for p in read.problems}]
    assert len(sound) >= int(keep * 10) - 1
    for file, (name, body) in zip(sound, members, strict=False):
        assert file.path == name and read.bytes_of(file) == body
    for problem in read.problems:
        assert "breaks off" in problem.reason
    read.check()


def test_damaged_zip_member_is_named() -> None:
    data = bytearray(zipped(("sum", b"c" * 100), ("ok", b"fine"), method=0))
    at = data.index(b"c" * 100)
    data[at] ^= 1
    read = Read(bytes(data), "zip")
    assert [p.path for p in read.problems] == ["sum"] and "CRC" in read.problems[0].reason
    read.check()
    deflated = bytearray(zipped(("bad", os.urandom(50_000) + b"a" * 3_000_000), ("ok", b"fine")))
    deflated[600] ^= 0xFF
    deflated[40] ^= 0xFF
    read = Read(bytes(deflated), "zip")
    assert [p.path for p in read.problems] == ["bad"]
    read.check()
    strange = bytearray(zipped(("odd", b"x" * 30), method=0))
    struct.pack_into("<H", strange, 8, 93)
    struct.pack_into("<H", strange, strange.index(b"PK\1\2") + 10, 93)
    read = Read(bytes(strange), "zip")
    assert not read.files[0].content and "Zstandard" in read.problems[0].reason


def test_zip_size_lies_are_named() -> None:
    data = bytearray(zipped(("liar", b"x" * 10_000)))
    struct.pack_into("<L", data, data.index(b"PK\1\2") + 24, 5)
    read = Read(bytes(data), "zip")
    assert read.problems[0].reason == "states 5 bytes and holds 10000"
    assert read.files[0].size == 10_000
    read.check()


def test_zip_bombs_are_refused() -> None:
    bomb = zipped(("bomb", bytes(30 << 20)), ("small", b"fine"))
    read = Read(bomb, "zip", Limits(member_free=1 << 20, member_ratio=10))
    assert [bool(f.content) for f in read.files] == [False, True]
    assert "bomb" in read.problems[0].reason
    many = zipped(*[(f"b{i}", bytes(1 << 20)) for i in range(20)])
    read = Read(many, "zip", Limits(total_free=5 << 20, total_ratio=1))
    assert 0 < sum(bool(f.content) for f in read.files) < 20
    assert "as a whole" in read.problems[-1].reason


def test_overlapping_zip_members_are_refused() -> None:
    """Fifield's bomb: many directory entries that lead to the same bytes."""
    data = zipped(("kernel", bytes(1 << 20)))
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    entry = data[start:end]
    many = data[:start] + entry * 50
    many += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 50, 50, len(entry) * 50, start, 0)
    read = Read(many, "zip")
    assert sum(bool(f.content) for f in read.files) == 1
    assert len(read.problems) == 49 and "shares bytes" in read.problems[0].reason


def test_nested_archives_are_just_files() -> None:
    inner = zipped(("deep", b"x" * 100))
    read = Read(zipped(("inner.zip", inner), method=0), "zip")
    assert read.paths == ["inner.zip"]
    assert read.contents[read.files[0].content].mime == "application/zip"


def test_bytes_that_are_no_archive() -> None:
    with pytest.raises(ValueError, match="no entry of a zip"):
        Read(b"PK\x03\x04 but not", "zip")
    with pytest.raises(ValueError, match="no entry of a tar"):
        Read(os.urandom(4096), "tar")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_members_of_every_form_read(form: int) -> None:
    long = "d/" * 60 + "n" * (90 if form == tarfile.USTAR_FORMAT else 300)
    data = tarred(
        (named("d", type=tarfile.DIRTYPE), b""),
        (named("d/x", mtime=1_500_000_000), b"x" * 1000),
        (named(long), b"long"),
        (named("../up"), b"up"),
        (named("d/x"), b"again"),
        (named("sym", type=tarfile.SYMTYPE, linkname="../up"), b""),
        (named("hard", type=tarfile.LNKTYPE, linkname="d/x"), b""),
        (named("lost", type=tarfile.LNKTYPE, linkname="nowhere"), b""),
        (named("dev", type=tarfile.CHRTYPE), b""),
        form=form,
    )
    read = Read(data, "tar")
    assert read.paths == ["d/x", long, "../up", "d/x", "sym", "hard", "lost", "dev"]
    assert [f.ordinal for f in read.files][:4] == [0, 0, 0, 1]
    assert read.files[0].modified == 1_500_000_000_000
    assert read.files[4].entry == "symlink"
    assert read.bytes_of(read.files[5]) == b"again"
    assert read.files[5].content == read.files[3].content
    assert {p.path for p in read.problems} == {"lost", "dev"} and not read.warnings
    read.check()


def test_tar_names_of_any_bytes_and_times_with_fractions() -> None:
    name = b"caf\xe9\xff".decode("utf-8", "surrogateescape")
    data = tarred((named(name, mtime=1_500_000_000.25), b"x"), (named("ñ" * 80), b"y"))
    read = Read(data, "tar")
    assert [path_bytes(p) for p in read.paths] == [b"caf\xe9\xff", ("ñ" * 80).encode()]
    assert read.files[0].modified == 1_500_000_000_250
    read.check()


def test_truncated_tar_keeps_what_came_before() -> None:
    data = tarred(*[(named(f"m{i}"), os.urandom(5000)) for i in range(8)])
    read = Read(data[: 512 * 11 * 5 + 2000], "tar")
    assert len(read.files) == 6
    assert [p.path for p in read.problems] == ["m5"] and "breaks off" in read.problems[0].reason
    assert "breaks off" in read.warnings[0]
    read.check()


def test_entries_after_damage_and_after_the_end_mark_are_found() -> None:
    data = bytearray(tarred(*[(named(f"m{i}"), bytes([i + 1]) * 600) for i in range(4)]))
    data[512 * 3 : 512 * 3 + 10] = b"\xff" * 10  # m1's header
    second = tarred((named("later"), b"later"))
    read = Read(bytes(data) + second, "tar")
    assert read.paths == ["m0", "m2", "m3", "later"]
    assert "no tar entry" in read.warnings[0]
    read.check()


def sparse_header(name: bytes, size: int, stored: int, pairs: list[tuple[int, int]]) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % stored
    block[136:148] = b"%011o\0" % 1_500_000_000
    block[156:157] = b"S"
    block[257:265] = b"ustar  \0"
    for i, (offset, length) in enumerate(pairs[:4]):
        block[386 + i * 24 : 410 + i * 24] = b"%011o\0%011o\0" % (offset, length)
    block[482] = len(pairs) > 4
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    if len(pairs) > 4:
        more = b"".join(b"%011o\0%011o\0" % pair for pair in pairs[4:])
        return bytes(block) + more.ljust(512, b"\0")
    return bytes(block)


def test_sparse_tar_members_old_and_pax() -> None:
    pairs = [(i * 10_000, 512) for i in range(6)]
    body = b"".join(bytes([65 + i]) * 512 for i in range(6))
    whole = bytearray(60_000)
    for i, (offset, length) in enumerate(pairs):
        whole[offset : offset + length] = bytes([65 + i]) * 512
    old = sparse_header(b"old", 60_000, len(body), pairs) + body
    numbers = [n for pair in pairs for n in pair]
    shape = b"6\n" + b"".join(b"%d\n" % n for n in numbers)
    new = tarred(
        (
            named(
                "GNUSparseFile.1/new",
                pax_headers={
                    "GNU.sparse.major": "1",
                    "GNU.sparse.minor": "0",
                    "GNU.sparse.name": "new",
                    "GNU.sparse.realsize": "60000",
                },
            ),
            shape.ljust(512, b"\0") + body,
        ),
        (
            named(
                "middle",
                pax_headers={
                    "GNU.sparse.size": "60000",
                    "GNU.sparse.map": ",".join(map(str, numbers)),
                },
            ),
            body,
        ),
        (named("after"), b"after"),
    )
    read = Read(old + new, "tar")
    assert read.paths == ["old", "new", "middle", "after"]
    assert not read.problems and not read.warnings
    for file in read.files[:3]:
        assert read.bytes_of(file) == bytes(whole)
    read.check()


def test_sparse_bomb_and_lying_map_are_refused() -> None:
    bomb = sparse_header(b"bomb", 4 << 30, 512, [(0, 512)]) + b"x" * 512
    read = Read(bomb + bytes(1024), "tar", Limits(member_free=1 << 20, member_ratio=10))
    assert not read.files[0].content and "bomb" in read.problems[0].reason
    lies = sparse_header(b"lies", 4096, 512, [(0, 4096)]) + b"x" * 512
    read = Read(lies + bytes(1024), "tar")
    assert read.files[0].size == 512 and "covers more" in read.warnings[0]


def test_tar_header_entry_of_absurd_size_is_not_believed() -> None:
    header = tarfile.TarInfo("huge")
    header.size, header.type = 1 << 40, b"x"
    data = header.tobuf(tarfile.GNU_FORMAT) + tarred((named("ok"), b"ok"))
    read = Read(data, "tar")
    assert read.paths == ["ok"] and "not believed" in read.warnings[0]


def test_companions_come_with_their_database() -> None:
    data = zipped(("d/msg.db", b"main" * 100), ("d/msg.db-wal", b"wal" * 100))
    read = Read(data, "zip")
    locator = json.loads(read.files[0].locator)
    locator["companions"] = {"-wal": json.loads(read.files[1].locator)}
    fd = os.memfd_create("test")
    os.write(fd, data)
    source = readers.zip_member([fd], json.dumps(locator))
    assert source.companions["-wal"].read() == b"wal" * 100
    os.close(fd)


def test_whole_reader_takes_companions_in_order(tmp_path: Path) -> None:
    fds = []
    for name in ("db", "db-wal"):
        (tmp_path / name).write_text(name)
        fds.append(os.open(tmp_path / name, os.O_RDONLY))
    source = readers.whole(fds, '{"companions": ["-wal"]}')
    assert source.read() == b"db" and source.companions["-wal"].read() == b"db-wal"
    with pytest.raises(ValueError, match="descriptors"):
        readers.whole(fds, '{"companions": []}')
    for fd in fds:
        os.close(fd)


def test_large_members_are_streamed_and_can_seek(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "IN_MEMORY", 1000)
    body = b"".join(b"%08d" % i for i in range(400_000))
    data = zipped(("big", body))
    read = Read(data, "zip")
    fd = os.memfd_create("test")
    os.write(fd, data)
    stream = readers.zip_member([fd], read.files[0].locator).stream()
    for at in (3_000_000, 8, 2_999_999, 0, len(body) - 4):
        stream.seek(at)
        assert stream.read(16) == body[at : at + 16]
    os.close(fd)


def test_chunked_never_gives_more_than_its_size() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        yield b"defgh"

    assert io.BufferedReader(Chunked(chunks, 5)).read() == b"abcde"


def unwrapped(data: bytes, limit: Limit | None = None) -> tuple[bytes, str]:
    parts = list(unwrap(Source.of_bytes(data), limit or Limit()))
    out = b"".join(part for part in parts if isinstance(part, bytes))
    return out, "; ".join(part.reason for part in parts if isinstance(part, Warn))


def test_gzip_layer_comes_off() -> None:
    tar = tarred((named("a"), os.urandom(3_000_000)), (named("b"), bytes(5_000_000)))
    half = len(tar) // 2
    packed = gzip.compress(tar[:half]) + gzip.compress(tar[half:]) + bytes(700)
    assert unwrapped(packed) == (tar, "")
    out, trouble = unwrapped(gzip.compress(tar)[:2_000_000])
    assert tar.startswith(out) and len(out) > 1_500_000 and "breaks off" in trouble
    damaged = bytearray(gzip.compress(tar))
    damaged[-5] ^= 0xFF
    out, trouble = unwrapped(bytes(damaged))
    assert "damaged" in trouble and tar.startswith(out) and len(out) > 7_000_000
    for wrong in (gzip.compress(b"not a tar" * 1000), b"\x1f\x8b\x08junkjunkjunk", b""):
        with pytest.raises(ValueError):
            unwrapped(wrong)
    with pytest.raises(ValueError, match="refused"):
        unwrapped(gzip.compress(tar), Limit(free=1 << 20, ratio=1))


def test_archive_forms_are_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "exhibit"
    path.write_bytes(zipped(("a", b"a")))
    assert form_of(path) == "zip"
    path.write_bytes(b"#!/bin/sh\n" + zipped(("a", b"a")))
    assert form_of(path) == "zip"
    path.write_bytes(tarred((named("a"), b"a")))
    assert form_of(path) == "tar"
    path.write_bytes(gzip.compress(tarred((named("a"), b"a"))))
    assert form_of(path) == "tar.gz"
    path.write_bytes(bz2.compress(b"x"))
    with pytest.raises(ValueError, match="an exhibit is"):
        form_of(path)


def test_hostile_archives_never_raise_anything_else() -> None:
    """Bits flipped all over: records, Warns, Problems or a ValueError, and locators that hold."""
    zip_data = zipped(*[(f"m{i}", os.urandom(50) * 20) for i in range(4)])
    tar_data = tarred(*[(named(f"m{i}", mtime=1.5), b"x" * 700) for i in range(4)])
    for form, data in (("zip", zip_data), ("tar", tar_data)):
        for seed in range(300):
            bad = bytearray(data)
            digest = hashlib.sha256(b"%d" % seed).digest()
            for i in range(0, 12, 3):
                place = int.from_bytes(digest[i : i + 3]) % len(bad)
                bad[place] ^= 1 << (digest[i] & 7)
            try:
                read = Read(bytes(bad), form)
            except ValueError:
                continue
            read.check()


def test_openers_are_plugins() -> None:
    assert archive.zip.spec.forms == ("zip",) and archive.tar.spec.id == "evidence/tar"  # type: ignore[attr-defined]
    listed = list(archive.zip(Source.of_bytes(zipped(("a", b"a"))), FOUND))
    assert [type(r) for r in listed] == [Content, File]
    listed = list(archive.tar(Source.of_bytes(tarred((named("a"), b"a"))), FOUND))
    assert [type(r) for r in listed] == [Content, File]
