"""Texts of deleted rows, put together again from what full-text indexes still say about them.

Deleting a document leaves its words in older segments until they are merged. Words come back in order,
in the form the index keeps them (mostly lower case, no punctuation); one that is lost shows as "…".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from amparo.recover.record import Value
from amparo.recover.row import Row, Where
from amparo.recover.rows import Recovery
from amparo.recover.schema import Table, tokens
from amparo.recover.words import (
    Posting,
    fts4_block,
    fts4_leaf,
    fts5_leaf,
    fts5_segment,
    fts5_segments,
)

_MOST_WORDS = 100_000
Places = dict[tuple[int, int], str]
Block = tuple[bytes, Where]


@dataclass
class Index:
    """One full-text table: its name, version, columns, and the tables it is kept in."""

    name: str
    version: int
    columns: list[str]
    prefixes: int = 0
    content: str = ""
    parts: dict[str, Table] = field(default_factory=dict)


@dataclass
class _Text:
    places: Places
    where: Where
    old: bool = False


def indexes(recovery: Recovery) -> Iterator[Index]:
    """The full-text tables that the schema names and whose parts are there."""
    survey = recovery.survey
    for name, sql in survey.sql.items():
        match = re.search(r"using\s+fts([345])\s*(\(.*\))?\s*$", sql, re.I | re.S)
        if not match:
            continue
        made = Index(name, int(match.group(1)), [])
        _options(made, match.group(2) or "")
        for part in ("content", "segments", "segdir", "docsize", "data"):
            if table := survey.tables.get(f"{name}_{part}"):
                made.parts[part] = table
        if "segdir" in made.parts or (made.version == 5 and "data" in made.parts):
            made.columns = made.columns or ["content"]
            yield made


def _options(made: Index, text: str) -> None:
    parts: list[list[str]] = [[]]
    for _, word in tokens(text[1:-1]):
        if word == ",":
            parts.append([])
        else:
            parts[-1].append(word)
    for part in (p for p in parts if p):
        if len(part) > 1 and part[1] == "=":
            if part[0].lower() == "prefix":
                made.prefixes = len(re.findall(r"\d+", " ".join(part[2:])))
            elif part[0].lower() == "content":
                made.content = part[2] if len(part) > 2 else ""
        elif part[0].lower() != "tokenize":
            made.columns.append(part[0])


def rebuilt(recovery: Recovery, older: Iterable[Row] = ()) -> Iterator[Row]:
    """A row for every deleted document with words left; an earlier version where its row stands.

    ``older`` are recovered rows of the tables the index is kept in: segments of an earlier time. Text
    goes to the table that was indexed, where it can be told, else to the full-text table itself.
    """
    kept = defaultdict(list)
    for row in older:
        kept[row.table.lower()].append(row)
    for index in indexes(recovery):
        live = _documents(recovery, index)
        if live is None:
            continue
        texts = _newest(_segments(recovery, index), live)
        _add_older(texts, _older(index, kept), live)
        base, column = _base(recovery, index, live)
        stand = recovery.survey.live[base.name.lower()].rows if base is not None else ()
        for document, text in sorted(texts.items()):
            state = "superseded" if document in stand else "deleted"
            made = _row(index, document, text, base, column, state)
            if made:
                yield made


def _documents(recovery: Recovery, index: Index) -> Collection[int] | None:
    """Numbers of the documents that are live; None where that cannot be told."""
    for part in ("content", "docsize"):
        if part in index.parts:
            return recovery.survey.live[index.parts[part].name.lower()].rows
    table = recovery.survey.tables.get(index.content.lower())
    return recovery.survey.live[table.name.lower()].rows if table else None


def _blocks(recovery: Recovery, table: Table) -> Iterator[tuple[int, list[Value], Where]]:
    size = recovery.form.size
    for page, rowid, values, c in recovery.survey.cells_of(table):
        data, offset = recovery.snapshot.over.get(page, (recovery.main, (page - 1) * size))
        file = "wal" if recovery.wal and data is recovery.wal else "db"
        yield rowid, values, Where(file, page, None, offset + c.start, c.end - c.start)


def _segments(recovery: Recovery, index: Index) -> Iterator[tuple[Iterator[Posting], Where]]:
    """Segments of the live index, the newest first."""
    if "segdir" not in index.parts:
        yield from _segments5(recovery, index)
        return
    blocks: dict[int, Block] = {}
    if "segments" in index.parts:
        for rowid, row, where in _blocks(recovery, index.parts["segments"]):
            if len(row) > 1 and isinstance(row[1], bytes):
                blocks[rowid] = row[1], where
    order = []
    for _, row, where in _blocks(recovery, index.parts["segdir"]):
        level, number, first, last, _, root = (*row, *(None,) * 6)[:6]
        if type(level) is not int or type(number) is not int:
            continue
        if level // 1024 % (index.prefixes + 1):
            continue
        held = [(root, where)] if isinstance(root, bytes) else []
        if type(first) is int and type(last) is int and 0 < first <= last:
            held += [
                blocks[b] for b in range(first, min(last, first + len(blocks)) + 1) if b in blocks
            ]
        order.append((level % 1024, -number, held))
    for _, _, held in sorted(order, key=lambda o: o[:2]):
        if held:
            yield (p for data, _ in held for p in fts4_leaf(data)), held[-1][1]


def _segments5(recovery: Recovery, index: Index) -> Iterator[tuple[Iterator[Posting], Where]]:
    blocks = {
        rowid: (row[1], where)
        for rowid, row, where in _blocks(recovery, index.parts["data"])
        if len(row) > 1 and isinstance(row[1], bytes)
    }
    structure = blocks.get(10)
    for number, first, last in fts5_segments(structure[0]) if structure else ():
        pages = []
        for page in range(first, min(last, first + len(blocks)) + 1):
            if (number << 37) + page not in blocks:
                break
            pages.append(blocks[(number << 37) + page])
        if pages:
            yield fts5_segment([data for data, _ in pages]), pages[0][1]


def _newest(
    segments: Iterator[tuple[Iterator[Posting], Where]], live: Collection[int]
) -> dict[int, _Text]:
    """The last known words of every document that is not live."""
    texts: dict[int, _Text] = {}
    for postings, where in segments:
        for document, places in _gather(postings, live).items():
            held = texts.get(document)
            if held is None:
                texts[document] = _Text(places, where)
            elif not held.places.keys() & places.keys():
                held.places.update(places)  # a segment that is half merged
    return texts


def _gather(postings: Iterator[Posting], live: Collection[int]) -> dict[int, Places]:
    found: dict[int, Places] = defaultdict(dict)
    for document, column, place, word in postings:
        if document not in live and len(found[document]) < _MOST_WORDS:
            found[document][column, place] = word
    return found


def _older(index: Index, kept: dict[str, list[Row]]) -> Iterator[tuple[Iterator[Posting], Where]]:
    if index.version == 5:
        yield from _older5(kept.get(f"{index.name}_data".lower(), ()))
        return
    for part, column in (("segdir", "root"), ("segments", "block")):
        for row in kept.get(f"{index.name}_{part}", ()):
            data = row.columns.get(column)
            level = row.columns.get("level", 0)
            if type(level) is int and level // 1024 % (index.prefixes + 1):
                continue
            if isinstance(data, bytes) and row.complete:
                yield iter(fts4_block(data, len(index.columns)) or ()), row.where


_SEGMENT, _PAGE = 37, 31
"""Bits of a row number of ``%_data`` below its segment, and below what a page is for."""


def _older5(rows: Iterable[Row]) -> Iterator[tuple[Iterator[Posting], Where]]:
    """Pages of segments that were merged away: their rows were deleted, their bytes may remain.

    A number of a segment is given again, so pages are put together only where no other page of the same
    number came back; each page is checked by itself first.
    """
    pages: dict[int, dict[int, list[tuple[bytes, Where]]]] = defaultdict(dict)
    for row in rows:
        block = row.columns.get("block")
        if not isinstance(block, bytes) or not row.complete or fts5_leaf(block) is None:
            continue
        number = row.rowid or 0
        if row.rowid is None or number >> _PAGE & 0x3F or not number >> _SEGMENT:
            if row.rowid is None:
                yield iter(fts5_leaf(block) or ()), row.where
            continue
        page = number & (1 << _PAGE) - 1
        pages[number >> _SEGMENT].setdefault(page, []).append((block, row.where))
    for held in pages.values():
        single = all(len({b for b, _ in versions}) == 1 for versions in held.values())
        run: list[tuple[bytes, Where]] = []
        for page in sorted(held):
            if single and run and page - 1 in held:
                run.append(held[page][0])
                continue
            yield from _run(run)
            run = held[page][:1]
            for other in held[page][1:] if not single else ():
                yield iter(fts5_leaf(other[0]) or ()), other[1]
        yield from _run(run)


def _run(run: list[tuple[bytes, Where]]) -> Iterator[tuple[Iterator[Posting], Where]]:
    """Consecutive pages of one segment; a page alone is read strictly."""
    if len(run) == 1:
        yield iter(fts5_leaf(run[0][0]) or ()), run[0][1]
    elif run:
        yield fts5_segment([data for data, _ in run]), run[0][1]


def _add_older(
    texts: dict[int, _Text],
    segments: Iterator[tuple[Iterator[Posting], Where]],
    live: Collection[int],
) -> None:
    """Documents known from earlier states only: blocks of different times have to agree."""
    fresh: dict[int, _Text] = {}
    torn: set[int] = set()
    for postings, where in segments:
        for document, places in _gather(postings, live).items():
            if document in texts and _whole(texts[document].places):
                continue
            held = fresh.setdefault(document, _Text({}, where, old=True))
            if any(held.places.get(k, w) != w for k, w in places.items()):
                torn.add(document)
            held.places.update(places)
    for document, text in fresh.items():
        known = texts.get(document)
        if document in torn:
            continue
        if known is None:
            texts[document] = text
        elif all(text.places.get(k, w) == w for k, w in known.places.items()):
            known.places.update(text.places)


def _whole(places: Places) -> bool:
    """Whether no place is missing before the last one of a column."""
    last: dict[int, int] = {}
    for column, place in places:
        last[column] = max(last.get(column, -1), place)
    return len(places) == sum(n + 1 for n in last.values())


def _row(
    index: Index, document: int, text: _Text, base: Table | None, column: int | None, state: str
) -> Row | None:
    columns: dict[str, Value] = {}
    for number, name in enumerate(index.columns):
        words = {place: word for (c, place), word in text.places.items() if c == number}
        if words:
            columns[name] = _line(words)
    if not columns:
        return None
    whole = _whole(text.places)
    sure = (0.7 if whole else 0.4) if text.old else 0.85 if whole else 0.5
    method = "fts_older" if text.old else "fts_rebuild"
    name = index.name
    if base is not None and column is not None:
        name = base.name
        line = columns.get(index.columns[0])
        columns = {base.columns[column].name: line}
        if base.alias is not None:
            columns = {base.columns[base.alias].name: document, **columns}
        if line is None:
            return None
    return Row(name, columns, document, state, method, sure, text.where, False)


def _line(words: dict[int, str]) -> str:
    out: list[str] = []
    last = -1
    for place in sorted(words):
        if place > last + 1:
            out.append("…")
        out.append(words[place])
        last = place
    return " ".join(out)


def _base(
    recovery: Recovery, index: Index, live: Collection[int]
) -> tuple[Table | None, int | None]:
    """The table and column that were indexed: named alike, numbered alike, saying the same."""
    survey = recovery.survey
    likely = [
        t for low, t in survey.tables.items()
        if t.rowid and t.root and (low == index.content.lower() or (index.name.startswith(low.rstrip("s")) and not low.startswith(index.name)))
    ]  # fmt: skip
    sample = sorted(live)[-200:]
    read = _reader(recovery, index)
    for table in sorted(likely, key=lambda t: -len(t.name)):
        rows = survey.live[table.name.lower()].rows
        if not sample or sum(1 for d in sample if d in rows) < 0.8 * len(sample):
            continue
        agree: dict[int, int] = defaultdict(int)
        for document in sample[-40:]:
            row, said = survey.row(table, document), read(document)
            for i, value in enumerate(row or ()):
                if isinstance(value, str) and said and _bare(value) == said:
                    agree[i] += 1
        if agree:
            return table, max(agree, key=lambda i: agree[i])
    return None, None


def _reader(recovery: Recovery, index: Index) -> Callable[[int], str]:
    content = index.parts.get("content")
    if content is None:
        words: dict[int, Places] = {}
        for postings, _ in _segments(recovery, index):
            for document, places in _gather(postings, set()).items():
                words.setdefault(document, places)
        return lambda d: _bare(_line({p: w for (c, p), w in words.get(d, {}).items() if c == 0}))

    def read(document: int) -> str:
        row = recovery.survey.row(content, document)
        return _bare(row[1]) if row and len(row) > 1 and isinstance(row[1], str) else ""

    return read


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
