"""Pixels of any mode as the RGB a viewer would show, fewer of them, and the right way up."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amparo.fingerprint.memory import memory
from amparo.fingerprint.pdq import SIDE, shrunk

MOST_AT_ONCE = 16
"""The most pixels a side that the compiled loop makes one of."""

_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


class Refused(ValueError):
    """Not even tried."""


def check(size: tuple[int, int], most: int) -> None:
    """Raises Refused when a picture states no pixels or more than ``most``."""
    width, height = size
    if width < 1 or height < 1:
        raise Refused(f"states {width} x {height} pixels")
    if width * height > most:
        raise Refused(f"states {width} x {height} pixels, more than are decoded")


def rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of a picture of any mode.

    Palettes are looked up, CMYK converted (Pillow has already undone Adobe's inversion), see-through
    pixels laid over white as viewers show them, 16 bits cut to the upper 8, wider numbers scaled to their
    own range; of LAB only the lightness is kept.
    """
    if image.mode == "RGB":
        return image
    if image.mode in _DEEP:
        return _deep(image).convert("RGB")
    if image.mode == "LAB":
        return image.getchannel(0).convert("RGB")
    if image.mode in ("PA", "LA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def _deep(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or (low >= 0 and 255 < high <= 65535):
        return Image.fromarray((values / 256).astype(np.uint8))
    if low >= 0 and high <= 255 and image.mode == "I":
        return Image.fromarray(values.astype(np.uint8))
    scaled = (values - low) * (255 / ((high - low) or 1))
    return Image.fromarray(scaled.astype(np.uint8))


def picked(image: Image.Image) -> NDArray[np.uint8]:
    """RGB (h, w, 3) of what :func:`amparo.fingerprint.pdq.shrunk` makes of a picture of any mode."""
    if max(image.size) > SIDE and (held := memory(image)) is not None:
        from amparo.fingerprint.compiled import loops

        made: NDArray[np.uint8] = loops.picked(held, _places(image.height), _places(image.width))
        return made
    return np.asarray(rgb(shrunk(image)))


@lru_cache(maxsize=256)
def _places(n: int) -> NDArray[np.uint64]:
    """Which of ``n`` rows or columns are kept."""
    return np.arange(SIDE, dtype=np.uint64) * np.uint64(n) // np.uint64(SIDE)


def thumbnail(image: Image.Image, longest: int) -> NDArray[np.uint8]:
    """RGB (h, w, 3) of a smaller copy, averaged, never enlarged: the longer side at most ``longest``.

    What is at least twice as large is cut by a whole number, which takes half the time and leaves no
    less than two thirds of ``longest``; what is not, exactly to ``longest``.
    """
    if image.mode in ("P", "PA", "1", "RGBX", "YCbCr", "HSV"):
        image = rgb(image)
    elif image.mode in (*_DEEP, "LAB"):
        width, height = image.size
        most = max(1.0, max(width, height) / 1024)
        image = rgb(image.resize((max(1, int(width / most)), max(1, int(height / most))), 0))
    if max(image.size) >= 2 * longest:
        step = -(-max(image.size) // longest)
        if step <= MOST_AT_ONCE and (held := memory(image)) is not None:
            from amparo.fingerprint.compiled import loops

            made: NDArray[np.uint8] = loops.averaged(held, step)
            return made
        image = image.reduce(step)
    scale = longest / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(rgb(image))


def upright(image: Image.Image, orientation: int, longest: int) -> NDArray[np.uint8]:
    """A :func:`thumbnail` turned as a viewer shows a picture of this EXIF orientation (Exif 2.32, 4.6.4)."""
    small = thumbnail(image, longest)
    if orientation >= 5:
        small = small.transpose(1, 0, 2)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return small[::down, ::across]
