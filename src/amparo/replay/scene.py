"""Benign scenes drawn from numbers: rooms, tables with objects, landscapes, patterns.

`render` is a pure function of its arguments. Drawing uses Pillow primitives and a bank of noise
shared by one process, so a 800x600 scene costs a few milliseconds.
"""

import math
import random
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from amparo.replay.chance import rng

Pixels = NDArray[np.uint8]  # (height, width, 3), RGB
Colour = tuple[int, int, int]
Point = tuple[float, float]

_BANK_SIDE = 1536


@lru_cache(maxsize=1)
def _texture_bank() -> NDArray[np.int16]:
    """Fine cloudy texture, (1536, 1536) int16 about -30..30, shared by all pictures."""
    noise = np.random.default_rng(20170401)
    total = np.zeros((_BANK_SIDE, _BANK_SIDE), np.float32)
    for cells, weight in ((60, 8.0), (200, 5.0)):
        coarse = noise.standard_normal((cells, cells)).astype(np.float32)
        smooth = Image.fromarray(coarse).resize((_BANK_SIDE, _BANK_SIDE), Image.Resampling.BICUBIC)
        total += weight * np.asarray(smooth)
    return np.rint(total).clip(-40, 40).astype(np.int16)


def _colour(pick: random.Random, low: int = 30, high: int = 230) -> Colour:
    return (pick.randint(low, high), pick.randint(low, high), pick.randint(low, high))


def _shade(colour: Colour, factor: float) -> Colour:
    r, g, b = (max(0, min(255, int(channel * factor))) for channel in colour)
    return (r, g, b)


def _box(draw: ImageDraw.ImageDraw, colour: Colour, x: float, y: float, w: float, h: float,
         depth: float, lean: float) -> None:  # fmt: skip
    """A piece of furniture: shadow, front, top and side. (x, y) is the lower left corner."""
    draw.ellipse((x - 0.1 * w, y - 0.1 * h, x + 1.15 * w, y + 0.12 * h), fill=(40, 36, 34))
    draw.polygon([(x, y - h), (x + w, y - h), (x + w + lean, y - h - depth), (x + lean, y - h - depth)],
                 fill=_shade(colour, 1.25))  # fmt: skip
    edge = x + w if lean > 0 else x
    draw.polygon([(edge, y), (edge, y - h), (edge + lean, y - h - depth), (edge + lean, y - depth)],
                 fill=_shade(colour, 0.6))  # fmt: skip
    draw.rectangle((x, y - h, x + w, y), fill=colour, outline=_shade(colour, 0.5))
    if w > h:
        draw.line((x + w / 2, y - h, x + w / 2, y), fill=_shade(colour, 0.5), width=2)


def _room(
    draw: ImageDraw.ImageDraw, w: int, h: int, base: random.Random, view: random.Random
) -> None:
    """A room in one-point perspective; `base` fixes colours and furniture, `view` the stand."""
    wall, floor, ceiling = _colour(base), _colour(base, 40, 180), _colour(base, 150, 250)
    left, top = view.uniform(0.04, 0.42) * w, view.uniform(0.04, 0.3) * h
    right, bottom = left + view.uniform(0.32, 0.52) * w, top + view.uniform(0.3, 0.5) * h
    draw.polygon([(0, 0), (w, 0), (right, top), (left, top)], fill=ceiling)
    draw.polygon([(0, 0), (left, top), (left, bottom), (0, h)], fill=_shade(wall, 0.72))
    draw.polygon([(w, 0), (right, top), (right, bottom), (w, h)], fill=_shade(wall, 0.86))
    draw.polygon([(0, h), (left, bottom), (right, bottom), (w, h)], fill=floor)
    draw.rectangle((left, top, right, bottom), fill=wall)
    tiles, grout = base.randint(5, 10), _shade(floor, base.choice((0.65, 1.35)))
    for i in range(tiles + 1):
        start = left + (right - left) * i / tiles
        draw.line((start, bottom, w * (-0.4 + 1.8 * i / tiles), h), fill=grout, width=2)
        depth = bottom + (h - bottom) * (i / tiles) ** 1.8
        draw.line((left * (1 - (i / tiles) ** 1.8), depth, w, depth), fill=grout, width=2)
    if base.random() < 0.7:
        x, y = left + view.uniform(0.05, 0.5) * (right - left), top + 0.15 * (bottom - top)
        ww, wh = 0.4 * (right - left), 0.45 * (bottom - top)
        draw.rectangle(
            (x, y, x + ww, y + wh), fill=_colour(base, 180, 250), outline=(90, 80, 70), width=4
        )
        draw.line((x + ww / 2, y, x + ww / 2, y + wh), fill=(90, 80, 70), width=4)
    for _ in range(base.randint(1, 3)):
        colour, size = _colour(base), base.uniform(0.08, 0.16)
        x, y = view.uniform(0.0, 0.8) * w, view.uniform(0.08, 0.4) * h
        draw.rectangle(
            (x, y, x + size * w, y + size * h), fill=colour, outline=(60, 50, 40), width=3
        )
    order = list(range(base.randint(3, 6)))
    pieces = [(_colour(base), base.uniform(0.1, 0.3), base.uniform(0.1, 0.34)) for _ in order]
    view.shuffle(order)
    for step, number in enumerate(order):
        colour, pw, ph = pieces[number]
        zoom = view.uniform(0.8, 1.4)
        x, y = view.uniform(-0.05, 0.85) * w, bottom + (h - bottom) * (step + 0.6) / len(order)
        _box(draw, colour, x, y, pw * w * zoom, ph * h * zoom, 0.05 * h * zoom,
             view.choice((-1, 1)) * 0.05 * w)  # fmt: skip


def _table(
    draw: ImageDraw.ImageDraw, w: int, h: int, base: random.Random, view: random.Random
) -> None:
    """Objects seen from above on a boarded table."""
    wood = _colour(base, 70, 190)
    boards, slant = base.randint(3, 9), view.uniform(-0.5, 0.5)
    for i in range(-boards, 2 * boards):
        x = w * i / boards
        draw.polygon([(x, 0), (x + w / boards, 0), (x + w / boards + slant * w, h), (x + slant * w, h)],
                     fill=_shade(wood, base.uniform(0.75, 1.25)))  # fmt: skip
    for _ in range(base.randint(6, 12)):
        colour, size = _colour(base, 10, 250), base.uniform(0.07, 0.22)
        x, y = view.uniform(0, 0.9) * w, view.uniform(0, 0.9) * h
        a, b = size * w, size * w * base.uniform(0.5, 1.3)
        draw.ellipse((x + 8, y + 10, x + a + 12, y + b + 14), fill=_shade(wood, 0.5))
        shape = base.randrange(3)
        if shape == 0:
            draw.ellipse((x, y, x + a, y + b), fill=colour)
            draw.ellipse(
                (x + a / 4, y + b / 4, x + 3 * a / 4, y + 3 * b / 4), fill=_shade(colour, 1.3)
            )
        elif shape == 1:
            turn = view.uniform(0, 3.14)
            corners = [(x + a / 2 + a / 2 * math.cos(turn + k * 1.571), y + b / 2 + b / 2 * math.sin(turn + k * 1.571))
                       for k in range(4)]  # fmt: skip
            draw.polygon(corners, fill=colour, outline=_shade(colour, 0.5))
        else:
            draw.rectangle((x, y, x + a, y + b), fill=colour)
            draw.rectangle((x, y, x + a, y + b / 3), fill=_shade(colour, 0.7))


def _landscape(
    draw: ImageDraw.ImageDraw, w: int, h: int, base: random.Random, view: random.Random
) -> None:
    """Sky, ridges, fields and trees."""
    horizon, sky = view.uniform(0.3, 0.65) * h, _colour(base, 120, 250)
    for i in range(12):
        draw.rectangle(
            (0, horizon * i / 12, w, horizon * (i + 1) / 12 + 1), fill=_shade(sky, 0.7 + i / 30)
        )
    x = view.uniform(0.1, 0.9) * w
    draw.ellipse((x, 0.06 * h, x + 0.1 * w, 0.06 * h + 0.1 * w), fill=(250, 240, 190))
    for ridge in range(base.randint(2, 3)):
        peak: list[Point] = [(0, h)]
        steps = view.randint(5, 11)
        for i in range(steps + 1):
            peak.append((w * i / steps, horizon - view.uniform(-0.1, 0.28 - 0.07 * ridge) * h))
        draw.polygon([*peak, (w, h)], fill=_shade(_colour(base, 50, 160), 1 - 0.15 * ridge))
    bands = base.randint(3, 7)
    for i in range(bands):
        y = horizon + (h - horizon) * (i / bands) ** 1.3
        draw.polygon([(0, y), (w, y + view.uniform(-0.06, 0.06) * h), (w, h), (0, h)],
                     fill=_colour(base, 40, 190))  # fmt: skip
    for _ in range(base.randint(3, 9)):
        x, y, s = view.uniform(0, 1) * w, view.uniform(0.55, 0.95) * h, view.uniform(0.06, 0.2) * h
        draw.rectangle((x - s / 10, y, x + s / 10, y + s / 2), fill=(70, 50, 35))
        draw.polygon(
            [(x - s / 2, y), (x + s / 2, y), (x, y - 1.4 * s)], fill=_colour(base, 20, 110)
        )


def _pattern(
    draw: ImageDraw.ImageDraw, w: int, h: int, base: random.Random, view: random.Random
) -> None:
    """A patchwork of tiles, discs and wedges with no repeat."""
    columns, rows = base.randint(4, 8), base.randint(3, 7)
    palette = [_colour(base, 10, 250) for _ in range(base.randint(3, 7))]
    for i in range(columns):
        for j in range(rows):
            box = (w * i / columns, h * j / rows, w * (i + 1) / columns, h * (j + 1) / rows)
            draw.rectangle(box, fill=view.choice(palette))
            kind, colour = view.randrange(4), view.choice(palette)
            if kind == 0:
                draw.ellipse(box, fill=colour)
            elif kind == 1:
                draw.polygon([(box[0], box[1]), (box[2], box[1]), (box[0], box[3])], fill=colour)
            elif kind == 2:
                draw.pieslice(box, view.randint(0, 180), view.randint(190, 350), fill=colour)


def _light(view: random.Random, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Uneven light of this one picture, (height, width) uint8 around 128.

    Its energy lies at a tenth of the picture's width: two pictures of a similar composition then
    differ to a perceptual hash as two photographs would, however many pictures there are.
    """
    noise = np.random.default_rng(view.getrandbits(48))
    fine, coarse = noise.standard_normal((18, 24)), noise.standard_normal((6, 8))
    cells = 128 + 14 * fine + 12 * coarse.repeat(3, 0).repeat(3, 1)
    small = Image.fromarray(cells.clip(60, 196).astype(np.uint8))
    return np.asarray(small.resize(size, Image.Resampling.BILINEAR))


_SCENES = (_room, _room, _room, _table, _table, _landscape, _landscape, _pattern)


def render(key: str, shot: int, size: tuple[int, int], kind: str = "scene") -> Pixels:
    """Draw scene `key` as its `shot`-th view, `size` = (width, height) pixels.

    Shots of one key share colours and furniture and differ in stand and composition. Kind "flat"
    is one featureless colour: such pictures must never stack with anything. Kind "room" forces a
    room (used by series).
    """
    w, h = size
    base, view = rng("scene", key), rng("view", key, shot)
    if kind == "flat":
        return np.full((h, w, 3), _colour(base, 60, 200), np.uint8)
    image = Image.new("RGB", size, _colour(base))
    paint = _room if kind == "room" else base.choice(_SCENES)
    paint(ImageDraw.Draw(image), w, h, base, view)
    pixels = np.asarray(image).astype(np.int16)
    bank = _texture_bank()
    y, x = view.randrange(_BANK_SIDE - h), view.randrange(_BANK_SIDE - w)
    light = bank[y : y + h, x : x + w] + _light(view, size)
    light -= 128
    pixels += light[:, :, None]
    return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)
