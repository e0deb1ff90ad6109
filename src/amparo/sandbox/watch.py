"""Watches the cells of one run: gives them jobs, checks every frame, finds the guilty file."""

from __future__ import annotations

import array
import contextlib
import math
import os
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from amparo.sandbox import cell as inside
from amparo.sandbox import wire
from amparo.sandbox.confine import check_floor
from amparo.sandbox.job import Answer, Excess, Job, Outcome, weight
from amparo.sandbox.warm import HELLO_SECONDS, GuardError, Warm, level_of
from amparo.sandbox.wire import Limits, WireError

AHEAD = 2
"""Jobs a cell is given at once, so that it need not wait for a busy host."""
WAITING_OUTCOMES = 256
WAITING_BYTES = 64 << 20
"""Outcomes not yet fetched, beyond which the cells are made to wait."""
LEAVE_SECONDS = 10.0
"""For a cell to end by itself after its last job, or to be gone after it was killed."""
LONGEST_JOB = 64 << 10
READ_BYTES = 1 << 20


@dataclass
class _Work:
    """Jobs for one fresh cell. A job that is alone has nobody else to blame."""

    jobs: deque[Job]
    suspect: Outcome | None = None
    """Ended just before its cell died in the one job here; released when that job is found guilty."""


@dataclass
class _Cell:
    """The host's view of one cell. Nothing it sent is believed before it was checked."""

    number: int
    channel: socket.socket
    frames: wire.FrameReader
    work: _Work
    alone: bool
    deadline: float
    level: str = ""
    flight: deque[Job] = field(default_factory=deque)
    """Sent and not ended; the first is in progress."""
    sent: int = 0
    ended: int = 0
    answer: Answer | None = None
    last: Outcome | None = None
    """Of the job that ended last; released when the next one ends or the cell leaves in good order."""
    verdict: str = ""
    closed: bool = False
    status: int | None = None


class Watch:
    """One run over many batches; :meth:`outcomes` is its face to the caller."""

    def __init__(self, warm: Warm, cells: int, limits: Limits, floor: str) -> None:
        self._warm = warm
        self._limit = cells
        self._limits = limits
        self._floor = floor
        self._cells: dict[int, _Cell] = {}
        self._number = 0
        # Shared with the caller, under the condition.
        self._changed = threading.Condition()
        self._todo: deque[_Work] = deque()
        self._ready: deque[Outcome] = deque()
        self._weight = 0
        self._complete = False
        self._stopping = False
        self._over = False
        self._error: BaseException | None = None
        self._selector = selectors.DefaultSelector()
        self._bell, bell = socket.socketpair()
        self._bell.setblocking(False)
        bell.setblocking(False)
        self._ear = bell
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    # --- the caller's thread --------------------------------------------------------------------

    def outcomes(self, batches: Iterable[Sequence[Job]]) -> Iterator[Outcome]:
        """Feed the cells from ``batches`` and give out what comes back."""
        source = iter(batches)
        self._thread.start()
        while True:
            with self._changed:
                self._changed.wait_for(self._something)
                if self._error:
                    raise self._error
                hungry = not self._complete and len(self._todo) < self._limit
                if not hungry:
                    if not self._ready:
                        return
                    outcome = self._ready.popleft()
                    self._weight -= weight(outcome)
                    self._changed.notify_all()
            if not hungry:
                yield outcome
                continue
            batch = next(source, None)
            with self._changed:
                if batch is None:
                    self._complete = True
                elif batch:
                    self._todo.append(_Work(deque(batch)))
            self._ring()

    def _something(self) -> bool:
        hungry = not self._complete and len(self._todo) < self._limit
        return bool(hungry or self._ready or self._error or self._over)

    def stop(self) -> None:
        """End all cells of this run."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.send(b"!")

    # --- the guard's thread ---------------------------------------------------------------------

    def _watch(self) -> None:
        try:
            self._selector.register(self._warm.channel, selectors.EVENT_READ)
            self._selector.register(self._ear, selectors.EVENT_READ)
            while self._go_on():
                self._round()
        except BaseException as e:  # noqa: BLE001  raised again in the caller's thread
            self._error = e
        finally:
            with contextlib.suppress(GuardError):
                self._end_all()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _go_on(self) -> bool:
        """Wait while too much is unfetched; start cells; False when all is done."""
        began = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self._full())
            while self._todo and len(self._cells) < self._limit:
                self._start(self._todo.popleft())
                self._changed.notify_all()
            idle = self._complete and not self._todo and not self._cells
        waited = time.monotonic() - began
        for cell in self._cells.values():
            cell.deadline += waited
        return not (self._stopping or idle)

    def _full(self) -> bool:
        return len(self._ready) >= WAITING_OUTCOMES or self._weight > WAITING_BYTES

    def _start(self, work: _Work) -> None:
        self._number += 1
        seconds = sum(job.seconds for job in work.jobs) + HELLO_SECONDS
        processor = min(math.ceil(seconds), 1 << 30)
        channel = self._warm.cell(self._number, self._limits, processor)
        self._cells[self._number] = cell = _Cell(
            self._number,
            channel,
            wire.FrameReader(self._limits.frame),
            work,
            alone=len(work.jobs) == 1,
            deadline=time.monotonic() + HELLO_SECONDS,
        )
        self._selector.register(channel, selectors.EVENT_READ, cell)

    def _round(self) -> None:
        """Hear everybody who has something to say, then look at the clock."""
        first = min((c.deadline for c in self._cells.values()), default=math.inf)
        wait = None if first == math.inf else max(0.0, first - time.monotonic())
        for key, _ in self._selector.select(wait):
            if key.data is not None:
                self._hear(key.data)
            elif key.fileobj is self._ear:
                with contextlib.suppress(BlockingIOError):
                    self._ear.recv(4096)
            else:
                for number, status in self._warm.ended():
                    if number in self._cells:
                        self._cells[number].status = status
                        self._cells[number].deadline = time.monotonic() + LEAVE_SECONDS
        now = time.monotonic()
        for cell in list(self._cells.values()):
            if cell.closed and cell.status is not None:
                self._conclude(cell)
            elif now >= cell.deadline:
                self._late(cell)

    def _late(self, cell: _Cell) -> None:
        if cell.verdict or cell.status is not None:
            self._conclude(cell)  # killed long ago; the kernel cannot get rid of it
        elif not cell.level:
            raise GuardError(f"a cell did not come up within {HELLO_SECONDS:.0f} s")
        elif cell.closed:
            self._condemn(cell, "closed its channel before its answer was complete")
        elif cell.flight:
            self._condemn(cell, f"took longer than {cell.flight[0].seconds:g} s")
        else:
            self._condemn(cell, "did not end after its answer")

    def _condemn(self, cell: _Cell, verdict: str) -> None:
        """Kill a cell; it is concluded once it is gone."""
        if not cell.verdict:
            cell.verdict = verdict
            cell.deadline = time.monotonic() + LEAVE_SECONDS
            self._warm.kill(cell.number)

    def _hear(self, cell: _Cell) -> None:
        """Read once from a cell and check what is complete."""
        try:
            data = cell.channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            cell.closed = True
            self._selector.unregister(cell.channel)
            if cell.status is None and (cell.flight or not cell.level):
                # Its channel is closed before its time; if it lives, it shall not.
                cell.deadline = min(cell.deadline, time.monotonic() + 5)
            return
        if cell.verdict:
            return
        try:
            for form, body in cell.frames.feed(data):
                self._take(cell, form, body)
                if cell.verdict:
                    return
        except Excess as e:
            self._condemn(cell, f"answered with {e}")
        except WireError as e:
            self._condemn(cell, f"answered with a malformed frame: {e}")

    def _take(self, cell: _Cell, form: int, body: bytes) -> None:
        if not cell.level:
            if form != wire.HELLO:
                raise WireError("no hello")
            cell.level = level_of(body)
            check_floor(cell.level, self._floor)
            self._send(cell)
            self._next(cell)
        elif cell.answer is None:
            raise WireError("a frame while no job is in progress")
        elif form != wire.END:
            cell.answer.take(form, body)
        else:
            status, error = wire.check_end(body, cell.ended)
            if status == wire.MEMORY:
                self._condemn(cell, f"memory limit of {self._limits.memory >> 20} MiB")
                return
            self._release(cell.last)
            cell.last = cell.answer.end(error)
            cell.ended += 1
            cell.flight.popleft()
            self._send(cell)
            self._next(cell)

    def _next(self, cell: _Cell) -> None:
        """Start the clock of the job now in progress, or let the cell go."""
        now = time.monotonic()
        if cell.flight:
            cell.answer = Answer(cell.flight[0], cell.level, self._limits)
            cell.deadline = now + cell.flight[0].seconds
        else:
            cell.answer = None
            cell.deadline = now + LEAVE_SECONDS
            with contextlib.suppress(OSError):
                cell.channel.shutdown(socket.SHUT_WR)

    def _send(self, cell: _Cell) -> None:
        """Keep the cell supplied. A job that cannot be opened ends here and now."""
        while cell.work.jobs and len(cell.flight) < AHEAD:
            job = cell.work.jobs.popleft()
            message = inside.job_message(
                cell.sent, job.function, job.opens, job.reader, job.locator, job.found, job.seconds
            )
            fds: list[int] = []
            try:
                fds = job.open()
                if len(fds) > inside.MAX_DESCRIPTORS or len(message) > LONGEST_JOB:
                    raise OSError(f"{len(fds)} descriptors, {len(message)} bytes to say where")
            except OSError as e:
                name = e.strerror or str(e)
                self._release(
                    Answer(job, cell.level, self._limits).end(f"cannot be opened: {name}")
                )
                continue
            else:
                self._hand_over(cell, job, message, fds)
            finally:
                for fd in fds:
                    os.close(fd)

    def _hand_over(self, cell: _Cell, job: Job, message: bytes, fds: list[int]) -> None:
        cell.flight.append(job)
        cell.sent += 1
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            if cell.channel.sendmsg([message], rights) < len(message):
                self._condemn(cell, "did not take its job")
        except BlockingIOError:
            self._condemn(cell, "did not take its job")
        except OSError:
            pass  # it is dead; its end is heard next

    def _release(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            with self._changed:
                self._ready.append(outcome)
                self._weight += weight(outcome)
                self._changed.notify_all()

    def _again(self, jobs: Iterable[Job], suspect: Outcome | None = None) -> None:
        with self._changed:
            self._todo.appendleft(_Work(deque(jobs), suspect))

    def _conclude(self, cell: _Cell) -> None:
        """A cell is gone: release what is good, find who is to blame, plan the rest."""
        del self._cells[cell.number]
        if not cell.closed:
            self._selector.unregister(cell.channel)
        cell.channel.close()
        suspect, rest = cell.work.suspect, [*cell.flight, *cell.work.jobs]
        if cell.status == 0 and not rest and not cell.verdict:
            self._release(cell.last)
            if suspect is not None:  # the accused is innocent, so the one before it is looked at
                self._again([suspect.job])
            return
        why = cell.verdict or ended_by(cell.status)
        if not cell.level:
            raise GuardError(f"a cell did not come up: {why}")
        if rest[1:]:
            self._again(rest[1:])
        if not rest:
            accused, why = cell.last.job if cell.last else None, f"{why}, after its answer"
        else:
            accused = rest[0]
        if accused is not None and (cell.alone or cell.ended == 0):
            answer = cell.answer or Answer(accused, cell.level, self._limits)
            self._release(answer.end(why))
            self._release(suspect)
        elif accused is not None:
            self._again([accused], cell.last if rest else None)

    def _end_all(self) -> None:
        """Kill what still runs and wait until it is gone."""
        for number in self._cells:
            self._warm.kill(number)
        until = time.monotonic() + LEAVE_SECONDS
        while any(c.status is None for c in self._cells.values()) and time.monotonic() < until:
            with selectors.DefaultSelector() as only:
                only.register(self._warm.channel, selectors.EVENT_READ)
                only.select(0.2)
            for number, status in self._warm.ended():
                if number in self._cells:
                    self._cells[number].status = status
        for cell in self._cells.values():
            cell.channel.close()


def ended_by(status: int | None) -> str:
    """How a cell ended, for people."""
    if status is None:
        return "cell could not be ended"
    if status == -signal.SIGXCPU:
        return "took more processor time than it may"
    if status == -signal.SIGSYS:
        return "cell killed by SIGSYS: a forbidden system call"
    if status < 0:
        try:
            return f"cell killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"cell killed by signal {-status}"
    return f"cell ended with status {status} before its answer was complete"
