"""Containers: zip, tar, gzip, UFDR, Android and iTunes backups, encrypted chats, images in pieces."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import plistlib
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import cache

import disks
import test_evidence_backup as made_android
import test_evidence_crypt as made_crypt
import test_evidence_itunes as made_itunes
from amparo.evidence import backup, crypt, ewf, itunes, readers, ufdr
from amparo.evidence.archive import list_tar, list_zip
from amparo.evidence.blocks import BLOCK, Raw, of_runs, source_of_runs
from amparo.evidence.unpack import Limits
from amparo.evidence.unwrap import Limit, unwrap
from amparo.kit.source import Source
from amparo.model import Content, File, Record
from fuzz import mutate
from fuzz.cell import WHOLE, descriptor, heard
from fuzz.target import target

# As in the product, only smaller: a bomb is refused within the memory that a harness may take.
_LIMITS = Limits(member_free=8 << 20, member_ratio=50, total_free=32 << 20, total_ratio=50)
backup.MOST_ROUNDS = 1000
itunes._MOST_ROUNDS = 1000
_ENTRIES = 64
"""Members that are read again at their places."""


def _again(
    records: Iterable[Record], data: bytes, member: Callable[[list[int], str], Source]
) -> None:
    """What a locator leads to is what was hashed."""
    contents = {r.id: r for r in records if isinstance(r, Content)}
    files = (r for r in records if isinstance(r, File) and r.content)
    with descriptor(data) as fds:
        for file in itertools.islice(files, _ENTRIES):
            assert file.content in contents, file
            whole = member(fds, file.locator).read()
            assert hashlib.sha256(whole).hexdigest() == contents[file.content].sha256, file


def _zips() -> list[bytes]:
    out = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", method) as made:
            made.writestr("a/note.txt", "a blue chair " * 9)
            link = zipfile.ZipInfo("a/link")
            link.external_attr, link.create_system = 0o120777 << 16, 3
            made.writestr(link, "note.txt")
            with made.open(zipfile.ZipInfo("b.bin"), "w", force_zip64=True) as member:
                member.write(bytes(range(64)))
        out.append(held.getvalue())
    report = io.BytesIO()
    with zipfile.ZipFile(report, "w") as made:
        made.writestr("report.xml", _REPORT)
        made.writestr("files/Image/1.jpg", b"\xff\xd8\xff\xe0 x")
    return [*out, out[1][:-60], report.getvalue()]


_REPORT = (
    b'<?xml version="1.0"?><project><taggedFiles><file fs="a" path="/data/media/1.jpg" size="6"'
    b' deleted="Intact"><metadata><item name="Local Path"><![CDATA[files\\Image\\1.jpg]]></item>'
    b'<item name="SHA256">00</item><item name="MD5">11</item></metadata></file></taggedFiles></project>'
)


@target(
    _zips,
    longest=4096,
    words=(
        b"PK\1\2",
        b"PK\3\4",
        b"PK\5\6",
        b"PK\6\6",
        b"PK\6\7",
        b"\1\0\x10\0",
        b"\x55\x54\5\0\1",
        b"\xff\xff\xff\xff",
    ),
)
def zip(data: bytes) -> None:
    """A zip as an exhibit, over the wire, and every member read again at its place."""
    records = heard(list_zip(Source.of_bytes(data), WHOLE, _LIMITS), WHOLE)
    _again(records, data, readers.zip_member)


def _tars() -> list[bytes]:
    out = []
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w", format=form) as made:
            for name in ("a/note.txt", "ü" * 40 if form != tarfile.USTAR_FORMAT else "b"):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = 600, 1_700_000_000
                made.addfile(info, io.BytesIO(b"chair " * 100))
            for kind, target_of in ((tarfile.SYMTYPE, "note.txt"), (tarfile.LNKTYPE, "a/note.txt")):
                info = tarfile.TarInfo(f"a/link{kind!r}")
                info.type, info.linkname = kind, target_of
                made.addfile(info)
        out.append(held.getvalue()[:6144])
    sparse = tarfile.TarInfo("sparse")
    sparse.size = 512
    sparse.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "4096",
        "GNU.sparse.map": "0,256,2048,256",
    }  # fmt: skip
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as made:
        made.addfile(sparse, io.BytesIO(b"s" * 512))
    return [*out, held.getvalue()[:4096]]


@target(
    _tars,
    mutate=mutate.tar,
    longest=8192,
    words=(b"GNU.sparse.map=", b"GNU.sparse.major=1", b"GNU.sparse.realsize=", b"path=", b"size=", b"linkpath=",
           b"mtime=-1.5", b"ustar  \0", b"\x80\0\0\0\0", b"99 path="),
)  # fmt: skip
def tar(data: bytes) -> None:
    """A tar as an exhibit, over the wire, and every member read again at its place."""
    records = heard(list_tar(Source.of_bytes(data), WHOLE, _LIMITS), WHOLE)
    _again(records, data, readers.tar_member)


def _quiet(_: bytes) -> None:
    pass


def _packed(data: bytes, longest: int, chance: object, plain: mutate.Plain) -> bytes:
    try:
        inner = zlib.decompressobj(31).decompress(data, longest)
    except zlib.error:
        return plain(data, longest)
    return gzip.compress(plain(inner, longest), 1, mtime=0)


@target(lambda: [gzip.compress(t, mtime=0) for t in _tars()], mutate=_packed, longest=8192)
def gzipped(data: bytes) -> None:
    """The layer of gzip around a tar."""
    heard(unwrap(Source.of_bytes(data), Limit(1 << 26, 1 << 22, 50)), WHOLE, _quiet)


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
    heard(backup.unwrap(source, WHOLE), WHOLE, _quiet)


@target(
    lambda: [b"\0" + made_android.tar()[:2048], b"\1" + zlib.compress(made_android.tar()[:2048])],
    longest=4096,
)
def android_inside(data: bytes) -> None:
    """What lies inside an Android backup that opens."""
    head = b"ANDROID BACKUP\n5\n%d\nnone\n" % (data[:1] == b"\1")
    heard(backup.unwrap(Source.of_bytes(head + data[1:]), WHOLE), WHOLE, _quiet)


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
    heard(crypt.decrypt(source, WHOLE), WHOLE, _quiet)


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
    heard(crypt.opened(Source.of_bytes(made(data)), [crypt.Key(made_crypt.ROOT)]), WHOLE, _quiet)


@target(
    lambda: [made_crypt.key_file(True), made_crypt.key_file(False), made_crypt.ROOT.hex().encode()],
    allowed=(),
    longest=600,
)
def crypt_keys(data: bytes) -> None:
    """A key file, or digits somebody wrote down."""
    key = crypt.key_of(data)
    assert key is None or len(key.raw) == 32


@target(
    lambda: [_REPORT],
    allowed=(),
    longest=4096,
    words=(b"<file ", b"</file>", b"<item name=", b"</item>", b"taggedFiles", b"deleted=", b"Local Path",
           b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&#xD800;", b"<![CDATA[", b"]]>"),
)  # fmt: skip
def report(data: bytes) -> None:
    """The report of a UFDR."""
    names = ufdr.Names()
    names.read(iter([data[:100], data[100:]]))
    for named in names.files.values():
        assert named.path
        ufdr.disagreements(named, "0" * 64, "0" * 32)
    assert all("\n" not in note for note in names.notes)


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
    lambda: [_archive()],
    allowed=(),
    longest=2048,
    words=(b"$objects", b"$top", b"root", b"bplist00"),
)
def itunes_archive(data: bytes) -> None:
    """What a backup says of one file."""
    what = itunes.archived(data)
    itunes.file_key(what, {1: bytes(32)})


@target(lambda: [made_itunes.keybag(made_itunes.PASSWORD)], longest=2048,
        words=(b"UUID", b"CLAS", b"WRAP", b"WPKY", b"SALT", b"ITER", b"DPIC", b"DPSL", b"\0\0\0\4"))  # fmt: skip
def itunes_keys(data: bytes) -> None:
    """The keybag of an encrypted backup."""
    itunes.open_bag(data, [made_itunes.PASSWORD])


@target(
    lambda: [b"".join(disks.ewf(bytes(range(256)) * 8, 1, (1, 2)))],
    allowed=(),
    longest=8192,
    words=(
        b"EVF\x09\x0d\x0a\xff\0",
        b"volume",
        b"sectors",
        b"table",
        b"table2",
        b"error2",
        b"data",
        b"next",
        b"done",
    ),
)
def ewf_damage(data: bytes) -> None:
    """What an EnCase image says of its own damage (its blocks are read by libewf)."""
    with descriptor(data, data[: len(data) // 2]) as fds:
        found = ewf.Segments(fds)
        for at, length in found.read_errors():
            assert at >= 0 and length >= 0
        for at, length in itertools.islice(found.broken_chunks(), 1000):
            assert at >= 0 and length > 0


@target(lambda: [bytes([3, 9, 40, 1, 2, 8, 200, 5]) + bytes(range(90))], allowed=(), longest=512)
def runs(data: bytes) -> None:
    """A raw image in pieces and a file in runs on it: what streams and what seeks is the same."""
    if len(data) < 8:
        return
    numbers, body = data[:8], data[8:]
    cut = numbers[0] % (len(body) + 1)
    with descriptor(body[:cut], body[cut:]) as fds:
        disk = Raw(fds)
        assert disk.size == len(body) and disk.read(0, BLOCK) == body
        pairs = [(numbers[i] - 1, numbers[i + 1] % 64 + 1) for i in (1, 3, 5)]
        streamed = b"".join(of_runs(disk, pairs, numbers[7]))
        whole = source_of_runs(disk, pairs, numbers[7]).stream()
        first = whole.read()
        assert first[: len(streamed)] == streamed, (first, streamed)
        for at in numbers:
            whole.seek(at)
            assert whole.read(7) == first[at : at + 7]
