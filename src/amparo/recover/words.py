"""The words of full-text indexes: which term stands at which place of which document.

Formats: FTS3/4 from https://www.sqlite.org/fts3.html#shadowtabs and fts3_write.c (leaf nodes stand
alone, varints little-endian); FTS5 from https://www.sqlite.org/fts5.html and fts5_index.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from amparo.recover.record import varint

Posting = tuple[int, int, int, str]
"""Document, column, place, term."""
_MOST_PLACE = 1 << 24


def little(data: bytes, at: int) -> tuple[int, int]:
    """A varint of FTS3/4: seven bits a byte, the lowest first; (-1, at) where the bytes run out."""
    value = shift = 0
    for i in range(at, min(at + 10, len(data))):
        value |= (data[i] & 0x7F) << shift
        if data[i] < 0x80:
            return value, i + 1
        shift += 7
    return -1, at


def fts4_leaf(block: bytes) -> Iterator[Posting]:
    """What a leaf block of FTS3/4 holds, as far as it can be read."""
    height, at = little(block, 0)
    if height:
        return
    term = b""
    first = True
    while at < len(block):
        prefix = 0
        if not first:
            prefix, at = little(block, at)
        size, at = little(block, at)
        if size < 0 or prefix < 0 or prefix > len(term) or at + size > len(block):
            return
        term = term[:prefix] + block[at : at + size]
        length, at = little(block, at + size)
        if length < 0 or at + length > len(block):
            return
        word = term.decode("utf-8", "replace")
        for document, column, place in _fts4_doclist(block[at : at + length]):
            yield document, column, place, word
        at += length
        first = False


def fts4_block(block: bytes, columns: int) -> list[Posting] | None:
    """What a leaf block of FTS3/4 holds; None for what is no such block.

    Strict, because the block may come from freed bytes that were partly written over: terms ascend and are
    text, documents and places ascend, columns are below ``columns``, every list ends where it says it does
    and the last one where the block does.
    """
    found: list[Posting] = []
    height, at = little(block, 0)
    if height or at >= len(block):
        return None
    term = b""
    while at < len(block):
        prefix, at = little(block, at) if term else (0, at)
        size, at = little(block, at)
        if size <= 0 or not 0 <= prefix <= len(term) or at + size > len(block):
            return None
        last, term = term, term[:prefix] + block[at : at + size]
        length, at = little(block, at + size)
        if term <= last or length <= 0 or at + length > len(block):
            return None
        try:
            word = term.decode("utf-8")
        except UnicodeDecodeError:
            return None
        places = _strict_doclist(block[at : at + length], columns)
        if places is None:
            return None
        found += [(*place, word) for place in places]
        at += length
    return found


def _strict_doclist(data: bytes, columns: int) -> list[tuple[int, int, int]] | None:
    """Document, column and place of one term; None where it is no such list to its last byte.

    Documents ascend, or descend throughout; a document without a place is one that the word has left.
    """
    found: list[tuple[int, int, int]] = []
    at = document = way = 0
    while at < len(data):
        step, at = little(data, at)
        step -= 1 << 64 if step >= 1 << 63 else 0
        if document and (step == 0 or way * step < 0):
            return None
        way = (1 if step > 0 else -1) if document else 0
        document += step
        column, place, fresh = 0, 0, True
        while True:
            if at >= len(data):
                return None
            value, at = little(data, at)
            if value == 0:
                break
            if value == 1:
                named, at = little(data, at)
                if not column < named < columns:
                    return None
                column, place, fresh = named, 0, True
                continue
            place += value - 2
            if value < 2 or (value == 2 and not fresh) or place > _MOST_PLACE:
                return None
            fresh = False
            found.append((document, column, place))
        if fresh and column:
            return None
    return found if document > 0 else None


def _fts4_doclist(data: bytes) -> Iterator[tuple[int, int, int]]:
    at = document = 0
    while at < len(data):
        step, at = little(data, at)
        if step < 0:
            return
        document += step if step < 1 << 63 else step - (1 << 64)
        column = place = 0
        while at < len(data):
            value, at = little(data, at)
            if value == 0:
                break
            if value < 0:
                return
            if value == 1:
                column, at = little(data, at)
                place = 0
                continue
            place += value - 2
            if place > _MOST_PLACE:
                return
            yield document, column, place


def fts5_segments(structure: bytes) -> list[tuple[int, int, int]]:
    """(segment, first page, last page) of an FTS5 index, the newest first."""
    levels, at = varint(structure, 4)
    _, at = varint(structure, at)
    _, at = varint(structure, at)
    found: list[tuple[int, int, int]] = []
    for _ in range(min(max(levels, 0), 64)):
        _, at = varint(structure, at)
        count, at = varint(structure, at)
        level = []
        for _ in range(min(max(count, 0), 2000)):
            number, at = varint(structure, at)
            first, at = varint(structure, at)
            last, at = varint(structure, at)
            if number > 0 and 0 < first <= last < first + (1 << 20):
                level.append((number, first, last))
        found += reversed(level)
    return found


def fts5_segment(pages: list[bytes]) -> Iterator[Posting]:
    """What the leaf pages of one FTS5 segment hold; prefix indexes are left out."""
    stream = bytearray()
    terms: dict[int, bool] = {}
    absolute: set[int] = set()
    for page in pages:
        if len(page) < 4:
            return
        size = int.from_bytes(page[2:4], "big")
        rowid = int.from_bytes(page[:2], "big")
        if size < 4 or size > len(page):
            return
        base = len(stream) - 4
        if rowid:
            absolute.add(base + rowid)
        at, place = size, 0
        while at < len(page):
            step, at = varint(page, at)
            if step < 0:
                break
            terms[base + place + step] = place == 0
            place += step
        stream += page[4:size]
    data = bytes(stream)
    term = b""
    starts = [*sorted(t for t in terms if 0 <= t < len(data)), len(data)]
    for start, stop in pairwise(starts):
        at = start
        prefix = 0
        if not terms[start]:
            prefix, at = varint(data, at)
        size, at = varint(data, at)
        if size < 0 or prefix > len(term) or at + size > stop:
            return
        term = term[:prefix] + data[at : at + size]
        if term[:1] != b"0":
            continue
        word = term[1:].decode("utf-8", "replace")
        yield from _fts5_doclist(data, at + size, stop, absolute, word)


def fts5_leaf(page: bytes) -> list[Posting] | None:
    """What one leaf page holds by itself, without its neighbours; None for what is no such page.

    Strict, because the page may come from freed bytes: terms ascend, are text, and each list of documents
    ends where the next term begins. What runs over from the page before or to the next one is left out.
    """
    size = int.from_bytes(page[2:4], "big") if len(page) >= 4 else 0
    if not 4 <= size < len(page) or int.from_bytes(page[:2], "big") >= size:
        return None
    starts: list[int] = []
    at, place = size, 0
    while at < len(page):
        step, at = varint(page, at)
        place += step
        if step <= 0 or not 4 <= place < size:
            return None
        starts.append(place)
    found: list[Posting] = []
    term = b""
    for n, (start, stop) in enumerate(pairwise([*starts, size])):
        prefix, at = varint(page, start) if n else (0, start)
        length, at = varint(page, at)
        if length <= 0 or not 0 <= prefix <= len(term) or at + length > stop:
            return None
        last, term = term, term[:prefix] + page[at : at + length]
        if term <= last:
            return None
        try:
            word = term[1:].decode("utf-8")
        except UnicodeDecodeError:
            return None
        ended = n < len(starts) - 1
        here = list(_fts5_doclist(page, at + length, stop, set(), word, exact=ended))
        if ended and not here and at + length < stop:
            return None
        if term[:1] == b"0":
            found += here
    return found


def _fts5_doclist(
    data: bytes, at: int, stop: int, absolute: set[int], word: str, exact: bool = False
) -> Iterator[Posting]:
    """The places of one term. ``exact``: nothing where the list does not end where it should."""
    if exact and not _ends(data, at, stop):
        return
    document, first = 0, True
    while at < stop:
        fresh = first or at in absolute
        step, at = varint(data, at)
        document = step if fresh else document + step
        first = False
        size, at = varint(data, at)
        if step < 0 or size < 0 or at + (size >> 1) > stop:
            return
        end = at + (size >> 1)
        column = place = 0
        while at < end:
            value, at = varint(data, at)
            if value == 1:
                column, at = varint(data, at)
                place = 0
            elif value < 2:
                return
            else:
                place += value - 2
                if place > _MOST_PLACE:
                    return
                yield document, column, place, word
        at = end


def _ends(data: bytes, at: int, stop: int) -> bool:
    """Whether the entries of a list of documents fill their bytes."""
    while at < stop:
        _, at = varint(data, at)
        size, at = varint(data, at)
        if size < 0:
            return False
        at += size >> 1
    return at == stop
