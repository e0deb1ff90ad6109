"""Claims that join two records: why, how strongly, and what a person decided. A decision is logged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from amparo.model import Account, Attachment, Content, Id, Link, Mark, Thread
from amparo.review.desk import Desk, found, now
from amparo.review.words import part

router = APIRouter()

ENDS: dict[str, tuple[str, str]] = {
    "same_account": ("account", "account"),
    "conflict": ("account", "account"),
    "number_change": ("account", "account"),
    "same_thread": ("thread", "thread"),
    "attachment_content": ("attachment", "content"),
    "same_picture": ("content", "content"),
    "same_film": ("content", "content"),
    "clip_of": ("content", "content"),
    "shares_clip": ("content", "content"),
    "frame_of": ("content", "content"),
    "same_sound": ("content", "content"),
    "sound_of": ("content", "content"),
    "shares_sound": ("content", "content"),
}
"""What source and target of a form of link are."""

SAID = {
    "same_account": "one account",
    "conflict": "kept apart",
    "number_change": "number changed",
    "same_thread": "one conversation",
    "attachment_content": "attached file",
    "same_picture": "same picture",
    "same_film": "the same film",
    "clip_of": "a clip of it",
    "shares_clip": "share a stretch",
    "frame_of": "a frame of it",
    "same_sound": "the same sound",
    "sound_of": "its sound, a part",
    "shares_sound": "share sound",
}
PAGE = {
    "account": "/account/",
    "thread": "/thread/",
    "content": "/content/",
    "attachment": "/record/attachment/",
}


class Verdict(BaseModel):
    """What a person says of a link; "" takes the last word back."""

    link: str = Field(max_length=36)
    code: Literal["confirmed", "refused", ""]


@router.post("/link")
def judge_link(request: Request, body: Verdict) -> Response:
    """Writes a person's word on a link and its action in one transaction; the link itself stays."""
    desk = Desk.of(request)
    link = found(desk.reads.get(Link, body.link), "link")
    if link.withdrawn:
        raise HTTPException(409, "This link was withdrawn: it no longer follows from the case.")
    with desk.lock:
        time = desk.last_mark = max(now(), desk.last_mark + 1)
        mark = Mark(
            subject=link.id, form="link", code=body.code, performer=desk.performer, time=time
        )
        desk.write_marks("link", [mark], (link.id,))
    return JSONResponse({"link": link.id, "code": mark.code, "by": mark.performer})


def links_of(desk: Desk, forms: Iterable[str], ids: Iterable[Id]) -> list[Link]:
    """Links of these forms that start or end at one of the records; withdrawn ones last."""
    wanted, kinds = sorted({id for id in ids if id}), list(forms)
    if not wanted:
        return []
    rows = [
        *desk.reads.rows(Link, source=wanted, form=kinds),
        *desk.reads.rows(Link, target=wanted, form=kinds),
    ]
    return sorted(
        {link.id: link for link in rows}.values(),
        key=lambda k: (k.withdrawn, kinds.index(k.form), -k.log10_lr, k.id),
    )


def described(desk: Desk, links: list[Link]) -> list[dict[str, Any]]:
    """Links with their two ends in words and addresses, and the judgements on each, newest first."""
    ends = {end for link in links for end in (link.source, link.target)}
    reads = desk.reads
    words = (
        {id: row.handle for id, row in reads.many(Account, ends).items()}
        | {id: row.handle for id, row in reads.many(Thread, ends).items()}
        | {id: row.sha256[:12] for id, row in reads.many(Content, ends).items()}
        | {
            id: row.path or row.name or "attachment"
            for id, row in reads.many(Attachment, ends).items()
        }
    )
    judged: dict[Id, list[Mark]] = {}
    for mark in sorted(
        reads.among(Mark, "subject", [link.id for link in links]), key=lambda m: (-m.time, m.id)
    ):
        judged.setdefault(mark.subject, []).append(mark)
    return [
        {
            "link": link,
            "said": SAID.get(link.form, link.form),
            "ends": [
                {"word": words.get(id, id[:8]), "page": end_page(link, name)}
                for name, id in (("source", link.source), ("target", link.target))
            ],
            "marks": judged.get(link.id, []),
        }
        for link in links
    ]


def end_page(link: Link, name: str) -> str:
    """The address of the source or the target of a link; "" for a form that is not known."""
    kinds = ENDS.get(link.form)
    if kinds is None:
        return ""
    return PAGE[kinds[name == "target"]] + part(link.target if name == "target" else link.source)
