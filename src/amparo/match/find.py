"""Finding a picture or a hash among everything taken in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from amparo.kit.view import View
from amparo.match.entries import BY_DIGITS
from amparo.match.near import codes_of, flat
from amparo.match.stacks import FLOOR, TURNS
from amparo.model import Content, Fingerprint, Id

_BLOCK = 1 << 16


def near_contents(view: View, pdq8: bytes, radius: int) -> list[tuple[Id, int, bool]]:
    """Contents that look like this picture, nearest first: (content, distance, had to be turned).

    ``pdq8`` holds the picture's eight dihedral PDQ codes, 32 bytes each, upright first. Featureless
    contents (quality below 50) are never found. Raises ValueError for another length or a radius
    outside 0 to 256.
    """
    if len(pdq8) != 32 * (1 + TURNS):
        raise ValueError("pdq8 is eight codes of 32 bytes")
    if not 0 <= radius <= 256:
        raise ValueError("a radius is 0 to 256 bits")
    forms = codes_of([pdq8[i : i + 32] for i in range(0, len(pdq8), 32)])
    best: dict[Id, tuple[int, bool]] = {}
    for ids, values in _blocks(view):
        turn, row, distance = flat(forms, codes_of(values), radius)
        for t, r, d in zip(turn.tolist(), row.tolist(), distance.tolist(), strict=True):
            best[ids[r]] = min(best.get(ids[r], (d, t > 0)), (d, t > 0))
    found = [(content, distance, turned) for content, (distance, turned) in best.items()]
    return sorted(found, key=lambda f: (f[1], f[0]))


def _blocks(view: View) -> Iterator[tuple[list[Id], list[bytes]]]:
    rows = (
        (content, value)
        for content, value, quality in view.columns(
            Fingerprint, "content", "value", "quality", algorithm="pdq"
        )
        if quality >= FLOOR and len(value) == 32
    )
    while block := list(islice(rows, _BLOCK)):
        yield [content for content, _ in block], [value for _, value in block]


def by_hash(view: View, hexdigest: str) -> list[Id]:
    """Contents with this MD5, SHA-1 or SHA-256, told apart by length; ValueError for anything else."""
    written = hexdigest.strip().lower()
    algorithm = BY_DIGITS.get(len(written))
    if algorithm is None or set(written) - set("0123456789abcdef"):
        raise ValueError("a hash is 32, 40 or 64 hexadecimal digits (MD5, SHA-1, SHA-256)")
    return [id for (id,) in view.columns(Content, "id", **{algorithm: written})]
