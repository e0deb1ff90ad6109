"""What is known of a film or sound, and where parts of it are found elsewhere."""

from __future__ import annotations

from typing import Any

from amparo.kit.frames import CUT, unpacked
from amparo.model import ClipMatch, Content, Film, FilmFrames, Id, Soundtrack
from amparo.review.desk import Desk

FORMS = (
    "same_film",
    "clip_of",
    "shares_clip",
    "frame_of",
    "same_sound",
    "sound_of",
    "shares_sound",
)
"""Forms of links between films, sounds and pictures."""
MATCHES = 100
CUTS = 40


def film_of(desk: Desk, content: Id) -> dict[str, Any]:
    """The film, its cuts, its sound, and what of it is elsewhere, for the page of a content."""
    reads = desk.reads
    own = reads.rows(ClipMatch, content=content)
    others = reads.rows(ClipMatch, other=content)
    matches: list[dict[str, Any]] = [
        {
            "match": m,
            "other": m.other,
            "here": (m.start, m.end),
            "there": (m.other_start, m.other_end),
        }
        for m in own
    ] + [
        {
            "match": m,
            "other": m.content,
            "here": (m.other_start, m.other_end),
            "there": (m.start, m.end),
        }
        for m in others
    ]
    matches.sort(key=lambda row: (row["match"].form, row["here"], row["other"]))
    return {
        "film": next(iter(reads.rows(Film, content=content)), None),
        "cuts": cuts_of(desk, content)[:CUTS],
        "soundtrack": next(iter(reads.rows(Soundtrack, content=content)), None),
        "matches": matches[:MATCHES],
        "match_count": len(matches),
        "match_contents": reads.many(Content, [row["other"] for row in matches[:MATCHES]]),
    }


def cuts_of(desk: Desk, content: Id) -> list[int]:
    """Where the shots of a film begin, in milliseconds."""
    parts = sorted(desk.reads.rows(FilmFrames, content=content, form="shown"), key=lambda p: p.part)
    return [
        int(row["time"]) for part in parts for row in unpacked(part.value) if row["flags"] == CUT
    ]
