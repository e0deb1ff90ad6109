"""Parts of a picture: what was cut out of it lies near one of their hashes."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint.crops import crop_hashes, crops, places
from amparo.fingerprint.pdq import dihedral
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.match.wider import Part, by_part, crop_parts
from test_match_same import scene


def grey(picture: Image.Image) -> Any:
    return np.asarray(picture.resize((512, 512)).convert("L"))


def test_twenty_parts_each_once_and_none_the_whole() -> None:
    assert len(set(places())) == 20
    assert all(0 <= a < c <= 1 and 0 <= b < d <= 1 for a, b, c, d in places())
    assert (0, 0, 1, 1) not in places()


@pytest.mark.parametrize("cut", [(0.1, 0, 1, 1), (0, 0, 1, 0.85), (0.05, 0.05, 0.95, 0.95)])
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
