"""Find a picture inside films, and a film or sound that is not of the case inside those that are."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amparo.cli.say import Refused, safe

if TYPE_CHECKING:
    from amparo.kit.plugin import Spec
    from amparo.model import ClipMatch, Record
    from amparo.sandbox.guard import Outcome
    from amparo.store import Case

Kept = dict[str, "list[Outcome]"]
"""What cells made of the file that is looked for, by how far they had to be locked in."""


def find_film(
    case: Case, args: argparse.Namespace, kept: Kept
) -> tuple[dict[str, object], list[str]]:
    """Answers ``--video`` and ``--audio``: exact copies, then where it runs or is heard."""
    from amparo.match.clips import film_in_films
    from amparo.match.find import by_hash
    from amparo.match.sounds import sound_in_films
    from amparo.model import FilmFrames, Soundtrack

    path: Path = args.video if args.video is not None else args.audio
    exact = by_hash(case.store, _sha256(path))
    records = _records(case, path, kept)
    frames = [r.value for r in records if isinstance(r, FilmFrames) and r.form == "shown"]
    sounds = [r for r in records if isinstance(r, Soundtrack)]
    if args.video is not None and not frames:
        raise Refused(f"{path}: no moving pictures that could be compared")
    if args.video is None and not sounds:
        raise Refused(f"{path}: no sound that could be compared")
    matches = film_in_films(case.store, frames) if args.video is not None else []
    for sound in sounds:
        matches += sound_in_films(case.store, sound.value, sound.sounding)
    rows = [_row(case, m) for m in matches if m.other not in exact]
    rows = [{**_where(case, content), "form": "exact"} for content in exact] + rows
    lines = [line for row in rows[: args.limit] for line in _lines(row)]
    return {"found": rows[: args.limit], "total": len(rows)}, lines


def stills(case: Case, pdq8: bytes) -> list[dict[str, object]]:
    """Films of the case that show this picture, and when."""
    from amparo.match.clips import still_in_films

    return [
        {
            **_where(case, film),
            "form": "still",
            "at": time,
            "distance": distance,
            "mirrored": mirrored,
        }
        for film, time, distance, mirrored in still_in_films(case.store, pdq8)
    ]


def still_lines(row: dict[str, object]) -> list[str]:
    """A film that shows a picture, for people."""
    from amparo.kit.times import clock

    at = row["at"]
    assert isinstance(at, int)
    mirrored = ", mirrored" if row["mirrored"] else ""
    head = f"{row['sha256']}  {row['mime']}  shows it at {clock(at)}, distance {row['distance']}{mirrored}"
    return [head, *_files(row)]


def _sha256(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise Refused(f"{path}: not a file")
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def looked_at(case: Case, path: Path, specs: Sequence[Spec], kept: Kept) -> list[Outcome]:
    """What cells make of the file that is looked for: once, however many cases are searched."""
    from amparo.run.picture import looks

    floor = case.config.isolation_floor
    if floor not in kept:
        kept[floor] = looks(case, path, specs)
    return kept[floor]


def _records(case: Case, path: Path, kept: Kept) -> list[Record]:
    """What a film or sound shows and sounds like; Refused where it cannot be told."""
    from amparo.kit.plugin import discover

    spec = next(s for s in discover() if s.id == "fingerprint/video")
    (outcome,) = looked_at(case, path, [spec], kept)
    if outcome.error:
        raise Refused(f"{path}: {outcome.error}")
    records = list(outcome.records())
    if not records and outcome.warnings:
        raise Refused(f"{path}: {outcome.warnings[0]}")
    return records


def _row(case: Case, match: ClipMatch) -> dict[str, object]:
    return {
        **_where(case, match.other),
        "form": match.form,
        "start": match.start,
        "end": match.end,
        "other_start": match.other_start,
        "other_end": match.other_end,
        "speed": match.speed,
        "mirrored": match.mirrored,
        "votes": match.votes,
        "distance": match.distance,
    }


def _where(case: Case, content_id: str) -> dict[str, object]:
    from amparo.model import Content, Exhibit, File

    content = case.store.get(Content, content_id)
    assert content is not None
    files = []
    for file in case.store.each(File, content=content_id):
        exhibit = case.store.get(Exhibit, file.exhibit)
        files.append(
            {"exhibit": exhibit.number if exhibit else "", "path": file.path, "state": file.state}
        )
    return {
        "content": content_id,
        "sha256": content.sha256,
        "mime": content.mime,
        "files": files,
    }


def _lines(row: dict[str, object]) -> list[str]:
    from amparo.kit.times import clock

    def span(start: str, end: str) -> str:
        a, b = row[start], row[end]
        assert isinstance(a, int) and isinstance(b, int)
        return f"{clock(a)}-{clock(b)}"

    head = f"{row['sha256']}  {row['mime']}  "
    if row["form"] == "exact":
        head += "exact copy"
    else:
        verb = "sounds as" if row["form"] == "sound" else "is"
        head += f"{span('start', 'end')} {verb} {span('other_start', 'other_end')} of it"
        head += ", mirrored" if row["mirrored"] else ""
        head += f", {row['votes']} frames agree" if row["form"] == "film" else ""
    return [head, *_files(row)]


def _files(row: dict[str, object]) -> list[str]:
    files = row["files"]
    assert isinstance(files, list)
    return [f"    {safe(f['exhibit'])}: {safe(f['path'])} ({f['state']})" for f in files]
