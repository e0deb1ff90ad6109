"""What could not be read: how often for which reason, and each case of it."""

from __future__ import annotations

import re
from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import Id, Problem
from amparo.review.desk import Desk

router = APIRouter()
STEP = 200
MOST = 40
"""Reasons that are listed with their counts."""
_NUMBER = re.compile(r"\d[\d,.]*(?<![,.])")


@router.get("/problems")
def problems(request: Request) -> Response:
    """Problems a window at a time, by exhibit and path in it."""
    desk = Desk.of(request)
    query = request.query_params
    where = {name: query[name] for name in ("stage", "plugin", "exhibit") if query.get(name)}
    after, like = query.get("after", ""), query.get("like", "")
    if like:
        found = (p for p in desk.reads.rows(Problem, **where) if told(p.reason) == like)
        rows = sorted((p for p in found if p.id > after), key=lambda p: p.id)[: STEP + 1]
    else:
        rows = desk.reads.window(Problem, where, after, STEP + 1)
    exhibits = desk.directory().exhibits

    def number(id: Id) -> str:
        return exhibits[id].number if id in exhibits else ""

    kinds = desk.kept("problems", "", lambda: reasons(desk)) if not where and not like else []
    return desk.show(
        request,
        "problems.html",
        {
            "title": "Problems",
            "rows": sorted(
                rows[:STEP], key=lambda p: (number(p.exhibit), p.path, p.stage, p.reason)
            ),
            "stages": sorted(desk.reads.tally(Problem, "stage").items()),
            "kinds": kinds[:MOST],
            "kind_count": len(kinds),
            "where": where | ({"like": like} if like else {}),
            "next": rows[STEP - 1].id if len(rows) > STEP else None,
            "exhibits": exhibits,
        },
    )


def told(reason: str) -> str:
    """A reason without its numbers: what is the same for many files."""
    return _NUMBER.sub("…", reason)


def reasons(desk: Desk) -> list[tuple[str, str, int]]:
    """Plugin, reason without numbers and how often, most often first."""
    rows = desk.reads.columns(Problem, "plugin", "reason")
    counted = Counter((plugin, told(reason)) for plugin, reason in rows)
    return [(plugin, reason, n) for (plugin, reason), n in sorted(
        counted.items(), key=lambda row: (-row[1], row[0]))]  # fmt: skip
