"""The local runner: everything missing in a case, on all cores of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from amparo.kit.plugin import Spec, load
from amparo.model import Action, Content, Id, Record
from amparo.run import learnt, models, small
from amparo.run.backups import open_backups
from amparo.run.disks import open_again
from amparo.run.guards import LazyGuard
from amparo.run.idle import EVERYTHING, stamp
from amparo.run.intake import take_in, unwrap_again
from amparo.run.packed import unpack_archives
from amparo.run.photorec import search_beside
from amparo.run.plan import Plan, Task, given
from amparo.run.progress import Progress, span
from amparo.run.small import Again
from amparo.run.writer import Counts, Writer, machine_action, now_ms, settle
from amparo.sandbox.guard import Job
from amparo.store import Case


@dataclass
class Summary:
    """What a run did; ``idle`` when there was nothing to do."""

    counts: Counts
    seconds: float
    derived: list[str] = field(default_factory=list)
    small: Again = field(default_factory=Again)

    @property
    def idle(self) -> bool:
        done = self.counts.files or self.derived or self.small.made or self.small.missed
        return not done

    def lines(self) -> list[str]:
        """For people."""
        c = self.counts
        if self.idle:
            return ["Nothing to do: everything is up to date."]
        out = [f"Done in {span(self.seconds)}: {c.files:,} subjects, {c.records:,} records read"]
        if c.problems:
            out.append(f"{c.problems:,} things could not be read, or not wholly: amparo status")
        if self.small.made:
            out.append(f"{self.small.made:,} small pictures that were gone were made again")
        if missed := self.small.missed:
            out.append(f"{len(missed):,} small pictures could not be made again: {missed[0]}")
        return out

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        c = self.counts
        return {
            "idle": self.idle,
            "files": c.files,
            "bytes": c.bytes,
            "records": c.records,
            "problems": c.problems,
            "failed": c.failed,
            "plugins": c.plugins,
            "derived": self.derived,
            "small_pictures_made_again": self.small.made,
            "small_pictures_missing": len(self.small.missed),
            "seconds": round(self.seconds, 3),
        }


def run(case: Case, plan: Plan, progress: Progress) -> Summary:
    """Do all that is missing in a case; stopped or killed at any instant, it goes on where it was.

    Stages that read evidence go round until nothing new appears (a parser may bring up pictures to
    fingerprint), then the concluding stages follow. Raises FloorError when cells cannot be locked in
    as far as the case demands.
    """
    counts = Counts()
    started = now_ms()
    small.note(case)
    pictures = Again()
    with LazyGuard(case, also=learnt.preload(case)) as guard:
        take_in(case, plan.exhibits(), guard, counts, progress)
        if not plan.finished():
            unwrap_again(case, guard)
            open_again(case, guard)
        reading = [s for s in plan.fingerprints if _fit(case, plan, s, guard, counts)]
        reading += plan.parsers
        again = True
        while again:
            open_backups(case, plan, guard, counts, progress)
            again = any([_read(case, plan, spec, guard, counts, progress) for spec in reading])
            again = unpack_archives(case, plan, guard, counts, progress) or again
            again = again or search_beside(case, plan, guard, counts, progress)
        if plan.whole and small.lost(case):
            pictures = small.make_again(case, plan, guard, progress)
    derived = [spec.id for spec in plan.derivers if _derive(case, plan, spec, progress)]
    if plan.whole and plan.finished():
        settle(case, EVERYTHING, started, 0, stamp(case))
    return Summary(counts, (now_ms() - started) / 1000, derived, pictures)


def _fit(case: Case, plan: Plan, spec: Spec, guard: LazyGuard, counts: Counts) -> bool:
    """Whether a plugin can do its work: a registered model is tried before it is given contents."""
    if not spec.model or plan.settled(spec):
        return True
    why = models.fit(guard, case, spec)
    counts.problems += bool(why)
    return not why


def _read(
    case: Case, plan: Plan, spec: Spec, guard: LazyGuard, counts: Counts, show: Progress
) -> bool:
    """Do a plugin's pending work; True when it did any."""
    if plan.settled(spec):
        return False
    revision, started, before = plan.revision(spec), now_ms(), counts.files
    tasks: dict[str, Task] = {}
    batches = plan.batches(spec)
    first = next(batches, None)

    def jobs() -> Iterator[list[Job]]:
        for batch in chain([first] if first else [], batches):
            tasks.update((task.job.token, task) for task in batch)
            yield [task.job for task in batch]

    unopened = failed = 0
    if first:
        show.begin(spec.id, plan.count(spec))
        with Writer(case, counts) as writer:
            for outcome in guard.get().run(jobs()):
                task = tasks.pop(outcome.job.token)
                writer.add(task, outcome)
                unopened += outcome.unopened
                show.step(1, task.size)
                failed = failed + 1 if spec.model and outcome.error else 0
                if failed == models.GIVES_UP:
                    break
        show.end()
    if failed == models.GIVES_UP:
        why = f"failed {failed} times in a row and was set aside: {outcome.error}"
        models.set_aside(case, spec, started, why)
        return False
    done = counts.files - before
    if plan.revision(spec) == revision and not unopened and not plan.waits(spec):
        settle(case, spec, started, done, revision)
    return done > unopened


def _derive(case: Case, plan: Plan, spec: Spec, show: Progress) -> bool:
    """Run a deriver whose input has changed; True when it ran."""
    if plan.settled(spec):
        return False
    show.say(f"  {spec.id}")
    revision, started = plan.seen_at(spec), now_ms()
    function = load(spec.function)
    at_hand = {"folder": case.derived, "thumbs": partial(thumb_of, case)}
    further = given(spec)
    taken = 0

    def records() -> Iterator[Record]:
        nonlocal taken
        for record in function(case.store, *(at_hand[name] for name in further)):
            taken += 1
            yield record

    def action() -> Action:
        return machine_action(spec, started, (), taken)

    case.store.replace(
        spec.makes,
        records(),
        action,
        plugin=spec.id,
        version=spec.version,
        revision=revision,
    )
    return True


def thumbs_of(case: Case, ids: Sequence[Id]) -> list[bytes | None]:
    """The encoded thumbnails of some contents, or None for each that has none."""
    contents = case.store.many(Content, ids)
    return [case.thumbs.get(contents[id].sha256) if id in contents else None for id in ids]


def thumb_of(case: Case, content_id: Id) -> bytes | None:
    """The encoded thumbnail of a content, or None."""
    content = case.store.get(Content, content_id)
    return case.thumbs.get(content.sha256) if content is not None else None
