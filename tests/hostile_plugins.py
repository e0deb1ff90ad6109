"""Plugins as an attacker would have them, run only inside cells, and one that is honest."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

from PIL import Image

from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.kit.sqlite import Database
from amparo.model import Account, At, Attachment, Mark, Message, Position, Structure
from amparo.sandbox import cell


def reader(fds: list[int], locator: str) -> Source:
    """One descriptor, or text in the locator."""
    return Source.of_fd(fds[0]) if fds else Source.of_bytes(json.loads(locator).encode())


def message(found: Found, row: int, text: str, /, **more: Any) -> Message:
    """A message in this file."""
    values: dict[str, Any] = {
        "at": found.row("message", row),
        "thread": "t",
        "key": f"K{row}",
        "sender": "s",
        "from_owner": False,
        "sent": 1_700_000_000_000 + row,
        "form": "text",
        "text": text,
    }
    return Message(**(values | more))


def honest(source: Source, found: Found) -> Iterator[Any]:
    """One message for every line."""
    for row, line in enumerate(source.stream()):
        yield message(found, row, line.decode().strip())


def which(source: Source, found: Found) -> Iterator[Any]:
    """The process it runs in, after a while."""
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    yield message(found, os.getpid(), "here")


def picture(source: Source, found: Found) -> Iterator[Any]:
    """A thumbnail of this content."""
    yield Thumb(found.content, 2, 1, b"abcdef")
    yield Position(content=found.content, method="exif", latitude=1.5, longitude=-2.5)


def warns(source: Source, found: Found) -> Iterator[Any]:
    """A record and a warning."""
    yield message(found, 1, "one")
    yield Warn("page 7\x1b[31m is damaged\nbadly")


def many(source: Source, found: Found) -> Iterator[Any]:
    """As many messages as the text says."""
    for row in range(int(source.read())):
        yield message(found, row, "hello there, this is a message of usual length")


def reads_rows(database: Database, found: Found) -> Iterator[Any]:
    """A message for every row."""
    for row, text in database.rows("message", ["text"]):
        yield message(found, row, text)


def decodes(source: Source, found: Found) -> Iterator[Any]:
    """A thumbnail of any picture Pillow can read."""
    with Image.open(source.stream()) as picture:
        small = picture.convert("RGB").resize((8, 8))
    yield Thumb(found.content, 8, 8, small.tobytes())


def unpacks(source: Source, found: Found) -> Iterator[Any]:
    """Bytes out of a packed file."""
    yield b"x" * 300_000
    yield Warn("the rest is damaged")
    yield b"end"


def raises(source: Source, found: Found) -> Iterator[Any]:
    """A record, then bad data."""
    yield message(found, 1, "one")
    raise ValueError("header is\nbroken \u202e" + "x" * 1000)


def exits(source: Source, found: Found) -> Iterator[Any]:
    """Tries to leave."""
    raise SystemExit(0)
    yield


def recurses(source: Source, found: Found) -> Iterator[Any]:
    """Nests without end."""

    def deeper() -> None:
        deeper()

    deeper()
    yield


def loops(source: Source, found: Found) -> Iterator[Any]:
    """Never ends."""
    yield message(found, 1, "one")
    while True:
        time.sleep(0.01)


def eats(source: Source, found: Found) -> Iterator[Any]:
    """Takes memory without end."""
    held = []
    while True:
        held.append(bytearray(16 << 20))
    yield held


def aborts(source: Source, found: Found) -> Iterator[Any]:
    """Aborts."""
    yield message(found, 1, "one")
    os.abort()


def segfaults(source: Source, found: Found) -> Iterator[Any]:
    """Reads where nothing is."""
    yield message(found, 1, "one")
    ctypes.string_at(8)


def leaves(source: Source, found: Found) -> Iterator[Any]:
    """Ends the process as if all were well."""
    yield message(found, 1, "one")
    os._exit(0)


def late(source: Source, found: Found) -> Iterator[Any]:
    """Ends well, and kills the cell in whatever comes next."""
    yield message(found, 1, "late")
    receive = cell._receive

    def trap(channel: socket.socket) -> None:
        receive(channel)
        os.abort()

    cell._receive = trap  # type: ignore[assignment]


def tries(source: Source, found: Found) -> Iterator[Any]:
    """Tries everything a cell may not do; a warning for whatever worked."""
    other = json.loads(source.read())  # names of other files
    libc = ctypes.CDLL(None, use_errno=True)

    def attempt(name: str, act: Any) -> Iterator[Any]:
        try:
            act()
        except (OSError, RuntimeError, ImportError):
            return
        yield Warn(f"could {name}")

    def must(result: int) -> None:
        if result < 0:
            raise OSError(ctypes.get_errno(), "denied")

    fd = 3
    while not stat.S_ISREG(os.fstat(fd).st_mode):
        fd += 1
    yield from attempt("make a TCP socket", lambda: socket.socket(socket.AF_INET))
    yield from attempt("make a local socket", lambda: socket.socket(socket.AF_UNIX))
    yield from attempt("open another file", lambda: os.open(other["file"], os.O_RDONLY))
    yield from attempt("open itself again", lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
    yield from attempt("write a file", lambda: os.open(other["new"], os.O_WRONLY | os.O_CREAT))
    yield from attempt("write the evidence", lambda: os.pwrite(fd, b"x", 0))
    yield from attempt("change the evidence's mode", lambda: os.fchmod(fd, 0o777))
    yield from attempt("change the evidence's times", lambda: os.utime(fd, (1, 1)))
    yield from attempt("list a folder", lambda: os.listdir("/"))
    yield from attempt("see another file", lambda: os.stat(other["file"]))
    yield from attempt("remove a file", lambda: os.unlink(other["file"]))
    yield from attempt("make a folder", lambda: os.mkdir(other["new"]))
    yield from attempt("fork", os.fork)
    yield from attempt("start a thread", threading.Thread(target=time.sleep).start)
    yield from attempt("signal its parent", lambda: os.kill(os.getppid(), 0))
    yield from attempt("signal everybody", lambda: os.kill(-1, 0))
    yield from attempt("map code", lambda: must(libc.mprotect(ctypes.c_void_p(0), 0, 4)))
    yield from attempt("raise its limits", lambda: must(libc.setrlimit(9, bytes(16))))
    yield from attempt("make a memory file", lambda: os.memfd_create("x"))
    yield from attempt("make a pipe", os.pipe)
    if os.environ or "AMPARO_SECRET" in os.environ:
        yield Warn("could read the environment")
    yield message(found, 1, ",".join(map(str, _descriptors())))


def _descriptors() -> list[int]:
    held = []
    for fd in range(256):
        try:
            os.fstat(fd)
        except OSError:
            continue
        held.append(fd)
    return held


def executes(source: Source, found: Found) -> Iterator[Any]:
    """Starts a program."""
    os.execv("/bin/sh", ["sh", "-c", "true"])
    yield


def traces(source: Source, found: Found) -> Iterator[Any]:
    """Lays hands on another process."""
    ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)
    yield


def _send(data: bytes) -> None:
    for fd in _descriptors():
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.write(fd, data)


def garbage(source: Source, found: Found) -> Iterator[Any]:
    """Noise on the channel."""
    _send(b"\xff\xfe\xfd\xfc\xfb" * 100)
    time.sleep(60)
    yield


def half(source: Source, found: Found) -> Iterator[Any]:
    """A frame that never ends."""
    _send(struct.pack(">IB", 1 << 20, ord("R")) + b"x" * 100)
    time.sleep(60)
    yield


def hangs_up(source: Source, found: Found) -> Iterator[Any]:
    """Closes its channel and goes on."""
    os.close(3)
    time.sleep(60)
    yield


def forges_end(source: Source, found: Found) -> Iterator[Any]:
    """Ends jobs that were never given to it."""
    end = b"\x93\x05\xa4done\xa0"
    _send(struct.pack(">IB", len(end) + 1, ord("E")) + end)
    time.sleep(60)
    yield


def lies(source: Source, found: Found) -> Iterator[Any]:
    """One wrong record, chosen by the text."""
    place = found.row("message", 1)
    base = message(found, 1, "x")
    match source.read().decode():
        case "exhibit":
            yield message(found, 1, "x", at=At("other", found.file, "message", 1))
        case "file":
            yield message(found, 1, "x", at=At(found.exhibit, "other", "message", 1))
        case "bool":
            yield message(found, 1, "x", from_owner=1)
        case "int":
            yield message(found, True, "x", sent=True)
        case "none":
            yield message(found, 1, "x", text=None)
        case "number":
            yield message(found, 1, "x", sent=1 << 63)
        case "place":
            yield message(found, 1, "x", at=("a", "b"))
        case "row":
            yield message(found, 1, "x", at=At(found.exhibit, found.file, "message", 1 << 63))
        case "bytes":
            yield message(found, 1, "x", text=b"x")
        case "tuple":
            yield Structure(content="c", format="sqlite", names=("a", 5))  # type: ignore[arg-type]
        case "nan":
            yield Position(content="c", method="exif", latitude=float("nan"), longitude=0.0)
        case "mark":
            yield Mark(subject="s", form="category", performer="p", time=1)
        case "thumb":
            yield Thumb("another", 1, 1, b"abc")
        case "thumb size":
            yield Thumb(found.content, 1000, 1000, b"abc")
        case "thumb large":
            yield Thumb(found.content, 5000, 1, b"a" * 15000)
        case "thing":
            yield {"kind": "message"}
        case "map":
            yield message(found, 1, "x", text={"a": 1})
        case _:
            yield Attachment(at=place, message=base.id, content="any")


def oversize(source: Source, found: Found) -> Iterator[Any]:
    """A text longer than the wire takes, between two others; a lone surrogate."""
    yield message(found, 1, "one")
    yield message(found, 2, "x" * (2 << 20))
    yield message(found, 3, "\ud83d three")
    yield Account(service="whatsapp", handle="a@b", form="other")


def opens_twice(source: Source, found: Found) -> Iterator[Any]:
    """How many descriptors the cell holds while it does this job."""
    yield message(found, len(_descriptors()), source.read().decode())
