"""Single frames of a film, found by seeking to places evenly spread over it."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from av import VideoFrame

from amparo.fingerprint.video_open import BAD_BYTES, Changed, Opened

MICROSECONDS = 1_000_000
NEAR = MICROSECONDS
"""Microseconds ahead up to which a place is reached by decoding on instead of by seeking."""
BARREN = 500
"""Packets without a frame after which nothing more is expected."""


def places(opened: Opened, count: int, length: int = 0) -> list[int]:
    """Where to look, in microseconds: so many places over a film's ``length``, the one it states unless given.

    Its beginning alone where neither is known.
    """
    length = length or opened.container.duration or 0
    start = opened.container.start_time or 0
    if not 0 < length < 1 << 60:
        return [start]
    return [start + length * n // count for n in range(count)]


def frames_from(opened: Opened, place: int) -> Iterator[VideoFrame]:
    """Frames from the key frame at or before a place on; what does not decode is passed over.

    Where there is no such key frame, from what decodes first. Raises Changed when the bytes are no longer
    those taken in.
    """
    if opened.video is None:
        return
    try:
        if place > (opened.container.start_time or 0):
            opened.container.seek(place)
        barren = 0
        for packet in opened.container.demux(opened.video):
            barren += 1
            try:
                frames = packet.decode()
            except Changed:
                raise
            except BAD_BYTES:
                frames = []
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    barren = 0
                    yield frame
            if barren >= BARREN:
                return
    except Changed:
        raise
    except (MemoryError, *BAD_BYTES):
        return


def evenly(opened: Opened, count: int, seconds: float) -> Iterator[tuple[int | None, VideoFrame]]:
    """Up to ``count`` frames evenly spread over a film, with the milliseconds since its first one.

    Every frame has the same share of ``seconds``, and what is done with it before the next one counts.
    A place not reached within its share gives the last frame before it, and one whose share has passed
    gives none: so a film that takes longer is looked at more coarsely, and to its end.
    """
    began = monotonic()
    length = 0 if opened.container.duration else _measured(opened)
    first = _first(opened)
    at, given = None, -1
    frames: Iterator[VideoFrame] = iter(())
    for n, place in enumerate(places(opened, count, length)):
        due = began + seconds * (n + 1) / count
        if given >= place or monotonic() >= due:
            continue
        if at is None or place - at > NEAR:
            frames = frames_from(opened, place)
        seen = None
        for frame in frames:
            seen = frame
            at = None if frame.time is None else round(frame.time * MICROSECONDS)
            if at is None or at >= place or monotonic() >= due:
                break
        if seen is not None and (at is None or at > given):
            given = given if at is None else at
            yield None if at is None else max(0, at - first) // 1000, seen


def _first(opened: Opened) -> int:
    """The time of the first frame in microseconds, as the film states it."""
    stream = opened.video
    if stream is None or stream.start_time is None:
        return 0
    return round(stream.start_time * float(stream.time_base or 0) * MICROSECONDS)


def _measured(opened: Opened) -> int:
    """The length in microseconds of a film that states none: nothing is decoded for it, and all is read."""
    if opened.video is None:
        return 0
    last = 0
    try:
        for packet in opened.container.demux(opened.video):
            at = (packet.pts or 0) * float(packet.time_base or 0) * MICROSECONDS
            last = max(last, round(at))
        opened.container.seek(opened.container.start_time or 0)
    except Changed:
        raise
    except BAD_BYTES:
        return 0
    return last
