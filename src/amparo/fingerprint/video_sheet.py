"""A film as a larger contact sheet, for a person who has asked to see it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from av import VideoFrame
from av.error import FFmpegError

from amparo.fingerprint.video_frames import Pixels, laid_out, tile
from amparo.fingerprint.video_open import Opened, open_media
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
    for place in _places(opened):
        frame = _frame_at(opened, place)
        if frame is not None:
            at = round((frame.time or 0) * 1000)
            pictures.setdefault(at, tile(frame, LONGEST))
    if not pictures:
        raise ValueError("no frame could be decoded")
    whole = laid_out([pictures[at] for at in sorted(pictures)])
    yield Thumb(found.content, whole.shape[1], whole.shape[0], whole.tobytes())


def _places(opened: Opened) -> list[int]:
    """Where to look, in microseconds."""
    duration = opened.container.duration or 0
    start = opened.container.start_time or 0
    if not 0 < duration < 1 << 60:
        return [0]
    return [start + duration * n // PICTURES for n in range(PICTURES)]


def _frame_at(opened: Opened, place: int) -> VideoFrame | None:
    """The key frame at or before a place, or what decodes first after it."""
    if opened.video is None:
        return None
    try:
        if place:
            opened.container.seek(place)
        for packet in islice(opened.container.demux(opened.video), 500):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    return frame
    except (FFmpegError, OSError, EOFError):
        return None
    return None
