"""The list of people: canonical accounts with what each was seen to post."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.review.desk import Desk
from amparo.review.listing import listing

router = APIRouter()


@router.get("/accounts")
def accounts(request: Request) -> Response:
    """All canonical accounts, sorted by what the reader asks for."""
    desk = Desk.of(request)
    directory = desk.directory()
    countries = Counter(p.country or "?" for p in directory.people.values())
    country = request.query_params.get("country", "")
    rows = [p for p in directory.people.values() if not country or (p.country or "?") == country]
    found = listing(
        request,
        rows,
        {
            "name": lambda p: (p.name or p.number).casefold(),
            "number": lambda p: p.number,
            "country": lambda p: p.country or "?",
            "groups": lambda p: len(p.groups),
            "admin": lambda p: len(p.admin_of),
            "messages": lambda p: p.messages,
            "postings": lambda p: p.postings,
            "originated": lambda p: p.originated,
            "first": lambda p: p.first_in_thread,
            "carried": lambda p: p.carried,
            "last": lambda p: p.last,
        },
        "-originated",
    )
    return desk.show(
        request,
        "accounts.html",
        {
            "title": "People",
            "list": found,
            "countries": sorted(countries.items(), key=lambda row: (-row[1], row[0])),
            "country": country,
        },
    )
