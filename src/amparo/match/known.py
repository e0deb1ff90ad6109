"""Which contents are known: held against every set of the case, and where the sets disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.match.bands import Codes
from amparo.match.categories import disagreement, use_of
from amparo.match.entries import MATCHED, WIDTH, Stated
from amparo.match.near import FLOOR, NearIndex
from amparo.match.sets import KnownFile
from amparo.match.terms import expired
from amparo.model import Content, Fingerprint, Id, KnownDispute, KnownMatch, KnownSet

_BATCH = 1 << 18
_PICTURES = 1 << 15
_HITS = 1 << 22
"""Values near to pictures that are held at once; of a single picture, all."""
_FORMS = 8
"""Ways a picture can be turned and mirrored, each with a hash of its own."""

Sets = list[tuple[KnownSet, KnownFile]]
Rows = NDArray[np.int64]


@deriver(
    "known",
    stage="match",
    version=4,
    reads=(Content, Fingerprint, KnownSet),
    makes=(KnownMatch, KnownDispute),
)
def known(view: View, folder: Path) -> Iterator[KnownMatch | KnownDispute]:
    """Which contents stand in a known-hash set, by which hash and under which category; and disputes.

    Where a list gives values of PDQ, a picture within 31 bits of one is the same picture in other bytes; it
    raises the alert of a list of alerts, and is never ignored for it. A set past its date of expiry is not
    used. Raises FileNotFoundError where the compiled arrays of a set are missing: silence would read as
    "nothing known".
    """
    sets = []
    for record in view.each(KnownSet):
        if expired(record):
            continue
        try:
            sets.append((record, KnownFile.open(folder, record.id)))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"the known set {record.name!r} is not compiled here: add its list again"
            ) from None
    names = {record.id: record.name for record, _ in sets}
    alike = _alike(view, sets)
    rows = view.columns(Content, "id", "size", *MATCHED) if sets else iter(())
    while batch := [row for row in islice(rows, _BATCH)]:
        found = list(_matches(batch, sets))
        exact = {(m.content, m.known_set) for m in found}
        for row in batch:
            looks = alike.pop(str(row[0]), ())
            found += [m for m in looks if (m.content, m.known_set) not in exact]
        found.sort(key=lambda m: m.content)
        yield from found
        for content, matches in groupby(found, key=lambda m: m.content):
            yield from _dispute(content, list(matches), names)


def _matches(batch: list[tuple[object, ...]], sets: Sets) -> Iterator[KnownMatch]:
    for column, algorithm in enumerate(MATCHED, 2):
        ids: list[Id] = []
        digests: list[bytes] = []
        for row in batch:
            digest = _digest(str(row[column]))
            if row[1] and len(digest) == WIDTH[algorithm]:
                ids.append(str(row[0]))
                digests.append(digest)
        for record, file in sets:
            for content, stated in zip(ids, file.stated(algorithm, digests), strict=True):
                if stated is not None:
                    yield _match(content, record, algorithm, stated)


def _alike(view: View, sets: Sets) -> dict[Id, list[KnownMatch]]:
    """Pictures within the radius of a listed value of PDQ, by content: the nearest value of each set."""
    found: dict[Id, list[KnownMatch]] = defaultdict(list)
    indexes = [(record, file, index) for record, file in sets if (index := file.near()) is not None]
    if not indexes:
        return found
    rows = view.columns(Fingerprint, "content", "value", "quality", algorithm="pdq8")
    while block := list(islice(rows, _PICTURES)):
        clear = [(c, v) for c, v, q in block if q >= FLOOR and len(v) == _FORMS * WIDTH["pdq"]]
        codes = np.frombuffer(bytearray(b"".join(v for _, v in clear)), "<u8").reshape(-1, 4)
        for record, file, index in indexes:
            for pictures, stored, distances in _nearest(index, codes):
                values = [row.tobytes() for row in index.at(stored)]
                says = file.stated("pdq", values)
                each = zip(pictures.tolist(), distances.tolist(), says, strict=True)
                for picture, distance, stated in each:
                    if stated is not None:
                        content = clear[picture][0]
                        found[content].append(_match(content, record, "pdq", stated, distance))
    return found


def _nearest(index: NearIndex, codes: Codes) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Picture, stored row and distance: of each picture the value nearest to any of its forms.

    In parts, so that memory does not depend on how many copies of one picture stand on either side.
    """
    until = np.cumsum(index.count(codes).reshape(-1, _FORMS).sum(axis=1))
    start = 0
    while start < len(until):
        before = int(until[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(until, before + _HITS, "right")))
        if until[end - 1] > before:
            query, stored, distance = index.query(codes[start * _FORMS : end * _FORMS])
            picture = start + query // _FORMS
            order = np.lexsort((stored, distance, picture))
            first = order[np.unique(picture[order], return_index=True)[1]]
            yield picture[first], stored[first], distance[first].astype(np.int64)
        start = end


def _match(
    content: Id, record: KnownSet, algorithm: str, stated: Stated, distance: int = 0
) -> KnownMatch:
    use = use_of(record.use, record.scheme, stated.code)
    return KnownMatch(
        content=content,
        known_set=record.id,
        algorithm=algorithm,
        distance=distance,
        # What only looks like something is not set aside unseen.
        use="listed" if algorithm == "pdq" and use == "ignore" else use,
        scheme=record.scheme,
        code=stated.code,
        victim_identified=stated.victim_identified,
        offender_identified=stated.offender_identified,
        distributed=stated.distributed,
    )


def _dispute(
    content: Id, matches: list[KnownMatch], names: dict[Id, str]
) -> Iterator[KnownDispute]:
    reasons = disagreement((names[m.known_set], m.use, m.scheme, m.code) for m in matches)
    if reasons:
        between = tuple(sorted({m.known_set for m in matches}))
        yield KnownDispute(content=content, between=between, reasons=reasons)


def _digest(written: str) -> bytes:
    try:
        return bytes.fromhex(written)
    except ValueError:
        return b""
