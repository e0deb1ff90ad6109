"""Files inside other files and in free space, as File records that are read again in place.

A record's locator is ``{"carved": [[offset, length], …], "parent": id}``: segments of the file with that
id. What lies in the free space of a disk has the locator of any file of that disk, its runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, carver
from amparo.kit.source import Source
from amparo.model import Content, File, Record, content_id, path_text
from amparo.recover.previews import preview
from amparo.recover.readers import Space
from amparo.recover.spans import Range, Readable, Spans
from amparo.recover.thumbcaches import collection

Told = Record | Warn
MADE = "#"
"""Stands in the path of everything that was found inside another file."""
DEEPEST = 3
_INSIDE = re.compile("#(?:carved|thumb|preview)/")
_MOST_SEGMENTS = 20_000
_CHUNK = 1 << 20
_ENDINGS = {
    "video/quicktime": "mov",
    "video/3gpp": "3gp",
    "video/3gpp2": "3g2",
    "audio/mp4": "m4a",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/avif": "avif",
    "audio/opus": "opus",
}
_UNKNOWN = ("application/octet-stream", "application/x-ole-storage", "application/x-elf")
_DATABASES = (
    "application/vnd.sqlite3",
    "application/x-sqlite3-wal",
    "application/x-sqlite3-journal",
)


@carver("files", version=1, mimes=(*_UNKNOWN, *_DATABASES), seconds=24 * 3600)
def files(source: Source, found: Found) -> Iterator[Told]:
    """Pictures, films, voice notes and documents inside caches, databases and files of no known kind."""
    if _too_deep(found):
        yield Warn(f"not looked into: found inside {DEEPEST} others already")
        return
    view = Spans(source.stream(), [(0, source.size)])
    maker = _Maker(source.stream(), found)
    kept = collection(view)
    if kept is not None:
        maker.folder = "thumb"
        for small in kept:
            name = "".join(c if c.isalnum() or c in "-_.+ " else "_" for c in small.name[-80:])
            label = f"{small.segments[0][0] if small.segments else 0:010d}-{name}.{small.ending}"
            yield from maker.make(label, small.segments)
        if not maker.made:
            yield Warn("a collection of thumbnails in which none was found")
        return
    from amparo.recover.files import Tally, carve

    tally = Tally()
    database = _is_database(source)
    # A database is a file of a known form itself: its own head does not count.
    ranges = [(16, source.size - 16)] if database else None
    for one in carve(source.stream(), ranges, tally=tally):
        if one.complete or not database:
            if one.segments != ((0, source.size),):
                yield from maker.make(f"{one.segments[0][0]:010d}.{one.form}", one.segments)
    if tally.left_out:
        yield Warn(f"{tally.left_out} beginnings of files were not followed: too many lead nowhere")


@carver("free", version=1, forms=("raw", "ewf", "vmdk", "vhd", "qcow", "dmg"), seconds=24 * 3600)
def free(source: Source, found: Found) -> Iterator[Told]:
    """Files in the free space of a disk or card that no entry names any more, whole or in pieces."""
    from amparo.recover.files import Tally, carve

    if not isinstance(source, Space):
        raise TypeError("free space is opened with the reader readers:free_space")
    tally = Tally()
    maker = _Maker(source.stream(), found)
    cluster = cluster_of(source.ranges)
    for one in carve(source.stream(), source.ranges, align=512, cluster=cluster, tally=tally):
        place = f"{one.segments[0][0]:012d}.{one.form}"
        yield from maker.make_run(place, one.segments)
    if tally.left_out:
        yield Warn(f"{tally.left_out} beginnings of files were not followed: too many lead nowhere")


@carver("preview", version=1, mimes=("image/jpeg",))
def previews(source: Source, found: Found) -> Iterator[Told]:
    """The small picture inside a photograph, which may show what was later cut off or covered."""
    if _too_deep(found):
        yield Warn(f"not looked into: found inside {DEEPEST} others already")
        return
    view = Spans(source.stream(), [(0, min(source.size, 1 << 20))])
    place = preview(view)
    if place is not None:
        maker = _Maker(source.stream(), found)
        maker.folder = "preview"
        yield from maker.make(f"{place[0]}.jpg", (place,))


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


def _is_database(source: Source) -> bool:
    return sniff(source.stream().read(HEAD), source.size) in _DATABASES


class _Maker:
    """Hashes what was found and makes its records, each distinct content and place once."""

    def __init__(self, stream: Readable, found: Found) -> None:
        self._stream = stream
        self._found = found
        self._seen: set[str] = set()
        self._paths: set[str] = set()
        self.folder = "carved"
        self.made = 0

    def make(self, label: str, segments: tuple[Range, ...]) -> Iterator[Told]:
        """The records of a file found inside another."""
        path = f"{self._found.path}{MADE}{self.folder}/{path_text(label.encode())}"
        # Two files may have one path in an archive; what is inside each stays apart.
        ordinal = int(self._found.file.replace("-", "")[:7] or "0", 16)
        place: dict[str, object] = {"carved": segments, "parent": self._found.file}
        yield from self._records(path, label, ordinal, segments, place)

    def make_run(self, label: str, segments: tuple[Range, ...]) -> Iterator[Told]:
        """The records of a file found in the free space of a disk."""
        size = sum(length for _, length in segments)
        place: dict[str, object] = {"image": self._found.form, "runs": segments, "size": size}
        yield from self._records(f"{MADE}free/{label}", label, 0, segments, place)

    def _records(
        self,
        path: str,
        label: str,
        ordinal: int,
        segments: tuple[Range, ...],
        place: dict[str, object],
    ) -> Iterator[Told]:
        if not segments or len(segments) > _MOST_SEGMENTS:
            yield Warn(f"left out: {label}, in {len(segments)} pieces")
            return
        content = self._content(segments)
        ending = _ENDINGS.get(content.mime)
        if ending and path.endswith((".mp4", ".ogg")):
            path = f"{path[:-4]}.{ending}"
        if path in self._paths:
            return
        self._paths.add(path)
        if content.sha256 not in self._seen:
            self._seen.add(content.sha256)
            yield content
        self.made += 1
        yield File(
            exhibit=self._found.exhibit,
            path=path,
            ordinal=ordinal,
            state="carved",
            size=content.size,
            content=content_id(content.sha256),
            locator=json.dumps(place),
        )

    def _content(self, segments: tuple[Range, ...]) -> Content:
        hashes = [hashlib.new(n, usedforsecurity=False) for n in ("sha256", "sha1", "md5")]
        head, size = b"", 0
        view = Spans(self._stream, segments)
        while data := view.read(size, _CHUNK):
            for one in hashes:
                one.update(data)
            head += data[: HEAD - len(head)]
            size += len(data)
        sha256, sha1, md5 = (one.hexdigest() for one in hashes)
        return Content(sha256=sha256, sha1=sha1, md5=md5, size=size, mime=sniff(head, size))
