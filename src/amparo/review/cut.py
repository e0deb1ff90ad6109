"""What a picture was cut out of, and what was cut out of it: looked for when a person asks."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from amparo.model import Content, File, Id
from amparo.review.desk import Desk, found

router = APIRouter()
SHOWN = 60
FILES = 4
A_SECOND, AT_LEAST = 3_000, 3
"""Pictures that one is laid on in a second, about, on two cores, and the seconds for the nearest (docs/pictures.md)."""


@router.get("/content/{id}/parts")
def parts(request: Request, id: Id) -> Response:
    """The picture laid on every other of the case. Nothing is written but that somebody asked."""
    desk = Desk.of(request)
    this = found(desk.reads.get(Content, id), "content")
    if not this.mime.startswith("image/"):
        raise HTTPException(404, "Only pictures are laid on others.")
    desk.log("parts", "consultation", (id,))
    hits, missing = desk.kept("parts", id, lambda: desk.parts(id))
    shown = hits[:SHOWN]
    contents = desk.reads.many(Content, [hit.content for hit in shown])
    files = desk.reads.among(File, "content", list(contents))
    lying = {c: [f for f in files if f.content == c] for c in contents}
    return desk.show(
        request,
        "cut.html",
        {
            "title": f"Parts of {this.sha256[:12]}",
            "id": id,
            "content": this,
            "rows": [
                {
                    "hit": hit,
                    "content": contents[hit.content],
                    "files": lying[hit.content][:FILES],
                    "file_count": len(lying[hit.content]),
                }
                for hit in shown
                if hit.content in contents
            ],
            "count": len(hits),
            "missing": missing,
            "exhibits": desk.directory().exhibits,
        },
    )


def seconds(desk: Desk) -> int:
    """About how long that takes."""
    return AT_LEAST + len(desk.queue().centres) // A_SECOND
