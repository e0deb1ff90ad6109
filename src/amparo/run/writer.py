"""Writes what cells answered: thumbnails first, then records and "done" in one transaction.

So a kill at any instant repeats work but never doubles or loses it.
"""

from __future__ import annotations

import getpass
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from amparo import __version__
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Spec, Thumb
from amparo.kit.thumb import encode
from amparo.model import (
    Action,
    Content,
    Id,
    ModelScore,
    ModelVector,
    Preview,
    Problem,
    Record,
    verb_action,
)
from amparo.run.plan import Task
from amparo.sandbox.guard import Outcome
from amparo.store import Case

TOOL = f"amparo {__version__}"
ENCODE_THUMBS = 16
FLUSH_OUTCOMES = 128
FLUSH_SECONDS = 1.0


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def machine_action(
    spec: Spec,
    started: int,
    inputs: tuple[str, ...],
    outputs: int = 0,
    isolation: str = "",
    error: str = "",
) -> Action:
    """The row that says what a plugin did, with what, and how well it was locked in."""
    return Action(
        kind=spec.id,
        version=spec.version,
        performer="machine",
        tool=TOOL,
        operation="combination" if spec.makes and spec.stage != "recover" else "collection",
        isolation=isolation,
        started=started,
        ended=now_ms(),
        status="failed" if error else "done",
        error=error,
        inputs=inputs,
        outputs=outputs,
    )


def settle(case: Case, spec: Spec, started: int, outputs: int, revision: str) -> None:
    """Note that a plugin has finished everything there is, at this revision."""
    action = machine_action(spec, started, (), outputs)
    case.store.replace(
        (), iter(()), action, plugin=spec.id, version=spec.version, revision=revision
    )


def person_action(verb: str, inputs: tuple[str, ...], purpose: str = "") -> Action:
    """The row that says what a person did at the command line."""
    return verb_action(verb, getpass.getuser(), TOOL, "alteration", now_ms(), inputs, purpose)


@dataclass
class Counts:
    """What one run did."""

    files: int = 0
    bytes: int = 0
    records: int = 0
    problems: int = 0
    failed: int = 0
    plugins: dict[str, int] = field(default_factory=dict)


class Writer:
    """Collects outcomes of one plugin and writes them in short transactions."""

    def __init__(self, case: Case, counts: Counts) -> None:
        self._case = case
        self._counts = counts
        self._pool = ThreadPoolExecutor(2, "thumb")
        self._waiting: list[tuple[Task, Outcome]] = []
        self._thumbs: list[tuple[str, Thumb]] = []
        self._encoding: list[Future[list[tuple[str, bytes]]]] = []
        self._since = now_ms()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self.flush()
        self._pool.shutdown(cancel_futures=True)

    def add(self, task: Task, outcome: Outcome) -> None:
        """Take one outcome; a failed one is written at once with an action of its own."""
        if outcome.error:
            self.flush()
            self._write(task.spec, [(task, outcome)], outcome.error)
            return
        self._waiting.append((task, outcome))
        self._thumbs += [(task.job.found.sha256, thumb) for thumb in outcome.thumbs]
        outcome.thumbs = []
        if len(self._thumbs) >= ENCODE_THUMBS:
            self._encode()
        late = now_ms() - self._since > FLUSH_SECONDS * 1000
        if late or len(self._waiting) >= FLUSH_OUTCOMES or task.spec.stage == "parse":
            self.flush()

    def flush(self) -> None:
        """Write everything taken so far."""
        if self._waiting:
            self._encode()
            self._case.thumbs.put_many(
                made for future in self._encoding for made in future.result()
            )
            self._encoding.clear()
            self._write(self._waiting[0][0].spec, self._waiting, "")
            self._waiting.clear()
        self._since = now_ms()

    def _encode(self) -> None:
        """Have another thread encode what has come."""
        if self._thumbs:
            self._encoding.append(self._pool.submit(encoded, self._thumbs))
            self._thumbs = []

    def _write(self, spec: Spec, results: list[tuple[Task, Outcome]], error: str) -> None:
        subjects = tuple(task.job.token for task, _ in results)
        outcome, made = results[0][1], 0
        # What could not even be opened is tried again by the next run.
        version = 0 if outcome.unopened else spec.version

        def records() -> Iterator[Record]:
            nonlocal made
            for task, outcome in results:
                reasons = [error] if error else outcome.warnings
                for reason in reasons:
                    self._counts.problems += 1
                    yield problem(spec, task, reason)
                if not error:
                    for record in made_by(task.spec, outcome):
                        made += 1
                        yield record

        started = now_ms() - int(sum(o.seconds for _, o in results) * 1000)
        self._case.store.finish(
            lambda: machine_action(spec, started, subjects, made, outcome.isolation, error),
            records(),
            done=[(subject, spec.id, version) for subject in subjects],
            maker=spec.id,
        )
        self._counts.files += len(results)
        self._counts.bytes += sum(task.size for task, _ in results)
        self._counts.records += made
        self._counts.failed += bool(error)
        self._counts.plugins[spec.id] = self._counts.plugins.get(spec.id, 0) + len(results)


def encoded(thumbs: list[tuple[str, Thumb]]) -> list[tuple[str, bytes]]:
    """Small pictures as they are kept, each under its key."""
    return [(key, encode(thumb)) for key, thumb in thumbs]


def made_by(spec: Spec, outcome: Outcome) -> Iterator[Record]:
    """What a cell's records are worth: a carver hashes what it lists, as an opener does.

    What a model's cell says stands under that model, whatever it says.
    """
    if spec.model:
        return named(spec.model, outcome.records())
    carves = spec.stage == "recover" and Content in spec.makes
    return outcome.records() if carves else believed(outcome.records())


def named(model: Id, records: Iterator[Record]) -> Iterator[Record]:
    """A model's scores and vectors under its id, and nothing else."""
    for record in records:
        if isinstance(record, ModelScore | ModelVector):
            yield replace(record, model=model)


def believed(records: Iterator[Record]) -> Iterator[Record]:
    """What a parser or fingerprint made, but of contents only what follows from bytes at hand.

    A cell that was taken over could otherwise say beforehand that some other file has the MD5 of one to
    be ignored: of equal ids the first row counts.
    """
    for record in records:
        if isinstance(record, Content):
            continue
        if isinstance(record, Preview):
            data = record.data
            content = Content(
                sha256=hashlib.sha256(data).hexdigest(),
                sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
                md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
                size=len(data),
                mime=sniff(data[:HEAD], len(data)),
            )
            yield content
            record = replace(record, content=content.id)
        yield record


def problem(spec: Spec, task: Task, reason: str) -> Problem:
    """A warning or failure as the record that people see."""
    return Problem(
        stage=spec.stage,
        plugin=spec.id,
        subject=task.job.token,
        exhibit=task.exhibit,
        path=task.path,
        reason=reason,
    )
