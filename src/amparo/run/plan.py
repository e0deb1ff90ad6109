"""What is missing or stale in a case: each plugin's pending jobs, found from records alone.

A plugin's planning is skipped when the kinds it looks at have not changed since it last finished, so
a second run over a finished case asks a handful of questions and is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from inspect import signature
from itertools import islice
from typing import TypeVar

from amparo.evidence import repack
from amparo.evidence.detect import IMAGES, UNWRAPPED
from amparo.kit.plugin import Spec, discover, load
from amparo.match.terms import out_of_use
from amparo.model import (
    Content,
    Exhibit,
    File,
    Id,
    KnownSet,
    Media,
    Preview,
    Problem,
    Record,
    Seal,
    Structure,
)
from amparo.recover import photorec
from amparo.run import learnt, parts, small
from amparo.run.exhibits import SQLITE, Exhibits
from amparo.run.secrets import stamp
from amparo.sandbox.guard import Job
from amparo.store import WHOLE, Case, Store

READING = ("evidence", "fingerprint", "parse", "recover")
RECOVERY_VERSION = 4
"""Raised when the recovery engine finds more: every parser's recovered rows are then read again."""
CONCLUDING = ("match", "link", "network", "rank")
STAGES = READING + CONCLUDING
LOCKABLE = ("itunes", "ab", *IMAGES)
"""Forms of exhibits that a password may open later."""
BESIDE = "recover/photorec"
"""The carver that is a separate program."""
LOOKING = "fingerprint/image"
"""What looks at pictures, and sees whether one holds another file."""
CROPS = "fingerprint/crops"
"""Hashes of parts of pictures, made where a case asks for them."""
BATCH, BATCH_BYTES = 256, 128 << 20
"""Files, and their bytes, that a cell takes before it is replaced by a fresh one; one file at the least."""

T = TypeVar("T")


def chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to ``size`` things."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def by_weight(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Batches for one cell each: many small files or a few large ones, so that no core waits for another."""
    batch: list[Task] = []
    held = 0
    for task in tasks:
        if batch and (len(batch) >= BATCH or held + task.size > BATCH_BYTES):
            yield batch
            batch, held = [], 0
        batch.append(task)
        held += task.size
    if batch:
        yield batch


@dataclass(frozen=True)
class Task:
    """One subject for one plugin; ``file`` says where it occurs, for people."""

    spec: Spec
    job: Job
    exhibit: str
    path: str
    size: int


def given(spec: Spec) -> list[str]:
    """What a concluding plugin asks for beside the store, by name; nothing of others."""
    return list(signature(load(spec.function)).parameters)[1:] if spec.stage in CONCLUDING else []


def pending(store: Store, spec: Spec) -> int:
    """How many contents a fingerprint has not finished with."""
    return sum(
        store.undone_count(Content, spec.id, spec.version, {"mime": mime}) for mime in spec.mimes
    )


class Plan:
    """The pending work of one case. ``stage`` and ``only`` narrow it."""

    def __init__(self, case: Case, stage: str = "", only: str = "") -> None:
        if stage and stage not in STAGES:
            raise ValueError(f"no stage {stage!r}: choose from {', '.join(STAGES)}")
        everything = [*dated(discover()), *recovering(discover()), *learnt.specs(case)]
        if not case.config.photorec:
            everything = [s for s in everything if s.id != BESIDE]
        if not case.config.crops:
            everything = [s for s in everything if s.id != CROPS]
        specs = [s for s in everything if not stage or s.stage == stage]
        if only:
            specs = [s for s in specs if only in (s.name, s.id)]
            if not specs:
                names = ", ".join(sorted({s.id for s in everything if s.stage != "evidence"}))
                raise ValueError(f"no plugin {only!r}: choose from {names}")
        self._case = case
        self.whole = not stage and not only
        self._store = case.store
        self._exhibits = Exhibits(case)
        self.fingerprints = [s for s in specs if s.stage == "fingerprint"]
        self._looking = [s for s in self.fingerprints if s.id == LOOKING]
        self.beside = next((s for s in specs if s.id == BESIDE), None)
        """PhotoRec, where the case asks for it."""
        self.parsers = [s for s in specs if s.stage in ("parse", "recover") and s.id != BESIDE]
        self.derivers = in_order(s for s in specs if s.stage in CONCLUDING)
        self.intake = not only and stage in ("", "evidence")
        self.backups = opener_of("crypt") if self.intake else None
        self.packed = opener_of("packed") if self.intake else None

    def all(self) -> list[Spec]:
        """Every plugin of this plan, in the order in which it works."""
        beside = [self.beside] if self.beside else []
        return [*self.fingerprints, *self.parsers, *beside, *self.derivers]

    def finished(self) -> bool:
        """Whether nothing at all is missing or stale."""
        opened = all(s is None or self.settled(s) for s in (self.backups, self.packed))
        settled = opened and not self.exhibits() and all(self.settled(spec) for spec in self.all())
        return settled and not (self.whole and small.lost(self._case))

    def exhibits(self) -> list[Exhibit]:
        """Exhibits whose intake is not finished."""
        if not self.intake:
            return []
        return [e for e in self._store.each(Exhibit) if not self._taken_in(e)]

    def _taken_in(self, exhibit: Exhibit) -> bool:
        spec = opener_of(exhibit.form)
        done = self._store.is_done(spec.id, exhibit.id)
        if done is not None and not done[0] and exhibit.form in LOCKABLE:
            return self._locked(exhibit) and not self._new_secrets()
        return done is not None and done[0] >= spec.version

    def _locked(self, exhibit: Exhibit) -> bool:
        """Whether it was taken in and only a password is missing."""
        problems = self._store.each(Problem, exhibit=exhibit.id, subject=exhibit.id)
        sealed = next(self._store.each(Seal, exhibit=exhibit.id), None) is not None
        return sealed and any(p.reason.startswith("encrypted") for p in problems)

    def _new_secrets(self) -> bool:
        """Whether keys or passwords were given since the last run."""
        done = self._store.is_done(opener_of("crypt").id, WHOLE)
        return (done[1].partition(" ")[2] if done else "") != stamp(self._case)

    def revision(self, spec: Spec) -> str:
        """Changes whenever something this plugin looks at has changed."""
        kinds: tuple[type[Record], ...] = spec.reads
        if spec is self.beside:
            return f"{self._store.revision((Exhibit, Seal))} {photorec.stamp()}"
        if spec.model:  # what a model of this form takes may grow without another version
            return " ".join([self._store.revision((Content, File, Preview)), *spec.mimes])
        if spec.stage == "fingerprint":
            kinds = (Content, File, Preview)
        elif spec.stage == "recover" and spec.forms:
            kinds = (Exhibit, Seal)
        elif spec.stage in ("parse", "recover"):
            kinds = (Content, File, Structure, *((Media,) if spec.embeds else ()))
        elif spec is self.backups:
            made = parts.stamp(self._case)
            return f"{self._store.revision((File,))}-{made} {stamp(self._case)}"
        elif spec is self.packed:
            made = parts.stamp(self._case)
            return f"{self._store.revision((File,))}-{made} {repack.stamp(self._store)}"
        if KnownSet in kinds:
            over = out_of_use(self._store.each(KnownSet))
            return " ".join([self._store.revision(kinds), *over])
        return self._store.revision(kinds)

    def settled(self, spec: Spec) -> bool:
        """Whether this plugin has finished everything there is, at this version."""
        done = self._store.is_done(spec.id, WHOLE)
        ways = (
            self.revision,
            self.seen_at,
        )  # the second asks more, and only of what is not settled by the first
        return any(done == (spec.version, revision(spec)) for revision in ways)

    def seen_at(self, spec: Spec) -> str:
        """The revision a concluding plugin finishes at: another, where small pictures it looks at are gone."""
        revision = self.revision(spec)
        if "thumbs" in given(spec) and small.lost(self._case):
            return f"{revision} with {self._case.thumbs.count()} small pictures"
        return revision

    def count(self, spec: Spec) -> int | None:
        """How many subjects are pending, where that is cheap to know."""
        if spec.stage != "fingerprint":
            return None
        return pending(self._store, spec)

    def batches(self, spec: Spec) -> Iterator[list[Task]]:
        """Pending tasks of a plugin that reads evidence, in batches for one cell each."""
        if spec.stage == "recover" and spec.forms:
            return chunks(self.disks(spec), 1)
        tasks = self._contents(spec) if spec.stage == "fingerprint" else self._files(spec)
        return by_weight(tasks)

    def _contents(self, spec: Spec) -> Iterator[Task]:
        for mime in spec.mimes:
            pending = self._store.undone(Content, spec.id, spec.version, {"mime": mime})
            yield from self.tasks(spec, pending)

    def tasks(self, spec: Spec, contents: Iterable[Content]) -> Iterator[Task]:
        """A fingerprint's work on these, each where it is found first."""
        for batch in chunks(contents, BATCH):
            ids = [c.id for c in batch]
            places: dict[str, File] = {}
            for file in self._store.each(File, content=ids):
                places.setdefault(file.content, file)
            lost = [i for i in ids if i not in places]
            previews = (
                {p.content: p for p in self._store.each(Preview, content=lost)} if lost else {}
            )
            for content in batch:
                place = places.get(content.id)
                if place is not None:
                    job = self._exhibits.content_job(spec, content, place)
                    yield Task(spec, job, place.exhibit, place.path, content.size)
                elif content.id in previews:
                    preview = previews[content.id]
                    job = self._exhibits.preview_job(spec, content, preview)
                    yield Task(spec, job, preview.at.exhibit, preview.at.table, content.size)

    def disks(self, spec: Spec) -> Iterator[Task]:
        """Exhibits whose free space is still to be searched."""
        for form in spec.forms:
            for exhibit in self._store.undone(Exhibit, spec.id, spec.version, {"form": form}):
                if self._taken_in(exhibit):
                    job = self._exhibits.free_job(spec, exhibit)
                    yield Task(spec, job, exhibit.id, "", 0)

    def _files(self, spec: Spec) -> Iterator[Task]:
        for batch in chunks(self._candidates(spec), 500):
            contents = {c.id: c for c in batch}
            if spec.embeds:
                looked_at = self._store.each(Media, content=list(contents), embeds=False)
                for spared in [media.content for media in looked_at] + self._unseen(list(contents)):
                    contents.pop(spared, None)
                if not contents:
                    continue
            where = {"content": list(contents), "entry": "file"}
            first = self._first(where) if spec.once else {}
            for file in self._store.undone(File, spec.id, spec.version, where):
                content = contents[file.content]
                if spec.once and first[content.id] != file.id:
                    continue
                wanted = spec.tables or spec.beside
                names = names_of(self._store, content.id) if wanted else frozenset()
                if spec.fits(content.mime, file.path, names):
                    task = beside(spec, content, file, names) if spec.beside else spec
                    job = self._exhibits.file_job(task, file, content)
                    yield Task(spec, job, file.exhibit, file.path, content.size)

    def waits(self, spec: Spec) -> bool:
        """Whether some of its pictures are still to be looked at, after which most need not be opened again."""
        return spec.embeds and any(
            self._store.undone_count(Content, s.id, s.version, {"mime": list(spec.mimes)})
            for s in self._looking
        )

    def _unseen(self, contents: list[Id]) -> list[Id]:
        """Those of the pictures that this run has still to look at."""
        return [
            content.id
            for s in self._looking
            for content in self._store.undone(Content, s.id, s.version, {"id": contents})
        ]

    def _first(self, where: Mapping[str, object]) -> dict[Id, Id]:
        """One file of each content, the same in every run."""
        first: dict[Id, Id] = {}
        for file, content in self._store.columns(File, "id", "content", **where):
            first.setdefault(content, file)
        return first

    def _candidates(self, spec: Spec) -> Iterator[Content]:
        for mime in (SQLITE,) if spec.tables else spec.mimes:
            yield from self._store.each(Content, mime=mime)


def names_of(store: Store, content: Id) -> frozenset[str]:
    """Names of tables and of their columns, ``table`` and ``table.column``, of a database."""
    structures = store.each(Structure, content=content)
    return frozenset(
        name for s in structures for full in s.names for name in (full, full.partition(".")[0])
    )


def unknown_databases(store: Store) -> list[File]:
    """Databases of applications that no parser knows; each content once."""
    parsers = [s for s in discover() if s.stage == "parse" and s.tables]
    known = {
        id for (id,) in store.columns(Structure, "content")
        if any(p.fits(SQLITE, "", names_of(store, id)) for p in parsers)
    }  # fmt: skip
    contents = {c.id for c in store.each(Content, mime=SQLITE)} - known
    files = store.each(File, content=contents) if contents else ()
    found: dict[Id, File] = {}
    for file in files:
        found.setdefault(file.content, file)
    return list(found.values())


def beside(spec: Spec, content: Content, file: File, names: frozenset[str]) -> Spec:
    """A plugin with the parsers that fit the same file as its first argument."""
    fitting = (
        p.function for p in discover()
        if p.stage == "parse" and p.opens == "sqlite" and p.fits(content.mime, file.path, names)
    )  # fmt: skip
    return replace(spec, function=f"{spec.function}[{','.join(fitting)}]")


def dated(specs: Iterable[Spec]) -> list[Spec]:
    """Plugins that work beside parsers are done again when a parser comes or changes."""
    parsers = sum(s.version for s in discover() if s.stage == "parse" and s.opens == "sqlite")
    return [
        replace(s, version=(1000 * RECOVERY_VERSION + s.version) * 1000 + parsers)
        if s.beside
        else s
        for s in specs
    ]


def recovering(specs: Iterable[Spec]) -> list[Spec]:
    """For each parser of databases, the plugin that gives it the rows brought back from the same files."""
    return [
        replace(
            spec,
            stage="recover",
            version=spec.version * 1000 + RECOVERY_VERSION,
            doc=f"Brought back from free space, logs and indexes: {spec.doc}",
            function=f"amparo.recover.ghost:recover_with({spec.function})",
            opens="bytes",
        )
        for spec in specs
        if spec.stage == "parse" and spec.opens == "sqlite"
    ]


FOLDER = Spec("evidence", "folder", 1, "Lists and hashes a folder.", "", forms=("folder",))


def opener_of(form: str) -> Spec:
    """The plugin that lists exhibits of this form; a layer of packing around a tar is off before."""
    inner = "tar" if form in UNWRAPPED else form
    openers = (s for s in discover() if s.stage == "evidence" and inner in s.forms)
    return next(openers, FOLDER)


def in_order(specs: Iterable[Spec]) -> list[Spec]:
    """Derivers so that each comes after those that make what it reads; stages keep their order."""
    by_id = {s.id: s for s in sorted(specs, key=lambda s: (CONCLUDING.index(s.stage), s.id))}
    graph = TopologicalSorter[str]()
    for spec in by_id.values():
        graph.add(spec.id)
        for other in by_id.values():
            if other is not spec and set(other.makes) & set(spec.reads):
                same_stage = other.stage == spec.stage
                if same_stage or CONCLUDING.index(other.stage) < CONCLUDING.index(spec.stage):
                    graph.add(spec.id, other.id)
    return [by_id[i] for i in graph.static_order()]
