"""Opens WhatsApp's encrypted backups (crypt12, crypt14, crypt15) with a key that is at hand.

Layouts, as measured on genuine files:

* crypt12: 67 bytes of head (version 2, key version 1, server salt 32, account salt 16, IV 16),
  ciphertext, tag 16, then MD5 of all before it (16) and ``--`` with two digits.
* crypt14 and crypt15: length of a protobuf (a varint), the protobuf with the IV (field 2.5 in crypt14,
  3.1 in crypt15), ciphertext, tag 16, MD5 of all before it 16. Parts of a backup in several files
  have no MD5.

All are AES-256-GCM over zlib, a zip or plain data. The key file is a Java-serialised ``byte[]``: 131 bytes
for ``key``, 32 for ``encrypted_backup.key``, from which HKDF-SHA256 makes the key of crypt15. The 64 digits
a user may have written down are those 32 bytes. A *password* cannot be used here: it only opens a vault at
the provider that holds those bytes (WhatsApp, Security of End-to-End Encrypted Backups, 2021).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amparo.evidence.unpack import read_at
from amparo.evidence.unwrap import Limit
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, opener
from amparo.kit.source import Source

BLOCK = 1 << 20
_TAG = 16
_PIECE = 1 << 14
"""Bytes unpacked at a time: that much is lost before a break."""
_JAVA_BYTES = bytes.fromhex("aced0005757200025b42acf317f8060854e00200007870")
_HEX = re.compile(rb"[0-9a-fA-F]{64}")
_PLAIN = (b"PK\x03\x04", b"SQLite format 3\0")


@dataclass(frozen=True)
class Envelope:
    """Where the parts of one backup lie, in bytes; ``salt`` names the key it was made with."""

    form: str
    iv: bytes
    salt: bytes
    start: int
    end: int
    """Where the ciphertext ends and the tag begins."""
    digest: int | None
    """Where the MD5 lies, which covers everything before it."""


@dataclass(frozen=True)
class Key:
    """32 bytes, and the server salt of the key file they came in ("" bytes when there was none)."""

    raw: bytes
    salt: bytes = b""


def key_of(data: bytes) -> Key | None:
    """The key in a key file or in 64 hexadecimal digits (with any spacing); None when it is neither."""
    digits = re.sub(rb"[\s:-]", b"", data[:400])
    if _HEX.fullmatch(digits):
        return Key(bytes.fromhex(digits.decode("ascii")))
    if data.startswith(_JAVA_BYTES):
        length = int.from_bytes(data[23:27], "big")
        data = data[27 : 27 + length]
    if len(data) == 131:
        return Key(data[99:], data[3:35])
    if len(data) == 32:
        return Key(data)
    return None


def envelope(stream: BinaryIO, size: int) -> list[Envelope]:
    """How the file may be laid out, likeliest first. Raises ValueError when it is no such backup."""
    head = read_at(stream, 0, 1024)
    out = []
    try:
        form, iv, salt, start = _new_head(head)
        out += [
            Envelope(form, iv, salt, start, size - 32, size - 16),
            Envelope(form, iv, salt, start, size - 16, None),
        ]
    except (ValueError, IndexError):
        tail = read_at(stream, max(0, size - 4), 4)
        if head[:2] == b"\0\1" and tail[:2] == b"--":
            out.append(Envelope("crypt12", head[51:67], head[3:35], 67, size - 36, size - 20))
    if not out or out[-1].end <= out[-1].start:
        raise ValueError("not laid out as a crypt12, crypt14 or crypt15 backup")
    return out


def _new_head(head: bytes) -> tuple[str, bytes, bytes, int]:
    """Form, IV, salt and length of the head of crypt14 and crypt15. ValueError when it is neither."""
    length, at = _varint(head, 0)
    if not 16 <= length <= 1000:
        raise ValueError("no head")
    fields = _message(head[at : at + length])
    if 3 in fields:
        iv, salt, form = _message(fields[3]).get(1, b""), b"", "crypt15"
    else:
        inner = _message(fields.get(2, b""))
        iv, salt, form = inner.get(5, b""), inner.get(3, b""), "crypt14"
    if len(iv) != 16:
        raise ValueError("no IV")
    return form, iv, salt, at + length


def _message(data: bytes) -> dict[int, bytes]:
    """Fields of a protobuf by number, those with bytes only. Raises ValueError, IndexError."""
    out, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            _, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("field too long")
            out[tag >> 3] = data[at : at + length]
            at += length
        else:
            raise ValueError("not a head")
    return out


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 35:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("number too long")


def aes_keys(key: Key, form: str) -> list[bytes]:
    """The AES keys that 32 bytes may stand for, likeliest first."""
    derived = HKDF(SHA256(), 32, None, b"backup encryption").derive(key.raw)
    return [derived, key.raw] if form == "crypt15" else [key.raw, derived]


def _opens(aes: bytes, iv: bytes, first: bytes) -> bool:
    """Whether the first bytes come out as zlib, a zip or a database: wrong keys end here."""
    plain = Cipher(algorithms.AES(aes), modes.GCM(iv)).decryptor().update(first)
    head = int.from_bytes(plain[:2], "big")
    zipped = len(plain) > 1 and head >> 8 & 15 == 8 and head >> 12 <= 7 and head % 31 == 0
    return zipped or plain.startswith(_PLAIN)


@opener("crypt", version=1, forms=("crypt",))
def decrypt(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """The database inside an encrypted WhatsApp backup, in blocks.

    The companions of ``source`` are key files and secrets, tried one after another. Raises ValueError
    when none fits or this is no such backup; damage is a Warn and what still unpacks is given.
    """
    keys = [key_of(other.read(4096)) for other in source.companions.values() if other.size <= 4096]
    yield from opened(source, [k for k in keys if k is not None])


def opened(source: Source, keys: Sequence[Key]) -> Iterator[bytes | Warn]:
    """:func:`decrypt` with the keys given."""
    stream = source.stream()
    layouts = envelope(stream, source.size)
    first = layouts[0]
    begin = read_at(stream, first.start, min(4096, first.end - first.start))
    fits = [
        aes
        for key in sorted(keys, key=lambda k: k.salt != first.salt)
        for aes in aes_keys(key, first.form)
        if _opens(aes, first.iv, begin)
    ]
    chosen = next(
        ((aes, way) for way in layouts for aes in fits if _genuine(stream, aes, way)), None
    )
    if chosen is None and fits and _md5_fits(stream, first) is not True:
        yield Warn(
            "its authentication tag does not fit: the backup is damaged, what still unpacks is kept"
        )
        chosen = fits[0], first
    if chosen is None:
        raise ValueError(f"encrypted ({first.form}), and no key at hand fits")
    aes, layout = chosen
    if layout.digest is not None and not _md5_fits(stream, layout):
        yield Warn("the MD5 at its end does not fit, though its authentication tag does")
    yield from _unpacked(_plain(stream, aes, layout), source.size)


def _engine(aes: bytes, layout: Envelope, tag: bytes | None = None) -> CipherContext:
    return Cipher(algorithms.AES(aes), modes.GCM(layout.iv, tag)).decryptor()


def _plain(stream: BinaryIO, aes: bytes, layout: Envelope) -> Iterator[bytes]:
    engine = _engine(aes, layout)
    for at in range(layout.start, layout.end, BLOCK):
        yield engine.update(read_at(stream, at, min(BLOCK, layout.end - at)))


def _genuine(stream: BinaryIO, aes: bytes, layout: Envelope) -> bool:
    """Whether the authentication tag fits key and bytes."""
    engine = _engine(aes, layout, read_at(stream, layout.end, _TAG))
    for at in range(layout.start, layout.end, BLOCK):
        engine.update(read_at(stream, at, min(BLOCK, layout.end - at)))
    try:
        engine.finalize()
    except InvalidTag:
        return False
    return True


def _md5_fits(stream: BinaryIO, layout: Envelope) -> bool | None:
    """None where the layout has no MD5."""
    if layout.digest is None:
        return None
    md5 = hashlib.md5(usedforsecurity=False)
    for at in range(0, layout.digest, BLOCK):
        md5.update(read_at(stream, at, min(BLOCK, layout.digest - at)))
    return md5.digest() == read_at(stream, layout.digest, 16)


def _unpacked(chunks: Iterator[bytes], size: int) -> Iterator[bytes | Warn]:
    """Zlib taken off where there is any; bounded like any other layer of packing.

    Its checksum is left alone: the tag has told more, and over it the last bytes would be lost.
    """
    limit, went = Limit(), 0
    engine = None
    for number, chunk in enumerate(chunks):
        if number == 0 and not chunk.startswith(_PLAIN):
            engine, chunk = zlib.decompressobj(-zlib.MAX_WBITS), chunk[2:]
        if engine is None:
            yield chunk
            continue
        for at in range(0, len(chunk), _PIECE):
            piece = chunk[at : at + _PIECE]
            while piece and not engine.eof:
                try:
                    out = engine.decompress(piece, BLOCK)
                except zlib.error as error:
                    yield Warn(f"damaged after {went} bytes: {error}")
                    return
                piece = engine.unconsumed_tail
                went += len(out)
                if went > limit.size or went > limit.free + limit.ratio * size:
                    raise ValueError(f"unpacks from {size} to over {went} bytes: refused")
                if out:
                    yield out
    if engine is not None and not engine.eof:
        yield Warn(f"breaks off after {went} bytes")
