"""Watches the cells of one run: gives them work, keeps the clock, finds the guilty file."""

from __future__ import annotations

import contextlib
import math
import selectors
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from amparo.sandbox.exchange import Exchange, Work
from amparo.sandbox.job import Answer, Job, Outcome
from amparo.sandbox.ward import LEAVE_SECONDS, Ward
from amparo.sandbox.warm import GuardError, Warm
from amparo.sandbox.wire import Limits

READ_BYTES = 1 << 20


class Watch:
    """One run over many batches, in a thread of its own."""

    def __init__(self, warm: Warm, cells: int, limits: Limits, floor: str) -> None:
        self._warm = warm
        self._most = cells
        self._limits = limits
        self._floor = floor
        self._wards: dict[int, Ward] = {}
        self._exchange = Exchange(cells)
        self._heard = memoryview(bytearray(READ_BYTES))
        """Where cells are heard, one at a time."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(warm.channel, selectors.EVENT_READ)
        self._selector.register(self._exchange.ear, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def outcomes(self, batches: Iterable[Sequence[Job]]) -> Iterator[Outcome]:
        """Feed the cells from ``batches`` and give out what comes back."""
        self._thread.start()
        return self._exchange.outcomes(batches)

    def stop(self) -> None:
        """End all cells of this run."""
        self._exchange.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._selector.close()
        self._exchange.close()

    # What follows runs in the guard's thread.

    def _watch(self) -> None:
        error: BaseException | None = None
        try:
            while not self._exchange.stopping and self._supply():
                self._round()
        except BaseException as e:  # noqa: BLE001  raised again in the caller's thread
            error = e
        finally:
            self._end_all()
            self._exchange.finish(error)

    def _supply(self) -> bool:
        """Start cells for work that waits; False when all is done."""
        waited = self._exchange.wait_for_room()
        for ward in self._wards.values():
            ward.deadline += waited
        while len(self._wards) < self._most and (work := self._exchange.take() or self._half()):
            self._start(work)
        return bool(self._wards) or not self._exchange.exhausted()

    def _half(self) -> Work | None:
        """Half of what another cell has before it, where nothing else is left to do."""
        if not self._exchange.exhausted():
            return None
        jobs = max((ward.work.jobs for ward in self._wards.values()), key=len, default=deque())
        if len(jobs) < 2:
            return None
        return Work(deque(jobs.pop() for _ in range(len(jobs) // 2)))

    def _start(self, work: Work) -> None:
        # Numbers never come twice, so a late word about an earlier cell means no other.
        number = self._warm.number()
        release = self._exchange.release
        ward = Ward(number, self._warm, self._limits, self._floor, work, release)
        self._wards[number] = ward
        self._selector.register(ward.channel, selectors.EVENT_READ, ward)

    def _round(self) -> None:
        """Hear everybody who has something to say, then look at the clock."""
        handed = self._exchange.hand_over()
        first = min([handed, *(w.deadline for w in self._wards.values())])
        wait = None if first == math.inf else max(0.0, first - time.monotonic())
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._warm.channel:
                self._hear_of_ends()
            elif key.fileobj is self._exchange.ear:
                self._exchange.hush()
            elif isinstance(key.data, Ward):
                key.data.hear(self._heard)
                if key.data.closed:
                    self._selector.unregister(key.fileobj)
        now = time.monotonic()
        for ward in list(self._wards.values()):
            if ward.gone(now):
                self._conclude(ward)
            elif now >= ward.deadline:
                ward.late()

    def _hear_of_ends(self) -> None:
        for number, status in self._warm.ended():
            if number in self._wards:
                self._wards[number].left(status)

    def _conclude(self, ward: Ward) -> None:
        """A cell is gone: release what is good, find who is to blame, plan the rest."""
        del self._wards[ward.number]
        if not ward.closed:
            self._selector.unregister(ward.channel)
        ward.channel.close()
        suspect, rest = ward.work.suspect, [*ward.flight, *ward.work.jobs]
        if ward.status == 0 and not rest and not ward.verdict:
            self._exchange.release(ward.last)
            if suspect is not None:  # the accused is innocent, so the one before it is looked at
                self._exchange.put_back([suspect.job])
            return
        why = ward.why()
        if not ward.level:
            raise GuardError(f"a cell did not come up: {why}")
        if rest[1:]:
            self._exchange.put_back(rest[1:])
        if rest:
            accused = rest[0]
        elif ward.last is not None:
            accused, why = ward.last.job, f"{why}, after its answer"
        else:  # no job could be opened, so none is to blame
            self._exchange.release(suspect)
            return
        if ward.alone or ward.ended == 0:
            answer = ward.answer or Answer(accused, ward.level, self._limits)
            self._exchange.release(answer.end(why))
            self._exchange.release(suspect)
        else:
            self._exchange.put_back([accused], ward.last if rest else None)

    def _end_all(self) -> None:
        """Kill what still runs and wait until it is gone."""
        for number in self._wards:
            self._warm.kill(number)
        until = time.monotonic() + LEAVE_SECONDS
        with contextlib.suppress(GuardError), selectors.DefaultSelector() as only:
            only.register(self._warm.channel, selectors.EVENT_READ)
            while time.monotonic() < until:
                if all(w.status is not None for w in self._wards.values()):
                    break
                only.select(0.2)
                self._hear_of_ends()
        for ward in self._wards.values():
            ward.channel.close()
