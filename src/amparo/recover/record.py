"""One row as SQLite writes it: varints, serial types, values.

Format (https://www.sqlite.org/fileformat2.html#record_format): header length, one serial type per
column, then the values. Everything here survives any bytes; None stands for "no record".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

Value = None | int | float | str | bytes

SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Bytes of a value by serial type, up to 9."""
MOST_COLUMNS = 2000
LONGEST = 1 << 28
"""Bytes of the longest payload that is believed."""

_FLOAT = struct.Struct(">d")
_CODECS = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An integer of 1 to 9 bytes and where it ends; (-1, at) where the bytes run out."""
    value = 0
    for i in range(at, min(at + 8, len(data))):
        byte = data[i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, i + 1
    if at + 8 < len(data):
        return value << 8 | data[at + 8], at + 9
    return -1, at


def signed(value: int) -> int:
    """A varint read as the 64-bit two's complement number it is."""
    return value - (1 << 64) if value >= 1 << 63 else value


def as_varint(value: int) -> bytes:
    """The shortest form of a number below 2**56; the only one SQLite writes."""
    out = bytearray((value & 0x7F,))
    while value := value >> 7:
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)


def size_of(serial: int) -> int:
    """Bytes of a value of this serial type."""
    return SIZES[serial] if serial < 10 else (serial - 12) >> 1


def header(
    data: bytes, at: int, end: int, most: int = MOST_COLUMNS
) -> tuple[int, list[int], int] | None:
    """Header length, serial types and payload size of a record; None for what is none.

    ``most`` is how many columns there can be.
    """
    if at >= end:
        return None
    length, i = varint(data, at)
    stop = at + length
    if length < 1 or stop > end or length > 5 * most + 2:
        return None
    types = []
    total = length
    while i < stop:
        serial = data[i]
        if serial < 0x80:
            i += 1
        else:
            serial, i = varint(data, i)
            if serial < 0:
                return None
        if serial < 10:
            total += SIZES[serial]
        elif serial < 12:
            return None
        else:
            total += (serial - 12) >> 1
        types.append(serial)
    if i != stop or total > LONGEST or len(types) > most:
        return None
    return length, types, total


def values(
    data: bytes, at: int, types: Sequence[int], encoding: int, strict: bool = True
) -> list[Value] | None:
    """The values behind a header, as far as the bytes reach.

    ``strict`` gives None for text that is no text in this encoding; otherwise it is written with
    backslashes. A text cut off by the end of the bytes is kept as far as it goes.
    """
    found: list[Value] = []
    end = len(data)
    for serial in types:
        if serial == 0:
            found.append(None)
            continue
        if serial >= 8 and serial < 10:
            found.append(serial - 8)
            continue
        size = SIZES[serial] if serial < 10 else (serial - 12) >> 1
        stop = at + size
        if stop > end:
            if serial >= 13 and serial & 1 and at < end:
                found.append(data[at:end].decode(_CODECS.get(encoding, "utf-8"), "ignore"))
            return found
        if serial < 7:
            found.append(int.from_bytes(data[at:stop], "big", signed=True))
        elif serial == 7:
            number = _FLOAT.unpack_from(data, at)[0]
            found.append(number if number == number else None)
        elif serial & 1:
            raw = data[at:stop]
            try:
                found.append(raw.decode(_CODECS.get(encoding, "utf-8")))
            except UnicodeDecodeError:
                if strict:
                    return None
                found.append(raw.decode(_CODECS.get(encoding, "utf-8"), "backslashreplace"))
        else:
            found.append(data[at:stop])
        at = stop
    return found


def decode(payload: bytes, encoding: int, strict: bool = False) -> list[Value] | None:
    """The values of a whole payload; None for what is no record."""
    head = header(payload, 0, len(payload))
    return values(payload, head[0], head[1], encoding, strict) if head else None
