"""The list of groups: how large, how active, where new material came in first."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.review.desk import Desk
from amparo.review.listing import listing

router = APIRouter()


@router.get("/threads")
def threads(request: Request) -> Response:
    """All groups and chats, sorted by what the reader asks for."""
    desk = Desk.of(request)
    directory = desk.directory()
    forms = Counter(group.form for group in directory.groups.values())
    form = request.query_params.get("form", "group")
    rows = [g for g in directory.groups.values() if form in ("all", g.form)]
    found = listing(
        request,
        rows,
        {
            "subject": lambda g: g.label.casefold(),
            "members": lambda g: len(g.members),
            "admins": lambda g: len(g.admins),
            "messages": lambda g: g.messages,
            "postings": lambda g: g.postings,
            "originated": lambda g: g.originated,
            "carried": lambda g: g.carried,
            "exhibits": lambda g: len(g.exhibits),
            "invites": lambda g: g.invites,
            "created": lambda g: g.created,
            "last": lambda g: g.last,
        },
        "-postings",
    )
    countries = {
        g.id: Counter(
            p.country or "?" for p in map(directory.people.get, g.members) if p is not None
        ).most_common()
        for g in found.rows
    }
    return desk.show(
        request,
        "threads.html",
        {
            "title": "Groups",
            "list": found,
            "forms": sorted(forms.items()),
            "form": form,
            "countries": countries,
        },
    )
