"""Backups of phones: Android's, iTunes's, and the encrypted ones of chats."""

from __future__ import annotations

import plistlib
import sqlite3
import zlib
from functools import cache

import test_evidence_backup as made_android
import test_evidence_crypt as made_crypt
import test_evidence_itunes as made_itunes
from amparo.evidence import backup, crypt, itunes
from amparo.kit.source import Source
from amparo.model import File
from fuzz import mutate
from fuzz.cell import WHOLE, descriptor, heard, quiet
from fuzz.target import target

# Keys are stretched as in the product, only less long.
backup.MOST_ROUNDS = 1000
itunes._MOST_ROUNDS = 1000


def _backups() -> list[bytes]:
    return [
        made_android.android(v, p, s)
        for v, p, s in ((5, True, b""), (1, False, b""), (4, False, made_android.PASSWORD))
    ]


@target(
    lambda: [d[: 6 << 10] for d in _backups()],
    longest=8192,
    words=(b"ANDROID BACKUP\n", b"AES-256\n", b"none\n", b"1\n", b"\n"),
)
def android(data: bytes) -> None:
    """An Android backup with a password at hand."""
    source = Source.of_bytes(data)
    source.companions = {"0": Source.of_bytes(made_android.PASSWORD)}
    heard(backup.unwrap(source, WHOLE), WHOLE, quiet)


@target(
    lambda: [b"\0" + made_android.tar()[:2048], b"\1" + zlib.compress(made_android.tar()[:2048])],
    longest=4096,
)
def android_inside(data: bytes) -> None:
    """What lies inside an Android backup that opens."""
    head = b"ANDROID BACKUP\n5\n%d\nnone\n" % (data[:1] == b"\1")
    heard(backup.unwrap(Source.of_bytes(head + data[1:]), WHOLE), WHOLE, quiet)


def _chats() -> list[bytes]:
    plain = zlib.compress(b"SQLite format 3\0" + b"invented rows " * 20)
    return [made_crypt.crypt12(plain), made_crypt.crypt14(plain), made_crypt.crypt15(plain)]


@target(
    _chats,
    longest=2048,
    words=(b"--00", b"\0\1\2", b"\x12\x10", b"\x0a\x10", b"\x2a\x10", b"\x1a\x12"),
)
def crypt_container(data: bytes) -> None:
    """An encrypted backup of chats, as it lies, with its key at hand and others."""
    source = Source.of_bytes(data)
    keys = (made_crypt.ROOT, made_crypt.key_file(True), bytes(32))
    source.companions = {str(n): Source.of_bytes(key) for n, key in enumerate(keys)}
    heard(crypt.decrypt(source, WHOLE), WHOLE, quiet)


@target(
    lambda: [
        zlib.compress(b"SQLite format 3\0" + b"rows " * 40),
        b"PK\3\4 x",
        b"SQLite format 3\0",
        b"x\x01",
    ],
    longest=2048,
)
def crypt_inside(data: bytes) -> None:
    """What lies inside an encrypted backup whose key and tag fit."""
    made = (made_crypt.crypt15, made_crypt.crypt12)[len(data) % 2]
    heard(crypt.opened(Source.of_bytes(made(data)), [crypt.Key(made_crypt.ROOT)]), WHOLE, quiet)


@target(
    lambda: [made_crypt.key_file(True), made_crypt.key_file(False), made_crypt.ROOT.hex().encode()],
    allowed=(),
    longest=600,
)
def crypt_keys(data: bytes) -> None:
    """A key file, or digits somebody wrote down."""
    key = crypt.key_of(data)
    assert key is None or len(key.raw) == 32


def _plist(**more: object) -> bytes:
    return plistlib.dumps({"Version": "10.0", "Date": "x", **more})


def _archive() -> bytes:
    return made_itunes.keyed_archive(
        {"Size": 12, "LastModified": 1_700_000_000, "ProtectionClass": 1, "EncryptionKey": b"\1\0\0\0" + bytes(40),
         "Target": "elsewhere"}
    )  # fmt: skip


@cache
def _manifest() -> bytes:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA page_size=512")
    db.execute(
        "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
    )
    for number, flags in enumerate((1, 1, 2, 4)):
        row = (f"{number:040x}", "HomeDomain", f"Library/{number}.txt", flags, _archive())
        db.execute("INSERT INTO Files VALUES (?,?,?,?,?)", row)
    data: bytes = db.serialize()
    db.close()
    return data


def _listed(manifest: bytes, plist: bytes) -> None:
    source = Source.of_bytes(manifest)
    source.companions = {"0": Source.of_bytes(plist), "1": Source.of_bytes(made_itunes.PASSWORD)}
    for record in heard(itunes.itunes(source, WHOLE), WHOLE):
        if isinstance(record, File):
            with descriptor(bytes(48)) as fds:
                itunes.itunes_file(fds, record.locator).read()


@target(
    lambda: [_manifest()],
    allowed=(ValueError, sqlite3.Error),
    mutate=mutate.cells,
    longest=16 << 10,
)
def itunes_manifest(data: bytes) -> None:
    """The manifest of an iPhone's backup with unlikely rows."""
    _listed(data, _plist())


@target(
    lambda: [
        _plist(), _plist(IsEncrypted=True, BackupKeyBag=made_itunes.keybag(made_itunes.PASSWORD), ManifestKey=bytes(44)),
        plistlib.dumps({"IsEncrypted": True, "BackupKeyBag": b"x"}, fmt=plistlib.FMT_BINARY),
    ],
    allowed=(ValueError, sqlite3.Error),
    longest=4096,
    words=(b"bplist00", b"<dict>", b"<key>", b"<data>", b"IsEncrypted", b"BackupKeyBag", b"ManifestKey", b"<true/>"),
)  # fmt: skip
def itunes_plist(data: bytes) -> None:
    """The property list of an iPhone's backup."""
    _listed(_manifest(), data)


@target(
    lambda: [b"\1" + _archive(), b"\4" + _archive()],
    allowed=(),
    longest=2048,
    words=(b"$objects", b"$top", b"root", b"bplist00"),
)
def itunes_archive(data: bytes) -> None:
    """What a backup says of one file, over the wire; the first byte says whether it is a link."""
    flags = 4 if data[:1] == b"\4" else 1
    record = itunes._file(WHOLE, "0" * 40, "HomeDomain/a", flags, data[1:], {1: bytes(32)})
    heard([record], WHOLE)


@target(lambda: [made_itunes.keybag(made_itunes.PASSWORD)], longest=2048,
        words=(b"UUID", b"CLAS", b"WRAP", b"WPKY", b"SALT", b"ITER", b"DPIC", b"DPSL", b"\0\0\0\4"))  # fmt: skip
def itunes_keys(data: bytes) -> None:
    """The keybag of an encrypted backup."""
    itunes.open_bag(data, [made_itunes.PASSWORD])
