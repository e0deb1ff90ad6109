"""What an earlier case judged is known in the next one, also where a messenger made other bytes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from amparo.cli import main
from amparo.match.earlier import judged_list
from amparo.model import Content, File, Fingerprint, KnownMatch, KnownSet, Mark, StackMember, Unseen
from amparo.replay.scene import render
from amparo.run.writer import person_action
from amparo.store import Case

VIC = ("Project VIC", "2.0")


def jpeg(name: str, quality: int = 85, turned: bool = False) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(render(name, 0, (640, 480)))
    (picture.transpose(Image.Transpose.ROTATE_90) if turned else picture).save(
        out, "JPEG", quality=quality
    )
    return out.getvalue()


def case_of(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    root, path = folder / name, folder / f"{name}.amparo"
    root.mkdir()
    for file, data in files.items():
        (root / file).write_bytes(data)
    main(["new", str(path), "--scheme", "project-vic-us"])
    main(["add", str(path), str(root), "--exhibit", "E"])
    main(["run", str(path)])
    return path


def judge(path: Path, codes: dict[str, str], scheme: tuple[str, str] = VIC, time: int = 1) -> None:
    with Case.open(path, write=True) as case:
        held = {f.path: f.content for f in case.store.each(File)}
        marks = [
            Mark(
                subject=held[name],
                form="category",
                scheme=scheme[0],
                version=scheme[1],
                code=code,
                performer="a",
                time=time,
            )
            for name, code in codes.items()
        ]
        case.store.finish(person_action("review/grade", ()), marks, done=(), maker="")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    files = {"grave.jpg": jpeg("grave"), "copy.jpg": jpeg("grave", 60), "clear.jpg": jpeg("clear")}
    files |= {"check.jpg": jpeg("check"), "open.jpg": jpeg("open"), "changed.jpg": jpeg("changed")}
    path = case_of(folder, "first", files)
    judge(path, {"grave.jpg": "1", "clear.jpg": "0", "check.jpg": "4", "changed.jpg": "1"})
    judge(path, {"changed.jpg": "0"}, time=2)
    return path


def test_a_judgement_is_of_the_whole_stack_and_the_latest_counts(earlier: Path) -> None:
    with Case.open(earlier) as case:
        sha256 = {f.path: (case.store.get(Content, f.content)) for f in case.store.each(File)}
        alert, _ = judged_list(case.store, "alert")
        ignore, _ = judged_list(case.store, "ignore")

    def names(text: str) -> set[str]:
        listed = {line.split(";")[0] for line in text.splitlines()[1:]}
        return {name for name, content in sha256.items() if content and content.sha256 in listed}

    assert alert.startswith("SHA256;SHA1;MD5;PDQ;Category (Project VIC US 2.0)\n")
    assert names(alert) == {"grave.jpg", "copy.jpg"}
    assert names(ignore) == {"clear.jpg", "changed.jpg"}
    assert {line.rpartition(";")[2] for line in ignore.splitlines()[1:]} == {"0"}


def test_known_there_is_known_here(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "same.jpg": jpeg("grave"),
        "passed-on.jpg": jpeg("grave", 40),
        "turned.jpg": jpeg("grave", 50, turned=True),
        "clear.jpg": jpeg("clear"),
        "clear-again.jpg": jpeg("clear", 40),
        "check.jpg": jpeg("check"),
        "new.jpg": jpeg("never seen"),
    }
    path = case_of(tmp_path, "second", files)
    for use in ("alert", "ignore"):
        assert main(["known", str(path), "add", str(earlier), "--use", use, "--name", use]) == 0
    main(["run", str(path)])
    with Case.open(path) as case:
        held = {f.content: f.path for f in case.store.each(File)}
        found = {(held[m.content], m.algorithm, m.use, m.code) for m in case.store.each(KnownMatch)}
        exact = {(n, a, u, c) for n, a, u, c in found if a == "sha256"}
        assert exact == {
            ("same.jpg", "sha256", "alert", "1"),
            ("clear.jpg", "sha256", "ignore", "0"),
        }
        alike = {(n, u, c) for n, a, u, c in found if a == "pdq"}
        assert alike == {
            ("passed-on.jpg", "alert", "1"),
            ("turned.jpg", "alert", "1"),
            ("clear-again.jpg", "listed", "0"),  # looks like it, so a person still looks
        }
        assert all(m.distance <= 31 for m in case.store.each(KnownMatch, algorithm="pdq"))
        left = {held[u.content] for u in case.store.each(Unseen)}
        stacks = {held[m.content]: held[m.stack] for m in case.store.each(StackMember)}
        assert "new.jpg" in left and "check.jpg" in left
        assert not {stacks[n] for n in ("same.jpg", "passed-on.jpg", "turned.jpg")} & left
        origins = {s.origin for s in case.store.each(KnownSet)}
        assert origins == {"case first"}
    capsys.readouterr()
    assert main(["known", str(path), "add", str(earlier), "--use", "alert", "--name", "alert"]) == 0
    main(["run", str(path)])
    assert "Nothing to do" in capsys.readouterr().out


def test_later_judgements_are_a_further_edition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = case_of(tmp_path, "first", {"a.jpg": jpeg("a"), "b.jpg": jpeg("b")})
    second = case_of(tmp_path, "second", {"a.jpg": jpeg("a"), "b.jpg": jpeg("b", 40)})
    assert main(["known", str(second), "add", str(first), "--use", "alert"]) == 2
    assert "nothing in" in capsys.readouterr().err
    assert main(["known", str(second), "add", str(second), "--use", "alert"]) == 2
    judge(first, {"a.jpg": "1"})
    main(["known", str(second), "add", str(first), "--use", "alert"])
    judge(first, {"b.jpg": "2"}, time=2)
    judge(first, {"a.jpg": "1"}, ("Triage", "1"), time=0)
    main(["known", str(second), "update", str(first), "--name", "first"])
    main(["run", str(second)])
    with Case.open(second) as case:
        assert {m.algorithm for m in case.store.each(KnownMatch)} >= {"sha256", "pdq"}
        assert len(list(case.store.each(KnownSet))) == 1
    capsys.readouterr()
    judge(first, {"a.jpg": "1"}, ("Triage", "1"), time=9)
    assert (
        main(["known", str(second), "add", str(first), "--use", "alert", "--name", "x", "--json"])
        == 1
    )
    (said,) = json.loads(capsys.readouterr().out)["problems"]
    assert said.startswith("1 judgements under")


def test_featureless_pictures_are_like_nothing(tmp_path: Path) -> None:
    grey = io.BytesIO()
    Image.new("RGB", (640, 480), "grey").save(grey, "JPEG")
    path = case_of(tmp_path, "c", {"grey.jpg": grey.getvalue(), "a.jpg": jpeg("a")})
    with Case.open(path) as case:
        prints = {f.content: f for f in case.store.each(Fingerprint, algorithm="pdq")}
    table = tmp_path / "list.csv"
    table.write_text("PDQ\n" + "".join(f"{f.value.hex()}\n" for f in prints.values()))
    assert main(["known", str(path), "add", str(table), "--use", "alert"]) == 0
    main(["run", str(path)])
    with Case.open(path) as case:
        (match,) = case.store.each(KnownMatch)
        assert (match.algorithm, match.distance) == ("pdq", 0)
        assert prints[match.content].quality >= 50
