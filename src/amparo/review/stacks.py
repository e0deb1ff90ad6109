"""The review queue: visual stacks in the order in which looking at them helps most.

One judgement covers a stack, so the queue counts stacks, not files. It is a derived index in memory,
built from a few columns of the store and rebuilt when the case has changed; ranks and filters are
then plain array work. Memory is about 100 bytes a stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from amparo.kit.judgements import latest_judgements
from amparo.model import (
    Content,
    Exif,
    File,
    Id,
    KnownDispute,
    KnownMatch,
    StackMember,
    Unseen,
)
from amparo.review.learnt import Scores, scores_of
from amparo.store.case import Case

KNOWN = ("", "alert", "ignore")
LAST = 1 << 40
"""Place in the never-seen queue of what is not in it."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Filter:
    """What part of the queue is asked for.

    ``known`` is ``hide`` (all but ignored), ``unknown``, ``alert``, ``ignore`` or ``all``; ``grade``
    is ``any``, ``none`` or a code of the case's scheme; ``exhibit`` an id or ""; ``order`` is ``unseen``,
    ``copies``, ``newest`` or :func:`by_score` of a label of a registered classifier; ``model`` such a label
    that shall have reached its threshold, or "".
    """

    known: str = "hide"
    grade: str = "any"
    exhibit: Id = ""
    order: str = "unseen"
    model: str = ""


@dataclass(frozen=True)
class Window:
    """Neighbouring stacks in an order: their positions, how many fit the filter, rank of the first."""

    positions: list[int]
    stacks: list[int]
    total: int
    first: int


@dataclass
class Queue:
    """Columns over all stacks; ``positions`` are places in an order and never move under grading."""

    centres: list[Id]
    contents: Ints
    files: Ints
    spread: Ints
    """Number of exhibits."""
    newest: Ints
    known: Ints
    """0 unknown, 1 alert, 2 ignore."""
    camera: Bools
    disputed: Bools
    """Lists contradict each other about a content of it."""
    rank: Ints
    """Place in the never-seen queue; :data:`LAST` where it is not in it."""
    grades: list[tuple[str, str, str]]
    """Scheme, version and code of the latest judgement; code "" means none."""
    stack_of: dict[Id, int]
    exhibits: dict[Id, Ints]
    scores: dict[str, Scores] = field(default_factory=dict)
    """What registered classifiers give, by model and label."""
    orders: dict[str, Ints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graded = np.fromiter((bool(g[2]) for g in self.grades), bool, len(self.grades))
        index = np.arange(len(self.centres))
        done = (self.known > 0) | graded
        # lexsort: the last key leads
        self.orders = {
            "unseen": np.lexsort(
                (index, -self.newest, -self.files, ~self.camera, self.rank, graded, done)
            ),
            "copies": np.lexsort((index, -self.newest, -self.files)),
            "newest": np.lexsort((index, -self.files, -self.newest)),
        }
        for key, scores in self.scores.items():
            self.orders[by_score(key)] = np.lexsort((index, self.rank, -scores.values))

    def grade(self, content: Id, scheme: str, version: str, code: str) -> None:
        """Takes over a new judgement, so that filters see it at once."""
        stack = self.stack_of.get(content)
        if stack is not None:
            self.grades[stack] = (scheme, version, code)

    def fitting(self, wanted: Filter, scheme: tuple[str, str]) -> Bools:
        """Which stacks pass a filter; ``scheme`` is name and version of the codes."""
        keep: Bools = np.ones(len(self.centres), bool)
        if wanted.known == "hide":
            keep &= self.known != KNOWN.index("ignore")
        elif wanted.known == "unknown":
            keep &= self.known == 0
        elif wanted.known == "disputed":
            keep &= self.disputed
        elif wanted.known in ("alert", "ignore"):
            keep &= self.known == KNOWN.index(wanted.known)
        if wanted.exhibit:
            here = np.zeros(len(self.centres), bool)
            here[self.exhibits.get(wanted.exhibit, np.zeros(0, np.int64))] = True
            keep &= here
        if wanted.model:
            scores = self.scores[wanted.model]
            keep &= scores.values >= scores.threshold
        if wanted.grade == "none":
            keep &= np.fromiter((not g[2] for g in self.grades), bool, len(self.grades))
        elif wanted.grade != "any":
            exact = (*scheme, wanted.grade)
            keep &= np.fromiter((g == exact for g in self.grades), bool, len(self.grades))
        return keep

    def window(
        self,
        wanted: Filter,
        scheme: tuple[str, str],
        limit: int,
        after: int | None = None,
        before: int | None = None,
        rank: int | None = None,
    ) -> Window:
        """Up to ``limit`` stacks after or before a position, or from a rank of the filtered order."""
        order = self.orders[wanted.order]
        places = np.flatnonzero(self.fitting(wanted, scheme)[order])
        if after is not None:
            start = int(np.searchsorted(places, after, side="right"))
        elif before is not None:
            end = int(np.searchsorted(places, before, side="left"))
            start = max(0, end - limit)
            limit = end - start
        else:
            start = min(max(0, rank or 0), max(0, len(places) - 1))
        some = places[start : start + limit]
        return Window(some.tolist(), order[some].tolist(), len(places), start)


def by_score(label: str) -> str:
    """The order by a label of a registered classifier, the highest score first."""
    return f"score {label}"


def build_queue(case: Case) -> Queue:
    """Reads the case once and lays out its stacks."""
    store = case.store
    visual = {
        str(id)
        for id, mime in store.columns(Content, "id", "mime")
        if str(mime).startswith(("image/", "video/"))
    }
    centre_of: dict[Id, Id] = {}
    for content, centre in store.columns(StackMember, "content", "stack"):
        centre_of[content] = centre
        visual.add(content)
    centres: list[Id] = sorted({centre_of.get(content, content) for content in visual})
    index = {centre: n for n, centre in enumerate(centres)}
    stack_of = {content: index[centre_of.get(content, content)] for content in visual}
    for centre, n in index.items():
        stack_of.setdefault(centre, n)
    count = len(centres)
    contents = np.bincount(np.fromiter((stack_of[c] for c in visual), np.int64), minlength=count)
    files, newest = np.zeros(count, np.int64), np.zeros(count, np.int64)
    on: dict[Id, set[int]] = {}
    names = ("content", "exhibit", "modified", "state")
    for content, exhibit, modified, state in store.columns(File, *names):
        stack = stack_of.get(content)
        if stack is None:
            continue
        # A picture out of another file would not have been a file to look at.
        files[stack] += state not in ("carved", "embedded")
        newest[stack] = max(newest[stack], modified or 0)
        on.setdefault(exhibit, set()).add(stack)
    spread = np.zeros(count, np.int64)
    exhibits: dict[Id, Ints] = {}
    for exhibit, some in on.items():
        exhibits[exhibit] = np.array(sorted(some), np.int64)
        spread[exhibits[exhibit]] += 1
    camera = np.zeros(count, bool)
    for content, make, serial in store.columns(Exif, "content", "make", "serial"):
        stack = stack_of.get(content)
        if stack is not None and (make or serial):
            camera[stack] = True
    disputed = np.zeros(count, bool)
    for (content,) in store.columns(KnownDispute, "content"):
        if content in stack_of:
            disputed[stack_of[content]] = True
    rank = np.full(count, LAST, np.int64)
    for content, place in store.columns(Unseen, "content", "rank"):
        if content in stack_of:
            rank[stack_of[content]] = place
    known = known_of(case, stack_of, contents)
    known[disputed & (known == KNOWN.index("ignore"))] = 0  # a person decides before it is hidden
    grades = latest_judgements(store, stack_of.get)
    return Queue(
        centres=centres,
        contents=contents.astype(np.int64),
        files=files,
        spread=spread,
        newest=newest,
        known=known,
        camera=camera,
        disputed=disputed,
        rank=rank,
        grades=[grades.get(number, ("", "", "")) for number in range(count)],
        stack_of=stack_of,
        exhibits=exhibits,
        scores=scores_of(store, stack_of, count),
    )  # fmt: skip


def known_of(case: Case, stack_of: dict[Id, int], contents: Ints) -> Ints:
    """0, 1 (any member alerts) or 2 (every member is to be ignored) for each stack."""
    known = np.zeros(len(contents), np.int64)
    ignored: dict[int, set[Id]] = {}
    for content, use in case.store.columns(KnownMatch, "content", "use"):
        stack = stack_of.get(content)
        if stack is None:
            continue
        if use == "alert":
            known[stack] = 1
        elif use == "ignore":
            ignored.setdefault(stack, set()).add(content)
    for stack, some in ignored.items():
        if not known[stack] and len(some) >= contents[stack]:
            known[stack] = 2
    return known
