"""Records in one page's bytes: exact cells of an earlier state, pieces in what lies free."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from amparo.recover.carve import FITTED, INTACT, Carver, Effort, Piece
from amparo.recover.logs import Image
from amparo.recover.pages import (
    INDEX_INNER,
    TABLE_INNER,
    TABLE_LEAF,
    TREE,
    Area,
    Cell,
    Form,
    areas,
    cells,
    join,
    payload_of,
    plausible,
)
from amparo.recover.record import Value, header, size_of, values
from amparo.recover.survey import Survey
from amparo.recover.target import Target

_BUDGET = 300_000_000
"""Bytes times tables that are searched beyond the tables asked for."""
_ALONE = 40.0
"""Bits of pattern from which on a table is looked for anywhere."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A record with its bytes, not yet compared with what is live."""

    target: Target
    rowid: int | None
    values: list[Value]
    """In the order of the record; shorter where the rest is gone."""
    unknown: int
    """Values at the start that were overwritten."""
    payload: bytes
    complete: bool
    confidence: float
    method: str
    image: Image
    start: int
    end: int
    exact: bool = False
    """Whether a page pointed to it."""


def _speaks(value: Value) -> bool:
    return isinstance(value, (str, bytes)) and len(value) >= 4


def _schema(image: Image, area: Area) -> bool:
    """Whether this is the schema's own place, full of words that look like anybody's short texts."""
    return image.page == 1 or b"CREATE " in image.data[area.start : area.end]


def _lived(target: Target) -> bool:
    """Whether a table has, or is known to have had, rows: others are looked for as whole cells only."""
    return bool(target.rows or target.table.dropped or target.named)


def _alone(page: bytes, hit: Hit, end: int) -> bool:
    """Whether one row of a common pattern is believed: it ends where it must, and its length is stated."""
    stated = int.from_bytes(page[hit.start + 2 : hit.start + 4], "big") == hit.end - hit.start
    sure = hit.confidence > 0.95 or stated
    return sure and hit.end == end and sum(map(_speaks, hit.values)) > 1


class Scanner:
    """Looks through page images; the same bytes are never looked at twice.

    ``size`` is how many bytes there are in all: effort is bounded by it; ``until`` is a time to stop.
    """

    def __init__(self, survey: Survey, form: Form, size: int, until: float) -> None:
        self._survey, self._form, self._until = survey, form, until
        self._seen: set[int] = set()
        self._areas: set[int] = set()
        self._budget = _BUDGET
        self.left_out = 0
        """Free bytes in which not every table was looked for."""
        self._effort = Effort(100_000 + size // 64)
        self._strong = sorted(
            (t for t in survey.targets.values() if t.kind != "index" and t.bits >= _ALONE),
            key=lambda t: (not t.named, -t.bits),
        )
        self._weak = sorted(
            (t for t in survey.targets.values() if t.kind != "index" and 12 < t.bits < _ALONE),
            key=lambda t: (not t.named, not t.table.dropped, -t.bits),
        )[:60]

    def unfinished(self) -> Iterator[str]:
        """What was not looked for to keep within bounds, one line each."""
        if self.left_out:
            yield (
                f"tables other than those asked for were not looked for in {self.left_out:,} of the free"
                " bytes: effort is bounded by the size of the file"
            )
        if self._effort.left <= 0:
            yield "freed cells that lost their heads were not all put together: effort is bounded"

    def scan(self, image: Image, freed: bool = False) -> Iterator[Hit]:
        """Everything in a page that is not live as a whole."""
        page = image.data
        start = 100 if image.page == 1 else 0
        if image.skip or not plausible(page, start):
            if page.count(0) < len(page):
                area = Area(image.skip, self._form.usable, (), "unallocated")
                yield from self._carve(image, [area], None)
            return
        kind = page[start]
        own: Target | None = None
        used: list[Cell] = []
        if kind != TABLE_INNER:
            used = cells(page, start, self._form)
            own = self._owner(image, kind, used)
            if kind != INDEX_INNER or own is None or own.kind == "keyed":
                yield from self._exact(image, used, own, freed)
        yield from self._carve(image, areas(page, start, self._form, used), own)

    def slack(self, image: Image) -> Iterator[Hit]:
        """What lies free in a page in use."""
        yield from self._carve(image, self.free(image), self._survey.owner.get(image.page))

    def free(self, image: Image) -> list[Area]:
        """The free bytes of a page in use."""
        page = image.data
        start = 100 if image.page == 1 else 0
        if image.method == "overflow_slack":
            if image.skip + 8 >= self._form.usable:
                return []
            return [Area(image.skip, self._form.usable, (), "unallocated")]
        if page[start] not in TREE:
            return []
        return areas(page, start, self._form, cells(page, start, self._form))

    def _owner(self, image: Image, kind: int, used: list[Cell]) -> Target | None:
        """What a page's cells are rows of: what the page is now, if they fit that, else the best fit."""
        page = image.data
        sample = []
        for c in used[:: max(1, len(used) // 12)][:12]:
            head = header(page, c.body, c.body + c.local)
            if head and head[2] == c.payload:
                sample.append((c, head))
        now = self._survey.owner.get(image.page)
        kinds = ("table",) if kind == TABLE_LEAF else ("index", "keyed")
        if now is not None and now.kind in kinds and self._share(page, sample, now) in (None, 1.0):
            return now
        best, top = None, (0.5, 0.0, 0)
        for target in self._survey.targets.values():
            if target.kind not in kinds or target is now:
                continue
            share = self._share(page, sample, target)
            exact = sample and len(sample[0][1][1]) == len(target.columns)
            score = (share or 0.0, target.bits * (1 if exact else 0.5), target.rows)
            if share and score > top:
                best, top = target, score
        return best

    def _share(
        self, page: bytes, sample: list[tuple[Cell, tuple[int, list[int], int]]], target: Target
    ) -> float | None:
        """How many of a page's cells could be of a target; None where there are no cells."""
        if not sample:
            return None
        good = 0
        for c, (length, types, _) in sample:
            if not target.loosely(types):
                continue
            body = page[c.body + length : c.body + c.local]
            found = values(body, 0, types, self._form.encoding)
            good += found is not None and target.check(found)
        return good / len(sample)

    def _exact(
        self, image: Image, used: list[Cell], own: Target | None, freed: bool
    ) -> Iterator[Hit]:
        page, form = image.data, self._form
        if own is None:
            return
        for c in used:
            digest = hash(page[c.start : c.end])
            if not c.overflow:
                if digest in self._seen or digest in self._survey.cells:
                    continue
                self._seen.add(digest)
            head = header(page, c.body, c.body + c.local)
            if head is None or head[2] != c.payload or not own.loosely(head[1]):
                continue
            payload, _ = payload_of(page, c, form, image.fetch)
            found = values(payload, head[0], head[1], form.encoding, strict=True)
            if not found or (freed and not own.check(found)):
                continue
            rowid = c.rowid if own.kind == "table" else None
            complete = len(payload) == c.payload
            yield Hit(
                own, rowid, found, 0, payload, complete, 0.99 if complete else 0.6, image.method,
                image, c.start, c.end, True,
            )  # fmt: skip

    def _carve(self, image: Image, free: list[Area], own: Target | None) -> Iterator[Hit]:
        page = image.data
        for area in free:
            if time.monotonic() > self._until:
                return
            part = page[area.start : area.end]
            if len(part) - part.count(0) < 6 + 3 * len(area.bounds):
                continue
            if not area.bounds:
                zeros = len(part) - len(part.lstrip(b"\0"))
                area = area._replace(start=area.start + max(0, zeros - 4))
                part = part[max(0, zeros - 4) :]
            digest = hash((part, area.bounds, id(own)))
            if digest in self._areas:
                continue
            self._areas.add(digest)
            yield from self._pieces(image, area, own)

    def _pieces(self, image: Image, area: Area, own: Target | None) -> Iterator[Hit]:
        def check(piece: Piece) -> bool:
            return self._hit(image, area, piece) is not None

        def deep(target: Target) -> bool:
            # A table's cells lose their heads in its own pages; elsewhere they lie as they were.
            return target is own or (own is None and _lived(target))

        gaps = [(area.start, area.end)]
        found = False
        for target in self._targets(own, area.end - area.start):
            left: list[tuple[int, int]] = []
            carver = Carver(image.data, self._form, target, check, self._effort)
            for start, end in gaps:
                bounds = area.bounds if target is own else ()
                at = start
                for piece in carver.pieces(start, end, bounds, True, deep(target)):
                    if target is not own and piece.quality == FITTED and target.bits < 60:
                        continue
                    hit = self._hit(image, area, piece)
                    if hit is None:
                        continue
                    found = True
                    yield hit
                    left.append((at, piece.start))
                    at = piece.end
                left.append((at, end))
            gaps = [(a, b) for a, b in left if b - a >= 8]
            if not gaps:
                return
        if not found and own is None and not _schema(image, area):
            yield from self._weakly(image, area)

    def _weakly(self, image: Image, area: Area) -> Iterator[Hit]:
        """Rows of tables whose pattern is common: believed where they fill most of what is there."""

        def check(piece: Piece) -> bool:
            return self._hit(image, area, piece) is not None

        for target in self._weak:
            self._budget -= area.end - area.start
            if self._budget < 0 or time.monotonic() > self._until:
                self.left_out += area.end - area.start
                return
            carver = Carver(image.data, self._form, target, check, self._effort)
            pieces = carver.pieces(area.start, area.end, area.bounds, True, _lived(target))
            hits = [h for p in pieces if (h := self._hit(image, area, p))]
            if not hits:
                continue
            part = image.data[hits[0].start : area.end]
            told = len(hits) > 1 or _alone(image.data, hits[0], area.end)
            if sum(h.end - h.start for h in hits) > 0.6 * len(part) and told:
                yield from hits
                return

    def _targets(self, own: Target | None, size: int) -> Iterator[Target]:
        if own is not None and (own.kind != "index" or own.speaks):
            yield own
        for target in self._strong:
            if target is own:
                continue
            if not target.named or len(self._strong) > 40:
                self._budget -= size
                if self._budget < 0:
                    self.left_out += size
                    return
            yield target

    def _hit(self, image: Image, area: Area, piece: Piece) -> Hit | None:
        """A piece with its values; None where they could not be this target's."""
        page, form, target = image.data, self._form, piece.target
        body = page[piece.body : piece.last]
        chain = not piece.head or len(piece.head) + len(body) >= piece.total
        if piece.overflow:
            whole, _ = join(piece.head + body, piece.total, piece.overflow, form, image.fetch)
            chain = len(whole) == piece.total
            body = whole[len(piece.head) :]
        unknown = sum(1 for t in piece.types if t < 0)
        types = piece.types[unknown:]
        at = len(body) - sum(map(size_of, types)) if unknown else 0
        found = values(body, max(at, 0), types, form.encoding)
        if found is None or (not found and not unknown):
            return None
        padded: list[Value] = [None] * unknown + found
        if not target.check(padded):
            return None
        if piece.quality != INTACT and not any(found):
            return None  # zeros look like a row of zeros
        if piece.quality not in (INTACT, FITTED) and not any(map(_speaks, found)):
            return None  # a few small numbers stand everywhere
        if not chain and (len(found) < 2 or target.bits < _ALONE):
            return None
        rowid = piece.rowid
        if target.kind == "index" and padded:
            last = padded[-1]
            rowid = last if type(last) is int else None
        sure = {INTACT: 0.97, FITTED: 0.93}.get(piece.quality, 0.8)
        method = image.method or area.kind
        return Hit(
            target, rowid, padded, unknown, piece.head + body, chain, sure if chain else 0.5,
            method, image, piece.start, piece.end,
        )  # fmt: skip
