"""One group: who made it, who was in it when, who brought what, and what led people here."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import (
    Activity,
    Erasure,
    Id,
    Lead,
    MembershipEvent,
    Message,
    Resolution,
    Tenure,
    Thread,
    ThreadInfo,
)
from amparo.review.charts import activity_chart, tenure_chart
from amparo.review.desk import Desk, found
from amparo.review.gaps import missing_here
from amparo.review.history import changed, gone
from amparo.review.links import described, links_of
from amparo.review.listing import alike, whole
from amparo.review.steps import steps

router = APIRouter()
ROWS = 60
TOO_MANY = 200_000
"""Messages above which no chart over time is drawn: reading them all would take seconds."""
CHART = 120
"""Members drawn in the timeline; the table holds all."""


@router.get("/thread/{id}")
def thread(request: Request, id: Id) -> Response:
    """Everything the case holds about a group or chat."""
    desk = Desk.of(request)
    reads, directory = desk.reads, desk.directory()
    found(reads.get(Thread, id), "thread")
    group = found(directory.group(id), "thread")
    desk.log("thread", "consultation", (group.id,))
    sides = [r.source for r in reads.rows(Resolution, canonical=group.id, form="thread")]
    sides = sides or [group.id]
    infos = reads.among(ThreadInfo, "thread", sides)
    tenures = reads.rows(Tenure, thread=group.id)
    activity = sorted(
        reads.rows(Activity, thread=group.id),
        key=lambda a: (-a.originated, -a.first_in_thread, -a.postings, -a.messages, a.account),
    )
    postings = reads.in_time("thread", group.id, request.query_params.get("after", ""), ROWS + 1)
    links = links_of(desk, ("same_thread",), sides)
    leads = reads.latest(Lead, sides, "id", ROWS)
    many = group.messages > TOO_MANY
    rhythm = desk.kept(
        "rhythm",
        group.id,
        lambda: activity_chart(() if many else reads.column(Message, "sent", "thread", sides)),
    )
    missing = desk.kept(
        "missing", group.id, lambda: ([], 0) if many else missing_here(desk, sides, ROWS // 4)
    )
    offset = whole(request, "offset")
    people = {a: directory.person(a) for a in {t.account for t in tenures}}
    countries = Counter(p.country or "?" for p in people.values() if p is not None)
    latest = reads.latest(MembershipEvent, sides, "time", 4 * ROWS)
    maker = group.creator or next((t.account for t in tenures if t.role == "creator"), "")
    from_groups = groups_of_leads(desk, leads)
    return desk.show(
        request,
        "thread.html",
        {
            "title": group.label,
            "group": group,
            "infos": infos,
            "subjects": alike(infos, lambda i: (i.subject, i.created)),
            "sides": len(sides),
            "creator": directory.person(maker) if maker else None,
            "exhibits": directory.exhibits,
            "people": {p.id: p for p in people.values() if p is not None},
            "canonical": {a: directory.canonical(a) for a in people},
            "tenures": tenures[: 5 * ROWS],
            "tenure_count": len(tenures),
            "chart": tenure_chart(tenures, directory, CHART, last=group.last),
            "rhythm": rhythm,
            "countries": sorted(countries.items(), key=lambda row: (-row[1], row[0])),
            "posters": [(a, directory.person(a.account)) for a in activity[:30]],
            "links": described(desk, links[:ROWS]),
            "link_count": len(links),
            "changed": changed(desk, group.id),
            "gone": gone(desk, group.id),
            "gone_count": reads.tally(Erasure, "thread").get(group.id, 0),
            "invites": alike(leads, lambda row: (
                row.value, directory.canonical(row.account), from_groups.get(row.id))),
            "lead_people": {lead.id: directory.person(lead.account) for lead in leads},
            "lead_count": sum(1 for _ in reads.column(Lead, "id", "thread", sides)),
            "from_groups": from_groups,
            "events": alike(latest, lambda e: (
                e.event, directory.canonical(e.account), directory.canonical(e.actor), e.time, e.detail)),
            "event_people": {e.id: (directory.person(e.account), directory.person(e.actor))
                             for e in latest},
            "event_count": sum(1 for _ in reads.column(MembershipEvent, "id", "thread", sides)),
            "missing": missing[0],
            "missing_count": missing[1],
            "steps": steps(desk, postings[:ROWS]),
            "step_count": group.postings,
            "offset": offset,
            "after": postings[ROWS - 1].id if len(postings) > ROWS else "",
            "coverage": len(group.exhibits),
        },
    )  # fmt: skip


def groups_of_leads(desk: Desk, leads: list[Lead]) -> dict[Id, tuple[Id, str]]:
    """For each invite, the group whose message carried it: canonical id and label."""
    messages = desk.reads.many(Message, [lead.message for lead in leads if lead.message])
    out = {}
    for lead in leads:
        message = messages.get(lead.message)
        group = desk.directory().group(message.thread) if message is not None else None
        if group is not None:
            out[lead.id] = (group.id, group.label)
    return out
