"""Files that Amparo makes of a file of the evidence: the decrypted backup, the archive written out.

Each becomes a further File beside the one it was made of, ``PATH#decrypted``, whose bytes lie in the case's
derived folder and can be made again; parsers find it by its content like any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import IO

from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Spec
from amparo.model import Content, File, Problem, Record
from amparo.run.exhibits import Reach
from amparo.run.guards import LazyGuard
from amparo.run.parts import begun
from amparo.run.writer import Counts, machine_action, now_ms
from amparo.sandbox.guard import Job
from amparo.store import Case

_MADE = (".decrypted", ".unpacked")


class Sink:
    """Takes the bytes as they come: into a file, and through the hashes."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        self.begin()

    def begin(self) -> None:
        """From the start, also when the job is repeated."""
        self.out.seek(0)
        self.out.truncate()
        self._hashes = [hashlib.new(n, usedforsecurity=False) for n in ("sha256", "sha1", "md5")]
        self._head = b""
        self._size = 0

    def take(self, data: bytes) -> None:
        """One block more."""
        self.out.write(data)
        for one in self._hashes:
            one.update(data)
        self._head += data[: HEAD - len(self._head)]
        self._size += len(data)

    def content(self) -> Content:
        """What came out."""
        sha256, sha1, md5 = (one.hexdigest() for one in self._hashes)
        mime = sniff(self._head, self._size)
        return Content(sha256=sha256, sha1=sha1, md5=md5, size=self._size, mime=mime)


def stamp(case: Case) -> str:
    """Changes when somebody deletes what was made; it is then made again."""
    there = sorted(path.name for path in case.derived.glob("*.*") if path.suffix in _MADE)
    return hashlib.sha256("\n".join(there).encode()).hexdigest()[:16] if there else ""


def lying(name: str) -> str:
    """The locator of what lies in the derived folder under this name."""
    return json.dumps({"derived": name})


def beside(file: File, content: Content, mark: str, name: str) -> File:
    """The record of what was made of ``file`` and lies in the derived folder under ``name``."""
    return File(
        exhibit=file.exhibit,
        path=f"{file.path}#{mark}",
        ordinal=file.ordinal,
        state=file.state,
        size=content.size,
        modified=file.modified,
        content=content.id,
        locator=lying(name),
    )


def make(
    case: Case,
    spec: Spec,
    file: File,
    whole: Reach,
    mark: str,
    name: str,
    guard: LazyGuard,
    counts: Counts,
    failed: int = 0,
) -> None:
    """Give a file to the plugin that makes another of it.

    Without success it counts as done at version ``failed``: with 0 it stays begun, and is tried again when
    the plugin's revision changes.
    """
    target = case.derived / name
    part = target.with_suffix(".part")
    started = now_ms()
    with begun(part) as out:
        sink = Sink(out)

        def start() -> list[int]:
            sink.begin()
            return whole.open()

        job = Job(
            token=file.id,
            function=spec.function,
            opens="bytes",
            reader=whole.reader,
            locator=whole.locator,
            open=start,
            found=Found(file.exhibit, file.id, file.path, file.content),
            seconds=spec.seconds,
            sink=sink.take,
        )
        outcome = next(iter(guard.get().run([[job]])))
        content = sink.content()
    if outcome.error:
        part.unlink()
    else:
        part.replace(target)
    reasons = outcome.warnings + ([outcome.error] if outcome.error else [])

    def records() -> Iterator[Record]:
        for reason in reasons:
            counts.problems += 1
            yield Problem(
                stage=spec.stage,
                plugin=spec.id,
                subject=file.id,
                exhibit=file.exhibit,
                path=file.path,
                reason=reason.removeprefix("ValueError: "),
            )
        if not outcome.error:
            yield content
            yield beside(file, content, mark, name)

    action = machine_action(
        spec, started, (file.id,), 0 if outcome.error else 2, outcome.isolation, outcome.error
    )
    version = failed if outcome.error else spec.version
    case.store.finish(action, records(), done=[(file.id, spec.id, version)], maker=spec.id)
    counts.files += 1
    counts.bytes += file.size
    counts.failed += bool(outcome.error)
