"""The first page: what came in, what was found, what could not be read, and whether it holds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import Content, Erasure, Message, Posting, Problem, Seal
from amparo.review.desk import Desk

router = APIRouter()


@router.get("/")
def overview(request: Request) -> Response:
    """What the case holds, in one screen."""
    desk = Desk.of(request)
    directory, reads = desk.directory(), desk.reads
    seals = {seal.exhibit: seal for seal in reads.rows(Seal)}
    problems, live = desk.index().problems, desk.index().live
    exhibits = [
        {
            "exhibit": exhibit,
            "seal": seals.get(exhibit.id),
            "files": live[exhibit.id],
            "problems": problems.get(exhibit.id, 0),
        }
        for exhibit in sorted(directory.exhibits.values(), key=lambda e: (e.country, e.number))
    ]
    countries = Counter(person.country or "?" for person in directory.people.values())
    isolation, run = reads.in_force()
    data: dict[str, Any] = {
        "title": "Overview",
        "exhibits": exhibits,
        "figures": figures(desk),
        "countries": sorted(countries.items(), key=lambda row: (-row[1], row[0])),
        "problems": sorted(reads.tally(Problem, "stage").items()),
        "graded": graded(desk),
        "chain": desk.chain(),
        "isolation": isolation,
        "run": run,
        "problem_count": reads.total(Problem),
        "exhibit_countries": len({e.country for e in directory.exhibits.values() if e.country}),
        "recent": reads.actions_before(None, 8),
    }
    return desk.show(request, "overview.html", data)


def figures(desk: Desk) -> dict[str, int]:
    """Counts of what was found; ``looks`` are the stacks somebody still has to look at."""
    reads, queue, directory = desk.reads, desk.queue(), desk.directory()
    kinds = reads.tally(Content, "mime")
    pictures = sum(n for mime, n in kinds.items() if mime.startswith("image/"))
    films = sum(n for mime, n in kinds.items() if mime.startswith("video/"))
    uses = desk.index().known
    unknown = int((queue.known == 0).sum())
    visual = int(queue.files.sum())
    forms = Counter(group.form for group in directory.groups.values())
    return {
        "files": desk.index().live.total(),
        "recovered_files": desk.index().recovered,
        "contents": sum(kinds.values()),
        "pictures": pictures,
        "videos": films,
        "stacks": len(queue.centres),
        "known_alert": uses["alert"],
        "known_ignore": uses["ignore"],
        "stacks_alert": int((queue.known == 1).sum()),
        "stacks_ignore": int((queue.known == 2).sum()),
        "visual_files": visual,
        "looks": unknown,
        "looks_saved": max(0, visual - unknown),
        "messages": reads.total(Message),
        "groups": forms.get("group", 0),
        "chats": sum(forms.values()) - forms.get("group", 0),
        "accounts": len(directory.people),
        "postings": reads.total(Posting),
        "gone": reads.total(Erasure),
    }


def graded(desk: Desk) -> list[dict[str, Any]]:
    """How many stacks carry each category of the case's scheme, and how many none."""
    scheme = desk.scheme
    codes = Counter(
        code for name, version, code in desk.queue().grades
        if (name, version) == (scheme.name, scheme.version)
    )  # fmt: skip
    rows = [
        {"code": c.code, "name": c.name, "tone": c.tone, "stacks": codes.get(c.code, 0)}
        for c in scheme.categories
    ]
    return rows
