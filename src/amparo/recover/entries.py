"""File and Content records of what was found inside others, each hashed and with the ranges it is made of.

A record's locator is ``{"carved": [[offset, length], …], "parent": id}``: segments of the file with that
id. What lies in the free space of a disk has the locator of any file of that disk, its runs.

States: ``embedded`` is what another file holds by its own account (a live row of a database, an entry of a
cache, the preview of a photograph); nothing was deleted there. ``carved`` is what was cut out of bytes that
nothing accounts for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn
from amparo.kit.spans import Range, Readable, Spans
from amparo.model import Content, File, Record, content_id, path_text
from amparo.recover.files import Carved

Told = Record | Warn
MADE = "#"
"""Stands in the path of everything that was found inside another file."""
CARVED, EMBEDDED = "carved", "embedded"
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


@dataclass(frozen=True)
class How:
    """How something was found: which part of the path says so, its state, method and confidence."""

    folder: str
    state: str
    method: str
    confidence: float | None = None


def carved(one: Carved, folder: str = "carved") -> How:
    """How a carved file was found; one that breaks off is called ``incomplete``."""
    method = one.method if one.complete else f"{one.method}, incomplete"
    return How(folder, CARVED, method, round(one.confidence, 2))


class Entries:
    """Makes the records, each distinct content and place once; ``stream`` is what the ranges speak of."""

    def __init__(self, stream: Readable, found: Found) -> None:
        self._stream = stream
        self._found = found
        self._seen: set[str] = set()
        self._paths: set[str] = set()
        self.made = 0

    def inside(self, label: str, segments: tuple[Range, ...], how: How) -> Iterator[Told]:
        """The records of a file found inside another."""
        name = path_text(label.encode())
        path = f"{self._found.path}{MADE}{how.folder}/{name}"
        # Two files may have one path in an archive; what is inside each stays apart.
        ordinal = int(self._found.file.replace("-", "")[:7] or "0", 16)
        place: dict[str, object] = {"carved": segments, "parent": self._found.file}
        yield from self._records(path, ordinal, segments, place, how)

    def on_disk(self, label: str, segments: tuple[Range, ...], how: How) -> Iterator[Told]:
        """The records of a file found in the free space of a disk."""
        size = sum(length for _, length in segments)
        place: dict[str, object] = {"image": self._found.form, "runs": segments, "size": size}
        yield from self._records(f"{MADE}{how.folder}/{label}", 0, segments, place, how)

    def _records(
        self,
        path: str,
        ordinal: int,
        segments: tuple[Range, ...],
        place: dict[str, object],
        how: How,
    ) -> Iterator[Told]:
        if not segments or len(segments) > _MOST_SEGMENTS:
            yield Warn(f"left out: {path[-100:]}, in {len(segments)} pieces")
            return
        content = content_of(self._stream, segments)
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
            state=how.state,
            size=content.size,
            content=content_id(content.sha256),
            locator=json.dumps(place),
            method=how.method,
            confidence=how.confidence,
        )


def content_of(stream: Readable, segments: tuple[Range, ...]) -> Content:
    """The bytes of some segments as a content, hashed while they are read."""
    hashes = [hashlib.new(n, usedforsecurity=False) for n in ("sha256", "sha1", "md5")]
    head, size = b"", 0
    view = Spans(stream, segments)
    while data := view.read(size, _CHUNK):
        for one in hashes:
            one.update(data)
        head += data[: HEAD - len(head)]
        size += len(data)
    sha256, sha1, md5 = (one.hexdigest() for one in hashes)
    return Content(sha256=sha256, sha1=sha1, md5=md5, size=size, mime=sniff(head, size))
