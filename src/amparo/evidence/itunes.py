"""Backups that iTunes or Finder makes of an iPhone: which file is which, and the key of each.

``Manifest.db`` has ``Files(fileID, domain, relativePath, flags, file)``: the bytes of a file lie in
``<first two of fileID>/<fileID>``, ``flags`` 1 is a file, 2 a folder, 4 a symbolic link, and ``file`` is a
binary property list with times, size and, in an encrypted backup, the file's key wrapped with the key of
its protection class. Class keys stand in the ``BackupKeyBag`` of ``Manifest.plist``, wrapped (RFC 3394)
with a key made of the backup's password by PBKDF2, since iOS 10.2 twice (Apple Platform Security, keybags).
"""

from __future__ import annotations

import hashlib
import io
import json
import plistlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from amparo.evidence.archive import take
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, opener
from amparo.kit.source import FdReader, Reader, Source
from amparo.kit.sqlite import MAGIC, Database
from amparo.model import Content, File, path_text

PLIST = "Manifest.plist"
_MOST_ROUNDS = 50_000_000
_LARGEST = 1 << 50
"""Bytes of a file, or seconds before or after 1970, beyond which a number is not believed."""
_ID = re.compile(r"[0-9a-f]{40}\Z")
_FILE, _LINK = 1, 4
_WRAPPED_BY_PASSWORD = 2
_BLOCK = 1 << 20
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
    expat.ExpatError,
)
"""What plistlib raises over damaged property lists, in its own words and in those of others."""


@opener("itunes", version=1, forms=("itunes",))
def itunes(source: Source, found: Found) -> Iterator[File | Warn]:
    """Files of an iPhone backup under the names they had on the phone.

    ``source`` is ``Manifest.db``; its companions are ``0``: ``Manifest.plist`` and then passwords. Sizes
    are as stated and contents open: the host knows the hashes of what lies in the backup. Raises
    ValueError when the backup is encrypted and no password fits.
    """
    plist = _dictionary(source.companions["0"].read(64 << 20))
    bag: dict[int, bytes] | None = None
    if plist.get("IsEncrypted"):
        passwords = [c.read(1 << 12) for n, c in source.companions.items() if n != "0"]
        bag = open_bag(_bytes(plist, "BackupKeyBag"), passwords)
        if source.stream().read(len(MAGIC)) != MAGIC:
            source = Source.of_bytes(_manifest(source, _bytes(plist, "ManifestKey"), bag))
    database = Database(source)
    nameless = 0
    for _, id_, domain, path, flags, blob in database.rows(
        "Files", ("fileID", "domain", "relativePath", "flags", "file")
    ):
        if flags not in (_FILE, _LINK) or not _ID.match(str(id_)):
            nameless += flags not in (_FILE, _LINK, 2)
            continue
        yield _file(found, str(id_), f"{domain}/{path}", flags, blob, bag)
    if nameless:
        yield Warn(f"{nameless} rows of Manifest.db are neither file, folder nor link")
    for note in database.notes:
        yield Warn(f"Manifest.db: {note}")


def _dictionary(data: bytes) -> dict[str, Any]:
    """A property list. Raises ValueError."""
    try:
        value = plistlib.loads(data)
    except _DAMAGE as error:
        raise ValueError(f"{PLIST} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{PLIST} is no dictionary")
    return value


def _bytes(plist: dict[str, Any], key: str) -> bytes:
    """A value of the property list that is bytes. Raises ValueError."""
    value = plist.get(key)
    if not isinstance(value, bytes):
        raise ValueError(f"{PLIST} is damaged: its {key} is missing")
    return value


def _file(
    found: Found, id_: str, path: str, flags: int, blob: object, bag: dict[int, bytes] | None
) -> File:
    what = archived(blob if isinstance(blob, bytes) else b"")
    name = path_text(path.encode("utf-8", "surrogatepass"))
    changed = what.get("LastModified")
    modified = changed * 1000 if isinstance(changed, int) and abs(changed) < _LARGEST else None
    place: dict[str, object] = {"at": f"{id_[:2]}/{id_}"}
    if flags == _LINK:
        place["target"] = str(what.get("Target", ""))
        return File(
            exhibit=found.exhibit, path=name, entry="symlink", size=0, modified=modified,
            locator=json.dumps(place),
        )  # fmt: skip
    size = what.get("Size")
    if bag is not None:
        place |= {"key": key.hex()} if (key := file_key(what, bag)) else {"encrypted": True}
    return File(
        exhibit=found.exhibit,
        path=name,
        size=size if isinstance(size, int) and 0 <= size < _LARGEST else 0,
        modified=modified,
        locator=json.dumps(place),
    )


def archived(blob: bytes) -> dict[str, Any]:
    """The root object of a keyed archive with its references followed one step; {} when damaged."""
    try:
        archive = plistlib.loads(blob, fmt=plistlib.FMT_BINARY)
        objects = archive["$objects"]
        root = objects[archive["$top"]["root"].data]
        return {
            str(name): objects[value.data] if isinstance(value, plistlib.UID) else value
            for name, value in root.items()
        }
    except _DAMAGE:
        return {}


def file_key(what: dict[str, Any], bag: dict[int, bytes]) -> bytes:
    """The AES key of one file, b"" when it has none or its class was not opened."""
    wrapped, class_ = what.get("EncryptionKey"), what.get("ProtectionClass")
    if isinstance(wrapped, dict):
        wrapped = wrapped.get("NS.data")
    if not isinstance(wrapped, bytes) or not isinstance(class_, int) or class_ not in bag:
        return b""
    try:
        return aes_key_unwrap(bag[class_], wrapped[4:])
    except (InvalidUnwrap, ValueError):
        return b""


@dataclass
class _Class:
    number: int = 0
    wrap: int = 0
    wrapped: bytes = b""


def open_bag(data: bytes, passwords: list[bytes]) -> dict[int, bytes]:
    """Class keys by class, opened with the first password that fits. Raises ValueError."""
    head: dict[bytes, bytes] = {}
    classes: list[_Class] = []
    for tag, value in _tags(data):
        if classes and tag == b"CLAS":
            classes[-1].number = int.from_bytes(value, "big")
        elif tag == b"UUID" and b"UUID" in head:
            classes.append(_Class())
        elif classes and tag == b"WRAP":
            classes[-1].wrap = int.from_bytes(value, "big")
        elif classes and tag == b"WPKY":
            classes[-1].wrapped = value
        elif not classes:
            head[tag] = value
    mine = [c for c in classes if c.wrap & _WRAPPED_BY_PASSWORD and c.wrapped]
    if not mine or not {b"SALT", b"ITER"} <= set(head):
        raise ValueError("the keybag of the backup is damaged")
    for password in passwords:
        key = password_key(password, head)
        try:
            return {c.number: aes_key_unwrap(key, c.wrapped) for c in mine}
        except InvalidUnwrap:
            continue
    raise ValueError("encrypted with a password, and none at hand fits")


def password_key(password: bytes, head: dict[bytes, bytes]) -> bytes:
    """What wraps the class keys. Raises ValueError for a keybag that asks for endless work."""
    rounds = int.from_bytes(head[b"ITER"], "big")
    first = int.from_bytes(head.get(b"DPIC", b""), "big")
    if not 1 <= rounds <= _MOST_ROUNDS or first > _MOST_ROUNDS:
        raise ValueError("the keybag of the backup is damaged")
    if first and b"DPSL" in head:
        password = hashlib.pbkdf2_hmac("sha256", password, head[b"DPSL"], first, 32)
    return hashlib.pbkdf2_hmac("sha1", password, head[b"SALT"], rounds, 32)


def _tags(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        tag, length = struct.unpack_from(">4sI", data, at)
        yield tag, data[at + 8 : at + 8 + length]
        at += 8 + length


def _manifest(source: Source, key: bytes, bag: dict[int, bytes]) -> bytes:
    """The plain Manifest.db. Raises ValueError."""
    try:
        aes = aes_key_unwrap(bag[int.from_bytes(key[:4], "little")], key[4:])
    except (InvalidUnwrap, KeyError) as error:
        raise ValueError("the key of Manifest.db does not open") from error
    data = source.read()
    plain = Cipher(algorithms.AES(aes), modes.CBC(bytes(16))).decryptor().update(
        data[: len(data) // 16 * 16]
    )  # fmt: skip
    if not plain.startswith(MAGIC):
        raise ValueError("Manifest.db does not decrypt to a database")
    return plain


def itunes_file(fds: list[int], locator: str) -> Source:
    """A file of an iPhone backup; companions follow in the order of the descriptors."""
    place = json.loads(locator)
    others = place.get("companions", {})
    source = _source(fds[0], place)
    source.companions = {
        suffix: _source(fd, other)
        for (suffix, other), fd in zip(others.items(), fds[1:], strict=True)
    }
    return source


def _source(fd: int, place: dict[str, Any]) -> Source:
    if "key" not in place:
        return Source.of_fd(fd)
    raw = Decrypted(fd, bytes.fromhex(place["key"]))
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    return Source(io.BufferedReader(raw, 1 << 17), size)


class Decrypted(Reader):
    """The plain bytes of an encrypted file of a backup: AES-256-CBC, IV of zeros, PKCS #7."""

    def __init__(self, fd: int, key: bytes) -> None:
        self._raw = FdReader(fd)
        self._key = key
        stored = self._raw.seek(0, io.SEEK_END) // 16 * 16
        super().__init__(stored)
        if stored:
            last = self._block(stored - 16, 16)
            pad = last[-1]
            if 1 <= pad <= 16 and last.endswith(bytes([pad]) * pad):
                self._size = stored - pad

    def _block(self, at: int, size: int) -> bytes:
        """Plain bytes of whole cipher blocks; the block before is the IV of the first."""
        iv = bytes(16)
        if at:
            self._raw.seek(at - 16)
            iv = self._raw.read(16) or b""
        self._raw.seek(at)
        data = self._raw.read(size) or b""
        engine = Cipher(algorithms.AES(self._key), modes.CBC(iv)).decryptor()
        return engine.update(data[: len(data) // 16 * 16])

    def bytes_at(self, at: int, want: int) -> bytes:
        """Whole cipher blocks around them are decrypted."""
        first = at // 16 * 16
        plain = self._block(first, (at + want - first + 15) // 16 * 16)
        return plain[at - first : at - first + want]


def hashed(source: Source, found: Found) -> Iterator[Content | Warn]:
    """The hashes of one file as it comes out of its encryption."""
    stream = source.stream()
    taken = take(iter(lambda: stream.read(_BLOCK), b""))
    if taken.content is not None:
        yield taken.content
    if taken.trouble:
        yield Warn(taken.trouble)
