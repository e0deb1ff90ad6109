"""Lists of known hashes, which the host itself reads: VICS, CSV, plain lists in any encoding."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator

from amparo.match.entries import WIDTH, Entry, Reading, as_text
from amparo.match.lists import read_text
from amparo.match.vics import read_vics
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
