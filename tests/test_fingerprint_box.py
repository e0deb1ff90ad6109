"""The box: what a frame, a letterbox or a screenshot shows is found and hashed like the picture itself."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint import box
from amparo.fingerprint.box import box_hash, content_box
from amparo.fingerprint.pdq import dihedral


def busy(width: int, height: int, seed: int = 1) -> Any:
    """Soft coloured noise, full of structure at every scale that counts."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def framed(inner: Any, left: int, top: int, right: int, bottom: int, level: int) -> Any:
    h, w = inner.shape[:2]
    out = np.full((h + top + bottom, w + left + right, 3), level, np.uint8)
    out[top : top + h, left : left + w] = inner
    return out


def apart(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


@pytest.mark.parametrize("level", [0, 255, 128])
@pytest.mark.parametrize("edges", [(30, 60, 30, 90), (0, 120, 0, 120), (50, 0, 0, 0)])
def test_a_frame_is_taken_off_to_the_pixel(edges: tuple[int, ...], level: int) -> None:
    inner = busy(300, 240)
    left, top, right, bottom = edges
    box = content_box(framed(inner, left, top, right, bottom, level))
    assert box is not None
    assert max(abs(a - b) for a, b in zip(box, (left, top, left + 300, top + 240), strict=True)) < 4


def test_the_box_has_the_hash_of_the_picture_and_says_where_it_lies() -> None:
    inner = busy(400, 300)
    boxed = box_hash(framed(inner, 56, 100, 56, 112, 20))
    assert boxed is not None
    value, quality = boxed
    want, _ = dihedral(inner)
    assert quality >= 50 and len(value) == 8 * 32 + 8
    assert all(apart(value[i * 32 : i * 32 + 32], want[i]) <= 31 for i in range(8))
    place = [n / 65535 for n in struct.unpack(">4H", value[256:])]
    assert np.allclose(place, [56 / 512, 100 / 512, 456 / 512, 400 / 512], atol=0.01)


def test_bars_of_a_screen_with_words_in_them_are_frame() -> None:
    inner = busy(360, 270)
    screen = framed(inner, 0, 200, 0, 170, 250)
    screen[20:30, 20:80] = 30
    screen[60:75, 100:170:3] = 60
    screen[540:556, 20:90:2] = 10
    box = content_box(screen)
    assert box is not None and abs(box.top - 200) < 4 and abs(box.bottom - 470) < 4


def test_a_whole_picture_a_flat_one_and_a_speck_have_no_box() -> None:
    assert content_box(busy(300, 200)) is None
    assert content_box(np.full((200, 300, 3), 90, np.uint8)) is None
    assert content_box(framed(busy(20, 20), 200, 200, 200, 200, 0)) is None
    assert content_box(np.zeros((1, 1, 3), np.uint8)) is None
    plain = np.full((100, 100, 3), 99, np.uint8)
    plain[::7] = 110
    assert box_hash(framed(plain, 60, 60, 60, 60, 0)) is None, (
        "a box without structure says nothing"
    )


def test_looking_at_some_lines_finds_what_looking_at_all_does() -> None:
    chance = np.random.default_rng(4)
    for _ in range(600):
        height, width = chance.integers(20, 513, 2)
        lines = chance.integers(0, 256, (height, width), dtype=np.uint8)
        for _ in range(chance.integers(0, 4)):
            top = chance.integers(0, height)
            lines[top : top + chance.integers(1, max(2, height // chance.integers(2, 40)))] = 7
        lines[: chance.integers(0, 12)] = 9
        lines[height - chance.integers(0, 12) :] = 9
        assert box._between(lines) == box._longest(box._flat(lines), height)
