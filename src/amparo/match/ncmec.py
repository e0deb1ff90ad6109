"""Answers of a hash-sharing service of the NCMEC kind, saved to files by the unit that may ask for them.

One page (API v2; see ``hash_api.py`` of ThreatExchange, BSD, for a public reader of the same)::

    <queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
      <images count="2" maxTimestamp="2017-10-24T15:00:00Z">
        <image><member id="42">...</member><timestamp>...</timestamp><id>image1</id>
          <classification>A1</classification><fingerprints><md5>..</md5><sha1>..</sha1></fingerprints></image>
        <deletedImage><member id="43">...</member><id>image4</id><timestamp>...</timestamp></deletedImage>
      </images>
      <videos>...</videos>
      <paging><next>/v2/entries?from=...&amp;start=2001&amp;size=1000</next></paging>
    </queryResult>

Pages are not ordered by time, so their latest time says something only once all are there: the last one
has no ``next``. What was deleted names the entry, not its hashes. Amparo never asks the service itself.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from amparo.match.entries import COMPARED, Entry, Gone, Reading, Stated, value_of
from amparo.match.names import name_of
from amparo.match.vics import moment

SCHEME = "Industry (A1 to B2)"
_ENTRIES = {"image": "image", "video": "video", "deletedimage": "image", "deletedvideo": "video"}
_DEEPEST = 30
_LONGEST = 4096


@dataclass
class Item:
    """One entry of a page, or its deletion."""

    kind: str
    deleted: bool
    member: str = ""
    number: str = ""
    time: int = 0
    code: str = ""
    values: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> bytes:
        """The entry's own name, whichever page speaks of it."""
        return name_of(self.kind, self.member, self.number)


class _Page:
    """Target of the XML parser: hands out finished entries, keeps no tree."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.next = ""
        self.latest: int | None = None
        self._path: list[str] = []
        self._item: Item | None = None
        self._text: list[str] = []

    def doctype(self, name: str, public: str, system: str) -> None:
        raise ValueError("it declares a document type, which no page of such a service does")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2].lower()
        self._path.append(name)
        if len(self._path) == 1 and name != "queryresult":
            raise ValueError("not a page of a hash-sharing service: no queryResult")
        if len(self._path) > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST}")
        self._text = []
        if len(self._path) == 2:
            when = moment(attributes.get("maxTimestamp"))
            self.latest = max(filter(None, (self.latest, when)), default=None)
        elif len(self._path) == 3 and name in _ENTRIES:
            self._item = Item(_ENTRIES[name], name.startswith("deleted"))
        elif self._item and len(self._path) == 4 and name == "member":
            self._item.member = attributes.get("id", "")

    def data(self, text: str) -> None:
        if sum(map(len, self._text)) < _LONGEST:
            self._text.append(text)

    def end(self, tag: str) -> None:
        text, item, depth = "".join(self._text).strip(), self._item, len(self._path)
        name = self._path.pop()
        self._text = []
        if item is None:
            if self._path == ["queryresult", "paging"] and name == "next":
                self.next = text
        elif depth == 3:
            self.items.append(item)
            self._item = None
        elif depth == 4 and name == "id":
            item.number = text
        elif depth == 4 and name == "timestamp":
            item.time = moment(text) or 0
        elif depth == 4 and name == "classification":
            item.code = text[:40]
        elif depth == 5 and self._path[-1] == "fingerprints" and text:
            item.values.append((name, text))

    def close(self) -> None:
        """Nothing is left to do."""


def read_pages(pages: list[Path], reading: Reading) -> Iterator[Entry | Gone]:
    """Every entry that stands, under its name, and the names of those deleted.

    Of an entry that comes several times, the latest word counts. Raises ValueError where a file is no
    such page.
    """
    latest: dict[bytes, tuple[int, bool]] = {}
    times: list[int] = []
    open_ends = 0
    for page in pages:
        for item in _items(page, found := _Page()):
            word = (item.time, item.deleted)
            latest[item.name] = max(latest.get(item.name, word), word)
        open_ends += bool(found.next)
        times += [found.latest] if found.latest is not None else []
    if open_ends == len(pages):
        reading.problem(
            "",
            f"the last page is missing: all {len(pages)} say that another follows, so the list is not "
            "whole and no date is taken from it",
        )
    elif len(pages) - open_ends > 1 and open_ends:
        reading.problem("", "more than one page says that none follows: parts of several answers?")
    elif times:
        reading.updated = max(times)
    reading.scheme = SCHEME
    told: set[bytes] = set()
    for page in pages:
        for number, item in enumerate(_items(page, _Page()), 1):
            if item.name in told or (item.time, item.deleted) != latest[item.name]:
                continue
            told.add(item.name)
            if item.deleted:
                yield Gone((), item.name)
            elif entry := _entry(item, f"{page.name}: entry {number}", reading):
                yield entry


def _entry(item: Item, where: str, reading: Reading) -> Entry | None:
    found = []
    for algorithm, text in item.values:
        algorithm = {"pdna": "photodna"}.get(algorithm, algorithm)
        if algorithm not in (*COMPARED, "photodna"):
            reading.problem(where, f"a value Amparo does not compare: {algorithm[:20]!r}")
            continue
        try:
            if value := value_of(algorithm, text):
                found.append(value)
        except ValueError as error:
            reading.problem(where, str(error))
    if not found:
        reading.useless(where, "no MD5, SHA-1, SHA-256, PDQ or PhotoDNA")
        return None
    return Entry(tuple(found), Stated(item.code), item.name)


def _items(path: Path, page: _Page) -> Iterator[Item]:
    """Entries of a page as they are read; memory stays flat."""
    parser = ET.XMLParser(target=page)
    with path.open("rb") as file:
        try:
            while data := file.read(1 << 18):
                parser.feed(data)
                yield from page.items
                page.items.clear()
            parser.close()
        except ET.ParseError as error:
            raise ValueError(f"{path.name}: not well-formed XML ({error})") from None
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
    yield from page.items


def pages_in(sources: Iterable[Path]) -> list[Path]:
    """The XML files of a folder, in the order of their names."""
    return sorted(p for p in sources if p.suffix.lower() == ".xml" and p.is_file())
