"""Whether two small pictures are one: laid over each other, do their details agree?

A perceptual hash says that the coarse shapes are alike, which another page of the same form, another
screen of the same program and another shot of the same scene are too. So before anything beyond the first
tier is called the same, one picture is laid over the other in all sizes and places that come into question,
and the fine structure of each patch of the overlap is compared by itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
"""Pixels of the square in which pictures are compared."""
STEP = 0.04
SCALES = 3
"""Sizes tried on each axis: 1 and so many steps of :data:`STEP` below."""
PATCH = 12
AGREE = 0.5
"""Correlation from which a patch agrees."""
SAME_SHARE = 0.6
"""Share of the structured patches that must agree."""
SAME_CORRELATION = 0.5
LEAST_PATCHES = 12
PAGE_SHARE = 0.45
_NEAR_LEVELS = 6
_LEAST_CONTRAST = 3.0
"""Standard deviation of the detail, in grey levels, below which a patch is too plain to say anything."""

Grey = NDArray[np.float32]


class Fit(NamedTuple):
    """How well one picture lies on another."""

    correlation: float
    """Of the fine structure over the whole overlap, -1 to 1."""
    patches: int
    """Patches with structure in the overlap."""
    agreeing: int
    across: float
    """How many times as wide the first is as what the second shows of it, 0.88 to 1.14."""
    down: float

    @property
    def same(self) -> bool:
        """Whether this is enough to call them one picture."""
        return (
            self.patches >= LEAST_PATCHES
            and self.correlation >= SAME_CORRELATION
            and self.agreeing >= SAME_SHARE * self.patches
        )

    def __str__(self) -> str:
        return (
            f"laid over each other, {self.agreeing} of {self.patches} structured patches agree, "
            f"correlation {self.correlation:.2f}, size {self.across:.2f} x {self.down:.2f}"
        )


def register(a: Image.Image, b: Image.Image) -> Fit:
    """The best fit of two pictures that show about the same, one perhaps a little more than the other."""
    first, second = _grey(a), _grey(b)
    best = Fit(-1.0, 0, 0, 1.0, 1.0)
    for grey, part, turn in ((first, second, 1), (second, first, -1)):
        whole = _Whole.of(grey)
        for across, down, piece in _sizes(part):
            if turn < 0 and across == down == SIDE:
                continue
            detail = _detail(piece)
            score, top, left = whole.place(detail)
            if score > best.correlation:
                over = whole.detail[top : top + down, left : left + across]
                size = SIDE / across, SIDE / down
                sizes = size if turn > 0 else (1 / size[0], 1 / size[1])
                best = Fit(score, *_patches(over, detail), *sizes)
    return best


def page_like(picture: Image.Image) -> bool:
    """Whether one level fills much of a picture, as on pages, screens and drawings.

    Of those, other words on the same form look alike at this size, so they are never called the same.
    """
    levels = np.bincount(np.asarray(picture.convert("L")).ravel(), minlength=256)
    near = np.convolve(levels, np.ones(2 * _NEAR_LEVELS + 1), "same")
    return bool(near.max() >= PAGE_SHARE * levels.sum())


def _grey(picture: Image.Image) -> Grey:
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _sizes(part: Grey) -> list[tuple[int, int, Grey]]:
    """The picture at each size that is tried, width and height by themselves."""
    sides = [round(SIDE * (1 - STEP * k)) for k in range(SCALES + 1)]
    image = Image.fromarray(part)
    return [
        (w, h, np.asarray(image.resize((w, h), Image.Resampling.BILINEAR)))
        for w in sides
        for h in sides
    ]


def _sums(grey: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sums of everything above and left of each place."""
    out = np.zeros((grey.shape[0] + 1, grey.shape[1] + 1))
    out[1:, 1:] = grey.cumsum(0, dtype=np.float64).cumsum(1)
    return out


def _boxes(sums: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    """The sum of each box of h x w."""
    return sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]


def _detail(grey: Grey) -> Grey:
    """What is left without the coarse shapes: each pixel less the mean of those about it."""
    reach = PATCH // 2
    side = 2 * reach + 1
    mean = _boxes(_sums(np.pad(grey, reach, mode="edge")), side, side) / side**2
    return (grey - mean).astype(np.float32)


class _Whole(NamedTuple):
    """The picture that others are laid on, with what all of them need of it."""

    detail: Grey
    spectrum: NDArray[np.complexfloating]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, grey: Grey) -> _Whole:
        detail = _detail(grey)
        return cls(detail, np.fft.rfft2(detail), _sums(detail), _sums(detail**2))

    def place(self, piece: Grey) -> tuple[float, int, int]:
        """Where a smaller picture lies best: correlation of the details there, row, column."""
        h, w = piece.shape
        centred = piece - piece.mean()
        norm = float(np.sqrt((centred**2).sum()))
        if norm < 1e-3:
            return -1.0, 0, 0
        spectrum = np.fft.rfft2(centred, self.detail.shape)
        products = np.fft.irfft2(self.spectrum * spectrum.conj(), self.detail.shape)
        products = products[: SIDE - h + 1, : SIDE - w + 1]
        spread = _boxes(self.squares, h, w) - _boxes(self.sums, h, w) ** 2 / (h * w)
        scores = products / (np.sqrt(np.maximum(spread, 0)) * norm + 1e-6)
        place = int(scores.argmax())
        return float(scores.flat[place]), place // scores.shape[1], place % scores.shape[1]


def _patches(a: Grey, b: Grey) -> tuple[int, int]:
    """Patches in which either shows structure, and how many of them agree."""
    h, w = (n // PATCH * PATCH for n in a.shape)

    def cut(grey: Grey) -> Grey:
        tiles = grey[:h, :w].reshape(h // PATCH, PATCH, w // PATCH, PATCH).swapaxes(1, 2)
        flat: Grey = tiles.reshape(-1, PATCH * PATCH)
        flat -= flat.mean(axis=1, keepdims=True)
        return flat

    first, second = cut(a), cut(b)
    spread_a, spread_b = first.std(axis=1), second.std(axis=1)
    structured = np.maximum(spread_a, spread_b) >= _LEAST_CONTRAST
    agree = (first * second).mean(axis=1) / (spread_a * spread_b + 1e-3)
    return int(structured.sum()), int((structured & (agree >= AGREE)).sum())
