"""Builds an operation: plans the exhibits, makes each alone, then puts the truth together.

Layout of the result: `exhibits/` (folders, zips, one tar.gz), `exhibits.json`, `keys.txt` (of
encrypted backups), `known/`, `truth.db`, `truth.json`. While building, `.build/` holds half-written exhibits, ledgers and the
cache of shared pictures; an exhibit appears under its name only when whole. Killed at any moment
and called again, the build goes on where it stopped and ends with the same bytes.
"""

import ctypes
import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amparo.replay.assemble import assemble
from amparo.replay.chatter import END_MS, Chatter, holder_of_card, holder_of_laptop
from amparo.replay.content import Contents
from amparo.replay.habits import habits
from amparo.replay.known import write_known
from amparo.replay.ledger import Ledger
from amparo.replay.others import build_card, build_laptop, build_page, build_press
from amparo.replay.phone import PhoneBuilder
from amparo.replay.scale import SCALES, Scale
from amparo.replay.sealed import root_key
from amparo.replay.sink import SINKS, discard
from amparo.replay.view import PhoneView
from amparo.replay.world import SEIZED_MS, World

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One exhibit to make. `index` counts within its kind; `holder` is None for open sources."""

    number: str
    kind: str  # phone | card | laptop | page | press
    index: int
    holder: int | None
    country: str
    delivery: str

    @property
    def path(self) -> str:
        """Where it is delivered, relative to the operation."""
        return f"exhibits/{self.number}{SINKS[self.delivery].suffix}"


def _jobs(world: World) -> Iterator[Job]:
    scale = world.scale
    wanted: list[tuple[str, int, int | None, str]] = []
    for index in range(scale.holders):
        wanted.append(("phone", index, index, "zip" if index % 9 == 2 else "folder"))
    for index in range(scale.cards):
        delivery = "tar.gz" if index == 0 else "zip" if index % 10 == 5 else "folder"
        wanted.append(("card", index, holder_of_card(world, index), delivery))
    for index in range(scale.laptops):
        wanted.append(("laptop", index, holder_of_laptop(world, index), "folder"))
    wanted += [("page", index, None, "folder") for index in range(scale.pages)]
    wanted += [("press", index, None, "folder") for index in range(scale.press)]
    for number, (kind, index, holder, delivery) in enumerate(wanted, 1):
        country = scale.countries[index % len(scale.countries)]
        if holder is not None:
            country = world.accounts[holder].number.country
        yield Job(f"{country}-{number:03d}", kind, index, holder, country, delivery)


class Operation:
    """One build under way: the invented world and the folder it goes to."""

    def __init__(self, out: Path, scale: Scale, seed: int) -> None:
        self.out, self.scale, self.seed = out, scale, seed
        self.hidden = out / ".build"
        self.world = World(scale, seed)
        self.chatter = Chatter(self.world)
        self.jobs = list(_jobs(self.world))
        self.contents = Contents(seed, scale, self.hidden / "contents")

    def part(self, job: Job) -> Path:
        """The ledger of an exhibit."""
        return self.hidden / "parts" / f"{job.number}.jsonl"

    def make(self, job: Job) -> str:
        """Make one exhibit; it and its ledger appear under their names only when whole."""
        sink_type = SINKS[job.delivery]
        half = self.hidden / "half" / f"{job.number}{sink_type.suffix}"
        work = self.hidden / "work" / job.number
        final, half_part = self.out / job.path, self.part(job).with_suffix(".half")
        for path in (half, work, final):
            discard(path)
        work.mkdir(parents=True)
        closed = END_MS if job.holder is None else self.world.seized_ms(job.holder)
        with (
            Ledger(half_part, job.number, self.contents) as ledger,
            sink_type(half, closed) as sink,
        ):
            if job.kind == "phone":
                view = PhoneView(self.world, self.chatter, job.index)
                PhoneBuilder(view, self.chatter, self.contents, sink, ledger, work).build()
            elif job.kind == "card" and job.holder is not None:
                build_card(self.chatter, job.index, job.holder, self.contents, sink, ledger)
            elif job.kind == "laptop" and job.holder is not None:
                build_laptop(self.chatter, job.index, job.holder, self.contents, sink, ledger)
            elif job.kind == "page":
                build_page(self.chatter, job.index, sink, ledger)
            else:
                build_press(self.chatter, job.index, sink, ledger)
        shutil.rmtree(work)
        half_part.replace(self.part(job))
        half.rename(final)
        return job.number

    def describe(self, job: Job) -> dict[str, object]:
        """The exhibit as the register lists it."""
        open_source = job.holder is None
        return {
            "number": job.number, "path": job.path,
            "site": "Open source" if open_source else f"Site {(job.holder or 0) + 1:02d}",
            "country": job.country,
            "holder": "" if open_source else f"Holder {(job.holder or 0) + 1:02d}",
            "legal_basis": "Public material" if open_source
            else f"Search order {job.country} {100 + (job.holder or 0)}/2026 (invented)",
            "kind": job.kind,
        }  # fmt: skip

    def _keys(self) -> str:
        """Digits that holders had written down: each opens the crypt15 backups of one phone."""
        lines = ["# 64 digits, as found on paper (invented)"]
        for job in self.jobs:
            if job.kind == "phone" and habits(job.index).backups == "crypt15":
                lines.append(root_key(self.seed, job.index).hex())
        return "\n".join(lines) + "\n"

    def finish(self) -> None:
        """Register, truth and known sets; the summary comes last and marks the end."""
        register = [self.describe(job) for job in self.jobs]
        _write_json(self.out / "exhibits.json", register)
        (self.out / "keys.txt").write_text(self._keys(), encoding="ascii")
        rows = [
            (job.number, job.path, job.delivery, entry["holder"],
             self.world.accounts[job.index].jid if job.kind == "phone" else None, job.country, job.kind,
             entry["site"], END_MS if job.holder is None else self.world.seized_ms(job.holder))
            for job, entry in zip(self.jobs, register, strict=True)
        ]  # fmt: skip
        numbers = [(account.jid, account.number.country) for account in self.world.accounts]
        half = self.hidden / "truth.db"
        db = assemble(half, self.hidden, map(self.part, self.jobs), numbers, rows)
        write_known(self.out / "known", db, self.seed)
        tables = [
            row[0]
            for row in db.execute(
                "SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name"
            )
        ]
        counts = {
            table: db.execute(f"SELECT count(*) FROM main.{table}").fetchone()[0]
            for table in tables
        }
        unique = db.execute("SELECT count(DISTINCT sha256) FROM file").fetchone()[0]
        db.close()
        half.replace(self.out / "truth.db")
        summary = {"format": 1, "scale": self.scale.name, "seed": self.seed, "truth": "truth.db",
                   "unique_files": unique, "rows": counts}  # fmt: skip
        for name in (
            "exhibits.json",
            "keys.txt",
            "truth.db",
            "known/benign-ignore.txt",
            "known/alert-vics.json",
            "known",
        ):
            _date(self.out / name)
        _write_json(self.out / "truth.json", summary)
        _date(self.out / "truth.json")


def _write_json(path: Path, value: object) -> None:
    half = path.with_name(f".{path.name}.half")
    half.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)


def _date(path: Path) -> None:
    os.utime(path, ns=(SEIZED_MS * 1_000_000, SEIZED_MS * 1_000_000))


def _die_with_parent() -> None:
    """A worker must not write on after its parent was killed (Linux; elsewhere the lock waits)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the operation's lock; waits for a build under way (or its dying workers) to let go."""
    hidden = out / ".build"
    hidden.mkdir(parents=True, exist_ok=True)
    with (hidden / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_current: Operation | None = None  # inherited by forked workers, which only read it


def _make_in_worker(job: Job) -> str:
    if _current is None:
        raise RuntimeError("worker started without an operation")
    return _current.make(job)


def build(
    out: Path, scale: str = "small", seed: int = 2017, progress: Progress | None = None
) -> Path:
    """Write the synthetic operation into `out` and return the path of its truth (`truth.db`).

    Same scale and seed give the same bytes. Call it again after an interruption to go on; call it
    on a finished operation to check for missing exhibits only. `progress(done, total)` counts
    exhibits. An `out` that holds another scale or seed is refused with ValueError.
    """
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
    with _alone(out):
        _claim(out, scale, seed)
        _go_on(Operation(out, SCALES[scale], seed), progress)
    _date(out / "exhibits")
    _date(out)
    return out / "truth.db"


def _go_on(operation: Operation, progress: Progress | None) -> None:
    """Make what is missing, then the truth, then clear the workshop away."""
    out = operation.out
    finished = (out / "truth.json").exists()
    pending = [job for job in operation.jobs
               if not (out / job.path).exists() or not (finished or operation.part(job).exists())]  # fmt: skip
    done, total = len(operation.jobs) - len(pending), len(operation.jobs)
    (out / "exhibits").mkdir(exist_ok=True)
    if progress:
        progress(done, total)
    for _ in _made(operation, pending):
        done += 1
        if progress:
            progress(done, total)
    if not finished:
        operation.finish()
    shutil.rmtree(operation.hidden, ignore_errors=True)


def _made(operation: Operation, pending: list[Job]) -> Iterator[str]:
    """Make the pending exhibits, in this process or in forked ones."""
    global _current
    workers = os.cpu_count() or 1 if operation.scale.workers > 1 else 1
    if workers == 1 or len(pending) < 2:
        yield from map(operation.make, pending)
        return
    _current = operation
    try:
        with multiprocessing.get_context("fork").Pool(
            min(workers, len(pending)), _die_with_parent
        ) as pool:
            yield from pool.imap_unordered(_make_in_worker, pending)
    finally:
        _current = None


def _claim(out: Path, scale: str, seed: int) -> None:
    """Refuse a folder that belongs to another operation; mark a new one as ours."""
    wanted = {"scale": scale, "seed": seed}
    for mark in (out / "truth.json", out / ".build" / "operation.json"):
        if mark.exists():
            there = json.loads(mark.read_text(encoding="utf-8"))
            if {key: there.get(key) for key in wanted} != wanted:
                raise ValueError(
                    f"{out} holds another operation: {there.get('scale')}, seed {there.get('seed')}"
                )
            return
    (out / ".build").mkdir(parents=True, exist_ok=True)
    _write_json(out / ".build" / "operation.json", wanted)
