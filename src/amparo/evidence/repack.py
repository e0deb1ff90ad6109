"""RAR and 7z archives, and what lies under Zstandard or LZ4, by the system's libarchive; runs in a cell.

Members of such an archive can mostly be unpacked only one after the other, so each archive is written out once,
as a zip without compression, whose members are then read in their place like those of any other
(:mod:`amparo.evidence.nested`). One stream under a layer of packing comes out as it is.
libarchive may be absent, which is said.
"""

from __future__ import annotations

import io
import time
import warnings
import zipfile
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
_RAR4 = b"Rar!\x1a\x07\0"


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

    Further volumes of the archive are companions, in their order. What is encrypted or damaged is a Warn;
    what comes out before damage stays. Raises ValueError where nothing comes out.
    """
    from amparo.kit import unarchive

    form = FORMS.get(sniff(source.stream().read(HEAD), source.size), "")
    if len(INSIDE.findall(found.path)) >= DEEPEST:
        raise ValueError(f"not opened: found inside {DEEPEST} others already")
    if not unarchive.AVAILABLE:
        raise ValueError(f"{form}: not opened, {MISSING}")
    volumes = [source, *(source.companions[k] for k in sorted(source.companions))]
    whole = io.BufferedReader(Joined(volumes), 1 << 18)
    size = sum(v.size for v in volumes)
    budget = Budget(size, LIMITS)
    if form in _LAYERS:
        yield from _layer(whole, _LAYERS[form], budget, size)
    elif form in _ARCHIVES:
        yield from _archive(whole, form, budget, size)
    else:
        raise ValueError("no archive that libarchive is asked to open")


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


def _archive(stream: BinaryIO, form: str, budget: Budget, size: int) -> Iterator[bytes | Warn]:
    from amparo.kit import unarchive

    head = stream.read(len(rar.SIGNATURE))
    local = head.startswith(_RAR4)
    locked = rar.encrypted_members(stream, size) if head == rar.SIGNATURE else set()
    stream.seek(0)
    out = _Pieces()
    kept = 0
    with unarchive.opened(stream, *_ARCHIVES[form]) as archive:
        with zipfile.ZipFile(out, "w") as made:
            for number in count():
                try:
                    entry = unarchive.next_entry(archive)
                except ValueError as error:
                    yield Warn(f"{form}: {error}")
                    break
                if entry is None:
                    break
                if kept == MOST:
                    yield Warn(f"more than {MOST} files in it: the others are left out")
                    break
                if not entry.isreg or entry.islnk:
                    continue
                name = _name(entry)
                if number in locked or unarchive.encrypted(entry):
                    yield Warn(f"{name}: encrypted, and not opened")
                    continue
                try:
                    first = next(pieces := budget.watch(unarchive.data_of(archive), size), b"")
                except TooLarge as error:
                    yield Warn(f"{name}: refused as a bomb: {error}")
                    break
                except ValueError as error:
                    yield Warn(f"{name}: {error}")
                    continue
                kept += 1
                trouble = ""
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # two members of one name are two members
                    with made.open(_header(entry, name, local), "w", force_zip64=True) as into:
                        into.write(first)
                        try:
                            for piece in pieces:
                                into.write(piece)
                                if out.size >= BLOCK:
                                    yield out.taken()
                        except ValueError as error:
                            trouble = str(error)
                if trouble:
                    yield Warn(f"{name}: not whole: {trouble}")
                if out.size >= BLOCK:
                    yield out.taken()
        if not kept:
            raise ValueError(f"{form}: no file came out of it")
        yield from _blocks(out.taken())


def _blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), BLOCK):
        yield data[at : at + BLOCK]


def _name(entry: Any) -> str:
    name = entry.pathname
    if isinstance(name, bytes):  # neither in the code its form promises nor in ours
        name = name.decode("utf-8", "replace")
    return (name or "unnamed").replace("\\", "/").replace("\0", "\ufffd")


def _header(entry: Any, name: str, local: bool) -> zipfile.ZipInfo:
    """What the zip says of a member; a time without a zone stays one."""
    out = zipfile.ZipInfo(name.encode("utf-8", "replace").decode(), (1980, 0, 0, 0, 0, 0))
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
