"""Thumbnail caches built to their documented layouts, previews, and carved files inside a case."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

import planted
from amparo.cli import main
from amparo.kit.embedded import Held, embedded
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.model import Content, File, Media
from amparo.recover import compound
from amparo.recover.inside import buried
from amparo.recover.readers import segments
from amparo.recover.thumbcaches import Small, collection
from amparo.store import Case

SMALL = [planted.picture("JPEG", n, 96, 64) for n in range(4)]
PNG = planted.picture("PNG", 9, 48, 32)


def view(data: bytes) -> Spans:
    return Spans(io.BytesIO(data), [(0, len(data))])


def listed(data: bytes) -> list[tuple[str, str, bytes]]:
    kept = collection(view(data))
    assert kept is not None
    return [(s.name, s.ending, bytes_of(data, s)) for s in kept]


def bytes_of(data: bytes, small: Small) -> bytes:
    return b"".join(data[at : at + length] for at, length in small.segments)


def blob_cache() -> bytes:
    out = struct.pack("<I", 0xBD248510)
    for number, picture in enumerate(SMALL):
        body = f"/local/image/item/{number}+1700000000+1".encode("utf-16-le") + picture
        head = struct.pack("<QIII", number * 7919, zlib.adler32(body), len(out), len(body))
        out += head + body
    return out


def slots() -> bytes:
    out = b""
    for number in range(6):
        slot = b""
        if number in (1, 4):
            picture = SMALL[number % 4]
            slot = b"\1" + struct.pack(">QI", 0xABCD + number, len(picture)) + picture
        out += slot.ljust(10_000, b"\0")
    return out


def windows_cache(version: int) -> bytes:
    first = 28 if version >= 0x1C else 24
    out = b"CMMM" + struct.pack("<II", version, 1) + struct.pack("<IIII", 0, first, 0, 3)
    out = out[:first]
    for number, picture in enumerate([SMALL[0], PNG, b""]):
        name = f"{number:04x}".encode("utf-16-le")
        between = b"" if version == 0x15 else b"j\0p\0g\0\0\0" if version == 0x14 else bytes(8)
        fixed = struct.pack("<Q", 0xFEED0000 + number) + between
        lengths = struct.pack("<III", len(name), 2, len(picture)) + bytes(20)
        size = 8 + len(fixed) + len(lengths) + len(name) + 2 + len(picture)
        out += b"CMMM" + struct.pack("<I", size) + fixed + lengths + name + b"\0\0" + picture
    return out


def ole(streams: dict[str, bytes]) -> bytes:
    """A compound file of 512-byte sectors, its streams laid out with a gap between their sectors."""
    sectors: list[bytes] = []
    fat: list[int] = []

    def chain(data: bytes, scattered: bool = False) -> int:
        parts = [data[at : at + 512].ljust(512, b"\0") for at in range(0, len(data), 512)] or [b""]
        places = []
        for part in parts:
            places.append(len(sectors))
            sectors.append(part.ljust(512, b"\0"))
            fat.append(0)
            if scattered:
                sectors.append(os.urandom(512))
                fat.append(0xFFFFFFFF)
        for here, there in zip(places, [*places[1:], 0xFFFFFFFE], strict=True):
            fat[here] = there
        return places[0]

    def entry(name: str, kind: int, start: int, size: int) -> bytes:
        text = (name + "\0").encode("utf-16-le")
        head = text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1)
        return head + b"\xff" * 12 + bytes(36) + struct.pack("<II", start, size) + bytes(4)

    mini, mini_fat, entries = b"", [], []
    for name, data in streams.items():
        if len(data) >= 4096:
            entries.append(entry(name, 2, chain(data, scattered=True), len(data)))
            continue
        start, count = len(mini) // 64, -(-len(data) // 64)
        mini += data.ljust(count * 64, b"\0")
        mini_fat += [*range(start + 1, start + count), 0xFFFFFFFE]
        entries.append(entry(name, 2, start, len(data)))
    mini_start = chain(mini)
    small = chain(struct.pack(f"<{len(mini_fat)}I", *mini_fat)) if mini_fat else 0xFFFFFFFE
    directory = chain(b"".join([entry("Root Entry", 5, mini_start, len(mini)), *entries]))
    count = -(-(len(fat) + 8) // 128)
    first = len(sectors)
    fat += [0xFFFFFFFD] * count
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(count * 512, b"\xff")
    head = compound.MAGIC + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIII", 0, count, directory, 0, 4096)
    head += struct.pack("<IIII", small, 1, 0xFFFFFFFE, 0)
    head += struct.pack(f"<{count}I", *range(first, first + count)).ljust(436, b"\xff")
    return head + b"".join(sectors) + table


def thumbs_db(large: bytes) -> bytes:
    catalog = struct.pack("<HHII", 16, 7, 2, 96) + bytes(4)
    for number, name in ((1, "beach.jpg"), (12, "garden.jpg")):
        text = (name + "\0").encode("utf-16-le") + bytes(2)
        catalog += struct.pack("<II", 16 + len(text), number) + bytes(8) + text
    streams = {
        "1": struct.pack("<III", 12, 1, len(SMALL[0])) + SMALL[0],
        "21": struct.pack("<III", 12, 1, len(large)) + large,
        "Catalog": catalog,
    }
    return ole(streams)


def test_android_gallery_cache_with_the_paths_of_the_originals() -> None:
    want = [(f"/local/image/item/{n}+1700000000+1", "jpg", SMALL[n]) for n in range(4)]
    assert listed(blob_cache()) == want
    assert listed(blob_cache()[:-100]) == want[:3]


def test_android_thumbdata_with_the_numbers_of_the_originals() -> None:
    assert listed(slots()) == [("1", "jpg", SMALL[1]), ("4", "jpg", SMALL[0])]


@pytest.mark.parametrize("version", [0x14, 0x15, 0x1A, 0x1F, 0x20])
def test_windows_thumbnail_caches(version: int) -> None:
    want = [("00000000feed0000", "jpg", SMALL[0]), ("00000000feed0001", "png", PNG)]
    assert listed(windows_cache(version)) == want


def test_windows_cache_goes_on_behind_a_damaged_entry() -> None:
    data = bytearray(windows_cache(0x20))
    at = data.index(b"CMMM", 12)
    data[at + 4 : at + 8] = b"\xff\xff\xff\x7f"
    data[at + 32 : at + 36] = b"\xff\xff\xff\x7f"
    assert [name for name, _, _ in listed(bytes(data))] == ["00000000feed0001"]


def test_thumbs_db_with_the_names_of_the_originals() -> None:
    large = planted.picture("JPEG", 5, 200, 150)
    assert len(large) > 4096 > len(SMALL[0]) + 12
    got = listed(thumbs_db(large))
    assert sorted(got) == [("beach.jpg", "jpg", SMALL[0]), ("garden.jpg", "jpg", large)]


def test_chains_of_a_compound_file_that_go_in_circles_end() -> None:
    data = bytearray(thumbs_db(planted.picture("JPEG", 5, 200, 150)))
    table = (1 + int.from_bytes(data[76:80], "little")) * 512
    for at in range(table, table + 512, 4):
        data[at : at + 4] = bytes(4)
    assert len(listed(bytes(data))) <= 3


def test_what_is_no_collection() -> None:
    assert collection(view(bytes(50_000))) is None
    assert collection(view(SMALL[0] + bytes(20_000))) is None


def test_preview_of_a_photograph() -> None:
    data = planted.with_preview(1, SMALL[2])
    place = embedded(view(data))[0]
    assert place is not None and data[place[0] : sum(place)] == SMALL[2]
    assert embedded(view(planted.picture("JPEG", 1)))[0] is None
    for cut in range(0, len(data), 7):
        assert embedded(view(data[:cut])) == embedded(Held(data[:cut]))


def carved(data: bytes, path: str, plugin: object = buried.files) -> list[File | Content | Warn]:
    found = Found("exhibit", "0f" * 18, path, "content")
    return list(plugin(Source.of_bytes(data), found))  # type: ignore[operator]


def test_records_of_what_lies_in_a_file_lead_back_to_its_bytes(tmp_path: Path) -> None:
    noise = b"swap space \x01\x02" * 3000
    data = noise + SMALL[0] + noise + PNG + noise + SMALL[0] + noise
    (tmp_path / "swap").write_bytes(data)
    made = carved(data, "swap.bin")
    contents = {c.id: c for c in made if isinstance(c, Content)}
    files = [f for f in made if isinstance(f, File)]
    assert len(contents) == 2, "the same picture twice is one content"
    assert [f.path for f in files] == [
        f"swap.bin#carved/{data.index(SMALL[0]):010d}.jpg",
        f"swap.bin#carved/{data.index(PNG):010d}.png",
        f"swap.bin#carved/{data.rindex(SMALL[0]):010d}.jpg",
    ]
    fd = os.open(tmp_path / "swap", os.O_RDONLY)
    try:
        for file in files:
            assert file.state == "carved"
            place = json.loads(file.locator)
            assert place["parent"] == "0f" * 18
            inner = {
                "reader": "amparo.evidence.readers:whole",
                "locator": "{}",
                "segments": place["carved"],
            }
            source = segments([fd], json.dumps(inner))
            assert planted.sha256(source.read()) == contents[file.content].sha256
            assert source.size == file.size
        bad = json.dumps(inner | {"segments": [[len(data) - 1, 2]]})
        with pytest.raises(ValueError):
            segments([fd], bad)
    finally:
        os.close(fd)


def test_a_whole_file_is_not_found_inside_itself_and_depth_is_bounded() -> None:
    data = planted.archive(1)
    assert carved(data, "odd.bin") == []
    deep = "a#carved/1.bin#carved/2.bin#carved/3.bin"
    assert all(isinstance(w, Warn) for w in carved(SMALL[0] + bytes(9000), deep))


def test_pictures_in_a_database_and_its_log(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table kept (id integer primary key, data blob)")
        connection.executemany("insert into kept (data) values (?)", [(s,) for s in SMALL])
        connection.commit()
        connection.execute("delete from kept where id = 2")
    connection.close()
    sizes = [len(s) for s in SMALL]
    assert max(sizes) < 4000
    made = carved(path.read_bytes(), "cache.db")
    hashes = {c.sha256 for c in made if isinstance(c, Content)}
    kept = {planted.sha256(SMALL[n]) for n in (0, 2, 3)}
    assert kept <= hashes


def case_with(tmp_path: Path, source: Path) -> Case:
    case = tmp_path / "case.amparo"
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(source), "--country", "ES"]) in (0, 1)
    assert main(["run", str(case)]) in (0, 1)
    assert main(["run", str(case)]) in (0, 1)
    return Case.open(case)


def test_a_case_sees_what_lies_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = b"nothing of note \x01\x02" * 4000
    photo = planted.with_preview(1, SMALL[2])
    exhibit = tmp_path / "phone.zip"
    with zipfile.ZipFile(exhibit, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("DCIM/photo.jpg", photo)
        file.writestr("copies/photo.jpg", photo)
        file.writestr("cache/imgcache.0", blob_cache())
        file.writestr("swap.bin", noise + planted.picture("JPEG", 50) + noise)
    case = case_with(tmp_path, exhibit)
    files = {f.path: f for f in case.store.each(File)}
    (inside,) = (path for path in files if "#preview/" in path)
    want = {
        inside: SMALL[2],
        f"swap.bin#carved/{len(noise):010d}.jpg": planted.picture("JPEG", 50),
    }
    for path, data in want.items():
        content = case.store.get(Content, files[path].content)
        assert content is not None and content.sha256 == planted.sha256(data)
        assert list(case.store.each(Media, content=content.id)), "its pixels were looked at"
    assert sum("#preview/" in path for path in files) == 1, (
        "copies of a photograph are not read again"
    )
    assert sum("imgcache.0#thumb/" in path for path in files) == 4
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "case.amparo")]) == 0
    assert main(["run", str(tmp_path / "case.amparo")]) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_a_case_sees_what_lies_in_the_free_space_of_a_card(tmp_path: Path) -> None:
    photo, film = planted.picture("JPEG", 60, 640, 480), planted.film(61)
    disk = bytearray(8 << 20)
    disk[1 << 20 : (1 << 20) + len(photo)] = photo
    half = len(film) // 2 // 4096 * 4096
    at = 3 << 20
    disk[at : at + half] = film[:half]
    disk[at + half : at + half + 8192] = os.urandom(8192)
    rest = at + half + 8192
    disk[rest : rest + len(film) - half] = film[half:]
    image = tmp_path / "card.dd"
    image.write_bytes(disk)
    case = case_with(tmp_path, image)
    got = {}
    for file in case.store.each(File, state="carved"):
        content = case.store.get(Content, file.content)
        assert content is not None
        got[content.sha256] = file
    assert set(got) == {planted.sha256(photo), planted.sha256(film)}
    assert len(json.loads(got[planted.sha256(film)].locator)["runs"]) == 2
    assert list(case.store.each(Media, content=got[planted.sha256(photo)].content))
