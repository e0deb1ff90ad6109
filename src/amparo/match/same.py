"""Pictures that show the same beyond the first tier: suggested, laid over each other, then perhaps joined.

A candidate (:mod:`amparo.match.wider`) is compared in detail on the thumbnails, which the host made itself
from checked pixels; no evidence is decoded. What agrees joins the stack of the centre it was compared with,
if it stood alone, and says how; everything else stays a suggestion for a person. Pages and screens are
never joined: at this size other words on the same form look the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from PIL import Image

from amparo.kit.view import View
from amparo.match.bands import in_parallel
from amparo.match.near import FLOOR, codes_of
from amparo.match.rates import RATES, strength
from amparo.match.register import Fit, page_like, register
from amparo.match.wider import (
    WHOLE,
    Candidate,
    Part,
    Place,
    box_part,
    by_part,
    crop_parts,
    less_near,
)
from amparo.model import ContentKind, Fingerprint, Id, Link, Media

VERSION = 1
COMPARED = 20_000
"""Candidates that are laid over each other, nearest first; about 60 a second and core."""
PAGES = frozenset({"document", "screenshot", "drawing", "blank"})
"""Kinds of pictures that are not random in their coarse shapes: 31 bits is all that is allowed them."""

_AT_ONCE = 512
"""Pairs of small pictures held in memory."""

Picture = Image.Image
Thumbs = Callable[[Id], bytes | None]
"""The small picture of a content, as the host encoded it."""

_T = Image.Transpose
_STORED = {2: _T.FLIP_LEFT_RIGHT, 3: _T.ROTATE_180, 4: _T.FLIP_TOP_BOTTOM, 5: _T.TRANSPOSE,
           6: _T.ROTATE_90, 7: _T.TRANSVERSE, 8: _T.ROTATE_270}  # fmt: skip
"""Turns an upright picture back to how it is stored under this EXIF orientation."""
_FORMS = (None, _T.ROTATE_90, _T.ROTATE_180, _T.ROTATE_270, _T.FLIP_TOP_BOTTOM,
          _T.FLIP_LEFT_RIGHT, _T.TRANSPOSE, _T.TRANSVERSE)  # fmt: skip
"""What makes the picture whose upright hash is this form's, in the order of ``pdq8``."""
MIRRORED = 5
"""The number of the form that is mirrored left to right."""
_VERIFIED = ", verified: "
"""In what a stack says of a member that joined it."""


class Judged(NamedTuple):
    """A candidate, how it lies on its centre, and whether that is enough."""

    candidate: Candidate
    fit: Fit | None
    why_not: str


class Joined(NamedTuple):
    """A content that stood alone and belongs to the stack of ``centre``."""

    centre: Id
    distance: int
    turned: bool
    method: str


@dataclass(frozen=True)
class Standing:
    """How contents stand after the first tier: the centre of each, and how many it holds."""

    centre: dict[Id, Id]
    size: dict[Id, int]


def candidates(view: View, upright: dict[Id, bytes], standing: Standing) -> list[Candidate]:
    """What may be the same beyond the first tier, the surest way first: box, whole, crop."""
    kinds = dict(view.columns(ContentKind, "content", "form"))
    centres = sorted(c for c in upright if standing.centre.get(c) == c)
    boxes, crops = [], []
    for content, algorithm, value, quality in _prints(view):
        if quality < FLOOR or content not in standing.centre:
            continue
        if algorithm == "pdq_crop":
            crops += crop_parts(content, value)
        elif part := box_part(content, value):
            boxes.append(part)
    stored = [Part("pdq", c, WHOLE, (upright[c],)) for c in centres if kinds.get(c) not in PAGES]
    stored += [part for part in boxes if standing.centre[part.content] == part.content]
    whole = [c for c in centres if kinds.get(c) not in PAGES]
    found = [
        *by_part("box", boxes, stored),
        *less_near(whole, codes_of([upright[c] for c in whole])),
        *by_part("crop", crops, stored),
    ]
    seen: set[frozenset[Id]] = set()
    out = []
    for candidate in found:
        pair = frozenset((candidate.content, candidate.centre))
        if pair not in seen and standing.centre[candidate.content] != candidate.centre:
            seen.add(pair)
            out.append(candidate)
    return out


def _prints(view: View) -> Iterator[tuple[Id, str, bytes, int]]:
    for algorithm in ("pdq_box", "pdq_crop"):
        for content, value, quality in view.columns(
            Fingerprint, "content", "value", "quality", algorithm=algorithm
        ):
            yield content, algorithm, value, quality


def judge(found: list[Candidate], thumbs: Thumbs, orientations: Mapping[Id, int]) -> list[Judged]:
    """Each candidate laid over its centre, on all cores; the order stays.

    ``orientations`` holds the EXIF orientation of contents that are not stored upright, as their
    small pictures are.
    """
    out: list[Judged] = []
    for begin in range(0, min(len(found), COMPARED), _AT_ONCE):
        block = found[begin : begin + _AT_ONCE]
        parts = [
            (
                _part(each.content, each.place, thumbs, orientations),
                _part(each.centre, each.centre_place, thumbs, orientations),
            )
            for each in block
        ]
        pairs = [(each, *two) for each, two in zip(block, parts, strict=True)]
        out += in_parallel(partial(_nth, pairs), len(pairs))
    return out + [Judged(c, None, f"beyond the first {COMPARED:,}") for c in found[COMPARED:]]


def orientations_of(view: View) -> dict[Id, int]:
    """The EXIF orientation of contents that are not stored upright."""
    return {c: o for c, o in view.columns(Media, "content", "orientation") if o in _STORED}


def _nth(pairs: list[tuple[Candidate, Picture | None, Picture | None]], number: int) -> Judged:
    return _laid(*pairs[number])


def _laid(candidate: Candidate, first: Picture | None, second: Picture | None) -> Judged:
    if first is None or second is None:
        return Judged(
            candidate, None, "not compared in detail: no small picture of one, or too thin a part"
        )
    form = _FORMS[candidate.form]
    fit = register(first.transpose(form) if form is not None else first, second)
    if page_like(first) or page_like(second):
        return Judged(candidate, fit, "a page or screen: other words may look the same")
    return Judged(candidate, fit, "" if fit.same else "details do not agree")


def readable(data: bytes | None, mode: str, size: tuple[int, int] | None = None) -> Picture | None:
    """An encoded small picture, decoded no larger than ``size`` needs; None where there is none or it is torn."""
    if data is None:
        return None
    try:
        picture = Image.open(io.BytesIO(data), formats=("JPEG", "WEBP"))
        if size is not None:
            picture.draft(mode, size)
        return picture.convert(mode)
    except (OSError, ValueError):
        return None


def _part(
    content: Id, place: Place, thumbs: Thumbs, turned: Mapping[Id, int]
) -> Image.Image | None:
    """A part of a small picture, its pixels in the order in which they are stored in the file."""
    small = readable(thumbs(content), "RGB")
    if small is None:
        return None
    back = _STORED.get(turned.get(content, 1))
    if back is not None:
        small = small.transpose(back)
    left, top, right, bottom = place
    box = left * small.width, top * small.height, right * small.width, bottom * small.height
    if box[2] - box[0] < 8 or box[3] - box[1] < 8:
        return None
    left, top, right, bottom = (round(n) for n in box)
    return small.crop((left, top, right, bottom))


def by_details(method: str) -> bool:
    """Whether a member is in its stack because its details agree, so that it may show more or less than the centre."""
    return _VERIFIED in method


def joins(judged: list[Judged], standing: Standing) -> dict[Id, Joined]:
    """Which contents that stood alone join which stack; none that another joins, so nothing is a chain."""
    out: dict[Id, Joined] = {}
    held: set[Id] = set()
    for candidate, fit, why_not in judged:
        mover, centre = candidate.content, candidate.centre
        if fit is None or why_not:
            continue
        if candidate.method == "tier2" and not _can_move(mover, out, held, standing):
            mover, centre = centre, mover  # both are whole pictures: either may join the other
        if centre in out or not _can_move(mover, out, held, standing):
            continue
        held.add(centre)
        said = f"{RATES[candidate.method].said}{_VERIFIED}{fit}"
        out[mover] = Joined(centre, candidate.distance, candidate.form > 0, said)
    return out


def _can_move(content: Id, moved: dict[Id, Joined], held: set[Id], standing: Standing) -> bool:
    return standing.size[content] == 1 and content not in moved and content not in held


def strength_of(judged: Judged) -> float:
    """What a match weighs, as log10 of the likelihood ratio."""
    return strength(judged.candidate.method, judged.fit is not None and not judged.why_not)


def reasons_for(judged: Judged) -> list[str]:
    """Why two pictures are held to be the same, or may be, and how often that is wrong."""
    candidate, fit, why_not = judged
    rate = RATES[candidate.method]
    turned = {0: "", MIRRORED: ", mirrored"}.get(candidate.form, ", turned")
    where = _where(candidate) if candidate.method == "cut" else ""
    out = [f"{rate.said}: {apart(candidate.method, candidate.distance)}{where}{turned}"]
    if fit is not None:
        out.append(str(fit))
    verified = fit is not None and not why_not
    same = "one shows a part of the other" if candidate.method == "cut" else "the same picture"
    out.append(f"verified: {same}" if verified else f"likely the same, check: {why_not}")
    out.append(f"known errors: {rate}")
    return out if fit is None else [*out, f"known errors: {RATES['detail']}"]


def apart(method: str, distance: int) -> str:
    """How far two pictures are from each other, in words."""
    if method == "cut":
        return f"correlation {1 - distance / 1000:.2f}"
    return f"{distance / 1000:.3f} apart" if method == "model" else f"{distance} bits apart"


def _where(candidate: Candidate) -> str:
    """Which part of which picture the other is."""
    part, of = (
        (candidate.centre_place, "it")
        if candidate.place == WHOLE
        else (candidate.place, "what is looked for")
    )
    left, top, right, bottom = (f"{share:.0%}" for share in part)
    return f", from {left} to {right} across and from {top} to {bottom} down of {of}"


def link(judged: Judged, joined: dict[Id, Joined]) -> Link:
    """The claim, its strength and reasons; called the same only where the details agree."""
    candidate = judged.candidate
    ends = candidate.content, candidate.centre
    reasons = reasons_for(judged)
    if any(e in joined and joined[e].centre in ends for e in ends):
        reasons.append("one of them stood alone and lies in the other's stack now")
    return Link(
        form="same_picture",
        source=candidate.content,
        target=candidate.centre,
        method=candidate.method,
        version=VERSION,
        log10_lr=strength_of(judged),
        reasons=tuple(reasons),
        basis=ends,
    )
