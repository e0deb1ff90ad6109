"""Finding a picture or a hash among everything taken in."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from amparo.kit.view import View
from amparo.match import within
from amparo.match.entries import BY_DIGITS
from amparo.match.near import FLOOR, RADIUS, codes_of, flat
from amparo.match.rates import RATES
from amparo.match.same import Judged, Thumbs, judge, orientations_of, reasons_for, strength_of
from amparo.match.wider import FORMS, PART, SUGGESTED, WHOLE, Candidate, Part, box_part, crop_parts
from amparo.model import Content, Fingerprint, Id

_BLOCK = 1 << 16
_ASKED = ""
"""Stands for the picture that is looked for, which is no content of the case."""
_ORDER = ("pdq", "box", "tier2", "crop")


class Alike(NamedTuple):
    """A content that is or may be the picture looked for, and why."""

    content: Id
    method: str
    """``pdq`` (within 31), ``box``, ``tier2`` (32 to 52) or ``crop``; ``cut`` for laid on every picture; ``exact``
    for the same bytes; ``model`` for a registered descriptor."""
    distance: int
    """In bits; of a descriptor thousandths of the cosine distance, of ``cut`` below full correlation."""
    turned: bool
    verified: bool
    """Whether more than a suggestion: within the first tier, or laid over each other and found to agree."""
    log10_lr: float
    reasons: tuple[str, ...]


def alike(
    view: View, prints: Sequence[Fingerprint], seen: bytes | None, orientation: int, thumbs: Thumbs
) -> list[Alike]:
    """Contents that look like a picture, the surest first.

    ``prints`` are the picture's own fingerprints (``pdq8``, ``pdq_box``, ``pdq_crop``), ``seen`` its
    encoded small picture and ``orientation`` its EXIF orientation. All eight forms are tried. Featureless
    contents (quality below 50) are never found, nor is anything for a featureless picture.
    """
    best: dict[Id, Candidate] = {}
    asked = _asked(prints)
    for candidate in _candidates(view, asked):
        known = best.get(candidate.centre)
        if known is None or _sure(candidate) < _sure(known):
            best[candidate.centre] = candidate
    found = sorted(best.values(), key=_sure)
    beyond = [candidate for candidate in found if candidate.method != "pdq"]
    orientations = {**orientations_of(view), _ASKED: orientation} if beyond else {}
    small = judge(beyond, lambda id: thumbs(id) if id else seen, orientations)
    out = [_first_tier(candidate) for candidate in found if candidate.method == "pdq"]
    wider = [_wider(judged) for judged in small]
    return out + sorted(wider, key=lambda a: (not a.verified, -a.log10_lr, a.distance, a.content))


def laid(
    view: View,
    seen: bytes,
    thumbs: within.Thumbs,
    sure: Container[Id],
    step: Callable[[int, int], None],
) -> tuple[list[Alike], int | None]:
    """Contents that a picture is a part of, or that are a part of it; and on how many it could not be laid.

    ``seen`` is its encoded small picture: None of how many, where it cannot be read. What is in ``sure`` was found
    before. Every copy in a stack whose centre agrees is named. It takes seconds, so ``step`` is called with the
    stacks gone over since, and how many there are.
    """
    stored, others = within.centres(view)
    out: list[Alike] = []
    found = within.cut_outs(seen, stored, thumbs, lambda done: step(done, len(stored)))
    if found is None:
        return out, None
    for judged in found.judged:
        hit = _wider(judged)
        out.append(hit)
        copies = others[hit.content] if hit.verified else []
        centre = view.get(Content, hit.content) if copies else None
        said = f"a copy of {centre.sha256[:12] if centre else hit.content}, of which this was found"
        out += [hit._replace(content=one, reasons=(said, *hit.reasons)) for one in copies]
    return [hit for hit in out if hit.content not in sure], found.missing


def _asked(prints: Sequence[Fingerprint]) -> list[Part]:
    out = []
    for record in prints:
        if record.quality < FLOOR:
            continue
        value = record.value
        if record.algorithm == "pdq8" and len(value) == FORMS * 32:
            forms = tuple(value[i : i + 32] for i in range(0, FORMS * 32, 32))
            out.append(Part("pdq", _ASKED, WHOLE, forms))
        elif record.algorithm == "pdq_box" and (part := box_part(_ASKED, value)):
            out.append(part)
        elif record.algorithm == "pdq_crop":
            out += crop_parts(_ASKED, value)
    return out


def _candidates(view: View, asked: list[Part]) -> Iterator[Candidate]:
    codes = [(part, form, code) for part in asked for form, code in enumerate(part.codes)]
    if not codes:
        return
    queries = codes_of([code for _, _, code in codes])
    for block in _blocks(view):
        hits = flat(queries, codes_of([code for _, code in block]), SUGGESTED)
        for q, row, distance in zip(*(column.tolist() for column in hits), strict=True):
            (part, form, _), (stored, _) = codes[q], block[row]
            method = _method(part, stored, distance)
            if method:
                yield Candidate(
                    method, _ASKED, part.place, form, stored.content, stored.place, distance
                )


def _method(part: Part, stored: Part, distance: int) -> str:
    """Which way of being alike this is; "" for a part that is not near enough."""
    methods = {part.method, stored.method}
    if methods == {"pdq"}:
        return "pdq" if distance <= RADIUS else "tier2"
    if "crop" in methods:
        return "crop" if distance <= PART else ""
    return "box" if distance <= RADIUS else ""


def _blocks(view: View) -> Iterator[list[tuple[Part, bytes]]]:
    rows = _stored(view)
    while block := list(islice(rows, _BLOCK)):
        yield block


def _stored(view: View) -> Iterator[tuple[Part, bytes]]:
    """Every part of every content that has structure, and its upright code."""
    for algorithm in ("pdq", "pdq_box", "pdq_crop"):
        for content, value, quality in view.columns(
            Fingerprint, "content", "value", "quality", algorithm=algorithm
        ):
            if quality < FLOOR:
                continue
            if algorithm == "pdq" and len(value) == 32:
                yield Part("pdq", content, WHOLE, ()), value
            elif algorithm == "pdq_box" and (part := box_part(content, value)):
                yield part, part.codes[0]
            elif algorithm == "pdq_crop":
                for crop in crop_parts(content, value):
                    yield crop, crop.codes[0]


def _sure(candidate: Candidate) -> tuple[int, int, int, Id]:
    method = _ORDER.index(candidate.method)
    return method, candidate.distance, candidate.form, candidate.centre


def _first_tier(found: Candidate) -> Alike:
    rate = RATES["pdq"]
    said = f"{rate.said}: {found.distance} bits apart", f"known errors: {rate}"
    turned = found.form > 0
    return Alike(found.centre, "pdq", found.distance, turned, True, rate.log10_lr, said)


def _wider(judged: Judged) -> Alike:
    found, fit, why_not = judged
    verified = fit is not None and not why_not
    weight, reasons = strength_of(judged), tuple(reasons_for(judged))
    turned = found.form > 0
    return Alike(found.centre, found.method, found.distance, turned, verified, weight, reasons)


def by_hash(view: View, hexdigest: str) -> list[Id]:
    """Contents with this MD5, SHA-1 or SHA-256, told apart by length; ValueError for anything else."""
    written = hexdigest.strip().lower()
    algorithm = BY_DIGITS.get(len(written))
    if algorithm is None or set(written) - set("0123456789abcdef"):
        raise ValueError("a hash is 32, 40 or 64 hexadecimal digits (MD5, SHA-1, SHA-256 or PDQ)")
    return [id for (id,) in view.columns(Content, "id", **{algorithm: written})]


def by_pdq(view: View, hexdigest: str) -> list[Alike]:
    """Contents near a PDQ of 64 hexadecimal digits, as lists exchange it; none for another length.

    Only upright: the turned forms of a picture do not follow from its hash.
    """
    written = hexdigest.strip().lower()
    if len(written) != 64 or set(written) - set("0123456789abcdef"):
        return []
    asked = [Part("pdq", _ASKED, WHOLE, (bytes.fromhex(written),))]
    best: dict[Id, Candidate] = {}
    for found in _candidates(view, asked):
        best[found.centre] = min(best.get(found.centre, found), found, key=_sure)
    return [
        _first_tier(found)
        if found.method == "pdq"
        else _wider(Judged(found, None, "only its hash is known"))
        for found in sorted(best.values(), key=_sure)
    ]
