"""What fuzzing found, each as the smallest input that showed it, written down by hand."""

from __future__ import annotations

import io
import json
import os
import plistlib
import resource
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import disks
import planted
import test_evidence_crypt as chats
from amparo.evidence import crypt, ewf, itunes, luks
from amparo.evidence.archive import list_tar, list_zip
from amparo.evidence.unpack import Limits
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.kit.sqlite import Database
from amparo.match.entries import Reading
from amparo.match.rds import read_rds
from amparo.model import Content, Exhibit, File, Problem, Record
from amparo.recover import recovered
from amparo.recover.files import MEASURES, carve
from amparo.recover.formats.extent import NotOne
from amparo.recover.words import fts5_segment
from amparo.run.disks import open_volumes
from amparo.run.exhibits import Exhibits, carved_from, lies_at, place_of, volume_keys
from amparo.sandbox import wire
from amparo.sandbox.job import Job, Outcome
from amparo.store import Case
from parsing import database_bytes

FOUND = Found("EX", "", "", "", "", "zip")


def listed(records: Any) -> list[Record]:
    """The records after they have crossed the wire, in which no number has more than 64 bits."""
    kept = [one for one in records if isinstance(one, Record)]
    frame = wire.records_frame([wire.encode_record(one) for one in kept])
    ((_, body),) = wire.FrameReader().feed(frame)
    assert wire.check_records(body, wire.pins_of(FOUND, None)) == len(kept)
    return list(wire.decode_records(body))


def headed(name: bytes, **fields: bytes) -> bytes:
    """One tar header with some fields written over, its checksum right."""
    info = tarfile.TarInfo(name.decode())
    info.size = 0
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    places = {"size": 124, "mtime": 136, "type": 156}
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "field",
    [
        {"mtime": b"\x80" + (1 << 85).to_bytes(11, "big")},
        {"mtime": b"\xff" + bytes(11)},
        {"size": b"\x80" + (1 << 80).to_bytes(11, "big")},
    ],
)
def test_numbers_of_a_tar_that_no_record_can_hold(field: dict[str, bytes]) -> None:
    data = headed(b"before") + headed(b"lying", **field) + headed(b"after") + bytes(1024)
    files = {
        r.path: r
        for r in listed(list_tar(Source.of_bytes(data), FOUND, Limits()))
        if isinstance(r, File)
    }
    assert {"before", "after"} <= files.keys()
    if "lying" in files:
        assert files["lying"].modified is None or abs(files["lying"].modified) < 1 << 62


def test_a_pax_size_of_19_digits() -> None:
    body = b"29 size=9999999999999999999\n\n"[:28]
    data = headed(b"pax", type=b"x", size=b"%011o\0" % len(body)) + body.ljust(512, b"\0")
    data += headed(b"lying") + bytes(1024)
    assert [
        r.path
        for r in listed(list_tar(Source.of_bytes(data), FOUND, Limits()))
        if isinstance(r, File)
    ] == ["lying"]


def test_a_size_of_a_zip_that_no_record_can_hold() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("before", b"chair")
        made.writestr("lying", b"chair")
    data = bytearray(out.getvalue())
    start = data.rindex(b"PK\1\2")
    entry = struct.unpack_from("<4s6H3L5H2L", data, start)
    extra = struct.pack("<HHQ", 1, 8, (1 << 64) - 1)
    lying = [*entry]
    lying[4], lying[9], lying[11] = 99, 0xFFFFFFFF, len(extra)  # a method that is not read
    head = struct.pack("<4s6H3L5H2L", *lying) + b"lying" + extra
    end = data.rindex(b"PK\5\6")
    size = int.from_bytes(data[end + 12 : end + 16], "little") + len(extra)
    tail = bytes(data[end : end + 12]) + struct.pack("<L", size) + bytes(data[end + 16 :])
    records = listed(list_zip(Source.of_bytes(bytes(data[:start]) + head + tail), FOUND, Limits()))
    assert {r.path for r in records if isinstance(r, File)} == {"before", "lying"}
    assert [r.path for r in records if isinstance(r, Problem)] == ["lying"]


def test_lzma_properties_that_do_not_exist_cost_one_member() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("before", b"chair" * 9)
        made.writestr("lying", b"chair" * 9)
    data = bytearray(out.getvalue())
    at = data.rindex(b"lying", 0, data.index(b"PK\1\2")) + 5
    data[at + 4] = 44  # more literal bits than liblzma allows
    records = listed(list_zip(Source.of_bytes(bytes(data)), FOUND, Limits()))
    assert len([r for r in records if isinstance(r, File)]) == 2
    assert len([r for r in records if isinstance(r, Content)]) == 1


def test_an_encrypted_backup_that_holds_one_byte_or_none() -> None:
    for plain in (b"", b"x"):
        for make in (chats.crypt12, chats.crypt15):
            with pytest.raises(ValueError, match=r"encrypted|laid out"):
                list(crypt.opened(Source.of_bytes(make(plain)), [crypt.Key(chats.ROOT)]))


def test_a_keybag_that_begins_with_a_class() -> None:
    with pytest.raises(ValueError, match="damaged"):
        itunes.open_bag(b"CLAS" + (4).to_bytes(4, "big") + bytes(4), [b""])


@pytest.mark.parametrize("bag", [{}, {"BackupKeyBag": 1 << 40}, {"BackupKeyBag": ["x"]}])
def test_a_property_list_without_its_keybag(bag: dict[str, object]) -> None:
    plist = plistlib.dumps({"IsEncrypted": True, **bag}, fmt=plistlib.FMT_BINARY)
    source = Source.of_bytes(b"")
    source.companions = {"0": Source.of_bytes(plist)}
    with pytest.raises(ValueError, match="BackupKeyBag"):
        list(itunes.itunes(source, FOUND))


def test_sizes_and_times_of_a_backup_that_no_record_can_hold() -> None:
    root = {"Size": 1 << 63, "LastModified": 1 << 63}
    archive = {"$objects": ["$null", root], "$top": {"root": plistlib.UID(1)}}
    blob = plistlib.dumps(archive, fmt=plistlib.FMT_BINARY)
    (file,) = listed([itunes._file(FOUND, "0" * 40, "HomeDomain/a", 1, blob, None)])
    assert isinstance(file, File) and (file.size, file.modified) == (0, None)


def test_a_table_of_no_chunks_in_an_e01() -> None:
    (data,) = disks.ewf(bytes(512), 1, (0, 1))
    at = data.index(b"table\0")
    data = data[: at + 76] + bytes(4) + data[at + 80 :]
    fd = os.memfd_create("e01")
    try:
        os.write(fd, data)
        assert isinstance(list(ewf.Segments([fd]).broken_chunks()), list)
    finally:
        os.close(fd)


def test_a_jpeg_whose_huffman_table_has_too_many_codes() -> None:
    jpeg = bytearray(planted.picture("JPEG", 1, 16, 16))
    table = jpeg.index(b"\xff\xc4") + 4
    symbols = sum(jpeg[table + 1 : table + 17])
    jpeg[table + 1 : table + 17] = bytes([3, *bytes(14), symbols - 3])  # three codes of one bit
    blob = bytes(jpeg)
    try:
        extent = MEASURES["jpg"](Spans(io.BytesIO(blob), [(0, len(blob))]), 0)
        assert not extent.complete
    except NotOne:
        pass
    png = planted.picture("PNG", 2, 16, 16)
    assert [one.form for one in carve(io.BytesIO(blob + png)) if one.complete] == ["png"]


def test_a_full_text_page_whose_first_term_lies_before_it() -> None:
    assert not list(fts5_segment([bytes([0, 0, 0, 4, 0])]))
    assert not list(fts5_segment([bytes([0, 0, 0, 4, 1]), bytes([0, 0, 0, 5, 0, 0])]))


LOCATORS = [
    '{"derived": "x.t\\ud800ed"}',
    '{"derived": "x\\u0000.decrypted"}',
    "5", "[]", "null", "{", '"x"', '{"carved":', '{"carved": 1}', '{"derived":', '{"derived": [1]}',
    '{"derived": ".."}', '{"derived": "a/.."}', '{"derived": ""}', '{"member":', '{"member": 1}',
    "[" * 100_000, "1" * 10_000, '{"at": null}', '{"parent": 5, "carved": {}}',
]  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    made = Case.create(tmp_path_factory.mktemp("locators") / "c.amparo", "c")
    yield made
    made.close()


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "itunes", "raw"])
@pytest.mark.parametrize("locator", LOCATORS, ids=lambda text: text[:20])
def test_a_locator_that_is_none_ends_no_run(case: Case, form: str, locator: str) -> None:
    """A cell that was taken over wrote it; what plans the next work on the host reads it."""
    number = f"{form} {LOCATORS.index(locator)}"
    exhibit = Exhibit(number=number, source="/nowhere/exhibit", form=form)
    content = Content(sha256="0" * 64, sha1="", md5="", size=9, mime="x")
    file, beside = (
        File(
            exhibit=exhibit.id,
            path=path,
            size=9,
            modified=None,
            content=content.id,
            locator=locator,
        )
        for path in ("a.db", "a.db-wal")
    )
    case.store.put([exhibit, content, file, beside])
    reach = Exhibits(case).reach(file)
    with pytest.raises(OSError):
        reach.open()
    assert isinstance(place_of(file), dict) and isinstance(json.loads(reach.locator), dict)
    assert isinstance(lies_at(file), str)
    assert carved_from(file) is None or isinstance(carved_from(file), tuple)


def test_a_schema_row_of_endless_length_is_damage_not_want_of_memory() -> None:
    """SQLite says "out of memory"; a cell would be ended for it as if it had eaten all there is."""
    tables = "".join(f"CREATE TABLE t{n} (a, {'b' * 100});" for n in range(9))
    data = bytearray(database_bytes(tables, page_size=512))
    assert data[100] == 5, "the schema has pages of its own"
    leaf = (int.from_bytes(data[108:112], "big") - 1) * 512
    cell = leaf + int.from_bytes(data[leaf + 8 : leaf + 10], "big")
    data[cell : cell + 15] = b"\xff" * 15
    with pytest.raises(sqlite3.DatabaseError, match="damaged"):
        Database(Source.of_bytes(bytes(data)))


def test_a_complaint_of_sqlite_that_quotes_bytes_which_are_no_text() -> None:
    data = database_bytes(
        "CREATE TABLE note (a); INSERT INTO note VALUES ('a chair'); PRAGMA writable_schema=ON;"
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2,"
        f" CAST(X'{(b'CREATE TABLE x(a) STRICT' + bytes([255])).hex()}' AS TEXT));"
    )
    database = Database(Source.of_bytes(data))
    assert [row[1] for row in database.rows("note", ("a",))] == ["a chair"]
    assert any("\\xff" in note for note in database.notes), database.notes


def test_a_chunk_size_that_no_memory_can_hold() -> None:
    (data,) = disks.ewf(bytes(512), 1, (0, 1))
    at = data.index(b"volume\0") + 76
    data = data[: at + 8] + b"\xff" * 8 + data[at + 16 :]
    fd = os.memfd_create("e01")
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        os.write(fd, data)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGESIZE") + (512 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
        assert len(list(ewf.Segments([fd]).broken_chunks())) <= 1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        os.close(fd)


def test_files_found_in_one_another_without_end(case: Case) -> None:
    """Each reach is written into the next, which doubles it; a circle would have no end at all."""
    exhibit = Exhibit(number="chain", source="/nowhere/exhibit", form="zip")
    files: list[File] = []
    for number in range(3000):
        parent = files[-1].id if files else ""
        place = json.dumps({"member": {"at": 0}, "parent": parent})
        files.append(file_at(exhibit, "a" * (number % 900 + 1) + f"/{number}", 9, place))
    # One is carved out of the other, the other a member of the one.
    outer = file_at(exhibit, "outer", 99, "")
    inner = file_at(exhibit, "in", 9, json.dumps({"carved": [[0, 9]], "parent": outer.id}))
    outer = file_at(exhibit, "outer", 99, json.dumps({"member": {}, "parent": inner.id}))
    deep = [file_at(exhibit, f"c/{n}", 10_000 - n, "") for n in range(2000)]
    deep = [deep[0]] + [
        file_at(exhibit, one.path, one.size, json.dumps({"carved": [[0, 1]], "parent": before.id}))
        for before, one in pairwise(deep)
    ]
    case.store.put([exhibit, *files, outer, inner, *deep])
    for last in (files[-1], inner, outer, deep[-1]):
        reach = Exhibits(case).reach(last)
        assert len(reach.locator) < 1 << 20
        with pytest.raises(OSError):
            reach.open()


def file_at(exhibit: Exhibit, path: str, size: int, locator: str) -> File:
    return File(
        exhibit=exhibit.id, path=path, size=size, modified=None, content="c", locator=locator
    )


@pytest.mark.parametrize(
    "said",
    [b"", b"[]", b"{", b'{"opened": 5}', b'{"opened": {"a": 1}}', b"[" * 100_000, b" " * (4 << 20)],
)
def test_what_a_cell_says_of_keys_is_bounded_and_may_be_nonsense(
    case: Case, said: bytes, tmp_path: Path
) -> None:
    class Guard:
        def get(self) -> Guard:
            return self

        def run(self, batches: list[list[Job]]) -> Iterator[Outcome]:
            job = batches[0][0]
            assert job.sink is not None
            for at in range(0, len(said) or 1, 1 << 16):
                job.sink(said[at : at + (1 << 16)])
            yield Outcome(job, "", "", 0.0)

    image = tmp_path / "disk.dd"
    image.write_bytes(bytes(512))
    exhibit = Exhibit(number="keys", source=str(image), form="raw")
    assert open_volumes(case, exhibit, Guard()) == ([], False)  # type: ignore[arg-type]
    assert json.loads(volume_keys(case, exhibit).read_text()) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("keyslots", "0", "kdf", "time"), "1e999"),
        (("keyslots", "0", "kdf", "time"), "4294967295"),
        (("keyslots", "0", "kdf", "memory"), "1e18"),
        (("keyslots", "0", "kdf", "cpus"), "1000000000000"),
        (("keyslots", "0", "kdf", "cpus"), "0"),
        (("keyslots", "0", "af", "stripes"), "1e999"),
        (("segments", "0", "sector_size"), "1e999"),
        (("digests", "0", "iterations"), "1e999"),
    ],
)
def test_a_luks_header_that_asks_for_endless_work(place: tuple[str, ...], value: str) -> None:
    salt = "A" * 43 + "="
    kdf = {"type": "argon2id", "time": 4, "memory": 64, "cpus": 1, "salt": salt}
    area = {"offset": "32768", "size": "512", "encryption": "aes-xts-plain64", "key_size": 64}
    af = {"type": "luks1", "stripes": 1, "hash": "sha256"}
    said: dict[str, Any] = {
        "keyslots": {"0": {"type": "luks2", "key_size": 64, "af": af, "area": area, "kdf": kdf}},
        "segments": {"0": {"type": "crypt", "offset": "65536", "size": "dynamic", "iv_tweak": "0",
                           "encryption": "aes-xts-plain64", "sector_size": 512}},
        "digests": {"0": {"hash": "sha256", "iterations": 10, "salt": salt, "digest": salt}},
    }  # fmt: skip

    def header(text: str) -> luks.Header:
        head = luks.MAGIC + b"\0\2" + (16384).to_bytes(8, "big")
        whole = (head.ljust(4096, b"\0") + text.encode()).ljust(1 << 17, b"\0")
        return luks.header(lambda at, size: whole[at : at + size])

    assert len(header(json.dumps(said)).slots) == 1
    inner = said
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = "@"
    with pytest.raises(ValueError, match=r"damaged|stretched"):
        header(json.dumps(said).replace('"@"', value))


def test_a_chunk_size_that_no_number_of_the_machine_can_hold() -> None:
    (data,) = disks.ewf(bytes(512), 1, (0, 1))
    at = data.index(b"volume\0") + 76
    data = data[: at + 8] + b"\xff" * 8 + data[at + 16 :]
    table = data.index(b"table\0") + 76 + 24
    data = data[: table + 3] + b"\x80" + data[table + 4 :]  # the chunk is said to be packed
    fd = os.memfd_create("e01")
    try:
        os.write(fd, data)
        assert len(list(ewf.Segments([fd]).broken_chunks())) <= 1
    finally:
        os.close(fd)


@pytest.mark.parametrize("number", range(5))
def test_a_row_of_endless_length_is_damage_and_others_are_read(number: int) -> None:
    """Eleven bytes for which SQLite says "out of memory": no cell is ended for it, other rows are read."""
    rows = "".join(f"INSERT INTO note VALUES ({n}, 'chair {n}');" for n in range(1, 6))
    data = bytearray(
        database_bytes(f"CREATE TABLE note (a INTEGER PRIMARY KEY, b); {rows}", page_size=512)
    )
    root = next(at for at in range(512, len(data), 512) if data[at] == 13 and data[at + 4] == 5)
    lie = b"\xff" * 9 + bytes([number + 1]) + b"\x80+"
    data[root + 100 : root + 100 + len(lie)] = lie
    data[root + 8 + 2 * number : root + 10 + 2 * number] = (100).to_bytes(2, "big")
    database = Database(Source.of_bytes(bytes(data)))
    read = [row[1] for row in database.rows("note", ("b",))]
    assert len(read) >= 2 and f"chair {number + 1}" not in read  # SQLite seeks through the lie, too
    assert any("more memory" in note for note in database.notes), database.notes


def test_a_known_list_that_is_a_view_without_end_or_a_lying_row(tmp_path: Path) -> None:
    """The host itself reads databases of known hashes."""
    endless = "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n FROM x) SELECT n AS md5 FROM x"
    made = database_bytes("CREATE TABLE other (a);", f"CREATE VIEW FILE AS {endless};")
    (tmp_path / "view.db").write_bytes(made)
    with pytest.raises(ValueError, match="no RDSv3 database"):
        list(read_rds(tmp_path / "view.db", Reading()))
    rows = f"INSERT INTO FILE VALUES ('{'ab' * 16}');" * 5
    data = bytearray(database_bytes(f"CREATE TABLE FILE (md5); {rows}", page_size=512))
    root = next(at for at in range(512, len(data), 512) if data[at] == 13 and data[at + 4] == 5)
    data[root + 100 : root + 112] = b"\xff" * 9 + b"\x03\x80+"
    data[root + 12 : root + 14] = (100).to_bytes(2, "big")
    (tmp_path / "row.db").write_bytes(data)
    with pytest.raises(ValueError, match="cannot be read"):
        list(read_rds(tmp_path / "row.db", Reading()))


def test_damage_before_the_highest_row_number_there_can_be() -> None:
    most = (1 << 63) - 1
    rows = "".join(f"INSERT INTO note VALUES ({n}, 'chair {n}');" for n in (1, 2, 3, 4, most))
    data = bytearray(
        database_bytes(f"CREATE TABLE note (a INTEGER PRIMARY KEY, b); {rows}", page_size=512)
    )
    root = next(at for at in range(512, len(data), 512) if data[at] == 13 and data[at + 4] == 5)
    data[root + 100 : root + 112] = b"\xff" * 9 + b"\x04\x80+"
    data[root + 14 : root + 16] = (100).to_bytes(2, "big")
    database = Database(Source.of_bytes(bytes(data)))
    read = [row[1] for row in database.rows("note", ("b",))]
    assert read[:2] == ["chair 1", "chair 2"] and f"chair {most}" in read
    assert database.notes


def test_gaps_of_a_table_that_lies_behind_the_end_of_the_file() -> None:
    rows = "".join(f"INSERT INTO note VALUES ({n}, 'chair');" for n in (1, 5, 9))
    made = database_bytes(
        f"CREATE TABLE note (_id INTEGER PRIMARY KEY AUTOINCREMENT, b); {rows}", page_size=512
    )
    data = bytearray(made)
    with sqlite3.connect(":memory:") as db:
        db.deserialize(made)
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='note'").fetchone()
    at = data.index(b"tablenotenote", 0, 512) + len(b"tablenotenote")
    assert data[at] == root
    data[at] = 82
    for row in recovered(bytes(data)):
        assert row.where.offset + row.where.length <= len(data), row
