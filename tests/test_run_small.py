"""Small pictures whose file is gone or damaged: made again, and nothing that was recorded changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from amparo.cli.main import main
from amparo.model import Content, Film, Fingerprint, Media, StackMember
from amparo.replay.scene import render
from amparo.run import small
from amparo.store import Case
from amparo.store.thumbs import COMPLETE, INCOMPLETE
from films import film, scene

Said = dict[str, Any]


def kept(path: Path) -> dict[str, bytes]:
    """The small pictures by content."""
    with Case.open(path) as case:
        found = {c.sha256: case.thumbs.get(c.sha256) for c in case.store.each(Content)}
    return {sha256: data for sha256, data in found.items() if data is not None}


def recorded(path: Path) -> tuple[list[str], int]:
    """What was seen and concluded, and how many actions there are."""
    with Case.open(path) as case:
        seen = [
            f"{r}"
            for kind in (Media, Film, Fingerprint, StackMember)
            for r in case.store.each(kind)
        ]
        return sorted(seen), case.store.head().sequence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A case of two pictures and one of them larger, a film, a document of words and a text."""
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    for number in range(2):
        Image.fromarray(render(f"small-{number}", 0, (320, 240))).save(root / f"{number}.png")
    Image.fromarray(render("small-1", 0, (640, 480))).save(root / "2.jpg")
    (root / "film.mp4").write_bytes(film(scene(1, 2.0)))
    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 100)
    document.save(str(root / "words.pdf"))
    (root / "words.txt").write_text("words")
    for words in (["new"], ["add", str(root), "--exhibit", "E"], ["run"]):
        main([words[0], str(path), *words[1:]])
    return path


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    capsys.readouterr()
    code = main(["run", str(path), "--json"])
    said: Said = json.loads(capsys.readouterr().out)
    assert code == (1 if said.get("small_pictures_missing") else 0)
    return said


def damage(path: Path, how: str) -> None:
    file = path / "thumbs.db"
    if how == "deleted":
        file.unlink()
    else:
        data = file.read_bytes()
        file.write_bytes(b"words" if how == "words" else data[:100] + bytes(len(data) - 100))


@pytest.mark.parametrize("how", ["deleted", "words", "zeros"])
def test_lost_small_pictures_are_made_again_and_nothing_else_changes(
    path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    before, records = kept(path), recorded(path)
    assert len(before) == 5 and run(path, capsys)["idle"]
    damage(path, how)
    capsys.readouterr()
    main(["status", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["small_pictures_gone"]
    said = run(path, capsys)
    assert (said["idle"], said["small_pictures_made_again"], said["files"]) == (False, 5, 0)
    after = recorded(path)
    assert (kept(path), after[0]) == (before, records[0])
    assert after[1] == records[1] + 1, "that the run left nothing to do"
    assert run(path, capsys)["idle"] and main(["verify", str(path)]) == 0
    main(["status", str(path)])
    assert "Everything is up to date." in capsys.readouterr().out


def test_while_an_exhibit_is_away_its_records_stay_and_it_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, records = kept(path), recorded(path)
    root = path.parent / "phone"
    damage(path, "deleted")
    root.rename(root.with_name("away"))
    for _ in range(2):
        said = run(path, capsys)
        assert (said["small_pictures_made_again"], said["small_pictures_missing"]) == (0, 5)
        assert recorded(path)[0] == records[0], "nothing is forgotten"
    actions = recorded(path)[1]
    run(path, capsys)
    assert recorded(path)[1] == actions, "nor does the chain grow by trying"
    root.with_name("away").rename(root)
    assert run(path, capsys)["small_pictures_made_again"] == 5
    assert kept(path) == before and recorded(path)[0] == records[0]
    assert run(path, capsys)["idle"]


def test_a_kill_between_two_of_them_makes_the_rest_by_the_next_run(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, records = kept(path), recorded(path)
    damage(path, "deleted")
    monkeypatch.setattr(small, "MAKERS", small.MAKERS[:1])
    monkeypatch.setattr(small, "COMPLETE", INCOMPLETE)  # as if it had ended after the first of them
    assert run(path, capsys)["small_pictures_made_again"] == 3
    monkeypatch.undo()
    assert run(path, capsys)["small_pictures_made_again"] == 2
    assert (kept(path), recorded(path)[0]) == (before, records[0])


def test_damage_seen_only_while_writing_begins_the_file_anew(path: Path) -> None:
    with Case.open(path, write=True) as case:
        case.thumbs.put_many([(f"{n:064d}", bytes(3000)) for n in range(300)])
    file = path / "thumbs.db"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    file.write_bytes(data)
    with Case.open(path, write=True) as case:
        for n in range(300, 600):
            case.thumbs.put_many([(f"{n * 7919 % 1000:064d}", bytes(3000))])
        assert case.thumbs.state == INCOMPLETE and small.lost(case)
    main(["run", str(path)])
    assert len(kept(path)) == 5
    with Case.open(path) as case:
        assert case.thumbs.state == COMPLETE


def test_a_case_without_pictures_has_nothing_to_make_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    (root / "words.txt").write_text("words")
    for words in (["new"], ["add", str(root), "--exhibit", "E"], ["run"]):
        main([words[0], str(path), *words[1:]])
    assert run(path, capsys)["idle"]
    (path / "thumbs.db").unlink()
    assert run(path, capsys)["idle"]
