"""Containers: zip, tar, gzip, UFDR, Android and iTunes backups, encrypted chats, images in pieces."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import itertools
import json
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable

import disks
import encrypted
import rar_written as made_rar
from amparo.evidence import bitlocker, ewf, luks, nested, readers, ufdr
from amparo.evidence import rar as rar_headers
from amparo.evidence.archive import list_tar, list_zip
from amparo.evidence.blocks import BLOCK, Raw, of_runs, source_of_runs
from amparo.evidence.unpack import Limits
from amparo.evidence.unwrap import Limit, unwrap
from amparo.kit.source import Source
from amparo.model import Content, File, Record
from fuzz import mutate
from fuzz.cell import FILE, WHOLE, descriptor, heard, quiet
from fuzz.target import target

# As in the product, only smaller: a bomb is refused within the memory that a harness may take.
_LIMITS = Limits(member_free=8 << 20, member_ratio=50, total_free=32 << 20, total_ratio=50)
bitlocker._ROUNDS = 100
luks._MOST_ITERATIONS = 1000
luks._MOST_WORK = 1 << 16
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


def _rars() -> list[bytes]:
    return [
        made_rar.rar({"a/note.txt": b"a blue chair", "b": b""}, locked="b"),
        made_rar.rar({"a": bytes(64)}) + made_rar.rar({"b": b""}, locked="b"),
    ]


@target(_rars, longest=1024, words=(rar_headers.SIGNATURE,))
def rar(data: bytes) -> None:
    """The headers of a RAR, and what they say of volumes."""
    rar_headers.volume(data[:64])
    found = rar_headers.members(io.BytesIO(data), len(data))
    assert len(found) < max(1, len(data))


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


def _packed(data: bytes, longest: int, chance: object, plain: mutate.Plain) -> bytes:
    try:
        inner = zlib.decompressobj(31).decompress(data, longest)
    except zlib.error:
        return plain(data, longest)
    return gzip.compress(plain(inner, longest), 1, mtime=0)


@target(lambda: [gzip.compress(t, mtime=0) for t in _tars()], mutate=_packed, longest=8192)
def gzipped(data: bytes) -> None:
    """The layer of gzip around a tar."""
    heard(unwrap(Source.of_bytes(data), Limit(1 << 26, 1 << 22, 50)), WHOLE, quiet)


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
        whole = source_of_runs(disk, pairs, len(streamed)).stream()
        first = whole.read()
        assert first == streamed
        for at in numbers:
            whole.seek(at)
            assert whole.read(7) == first[at : at + 7]


def _locked() -> list[bytes]:
    out = []
    for protectors in ([encrypted.clear()], [encrypted.startup()]):
        volume = encrypted.bitlocker(bytes(5 << 16), 0x8004, protectors)
        place = struct.unpack_from("<Q", volume, 176)[0]
        out.append(volume[:512] + volume[place : place + 512])
    return out


@target(
    _locked,
    longest=2048,
    words=(b"-FVE-FS-", bitlocker._GUID, b"\x03\x20", b"\x05\0", b"\x0f\0\x0f\0"),
)
def bitlocked(data: bytes) -> None:
    """What a BitLocker volume says of itself, and the keys that open it: a boot sector, then metadata."""
    boot, block = data[:512].ljust(512, b"\0"), data[512:].ljust(1 << 16, b"\0")

    def read(at: int, size: int) -> bytes:
        return boot[at : at + size] if at < 512 else block[:size]

    found = bitlocker.metadata(read)
    assert found.needs().isprintable()
    for secret in (b"", b"a password", encrypted.bek(), encrypted.RECOVERY.encode(), b"00" * 32):
        key = bitlocker.volume_key(read, found, secret)
        if key is not None:
            bitlocker.opened(read, found, key, 4096)(0, 512)


def _luks() -> list[bytes]:
    def digits(size: int) -> str:
        return base64.b64encode(bytes(size)).decode()

    kdf = {"type": "pbkdf2", "hash": "sha256", "iterations": 10, "salt": digits(32)}
    area = {
        "type": "raw",
        "offset": "4096",
        "size": "8192",
        "encryption": "aes-xts-plain64",
        "key_size": 64,
    }
    slot = {
        "type": "luks2",
        "key_size": 64,
        "af": {"type": "luks1", "stripes": 4, "hash": "sha256"},
        "area": area,
    }
    argon = {"type": "argon2id", "time": 1, "memory": 64, "cpus": 1, "salt": digits(32)}
    said = {
        "keyslots": {"0": slot | {"kdf": kdf}, "1": slot | {"kdf": argon}},
        "segments": {"0": {"type": "crypt", "offset": "16384", "size": "dynamic", "iv_tweak": "0",
                           "encryption": "aes-xts-plain64", "sector_size": 512}},
        "digests": {"0": {"type": "pbkdf2", "hash": "sha256", "iterations": 10, "salt": digits(32),
                          "digest": digits(32)}},
    }  # fmt: skip
    one = struct.pack(">6sH32s32s32sII20s32sI40s", luks.MAGIC, 1, b"aes", b"xts-plain64", b"sha256", 8, 64,
                      bytes(20), bytes(32), 10, b"0" * 36)  # fmt: skip
    one += struct.pack(">II32sII", 0xAC71F3, 10, bytes(32), 8, 4)
    return [b"\2" + json.dumps(said).encode(), b"\1" + one]


@target(
    _luks,
    allowed=(ValueError, MemoryError),
    longest=4096,
    words=(b'"argon2id"', b'"argon2i"', b'"memory"', b'"time"', b'"cpus"', b"1e999", b"null", b"[]", b'"aes-cbc-plain"',
           b"4294967295", b'"stripes"', b"\xac\x71\xf3", b"xts-plain64", b"cbc-essiv:sha256"),
)  # fmt: skip
def luks_header(data: bytes) -> None:
    """The header of a LUKS volume and what its key slots ask for; the first byte says which version."""
    head = data[1:] if data[:1] == b"\1" else struct.pack(">6sHQ", luks.MAGIC, 2, 16384)
    whole = head.ljust(4096, b"\0") + (data[1:] if data[:1] != b"\1" else b"")

    def read(at: int, size: int) -> bytes:
        return whole[at : at + size].ljust(min(size, 1 << 20), b"\0")

    found = luks.header(read)
    assert found.needs()
    luks.volume_key(read, found, b"a passphrase")
    luks.volume_key(read, found, b"00" * 64)


nested.LIMITS = _LIMITS


def _packed_files() -> list[bytes]:
    text = b"a blue chair " * 30
    return [
        *_zips()[:4],
        _tars()[0],
        gzip.compress(text, mtime=0),
        bz2.compress(text),
        lzma.compress(text),
    ]


@target(_packed_files, longest=6144, allowed=(ValueError, zlib.error, lzma.LZMAError, OSError, EOFError),
        words=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"BZh9", b"\x1f\x8b\x08", b"\xfd7zXZ\0"))  # fmt: skip
def archives(data: bytes) -> None:
    """An archive that lies among an exhibit's files, over the wire, and every member read again."""
    records = heard(nested.archive(Source.of_bytes(data), FILE), FILE)
    outer = {"reader": "amparo.evidence.readers:whole", "locator": "{}"}

    def member(fds: list[int], locator: str) -> Source:
        return nested.member(fds, json.dumps(outer | {"member": json.loads(locator)["member"]}))

    _again(records, data, member)
