"""Which members of a RAR 5 archive are encrypted, by its headers: libarchive up to 3.6 does not say.

Layout after RARLAB's "RAR 5.0 archive format".
"""

from __future__ import annotations

from typing import BinaryIO

from amparo.evidence.unpack import read_at

SIGNATURE = b"Rar!\x1a\x07\x01\0"
_FILE = 2
_EXTRA, _DATA, _CONTINUED = 1, 2, 8
_ENCRYPTION = 1
_NUMBER = 10
"""Bytes of a number of variable length."""
_LONGEST = 2 << 20
"""Bytes of a header."""


def encrypted_members(stream: BinaryIO, size: int) -> set[int]:
    """Numbers of encrypted members, counted from 0 over files, folders and links, as far as headers can be read."""
    found: set[int] = set()
    at, number = 0, 0
    while at < size:
        if read_at(stream, at, len(SIGNATURE)) == SIGNATURE:  # of every volume
            at += len(SIGNATURE)
            continue
        try:
            length, start = _number(read_at(stream, at + 4, _NUMBER), 0)
            head = read_at(stream, at + 4, min(start + length, _LONGEST))
            kind, place = _number(head, start)
            flags, place = _number(head, place)
            extra, place = _number(head, place) if flags & _EXTRA else (0, place)
            data, place = _number(head, place) if flags & _DATA else (0, place)
            if not length or start + length > len(head) or extra > length:
                break
            if kind == _FILE and not flags & _CONTINUED:
                if _encrypted(head[start + length - extra : start + length]):
                    found.add(number)
                number += 1
        except IndexError:
            break
        at += 4 + start + length + data
    return found


def _encrypted(area: bytes) -> bool:
    """Whether a file's extra area holds a record of encryption. Raises IndexError."""
    at = 0
    while at < len(area):
        length, at = _number(area, at)
        if _number(area, at)[0] == _ENCRYPTION:
            return True
        at += max(length, 1)
    return False


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends. Raises IndexError."""
    value = 0
    for shift in range(0, 7 * _NUMBER, 7):
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return value, at
