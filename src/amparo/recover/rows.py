"""Records of a database, its log and its journal, each compared with what is live.

Order of work: what is live is read first and only subtracted from then on; earlier states of whole
pages next (log, journal, free pages), whose cells are exact; then the free bytes of pages in use; last,
what has to wait for the rest (rows without their number, keys left in indexes).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from amparo.kit.source import Source
from amparo.kit.window import Data, data_of
from amparo.recover import schema
from amparo.recover.judge import Judge
from amparo.recover.logs import Image, Log, journal_images, page_size
from amparo.recover.pages import Form, Snapshot, form_of
from amparo.recover.row import Row, Where
from amparo.recover.scan import Hit, Scanner
from amparo.recover.survey import Survey, arranged

_MOST_LEFTOVERS = 500
_PIECE = 8 << 20
_MOST_PENDING = 1_000_000
_CREATE = re.compile(rb"CREATE TABLE", re.I)


class Recovery:
    """One database opened for recovery; :attr:`survey` is what is live in it."""

    def __init__(
        self, main: Data, wal: Data | None = None, journal: Data | None = None,
        tables: Sequence[str] = (), sibling: Data | None = None, seconds: float = 3600,
    ) -> None:  # fmt: skip
        self._until = time.monotonic() + seconds
        self.main: Data = main
        self.wal: Data = wal or b""
        self.journal: Data = journal or b""
        stated = page_size(self.wal) or page_size(self.journal)
        self.form: Form = form_of(main, stated)
        self.log = Log(self.wal, self.form)
        first = self.log.live.get(1)
        if first is not None:  # a file the log was never folded into does not know its encoding yet
            newest = form_of(self.wal[first : first + self.form.size], self.form.size)
            if newest != self.form and newest.size == self.form.size:
                self.form = newest
                self.log = Log(self.wal, self.form)
        here = len(main) // self.form.size
        over: dict[int, tuple[Data, int]] = {
            n: (self.wal, offset) for n, offset in self.log.live.items()
        }
        claimed = int.from_bytes(main[28:32], "big")
        valid = main[24:28] == main[92:96]
        count = self.log.pages or (claimed if valid and 0 < claimed <= here else here)
        self.snapshot = Snapshot(main, self.form, count, over)
        self.survey = Survey(self.snapshot, tables)
        self._before = Snapshot(main, self.form, here)
        self._learn_leftovers()
        if sibling:
            self._learn_sibling(sibling)
        self.judge = Judge(self.survey)
        self.scanner = Scanner(
            self.survey, self.form, len(main) + len(self.wal) + len(self.journal), self._until
        )  # fmt: skip
        self._pending: list[Hit] = []
        self._unheld = 0
        self._unseen = ""
        self.kept_pages = 0
        """Pages kept in the journal."""

    def unfinished(self) -> Iterator[str]:
        """What was not searched, or not held, one line each; true once :meth:`rows` has come to its end."""
        if self._unseen:
            yield f"not searched to the end within the time given: {self._unseen}"
        if self._unheld:
            yield f"{self._unheld} finds without a row number were too many to be compared"
        yield from self.scanner.unfinished()

    def _learn_leftovers(self) -> None:
        """Tables whose CREATE text is left in free bytes, in the form in which the schema kept it."""
        known = {(t.name.lower(), tuple(t.names)) for t in self.survey.tables.values()}
        for data in (self.main, self.wal, self.journal):
            for at in _places(data, _CREATE):
                made = _leftover(data, at)
                if made is None or (made.name.lower(), tuple(made.names)) in known:
                    continue
                known.add((made.name.lower(), tuple(made.names)))
                if len(known) > len(self.survey.tables) + _MOST_LEFTOVERS:
                    return
                self._add(made)

    def _add(self, made: schema.Table) -> None:
        made.root, made.dropped = 0, True
        self.survey.add_gone(made).compile()

    def _learn_sibling(self, sibling: Data) -> None:
        form = form_of(sibling)
        other = Survey(Snapshot(sibling, form, len(sibling) // form.size))
        for key, target in other.targets.items():
            mine = self.survey.targets.get(key)
            if mine is None and target.kind != "index":
                target.table.root, target.table.dropped = 0, True
                mine = self.survey.add_gone(target.table)
            same = mine is not None and [c.name for c in mine.columns] == [
                c.name for c in target.columns
            ]
            if mine is not None and same and mine.rows < target.rows:
                mine.seen, mine.rows, mine.fewest = target.seen, target.rows, target.fewest
                for seen in mine.seen:
                    seen.borrowed = True
                mine.compile()

    def rows(self, live: bool = False) -> Iterator[Row]:
        """The rows, live ones first where they are wanted."""
        if live:
            yield from self._live()
        scan, slack = self.scanner.scan, self.scanner.slack
        for what, images, look in (
            ("earlier states of pages", self._images(), scan),
            ("free pages", self._free(), lambda image: scan(image, freed=True)),
            ("free bytes of pages in use", self._used(), slack),
        ):
            for image in images:
                if time.monotonic() > self._until:
                    self._unseen = self._unseen or what
                    break
                for hit in look(image):
                    yield from self._told(hit)
        for hit in self._pending:
            yield from self.judge.row(hit)
        yield from self.judge.tombstones()

    def free_bytes(self) -> dict[str, tuple[int, int]]:
        """Bytes of freed cells, of the rest of pages in use and of free pages; how many are not zero."""
        total = {"freeblock": [0, 0], "unallocated": [0, 0], "free_pages": [0, 0]}
        for image in self._used():
            for area in self.scanner.free(image):
                part = bytearray(image.data[area.start : area.end])
                for bound in area.bounds:  # which SQLite itself writes there
                    part[bound - area.start : bound - area.start + 4] = b""
                total[area.kind][0] += len(part)
                total[area.kind][1] += len(part) - part.count(0)
        for image in self._free():
            part = bytearray(image.data[image.skip :])
            total["free_pages"][0] += len(part)
            total["free_pages"][1] += len(part) - part.count(0)
        return {kind: (size, nonzero) for kind, (size, nonzero) in total.items()}

    def _told(self, hit: Hit) -> Iterator[Row]:
        """A row at once, or later: without its number it may prove to be one that is known."""
        if hit.target.kind == "index":
            self.judge.key(hit)
        elif (hit.target.kind == "table" and hit.rowid is None) or not hit.complete:
            if len(self._pending) < _MOST_PENDING:
                self._pending.append(hit)
            else:
                self._unheld += 1
        else:
            yield from self.judge.row(hit)

    def _live(self) -> Iterator[Row]:
        survey = self.survey
        for table in list(survey.tables.values()):
            if not table.root or not survey.wanted(table.name):
                continue
            places = table.stored()
            for number, rowid, found, c in survey.cells_of(table):
                data, offset = self.snapshot.over.get(
                    number, (self.main, (number - 1) * self.form.size)
                )
                where = Where(
                    "wal" if data is self.wal else "db",
                    number,
                    None,
                    offset + c.start,
                    c.end - c.start,
                )
                row = arranged(table, places, found, rowid)
                columns = dict(zip(table.names, row, strict=True))
                number_of = rowid if table.rowid else None
                yield Row(table.name, columns, number_of, "live", "live", 1.0, where)

    def _images(self) -> Iterator[Image]:
        """Pages as they stood before: in the log, in the file below it, in the journal."""
        before = self._before.page
        yield from self.log.images(before)
        size = self.form.size
        for number in sorted(self.log.live):
            page = before(number)
            if page is not None:
                yield Image("db", number, None, (number - 1) * size, page, "before_wal", before)
        for image in journal_images(self.journal, self.form, self._before.count, before):
            self.kept_pages += 1
            yield image

    def _free(self) -> Iterator[Image]:
        """Pages of the file in no tree: on the free list, forgotten, or behind the stated end."""
        trunks, leaves = self.snapshot.freelist()
        free = dict.fromkeys(leaves, 0)
        for trunk in trunks:
            page = self.snapshot.page(trunk) or b""
            free[trunk] = 8 + 4 * min(int.from_bytes(page[4:8], "big"), len(page) // 4 - 2)
        used, size = self.survey.used, self.form.size
        maps = _pointer_maps(self.main, self.form, self._before.count)
        for number in range(2, self._before.count + 1):
            if (number in used and number <= self.snapshot.count) or number in maps:
                continue
            if number in self.snapshot.over and number <= self.snapshot.count:
                continue  # its content below the log has been read already
            held = self._before.page(number)
            if held is None:
                break
            method = "freelist" if number in free else "unreachable"
            if number > self.snapshot.count:
                method = "tail"
            skip = free.get(number, 0)
            yield Image(
                "db", number, None, (number - 1) * size, held, method, self._dead, skip=skip
            )
        for number in sorted(set(self.snapshot.over) - used - {1}):
            held = self.snapshot.page(number)
            if held is not None and number not in maps:
                offset = self.snapshot.over[number][1]
                method, skip = "freelist" if number in free else "unreachable", free.get(number, 0)
                yield Image("wal", number, None, offset, held, method, self._dead, skip=skip)

    def _dead(self, number: int) -> bytes | None:
        """A page that nothing live uses: only such a one can still hold a deleted row's overflow."""
        return None if number in self.survey.used else self._before.page(number)

    def _used(self) -> Iterator[Image]:
        """Pages in use, for what lies free in them."""
        survey, snapshot = self.survey, self.snapshot
        for number in sorted({*survey.owner, *survey.tails}):
            page = snapshot.page(number)
            if page is None:
                continue
            data, offset = snapshot.over.get(number, (self.main, (number - 1) * self.form.size))
            method = "" if number in survey.owner else "overflow_slack"
            skip = survey.tails.get(number, 0) if method else 0
            file = "wal" if data is self.wal and self.wal else "db"
            yield Image(file, number, None, offset, page, method, self._dead, skip=skip)


def _leftover(data: Data, at: int) -> schema.Table | None:
    """The table whose schema row holds its text here: ``table``, its name twice, a page number, text."""
    text = data[at : at + 65536]
    end = _closed(text)
    if not end:
        return None
    tail = re.match(rb"\s*without\s+rowid", text[end : end + 40], re.I)
    try:
        sql = (text[:end] + (tail.group() if tail else b"")).decode("utf-8")
    except UnicodeDecodeError:
        return None
    made = schema.table(sql)
    if made is None:
        return None
    name = made.name.encode("utf-8", "replace")
    head = data[max(0, at - 2 * len(name) - 16) : at]
    return made if any(head[: len(head) - k].endswith(name * 2) for k in range(5)) else None


def _places(data: Data, wanted: re.Pattern[bytes]) -> Iterator[int]:
    """Where a pattern of a few bytes stands, looked for in pieces."""
    overlap = 64
    for start in range(0, len(data), _PIECE):
        part = data[start : start + _PIECE + overlap]
        for match in wanted.finditer(part):
            if match.start() < _PIECE:
                yield start + match.start()


def _closed(text: bytes) -> int:
    """Where the first bracket is closed; 0 where it is not, or the bytes are no text."""
    depth = 0
    for i, byte in enumerate(text):
        if byte == 0x28:
            depth += 1
        elif byte == 0x29:
            depth -= 1
            if depth <= 0:
                return i + 1 if not depth else 0
        elif byte < 9 or 13 < byte < 32:
            return 0
    return 0


def _pointer_maps(main: Data, form: Form, count: int) -> set[int]:
    """Pages of an auto-vacuum database that hold pointers only."""
    if not int.from_bytes(main[52:56], "big"):
        return set()
    return set(range(2, count + 1, form.usable // 5 + 1))


def opened(source: Source, seconds: float = 3600) -> Recovery:
    """A database in a cell, with the log and the journal beside it. ValueError for what is none."""
    beside = {k: data_of(s) for k, s in source.companions.items()}
    return Recovery(
        data_of(source), beside.get("-wal"), beside.get("-journal"), sibling=beside.get("-sibling"),
        seconds=seconds,
    )  # fmt: skip


def slack(main: Data, wal: Data | None = None) -> dict[str, int | float]:
    """How many bytes lie free, and how many of them are not zero: whether erasing was made thorough.

    ``share`` near 0 means that the application overwrites what it deletes (secure_delete) or that
    nothing has been deleted; only the log, the journal and indexes can then give rows back.
    """
    recovery = Recovery(main, wal)
    total = recovery.free_bytes()
    free, filled = (sum(t[i] for t in total.values()) for i in (0, 1))
    report: dict[str, int | float] = {
        "pages": recovery.snapshot.count,
        "page_size": recovery.form.size,
    }
    for kind, (size, nonzero) in total.items():
        report[kind], report[f"{kind}_nonzero"] = size, nonzero
    report["share"] = round(filled / free, 4) if free else 0.0
    return report
