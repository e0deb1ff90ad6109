"""What could not be read, by stage, with the reason."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import Problem
from amparo.review.desk import Desk

router = APIRouter()
STEP = 200


@router.get("/problems")
def problems(request: Request) -> Response:
    """Problems in id order, a window at a time."""
    desk = Desk.of(request)
    query = request.query_params
    where = {name: query[name] for name in ("stage", "plugin", "exhibit") if query.get(name)}
    rows = desk.reads.window(Problem, where, query.get("after", ""), STEP + 1)
    return desk.show(
        request,
        "problems.html",
        {
            "title": "Problems",
            "rows": rows[:STEP],
            "stages": sorted(desk.reads.tally(Problem, "stage").items()),
            "where": where,
            "next": rows[STEP - 1].id if len(rows) > STEP else None,
            "exhibits": desk.directory().exhibits,
        },
    )
