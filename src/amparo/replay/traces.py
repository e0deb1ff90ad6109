"""Where the bytes of erased and changed rows still lie: the ceiling of what anybody could recover.

Found by looking for the very bytes a row was stored as (its values one behind the other, as SQLite writes
them), never by recovering anything: https://www.sqlite.org/fileformat2.html#record_format. A row counts
only where all its values stand, so what is half overwritten is not asked for.
"""

import re
import sqlite3
import struct
from collections.abc import Iterable, Iterator

PAGE = 4096

Value = None | int | float | str | bytes


def body(values: Iterable[Value]) -> bytes:
    """A row's values as they are stored behind the header of a record; the rowid alias stores nothing."""
    out = b""
    for value in values:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # kept as a whole number on disk
        if value is None or (isinstance(value, int) and value in (0, 1)):
            continue
        if isinstance(value, int):
            size = next(
                n for n in (1, 2, 3, 4, 6, 8) if -(1 << 8 * n - 1) <= value < 1 << 8 * n - 1
            )
            out += value.to_bytes(size, "big", signed=True)
        elif isinstance(value, float):
            out += struct.pack(">d", value)
        else:
            out += value.encode() if isinstance(value, str) else value
    return out


class Files:
    """The files of one database as they lie on the phone."""

    def __init__(self, main: bytes, log: bytes = b"", journal: bytes = b"") -> None:
        self._main, self._log, self._journal = main, log, journal
        self._free = set(_freelist(main))
        self._frames = list(_frames(log))
        newest = {page: n for n, (page, _) in enumerate(self._frames)}
        self._logged = set(newest)
        self._live = {n for page, n in newest.items()}

    def places(self, row: bytes, text: int = 0, longer: tuple[bytes, ...] = ()) -> set[str]:
        """``freelist``, ``page`` (free bytes of a page in use), ``log``, ``journal``: where a row lies.

        Where one of ``longer`` stands instead of its text, which begins at ``text``, it is another row: one
        byte behind a text may be the number 32 or a space.
        """
        found = set()
        for at in _all(self._main, row, text, longer):
            page = at // PAGE + 1
            if page in self._logged:
                found.add("log")  # below a newer page in the log
            else:
                found.add("freelist" if page in self._free else "page")
        for at in _all(self._log, row, text, longer):
            frame = (at - 32) // (24 + PAGE)
            found.add("page" if frame in self._live else "log")
        if any(_all(self._journal, row, text, longer)):
            found.add("journal")
        return found


def _all(data: bytes, row: bytes, text: int, longer: tuple[bytes, ...]) -> Iterator[int]:
    at = data.find(row)
    while at >= 0:
        if not data.startswith(longer, at + text):
            yield at
        at = data.find(row, at + 1)


def _freelist(main: bytes) -> Iterator[int]:
    trunk = int.from_bytes(main[32:36], "big")
    while trunk:
        yield trunk
        page = main[(trunk - 1) * PAGE : trunk * PAGE]
        count = int.from_bytes(page[4:8], "big")
        yield from struct.unpack(f">{count}I", page[8 : 8 + 4 * count])
        trunk = int.from_bytes(page[:4], "big")


def _frames(log: bytes) -> Iterator[tuple[int, int]]:
    """(page, offset) of every frame; the replay's logs have one round and end with a commit."""
    for at in range(32, len(log) - PAGE - 23, PAGE + 24):
        yield int.from_bytes(log[at : at + 4], "big"), at + 24


def settle_journal(journal: bytes, nonce: int) -> bytes:
    """The same kept journal with checksums that start from this number instead of a random one."""
    out = bytearray(journal)
    for at in range(512, len(journal) - PAGE - 7, PAGE + 8):
        page = journal[at + 4 : at + 4 + PAGE]
        total = nonce + sum(page[i] for i in range(PAGE - 200, 0, -200)) & 0xFFFFFFFF
        out[at + 4 + PAGE : at + 8 + PAGE] = total.to_bytes(4, "big")
    return bytes(out)


# full-text index ---------------------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """Words as the index's ``simple`` tokenizer makes them: letters and digits, all that is not ASCII."""
    return re.findall(r"[0-9a-z\u0080-\U0010ffff]+", text.lower())


def indexed(db: sqlite3.Connection, name: str) -> dict[int, dict[int, str]]:
    """What the index still says of each document: place to word. Format: sqlite.org/fts3.html#shadowtabs."""
    found: dict[int, dict[int, str]] = {}
    blocks = dict(db.execute(f"SELECT blockid, block FROM {name}_segments"))
    query = (
        f"SELECT start_block, leaves_end_block, root FROM {name}_segdir ORDER BY level, idx DESC"
    )
    for first, last, root in db.execute(query):
        for leaf in [blocks[n] for n in range(first, last + 1)] if first else [root]:
            for document, places in _leaf(leaf):
                found.setdefault(document, {}).update(places)
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def _leaf(data: bytes) -> Iterator[tuple[int, dict[int, str]]]:
    _, at = _number(data, 0)
    term = b""
    while at < len(data):
        prefix = 0
        if term:
            prefix, at = _number(data, at)
        size, at = _number(data, at)
        term = term[:prefix] + data[at : at + size]
        length, at = _number(data, at + size)
        end, document = at + length, 0
        while at < end:
            step, at = _number(data, at)
            document += step
            column = place = 0
            places = {}
            while True:
                step, at = _number(data, at)
                if step == 0:
                    break
                if step == 1:
                    column, at = _number(data, at)
                    place = 0
                    continue
                place += step - 2
                if column == 0:
                    places[place] = term.decode()
            yield document, places
