"""The log: everything done in this case, by machine or person, chained by hashes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.review.desk import Desk
from amparo.review.listing import whole

router = APIRouter()
STEP = 100


@router.get("/actions")
def actions(request: Request) -> Response:
    """Actions, newest first, with their place in the chain."""
    desk = Desk.of(request)
    before = whole(request, "before") or None
    rows = desk.reads.actions_before(before, STEP + 1)
    return desk.show(
        request,
        "actions.html",
        {
            "title": "Actions",
            "rows": rows[:STEP],
            "chain": desk.chain(again=request.query_params.get("verify") == "1"),
            "next": rows[STEP - 1].sequence if len(rows) > STEP else None,
        },
    )
