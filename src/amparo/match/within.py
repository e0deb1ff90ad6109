"""What a picture was cut out of, and what was cut out of it: laid on every picture there is, at all places and sizes.

Hashes of parts find the cuts they were made for. Here it may be any rectangle that is no smaller than a third of
the larger picture, upright or mirrored, and nothing needs to have been kept for it but the small pictures. Three
steps, each on what the one before left: normalised cross-correlation of pictures of :data:`SIDE` pixels,
the same about the best place at :data:`FINER`, and the comparison in detail of :mod:`amparo.match.register`.
Only the last calls two pictures the same.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from amparo.kit.view import View
from amparo.match.near import FLOOR
from amparo.match.same import MIRRORED, Judged, by_details, judge, readable
from amparo.match.wider import WHOLE, Candidate, Place
from amparo.model import Fingerprint, Id, StackMember

METHOD = "cut"
SIDE = 24
"""Pixels of the longer side at which everything is laid on everything."""
LEAST, LEAST_AREA = 8, 40
"""Pixels of the longer side of the smallest part that is looked for, a third, and of its area: thinner strips lie well
on much that they were not cut out of."""
FINER = 72
FAINT = 0.7
"""Correlation at :data:`SIDE` from which they may be laid again."""
FOLLOWED, SHARE_FOLLOWED = 400, 0.005
"""How many of the best are laid again at :data:`FINER`, each of those it may be a part of and those that may be a part
of it, at the least and as a share of all."""
COMPARED = 30
"""How many of those of each are compared in detail."""
CLOSE, SURE, SUGGESTED = 200, 110, 50
"""Thousandths below full correlation up to which they are compared, may be called the same, and are named though their
details do not agree."""
SURE_SHARE = 0.7
"""Of the structured patches must agree, more than of two pictures whose hashes are near: of so many places
the best was chosen here, and other shots of one building lie well on each other somewhere."""
NAMED = 5
"""Most of what does not agree in detail that is named."""
_LEAST_VARIANCE = 9.0
_AT_ONCE = 512

Greys = NDArray[np.uint8]
Floats = NDArray[np.float32]

Thumbs = Callable[[Sequence[Id]], Sequence[bytes | None]]
"""The small pictures of some contents, as the host encoded them."""


class Lay(NamedTuple):
    """How one picture lies best on another."""

    score: float
    """Normalised cross-correlation, -1 to 1."""
    asked: Place
    """The part of the picture that is looked for, as it is (not mirrored)."""
    stored: Place
    mirrored: bool


Near = tuple[Lay, Id]


class Found(NamedTuple):
    """What a picture lies on or under."""

    judged: list[Judged]
    """The surest first. ``distance`` of a candidate is in thousandths below full correlation, its places are of
    the upright pictures."""
    missing: int
    """How many there is no small picture of, so that nothing is known of them."""


def centres(view: View) -> tuple[list[Id], dict[Id, list[Id]]]:
    """The pictures that anything is laid on and what each stands for besides; featureless ones are left out.

    One of each stack, and each that is in a stack only because its details agree: it may show more than the centre.
    """
    rows = view.columns(StackMember, "content", "stack", "method")
    stacks = {content: stack for content, stack, method in rows if not by_details(method)}
    others: dict[Id, list[Id]] = defaultdict(list)
    found = set()
    for content, quality in view.columns(Fingerprint, "content", "quality", algorithm="pdq"):
        if quality >= FLOOR:
            centre = stacks.get(content, content)
            found.add(centre)
            if centre != content:
                others[centre].append(content)
    return sorted(found), others


def copies(view: View, content: Id) -> set[Id]:
    """A content and what lies in its stack, but for what is there only because its details agree."""
    rows = list(view.columns(StackMember, "stack", "method", content=content))
    if not rows or by_details(rows[0][1]):
        return {content}
    members = view.columns(StackMember, "content", "method", stack=rows[0][0])
    return {content, *(member for member, method in members if not by_details(method))}


def cut_outs(
    asked: bytes, stored: Sequence[Id], thumbs: Thumbs, step: Callable[[int], None]
) -> Found | None:
    """The contents that show a part of a picture, or of which it is a part; None where it cannot be read itself.

    ``asked`` is its encoded small picture. What does not lie on it closely is left out, what does and does not agree
    in detail says so. ``step`` is called with the number of contents gone over since, first with none.
    """
    picture = readable(asked, "L")
    if picture is None:
        return None
    search = _Search(picture)
    most = max(FOLLOWED, int(SHARE_FOLLOWED * len(stored)))
    on: list[Near] = []
    under: list[Near] = []
    read = 0
    step(0)
    blocks = [stored[at : at + _AT_ONCE] for at in range(0, len(stored), _AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for ids, near in zip(blocks, pool.map(partial(search.over, thumbs), blocks), strict=True):
            read += near.read
            on, under = _best(on + near.on, most), _best(under + near.under, most)
            step(len(ids))
        placed = [
            _best(pool.map(partial(search.placed, thumbs), some), COMPARED) for some in (on, under)
        ]
    candidates = [
        Candidate(METHOD, "", lay.asked, MIRRORED * lay.mirrored, content, lay.stored, distance)
        for lay, content in sorted(placed[0] + placed[1], key=_surest)
        if (distance := round(1000 * (1 - lay.score))) <= CLOSE
    ]
    judged = map(_doubted, judge(candidates, lambda id: thumbs([id])[0] if id else asked, {}))
    best: dict[Id, Judged] = {}
    for one in judged:
        if one.fit is not None and (one.candidate.distance <= SUGGESTED or one.fit.same):
            known = best.get(one.candidate.centre)
            if known is None or (known.why_not and not one.why_not):
                best[one.candidate.centre] = one
    sure = [one for one in best.values() if not one.why_not]
    return Found(sure + [one for one in best.values() if one.why_not][:NAMED], len(stored) - read)


def _doubted(judged: Judged) -> Judged:
    """What agrees less than is asked for here is for a person."""
    candidate, fit, why_not = judged
    if fit is None or why_not:
        return judged
    sure = candidate.distance <= SURE and fit.agreeing >= SURE_SHARE * fit.patches
    return judged if sure else judged._replace(why_not="details agree only in part")


def _best(found: Iterable[Near], most: int) -> list[Near]:
    return sorted(found, key=_surest)[:most]


def _near(lays: Sequence[Lay], names: Sequence[Id]) -> list[Near]:
    """Those that may lie on each other."""
    return [(lay, name) for lay, name in zip(lays, names, strict=True) if lay.score >= FAINT]


def _surest(found: Near) -> tuple[float, Id]:
    return -found[0].score, found[1]


class _Over(NamedTuple):
    """How each of some lies best on the picture and the picture on it; how many could be read."""

    on: list[Near]
    under: list[Near]
    read: int


class _Search:
    """One picture, upright and mirrored, ready to be laid on others and to have others laid on it."""

    def __init__(self, picture: Image.Image) -> None:
        self.forms = [picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
        self.sizes = _sizes(picture.width, picture.height)
        """None of a strip, which is laid on nothing."""
        self.pieces = [
            np.concatenate([_unit(_made(form, size)).ravel() for size in self.sizes])
            for form in self.forms
            if self.sizes
        ]
        self.small = [_made(form, _fitted(*form.size, SIDE)) for form in self.forms]

    def over(self, thumbs: Thumbs, ids: Sequence[Id]) -> _Over:
        """How the picture and each of these lie on each other, where they do at all."""
        groups: dict[tuple[int, int], list[tuple[Id, Greys]]] = defaultdict(list)
        for content, data in zip(ids, thumbs(ids), strict=True):
            picture = readable(data, "L", (SIDE, SIDE))
            if picture is not None:
                grey = _made(picture, _fitted(*picture.size, SIDE))
                groups[grey.shape].append((content, grey))
        on: list[Near] = []
        under: list[Near] = []
        for group in groups.values():
            names, greys = [name for name, _ in group], np.stack([grey for _, grey in group])
            if self.sizes:
                on += _near(self._on(greys), names)
            under += _near(self._under(greys), names)
        return _Over(on, under, sum(map(len, groups.values())))

    def _on(self, greys: Greys) -> list[Lay]:
        """The picture laid on each of some of one size."""
        from amparo.match.compiled.laying import LANES, laid

        high, wide = greys.shape[1:]
        widths, heights = np.array(self.sizes, int).reshape(-1, 2).T
        out = []
        for at in range(0, len(greys), LANES):
            some = greys[at : at + LANES]
            lanes = np.zeros((high, wide, LANES), np.int32)
            lanes[:, :, : len(some)] = some.transpose(1, 2, 0)
            stored, least = lanes.astype(np.float32).reshape(high, -1), np.float32(_LEAST_VARIANCE)
            sums, squares = _sums(lanes), _sums(lanes**2)
            plain, mirrored = (
                laid(stored, sums, squares, pieces, heights, widths, least)
                for pieces in self.pieces
            )
            for lane in range(len(some)):
                turned = bool(mirrored[0][lane] > plain[0][lane])
                scores, places = mirrored if turned else plain
                piece, y, x = places[lane].tolist()
                place = x / wide, y / high, (x + widths[piece]) / wide, (y + heights[piece]) / high
                out.append(Lay(float(scores[lane]), WHOLE, place, turned))
        return out

    def _under(self, greys: Greys) -> list[Lay]:
        """Each of some of one size laid on the picture."""
        count, high, wide = greys.shape
        across, down = self.small[0].shape[1], self.small[0].shape[0]
        best = np.full(count, -1.0, np.float32)
        places, turned = np.zeros((count, 4)), np.zeros(count, bool)
        lines = greys.astype(np.float32).reshape(-1, wide)
        for w, h in _sizes(wide, high):
            if h > down or w > across:
                continue
            narrow = (lines @ _shares(wide, w).T).reshape(count, high, w)
            made = narrow.transpose(0, 2, 1).reshape(-1, high) @ _shares(high, h).T
            pieces = _units(made.reshape(count, w * h))
            windows = [sliding_window_view(form.T, (w, h)) for form in self.small]
            spots = _units(np.concatenate([each.reshape(-1, w * h) for each in windows]))
            scores = pieces @ spots.T
            spot = scores.argmax(axis=1)
            score = scores[np.arange(count), spot]
            form, spot = np.divmod(spot, len(spots) // 2)
            x, y = np.divmod(spot, windows[0].shape[1])
            place = np.stack([x, y, x + w, y + h], axis=1) / ((across, down) * 2)
            better = score > best
            best[better], places[better], turned[better] = (
                score[better],
                place[better],
                form[better] > 0,
            )
        found = zip(best.tolist(), places.tolist(), turned.tolist(), strict=True)
        return [
            Lay(score, _turned((place[0], place[1], place[2], place[3]), back), WHOLE, back)
            for score, place, back in found
        ]

    def placed(self, thumbs: Thumbs, found: tuple[Lay, Id]) -> tuple[Lay, Id]:
        """The same about that place at the finer size."""
        lay, content = found
        (data,) = thumbs([content])
        other = readable(data, "L")
        assert other is not None  # it was read a moment ago
        asked = self.forms[lay.mirrored]
        if lay.asked == WHOLE:
            score, place = _about(asked, other, lay.stored)
            return Lay(score, WHOLE, place, lay.mirrored), content
        score, place = _about(other, asked, _turned(lay.asked, lay.mirrored))
        return Lay(score, _turned(place, lay.mirrored), WHOLE, lay.mirrored), content


def _about(piece: Image.Image, whole: Image.Image, place: Place) -> tuple[float, Place]:
    """Where a picture lies best on another about a place, and how well."""
    ground = _made(whole, _fitted(*whole.size, FINER)).astype(np.float32)
    high, wide = ground.shape
    longest = max((place[2] - place[0]) * wide, (place[3] - place[1]) * high)
    step = FINER // SIDE
    reach = step + 1
    best, where = -1.0, place
    for side in range(round(longest) - step, round(longest) + step + 1):
        w, h = _fitted(piece.width, piece.height, side)
        if h > high or w > wide:
            continue
        left = round((place[0] + place[2]) / 2 * wide - w / 2)
        top = round((place[1] + place[3]) / 2 * high - h / 2)
        x0, x1 = max(0, left - reach), min(wide - w, left + reach)
        y0, y1 = max(0, top - reach), min(high - h, top + reach)
        if x0 > x1 or y0 > y1:
            continue
        windows = sliding_window_view(ground[y0 : y1 + h, x0 : x1 + w], (h, w))
        spots = _units(windows.reshape(-1, h * w))
        scores = spots @ _unit(_made(piece, (w, h))).ravel()
        spot = int(scores.argmax())
        if scores[spot] > best:
            y, x = y0 + spot // windows.shape[1], x0 + spot % windows.shape[1]
            best = float(scores[spot])
            where = x / wide, y / high, (x + w) / wide, (y + h) / high
    return best, where


def _turned(place: Place, mirrored: bool) -> Place:
    left, top, right, bottom = place
    return (1 - right, top, 1 - left, bottom) if mirrored else place


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """The sizes at which a picture of this shape is laid on others."""
    sizes = (_fitted(width, height, longest) for longest in range(LEAST, SIDE + 1))
    return [(w, h) for w, h in sizes if w * h >= LEAST_AREA]


def _fitted(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height with this longer side."""
    k = longest / max(width, height)
    return max(1, round(width * k)), max(1, round(height * k))


def _made(picture: Image.Image, size: tuple[int, int]) -> Greys:
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def _unit(grey: Greys) -> Floats:
    return _units(grey.reshape(1, -1)).reshape(grey.shape)


def _units(rows: NDArray[Any]) -> Floats:
    """Rows of mean zero and length one; of nothing but zeros where they are featureless."""
    centred = rows - rows.mean(axis=1, keepdims=True, dtype=np.float32)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    plain = length**2 <= _LEAST_VARIANCE * rows.shape[1]
    out: Floats = np.where(plain, 0, centred / np.maximum(length, 1e-6)).astype(np.float32)
    return out


def _sums(lanes: NDArray[np.int32]) -> NDArray[np.int32]:
    high, wide, many = lanes.shape
    out = np.zeros((high + 1, wide + 1, many), np.int32)
    out[1:, 1:] = lanes.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    return out


def _shares(of: int, to: int) -> Floats:
    """float32[to, of]: how much of each pixel of a line goes into each of a shorter one, as areas."""
    edges = np.arange(to + 1) * of / to
    pixels = np.arange(of)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: Floats = (np.maximum(covered, 0) * to / of).astype(np.float32)
    return shares
