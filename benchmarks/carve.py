"""Our carver beside PhotoRec and foremost, on disks of our own making.

    python benchmarks/carve.py [--folder DIR] [--keep]

Benign pictures and films are put on ext4, FAT16 and NTFS (4 KiB clusters) and deleted again: 37 of 74 files on a
fresh volume, and all of 53 files that had to go into the 96 KiB holes of a full one. A file is *exact* when
its SHA-256 is that of a planted one, *junk* when a tool calls it whole and it is none of those planted;
*broken* counts what a tool gives as damaged or does not tell from whole ones (PhotoRec's ``b*``, what
foremost writes). Processor seconds are user and system time; ours include starting Python (beside it the
search alone).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
HOLE = 96 << 10
SIZE = 96 << 20
SYSTEMS = ("ext4", "fat", "ntfs")


@dataclass
class Score:
    """What one tool made of one disk."""

    exact: int
    live: int
    junk: int
    broken: int
    seconds: float
    alone: float = 0.0


def media(count: int, seed: int) -> dict[str, bytes]:
    """Benign files: six in ten JPEG, the others PNG, MP4 and WebP."""
    import planted

    chance = random.Random(seed)
    out = {}
    for number in range(count):
        kind = ("jpg", "jpg", "jpg", "png", "jpg", "mp4", "jpg", "png", "jpg", "webp")[number % 10]
        side = chance.randrange(200, 900)
        how = {"progressive": True} if number % 20 == 6 else {}
        if kind == "mp4":
            data = planted.film(seed + number, chance.randrange(20, 160), number % 20 == 5)
        elif kind == "png":
            data = planted.picture("PNG", seed + number, side // 2, side // 3)
        else:
            form = {"jpg": "JPEG", "webp": "WEBP"}[kind]
            data = planted.picture(
                form, seed + number, side, side * 3 // 4, quality=chance.randrange(70, 96), **how
            )
        out[f"f{number:03d}.{kind}"] = data
    return out


def sh(*words: object) -> None:
    """Run a tool; its output is shown only when it fails."""
    done = subprocess.run([str(w) for w in words], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr.decode(errors='replace')[-300:]}")


@contextlib.contextmanager
def mounted(disk: Path, system: str, point: Path) -> Iterator[Path]:
    """The volume as a folder."""
    point.mkdir(exist_ok=True)
    sh(*(("mount", "-o", "loop") if system == "ext4" else ("ntfs-3g",)), disk, point)
    try:
        yield point
    finally:
        sh("umount", point)


class Volume:
    """A volume that files are put on and deleted from."""

    def __init__(self, disk: Path, system: str) -> None:
        self.disk, self.system = disk, system
        disk.touch()
        os.truncate(disk, SIZE)
        if system == "ext4":
            sh("mkfs.ext4", "-q", "-m", "0", "-b", "4096", disk)
        elif system == "fat":
            sh("mkfs.vfat", "-F", "16", "-s", "8", "-r", "4096", disk)
        else:
            sh("mkntfs", "-q", "-F", "-f", "-c", "4096", disk)

    def put(self, files: dict[str, bytes]) -> list[str]:
        """Write files; the names of those that did not fit."""
        failed = []
        if self.system == "fat":
            with tempfile.TemporaryDirectory() as made:
                for name, data in files.items():
                    (Path(made) / name).write_bytes(data)
                    try:
                        sh("mcopy", "-i", self.disk, Path(made) / name, f"::{name}")
                    except RuntimeError:
                        failed.append(name)
            return failed
        with mounted(self.disk, self.system, self.disk.with_suffix(".mnt")) as folder:
            for name, data in files.items():
                try:
                    with (folder / name).open("wb") as file:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())
                except OSError:
                    failed.append(name)
                    (folder / name).unlink(missing_ok=True)
        return failed

    def delete(self, names: list[str]) -> None:
        """Delete files as the system does."""
        if self.system == "fat":
            for name in names:
                sh("mdel", "-i", self.disk, f"::{name}")
            return
        with mounted(self.disk, self.system, self.disk.with_suffix(".mnt")) as folder:
            for name in names:
                (folder / name).unlink()


def fresh(disk: Path, system: str) -> tuple[list[bytes], list[bytes]]:
    """A fresh volume of 74 files, every second deleted; deleted and live ones."""
    files = media(74, 1000)
    volume = Volume(disk, system)
    assert not volume.put(files)
    gone = sorted(random.Random(7).sample(sorted(files), 37))
    volume.delete(gone)
    return [files[n] for n in gone], [d for n, d in files.items() if n not in gone]


def fragmented(disk: Path, system: str) -> tuple[list[bytes], list[bytes]]:
    """53 files in the holes of a full volume, all deleted."""
    files = media(53, 5000)
    volume = Volume(disk, system)
    chance = random.Random(3)
    room = int(SIZE * 0.98) // HOLE
    filler = {f"x{n:04d}": chance.randbytes(HOLE) for n in range(room)}
    failed = set(volume.put(filler))
    kept = [n for n in filler if n not in failed]
    volume.delete(kept[::2])
    failed = set(volume.put(files))
    assert not failed, failed
    volume.delete(list(files))
    return list(files.values()), []


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(disk: Path, whole: bool) -> Score:
    """Run this file again on the disk, as a process of its own."""
    before = children()
    words = [sys.executable, __file__, "--ours", str(disk), *(["--whole"] if whole else [])]
    got = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return scored(got["whole"], got["broken"], children() - before, got["seconds"])


GONE: set[str] = set()
LIVE: set[str] = set()


def scored(whole: list[str], broken: int, seconds: float, alone: float = 0.0) -> Score:
    found = set(whole)
    junk = len(found - GONE - LIVE)
    return Score(len(found & GONE), len(found & LIVE), junk, broken, seconds, alone)


def written(folder: Path) -> list[tuple[str, str]]:
    """Names and hashes of what a tool wrote."""
    files = [
        p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".xml", ".txt", ".log")
    ]
    return [(p.name, hashed(p.read_bytes())) for p in files]


def photorec(disk: Path, free: bool) -> Score:
    """PhotoRec with all it can do about fragments."""
    from amparo.recover.photorec import command

    with tempfile.TemporaryDirectory() as made:
        before = children()
        subprocess.run(
            command(disk, Path(made), free),
            cwd=made, capture_output=True, check=False, env=os.environ | {"TERM": "dumb"},
        )  # fmt: skip
        seconds = children() - before
        files = written(Path(made))
    whole = [h for n, h in files if not n.startswith("b") and not n.startswith("t")]
    return scored(whole, len(files) - len(whole), seconds)


def foremost(disk: Path) -> Score:
    """Foremost over the whole disk; it does not tell broken files from whole ones."""
    with tempfile.TemporaryDirectory() as made:
        before = children()
        subprocess.run(
            ["foremost", "-t", "jpg,png,mp4,mov", "-i", str(disk), "-o", f"{made}/o"],
            capture_output=True, check=False,
        )  # fmt: skip
        seconds = children() - before
        files = written(Path(made))
    known = [h for _, h in files if h in GONE or h in LIVE]
    return scored(known, len(files) - len(known), seconds)


def search(disk: Path, whole: bool) -> None:
    """What ``--ours`` does: hashes of what was found, as JSON."""
    from amparo.evidence.blocks import Raw
    from amparo.evidence.free import free_ranges
    from amparo.recover.files import carve
    from amparo.recover.inside.buried import cluster_of

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


def scan_rate() -> str:
    """How fast beginnings are looked for, on one core."""
    import io

    from amparo.recover.files import carve

    lines = []
    chance = random.Random(1)
    for name, data in (("noise", chance.randbytes(64 << 20)), ("zeros", bytes(64 << 20))):
        started = time.process_time()
        list(carve(io.BytesIO(data), align=512, cluster=4096))
        lines.append(f"{name} {64 * 1.048576 / (time.process_time() - started):,.0f} MB/s")
    return "search for beginnings, one core: " + ", ".join(lines)


def main() -> None:
    """Make the disks, run the tools, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        search(given.ours, given.whole)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="carve-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        table(folder)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def table(folder: Path) -> None:
    """Every tool on every disk."""
    print(
        f"{'disk':16}{'tool':24}{'exact':>10}{'live':>6}{'junk':>6}{'broken':>8}{'CPU s':>8}{'alone':>8}"
    )
    for system in SYSTEMS:
        for make in (fresh, fragmented):
            disk = folder / f"{system}-{make.__name__}.dd"
            gone, live = make(disk, system)
            GONE.clear()
            LIVE.clear()
            GONE.update(map(hashed, gone))
            LIVE.update(map(hashed, live))
            tools = [("ours, free space", lambda d=disk: ours(d, False))]
            if make is fresh:
                tools.append(("ours, whole disk", lambda d=disk: ours(d, True)))
            if shutil.which("photorec"):
                tools.append(("photorec, free space", lambda d=disk: photorec(d, True)))
            if shutil.which("photorec") and make is fresh:
                tools.append(("photorec, whole disk", lambda d=disk: photorec(d, False)))
            if shutil.which("foremost"):
                tools.append(("foremost", lambda d=disk: foremost(d)))
            for name, tool in tools:
                s = tool()
                alone = f"{s.alone:8.2f}" if s.alone else " " * 8
                print(
                    f"{disk.stem:16}{name:24}{s.exact:>5}/{len(GONE):<4}{s.live:>6}{s.junk:>6}"
                    f"{s.broken:>8}{s.seconds:>8.2f}{alone}",
                    flush=True,
                )
    print(scan_rate())


if __name__ == "__main__":
    main()
