"""What a known-hash list says, line by line, and what could not be read of it."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import io
import re
from collections import Counter
from typing import BinaryIO, NamedTuple

MATCHED = ("md5", "sha1", "sha256")
"""Algorithms that are compared; each digest in full."""

COMPARED = (*MATCHED, "pdq")
"""And those of which a value within :data:`amparo.match.near.RADIUS` counts."""

WIDTH = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32, "photodna": 144}
"""Bytes of a value. PhotoDNA is kept as supplied; comparing it needs a licence Amparo does not have."""

BY_DIGITS = {32: "md5", 40: "sha1", 64: "sha256"}

EMPTY = frozenset(hashlib.new(name, usedforsecurity=False).digest() for name in MATCHED)
"""The hashes of zero bytes: in many lists, true of every empty file, evidence of nothing."""

_ABSENT = frozenset({"", "null", "none", "n/a", "-"})
_NAMES = {
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "pdq": "pdq",
    "photodna": "photodna",
    "pdna": "photodna",
    "hash": "hash",
    "digest": "hash",
    "value": "hash",
}


class Stated(NamedTuple):
    """What a list says of a hash besides that it is known; None is "not said", never "no"."""

    code: str = ""
    """Category code exactly as written; "" where none is given."""
    victim_identified: bool | None = None
    offender_identified: bool | None = None
    distributed: bool | None = None


class Entry(NamedTuple):
    """One line of a list or one Media object: (algorithm, value) pairs that name the same file."""

    digests: tuple[tuple[str, bytes], ...]
    stated: Stated = Stated()
    name: bytes = b""
    """The list's own name of the entry (:func:`amparo.match.names.name_of`), where it has one."""


class Bulk(NamedTuple):
    """Many entries that state one thing: digests of each algorithm one behind the other."""

    digests: tuple[tuple[str, bytes], ...]
    entries: int
    stated: Stated = Stated()


class Gone(NamedTuple):
    """Digests an update takes out of its list, or the name of an entry that goes with all its own."""

    digests: tuple[tuple[str, bytes], ...]
    name: bytes = b""


class Reading:
    """What is learnt of a list while it is read: its scheme, its age, and everything wrong in it."""

    shown = 20
    """Problems told one by one per reason; the rest as a number."""
    reasons = 100
    """Different reasons told."""

    def __init__(self) -> None:
        self.scheme = ""
        self.entries = 0
        self.gone = 0
        self.malformed = 0
        self.lines_read = 0
        self.updated: int | None = None
        """Latest date an entry gives for itself, UTC milliseconds."""
        self._told: dict[str, list[str]] = {}
        self._count: Counter[str] = Counter()

    def problem(self, where: str, reason: str) -> None:
        """Something at ``where`` (``line 7``, ``entry 3``, "") could not be used; reading goes on."""
        if reason not in self._told and len(self._told) >= self.reasons:
            reason = "something else that could not be used"
        self._count[reason] += 1
        told = self._told.setdefault(reason, [])
        if len(told) < (self.shown if where else 1):
            told.append(f"{where}: {reason}" if where else reason)

    def useless(self, where: str, reason: str) -> None:
        """A whole line or entry without a usable value."""
        self.malformed += 1
        self.problem(where, reason)

    def lines(self) -> list[str]:
        """All problems, one line each, bounded however bad the list is."""
        out = []
        for reason, told in self._told.items():
            out += told
            if (rest := self._count[reason] - len(told)) > 0:
                out.append(f"{rest} more: {reason}")
        return out


def algorithm_of(name: str) -> str:
    """``md5``, ``sha1``, ``sha256``, ``pdq``, ``photodna``, ``hash`` (by its length), or "" for another name."""
    plain = re.sub("[^a-z0-9]", "", name.lower())
    if len(plain) > 4:
        plain = re.sub("^hash|hash$|hashvalue$|hex$", "", plain) or "hash"
    return _NAMES.get(plain, "")


def value_of(algorithm: str, text: str) -> tuple[str, bytes] | None:
    """A written hash as (algorithm, bytes); None where the cell says there is none.

    ``algorithm`` ``hash`` goes by the number of digits. PhotoDNA is 288 hex digits or 192 characters of
    base64. Raises ValueError with one line for anything else.
    """
    text = text.strip().strip("\"'")
    if text.lower() in _ABSENT:
        return None
    if algorithm == "hash":
        algorithm = BY_DIGITS.get(len(text), "")
        if not algorithm:
            raise ValueError("a hash of no known length")
    digits = WIDTH[algorithm] * 2
    try:
        if len(text) == digits:
            return algorithm, binascii.unhexlify(text)
        if algorithm == "photodna" and len(text) == 192:
            return algorithm, base64.b64decode(text, validate=True)
    except ValueError:
        pass
    raise ValueError(f"{algorithm} is not {digits} hexadecimal digits")


def truth(value: object) -> bool | None:
    """A flag as exporters write it: booleans, 0/1, or words such as "false"; None is "not said"."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "t", "yes", "y", "1"):
        return True
    if word in ("false", "f", "no", "n", "0"):
        return False
    return None


class _Utf8(io.RawIOBase):
    """Any text as clean UTF-8: byte-order marks consumed, bad bytes replaced, UTF-16 by its mark."""

    def __init__(self, stream: BinaryIO) -> None:
        head = stream.read(3)
        name = "utf-8"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            name = "utf-16"
        elif head == codecs.BOM_UTF8:
            head = b""
        self._decoder = codecs.getincrementaldecoder(name)("replace")
        self._stream = stream
        self._ready = self._clean(head)
        self._ended = False

    def _clean(self, data: bytes, final: bool = False) -> bytes:
        return self._decoder.decode(data, final).encode("utf-8", "replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            data = self._stream.read(1 << 18)
            self._ended = not data
            self._ready = self._clean(data, self._ended)
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)


def as_text(stream: BinaryIO) -> io.BufferedReader:
    """The stream as UTF-8 without a byte-order mark, whatever Unicode form it was saved in."""
    return io.BufferedReader(_Utf8(stream), 1 << 18)
