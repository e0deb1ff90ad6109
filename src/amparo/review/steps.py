"""How contents travelled, posting by posting, with what each rests on and what dates it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from amparo.model import At, Attachment, Content, Id, Posting
from amparo.review.desk import Desk


def travel(desk: Desk, contents: list[Id]) -> list[Posting]:
    """Postings of all contents of a stack in time order; those without a time come last."""
    rows = desk.reads.among(Posting, "content", contents)
    return sorted(rows, key=lambda p: (p.time is None, p.time or 0, p.place, p.id))


def earliest(postings: list[Posting]) -> list[Posting]:
    """The first of these as Posting says *first*, and where none is dated the only one there is."""
    known = [p for p in postings if p.time is not None and p.first_in_network]
    stated = min((p.time or 0 for p in known), default=0)
    stamped = min((p.time or 0 for p in known if p.dated != "phone"), default=0)
    found = [p for p in known if p.time == stated or (p.time == stamped and p.dated != "phone")]
    return found or (postings if len(postings) == 1 else [])


def steps(desk: Desk, postings: list[Posting]) -> list[dict[str, Any]]:
    """Postings with the group and person each names.

    ``recovered`` is where the best row lies when a posting rests on recovered rows only; ``shared``
    and ``shared_here`` say that other postings are first as well, in the network or in the group.
    """
    directory, reads = desk.directory(), desk.reads
    rows = reads.many(Attachment, [id for p in postings for id in p.basis])
    contents = sorted({p.content for p in postings if p.first_in_thread or p.first_in_network})
    heads = reads.rows(Posting, content=contents, first_in_thread=True) if contents else []
    everywhere = Counter(p.content for p in heads if p.first_in_network)
    held = reads.many(Content, [p.content for p in postings])
    here = Counter((p.content, p.thread) for p in heads)
    return [
        {
            "posting": posting,
            "group": directory.group(posting.thread),
            "person": directory.person(posting.account),
            "sha256": held[posting.content].sha256 if posting.content in held else "",
            "exhibits": [directory.exhibits.get(e) for e in posting.exhibits],
            "recovered": recovered(rows[id].at for id in posting.basis if id in rows),
            "shared": posting.first_in_network and everywhere[posting.content] > 1,
            "shared_here": posting.first_in_thread and here[posting.content, posting.thread] > 1,
        }
        for posting in postings
    ]


def recovered(places: Iterable[At]) -> At | None:
    """Of rows that were all recovered, the one found with most confidence; None where one is live."""
    found = list(places)
    if not found or any(at.state == "live" for at in found):
        return None
    return max(found, key=lambda at: (at.confidence or 0.0, at.key()))
