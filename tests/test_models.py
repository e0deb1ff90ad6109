"""Models an agency registers: run in cells, stated with their errors, never an identity, never a mark."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from amparo.cli import main
from amparo.fingerprint import video_places
from amparo.fingerprint.learnt import LOOKING, apply
from amparo.fingerprint.video_open import open_media
from amparo.kit.card import read_card
from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.kit.source import Source
from amparo.match.described import alike_by, described, near_pairs, weight
from amparo.model import (
    File,
    Fingerprint,
    Link,
    Mark,
    ModelCard,
    ModelScore,
    ModelVector,
    Problem,
    Record,
    StackMember,
)
from amparo.review import create_app
from amparo.run import learnt, models
from amparo.run.exhibits import kinds_of
from amparo.run.writer import named
from amparo.store import Case
from films import film, with_rotation
from onnx_written import (
    brightness,
    classifier_card,
    descriptor_card,
    elsewhere,
    endless,
    foreign,
    grid,
    huge,
    nought_by_nought,
)
from test_match_known import Rows, content
from test_match_same import Shown, scene

Said = pytest.CaptureFixture[str]
BRIGHT, DARK = ("bright", 0.7), ("dark", 0.7)
LIGHT = classifier_card(BRIGHT, DARK)


def said(capsys: Said, *args: str | Path, status: int = 0) -> Any:
    """What a verb answers as JSON."""
    assert main([*map(str, args), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def refused(capsys: Said, *args: str | Path) -> str:
    """The one line a verb refuses with."""
    capsys.readouterr()
    assert main([str(a) for a in args]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def files(tmp_path: Path, data: bytes, card: str, name: str = "model") -> list[str | Path]:
    """Arguments of ``model add``."""
    (tmp_path / f"{name}.onnx").write_bytes(data)
    (tmp_path / f"{name}.toml").write_text(card)
    return [tmp_path / f"{name}.onnx", "--card", tmp_path / f"{name}.toml"]


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes, the first also cut; a bright and a dark square, a picture that breaks off, and no picture."""
    folder = tmp_path_factory.mktemp("evidence") / "phone"
    folder.mkdir()
    first = scene(1)
    first.save(folder / "first.png")
    first.crop((40, 30, 480, 360)).save(folder / "cut.png")
    scene(2).save(folder / "second.png")
    for name, level in (("day", 240), ("night", 12)):
        square = Image.new("RGB", (300, 200), (level, level, level))
        square.paste(scene(9, 40, 40), (10, 10))
        square.save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes((folder / "first.png").read_bytes()[:20])
    (folder / "note.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, phone: Path) -> Path:
    """A case with that phone, everything done."""
    path = tmp_path_factory.mktemp("done") / "case.amparo"
    assert main(["new", str(path)]) == 0
    assert main(["add", str(path), str(phone)]) == 0
    assert main(["run", str(path), "--json"]) in (0, 1)
    return path


@pytest.fixture
def case(tmp_path: Path, done: Path, capsys: Said) -> Path:
    """A copy of that case."""
    capsys.readouterr()
    return Path(shutil.copytree(done, tmp_path / "case.amparo"))


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark film of 60 seconds, bright from 41 to 46, one that breaks off at once, and a bright picture."""
    folder = tmp_path_factory.mktemp("evidence") / "reel"
    folder.mkdir()
    (folder / "reel.mp4").write_bytes(lit(60, 41, 46))
    (folder / "broken.mp4").write_bytes(lit(60, 41, 46)[:3000])
    Image.new("RGB", (300, 200), (240, 240, 240)).save(folder / "day.png")
    return folder


def lit(seconds: int, since: int, until: int, **more: Any) -> bytes:
    """A dark film with a bright part, five frames a second."""
    dark, bright = np.full((144, 192, 3), 20, np.uint8), np.full((144, 192, 3), 235, np.uint8)
    frames = (bright if since * 5 <= n < until * 5 else dark for n in range(seconds * 5))
    return film(frames, rate=5, **more)


def names_of(case: Case) -> dict[str, str]:
    """The name of each content's file."""
    return {f.content: Path(f.path).name for f in case.store.each(File)}


def test_a_classifier_from_card_to_score_and_out_again(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    added = said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    sha256 = added["model"]["sha256"]
    assert (case / "models" / f"{sha256}.onnx").read_bytes() == brightness()
    assert [m["name"] for m in said(capsys, "model", case, "list")["models"]] == ["light"]
    ran = said(capsys, "run", case)
    (plugin,) = ran["plugins"]
    assert plugin == f"fingerprint/model-light-{added['model']['id'][:8]}"
    assert ran["plugins"][plugin] == 6  # every picture, the broken one too; no other plugin's work
    with Case.open(case) as opened:
        names, scores = names_of(opened), list(opened.store.each(ModelScore))
        found = {(names[s.content], s.label): s.score for s in scores}
        assert found["day.png", "bright"] == pytest.approx(1 - found["day.png", "dark"], abs=1e-5)
        assert found["day.png", "bright"] > 0.85 and found["night.png", "bright"] < 0.15
        assert len(found) == 10 and not any(name == "broken.png" for name, _ in found)
        assert {s.model for s in scores} == {added["model"]["id"]}
        assert not list(opened.store.each(Mark))
        kinds = [action.kind for _, action, _ in opened.store.actions()]
        assert kinds.count("model/add") == 1 and plugin in kinds
    assert said(capsys, "run", case)["idle"]
    gone = said(capsys, "model", case, "remove", "light")
    assert (gone["removed"], gone["records"]) == (["light"], 10)
    with Case.open(case) as opened:
        assert not list(opened.store.each(ModelScore)) + list(opened.store.each(ModelCard))
        assert "model/remove" in [action.kind for _, action, _ in opened.store.actions()]
        assert opened.store.verify() == []
    assert not list((case / "models").iterdir())
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    assert said(capsys, "run", case)["plugins"] == {plugin: 6}


def test_another_file_or_card_plans_exactly_its_own_work(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    said(capsys, "model", case, "add", *files(tmp_path, grid(), descriptor_card(), "grid"))
    said(capsys, "run", case)
    with Case.open(case) as opened:
        kept = {v.id: v.value for v in opened.store.each(ModelVector)}
        stacks = opened.store.revision([StackMember, Fingerprint])
    again = files(tmp_path, brightness(24), LIGHT.replace("side = 16", "side = 24"))
    added = said(capsys, "model", case, "add", *again)
    assert len(added["replaced"]) == 1
    with Case.open(case) as opened:
        assert not list(opened.store.each(ModelScore))  # none whose card is gone
        assert len(list(opened.store.each(ModelCard))) == 2
    assert len(list((case / "models").iterdir())) == 2
    ran = said(capsys, "run", case)
    assert list(ran["plugins"].values()) == [6] and "light" in next(iter(ran["plugins"]))
    assert ran["derived"] == ["match/described"]
    with Case.open(case) as opened:
        assert {v.id: v.value for v in opened.store.each(ModelVector)} == kept
        assert opened.store.revision([StackMember, Fingerprint]) == stacks
        assert {s.model for s in opened.store.each(ModelScore)} == {added["model"]["id"]}
    assert "already" in refused(capsys, "model", case, "add", *again)


def test_a_descriptor_suggests_and_only_the_details_call_it_the_same(
    case: Path, tmp_path: Path, capsys: Said, phone: Path
) -> None:
    card = descriptor_card(0.9)
    said(capsys, "model", case, "add", *files(tmp_path, grid(), card))
    with Case.open(case) as opened:
        before = {m.content: m for m in opened.store.each(StackMember)}
    said(capsys, "run", case)
    with Case.open(case) as opened:
        names = names_of(opened)
        assert {m.content: m for m in opened.store.each(StackMember)} == before
        links = [k for k in opened.store.each(Link) if k.method == "model grid"]
        pairs = {frozenset((names[k.source], names[k.target])): k for k in links}
        same = pairs[frozenset(("first.png", "cut.png"))]
        assert "verified: the same picture" in same.reasons and same.log10_lr > 3
        assert any("missed 20.00% of same ones (1,000 drawn pairs)" in r for r in same.reasons)
        assert {"day.png", "night.png"} & set().union(*pairs) == set()  # without structure
        vectors = list(opened.store.each(ModelVector))
        assert (
            {len(v.value) for v in vectors} == {96}
            and next(opened.store.each(ModelCard)).numbers == 48
            and len(vectors) == 5
        )
    found = said(capsys, "find", case, "--image", phone / "second.png")["found"]
    assert found[0]["method"] == "exact"
    asked = tmp_path / "asked.png"
    scene(1).crop((120, 90, 480, 360)).save(asked)  # too much cut off for any hash
    said(capsys, "model", case, "remove", "grid")
    said(capsys, "run", case)
    with Case.open(case) as opened:
        held = list(opened.store.each(Link))
        assert all(k.withdrawn for k in held if k.method == "model grid")
    assert not said(capsys, "find", case, "--image", asked, "--quick")["found"]
    said(capsys, "model", case, "add", *files(tmp_path, grid(), card))
    said(capsys, "run", case)
    found = said(capsys, "find", case, "--image", asked, "--quick")["found"]
    assert "cut.png" in [Path(f["files"][0]["path"]).name for f in found]
    assert all(f["method"] == "model" and f["reasons"] for f in found)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (brightness()[:70], "INVALID|parsing|Failed to load|invalid"),
        (b"not a model at all", "parsing"),
        (b"", "has 0 bytes"),
        (endless(), "took longer than 2 s"),
        (huge(1 << 40), "needs more memory than a cell has"),
        (huge(100_000), "gives 100000 numbers"),
        (huge(3), "gives 3 numbers for 2 labels"),
        (nought_by_nought(), "numbers that are none"),
        (elsewhere("/etc/passwd"), "external|data"),
        (elsewhere("weights.bin"), "external|data"),
        (foreign(), "somebody.else"),
        (brightness(24), "dimensions"),
    ],
)
def test_a_hostile_model_is_refused_in_one_line(
    data: bytes, why: str, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learnt, "SECONDS", 2.0)
    empty = tmp_path / "empty.amparo"
    assert main(["new", str(empty)]) == 0
    line = refused(capsys, "model", empty, "add", *files(tmp_path, data, LIGHT))
    assert re.search(why, line) and len(line) < 500, line
    with Case.open(empty) as opened:
        assert not list(opened.store.each(ModelCard))
    assert not list(empty.glob("models/*"))


def test_a_model_whose_file_changed_is_one_problem(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    (file,) = (case / "models").iterdir()
    file.write_bytes(brightness()[:-1])
    assert said(capsys, "run", case, status=1)["plugins"] == {}

    def problems() -> list[str]:
        with Case.open(case) as opened:
            found = opened.store.each(Problem)
            return [p.reason for p in found if p.plugin.startswith("fingerprint/model-")]

    assert problems() == ["the model's file is not the one that was registered"]
    file.unlink()
    said(capsys, "run", case, status=1)
    assert problems() == ["cannot be opened: No such file or directory"]
    file.write_bytes(brightness())
    assert list(said(capsys, "run", case)["plugins"].values()) == [6]
    assert problems() == []


def test_a_model_that_fails_on_picture_after_picture_is_set_aside(
    case: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    monkeypatch.setattr(models, "GIVES_UP", 2)
    monkeypatch.setattr(learnt, "SECONDS", 1e-9)  # no picture is done in that time
    monkeypatch.setattr(models, "try_out", lambda *_: ("", 2))
    said(capsys, "run", case, status=1)
    with Case.open(case) as opened:
        reasons = [p.reason for p in opened.store.each(Problem) if "model-" in p.plugin]
        assert sum(reason.startswith("failed 2 times in a row") for reason in reasons) == 1
        assert not list(opened.store.each(ModelScore))


def test_without_onnxruntime_one_line_says_so(
    case: Path, phone: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = files(tmp_path, grid(), descriptor_card())
    said(capsys, "model", case, "add", *added)
    monkeypatch.setattr(learnt, "RUNTIME", "onnxruntime_that_is_not_here")
    assert "pip install 'amparo[models]'" in refused(capsys, "model", case, "add", *added)
    said(capsys, "run", case, status=1)
    with Case.open(case) as opened:
        assert learnt.MISSING in {p.reason for p in opened.store.each(Problem)}
    asked = phone / "first.png"
    assert main(["find", str(case), "--image", str(asked)]) == 0
    assert learnt.MISSING in capsys.readouterr().err


@pytest.mark.parametrize(
    ("card", "why"),
    [
        (LIGHT.replace("false_negative = 0.1\n", "", 1), "label 1 does not state false_negative"),
        (LIGHT.replace('measured_on = "40 drawn squares"\n', ""), "does not state measured_on"),
        (classifier_card(), "0 labels.*without stated error rates"),
        (descriptor_card().replace("miss = 0.2\n", ""), "does not state miss"),
        (descriptor_card().split("[descriptor]")[0], "without stated error rates"),
        (LIGHT + "colour = 3\n", "unknown colour"),
        ("colour = 3\n" + LIGHT, "the card: unknown colour"),
        ("labels = []\n" + LIGHT, "unknown labels"),
        (LIGHT.replace("side = 16", 'side = "16"'), "side is a whole number"),
        (LIGHT.replace("side = 16", "side = 160000"), "8 to 1024"),
        (LIGHT.replace("threshold = 0.7", "threshold = 1.7"), "between 0 and 1"),
        (LIGHT.replace("threshold = 0.7", "threshold = nan"), "between 0 and 1"),
        (LIGHT.replace("std = [1, 1, 1]", "std = [1, 0, 1]"), "std is above 0"),
        (LIGHT.replace("std = [1, 1, 1]", "std = [1, 1]"), "three numbers"),
        (LIGHT.replace('"light"', '"../light"'), "name is 1 to 40"),
        (LIGHT.replace('"dark"', '"bright"'), "two labels have one name"),
        (LIGHT.replace("a test of", "a\\u202etest of"), "control characters"),
        (LIGHT.replace('"classifier"', '"oracle"'), "kind is descriptor or classifier"),
        (descriptor_card().replace('"cosine"', '"euclid"'), "distance is cosine"),
        ("name = ", "is no TOML"),
    ],
)
def test_a_card_that_does_not_say_enough_is_refused(card: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        read_card(card)
    assert "\n" not in str(error.value)


def test_the_cards_in_the_documentation_are_cards() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "models.md").read_text()
    descriptor, label = re.findall(r"```toml\n(.*?)```", docs, re.S)
    assert read_card(descriptor).name == "rooms"
    head = descriptor.split("[descriptor]")[0].replace('"descriptor"  ', '"classifier"')
    classifier = read_card(head.replace("# output", "output") + label)
    assert (classifier.output, classifier.labels[0].name) == ("softmax", "vehicle")


def given(data: bytes, card: str, picture: bytes, sha256: str = "") -> list[Any]:
    """What a model gives for a picture or film, without a cell."""
    source = Source.of_bytes(picture)
    text = json.dumps({"sha256": hashlib.sha256(data).hexdigest(), "card": card})
    source.companions = {"0": Source.of_bytes(data), "1": Source.of_bytes(text.encode())}
    return list(apply(source, Found("", "", "", "c", sha256)))


def png(picture: Image.Image, **more: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **more)
    return out.getvalue()


def test_the_model_sees_the_picture_upright_and_as_its_card_says() -> None:
    picture = Image.new("RGB", (64, 64), (255, 0, 0))
    picture.paste((0, 0, 255), (0, 32, 64, 64))
    (plain,) = given(grid(), descriptor_card(), png(picture))
    cells = np.frombuffer(plain.value, "<f2").reshape(3, 4, 4) * np.sqrt(48)
    assert np.allclose(cells[0, :2], 1, atol=0.02) and np.allclose(cells[2, :2], -1, atol=0.02)
    assert np.allclose(cells[0, 2:], -1, atol=0.02) and np.allclose(cells[1], -1, atol=0.02)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    (upright,) = given(grid(), descriptor_card(), png(turned, exif=exif))
    assert np.allclose(
        np.frombuffer(upright.value, "<f2"), np.frombuffer(plain.value, "<f2"), atol=0.01
    )
    nhwc = LIGHT.replace('"NCHW"', '"NHWC"').replace("side = 16", "side = 3")
    assert read_card(nhwc.replace("side = 3", "side = 8")).input.layout == "NHWC"
    with pytest.raises(ValueError, match="no probabilities"):
        given(brightness(), LIGHT.replace("std = [1, 1, 1]", "std = [0.1, 0.1, 0.1]"), png(picture))
    soft = 'output = "softmax"\n' + LIGHT
    bright, dark = given(brightness(), soft, png(picture))
    assert bright.score + dark.score == pytest.approx(1, abs=1e-5) and 0.3 < bright.score < 0.5
    assert given(brightness(), LIGHT, b"GIF89a, or not") == []


def test_what_a_taken_over_cell_may_say_is_filed_under_its_own_model() -> None:
    card = ModelCard(
        name="a", version="1", form="classifier", sha256="ab", size=1, numbers=2, card=LIGHT
    )
    spec = learnt.spec_of(card)
    assert kinds_of(spec) == {"model_score"}
    planted: list[Record] = [
        ModelScore(content="c", model="another", label="bright", score=0.5),
        Fingerprint(content="c", algorithm="pdq", value=bytes(32), quality=100),
    ]
    (score,) = named(spec.model, iter(planted))
    assert isinstance(score, ModelScore) and score.model == card.id


@pytest.mark.parametrize(
    ("codec", "form", "options"),
    [("mpeg4", "mp4", {}), ("libx264", "mp4", {}), ("libvpx", "webm", {"live": "1"})],
)
def test_a_classifier_gives_the_highest_score_over_a_film_and_where_it_is(
    codec: str, form: str, options: dict[str, str]
) -> None:
    bright, dark = given(
        brightness(), LIGHT, lit(60, 41, 46, codec=codec, form=form, options=options)
    )
    assert bright.score > 0.85 and 41_000 <= bright.moment < 46_000
    assert dark.score > 0.85 and dark.moment < 41_000  # the whole film is not bright
    (day, _) = given(brightness(), LIGHT, png(Image.new("RGB", (192, 144), (235, 235, 235))))
    assert day.moment is None and bright.score == pytest.approx(day.score, abs=0.03)
    short, _ = given(brightness(), LIGHT, lit(3, 2, 3))
    assert short.score > 0.85 and 2000 <= short.moment < 3000


def test_a_film_is_seen_upright_and_as_it_was_taken_in() -> None:
    flag = np.full((144, 192, 3), (235, 20, 20), np.uint8)
    flag[72:] = (20, 20, 235)
    frames = [flag] * 10
    card = classifier_card(*((f"c{n}", 0.5) for n in range(48)), side=32)
    plain = {s.label: s.score for s in given(grid(), card, film(frames))}
    lying = with_rotation(film([np.rot90(f) for f in frames]), 90)
    turned = {s.label: s.score for s in given(grid(), card, lying)}
    assert plain["c0"] > 0.8 > 0.2 > plain["c15"]
    assert turned == pytest.approx(plain, abs=0.05)
    with pytest.raises(ValueError, match="changed since intake"):
        given(grid(), card, film(frames), sha256="ab" * 32)


def test_a_film_that_takes_too_long_is_looked_at_more_coarsely_and_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(video_places, "monotonic", lambda: now[0])
    opened = open_media(Source.of_bytes(lit(60, 41, 46)), "")
    moments = []
    for moment, _ in video_places.evenly(opened, 32, 32.0):
        moments.append(moment)
        now[0] += 4.0  # four times its share
    assert 8 <= len(moments) <= 9
    steps = np.diff([*moments, 60_000])
    assert steps.min() > 5000 and steps.max() < 10_000


def test_films_are_given_to_classifiers_once_and_only_to_them(
    tmp_path: Path, reel: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tmp_path / "case.amparo"
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(reel)]) == 0
    capsys.readouterr()
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), LIGHT))
    said(capsys, "model", case, "add", *files(tmp_path, grid(), descriptor_card(), "grid"))
    with monkeypatch.context() as earlier:  # an Amparo that gave pictures only
        earlier.setitem(learnt.TAKES, "classifier", ("image/*",))
        done = said(capsys, "run", case, "--stage", "fingerprint", status=1)["plugins"]
        assert [n for name, n in done.items() if "/model-" in name] == [1, 1]
    done = said(capsys, "run", case)["plugins"]
    assert [(name[:23], n) for name, n in done.items()] == [("fingerprint/model-light", 2)]
    assert said(capsys, "run", case)["idle"]
    with Case.open(case, write=True) as opened:
        names = names_of(opened)
        scores = {(names[s.content], s.label): s for s in opened.store.each(ModelScore)}
        assert {name for name, _ in scores} == {"reel.mp4", "day.png"}
        assert {names[v.content] for v in opened.store.each(ModelVector)} == {"day.png"}
        bright = scores["reel.mp4", "bright"]
        assert bright.score > 0.85 and 41_000 <= (bright.moment or 0) < 46_000
        assert not [p for p in opened.store.each(Problem) if "/model-" in p.plugin]
        app = create_app(opened, "secret", lambda *_: None, "Analyst 1")
        desk = TestClient(app, base_url="http://127.0.0.1:8123")
        assert desk.get("/?token=secret").status_code == 200
        page = desk.get(f"/content/{bright.content}").text
        assert re.search(r"<b>0\.9\d</b> at 0:4[1-5]\.\d", page)
        assert "of one picture, and this is the highest of a film" in page
        told = desk.get(f"/content/{bright.content}?format=json").json()["models"]
        assert [m["moment"] for m in told if m["label"] == "bright"] == [bright.moment]
        key = f"{bright.model[:8]}:bright"
        tiles = desk.get(f"/gallery?format=json&model={quote(key)}").json()["tiles"]
        assert {names[tile["id"]] for tile in tiles} == {"reel.mp4", "day.png"}
        dark = quote(f"score {bright.model[:8]}:dark")
        tiles = desk.get(f"/gallery?format=json&order={dark}").json()["tiles"]
        assert names[tiles[0]["id"]] == "reel.mp4"


def test_a_film_has_a_longer_time_limit_than_a_picture() -> None:
    card = ModelCard(
        name="a", version="1", form="classifier", sha256="ab", size=1, numbers=2, card=LIGHT
    )
    spec = learnt.spec_of(card)
    assert learnt.timed(spec, "image/png").seconds == spec.seconds == learnt.SECONDS
    assert learnt.timed(spec, "video/mp4").seconds == learnt.FILM_SECONDS > LOOKING + spec.seconds
    assert learnt.timed(Spec("fingerprint", "a", 1, "", ""), "video/mp4").seconds == 60.0


def unit(*rows: Any) -> Any:
    whole = np.array(rows, np.float64)
    return (whole / np.linalg.norm(whole, axis=1, keepdims=True)).astype(np.float16)


def test_pairs_are_those_of_each_compared_with_each() -> None:
    chance = np.random.default_rng(5)
    vectors = unit(*chance.normal(size=(1500, 12)))
    distance = 1 - vectors.astype(np.float32) @ vectors.astype(np.float32).T
    first, second = np.nonzero(np.triu(distance <= 0.15, 1))
    found = near_pairs(vectors, 0.15)
    assert len(found) == len(first) > 50
    assert {(n.first, n.second) for n in found} == set(
        zip(first.tolist(), second.tolist(), strict=True)
    )
    assert [n.distance for n in found] == sorted(n.distance for n in found)
    assert near_pairs(vectors, 0.15, most=7) == found[:7]
    assert near_pairs(vectors[:0], 0.5) == near_pairs(vectors[:1], 0.5) == []


def in_view(shown: Shown, vectors: dict[str, list[float]], card: str) -> tuple[ModelCard, Rows]:
    record = ModelCard(
        name="grid", version="1", form="descriptor", sha256="ab", size=1, numbers=3, card=card
    )
    members = list(shown.found()[0].values())
    rows: list[Record] = [record, *shown.records, *members]
    for name, row in vectors.items():
        value = unit(row)[0].tobytes()
        rows.append(ModelVector(content=content(name).id, model=record.id, value=value))
    return record, Rows(*rows)


def test_pages_other_models_and_broken_vectors_take_no_part() -> None:
    shown = Shown(one=scene(1), two=scene(2), three=scene(3))
    shown.add("page", scene(4), "document")
    vectors = {name: [1.0, 2.0, 3.0] for name in ("one", "two", "page")}
    record, view = in_view(shown, vectors, descriptor_card())
    false = ModelVector(content=content("three").id, model=record.id, value=b"\xff" * 6)
    short = ModelVector(content=content("four").id, model=record.id, value=unit([1, 2]).tobytes())
    other = ModelVector(content=content("three").id, model="other", value=unit([1, 2, 3]).tobytes())
    view = Rows(*view.records, false, short, other)
    (link,) = described(view, shown.small.get)
    assert {link.source, link.target} == {content("one").id, content("two").id}
    assert link.log10_lr == 1.0 and "check: details do not agree" in " ".join(link.reasons)
    asked = unit([1, 2, 3]).tobytes()
    found = alike_by(view, record, asked, shown.small[content("one").id], shown.small.get)
    assert (found[0].content, found[0].verified) == (content("one").id, True)
    assert {f.content for f in found} == {content(n).id for n in ("one", "two", "page")}
    assert alike_by(view, record, b"\xff" * 6, None, shown.small.get) == []


def test_a_match_weighs_what_its_card_states() -> None:
    card = read_card(descriptor_card())
    assert weight(card, False) == 1.0 < weight(card, True)
    poor = read_card(descriptor_card().replace("false_match = 0.001", "false_match = 0.8"))
    assert weight(poor, False) == pytest.approx(0.0, abs=0.01)


def test_the_desk_shows_scores_with_their_errors_and_the_gallery_finds_by_them(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    labels = classifier_card(("bright & <b>", 0.7), DARK)
    said(capsys, "model", case, "add", *files(tmp_path, brightness(), labels))
    said(capsys, "model", case, "add", *files(tmp_path, grid(), descriptor_card(), "grid"))
    said(capsys, "run", case)
    with Case.open(case, write=True) as opened:
        names = names_of(opened)
        (light,) = opened.store.each(ModelCard, name="light")
        app = create_app(opened, "secret", lambda *_: None, "Analyst 1")
        desk = TestClient(app, base_url="http://127.0.0.1:8123")
        assert desk.get("/?token=secret").status_code == 200

        def shown(query: str) -> list[str]:
            answer = desk.get(f"/gallery?format=json{query}").json()
            return [names[tile["id"]] for tile in answer["tiles"]]

        dark = quote(f"{light.id[:8]}:dark")
        assert shown(f"&model={dark}") == ["night.png"]
        assert shown(f"&order={quote('score ')}{dark}")[0] == "night.png"
        assert shown(f"&order={quote('score ')}{dark}")[4] == "day.png"
        assert len(shown("&model=nothing&order=nothing")) == len(shown("")) == 6
        day = next(id for id, name in names.items() if name == "day.png")
        page = desk.get(f"/content/{day}").text
        assert "bright &amp; &lt;b&gt;" in page and "<b>0.93</b>" in page
        assert "missed 10.00% of what is (40 drawn squares)" in page
        assert "missed 20.00% of same ones (1,000 drawn pairs)" in page
        assert light.sha256 in page and "never an identity" in page
        told = desk.get(f"/content/{day}?format=json").json()["models"]
        assert [(m["label"], m["reached"]) for m in told] == [
            ("", False),
            ("bright & <b>", True),
            ("dark", False),
        ]
        assert "bright &amp; &lt;b&gt;" in desk.get("/gallery").text
        assert desk.get(f"/record/model_card/{light.id}").status_code == 200
        assert desk.get(f"/record/model_score/{told[1]['id']}").status_code == 200
        assert not list(opened.store.each(Mark))
