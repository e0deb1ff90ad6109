"""One cell as the host sees it: what it was given, what it said, how long it may still take."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable

from amparo.sandbox import cell as inside
from amparo.sandbox import wire
from amparo.sandbox.confine import check_floor
from amparo.sandbox.exchange import Work
from amparo.sandbox.job import Answer, Excess, Job, Outcome
from amparo.sandbox.warm import HELLO_SECONDS, GuardError, Warm, level_of
from amparo.sandbox.wire import Limits, WireError

AHEAD = 2
"""Jobs a cell is given at once, so that it need not wait for a busy host."""
LEAVE_SECONDS = 10.0
"""For a cell to end by itself after its last job, or to be gone after it was killed."""
CLOSED_SECONDS = 2.0
"""For a cell whose channel is closed to be heard of as dead."""
LONGEST_JOB = 64 << 10


class Ward:
    """One cell. Nothing it sends is believed before it was checked."""

    def __init__(
        self,
        number: int,
        warm: Warm,
        limits: Limits,
        floor: str,
        work: Work,
        release: Callable[[Outcome | None], None],
    ) -> None:
        seconds = sum(job.seconds for job in work.jobs) + HELLO_SECONDS
        self.number = number
        self.channel = warm.cell(number, limits, min(int(seconds) + 1, 1 << 30))
        self.work = work
        self.alone = len(work.jobs) == 1
        self.level = ""
        self.flight: deque[Job] = deque()
        """Sent and not ended; the first is in progress."""
        self.ended = 0
        self.answer: Answer | None = None
        self.last: Outcome | None = None
        """Of the job that ended last; released when the next one ends or the cell leaves in order."""
        self.verdict = ""
        self.closed = False
        self.status: int | None = None
        self.deadline = time.monotonic() + HELLO_SECONDS
        self._warm = warm
        self._limits = limits
        self._floor = floor
        self._release = release
        self._frames = wire.FrameReader(limits.frame)
        self._sent = 0

    def left(self, status: int) -> None:
        """The process is gone; what it said before may still be on its way."""
        self.status = status
        self.deadline = time.monotonic() + LEAVE_SECONDS

    def gone(self, now: float) -> bool:
        """Whether the last has been heard of it."""
        if self.closed and self.status is not None:
            return True
        # Dead, but a child of its may hold the channel; or killed, and the kernel cannot end it.
        return now >= self.deadline and bool(self.verdict or self.status is not None)

    def late(self) -> None:
        """Its time is over. Raises GuardError when it did not even come up."""
        if self.closed:
            self.condemn("closed its channel before its answer was complete")
        elif not self.level:
            raise GuardError(f"a cell did not come up within {HELLO_SECONDS:.0f} s")
        elif self.flight:
            self.condemn(f"took longer than {self.flight[0].seconds:g} s")
        else:
            self.condemn("did not end after its answer")

    def condemn(self, verdict: str) -> None:
        """Kill it for a reason, the first of which stands."""
        if not self.verdict:
            self.verdict = verdict
            self.deadline = time.monotonic() + LEAVE_SECONDS
            self._warm.kill(self.number)

    def hear(self, into: memoryview) -> None:
        """Read once, into memory of the caller, and check every frame that is complete."""
        try:
            size = self.channel.recv_into(into)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.closed = True
            if self.status is None and not self.verdict:
                self.deadline = min(self.deadline, time.monotonic() + CLOSED_SECONDS)
            return
        if self.verdict:
            return
        try:
            for form, body in self._frames.feed(into[:size]):
                if self.verdict:
                    return
                self._take(form, body)
        except Excess as e:
            self.condemn(f"answered with {e}")
        except WireError as e:
            self.condemn(f"answered with a malformed frame: {e}")

    def _take(self, form: int, body: bytes) -> None:
        if not self.level:
            if form != wire.HELLO:
                raise WireError("no hello")
            self.level = level_of(body)
            check_floor(self.level, self._floor)
            self._next()
        elif self.answer is None:
            raise WireError("a frame while no job is in progress")
        elif form != wire.END:
            self.answer.take(form, body)
        else:
            status, error = wire.check_end(body, self.ended)
            if status == wire.MEMORY:
                self.condemn(f"memory limit of {self._limits.memory >> 20} MiB")
                return
            self._release(self.last)
            self.last = self.answer.end(error)
            self.ended += 1
            self.flight.popleft()
            self._next()

    def _next(self) -> None:
        """Keep it supplied and start the clock of the job now in progress, or let it go."""
        while self.work.jobs and len(self.flight) < AHEAD:
            self._give(self.work.jobs.popleft())
        now = time.monotonic()
        if self.flight:
            self.answer = Answer(self.flight[0], self.level, self._limits)
            self.deadline = now + self.flight[0].seconds
        else:
            self.answer = None
            self.deadline = now + LEAVE_SECONDS
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_WR)

    def _give(self, job: Job) -> None:
        """Open a job and hand it over. One that cannot be opened ends here and now."""
        message = inside.job_message(
            self._sent, job.function, job.opens, job.reader, job.locator, job.found, job.seconds
        )
        fds: list[int] = []
        try:
            fds = job.open()
            if len(fds) > inside.MAX_DESCRIPTORS or len(message) > LONGEST_JOB:
                raise OSError(f"{len(fds)} descriptors and {len(message)} bytes to say where")
            self.flight.append(job)
            self._sent += 1
            self._hand_over(message, fds)
        except OSError as e:
            name = e.strerror or str(e)
            outcome = Answer(job, self.level, self._limits).end(f"cannot be opened: {name}")
            outcome.unopened = True
            self._release(outcome)
        finally:
            for fd in fds:
                os.close(fd)

    def _hand_over(self, message: bytes, fds: list[int]) -> None:
        batches = [fds[at : at + inside.AT_ONCE] for at in range(0, len(fds), inside.AT_ONCE)]
        at = 0
        try:
            for number, some in enumerate(batches or [[]], 1):
                last = number >= len(batches)
                part = message[at:] if last else message[at : at + 1]
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", some))
                if self.channel.sendmsg([part], [rights] if some else []) < len(part):
                    self.condemn("did not take its job")
                    return
                at += len(part)
        except BlockingIOError:
            self.condemn("did not take its job")
        except OSError:
            pass  # it is dead; its end is heard next

    def why(self) -> str:
        """How it ended, for people."""
        return self.verdict or ended_by(self.status)


def ended_by(status: int | None) -> str:
    """What an exit status says, for people; negative for a signal, None when there was none."""
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
