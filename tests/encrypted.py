"""BitLocker volumes made byte for byte, the way Windows 7 and later lay them out."""

from __future__ import annotations

import hashlib
import struct
import uuid
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

SECTOR, AREA = 512, 1 << 16
GUID = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
RECOVERY = "-".join(f"{11 * n:06d}" for n in (1, 22, 333, 4444, 5555, 666, 77, 8))
"""A recovery password of invented digits."""
PASSWORD = "an invented password"
IDS = {n: uuid.UUID(int=0x1000 + n) for n in range(8)}
MASTER, BEK_KEY = hashlib.sha256(b"master").digest(), hashlib.sha256(b"startup").digest()


def aes(key: bytes, data: bytes) -> bytes:
    engine = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return engine.update(data) + engine.finalize()


def turned(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def encrypted(method: int, key: bytes, data: bytes, at: int) -> bytes:
    """One sector, the plain way."""
    if method >= 0x8004:
        mode = modes.XTS(struct.pack("<QQ", at // SECTOR, 0))
        return _run(key, mode, data)
    wide = 32 if method & 1 else 16
    if method < 0x8002:
        tweak = key[32 : 32 + wide]
        start = struct.pack("<QQ", at, 0)
        mask = aes(tweak, start) + aes(tweak, start[:15] + b"\x80")
        words = list(struct.unpack("<128I", bytes(a ^ b for a, b in zip(data, mask * 16))))  # noqa: B905
        for rounds, turns, way in ((5, (9, 0, 13, 0), -1), (3, (0, 10, 0, 25), 1)):
            for _ in range(rounds):
                for i in reversed(range(128)):
                    far = turned(words[(i + 5 * way) % 128], turns[i % 4])
                    words[i] = (words[i] - (words[(i + 2 * way) % 128] ^ far)) & 0xFFFFFFFF
        data = struct.pack("<128I", *words)
    return _run(key[:wide], modes.CBC(aes(key[:wide], struct.pack("<QQ", at, 0))), data)


def _run(key: bytes, mode: modes.CBC | modes.XTS, data: bytes) -> bytes:
    engine = Cipher(algorithms.AES(key), mode).encryptor()
    return engine.update(data) + engine.finalize()


@cache
def stretched(first: bytes, salt: bytes) -> bytes:
    last = bytes(32)
    for number in range(1 << 20):
        last = hashlib.sha256(last + first + salt + struct.pack("<Q", number)).digest()
    return last


def entry(kind: int, form: int, data: bytes) -> bytes:
    return struct.pack("<HHHH", 8 + len(data), kind, form, 1) + data


def wrapped(kind: int, key: bytes, inner: bytes, method: int) -> bytes:
    nonce = hashlib.sha256(key + inner).digest()[:12]
    body = struct.pack("<HHHHI", 12 + len(inner), 0, 1, 1, method) + inner
    sealed = AESCCM(key, tag_length=16).encrypt(nonce, body, None)
    return entry(kind, 5, nonce + sealed[-16:] + sealed[:-16])


def protector(number: int, form: int, inner: bytes) -> bytes:
    return entry(2, 8, IDS[number].bytes_le + bytes(10) + struct.pack("<H", form) + inner)


def by_words(number: int, form: int, first: bytes) -> bytes:
    """A protector whose key is stretched from something a person types."""
    salt = hashlib.sha256(b"salt%d" % number).digest()[:16]
    key = stretched(first, salt)
    stretch = entry(0, 3, struct.pack("<I", 0x1000) + salt)
    return protector(number, form, stretch + wrapped(0, key, MASTER, 0x2003))


def password() -> bytes:
    text = PASSWORD.encode("utf-16-le")
    return by_words(1, 0x2000, hashlib.sha256(hashlib.sha256(text).digest()).digest())


def recovery() -> bytes:
    digits = struct.pack("<8H", *(int(part) // 11 for part in RECOVERY.split("-")))
    return by_words(2, 0x0800, hashlib.sha256(digits).digest())


def startup() -> bytes:
    return protector(3, 0x0200, wrapped(0, BEK_KEY, MASTER, 0x2003))


def clear() -> bytes:
    key = hashlib.sha256(b"clear").digest()
    inner = entry(0, 1, struct.pack("<I", 0x2003) + key)
    return protector(4, 0x0000, inner + wrapped(0, key, MASTER, 0x2003))


def bek() -> bytes:
    """The startup key as Windows writes it to a stick."""
    key = entry(0, 1, struct.pack("<I", 0x2002) + BEK_KEY)
    body = entry(6, 9, IDS[3].bytes_le + bytes(8) + key)
    size = 48 + len(body)
    return struct.pack("<IIII16sII8s", size, 1, 48, size, IDS[0].bytes_le, 1, 0, bytes(8)) + body


def volume_key(method: int) -> bytes:
    sizes = {0x8000: 64, 0x8001: 64, 0x8002: 16, 0x8003: 32, 0x8004: 32, 0x8005: 64}
    return hashlib.shake_256(b"volume").digest(sizes[method])


def bitlocker(plain: bytes, method: int, protectors: list[bytes], to_go: bool = False) -> bytes:
    """The volume; its metadata and first sectors take the last 256 KiB of ``plain``, which must be free."""
    key, size, header = volume_key(method), len(plain), 16 * SECTOR
    copies = [size - 4 * AREA, size - 3 * AREA, size - 2 * AREA]
    moved = size - AREA
    out = bytearray()
    for at in range(0, size, SECTOR):
        out += encrypted(method, key, plain[at : at + SECTOR], at)
    for at in range(0, header, SECTOR):
        out[moved + at : moved + at + SECTOR] = encrypted(
            method, key, plain[at : at + SECTOR], moved + at
        )
    boot = bytearray(SECTOR)
    boot[:11] = b"\xeb\x58\x90" + (b"MSWIN4.1" if to_go else b"-FVE-FS-")
    boot[11:13], boot[13], boot[510:] = struct.pack("<H", SECTOR), 8, b"\x55\xaa"
    struct.pack_into("<16s3Q", boot, 424 if to_go else 160, GUID, *copies)
    out[:header] = bytes(boot).ljust(header, b"\0")
    found = b"".join(protectors) + wrapped(3, MASTER, key, method)
    found += entry(15, 15, struct.pack("<QQ", moved, header))
    lead = struct.pack("<IIII16sIIQ", 48 + len(found), 1, 48, 48 + len(found),
                       IDS[0].bytes_le, 1, method, 0)  # fmt: skip
    body = (lead + found).ljust(-(-(48 + len(found)) // 16) * 16, b"\0")
    block = struct.pack("<8sHHHHQII3QQ", b"-FVE-FS-", (64 + len(body)) // 16, 2, 4, 4,
                        size, 0, 16, *copies, moved)  # fmt: skip
    for place in copies:
        out[place : place + AREA] = (block + body).ljust(AREA, b"\0")
    return bytes(out)
