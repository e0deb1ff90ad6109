"""Encrypted backups as the messenger makes them: crypt14 with its key file, crypt15 with 64 digits.

Layouts as in :mod:`amparo.evidence.crypt`, written down again here so that the one is tested by the other:
length of a protobuf, the protobuf with the IV, AES-256-GCM over zlib, tag 16, MD5 of all before it.
"""

import hashlib
import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from amparo.replay.chance import digest

_JAVA_BYTES = bytes.fromhex("aced0005757200025b42acf317f8060854e00200007870")


def _field(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes((number << 3 | 2, len(value))) + value


def root_key(*labels: object) -> bytes:
    """The 32 bytes a phone's backups are made with."""
    return digest("backup key", *labels)


def key_file(key: bytes) -> bytes:
    """``files/key`` as the app keeps it: a Java-serialised array of 131 bytes."""
    salt = hashlib.sha256(b"salt" + key).digest()
    body = b"\0\1\x02" + salt + bytes(16) + bytes(48) + key
    return _JAVA_BYTES + len(body).to_bytes(4, "big") + body


def seal(form: str, key: bytes, plain: bytes) -> bytes:
    """A backup of these bytes: the same bytes every time."""
    iv = hashlib.sha256(b"iv" + key + hashlib.sha256(plain).digest()).digest()[:16]
    if form == "crypt15":
        aes = HKDF(SHA256(), 32, None, b"backup encryption").derive(key)
        head = b"\x08\1" + _field(3, _field(1, iv)) + _field(4, b"x" * 40)
    else:
        salt = hashlib.sha256(b"salt" + key).digest()
        inner = _field(1, b"\0\2") + _field(3, salt) + _field(4, bytes(16)) + _field(5, iv)
        aes, head = key, b"\x08\0" + _field(2, inner) + _field(4, b"2.26.1")
    whole = bytes((len(head),)) + head + AESGCM(aes).encrypt(iv, zlib.compress(plain, 1), None)
    return whole + hashlib.md5(whole, usedforsecurity=False).digest()
