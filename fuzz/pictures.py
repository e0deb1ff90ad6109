"""Pictures whose containers are read by hand: HEIF, camera raw files, what a film says of itself."""

from __future__ import annotations

import struct

import heif_written
import planted
from amparo.fingerprint import heif, raw, video_said
from fuzz.cell import FILE, heard
from fuzz.files import _blocks
from fuzz.target import target

_BOXES = (b"meta", b"iinf", b"infe", b"iloc", b"iref", b"iprp", b"ipco", b"ipma", b"ispe", b"idat", b"pitm", b"dimg",
          b"Exif", b"grid", b"iden", b"jpeg", b"irot", b"imir", b"clap", b"\0\0\0\1", b"\xff\xff\xff\xff")  # fmt: skip


def _heifs() -> list[bytes]:
    tile = (b"head", b"coded")
    block = b"\0\0\0\6Exif\0\0" + _blocks()[0]
    return [
        heif_written.heif([tile], (64, 64), (64, 64), exif=block),
        heif_written.heif([tile] * 4, (64, 64), (100, 90), columns=2, thumbnail=True),
    ]


@target(
    _heifs,
    longest=4096,
    words=_BOXES,
    allowed=(ValueError, struct.error, IndexError, KeyError, EOFError),
)
def heifs(data: bytes) -> None:
    """The boxes and items of a HEIC file; its tiles are decoded by FFmpeg and left alone here."""
    assert len(heif.exif_item(data)) <= len(data)
    found = heif.Heif(data)
    assert found.shown() >= 1
    for number, item in enumerate(found.items.values()):
        width, height = found.size(item)
        assert width >= 0 and height >= 0
        assert len(found.bytes_of(item)) <= len(data)
        if number > 50:
            break


def _raws() -> list[bytes]:
    preview = planted.picture("JPEG", 3, 96, 80)[:900]
    tiff = struct.pack("<2sHIH", b"II", 42, 8, 2) + struct.pack("<HHII", 0xC612, 1, 4, 1)
    tiff += (
        struct.pack("<HHII", 0x14A, 4, 1, 40)
        + bytes(8)
        + struct.pack("<HHHII", 1, 0x106, 3, 1, 32803)
    )
    return [
        tiff + bytes(20) + preview,
        bytes(40) + struct.pack(">I4s", 60, b"CMT1") + tiff + preview,
    ]


@target(
    _raws,
    longest=4096,
    allowed=(),
    words=(b"\xff\xd8\xff\xe0", b"\xff\xc0", b"CMT1", b"II*\0", b"MM\0*", b"\x12\xc6"),
)
def raws(data: bytes) -> None:
    """Camera raw files: whether it is one, its largest preview, its EXIF."""
    raw.raw_tiff(data)
    found = raw.largest_preview(data)
    assert found is None or (0 <= found.at < len(data) and found.width * found.height > 0)
    for mime in ("image/x-canon-cr3", "image/x-raw"):
        assert len(raw.block_of(data, mime, found)) <= len(data)


_KEYS = ("com.apple.quicktime.make", "com.apple.quicktime.location.iso6709", "creation_time", "location", "encoder",
         "com.apple.quicktime.creationdate", "model", "make", "com.android.version", "date")  # fmt: skip


@target(
    lambda: [
        b"\1+41.3830+002.1766+012.000/", b"\0Invented", b"\0052017-05-04T03:02:01+0200", b"\0022017-05-04T01:02:01.000000Z",
        b"\1+4130-00210CRSWGS_84/\n\0x", b"\3+12.3-045.6/\n\4Lavf58",
    ],
    allowed=(),
    longest=300,
)  # fmt: skip
def films(data: bytes) -> None:
    """What a film's container says of camera, time and place: a key's number and its value in each line."""
    metadata = {
        _KEYS[line[0] % len(_KEYS)]: line[1:].decode("utf-8", "replace")
        for line in data.split(b"\n")
        if line
    }
    heard(video_said.said(metadata, "CO"), FILE)
    created = video_said.created(metadata)
    assert created is None or abs(created) < 1 << 63
    assert isinstance(video_said.encoder(metadata), str)
