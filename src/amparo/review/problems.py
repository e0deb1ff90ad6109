"""What could not be read, by stage, with the reason."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import Id, Problem
from amparo.review.desk import Desk

router = APIRouter()
STEP = 200


@router.get("/problems")
def problems(request: Request) -> Response:
    """Problems a window at a time, by exhibit and path in it."""
    desk = Desk.of(request)
    query = request.query_params
    where = {name: query[name] for name in ("stage", "plugin", "exhibit") if query.get(name)}
    rows = desk.reads.window(Problem, where, query.get("after", ""), STEP + 1)
    exhibits = desk.directory().exhibits

    def number(id: Id) -> str:
        return exhibits[id].number if id in exhibits else ""

    return desk.show(
        request,
        "problems.html",
        {
            "title": "Problems",
            "rows": sorted(
                rows[:STEP], key=lambda p: (number(p.exhibit), p.path, p.stage, p.reason)
            ),
            "stages": sorted(desk.reads.tally(Problem, "stage").items()),
            "where": where,
            "next": rows[STEP - 1].id if len(rows) > STEP else None,
            "exhibits": exhibits,
        },
    )
