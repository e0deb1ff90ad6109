"""One content: what it is, everywhere it lies, and how it travelled."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from amparo.kit.schemes import label
from amparo.model import (
    Attachment,
    Content,
    ContentKind,
    Exif,
    File,
    Fingerprint,
    Id,
    KnownDispute,
    KnownMatch,
    KnownSet,
    Mark,
    Media,
    Message,
    Position,
    Problem,
    StackMember,
    Unseen,
)
from amparo.review.cut import seconds
from amparo.review.desk import Desk
from amparo.review.films import FORMS, film_of
from amparo.review.learnt import told
from amparo.review.links import described, links_of
from amparo.review.listing import alike, whole
from amparo.review.steps import earliest, steps, travel

router = APIRouter()
STEPS = 200
FILES = 200
LINKS = 40


@router.get("/content/{id}")
def content(request: Request, id: Id) -> Response:
    """Everything the case holds about these bytes."""
    desk = Desk.of(request)
    reads, directory = desk.reads, desk.directory()
    this = reads.get(Content, id)
    attachments = reads.rows(Attachment, content=id)
    if this is None and not attachments:
        raise HTTPException(404, "This case holds no such content, and no message names it.")
    desk.log("content", "consultation", (id,))
    own = reads.rows(StackMember, content=id)
    centre = own[0].stack if own else id
    members = reads.rows(StackMember, stack=centre)
    related = [row.content for row in members] or [id]
    files = reads.rows(File, content=id)
    postings = travel(desk, related)
    offset = whole(request, "offset")
    links = links_of(desk, ("attachment_content",), [id])
    same = links_of(desk, ("same_picture",), [id])
    films = links_of(desk, FORMS, [id])
    known = reads.among(KnownMatch, "content", related)
    messages = reads.many(Message, [a.message for a in attachments])
    attachments.sort(key=lambda a: sent_of(messages.get(a.message), a.id))
    return desk.show(
        request,
        "content.html",
        {
            "title": f"Content {this.sha256[:12]}" if this is not None else "Content not held",
            "id": id,
            "content": this,
            "media": next(iter(reads.rows(Media, content=id)), None),
            "kind": next(iter(reads.rows(ContentKind, content=id)), None),
            "exif": next(iter(reads.rows(Exif, content=id)), None),
            "positions": reads.rows(Position, content=id),
            "fingerprints": reads.rows(Fingerprint, content=id),
            "models": told(reads, id),
            "problems": reads.rows(Problem, subject=id),
            "files": files[:FILES],
            "file_count": len(files),
            "centre": centre,
            "members": sorted(members, key=lambda row: (row.distance, row.content))[:60],
            "member_count": len(related),
            "member_contents": reads.many(Content, related[:60]),
            "known": known,
            "listed": alike(known, lambda k: (k.known_set, k.use, k.scheme, k.code, k.content)),
            "disputes": reads.among(KnownDispute, "content", related),
            "unseen": reads.keyed(Unseen, centre),
            "sets": reads.many(KnownSet, [match.known_set for match in known]),
            "attachments": attachments[:100],
            "attachment_count": len(attachments),
            "messages": {
                a.message: messages[a.message] for a in attachments[:100] if a.message in messages
            },
            "steps": steps(desk, postings[offset : offset + STEPS]),
            "earliest": [p.id for p in earliest(postings)],
            "step_count": len(postings),
            "offset": offset,
            "next": offset + STEPS if offset + STEPS < len(postings) else None,
            "first_in_thread": sum(p.first_in_thread for p in postings),
            "thread_count": len({p.thread for p in postings}),
            "coverage": len({e for p in postings for e in p.exhibits}),
            "links": described(desk, links[:LINKS]),
            "link_count": len(links),
            "same": described(desk, same[:LINKS]),
            "same_count": len(same),
            "alike": described(desk, films[:LINKS]),
            "alike_count": len(films),
            **film_of(desk, id),
            "marks": [
                {"mark": m, "label": label(m.scheme, m.version, m.code) or m.text or m.code}
                for m in marks(desk, related)
            ],
            "grade": desk.grade(centre),
            "exhibits": directory.exhibits,
            "parts_seconds": seconds(desk),
            "visual": this is not None
            and this.mime.startswith(("image/", "video/", "application/pdf")),
        },
    )


def sent_of(message: Message | None, id: Id) -> tuple[bool, int, Id]:
    """For the order of time; what has none comes last."""
    time = message.sent if message is not None else None
    return time is None, time or 0, id


def marks(desk: Desk, contents: list[Id]) -> list[Mark]:
    """Judgements on a stack's contents, newest first."""
    rows = desk.reads.among(Mark, "subject", contents)
    return sorted(rows, key=lambda mark: (-mark.time, mark.id))
