"""One running desk: the case, who sits at it, and how a page becomes HTML or JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock
from typing import Any, TypeVar

from fastapi import HTTPException, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from amparo import __version__
from amparo.kit.schemes import Scheme, label, tone
from amparo.model import Action, At, File, Id, KnownMatch, Mark, Problem
from amparo.model.actions import verb_action
from amparo.review.directory import Directory
from amparo.review.reads import Reads
from amparo.review.stacks import Queue, build_queue
from amparo.review.words import install, jsonable
from amparo.store.case import Case

HERE = Path(__file__).parent
TOOL = f"amparo {__version__}"
FRESH = 2.0
"""Seconds for which a look at whether the case has changed holds."""
KEPT = 500
"""Outcomes of long work that are held at once."""
CHECK_AT_ONCE = 500
"""Actions that are verified with every page that shows the chain; a longer chain on request."""

PAGES = (
    ("/", "Overview", "o"),
    ("/gallery", "Gallery", "g"),
    ("/threads", "Groups", "t"),
    ("/accounts", "People", "p"),
    ("/graph", "Network", "n"),
    ("/recovered", "Erased", "e"),
    ("/problems", "Problems", "b"),
    ("/actions", "Actions", "a"),
)
"""Address, name and the key that follows ``g``."""

Picture = Callable[[Id, int], bytes | None]
Piece = Callable[[At, int], bytes]
"""The bytes a record rests on, at most so many; ValueError in words where they cannot be read."""


@dataclass(frozen=True)
class Laid:
    """A content that a picture is a part of, or that is a part of it."""

    content: Id
    verified: bool
    """Whether they agree in detail; else a person is to check."""
    reasons: tuple[str, ...]


Parts = Callable[[Id], tuple[list[Laid], int | None]]
"""Lays the picture of a content on all others; and on how many it could not: None where it has none that can be read."""


def no_parts(content: Id) -> tuple[list[Laid], int | None]:
    """Stands in where nothing can be laid."""
    return [], None


def no_piece(at: At, most: int) -> bytes:
    """Stands in where the desk has no evidence at hand."""
    raise ValueError("the evidence is not at hand here")


def now() -> int:
    """This moment in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def make_environment() -> Environment:
    """Templates with autoescape for everything and an error for a name that is not there."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(environment)
    return environment


@dataclass
class Chain:
    """State of the action chain: its length and head, and whether it was found intact."""

    length: int
    head: str
    checked: bool
    broken: str
    """"" or what does not hold."""


@dataclass
class Once:
    """Something long that whoever asks first works out; who asks meanwhile waits for it."""

    turn: Lock = field(default_factory=Lock)
    made: list[Any] = field(default_factory=list)
    """Nothing yet, or the one thing."""


@dataclass
class Index:
    """What is laid out in memory for one state of the case."""

    stamp: str
    number: int
    queue: Queue
    directory: Directory
    problems: Counter[Id]
    """Problems by exhibit."""
    known: Counter[str]
    """Contents in known sets by use."""
    live: Counter[Id]
    """Files that lay there as files, by exhibit."""
    recovered: int
    """Files that did not: deleted ones and those carved out of other bytes."""
    kept: dict[tuple[str, Id], Once] = field(default_factory=dict)
    """What a page worked out at length, until the case changes."""


@dataclass
class Desk:
    """What every page needs; one analyst, one session."""

    case: Case
    picture: Picture
    performer: str
    scheme: Scheme
    piece: Piece = no_piece
    parts: Parts = no_parts
    revealed: set[Id] = field(default_factory=set)
    """Contents whose consultation is in the log, and whose picture may therefore be sent."""
    reveals: int = 0
    """Pictures this analyst revealed today (UTC)."""
    last_mark: int = 0
    """Time of the latest judgement; the next one is later, so that the latest counts."""
    environment: Environment = field(default_factory=make_environment)
    lock: RLock = field(default_factory=RLock)
    _index: Index | None = None
    _look_again: float = 0.0
    _chain: Chain | None = None

    @staticmethod
    def of(request: Request) -> Desk:
        """The desk that serves this request."""
        desk = request.app.state.desk
        assert isinstance(desk, Desk)
        return desk

    @property
    def reads(self) -> Reads:
        """The case as pages read it."""
        return Reads(self.case.store)

    def index(self) -> Index:
        """Queue and directory, laid out anew when a run has changed the case.

        While a run goes on, at most a twentieth of the time is spent on that.
        """
        with self.lock:
            start = time.monotonic()
            if self._index is not None and start < self._look_again:
                return self._index
            stamp = self.reads.stamp()
            if self._index is None or self._index.stamp != stamp:
                states = list(self.reads.columns(File, "exhibit", "state"))
                self._index = Index(
                    stamp=stamp,
                    number=self._index.number + 1 if self._index is not None else 1,
                    queue=build_queue(self.case),
                    directory=Directory(self.case),
                    problems=Counter(e for (e,) in self.reads.columns(Problem, "exhibit")),
                    known=Counter(
                        use for _, use in set(self.reads.columns(KnownMatch, "content", "use"))
                    ),
                    live=Counter(e for e, state in states if state == "live"),
                    recovered=sum(1 for _, state in states if state not in ("live", "embedded")),
                )
            end = time.monotonic()
            self._look_again = end + max(FRESH, 20 * (end - start))
            return self._index

    def kept(self, what: str, id: Id, make: Callable[[], T]) -> T:
        """The outcome of a long piece of work, made once for each state of the case."""
        with self.lock:
            held = self.index().kept
            if (what, id) not in held and len(held) >= KEPT:
                held.clear()
            once = held.setdefault((what, id), Once())
        with once.turn:
            if not once.made:
                once.made.append(make())
        found: T = once.made[0]
        return found

    def queue(self) -> Queue:
        """The review queue."""
        return self.index().queue

    def directory(self) -> Directory:
        """People, groups and exhibits by id."""
        return self.index().directory

    def chain(self, again: bool = False) -> Chain:
        """The action chain; checked when asked for, or when it is short enough to check at once."""
        head = self.case.store.head()
        with self.lock:
            held = self._chain
            if held is not None and (held.head, held.checked) == (head.hash, True) and not again:
                return held
            check = again or head.sequence <= CHECK_AT_ONCE
            faults = self.case.store.verify() if check else []
            self._chain = Chain(head.sequence, head.hash, check, "; ".join(faults[:5]))
            return self._chain

    def grade(self, content: Id) -> dict[str, str]:
        """The judgement that stands for the stack of a content, in words."""
        queue = self.queue()
        stack = queue.stack_of.get(content)
        scheme, version, code = queue.grades[stack] if stack is not None else ("", "", "")
        return {
            "scheme": scheme,
            "version": version,
            "code": code,
            "label": label(scheme, version, code),
            "tone": tone(scheme, version, code),
        }

    def write_marks(self, verb: str, marks: list[Mark], inputs: tuple[Id, ...]) -> None:
        """Stores judgements with the one action that made them; on disk when this returns."""
        self.case.store.mark(marks, self.action(verb, "alteration", inputs))

    def log(self, verb: str, operation: str, inputs: tuple[Id, ...]) -> None:
        """Writes one action of the person at the desk into the chain."""
        with self.lock:
            self.case.store.act(self.action(verb, operation, inputs))

    def action(self, verb: str, operation: str, inputs: tuple[Id, ...]) -> Action:
        """An action of the person at the desk, now."""
        return verb_action(f"review/{verb}", self.performer, TOOL, operation, now(), inputs)

    def show(self, request: Request, template: str, data: dict[str, Any]) -> Response:
        """The same data as a page, or as JSON where JSON is asked for."""
        accept = request.headers.get("accept", "")
        wanted = request.query_params.get("format", "")
        if wanted == "json" or (
            "application/json" in accept and "text/html" not in accept and wanted != "html"
        ):
            text = json.dumps(jsonable(data))
            return Response(text, media_type="application/json")
        page = self.environment.get_template(template).render(
            **data,
            here=request.url.path,
            query=dict(request.query_params),
            pages=PAGES,
            case_name=self.case.config.name,
            performer=self.performer,
            scheme=self.scheme,
            reveals=self.reveals,
        )
        return HTMLResponse(page.encode("utf-8", "replace"))


T = TypeVar("T")


def found(thing: T | None, what: str) -> T:
    """The thing, or 404 in words."""
    if thing is None:
        raise HTTPException(404, f"This case holds no such {what}.")
    return thing
