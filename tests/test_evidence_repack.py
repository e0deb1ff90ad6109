"""RAR and 7z archives among an exhibit's files, in volumes too, and what lies under Zstandard and LZ4."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from amparo.cli import main
from amparo.evidence import repack
from amparo.evidence.repack import repacked
from amparo.kit import unarchive
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Media, Problem
from amparo.run import packed
from amparo.run.packed import first_of, later_of
from amparo.run.plan import Plan
from amparo.store import Case
from rar_written import UNTIL, rar

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
    source.companions = {f"{n:04}": Source.of_bytes(part) for n, part in enumerate(more)}
    out = list(repacked(source, Found("e", "f", name, "c")))
    plain = b"".join(piece for piece in out if isinstance(piece, bytes))
    return plain, [warn.reason for warn in out if isinstance(warn, Warn)]


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        return {name: made.read(name) for name in made.namelist()}


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
    assert first_of("d/x.part03.rar") == "d/x.part01.rar"
    assert first_of("x.7z.002") == "x.7z.001"
    assert first_of("x.r00") == first_of("x.s12") == first_of("x.rar") == "x.rar"
    assert first_of("holiday.7z") == "holiday.7z" and first_of("car") == "car"
    assert next(later_of("d/x.part01.rar")) == "d/x.part02.rar"
    assert next(later_of("x.7z.001")) == "x.7z.002"
    old = list(later_of("X.RAR"))
    assert (old[0], old[99], old[100]) == ("X.R00", "X.R99", "X.S00")
    assert list(later_of("holiday.7z")) == []


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
