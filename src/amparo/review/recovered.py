"""What was erased: how each database forgets, what came back by which method, what is only known to be gone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from heapq import nsmallest

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import DatabaseState, Erasure, Exhibit, File, Gap, Orphan, Record, RecoveredRow
from amparo.review.desk import Desk
from amparo.review.directory import Group
from amparo.review.gaps import Missing
from amparo.review.reads import Reads

router = APIRouter()
DATABASES = 300
ROWS = 60
STEP = 60
SAID = {
    "overwritten": "overwritten on erasing (secure_delete)",
    "partly": "partly overwritten",
    "kept": "left as it was",
    "no trace": "nothing was freed",
}
"""What freed bytes say, in words."""


@dataclass(frozen=True)
class Held:
    """One database with where it lies."""

    state: DatabaseState
    file: File | None
    exhibit: Exhibit | None
    methods: list[tuple[str, int]]
    erasing: str


@dataclass(frozen=True)
class Left:
    """A row that is gone and what is left of it."""

    orphan: Orphan
    file: File | None
    exhibit: Exhibit | None
    tables: list[str]


@dataclass(frozen=True)
class Back:
    """A recovered row of a table no parser reads."""

    row: RecoveredRow
    file: File | None
    exhibit: Exhibit | None
    values: list[tuple[str, str]]


@router.get("/recovered")
def recovered(request: Request) -> Response:
    """Databases, gaps, rows left without their parent, and rows of applications nobody knows."""
    desk = Desk.of(request)
    reads, directory = desk.reads, desk.directory()
    query = request.query_params
    where = {name: query[name] for name in ("at_file", "at_exhibit") if query.get(name)}
    states = sorted(
        reads.rows(DatabaseState, **where), key=lambda s: (-s.missing, -len(s.recovered), s.id)
    )
    place = "/".join(where.values())
    gaps, gap_count = desk.kept("gaps", place, lambda: first_gaps(reads, where))
    orphans, orphan_count = desk.kept("orphans", place, lambda: first_orphans(reads, where))
    rows = reads.window(RecoveredRow, where, query.get("after", ""), STEP + 1)
    desk.log("recovered", "consultation", tuple(where.values()))
    shown: list[Record] = [*states[:DATABASES], *gaps, *orphans, *rows[:STEP]]
    files = reads.many(File, {at.file for r in shown if (at := getattr(r, "at", None))})

    def of(
        record: DatabaseState | Gap | Orphan | RecoveredRow,
    ) -> tuple[File | None, Exhibit | None]:
        return files.get(record.at.file), directory.exhibits.get(record.at.exhibit)

    counted = reads.tally(RecoveredRow, "at_method")
    return desk.show(
        request,
        "recovered.html",
        {
            "title": "What was erased",
            "databases": [
                Held(s, *of(s), methods(s), SAID.get(s.erasing, s.erasing)) for s in states[:DATABASES]
            ],
            "database_count": len(states),
            "missing": sum(s.missing for s in states),
            "brought_back": sum(n for s in states for _, n in methods(s)),
            "gaps": [Missing(g, of(g)[1], False) for g in gaps],
            "gap_files": {g.id: of(g)[0] for g in gaps},
            "gap_count": gap_count,
            "orphans": [Left(o, *of(o), [t.replace("=", " ") for t in o.tables]) for o in orphans],
            "orphan_count": orphan_count,
            "gone": [] if where else gone_by_group(desk),
            "rows": [Back(r, *of(r), values(r)) for r in rows[:STEP]],
            "row_count": None if where else sum(counted.values()),
            "next": rows[STEP - 1].id if len(rows) > STEP else "",
            "where": where,
        },
    )  # fmt: skip


def first_gaps(reads: Reads, where: dict[str, str]) -> tuple[list[Gap], int]:
    """The gaps to show, those that can be dated first and the largest of them, and how many there are."""
    rows = list(reads.columns(Gap, "id", "missing", "after", "before", **where))
    first = nsmallest(
        ROWS, rows, key=lambda r: (r[2] is None and r[3] is None, -r[1], r[2] or 0, r[0])
    )
    held = reads.many(Gap, (row[0] for row in first))
    return [held[row[0]] for row in first], len(rows)


def first_orphans(reads: Reads, where: dict[str, str]) -> tuple[list[Orphan], int]:
    """Rows without their parent to show, those nothing else tells of first, and how many there are."""
    rows = list(reads.columns(Orphan, "id", "recovered", "time", **where))
    first = nsmallest(ROWS, rows, key=lambda r: (r[1], r[2] is None, r[2] or 0, r[0]))
    held = reads.many(Orphan, (row[0] for row in first))
    return [held[row[0]] for row in first], len(rows)


def gone_by_group(desk: Desk) -> list[tuple[Group, int]]:
    """Conversations with messages that are gone and known all the same, most first."""
    counts = desk.reads.tally(Erasure, "thread").items()
    found = [(group, n) for id, n in counts if (group := desk.directory().group(id)) is not None]
    return sorted(found, key=lambda row: (-row[1], row[0].label))


def methods(state: DatabaseState) -> list[tuple[str, int]]:
    """Methods with the number of rows each brought back."""
    pairs = (text.rpartition("=") for text in state.recovered)
    return [(name, int(count)) for name, _, count in pairs if count.isdecimal()]


def values(row: RecoveredRow) -> list[tuple[str, str]]:
    """Columns and values as text; absent values are left out."""
    held = json.loads(row.columns)
    if not isinstance(held, dict):
        return []
    out = []
    for name, value in held.items():
        if isinstance(value, dict):
            value = f"{value.get('bytes')} bytes {str(value.get('hex', ''))[:32]}"
        if value is not None:
            out.append((str(name), str(value)))
    return out
