"""Which contents are known: held against every set of the case, and where the sets disagree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.match.categories import disagreement, use_of
from amparo.match.entries import MATCHED, WIDTH
from amparo.match.sets import KnownFile
from amparo.match.terms import expired
from amparo.model import Content, Id, KnownDispute, KnownMatch, KnownSet

_BATCH = 1 << 18


@deriver(
    "known",
    stage="match",
    version=3,
    reads=(Content, KnownSet),
    makes=(KnownMatch, KnownDispute),
)
def known(view: View, folder: Path) -> Iterator[KnownMatch | KnownDispute]:
    """Which contents stand in a known-hash set, by which hash and under which category; and disputes.

    A set past its date of expiry is not used. Raises FileNotFoundError where the compiled arrays of a
    set are missing: silence would read as "nothing known".
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
    rows = view.columns(Content, "id", "size", *MATCHED) if sets else iter(())
    while batch := [row for row in islice(rows, _BATCH)]:
        found = sorted(_matches(batch, sets), key=lambda m: m.content)
        yield from found
        for content, matches in groupby(found, key=lambda m: m.content):
            yield from _dispute(content, list(matches), names)


def _matches(
    batch: list[tuple[object, ...]], sets: list[tuple[KnownSet, KnownFile]]
) -> Iterator[KnownMatch]:
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
                    yield KnownMatch(
                        content=content,
                        known_set=record.id,
                        algorithm=algorithm,
                        use=use_of(record.use, record.scheme, stated.code),
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
