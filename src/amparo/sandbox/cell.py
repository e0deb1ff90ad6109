"""The cell: runs plugins on hostile bytes, locked in, and answers in frames.

It has one channel and the descriptors of the job at hand, nothing else. Jobs come one after another;
whatever goes wrong in one of them is one line in its end frame.
"""

from __future__ import annotations

import array
import contextlib
import gc
import hashlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import msgpack

from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn, load
from amparo.kit.source import Source
from amparo.model import Record
from amparo.sandbox import wire
from amparo.sandbox.wire import Limits

FLUSH_BYTES = 128 << 10
"""Of records in one frame."""
HELD_BYTES = 256 << 10
"""Of frames from which on they are sent, though the job goes on."""
AT_ONCE = 250
"""Descriptors in one message; Linux passes at most 253."""
MAX_DESCRIPTORS = 4000
"""Descriptors of one job: an image in as many segments."""


def job_message(
    number: int, function: str, opens: str, reader: str, locator: str, found: Found, seconds: float
) -> bytes:
    """A job as the host sends it, together with its descriptors."""
    where = [found.exhibit, found.file, found.path, found.content, found.sha256, found.form]
    return wire.small_frame(
        wire.JOB, number, function, opens, reader, locator, where, float(seconds)
    )


def work(channel: socket.socket, limits: Limits) -> None:
    """Do jobs until the host sends no more."""
    while (message := _receive(channel)) is not None:
        body, fds = message
        number, function, opens, reader, locator, found, seconds = msgpack.unpackb(body)
        answer = _Answer(channel, limits)
        source: Source | None = None
        status, error = wire.DONE, ""
        try:
            opened: Any = load(reader)
            source = opened(fds, locator)
            _read(function, opens, source, Found(*found), seconds, answer)
        except MemoryError:
            status = wire.MEMORY
            answer = _Answer(channel, limits)  # what was held takes memory
        except BaseException as e:  # noqa: BLE001  whatever a plugin does ends one job, not the cell
            status, error = wire.FAILED, _line(e)
            e.__traceback__ = None
        del source
        # Destructors are part of the job that made them necessary.
        gc.collect()
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        answer.end(number, status, error)


def _read(
    function: str, opens: str, source: Any, found: Found, seconds: float, answer: _Answer
) -> None:
    """Run the plugin over what the reader opened and send what it yields."""
    plugin = load(function)
    if found.file and found.sha256:
        _unchanged(source, found.sha256)
    if opens != "sqlite":
        answer.take(plugin(source, found))
        return
    from amparo.kit.sqlite import Database

    answer.take(plugin(Database(source, seconds), found))


def _unchanged(source: Source, sha256: str) -> None:
    """Raises ValueError when a file is not the one intake hashed: its rows would be said of another."""
    digest, stream = hashlib.sha256(), source.stream()
    while block := stream.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != sha256:
        raise ValueError("changed since intake: its SHA-256 is another")


class _Answer:
    """Collects what a plugin yields into frames, and small frames into one message: each wakes the host."""

    def __init__(self, channel: socket.socket, limits: Limits) -> None:
        self._channel = channel
        self._room = limits.frame - 16
        self._full = min(FLUSH_BYTES, self._room)
        self._rows: list[bytes] = []
        self._size = 0
        self._frames: list[bytes] = []
        self._held = 0

    def take(self, things: Iterator[Any]) -> None:
        """Send everything a plugin yields."""
        encode = wire.encode_record
        for thing in things:
            if isinstance(thing, Record):
                row = encode(thing)
                if self._size + len(row) > self._full:
                    self._flush()
                    if len(row) > min(self._room, wire.MAX_STRING) and self._leaves_out(thing, row):
                        continue
                self._rows.append(row)
                self._size += len(row)
            elif isinstance(thing, Thumb):
                values = (thing.content, thing.width, thing.height, thing.rgb)
                self._hold(wire.small_frame(wire.THUMB, *values))
            elif isinstance(thing, Warn):
                self._warn(thing.reason)
            elif isinstance(thing, bytes):
                for at in range(0, len(thing), self._full):
                    self._hold(wire.frame(wire.BYTES, thing[at : at + self._full]))
            else:
                raise TypeError(f"the plugin yielded a {type(thing).__name__}")
        self._flush()

    def _warn(self, reason: str) -> None:
        text = wire.one_line(reason.encode("utf-8", "backslashreplace").decode())
        self._hold(wire.small_frame(wire.WARN, text))
        self._send()  # it stands even if the cell dies of what comes next

    def _leaves_out(self, record: Record, row: bytes) -> bool:
        """Whether a record is too large for the wire; one planted text shall not cost the file."""
        what = wire.too_long(record)
        if not what and len(row) > self._room:
            what = f"{record.KIND} of {len(row)} bytes"
        if what:
            at = getattr(record, "at", None)
            where = f" in {at.table} {at.row}" if at is not None else ""
            self._warn(f"left out: {what}{where}")
        return bool(what)

    def _flush(self) -> None:
        if self._rows:
            self._hold(wire.records_frame(self._rows))
            self._rows.clear()
            self._size = 0

    def _hold(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._held += len(frame)
        if self._held >= HELD_BYTES:
            self._send()

    def _send(self) -> None:
        self._channel.sendall(b"".join(self._frames))
        self._frames.clear()
        self._held = 0

    def end(self, number: int, status: str, error: str) -> None:
        """Say that the job has ended."""
        self._hold(wire.small_frame(wire.END, number, status, error))
        self._send()


def _line(error: BaseException) -> str:
    """``TypeName: message`` in one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  an exception of a plugin may not even print
        text = ""
    text = f"{type(error).__name__}: {text.strip()[:1000]}".removesuffix(": ")
    return wire.one_line(text.encode("utf-8", "backslashreplace").decode())


def _receive(channel: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next job and its descriptors; None when the host has no more."""
    fds = array.array("i")
    head = _take(channel, wire.HEAD.size, fds)
    if len(head) < wire.HEAD.size:
        return None
    length = wire.HEAD.unpack(head)[0] - 1
    body = _take(channel, length, fds)
    return (body, fds.tolist()) if len(body) == length else None


def _take(channel: socket.socket, size: int, fds: array.array[int]) -> bytes:
    """So many bytes, fewer at the end; descriptors come with the first bytes of a job, some with each."""
    space, out = socket.CMSG_SPACE(AT_ONCE * 4), b""
    while len(out) < size:
        piece, extra, _, _ = channel.recvmsg(size - len(out), space)
        for level, form, data in extra:
            if level == socket.SOL_SOCKET and form == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if not piece:
            break
        out += piece
    return out
