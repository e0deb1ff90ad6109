"""The gallery: one tile per visual stack, in the order in which looking helps most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from amparo.kit.times import clock
from amparo.model import (
    Content,
    Exif,
    File,
    Film,
    Id,
    KnownDispute,
    KnownMatch,
    Media,
    StackMember,
    Unseen,
)
from amparo.review.desk import Desk
from amparo.review.listing import whole
from amparo.review.stacks import KNOWN, Filter, Queue, by_score
from amparo.review.steps import earliest, steps, travel

router = APIRouter()
SHOWN = ("hide", "unknown", "alert", "disputed", "ignore", "all")
LIVE = 120
"""Most tiles one answer holds."""


def wanted(request: Request, desk: Desk, queue: Queue) -> Filter:
    """The filter an address asks for; values that are not offered fall back to the default."""
    query = request.query_params
    known, order, grade = (query.get(n, "") for n in ("known", "order", "grade"))
    codes = {category.code for category in desk.scheme.categories}
    model = query.get("model", "")
    return Filter(
        known=known if known in SHOWN else "hide",
        grade=grade if grade == "none" or grade in codes else "any",
        exhibit=query.get("exhibit", ""),
        order=order if order in queue.orders else "unseen",
        model=model if model in queue.scores else "",
    )


@router.get("/gallery")
def gallery(request: Request) -> Response:
    """A window of the queue: from a rank, or after or before a position."""
    desk = Desk.of(request)
    queue = desk.queue()
    filter_ = wanted(request, desk, queue)
    query = request.query_params
    window = queue.window(
        filter_,
        (desk.scheme.name, desk.scheme.version),
        max(1, whole(request, "limit", 60, LIVE)),
        after=whole(request, "after") if "after" in query else None,
        before=whole(request, "before") if "before" in query else None,
        rank=whole(request, "rank"),
    )
    mimes = desk.reads.many(Content, [queue.centres[n] for n in window.stacks])
    films = desk.reads.among(Film, "content", [id for id, c in mimes.items() if is_film(c)])
    lengths = {f.content: clock(f.duration if f.duration is not None else f.reached) for f in films}
    tiles = [
        tile(queue, stack, position, mimes, lengths)
        for position, stack in zip(window.positions, window.stacks, strict=True)
    ]
    exhibits = sorted(desk.directory().exhibits.values(), key=lambda e: (e.country, e.number))
    return desk.show(
        request,
        "gallery.html",
        {
            "title": "Gallery",
            "index": desk.index().number,
            "tiles": tiles,
            "total": window.total,
            "first": window.first,
            "filter": filter_,
            "scheme_title": desk.scheme.title,
            "categories": desk.scheme.categories,
            "exhibits": exhibits,
            "models": [(k, by_score(k), s.said, s.threshold) for k, s in queue.scores.items()],
        },
    )


def is_film(content: Content) -> bool:
    """Whether it may have a length."""
    return content.mime.startswith("video/")


def tile(
    queue: Queue,
    stack: int,
    position: int,
    contents: dict[Id, Content],
    lengths: Mapping[Id, str] | None = None,
) -> dict[str, Any]:
    """What one tile shows."""
    centre = queue.centres[stack]
    scheme, version, code = queue.grades[stack]
    content = contents.get(centre)
    return {
        "id": centre,
        "position": position,
        "contents": int(queue.contents[stack]),
        "files": int(queue.files[stack]),
        "exhibits": int(queue.spread[stack]),
        "known": KNOWN[int(queue.known[stack])],
        "camera": bool(queue.camera[stack]),
        "disputed": bool(queue.disputed[stack]),
        "mime": content.mime if content is not None else "",
        "length": (lengths or {}).get(centre, ""),
        "scheme": scheme,
        "version": version,
        "code": code,
    }


@router.get("/stack/{id}")
def stack(request: Request, id: Id) -> Response:
    """What is known about one stack without looking at it: text and metadata first."""
    desk = Desk.of(request)
    queue, reads = desk.queue(), desk.reads
    number = queue.stack_of.get(id)
    if number is None:
        raise HTTPException(404, "This case holds no such stack.")
    centre = queue.centres[number]
    rows = reads.rows(StackMember, stack=centre)
    members = [row.content for row in rows] or [centre]
    some = members[:24]
    contents = reads.many(Content, some)
    files = reads.among(File, "content", some)
    return desk.show(
        request,
        "stack.html",
        {
            "title": "Stack",
            "whole": request.query_params.get("part") != "inside",
            "id": centre,
            "tile": tile(queue, number, 0, contents),
            "known": reads.among(KnownMatch, "content", members),
            "disputes": reads.among(KnownDispute, "content", members),
            "unseen": reads.keyed(Unseen, centre),
            "files": files[:12],
            "file_count": int(queue.files[number]),
            "exhibits": {f.exhibit: desk.directory().exhibits.get(f.exhibit) for f in files},
            "exif": reads.among(Exif, "content", some)[:3],
            "media": reads.among(Media, "content", [centre]),
            "content": contents.get(centre),
            "first": steps(desk, earliest(travel(desk, members))[:3]),
            "grade": desk.grade(centre),
        },
    )
