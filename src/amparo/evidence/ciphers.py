"""Decrypting sectors of an encrypted volume: AES in XTS and CBC mode, and the diffuser of older BitLocker.

All sectors of a read are done at once: the block cipher runs in ECB mode over all of them and what a mode
adds before and after it is arithmetic on arrays. XTS: IEEE 1619; diffuser: Ferguson, "AES-CBC + Elephant
diffuser", Microsoft 2006.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Array = np.ndarray[Any, Any]
Decrypt = Callable[[bytes, int], bytes]
"""``f(data, at)``: whole sectors, the first of which lies ``at`` bytes from the start of the volume."""
Vector = Callable[[Array], Array]
"""Numbers of sectors to their initial vectors, 16 bytes each."""

_A, _B = (9, 0, 13, 0), (0, 10, 0, 25)


def ecb(key: bytes, data: bytes, decrypt: bool = False) -> bytes:
    """AES on each 16 bytes alone. ``key`` has 16, 24 or 32 bytes."""
    cipher = Cipher(algorithms.AES(key), modes.ECB())
    engine = cipher.decryptor() if decrypt else cipher.encryptor()
    return engine.update(data) + engine.finalize()


def xts(key: bytes, sector: int, unit: int = 0, first: int = 0) -> Decrypt:
    """AES-XTS with sectors of ``sector`` bytes; the tweak counts ``unit`` bytes each, from ``first``.

    ``key`` holds both halves (32 or 64 bytes); ``unit`` is ``sector`` unless it is given.
    """
    half = len(key) // 2
    data_key, tweak_key = key[:half], key[half:]
    unit = unit or sector

    def decrypt(data: bytes, at: int) -> bytes:
        numbers = np.arange(len(data) // sector, dtype=np.uint64) * np.uint64(sector // unit)
        start = np.zeros((len(numbers), 2), "<u8")
        start[:, 0] = numbers + np.uint64(at // unit + first)
        tweak = np.frombuffer(ecb(tweak_key, start.tobytes()), "<u8").reshape(-1, 2)
        all_of_them = np.empty((len(numbers), sector // 16, 2), "<u8")
        low, high = tweak[:, 0].copy(), tweak[:, 1].copy()
        one, top = np.uint64(1), np.uint64(63)
        for block in range(sector // 16):
            all_of_them[:, block, 0], all_of_them[:, block, 1] = low, high
            carry = high >> top
            high = high << one | low >> top
            low = low << one ^ carry * np.uint64(0x87)
        mask = all_of_them.reshape(-1)
        mixed = (np.frombuffer(data, "<u8") ^ mask).tobytes()
        plain: Array = np.frombuffer(ecb(data_key, mixed, decrypt=True), "<u8") ^ mask
        return bytes(plain.tobytes())

    return decrypt


def cbc(key: bytes, sector: int, vector: Vector, unit: int = 0, first: int = 0) -> Decrypt:
    """AES-CBC, each sector begun anew with its own initial vector; ``unit`` and ``first`` as in :func:`xts`."""
    unit = unit or sector

    def decrypt(data: bytes, at: int) -> bytes:
        numbers = np.arange(len(data) // sector, dtype=np.uint64) * np.uint64(sector // unit)
        vectors = vector(numbers + np.uint64(at // unit + first))
        crypt = np.frombuffer(data, np.uint8).reshape(len(numbers), sector)
        before = np.concatenate((vectors, crypt[:, :-16]), axis=1)
        plain = np.frombuffer(ecb(key, data, decrypt=True), np.uint8).reshape(crypt.shape)
        return bytes((plain ^ before).tobytes())

    return decrypt


def numbered(numbers: Array) -> Array:
    """Vectors that are the sector's number (``plain64``)."""
    out = np.zeros((len(numbers), 2), "<u8")
    out[:, 0] = numbers
    return out.view(np.uint8)


def numbered_short(numbers: Array) -> Array:
    """Vectors that are the low 32 bits of the sector's number (``plain``)."""
    return numbered(numbers & np.uint64(0xFFFFFFFF))


def essiv(key: bytes) -> Vector:
    """Vectors that are the sector's number, encrypted with the key's SHA-256 (``essiv:sha256``)."""
    salt = hashlib.sha256(key).digest()
    return lambda numbers: _bytes(ecb(salt, numbered(numbers).tobytes()))


def offsets(key: bytes, sector: int) -> Vector:
    """BitLocker's: the sector's offset in bytes, encrypted with the key itself."""
    return lambda numbers: _bytes(ecb(key, numbered(numbers * np.uint64(sector)).tobytes()))


def _bytes(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8).reshape(-1, 16)


def elephant(key: bytes, tweak: bytes, sector: int) -> Decrypt:
    """AES-CBC with the Elephant diffuser over it, as BitLocker of Windows Vista to 8."""
    inner = cbc(key, sector, offsets(key, sector))

    def decrypt(data: bytes, at: int) -> bytes:
        places = np.arange(len(data) // sector, dtype=np.uint64) * np.uint64(sector) + np.uint64(at)
        begin = numbered(places)
        marked = begin.copy()
        marked[:, 15] = 128
        halves = [_bytes(ecb(tweak, v.tobytes())) for v in (begin, marked)]
        words = np.frombuffer(inner(data, at), "<u4").reshape(len(places), sector // 4).T.copy()
        _diffuse(words, 3, _B, 1)
        _diffuse(words, 5, _A, -1)
        keys = np.tile(np.concatenate(halves, axis=1), (1, sector // 32))
        plain = np.ascontiguousarray(words.T).view(np.uint8) ^ keys
        return bytes(plain.tobytes())

    return decrypt


def _diffuse(words: Array, rounds: int, turns: tuple[int, ...], way: int) -> None:
    """One diffuser, undone in place; one row for each word of a sector."""
    count = len(words)
    for _ in range(rounds):
        for i in range(count):
            turn = turns[i % 4]
            far = words[(i + 5 * way) % count]
            if turn:
                far = far << np.uint32(turn) | far >> np.uint32(32 - turn)
            words[i] += words[(i + 2 * way) % count] ^ far
