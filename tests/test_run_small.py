"""Small pictures whose file is gone or no database any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from amparo.cli.main import main
from amparo.model import Content, Fingerprint, Mark, Media
from amparo.replay.scene import render
from amparo.store import Case


def state(path: Path) -> tuple[dict[str, bytes | None], list[str]]:
    """The small picture of each content, and the ids of what was seen in them."""
    with Case.open(path) as case:
        small = {c.sha256: case.thumbs.get(c.sha256) for c in case.store.each(Content)}
        seen = [r.id for kind in (Media, Fingerprint, Mark) for r in case.store.each(kind)]
    return small, sorted(seen)


def idle(path: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether a run finds nothing to do."""
    capsys.readouterr()
    assert main(["run", str(path), "--json"]) == 0
    return bool(json.loads(capsys.readouterr().out)["idle"])


@pytest.mark.parametrize("damage", ["deleted", "words", "zeros"])
def test_lost_small_pictures_are_made_again_and_nothing_else_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    for number in range(2):
        Image.fromarray(render(f"small-{number}", 0, (320, 240))).save(root / f"{number}.png")
    (root / "words.txt").write_text("words")
    for words in (["new"], ["add", str(root), "--exhibit", "E"], ["run"]):
        main([words[0], str(path), *words[1:]])
    before = state(path)
    assert sum(small is not None for small in before[0].values()) == 2
    assert idle(path, capsys)
    kept = path / "thumbs.db"
    if damage == "deleted":
        kept.unlink()
    else:
        kept.write_bytes(b"words" if damage == "words" else kept.read_bytes()[:100] + bytes(9000))
    assert not idle(path, capsys)
    assert state(path) == before
    assert idle(path, capsys)
    assert main(["verify", str(path)]) == 0


def test_a_case_without_pictures_has_nothing_to_make_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    (root / "words.txt").write_text("words")
    for words in (["new"], ["add", str(root), "--exhibit", "E"], ["run"]):
        main([words[0], str(path), *words[1:]])
    assert idle(path, capsys)
    (path / "thumbs.db").unlink()
    assert idle(path, capsys)
