"""Cells for this case, started only when there is something to read."""

from __future__ import annotations

import os
import resource

from amparo.kit.plugin import discover
from amparo.run.plan import READING
from amparo.sandbox.guard import Guard
from amparo.store import Case

BESIDES = (
    "amparo.evidence.backup",
    "amparo.evidence.nested",
    "amparo.evidence.readers",
    "amparo.evidence.unwrap",
    "amparo.evidence.unlock",
    "amparo.fingerprint.learnt",
    "amparo.fingerprint.video_sheet",
    "amparo.fingerprint.view",
    "amparo.evidence.free",
    "amparo.recover.file",
    "amparo.recover.files",
    "amparo.recover.ghost",
    "amparo.recover.live",
    "amparo.recover.piece",
    "amparo.recover.readers",
)
"""What cells run that is no plugin."""
FLOOR = "seccomp"
"""Below this nothing is read, unless the case's settings say otherwise."""
_DESCRIPTORS = 16_384


class LazyGuard:
    """Context manager around a :class:`Guard` that starts its warm parent on first use.

    ``also`` names further modules that cells are to have at hand.
    """

    def __init__(self, case: Case, cells: int = 0, also: tuple[str, ...] = ()) -> None:
        self._config = case.config
        self._also = also
        self._cells = cells or case.config.cells or os.cpu_count() or 1
        self._guard: Guard | None = None

    def __enter__(self) -> LazyGuard:
        return self

    def __exit__(self, *error: object) -> None:
        if self._guard is not None:
            self._guard.__exit__(None, None, None)
            self._guard = None

    @property
    def level(self) -> str:
        """How far cells are locked in; "" while none was needed."""
        return self._guard.level if self._guard is not None else ""

    def get(self) -> Guard:
        """The guard, started on first use; FloorError when cells cannot be locked in enough."""
        if self._guard is None:
            plugins = {s.function.partition(":")[0] for s in discover() if s.stage in READING}
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if soft != resource.RLIM_INFINITY:  # an image may lie in a thousand pieces
                most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
            preload = [*sorted(plugins), *BESIDES, *self._also]
            guard = Guard(self._cells, preload, floor=self._config.isolation_floor or FLOOR)
            self._guard = guard.__enter__()
        return self._guard
