"""Our PDQ has the bits of Meta's own program, in all eight turns.

``pdq_reference.json`` holds what ``pdqhash`` 0.2.8 (a binding of that program) makes of pictures this
file draws; with the package installed ``python tests/test_fingerprint_pdq.py`` writes it anew.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint.decode import decode
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


SIZES = [(512, 512), (64, 64), (5, 7), (72, 100), (127, 129), (640, 480), (333, 1021)]
SEEDS = range(4)
REFERENCE = Path(__file__).with_name("pdq_reference.json")


def write_reference() -> None:
    import pdqhash

    out = {}
    for width, height in SIZES:
        for seed in SEEDS:
            hashes, quality = pdqhash.compute_dihedral(picture(seed, width, height))
            turned = [np.packbits(h).tobytes().hex() for h in hashes]
            out[f"{width}x{height}/{seed}"] = [quality, *turned]
    REFERENCE.write_text(json.dumps(out, indent=0) + "\n")


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


@pytest.mark.parametrize("size", SIZES)
def test_bits_and_quality_are_the_reference_s(size: tuple[int, int]) -> None:
    reference = json.loads(REFERENCE.read_text())
    for seed in SEEDS:
        pixels = picture(seed, *size)
        quality, *turned = reference[f"{size[0]}x{size[1]}/{seed}"]
        assert dihedral(pixels) == ([bytes.fromhex(h) for h in turned], quality)
        assert pdq(pixels) == (bytes.fromhex(turned[0]), quality)


def test_grey_pixels_hash_like_their_rgb() -> None:
    grey = picture(1, 300, 200)[:, :, 0]
    assert distance(pdq(grey)[0], pdq(np.dstack([grey] * 3))[0]) <= 2


def test_too_small_a_picture_has_no_hash() -> None:
    assert pdq(picture(1, 4, 900)) == (bytes(32), 0)
    assert dihedral(picture(1, 900, 4)) == ([bytes(32)] * 8, 0)


def test_what_is_neither_grey_nor_rgb_is_refused() -> None:
    for depth in (2, 4):
        with pytest.raises(ValueError, match="channels"):
            pdq(np.zeros((30, 20, depth), np.uint8))


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
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash has no wheel: pip install pdqhash")
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


if __name__ == "__main__":
    write_reference()
