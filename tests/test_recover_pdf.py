"""PDFs: pages counted and drawn, pictures in them as files, the same bytes each time, hostile ones bounded."""

import hashlib
import io
import json
import os
import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from amparo.cli.main import main
from amparo.evidence.nested import member
from amparo.fingerprint.pdf import pdf as look
from amparo.fingerprint.view import view
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.model import (
    Content,
    ContentKind,
    File,
    Fingerprint,
    Media,
    Problem,
    content_id,
    make_id,
)
from amparo.recover import pdf_pictures
from amparo.recover.inside.documents import pdf
from amparo.store import Case
from test_fingerprint_image import distance, saved, scene

EXHIBIT = make_id("exhibit", "", "X")


def objects(*bodies: bytes) -> bytes:
    """A PDF of numbered objects, the first of which is its catalogue."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % at for at in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    end = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(bodies) + 1, len(out))
    return out + head + table + end


def stream(head: bytes, data: bytes) -> bytes:
    return b"<<" + head + b"/Length %d>>\nstream\n" % len(data) + data + b"\nendstream"


def two_pages(jpeg: bytes, pixels: bytes) -> bytes:
    """An empty page, then one with a JPEG twice and a picture of bare pixels (80 x 60)."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 300]/Resources<<%s>>%s>>"
    names = b"/XObject<</A 6 0 R/B 7 0 R>>"
    draw = b"q 400 0 0 300 0 0 cm /A Do Q q 90 0 0 60 9 9 cm /A Do Q q 80 0 0 60 9 200 cm /B Do Q"
    image = b"/Type/XObject/Subtype/Image/ColorSpace/DeviceRGB/BitsPerComponent 8"
    return objects(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        page % (b"", b""),
        page % (names, b"/Contents 5 0 R"),
        stream(b"", draw),
        stream(image + b"/Filter/DCTDecode/Width 400/Height 300", jpeg),
        stream(image + b"/Width 80/Height 60", pixels),
    )


@pytest.fixture(scope="module")
def made() -> tuple[bytes, bytes, Image.Image]:
    jpeg = saved(scene(400, 300), "jpeg", quality=92)
    bare = scene(80, 60, seed=4)
    return two_pages(jpeg, bare.tobytes()), jpeg, bare


def found_in(
    data: bytes, path: str = "a.pdf"
) -> tuple[Found, dict[str, File], list[str], set[str]]:
    sha256 = hashlib.sha256(data).hexdigest()
    found = Found(
        EXHIBIT, make_id("file", EXHIBIT, path, 0, "live"), path, content_id(sha256), sha256
    )
    told = list(pdf(Source.of_bytes(data), found))
    files = {f.path: f for f in told if isinstance(f, File)}
    known = {c.id for c in told if isinstance(c, Content)}
    assert {f.content for f in files.values()} <= known
    return found, files, [w.reason for w in told if isinstance(w, Warn)], known


def test_pages_are_counted_and_the_first_that_is_not_empty_is_seen(
    made: tuple[bytes, bytes, Image.Image],
) -> None:
    out = list(look(Source.of_bytes(made[0]), Found("", "", "", "c")))
    (media,) = [r for r in out if isinstance(r, Media)]
    assert (media.format, media.width, media.height, media.frames) == ("PDF", 400, 300, 2)
    (kind,) = [r for r in out if isinstance(r, ContentKind)]
    assert kind.form == "document" and "page 2" in kind.reasons[0]
    (thumb,) = [r for r in out if isinstance(r, Thumb)]
    assert (thumb.width, thumb.height) == (256, 192)
    prints = {r.algorithm: r for r in out if isinstance(r, Fingerprint)}
    assert set(prints) == {"pdq", "pdq8"} and prints["pdq"].quality >= 50
    with pytest.raises(ValueError, match="changed since intake"):
        list(look(Source.of_bytes(made[0]), Found("", "", "", "c", "0" * 64)))


def test_pictures_are_files_where_they_lie_or_written_out(
    made: tuple[bytes, bytes, Image.Image], tmp_path: Path
) -> None:
    data, jpeg, bare = made
    _, files, warnings, _ = found_in(data)
    assert not warnings and len(files) == 2
    whole, written = (files[p] for p in sorted(files, key=lambda p: p.endswith("bmp")))
    ((at, length),) = json.loads(whole.locator)["carved"]
    assert data[at : at + length] == jpeg and whole.state == "embedded"
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    place = {"reader": "amparo.evidence.readers:whole", "locator": "{}"}
    place["member"] = json.loads(written.locator)["member"]
    got = member([fd], json.dumps(place)).read()
    os.close(fd)
    assert content_id(hashlib.sha256(got).hexdigest()) == written.content
    assert Image.open(io.BytesIO(got)).tobytes() == bare.tobytes()


def test_encrypted_broken_and_endless_ones_say_so(made: tuple[bytes, bytes, Image.Image]) -> None:
    data = made[0]
    locked = data.replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R/Encrypt<</Filter/Standard/V 1/R 2/P -4/O(%s)/U(%s)>>/ID[(a)(a)]"
        % (b"o" * 32, b"u" * 32),
    )
    assert "encrypted" in found_in(locked)[2][0]
    assert "not opened" in found_in(b"%PDF-1.7\nnothing")[2][0]
    warned = list(look(Source.of_bytes(b"%PDF-1.7\nnothing"), Found("", "", "", "c")))
    assert isinstance(warned[0], Warn) and "not drawn" in warned[0].reason
    huge = data.replace(b"/Width 80/Height 60", b"/Width 90000/Height 90000")
    assert any("more than are decoded" in w for w in found_in(huge)[2])
    wide = data.replace(b"MediaBox[0 0 400 300]", b"MediaBox[0 0 9e9 300]")
    for thing in look(Source.of_bytes(wide), Found("", "", "", "c")):
        assert not isinstance(thing, Media) or thing.width < 1_000_000
    chance = random.Random(3)
    for _ in range(60):
        bad = bytearray(data)
        for _ in range(4):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        found_in(bytes(bad))
        list(
            look(Source.of_bytes(bytes(bad[: chance.randrange(len(bad))])), Found("", "", "", "c"))
        )


def test_pictures_are_bounded(
    made: tuple[bytes, bytes, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_pictures, "MOST_PICTURES", 1)
    assert any("the others are left out" in w for w in found_in(made[0])[2])
    assert "found inside 3" in found_in(made[0], "a#b/c#d/e#f/g#h/a.pdf")[2][0]


def test_a_scan_in_a_pdf_is_found_by_its_picture(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    root.mkdir()
    jpeg = saved(scene(400, 300, seed=9), "jpeg")
    note = Image.new("RGB", (80, 60), "white")
    ImageDraw.Draw(note).line((5, 5, 70, 50), "black", 3)
    (root / "letter.pdf").write_bytes(two_pages(jpeg, note.tobytes()))
    (root / "photo.jpg").write_bytes(jpeg)
    case = str(tmp_path / "c.amparo")
    main(["new", case])
    main(["add", case, str(root), "--exhibit", "X1"])
    main(["run", case])
    with Case.open(Path(case)) as opened:
        store = opened.store
        files = {f.path: f.content for f in store.each(File)}
        assert files["letter.pdf#picture/page0002-1.jpg"] == files["photo.jpg"]
        prints = {p.content: p.value for p in store.each(Fingerprint) if p.algorithm == "pdq"}
        assert files["letter.pdf"] in prints
        assert files["letter.pdf#picture/page0002-3.bmp"] in prints
        assert distance(prints[files["photo.jpg"]], prints[files["letter.pdf"]]) < 128
        assert not list(store.each(Problem))
        assert {m.format for m in store.each(Media)} == {"PDF", "JPEG", "BMP"}


def test_a_page_is_shown_larger(made: tuple[bytes, bytes, Image.Image]) -> None:
    (seen,) = view(Source.of_bytes(made[0]), Found("", "", "", "c"))
    assert (seen.width, seen.height) == (1024, 768) and len(seen.rgb) == 1024 * 768 * 3
    with pytest.raises(ValueError, match="not drawn"):
        list(view(Source.of_bytes(b"%PDF-1.7\nnothing"), Found("", "", "", "c")))
