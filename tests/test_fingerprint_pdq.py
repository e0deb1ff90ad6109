"""Our PDQ has the bits of Meta's own program, in all eight turns."""

import os
from pathlib import Path

import numpy as np
import pdqhash
import pytest
from PIL import Image

from amparo.fingerprint.image import decode
from amparo.fingerprint.pdq import FORMS, dihedral, pdq, shrunk
from amparo.fingerprint.pixels import rgb

DATA = Path(os.environ.get("AMPARO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def picture(seed: int, width: int, height: int) -> np.ndarray:
    """Random shapes of all sizes, the smaller the weaker, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for side in (4, 8, 16, 32, 64):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / side
    low, high = total.min(), total.max()
    return ((total - low) * 255 / (high - low)).astype(np.uint8)


def theirs(pixels: np.ndarray) -> tuple[list[bytes], int]:
    hashes, quality = pdqhash.compute_dihedral(pixels)
    return [np.packbits(h).tobytes() for h in hashes], quality


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


@pytest.mark.parametrize(
    "size", [(512, 512), (64, 64), (5, 7), (72, 100), (127, 129), (640, 480), (333, 1021)]
)
def test_bits_and_quality_are_the_reference_s(size: tuple[int, int]) -> None:
    for seed in range(12):
        pixels = picture(seed, *size)
        assert dihedral(pixels) == theirs(pixels)
        assert pdq(pixels) == (dihedral(pixels)[0][0], theirs(pixels)[1])


def test_grey_pixels_hash_like_their_rgb() -> None:
    grey = picture(1, 300, 200)[:, :, 0]
    assert distance(pdq(grey)[0], pdq(np.dstack([grey] * 3))[0]) <= 2


def test_too_small_a_picture_has_no_hash() -> None:
    assert pdq(picture(1, 4, 900)) == (bytes(32), 0)
    assert dihedral(picture(1, 900, 4)) == ([bytes(32)] * 8, 0)


def test_the_eight_forms_are_the_turns_they_are_called() -> None:
    pixels = picture(3, 512, 512)
    turned = {
        "original": pixels,
        "rot90": np.rot90(pixels),
        "rot180": np.rot90(pixels, 2),
        "rot270": np.rot90(pixels, 3),
        "flipx": pixels[::-1],
        "flipy": pixels[:, ::-1],
        "flipplus1": pixels.transpose(1, 0, 2),
        "flipminus1": pixels[::-1, ::-1].transpose(1, 0, 2),
    }
    hashes, _ = dihedral(pixels)
    for name, other in turned.items():
        near = [distance(pdq(np.ascontiguousarray(other))[0], h) for h in hashes]
        assert near.index(min(near)) == FORMS.index(name) and min(near) <= 31


@pytest.mark.parametrize(
    "size", [(513, 512), (1600, 1200), (40_000, 20), (37, 33_000), (2999, 1001)]
)
def test_shrinking_keeps_exactly_the_reference_s_pixels(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows, columns = np.arange(512) * height // 512, np.arange(512) * width // 512
    wanted = pixels[rows[:, None], columns]
    assert np.array_equal(np.asarray(shrunk(Image.fromarray(pixels))), wanted)


def test_small_pictures_are_not_shrunk() -> None:
    pixels = picture(1, 512, 300)
    assert np.array_equal(np.asarray(shrunk(Image.fromarray(pixels))), pixels)


def test_decoding_at_a_fraction_conforms_on_real_photographs() -> None:
    """Meta calls a program right that is within 10 bits of its own at quality 80 and above."""
    paths = sorted(DATA.glob("places/*.JPG"))[:3] + sorted(DATA.glob("cameras/natural/*"))[:3]
    paths += sorted(DATA.glob("photos/*"))[:10] + sorted(DATA.glob("pdq/data/bridge-mods/*.jpg"))
    if not paths:
        pytest.skip("no real photographs: set AMPARO_TEST_DATA")
    checked = 0
    for path in paths:
        whole = np.asarray(Image.open(path).convert("RGB"))
        height, width = whole.shape[:2]
        if max(width, height) > 512:
            rows, columns = np.arange(512) * height // 512, np.arange(512) * width // 512
            whole = np.ascontiguousarray(whole[rows[:, None], columns])
        bits, quality = pdqhash.compute(whole)
        if quality >= 80:
            image = decode(path.read_bytes(), "image/jpeg").image
            ours, _ = pdq(np.asarray(rgb(shrunk(image))))
            assert distance(ours, np.packbits(bits).tobytes()) <= 10, path
            checked += 1
    assert checked >= 10
