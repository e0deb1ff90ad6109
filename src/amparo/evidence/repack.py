"""RAR and 7z archives, and what lies under Zstandard or LZ4, by the system's libarchive; runs in a cell.

Members of such an archive can mostly be unpacked only one after the other, so each archive is written out once,
as a zip without compression, whose members are then read in their place like those of any other
(:mod:`amparo.evidence.nested`). One stream under a layer of packing comes out as it is.
libarchive may be absent, which is said.
"""

from __future__ import annotations

import io
import re
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from ctypes.util import find_library
from functools import cache
from itertools import count
from typing import Any, BinaryIO

from amparo.evidence import rar
from amparo.evidence.nested import DEEPEST, INSIDE, LIMITS, MOST
from amparo.evidence.unpack import BLOCK, Budget, TooLarge
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn, opener
from amparo.kit.source import Reader, Source
from amparo.kit.view import View
from amparo.model import Content

FORMS = {
    "application/vnd.rar": "RAR",
    "application/x-7z-compressed": "7z",
    "application/zstd": "Zstandard",
    "application/x-lz4": "LZ4",
}
MISSING = "libarchive is not installed here (Debian: apt install libarchive13)"
_ARCHIVES = {"RAR": ("rar", "rar5"), "7z": ("7zip",)}
_LAYERS = {"Zstandard": "zstd", "LZ4": "lz4"}
MARK = "#unpacked"
"""Stands behind the path of an archive in that of what was written out of it."""
_LONGEST_NAME = 60_000
_SIGNED = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")
_PART = re.compile(r"(.*\.(?:part|7z\.))(\d{1,9})(\.rar|)", re.I | re.S)
_OLD = re.compile(r"(.*\.[r-z])(ar|\d\d)", re.I | re.S)
_NO_TIME = (1980, 0, 0, 0, 0, 0)


@cache
def installed() -> bool:
    """Whether the system has libarchive; the host asks, and never loads it."""
    return find_library("archive") is not None


def stamp(view: View) -> str:
    """Changes when libarchive comes or goes; "" where nothing in the case needs it."""
    needed = next(view.each(Content, mime=list(FORMS)), None) is not None
    return f"libarchive {installed()}" if needed else ""


class Joined(Reader):
    """Volumes of one archive, one behind the other, as libarchive takes them."""

    def __init__(self, volumes: list[Source]) -> None:
        super().__init__(sum(v.size for v in volumes))
        self._volumes = volumes

    def bytes_at(self, at: int, want: int) -> bytes:
        """From the volume that ``at`` lies in."""
        for volume in self._volumes:
            if at < volume.size:
                stream = volume.stream()
                stream.seek(at)
                return stream.read(min(want, volume.size - at))
            at -= volume.size
        return b""


class _Pieces(io.RawIOBase):
    """Takes what the writer of a zip gives, until it is asked for."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self.size += len(data)
        return len(data)

    def taken(self) -> bytes:
        """All of it, once."""
        out = b"".join(self._held)
        self._held, self.size = [], 0
        return out


@opener("packed", version=1, forms=("packed",), seconds=3600)
def repacked(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """What a RAR or 7z archive holds, as a zip, and what lies under Zstandard or LZ4, as it is.

    Files whose names make them further volumes are companions ``0``, ``1``, …; one that says it is an archive
    of its own is opened as one. What is encrypted or damaged is a Warn; what comes out before damage stays.
    Raises ValueError where nothing comes out.
    """
    from amparo.kit import unarchive

    volumes = [source, *(source.companions[k] for k in sorted(source.companions, key=int))]
    heads = [v.stream().read(HEAD) for v in volumes]
    form = FORMS.get(sniff(heads[0], source.size), "")
    if max(len(INSIDE.findall(found.path)), found.path.count(MARK)) >= DEEPEST:
        raise ValueError(f"not opened: found inside {DEEPEST} others already")
    if not unarchive.AVAILABLE:
        raise ValueError(f"{form}: not opened, {MISSING}")
    budget = Budget(sum(v.size for v in volumes), LIMITS)
    if form in _LAYERS:
        yield from _layer(source.stream(), _LAYERS[form], budget, source.size)
    elif form in _ARCHIVES:
        yield from _Zip(form, budget).made(_apart(found.path, volumes, heads))
    else:
        raise ValueError("no archive that libarchive is asked to open")


def volume_of(path: str) -> tuple[str, int]:
    """The archive that a file of this name belongs to, and which of its volumes it is, counted from 1."""
    if (found := _PART.fullmatch(path)) and bool(found[3]) != found[1].endswith("."):
        return f"{found[1]}{found[3]}".casefold(), int(found[2])
    if (found := _OLD.fullmatch(path)) and found[2].isdigit():
        letter = ord(found[1][-1].lower()) - ord("r")
        return f"{found[1][:-1]}rar".casefold(), 100 * letter + int(found[2]) + 2
    return path.casefold(), 1


def _apart(path: str, volumes: list[Source], heads: list[bytes]) -> list[tuple[list[Source], bool]]:
    """Files that make up one archive each, in order, and whether a volume before the first is missing."""
    out: list[tuple[list[Source], bool]] = []
    before = rar.Volume(False)
    for volume, head in zip(volumes, heads, strict=True):
        about = rar.volume(head)
        if out and not head.startswith(_SIGNED):
            out[-1][0].append(volume)  # of a 7z: its volumes go on with anything
        elif out and before.one_of_several and about.one_of_several and not about.first:
            out[-1][0].append(volume)
        else:
            missing = about.later or (not out and about.one_of_several and volume_of(path)[1] > 1)
            out.append(([volume], missing))
        before = about
    return out


def _layer(stream: BinaryIO, name: str, budget: Budget, size: int) -> Iterator[bytes | Warn]:
    from amparo.kit import unarchive

    came = 0
    with unarchive.opened(stream, "raw", filter=name) as archive:
        try:
            if unarchive.next_entry(archive) is not None:
                for piece in budget.watch(unarchive.data_of(archive), size):
                    came += len(piece)
                    yield piece
        except ValueError as error:
            if not came:
                raise
            yield Warn(f"breaks off after {came} bytes: {error}")


class _Zip:
    """Archives written out as one zip without compression."""

    def __init__(self, form: str, budget: Budget) -> None:
        self._form = form
        self._budget = budget
        self._out = _Pieces()
        self._kept = 0

    def made(self, archives: list[tuple[list[Source], bool]]) -> Iterator[bytes | Warn]:
        """The bytes of the zip in blocks, and what was wrong. Raises ValueError where it would be empty."""
        with zipfile.ZipFile(self._out, "w") as into:
            # By its first entry a zip is taken for a program or a document, which this is not.
            into.writestr(zipfile.ZipInfo("./", _NO_TIME), b"")
            for number, (volumes, later) in enumerate(archives):
                if later:
                    yield Warn("a volume that goes before it is missing")
                if number:
                    yield Warn(f"archive {number + 1} under this name is one of its own")
                before = f"archive {number + 1}/" if number else ""
                yield from self._archive(into, volumes, before)
        if not self._kept:
            raise ValueError(f"{self._form}: no file came out of it")
        yield from _blocks(self._out.taken())

    def _archive(
        self, into: zipfile.ZipFile, volumes: list[Source], before: str
    ) -> Iterator[bytes | Warn]:
        from amparo.kit import unarchive

        size = sum(v.size for v in volumes)
        stream = io.BufferedReader(Joined(volumes), 1 << 18)
        local = stream.read(len(rar.SIGNATURE_4)) == rar.SIGNATURE_4
        stated = rar.members(stream, size)
        stream.seek(0)
        with unarchive.opened(stream, *_ARCHIVES[self._form]) as archive:
            for number in count():
                try:
                    entry = unarchive.next_entry(archive)
                except ValueError as error:
                    yield Warn(f"{self._form}: {error}")
                    return
                if entry is None:
                    return
                if self._kept == MOST:
                    yield Warn(f"more than {MOST} files in it: the others are left out")
                    return
                if not entry.isreg or entry.islnk:
                    continue
                name = before + _name(entry)
                says = stated[number] if number < len(stated) else rar.Member(False, None)
                if says.encrypted or unarchive.encrypted(entry):
                    yield Warn(f"{name}: encrypted, and not opened")
                    continue
                try:
                    pieces = self._budget.watch(_checked(unarchive.data_of(archive), says), size)
                    first = next(pieces, b"")
                except TooLarge as error:
                    yield Warn(f"{name}: refused as a bomb: {error}")
                    return
                except ValueError as error:
                    yield Warn(f"{name}: {error}")
                    continue
                if len(name.encode()) > _LONGEST_NAME:
                    name = name.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
                    yield Warn(f"{name[:80]}…: its name was cut to {_LONGEST_NAME} bytes")
                self._kept += 1
                yield from self._member(into, _header(entry, name, local), first, pieces)

    def _member(
        self, into: zipfile.ZipFile, header: zipfile.ZipInfo, first: bytes, rest: Iterator[bytes]
    ) -> Iterator[bytes | Warn]:
        trouble = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two members of one name are two members
            with into.open(header, "w", force_zip64=True) as member:
                member.write(first)
                try:
                    for piece in rest:
                        member.write(piece)
                        if self._out.size >= BLOCK:
                            yield self._out.taken()
                except ValueError as error:
                    trouble = str(error)
        if trouble:
            yield Warn(f"{header.filename}: not whole: {trouble}")
        if self._out.size >= BLOCK:
            yield self._out.taken()


def _checked(pieces: Iterator[bytes], says: rar.Member) -> Iterator[bytes]:
    """The same; ValueError at the end where the archive states another CRC-32."""
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        yield piece
    if says.crc not in (None, crc):
        raise ValueError("its CRC-32 is another")


def _blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), BLOCK):
        yield data[at : at + BLOCK]


def _name(entry: Any) -> str:
    name = entry.pathname
    if isinstance(name, bytes):  # neither in the code its form promises nor in ours
        name = name.decode("utf-8", "replace")
    text = (name or "").replace("\\", "/").replace("\0", "\ufffd").encode("utf-8", "replace")
    return text.decode().rstrip("/") or "unnamed"  # with a stroke at its end it would be a folder


def _header(entry: Any, name: str, local: bool) -> zipfile.ZipInfo:
    """What the zip says of a member; a time without a zone stays one."""
    out = zipfile.ZipInfo(name, _NO_TIME)
    seconds = entry.mtime
    if seconds is None:
        return out
    seconds = int(seconds)
    if local:
        # Made from local time by the C library's zone; undone by the same zone.
        year, *rest = time.localtime(seconds)[:6]
        if 1980 <= year < 2108:
            out.date_time = (year, *rest)  # type: ignore[assignment]  # six numbers
    elif -(1 << 31) <= seconds < 1 << 31:
        stamp = b"\1" + seconds.to_bytes(4, "little", signed=True)
        out.extra = b"UT" + len(stamp).to_bytes(2, "little") + stamp
    return out
