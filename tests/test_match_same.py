"""Beyond the first tier: joined only where the details agree, suggested where they may, pages never joined."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from amparo.fingerprint.box import box_hash
from amparo.fingerprint.pdq import dihedral
from amparo.fingerprint.pixels import upright
from amparo.match.find import alike
from amparo.match.rates import RATES, STRONGEST, strength
from amparo.match.register import page_like, register
from amparo.match.same import judge
from amparo.match.stacks import stacks
from amparo.match.wider import WHOLE, Candidate, box_part, crop_parts
from amparo.model import ContentKind, Fingerprint, Link, Media, Record, StackMember
from test_match_known import Rows, content

Picture = Image.Image


def scene(seed: int, width: int = 480, height: int = 360) -> Picture:
    """Benign: soft shapes of chance with finer ones upon them."""
    chance = np.random.default_rng(seed)
    out = np.zeros((height, width, 3))
    for cells, weight in ((5, 0.5), (14, 0.3), (48, 0.2)):
        noise = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), np.uint8))
        out += weight * np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(out.astype(np.uint8))


def screen(picture: Picture) -> Picture:
    shown = picture.resize((400, round(picture.height * 400 / picture.width)))
    out = Image.new("RGB", (400, 800), (12, 12, 12))
    out.paste(shown, (0, 230))
    draw = ImageDraw.Draw(out)
    draw.text((20, 10), "12:41", "white")
    draw.text((20, 700), "what a day at the beach", "white")
    return out


class Shown:
    """Contents with the fingerprints and the small pictures the stages before would have made."""

    def __init__(self, **pictures: Picture) -> None:
        self.records: list[Record] = []
        self.small: dict[str, bytes] = {}
        for name, picture in pictures.items():
            self.add(name, picture)

    def add(self, name: str, picture: Picture, kind: str = "photograph") -> None:
        c = content(name)
        pixels = np.asarray(picture)
        hashes, quality = dihedral(pixels)
        self.records += [
            c,
            Media(content=c.id, format="JPEG", width=picture.width, height=picture.height),
            ContentKind(content=c.id, form=kind, score=0.9, reasons=()),
        ]
        prints = {"pdq": hashes[0], "pdq8": b"".join(hashes)}
        if boxed := box_hash(pixels):
            prints["pdq_box"] = boxed[0]
        for algorithm, value in prints.items():
            self.records.append(
                Fingerprint(content=c.id, algorithm=algorithm, value=value, quality=quality)
            )
        small, out = picture.copy(), io.BytesIO()
        small.thumbnail((256, 256))
        small.save(out, "JPEG", quality=70)
        self.small[c.id] = out.getvalue()

    def found(self, thumbs: Any = None) -> tuple[dict[str, StackMember], list[Link]]:
        out = list(stacks(Rows(*self.records), thumbs or self.small.get))
        members = [r for r in out if isinstance(r, StackMember)]
        return {m.content: m for m in members}, [r for r in out if isinstance(r, Link)]


def test_a_screenshot_joins_the_stack_of_its_picture_and_says_why() -> None:
    photo = scene(1)
    shown = Shown(photo=photo, other=scene(2))
    shown.add("shot", screen(photo), "screenshot")
    members, links = shown.found()
    shot, original = members[content("shot").id], members[content("photo").id]
    assert shot.stack == original.stack == original.content
    assert "without its frame" in shot.method and "verified" in shot.method and shot.distance <= 31
    assert original.method == "PDQ within 31 of the centre"
    (link,) = links
    assert (link.form, link.source, link.target) == ("same_picture", shot.content, original.content)
    assert link.method == "box" and link.log10_lr > 3
    assert any("patches agree" in r for r in link.reasons)
    assert any("known errors" in r and str(RATES["box"]) in r for r in link.reasons)
    assert members[content("other").id].stack == content("other").id


def test_a_turned_screenshot_of_it_joins_too() -> None:
    photo = scene(4)
    shown = Shown(photo=photo)
    shown.add("shot", screen(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), "screenshot")
    members, _ = shown.found()
    shot = members[content("shot").id]
    assert shot.stack == content("photo").id and shot.turned


@pytest.mark.parametrize("orientation", [1, 6, 5, 2])
def test_finding_by_a_screenshot_also_where_its_file_is_turned(orientation: int) -> None:
    photo = scene(5)
    shown = Shown(photo=photo, other=scene(6))
    asked = Shown()
    shot = screen(photo)
    asked.add("asked", shot)
    prints = [r for r in asked.records if isinstance(r, Fingerprint)]
    out = io.BytesIO()
    Image.fromarray(upright(shot, orientation, max(shot.size))).save(out, "JPEG")
    view = Rows(*shown.records)
    (found,) = alike(view, prints, out.getvalue(), orientation, shown.small.get)
    assert (found.content, found.method, found.verified) == (content("photo").id, "box", True)
    (found,) = alike(view, prints, None, orientation, shown.small.get)
    assert not found.verified and "no small picture" in " ".join(found.reasons)


def test_without_small_pictures_nothing_is_joined_only_suggested() -> None:
    photo = scene(1)
    shown = Shown(photo=photo)
    shown.add("shot", screen(photo), "screenshot")
    members, (link,) = shown.found(lambda id: None)
    assert members[content("shot").id].stack == content("shot").id
    assert link.log10_lr == 1.0 and any("no small picture" in r for r in link.reasons)


def test_a_narrow_crop_is_suggested_by_the_second_tier_and_joins() -> None:
    photo = scene(7, 600, 600)
    apart, cut = 0, photo
    for share in range(1, 40):
        edge = round(600 * share / 400)
        cut = photo.crop((edge, edge, 600 - edge, 600 - edge))
        apart = int(
            np.bitwise_count(
                np.frombuffer(dihedral(np.asarray(cut))[0][0], np.uint8)
                ^ np.frombuffer(dihedral(np.asarray(photo))[0][0], np.uint8)
            ).sum()
        )
        if apart > 31:
            break
    assert 31 < apart <= 52
    members, (link,) = Shown(photo=photo, cut=cut).found()
    assert link.method == "tier2" and len({m.stack for m in members.values()}) == 1
    assert f"{apart} bits apart" in link.reasons[0]
    shown = Shown(photo=photo)
    shown.add("cut", cut, "document")
    members, links = shown.found()
    assert not links and len({m.stack for m in members.values()}) == 2, "pages keep to 31"


def page(words: int) -> Picture:
    out = Image.new("RGB", (400, 520), "white")
    draw = ImageDraw.Draw(out)
    chance = np.random.default_rng(words)
    draw.rectangle((10, 10, 390, 60), outline="black", width=3)
    for y in range(80, 500, 20):
        draw.text((20, y), "Name and place", "black")
        draw.text((150, y), "".join(chr(97 + c) for c in chance.integers(0, 26, 22)), "black")
    return out


def test_forms_with_other_words_are_never_verified() -> None:
    assert page_like(page(1)) and not page_like(scene(1))
    out: dict[str, bytes] = {}
    for name in ("a", "b"):
        file = io.BytesIO()
        page(len(out)).save(file, "JPEG")
        out[name] = file.getvalue()
    candidate = Candidate("tier2", "a", WHOLE, 0, "b", WHOLE, 40)
    (judged,) = judge([candidate], out.get, {})
    assert judged.fit is not None and "page or screen" in judged.why_not


def test_laying_over_tells_the_same_from_another() -> None:
    photo = scene(3)
    for cut in ((0, 0, 480, 340), (24, 18, 480, 360), (0, 0, 456, 360)):
        fit = register(photo, photo.crop(cut))
        assert fit.same and fit.correlation > 0.8, cut
        assert abs(fit.across - 480 / (cut[2] - cut[0])) < 0.04
        back = register(photo.crop(cut), photo)
        assert back.same and abs(back.across - (cut[2] - cut[0]) / 480) < 0.04
    assert not any(register(photo, scene(seed)).same for seed in range(10, 18))
    assert not register(photo, Image.new("RGB", (40, 40), "grey")).same
    assert register(Image.new("RGB", (9, 9)), Image.new("RGB", (9, 9))).patches == 0


def test_values_of_another_form_are_left_out() -> None:
    assert box_part("c", b"") is None and box_part("c", bytes(264)) is None
    whole = bytes(256) + b"\x00\x00\x00\x00\xff\xff\x80\x00"
    part = box_part("c", whole)
    assert part is not None and len(part.codes) == 8 and part.place == (0, 0, 1, 32768 / 65535)
    assert crop_parts("c", bytes(39)) == [] == crop_parts("c", bytes(40))
    assert len(crop_parts("c", (bytes(32) + whole[256:]) * 2)) == 2


@pytest.mark.parametrize("method", sorted(set(RATES) - {"detail"}))
def test_strength_follows_from_the_counts(method: str) -> None:
    rate = RATES[method]
    assert 0 < rate.recall <= 1 and rate.pairs > 1000
    assert rate.false_rate == (rate.false + 3) / rate.pairs
    assert strength(method, False) < strength(method, True) <= STRONGEST
