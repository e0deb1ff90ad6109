"""What people and programs do to a picture on its way: the edits that the robustness benchmark applies.

Each takes an RGB picture and a source of chance and gives an RGB picture. Layouts of screenshots, captions
and collages are drawn anew for every picture, so that nothing can be fitted to one of them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

Picture = Image.Image
Edit = Callable[[Picture, Random], Picture]
WORDS = [
    "cuando",
    "nadie",
    "mira",
    "mañana",
    "otra",
    "vez",
    "send",
    "this",
    "to",
    "ten",
    "people",
    "lol",
    "who",
    "did",
    "that",
    "en",
    "la",
    "playa",
]


def jpeg(picture: Picture, quality: int) -> Picture:
    """Through JPEG and back."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def scaled(picture: Picture, factor: float) -> Picture:
    size = max(8, round(picture.width * factor)), max(8, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


def messenger(picture: Picture, times: int) -> Picture:
    """As chat apps send pictures: at most 1600 pixels, here two fifths of each side, JPEG 70."""
    picture = scaled(picture, min(1600 / max(picture.size), 0.4 if max(picture.size) < 1000 else 1))
    for _ in range(times):
        picture = jpeg(picture, 70)
    return picture


def cropped(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """Shares of the width and height cut off each side."""
    w, h = picture.size
    return picture.crop(
        (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    )


def one_side(picture: Picture, chance: Random, share: float) -> Picture:
    cut = [0.0] * 4
    cut[chance.randrange(4)] = share
    return cropped(picture, *cut)


def any_part(picture: Picture, chance: Random) -> Picture:
    """A rectangle of 40 to 85 % of each side, anywhere."""
    width, height = chance.uniform(0.4, 0.85), chance.uniform(0.4, 0.85)
    left, top = chance.uniform(0, 1 - width), chance.uniform(0, 1 - height)
    return cropped(picture, left, top, 1 - left - width, 1 - top - height)


def bordered(picture: Picture, chance: Random, share: float) -> Picture:
    edge = round(max(picture.size) * share)
    colour = chance.choice([(0, 0, 0), (255, 255, 255), (240, 240, 240), (20, 40, 90)])
    out = Image.new("RGB", (picture.width + 2 * edge, picture.height + 2 * edge), colour)
    out.paste(picture, (edge, edge))
    return out


def letterbox(picture: Picture, chance: Random) -> Picture:
    """Black bands that make it 16:9, upright or lying."""
    w, h = picture.size
    want = 16 / 9 if w <= h * 1.4 else 9 / 16
    size = (round(h * want), h) if want > w / h else (w, round(w / want))
    out = Image.new("RGB", size)
    out.paste(picture, ((size[0] - w) // 2, (size[1] - h) // 2))
    return out


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, size))


def _text(chance: Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def captioned(picture: Picture, chance: Random) -> Picture:
    """A band with words above or below, as on memes."""
    w, h = picture.size
    band = round(h * chance.uniform(0.12, 0.25))
    white = chance.random() < 0.7
    out = Image.new("RGB", (w, h + band), "white" if white else "black")
    above = chance.random() < 0.7
    out.paste(picture, (0, band if above else 0))
    draw = ImageDraw.Draw(out)
    lines = chance.choice([1, 2])
    size = round(band / (lines + 1))
    for line in range(lines):
        place = (w * 0.03, (0 if above else h) + size * 0.4 + line * size * 1.1)
        draw.text(place, _text(chance, 5), "black" if white else "white", _font(size))
    return out


def watermark(picture: Picture, chance: Random) -> Picture:
    out = picture.copy()
    size = round(picture.height * 0.05)
    place = (
        picture.width * chance.uniform(0.02, 0.5),
        picture.height * chance.choice([0.02, 0.92]),
    )
    ImageDraw.Draw(out).text(place, "www.example.org", (255, 255, 255), _font(size))
    return out


def screenshot(picture: Picture, chance: Random) -> Picture:
    """On a phone's screen, in one of many layouts: status bar, title, the picture, buttons, text."""
    width = chance.choice([720, 1080])
    height = round(width * chance.choice([16 / 9, 19.5 / 9, 20 / 9]))
    dark = chance.random() < 0.5
    back = chance.choice([(0, 0, 0), (18, 18, 18), (11, 20, 26)]) if dark else (255, 255, 255)
    ink = (230, 230, 230) if dark else (30, 30, 30)
    out = Image.new("RGB", (width, height), back)
    draw = ImageDraw.Draw(out)
    bar = round(height * 0.035)
    draw.text((width * 0.05, bar * 0.2), "12:41", ink, _font(round(bar * 0.6)))
    draw.rectangle((width * 0.88, bar * 0.3, width * 0.94, bar * 0.7), outline=ink)
    side = round(width * chance.choice([0, 0, 0.03, 0.06]))
    shown = picture.resize(
        (width - 2 * side, round(picture.height * (width - 2 * side) / picture.width))
    )
    if shown.height > height * 0.7:
        shown = picture.resize(
            (round(picture.width * height * 0.7 / picture.height), round(height * 0.7))
        )
    top = chance.choice([(height - shown.height) // 2, round(height * 0.12)])
    out.paste(shown, ((width - shown.width) // 2, top))
    title = round(height * 0.02)
    if chance.random() < 0.7:
        draw.ellipse((width * 0.04, bar * 1.4, width * 0.04 + bar, bar * 2.4), fill=(90, 140, 190))
        draw.text((width * 0.16, bar * 1.5), _text(chance, 2), ink, _font(title))
    under = top + shown.height + title
    for line in range(chance.randrange(4)):
        place = (width * 0.05, under + title + line * title * 1.8)
        draw.text(place, _text(chance, chance.randrange(3, 7)), ink, _font(title))
    for button in range(chance.choice([0, 3, 4])):
        x = width * (0.1 + 0.25 * button)
        draw.ellipse((x, height * 0.94, x + title * 1.5, height * 0.94 + title * 1.5), outline=ink)
    return jpeg(out, 85)


def collage(picture: Picture, chance: Random, other: Picture) -> Picture:
    """Beside or above another picture, with a narrow line between or none."""
    gap = chance.choice([0, 0, 6])
    if chance.random() < 0.5:
        beside = other.resize(
            (max(8, round(other.width * picture.height / other.height)), picture.height)
        )
        out = Image.new("RGB", (picture.width + gap + beside.width, picture.height), "white")
        out.paste(beside, (picture.width + gap, 0))
    else:
        below = other.resize(
            (picture.width, max(8, round(other.height * picture.width / other.width)))
        )
        out = Image.new("RGB", (picture.width, picture.height + gap + below.height), "white")
        out.paste(below, (0, picture.height + gap))
    out.paste(picture, (0, 0))
    return out


def form(chance: Random) -> Picture:
    """A page of one printed form, filled in with words of chance."""
    page = Image.new("RGB", (900, 1200), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((40, 40, 860, 140), outline="black", width=4)
    draw.text((60, 60), "FORMULARIO DE SOLICITUD", "black", _font(48))
    printed = Random(5)
    for y in range(180, 1150, 44):
        draw.text((60, y), _text(printed, 2), "black", _font(28))
        draw.text((380, y), _text(chance, 5), (20, 20, 120), _font(28))
    return page


def chat(chance: Random) -> Picture:
    """A screen of one messenger with other messages."""
    screen = Image.new("RGB", (720, 1400), (236, 229, 221))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 720, 110), fill=(7, 94, 84))
    draw.text((120, 40), _text(chance, 2), "white", _font(36))
    y = 140
    while y < 1250:
        mine = chance.random() < 0.5
        height = chance.choice([60, 60, 100])
        left, right = (200, 700) if mine else (20, 520)
        fill = (220, 248, 198) if mine else (255, 255, 255)
        draw.rounded_rectangle((left, y, right, y + height), 14, fill=fill)
        for line in range(height // 50):
            draw.text((left + 14, y + 8 + 40 * line), _text(chance, 4), "black", _font(26))
        y += height + 16
    return screen


EDITS: dict[str, Edit] = {
    "recompress q30": lambda p, c: jpeg(p, 30),
    "messenger once": lambda p, c: messenger(p, 1),
    "messenger 3 times": lambda p, c: messenger(p, 3),
    "resize to 50 %": lambda p, c: scaled(p, 0.5),
    "resize to 25 %": lambda p, c: scaled(p, 0.25),
    "brighter 1.4": lambda p, c: ImageEnhance.Brightness(p).enhance(1.4),
    "darker 0.6": lambda p, c: ImageEnhance.Brightness(p).enhance(0.6),
    "watermark": watermark,
    "crop 5 % centred": lambda p, c: cropped(p, 0.025, 0.025, 0.025, 0.025),
    "crop 10 % centred": lambda p, c: cropped(p, 0.05, 0.05, 0.05, 0.05),
    "crop 20 % centred": lambda p, c: cropped(p, 0.1, 0.1, 0.1, 0.1),
    "crop 5 % one side": lambda p, c: one_side(p, c, 0.05),
    "crop 7 % one side": lambda p, c: one_side(p, c, 0.07),
    "crop 12 % one side": lambda p, c: one_side(p, c, 0.12),
    "crop 10 % one side": lambda p, c: one_side(p, c, 0.10),
    "crop 20 % one side": lambda p, c: one_side(p, c, 0.20),
    "crop 13 % two sides": lambda p, c: cropped(p, 0.08, 0.05, 0, 0),
    "any part": any_part,
    "any part, mirrored": lambda p, c: any_part(p, c).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "border 3 %": lambda p, c: bordered(p, c, 0.03),
    "border 10 %": lambda p, c: bordered(p, c, 0.10),
    "letterbox": letterbox,
    "caption": captioned,
    "screenshot": screenshot,
    "mirror": lambda p, c: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "rotate 90": lambda p, c: p.transpose(Image.Transpose.ROTATE_90),
}
"""All but the collage, which takes a second picture."""
