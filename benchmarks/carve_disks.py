"""Disks of our own making for the carving benchmark: what was planted on them, deleted, or only looks so."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import planted

HOLE = 96 << 10
SIZE = 96 << 20
SYSTEMS = ("ext4", "fat", "ntfs")


@dataclass
class Made:
    """What a disk holds: erased files, live ones, and pictures inside others."""

    gone: list[bytes]
    live: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)


def media(count: int, seed: int) -> dict[str, bytes]:
    """Benign files: six in ten JPEG, the others PNG, MP4 and WebP."""
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


def fresh(disk: Path, system: str) -> Made:
    """A fresh volume of 74 files, every second deleted; deleted and live ones."""
    files = media(74, 1000)
    volume = Volume(disk, system)
    assert not volume.put(files)
    gone = sorted(random.Random(7).sample(sorted(files), 37))
    volume.delete(gone)
    return Made([files[n] for n in gone], [d for n, d in files.items() if n not in gone])


def fragmented(disk: Path, system: str) -> Made:
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
    return Made(list(files.values()))


def two(disk: Path, system: str) -> Made:
    """24 files in two pieces each, a live file between them; every other hole of the volume is taken."""
    files = dict(list(media(60, 7000).items()))
    chosen = dict([f for f in files.items() if len(f[1]) > HOLE][:24])
    volume = Volume(disk, system)
    chance = random.Random(5)
    room = int(SIZE * 0.97) // HOLE
    filler = {f"x{n:04d}": chance.randbytes(HOLE) for n in range(room)}
    failed = set(volume.put(filler))
    kept = [n for n in filler if n not in failed]
    volume.delete(kept[: len(kept) // 2 : 2])
    small = {n: d for n, d in chosen.items() if len(d) <= 2 * HOLE}
    assert not volume.put(small)
    volume.delete(list(small))
    return Made(list(small.values()))


def card(disk: Path, system: str) -> Made:
    """A card without a file system; photographs with previews and a cache of thumbnails among the files."""
    files = [
        planted.picture(form, 200 + 10 * n + k)
        for n in range(4)
        for k, form in enumerate(("JPEG", "PNG", "GIF", "WEBP"))
    ]
    for n in range(3):
        files += [planted.film(240 + n), planted.voice(250 + n), planted.opus(260 + n)]
        files += [planted.document(270 + n, versions=1 + n), planted.archive(280 + n)]
    with tempfile.TemporaryDirectory() as made:
        files += [planted.database(Path(made), 290 + n) for n in range(3)]
    small = [planted.picture("JPEG", 300 + n, 96, 64) for n in range(20)]
    cache = struct.pack("<I", 0xBD248510)
    for number, picture in enumerate(small[10:]):
        body = f"/local/image/item/{number}+1".encode("utf-16-le") + picture
        cache += struct.pack("<QIII", number, zlib.adler32(body), len(cache), len(body)) + body
    files += [planted.with_preview(400 + n, small[n]) for n in range(10)]
    chance = random.Random(11)
    heads = (
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"PK\3\4",
        b"%PDF-1.4",
    )
    decoys = [h + chance.randbytes(30_000) for h in heads for _ in range(6)]
    whole = [planted.picture(f, 500 + n) for n in range(5) for f in ("JPEG", "PNG")]
    decoys += [d[: len(d) * 2 // 3] for d in whole]
    for data in (planted.picture("PNG", 600 + n) for n in range(5)):
        decoys.append(data[:5000] + chance.randbytes(64) + data[5064:])
    every = [*files, *decoys, cache]
    chance.shuffle(every)
    out = bytearray()
    for data in every:
        out += data + bytes(-len(data) % 4096) + chance.randbytes(4096 * chance.randrange(0, 4))
    disk.write_bytes(out + bytes(SIZE - len(out)))
    return Made(files, inside=small)


DISKS: dict[str, tuple[Callable[[Path, str], Made], str]] = {
    **{
        f"{system}-{make.__name__}": (make, system)
        for system in SYSTEMS
        for make in (fresh, fragmented, two)
    },
    "card": (card, ""),
}
