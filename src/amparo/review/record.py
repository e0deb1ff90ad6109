"""Any record as it was read or concluded: where it was found and which actions touched it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from amparo.model import KINDS, At, Exhibit, File, Id, Link, Mark, Record, Seal, Version
from amparo.review.desk import Desk, found
from amparo.review.history import told
from amparo.review.links import described, end_page
from amparo.review.reads import Entry
from amparo.review.words import part

router = APIRouter()

POINTS_AT = {
    "exhibit": "/record/exhibit/",
    "file": "/record/file/",
    "message": "/record/message/",
    "held_by": "/record/file/",
    "gone_from": "/record/file/",
    "known_set": "/record/known_set/",
    "model": "/record/model_card/",
    "content": "/content/",
    "stack": "/content/",
    "account": "/account/",
    "other": "/account/",
    "sender": "/account/",
    "creator": "/account/",
    "actor": "/account/",
    "thread": "/thread/",
}
"""Fields that hold an id, and the page of what it names."""

WORDED = frozenset({"message", "attachment", "thread_info"})
"""Kinds that can have versions."""

BASIS = {
    "erasure": "message",
    "version": "message",
    "link": "alias",
    "posting": "attachment",
    "resolution": "alias",
    "tenure": "membership",
}
"""What the ``basis`` of a claim mostly consists of; a record of another kind is still found."""


@router.get("/record/{kind}/{id}")
def record(request: Request, kind: str, id: Id) -> Response:
    """One record, field by field."""
    desk = Desk.of(request)
    cls = KINDS.get(kind)
    if cls is None:
        raise HTTPException(404, "There is no such kind of record.")
    this: Record = found(desk.reads.get(cls, id), kind.replace("_", " "))
    desk.log("record", "consultation", (id,))
    at = getattr(this, "at", None)
    lines = [line(desk, this, f.name) for f in fields(this) if f.name not in ("_id", "at", "basis")]
    basis = tuple(getattr(this, "basis", ()))
    return desk.show(
        request,
        "record.html",
        {
            "title": f"{kind.replace('_', ' ').capitalize()} {id[:8]}",
            "kind": kind,
            "record": this,
            "doc": (cls.__doc__ or "").strip().split("\n")[0].replace("``", ""),
            "seal": next(iter(desk.reads.rows(Seal, exhibit=id)), None) if cls is Exhibit else None,
            "maker": desk.reads.maker(cls, id),
            "lines": lines,
            "at": at,
            "exhibit": desk.reads.get(Exhibit, at.exhibit) if isinstance(at, At) else None,
            "file": desk.reads.get(File, at.file) if isinstance(at, At) else None,
            "basis": resting_on(desk, kind, basis[:200]),
            "basis_count": len(basis),
            "marks": judged(desk, this),
            "wordings": told(desk, id) if kind in WORDED else None,
            "history": made_by(desk, id, at),
        },
    )


SHOWN = 2048
"""Bytes of a record's place that are shown."""


@router.get("/bytes/{kind}/{id}")
def bytes_of(request: Request, kind: str, id: Id) -> Response:
    """The bytes a record rests on, as they lie in the evidence now."""
    desk = Desk.of(request)
    cls = KINDS.get(kind)
    if cls is None:
        raise HTTPException(404, "There is no such kind of record.")
    at = getattr(found(desk.reads.get(cls, id), kind.replace("_", " ")), "at", None)
    if not isinstance(at, At) or at.offset is None or not at.length:
        raise HTTPException(404, "This record names no bytes.")
    desk.log("bytes", "consultation", (id,))
    data, reason = b"", ""
    try:
        data = desk.piece(at, SHOWN)
    except ValueError as error:
        reason = str(error)
    file = desk.reads.get(File, at.file)
    return desk.show(
        request,
        "bytes.html",
        {
            "title": f"Bytes of {kind.replace('_', ' ')} {id[:8]}",
            "kind": kind,
            "id": id,
            "at": at,
            "path": f"{file.path}{at.companion}" if file is not None else "",
            "dump": dump(data, at.offset),
            "length": at.length,
            "shown": len(data),
            "reason": reason,
        },
    )


def dump(data: bytes, offset: int) -> list[tuple[str, str, str]]:
    """Sixteen bytes a line: where it begins, in hexadecimal, as ASCII."""
    return [
        (
            f"{offset + i:010x}",
            data[i : i + 16].hex(" "),
            "".join(chr(b) if 32 <= b < 127 else "." for b in data[i : i + 16]),
        )
        for i in range(0, len(data), 16)
    ]


def judged(desk: Desk, this: Record) -> list[Mark]:
    """What people said of a link, newest first; judgements on contents stand on the content's page."""
    rows = desk.reads.rows(Mark, subject=this.id) if isinstance(this, Link) else []
    return sorted(rows, key=lambda mark: (-mark.time, mark.id))


def made_by(desk: Desk, id: Id, at: object) -> list[Entry]:
    """Actions that took this record as input; for what was read, also those that read its file."""
    entries = {entry.sequence: entry for entry in desk.reads.history(id)}
    if isinstance(at, At):
        entries |= {entry.sequence: entry for entry in desk.reads.history(at.file)}
    return [entries[sequence] for sequence in sorted(entries)]


def line(desk: Desk, this: Record, name: str) -> dict[str, Any]:
    """A field's value with what it points at, in words."""
    value = getattr(this, name)
    directory, target, said = desk.directory(), "", ""
    if isinstance(value, str) and value and name in POINTS_AT:
        target = POINTS_AT[name] + part(value)
        exhibit = directory.exhibits.get(value)
        known = directory.person(value) or directory.group(value)
        said = known.label if known is not None else exhibit.number if exhibit is not None else ""
    if isinstance(this, Link) and name in ("source", "target"):
        target = end_page(this, name)
        ends = described(desk, [this])[0]["ends"]
        said = ends[0 if name == "source" else 1]["word"]
    if isinstance(this, Version) and name in ("source", "subject"):
        of = this.source_kind if name == "source" else this.of
        target = f"/record/{part(of)}/{part(value)}"
    if name == "exhibits":
        value = [directory.exhibits[e].number if e in directory.exhibits else e for e in value]
    if isinstance(value, bool):
        value = "yes" if value else "no"
    time = isinstance(value, int) and name in TIMES
    return {"name": name, "value": value, "target": target, "said": said, "time": time}


TIMES = frozenset({"sent", "server", "edited", "created", "since", "until", "time", "modified",
                   "taken_at", "first", "last"})  # fmt: skip
"""Fields that hold milliseconds since 1970 UTC."""


def resting_on(desk: Desk, kind: str, basis: tuple[Id, ...]) -> list[dict[str, Any]]:
    """The records a claim rests on, of whatever kind they are."""
    rest = list(basis)
    out: list[dict[str, Any]] = []
    likely = BASIS.get(kind, "")
    order = sorted(KINDS, key=lambda k: (k != likely, k))
    for name in order:
        if not rest:
            break
        hits = desk.reads.many(KINDS[name], rest)
        out += [
            {"kind": name, "id": id, "at": getattr(row, "at", None)} for id, row in hits.items()
        ]
        rest = [id for id in rest if id not in hits]
    out += [{"kind": "", "id": id, "at": None} for id in rest]
    return out
