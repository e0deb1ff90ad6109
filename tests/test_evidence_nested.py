"""Archives among an exhibit's files: listed, read back byte for byte through all layers, bounded, never raising."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from amparo.cli.main import main
from amparo.evidence import nested
from amparo.evidence.nested import archive, document, member
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, Exhibit, File, Fingerprint, Problem, content_id, make_id
from amparo.store import Case

EXHIBIT = make_id("exhibit", "", "X")


def picture(seed: int = 0, side: int = 64) -> bytes:
    out = io.BytesIO()
    noise = random.Random(seed).randbytes(12 * 12 * 3)
    Image.frombytes("RGB", (12, 12), noise).resize((side, side)).save(out, "JPEG")
    return out.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Opened:
    """What one file holds."""

    def __init__(self, data: bytes, path: str, opens: object = archive) -> None:
        self.data, self.path = data, path
        sha256 = hashlib.sha256(data).hexdigest()
        file = make_id("file", EXHIBIT, path, 0, "live")
        found = Found(EXHIBIT, file, path, content_id(sha256), sha256)
        told = list(opens(Source.of_bytes(data), found))  # type: ignore[operator]
        self.files = {f.path: f for f in told if isinstance(f, File)}
        self.contents = {c.id: c for c in told if isinstance(c, Content)}
        self.warnings = [w.reason for w in told if isinstance(w, Warn)]
        for one in self.files.values():
            assert json.loads(one.locator)["parent"] == file and one.content in self.contents

    def read(self, path: str, tmp_path: Path) -> bytes:
        """A member read the way a cell does it."""
        whole = tmp_path / "whole"
        whole.write_bytes(self.data)
        fd = os.open(whole, os.O_RDONLY)
        place = {
            "reader": "amparo.evidence.readers:whole",
            "locator": "{}",
            "member": json.loads(self.files[path].locator)["member"],
        }
        got = member([fd], json.dumps(place)).read()
        os.close(fd)
        return got


LAYERS = {
    "a.zip": lambda f: zipped(f),
    "b.zip": lambda f: zipped(f, zipfile.ZIP_STORED),
    "c.zip": lambda f: zipped(f, zipfile.ZIP_LZMA),
    "d.tar": tarred,
}


@pytest.mark.parametrize("name", list(LAYERS))
def test_members_are_read_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    files = {f"DCIM/{n}.jpg": picture(n) for n in range(3)} | {"notes.txt": b"hello " * 900}
    got = Opened(LAYERS[name](files), f"sdcard/{name}")
    assert not got.warnings
    assert set(got.files) == {f"sdcard/{name}#inside/{n}" for n in files}
    for inner, data in files.items():
        path = f"sdcard/{name}#inside/{inner}"
        assert got.contents[got.files[path].content].sha256 == hashlib.sha256(data).hexdigest()
        assert got.read(path, tmp_path) == data


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.tar.gz", gzip.compress),
        ("x.tgz", lambda d: gzip.compress(d[: len(d) // 2]) + gzip.compress(d[len(d) // 2 :])),
        ("x.tar.bz2", bz2.compress),
        ("x.tar.xz", lzma.compress),
    ],
)
def test_a_layer_of_packing_is_taken_off(name: str, pack: object, tmp_path: Path) -> None:
    inner = tarred({"one.jpg": picture()})
    got = Opened(pack(inner), name)  # type: ignore[operator]
    (path,) = got.files
    assert path == f"{name}#inside/x.tar" and not got.warnings
    assert got.contents[got.files[path].content].mime == "application/x-tar"
    assert got.read(path, tmp_path) == inner


def test_packing_that_breaks_off_gives_what_there_is() -> None:
    noise = random.Random(1).randbytes(300_000)
    got = Opened(gzip.compress(noise)[:200_000], "n.gz")
    (file,) = got.files.values()
    assert 100_000 < file.size < 300_000 and "breaks off" in got.warnings[0]


def test_office_documents_give_their_pictures_only() -> None:
    book = zipped(
        {
            "[Content_Types].xml": b"<?xml version='1.0'?><Types/>",
            "word/document.xml": b"<?xml version='1.0'?><w/>",
            "word/media/image1.jpeg": picture(1),
            "word/media/image2.jpeg": picture(2),
            "word/embeddings/oleObject1.bin": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        }
    )
    assert "wordprocessingml" in sniff(book[:HEAD], len(book))
    got = Opened(book, "a.docx", document)
    assert sorted(p.rpartition("/")[2] for p in got.files) == [
        "image1.jpeg",
        "image2.jpeg",
        "oleObject1.bin",
    ]
    odt = zipped({"content.xml": b"<?xml?>", "Pictures/1.jpg": picture()})
    assert list(Opened(odt, "a.odt", document).files) == ["a.odt#inside/Pictures/1.jpg"]


def test_bombs_and_depth_are_refused() -> None:
    zeros = zipped({"big": bytes(300 << 20)})
    limits = nested.LIMITS
    try:
        nested.LIMITS = nested.Limits(1 << 20, 10, 8 << 20, 1)
        got = Opened(zeros, "bomb.zip")
        assert not got.files and "bomb" in got.warnings[0]
        packed = Opened(gzip.compress(bytes(64 << 20)), "bomb.gz")
        assert not packed.files and "bomb" in packed.warnings[0]
    finally:
        nested.LIMITS = limits
    deep = "a.zip#inside/b.zip#inside/c.zip#inside/d.zip"
    assert "not opened: found inside 3" in Opened(zipped({"x": b"y"}), deep).warnings[0]


def test_many_members_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested, "MOST", 5)
    got = Opened(zipped({f"{n}.txt": b"%d" % n for n in range(9)}), "m.zip")
    assert len(got.files) == 5 and "the others are left out" in got.warnings[0]


def test_what_is_not_opened_says_so() -> None:
    assert Opened(b"MSCF" + bytes(100), "x").warnings == ["CAB: not opened"]
    locked = bytearray(zipped({"a.jpg": picture()}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        locked[locked.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    assert "encrypted" in Opened(bytes(locked), "x.zip").warnings[0]


def test_hostile_archives_never_raise_but_for_bad_data() -> None:
    chance = random.Random(5)
    sound = [zipped({"a.jpg": picture(), "b": b"x" * 500}), tarred({"a.jpg": picture()})]
    sound += [gzip.compress(sound[1]), bz2.compress(sound[1]), lzma.compress(sound[1])]
    for data in sound:
        for _ in range(60):
            bad = bytearray(data)
            for _ in range(3):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            try:
                Opened(bytes(bad[: chance.randrange(1, len(bad) + 1)]), "x")
            except ValueError as error:
                assert str(error)


def every(case: Case, kind: type) -> Iterator[object]:
    return case.store.each(kind)


def test_pictures_three_layers_down_are_fingerprinted(tmp_path: Path) -> None:
    root = tmp_path / "card"
    root.mkdir()
    deep = zipped({"deep.jpg": picture(7, 96)}, zipfile.ZIP_STORED)
    (root / "backup.tar.gz").write_bytes(gzip.compress(tarred({"in/deep.zip": deep})))
    (root / "letter.docx").write_bytes(
        zipped({"[Content_Types].xml": b"<x/>", "word/media/i.jpg": picture(8, 96)})
    )
    case = str(tmp_path / "c.amparo")
    assert main(["new", case]) == 0
    assert main(["add", case, str(root), "--exhibit", "X1"]) == 0
    main(["run", case, "--stage", "recover"])
    main(["run", case, "--stage", "recover"])
    main(["run", case])
    with Case.open(Path(case)) as opened:
        paths = {f.content: f.path for f in opened.store.each(File)}
        seen = {
            paths.get(p.content, "") for p in opened.store.each(Fingerprint) if p.algorithm == "pdq"
        }
        assert "letter.docx#inside/word/media/i.jpg" in seen
        assert "backup.tar.gz#inside/backup.tar#inside/in/deep.zip#inside/deep.jpg" in seen
        assert not [p for p in opened.store.each(Problem) if "changed" in p.reason]
        assert next(opened.store.each(Exhibit)).number == "X1"
    assert main(["verify", case]) == 0
