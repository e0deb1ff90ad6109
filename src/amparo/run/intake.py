"""Intake: an exhibit is registered, hashed until two readings agree, and its entries listed.

A folder is walked and hashed by the host (hashing parses nothing). A container is hashed as a whole,
then listed inside a cell; the gzip layer of a compressed tar is taken off once, also in a cell, into
a derived file that can be made again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from amparo.evidence.detect import IMAGES, UNWRAPPED, form_of
from amparo.evidence.folder import hash_pieces
from amparo.evidence.folder import intake as folder_intake
from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.kit.room import no_room
from amparo.model import Content, Exhibit, File, Problem, Record, Seal, path_bytes, path_text
from amparo.run.disks import open_volumes
from amparo.run.exhibits import (
    READERS,
    Reach,
    container,
    open_read_only,
    pieces,
    secret_reach,
    unwrapped,
    with_secrets,
)
from amparo.run.guards import LazyGuard
from amparo.run.parts import begun
from amparo.run.phones import open_backup
from amparo.run.plan import opener_of
from amparo.run.progress import Progress
from amparo.run.secrets import secrets
from amparo.run.writer import Counts, machine_action, now_ms
from amparo.sandbox.guard import Job
from amparo.store import Case

FOLDERS = ("folder", "itunes")
UNWRAPPERS = {
    "tar.gz": "amparo.evidence.unwrap:gunzip",
    "ab": "amparo.evidence.backup:unwrap",
}
"""What takes the layer off a form that holds a tar."""

UNWRAPPED_SPEC = Spec("evidence", "unwrap", 1, "Takes the layer of packing off a tar.", "")


@dataclass
class Taken:
    """What came in with one exhibit."""

    exhibit: Exhibit
    seal: Seal | None
    problems: int

    def lines(self) -> list[str]:
        """For people."""
        head = f"Exhibit {self.exhibit.number} ({self.exhibit.form})"
        if self.seal is None:
            return [f"{head}: could not be read; amparo status says why"]
        text = f"{head}: {self.seal.files:,} files, {self.seal.bytes:,} bytes"
        return [text, f"  {self.seal.method} SHA-256 {self.seal.sha256}"]

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        seal = self.seal
        return {
            "number": self.exhibit.number,
            "form": self.exhibit.form,
            "sha256": seal.sha256 if seal else "",
            "method": seal.method if seal else "",
            "files": seal.files if seal else 0,
            "bytes": seal.bytes if seal else 0,
            "problems": self.problems,
        }


def add_exhibit(
    case: Case,
    path: Path,
    *,
    number: str,
    country: str = "",
    site: str = "",
    holder: str = "",
    legal_basis: str = "",
    progress: Progress,
) -> Taken:
    """Register one exhibit and take it in; the same call again goes on or does nothing.

    Raises ValueError when the path is nothing an exhibit can be, or when the number already stands
    for something else.
    """
    path = path.resolve()
    exhibit = Exhibit(
        number=number,
        country=country,
        site=site,
        holder=holder,
        legal_basis=legal_basis,
        form=form_of(path),
        source=path_text(os.fsencode(path)),
    )
    known = case.store.get(Exhibit, exhibit.id)
    if known is not None:
        if (known.form, known.source) != (exhibit.form, exhibit.source):
            raise ValueError(f"exhibit number {number} is taken: {known.source}")
        given = {"site": site, "holder": holder, "legal_basis": legal_basis}
        if any(text and text != getattr(known, name) for name, text in given.items()):
            raise ValueError(f"exhibit {number} has another label: amparo label corrects it")
        exhibit = known
    if exhibit.form not in FOLDERS:
        pieces(exhibit)  # refuses a later piece of an image
    case.store.put([exhibit])
    counts = Counts()
    done = case.store.is_done(opener_of(exhibit.form).id, exhibit.id)
    if done is None or done[0] < opener_of(exhibit.form).version:
        with LazyGuard(case) as guard:
            take_in(case, [exhibit], guard, counts, progress)
    seal = next(case.store.each(Seal, exhibit=exhibit.id), None)
    return Taken(exhibit, seal, counts.problems)


def take_in(
    case: Case, exhibits: list[Exhibit], guard: LazyGuard, counts: Counts, show: Progress
) -> None:
    """Hash and list every exhibit given."""
    for exhibit in exhibits:
        show.begin(f"intake {exhibit.number}", None)
        spec, started = opener_of(exhibit.form), now_ms()
        source = Path(os.fsdecode(path_bytes(exhibit.source)))
        try:
            locked = some_locked = False
            if exhibit.form == "folder":
                records = list_folder(source, exhibit, show)
            elif exhibit.form == "itunes":
                backup = open_backup(case, source, exhibit, spec, guard)
                records = backup.records(list_folder(source, exhibit, show), show)
                locked = backup.locked
            else:
                reasons: list[str] = []
                if exhibit.form in UNWRAPPED:
                    reasons, locked = _unwrap(case, exhibit, guard)
                elif exhibit.form in IMAGES:
                    reasons, some_locked = open_volumes(case, exhibit, guard)
                records = _container(case, exhibit, spec, guard, show, reasons, locked)
            # What is locked stays begun: another password may open it.
            version = 0 if locked or some_locked else spec.version
            _write(case, spec, exhibit, records, started, counts, guard, version)
        except OSError as error:
            if no_room(error):
                raise
            reason = f"could not be read: {error.strerror or error}"
            counts.problems += 1
            case.store.finish(
                machine_action(spec, started, (exhibit.id,), error=reason),
                [_problem(spec, exhibit, "", reason)],
                done=[(exhibit.id, spec.id, 0)],
                maker=spec.id,
            )
        show.end()


def _write(
    case: Case,
    spec: Spec,
    exhibit: Exhibit,
    records: Iterator[Record],
    started: int,
    counts: Counts,
    guard: LazyGuard,
    version: int,
) -> None:
    sealed = ""
    again = not version and case.store.is_done(spec.id, exhibit.id) is not None

    def counted() -> Iterator[Record]:
        nonlocal sealed, again
        for record in records:
            if again:  # a key was given since: what was said of the locked thing goes out
                case.store.retract(spec.id, exhibit.id)
                again = False
            if isinstance(record, Seal):
                sealed = seal_words(record)
            counts.problems += isinstance(record, Problem)
            counts.files += isinstance(record, File)
            counts.bytes += record.size if isinstance(record, File) else 0
            counts.records += 1
            yield record

    before = counts.records
    case.store.finish(
        lambda: replace(
            machine_action(spec, started, (exhibit.id,), counts.records - before, guard.level),
            purpose=sealed,
        ),
        counted(),
        done=[(exhibit.id, spec.id, version)],
        maker=spec.id,
    )


def derived_words(sha256: str) -> str:
    """What came out from under a layer of packing, as the action that made it states it."""
    return f"derived: SHA-256 {sha256}"


def seal_words(seal: Seal) -> str:
    """The seal as the intake action states it, so that the chain of actions holds it too."""
    return f"sealed: {seal.method} SHA-256 {seal.sha256}, {seal.files} files, {seal.bytes} bytes"


def list_folder(root: Path, exhibit: Exhibit, show: Progress) -> Iterator[Record]:
    """Every file of a folder with its hashes, and last the seal over them."""
    lines: list[str] = []  # one text a file takes a third of the memory
    size = 0
    for record in folder_intake(root, exhibit.id, show.step):
        if isinstance(record, Content):
            lines[-1] += record.sha256  # it comes right after its file
        if isinstance(record, File) and record.entry == "file":
            lines.append(f"{record.path}\0{record.size}\0")
            size += record.size
        yield record
    lines.sort()
    parts = (line.split("\0") for line in lines)
    yield Seal(
        exhibit=exhibit.id,
        method="manifest",
        sha256=_digest((path, int(length), sha256) for path, length, sha256 in parts),
        files=len(lines),
        bytes=size,
        readings=2,
    )


def manifest(lines: Iterable[tuple[str, int, str]]) -> str:
    """SHA-256 over the sorted lines ``sha256 size path`` of a folder; given as (path, size, sha256)."""
    return _digest(sorted(lines))


def _digest(lines: Iterable[tuple[str, int, str]]) -> str:
    digest = hashlib.sha256()
    for path, size, sha256 in lines:
        digest.update(f"{sha256} {size} {path}\n".encode())
    return digest.hexdigest()


def _container(
    case: Case,
    exhibit: Exhibit,
    spec: Spec,
    guard: LazyGuard,
    show: Progress,
    reasons: list[str],
    locked: bool,
) -> Iterator[Record]:
    """The container's hashes and, unless it is locked, what it holds."""
    try:
        sha256, size, readings = hash_pieces(pieces(exhibit), show.step)
    except ValueError as error:  # a piece is gone, or no two readings agreed
        raise OSError(str(error)) from error
    files = 0
    for reason in reasons:
        yield _problem(spec, exhibit, "", reason)
    reach = container(case, exhibit)
    job = Job(
        token=exhibit.id,
        function=spec.function,
        opens="bytes",
        reader=reach.reader,
        locator=reach.locator,
        open=reach.open,
        found=Found(exhibit.id, "", exhibit.number, "", sha256, exhibit.form),
        seconds=spec.seconds,
    )
    for outcome in guard.get().run([] if locked else [[job]]):
        for reason in outcome.warnings + ([outcome.error] if outcome.error else []):
            yield _problem(spec, exhibit, "", reason)
        if not outcome.error:
            for record in outcome.records():
                files += isinstance(record, File)
                show.step(isinstance(record, File), 0)
                yield record
    yield Seal(
        exhibit=exhibit.id,
        method="container",
        sha256=sha256,
        files=files,
        bytes=size,
        readings=readings,
    )


def _unwrap(case: Case, exhibit: Exhibit, guard: LazyGuard) -> tuple[list[str], bool]:
    """Take the layer of packing off; what came out before damage stays.

    What was wrong, and whether it is a password that is missing.
    """
    target = unwrapped(case, exhibit)
    part = target.with_suffix(".part")
    path = pieces(exhibit)[0]
    packed = Reach(lambda: [open_read_only(path)], f"{READERS}:whole", '{"companions": []}')
    reach = with_secrets(packed, [secret_reach(secret) for secret in secrets(case)])
    digest = hashlib.sha256()
    with begun(part) as out:

        def start() -> list[int]:
            nonlocal digest
            digest = hashlib.sha256()
            out.seek(0)
            out.truncate()
            return reach.open()

        def take(data: bytes) -> None:
            digest.update(data)
            out.write(data)

        job = Job(
            token=exhibit.id,
            function=UNWRAPPERS[exhibit.form],
            opens="bytes",
            reader=reach.reader,
            locator=reach.locator,
            open=start,
            found=Found(exhibit.id, "", exhibit.number, ""),
            seconds=24 * 3600.0,
            sink=take,
        )
        outcome = next(iter(guard.get().run([[job]])))
    part.replace(target)
    case.store.act(
        replace(
            machine_action(UNWRAPPED_SPEC, now_ms(), (exhibit.id,), isolation=outcome.isolation),
            purpose=derived_words(digest.hexdigest()),
        )
    )
    error = outcome.error.removeprefix("ValueError: ")
    return outcome.warnings + ([error] if error else []), error.startswith("encrypted")


def unwrap_again(case: Case, guard: LazyGuard) -> None:
    """Make the derived tars again that somebody has deleted."""
    for exhibit in case.store.each(Exhibit, form=list(UNWRAPPED)):
        source = Path(os.fsdecode(path_bytes(exhibit.source)))
        if not unwrapped(case, exhibit).exists() and source.exists():
            _unwrap(case, exhibit, guard)


def _problem(spec: Spec, exhibit: Exhibit, path: str, reason: str) -> Problem:
    return Problem(
        stage=spec.stage,
        plugin=spec.id,
        subject=exhibit.id,
        exhibit=exhibit.id,
        path=path,
        reason=reason,
    )
