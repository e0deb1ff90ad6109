"""A film in two pieces: the samples its index names must fill their sizes, unit by unit."""

from __future__ import annotations

import struct

from amparo.kit.spans import Range, Spans
from amparo.recover.formats import movie
from amparo.recover.formats.extent import Extent
from amparo.recover.pieces import Effort, Joined, places, result, spliced


def film(view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    boxes = movie.walk(view, start)
    media, moov = boxes.first(b"mdat"), boxes.first(b"moov")
    if media is None:
        return None
    if moov is not None and moov[0] < media[0]:
        try:
            tracks = movie.index(view.read(start + moov[0], moov[1]))
        except (struct.error, ValueError, IndexError):
            return None
        return _unknown_gap(view, start, cluster, (media[0], sum(media)), tracks, effort)
    return _known_gap(view, start, cluster, media, effort)


def _known_gap(
    view: Spans, start: int, cluster: int, media: Range, effort: Effort
) -> Joined | None:
    """The index lies behind the media: where it is found says how wide the gap is."""
    end = sum(media)
    at = start + media[0]
    for _ in range(1000):
        at = view.find(b"moov", at + 4, min(view.size, start + (4 << 30)))
        if at < 0:
            return None
        gap = at - 4 - start - end
        size = int.from_bytes(view.read(at - 4, 4))
        if gap <= 0 or gap % cluster or not 100 < size < 64 << 20 or not effort.take(size):
            continue
        try:
            tracks = movie.index(view.read(at - 4, size))
        except (struct.error, ValueError, IndexError):
            continue
        ranges = [r for t in tracks for r in t.samples]
        if not ranges or min(ranges)[0] < media[0] or max(o + n for o, n in ranges) > end:
            continue
        found = _at_gap(view, start, cluster, gap, movie.checked(tracks), (media[0], end), effort)
        if found is not None:
            return found
    return None


def _at_gap(
    view: Spans,
    start: int,
    cluster: int,
    gap: int,
    samples: list[tuple[int, int, int]],
    media: Range,
    effort: Effort,
) -> Joined | None:
    low, high, following = _between(view, start, samples, media)
    first = (low + cluster - 1) // cluster * cluster
    if not samples and high - first > cluster:
        return None  # nothing that could tell one border from the next
    fits = []
    for border in range(max(first, cluster), high + 1, cluster)[:1024]:
        if not effort.take(sum(n for _, n, _ in following)):
            break
        whole = view.part([(start, border), (start + border + gap, high - border + (4 << 20))])
        if all(movie.good(whole.read(at, n), prefix, n) for at, n, prefix in following):
            fits.append(border)
    return _best(view, start, fits, gap)


def _best(view: Spans, start: int, fits: list[int], gap: int) -> Joined | None:
    for border in fits[:16]:
        place = start + border + gap
        extent = movie.measure(spliced(view, start, start + border, place), 0)
        if extent.complete:
            if len(fits) > 1:
                note = f"{len(fits)} places of the break fit"
                extent = Extent(extent.length, True, 0.6, note, extent.sure)
            return result(start, start + border, place, extent)
    return None


def _between(
    view: Spans, start: int, samples: list[tuple[int, int, int]], media: Range
) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Offsets between which the break lies, and the samples from there on that must fit."""
    bad = movie.first_bad(view, start, samples)
    if bad is None:
        return (samples[-1][0] if samples else media[0]), media[1], samples[-1:]
    low = media[0]
    if bad:
        at, size, prefix = samples[bad - 1]
        low = at + movie.last_unit(view.read(start + at, size), prefix, size)
    following = samples[max(0, bad - 1) : bad + 4]
    return low, samples[bad][0] + samples[bad][1], following


def _unknown_gap(
    view: Spans,
    start: int,
    cluster: int,
    media: Range,
    tracks: list[movie.Track],
    effort: Effort,
) -> Joined | None:
    """The index comes first: the first sample that is not good must go on at the second piece."""
    samples = movie.checked(tracks)
    if movie.first_bad(view, start, samples) is None:
        return None
    low, high, following = _between(view, start, samples, media)
    first = (low + cluster - 1) // cluster * cluster
    for border in range(max(first, cluster), high + 1, cluster)[:256]:
        for place in places(view, start, start + border, cluster):
            if not effort.take(256):
                return None
            if all(_sample_holds(view, start, border, place, s, effort) for s in following):
                gap = place - start - border
                fits = [border]
                for other in range(border + cluster, high + 1, cluster)[:64]:
                    at = start + other + gap
                    if all(_sample_holds(view, start, other, at, s, effort) for s in following):
                        fits.append(other)
                if (found := _best(view, start, fits, gap)) is not None:
                    return found
    return None


def _sample_holds(
    view: Spans, start: int, border: int, place: int, sample: tuple[int, int, int], effort: Effort
) -> bool:
    at, size, prefix = sample
    if at + size > border:
        first = view.read(place + max(0, at - border), 8) if at >= border else b""
        if first and (not int.from_bytes(first[:prefix]) or int.from_bytes(first[:prefix]) > size):
            return False
    effort.take(size)
    here = max(0, min(size, border - at))
    data = view.read(start + at, here) if here else b""
    return movie.good(data + view.read(place + max(0, at - border), size - here), prefix, size)
