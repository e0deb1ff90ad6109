"""Intake of an iPhone backup: a folder of files named by hashes, listed as they were on the phone.

The host hashes the folder as it lies and seals that. A cell reads the manifest; where the backup is
encrypted and a password fits, further cells decrypt and hash each file, whose key stays in its locator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from amparo.evidence.folder import open_file
from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.model import Content, Exhibit, File, Problem, Record
from amparo.run.exhibits import (
    READERS,
    Reach,
    lies_at,
    open_all,
    place_of,
    secret_reach,
    with_secrets,
)
from amparo.run.guards import LazyGuard
from amparo.run.plan import chunks
from amparo.run.progress import Progress
from amparo.run.secrets import secrets
from amparo.sandbox.guard import Job, Outcome
from amparo.store import Case

MANIFEST = ("Manifest.db", "Manifest.plist")
READER = "amparo.evidence.itunes:itunes_file"
_BATCH = 64


@dataclass
class Backup:
    """A backup about to be taken in; ``locked`` when its manifest did not open."""

    case: Case
    root: Path
    exhibit: Exhibit
    spec: Spec
    guard: LazyGuard
    outcome: Outcome

    @property
    def locked(self) -> bool:
        """Whether another password may open it later."""
        return bool(self.outcome.error)

    def records(self, lying: Iterator[Record], show: Progress) -> Iterator[Record]:
        """What the backup holds, from the records of the folder as it lies."""
        problem = partial(_problem, self.spec, self.exhibit)
        for reason in self.outcome.warnings:
            yield problem("", reason)
        if self.locked:
            yield problem("", self.outcome.error.removeprefix("ValueError: "))
            yield from lying
            return
        stored: dict[str, File] = {}
        contents: dict[str, Content] = {}
        others: list[Record] = []
        for record in lying:
            if isinstance(record, File) and _is_part(record.path):
                stored[record.path] = record
            elif isinstance(record, Content):
                contents[record.id] = record
            else:
                others.append(record)
        waiting: list[File] = []
        missing = sealed = 0
        for file in self.outcome.records():
            if not isinstance(file, File):
                continue
            place = place_of(file)
            part = stored.pop(lies_at(file), None)
            if file.entry == "symlink" or part is None:
                missing += file.entry == "file" and bool(file.size)
                yield file
            elif "key" in place:
                waiting.append(file)
            elif part.content and not place.get("encrypted"):
                yield contents[part.content]
                yield replace(file, size=part.size, content=part.content)
            else:
                sealed += 1
                yield file
        yield from self._decrypted(waiting, show)
        # The manifest itself, and what lies in the folder without standing in it.
        for record in [*others, *stored.values()]:
            if isinstance(record, File) and record.content:
                yield contents[record.content]
            yield record
        if missing:
            yield problem("", f"{missing} files named in Manifest.db are not in the backup")
        if sealed:
            yield problem("", f"{sealed} files could not be decrypted or not be read")

    def _decrypted(self, files: list[File], show: Progress) -> Iterator[Record]:
        """Each file with the hashes of what it holds once decrypted."""
        by_id = {file.id: file for file in files}
        jobs = (
            Job(
                token=file.id,
                function="amparo.evidence.itunes:hashed",
                opens="bytes",
                reader=READER,
                locator=file.locator,
                open=partial(self._open, lies_at(file)),
                found=Found(self.exhibit.id, "", file.path, ""),
                seconds=3600.0,
                kinds=frozenset({"content"}),
            )
            for file in files
        )
        for outcome in self.guard.get().run(chunks(jobs, _BATCH)) if files else ():
            file = by_id[outcome.job.token]
            for reason in outcome.warnings + ([outcome.error] if outcome.error else []):
                yield _problem(self.spec, self.exhibit, file.path, reason)
            content = next((r for r in outcome.records() if isinstance(r, Content)), None)
            if content is not None:
                yield content
                file = replace(file, size=content.size, content=content.id)
            show.step(1, file.size)
            yield file

    def _open(self, path: str) -> list[int]:
        return [open_file(self.root, path)]


def open_backup(case: Case, root: Path, exhibit: Exhibit, spec: Spec, guard: LazyGuard) -> Backup:
    """Read the manifest of a backup in a cell, with the passwords of the case."""
    manifest, plist = (
        Reach(partial(_open_one, root, name), f"{READERS}:whole", '{"companions": []}')
        for name in MANIFEST
    )
    reach = with_secrets(manifest, [plist, *map(secret_reach, secrets(case))])
    job = Job(
        token=exhibit.id,
        function=spec.function,
        opens="bytes",
        reader=reach.reader,
        locator=reach.locator,
        open=reach.open,
        found=Found(exhibit.id, "", exhibit.number, "", "", exhibit.form),
        seconds=spec.seconds,
    )
    return Backup(case, root, exhibit, spec, guard, next(iter(guard.get().run([[job]]))))


def _open_one(root: Path, name: str) -> list[int]:
    return open_all([partial(open_file, root, name)])


def _is_part(path: str) -> bool:
    folder, _, name = path.partition("/")
    return len(folder) == 2 and len(name) == 40 and name.startswith(folder)


def _problem(spec: Spec, exhibit: Exhibit, path: str, reason: str) -> Problem:
    return Problem(
        stage=spec.stage,
        plugin=spec.id,
        subject=exhibit.id,
        exhibit=exhibit.id,
        path=path,
        reason=reason,
    )
