"""How fast pictures are taken in and fingerprinted, beside the bare work and two plain scripts, in one run.

    pip install --target peers threatexchange ImageHash    # needs a C++ compiler for pdqhash
    python benchmarks/media.py [--files 60] [--many 1200] [--replay 2000] [--growth 1000,10000,100000]
                               [--folder DIR] [--peers peers]

1. *One core.* Pictures under ``AMPARO_TEST_DATA`` or ``../shared/data`` where present (``places`` and ``cameras`` as
   they are, ``photos`` enlarged with noise to 1 to 12 million pixels, as phones make and chat apps send them), else
   generated ones. All rows run on the same files, each in a fresh process; seconds are processor time, so that other
   work on the machine counts little. Files are in the page cache.
2. *Whole, with the store.* ``--many`` distinct files of the same pictures, and ``--replay`` pictures of the replay's
   camera at its sizes: ``amparo add`` and ``amparo run --only fingerprint/image`` as commands, start-up included,
   beside the bare work in one process a core; processor seconds of all processes, wall clock, peak memory of the host
   and of the largest cell. The middle of three rounds, each held against the bare work just before and just after:
   the speed of a machine that others share changes within minutes.
3. *Growth.* The same on so many small pictures; the exponent is the slope of processor time between first and last.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from amparo.evidence import folder, readers  # noqa: E402
from amparo.fingerprint.image import image  # noqa: E402
from amparo.fingerprint.pdq import SIDE, pdq  # noqa: E402
from amparo.fingerprint.pixels import picked  # noqa: E402
from amparo.kit.found import Found  # noqa: E402
from amparo.kit.plugin import Thumb  # noqa: E402
from amparo.kit.thumb import encode  # noqa: E402
from amparo.model import Content  # noqa: E402
from amparo.replay.scene import render  # noqa: E402

GOAL = 0.8
WHERE = "AMPARO_PEERS"
"""Where the peers lie, for the processes that measure."""
ROUNDS = 4
FEW = 20
"""Files that one kind of work does before another has its turn."""
HELD = bytearray(folder.HELD)
SIZES = ((1600, 1200, 75), (1280, 960, 75), (1600, 1200, 75), (3264, 2448, 85), (4000, 3000, 85))
"""Width, height, JPEG quality: three of chat apps to two of phones."""


def sources(data: Path) -> Iterator[tuple[str, Image.Image | bytes]]:
    """Pictures to enlarge, or camera files as they are."""
    for path in sorted(data.glob("places/*.JPG")) + sorted(data.glob("cameras/natural/*")):
        yield path.name, path.read_bytes()
    for path in sorted(data.glob("photos/*")):
        yield path.name, Image.open(path).convert("RGB")


def generated() -> Iterator[tuple[str, Image.Image]]:
    """Random shapes of all sizes, the smaller the weaker, as in photographs."""
    for seed in range(1000):
        random = np.random.default_rng(seed)
        total = np.zeros((375, 500, 3))
        for side in (4, 8, 16, 32, 64, 128):
            noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
            total += np.asarray(noise.resize((500, 375), Image.Resampling.BICUBIC)) / side
        scaled = (total - total.min()) * 255 / (total.max() - total.min())
        yield f"{seed}", Image.fromarray(scaled.astype(np.uint8))


def prepare(into: Path, count: int) -> str:
    """Fill a folder with pictures; says what they are."""
    data = Path(os.environ.get("AMPARO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    real = list(sources(data)) if data.is_dir() else []
    camera = [s for s in real if isinstance(s[1], bytes)][: count // 4]
    random = np.random.default_rng(1)
    grain = random.integers(0, 12, (3000, 4000, 1), dtype=np.uint8)
    written = 0
    for name, held in camera:
        assert isinstance(held, bytes)
        (into / f"{written:04d}-{name}").write_bytes(held)
        written += 1
    pictures = [s for s in real if not isinstance(s[1], bytes)] or generated()
    for (name, picture), i in zip(pictures, range(count - written), strict=False):
        assert isinstance(picture, Image.Image)
        width, height, quality = SIZES[i % len(SIZES)]
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        noisy = np.minimum(pixels, 243) + grain[:height, :width]
        out = into / f"{written:04d}-{name}.jpg"
        Image.fromarray(noisy).save(out, quality=quality)
        written += 1
    return f"{len(camera)} of cameras, the rest {'enlarged photographs' if real else 'generated'}"


def silent(files: int, size: int) -> None:
    """Progress that nobody looks at."""


def taken_in(root: Path) -> None:
    """Amparo's intake of a folder: two agreeing readings, three hashes, true type."""
    assert all(r.content for r in folder.intake(root, "x", silent) if not isinstance(r, Content))


def read_again(root: Path) -> None:
    """The second reading alone, which intake does so that two agree: from the medium, not the cache."""
    held = memoryview(HELD)
    for path in sorted(root.iterdir()):
        with open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            count = file.readinto(HELD) or 0
            assert HELD.startswith(held[:count])


def looked_at(root: Path) -> None:
    """Amparo's picture stage: read, SHA-256, EXIF, decode, PDQ in eight turns, thumbnail encoded."""
    for path in sorted(root.iterdir()):
        fd = os.open(path, os.O_RDONLY)
        for made in image(readers.whole([fd], "{}"), Found("", "", "", "c", known(path))):
            if isinstance(made, Thumb):
                encode(made)
        os.close(fd)


@cache
def known(path: Path) -> str:
    """The SHA-256 intake found; reckoned there, so the run to warm up pays for it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashed(data: bytes) -> None:
    for name in ("sha256", "sha1", "md5"):
        hashlib.new(name, data, usedforsecurity=False).digest()


def bare(root: Path) -> None:
    """The bare work: read, three hashes, Pillow's reduced decode, PDQ."""
    for path in sorted(root.iterdir()):
        bare_file(path)


def bare_file(path: Path) -> None:
    data = path.read_bytes()
    hashed(data)
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft(None, (SIDE, SIDE))
        opened.load()
        pdq(picked(opened))


def threatexchange(root: Path) -> None:
    """What the hash-exchange package does with a file: its own hasher, and the three hashes beside."""
    sys.path.append(os.environ.get(WHERE, ""))
    from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_file

    for path in sorted(root.iterdir()):
        hashed(path.read_bytes())
        pdq_from_file(path)


def plain(root: Path) -> None:
    """A plain script: read, three hashes, Pillow's full decode, a 64-bit hash of the imagehash package."""
    sys.path.append(os.environ.get(WHERE, ""))
    import imagehash

    for path in sorted(root.iterdir()):
        data = path.read_bytes()
        hashed(data)
        with Image.open(io.BytesIO(data)) as opened:
            imagehash.phash(opened.convert("RGB"))


def measure(work: Callable[[Path], None], root: Path) -> tuple[float, float]:
    """Processor seconds and peak memory in MB, in a fresh process; our own after one run to warm up."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(_timed, (work, root))


def _timed(work: Callable[[Path], None], root: Path) -> tuple[float, float]:
    if work not in PEERS:
        work(root)
    start = time.process_time()
    work(root)
    seconds = time.process_time() - start
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return seconds, int(peak[1]) / 1024 if peak else 0.0


def in_turn(works: tuple[Callable[[Path], None], ...], root: Path) -> list[float]:
    """Processor seconds of kinds of work done in turn on a few files at a time, the best of some rounds each.

    What else runs on the machine slows all of them alike, and bursts of it are left out.
    """
    with tempfile.TemporaryDirectory(dir=root.parent) as made:
        parts: list[Path] = []
        for number, path in enumerate(sorted(root.iterdir())):
            if number % FEW == 0:
                parts.append(Path(made, f"{number:06d}"))
                parts[-1].mkdir()
            os.link(path, parts[-1] / path.name)
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            return pool.apply(_in_turn, (works, parts))


def _in_turn(works: tuple[Callable[[Path], None], ...], parts: list[Path]) -> list[float]:
    totals = [0.0] * len(works)
    for part in parts:
        best = [math.inf] * len(works)
        for number in range(ROUNDS + 1):
            for place, work in enumerate(works):
                start = time.process_time()
                work(part)
                if number:  # the first round warms up
                    best[place] = min(best[place], time.process_time() - start)
        totals = [total + one for total, one in zip(totals, best, strict=True)]
    return totals


PEERS = (threatexchange, plain)


def spread(base: Path, into: Path, count: int) -> None:
    """Distinct files of the same pictures: a comment of its own in each."""
    held = [path.read_bytes() for path in sorted(base.iterdir())]
    for i in range(count):
        note = b"%08d" % i
        data = held[i % len(held)]
        comment = b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note
        (into / f"IMG_{i:06d}.jpg").write_bytes(data[:2] + comment + data[2:])


def of_the_replay(into: Path, count: int) -> None:
    """Pictures of the replay at the sizes of its large operation, as its chats pass them on."""
    for i in range(count):
        size = ((800, 600), (640, 480), (720, 480))[i % 3]
        Image.fromarray(render(f"media-{i}", 0, size)).save(
            into / f"{i:06d}.jpg", quality=75 + i % 14
        )


def small(into: Path, count: int) -> None:
    """Small distinct pictures, so that what a file costs besides its pixels is seen."""
    random = np.random.default_rng(count)
    for thousand in range(-(-count // 1000)):
        inner = into / f"{thousand:03d}"
        inner.mkdir()
        for i in range(min(1000, count - thousand * 1000)):
            pixels = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels).resize((96, 72), Image.Resampling.BICUBIC)
            picture.save(inner / f"{i:04d}.jpg", quality=80)


def command(*words: str) -> tuple[float, float, float, float]:
    """An amparo command in a process of its own: wall, processor seconds, peak MB of it and of the largest child."""
    program = (
        "import json, re, resource as r, sys, time; from amparo.cli.main import main; "
        "t = time.perf_counter(); "
        "main(sys.argv[1:]); a, b = r.getrusage(r.RUSAGE_SELF), r.getrusage(r.RUSAGE_CHILDREN); "
        "print(json.dumps([time.perf_counter() - t, a.ru_utime + a.ru_stime + b.ru_utime + b.ru_stime, "
        "int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024, "
        "b.ru_maxrss / 1024]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    wall, processor, host, cell = json.loads(done.stderr.strip().splitlines()[-1])
    return wall, processor, host, cell


def whole(root: Path) -> tuple[float, float, float, float]:
    """A case of this folder: taken in and fingerprinted, everything kept; as :func:`command`, added up."""
    with tempfile.TemporaryDirectory() as made:
        case = str(Path(made) / "media.amparo")
        command("new", case)
        first = command("add", case, str(root), "--exhibit", "X")
        second = command("run", case, "--only", "fingerprint/image")
    return (
        first[0] + second[0],
        first[1] + second[1],
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


def bare_part(work: tuple[Path, int, int]) -> float:
    """Every so many files of a folder; processor seconds."""
    root, first, step = work
    start = time.process_time()
    for path in sorted(root.iterdir())[first::step]:
        bare_file(path)
    return time.process_time() - start


def bare_on_all(root: Path) -> tuple[float, float]:
    """The bare work in one process a core: wall and processor seconds, without their start."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        pool.map(time.sleep, [0.5] * cores, 1)
        start = time.perf_counter()
        spent = sum(pool.map(bare_part, [(root, n, cores) for n in range(cores)], 1))
        return time.perf_counter() - start, spent


def on_one_core(root: Path, what: str, peers: list[Callable[[Path], None]]) -> None:
    paths = sorted(root.iterdir())
    size = sum(p.stat().st_size for p in paths)
    pixels = sum(np.prod(Image.open(p).size) for p in paths)
    count = len(paths)
    print(f"{count} pictures ({what}), {size / 1e6:.0f} MB, {pixels / count / 1e6:.1f} MP each")
    print(f"{'on one core, processor time':48} files/s    MB/s   ms/file  peak MB")
    mine = (bare, taken_in, read_again, looked_at)
    seconds = in_turn(mine, root)
    best = {w: (s, measure(w, root)[1]) for w, s in zip(mine, seconds, strict=True)}
    best |= {peer: measure(peer, root) for peer in peers}

    def row(name: str, seconds: float, memory: float) -> None:
        print(
            f"{name:48} {count / seconds:7.1f} {size / seconds / 1e6:7.1f}"
            f" {seconds / count * 1e3:9.2f} {memory:8.0f}"
        )

    row("bare: read, 3 hashes, draft decode, PDQ", *best[bare])
    row("Amparo intake: 2 readings, 3 hashes, type", *best[taken_in])
    row("  of which the second reading", *best[read_again])
    row("Amparo picture stage, thumbnail encoded", *best[looked_at])
    full = best[taken_in][0] + best[looked_at][0]
    row("Amparo, both together", full, max(best[taken_in][1], best[looked_at][1]))
    names = {
        threatexchange: "threatexchange's hasher and 3 hashes",
        plain: "Pillow, hashlib and imagehash",
    }
    for peer in peers:
        row(names[peer], *best[peer])
    once = best[bare][0] / (full - best[read_again][0])
    print(
        f"share of the bare rate: {best[bare][0] / full:.0%}, without the second reading {once:.0%}"
        f" (goal {GOAL:.0%})"
        + "".join(f"; {best[p][0] / full:.1f} times {names[p]}" for p in peers)
    )


def with_the_store(root: Path, what: str) -> None:
    paths = sorted(root.iterdir())
    count, size = len(paths), sum(p.stat().st_size for p in paths)
    print(
        f"\n{count} files ({what}), {size / 1e6:.0f} MB, as commands, store and start-up included"
    )
    with tempfile.TemporaryDirectory() as made:
        small(Path(made), 1)
        starts = [whole(Path(made)) for _ in range(3)]
    idle = [min(start[n] for start in starts) for n in range(2)]
    bare_before, rounds = bare_on_all(root), []
    for _ in range(3):
        ours = whole(root)
        bare_after = bare_on_all(root)
        beside = [(a + b) / 2 for a, b in zip(bare_before, bare_after, strict=True)]
        rounds.append((beside, ours))
        bare_before = bare_after
    reread, _ = measure(read_again, root)
    (wall, spent), ours = sorted(rounds, key=lambda r: r[0][1] / r[1][1])[1]
    print(f"{'':36} files/s by wall  per core-second   peak MB (host, cell)")
    print(f"{'bare work, one process a core':36} {count / wall:15.1f} {count / spent:16.1f}")
    rates = f"{count / ours[0]:15.1f} {count / ours[1]:16.1f}"
    print(f"{'amparo add and run':36} {rates} {ours[2]:10.0f}, {ours[3]:.0f}")
    print(
        f"share of the bare rate: {wall / ours[0]:.0%} by wall, {spent / ours[1]:.0%} by processor time; without "
        f"the {idle[0]:.1f} s of start-up {wall / (ours[0] - idle[0]):.0%} and {spent / (ours[1] - idle[1]):.0%}, "
        f"and without the second reading {spent / (ours[1] - idle[1] - reread):.0%} "
        f"(the middle of {len(rounds)} rounds, by processor time "
        + ", ".join(f"{beside[1] / found[1]:.0%}" for beside, found in rounds)
        + ")"
    )


def growth(counts: list[int]) -> None:
    print("\nsmall pictures, as commands, store included")
    print(f"{'files':>9} {'wall s':>9} {'processor s':>12} {'ms/file':>9}   peak MB (host, cell)")
    spent = []
    for count in counts:
        with tempfile.TemporaryDirectory() as made:
            small(Path(made), count)
            found = whole(Path(made))
        spent.append(found[1])
        times = f"{found[0]:9.1f} {found[1]:12.1f} {found[1] / count * 1e3:9.2f}"
        print(f"{count:9,} {times} {found[2]:10.0f}, {found[3]:.0f}", flush=True)
    if len(counts) > 1:
        slope = math.log(spent[-1] / spent[0]) / math.log(counts[-1] / counts[0])
        last = math.log(spent[-1] / spent[-2]) / math.log(counts[-1] / counts[-2])
        print(f"exponent {slope:.2f} over all, {last:.2f} over the last step (goal at most 1.05)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--many", type=int, default=1200, help="0: leave the commands out")
    parser.add_argument("--replay", type=int, default=2000, help="0: leave the replay out")
    parser.add_argument("--growth", default="", help="numbers of files, with commas between")
    parser.add_argument("--folder", type=Path, help="measure these pictures instead")
    parser.add_argument(
        "--peers", type=Path, help="where threatexchange and ImageHash are installed"
    )
    chosen = parser.parse_args()
    peers: list[Callable[[Path], None]] = []
    if chosen.peers:
        sys.path.append(str(chosen.peers))
        os.environ[WHERE] = str(chosen.peers)
    for peer in PEERS:
        if find_spec(peer.__name__ if peer is threatexchange else "imagehash"):
            peers.append(peer)
        else:
            print(f"left out: {peer.__name__} (see --help)")
    with tempfile.TemporaryDirectory() as made:
        root, what = chosen.folder or Path(made, "base"), "as given"
        if not chosen.folder and chosen.files:
            root.mkdir()
            what = prepare(root, chosen.files)
        if chosen.files:
            on_one_core(root, what, peers)
        if chosen.many and chosen.files:
            many = Path(made, "many")
            many.mkdir()
            spread(root, many, chosen.many)
            with_the_store(many, "the same, each with a comment of its own")
        if chosen.replay:
            mix = Path(made, "replay")
            mix.mkdir()
            of_the_replay(mix, chosen.replay)
            with_the_store(mix, "the replay's")
    if chosen.growth:
        growth([int(part) for part in chosen.growth.split(",")])


if __name__ == "__main__":
    main()
