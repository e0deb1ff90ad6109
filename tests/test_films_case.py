"""Films and sounds in a case: looked at in locked-in cells, found again at the command line and on the desk."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from amparo.cli import main
from amparo.kit.times import clock
from amparo.model import ClipMatch, Content, Film, Link, Problem, Soundtrack
from amparo.review import create_app
from amparo.run import picture
from amparo.store import Case
from films import film, scene, sound_file, tune

SCENES = [f for seed in (21, 22, 23) for f in scene(seed, 3)]
SONG = tune(1, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reel with sound, a clip of it, its song, and one that is broken."""
    root = tmp_path_factory.mktemp("films")
    exhibit = root / "exhibit"
    exhibit.mkdir()
    (exhibit / "reel.mp4").write_bytes(film(SCENES, sound=SONG))
    (exhibit / "clip.mov").write_bytes(film(SCENES[20:70], "mjpeg", "mov"))
    (exhibit / "song.opus").write_bytes(sound_file(SONG, "libopus", "ogg", 48000))
    (exhibit / "broken.mp4").write_bytes(film(SCENES)[:5000])
    (root / "query.avi").write_bytes(film([f[:, ::-1] for f in SCENES[30:80]], form="avi"))
    (root / "query.mp3").write_bytes(sound_file(SONG[44100 : 8 * 44100], "libmp3lame", "mp3"))
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(SCENES[70])).save(out, "JPEG")
    (root / "query.jpg").write_bytes(out.getvalue())
    return root


@pytest.fixture(scope="module")
def case(folder: Path) -> Path:
    path = folder / "films.amparo"
    assert main(["new", str(path)]) == 0
    assert main(["add", str(path), str(folder / "exhibit")]) == 0
    assert main(["run", str(path), "--json"]) in (0, 1)
    return path


def test_cells_look_at_films(case: Path) -> None:
    with Case.open(case) as opened:
        store = opened.store
        assert sum(1 for _ in store.each(Film)) == 2
        assert sum(1 for _ in store.each(Soundtrack)) == 2
        assert {m.form for m in store.each(ClipMatch)} == {"film", "sound"}
        assert {link.form for link in store.each(Link)} == {"clip_of", "same_sound"}
        (problem,) = [p for p in store.each(Problem) if p.plugin == "fingerprint/video"]
        assert problem.reason.startswith("not decoded")
        for one in store.each(Film):
            content = store.get(Content, one.content)
            assert content is not None and opened.thumbs.get(content.sha256)


def test_a_second_run_has_nothing_to_do(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["run", str(case), "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["idle"] is True


def found(
    case: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> dict[str, list[dict[str, object]]]:
    capsys.readouterr()
    assert main(["find", str(case), "--json", *words]) == 0
    answer: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return answer


def test_find_a_film(folder: Path, case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = found(case, capsys, "--video", str(folder / "query.avi"))["found"]
    paths = {row["files"][0]["path"]: row for row in rows}  # type: ignore[index]
    assert set(paths) == {"reel.mp4", "clip.mov"}
    assert paths["reel.mp4"]["mirrored"] is True
    assert abs(int(paths["reel.mp4"]["other_start"]) - 3000) < 600  # type: ignore[call-overload]
    same = found(case, capsys, "--video", str(folder / "exhibit" / "clip.mov"))["found"]
    assert same[0]["form"] == "exact"
    assert {row["form"] for row in same[1:]} == {"film"}


def test_find_a_sound(folder: Path, case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = found(case, capsys, "--audio", str(folder / "query.mp3"))["found"]
    assert {row["files"][0]["path"] for row in rows} == {"reel.mp4", "song.opus"}  # type: ignore[index]
    assert main(["find", str(case), "--audio", str(folder / "query.jpg")]) != 0
    assert main(["find", str(case), "--video", str(folder / "query.mp3")]) != 0
    assert main(["find", str(case), "--audio", str(folder / "absent.mp3")]) != 0


def test_find_a_picture_in_a_film(
    folder: Path, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = found(case, capsys, "--image", str(folder / "query.jpg"))
    (row,) = answer["films"]
    assert row["files"][0]["path"] == "reel.mp4"  # type: ignore[index]
    assert abs(int(row["at"]) - 7000) <= 400  # type: ignore[call-overload]
    assert main(["find", str(case), "--image", str(folder / "query.jpg")]) == 0
    assert "shows it at 0:0" in capsys.readouterr().out


def test_find_in_every_case_of_a_folder(
    folder: Path,
    case: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each case that can be opened is searched, the rest are named, and the query is decoded once."""
    cases = tmp_path / "2026"
    (cases / "unit").mkdir(parents=True)
    shutil.copytree(case, cases / "unit" / "films.amparo")
    assert main(["new", str(cases / "empty.amparo")]) == 0
    (cases / "old.amparo").mkdir()
    (cases / "old.amparo" / "case.toml").write_text("name = ")
    (cases / "elsewhere").symlink_to(case)  # what is linked to is not what was named
    monkeypatch.setattr(picture, "looks", counted := Mock(wraps=picture.looks))
    capsys.readouterr()
    assert main(["find", str(cases), "--json", "--image", str(folder / "query.jpg")]) == 1
    told = {Path(c["case"]).name: c for c in json.loads(capsys.readouterr().out)["cases"]}
    assert list(told) == ["empty.amparo", "old.amparo", "films.amparo"]
    assert told["empty.amparo"]["films"] == [] and len(told["films.amparo"]["films"]) == 1
    assert "case.toml" in told["old.amparo"]["error"]
    assert counted.call_count == 1
    assert main(["find", str(cases), "--image", str(folder / "query.jpg")]) == 1
    said = capsys.readouterr().out
    assert "Not searched" in said and "shows it at 0:0" in said
    (tmp_path / "bare").mkdir()
    assert main(["find", str(tmp_path / "bare"), "--text", "x"]) == 2
    assert "nor a folder with cases" in capsys.readouterr().err


def test_the_desk_shows_ranges(case: Path) -> None:
    with Case.open(case, write=True) as opened:
        desk = TestClient(
            create_app(opened, "secret", lambda content, side: None, "Analyst 1"),
            base_url="http://127.0.0.1:8123",
        )
        assert desk.get("/?token=secret").status_code == 200
        clip = next(m for m in opened.store.each(ClipMatch) if m.form == "film")
        page = desk.get(f"/content/{clip.content}").text
        assert "Found elsewhere" in page and "a clip of it" in page
        assert f"{clock(clip.other_start)} – {clock(clip.other_end)}" in page
        assert f'href="/content/{clip.other}"' in page
        tiles = desk.get("/gallery", headers={"accept": "application/json"}).json()["tiles"]
        assert sorted(tile["length"] for tile in tiles) == ["", "0:05.0", "0:09.0"]
