"""The same soundtrack in several films and recordings: recoded, or only a piece of it."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.plugin import deriver
from amparo.kit.times import clock
from amparo.kit.view import View
from amparo.match.clips import WHOLE, covered
from amparo.match.sounds_align import ROW, SPAN, Index, Stretch, Track, aligned
from amparo.model import ClipMatch, Id, Link, Soundtrack, make_id

STRONGEST = 4.0
"""Most that equal sound is held to weigh, as log10 of the likelihood ratio: one for each three seconds. Less than
for frames, since many films carry one song."""
METHOD, VERSION = "sound", 1


@deriver("sounds", stage="match", version=VERSION, reads=(Soundtrack,), makes=(ClipMatch, Link))
def sounds(view: View) -> Iterator[ClipMatch | Link]:
    """Which films and recordings carry the same sound, also recoded or cut out, from when to when."""
    ids, tracks, lengths = tracks_of(view)
    index = Index(tracks)
    for number, track in enumerate(tracks):
        for other, offsets in index.places(track, after=number):
            stretches = aligned(track, tracks[other], offsets)
            if stretches:
                yield from _joined(ids[number], ids[other], stretches, lengths)


def tracks_of(view: View) -> tuple[list[Id], list[Track], dict[Id, int]]:
    """Every soundtrack of a case by id of its content, and their lengths in milliseconds."""
    names = ("content", "value", "sounding", "duration")
    rows = sorted(view.columns(Soundtrack, *names), key=lambda row: str(row[0]))
    tracks = [Track.of(value, sounding) for _, value, sounding, _ in rows]
    return [row[0] for row in rows], tracks, {row[0]: int(row[3]) for row in rows}


def _joined(
    track: Id, other: Id, stretches: list[Stretch], lengths: dict[Id, int]
) -> Iterator[ClipMatch | Link]:
    matches = [match_of(track, other, s, lengths) for s in stretches]
    here = covered([(m.start, m.end) for m in matches], lengths[track])
    there = covered([(m.other_start, m.other_end) for m in matches], lengths[other])
    if (there, track) > (here, other):
        turned = [Stretch(s.other, s.begin, s.length, s.differ) for s in stretches]
        track, other, here, there = other, track, there, here
        matches = [match_of(track, other, s, lengths) for s in sorted(turned)]
    yield from matches
    form = "shares_sound"
    if here >= WHOLE:
        form = "same_sound" if there >= WHOLE else "sound_of"
    seconds = sum(m.end - m.start for m in matches) / 1000
    yield Link(
        form=form,
        source=track,
        target=other,
        method=METHOD,
        version=VERSION,
        log10_lr=round(min(STRONGEST, seconds / 3), 2),
        reasons=tuple(map(reason, matches[:8])),
        basis=(make_id("soundtrack", track), make_id("soundtrack", other)),
    )


def match_of(track: Id, other: Id, stretch: Stretch, lengths: dict[Id, int]) -> ClipMatch:
    """A stretch as a record; codes become milliseconds of the sound they are made of."""
    start, begin = round(stretch.begin * ROW), round(stretch.other * ROW)
    long = round((stretch.length - 1) * ROW) + SPAN
    return ClipMatch(
        form="sound",
        content=track,
        other=other,
        start=start,
        end=min(start + long, lengths.get(track, start + long)),
        other_start=begin,
        other_end=min(begin + long, lengths.get(other, begin + long)),
        votes=long // 100,
        distance=stretch.differ,
    )


def reason(match: ClipMatch) -> str:
    """One line for people."""
    return (
        f"{clock(match.start)} to {clock(match.end)} sounds as {clock(match.other_start)} to "
        f"{clock(match.other_end)}: {match.distance:.1%} of the bits differ"
    )


def sound_in_films(view: View, value: bytes, sounding: bytes) -> list[ClipMatch]:
    """Where a sound that is not of the case is heard in what is; ``content`` of the matches is "".

    Raises ValueError when the two parts of the soundtrack do not fit together.
    """
    track = Track.of(value, sounding)
    ids, tracks, lengths = tracks_of(view)
    found = [
        match_of("", ids[other], stretch, lengths)
        for other, offsets in Index(tracks).places(track)
        for stretch in aligned(track, tracks[other], offsets)
    ]
    return sorted(found, key=lambda m: (m.distance, m.other, m.start))
