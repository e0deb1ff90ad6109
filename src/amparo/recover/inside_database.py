"""Files inside a database, its log or its journal, told apart: in a live row, or in none.

The same bytes may stand in an earlier state of a page as well as in a live row. They are not deleted then,
and what stands in the earlier state is not told again.
"""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.kit.spans import Range
from amparo.recover.entries import content_of
from amparo.recover.files import MEASURES, Carved, Tally, carve
from amparo.recover.live_values import LiveValues, rest
from amparo.recover.pages import MAGIC

LARGEST = 1 << 30
"""Bytes of a database, and of its log, whose rows are looked at."""
FORMS = frozenset(MEASURES) - {"sqlite"}
DATABASE, LOG = "-db", "-wal"
"""The companions in which the other part is."""


class _Two:
    """Two byte strings as one stream."""

    def __init__(self, first: bytes, second: bytes) -> None:
        self._first, self._second = first, second
        self._at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        ends = {0: 0, 1: self._at, 2: len(self._first) + len(self._second)}
        self._at = ends[whence] + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        last = self.seek(0, 1) + size if size >= 0 else len(self._first) + len(self._second)
        data = self._first[self._at : last]
        begin = max(0, self._at - len(self._first))
        data += self._second[begin : max(begin, last - len(self._first))]
        self._at += len(data)
        return data


def search(source: Source, seconds: float) -> Iterator[tuple[bool, Carved] | Warn]:
    """Whole files inside, each with whether a live row holds it; ranges speak of ``source``."""
    tally = Tally(seconds=seconds)
    known: set[str] = set()
    taken: list[Range] = []
    try:
        parts = _parts(source)
    except ValueError as error:
        yield Warn(f"live rows are not told from erased ones: {error}")
        parts = None
    if parts is not None:
        main, log, first = parts
        stream = _Two(main, log)
        try:
            held = list(LiveValues(main, log).ranges())
        except ValueError as error:
            yield Warn(f"live rows are not told from erased ones: {error}")
            held = []
        last, split = first + source.size, 0
        for one in carve(stream, [r for row in held for r in row], tally=tally):
            if not one.complete:
                continue
            known.add(content_of(stream, one.segments).sha256)
            here = [first <= at and at + length <= last for at, length in one.segments]
            if all(here):
                moved = tuple((at - first, length) for at, length in one.segments)
                yield True, _with(one, moved)
            split += any(here) and not all(here)
        if split:
            yield Warn(f"{split} files in rows lie partly in the log, partly in the database")
        taken = [(at - first, n) for row in held for at, n in row if first <= at < last]
    # Its own first page, in the file or in a frame of its log, is the beginning of no other database.
    for one in carve(source.stream(), rest(source.size, taken), forms=FORMS, tally=tally):
        if one.complete and content_of(source.stream(), one.segments).sha256 not in known:
            yield False, one
    yield from map(Warn, tally.lines())


def _with(one: Carved, segments: tuple[Range, ...]) -> Carved:
    return Carved(one.form, segments, one.complete, one.confidence, one.note, one.method)


def _parts(source: Source) -> tuple[bytes, bytes, int] | None:
    """The database, its log, and where ``source`` begins in the two; None where there is no database.

    Raises ValueError for one that is too large. A journal lies behind both.
    """
    if source.stream().read(16) == MAGIC:
        log = source.companions.get(LOG)
        return source.read(LARGEST), log.read(LARGEST) if log else b"", 0
    main = source.companions.get(DATABASE)
    if main is None:
        return None
    data = main.read(LARGEST)
    head = source.stream().read(4)
    if head[:3] == b"\x37\x7f\x06":
        return data, source.read(LARGEST), len(data)
    log = source.companions.get(LOG)
    kept = log.read(LARGEST) if log else b""
    return data, kept, len(data) + len(kept)
