"""Small pictures whose file is gone or damaged: made again, and nothing that was recorded changes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image, ImageOps

from amparo.cli.main import main
from amparo.model import Content, Film, Fingerprint, Media, StackMember
from amparo.replay.scene import render
from amparo.run import small
from amparo.store import Case
from amparo.store.thumbs import COMPLETE, INCOMPLETE, Blobs
from disks import CLUSTER, fat16
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


def add(path: Path, root: Path, number: str) -> None:
    main(["add", str(path), str(root), "--exhibit", number])


def framed(picture: Image.Image) -> Image.Image:
    """With a border, so that only laid over each other the two are found to be the same."""
    return ImageOps.expand(picture, 40, "grey")


def test_what_was_joined_by_its_details_is_joined_again_when_all_are_at_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, first, second, third = (tmp_path / name for name in ("c.amparo", "one", "two", "three"))
    for folder in (first, second, third):
        folder.mkdir()
    photo = Image.fromarray(render("joined", 0, (640, 480)))
    photo.save(first / "photo.png")
    framed(photo).save(second / "framed.png")
    Image.fromarray(render("other", 0, (640, 480))).save(third / "other.png")
    main(["new", str(path)])
    add(path, first, "ONE")
    add(path, second, "TWO")
    run(path, capsys)
    records = recorded(path)[0]
    assert "verified" in " ".join(records)
    damage(path, "deleted")
    second.rename(tmp_path / "away")
    assert main(["run", str(path), "--stage", "match"]) == 0
    assert run(path, capsys)["small_pictures_missing"] == 1
    assert recorded(path)[0] == records, "nothing is concluded anew from less"
    add(path, third, "THREE")
    run(path, capsys)
    assert "verified" not in " ".join(recorded(path)[0]), "but what is new is placed"
    (tmp_path / "away").rename(second)
    assert run(path, capsys)["small_pictures_made_again"] == 1
    again = recorded(path)[0]
    assert set(records) <= set(again) and run(path, capsys)["idle"]


def test_a_container_that_is_away_holds_up_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, usb = tmp_path / "c.amparo", tmp_path / "usb"
    usb.mkdir()
    Image.fromarray(render("packed", 0, (320, 240))).save(tmp_path / "p.png")
    with zipfile.ZipFile(usb / "phone.zip", "w") as packed:
        packed.write(tmp_path / "p.png", "p.png")
    data = (tmp_path / "p.png").read_bytes() + b"q"
    clusters = list(range(2, 3 - (-len(data) // CLUSTER)))
    (usb / "disk.001").write_bytes(fat16({"q.png": (data, clusters)}))
    main(["new", str(path)])
    add(path, usb / "phone.zip", "ZIP")
    add(path, usb / "disk.001", "DISK")
    run(path, capsys)
    before = kept(path)
    assert len(before) == 2
    damage(path, "deleted")
    usb.rename(tmp_path / "away")
    assert run(path, capsys)["small_pictures_missing"] == 2
    main(["run", str(path)])
    said = capsys.readouterr().out
    assert "2 small pictures could not be made again: cannot be opened: " in said
    assert "No such file" in said and "Errno" not in said
    (tmp_path / "away").rename(usb)
    assert run(path, capsys)["small_pictures_made_again"] == 2 and kept(path) == before


def test_what_cannot_be_looked_at_any_more_is_said_once(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (path.parent / "phone" / "0.png").open("ab") as picture:
        picture.write(b"changed")
    records = recorded(path)[0]
    damage(path, "deleted")
    said = run(path, capsys)
    assert (said["small_pictures_made_again"], said["small_pictures_missing"]) == (4, 1)
    assert recorded(path)[0] == records and run(path, capsys)["idle"]


def test_damage_that_is_met_while_they_are_made_again_is_not_the_end(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(path)
    damage(path, "deleted")
    put = Blobs.put_many

    def put_and_lose(blobs: Blobs, items: list[tuple[str, bytes]]) -> None:
        put(blobs, items)
        if blobs.count() == 4:
            blobs._connection.close()
            blobs._begin_anew()

    monkeypatch.setattr(Blobs, "put_many", put_and_lose)
    run(path, capsys)
    monkeypatch.undo()
    assert kept(path) != before
    run(path, capsys)
    assert kept(path) == before and run(path, capsys)["idle"]


def test_a_file_of_them_that_cannot_be_opened_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path / "thumbs.db").unlink()
    (path / "thumbs.db").mkdir()
    assert main(["run", str(path)]) == 2
    assert "thumbs.db: unable to open" in capsys.readouterr().err


def test_damage_seen_only_while_writing_begins_the_file_anew(path: Path) -> None:
    with Case.open(path, write=True) as case:
        case.thumbs.put_many([(f"{n:064d}", bytes(3000)) for n in range(300)])
    file = path / "thumbs.db"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    file.write_bytes(data)
    with Case.open(path) as case:
        assert case.thumbs.state == COMPLETE
        assert any(case.thumbs.get(f"{n:064d}") is None for n in range(300))
        assert case.thumbs.state == INCOMPLETE, "once it was met"
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
