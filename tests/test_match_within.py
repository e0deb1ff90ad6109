"""Pictures of which another is any part, found by laying it on them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from threading import Barrier
from time import monotonic, sleep

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from amparo.cli.desk import laid_on_all
from amparo.cli.main import main
from amparo.match import within
from amparo.match.find import laid
from amparo.match.register import Fit
from amparo.match.same import Judged, reasons_for
from amparo.match.wider import WHOLE, Candidate
from amparo.match.within import SURE, Thumbs, _doubted, centres, copies, cut_outs
from amparo.model import Content, File, Fingerprint, Record, StackMember
from amparo.replay.scene import render
from amparo.review.app import create_app
from amparo.review.desk import Desk
from amparo.store import Case
from memory_view import MemoryView

MANY = 60
BASE = "http://127.0.0.1:8123"


def picture(number: int) -> Image.Image:
    return Image.fromarray(render(f"within-{number}", 0, (800, 600)))


def thumb(picture: Image.Image) -> bytes:
    small = picture.convert("RGB")
    small.thumbnail((256, 256))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=70)
    return out.getvalue()


@pytest.fixture(scope="module")
def stored() -> dict[str, bytes]:
    return {str(n): thumb(picture(n)) for n in range(MANY)}


def of(kept: dict[str, bytes]) -> Thumbs:
    """The small pictures as a search asks for them."""
    return lambda ids: [kept.get(id) for id in ids]


def looked_for(
    asked: bytes, kept: dict[str, bytes], step: Callable[[int], None] = lambda done: None
) -> list[Judged]:
    found = cut_outs(asked, sorted(kept), of(kept), step)
    assert found is not None and not found.missing
    return found.judged


def any_part(whole: Image.Image, chance: Random) -> tuple[Image.Image, tuple[float, ...]]:
    width, height = chance.uniform(0.45, 0.8), chance.uniform(0.45, 0.8)
    left, top = chance.uniform(0, 1 - width), chance.uniform(0, 1 - height)
    place = left, top, left + width, top + height
    x, y = whole.size
    return whole.crop((round(left * x), round(top * y), round((left + width) * x), round((top + height) * y))), place  # fmt: skip


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picture_that_any_part_was_cut_out_of_is_found_with_its_place(
    stored: dict[str, bytes], mirrored: bool
) -> None:
    found, gone_over = 0, 0
    for number in range(0, MANY, 5):
        part, place = any_part(picture(number), Random(number))
        if mirrored:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

        def step(done: int) -> None:
            nonlocal gone_over
            gone_over += done

        hits = looked_for(thumb(part), stored, step)
        sure = [hit for hit in hits if hit.fit is not None and not hit.why_not]
        assert {hit.candidate.centre for hit in sure} <= {str(number)}
        for hit in sure:
            found += 1
            assert hit.candidate.centre_place == pytest.approx(place, abs=0.06)
            assert (hit.candidate.form > 0) == mirrored and hit.candidate.distance <= SURE
    assert found >= 11 and gone_over == MANY * 12


def test_parts_that_were_cut_out_of_the_picture_are_found_with_their_place(
    stored: dict[str, bytes],
) -> None:
    part, place = any_part(picture(7), Random(3))
    mirrored = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    parts = {**stored, "7": thumb(part), "turned": thumb(mirrored)}
    hits = looked_for(stored["7"], parts)
    sure = {hit.candidate.centre: hit.candidate for hit in hits if not hit.why_not}
    assert set(sure) == {"7", "turned"}
    assert [sure[n].form > 0 for n in ("7", "turned")] == [False, True]
    for candidate in sure.values():
        assert candidate.place == pytest.approx(place, abs=0.06)


def test_nothing_lies_on_what_is_plain_or_missing_and_odd_shapes_do_no_harm() -> None:
    plain = thumb(Image.new("RGB", (300, 200), "grey"))
    noise = np.random.default_rng(1).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    kept = {
        "plain": plain,
        "line": thumb(Image.new("RGB", (900, 3))),
        "dot": thumb(Image.new("RGB", (1, 1))),
        "noise": thumb(Image.fromarray(noise)),
        "torn": thumb(picture(2))[:200],
        "words": b"words",
    }
    ids = [*kept, "missing"]
    for asked in (plain, kept["line"], kept["dot"], kept["noise"], thumb(picture(1))):
        found = cut_outs(asked, ids, of(kept), lambda done: None)
        assert found is not None
        assert {hit.candidate.centre for hit in found.judged} <= {"noise"}
        assert found.missing == 3
    for torn in (kept["torn"], b"words"):
        assert cut_outs(torn, ids, of(kept), lambda done: None) is None
        assert laid(MemoryView([]), torn, of(kept), set(), lambda d, t: None) == ([], None)


def test_only_those_that_lie_best_are_laid_again(
    stored: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    part, _ = any_part(picture(5), Random(5))
    blocks = 0

    def thumbs(ids: Sequence[str]) -> list[bytes | None]:
        nonlocal blocks
        blocks += 1
        return [stored[id] for id in ids]

    def laid_again(found: bool) -> int:
        """How often small pictures were asked for; the one that all are gone over in is among it."""
        nonlocal blocks
        blocks = 0
        answer = cut_outs(thumb(part), sorted(stored), thumbs, lambda done: None)
        assert answer is not None
        assert [hit.candidate.centre for hit in answer.judged[:1]] == ["5"] * found
        return blocks

    usual = laid_again(found=True)
    monkeypatch.setattr(within, "FAINT", 0.9)
    assert laid_again(found=False) == 1
    monkeypatch.setattr(within, "FAINT", -1.0)
    every = laid_again(found=True)
    assert usual < every
    monkeypatch.setattr(within, "FOLLOWED", 3)
    few = laid_again(found=True)
    monkeypatch.setattr(within, "SHARE_FOLLOWED", 0.5)
    assert few < laid_again(found=True) < every


def test_copies_in_the_stack_of_what_was_found_are_named_too() -> None:
    records: list[Record] = []
    names = ["a", "b", "c"]
    contents = {
        n: Content(sha256=n * 64, sha1="", md5="", size=1, mime="image/jpeg") for n in names
    }
    records += contents.values()
    ids = {n: content.id for n, content in contents.items()}
    for n in names:
        records.append(Fingerprint(content=ids[n], algorithm="pdq", value=bytes(32), quality=100))
    records.append(StackMember(content=ids["a"], stack=ids["a"], distance=0, method="pdq"))
    records.append(StackMember(content=ids["b"], stack=ids["a"], distance=4, method="pdq"))
    small = {ids["a"]: thumb(picture(1)), ids["c"]: thumb(picture(2))}
    part, _ = any_part(picture(1), Random(1))
    view = MemoryView(records)
    hits, missing = laid(view, thumb(part), of(small), set(), lambda done, total: None)
    assert missing == 0
    assert [hit.content for hit in hits] == [ids["a"], ids["b"]]
    assert all(hit.verified and hit.method == "cut" for hit in hits)
    assert "a" * 12 in hits[1].reasons[0] and "across" in hits[0].reasons[0]
    assert laid(view, thumb(part), of(small), {ids["a"], ids["b"]}, lambda d, t: None)[0] == []


def test_a_picture_joined_to_a_stack_by_its_details_is_laid_on_by_itself() -> None:
    methods = {
        "a": "PDQ within 31",
        "b": "PDQ within 31",
        "c": "PDQ of a part, verified: laid over",
    }
    records: list[Record] = []
    ids = {}
    for name, method in methods.items():
        content = Content(sha256=name * 64, sha1="", md5="", size=1, mime="image/jpeg")
        ids[name] = content.id
        records += [
            content,
            Fingerprint(content=content.id, algorithm="pdq", value=bytes(32), quality=100),
            StackMember(content=content.id, stack=ids["a"], distance=1, method=method),
        ]
    plain = Content(sha256="d" * 64, sha1="", md5="", size=1, mime="image/jpeg")
    featureless = Fingerprint(content=plain.id, algorithm="pdq", value=bytes(32), quality=49)
    view = MemoryView([*records, plain, featureless])
    assert copies(view, ids["b"]) == {ids["a"], ids["b"]} and copies(view, ids["c"]) == {ids["c"]}
    assert copies(view, plain.id) == {plain.id}
    stored, others = centres(view)
    assert stored == sorted([ids["a"], ids["c"]]) and dict(others) == {ids["a"]: [ids["b"]]}


@pytest.mark.parametrize(
    ("distance", "agreeing", "sure"), [(110, 70, True), (111, 70, False), (110, 69, False)]
)
def test_more_must_agree_than_of_pictures_whose_hashes_are_near(
    distance: int, agreeing: int, sure: bool
) -> None:
    place = (0.25, 0.1, 0.75, 0.5)
    candidate = Candidate("cut", "", WHOLE, 5, "c", place, distance)
    one = _doubted(Judged(candidate, Fit(0.9, 100, agreeing, 1.0, 1.0), ""))
    assert one.fit is not None and one.fit.same and (one.why_not == "") == sure
    said = "; ".join(reasons_for(one))
    assert "from 25% to 75% across and from 10% to 50% down of it, mirrored" in said
    assert ("verified: one shows a part" in said) == sure == ("only in part" not in said)
    turned = reasons_for(
        one._replace(candidate=candidate._replace(place=place, centre_place=WHOLE))
    )
    assert "10% to 50% down of what is looked for" in turned[0]


def test_strips_lie_on_nothing_and_stand_in_nobodys_way(stored: dict[str, bytes]) -> None:
    strips = {
        f"strip {n} {at}": thumb(picture(n).crop((0, at, 800, at + 40)))
        for n in range(20)
        for at in range(0, 560, 40)
    }
    assert looked_for(strips["strip 3 80"], stored) == []
    both = {**stored, **strips}
    part, _ = any_part(picture(30), Random(2))
    hits = looked_for(thumb(part), both)
    assert [hit.candidate.centre for hit in hits if not hit.why_not] == ["30"]
    assert not any("strip" in hit.candidate.centre for hit in hits)


def test_find_names_what_a_picture_is_a_part_of_and_says_when_it_did_not_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, case, query = tmp_path / "phone", tmp_path / "c.amparo", tmp_path / "query.jpg"
    root.mkdir()
    for number in range(3):
        picture(number).save(root / f"{number}.jpg", quality=90)
    part, _ = any_part(picture(1), Random(4))
    part.save(query, quality=80)
    for words in (["new", str(case)], ["add", str(case), str(root), "--exhibit", "E"]):
        main(words)
    main(["run", str(case)])
    capsys.readouterr()
    assert main(["find", str(case), "--image", str(query), "--quick"]) == 0
    nothing, missing = capsys.readouterr().out.splitlines()
    assert nothing == "Nothing found." and "any part of another picture" in missing
    assert main(["find", str(case), "--image", str(query), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["parts_looked_for"], answer["not_laid_on"]) == (True, 0)
    (found,) = answer["found"]
    assert (found["method"], found["verified"]) == ("cut", True) and "1.jpg" in str(found["files"])
    assert main(["find", str(case), "--image", str(query)]) == 0
    said = capsys.readouterr().out
    assert "a part, verified" in said and "across" in said and "Not looked for" not in said


def test_the_desk_lays_a_picture_of_the_case_on_all_others_when_asked(tmp_path: Path) -> None:
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    for number in range(3):
        picture(number).save(root / f"{number}.jpg", quality=90)
    part, _ = any_part(picture(1), Random(4))
    part.save(root / "part.jpg", quality=80)
    (root / "words.txt").write_text("words")
    for words in (["new"], ["add", str(root), "--exhibit", "E"], ["run"]):
        main([words[0], str(path), *words[1:]])
    with Case.open(path, write=True) as case:
        ids = {file.path: file.content for file in case.store.each(File)}
        app = create_app(case, "x", lambda *_: None, "Analyst 1", parts=partial(laid_on_all, case))
        desk = TestClient(app, base_url=BASE)
        desk.get("/?token=x")
        assert "/parts" in desk.get(f"/content/{ids['part.jpg']}").text
        assert "/parts" not in desk.get(f"/content/{ids['words.txt']}").text
        for asked, there in (("part.jpg", "1.jpg"), ("1.jpg", "part.jpg")):
            answer = desk.get(
                f"/content/{ids[asked]}/parts", headers={"accept": "application/json"}
            )
            (row,) = answer.json()["rows"]
            assert (row["hit"]["content"], row["hit"]["verified"]) == (ids[there], True)
            page = desk.get(f"/content/{ids[asked]}/parts", headers={"accept": "text/html"}).text
            assert "verified" in page and there in page and "across" in page
        assert "No other picture" in desk.get(f"/content/{ids['2.jpg']}/parts").text
        bare = TestClient(create_app(case, "x", lambda *_: None, "Analyst 1"), base_url=BASE)
        bare.get("/?token=x")
        assert "no small picture of it" in bare.get(f"/content/{ids['2.jpg']}/parts").text
        case.thumbs.put_many([(case.store.get(Content, ids["0.jpg"]).sha256, b"torn")])
        desk.app.state.desk.index().kept.clear()
        assert "On 1 picture without" in desk.get(f"/content/{ids['2.jpg']}/parts").text
        for wrong in (ids["words.txt"], "x"):
            assert desk.get(f"/content/{wrong}/parts").status_code == 404
        logged = [a for _, a, _ in case.store.history(ids["part.jpg"])]
        assert [a.performer for a in logged if a.kind == "review/parts"] == ["Analyst 1"] * 2


def test_what_two_ask_for_at_once_is_worked_out_once(tmp_path: Path) -> None:
    main(["new", str(tmp_path / "c.amparo")])
    asking, made = Barrier(2), list[float]()

    def make() -> float:
        made.append(monotonic())
        sleep(0.2)
        return made[0]

    with Case.open(tmp_path / "c.amparo", write=True) as case, ThreadPoolExecutor(2) as pool:
        desk: Desk = create_app(case, "x", lambda *_: None, "Analyst 1").state.desk

        def ask() -> float:
            asking.wait(10)
            return desk.kept("parts", "a", make)

        answers = [pool.submit(ask) for _ in range(2)]
        assert [answer.result() for answer in answers] == made * 2
        assert desk.kept("parts", "b", lambda: 1.0) == 1.0
