"""Films, decoded once from end to end: what they show five times a second, what is heard, what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av import AudioFrame, Packet, VideoFrame
from av.error import EOFError as FFmpegEnd

from amparo.fingerprint.audio_sound import Sound
from amparo.fingerprint.video_frames import Frames
from amparo.fingerprint.video_open import BAD_BYTES, Changed, Opened, open_media
from amparo.fingerprint.video_said import created, encoder, said
from amparo.kit.found import Found
from amparo.kit.frames import packed
from amparo.kit.plugin import Thumb, Warn, fingerprint
from amparo.kit.source import Source
from amparo.model import Film, FilmFrames, Record, Soundtrack

SECONDS = 4 * 3600.0
MOST_FRAMES = 200_000
"""Frames looked at: eleven hours."""
MOST_CODES = 250_000
"""Codes of a soundtrack that are kept: eight and a half hours."""
CUT_OFF = 1500
"""Milliseconds by which a film may end before the end it states without being said to break off."""
GAP, MEASURED = 800, frozenset({"mov", "flac", "wav", "matroska", "ogg", "caf"})
"""The same for sounds, and the containers that state how long they are rather than have it guessed."""


@dataclass
class _Looked:
    """What came of decoding."""

    frames: Frames
    sound: Sound
    bad: int = 0
    reasons: list[str] = field(default_factory=list)

    def failed(self, error: Exception) -> None:
        """Counts something that could not be decoded; the first reason is kept."""
        self.bad += 1
        if not self.reasons:
            self.reasons.append(str(error)[:150] or type(error).__name__)


@fingerprint("video", version=1, mimes=("video/*",), seconds=SECONDS)
def video(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """What a film shows and says: visual hashes of its frames, cuts, soundtrack, camera, place, contact sheet.

    Raises ValueError when the bytes are not those taken in.
    """
    yield from look(source, found)


def look(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """Everything about one film or sound, as far as it decodes."""
    try:
        opened = open_media(source, found.sha256)
    except Changed:
        raise
    except MemoryError:
        yield Warn("needs more memory to open than a cell has")
        return
    except BAD_BYTES as error:
        yield Warn(f"not decoded: {str(error)[:200] or type(error).__name__}")
        return
    for doubt in opened.doubts:
        yield Warn(doubt)
    metadata = dict(opened.container.metadata)
    for stream in (opened.video, opened.audio):
        for key, value in (stream.metadata if stream is not None else {}).items():
            metadata.setdefault(key, value)
    yield from said(metadata, found.content)
    if opened.video is None and opened.audio is None:
        return
    rate = float(opened.video.average_rate or 0) if opened.video is not None else 0.0
    looked = _Looked(Frames(rate), Sound())
    try:
        _decode(opened, looked)
    except Changed:
        raise
    except MemoryError:
        looked.reasons[:] = ["needs more memory to decode than a cell has"]
    yield from _film(opened, looked, found, metadata)
    yield from _soundtrack(opened, looked, found)


def _decode(opened: Opened, looked: _Looked) -> None:
    """Goes through the film once; what does not decode is counted and passed over."""
    streams = [s for s in (opened.video, opened.audio) if s is not None]
    packets = opened.container.demux(streams)
    start: float | None = None
    if opened.video is not None and opened.video.start_time is not None:
        start = opened.video.start_time * float(opened.video.time_base or 0) * 1000
    step = 1000 / (float(opened.video.average_rate or 25) if opened.video is not None else 25)
    last = -step
    while looked.frames.looked < MOST_FRAMES:
        try:
            packet = next(packets, None)
        except Changed:
            raise
        except BAD_BYTES as error:
            # A demuxer that fails has lost its place; it does not find it again.
            looked.failed(error)
            break
        if packet is None:
            break
        is_film = packet.stream is opened.video
        if is_film and opened.video is not None:
            start = _skim(packet, opened, looked.frames, start)
        try:
            things = packet.decode()
        except (FFmpegEnd, EOFError):
            continue
        except Changed:
            raise
        except BAD_BYTES as error:
            looked.failed(error)
            continue
        for thing in things:
            try:
                if isinstance(thing, VideoFrame):
                    at = thing.time
                    last = max(last, 0.0 if at is None else at * 1000 - (start or 0.0))
                    if at is None:
                        last += step
                    looked.frames.take(thing, max(0, min(round(last), 0xFFFFFFFF)))
                elif isinstance(thing, AudioFrame):
                    looked.sound.take(thing)
            except BAD_BYTES as error:
                looked.failed(error)
    try:
        looked.sound.end()
    except BAD_BYTES as error:
        looked.failed(error)


def _skim(packet: Packet[Any], opened: Opened, frames: Frames, start: float | None) -> float | None:
    """Lets the decoder pass over a frame that nobody wants and no other is built on; where time begins."""
    assert opened.video is not None
    if packet.pts is None:
        wanted = True
    else:
        at = packet.pts * float(packet.time_base or 0) * 1000
        start = at if start is None else start
        wanted = frames.wants(at - start)
    opened.video.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
    return start


def _film(
    opened: Opened, looked: _Looked, found: Found, metadata: dict[str, str]
) -> Iterator[Record | Thumb]:
    stream, frames = opened.video, looked.frames
    if stream is None:
        return
    duration = _duration(opened)
    damaged = ""
    if looked.bad:
        damaged = f"{looked.bad} pieces could not be decoded, the first: {looked.reasons[0]}"
    elif looked.reasons:
        damaged = looked.reasons[0]
    elif not frames.looked:
        damaged = "no frame could be decoded"
    elif duration and frames.reached + CUT_OFF < duration:
        damaged = f"breaks off at {frames.reached / 1000:.1f} of {duration / 1000:.1f} s"
    width, height = stream.width, stream.height
    if frames.rotation in (90, 270):
        width, height = height, width
    yield Film(
        content=found.content,
        container=opened.demuxer,
        codec=stream.codec_context.name,
        width=width,
        height=height,
        rotation=frames.rotation,
        rate=round(float(stream.average_rate or 0), 3),
        duration=duration,
        reached=frames.reached,
        frames=frames.looked,
        shots=frames.shots,
        created=created(metadata),
        encoder=encoder(metadata),
        damaged=damaged,
    )
    for form, rows in (("shown", frames.shown), ("vpdq", frames.vpdq)):
        for part, value in enumerate(packed(list(rows), form)):
            yield FilmFrames(content=found.content, form=form, part=part, value=value)
    sheet = frames.sheet()
    if sheet is not None:
        yield Thumb.of(found.content, sheet)


def _duration(opened: Opened) -> int | None:
    """Milliseconds the film states, of its pictures where they state it, else of the whole."""
    stream = opened.video
    if opened.demuxer == "avi" and stream is not None and stream.frames and stream.average_rate:
        # FFmpeg makes an AVI that breaks off as short as it is; its header still counts the frames.
        stated = stream.frames / float(stream.average_rate) * 1000
    elif stream is not None and stream.duration and stream.time_base:
        stated = float(stream.duration * stream.time_base) * 1000
    elif opened.container.duration:
        stated = opened.container.duration / 1000
    else:
        return None
    return round(stated) if 0 < stated < 1 << 50 else None


def _soundtrack(opened: Opened, looked: _Looked, found: Found) -> Iterator[Record | Warn]:
    stream, sound = opened.audio, looked.sound
    if stream is None or not sound.print.samples:
        if stream is not None and looked.bad:
            yield Warn(f"its sound could not be decoded: {looked.reasons[0]}")
        return
    codes, sounding = sound.print.finish()
    if len(codes) > MOST_CODES:
        yield Warn("its soundtrack is longer than is compared: the rest was left out")
        codes, sounding = codes[:MOST_CODES], sounding[:MOST_CODES]
    damaged, stated = "", _duration(opened)
    if opened.video is None and looked.bad:
        damaged = f"{looked.bad} pieces could not be decoded, the first: {looked.reasons[0]}"
    elif opened.video is None and opened.demuxer in MEASURED and stated:
        if sound.duration + GAP < stated:
            damaged = f"{sound.duration / 1000:.1f} of {stated / 1000:.1f} s could be decoded"
    yield Soundtrack(
        content=found.content,
        codec=stream.codec_context.name,
        hertz=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        duration=sound.duration,
        value=codes.astype("<u4").tobytes(),
        sounding=np.packbits(sounding).tobytes(),
        damaged=damaged,
    )
