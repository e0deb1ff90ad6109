"""Volumes encrypted by Linux: LUKS 1 and 2, opened with a passphrase, a key file or the volume key.

Layouts: LUKS On-Disk Format Specification 1.2.3 and LUKS2 On-Disk Format Specification 1.1.0. Read here:
AES in XTS and CBC mode with the usual vectors, PBKDF2 and Argon2; other ciphers and detached headers are
refused with their name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id

from amparo.evidence.ciphers import Decrypt, Vector, cbc, essiv, numbered, numbered_short, xts

MAGIC, SECOND = b"LUKS\xba\xbe", b"SKUL\xba\xbe"
SECTOR = 512
_ACTIVE = 0x00AC71F3
_LARGEST_HEADER = 4 << 20
_MOST_ITERATIONS = 100_000_000
_MOST_WORK = 1 << 28
"""KiB that one passphrase may go over, all passes together: minutes, where cryptsetup asks for seconds."""
_MOST_AREA = 64 << 20
Read = Callable[[int, int], bytes]
"""``f(at, size)``: bytes of the volume as they lie."""


@dataclass(frozen=True)
class Slot:
    """One way to the volume key: a passphrase, stretched, opens the area in which the key lies."""

    stretch: Callable[[bytes], bytes]
    area: int
    stripes: int
    size: int
    """Of the volume key, in bytes."""
    cipher: str
    hash: str


@dataclass(frozen=True)
class Header:
    """What a LUKS volume says of itself. ``at`` and ``size`` in bytes: where its data lie."""

    version: int
    uuid: str
    cipher: str
    at: int
    size: int | None
    """None: to the end of the volume."""
    sector: int
    first: int
    """Added to the number of each sector."""
    digests: list[Callable[[bytes], bool]]
    slots: list[Slot] = field(default_factory=list)

    def needs(self) -> str:
        """Which keys would open it, for people."""
        ways = f"{len(self.slots)} key slots" if len(self.slots) != 1 else "1 key slot"
        return f"LUKS{self.version} {self.uuid}, {self.cipher}, {ways}: a passphrase, key file or volume key"

    def decrypt(self, key: bytes) -> Decrypt:
        """How its sectors are decrypted. Raises ValueError for a cipher that is not read."""
        return _cipher(self.cipher, key, self.sector, self.first)


def header(read: Read) -> Header:
    """The header of a volume. Raises ValueError when it is damaged or asks for what is not read."""
    head = read(0, 4096)
    version = int.from_bytes(head[6:8], "big")
    if head[:6] != MAGIC or version not in (1, 2):
        raise ValueError("a damaged header" if head[:6] != MAGIC else f"LUKS version {version}")
    return _first(head) if version == 1 else _second(read, head)


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("ascii", "replace")


def _first(head: bytes) -> Header:
    name, mode, digest = (_text(head[at : at + 32]) for at in (8, 40, 72))
    payload, size = struct.unpack_from(">II", head, 104)
    kept, salt, count = head[112:132], head[132:164], int.from_bytes(head[164:168], "big")
    cipher = f"{name}-{mode}"
    _known(cipher, digest, size)
    slots = []
    for number in range(8):
        entry = head[208 + 48 * number : 256 + 48 * number]
        active, rounds, own, area, stripes = struct.unpack(">II32sII", entry)
        if active == _ACTIVE:
            stretch = _pbkdf2(digest, own, rounds, size)
            slots.append(Slot(stretch, area * SECTOR, stripes, size, cipher, digest))

    def fits(key: bytes) -> bool:
        return len(key) == size and _pbkdf2(digest, salt, count, 20)(key) == kept

    uuid = _text(head[168:208])
    return Header(1, uuid, cipher, payload * SECTOR, None, SECTOR, 0, [fits], slots)


def _second(read: Read, head: bytes) -> Header:
    length = int.from_bytes(head[8:16], "big")
    if not 4096 < length <= _LARGEST_HEADER:
        raise ValueError("a damaged header")
    text = read(4096, length - 4096).split(b"\0")[0]
    try:
        said = json.loads(text)
        return _described(said, _text(head[168:208]))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        if isinstance(error, _NotRead):
            raise
        raise ValueError("a damaged header") from error


class _NotRead(ValueError):
    """Sound, but of a kind that is not read."""


def _described(said: dict[str, Any], uuid: str) -> Header:
    segments = [s for s in said["segments"].values() if s["type"] == "crypt"]
    if len(segments) != 1:
        raise _NotRead(f"{len(segments)} encrypted stretches in one volume")
    segment = segments[0]
    size = None if segment["size"] == "dynamic" else int(segment["size"])
    sector = int(segment["sector_size"])
    if sector not in (512, 1024, 2048, 4096):
        raise ValueError("a damaged header")
    slots = []
    for slot in said["keyslots"].values():
        if slot["type"] != "luks2":
            continue
        area, keep, af = slot["area"], int(slot["key_size"]), slot["af"]
        cipher = str(area["encryption"])
        _known(cipher, str(af["hash"]), keep)
        stretch = _kdf(slot["kdf"], int(area["key_size"]))
        where = int(area["offset"])
        slots.append(Slot(stretch, where, int(af["stripes"]), keep, cipher, str(af["hash"])))
    _known(str(segment["encryption"]), "sha256", 64)
    return Header(
        2,
        uuid,
        str(segment["encryption"]),
        int(segment["offset"]),
        size,
        sector,
        int(segment["iv_tweak"]),
        [_digest(one) for one in said["digests"].values()],
        slots,
    )


def _digest(said: dict[str, Any]) -> Callable[[bytes], bool]:
    kept, salt = base64.b64decode(said["digest"]), base64.b64decode(said["salt"])
    name, count = str(said["hash"]), int(said["iterations"])
    return lambda key: hmac.compare_digest(_pbkdf2(name, salt, count, len(kept))(key), kept)


def _kdf(said: dict[str, Any], size: int) -> Callable[[bytes], bytes]:
    salt = base64.b64decode(said["salt"])
    if said["type"] == "pbkdf2":
        return _pbkdf2(str(said["hash"]), salt, int(said["iterations"]), size)
    kinds: dict[str, Any] = {"argon2i": Argon2i, "argon2id": Argon2id}
    kind = kinds.get(str(said["type"]))
    if kind is None:
        raise _NotRead(f"keys stretched by {said['type']}")
    rounds, lanes, memory = int(said["time"]), int(said["cpus"]), int(said["memory"])
    if not (
        0 < lanes <= 64 and rounds > 0 and 0 < memory < 1 << 32 and rounds * memory <= _MOST_WORK
    ):
        raise ValueError(f"a key stretched {rounds} times over {memory} KiB")

    def stretch(secret: bytes) -> bytes:
        try:
            engine = kind(
                salt=salt, length=size, iterations=rounds, lanes=lanes, memory_cost=memory
            )
            return bytes(engine.derive(secret))
        except (MemoryError, InternalError, UnsupportedAlgorithm) as error:
            raise MemoryError(f"trying a passphrase takes {memory >> 10} MiB of memory") from error

    return stretch


def _pbkdf2(name: str, salt: bytes, count: int, size: int) -> Callable[[bytes], bytes]:
    if not 0 < count <= _MOST_ITERATIONS:
        raise ValueError(f"a key stretched {count} times")
    return lambda secret: hashlib.pbkdf2_hmac(name, secret, salt, count, size)


def _known(cipher: str, digest: str, size: int) -> None:
    if digest not in hashlib.algorithms_available or not 0 < size <= 64:
        raise _NotRead(f"keys of {size} bytes hashed by {digest[:20]}")
    if not re.fullmatch(r"aes-(xts-plain64|cbc-(plain64|plain|essiv:sha256))", cipher):
        raise _NotRead(f"the cipher {cipher[:40]}")


def _cipher(name: str, key: bytes, sector: int, first: int) -> Decrypt:
    if name == "aes-xts-plain64":
        return xts(key, sector, SECTOR, first)
    vectors: dict[str, Vector] = {"plain64": numbered, "plain": numbered_short}
    way = name.removeprefix("aes-cbc-")
    return cbc(key, sector, vectors.get(way) or essiv(key), SECTOR, first)


def volume_key(read: Read, found: Header, secret: bytes) -> bytes | None:
    """The volume key that a passphrase, the bytes of a key file or the key itself in hex leads to.

    None when it does not fit; MemoryError where trying it takes more memory than there is.
    """
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2}){16,64}", secret):
        key = bytes.fromhex(secret.decode())
        if any(fits(key) for fits in found.digests):
            return key
    for slot in found.slots:
        size = slot.size * slot.stripes
        if not 0 < size <= _MOST_AREA:
            continue
        area = read(slot.area, -(-size // SECTOR) * SECTOR)
        if len(area) < size:
            continue
        opened = _cipher(slot.cipher, slot.stretch(secret), SECTOR, 0)(
            area[: len(area) // SECTOR * SECTOR], 0
        )
        key = merged(opened[:size], slot.size, slot.stripes, slot.hash)
        if any(fits(key) for fits in found.digests):
            return key
    return None


def merged(data: bytes, size: int, stripes: int, name: str) -> bytes:
    """The key that was split over many stripes so that one lost sector destroys it (AFsplitter)."""
    out = bytes(size)
    for stripe in range(stripes):
        piece = data[stripe * size : (stripe + 1) * size]
        out = bytes(a ^ b for a, b in zip(out, piece, strict=True))
        if stripe + 1 < stripes:
            out = _diffused(out, name)
    return out


def _diffused(data: bytes, name: str) -> bytes:
    step = hashlib.new(name).digest_size
    parts = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(
        hashlib.new(name, number.to_bytes(4, "big") + part).digest()[: len(part)]
        for number, part in enumerate(parts)
    )
