"""What was changed and what is gone: versions and erasures with the places that tell of them."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model import (
    KINDS,
    At,
    Attachment,
    Erasure,
    Exhibit,
    File,
    Id,
    Message,
    Record,
    ThreadInfo,
    Version,
)
from amparo.review.desk import Desk
from amparo.review.directory import Person
from amparo.review.reads import Reads
from amparo.review.words import way

ROWS = 40


@dataclass(frozen=True)
class Wording:
    """One version with the record that shows where its bytes lie."""

    version: Version
    at: At | None
    file: str
    """Name of the file, where it is not the one that holds the latest wording: a backup."""


@dataclass(frozen=True)
class Changed:
    """A message, or a group's subject, with its wordings in order."""

    subject: Id
    kind: str
    wordings: list[Wording]
    sender: Person | None
    sent: int | None
    exhibit: Exhibit | None


@dataclass(frozen=True)
class Gone:
    """An erased message with what tells of it."""

    erasure: Erasure
    ways: list[str]
    sender: Person | None
    exhibit: Exhibit | None
    others: list[str]
    held_by: str
    gone_from: str
    kind: str
    """Kind of the record the wording is taken from; "" where none is held."""


def changed(desk: Desk, thread: Id, limit: int = ROWS) -> list[Changed]:
    """The messages of a conversation whose wording was changed, and its subjects."""
    found = desk.reads.window(Version, {"thread": thread}, "", limit * 8)
    subjects = sorted({(v.subject, v.of) for v in found}, key=lambda s: (s[1] == "message", s[0]))
    rows = [told(desk, subject) for subject, _ in subjects[:limit]]
    return sorted((r for r in rows if r), key=lambda r: (r.kind == "message", r.sent or 0))


def told(desk: Desk, id: Id) -> Changed | None:
    """The versions of what one record tells, whether it is the one that stands or an earlier one."""
    reads = desk.reads
    versions = reads.rows(Version, subject=id)
    if not versions:
        mine = reads.rows(Version, source=id)
        versions = reads.rows(Version, subject=mine[0].subject) if mine else []
    if not versions:
        return None
    versions.sort(key=lambda v: v.place)
    first = versions[0]
    records = sources(reads, versions)
    subject = reads.get(KINDS[first.of], first.subject)
    places = {
        id: at for id, row in records.items() if isinstance(at := getattr(row, "at", None), At)
    }
    here = getattr(getattr(subject, "at", None), "file", "")
    files = reads.many(File, [at.file for at in places.values() if at.file != here])
    names = {id: file.path.rpartition("/")[2] for id, file in files.items()}
    message = subject if isinstance(subject, Message) else None
    return Changed(
        first.subject,
        first.of,
        [
            Wording(v, at, names.get(at.file, "") if at else "")
            for v in versions
            for at in (places.get(v.source),)
        ],
        desk.directory().person(message.sender) if message else None,
        message.sent if message else None,
        desk.directory().exhibits.get(first.exhibit),
    )


def sources(reads: Reads, versions: list[Version]) -> dict[Id, Record]:
    """The records that show the bytes of versions."""
    found: dict[Id, Record] = {}
    for kind in (Message, Attachment, ThreadInfo):
        wanted = [v.source for v in versions if v.source_kind == kind.KIND]
        found.update(reads.many(kind, wanted))
    return found


def before(reads: Reads, ids: list[Id]) -> dict[Id, list[Version]]:
    """For records that have versions: all wordings of the same thing, in order."""
    versions = [*reads.among(Version, "subject", ids), *reads.among(Version, "source", ids)]
    subjects = {v.subject for v in versions}
    by_subject: dict[Id, list[Version]] = {}
    for version in reads.among(Version, "subject", subjects):
        by_subject.setdefault(version.subject, []).append(version)
    found: dict[Id, list[Version]] = {}
    for rows in by_subject.values():
        rows.sort(key=lambda v: v.place)
        for id in {rows[0].subject, *(i for v in rows for i in (v.source, *v.basis))}:
            found[id] = rows
    return {id: found[id] for id in ids if id in found}


def gone(desk: Desk, thread: Id, limit: int = ROWS) -> list[Gone]:
    """Erased messages of a conversation in time order; those without a time come last."""
    rows = desk.reads.first(Erasure, {"thread": thread}, "sent", limit)
    files = desk.reads.many(File, [f for e in rows for f in (e.held_by, e.gone_from)])
    kinds: dict[Id, str] = {}
    for kind in ("message", "quote"):
        kinds.update(dict.fromkeys(desk.reads.many(KINDS[kind], [e.source for e in rows]), kind))
    directory = desk.directory()

    def named(id: Id) -> str:
        return files[id].path.rpartition("/")[2] if id in files else ""

    return [
        Gone(
            erasure,
            [way(m) for m in erasure.methods],
            directory.person(erasure.sender) if erasure.sender else None,
            directory.exhibits.get(erasure.exhibit),
            [directory.exhibits[e].number for e in erasure.exhibits if e in directory.exhibits],
            named(erasure.held_by),
            named(erasure.gone_from),
            kinds.get(erasure.source, ""),
        )
        for erasure in rows
    ]
