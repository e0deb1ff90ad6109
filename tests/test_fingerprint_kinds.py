"""Kinds of pictures by their measures: drawn ones that were not fitted come out right, nothing hostile raises."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint.kinds import LINES, NAMES, kind_of, measures
from amparo.fingerprint.kinds_weights import FORMS, MEANS, SCALES, WEIGHTS
from amparo.fingerprint.pdq import shrunk
from amparo.model.kinds import SURE
from amparo.replay.scene import render
from test_fingerprint_image import Looked, saved, scene

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import kinds as bench

SEED = 7
"""Neither of the two halves that the benchmark fits and measures."""


@pytest.mark.parametrize("number", range(len(bench.MAKERS)))
def test_drawn_pictures_come_out_as_what_they_are(number: int) -> None:
    right, sure_and_wrong = 0, 0
    for i in range(6):
        r = np.random.default_rng([SEED, number, i])
        photo = Image.fromarray(render(f"kinds-test-{i}", 0, (800, 600)))
        seen = np.asarray(shrunk(bench.sent(r, bench.MAKERS[number](r, photo))))
        kind = kind_of("c", seen, camera=False)
        right += kind.form == FORMS[number]
        sure_and_wrong += kind.form != FORMS[number] and kind.score >= SURE
        assert 0 < kind.score <= 1 and len(kind.reasons) >= 1
    assert right >= 5 and sure_and_wrong <= 1


def test_blank_pictures_say_so() -> None:
    for colour in ((0, 0, 0), (255, 255, 255), (90, 120, 30)):
        kind = kind_of("c", np.full((300, 400, 3), colour, np.uint8), camera=True)
        assert kind.form == "blank" and "varies by 0.0" in kind.reasons[0]


def test_a_camera_speaks_against_what_cameras_do_not_write() -> None:
    page = np.asarray(bench.drawing(np.random.default_rng(3), scene()))
    without, named = kind_of("c", page, camera=False), kind_of("c", page, camera=True)
    assert without.form == "drawing"
    assert named.reasons[0] == "the file names a camera" and named.score < without.score


def test_measures_of_any_shape_are_numbers() -> None:
    random = np.random.default_rng(1)
    for height, width in ((5, 5), (5, 512), (512, 5), (64, 65), (512, 512)):
        found = measures(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert found.shape == (len(NAMES),) == MEANS.shape == SCALES.shape
        assert np.isfinite(found).all()
    assert WEIGHTS.shape == (len(FORMS), len(NAMES) + 1)


def test_the_picture_stage_says_the_kind() -> None:
    kind = Looked(saved(scene(), "jpeg")).kind
    assert kind is not None and kind.form == "photograph"
    assert Looked(saved(Image.new("RGB", (4, 4)), "png")).kind is None


def test_counts_are_those_of_the_pixels() -> None:
    random = np.random.default_rng(5)
    for height, width in ((2, 2), (5, 5), (64, 65), (200, 131), (512, 512)):
        pixels = random.choice([0, 3, 4, 10, 40, 200, 249, 255], (height, width, 3))
        pixels = np.sort(pixels, axis=1).astype(np.uint8) if width % 2 else pixels.astype(np.uint8)
        rows, columns = max(1, height // LINES), max(1, width // LINES)
        values = pixels.astype(int)
        green, down = values[::rows, :, 1], np.abs(np.diff(values[:, ::columns, 1], axis=0))
        low, high = np.minimum(green[:, 1:], green[:, :-1]), np.maximum(green[:, 1:], green[:, :-1])
        step = high - low
        levels = np.bincount(green.ravel(), minlength=256) / green.size
        found = dict(zip(NAMES, measures(pixels), strict=True))
        assert found["equal neighbours across"] == pytest.approx((step == 0).mean())
        assert found["equal neighbours down"] == pytest.approx((down == 0).mean())
        assert found["strong edges across"] == pytest.approx((step >= 32).mean())
        assert found["strong edges down"] == pytest.approx((down >= 32).mean())
        assert found["weak steps"] == pytest.approx(((step >= 1) & (step < 7)).mean())
        assert found["bright share"] == pytest.approx(levels[225:].sum())
        few = values[::rows, ::columns]
        assert found["colour"] == pytest.approx(np.abs(few[:, :, 0] - few[:, :, 2]).mean())
        by_row = (step >= 32).mean(axis=1)
        assert found["unevenness of rows"] == pytest.approx(by_row.std() / (by_row.mean() + 0.01))
        assert found["flat rows"] == pytest.approx(((step == 0).mean(axis=1) > 0.7).mean())
        pure = (step >= 32) & ((low <= 5) | (high >= 250))
        share = pure.sum() / ((step >= 32).sum() + 10)
        assert found["edges to pure white or black"] == pytest.approx(share)


def test_what_is_not_rgb_is_refused() -> None:
    for depth in (1, 2, 4):
        with pytest.raises(ValueError, match="channels"):
            measures(np.zeros((20, 20, depth), np.uint8))
