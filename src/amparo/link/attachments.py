"""Which file a message carried, also where it was erased from the phone that shows the message.

The messenger keeps the SHA-256 of what it carried (WhatsApp: ``file_hash``), so a file erased on one
exhibit is found again on any other. Where no hash was kept, the path the messenger noted is followed,
inside its own exhibit only. The strengths below are assigned, not measured.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.link.words import exhibit_names, listed
from amparo.model import Attachment, Exhibit, File, Id, Link, path_text

VERSION = 1

HASH_LR = 9.0
PATH_AND_SIZE_LR = 3.0
PATH_LR = 2.0

ERASED = "erased on this exhibit"
NAMED = "named but not lying on this exhibit (erased, or never fetched)"
NOT_NOTED = "no file noted on this exhibit (never fetched, or not kept)"

MOUNT = re.compile(r"^/?(storage/emulated/\d+|data/media/\d+|mnt/sdcard|sdcard)/")
"""Where Android mounts the shared storage; an extraction seldom keeps these names."""


@dataclass(slots=True)
class Holders:
    """Where the file of one content lies: exhibits as bits, in the order of ``Places.exhibits``."""

    live: int = 0
    recovered: int = 0


@dataclass(slots=True)
class Places:
    """Where the files of the attachments' contents lie, and the files a path could mean."""

    exhibits: list[Id] = field(default_factory=list)
    numbers: dict[Id, int] = field(default_factory=dict)
    holders: dict[Id, Holders] = field(default_factory=dict)
    named: dict[tuple[Id, str], list[tuple[str, int, Id]]] = field(default_factory=dict)
    """By exhibit and last part of the path: path, size in bytes, content."""

    def bit(self, exhibit: Id) -> int:
        """The exhibit's bit."""
        if exhibit not in self.numbers:
            self.numbers[exhibit] = len(self.exhibits)
            self.exhibits.append(exhibit)
        return 1 << self.numbers[exhibit]

    def among(self, bits: int) -> list[Id]:
        """The exhibits whose bits are set."""
        return [id for n, id in enumerate(self.exhibits) if bits >> n & 1]


def comparable(path: str) -> str:
    """A path in the form in which two tools' spellings are compared; "" where it means no file.

    Escaped as in ``File.path``, composed Unicode (Apple file systems decompose), no Android mount
    point, no empty parts. A path with ``..`` is not followed.
    """
    text = unicodedata.normalize("NFC", path)
    parts = [part for part in MOUNT.sub("", text).split("/") if part not in ("", ".")]
    return "" if ".." in parts else "/".join(parts)


def noted(path: str, name: str = "", size: int | None = None) -> str:
    """A path as a database notes it, in the spelling of ``File.path``.

    A bare ``name`` serves where no path is noted, but only beside a size: many files share names.
    """
    text = path.removeprefix("file://") or ("" if size is None else name)
    return comparable(path_text(text.encode("utf-8", "surrogateescape")))


def last(path: str) -> str:
    return path.rpartition("/")[2]


def gather(view: View) -> Places:
    """One pass over the attachments for what is wanted, one over the files for where it lies."""
    places = Places()
    wanted = ("content", "path", "name", "size", "at_exhibit")
    for content, path, name, size, exhibit in view.columns(Attachment, *wanted):
        if content:
            places.holders.setdefault(content, Holders())
        elif end := last(noted(path, name, size)):
            places.named.setdefault((exhibit, end), [])
    wanted = ("exhibit", "path", "size", "content", "state")
    for exhibit, path, size, content, state in view.columns(File, *wanted, entry="file"):
        if not content:
            continue
        if holders := places.holders.get(content):
            if state == "live":
                holders.live |= places.bit(exhibit)
            else:
                holders.recovered |= places.bit(exhibit)
        if places.named:
            whole = comparable(path)
            files = places.named.get((exhibit, last(whole)))
            if files is not None:
                files.append((whole, size, content))
    return places


@deriver(
    "attachments",
    stage="link",
    version=VERSION,
    reads=(Attachment, Exhibit, File),
    makes=(Link,),
)
def attachments(view: View) -> Iterator[Link]:
    """Which file each message carried: by the messenger's own hash on any exhibit, else by its path."""
    places = gather(view)
    names = exhibit_names(view)
    wanted = ("id", "content", "path", "name", "size", "at_exhibit")
    for id, content, path, name, size, exhibit in view.columns(Attachment, *wanted):
        if content:
            absent = ERASED if path else NAMED if name else NOT_NOTED
            link = by_hash(id, content, absent, exhibit, places, names)
        else:
            link = by_path(id, noted(path, name, size), size, exhibit, places, names)
        if link is not None:
            yield link


def by_hash(
    attachment: Id, content: Id, absent: str, exhibit: Id, places: Places, names: Mapping[Id, str]
) -> Link | None:
    """The claim of the messenger's hash, with where the file itself lies; None where it lies nowhere.

    ``absent`` says what it means that the file does not lie on the attachment's own exhibit.
    """
    holders = places.holders[content]
    here = places.bit(exhibit)
    everywhere = holders.live | holders.recovered
    if not everywhere:
        return None
    others = places.among(everywhere & ~here)
    count = f"present on {len(others)} other{'s' if len(others) != 1 else ''}"
    if holders.live & here:
        where = f"present on this exhibit, {count}"
    elif holders.recovered & here:
        where = f"erased on this exhibit and recovered from it, {count}"
    else:
        where = f"{absent}, {count}"
    reasons = ["the SHA-256 the messenger kept is that of the file", where]
    if others:
        reasons.append(f"the file lies on {listed(others, names)}")
    return Link(
        form="attachment_content",
        source=attachment,
        target=content,
        method="hash",
        version=VERSION,
        log10_lr=HASH_LR,
        reasons=tuple(reasons),
        basis=(attachment,),
    )


def by_path(
    attachment: Id,
    path: str,
    size: int | None,
    exhibit: Id,
    places: Places,
    names: Mapping[Id, str],
) -> Link | None:
    """The claim of the noted path, where it means exactly one content of its own exhibit."""
    files = places.named.get((exhibit, last(path)), []) if path else []
    contents: dict[Id, set[str]] = defaultdict(set)
    for whole, bytes_there, content in files:
        if not f"/{whole}".endswith(f"/{path}"):
            continue
        if size is None or size == bytes_there:
            contents[content].add(whole)
    if len(contents) != 1:
        return None
    ((content, paths),) = contents.items()
    reasons = [
        f"the path the messenger noted ends as that of one file of {listed([exhibit], names)}: "
        + min(paths),
        "no hash was kept; the file may have been replaced under the same name",
    ]
    if size is not None:
        reasons.append(f"the size stated, {size} bytes, is the file's")
    return Link(
        form="attachment_content",
        source=attachment,
        target=content,
        method="path",
        version=VERSION,
        log10_lr=PATH_LR if size is None else PATH_AND_SIZE_LR,
        reasons=tuple(reasons),
        basis=(attachment,),
    )
