"""Films and sounds made on the spot: moving coloured fields, tunes of a few notes. Nothing here shows anything."""

from __future__ import annotations

import io
from collections.abc import Iterable

import av
import numpy as np
from numpy.typing import NDArray

from amparo.fingerprint.video import look
from amparo.kit.found import Found
from amparo.kit.frames import packed
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.model import Film, FilmFrames, Record, Soundtrack

WIDE, HIGH, RATE = 192, 144, 10
Pixels = NDArray[np.uint8]


def scene(seed: int, seconds: float, rate: int = RATE) -> list[Pixels]:
    """A camera moving over a field of colours at two scales, no two seeds alike."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(0, 200, (12, 16, 3)), np.ones((24, 24, 1), np.int64))
    fine = np.kron(rng.integers(0, 55, (48, 64, 3)), np.ones((6, 6, 1), np.int64))
    field = (coarse + fine).astype(np.uint8)
    count = int(seconds * rate)
    top, left = rng.integers(0, 100, 2)
    speed = rng.integers(8, 20)
    frames = []
    for n in range(count):
        y, x = int(top + speed * n / rate / 3) % 140, int(left + speed * n / rate) % 190
        frames.append(field[y : y + HIGH, x : x + WIDE])
    return frames


def film(
    frames: Iterable[Pixels],
    codec: str = "mpeg4",
    form: str = "mp4",
    rate: int = RATE,
    sound: NDArray[np.int16] | None = None,
    sound_codec: str = "aac",
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """A film of RGB frames, with a mono sound at 44100 Hz."""
    out = io.BytesIO()
    with av.open(out, "w", format=form, options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream = None
        frames = list(frames)
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 600_000
        track = container.add_stream(sound_codec, rate=44100) if sound is not None else None
        if track is not None:
            track.layout = "mono"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            mux_sound(container, track, sound)
    return out.getvalue()


def with_rotation(data: bytes, clockwise: int) -> bytes:
    """The same MP4 with the display matrix of its first track (ISO 14496-12, tkhd) turned."""
    matrix = {90: (0, 1, -1, 0)}[clockwise]
    at = data.index(b"tkhd") + 4 + 40
    values = b"".join(
        (int(v) << 16 & 0xFFFFFFFF).to_bytes(4) + (int(w) << 16 & 0xFFFFFFFF).to_bytes(4) + bytes(4)
        for v, w in (matrix[:2], matrix[2:])
    )
    return data[:at] + values + data[at + 24 :]


def mux_sound(container: av.container.OutputContainer, track: object, samples: Pixels) -> None:
    """All of a sound into a track."""
    context = track.codec_context  # type: ignore[attr-defined]
    whole = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    whole.sample_rate = 44100
    change = av.AudioResampler(
        format=context.format,
        layout="mono",
        rate=context.sample_rate,
        frame_size=context.frame_size or 1024,
    )
    for frame in change.resample(whole) + change.resample(None):
        container.mux(track.encode(frame))  # type: ignore[attr-defined]
    container.mux(track.encode(None))  # type: ignore[attr-defined]


def sound_file(samples: NDArray[np.int16], codec: str, form: str, rate: int = 44100) -> bytes:
    """A sound file of mono samples at 44100 Hz."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        track = container.add_stream(codec, rate=rate)
        track.layout = "mono"
        if codec == "wmav2":
            track.bit_rate = 64_000
        mux_sound(container, track, samples)
    return out.getvalue()


def tune(seed: int, seconds: float, hertz: int = 44100) -> NDArray[np.int16]:
    """Three notes at a time with overtones, others every 0.4 s."""
    rng = np.random.default_rng(seed)
    length = int(0.4 * hertz)
    t = np.arange(length) / hertz
    pieces = []
    for _ in range(int(seconds / 0.4)):
        pitches = 110 * 2 ** (rng.choice(36, 3, replace=False) / 12)
        fade = np.exp(-3 * t) * (1 - np.exp(-80 * t))
        pieces.append(
            sum(np.sin(2 * np.pi * p * k * t) / k for p in pitches for k in (1, 2, 3)) * fade
        )
    whole = np.concatenate(pieces)
    return (whole / np.abs(whole).max() * 24000).astype(np.int16)


def looked(data: bytes, content: str = "c", sha256: str = "") -> list[Record | Thumb | Warn]:
    """Everything the fingerprint says."""
    return list(look(Source.of_bytes(data), Found("", "", "", content, sha256)))


def film_of(things: Iterable[object]) -> Film:
    """The one Film record."""
    (record,) = [t for t in things if isinstance(t, Film)]
    return record


def records(data: bytes, content: str) -> list[Record]:
    """The records alone."""
    return [t for t in looked(data, content) if isinstance(t, Record)]


def shown(things: Iterable[object]) -> list[bytes]:
    """The values of the ``shown`` frames."""
    return [t.value for t in things if isinstance(t, FilmFrames) and t.form == "shown"]


def soundtrack(data: bytes, content: str = "c") -> Soundtrack:
    """The one Soundtrack record."""
    (record,) = [t for t in looked(data, content) if isinstance(t, Soundtrack)]
    return record


def frames_record(content: str, rows: list[tuple[int, int, int, bytes, bytes]]) -> FilmFrames:
    """A film of these rows, without any film."""
    return FilmFrames(content=content, form="shown", part=0, value=packed(rows, "shown")[0])
