"""Encrypted backups of messengers inside the exhibits: opened where a key is at hand.

Each one that opens becomes a further File, ``PATH#decrypted``, whose bytes lie in the case's derived
folder; parsers find it by its content like any other. Keys are key files on the exhibits of the case and
what the examiner gave (:mod:`amparo.run.secrets`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import IO

from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Spec
from amparo.model import Content, File, Problem, Record
from amparo.run.exhibits import Exhibits, Reach, secret_reach, with_secrets
from amparo.run.guards import LazyGuard
from amparo.run.parts import begun
from amparo.run.plan import Plan
from amparo.run.progress import Progress
from amparo.run.secrets import MOST, secrets
from amparo.run.writer import Counts, machine_action, now_ms
from amparo.sandbox.guard import Job
from amparo.store import Case

NAME = re.compile(r"\.crypt1[245]\Z")
KEY_FILES = ("key", "encrypted_backup.key")
_LONGEST_KEY = 4096


def open_backups(case: Case, plan: Plan, guard: LazyGuard, counts: Counts, show: Progress) -> None:
    """Open every encrypted backup that is new, or that no key fitted before."""
    spec = plan.backups
    if spec is None or plan.settled(spec):
        return
    started = now_ms()
    found, keys = _search(case)
    waiting = [file for file in found if _undone(case, spec, file)]
    if waiting:
        show.begin(spec.id, len(waiting))
        exhibits = Exhibits(case)
        given = [secret_reach(secret) for secret in secrets(case)]
        for file in waiting:
            own = [exhibits.reach(key) for key in _nearest(keys, file)]
            _open(case, spec, file, exhibits.reach(file), (given + own)[:MOST], guard, counts)
            show.step(1, file.size)
        show.end()
    case.store.replace(
        (),
        iter(()),
        machine_action(spec, started, (), len(waiting)),
        plugin=spec.id,
        version=spec.version,
        revision=plan.revision(spec),
    )


def _search(case: Case) -> tuple[list[File], list[File]]:
    """Encrypted backups and key files, by name."""
    found, keys = [], []
    for file in case.store.each(File, entry="file"):
        if not file.content:
            continue
        if NAME.search(file.path):
            found.append(file)
        elif file.path.rpartition("/")[2] in KEY_FILES and file.size <= _LONGEST_KEY:
            keys.append(file)
    return found, keys


def _undone(case: Case, spec: Spec, file: File) -> bool:
    done = case.store.is_done(spec.id, file.id)
    if done is None or done[0] < spec.version:
        return True
    return not (case.derived / _name(file)).exists()


def _nearest(keys: list[File], file: File) -> list[File]:
    """Keys of the same exhibit first: another device's may still be its owner's."""
    return sorted(keys, key=lambda key: (key.exhibit != file.exhibit, key.path))


def _name(file: File) -> str:
    return f"{file.id}.decrypted"


class _Sink:
    """Takes the decrypted bytes: into a file, and through the hashes."""

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


def _open(
    case: Case,
    spec: Spec,
    file: File,
    reach: Reach,
    keys: list[Reach],
    guard: LazyGuard,
    counts: Counts,
) -> None:
    target = case.derived / _name(file)
    part = target.with_suffix(".part")
    whole = with_secrets(reach, keys)
    started = now_ms()
    with begun(part) as out:
        sink = _Sink(out)

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

    def records() -> Iterator[Record]:
        reasons = outcome.warnings + ([outcome.error] if outcome.error else [])
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
            yield File(
                exhibit=file.exhibit,
                path=f"{file.path}#decrypted",
                ordinal=file.ordinal,
                state=file.state,
                size=content.size,
                modified=file.modified,
                content=content.id,
                locator=json.dumps({"derived": target.name}),
            )

    # Without a key that fits it stays begun, and the next key that is given is tried on it.
    version = 0 if outcome.error else spec.version
    case.store.finish(
        machine_action(
            spec, started, (file.id,), 0 if outcome.error else 2, outcome.isolation, outcome.error
        ),
        records(),
        done=[(file.id, spec.id, version)],
        maker=spec.id,
    )
    counts.files += 1
    counts.bytes += file.size
    counts.failed += bool(outcome.error)
