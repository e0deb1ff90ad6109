"""The guard: has hostile bytes read in cells and gives back checked records.

A cell takes one batch of jobs of one plugin, one job after another; when no other work is left, an idle
one takes half of what another has not begun. When a cell dies, hangs or breaks the wire's rules, the
job in progress stands accused. If other jobs ran in that cell before, one of them may have done the
damage, so the accused is repeated alone in a fresh cell: if it fails again it is guilty; if it does
not, the job before it is repeated alone and must also leave its cell in good order, or it is guilty
("late death"). The rest of the batch goes on in a fresh cell. So one file costs one file, and never an
innocent one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from amparo.sandbox.confine import FloorError, check_floor
from amparo.sandbox.job import Job, Outcome
from amparo.sandbox.warm import GuardError, Warm
from amparo.sandbox.watch import Watch
from amparo.sandbox.wire import Limits, WireError

__all__ = ["FloorError", "Guard", "GuardError", "Job", "Limits", "Outcome", "WireError"]


class Guard:
    """Runs jobs in up to ``cells`` cells at a time; a context manager.

    ``preload`` names the modules of all plugins and readers (``module`` or ``module:name``): cells can
    import nothing. ``floor`` is one of ``none``, ``rlimit``, ``seccomp``, ``landlock``. Entering raises
    FloorError when cells cannot be locked in that far and GuardError when they cannot start.
    """

    def __init__(
        self,
        cells: int,
        preload: Sequence[str],
        limits: Limits | None = None,
        floor: str = "landlock",
    ) -> None:
        if cells < 1:
            raise ValueError("at least one cell")
        check_floor("rlimit+nnp+seccomp+landlock", floor)
        self._cells = cells
        self._preload = tuple(preload)
        self._limits = limits or Limits()
        self._floor = floor
        self._warm: Warm | None = None
        self._running = False
        self.level = ""
        """How far cells are locked in, once entered."""

    def __enter__(self) -> Guard:
        self._warm = Warm(self._preload)
        try:
            self.level = self._warm.probe()
            check_floor(self.level, self._floor)
        except BaseException:
            self._warm.close()
            self._warm = None
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def run(self, batches: Iterable[Sequence[Job]]) -> Iterator[Outcome]:
        """Outcomes as they come, one for every job.

        Batches are pulled in the caller's thread, little more than the cells need; a thread of the
        guard's watches the cells meanwhile, so their time limits hold while the caller is busy. Leaving
        the iterator early ends all cells. Raises RuntimeError while another run is going on.
        """
        if self._warm is None or self._running:
            raise RuntimeError(
                "the guard is not entered" if self._warm is None else "one run at a time"
            )
        self._running = True
        watch = Watch(self._warm, self._cells, self._limits, self._floor)
        try:
            yield from watch.outcomes(batches)
        finally:
            watch.stop()
            self._running = False
