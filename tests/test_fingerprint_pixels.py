"""Pixels in Pillow's own memory, and the loops that go over them: the same as by Pillow and by numpy."""

import gc
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint import pixels
from amparo.fingerprint.compiled import loops
from amparo.fingerprint.memory import memory
from amparo.fingerprint.pdq import shrunk
from amparo.fingerprint.pixels import picked, thumbnail


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def test_pillow_s_memory_is_its_pixels_and_outlives_the_picture() -> None:
    picture = noise(301, 97)
    wanted, held = np.asarray(picture), memory(picture)
    assert held is not None and held.shape == (97, 301, 4)
    with pytest.raises(ValueError, match="read-only"):
        held[0, 0, 0] = 1
    del picture
    gc.collect()
    noise(301, 97, seed=2)
    assert np.array_equal(held[:, :, :3], wanted)


def test_what_does_not_lie_in_one_piece_or_is_not_rgb_is_not_lent() -> None:
    assert memory(noise(2300, 2000)) is None
    for mode in ("L", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F", "1"):
        assert memory(Image.new(mode, (40, 30))) is None


@pytest.mark.parametrize(
    "size", [(800, 600), (513, 2), (2, 513), (1999, 1001), (700, 5000), (65500, 1), (1, 65500)]
)
def test_sampling_gives_the_pixels_the_reference_hashes(size: tuple[int, int]) -> None:
    picture = noise(*size)
    assert np.array_equal(picked(picture), np.asarray(shrunk(picture)))


@pytest.mark.parametrize("step", [2, 3, 5, 8, 15, 16])
@pytest.mark.parametrize("size", [(801, 597), (1600, 16), (17, 1999), (640, 480)])
def test_a_picture_made_smaller_is_the_mean_to_its_last_pixel(
    size: tuple[int, int], step: int
) -> None:
    width, height = size
    picture = np.asarray(noise(width, height)).astype(np.float64)
    held = memory(Image.fromarray(picture.astype(np.uint8)))
    made = loops.averaged(held, step)
    assert made.shape == (-(-height // step), -(-width // step), 3)
    for y in {0, made.shape[0] // 2, made.shape[0] - 1}:
        for x in {0, made.shape[1] // 2, made.shape[1] - 1}:
            block = picture[y * step : (y + 1) * step, x * step : (x + 1) * step]
            assert np.abs(made[y, x] - block.mean(axis=(0, 1))).max() <= 0.51


def test_white_stays_white_at_the_largest_step() -> None:
    held = memory(Image.new("RGB", (999, 777), "white"))
    assert (loops.averaged(held, pixels.MOST_AT_ONCE) == 255).all()


def test_thumbnails_are_the_same_whether_pillow_lends_its_memory_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = [noise(1000, 750), noise(640, 480), noise(3000, 1000), noise(4000, 260)]
    lent = [thumbnail(p, 256).astype(int) for p in pictures]
    monkeypatch.setattr(pixels, "memory", lambda image: None)
    for picture, seen in zip(pictures, lent, strict=True):
        assert np.abs(thumbnail(picture, 256).astype(int) - seen).max() <= 1


def test_flat_lines_are_those_near_their_median() -> None:
    random = np.random.default_rng(3)
    lines = random.integers(0, 256, (200, 130), dtype=np.uint8)
    for number in range(0, 200, 2):
        lines[number, : random.integers(60, 131)] = random.integers(0, 256)
    for seen in (lines, np.asfortranarray(lines), lines[::2, ::-1], lines.T):
        for step in (1, 3):
            some = seen[:, ::step].astype(int)
            median = np.sort(some, axis=1)[:, some.shape[1] // 2, None]
            near = (np.abs(some - median) <= 6).sum(axis=1)
            for least in (some.shape[1] // 2, some.shape[1]):
                assert np.array_equal(loops.flat(seen, step, 6, least), near >= least)


def test_looking_for_plugins_loads_no_compiled_loops() -> None:
    script = (
        "import sys; from amparo.kit.plugin import discover; assert discover()\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
