"""Calls a plugin as a cell does and hears its answer as the host does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from amparo.kit.found import Found
from amparo.model import Record
from amparo.sandbox.cell import _Answer
from amparo.sandbox.job import Answer, Job
from amparo.sandbox.wire import FrameReader, Limits

FILE = Found("EX", "0f1e2d3c-0000-5000-8000-00000000000a", "databases/msgstore.db", "CO")
WHOLE = Found("EX", "", "1", "", "", "zip")
LIMITS = Limits()


class Channel:
    """Takes what the inside of a cell sends and lets the host's side check it at once."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._frames = FrameReader(LIMITS.frame)

    def sendall(self, data: bytes) -> None:
        """One frame."""
        for form, body in self._frames.feed(data):
            self._answer.take(form, body)


def heard(
    things: Iterable[Any], found: Found, sink: Callable[[bytes], object] | None = None
) -> list[Record]:
    """The records of a plugin after they have crossed the wire.

    Raises what the plugin raises, and WireError where the host would end the cell for its answer.
    """
    job = Job("t", "", "bytes", "", "", list, found, 1.0, None, sink)
    answer = Answer(job, "fuzz", LIMITS)
    inside = _Answer(Channel(answer), LIMITS)  # type: ignore[arg-type]  # all it needs is sendall
    inside.take(iter(things))
    return list(answer.end("").records())


def quiet(_: bytes) -> None:
    """Takes unpacked bytes and forgets them."""


@contextmanager
def descriptor(*pieces: bytes) -> Iterator[list[int]]:
    """Bytes as files in memory, opened for reading."""
    fds: list[int] = []
    try:
        for data in pieces:
            fd = os.memfd_create("fuzz")
            fds.append(fd)
            os.write(fd, data)
        yield fds
    finally:
        for fd in fds:
            os.close(fd)
