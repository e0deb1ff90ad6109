"""Parts of a picture: what was cut out of it lies near one of their hashes."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amparo.cli import main
from amparo.fingerprint.crops import crop_hashes, crops, places
from amparo.fingerprint.pdq import dihedral
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.match.wider import Part, by_part, crop_parts
from amparo.replay.scene import render
from test_match_same import scene


def grey(picture: Image.Image) -> Any:
    return np.asarray(picture.resize((512, 512)).convert("L"))


def test_each_part_once_and_none_the_whole() -> None:
    assert len(places()) == len(set(places())) == 48
    assert all(0 <= a < c <= 1 and 0 <= b < d <= 1 for a, b, c, d in places())
    assert (0, 0, 1, 1) not in places()


@pytest.mark.parametrize(
    "cut", [(0.1, 0, 1, 1), (0, 0, 1, 0.85), (0.05, 0.05, 0.95, 0.95), (0.08, 0, 1, 0.92)]
)
def test_a_part_that_was_cut_out_is_found(cut: tuple[float, ...]) -> None:
    whole = scene(11, 700, 500)
    box = (round(cut[0] * 700), round(cut[1] * 500), round(cut[2] * 700), round(cut[3] * 500))
    code = dihedral(np.asarray(whole.crop(box).resize((512, 512))))[0][0]
    parts = crop_parts("whole", crop_hashes(grey(whole)))
    (found,) = by_part("crop", parts, [Part("pdq", "cut", (0, 0, 1, 1), (code,))])
    assert (found.content, found.centre, found.form) == ("whole", "cut", 0)
    assert np.allclose(found.place, cut, atol=0.03)
    other = [Part("pdq", "other", (0, 0, 1, 1), (dihedral(grey(scene(12)))[0][0],))]
    assert by_part("crop", parts, other) == []


@pytest.mark.parametrize("upright", [False, True])
def test_both_pictures_of_a_collage_are_found(upright: bool) -> None:
    """Two of one shape beside each other, and a lying one beside an upright one."""
    sizes = [(640, 480), (360, 480) if upright else (640, 480)]
    pictures = [scene(seed, *size) for seed, size in enumerate(sizes, 31)]
    sheet = Image.new("RGB", (sizes[0][0] + sizes[1][0], 480))
    sheet.paste(pictures[0], (0, 0))
    sheet.paste(pictures[1], (sizes[0][0], 0))
    parts = crop_parts("collage", crop_hashes(grey(sheet)))
    stored = [
        Part("pdq", name, (0, 0, 1, 1), (dihedral(grey(picture))[0][0],))
        for name, picture in zip(("left", "right", "other"), [*pictures, scene(39)], strict=True)
    ]
    found = {one.centre: one.place for one in by_part("crop", parts, stored)}
    assert set(found) == {"left", "right"}
    assert found["left"][2] == pytest.approx(found["right"][0], abs=1e-4)


def test_the_plugin_gives_one_record_and_nothing_for_what_says_nothing() -> None:
    def prints(data: bytes) -> list[Any]:
        return list(crops(Source.of_bytes(data), Found("", "", "", "c")))

    out = io.BytesIO()
    scene(3).save(out, "PNG")
    (record,) = prints(out.getvalue())
    assert (record.algorithm, len(record.value) % 40) == ("pdq_crop", 0)
    assert struct.unpack(">4H", record.value[32:40]) == (1638, 1638, 63897, 63897)
    flat = io.BytesIO()
    Image.new("RGB", (90, 90), "grey").save(flat, "PNG")
    assert prints(flat.getvalue()) == prints(out.getvalue()[:50]) == prints(b"") == []


def test_a_case_that_keeps_hashes_of_parts_finds_them_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, case, query = tmp_path / "phone", tmp_path / "c.amparo", tmp_path / "query.jpg"
    root.mkdir()
    for number in range(3):
        whole = Image.fromarray(render(f"crops-{number}", 0, (800, 600)))
        whole.save(root / f"{number}.jpg", quality=90)
        if number == 1:
            whole.crop((80, 60, 720, 540)).save(query, quality=80)
    main(["new", str(case)])
    settings = case / "case.toml"
    settings.write_text(settings.read_text().replace("crops = false", "crops = true"))
    main(["add", str(case), str(root), "--exhibit", "E"])
    main(["run", str(case)])
    capsys.readouterr()
    assert main(["find", str(case), "--image", str(query), "--quick", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["found"]
    assert (found["method"], found["verified"]) == ("crop", True) and "1.jpg" in str(found)
