"""The true type of bytes by their content, never by a file's name.

Only comparisons of leading bytes: nothing is parsed, so the host may ask it too. Signatures are from the
formats' own specifications (ISO/IEC 14496-12 brands, RFC 9110 names, the SQLite file format page).
"""

from __future__ import annotations

import re

HEAD = 16384
"""How many leading bytes :func:`sniff` looks at."""

EMPTY = "inode/x-empty"
UNKNOWN = "application/octet-stream"
SQLITE = "application/vnd.sqlite3"

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"SQLite format 3\x00", SQLITE),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II\x2a\x00\x10\x00\x00\x00CR", "image/x-canon-cr2"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "image/x-canon-crw"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\x00", "image/x-panasonic-rw2"),
    (b"\x00MRM", "image/x-minolta-mrw"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"II\x2a\x00", "image/tiff"),
    (b"MM\x00\x2a", "image/tiff"),
    (b"II\x2b\x00", "image/tiff"),
    (b"MM\x00\x2b", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"ADIF", "audio/aac"),
    (b"caff", "audio/x-caf"),
    (b"MThd", "audio/midi"),
    (b"bplist0", "application/x-bplist"),
    (b"\x37\x7f\x06\x82", "application/x-sqlite3-wal"),
    (b"\x37\x7f\x06\x83", "application/x-sqlite3-wal"),
    (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", "application/x-sqlite3-journal"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x04\x22\x4d\x18", "application/x-lz4"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"ANDROID BACKUP\n", "application/x-android-backup"),
    (b"EVF\x09\x0d\x0a\xff\x00", "application/x-ewf"),
    (b"\x7fELF", "application/x-elf"),
    (b"dex\n", "application/x-dex"),
    (b"\x00\x01\x00\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"!BDN", "application/vnd.ms-outlook-pst"),
)

_BY_FIRST: dict[bytes, list[tuple[bytes, str]]] = {}
for _prefix, _mime in _PREFIXES:
    _BY_FIRST.setdefault(_prefix[:1], []).append((_prefix, _mime))

_HEVC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_BRANDS = {
    **dict.fromkeys(_HEVC, "image/heic"),
    b"mif1": "image/heif",
    b"mif2": "image/heif",
    b"msf1": "image/heif",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"jxl ": "image/jxl",
}

_OFFICE = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
    (b"classes.dex", "application/vnd.android.package-archive"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
)

_TEXT_BYTES = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x7F)) | set(range(0x80, 0x100)))
_JSON = re.compile(
    rb'\s*(?:\{\s*(?:"|\})|\[\s*(?:["{\[\]]|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*[,\]]|(?:true|false|null)\s*[,\]]))'
)


def sniff(head: bytes, size: int) -> str:
    """The MIME type that ``head`` (the first :data:`HEAD` bytes of ``size``) shows.

    ``inode/x-empty`` for no bytes, ``application/octet-stream`` where nothing is known.
    """
    if not size:
        return EMPTY
    for prefix, mime in _BY_FIRST.get(head[:1], ()):
        if head.startswith(prefix):
            return mime
    return _box(head) or _chunk(head, size) or _sound(head) or _text(head[:HEAD], size) or UNKNOWN


def _box(head: bytes) -> str:
    """ISO base media files (MP4, MOV, 3GP, HEIC, AVIF) by their brands, and old QuickTime."""
    kind = head[4:8]
    if kind == b"ftyp":
        length = int.from_bytes(head[:4])
        brand = head[8:12]
        others = head[16 : min(max(length, 16), 256)]
        compatible = [others[i : i + 4] for i in range(0, len(others) - 3, 4)]
        if brand in (b"mif1", b"mif2", b"msf1"):
            for other in compatible:
                if other in _HEVC or other in (b"avif", b"avis"):
                    return _BRANDS[other]
        if brand[:3] == b"3g2":
            return "video/3gpp2"
        if brand[:2] == b"3g":
            return "video/3gpp"
        return _BRANDS.get(brand, "video/mp4")
    if kind in (b"moov", b"mdat", b"wide", b"pnot") and head[:4] != b"\0\0\0\0":
        return "video/quicktime"
    return ""


def _chunk(head: bytes, size: int) -> str:
    """Containers whose kind stands a little further in: RIFF, Ogg, Matroska, ZIP, tar, PDF, BMP."""
    if head[:4] == b"RIFF":
        kinds = {b"WEBP": "image/webp", b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav"}
        return kinds.get(head[8:12], "")
    if head[:4] == b"OggS":
        if b"OpusHead" in head[:64]:
            return "audio/opus"
        films = (b"theora", b"OVP80", b"BBCD")
        return "video/ogg" if any(f in head[:64] for f in films) else "audio/ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _zip(head)
    if head[257:262] == b"ustar" or _old_tar(head, size):
        return "application/x-tar"
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head[:2] == b"BM" and len(head) >= 26 and head[6:10] == b"\0\0\0\0":
        if int.from_bytes(head[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124):
            return "image/bmp"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "video/mp2t"
    return ""


def _zip(head: bytes) -> str:
    if head[30:38] == b"mimetype":
        start = 38 + int.from_bytes(head[28:30], "little")
        length = int.from_bytes(head[22:26], "little")
        named = head[start : start + length]
        if 0 < length < 100 and re.fullmatch(rb"[a-z]+/[a-z0-9.+-]+", named):
            return named.decode("ascii")
    if head[30:49] in (b"[Content_Types].xml",) or head[30:36] == b"_rels/":
        for mark, mime in _OFFICE[:3]:
            if mark in head:
                return mime
    for mark, mime in _OFFICE[3:]:
        if head[30 : 30 + len(mark)] == mark:
            return mime
    return "application/zip"


def _old_tar(head: bytes, size: int) -> bool:
    """A tar of before 1988 has no magic: its header's checksum must add up."""
    if size < 1024 or len(head) < 512 or not head[0]:
        return False
    stated = head[148:156].strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,7}", stated):
        return False
    return int(stated, 8) == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _sound(head: bytes) -> str:
    """MPEG audio frames without a tag: sync, a layer, a bit rate and a sampling rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13:
        return "audio/aac"
    bitrate, sampling = head[2] >> 4, head[2] >> 2 & 3
    if version != 1 and layer and bitrate not in (0, 15) and sampling != 3:
        return "audio/mpeg"
    return ""


def _text(head: bytes, size: int) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "text/plain"
    body = head.removeprefix(b"\xef\xbb\xbf")
    if body.translate(None, _TEXT_BYTES):
        return "text/plain" if _utf16(head) else ""
    if not _utf8(body, cut=size > len(head)) and not _latin(body):
        return ""
    start = body[:1024].lstrip()
    lower = start[:256].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    if lower.startswith(b"<svg") or (lower.startswith(b"<?xml") and b"<svg" in body[:1024]):
        return "image/svg+xml"
    if lower.startswith(b"<?xml") or lower.startswith(b"<!doctype"):
        return "text/html" if b"<html" in body[:1024].lower() else "application/xml"
    if _JSON.match(body[:1024]):
        return "application/json"
    if lower.startswith(b"begin:vcard"):
        return "text/vcard"
    if lower.startswith(b"begin:vcalendar"):
        return "text/calendar"
    return "text/plain"


def _utf8(body: bytes, cut: bool) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return cut and error.start >= len(body) - 3 and "end of data" in error.reason
    return True


def _utf16(head: bytes) -> bool:
    """Text of mostly Latin letters in UTF-16 without a mark: every other byte is nought."""
    even, odd = head[0::2], head[1::2]
    if len(odd) < 4:
        return False
    for zeros, letters in ((even, odd), (odd, even)):
        if zeros.count(0) > 0.9 * len(zeros) and not letters.translate(None, _TEXT_BYTES):
            return True
    return False


def _latin(body: bytes) -> bool:
    """Text of an eight-bit code page: long enough, and seven in ten bytes are plain ASCII."""
    return len(body) >= 32 and sum(b < 0x80 for b in body) >= 0.7 * len(body)
