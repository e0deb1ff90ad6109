"""What ``report.xml`` of a UFDR says of the files in the zip: where each lay on the phone, and its hashes.

A UFDR is a zip of flattened folders with a report written by the acquisition tool. The files are read from
the zip as from any other; the report is only a second opinion on them. It is streamed, entities are
refused, and a broken report costs only its names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.parsers import expat

from amparo.evidence import zips
from amparo.evidence.unpack import Budget, Limits, unpacked
from amparo.kit.plugin import Warn

REPORT = b"report.xml"
MOST_FILES = 20_000_000
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Named:
    """One file as the report has it."""

    path: bytes
    """On the phone, with ``/`` between parts and none at the start."""
    deleted: bool
    sha256: str
    md5: str


class Names:
    """Files of the zip by their name in it; ``notes`` say what was wrong with the report."""

    def __init__(self) -> None:
        self.files: dict[bytes, Named] = {}
        self.notes: list[str] = []
        self._begun: dict[str, str] | None = None
        self._items: dict[str, str] = {}
        self._item = ""
        self._text: list[str] = []
        self._is_report = False

    def read(self, chunks: Iterator[bytes]) -> None:
        """Take the report, a block at a time."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = _refuse
        try:
            for chunk in chunks:
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError) as error:
            self.notes.append(f"report.xml is read up to {len(self.files)} files: {error}")
        if not self._is_report:
            self.files.clear()
            self.notes.clear()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "taggedFiles":
            self._is_report = True
        elif name == "file" and self._is_report:
            self._begun, self._items = attributes, {}
        elif name == "item" and self._begun is not None:
            self._item, self._text = attributes.get("name", ""), []

    def _characters(self, text: str) -> None:
        if self._item and sum(map(len, self._text)) < _LONGEST:
            self._text.append(text)

    def _end(self, name: str) -> None:
        if name == "item" and self._item:
            self._items[self._item] = "".join(self._text).strip()
            self._item = ""
        elif name == "file" and self._begun is not None:
            self._keep(self._begun, self._items)
            self._begun = None

    def _keep(self, file: dict[str, str], items: dict[str, str]) -> None:
        local = items.get("Local Path") or file.get("local_path") or file.get("localPath", "")
        path = file.get("path", "")
        if not local or not path:
            return
        if len(self.files) >= MOST_FILES:
            raise ValueError("more files than a report may name")
        key = local.replace("\\", "/").lstrip("/").encode("utf-8", "surrogatepass")
        self.files[key] = Named(
            path.replace("\\", "/").lstrip("/").encode("utf-8", "surrogatepass") or key,
            file.get("deleted", "").lower() == "deleted",
            items.get("SHA256", "").lower(),
            items.get("MD5", "").lower(),
        )


def _refuse(*declaration: object) -> None:
    raise ValueError("it declares entities, which no report needs")


def names(stream: BinaryIO, size: int) -> Names:
    """What the report of a zip says; empty for a zip that is no UFDR or whose directory is gone."""
    out = Names()
    if zips.directory(stream, size) is None:
        return out
    for entry in zips.entries(stream, size):
        if isinstance(entry, Warn) or entry.name.lstrip(b"/") != REPORT or entry.encrypted:
            continue
        try:
            at, _ = zips.data_start(stream, entry)
        except ValueError as error:
            out.notes.append(f"report.xml cannot be read: {error}")
            break
        chunks = unpacked(stream, at, entry.packed, entry.method)
        out.read(Budget(size, Limits()).watch(chunks, entry.packed))
        break
    return out


def disagreements(named: Named, sha256: str, md5: str) -> list[str]:
    """Hashes in the report that do not fit the bytes."""
    pairs = (("SHA-256", named.sha256, sha256), ("MD5", named.md5, md5))
    return [
        f"report.xml states another {name} for it: {stated[:64]}"
        for name, stated, real in pairs
        if stated and stated != real
    ]
