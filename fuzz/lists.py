"""Lists of known hashes, which the host itself reads: VICS, CSV, plain lists in any encoding."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from amparo.match.entries import WIDTH, Entry, Reading, as_text
from amparo.match.lists import read_text
from amparo.match.ncmec import read_pages
from amparo.match.rds import looks_like_changes, read_changes, read_rds
from amparo.match.vics import read_vics
from fuzz import mutate
from fuzz.target import target

_MD5, _SHA1 = "9e107d9d372bb6826bd81d3542a419d6", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
_CONTEXT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
_WORDS = (b'"value"', b'"Media"', b'"MD5"', b'"SHA1"', b'"PhotoDNA"', b'"Category"', b'"AlternativeHashes"',
          b'"HashName"', b'"HashValue"', b'"DateUpdated"', b"1e999", b"-0", b"[", b"{", b"}", b"]", b"null",
          b"true", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf")  # fmt: skip


def _sound(read: Callable[[io.BufferedReader, Reading], Iterator[Entry]], data: bytes) -> None:
    reading = Reading()
    for entry in read(as_text(io.BytesIO(data)), reading):
        reading.entries += 1
        assert entry.digests
        for algorithm, digest in entry.digests:
            assert len(digest) == WIDTH[algorithm]
        assert len(entry.stated.code) <= 40
        json.dumps(entry.stated)
    assert reading.updated is None or abs(reading.updated) < 1 << 63
    for line in reading.lines():
        assert len(line) < 1000 and line == " ".join(line.splitlines()), line


def _vics() -> list[bytes]:
    media = {
        "MediaID": 1, "Category": 1, "MD5": _MD5, "SHA1": _SHA1, "VictimIdentified": True,
        "DateUpdated": "2024-01-02T03:04:05Z", "PhotoDNA": "A" * 192, "Exifs": [{"a": [1, 2]}],
        "AlternativeHashes": [{"HashName": "SHA256", "HashValue": "ab" * 32}],
    }  # fmt: skip
    plain = {"@odata.context": _CONTEXT, "value": [media, media | {"Category": None}]}
    case = {
        "odata.metadata": _CONTEXT.replace("2.0", "1.3"),
        "value": [{"CaseID": 1, "Media": [media]}],
    }
    texts = [json.dumps(plain), json.dumps(case)]
    return [texts[0].encode(), texts[1].encode(), texts[0].encode("utf-16")]


@target(_vics, words=_WORDS, longest=8192)
def vics(data: bytes) -> None:
    """A hash set or case of Project VIC."""
    _sound(read_vics, data)


def _tables() -> list[bytes]:
    return [
        f'MD5;SHA1;Category;Victim Identified\n{_MD5};{_SHA1};1;true\n"{_MD5}";;;\n'.encode(),
        f"# a comment\n{_MD5}\n{_SHA1}  name.jpg\n\\{_MD5} *other\n".encode(),
        f"hash,baseline\r\n{_SHA1},1\r\n".encode("utf-16"),
    ]


@target(
    _tables, longest=4096,
    words=(b"MD5", b"SHA-1", b"hash", b"PhotoDNA", b"category", b"baseline", b";", b",", b'"', b"\r", b"\xff\xfe"),
)  # fmt: skip
def tables(data: bytes) -> None:
    """A list or table of hashes."""
    _sound(read_text, data)


@cache
def _folder(process: int) -> Path:
    return Path(tempfile.mkdtemp())


def _written(data: bytes, name: str) -> Path:
    path = _folder(os.getpid()) / name
    path.write_bytes(data)
    return path


_PAGE = (
    '<?xml version="1.0"?><queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">'
    '<images count="2" maxTimestamp="2026-05-01T00:00:00Z"><image><member id="42">Invented</member>'
    "<timestamp>2026-04-01T00:00:00Z</timestamp><id>1</id><classification>A1</classification><fingerprints>"
    f"<md5>{_MD5}</md5><sha1>{_SHA1}</sha1><pdq>x</pdq></fingerprints></image><deletedImage>"
    '<member id="42">Invented</member><id>2</id><timestamp>2026-05-01T00:00:00Z</timestamp></deletedImage>'
    "</images><paging><next></next></paging></queryResult>"
)


@target(
    lambda: [_PAGE.encode(), _PAGE.encode("utf-16")],
    longest=4096,
    words=(b"<image>", b"</image>", b"<deletedImage>", b"<next>", b"<md5>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;",
           b"<![CDATA[", b"&#xD800;", b"maxTimestamp=", b"<id>", b"<timestamp>"),
)  # fmt: skip
def pages(data: bytes) -> None:
    """Pages of a hash-sharing service."""
    reading = Reading()
    for thing in read_pages([_written(data, "1.xml")], reading):
        for algorithm, digest in getattr(thing, "digests", ()):
            assert len(digest) == WIDTH[algorithm]
    assert reading.updated is None or abs(reading.updated) < 1 << 63
    for line in reading.lines():
        assert len(line) < 1000 and line == " ".join(line.splitlines()), line


_SQL = (
    f"BEGIN; INSERT INTO FILE VALUES('{'AB' * 32}','{_SHA1}','{_MD5}','0','it''s; a (x).dll',7,3);"
    f"DELETE FROM FILE WHERE sha256='{'CD' * 32}' AND md5='{_MD5}'; UPDATE FILE SET md5='{_MD5}' WHERE md5='{'0' * 32}';"
    f"INSERT INTO METADATA (md5, sha1) VALUES ('{_MD5}', '{_SHA1}'), ('{_MD5}', NULL); COMMIT;"
)


@target(
    lambda: [_SQL.encode()],
    longest=4096,
    words=(
        b"INSERT INTO FILE",
        b"VALUES",
        b"WHERE",
        b"DELETE FROM ",
        b"UPDATE ",
        b"''",
        b"--",
        b"/*",
        b";",
        b"x'",
        b"NULL",
    ),
)
def changes(data: bytes) -> None:
    """Quarterly changes of the NSRL, written as SQL, of which nothing is run."""
    reading = Reading()
    looks_like_changes(data)
    for thing in read_changes(iter([data[:100], data[100:]]), reading):
        for algorithm, digest in thing.digests:
            assert len(digest) == WIDTH[algorithm]
    reading.lines()


def _rds() -> list[bytes]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(
        "PRAGMA page_size=512; CREATE TABLE FILE(sha256, sha1, md5, crc32, file_name, file_size, package_id);"
        "CREATE TABLE VERSION(version, build_set, build_date, release_date, description);"
        "INSERT INTO VERSION VALUES('2026.03.1','modern','2026-03-01','2026-03-01','invented');"
        f"INSERT INTO FILE VALUES('{'AB' * 32}','{_SHA1}','{_MD5}','0','x.dll',7,3);"
        f"INSERT INTO FILE VALUES('{'CD' * 32}','{_SHA1}',NULL,'0','y.dll',8,3);"
    )
    data: bytes = db.serialize()
    db.close()
    return [data]


@target(
    _rds, longest=8192, mutate=mutate.cells, words=(b"FILE", b"METADATA", b"CREATE VIEW", b"sha256")
)
def nsrl(data: bytes) -> None:
    """A database of the NSRL."""
    reading = Reading()
    for bulk in read_rds(_written(data, "rds.db"), reading):
        for algorithm, digests in bulk.digests:
            assert len(digests) % WIDTH[algorithm] == 0
    reading.lines()
