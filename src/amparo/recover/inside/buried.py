"""Files inside other files and in free space, as File records that are read again in place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from amparo.kit.embedded import embedded
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, carver
from amparo.kit.source import Source
from amparo.kit.spans import Range, Spans
from amparo.recover.compound import in_order
from amparo.recover.entries import EMBEDDED, Entries, How, Told, carved
from amparo.recover.inside_database import DATABASE, search
from amparo.recover.readers import Space
from amparo.recover.thumbcaches import MOST, Small, collection

DEEPEST = 3
IMAGES = ("raw", "ewf", "vmdk", "vhd", "qcow", "dmg")
_INSIDE = re.compile("#(?:carved|thumb|preview|motion|picture|row)/")
_UNKNOWN = ("application/octet-stream", "application/x-ole-storage", "application/x-elf")
_DATABASES = (
    "application/vnd.sqlite3",
    "application/x-sqlite3-wal",
    "application/x-sqlite3-journal",
)
_SECONDS = 24 * 3600
_SEARCHING = 20 * 3600
"""Seconds after which a search ends by itself and says what is left."""


@carver("files", version=2, mimes=(*_UNKNOWN, *_DATABASES), seconds=_SECONDS)
def files(source: Source, found: Found) -> Iterator[Told]:
    """Pictures, films, voice notes and documents inside caches, databases and files of no known kind."""
    if _too_deep(found):
        yield Warn(f"not looked into: found inside {DEEPEST} others already")
        return
    entries = Entries(source.stream(), found)
    # A journal that was used up has no head any more; its database lies beside it.
    database = sniff(source.stream().read(HEAD), source.size) in _DATABASES
    if database or DATABASE in source.companions:
        yield from _database(source, entries)
        return
    kept = collection(Spans(source.stream(), [(0, source.size)]))
    if kept is not None:
        yield from _collected(kept, entries)
        return
    from amparo.recover.files import Tally, carve

    tally = Tally(seconds=_SEARCHING)
    ranges = in_order(Spans(source.stream(), [(0, source.size)]))
    for one in carve(source.stream(), ranges, tally=tally):
        if one.segments != ((0, source.size),):
            label = f"{one.segments[0][0]:010d}.{one.form}"
            yield from entries.inside(label, one.segments, carved(one))
    if not entries.made and found.path.lower().endswith(".ithmb"):
        yield Warn("thumbnails kept as bare pixels, which are not shown")
    yield from map(Warn, tally.lines())


def _collected(kept: Iterator[Small], entries: Entries) -> Iterator[Told]:
    """The entries of a cache of thumbnails."""
    how = How("thumb", EMBEDDED, "collection")
    for small in kept:
        name = "".join(c if c.isalnum() or c in "-_.+ " else "_" for c in small.name[-80:])
        label = f"{small.segments[0][0] if small.segments else 0:010d}-{name}.{small.ending}"
        yield from entries.inside(label, small.segments, how)
    if not entries.made:
        yield Warn("a collection of thumbnails in which none was found")
    if entries.made >= MOST:
        yield Warn(f"a collection of more than {MOST:,} thumbnails: the others are left out")


def _database(source: Source, entries: Entries) -> Iterator[Told]:
    """Files inside a database: those that live rows hold, and those that none holds."""
    for thing in search(source, _SEARCHING):
        if isinstance(thing, Warn):
            yield thing
            continue
        live, one = thing
        label = f"{one.segments[0][0]:010d}.{one.form}"
        how = How("row", EMBEDDED, "live row") if live else carved(one)
        yield from entries.inside(label, one.segments, how)


@carver("free", version=2, forms=IMAGES, seconds=_SECONDS)
def free(source: Source, found: Found) -> Iterator[Told]:
    """Files in the free space of a disk or card that no entry names any more, whole or in pieces."""
    from amparo.recover.files import Tally, carve

    if not isinstance(source, Space):
        raise TypeError("free space is opened with the reader readers:free_space")
    tally = Tally(seconds=_SEARCHING)
    entries = Entries(source.stream(), found)
    cluster = cluster_of(source.ranges)
    for one in carve(source.stream(), source.ranges, align=512, cluster=cluster, tally=tally):
        label = f"{one.segments[0][0]:012d}.{one.form}"
        yield from entries.on_disk(label, one.segments, carved(one, "free"))
    yield from map(Warn, tally.lines())


@carver(
    "preview", version=3, mimes=("image/jpeg", "image/heic", "image/heif"), once=True, embeds=True
)
def previews(source: Source, found: Found) -> Iterator[Told]:
    """The small picture inside a photograph, which may show what was cut off, and the film behind it."""
    if _too_deep(found):
        yield Warn(f"not looked into: found inside {DEEPEST} others already")
        return
    entries = Entries(source.stream(), found)
    small, film = embedded(Spans(source.stream(), [(0, source.size)]))
    if small:
        how = How("preview", EMBEDDED, "preview")
        yield from entries.inside(f"{small[0]}.jpg", (small,), how)
    if film:
        how = How("motion", EMBEDDED, "motion photo")
        yield from entries.inside(f"{film[0]}.mp4", (film,), how)


def cluster_of(ranges: Iterable[Range]) -> int:
    """The size in bytes, up to 4096, in whose multiples nearly all free ranges begin and end."""
    all_of_it = list(ranges)
    for size in (4096, 2048, 1024):
        edges = Counter(edge % size for at, length in all_of_it for edge in (at, at + length))
        if edges and edges.most_common(1)[0][1] >= 0.9 * edges.total():
            return size
    return 512


def _too_deep(found: Found) -> bool:
    return len(_INSIDE.findall(found.path)) >= DEEPEST
