"""PhotoRec over the free space of disks, where ``case.toml`` says ``photorec = true``.

The program never sees an exhibit: a cell copies out what no file has, the program searches that copy inside a
fence, and another cell reads its report and takes the bytes from the evidence. What Amparo's own carver found
at the same place is not told a second time.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from amparo.model import File, Problem, Record
from amparo.recover import photorec
from amparo.run.exhibits import READERS, Exhibits, Reach, open_read_only, pieces, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.plan import Plan, Task
from amparo.run.progress import Progress
from amparo.run.writer import Counts, machine_action, now_ms, settle
from amparo.sandbox.guard import Job, Outcome
from amparo.store import Case

COPY = "amparo.recover.readers:free_bytes"
ABSENT = "photorec = true in case.toml, but PhotoRec is not installed here (package testdisk)"
_ROOM = 256 << 20
"""Bytes that stay free on the disk of the case."""


_ZEROS = bytes(1 << 20)


class Refused(Exception):
    """PhotoRec did not run; one line for people."""


def search_beside(case: Case, plan: Plan, guard: LazyGuard, counts: Counts, show: Progress) -> bool:
    """Search every disk that PhotoRec has not searched yet; True when anything was found."""
    spec = plan.beside
    if spec is None or plan.settled(spec):
        return False
    revision, started, before = plan.revision(spec), now_ms(), counts.records
    tasks = list(plan.disks(spec))
    if tasks:
        show.begin(spec.id, len(tasks))
        for task in tasks:
            _disk(case, task, guard, counts)
            show.step(1, 0)
        show.end()
    settle(case, spec, started, len(tasks), revision)
    return counts.records > before


def _disk(case: Case, task: Task, guard: LazyGuard, counts: Counts) -> None:
    spec, started = task.spec, now_ms()
    reasons, kept, doubles, level, error = list[str](), list[Record](), 0, "", ""
    with tempfile.TemporaryDirectory(dir=case.derived, prefix="photorec-") as made:
        folder = Path(made)
        try:
            count = len(pieces(Exhibits(case).exhibit(task.exhibit)))
            outcome, ran = _searched(task.job, count, folder, guard)
            reasons += [f"PhotoRec {ran.trouble}"] if ran.trouble else []
            reasons += outcome.warnings
            level, error = f"{outcome.isolation}; photorec: {ran.isolation}", outcome.error
            if not error:
                kept, doubles = _new(case, task.exhibit, list(outcome.records()))
        except (Refused, ValueError) as refusal:
            error = str(refusal)

    def records() -> Iterator[Record]:
        for reason in reasons + ([error] if error else []):
            counts.problems += 1
            yield Problem(
                stage=spec.stage,
                plugin=spec.id,
                subject=task.exhibit,
                exhibit=task.exhibit,
                path="",
                reason=reason,
            )
        yield from kept

    action = machine_action(spec, started, (task.exhibit,), len(kept), level, error)
    files = sum(isinstance(record, File) for record in kept)
    said = f"{files} files that the carver did not find, {doubles} that it found as well"
    case.store.finish(
        replace(action, purpose="" if error else said),
        records(),
        done=[(task.exhibit, spec.id, 0 if error else spec.version)],
        maker=spec.id,
    )
    counts.files += 1
    counts.records += len(kept)
    counts.failed += bool(error)
    counts.plugins[spec.id] = counts.plugins.get(spec.id, 0) + 1


def _searched(job: Job, count: int, folder: Path, guard: LazyGuard) -> tuple[Outcome, photorec.Ran]:
    """Copy, search and read; what the cell made of the report. ``count``: the descriptors it opens.

    Raises Refused.
    """
    if not photorec.installed():
        raise Refused(ABSENT)
    copy, out = folder / "free.dd", folder / "out"
    out.mkdir()
    with copy.open("wb") as file:
        copier = _Copier(file)

        def start() -> list[int]:
            copier.begin()
            return job.open()

        first = replace(job, function=COPY, open=start, sink=copier.take, kinds=frozenset())
        copied = next(iter(guard.get().run([[first]])))
        copier.end()
    if copied.error:
        raise Refused(f"free space could not be copied out: {copied.error}")
    if shutil.disk_usage(folder).free < copier.kept + _ROOM:
        raise Refused(f"PhotoRec needs {copier.kept:,} bytes of room beside the case")
    try:
        ran = photorec.run(copy, out, free_only=False)
    except (RuntimeError, OSError) as error:
        raise Refused(str(error)) from error
    report = out / photorec.REPORT
    free = Reach(job.open, job.reader, job.locator, count)
    beside = Reach(lambda: [open_read_only(report)], f"{READERS}:whole", '{"companions": []}')
    both = with_secrets(free, [beside])
    second = replace(job, reader=both.reader, locator=both.locator, open=both.open)
    return next(iter(guard.get().run([[second]]))), ran


class _Copier:
    """Takes the free bytes into a file, zeros as holes. Raises OSError where there is no more room."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.kept = 0
        """Bytes that are not zeros."""

    def begin(self) -> None:
        """From the start, also when the job is repeated."""
        self._out.seek(0)
        self._out.truncate()
        self.kept = 0

    def take(self, data: bytes) -> None:
        """One block more."""
        if data == _ZEROS[: len(data)]:
            self._out.seek(len(data), 1)
        else:
            self.kept += self._out.write(data)

    def end(self) -> None:
        """The last block may have been zeros."""
        self._out.truncate(self._out.tell())


def _new(case: Case, exhibit: str, found: list[Record]) -> tuple[list[Record], int]:
    """What the carver has not found at the same place with the same bytes, and how much it has."""
    known = {
        (file.content, _first(file))
        for file in case.store.each(File, exhibit=exhibit, state="carved")
        if file.path.startswith("#free/")
    }
    files = [r for r in found if isinstance(r, File)]
    kept = [f for f in files if (f.content, _first(f)) not in known]
    contents = {f.content for f in kept}
    new = [r for r in found if not isinstance(r, File) and r.id in contents]
    return [*new, *kept], len(files) - len(kept)


def _first(file: File) -> int:
    """Where a file begins on its disk; -1 where its locator, which came out of a cell, is none."""
    try:
        return int(json.loads(file.locator)["runs"][0][0])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return -1
