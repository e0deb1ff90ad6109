"""What the headers of RAR archives say and libarchive (up to 3.6) does not pass on.

Layouts after RARLAB's "RAR 5.0 archive format" and, of RAR 4, the main header as unrar's technote describes it.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from amparo.evidence.unpack import read_at

SIGNATURE = b"Rar!\x1a\x07\x01\0"
SIGNATURE_4 = b"Rar!\x1a\x07\0"
_MAIN, _FILE = 1, 2
_EXTRA, _DATA, _CONTINUED, _GOES_ON = 1, 2, 8, 16
_VOLUME, _NUMBERED = 1, 2
_TIME, _CRC = 2, 4
_ENCRYPTION = 1
_MAIN_4, _FIRST_4 = 0x73, 0x100
_NUMBER = 10
"""Bytes of a number of variable length."""
_LONGEST = 2 << 20
"""Bytes of a header."""


class Member(NamedTuple):
    """A file, folder or link of an archive."""

    encrypted: bool
    crc: int | None
    """CRC-32 of its bytes; None where another hash stands for it, or it goes on in another volume."""


class Volume(NamedTuple):
    """One file of an archive that may have several."""

    one_of_several: bool
    later: bool = False
    """Whether another goes before it."""
    first: bool = False
    """Whether none does. RAR 4 before version 3 says neither."""


def volume(head: bytes) -> Volume:
    """What the main header says of this file; that it is whole where it cannot be read."""
    try:
        if head.startswith(SIGNATURE):
            at = len(SIGNATURE) + 4
            _, at = _number(head, at)
            kind, at = _number(head, at)
            flags, at = _number(head, at)
            for one in (_EXTRA, _DATA):
                if flags & one:
                    _, at = _number(head, at)
            said, at = _number(head, at)
            number = _number(head, at)[0] if said & _NUMBERED else 0
            several = kind == _MAIN and bool(said & _VOLUME)
            return Volume(several, several and number > 0, several and not number)
        if head.startswith(SIGNATURE_4) and head[9] == _MAIN_4:
            said = int.from_bytes(head[10:12], "little")
            return Volume(bool(said & _VOLUME), first=bool(said & _VOLUME and said & _FIRST_4))
    except IndexError:
        pass
    return Volume(False)


def members(stream: BinaryIO, size: int) -> list[Member]:
    """Every member of a RAR 5 archive in its order, as far as headers can be read; none of another."""
    found: list[Member] = []
    at = 0
    while at < size:
        if read_at(stream, at, len(SIGNATURE)) == SIGNATURE:  # of every volume
            at += len(SIGNATURE)
            continue
        if not at:
            break
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
                crc = None if flags & _GOES_ON else _crc(head, place)
                found.append(Member(_encrypted(head[start + length - extra : start + length]), crc))
        except IndexError:
            break
        at += 4 + start + length + data
    return found


def _crc(head: bytes, at: int) -> int | None:
    """The CRC-32 in a file's header, from where its own fields begin. Raises IndexError."""
    flags, at = _number(head, at)
    _, at = _number(head, at)
    _, at = _number(head, at)
    at += 4 if flags & _TIME else 0
    return int.from_bytes(head[at : at + 4], "little") if flags & _CRC else None


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
