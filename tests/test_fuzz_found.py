"""What fuzzing found, each as the smallest input that showed it, written down by hand."""

from __future__ import annotations

import io
import json
import os
import plistlib
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import disks
import planted
import test_evidence_crypt as chats
from amparo.evidence import crypt, ewf, itunes
from amparo.evidence.archive import list_tar, list_zip
from amparo.evidence.unpack import Limits
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.model import Content, Exhibit, File, Problem, Record
from amparo.recover.files import MEASURES, carve
from amparo.recover.formats.extent import NotOne
from amparo.recover.spans import Spans
from amparo.recover.words import fts5_segment
from amparo.run.exhibits import Exhibits, carved_from, lies_at, place_of
from amparo.sandbox import wire

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
    "5", "[]", "null", "{", '"x"', '{"carved":', '{"carved": 1}', '{"derived":', '{"derived": [1]}',
    "[" * 100_000, "1" * 10_000, '{"at": null}', '{"parent": 5, "carved": {}}',
]  # fmt: skip


class Held:
    """A case that has only the records at hand."""

    def __init__(self, *records: Record) -> None:
        self.records = {r.id: r for r in records}
        self.store = self
        self.derived = Path("/nowhere/derived")

    def get(self, kind: type[Record], id: str) -> Record | None:
        found = self.records.get(id)
        return found if isinstance(found, kind) else None


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "itunes", "raw"])
@pytest.mark.parametrize("locator", LOCATORS, ids=lambda text: text[:20])
def test_a_locator_that_is_none_ends_no_run(form: str, locator: str) -> None:
    """A cell that was taken over wrote it; what plans the next work on the host reads it."""
    exhibit = Exhibit(number="1", source="/nowhere/exhibit", form=form)
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
    reach = Exhibits(Held(exhibit, content, file, beside)).reach(file)  # type: ignore[arg-type]
    with pytest.raises(OSError):
        reach.open()
    assert isinstance(place_of(file), dict) and isinstance(json.loads(reach.locator), dict)
    assert isinstance(lies_at(file), str)
    assert carved_from(file) is None or isinstance(carved_from(file), tuple)
