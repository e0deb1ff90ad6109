"""Films in films and pictures in films: the same clip re-encoded, cut out, mirrored, at another speed.

Nothing here depends on the order of arrival: what two films share is found from their frames alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from amparo.kit.plugin import deriver
from amparo.kit.times import clock
from amparo.kit.view import View
from amparo.match.bands import Codes
from amparo.match.clips_table import WIDER, Pair, Table, frames_of, shared, table_of
from amparo.match.near import RADIUS, NearIndex, codes_of, flat
from amparo.match.stacks import FLOOR
from amparo.model import ClipMatch, Film, FilmFrames, Fingerprint, Id, Link, Media, make_id

WHOLE = 0.8
"""Share of a film that must be in another for it to be called a clip of it."""
STRONGEST = 6.0
"""Most that agreeing frames are held to weigh, as log10 of the likelihood ratio; one for each frame."""
METHOD, VERSION = "frames", 1
_FLIPPED = 5
"""Place of the left-right mirrored code among the eight of ``pdq8``."""
_BLOCK = 1 << 18


@deriver(
    "clips",
    stage="match",
    version=VERSION,
    reads=(Film, FilmFrames, Fingerprint, Media),
    makes=(ClipMatch, Link),
)
def clips(view: View) -> Iterator[ClipMatch | Link]:
    """Which films share a stretch with another, from when to when, and which pictures are frames of one."""
    lengths = {c: int(reached) for c, reached in view.columns(Film, "content", "reached")}
    table = frames_of(view)
    together: dict[tuple[int, int], list[Pair]] = {}
    for pair in shared(table, table, one_way=True):
        together.setdefault((pair.film, pair.other), []).append(pair)
    for (film, other), pairs in sorted(together.items()):
        yield from joined(table.films[film], table.films[other], pairs, lengths)
    yield from _stills(view, table)


def joined(
    film: Id, other: Id, pairs: list[Pair], lengths: dict[Id, int]
) -> Iterator[ClipMatch | Link]:
    """What two films share as records: the one of which more is in the other comes first."""
    matches = sorted(
        (match_of(film, other, pair) for pair in best_of(pairs)), key=lambda m: (m.start, m.end)
    )
    here = covered([(m.start, m.end) for m in matches], lengths.get(film, 0))
    there = covered([(m.other_start, m.other_end) for m in matches], lengths.get(other, 0))
    if (there, film) > (here, other):
        matches = sorted(map(turned, matches), key=lambda m: (m.start, m.end))
        film, other, here, there = other, film, there, here
    yield from matches
    form = "shares_clip"
    if here >= WHOLE:
        form = "same_film" if there >= WHOLE else "clip_of"
    votes = sum(m.votes for m in matches)
    yield Link(
        form=form,
        source=film,
        target=other,
        method=METHOD,
        version=VERSION,
        log10_lr=min(STRONGEST, float(votes)),
        basis=(make_id("film", film), make_id("film", other)),
        reasons=tuple(map(reason, matches[:8]))
        + ((f"and {len(matches) - 8} more stretches",) if len(matches) > 8 else ()),
    )


def best_of(pairs: list[Pair]) -> list[Pair]:
    """The stretches of two films without those that another, better one covers (mirrored or not)."""
    kept: list[Pair] = []
    order = sorted(pairs, key=lambda p: (-p.stretch.votes, p.mirrored, p.stretch))
    for pair in order:
        s = pair.stretch
        if not any(
            _overlap(s.start, s.end, k.stretch.start, k.stretch.end) > 0.5
            and _overlap(s.other_start, s.other_end, k.stretch.other_start, k.stretch.other_end)
            > 0.5
            for k in kept
        ):
            kept.append(pair)
    return kept


def _overlap(start: int, end: int, other_start: int, other_end: int) -> float:
    """Share of the first range that lies in the second."""
    return max(0, min(end, other_end) - max(start, other_start)) / max(1, end - start)


def match_of(film: Id, other: Id, pair: Pair) -> ClipMatch:
    """A stretch as a record."""
    s = pair.stretch
    return ClipMatch(
        form="film",
        content=film,
        other=other,
        start=s.start,
        end=s.end,
        other_start=s.other_start,
        other_end=s.other_end,
        speed=s.speed,
        mirrored=pair.mirrored,
        votes=s.votes,
        distance=s.distance,
    )


def turned(match: ClipMatch) -> ClipMatch:
    """The same match, told of the other film."""
    return ClipMatch(
        form=match.form,
        content=match.other,
        other=match.content,
        start=match.other_start,
        end=match.other_end,
        other_start=match.start,
        other_end=match.end,
        speed=round(1 / match.speed, 3),
        mirrored=match.mirrored,
        votes=match.votes,
        distance=match.distance,
    )


def covered(ranges: list[tuple[int, int]], length: int) -> float:
    """Share of a film of this length that lies in any of the ranges."""
    total, upto = 0, 0
    for start, end in sorted(ranges):
        total += max(0, end - max(start, upto))
        upto = max(upto, end)
    return total / length if length else 0.0


def reason(match: ClipMatch) -> str:
    """One line for people."""
    how = [f"{match.votes} frames agree", f"mean PDQ distance {match.distance:.0f}"]
    if match.mirrored:
        how.append("mirrored")
    if match.speed != 1.0:
        how.append(f"at {match.speed:.2f} times the speed")
    return (
        f"{clock(match.start)} to {clock(match.end)} is {clock(match.other_start)} to "
        f"{clock(match.other_end)}: {', '.join(how)}"
    )


def _stills(view: View, table: Table) -> Iterator[ClipMatch | Link]:
    """Pictures that are a frame of a film, at the moment that is most like them."""
    if not len(table.film):
        return
    pictures = {content for (content,) in view.columns(Media, "content")}
    ids, upright = [], []
    for content, value, quality in view.columns(
        Fingerprint, "content", "value", "quality", algorithm="pdq"
    ):
        if quality >= FLOOR and len(value) == 32 and content in pictures:
            ids.append(content)
            upright.append(value)
    mirrored = {
        content: value[32 * _FLIPPED : 32 * (_FLIPPED + 1)]
        for content, value in view.columns(Fingerprint, "content", "value", algorithm="pdq8")
        if len(value) == 256
    }
    flipped = [mirrored.get(content, value) for content, value in zip(ids, upright, strict=True)]
    index = NearIndex.build(table.code)
    for begin in range(0, len(ids), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        best: dict[tuple[int, int], tuple[int, bool, int]] = {}
        for is_mirrored, values in ((False, upright[part]), (True, flipped[part])):
            queries = codes_of(values)
            busy = index.count(queries) > _BLOCK
            found, row, distance = index.query(queries[~busy], RADIUS)
            asked = np.flatnonzero(~busy)[found]
            for a, r, d in zip(asked.tolist(), row.tolist(), distance.tolist(), strict=True):
                key = (a + begin, int(table.film[r]))
                hit = (d, is_mirrored, r)
                best[key] = min(best.get(key, hit), hit)
        for (picture, film), (d, is_mirrored, r) in sorted(best.items()):
            yield from _still(ids[picture], table, film, r, d, is_mirrored)


def _still(
    picture: Id, table: Table, film: int, row: int, distance: int, mirrored: bool
) -> Iterator[ClipMatch | Link]:
    start = int(table.time[row])
    yield ClipMatch(
        form="still",
        content=picture,
        other=table.films[film],
        start=0,
        end=0,
        other_start=start,
        other_end=start + int(table.hold[row]),
        mirrored=mirrored,
        votes=1,
        distance=float(distance),
    )
    yield Link(
        form="frame_of",
        source=picture,
        target=table.films[film],
        method=METHOD,
        version=VERSION,
        log10_lr=1.0,
        basis=(make_id("fingerprint", picture, "pdq"), make_id("film", table.films[film])),
        reasons=(f"like the frame at {clock(start)}: PDQ distance {distance}",),
    )


def still_in_films(
    view: View, pdq8: bytes, radius: int = RADIUS
) -> list[tuple[Id, int, int, bool]]:
    """Films that show this picture, nearest first: (film, milliseconds, distance, mirrored).

    ``pdq8`` holds the eight codes of the picture. Raises ValueError for another length.
    """
    codes = codes_of([pdq8[i : i + 32] for i in range(0, len(pdq8), 32)])
    if len(codes) != 8:
        raise ValueError("pdq8 is eight codes of 32 bytes")
    table = frames_of(view)
    queries: Codes = codes[[0, _FLIPPED]]
    best: dict[int, tuple[int, int, bool]] = {}
    turn, row, distance = flat(queries, table.code, radius)
    for t, r, d in zip(turn.tolist(), row.tolist(), distance.tolist(), strict=True):
        film = int(table.film[r])
        hit = (d, int(table.time[r]), t > 0)
        best[film] = min(best.get(film, hit), hit)
    found = [(table.films[f], time, d, mirrored) for f, (d, time, mirrored) in best.items()]
    return sorted(found, key=lambda hit: (hit[2], hit[0]))


def film_in_films(view: View, frames: list[bytes]) -> list[ClipMatch]:
    """Where a film that is not of the case (the values of its ``shown`` frames) runs inside those that are.

    ``content`` of the matches is "".
    """
    table = frames_of(view)
    asked = table_of([("", value) for value in frames])
    together: dict[int, list[Pair]] = {}
    for pair in shared(asked, table, radius=WIDER):
        together.setdefault(pair.other, []).append(pair)
    found = [
        match_of("", table.films[other], pair)
        for other, pairs in together.items()
        for pair in best_of(pairs)
    ]
    return sorted(found, key=lambda m: (-m.votes, m.other, m.start))
