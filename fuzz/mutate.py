"""Changes of inputs that keep what would otherwise stop them at the door: checksums, lengths, rows."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from amparo.kit import wal

Plain = Callable[[bytes, int], bytes]

NUMBERS = (
    0, 1, -1, 2, 127, 128, 255, 1 << 15, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 32, 1 << 53,
    (1 << 63) - 1, -(1 << 63), 253402300800000, -62135596800001, 1_700_000_000_000, 1_700_000_000,
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "0", "-1", "99999999999999999999", "\ufeff", "\u202egnp.exe", "\ud7ff",
    "🚆" * 50, "x" * 3000, "447700900001@s.whatsapp.net", "1@g.us", "status@broadcast", "@", "0@lid",
    "447700900001-1461964508@g.us", "447700900001.0:3@s.whatsapp.net", "null", "{}", "[[[[", "<x>",
    "https://chat.whatsapp.com/ABCDEFGHIJKLMNOPQRSTUV", "https://wa.me/447700900001", "../../etc/x",
    "Media/../../../x", "/sdcard/x", "\u2028", "é" * 500,
)  # fmt: skip
BYTES = (b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xff\xd8\xff\xe0", bytes(32), b"\x80" * 10)


def value(chance: Random) -> Any:
    """A value that a column may hold and a reader may not expect."""
    kind = chance.randrange(7)
    if kind == 0:
        return None
    if kind <= 2:
        return chance.choice(NUMBERS) + chance.randrange(-2, 3)
    if kind == 3:
        return chance.choice((0.5, -1e308, float("inf"), float("-inf"), 1e18, 9.3e18, -0.0))
    if kind == 4:
        return chance.choice(BYTES)
    return chance.choice(TEXTS)


def _fits(number: Any) -> Any:
    if type(number) is int:
        return max(-(1 << 63), min(number, (1 << 63) - 1))
    return number


def cells(data: bytes, longest: int, chance: Random, plain: Plain) -> bytes:
    """A database with other values in its rows, rows gone or doubled, columns and tables gone."""
    if chance.random() < 0.25:
        return plain(data, longest)
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.deserialize(data)
        db.execute("PRAGMA journal_mode=MEMORY")
        tables = [
            str(name)
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if not str(name).startswith("sqlite_")
        ]
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            with contextlib.suppress(sqlite3.Error, MemoryError):
                _change(db, chance.choice(tables), chance)
        if chance.random() < 0.1:
            db.execute("VACUUM")
        out = db.serialize()
    except (sqlite3.Error, IndexError, UnicodeError, MemoryError):
        return plain(data, longest)
    finally:
        db.close()
    return out if len(out) <= longest else plain(data, longest)


def _change(db: sqlite3.Connection, table: str, chance: Random) -> None:
    name = '"' + table.replace('"', '""') + '"'
    columns = [str(row[1]) for row in db.execute(f"PRAGMA table_info({name})")]
    column = '"' + chance.choice(columns).replace('"', '""') + '"'
    here = f"rowid IN (SELECT rowid FROM {name} ORDER BY rowid LIMIT 1 OFFSET ?)"
    (count,) = db.execute(f"SELECT count(*) FROM {name}").fetchone()
    where = chance.randrange(count) if count else 0
    kind = chance.randrange(20)
    if kind < 12 and count:
        new = _fits(value(chance))
        made = "CAST(? AS TEXT)" if isinstance(new, bytes) and chance.random() < 0.5 else "?"
        db.execute(f"UPDATE {name} SET {column} = {made} WHERE {here}", (new, where))
    elif kind < 14 and count:
        db.execute(f"DELETE FROM {name} WHERE {here}", (where,))
    elif kind < 17:
        marks = ", ".join("?" for _ in columns)
        db.execute(
            f"INSERT OR REPLACE INTO {name} VALUES ({marks})",
            [_fits(value(chance)) for _ in columns],
        )
    elif kind == 17:
        db.execute(f"ALTER TABLE {name} DROP COLUMN {column}")
    elif kind == 18:
        db.execute(f"ALTER TABLE {name} RENAME COLUMN {column} TO other")
    else:
        db.execute(f"DROP TABLE {name}")


def tar(data: bytes, longest: int, chance: Random, plain: Plain) -> bytes:
    """A tar whose headers still add up."""
    out = bytearray(_field(data, chance) if chance.random() < 0.5 else plain(data, longest))
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar" or out[at + 148 : at + 156].strip(b"\0 0"):
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


_FIELDS = ((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155), (386, 97))


def _field(data: bytes, chance: Random) -> bytes:
    """Other words in one field of one header."""
    out = bytearray(data)
    heads = [at for at in range(0, len(out) - 511, 512) if out[at + 257 : at + 262] == b"ustar"]
    if not heads:
        return data
    at, size = chance.choice(_FIELDS)
    number = chance.choice((0, 1, 511, 512, 513, 1 << 20, 1 << 33, 1 << 62, 1 << 85))
    new = chance.choice((
        b"%011o\0" % (number & (1 << 33) - 1), b"\x80" + number.to_bytes(11, "big"),
        b"\xff" + chance.randbytes(11), chance.choice(b"01234567xgLKSXVD").to_bytes(1, "big"),
        b"../" * 20, b"\xff" * 30, b"",
    ))  # fmt: skip
    place = chance.choice(heads) + at
    out[place : place + size] = new[:size].ljust(size, b"\0")
    return bytes(out)


def log(data: bytes, longest: int, chance: Random, plain: Plain) -> bytes:
    """A write-ahead log whose checksums fit, half of the time."""
    out = bytearray(plain(data, longest))
    if chance.random() < 0.5 or len(out) < 32:
        return bytes(out)
    magic, _, size = struct.unpack_from(">3I", out)
    order = ">" if magic & 1 else "<"
    s, t = wal.checksum(bytes(out[:24]), order)
    struct.pack_into(">2I", out, 24, s, t)
    if size not in {1 << n for n in range(9, 17)}:
        return bytes(out)
    for at in range(32, len(out) - 24 - size + 1, 24 + size):
        out[at + 8 : at + 16] = out[16:24]
        s, t = wal.checksum(bytes(out[at : at + 8]), order, s, t)
        s, t = wal.checksum(bytes(out[at + 24 : at + 24 + size]), order, s, t)
        struct.pack_into(">2I", out, at + 16, s, t)
    return bytes(out)


def png(data: bytes, longest: int, chance: Random, plain: Plain) -> bytes:
    """A PNG whose chunks have their checksums."""
    out = bytearray(plain(data, longest))
    at = 8
    while out[:4] == b"\x89PNG" and at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        end = at + 8 + length
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)
