"""Fits and measures what tells photographs from screenshots, captioned pictures, documents and drawings.

    python benchmarks/kinds.py [--each 400] [--write]

Photographs are those under ``AMPARO_TEST_DATA`` or ``../shared/data`` (``photos``, ``places``, ``cameras``, ``exif``,
``faces``), sent on as messengers do, and scenes of the replay; everything else is drawn here, with text in the
fonts of the machine. One half of the photographs and of the seeds fits the weights, the other half is measured:
which kind is taken for which, and how many come out surer than ``SURE``. Drawn screenshots are no real ones: the
rates speak of these pictures. ``--write`` puts new weights into the package.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from amparo.fingerprint import kinds
from amparo.fingerprint.pdq import shrunk
from amparo.model.kinds import SURE
from amparo.replay.scene import render

FORMS = ("photograph", "screenshot", "captioned", "document", "drawing")
WORDS = re.findall(
    r"\S+",
    "la el de que y a en un ser se no haber por con su para como estar tener le lo todo pero hacer "
    "the of and to in is that it was for on are as with they be at one have this from or had by "
    "hola mañana luego foto mira dime hoy ayer cuando donde siempre nunca gracias bueno ok vale",
)
_FONTS = [p for p in Path("/usr/share/fonts").rglob("*.ttf") if "Mono" not in p.name]


def font(r: np.random.Generator, size: int) -> ImageFont.FreeTypeFont:
    return loaded(int(r.integers(max(1, len(_FONTS)))), size)


@lru_cache(maxsize=4096)
def loaded(number: int, size: int) -> ImageFont.FreeTypeFont:
    if _FONTS:
        return ImageFont.truetype(str(_FONTS[number]), size)
    made = ImageFont.load_default(size)
    assert isinstance(made, ImageFont.FreeTypeFont)
    return made


def words(r: np.random.Generator, count: int) -> str:
    return " ".join(r.choice(WORDS, count))


def colour(r: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    red, green, blue = (int(c) for c in r.integers(low, high, 3))
    return red, green, blue


def sent(r: np.random.Generator, picture: Image.Image) -> Image.Image:
    """As a messenger or program leaves it: smaller, JPEG of some quality, or PNG as it is."""
    if r.random() < 0.6:
        longest = int(r.choice([720, 1080, 1280, 1600]))
        if max(picture.size) > longest:
            picture = picture.copy()
            picture.thumbnail((longest, longest))
    if r.random() < 0.75:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=int(r.integers(55, 93)))
        picture = Image.open(out).convert("RGB")
    return picture


def screenshot(r: np.random.Generator, photo: Image.Image) -> Image.Image:
    """A phone's screen: bars, bubbles or a list, text, and often pictures among it."""
    width, height = ((1080, 2340), (1080, 1920), (750, 1334), (1170, 2532))[int(r.integers(4))]
    dark = r.random() < 0.35
    ground = colour(r, 0, 45) if dark else colour(r, 225, 256)
    ink = colour(r, 190, 256) if dark else colour(r, 0, 70)
    page = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, int(height * 0.09)), fill=colour(r))
    draw.text((40, int(height * 0.04)), words(r, 3), ink, font(r, int(r.integers(34, 52))))
    y, style = int(height * 0.1), r.random()
    while y < height * 0.93:
        if style < 0.5:
            right = r.random() < 0.5
            tall = int(r.integers(70, 260))
            box = (
                [width * 0.3, y, width - 30, y + tall] if right else [30, y, width * 0.7, y + tall]
            )
            draw.rounded_rectangle(
                box, 24, fill=colour(r, 40, 110) if dark else colour(r, 190, 250)
            )
            if r.random() < 0.25:
                tall = int(r.integers(300, 700))
                some = ImageOps.fit(photo, (int(width * 0.6), tall))
                page.paste(some, (int(box[0]) + 10, y))
            else:
                size = int(r.integers(30, 44))
                for line in range(max(1, tall // (size + 10))):
                    at = (box[0] + 20, y + 8 + line * (size + 8))
                    draw.text(at, words(r, 5), ink, font(r, size))
            y += tall + 24
        else:
            side = int(r.integers(90, 150))
            if r.random() < 0.5:
                page.paste(ImageOps.fit(photo, (side, side)), (30, y))
            else:
                draw.ellipse((30, y, 30 + side, y + side), fill=colour(r))
            draw.text((side + 60, y + 10), words(r, 3), ink, font(r, 40))
            draw.text((side + 60, y + 64), words(r, 6), ink, font(r, 30))
            draw.line((0, y + side + 12, width, y + side + 12), fill=colour(r, 100, 200))
            y += side + 24
    return page


def captioned(r: np.random.Generator, photo: Image.Image) -> Image.Image:
    """A picture with a band of text above or below, or large letters with an outline over it."""
    photo = ImageOps.fit(photo, (int(r.integers(500, 1100)), int(r.integers(500, 1100))))
    width, height = photo.size
    size = int(width * r.uniform(0.06, 0.11))
    letters = font(r, size)
    if r.random() < 0.55:
        band = int(size * r.uniform(1.6, 4.5))
        white = r.random() < 0.7
        page = Image.new("RGB", (width, height + band), "white" if white else "black")
        top = r.random() < 0.6
        page.paste(photo, (0, band if top else 0))
        y = 0 if top else height
        for line in range(max(1, band // (size + 12))):
            at = (width * 0.04, y + 6 + line * (size + 8))
            ImageDraw.Draw(page).text(at, words(r, 4), "black" if white else "white", letters)
        return page
    page = photo.copy()
    for y in (0.03, 0.8):
        for line in range(2):
            at = (width * 0.05, height * y + line * (size + 4))
            text = words(r, 4).upper()
            draw = ImageDraw.Draw(page)
            draw.text(
                at, text, "white", letters, stroke_width=max(2, size // 12), stroke_fill="black"
            )
    return page


def document(r: np.random.Generator, photo: Image.Image) -> Image.Image:
    """A page of text, as a program makes it, scanned, or photographed at a slant."""
    width, height = 1240, 1754
    page = Image.new("RGB", (width, height), colour(r, 235, 256))
    draw = ImageDraw.Draw(page)
    size = int(r.integers(20, 34))
    letters, y = font(r, size), int(r.integers(80, 200))
    draw.text((100, y - 60), words(r, 5), "black", font(r, size + 14))
    while y < height - 150:
        for _ in range(int(r.integers(2, 9))):
            draw.text((100, y), words(r, int(1000 / size / 3)), colour(r, 0, 60), letters)
            y += int(size * 1.4)
            if y > height - 150:
                break
        if r.random() < 0.08:
            tall = int(r.integers(150, 400))
            page.paste(ImageOps.fit(photo, (width - 400, tall)), (200, min(y, height - tall)))
            y += tall
        elif r.random() < 0.15:
            for row in range(4):
                draw.rectangle((100, y + row * 40, width - 100, y + row * 40 + 40), outline="black")
                draw.text((110, y + row * 40 + 6), words(r, 6), "black", font(r, 22))
            y += 180
        y += size
    way = r.random()
    if way < 0.35:
        return page
    pixels = np.asarray(page).astype(np.float32)
    pixels = pixels * r.uniform(0.8, 1.0) + r.normal(0, r.uniform(1, 5), pixels.shape)
    page = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    page = page.filter(ImageFilter.GaussianBlur(float(r.uniform(0.3, 0.9))))
    if way < 0.7:
        return page.rotate(float(r.uniform(-1.5, 1.5)), fillcolor=colour(r, 220, 256))
    shade = np.linspace(r.uniform(0.6, 1), r.uniform(0.6, 1), width)[None, :, None]
    page = Image.fromarray((np.asarray(page) * shade).astype(np.uint8))
    page = page.rotate(float(r.uniform(-12, 12)), expand=True, fillcolor=colour(r, 30, 160))
    return page.crop((60, 60, page.width - 60, page.height - 60))


def drawing(r: np.random.Generator, photo: Image.Image) -> Image.Image:
    """Flat shapes with outlines, lines on paper, or charts."""
    width, height = int(r.integers(500, 1400)), int(r.integers(500, 1400))
    style = r.random()
    ground = colour(r, 200, 256) if style < 0.7 else colour(r)
    page = Image.new("RGB", (width * 2, height * 2), ground)
    draw = ImageDraw.Draw(page)
    for _ in range(int(r.integers(5, 40))):
        x, y = r.uniform(0, width * 2), r.uniform(0, height * 2)
        w, h = r.uniform(30, width * 0.9), r.uniform(30, height * 0.9)
        line = int(r.integers(3, 14))
        fill = colour(r) if style > 0.3 else None
        shape = int(r.integers(4))
        if shape == 0:
            draw.ellipse((x, y, x + w, y + h), fill, "black", line)
        elif shape == 1:
            draw.rectangle((x, y, x + w, y + h), fill, "black", line)
        elif shape == 2:
            some = [(x + r.uniform(-w, w), y + r.uniform(-h, h)) for _ in range(4)]
            draw.polygon(some, fill, "black", line)
        else:
            some = [(x + r.uniform(-w, w), y + r.uniform(-h, h)) for _ in range(6)]
            draw.line(some, colour(r, 0, 120), line, "curve")
    return page.resize((width, height), Image.Resampling.LANCZOS)


def photographs(data: Path) -> list[Path]:
    """Public photographs, in an order that mixes the sources."""
    found = [*data.glob("photos/*"), *data.glob("places/*.JPG"), *data.glob("cameras/natural/*")]
    found += [*data.glob("exif/jpg/*.jpg"), *data.glob("faces/*.jpg")]
    return sorted(found, key=lambda p: p.name[::-1])


def picture(r: np.random.Generator, photo: Image.Image) -> Image.Image:
    """A photograph, cut and lit by chance so that one file serves several times."""
    share = r.uniform(0.6, 1)
    w, h = int(photo.width * share), int(photo.height * share)
    x, y = int(r.integers(photo.width - w + 1)), int(r.integers(photo.height - h + 1))
    light = r.uniform(0.7, 1.3)
    return photo.crop((x, y, x + w, y + h)).point(lambda v: min(255, int(v * light)))


MAKERS: tuple[Callable[[np.random.Generator, Image.Image], Image.Image], ...] = (
    picture, screenshot, captioned, document, drawing,
)  # fmt: skip


def measured(each: int, half: int, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Measures and kinds of pictures of one half of the photographs and seeds."""
    paths = photographs(data)[half::2]
    rows, labels = [], []
    for number, make in enumerate(MAKERS):
        for i in range(each):
            r = np.random.default_rng([half, number, i])
            if paths and (number or i % 5):
                with Image.open(paths[i % len(paths)]) as opened:
                    opened.draft("RGB", (1600, 1600))
                    photo = opened.convert("RGB")
            else:
                photo = Image.fromarray(render(f"kinds-{half}-{i}", 0, (1280, 960)))
            photo.thumbnail((1600, 1600))
            seen = shrunk(sent(r, make(r, photo)))
            rows.append(kinds.measures(np.asarray(seen)))
            labels.append(number)
    return np.array(rows), np.array(labels)


def fit(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Softmax regression with a little shrinkage, by plain descent."""
    means, scales = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    x = np.c_[(rows - means) / scales, np.ones(len(rows))]
    weights, wanted = np.zeros((len(FORMS), x.shape[1])), np.eye(len(FORMS))[labels]
    for _ in range(6000):
        totals = x @ weights.T
        shares = np.exp(totals - totals.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        weights -= 0.5 * ((shares - wanted).T @ x / len(x) + 0.001 * weights)
    return means, scales, weights


def write(means: np.ndarray, scales: np.ndarray, weights: np.ndarray) -> None:
    path = Path(kinds.__file__).with_name("kinds_weights.py")
    lines = [
        '"""Weights of :mod:`amparo.fingerprint.kinds`, written by ``benchmarks/kinds.py --write``."""',
        "",
        "import numpy as np",
        "",
        f"FORMS = {FORMS!r}".replace("'", '"'),
        f"MEANS = np.array({np.round(means, 5).tolist()})",
        f"SCALES = np.array({np.round(scales, 5).tolist()})",
        "WEIGHTS = np.array(",
        "    [",
        *(f"        {row}," for row in np.round(weights, 3).tolist()),
        "    ]",
        ")",
        '"""One row a kind, one column a measure, the last one what it starts from."""',
        "",
    ]
    path.write_text("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--each", type=int, default=400, help="pictures of each kind in each half")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    data = Path(os.environ.get("AMPARO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    rows, labels = measured(chosen.each, 0, data)
    means, scales, weights = fit(rows, labels)
    if chosen.write:
        write(means, scales, weights)
    rows, labels = measured(chosen.each, 1, data)
    totals = np.c_[(rows - means) / scales, np.ones(len(rows))] @ weights.T
    shares = np.exp(totals - totals.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    said, sure = shares.argmax(axis=1), shares.max(axis=1) >= SURE
    print(
        f"{len(rows)} pictures that were not fitted, {chosen.each} of each kind; rows: what it is"
    )
    print(
        f"{'':14}"
        + "".join(f"{form:>12}" for form in FORMS)
        + f"{'surer':>9}{'wrong of these':>16}"
    )
    for number, form in enumerate(FORMS):
        mine = labels == number
        counts = [f"{(said[mine] == k).mean():12.1%}" for k in range(len(FORMS))]
        wrong = (said[mine & sure] != number).mean() if (mine & sure).any() else 0
        print(f"{form:14}" + "".join(counts) + f"{sure[mine].mean():9.0%}{wrong:16.1%}")
    print(
        f"right: {(said == labels).mean():.1%}; where surer than {SURE}: {(said == labels)[sure].mean():.1%}"
    )


if __name__ == "__main__":
    main()
