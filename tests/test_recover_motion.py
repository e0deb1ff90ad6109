"""Motion photos: the film behind a photograph is a file of its own, whatever its stated place says."""

import random
from pathlib import Path

import pytest

import planted
from amparo.cli import main
from amparo.kit.embedded import Held, embedded
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.model import Content, File
from amparo.recover.inside.buried import previews
from amparo.run.plan import Plan
from amparo.store import Case


def behind(data: bytes) -> bytes | None:
    found = embedded(Spans(Source.of_bytes(data).stream(), [(0, len(data))]))
    assert embedded(Held(data)) == found, "however it is looked through"
    place = found[1]
    return None if place is None else data[place[0] : sum(place)]


def xmp(picture: bytes, text: bytes) -> bytes:
    body = b"http://ns.adobe.com/xap/1.0/\0" + text
    return picture[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body + picture[2:]


@pytest.fixture(scope="module")
def film() -> bytes:
    return planted.film(3)


def test_google_samsung_and_heic(film: bytes) -> None:
    photo = planted.picture("JPEG", 1)
    google = xmp(photo, b'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99"') + film
    assert behind(google) == film
    samsung = (
        photo + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + film + b"SEFH" + bytes(24) + b"SEFT"
    )
    assert behind(samsung) == film
    heic = planted.box(b"ftyp", b"heic\0\0\0\0mif1") + planted.box(b"mdat", bytes(90))
    assert behind(heic + planted.box(b"mpvd", film)) == film
    assert behind(heic) is None and behind(photo) is None
    assert behind(photo + film) is None  # nobody says that it is one: the carver's business, if any


def test_what_says_so_may_stand_behind_a_small_picture(film: bytes) -> None:
    small = planted.with_preview(6, planted.picture("JPEG", 2))
    ends = 4 + int.from_bytes(small[4:6])  # of the segment that holds it, with pixels of its own
    text = b"http://ns.adobe.com/xap/1.0/\0MotionPhoto"
    said = b"\xff\xe1" + (len(text) + 2).to_bytes(2) + text
    assert behind(small[:ends] + said + small[ends:] + film) == film


def test_an_index_may_stand_first_and_the_end_be_missing() -> None:
    early = planted.film(4, index_first=True)
    assert behind(xmp(planted.picture("JPEG", 1), b"MotionPhoto") + early) == early
    late = planted.film(5)
    assert behind(xmp(planted.picture("JPEG", 1), b"MotionPhoto") + late[: len(late) // 2]) is None


def test_records_lead_back_to_the_film(film: bytes) -> None:
    data = xmp(planted.picture("JPEG", 1), b"MotionPhoto") + film
    found = Found("exhibit", "0f" * 18, "DCIM/PXL.MP.jpg", "content")
    told = list(previews(Source.of_bytes(data), found))
    (file,) = [r for r in told if isinstance(r, File)]
    (content,) = [r for r in told if isinstance(r, Content)]
    assert file.path == f"DCIM/PXL.MP.jpg#motion/{len(data) - len(film)}.mp4"
    assert (file.state, file.method, content.mime) == ("embedded", "motion photo", "video/mp4")
    assert content.size == len(film)


def test_hostile_motion_photos_end(film: bytes) -> None:
    data = xmp(planted.picture("JPEG", 1), b"MotionPhoto") + film
    chance = random.Random(1)
    for _ in range(200):
        bad = bytearray(data)
        for _ in range(6):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        behind(bytes(bad[: chance.randrange(len(bad))]))
    assert behind(b"\xff\xd8MotionPhoto" + b"\0\0\0\x08ftyp" * 2000) is None


def test_only_what_holds_another_file_is_opened_for_it(tmp_path: Path, film: bytes) -> None:
    small = planted.picture("JPEG", 2)
    whole = planted.with_preview(6, small)
    broken = whole[: whole.rindex(b"\xff\xda")]  # nothing of it decodes, the small picture is there
    files = {
        "plain.jpg": planted.picture("JPEG", 1),
        "small.jpg": whole,
        "broken.jpg": broken,
        "motion.jpg": xmp(planted.picture("JPEG", 3), b"MotionPhoto") + film,
    }
    root, path = tmp_path / "phone", tmp_path / "c.amparo"
    root.mkdir()
    for name, data in files.items():
        (root / name).write_bytes(data)
    main(["new", str(path)])
    main(["add", str(path), str(root), "--exhibit", "E"])
    main(["run", str(path)])
    with Case.open(path) as case:
        held = {f.path: f for f in case.store.each(File)}
        opened = {n for n in files if case.store.is_done("recover/preview", held[n].id)}
        assert opened == {"small.jpg", "broken.jpg", "motion.jpg"}
        inside = {p.partition("/")[0] for p in held if "#" in p}
        assert inside == {"small.jpg#preview", "broken.jpg#preview", "motion.jpg#motion"}
        assert Plan(case).finished()


def test_what_is_brought_up_is_looked_at_before_it_is_opened_again(tmp_path: Path) -> None:
    """A picture found inside another file waits for the stage that says whether it holds one itself."""
    inner, outer = planted.picture("JPEG", 2), planted.picture("JPEG", 1)
    filler = random.Random(1).randbytes(5000)
    kept = filler + outer + filler + planted.with_preview(6, inner) + filler
    root = tmp_path / "phone"
    root.mkdir()
    (root / "kept.bin").write_bytes(kept)
    opened = {}
    for name, only in (("all", ()), ("alone", ("recover/files", "recover/preview"))):
        path = tmp_path / f"{name}.amparo"
        main(["new", str(path)])
        main(["add", str(path), str(root), "--exhibit", "E"])
        for plugin in only:
            main(["run", str(path), "--only", plugin])
        if not only:
            main(["run", str(path)])
        with Case.open(path) as case:
            held = {f.path: f for f in case.store.each(File)}
            first = {p for p in held if p.count("#") == 1}
            assert len(first) == 2 and len([p for p in held if p.count("#") == 2]) == 1
            opened[name] = {p for p in first if case.store.is_done("recover/preview", held[p].id)}
            assert Plan(case).finished() is not bool(only)
    assert len(opened["all"]) == 1 and len(opened["alone"]) == 2
