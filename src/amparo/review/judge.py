"""What changes the case from the desk: revealing a picture and grading a stack. Both are logged."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from amparo.kit.mime import sniff
from amparo.model import Content, Id, Mark
from amparo.review.desk import Desk, now

router = APIRouter()
PIXELS = (64, 1600)
"""Least and most pixels of a picture's longest side."""


class Reveal(BaseModel):
    """Which content the analyst asks to see."""

    content: str = Field(max_length=36)


class Grade(BaseModel):
    """One judgement; code "" takes the last one back."""

    content: str = Field(max_length=36)
    code: str = Field(max_length=16)


class Grades(BaseModel):
    """A batch of judgements under one scheme, in the order they were made."""

    scheme: str = Field(max_length=80)
    grades: list[Grade] = Field(min_length=1, max_length=500)


@router.post("/reveal")
def reveal(request: Request, body: Reveal) -> Response:
    """Logs the consultation; only then may the picture be fetched."""
    desk = Desk.of(request)
    if desk.reads.get(Content, body.content) is None:
        raise HTTPException(404, "This case holds no such content.")
    desk.log("reveal", "consultation", (body.content,))
    with desk.lock:
        desk.revealed.add(body.content)
        desk.reveals += 1
    return JSONResponse({"content": body.content, "reveals": desk.reveals})


@router.post("/grade")
def grade(request: Request, body: Grades) -> Response:
    """Writes a batch of judgements and their action in one transaction."""
    desk = Desk.of(request)
    scheme = desk.scheme
    if body.scheme != scheme.title:
        raise HTTPException(409, f"This case is graded under {scheme.title}.")
    codes = {category.code for category in scheme.categories} | {""}
    wrong = sorted({g.code for g in body.grades} - codes)
    if wrong:
        raise HTTPException(422, f"{scheme.title} has no category {wrong[0]!r}.")
    ids = list(dict.fromkeys(g.content for g in body.grades))
    known = desk.reads.many(Content, ids)
    if len(known) < len(ids):
        raise HTTPException(404, "This case holds no such content.")
    queue = desk.queue()
    with desk.lock:
        time = max(now(), desk.last_mark + 1)
        marks = [
            Mark(
                subject=g.content,
                form="category",
                scheme=scheme.name,
                version=scheme.version,
                code=g.code,
                performer=desk.performer,
                time=time + n,
            )
            for n, g in enumerate(body.grades)
        ]
        desk.last_mark = marks[-1].time
        desk.write_marks("grade", marks, tuple(ids))
        for g in body.grades:
            queue.grade(g.content, scheme.name, scheme.version, g.code)
    return JSONResponse({"saved": [{"content": m.subject, "code": m.code} for m in marks]})


@router.get("/thumb/{id}")
def thumb(request: Request, id: Id) -> Response:
    """The small thumbnail; the page shows it grey and blurred."""
    desk = Desk.of(request)
    content = desk.reads.get(Content, id)
    data = desk.case.thumbs.get(content.sha256) if content is not None else None
    if data is None:
        raise HTTPException(404, "There is no thumbnail of this content.")
    return Response(data, media_type=sniff(data, len(data)))


@router.get("/picture/{id}")
def picture(request: Request, id: Id, side: int = 960) -> Response:
    """The picture itself, decoded in a cell; refused unless its consultation was logged."""
    desk = Desk.of(request)
    if id not in desk.revealed:
        raise HTTPException(403, "Revealing comes first: it is logged.")
    data = desk.picture(id, min(max(side, PIXELS[0]), PIXELS[1]))
    if data is None:
        raise HTTPException(404, "This content does not decode to a picture.")
    return Response(data, media_type=sniff(data, len(data)))
