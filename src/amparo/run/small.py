"""Small pictures that are gone, made again of what was looked at before; what was recorded of it stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amparo.model import Content, Film, Media
from amparo.store import Case
from amparo.store.thumbs import COMPLETE, INCOMPLETE, UNKNOWN

if TYPE_CHECKING:
    from amparo.kit.plugin import Spec
    from amparo.run.guards import LazyGuard
    from amparo.run.plan import Plan
    from amparo.run.progress import Progress

MAKERS = ("fingerprint/image", "fingerprint/pdf", "fingerprint/video")
"""Of what Amparo itself brings."""
_AT_ONCE = 128


@dataclass
class Again:
    """Small pictures that were made again, and why others could not be."""

    made: int = 0
    missed: list[str] = field(default_factory=list)


def lost(case: Case) -> bool:
    """Whether small pictures are gone: their file is new though something was looked at, or not all are back."""
    if case.thumbs.state != UNKNOWN:
        return case.thumbs.state == INCOMPLETE
    return case.thumbs.empty() and any(case.store.tally(kind).get("") for kind in (Media, Film))


def note(case: Case) -> None:
    """Put down whether they are, before more are put beside them."""
    if case.thumbs.state == UNKNOWN:
        case.thumbs.state = INCOMPLETE if lost(case) else COMPLETE


def make_again(case: Case, plan: Plan, guard: LazyGuard, show: Progress) -> Again:
    """Look once more at what has no small picture any more, and keep nothing else of it.

    What cannot be opened now, because its exhibit is not at hand for example, is tried again by the next run.
    """
    from amparo.run.plan import by_weight, chunks
    from amparo.run.writer import encoded

    show.say("  small pictures are gone and are made again")
    again, begun, unopened = Again(), case.thumbs.begun_anew, False
    for spec in (s for s in plan.fingerprints if s.id in MAKERS):
        batches = by_weight(plan.tasks(spec, _without(case, spec)))
        show.begin(f"{spec.id}, small pictures", None)
        outcomes = guard.get().run([task.job for task in batch] for batch in batches)
        for some in chunks(outcomes, _AT_ONCE):
            pictures = encoded([(o.job.found.sha256, thumb) for o in some for thumb in o.thumbs])
            case.thumbs.put_many(pictures)
            again.made += len(pictures)
            again.missed += [outcome.error for outcome in some if outcome.error]
            unopened = unopened or any(outcome.unopened for outcome in some)
            show.step(len(some))
        show.end()
    # What damage of the file took meanwhile, too.
    case.thumbs.state = INCOMPLETE if unopened or case.thumbs.begun_anew > begun else COMPLETE
    return again


def _without(case: Case, spec: Spec) -> Iterator[Content]:
    """What a plugin saw something in and there is no small picture of."""
    from amparo.run.plan import BATCH, chunks

    for mime in spec.mimes:
        for some in chunks(case.store.each(Content, mime=mime), BATCH):
            ids = [content.id for content in some]
            seen = {
                id
                for kind in (Media, Film)
                for (id,) in case.store.columns(kind, "content", content=ids)
            }
            for content in some:
                if content.id in seen and not case.thumbs.has(content.sha256):
                    yield content
