"""Files inside other bytes: the carver's measures and joins, thumbnail caches, previews, EXIF, types."""

from __future__ import annotations

import io
import struct
import tempfile
from functools import cache
from pathlib import Path

import planted
from amparo.fingerprint import exif as camera
from amparo.kit.embedded import embedded
from amparo.kit.mime import HEAD, sniff
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.recover import compound, join
from amparo.recover.files import MEASURES, carve
from amparo.recover.formats.extent import NotOne
from amparo.recover.inside import buried
from amparo.recover.pieces import Effort
from amparo.recover.thumbcaches import collection
from fuzz import mutate
from fuzz.cell import FILE, heard
from fuzz.target import target

_FORMS = sorted(MEASURES)
_WORDS = (
    b"ftyp", b"moov", b"mdat", b"trak", b"stco", b"co64", b"stsz", b"stsc", b"IHDR", b"IDAT", b"IEND",
    b"\xff\xd8\xff\xe0", b"\xff\xda", b"\xff\xc4", b"\xff\xc0", b"\xff\xd9", b"\xff\xdd", b"RIFF", b"WEBP",
    b"GIF89a", b"%PDF-1.4", b"%%EOF", b"startxref", b"xref", b"PK\3\4", b"PK\1\2", b"PK\5\6", b"OggS\0\2",
    b"#!AMR\n", b"SQLite format 3\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"endstream", b"CMMM",
)  # fmt: skip


@cache
def made() -> dict[str, bytes]:
    """A small file of each form."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "jpg": planted.picture("JPEG", 1, 48, 32),
            "png": planted.picture("PNG", 2, 32, 24),
            "gif": planted.picture("GIF", 3, 32, 24),
            "webp": planted.picture("WEBP", 4, 32, 24),
            "mp4": planted.film(5, 3),
            "amr": planted.voice(6, 20),
            "ogg": planted.opus(7, 3),
            "pdf": planted.document(8, versions=2)[:9000],
            "zip": planted.archive(9, 1),
            "sqlite": planted.database(Path(folder), 10, 20),
        }


def _view(data: bytes) -> Spans:
    return Spans(io.BytesIO(data), [(0, len(data))])


def _formed() -> list[bytes]:
    progressive = planted.picture("JPEG", 11, 40, 40, progressive=True)
    restarts = planted.picture("JPEG", 12, 40, 40, restart_marker_blocks=2)
    more = {"jpg": [progressive, restarts], "mp4": [planted.film(13, 3, index_first=True)]}
    return [
        bytes([number]) + data
        for number, form in enumerate(_FORMS)
        for data in (made()[form], *more.get(form, []))
    ]


@target(_formed, allowed=(NotOne, struct.error), words=_WORDS, longest=16 << 10)
def measures(data: bytes) -> None:
    """How far a file of each form reaches; the first byte says which form."""
    extent = MEASURES[_FORMS[data[0] % len(_FORMS)]](_view(data[1:]), 0) if data else None
    if extent is not None:
        assert 0 <= extent.confidence <= 1 and extent.length >= 0, extent
        assert not extent.complete or 0 < extent.length < len(data), extent


@target(
    lambda: [bytes([_FORMS.index("png")]) + made()["png"]],
    allowed=(NotOne, struct.error),
    longest=8 << 10,
    mutate=lambda d, n, c, p: d[:1] + mutate.png(d[1:], n - 1, c, p),
)
def png(data: bytes) -> None:
    """The same of PNG with checksums that fit."""
    measures(data)


def _mixed() -> list[bytes]:
    parts = list(made().values())
    return [b"\0" + b"".join(parts[:3]), b"\3" + parts[0] + bytes(300) + parts[4], b"\1" + parts[1]]


@target(_mixed, allowed=(), words=_WORDS, longest=24 << 10, seconds=10)
def carving(data: bytes) -> None:
    """A whole search through bytes; the first byte says how."""
    how, data = (data[0], data[1:]) if data else (0, b"")
    cluster = 512 if how & 1 else 0
    for one in carve(
        io.BytesIO(data), align=512 if how & 4 else 1, cluster=cluster, nested=bool(how & 2)
    ):
        assert one.segments and 0 <= one.confidence <= 1, one
        for at, length in one.segments:
            assert at >= 0 and length > 0 and at + length <= len(data), one


def _torn() -> list[bytes]:
    out = []
    for number, form in enumerate(sorted(join.JOINERS)):
        for gap in (1, 3):
            data = {"jpg": planted.picture("JPEG", 21, 120, 90)}.get(form, made()[form])
            border = len(data) // 2 // 512 * 512 or 512
            out.append(bytes([number]) + data[:border] + bytes(512 * gap) + data[border:])
    return out


@target(_torn, allowed=(), words=_WORDS, longest=16 << 10, seconds=10)
def joins(data: bytes) -> None:
    """A file in two pieces; the first byte says of which form."""
    forms = sorted(join.JOINERS)
    if data:
        form, view = forms[data[0] % len(forms)], _view(data[1:])
        try:
            MEASURES[form](view, 0)  # as a search does before
        except (NotOne, struct.error):
            return
        found = join.two(form, view, 0, 512, Effort(1 << 22))
        for at, length in found.pieces if found else ():
            assert at >= 0 and length > 0 and at + length <= view.size, found


def _caches() -> list[bytes]:
    jpeg = made()["jpg"][:900]
    blob = "path+1+2".encode("utf-16-le") + jpeg
    gallery = b"\x10\x85\x24\xbd" + struct.pack("<QIII", 7, 0, 4, len(blob)) + blob
    slot = (b"\1" + bytes(8) + struct.pack(">I", len(jpeg)) + jpeg).ljust(10_000, b"\0")
    head = b"CMMM" + struct.pack("<IIII", 0x20, 1, 24, 0).ljust(20, b"\0")
    name = "abcd".encode("utf-16-le")
    entry = b"CMMM" + struct.pack("<IQII", 56 + 8 + len(jpeg), 99, 0, 0)
    entry += struct.pack("<IIIIQQ", 8, 0, len(jpeg), 0, 0, 0) + name + jpeg
    return [gallery, slot + slot[:4000], head + entry + entry, _compound(jpeg)]


def _compound(jpeg: bytes) -> bytes:
    """A thumbs.db of one picture and its catalogue ([MS-CFB], sectors of 512 bytes)."""
    stream = struct.pack("<III", 12, 1, len(jpeg)) + jpeg
    catalogue = struct.pack("<HHIII", 16, 1, 1, 32, 32)
    catalogue += struct.pack("<IIQ", 36, 1, 0) + "a.jpg\0".encode("utf-16-le").ljust(20, b"\0")
    sectors = -(-len(stream) // 512)
    last = 0xFFFFFFFE
    chain = [*range(4, 3 + sectors), last]
    fat = [0xFFFFFFFD, last, last, *chain][: 3 + sectors]
    fat += [0xFFFFFFFF] * (128 - len(fat))
    head = compound.MAGIC + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, 512, 2, 1, last, 0, 0)
    head += struct.pack("<109I", *([0xFFFFFFFF] * 108), 0xFFFFFFFF)
    head = head[:76] + struct.pack("<I", 0) + head[80:512]

    def entry(name: str, kind: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le") + b"\0\0"
        out = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
        return (out + b"\xff" * 12).ljust(116, b"\0") + struct.pack("<III", start, size, 0)

    folder = entry("Root Entry", 5, last, 0) + entry("1", 2, 3, len(stream))
    folder += entry("Catalog", 2, 3, len(catalogue)) + bytes(128)
    small = struct.pack("<128I", *([0xFFFFFFFF] * 128))
    body = stream.ljust(sectors * 512, b"\0")
    return head.ljust(512, b"\0") + struct.pack("<128I", *fat) + folder + small + body


@target(_caches, words=_WORDS, longest=20_000)
def caches(data: bytes) -> None:
    """Thumbnail caches of Android and Windows, compound files among them."""
    kept = collection(_view(data))
    for number, one in enumerate(kept or ()):
        for at, length in one.segments:
            assert at >= 0 and length > 0 and at + length <= len(data), one
        if number > 2000:
            break


@target(
    lambda: [_compound(made()["jpg"][:900])],
    words=(compound.MAGIC, b"\xfe\xff\xff\xff"),
    longest=8192,
)
def compounds(data: bytes) -> None:
    """Streams of an OLE compound file."""
    for number, (name, stream) in enumerate(compound.Storage(_view(data)).streams()):
        assert len(name) <= 32 and len(stream.read(0, 64)) <= 64
        if number > 2000:
            break


@target(
    lambda: [*_caches(), made()["sqlite"] + made()["jpg"], bytes(64) + made()["png"]],
    allowed=(ValueError, struct.error),
    words=_WORDS,
    longest=20_000,
    seconds=10,
)
def inside(data: bytes) -> None:
    """Files brought up out of another, over the wire."""
    heard(buried.files(Source.of_bytes(data), FILE), FILE)


def _previewed() -> list[bytes]:
    return [planted.with_preview(1, planted.picture("JPEG", 9, 16, 16))[:6000]]


@target(_previewed, longest=8192, words=(b"Exif\0\0", b"II*\0", b"MM\0*", b"\1\2", b"\2\2"))
def previews(data: bytes) -> None:
    """The small picture in a photograph's EXIF block and the film behind it, over the wire."""
    for found in embedded(_view(data)):
        assert found is None or 0 <= found[0] < sum(found) <= len(data), found
    heard(buried.previews(Source.of_bytes(data), FILE), FILE)


def _blocks() -> list[bytes]:
    from PIL import Image

    out = []
    for zone in ("+02:00", "Z"):
        block = Image.Exif()
        block[0x10F], block[0x110], block[0x112] = "Invented", "Camera 1", 6
        block.get_ifd(0x8769).update(
            {0x9003: "2017:05:04 03:02:01", 0x9011: zone, 0x9291: "12", 0xA434: "Lens"}
        )
        block.get_ifd(0x8825).update(
            {1: "N", 2: (41.0, 23.0, 1.5), 3: "E", 4: (2.0, 10.0, 0.0), 5: b"\0", 6: 12.5}
        )
        out.append(block.tobytes().removeprefix(b"Exif\0\0"))
    return out


@target(_blocks, allowed=(), longest=4096, words=(b"II*\0", b"MM\0*", b"\x69\x87", b"\x25\x88"))
def exif(data: bytes) -> None:
    """What a camera wrote into a picture."""
    found = camera.read(data, "CO")
    assert 1 <= found.orientation <= 8
    heard([r for r in (found.exif, found.position) if r is not None], FILE)
    if found.position is not None:
        assert abs(found.position.latitude) <= 90 and abs(found.position.longitude) <= 180


@target(
    lambda: [
        *(d[:600] for d in made().values()),
        b"<html>",
        b"[1, 2]",
        b"PK\3\4" + bytes(26) + b"mimetype",
    ],
    allowed=(),
    longest=2048,
    words=_WORDS,
)
def types(data: bytes) -> None:
    """The true type of bytes; the host asks it too."""
    for size in (len(data), len(data) + 1, 1 << 40):
        mime = sniff(data[:HEAD], size)
        assert mime.count("/") == 1 and mime.isascii() and mime.isprintable(), mime
