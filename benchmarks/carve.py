"""Our carver beside PhotoRec, foremost and scalpel, on disks of our own making.

    python benchmarks/carve.py [--folder DIR] [--keep] [--disks NAME ...] [--seconds N]

Benign files on ext4, FAT16 and NTFS (4 KiB clusters), deleted again: 37 of 74 on a *fresh* volume; all of 53
that had to go into the 96 KiB holes of a full, *fragmented* one; 24 *two*-piece files with a live file between
their pieces. *card* has no file system: files of ten forms, photographs with previews, caches of thumbnails,
and decoys (heads with noise behind, files cut off, damaged ones). The tools are in their Debian packages
(testdisk, foremost, scalpel) and run as they are found on the path; those that are absent are left out.

Recall: planted files of which a tool gives all bytes (SHA-256), of all planted. Precision: of what a tool
gives as whole, what is byte for byte a planted file, a live one or a picture inside one. Foremost and scalpel
do not say what is whole, so all they give counts. *inside*: pictures inside others that were found besides.
*broken*: what a tool itself calls damaged. Processor seconds are user and system time of the tool; ours
without starting Python and compiling (a few tenths of a second). MB/s is the size of the disk
by these. The *limit* is reading the disk and comparing each byte with the first byte of the heads.
A tool that has used the processor for ``--seconds`` is stopped, and the row says so.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from carve_disks import DISKS, planted


@dataclass
class Score:
    """What one tool made of one disk."""

    exact: int
    inside: int
    live: int
    junk: int
    broken: int
    seconds: float
    stopped: bool = False


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


GONE: set[str] = set()
LIVE: set[str] = set()
INSIDE: set[str] = set()
SECONDS = 120


def started(words: list[str], folder: str) -> tuple[float, bool]:
    """Run a tool within its processor time: what it used, and whether it was stopped."""
    before = children()
    bound = ["prlimit", f"--cpu={SECONDS}", "--", *words]
    done = subprocess.run(
        bound, cwd=folder, env=os.environ | {"TERM": "dumb"}, stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )  # fmt: skip
    return children() - before, done.returncode < 0


def ours(disk: Path, free: bool) -> Score:
    """Run this file again on the disk, as a process of its own."""
    words = [sys.executable, __file__, "--ours", str(disk), *([] if free else ["--whole"])]
    got = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return scored(got["whole"], got["broken"], got["seconds"])


def scored(whole: list[str], broken: int, seconds: float, stopped: bool = False) -> Score:
    found = set(whole)
    junk = len(found - GONE - LIVE - INSIDE)
    exact, live, inside = (len(found & known) for known in (GONE, LIVE, INSIDE))
    return Score(exact, inside, live, junk, broken, seconds, stopped)


def written(folder: Path) -> list[tuple[str, str]]:
    """Names and hashes of what a tool wrote."""
    files = [
        p
        for p in folder.rglob("*")
        if p.is_file() and p.suffix not in (".xml", ".txt", ".log", ".conf", ".se2")
    ]
    return [(p.name, hashed(p.read_bytes())) for p in files]


def photorec(disk: Path, free: bool) -> Score:
    """PhotoRec with all it can do about fragments."""
    from amparo.recover.photorec import command

    with tempfile.TemporaryDirectory() as made:
        seconds, stopped = started(command(disk, Path(made), free, fragments=True), made)
        files = written(Path(made))
    whole = [h for n, h in files if not n.startswith("b")]
    return scored(whole, len(files) - len(whole), seconds, stopped)


def foremost(disk: Path, free: bool) -> Score:
    """Foremost over the whole disk; it does not tell broken files from whole ones."""
    with tempfile.TemporaryDirectory() as made:
        kinds = "jpg,png,gif,mp4,mov,pdf,zip"
        seconds, stopped = started(
            ["foremost", "-t", kinds, "-i", str(disk), "-o", f"{made}/o"], made
        )
        return scored([h for _, h in written(Path(made))], 0, seconds, stopped)


RULES = r"""
jpg y 20000000 \xff\xd8\xff \xff\xd9
png y 20000000 \x89PNG\x0d\x0a\x1a\x0a IEND\xae\x42\x60\x82
gif y 5000000 GIF8 \x00\x3b
pdf y 20000000 %PDF %%EOF REVERSE
zip y 20000000 PK\x03\x04 PK\x05\x06
"""


def scalpel(disk: Path, free: bool) -> Score:
    """Scalpel with rules for heads and ends; films, WebP and sounds have no end it could look for."""
    with tempfile.TemporaryDirectory() as made:
        (Path(made) / "rules.conf").write_text(RULES)
        words = ["scalpel", "-c", f"{made}/rules.conf", "-o", f"{made}/o", str(disk)]
        seconds, stopped = started(words, made)
        return scored([h for _, h in written(Path(made))], 0, seconds, stopped)


def search(disk: Path, whole: bool) -> None:
    """What ``--ours`` does: hashes of what was found, as JSON."""
    from amparo.evidence.blocks import Raw
    from amparo.evidence.free import free_ranges
    from amparo.recover.files import carve
    from amparo.recover.inside.buried import cluster_of

    list(carve(io.BytesIO(warm_up()), align=512, cluster=4096))  # compiles
    started = time.process_time()
    found: list[str] = []
    broken = 0
    with disk.open("rb") as file:
        free = [(0, disk.stat().st_size)] if whole else list(free_ranges(Raw([file.fileno()])))
        cluster = 4096 if whole else cluster_of(free)
        for one in carve(file, free, align=512, cluster=cluster):
            data = b""
            for at, length in one.segments:
                file.seek(at)
                data += file.read(length)
            if one.complete:
                found.append(hashed(data))
            else:
                broken += 1
    seconds = time.process_time() - started
    json.dump({"whole": found, "broken": broken, "seconds": seconds}, sys.stdout)


def warm_up() -> bytes:
    """Files of every way our carver goes, so that all of it is compiled before the clock runs."""
    out = b""
    for number, how in enumerate(({}, {"progressive": True})):
        data = planted.picture("JPEG", 90 + number, 640, 480, **how)
        half = len(data) // 2 // 4096 * 4096
        out += data[:half] + b"\x5a" * 8192 + data[half:]
        out += bytes(-len(out) % 4096)
    return out + planted.picture("PNG", 93) + planted.picture("WEBP", 94)


def limit(disk: Path) -> float:
    """Seconds for reading a disk and comparing each byte with the first byte of a head."""
    before = time.process_time()
    with disk.open("rb", buffering=0) as file:
        while data := file.read(1 << 20):
            array = np.frombuffer(data, np.uint8)
            np.count_nonzero(array == 0xFF)
    return time.process_time() - before


def main() -> None:
    """Make the disks, run the tools, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--disks", nargs="*", default=list(DISKS), choices=list(DISKS))
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        search(given.ours, given.whole)
        return
    globals()["SECONDS"] = given.seconds
    folder = given.folder or Path(tempfile.mkdtemp(prefix="carve-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        table(folder, given.disks, given.keep)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def tools(name: str) -> list[tuple[str, bool]]:
    """The tools for a disk, and whether each looks at its free space only."""
    free = [("ours", True), ("photorec", True)] if name != "card" else []
    whole = [("ours", False), ("photorec", False)] if name == "card" or "fresh" in name else []
    every = [*free, *whole, ("foremost", False), ("scalpel", False)]
    return [t for t in every if t[0] == "ours" or shutil.which(t[0])]


def table(folder: Path, names: list[str], keep: bool) -> None:
    """Every tool on every disk."""
    run = {"ours": ours, "photorec": photorec, "foremost": foremost, "scalpel": scalpel}
    print(
        f"{'disk':17}{'tool':16}{'exact':>8}{'recall':>8}{'prec.':>7}{'inside':>7}{'live':>5}"
        f"{'junk':>5}{'broken':>7}{'CPU s':>8}{'MB/s':>7}"
    )
    for name in names:
        make, system = DISKS[name]
        disk = folder / f"{name}.dd"
        for known in (GONE, LIVE, INSIDE):
            known.clear()
        made = make(disk, system)
        for known, files in ((GONE, made.gone), (LIVE, made.live), (INSIDE, made.inside)):
            known.update(map(hashed, files))
        size = disk.stat().st_size / 1e6
        for tool, free in tools(name):
            s = run[tool](disk, free)
            right = s.exact + s.live + s.inside
            precision = f"{right / (right + s.junk):7.2f}" if right + s.junk else "      –"
            print(
                f"{name:17}{tool + (', free' if free else ''):16}{s.exact:>4}/{len(GONE):<3}"
                f"{s.exact / len(GONE):>8.2f}{precision}{s.inside:>7}{s.live:>5}{s.junk:>5}"
                f"{s.broken:>7}{s.seconds:>8.2f}{size / max(s.seconds, 0.01):>7.0f}"
                f"{'  stopped' if s.stopped else ''}",
                flush=True,
            )
        least = limit(disk)
        print(f"{name:17}{'limit':16}{'':47}{least:>8.2f}{size / max(least, 0.001):>7.0f}")
        if not keep:
            disk.unlink()


if __name__ == "__main__":
    main()
