"""Jobs for cells and what comes back of them."""

from __future__ import annotations

import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from amparo.kit.found import Found
from amparo.kit.plugin import Thumb
from amparo.model import Record
from amparo.sandbox import wire
from amparo.sandbox.wire import Limits, Pins, WireError, pins_of

IN_MEMORY = 16 << 20
"""Bytes of one job's answer kept in memory before they go to a file."""


@dataclass(frozen=True)
class Job:
    """One plugin on one subject."""

    token: str
    """The host's own name for it; no cell sees it."""
    function: str
    """The plugin, ``package.module:name``."""
    opens: str
    """``bytes`` or ``sqlite``."""
    reader: str
    """``package.module:name`` of ``f(fds, locator) -> Source``."""
    locator: str
    open: Callable[[], list[int]]
    """Opens the descriptors read-only; called from the guard's own thread just before they are sent,
    perhaps a second time when the job has to be repeated. The guard closes them."""
    found: Found
    seconds: float
    kinds: frozenset[str] | None = None
    """Kinds of records it may make; None for every observation but exhibits and seals."""
    sink: Callable[[bytes], object] | None = None
    """Takes the ``bytes`` a plugin yields (a layer of packing taken off), in the guard's thread. When
    the job is repeated, ``open`` is called again before the first of them comes again."""


@dataclass
class Outcome:
    """What came of a job: checked records, or why there are none."""

    job: Job
    error: str
    """"" when done, else one line for people."""
    isolation: str
    seconds: float
    thumbs: list[Thumb] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    spool: Spool | None = field(default=None, repr=False)
    unopened: bool = False
    """The host could not open it, so no cell saw it; a later try may go better."""

    def records(self) -> Iterator[Record]:
        """The records in the order the plugin made them; may be gone through more than once."""
        for body in self.spool or ():
            yield from wire.decode_records(body)


class Excess(WireError):
    """A cell answered with more than it may."""


class Spool:
    """Checked frames of one job, in memory and from a size on in a nameless temporary file."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._sizes: list[int] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    def add(self, body: bytes) -> None:
        """Keep one more frame. Raises OSError when the disk is full."""
        self.size += len(body)
        if self._file is None and self.size <= IN_MEMORY:
            self._held.append(body)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="amparo-")  # noqa: SIM115  closed below
            weakref.finalize(self, self._file.close)
        self._file.write(body)
        self._sizes.append(len(body))

    def __iter__(self) -> Iterator[bytes]:
        yield from self._held
        at = 0
        for size in self._sizes:
            assert self._file is not None
            self._file.seek(at)
            yield self._file.read(size)
            at += size


class Answer:
    """The answer of the job in progress, checked frame by frame as it arrives."""

    def __init__(self, job: Job, level: str, limits: Limits) -> None:
        self._job = job
        self._level = level
        self._limits = limits
        self._pins: Pins = pins_of(job.found, job.kinds)
        self._started = time.monotonic()
        self._records = 0
        self._bytes = 0
        self._unpacked = 0
        self._unkept = 0
        self._spool = Spool()
        self._thumbs: list[Thumb] = []
        self._warnings: list[str] = []

    def take(self, form: int, body: bytes) -> None:
        """Check one frame. Raises Excess or WireError, and what the job's sink raises."""
        limits = self._limits
        if form == wire.BYTES and self._job.sink is not None:
            self._unpacked += len(body)
            if self._unpacked > limits.unpacked:
                raise Excess(f"more than {limits.unpacked} bytes of unpacked data")
            self._job.sink(body)
            return
        self._bytes += len(body)
        if self._bytes > limits.bytes:
            raise Excess(f"more than {limits.bytes} bytes")
        if form == wire.RECORDS:
            self._records += wire.check_records(body, self._pins)
            if self._records > limits.records:
                raise Excess(f"more than {limits.records} records")
            self._spool.add(body)
        elif form == wire.THUMB:
            self._thumbs.append(wire.check_thumb(body, self._pins))
            if len(self._thumbs) > limits.thumbs:
                raise Excess(f"more than {limits.thumbs} thumbnails")
        elif form == wire.WARN:
            reason = wire.check_text(body)
            if len(self._warnings) < limits.warnings:
                self._warnings.append(reason)
            else:
                self._unkept += 1
        else:
            raise WireError(f"a frame of type {form}")

    def end(self, error: str) -> Outcome:
        """The outcome; with an error the records are dropped and the warnings kept."""
        if self._unkept:
            self._warnings.append(f"{self._unkept} further warnings were not kept")
        seconds = time.monotonic() - self._started
        outcome = Outcome(self._job, error, self._level, seconds, warnings=self._warnings)
        if not error:
            outcome.thumbs, outcome.spool = self._thumbs, self._spool
        return outcome


def weight(outcome: Outcome) -> int:
    """Bytes of memory an outcome holds, roughly."""
    pixels = sum(len(t.rgb) for t in outcome.thumbs)
    return pixels + (min(outcome.spool.size, IN_MEMORY) if outcome.spool else 0)
