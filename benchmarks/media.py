"""How fast pictures are taken in and fingerprinted, beside the bare work and a plain script.

    python benchmarks/media.py [--files 60] [--folder DIR] [--no-cells]

Pictures: those under ``AMPARO_TEST_DATA`` or ``../shared/data`` where present (``places`` and ``cameras``
as they are, ``photos`` enlarged with noise to 1 to 12 million pixels, as phones make and chat apps send
them), else generated ones. All rows run on the same files in the same run, each in a fresh process on one
core; seconds are processor time, so that other work on the machine does not count. Files are in the page
cache. The last row goes through locked-in cells on all cores and is wall-clock time.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import multiprocessing
import os
import re
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
from amparo.fingerprint.pdq import SIDE, pdq, shrunk  # noqa: E402
from amparo.kit.found import Found  # noqa: E402
from amparo.kit.plugin import Thumb  # noqa: E402
from amparo.kit.thumb import encode  # noqa: E402
from amparo.model import Content, content_id  # noqa: E402
from amparo.sandbox.guard import Guard, Job  # noqa: E402

GOAL = 0.8
ROUNDS = 3
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
    buffer = memoryview(bytearray(folder.BLOCK))
    for path in sorted(root.iterdir()):
        with open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            sha256 = hashlib.sha256()
            while count := file.readinto(buffer):
                sha256.update(buffer[:count])


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
        data = path.read_bytes()
        hashed(data)
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft(None, (SIDE, SIDE))
            opened.load()
            pdq(np.asarray(shrunk(opened)))


def plain(root: Path) -> None:
    """A plain script: read, three hashes, Pillow's full decode, the pdqhash package."""
    import pdqhash

    for path in sorted(root.iterdir()):
        data = path.read_bytes()
        hashed(data)
        with Image.open(io.BytesIO(data)) as opened:
            pdqhash.compute(np.asarray(opened.convert("RGB")))


def measure(work: Callable[[Path], None], root: Path) -> tuple[float, float]:
    """Processor seconds and peak memory in MB, in a fresh process, after one run to warm up."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(_timed, (work, root))


def _timed(work: Callable[[Path], None], root: Path) -> tuple[float, float]:
    if work is not plain:
        work(root)
    start = time.process_time()
    work(root)
    seconds = time.process_time() - start
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return seconds, int(peak[1]) / 1024 if peak else 0.0


def in_cells(root: Path) -> tuple[float, str]:
    """Wall-clock seconds of the picture stage in cells on all cores, thumbnails encoded by the host."""
    jobs = []
    for path in sorted(root.iterdir()):
        sha256 = known(path)
        jobs.append(
            Job(
                token=path.name,
                function="amparo.fingerprint.image:image",
                opens="bytes",
                reader="amparo.evidence.readers:whole",
                locator="{}",
                open=lambda p=path: [os.open(p, os.O_RDONLY)],
                found=Found("", "", path.name, content_id(sha256), sha256),
                seconds=60.0,
            )
        )
    modules = ["amparo.fingerprint.image", "amparo.evidence.readers"]
    with Guard(os.cpu_count() or 1, modules) as guard:
        batches = [jobs[i : i + 16] for i in range(0, len(jobs), 16)]
        for _ in guard.run([batches[0]]):
            pass  # the first cells are warm now, as in a long run
        start = time.perf_counter()
        for outcome in guard.run(iter(batches)):
            assert not outcome.error, outcome.error
            for thumb in outcome.thumbs:
                encode(thumb)
            level = outcome.isolation
        return time.perf_counter() - start, level


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="measure these pictures instead")
    parser.add_argument("--no-cells", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root, what = chosen.folder or Path(made), "as given"
        if not chosen.folder:
            what = prepare(root, chosen.files)
        paths = sorted(root.iterdir())
        size = sum(p.stat().st_size for p in paths)
        pixels = sum(np.prod(Image.open(p).size) for p in paths)
        count = len(paths)
        print(f"{count} pictures ({what}), {size / 1e6:.0f} MB, {pixels / count / 1e6:.1f} MP each")
        print(f"{'on one core, processor time':44} files/s    MB/s   ms/file  peak MB")

        def row(name: str, seconds: float, memory: float) -> None:
            print(
                f"{name:44} {count / seconds:7.1f} {size / seconds / 1e6:7.1f}"
                f" {seconds / count * 1e3:9.2f} {memory:8.0f}"
            )

        # Rounds of all kinds of work in turn, the best of each: what else runs hits all alike.
        mine = (bare, taken_in, read_again, looked_at)
        runs: dict[Callable[[Path], None], list[tuple[float, float]]] = {w: [] for w in mine}
        for _ in range(ROUNDS):
            for work in mine:
                runs[work].append(measure(work, root))
        peer = find_spec("pdqhash") is not None
        if peer:
            runs[plain] = [measure(plain, root)]
        best = {work: min(found) for work, found in runs.items()}
        row("bare: read, 3 hashes, draft decode, PDQ", *best[bare])
        row("Amparo intake: 2 readings, 3 hashes, type", *best[taken_in])
        row("  of which the second reading", *best[read_again])
        row("Amparo picture stage, thumbnail encoded", *best[looked_at])
        full = best[taken_in][0] + best[looked_at][0]
        row("Amparo, both together", full, max(best[taken_in][1], best[looked_at][1]))
        if peer:
            row("plain: read, 3 hashes, full decode, pdqhash", *best[plain])
        else:
            print("the plain script was left out: pip install pdqhash (needs a C++ compiler)")
        share = best[bare][0] / full
        once = best[bare][0] / (full - best[read_again][0])
        print(
            f"share of the bare rate: {share:.0%}, without the second reading {once:.0%}"
            f" (goal {GOAL:.0%})",
            end="; ",
        )
        print(f"{best[plain][0] / full:.1f} times the plain script")
        if not chosen.no_cells:
            seconds, level = in_cells(root)
            print(
                f"in cells ({level}) on {os.cpu_count()} cores, wall clock:"
                f" {count / seconds:.1f} files/s, load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
