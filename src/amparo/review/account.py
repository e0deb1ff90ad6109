"""One canonical account: its handles and why they are one, its names, groups and postings."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import (
    Account,
    AccountName,
    Activity,
    Alias,
    Id,
    Lead,
    Message,
    Posting,
    Resolution,
    Tenure,
)
from amparo.review.charts import activity_chart
from amparo.review.desk import Desk, found
from amparo.review.links import described, links_of
from amparo.review.listing import alike, whole
from amparo.review.steps import steps

router = APIRouter()
ROWS = 60


@router.get("/account/{id}")
def account(request: Request, id: Id) -> Response:
    """Everything the case holds about an account. A match is a lead; a person decides."""
    desk = Desk.of(request)
    reads, directory = desk.reads, desk.directory()
    found(reads.get(Account, id), "account")
    person = found(directory.person(id), "account")
    desk.log("account", "consultation", (person.id,))
    resolutions = {
        row.source: row for row in reads.rows(Resolution, canonical=person.id, form="account")
    }
    aliases = reads.many(Alias, [b for row in resolutions.values() for b in row.basis])
    names = reads.among(AccountName, "account", person.handles)
    postings = reads.in_time("account", person.id, request.query_params.get("after", ""), ROWS + 1)
    seen_on = {
        e for some in reads.column(Posting, "exhibits", "account", [person.id]) for e in some
    }
    offset = whole(request, "offset")
    activity = reads.rows(Activity, account=person.id)
    tenures = sorted(
        reads.rows(Tenure, account=person.id), key=lambda t: (t.since is None, t.since or 0, t.id)
    )
    links = links_of(desk, ("same_account", "conflict", "number_change"), person.handles)
    leads = reads.among(Lead, "account", person.handles)
    return desk.show(
        request,
        "account.html",
        {
            "title": person.label,
            "person": person,
            "handles": reads.many(Account, person.handles),
            "resolutions": resolutions,
            "aliases": aliases,
            "names": given(names),
            "exhibits": directory.exhibits,
            "tenures": [(t, directory.group(t.thread)) for t in tenures[: 2 * ROWS]],
            "tenure_count": len(tenures),
            "overall": next((a for a in activity if not a.thread), None),
            "by_group": [
                (a, directory.group(a.thread))
                for a in sorted(activity, key=lambda a: (-a.originated, -a.postings, a.thread))
                if a.thread
            ],
            "links": described(desk, links[:ROWS]),
            "link_count": len(links),
            "invites": alike(leads[:ROWS], lambda row: (row.form, row.value)),
            "rhythm": desk.kept(
                "sent",
                person.id,
                lambda: activity_chart(reads.column(Message, "sent", "sender", person.handles)),
            ),
            "steps": steps(desk, postings[:ROWS]),
            "step_count": person.postings,
            "offset": offset,
            "after": postings[ROWS - 1].id if len(postings) > ROWS else "",
            "coverage": len(seen_on),
        },
    )


def given(names: list[AccountName]) -> list[dict[str, Any]]:
    """Names with all statements of each, the most stated first."""
    rows: dict[tuple[str, str], list[AccountName]] = {}
    for name in sorted(names, key=lambda n: (n.at.exhibit, n.id)):
        rows.setdefault((name.name, name.source), []).append(name)
    found = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    return [{"name": name, "source": source, "rows": some} for (name, source), some in found]
