"""True types come from content."""

import io
import struct
import zipfile

import pytest

from amparo.kit.mime import HEAD, sniff


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    body = brand + b"\0\0\0\0" + b"".join(compatible)
    return struct.pack(">L", len(body) + 8) + b"ftyp" + body + bytes(20)


def office(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr(name, "x")
    return out.getvalue()


KNOWN = {
    "image/jpeg": [b"\xff\xd8\xff\xe0JFIF"],
    "image/png": [b"\x89PNG\r\n\x1a\n...."],
    "image/webp": [b"RIFF\0\0\0\0WEBPVP8 "],
    "image/gif": [b"GIF89a...", b"GIF87a..."],
    "image/bmp": [b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + bytes(20)],
    "image/tiff": [b"II\x2a\0....", b"MM\0\x2a....", b"MM\0\x2b...."],
    "image/heic": [ftyp(b"heic", b"mif1"), ftyp(b"mif1", b"mif1", b"heic")],
    "image/heif": [ftyp(b"mif1", b"miaf")],
    "image/avif": [ftyp(b"avif"), ftyp(b"mif1", b"avif")],
    "image/jxl": [b"\xff\x0a....", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "image/svg+xml": [b'<svg xmlns="x">', b'<?xml version="1.0"?>\n<svg>'],
    "video/mp4": [ftyp(b"isom"), ftyp(b"mp42"), ftyp(b"M4V ")],
    "video/quicktime": [ftyp(b"qt  "), b"\0\0\0\x08wide\0\0\0\0mdat"],
    "video/3gpp": [ftyp(b"3gp4")],
    "video/x-msvideo": [b"RIFF\0\0\0\0AVI LIST"],
    "video/x-matroska": [b"\x1a\x45\xdf\xa3\x01\0\x42\x82\x88matroska"],
    "video/webm": [b"\x1a\x45\xdf\xa3\x01\0\x42\x82\x84webm"],
    "video/x-flv": [b"FLV\x01\x05"],
    "video/x-ms-wmv": [bytes.fromhex("3026b2758e66cf11") + bytes(8)],
    "audio/amr": [b"#!AMR\n<"],
    "audio/opus": [b"OggS" + bytes(24) + b"OpusHead"],
    "audio/ogg": [b"OggS" + bytes(24) + b"\x01vorbis"],
    "audio/aac": [b"\xff\xf1\x50\x80\x02\x1f\xfc"],
    "audio/mpeg": [b"ID3\x04", b"\xff\xfb\x90\x64"],
    "audio/mp4": [ftyp(b"M4A ")],
    "audio/wav": [b"RIFF\0\0\0\0WAVEfmt "],
    "audio/flac": [b"fLaC\0"],
    "application/pdf": [b"%PDF-1.4", b"junk\n%PDF-1.4"],
    "application/zip": [b"PK\x03\x04" + bytes(40), b"PK\x05\x06" + bytes(18)],
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": [
        office("word/document.xml")
    ],
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": [
        office("xl/workbook.xml")
    ],
    "application/vnd.sqlite3": [b"SQLite format 3\0" + bytes(84)],
    "application/gzip": [b"\x1f\x8b\x08\0"],
    "application/x-tar": [bytes(257) + b"ustar\x0000" + bytes(300)],
    "application/x-7z-compressed": [b"7z\xbc\xaf\x27\x1c"],
    "application/vnd.rar": [b"Rar!\x1a\x07\x01\0"],
    "application/xml": [b"<?xml version='1.0'?><plist/>", b"\xef\xbb\xbf<?xml?><a/>"],
    "text/html": [b"<!DOCTYPE html><p>", b"  <HTML>"],
    "application/json": [b'{"a": 1}', b"[1, 2]", b' [ {"x": 2}]', b"{}", b"[true, false]"],
    "application/x-bplist": [b"bplist00\xd1"],
    "text/vcard": [b"BEGIN:VCARD\r\n"],
    "text/plain": [
        b"hello",
        "ñandú".encode(),
        "ñandú".encode("utf-16"),
        "hello there".encode("utf-16-le"),
        "The caf\xe9 is closed on Mondays and Tuesdays.".encode("latin-1"),
        b"[01/02/17, 10:11:12] Ana: hola",
        b"[10.05.17, 12:00:00] Ana: hola",
        b"[section]\nkey=value",
        b"{not json}",
    ],
    "inode/x-empty": [b""],
    "application/octet-stream": [bytes(64), b"\x93\x01\x02\x03\x04" * 20, b"\xff\xff\xff\xff"],
}


@pytest.mark.parametrize("mime", KNOWN)
def test_types_are_told_by_content(mime: str) -> None:
    for data in KNOWN[mime]:
        assert sniff(data, len(data)) == mime, data


def test_a_letter_cut_at_the_end_of_the_head_is_still_text() -> None:
    data = b"x" + "ñ".encode() * HEAD
    assert sniff(data[:HEAD], len(data)) == "text/plain"


def test_any_prefix_of_anything_has_some_type() -> None:
    for samples in KNOWN.values():
        for data in samples:
            for end in range(min(len(data), 80)):
                assert "/" in sniff(data[:end], len(data))
