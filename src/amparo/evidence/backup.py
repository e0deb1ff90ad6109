"""Takes the layer off an Android backup (``.ab``), so that the tar inside can be read at its place.

The head is lines of text: ``ANDROID BACKUP``, version (1 to 5), ``1`` when compressed, then ``none`` or
``AES-256``. An encrypted one goes on with the lines user salt, checksum salt, rounds, user IV and master
key blob, all hexadecimal but the rounds (AOSP, BackupManagerService and PasswordUtils).
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from amparo.evidence.unwrap import Limit
from amparo.kit.found import Found
from amparo.kit.mime import sniff
from amparo.kit.plugin import Warn
from amparo.kit.source import Source

BLOCK = 1 << 20
MOST_ROUNDS = 10_000_000
_LONGEST_LINE = 1024


def unwrap(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """The tar inside an Android backup, in blocks; a Warn when it ends early.

    The companions of ``source`` are secrets of the case, tried one after another as its password.
    Raises ValueError when this is no such backup, when no password fits, or for a bomb.
    """
    stream = source.stream()
    if _line(stream) != b"ANDROID BACKUP":
        raise ValueError("no Android backup")
    version, compressed, cipher = _line(stream), _line(stream), _line(stream)
    if not version.isdigit() or compressed not in (b"0", b"1"):
        raise ValueError("the head of the Android backup is damaged")
    chunks: Iterator[bytes | Warn]
    if cipher == b"AES-256":
        secrets = [key.read(1 << 16) for key in source.companions.values()]
        key, iv = _master_key(stream, int(version), secrets)
        chunks = _decrypted(_blocks(stream), key, iv)
    elif cipher == b"none":
        chunks = _blocks(stream)
    else:
        raise ValueError(f"encrypted in an unknown way ({cipher[:40]!r})")
    yield from _tar(_inflated(chunks, source.size) if compressed == b"1" else chunks)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise ValueError("the head of the Android backup is damaged")
    return line[:-1]


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while data := stream.read(BLOCK):
        yield data


def _tar(chunks: Iterator[bytes | Warn]) -> Iterator[bytes | Warn]:
    begun = False
    for chunk in chunks:
        if not begun and isinstance(chunk, bytes) and chunk:
            if sniff(chunk[:1024], 1 << 20) != "application/x-tar":
                raise ValueError("the Android backup holds no tar")
            begun = True
        yield chunk
    if not begun:
        raise ValueError("the Android backup holds nothing")


def _inflated(chunks: Iterator[bytes | Warn], size: int) -> Iterator[bytes | Warn]:
    """Zlib (RFC 1950), never more than an honest backup of ``size`` packed bytes holds."""
    engine, limit, went = zlib.decompressobj(), Limit(), 0
    try:
        for chunk in chunks:
            if isinstance(chunk, Warn):
                yield chunk
                continue
            while chunk and not engine.eof:
                out = engine.decompress(chunk, BLOCK)
                chunk = engine.unconsumed_tail
                went += len(out)
                if went > limit.size or went > limit.free + limit.ratio * size:
                    raise ValueError(f"unpacks from {size} to over {went} bytes: refused")
                if out:
                    yield out
        if out := engine.flush():
            yield out
    except zlib.error as error:
        if not went:
            raise ValueError(f"not readable as a compressed Android backup: {error}") from error
        yield Warn(f"the backup is damaged after {went} bytes of its tar: {error}")
        return
    if not engine.eof:
        yield Warn(f"the backup breaks off after {went} bytes of its tar")


def _master_key(stream: BinaryIO, version: int, secrets: list[bytes]) -> tuple[bytes, bytes]:
    """Key and IV of the data, from the first secret that opens them. Raises ValueError."""
    salt, check_salt = (bytes.fromhex(_line(stream).decode("ascii")) for _ in range(2))
    rounds = int(_line(stream))
    iv, blob = (bytes.fromhex(_line(stream).decode("ascii")) for _ in range(2))
    if not 1 <= rounds <= MOST_ROUNDS or len(iv) != 16 or not blob or len(blob) % 16:
        raise ValueError("the head of the encrypted Android backup is damaged")
    for secret in secrets:
        user = hashlib.pbkdf2_hmac("sha1", secret, salt, rounds, 32)
        plain = _unpadded(_aes(user, iv).update(blob))
        parts = _parts(plain)
        if parts is None:
            continue
        data_iv, key, check = parts
        if hmac.compare_digest(check, _checksum(key, check_salt, rounds, version)):
            return key, data_iv
    raise ValueError("encrypted with a password, and none at hand fits")


def _checksum(key: bytes, salt: bytes, rounds: int, version: int) -> bytes:
    """PBKDF2 over the master key; from version 2 on each byte became a Java char first.

    Java widened negative bytes to U+FF80 … U+FFFF and its key factory wrote the chars as UTF-8.
    """
    if version >= 2:
        chars = (b if b < 0x80 else 0xFF00 | b for b in key)
        return hashlib.pbkdf2_hmac("sha1", "".join(map(chr, chars)).encode(), salt, rounds, 32)
    return hashlib.pbkdf2_hmac("sha1", key, salt, rounds, 32)


def _parts(plain: bytes) -> tuple[bytes, bytes, bytes] | None:
    """IV, key and checksum, each after one byte of length."""
    out = []
    for _ in range(3):
        if not plain or len(plain) < 1 + plain[0]:
            return None
        end = 1 + plain[0]
        out.append(plain[1:end])
        plain = plain[end:]
    if len(out[0]) != 16 or len(out[1]) != 32:
        return None
    return out[0], out[1], out[2]


def _aes(key: bytes, iv: bytes) -> CipherContext:
    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()


def _unpadded(plain: bytes) -> bytes:
    try:
        remover = padding.PKCS7(128).unpadder()
        return remover.update(plain) + remover.finalize()
    except ValueError:
        return b""


def _decrypted(chunks: Iterator[bytes], key: bytes, iv: bytes) -> Iterator[bytes | Warn]:
    engine = _aes(key, iv)
    held = b""
    for chunk in chunks:
        held += engine.update(chunk)
        if len(held) > 16:
            yield held[:-16]
            held = held[-16:]
    last = _unpadded(held) if len(held) == 16 else b""
    if last:
        yield last
    elif len(held) % 16 or not held:
        yield Warn("the encrypted data break off")
