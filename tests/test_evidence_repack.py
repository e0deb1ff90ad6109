"""RAR and 7z archives among an exhibit's files, in volumes too, and what lies under Zstandard and LZ4."""

from __future__ import annotations

import errno
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from amparo.cli import main
from amparo.evidence import repack
from amparo.evidence.repack import repacked, volume_of
from amparo.kit import unarchive
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Media, Problem
from amparo.run import packed
from amparo.run.plan import Plan
from amparo.store import Case
from rar_written import UNTIL, rar, split_rar

if not unarchive.AVAILABLE:
    pytest.skip("libarchive is not installed", allow_module_level=True)

import libarchive


def picture(colour: int = 90) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").point(lambda v: v ^ colour).save(out, "PNG")
    return out.getvalue()


def written(form: str, files: dict[str, bytes], filter: str = "") -> bytes:
    """An archive as libarchive writes it."""
    out = io.BytesIO()

    def take(data: bytes) -> int:
        out.write(data)
        return len(data)

    with libarchive.custom_writer(take, form, filter or None) as archive:
        for name, data in files.items():
            archive.add_file_from_memory(name, len(data), data, mtime=UNTIL)
    return out.getvalue()


def seven(files: dict[str, bytes], folder: Path) -> bytes:
    path = folder / "made.7z"
    with libarchive.file_writer(str(path), "7zip") as archive:
        for name, data in files.items():
            archive.add_file_from_memory(name, len(data), data, mtime=UNTIL)
    return path.read_bytes()


def opened(data: bytes, name: str = "x.rar", *more: bytes) -> tuple[bytes, list[str]]:
    source = Source.of_bytes(data)
    source.companions = {f"{n}": Source.of_bytes(part) for n, part in enumerate(more)}
    out = list(repacked(source, Found("e", "f", name, "c")))
    plain = b"".join(piece for piece in out if isinstance(piece, bytes))
    return plain, [warn.reason for warn in out if isinstance(warn, Warn)]


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        return {name: made.read(name) for name in made.namelist() if name != "./"}


FILES = {"a/één.png": picture(), "b.txt": b"words " * 9000, "empty": b""}


def test_a_rar_comes_out_whole() -> None:
    data, reasons = opened(rar(FILES))
    assert members(data) == FILES and not reasons


def test_a_7z_comes_out_whole_also_in_volumes(tmp_path: Path) -> None:
    whole = seven(FILES, tmp_path)
    assert members(opened(whole)[0]) == FILES
    third = len(whole) // 3
    parts = whole[:third], whole[third : 2 * third], whole[2 * third :]
    assert members(opened(parts[0], "x.7z.001", *parts[1:])[0]) == FILES


def test_what_is_encrypted_is_said_and_not_read() -> None:
    data, reasons = opened(rar(FILES, locked="b.txt"))
    assert sorted(members(data)) == ["a/één.png", "empty"]
    assert reasons == ["b.txt: encrypted, and not opened"]


def test_a_member_cut_off_is_kept_as_far_as_it_comes() -> None:
    large = bytes(range(256)) * 4096
    whole = rar({"a.png": picture(), "b.bin": large})
    data, reasons = opened(whole[: -len(large) // 2])
    found = members(data)
    assert found["a.png"] == picture() and large.startswith(found["b.bin"]) and found["b.bin"]
    assert len(found["b.bin"]) < len(large) and reasons[0].startswith("b.bin: not whole: ")


def test_nothing_is_not_silence() -> None:
    for data in (rar({}), rar(FILES)[:30]):
        with pytest.raises(ValueError, match="no file came out of it"):
            opened(data)
    with pytest.raises(ValueError, match="inside 3 others"):
        opened(rar(FILES), "a#inside/b#inside/c#inside/d.rar")


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(repack, "LIMITS", repack.LIMITS.__class__(1 << 20, 10, 1 << 30, 10))
    data, reasons = opened(seven({"a.txt": b"x", "zeros": bytes(64 << 20)}, tmp_path))
    assert members(data)["a.txt"] == b"x"
    assert any("bomb" in reason or "unpacks from" in reason for reason in reasons)


@pytest.mark.parametrize("layer", ["zstd", "lz4"])
def test_one_layer_is_taken_off(layer: str) -> None:
    packed = written("ustar", FILES, layer)
    plain, reasons = opened(packed)
    assert plain[257:262] == b"ustar" and picture() in plain and not reasons


def test_hostile_archives_never_raise_but_for_bad_data(tmp_path: Path) -> None:
    import random

    chance = random.Random(11)
    sound = [rar(FILES), seven(FILES, tmp_path), written("ustar", FILES, "zstd")]
    for data in sound:
        for _ in range(60):
            bad = bytearray(data)
            for _ in range(3):
                bad[chance.randrange(8, len(bad))] = chance.randrange(256)
            try:
                opened(bytes(bad[: chance.randrange(8, len(bad) + 1)]))
            except ValueError as error:
                assert str(error)


def test_names_of_volumes() -> None:
    assert volume_of("d/X.part03.rar") == volume_of("d/x.part3.rar") == ("d/x.part.rar", 3)
    assert volume_of("x.7z.002") == ("x.7z.", 2)
    assert [volume_of(f"x.{end}") for end in ("rar", "r00", "r99", "s00")] == [
        ("x.rar", 1), ("x.rar", 2), ("x.rar", 101), ("x.rar", 102),
    ]  # fmt: skip
    for alone in ("holiday.7z", "car", "a.part1", "x.zar"):
        assert volume_of(alone) == (alone, 1)


def test_volumes_go_on_and_archives_of_their_own_do_not(tmp_path: Path) -> None:
    first, second = rar({"a.png": picture(1)}), rar({"b.png": picture(2)})
    data, reasons = opened(first, "x.part1.rar", second)
    assert members(data) == {"a.png": picture(1), "archive 2/b.png": picture(2)}
    assert reasons == ["archive 2 under this name is one of its own"]
    large = bytes(range(256)) * 700
    parts = split_rar("a.bin", large, 14)
    data, reasons = opened(parts[0], "x.part01.rar", *parts[1:])
    assert members(data) == {"a.bin": large} and not reasons
    said = repacked(Source.of_bytes(parts[1]), Found("e", "f", "x.part02.rar", "c"))
    assert next(said) == Warn("a volume that goes before it is missing")
    with pytest.raises(ValueError, match="no file came out"):
        list(said)
    whole = seven({"a.bin": large, "b": b"x" * 999}, tmp_path)
    step = len(whole) // 13
    parts = [whole[n : n + step] for n in range(0, len(whole), step)]
    assert len(parts) > 12
    assert members(opened(parts[0], "x.7z.001", *parts[1:])[0])["a.bin"] == large


def test_damage_is_never_taken_for_whole(tmp_path: Path) -> None:
    stored = bytearray(rar({"a.bin": bytes(range(256)) * 99, "b": b"x"}))
    stored[stored.index(bytes(range(64))) + 7] ^= 1
    data, reasons = opened(bytes(stored))
    assert reasons == ["a.bin: not whole: its CRC-32 is another"] and members(data)["b"] == b"x"
    path = tmp_path / "copy.7z"
    with libarchive.file_writer(str(path), "7zip", options="compression=store") as archive:
        archive.add_file_from_memory("a.bin", 25344, bytes(range(256)) * 99)
    seven_stored = bytearray(path.read_bytes())
    seven_stored[seven_stored.index(bytes(range(64))) + 7] ^= 1
    _, reasons = opened(bytes(seven_stored), "x.7z")
    assert len(reasons) == 1 and reasons[0].startswith("a.bin: not whole: ")


def test_a_name_too_long_is_cut(tmp_path: Path) -> None:
    data, reasons = opened(seven({"n" * 70_000: b"d", "b": b"e"}, tmp_path))
    assert sorted(members(data).values()) == [b"d", b"e"]
    assert len(reasons) == 1 and "its name was cut" in reasons[0]


def test_no_name_hides_a_member() -> None:
    names = {"META-INF/MANIFEST.MF": b"a", "ends/": b"b", "back\\": b"c"}
    data, reasons = opened(rar(names))
    assert sorted(members(data).values()) == [b"a", b"b", b"c"] and not reasons
    assert not any(name.endswith("/") for name in members(data))
    assert sniff(data[:HEAD], len(data)) == "application/zip"


def case_of(folder: Path, *exhibits: dict[str, bytes]) -> Path:
    case = folder / "c.amparo"
    main(["new", str(case)])
    for n, files in enumerate(exhibits):
        root = folder / f"exhibit{n}"
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        main(["add", str(case), str(root), "--exhibit", f"E{n}"])
    return case


def test_pictures_in_archives_are_looked_at_like_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = seven({"inner.rar": rar({"deep.png": picture(3)}), "c.png": picture(7)}, tmp_path)
    half = len(whole) // 2
    first = {"a.rar": rar({"a.png": picture()}), "v.7z.001": whole[:half], "v.7z.002": whole[half:]}
    second = {"copy/again.rar": first["a.rar"], "locked.rar": rar(FILES, locked="empty")}
    path = case_of(tmp_path, first, second)
    main(["run", str(path)])
    with Case.open(path) as case:
        paths = {f.path for f in case.store.each(File)}
        assert {"a.rar#unpacked#inside/a.png", "copy/again.rar#unpacked#inside/a.png"} <= paths
        inner = "v.7z.001#unpacked#inside/inner.rar"
        assert {"v.7z.001#unpacked#inside/c.png", f"{inner}#unpacked#inside/deep.png"} <= paths
        seen = {m.content for m in case.store.each(Media)}
        held = [f for f in case.store.each(File) if f.path.endswith(".png")]
        assert held and all(f.content in seen for f in held)
        assert len(list(case.derived.glob("*.unpacked"))) == 4  # the copy shares its archive's
        assert {f.modified for f in held} == {UNTIL * 1000}
        problems = [p.reason for p in case.store.each(Problem)]
        assert problems == ["empty: encrypted, and not opened"]
        contents = sum(1 for _ in case.store.each(Content))
    capsys.readouterr()
    main(["run", str(path)])
    assert "Nothing to do" in capsys.readouterr().out
    for made in (path / "derived").glob("*.unpacked"):
        made.unlink()
    assert main(["verify", str(path)]) in (0, None)  # what was deleted is no fault
    with Case.open(path) as case:
        assert sum(1 for _ in case.store.each(Content)) == contents
    main(["run", str(path)])  # and made again
    assert len(list((path / "derived").glob("*.unpacked"))) == 4
    capsys.readouterr()
    main(["run", str(path)])
    assert "Nothing to do" in capsys.readouterr().out


def test_archives_of_every_depth_and_many_volumes_in_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = bytes(range(256)) * 700
    files = {
        f"v.part{n + 1}.rar": part
        for n, part in enumerate(split_rar("in.png", picture(5) + large, 12))
    }
    files["layers.zst.zst"] = written(
        "raw", {"x": written("raw", {"x": rar({"l.png": picture(6)})}, "zstd")}, "zstd"
    )
    files["a.rar#unpacked"] = b"a file of the evidence with this name"
    files["a.rar"] = rar({"META-INF/MANIFEST.MF": b"x", "m.png": picture(7)})
    path = case_of(tmp_path, files)
    main(["run", str(path)])
    with Case.open(path) as case:
        found = [f.path for f in case.store.each(File) if f.path.endswith(".png")]
        assert sorted(found) == [
            "a.rar#unpacked#inside/m.png",
            "layers.zst.zst#unpacked#unpacked#inside/l.png",
            "v.part1.rar#unpacked#inside/in.png",
        ]
        assert len(list(case.store.each(File, path="a.rar#unpacked"))) == 2
        assert not list(case.store.each(Problem))
    capsys.readouterr()
    main(["run", str(path)])
    assert "Nothing to do" in capsys.readouterr().out


def test_a_full_disk_leaves_the_archive_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = case_of(tmp_path, {"a.rar": rar({"a.png": picture()}), "b.png": picture(9)})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as disk:
        disk.setattr(packed, "make", full)
        main(["run", str(path)])
    with Case.open(path) as case:
        assert [p.reason for p in case.store.each(Problem)] == [
            "not opened: no room to write it out"
        ]
        assert len(list(case.store.each(Media))) == 1
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.txt").write_text("c")
    main(["add", str(path), str(tmp_path / "more"), "--exhibit", "E9"])
    main(["run", str(path)])
    with Case.open(path) as case:
        assert not list(case.store.each(Problem)) and len(list(case.store.each(Media))) == 2


def test_what_waits_for_libarchive_is_tried_again_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as absent:
        absent.setattr(unarchive, "AVAILABLE", False)
        with pytest.raises(ValueError, match="apt install libarchive13"):
            opened(rar(FILES))
    path = case_of(tmp_path, {"a.rar": rar({})})
    with monkeypatch.context() as absent:
        absent.setattr(repack, "installed", lambda: False)
        absent.setattr(packed, "installed", lambda: False)
        main(["run", str(path)])
        with Case.open(path) as case:
            plan = Plan(case)
            assert plan.packed is not None and plan.settled(plan.packed)
            (file,) = case.store.each(File)
            assert (case.store.is_done(plan.packed.id, file.id) or ("",))[0] == 0
    main(["run", str(path)])
    with Case.open(path) as case:
        assert (case.store.is_done("evidence/packed", file.id) or ("",))[0] == 1
