"""What a registered descriptor holds to be near: suggestions for a person, and nothing by themselves.

A descriptor never puts a picture into a stack. A pair within the distance its card states is laid over each
other (:mod:`amparo.match.register`), upright as a viewer shows it, and called the same only where the details
agree; a stack stays what hashes make of it. Pages, screens and pictures without structure take no part, as
beyond the first tier of hashes.

Every pair is compared, so time grows with the square of the stacks: 2 d n² / 2 operations for n vectors of d
numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.kit.card import DESCRIPTOR, Card, read_card
from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.match.find import Alike
from amparo.match.rates import RATES, STRONGEST
from amparo.match.same import PAGES, Judged, Thumbs, judge
from amparo.match.stacks import FLAT
from amparo.match.wider import MOST, WHOLE, Candidate
from amparo.model import ContentKind, Id, Link, ModelCard, ModelVector, StackMember

VERSION = 1
FOLLOWED = 500
"""Vectors nearest to a picture that is looked for which are laid over it."""
_LEAST_RATE = 1e-6
_ROWS, _COLUMNS = 1024, 8192
_BLOCK = 1 << 13
_ASKED = ""

Vectors = NDArray[np.float16]
Floats = NDArray[np.float32]


class Near(NamedTuple):
    """Two vectors and their cosine distance."""

    first: int
    second: int
    distance: float


@deriver(
    "described",
    stage="match",
    version=VERSION,
    reads=(ContentKind, ModelCard, ModelVector, StackMember),
    makes=(Link,),
)
def described(view: View, thumbs: Thumbs) -> Iterator[Link]:
    """Which pictures a registered descriptor holds to be near, and which of them agree in detail."""
    records = sorted(view.each(ModelCard, form=DESCRIPTOR), key=lambda record: record.name)
    if not records:
        return
    pages = {c for c, form in view.columns(ContentKind, "content", "form") if form in PAGES}
    columns = view.columns(StackMember, "content", "stack", "method")
    takes_part = {c for c, stack, how in columns if c == stack and how != FLAT} - pages
    for record in records:
        card = read_card(record.card)
        ids, vectors = _vectors(view, record, takes_part)
        found = near_pairs(vectors, _within(card))
        pairs = [_candidate(ids[i], ids[j], distance) for i, j, distance in found]
        # the small pictures are upright already, as what the model saw was
        for each in judge(pairs, thumbs, {}):
            yield _link(each, card)


def alike_by(
    view: View, record: ModelCard, value: bytes, seen: bytes | None, thumbs: Thumbs
) -> list[Alike]:
    """Contents that a registered descriptor holds to be near a picture with this vector, the surest first.

    ``seen`` is the picture's own encoded small picture. What the details do not confirm is a suggestion.
    """
    card = read_card(record.card)
    _, asked = _fitting([(_ASKED, value)], record)
    if not len(asked):
        return []
    near: list[tuple[float, Id]] = []
    rows = view.columns(ModelVector, "content", "value", model=record.id)
    while block := list(islice(rows, _BLOCK)):
        ids, vectors = _fitting(block, record)
        distances = 1 - vectors.astype(np.float32) @ asked[0].astype(np.float32)
        for place in np.flatnonzero(distances <= _within(card)).tolist():
            near.append((float(distances[place]), ids[place]))
    pairs = [_candidate(_ASKED, id, distance) for distance, id in sorted(near)[:FOLLOWED]]
    found = [_alike(each, card) for each in judge(pairs, lambda id: thumbs(id) if id else seen, {})]
    return sorted(found, key=lambda a: (not a.verified, a.distance, a.content))


def near_pairs(vectors: Vectors, within: float, most: int = MOST) -> list[Near]:
    """Pairs of rows of float16[n, d], each of unit length, within a cosine distance, the nearest ``most``."""
    held: list[NDArray[np.float64]] = []
    count = 0
    for top in range(0, len(vectors), _ROWS):
        rows = vectors[top : top + _ROWS].astype(np.float32)
        for left in range(top // _COLUMNS * _COLUMNS, len(vectors), _COLUMNS):
            columns = vectors[left : left + _COLUMNS].astype(np.float32)
            products = rows @ columns.T
            i, j = np.nonzero(products >= 1 - within)
            later = j + left > i + top
            i, j = i[later], j[later]
            if len(i):
                held.append(np.stack([i + top, j + left, 1 - products[i, j]], axis=1, dtype=float))
                count += len(i)
            if count > 4 * most:
                held = [_nearest(held, most)]
                count = len(held[0])
    if not held:
        return []
    return [Near(int(i), int(j), max(0.0, d)) for i, j, d in _nearest(held, most).tolist()]


def _nearest(held: list[NDArray[np.float64]], most: int) -> NDArray[np.float64]:
    """The nearest pairs, in order of distance, then of rows."""
    whole = np.concatenate(held)
    return whole[np.lexsort((whole[:, 1], whole[:, 0], whole[:, 2]))[:most]]


def _vectors(view: View, record: ModelCard, among: set[Id]) -> tuple[list[Id], Vectors]:
    """The vectors of these contents, held once."""
    ids: list[Id] = []
    out = np.empty((len(among), record.numbers), np.float16)
    rows = view.columns(ModelVector, "content", "value", model=record.id)
    wanted = (row for row in rows if row[0] in among)
    while block := list(islice(wanted, _BLOCK)):
        some, vectors = _fitting(block, record)
        out[len(ids) : len(ids) + len(some)] = vectors
        ids += some
    return ids, out[: len(ids)]


def _fitting(rows: list[tuple[Id, bytes]], record: ModelCard) -> tuple[list[Id], Vectors]:
    """The rows that hold as many numbers as the model gives, of unit length, as a cell says they are."""
    rows = [row for row in rows if len(row[1]) == 2 * record.numbers]
    values = b"".join(value for _, value in rows)
    vectors = np.frombuffer(values, "<f2").reshape(len(rows), record.numbers)
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float32)
    sound = np.abs(squares - 1) < 0.02
    return [row[0] for row, good in zip(rows, sound.tolist(), strict=True) if good], vectors[sound]


def _within(card: Card) -> float:
    assert card.descriptor is not None
    return card.descriptor.suggest


def _candidate(content: Id, centre: Id, distance: float) -> Candidate:
    """A pair; its distance in thousandths."""
    return Candidate("model", content, WHOLE, 0, centre, WHOLE, round(1000 * distance))


def weight(card: Card, verified: bool) -> float:
    """What a match weighs, as log10 of the likelihood ratio, by the rates its card states."""
    assert card.descriptor is not None
    hit, false = 1 - card.descriptor.miss, max(card.descriptor.false_match, _LEAST_RATE)
    alone = log10(max(hit, _LEAST_RATE) / false)
    return min(STRONGEST, alone + RATES["detail"].log10_lr) if verified else min(1.0, alone)


def reasons_for(judged: Judged, card: Card) -> list[str]:
    """Why two pictures may be the same by a registered descriptor, or are, and how often that is wrong."""
    candidate, fit, why_not = judged
    assert card.descriptor is not None
    out = [f"model {card.name} {card.version}: cosine distance {candidate.distance / 1000:.3f}"]
    if fit is not None:
        out.append(str(fit))
    verified = fit is not None and not why_not
    out.append("verified: the same picture" if verified else f"alike to a model, check: {why_not}")
    out.append(f"errors its card states: {card.descriptor.errors}")
    return out if fit is None else [*out, f"known errors: {RATES['detail']}"]


def _link(judged: Judged, card: Card) -> Link:
    candidate, fit, why_not = judged
    return Link(
        form="same_picture",
        source=candidate.content,
        target=candidate.centre,
        method=f"model {card.name}",
        version=VERSION,
        log10_lr=weight(card, fit is not None and not why_not),
        reasons=tuple(reasons_for(judged, card)),
        basis=(candidate.content, candidate.centre),
    )


def _alike(judged: Judged, card: Card) -> Alike:
    candidate, fit, why_not = judged
    verified = fit is not None and not why_not
    reasons = tuple(reasons_for(judged, card))
    log10_lr = weight(card, verified)
    return Alike(candidate.centre, "model", candidate.distance, False, verified, log10_lr, reasons)
