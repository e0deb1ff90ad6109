"""Volumes encrypted by Windows: BitLocker of Windows 7 and later, fixed disks and BitLocker To Go.

Layout after the published description "BitLocker Drive Encryption (BDE) format" (J. Metz) and Kornblum,
"Implementing BitLocker Drive Encryption for forensic analysis" (2009). The volume key is reached by a
password, a recovery password of 48 digits, a startup key (.BEK), or lies there in the clear where the
protection was suspended; the security chip of a computer (TPM) cannot be asked.
"""

from __future__ import annotations

import hashlib
import re
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from amparo.evidence.ciphers import Decrypt, cbc, elephant, offsets, xts

SIGNATURE = b"-FVE-FS-"
_GUID = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
METHODS = {
    0x8000: ("AES-CBC 128 with diffuser", 64),
    0x8001: ("AES-CBC 256 with diffuser", 64),
    0x8002: ("AES-CBC 128", 16),
    0x8003: ("AES-CBC 256", 32),
    0x8004: ("AES-XTS 128", 32),
    0x8005: ("AES-XTS 256", 64),
}
"""Name and bytes of the volume key."""
CLEAR, TPM, STARTUP, TPM_PIN, RECOVERY, PASSWORD = 0, 0x100, 0x200, 0x500, 0x800, 0x2000
_NAMES = {
    CLEAR: "clear key",
    TPM: "TPM of the computer",
    STARTUP: "startup key (.BEK)",
    TPM_PIN: "TPM and PIN",
    RECOVERY: "recovery password",
    PASSWORD: "password",
}
_VMK, _FVEK, _EXTERNAL, _HEADER_BLOCK = 2, 3, 6, 15  # what an entry is
_KEY, _STRETCH, _CCM, _OFFSET_SIZE = 1, 3, 5, 15  # what form it has
_ROUNDS = 1 << 20
_AREA = 1 << 16
"""Bytes each copy of the metadata takes on the volume."""
Read = Callable[[int, int], bytes]
"""``f(at, size)``: bytes of the volume as they lie."""


@dataclass(frozen=True)
class Entry:
    """One entry of the metadata: what it is, in which form, and its bytes behind the head of 8."""

    kind: int
    form: int
    data: bytes


@dataclass(frozen=True)
class Protector:
    """One way to the master key of the volume."""

    id: str
    form: int
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """For people, with the number by which a recovery password is found."""
        shown = _NAMES.get(self.form, f"protection {self.form:#x}")
        return f"{shown} {self.id}" if self.form in (RECOVERY, STARTUP) else shown

    def one(self, form: int) -> bytes:
        """The first entry of a form; ValueError without any."""
        for entry in self.entries:
            if entry.form == form:
                return entry.data
        raise ValueError("a damaged protector")


@dataclass(frozen=True)
class Metadata:
    """What a BitLocker volume says of itself. Places and sizes in bytes from its start."""

    sector: int
    method: int
    encrypted: int
    """Bytes from the start that are encrypted; behind lie plain ones."""
    copies: tuple[int, ...]
    header_at: int
    """Where the first sectors lie encrypted, which the boot sector of BitLocker stands for."""
    header_size: int
    wrapped: bytes
    """The volume key, encrypted with the master key."""
    protectors: tuple[Protector, ...]

    def needs(self) -> str:
        """Which keys would open it, for people."""
        ways = ", ".join(p.name for p in self.protectors) or "no key protector is left"
        return f"{METHODS[self.method][0]}: {ways}"


def metadata(read: Read) -> Metadata:
    """What the volume says of itself, from the first copy that is whole. Raises ValueError."""
    boot = read(0, 512)
    sector = int.from_bytes(boot[11:13], "little")
    if sector not in (512, 1024, 2048, 4096):
        raise ValueError("a damaged boot sector")
    at = next((n for n in (160, 424) if boot[n : n + 16] == _GUID), None)
    if at is None:
        raise ValueError("BitLocker of Windows Vista or with another layout")
    reason = "its metadata are damaged"
    for place in struct.unpack_from("<3Q", boot, at + 16):
        try:
            return _copy(read, place, sector)
        except (ValueError, struct.error) as error:
            reason = str(error) if isinstance(error, ValueError) else reason
    raise ValueError(reason)


def _copy(read: Read, place: int, sector: int) -> Metadata:
    block = read(place, _AREA)
    if block[:8] != SIGNATURE or int.from_bytes(block[10:12], "little") != 2:
        raise ValueError("its metadata are damaged")
    encrypted, _, count = struct.unpack_from("<QII", block, 16)
    copies = struct.unpack_from("<3Q", block, 32)
    header_at = int.from_bytes(block[56:64], "little")
    size, _, lead = struct.unpack_from("<III", block, 64)
    method = int.from_bytes(block[100:102], "little")
    if method not in METHODS:
        raise ValueError(f"encryption method {method:#x}, which is not read")
    found = list(entries(block[64 + lead : 64 + size]))
    wrapped = next((e.data for e in found if e.kind == _FVEK and e.form == _CCM), b"")
    header_size = count * sector
    for entry in found:
        if entry.kind == _HEADER_BLOCK and entry.form == _OFFSET_SIZE and len(entry.data) >= 16:
            header_at, header_size = struct.unpack_from("<QQ", entry.data)
    protectors = tuple(
        Protector(
            str(uuid.UUID(bytes_le=e.data[:16])).upper(),
            int.from_bytes(e.data[26:28], "little"),
            tuple(entries(e.data[28:])),
        )
        for e in found
        if e.kind == _VMK and len(e.data) >= 28
    )
    return Metadata(
        sector, method, encrypted, copies, header_at, header_size, wrapped, protectors
    )  # fmt: skip


def entries(data: bytes) -> Iterator[Entry]:
    """Entries one after another, up to the first that is damaged."""
    at = 0
    while at + 8 <= len(data):
        size, kind, form, _ = struct.unpack_from("<HHHH", data, at)
        if size < 8 or at + size > len(data):
            return
        yield Entry(kind, form, data[at + 8 : at + size])
        at += size


def volume_key(read: Read, found: Metadata, secret: bytes) -> bytes | None:
    """The volume key a secret leads to; b"" as secret asks for a key that lies there in the clear.

    A secret is a password, a recovery password, the bytes of a ``.BEK`` file, or in hex the master key or
    the volume key itself. None when it does not fit.
    """
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2}){16,64}", secret):
        key = bytes.fromhex(secret.decode())
        opened = _unwrapped(found.wrapped, key) if len(key) == 32 else None
        if opened is not None:
            return opened
        return key if len(key) == METHODS[found.method][1] and _fits(read, found, key) else None
    for protector in found.protectors:
        try:
            key_of = _protector_key(protector, secret)
            if key_of is None:
                continue
            master = _unwrapped(protector.one(_CCM), key_of)
        except (ValueError, struct.error):
            continue
        opened = _unwrapped(found.wrapped, master) if master else None
        if opened is not None:
            return opened
    return None


def _protector_key(protector: Protector, secret: bytes) -> bytes | None:
    """What decrypts the master key kept under this protector; None where the secret is of another kind."""
    if protector.form == CLEAR:
        return None if secret else protector.one(_KEY)[4:36]
    if protector.form == STARTUP:
        return startup_key(secret).get(protector.id)
    if protector.form == RECOVERY:
        digits = recovery(secret)
        if digits is None:
            return None
        return _stretched(hashlib.sha256(digits).digest(), protector.one(_STRETCH)[4:20])
    if protector.form == PASSWORD and secret and not secret.startswith(b"\x00"):
        try:
            text = secret.decode("utf-8").encode("utf-16-le")
        except UnicodeDecodeError:
            return None
        first = hashlib.sha256(hashlib.sha256(text).digest()).digest()
        return _stretched(first, protector.one(_STRETCH)[4:20])
    return None


def recovery(secret: bytes) -> bytes | None:
    """The 16 bytes that 48 digits stand for; None when they are no recovery password."""
    if not re.fullmatch(rb"\d{6}(?:-\d{6}){7}", secret):
        return None
    groups = [int(part) for part in secret.split(b"-")]
    if any(n % 11 or n // 11 > 0xFFFF for n in groups):
        return None
    return struct.pack("<8H", *(n // 11 for n in groups))


def startup_key(data: bytes) -> dict[str, bytes]:
    """Keys in a ``.BEK`` file by the number of the protector they belong to; {} for any other file."""
    if len(data) < 48 or data[4:8] != b"\1\0\0\0" or data[8:12] != b"\x30\0\0\0":
        return {}
    out = {}
    for entry in entries(data[48:]):
        if entry.kind == _EXTERNAL and len(entry.data) > 24:
            for inner in entries(entry.data[24:]):
                if inner.form == _KEY:
                    out[str(uuid.UUID(bytes_le=entry.data[:16])).upper()] = inner.data[4:36]
    return out


def _stretched(first: bytes, salt: bytes) -> bytes:
    last, rest, sha256 = bytes(32), first + salt, hashlib.sha256
    for number in range(_ROUNDS):
        last = sha256(last + rest + number.to_bytes(8, "little")).digest()
    return last


def _unwrapped(data: bytes, key: bytes) -> bytes | None:
    """What lies in a wrapped key (nonce 12, tag 16, then the key behind a head of 12); None for a wrong one."""
    if len(data) < 12 + 16 + 12 + 16 or len(key) not in (16, 32):
        return None
    try:
        opened = AESCCM(key, tag_length=16).decrypt(data[:12], data[28:] + data[12:28], None)
    except InvalidTag:
        return None
    return opened[12:]


def decrypt(found: Metadata, key: bytes) -> Decrypt:
    """How its sectors are decrypted. Raises ValueError for a key of another length."""
    size = METHODS[found.method][1]
    if len(key) < size:
        raise ValueError("a volume key of another length")
    if found.method in (0x8000, 0x8001):
        length = 16 if found.method == 0x8000 else 32
        return elephant(key[:length], key[32 : 32 + length], found.sector)
    if found.method in (0x8002, 0x8003):
        return cbc(key[:size], found.sector, offsets(key[:size], found.sector))
    return xts(key[:size], found.sector)


def _fits(read: Read, found: Metadata, key: bytes) -> bool:
    """Whether the first sector becomes one of a file system."""
    data = read(found.header_at, found.sector)
    return decrypt(found, key)(data, found.header_at)[510:512] == b"\x55\xaa"


def opened(read: Read, found: Metadata, key: bytes, size: int) -> Read:
    """``f(at, size)`` of the volume as Windows shows it: its metadata read as zeros."""
    plain = decrypt(found, key)
    hidden = sorted(
        [(at, at + _AREA) for at in found.copies]
        + [(found.header_at, found.header_at + found.header_size)]
    )
    encrypted = found.encrypted or size
    header = min(found.header_size, size)

    def sectors(at: int, length: int) -> bytes:
        if at >= encrypted:
            return read(at, length)
        data = read(at, length)
        return plain(data[: len(data) // found.sector * found.sector], at)

    def get(at: int, want: int) -> bytes:
        out = bytearray()
        while want > 0 and at < size:
            begin = at // found.sector * found.sector
            stop = min(size, -(-(at + want) // found.sector) * found.sector)
            shift = 0
            if begin < header:
                stop, shift = min(stop, header), found.header_at
            elif cover := next(((a, e) for a, e in hidden if a <= begin < e), None):
                some = min(want, cover[1] - at, size - at)
                out += bytes(some)
                at, want = at + some, want - some
                continue
            else:
                edges = [a for a, _ in hidden if a > begin] + [encrypted]
                stop = min([stop, *(edge for edge in edges if edge > begin)])
            data = sectors(begin + shift, stop - begin)[at - begin :][:want]
            if not data:
                break
            out += data
            at, want = at + len(data), want - len(data)
        return bytes(out)

    return get
