"""A film as a larger contact sheet, for a person who has asked to see it."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.fingerprint.video_frames import Pixels, laid_out, tile
from amparo.fingerprint.video_open import open_media
from amparo.fingerprint.video_places import frames_from, places
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb
from amparo.kit.source import Source

PICTURES = 9
LONGEST = 340
"""Longer side of each, in pixels; three of them and the host's limit of 1024."""


def sheet(source: Source, found: Found) -> Iterator[Thumb]:
    """Nine frames evenly spread over a film, found by seeking; fewer where it is short or damaged.

    Raises ValueError when it is no film, or its bytes are not those taken in.
    """
    opened = open_media(source, found.sha256)
    pictures: dict[int, Pixels] = {}
    for place in places(opened, PICTURES):
        frame = next(frames_from(opened, place), None)
        if frame is not None:
            at = round((frame.time or 0) * 1000)
            pictures.setdefault(at, tile(frame, LONGEST))
    if not pictures:
        raise ValueError("no frame could be decoded")
    whole = laid_out([pictures[at] for at in sorted(pictures)])
    yield Thumb.of(found.content, whole)
