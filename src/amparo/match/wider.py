"""Beyond the first tier: pictures whose hashes are less near, or near only in a part, as candidates.

Three ways: whole pictures 32 to 52 bits apart (``tier2``), the box within a frame or screen (``box``), and
parts of a picture where the case has crop hashes (``crop``). None of them calls anything the same; that
is for :mod:`amparo.match.same`, which lays the pictures over each other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amparo.match.near import RADIUS, Hits, NearIndex, codes_of, pairs
from amparo.model import Id

SUGGESTED = 52
"""Hamming distance up to which whole pictures are suggested as likely the same."""
PART = 40
"""Hamming distance up to which a part is looked at where one picture is held against each part of the case. The
join of all with all stays within the first tier, which its index is made for."""
MOST = 50_000
"""Candidates of one way that are followed up, nearest first."""
WHOLE = (0.0, 0.0, 1.0, 1.0)
FORMS = 8
_BOX_BYTES = FORMS * 32 + 8

Place = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the width and height, of the pixels as stored."""


class Part(NamedTuple):
    """A part of a content, with the hashes of its turned forms or only the upright one."""

    method: str
    """``pdq`` for all of it, ``box``, or ``crop``."""
    content: Id
    place: Place
    codes: tuple[bytes, ...]


class Candidate(NamedTuple):
    """A content that may be the same picture as a centre."""

    method: str
    content: Id
    place: Place
    form: int
    """Which of the eight forms of the content's part fits: 0 upright, in the order of ``pdq8``."""
    centre: Id
    centre_place: Place
    distance: int


def box_part(content: Id, value: bytes) -> Part | None:
    """The part a ``pdq_box`` fingerprint speaks of; None for a value of another form."""
    if len(value) != _BOX_BYTES:
        return None
    left, top, right, bottom = (n / 65535 for n in struct.unpack(">4H", value[-8:]))
    if not (left < right and top < bottom):
        return None
    codes = tuple(value[i : i + 32] for i in range(0, FORMS * 32, 32))
    return Part("box", content, (left, top, right, bottom), codes)


def crop_parts(content: Id, value: bytes) -> list[Part]:
    """The parts a ``pdq_crop`` fingerprint speaks of: 32 bytes and four uint16 each."""
    out = []
    for at in range(0, len(value) - len(value) % 40, 40):
        left, top, right, bottom = (n / 65535 for n in struct.unpack_from(">4H", value, at + 32))
        if left < right and top < bottom:
            out.append(Part("crop", content, (left, top, right, bottom), (value[at : at + 32],)))
    return out


def less_near(centres: list[Id], codes: NDArray[np.uint64]) -> list[Candidate]:
    """Centres 32 to 52 bits apart, upright, each pair once."""
    first, second, distance = pairs(codes, SUGGESTED)
    far = distance > RADIUS
    found = zip(first[far].tolist(), second[far].tolist(), distance[far].tolist(), strict=True)
    return _nearest(
        Candidate("tier2", centres[j], WHOLE, 0, centres[i], WHOLE, d) for i, j, d in found
    )


def by_part(method: str, parts: list[Part], stored: list[Part]) -> list[Candidate]:
    """Parts within the first tier of a stored part of another content; the nearest of each pair."""
    if not parts or not stored:
        return []
    index = NearIndex.build(codes_of([s.codes[0] for s in stored]))
    best: dict[tuple[Id, Id], Candidate] = {}
    for form in range(FORMS):
        asked = [part for part in parts if form < len(part.codes)]
        if not asked:
            break
        for q, row, distance in _rows(index.query(codes_of([part.codes[form] for part in asked]))):
            part, other = asked[q], stored[row]
            if part.content == other.content:
                continue
            new = Candidate(
                method, part.content, part.place, form, other.content, other.place, distance
            )
            key = part.content, other.content
            if key not in best or _order(new) < _order(best[key]):
                best[key] = new
    return _nearest(best.values())


def _rows(hits: Hits) -> zip[tuple[int, int, int]]:
    return zip(*(column.tolist() for column in hits), strict=True)


def _order(candidate: Candidate) -> tuple[int, int, Id, Id]:
    return candidate.distance, candidate.form, candidate.centre, candidate.content


def _nearest(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=_order)[:MOST]
