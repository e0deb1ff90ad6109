"""Visual stacks: pictures that look the same lie in one stack, looked at once and judged once.

A stack has a centre, and every member lies within the radius *of the centre*: a chain of small changes
never carries a picture into the stack of another. Centres are chosen by how many contents they have
near, then by id, so the stacks do not depend on the order of arrival; a content near several centres
goes to the nearest.

What lies beyond that radius joins a stack only when it has been laid over its centre and the details
agree (:mod:`amparo.match.same`); what may be the same and did not, or cannot be told, becomes a link.

Every content with pixels (a Media record) gets a place. One without structure (PDQ quality below 50:
a flat wall, a black frame) has no trustworthy code and stands alone, as does one without a code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.match.bands import Codes
from amparo.match.near import FLOOR as FLOOR
from amparo.match.near import RADIUS, NearIndex, codes_of
from amparo.match.same import Standing, Thumbs, candidates, joins, judge, link, orientations_of
from amparo.model import ContentKind, Fingerprint, Id, Link, Media, StackMember

TURNS = 7
"""Further forms in ``pdq8``: rot90, rot180, rot270, flipX, flipY, flipPlus1, flipMinus1."""

_NEAR = f"PDQ within {RADIUS} of the centre"
_ALONE = f"alone: nothing within PDQ {RADIUS}"
FLAT = f"alone: quality below {FLOOR}"
_NONE = "alone: no PDQ"
_HITS_AT_ONCE = 1 << 22
_BLOCK = 1 << 13


class Places(NamedTuple):
    """Each content's centre (row number), its distance to it and whether it had to be turned."""

    centre: NDArray[np.int64]
    distance: NDArray[np.int16]
    turned: NDArray[np.bool_]


@deriver(
    "stacks",
    stage="match",
    version=2,
    reads=(ContentKind, Fingerprint, Media),
    makes=(StackMember, Link),
)
def stacks(view: View, thumbs: Thumbs) -> Iterator[StackMember | Link]:
    """Which pictures show the same thing, also resized, recompressed, turned, mirrored, framed or cut."""
    media, upright = _codes(view)
    members = {m.content: m for m in _first_tier(view, media, upright)}
    sizes = Counter(m.stack for m in members.values())
    standing = Standing(
        {content: m.stack for content, m in members.items()},
        {content: sizes[m.stack] for content, m in members.items()},
    )
    judged = judge(candidates(view, upright, standing), thumbs, orientations_of(view))
    joined = joins(judged, standing)
    centres = {j.centre for j in joined.values()}
    for content, member in members.items():
        if content in joined:
            j = joined[content]
            yield StackMember(
                content=content,
                stack=j.centre,
                distance=j.distance,
                turned=j.turned,
                method=j.method,
            )
        elif member.method == _ALONE and content in centres:
            yield replace(member, method=_NEAR)
        else:
            yield member
    for each in judged:
        yield link(each, joined)


def _codes(view: View) -> tuple[dict[Id, str], dict[Id, bytes]]:
    """(why each content would stand alone, upright code of those that have a usable one)."""
    media = dict.fromkeys((content for (content,) in view.columns(Media, "content")), _NONE)
    upright: dict[Id, bytes] = {}
    for content, value, quality in view.columns(
        Fingerprint, "content", "value", "quality", algorithm="pdq"
    ):
        if content in media and len(value) == 32:
            media[content] = _ALONE if quality >= FLOOR else FLAT
            if quality >= FLOOR:
                upright[content] = value
    return media, upright


def _first_tier(
    view: View, media: dict[Id, str], upright: dict[Id, bytes]
) -> Iterator[StackMember]:
    ids = sorted(upright)
    row_of = {content: row for row, content in enumerate(ids)}
    rows, forms = [], []
    for content, value in view.columns(Fingerprint, "content", "value", algorithm="pdq8"):
        row = row_of.get(content)
        if row is not None and len(value) == 32 * (1 + TURNS):
            rows.append(row)
            forms.append(value[32:])
    places = stack(
        codes_of([upright[content] for content in ids]),
        np.array(rows, dtype=np.int64),
        np.frombuffer(bytearray(b"".join(forms)), dtype="<u8").reshape(-1, TURNS, 4),
    )
    sizes = np.bincount(places.centre, minlength=len(ids))
    for content in sorted(media):
        row = row_of.get(content)
        centre = row if row is None else int(places.centre[row])
        if row is None or centre is None or sizes[centre] == 1:
            yield StackMember(content=content, stack=content, distance=0, method=media[content])
        else:
            yield StackMember(
                content=content,
                stack=ids[centre],
                distance=int(places.distance[row]),
                turned=bool(places.turned[row]),
                method=_NEAR,
            )


def stack(codes: Codes, rows: NDArray[np.int64], forms: Codes) -> Places:
    """Places for contents in id order with upright ``codes`` uint64[n, 4].

    ``forms`` uint64[m, 7, 4] are the turned codes of the contents ``rows`` (int64[m], each once).
    Contents with one and the same code are searched once, with the turned codes of the first that has.
    """
    form_of = np.full(len(codes), -1, dtype=np.int64)
    form_of[rows] = np.arange(len(rows))
    distinct, kind, size = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    order = np.lexsort((np.arange(len(codes)), form_of < 0, kind))
    first = order[np.cumsum(size) - size]
    centre, distance, turned = _centres(distinct, first, size, forms, form_of[first])
    return Places(first[centre][kind], distance[kind], turned[kind])


def _centres(
    codes: Codes,
    ids: NDArray[np.int64],
    size: NDArray[np.int64],
    forms: Codes,
    form_of: NDArray[np.int64],
) -> Places:
    """Places for distinct codes: ``ids`` break ties, ``size`` contents share a code, ``form_of`` or -1."""
    index = NearIndex.build(codes)
    degree = _degree(index, codes, forms, form_of) + size - 1
    centre = np.full(len(codes), -1, dtype=np.int64)
    distance = np.full(len(codes), RADIUS + 1, dtype=np.int16)
    turned = np.zeros(len(codes), dtype=bool)
    order = np.lexsort((ids, -degree))
    order = order[degree[order] > 0]
    while len(order):
        # several possible centres at once, as memory allows; one that another takes in is skipped
        most = int(np.searchsorted(np.cumsum(degree[order[:_BLOCK]] + 1), _HITS_AT_ONCE))
        block, order = order[: max(1, most)], order[max(1, most) :]
        hits = _around(index, codes, forms, form_of, block)
        ends = np.searchsorted(hits[:, 0], np.arange(len(block) + 1))
        for place, row in enumerate(block.tolist()):
            if centre[row] >= 0:
                continue
            centre[row], distance[row] = row, 0
            near = hits[ends[place] : ends[place + 1]]
            near = near[near[:, 2] < distance[near[:, 1]]]  # a centre has distance 0 and stays one
            centre[near[:, 1]] = row
            distance[near[:, 1]] = near[:, 2]
            turned[near[:, 1]] = near[:, 3] > 0
        order = order[centre[order] < 0]
    alone = np.flatnonzero(centre < 0)
    centre[alone], distance[alone] = alone, 0
    return Places(centre, distance, turned)


def _degree(
    index: NearIndex, codes: Codes, forms: Codes, form_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many other codes lie within the radius of each one's forms."""
    degree = index.count(codes) - 1
    has = np.flatnonzero(form_of >= 0)
    for turn in range(TURNS if len(has) else 0):
        form = forms[form_of[has], turn]
        itself = np.bitwise_count(form ^ codes[has]).sum(axis=1, dtype=np.uint16) <= RADIUS
        degree[has] += index.count(form) - itself
    return degree


def _around(
    index: NearIndex,
    codes: Codes,
    forms: Codes,
    form_of: NDArray[np.int64],
    block: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Contents near those of ``block``: rows (place in block, row, least distance, turned)."""
    has = np.flatnonzero(form_of[block] >= 0)
    queries = [codes[block]]
    places = [np.arange(len(block))]
    for turn in range(TURNS if len(has) else 0):
        queries.append(forms[form_of[block[has]], turn])
        places.append(has)
    found, row, distance = index.query(np.concatenate(queries))
    place = np.concatenate(places)[found]
    turned = found >= len(block)
    order = np.lexsort((turned, distance, row, place))
    hits = np.stack([place, row, distance.astype(np.int64), turned.astype(np.int64)], axis=1)[order]
    first = np.ones(len(hits), dtype=bool)
    first[1:] = (hits[1:, :2] != hits[:-1, :2]).any(axis=1)
    return hits[first]
