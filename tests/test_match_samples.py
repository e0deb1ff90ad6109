"""What the public samples of PDQ and TMK are to give: each known neighbour found, nothing else taken for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from amparo.fingerprint.image import image
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb
from amparo.kit.source import Source
from amparo.kit.thumb import encode
from amparo.match.clips import film_in_films
from amparo.match.find import alike
from amparo.match.near import NearIndex, codes_of, flat
from amparo.match.sounds import sound_in_films
from amparo.model import Fingerprint, Record, Soundtrack
from films import looked, records, shown
from memory_view import MemoryView

DATA = Path(
    os.environ.get("AMPARO_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)
PDQ = DATA / "pdq" / "data"
CHAIRS = ("chair-19-sd-bar", "chair-22-sd-grey-bar", "chair-22-with-large-logo-bar")


def there(path: Path) -> Path:
    if not path.exists():
        pytest.skip("no public samples: set AMPARO_TEST_DATA")
    return path


def test_all_edits_and_turned_forms_of_the_bridge_are_found() -> None:
    """Twelve edits and eight turned forms, among other photographs, none of which is one of them."""
    bridge = sorted(there(PDQ / "bridge-mods").glob("*.jpg"))
    bridge += sorted((PDQ / "reg-test-input" / "dih").glob("*.jpg"))
    others = sorted((DATA / "photos").glob("*.JPEG"))[:40]
    rows: list[Record] = []
    small: dict[str, bytes] = {}
    asked: list[Fingerprint] = []
    for path in bridge + others:
        name = f"{path.parent.name}/{path.name}"
        for made in image(Source.of_bytes(path.read_bytes()), Found("", "", "", name)):
            if isinstance(made, Thumb):
                small[name] = encode(made)
            elif isinstance(made, Record):
                rows.append(made)
        if path.name == "aaa-orig.jpg":
            asked = [r for r in rows if isinstance(r, Fingerprint)]
    assert len(bridge) == 20 and len(others) == 40
    found = alike(MemoryView(rows), asked, small["bridge-mods/aaa-orig.jpg"], 1, small.get)
    assert {hit.content for hit in found if hit.verified} == {
        f"{p.parent.name}/{p.name}" for p in bridge
    }
    assert {hit.content for hit in found} <= set(small) - {
        f"{p.parent.name}/{p.name}" for p in others
    }


def test_needles_of_the_reference_in_its_haystack() -> None:
    folder = there(PDQ / "reg-test-input")
    stored, asked = (
        codes_of([bytes.fromhex(line.partition(",")[0].strip()) for line in (folder / name).open()])
        for name in ("haystack.txt", "needles.txt")
    )
    many = np.concatenate([stored] * 4)  # enough for the index to be made
    got = NearIndex.build(many).query(asked)
    want = flat(asked, many)
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))
    assert len(got[0]) > 0


def test_the_chair_is_found_in_its_other_versions_and_nowhere_else() -> None:
    folder = there(DATA / "video")
    rows: list[Record] = []
    for name in (*CHAIRS, "doorknob-hd-no-bar", "bottle-detection"):
        rows += records((folder / f"{name}.mp4").read_bytes(), name)
    asked = looked((folder / "chair-orig-22-sd-bar.mp4").read_bytes())
    films = {match.other: match for match in film_in_films(MemoryView(rows), shown(asked))}
    assert set(films) == set(CHAIRS)
    grey = films["chair-22-sd-grey-bar"]
    assert (grey.start, grey.other_start) == (0, 0) and grey.end > 22_000
    short = films["chair-19-sd-bar"]  # begins some seconds later in the film
    assert abs(short.start - short.other_start - 3600) <= 300
    (sound,) = [t for t in asked if isinstance(t, Soundtrack)]
    heard = sound_in_films(MemoryView(rows), sound.value, sound.sounding)
    assert {match.other for match in heard} == set(CHAIRS)
