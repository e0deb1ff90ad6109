"""One conversation as it reads, in time order: every copy, what was brought back, and where something is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import (
    At,
    Attachment,
    Exhibit,
    Gap,
    Id,
    Lead,
    MembershipEvent,
    Message,
    Resolution,
    Thread,
)
from amparo.review.desk import Desk, found
from amparo.review.directory import Group, Person
from amparo.review.gaps import Missing, Neighbours, place_of

router = APIRouter()
ROWS = 200
BEFORE = 12
"""Messages shown before the one that was asked for."""


@dataclass(frozen=True)
class Change:
    """A change in the group: whom it concerns, and who made it."""

    event: MembershipEvent
    person: Person | None
    actor: Person | None


@dataclass
class Line:
    """A message with its copies on several exhibits, or a gap between messages."""

    message: Message | None = None
    copies: list[Message] = field(default_factory=list)
    person: Person | None = None
    exhibits: dict[Id, tuple[Exhibit, str]] = field(default_factory=dict)
    """By id: the exhibit, and the state of its best copy."""
    attachments: list[Attachment] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    """What a notice of the messenger tells."""
    invites: dict[str, tuple[Lead, Group | None]] = field(default_factory=dict)
    """Invitations it carries, by their code, and the group each leads to where the evidence names it."""
    recovered: At | None = None
    """Where the best copy lies when none is live."""
    missing: Missing | None = None


@router.get("/thread/{id}/messages")
def messages(request: Request, id: Id) -> Response:
    """The messages of a group or chat, a window at a time."""
    desk = Desk.of(request)
    reads, directory = desk.reads, desk.directory()
    found(reads.get(Thread, id), "thread")
    group = found(directory.group(id), "thread")
    desk.log("messages", "consultation", (group.id,))
    sides = [r.source for r in reads.rows(Resolution, canonical=group.id, form="thread")]
    sides = sides or [group.id]
    at = reads.get(Message, request.query_params.get("at", ""))
    after = request.query_params.get("after", "")
    if at is not None and at.thread in sides:
        after = reads.said_before(sides, at, BEFORE)
    rows = reads.said(sides, after, ROWS + 1)
    shown = rows[:ROWS]
    return desk.show(
        request,
        "messages.html",
        {
            "title": group.label,
            "group": group,
            "lines": lines(desk, shown),
            "next": shown[-1].id if len(rows) > ROWS else "",
            "first": not after,
            "asked": at.id if at is not None else "",
        },
    )


def lines(desk: Desk, rows: list[Message]) -> list[Line]:
    """Copies of one message as one line, and gaps where they fall: beside the rows they lie between."""
    held = {place for m in rows if (place := place_of(m))}
    beside = Neighbours(desk, {m.at.file for m in rows}, {number for _, _, number in held})
    attached: dict[Id, list[Attachment]] = {}
    for attachment in desk.reads.among(Attachment, "message", [m.id for m in rows]):
        attached.setdefault(attachment.message, []).append(attachment)
    changes = changes_told(desk, rows)
    invites: dict[Id, list[Lead]] = {}
    for lead in desk.reads.among(Lead, "message", [m.id for m in rows]):
        if lead.form.endswith("invite"):
            invites.setdefault(lead.message, []).append(lead)
    out: list[Line] = []
    by_key: dict[tuple[str, Id], Line] = {}
    told: set[Id] = set()

    def gap(one: Gap | None) -> None:
        if one is not None and one.id not in told:
            told.add(one.id)
            ends = {(one.at.file, one.at.table, n) for n in (one.first - 1, one.last + 1)}
            out.append(Line(missing=beside.missing(one, ends <= held)))

    for message in rows:
        place = place_of(message) if message.at.state == "live" else None
        gap(beside.behind.get(place) if place else None)
        sender = desk.directory().canonical(message.sender)
        line = by_key.get((message.key, sender)) if message.key else None
        if line is None or line.message is None or line.message.text != message.text:
            line = Line(message, person=desk.directory().person(message.sender))
            line.changes = changes.get(message.id, [])
            by_key[message.key, sender] = line
            out.append(line)
        line.copies.append(message)
        for lead in invites.get(message.id, []):
            line.invites.setdefault(lead.value, (lead, desk.directory().group(lead.thread)))
        for one in attached.get(message.id, []):
            same = [a for a in line.attachments if one.content and a.content == one.content]
            if not same:
                line.attachments.append(one)
            elif one.path and not same[0].path:
                line.attachments[line.attachments.index(same[0])] = one
        exhibit = desk.directory().exhibits.get(message.at.exhibit)
        if exhibit is not None and (exhibit.id not in line.exhibits or message.at.state == "live"):
            line.exhibits[exhibit.id] = exhibit, message.at.state
        gap(beside.ahead.get(place) if place else None)
    for line in out:
        places = [m.at for m in line.copies]
        if places and all(at.state != "live" for at in places):
            line.recovered = max(places, key=lambda at: (at.confidence or 0.0, at.key()))
    return out


def changes_told(desk: Desk, rows: list[Message]) -> dict[Id, list[Change]]:
    """For notices of the messenger, the changes read from their row.

    That is the same row number in the messages' table or in one named after it, as
    ``message_system`` after ``message``.
    """
    notices = {(m.at.file, m.at.row, m.sent): m for m in rows if m.form == "system"}
    person = desk.directory().person
    out: dict[Id, list[Change]] = {}
    threads = sorted({m.thread for m in notices.values()})
    times = sorted({m.sent for m in notices.values() if m.sent is not None})
    for event in desk.reads.rows(MembershipEvent, thread=threads, time=times) if times else ():
        notice = notices.get((event.at.file, event.at.row, event.time))
        if notice is not None and event.at.table.startswith(notice.at.table):
            told = Change(event, person(event.account), person(event.actor))
            out.setdefault(notice.id, []).append(told)
    return out
