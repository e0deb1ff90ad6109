"""Films and sounds: how quickly they are looked at, and what is found again after which edit.

    python benchmarks/video.py                   speed and recall on what it makes itself and on the test data
    python benchmarks/video.py --speed           speed only
    python benchmarks/video.py --vpdq PATH       with the vpdq package installed under PATH as a peer
    python benchmarks/video.py --films 100000    growth of the clip search, on drawn hashes

Speed: seconds of film per second of processor time, whole fingerprint (frames five times a second, PDQ and mirrored
PDQ, vPDQ features, cuts, contact sheet, Chromaprint) beside the limit, which is decoding every frame and every
sound with the same library and doing nothing with them, and beside PyAV + pdqhash, one hash a second.
Recall: clips of 6 s out of reels of four scenes (each a moving view of a picture), edited and encoded anew; a clip
is found when its reel is named with the right place (1 s), false when another reel is. Sound the same way.
Pictures come from the test data (AMPARO_TEST_DATA or ../shared/data) where they are, else they are drawn.
Needs a wheel of PyAV that can encode H.264.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in a cell

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.fingerprint.video import look
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.match.clips import best_of
from amparo.match.clips_table import WIDER, Table, shared, table_of
from amparo.match.sounds_align import Index, Track, aligned
from amparo.model import FilmFrames, Soundtrack

DATA = Path(
    os.environ.get("AMPARO_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared/data"
)
WIDE, HIGH, RATE = 480, 270, 25
Pixels = np.ndarray


# --- making films -------------------------------------------------------------------------------


def encode(frames: Iterator[Pixels], rate: int = RATE, crf: int = 23) -> bytes:
    """An MP4 (H.264) of RGB frames of one size."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = None
        for pixels in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate)
                stream.height, stream.width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": str(crf), "preset": "veryfast"}
            whole = np.ascontiguousarray(pixels[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def drawn(rng: np.random.Generator, side: int = 640) -> Image.Image:
    """A picture with detail at every scale."""
    total = np.zeros((side, side, 3))
    for cells in (4, 8, 16, 32, 64):
        noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) / cells**0.5
    total -= total.min()
    return Image.fromarray((total * 255 / total.max()).astype(np.uint8))


def pictures(rng: np.random.Generator, count: int) -> list[Image.Image]:
    """Photographs of the test data, or drawn ones."""
    files = sorted((DATA / "photos").glob("*.*")) if (DATA / "photos").is_dir() else []
    files = [f for f in files if f.suffix.lower() in (".jpg", ".jpeg")]
    found = [Image.open(f).convert("RGB") for f in files[:count]]
    return found + [drawn(rng) for _ in range(count - len(found))]


def scene(picture: Image.Image, rng: np.random.Generator, count: int) -> Iterator[Pixels]:
    """A camera moving over a picture, and something moving in front of it."""
    w, h = picture.size
    zoom = rng.uniform(0.5, 0.8)
    wide, high = zoom * w, min(zoom * w * HIGH / WIDE, h * 0.9)
    start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
    speed = rng.uniform(0.5, 2)
    for n in range(count):
        x, y = (start + (end - start) * n / count) * (w - wide, h - high)
        box = (x, y, x + wide, y + high)
        view = np.asarray(picture.resize((WIDE, HIGH), Image.Resampling.BILINEAR, box)).copy()
        left = int(WIDE * (0.5 + 0.4 * np.sin(n / RATE * speed)))
        view[HIGH // 2 : HIGH // 2 + 60, left : left + 40] = (200, 60, 40)
        yield view


def edits() -> dict[str, Callable[[list[Pixels]], bytes]]:
    """What is done to a clip before it is passed on."""

    def each(change: Callable[[Pixels], Pixels], crf: int = 26) -> Callable[[list[Pixels]], bytes]:
        return lambda frames: encode((change(f) for f in frames), crf=crf)

    def small(f: Pixels) -> Pixels:
        return np.asarray(Image.fromarray(f).resize((426, 240), Image.Resampling.BILINEAR))

    def crop(share: float) -> Callable[[Pixels], Pixels]:
        dy, dx = int(HIGH * share / 2), int(WIDE * share / 2)
        return lambda f: f[dy : HIGH - dy, dx : WIDE - dx]

    def boxed(f: Pixels) -> Pixels:
        return np.pad(f, ((45, 45), (0, 0), (0, 0)))

    def logo(f: Pixels) -> Pixels:
        g = f.copy()
        g[12:52, WIDE - 92 : WIDE - 12] = (250, 250, 250)
        g[22:42, WIDE - 82 : WIDE - 22] = (20, 40, 160)
        return g

    return {
        "encoded anew, crf 28": each(lambda f: f, 28),
        "240p, crf 33, 12 fps": lambda fs: encode((small(f) for f in fs[::2]), 12, 33),
        "cropped by 5 %": each(crop(0.05)),
        "mirrored": each(lambda f: f[:, ::-1]),
        "speed 1.25": lambda fs: encode(fs[int(i * 1.25)] for i in range(int(len(fs) / 1.25))),
        "letterboxed": each(boxed),
        "logo in a corner": each(logo),
        "letterboxed, 240p, crf 33": lambda fs: encode((small(boxed(f)) for f in fs[::2]), 12, 33),
        "mirrored, speed 0.9": lambda fs: encode(
            fs[min(len(fs) - 1, int(i * 0.9))][:, ::-1] for i in range(int(len(fs) / 0.9))
        ),
    }


# --- looking --------------------------------------------------------------------------------------


def looked(data: bytes) -> tuple[list[bytes], Soundtrack | None]:
    """The ``shown`` frames of a film and its soundtrack."""
    frames, sound = [], None
    for record in look(Source.of_bytes(data), Found("", "", "", "c")):
        if isinstance(record, FilmFrames) and record.form == "shown":
            frames.append(record.value)
        elif isinstance(record, Soundtrack):
            sound = record
    return frames, sound


def decode_all(data: bytes) -> float:
    """Seconds of film, every frame and sound of it decoded on one thread."""
    end = 0.0
    with av.open(io.BytesIO(data)) as container:
        for stream in container.streams:
            stream.codec_context.thread_count = 1
        for packet in container.demux():
            for frame in packet.decode():
                end = max(end, frame.time or 0.0)
    return end


def pdqhash_each_second(data: bytes) -> None:
    """The usual script: one frame a second, to RGB, hashed by the binding."""
    import pdqhash

    after = 0.0
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            if (frame.time or 0.0) >= after:
                after += 1
                pdqhash.compute(frame.to_ndarray(format="rgb24"))


def timed(work: Callable[[bytes], object], data: bytes) -> float:
    """Least processor seconds of three runs."""
    took = []
    for _ in range(3):
        begin = time.process_time()
        work(data)
        took.append(time.process_time() - begin)
    return min(took)


def speed(films: dict[str, bytes], vpdq: str) -> None:
    """Seconds of film per second of one core."""
    peers: dict[str, Callable[[bytes], object]] = {"ours": looked, "decoding only": decode_all}
    try:
        import pdqhash  # noqa: F401

        peers["PyAV + pdqhash, 1/s"] = pdqhash_each_second
    except ImportError:
        print("pdqhash is not installed: no such peer")
    if vpdq:
        sys.path.insert(0, vpdq)
        import vpdq as package

        def by_vpdq(data: bytes) -> None:
            import tempfile

            with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                file.write(data)
                file.flush()
                package.computeHash(file.name, seconds_per_hash=1, thread_count=1)

        peers["vpdq, 1/s"] = by_vpdq
    print(f"{'film':36}" + "".join(f"{name:>22}" for name in peers))
    total = dict.fromkeys(peers, 0.0)
    length = 0.0
    for name, data in films.items():
        seconds = decode_all(data)
        length += seconds
        row = f"{name[:35]:36}"
        for peer, work in peers.items():
            took = timed(work, data)
            total[peer] += took
            row += f"{seconds / took:20.0f} x"
        print(row)
    print(f"{'all':36}" + "".join(f"{length / t:20.0f} x" for t in total.values()))
    print(f"films per second and core: {len(films) / total['ours']:.2f}; "
          f"ours takes {total['ours'] / total['decoding only']:.2f} of the time of decoding everything")  # fmt: skip


# --- finding again --------------------------------------------------------------------------------


def recall(reels: int) -> dict[str, bytes]:
    """Prints how many edited clips are found; the reels by name."""
    rng = np.random.default_rng(7)
    shots = pictures(rng, reels * 4)
    films: dict[str, bytes] = {}
    raw: list[list[Pixels]] = []
    for n in range(reels):
        frames = [f for p in shots[n * 4 : n * 4 + 4] for f in scene(p, rng, RATE * 6)]
        raw.append(frames)
        films[f"reel {n}"] = encode(iter(frames))
    stored = table_of([(name, value) for name, data in films.items() for value in looked(data)[0]])
    print(f"\n{reels} reels of 24 s, {len(stored.film)} frames kept; clips of 6 s")
    print(
        "found: by the search that links a case; by find: by that of amparo find, which compares each frame"
    )
    print(f"{'edit':30}{'found':>8}{'place':>8}{'share':>8}{'false':>8}{'by find':>9}{'false':>8}")
    for name, edit in edits().items():
        found = placed = false = sought = wrong = 0
        share = 0.0
        for n in range(reels):
            begin = int(rng.integers(0, 17 * RATE))
            asked = table_of(
                [("", value) for value in looked(edit(raw[n][begin : begin + 6 * RATE]))[0]]
            )
            wide = list(shared(asked, stored, radius=WIDER))
            sought += any(stored.films[h.other] == f"reel {n}" for h in wide)
            wrong += sum(stored.films[h.other] != f"reel {n}" for h in wide)
            hits = best_of(list(shared(asked, stored)))
            false += sum(stored.films[h.other] != f"reel {n}" for h in hits)
            own = [h.stretch for h in hits if stored.films[h.other] == f"reel {n}"]
            found += bool(own)
            ranges = [(s.other_start / 1000, s.other_end / 1000) for s in own]
            at = begin / RATE
            inside = sum(max(0.0, min(b, at + 6) - max(a, at)) for a, b in ranges)
            outside = sum(b - a for a, b in ranges) - inside
            placed += bool(own) and outside <= 1.0
            share += inside / 6 / reels
        print(f"{name:30}{found:5}/{reels}{placed:5}/{reels}{share:8.0%}{false:8}"
              f"{sought:6}/{reels}{wrong:8}")  # fmt: skip
    pairs = sum(1 for _ in shared(stored, stored, one_way=True))
    print(f"stretches between different reels (all false): {pairs}")
    return films


def sample_films() -> dict[str, bytes]:
    """Films of the test data."""
    return {p.name: p.read_bytes() for p in sorted((DATA / "video").glob("*.mp4"))}


# --- sound ----------------------------------------------------------------------------------------


def tune(rng: np.random.Generator, seconds: float, hertz: int = 44100) -> Pixels:
    """Something like music: chords that change twice a second, with overtones, attack and noise; int16."""
    out = np.zeros(int(seconds * hertz))
    length = hertz // 2
    t = np.arange(length) / hertz
    for begin in range(0, len(out) - length, length):
        for note in rng.choice(36, 3, replace=False):
            pitch = 110 * 2 ** (note / 12)
            fade = np.exp(-3 * t) * (1 - np.exp(-60 * t))
            for overtone in (1, 2, 3, 5):
                out[begin : begin + length] += (
                    np.sin(2 * np.pi * pitch * overtone * t) * fade / overtone
                )
    out += rng.normal(0, 0.02, len(out))
    return (out / np.abs(out).max() * 24000).astype(np.int16)


def encode_sound(samples: Pixels, codec: str, form: str, rate: int, bits: int) -> bytes:
    """A sound file of mono samples at 44100 Hz."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        whole = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        whole.sample_rate = 44100
        size = stream.codec_context.frame_size or 1024
        change = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=rate, frame_size=size
        )
        for frame in change.resample(whole) + change.resample(None):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def heard(data: bytes) -> Track:
    """The soundtrack of a file."""
    sound = looked(data)[1]
    assert sound is not None
    return Track.of(sound.value, sound.sounding)


def sound_recall(count: int) -> None:
    """Prints how many recoded or cut-out soundtracks are found, and how many bits differ."""
    rng = np.random.default_rng(5)
    tunes = [tune(rng, 30) for _ in range(count)]
    tracks = [heard(encode_sound(t, "pcm_s16le", "wav", 44100, 0)) for t in tunes]
    names = [f"tune {n}" for n in range(count)]
    for name, data in sample_films().items():
        sound = looked(data)[1]
        if sound is not None:
            names.append(name)
            tracks.append(Track.of(sound.value, sound.sounding))
    index = Index(tracks)

    def speech_band(s: Pixels) -> Pixels:
        lines = np.fft.rfft(s.astype(float))
        pitch = np.fft.rfftfreq(len(s), 1 / 44100)
        lines[(pitch < 300) | (pitch > 3400)] = 0
        return np.fft.irfft(lines, len(s)).clip(-32767, 32767).astype(np.int16)

    def faster(s: Pixels) -> Pixels:
        return np.interp(np.arange(0, len(s), 1.03), np.arange(len(s)), s).astype(np.int16)

    ways: dict[str, Callable[[Pixels], bytes]] = {
        "MP3 48 kbit/s": lambda s: encode_sound(s, "libmp3lame", "mp3", 44100, 48000),
        "AAC 32 kbit/s": lambda s: encode_sound(s, "aac", "adts", 44100, 32000),
        "Opus 16 kbit/s": lambda s: encode_sound(s, "libopus", "ogg", 48000, 16000),
        "AMR 12.2 kbit/s (telephone)": lambda s: encode_sound(
            s, "libopencore_amrnb", "amr", 8000, 12200
        ),
        "12 dB softer": lambda s: encode_sound(
            (s / 4).astype(np.int16), "pcm_s16le", "wav", 44100, 0
        ),
        "6 s cut out, AAC 64": lambda s: encode_sound(
            s[10 * 44100 + 777 : 16 * 44100 + 777], "aac", "adts", 44100, 64000
        ),
        "band 300-3400 Hz": lambda s: encode_sound(speech_band(s), "pcm_s16le", "wav", 44100, 0),
        "3 % faster": lambda s: encode_sound(faster(s), "pcm_s16le", "wav", 44100, 0),
    }
    print(f"\n{count} tunes of 30 s and {len(tracks) - count} soundtracks of the test data")
    print(f"{'edit':30}{'found':>8}{'bits differ':>14}{'false':>8}")
    for name, way in ways.items():
        found = false = 0
        differ = []
        for n in range(count):
            asked = heard(way(tunes[n]))
            for other, offsets in index.places(asked):
                stretches = aligned(asked, tracks[other], offsets)
                false += bool(stretches) and other != n
                if stretches and other == n:
                    found += 1
                    differ.append(min(s.differ for s in stretches))
        mean = f"{np.mean(differ):.3f}" if differ else "-"
        print(f"{name:30}{found:5}/{count}{mean:>14}{false:8}")
    best = []
    for a in range(count):
        for b in range(a + 1, count):
            x, y = tracks[a].codes, tracks[b].codes
            best.append(min(
                np.bitwise_count(x[max(0, -o) : len(x) - max(0, o)] ^ y[max(0, o) : len(y) - max(0, -o)]).mean() / 32
                for o in range(-150, 151, 3) if abs(o) < len(x)
            ))  # fmt: skip
    print(
        f"unrelated tunes, best place of each pair: median {np.median(best):.3f}, least {min(best):.3f}"
    )
    silent = [
        heard(encode_sound(np.zeros(20 * 44100, np.int16), "libmp3lame", "mp3", 44100, 48000)),
        heard(encode_sound(rng.normal(0, 3, 20 * 44100).astype(np.int16), "aac", "adts", 44100, 32000)),
        heard(encode_sound(rng.normal(0, 900, 20 * 44100).astype(np.int16), "aac", "adts", 44100, 32000)),
        heard(encode_sound(rng.normal(0, 900, 20 * 44100).astype(np.int16), "libopus", "ogg", 48000, 16000)),
        heard(encode_sound((9000 * np.sin(np.arange(20 * 44100) / 44100 * 2 * np.pi * 50)).astype(np.int16), "aac", "adts", 44100, 32000)),
        heard(encode_sound((5000 * np.sin(np.arange(20 * 44100) / 44100 * 2 * np.pi * 50)).astype(np.int16), "libopus", "ogg", 48000, 24000)),
    ]  # fmt: skip
    quiet = Index(silent)
    equal = sum(
        bool(aligned(track, silent[o], offsets))
        for n, track in enumerate(silent)
        for o, offsets in quiet.places(track, n)
    )
    print(
        f"silences, noises and hums found equal to each other: {equal} of {len(silent) * 5 // 2} pairs"
    )


# --- growth ---------------------------------------------------------------------------------------


def growth(films: int, frames: int = 40) -> None:
    """Time of the whole clip search over drawn frames, one film in twenty a copy of another with 12 bits changed."""
    rng = np.random.default_rng(3)
    for count in sorted({max(10, films // 100), max(10, films // 10), films}):
        code = rng.integers(0, 1 << 63, (count, frames, 4), dtype=np.int64).astype(np.uint64)
        copies = range(0, count - 1, 20)
        for n in copies:
            flips = rng.integers(0, 256, (frames, 12))
            code[n + 1] = code[n]
            for row, bits in enumerate(flips):
                for bit in bits:
                    code[n + 1, row, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        mirror = rng.integers(0, 1 << 63, (count * frames, 4), dtype=np.int64).astype(np.uint64)
        table = Table(
            [str(n) for n in range(count)],
            np.repeat(np.arange(count), frames),
            np.tile(np.arange(frames) * 600, count),
            np.full(count * frames, 600),
            code.reshape(-1, 4),
            mirror,
        )
        begin = time.perf_counter()
        found = sum(1 for _ in shared(table, table, one_way=True))
        took = time.perf_counter() - begin
        print(
            f"{count:>9} films, {count * frames:>10} frames: {took:8.1f} s, {found} of {len(copies)} copies found"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--speed", action="store_true", help="speed only")
    parser.add_argument("--reels", type=int, default=10)
    parser.add_argument("--vpdq", default="", help="folder with the vpdq package")
    parser.add_argument("--films", type=int, default=0, help="growth only, up to so many films")
    args = parser.parse_args()
    if args.films:
        growth(args.films)
        return
    films = sample_films()
    if not args.speed:
        films |= dict(list(recall(args.reels).items())[:2])
        sound_recall(8)
        print()
    if not films:
        films = {
            "drawn": encode(scene(drawn(np.random.default_rng(1)), np.random.default_rng(1), 500))
        }
    speed(films, args.vpdq)


if __name__ == "__main__":
    main()
