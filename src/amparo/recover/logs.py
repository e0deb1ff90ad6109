"""Earlier states of pages: every frame of a write-ahead log, every page of a rollback journal.

Frames are read by content, whatever their salt says; journals also when their header was zeroed, as
``journal_mode=PERSIST`` leaves it: the checksums of one segment then still share one nonce.
Formats: https://www.sqlite.org/fileformat2.html#walformat, #the_rollback_journal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from amparo.kit import wal as kit_wal
from amparo.kit.window import Data, stream_of
from amparo.recover.pages import SIZES, TREE, Fetch, Form

_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_MOST_PAGE = 1 << 31


@dataclass(frozen=True, slots=True)
class Image:
    """One page as it stood at one moment."""

    file: str
    """``db``, ``wal`` or ``journal``."""
    page: int
    frame: int | None
    """Number of the frame (from 1) in the log, or of the page in the journal."""
    offset: int
    """Where its bytes start in the file."""
    data: bytes
    method: str
    fetch: Fetch
    """Other pages of the same moment."""
    salt: int = 0
    """First salt of the frame: one round of the log has one."""
    commit: bool = False
    skip: int = 0
    """Bytes at its start that are known to have been overwritten."""
    transaction: int | None = None
    """Which transaction of its round of the log wrote the frame, from 1; none if none was ended."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one frame of a log is and what its head says."""

    page: int
    commit: int
    salt: int
    offset: int
    """Of the page's bytes."""


class Log:
    """All frames of a write-ahead log, and which of them are the database as it stands."""

    def __init__(self, data: Data, form: Form) -> None:
        self._data, self._form = data, form
        self.frames = list(_frames(data, form.size))
        self.notes: list[str] = []
        self.live: dict[int, int] = {}
        """Page number to offset of its newest committed content."""
        self.pages = 0
        self._committed = 0
        try:
            committed = kit_wal.read(stream_of(data), len(data)) if data else None
        except kit_wal.WalError as e:
            committed = None
            self.notes.append(str(e))
        if committed and committed.page_size == form.size:
            if committed.pages <= 4 * (len(data) // form.size) + (1 << 24):
                self.live, self.pages = committed.offsets, committed.pages
                self._committed = committed.frames
        self._by_page: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._ends: dict[int, list[int]] = defaultdict(list)
        for i, frame in enumerate(self.frames):
            self._by_page[frame.salt, frame.page].append(i)
            if frame.commit:
                self._ends[frame.salt].append(i)

    def images(self, before: Fetch) -> Iterator[Image]:
        """Every frame that is not the database as it stands, newest first."""
        current = self.frames[0].salt if self.frames else 0
        newest = set(self.live.values())
        size = self._form.size
        for i in range(len(self.frames) - 1, -1, -1):
            frame = self.frames[i]
            if frame.offset in newest:
                continue
            if i < self._committed:
                method = "wal_superseded"
            else:
                method = "wal_uncommitted" if frame.salt == current else "wal_stale"
            yield Image(
                "wal", frame.page, i + 1, frame.offset,
                self._data[frame.offset : frame.offset + size], method,
                self._fetch(i, before), frame.salt, bool(frame.commit),
                transaction=self.transaction(i),
            )  # fmt: skip

    def transaction(self, i: int) -> int | None:
        """Which transaction of its round the ``i``-th frame (from 0) belongs to, counted from 1."""
        ends = self._ends.get(self.frames[i].salt, [])
        at = bisect_right(ends, i - 1)
        return at + 1 if at < len(ends) else None

    def _fetch(self, i: int, before: Fetch) -> Fetch:
        """Pages as they stood when the frame's transaction was committed."""
        salt = self.frames[i].salt
        ends = self._ends.get(salt, [])
        at = bisect_right(ends, i - 1)
        last = ends[at] if at < len(ends) else len(self.frames)

        def fetch(number: int) -> bytes | None:
            held = self._by_page.get((salt, number))
            k = bisect_right(held, last) if held else 0
            if not held or not k:
                return before(number)
            offset = self.frames[held[k - 1]].offset
            return self._data[offset : offset + self._form.size]

        return fetch


def page_size(data: Data) -> int:
    """The page size that a log or journal states; 0 where none can be read."""
    if len(data) >= 32 and int.from_bytes(data[:4], "big") & ~1 == 0x377F0682:
        size = int.from_bytes(data[8:12], "big")
    elif data[:8] == _JOURNAL:
        size = int.from_bytes(data[24:28], "big")
    else:
        return 0
    return size if size in SIZES else 0


def _frames(data: Data, size: int) -> Iterator[Frame]:
    for at in range(32, len(data) - size - 23, size + 24):
        head = data[at : at + 12]
        page = int.from_bytes(head[:4], "big")
        if 0 < page < _MOST_PAGE:
            commit = int.from_bytes(head[4:8], "big")
            salt = int.from_bytes(head[8:12], "big")
            yield Frame(page, commit, salt, at + 24)


def journal_images(data: Data, form: Form, pages: int, before: Fetch) -> Iterator[Image]:
    """Every page kept in a rollback journal, also behind its stated end."""
    stated = int.from_bytes(data[20:24], "big") if data[:8] == _JOURNAL else 0
    sectors = [stated] if stated in (512, 1024, 2048, 4096, 8192, 65536) else [512, 4096]
    found: dict[int, int] = {}
    for sector in sectors:
        found |= dict(_journal_pages(data, form.size, sector, 4 * pages + 4096))
    at_page: dict[int, int] = {}
    for offset in sorted(found):
        at_page.setdefault(found[offset], offset)

    def fetch(number: int) -> bytes | None:
        offset = at_page.get(number)
        return before(number) if offset is None else data[offset : offset + form.size]

    for n, (offset, page) in enumerate(sorted(found.items()), 1):
        held = data[offset : offset + form.size]
        yield Image("journal", page, n, offset, held, "journal", fetch)


def _journal_pages(data: Data, size: int, sector: int, most: int) -> Iterator[tuple[int, int]]:
    """(offset, page number) of records; realigned to the next sector where a segment ends."""
    at, nonce = sector, -1
    record = size + 8
    if data[:8] == _JOURNAL:
        nonce = int.from_bytes(data[12:16], "big")
    while at + record <= len(data):
        number = int.from_bytes(data[at : at + 4], "big")
        if 0 < number <= most:
            here = _nonce(data, at, size)
            after = at + 2 * record <= len(data) and _nonce(data, at + record, size)
            if here in (nonce, after) or (nonce < 0 and _is_tree(data, at, number)):
                nonce = here
                yield at + 4, number
                at += record
                continue
        at += sector - at % sector if at % sector else 0
        if data[at : at + 8] == _JOURNAL:
            nonce = int.from_bytes(data[at + 12 : at + 16], "big")
            at += sector
            continue
        nonce = -1
        number = int.from_bytes(data[at : at + 4], "big")
        if at + record > len(data) or not 0 < number <= most or not _is_tree(data, at, number):
            at += sector


def _is_tree(data: Data, at: int, number: int) -> bool:
    return data[at + 4 + (100 if number == 1 else 0)] in TREE


def _nonce(data: Data, at: int, size: int) -> int:
    """What the checksum of a record started from: the same for all records of a segment."""
    page = data[at + 4 : at + 8 + size]
    total = sum(page[i] for i in range(size - 200, 0, -200))
    return int.from_bytes(page[size:], "big") - total & 0xFFFFFFFF
