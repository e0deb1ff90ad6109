"""Search over the text of the case: messages, names, subjects, paths, captions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from amparo.model import (
    KINDS,
    Account,
    AccountName,
    Attachment,
    File,
    Id,
    Lead,
    Message,
    Quote,
    Record,
    ThreadInfo,
    Version,
)
from amparo.review.desk import Desk
from amparo.review.history import before
from amparo.review.listing import alike, whole
from amparo.review.words import part, title
from amparo.store.search import Hit

router = APIRouter()
STEP = 50
SAID = {
    "account_name": "Name",
    "file": "Path",
    "lead": "Link",
    "quote": "Quoted in a reply",
    "thread_info": "Subject",
}
"""Kinds in words of the page; others by their name."""


@router.get("/search")
def search(request: Request) -> Response:
    """Records whose text holds all words; the log keeps which were shown, not what was asked."""
    desk = Desk.of(request)
    text = request.query_params.get("q", "").strip()[:400]
    hits = desk.reads.search(text, STEP + 1, whole(request, "after")) if text else []
    shown = hits[:STEP]
    if shown:
        desk.log("search", "consultation", tuple(hit.id for hit in shown))
    by_kind: dict[str, list[str]] = {}
    for hit in shown:
        by_kind.setdefault(hit.kind, []).append(hit.id)
    records: dict[str, Record] = {}
    for kind, ids in by_kind.items():
        records.update(desk.reads.many(KINDS[kind], ids))
    carriers = desk.reads.many(
        Message, [r.message for r in records.values() if isinstance(r, Attachment | Lead)]
    )
    versions = before(desk.reads, list(records))
    lines = [line(desk, hit, records.get(hit.id), carriers) for hit in shown]
    same = alike(lines, lambda one: saying(one, versions.get(one["id"], [])))
    return desk.show(
        request,
        "search.html",
        {
            "title": "Search",
            "text": text,
            "hits": [rows[0] | {"rows": rows} for rows in same],
            "hit_count": len(shown),
            "versions": versions,
            "next": shown[-1].place if len(hits) > STEP else None,
        },
    )


def saying(one: dict[str, Any], versions: list[Version]) -> tuple[Hashable, ...]:
    """What a hit says: copies of one message on several exhibits say the same."""
    where = one["target"]
    if one["kind"] == Message.KIND:
        where = (one["group"] and one["group"].id, one["person"] and one["person"].id)
    worded = tuple((v.text, v.source == one["id"]) for v in versions)
    return one["kind"], one["text"], where, one["time"], one["state"], worded


def line(
    desk: Desk, hit: Hit, record: Record | None, carriers: dict[Id, Message]
) -> dict[str, Any]:
    """One hit with the group, person and exhibit it belongs to, and the page that tells most."""
    directory = desk.directory()
    at = getattr(record, "at", None)
    message = (
        record if isinstance(record, Message) else carriers.get(getattr(record, "message", ""))
    )
    account = getattr(record, "account", "") or (message.sender if message is not None else "")
    thread = message.thread if message is not None else getattr(record, "thread", "")
    if isinstance(record, Quote):
        account = record.sender
    exhibit = at.exhibit if at is not None else getattr(record, "exhibit", "")
    target = f"/record/{hit.kind}/{hit.id}"
    if isinstance(record, Account | AccountName):
        account = account or record.id
        target = f"/account/{part(account)}"
    elif isinstance(record, Message):
        target = f"/thread/{part(record.thread)}/messages?at={part(record.id)}#here"
    elif isinstance(record, ThreadInfo):
        target = f"/thread/{part(record.thread)}"
    elif isinstance(record, File | Attachment) and record.content:
        target = f"/content/{part(record.content)}"
    return {
        "kind": hit.kind,
        "said": SAID.get(hit.kind, title(hit.kind)),
        "id": hit.id,
        "text": hit.text,
        "target": target,
        "time": message.sent if message is not None else None,
        "person": directory.person(account) if account else None,
        "group": directory.group(thread) if thread else None,
        "exhibit": directory.exhibits.get(exhibit),
        "at": at,
        "state": at.state if at is not None else getattr(record, "state", ""),
    }
