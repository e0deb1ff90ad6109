"""Between the caller's thread and the guard's: work to do goes one way, outcomes the other."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from amparo.sandbox.job import Job, Outcome, weight

WAITING_OUTCOMES = 256
WAITING_BYTES = 64 << 20
"""Outcomes not yet fetched, beyond which the cells are made to wait."""
TOGETHER, TOGETHER_BYTES, TOGETHER_SECONDS = 32, 8 << 20, 0.2
"""Outcomes handed over at once, since each handing over wakes the caller's thread."""


@dataclass
class Work:
    """Jobs for one fresh cell. A job that is alone has nobody else to blame."""

    jobs: deque[Job]
    suspect: Outcome | None = None
    """Ended just before its cell died in the one job here; released when that job is found guilty."""


class Exchange:
    """What the two threads share, all of it under one condition."""

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._changed = threading.Condition()
        self._todo: deque[Work] = deque()
        self._ready: list[Outcome] = []
        self._weight = 0
        self._released: list[Outcome] = []
        """Not yet handed over: of the guard's side alone."""
        self._held = 0
        self._handed = -math.inf
        self._complete = False
        self._over = False
        self._error: BaseException | None = None
        self.stopping = False
        self._bell, self.ear = socket.socketpair()
        """Readable when the caller has brought something."""
        self._bell.setblocking(False)
        self.ear.setblocking(False)

    # The caller's side.

    def outcomes(self, batches: Iterable[Sequence[Job]]) -> Iterator[Outcome]:
        """Bring batches as they are needed, give out outcomes as they come, raise what went wrong."""
        source, given = iter(batches), 0
        while True:
            with self._changed:
                if given:  # what was given last is let go of only now
                    self._weight -= given
                    given = 0
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._hungry() or self._ready or self._over)
                if self._error:
                    raise self._error
                hungry, ready = self._hungry(), list[Outcome]()
                if not hungry:
                    if not self._ready:
                        return
                    ready, self._ready, given = self._ready, [], self._weight
                    self._changed.notify_all()
            if not hungry:
                yield from ready
                continue
            batch = next(source, None)
            with self._changed:
                if batch is None:
                    self._complete = True
                elif batch:
                    self._todo.append(Work(deque(batch)))
            self._ring()

    def _hungry(self) -> bool:
        return not self._over and not self._complete and len(self._todo) < self._cells

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.send(b"!")

    def stop(self) -> None:
        """Tell the guard's thread to end everything."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
        self._ring()

    def close(self) -> None:
        """Once the guard's thread has ended."""
        self._bell.close()
        self.ear.close()

    # The guard's side.

    def wait_for_room(self) -> float:
        """Wait while too much is unfetched; the seconds waited."""
        began = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self.stopping or not self._full())
        return time.monotonic() - began

    def _full(self) -> bool:
        return len(self._ready) >= WAITING_OUTCOMES or self._weight > WAITING_BYTES

    def hush(self) -> None:
        """The bell was heard."""
        with contextlib.suppress(BlockingIOError):
            self.ear.recv(4096)

    def take(self) -> Work | None:
        """The next work, if there is any now."""
        with self._changed:
            work = self._todo.popleft() if self._todo else None
            self._changed.notify_all()
        return work

    def exhausted(self) -> bool:
        """Whether no more work will come unless some is put back."""
        with self._changed:
            return self._complete and not self._todo

    def put_back(self, jobs: Iterable[Job], suspect: Outcome | None = None) -> None:
        """Work to be done next."""
        with self._changed:
            self._todo.appendleft(Work(deque(jobs), suspect))

    def release(self, outcome: Outcome | None) -> None:
        """An outcome, if there is one, is for the caller at the next handing over."""
        if outcome is not None:
            self._released.append(outcome)
            self._held += weight(outcome)

    def hand_over(self) -> float:
        """Give the caller what was released, once it is much or the last time is long ago; when that will be."""
        if not self._released:
            return math.inf
        few = len(self._released) < TOGETHER and self._held < TOGETHER_BYTES
        now, due = time.monotonic(), self._handed + TOGETHER_SECONDS
        if few and now < due:
            return due
        self._handed = now
        with self._changed:
            self._give()
        return math.inf

    def _give(self) -> None:
        self._ready += self._released
        self._weight += self._held
        self._released, self._held = [], 0
        self._changed.notify_all()

    def finish(self, error: BaseException | None) -> None:
        """Nothing more comes; an error is raised in the caller's thread."""
        with self._changed:
            self._over = True
            self._error = error
            self._give()
