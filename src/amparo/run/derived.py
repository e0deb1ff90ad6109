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
from amparo.run.exhibits import Reach, derived_of
from amparo.run.guards import LazyGuard
from amparo.run.parts import begun
from amparo.run.writer import Counts, machine_action, now_ms
from amparo.sandbox.guard import Job
from amparo.store import Case

_FIRST = 1 << 20
"""Ordinals of what was made begin here; those of the evidence count entries of one name."""


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


def beside(file: File, content: Content, mark: str) -> File:
    """The record of what was made of ``file``: ``PATH#unpacked``, kept under the id of what it is.

    Its ordinal comes from its bytes: another result is another File, and no file of the evidence that has this
    path stands in its way.
    """
    return File(
        exhibit=file.exhibit,
        path=f"{file.path}{mark}",
        ordinal=_FIRST + int(content.sha256[:7], 16),
        state=file.state,
        size=content.size,
        modified=file.modified,
        content=content.id,
        locator=json.dumps({"derived": _name(content, mark)}),
    )


def _name(content: Content, mark: str) -> str:
    return f"{content.id}.{mark[1:]}"


def result_of(case: Case, file: File, mark: str) -> list[File]:
    """What was made of ``file``: one, but for a result that has changed."""
    path = f"{file.path}{mark}"
    there = case.store.each(File, exhibit=file.exhibit, path=path)
    return [one for one in there if derived_of(case, one) is not None]


def still_there(case: Case, made: File) -> bool:
    """Whether the bytes of what was made lie in the derived folder."""
    path = derived_of(case, made)
    return path is not None and path.exists()


def make(
    case: Case,
    spec: Spec,
    file: File,
    whole: Reach,
    mark: str,
    guard: LazyGuard,
    counts: Counts,
    failed: int = 0,
) -> None:
    """Give a file to the plugin that makes another of it.

    Without success it counts as done at version ``failed``: with 0 it stays begun, and is tried again when
    the plugin's revision changes.
    """
    part = case.derived / f"{file.id}.part"
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
        part.replace(case.derived / _name(content, mark))
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
            yield beside(file, content, mark)

    action = machine_action(
        spec, started, (file.id,), 0 if outcome.error else 2, outcome.isolation, outcome.error
    )
    version = failed if outcome.error else spec.version
    case.store.finish(action, records(), done=[(file.id, spec.id, version)], maker=spec.id)
    counts.files += 1
    counts.bytes += file.size
    counts.failed += bool(outcome.error)
