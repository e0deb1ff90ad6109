"""How long it takes to list and hash the entries of a container: zip, tar, ext4 and FAT32 images.

    python benchmarks/listing.py [--entries 50000]

Files of 0 to 99 bytes in 500 folders, made here; images need mkfs.ext4 (e2fsprogs), mkfs.vfat with mcopy (dosfstools,
mtools). Seconds are processor time of one core, everything included that an intake does inside its cell: names, times,
MD5, SHA-1, SHA-256, true type, records. Beside it, what the containers' own library takes for names and bytes alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.evidence.archive import tar, zip
from amparo.evidence.image import disk, image
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.model import File


def made(folder: Path, entries: int) -> Path:
    """A tree of small files."""
    root = folder / "tree"
    for number in range(entries):
        path = root / f"{number % 500:03d}" / f"IMG_{number:06d}.txt"
        if number < 500:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"%06d" % number * (number % 17))
    return root


def containers(folder: Path, root: Path) -> Iterator[tuple[str, Path, Callable[..., Any]]]:
    """The tree in each container that can be made here."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(root))
    yield "zip", folder / "a.zip", zip
    with tarfile.open(folder / "a.tar", "w") as held:
        held.add(root, ".")
    yield "tar", folder / "a.tar", tar
    if shutil.which("mkfs.ext4"):
        made_here = folder / "ext4.dd"
        command = ["mkfs.ext4", "-q", "-N", str(len(files) + 2000), "-d", root, made_here, "600M"]
        subprocess.run(command, check=True)
        yield "ext4", made_here, image
    if shutil.which("mkfs.vfat") and shutil.which("mcopy"):
        made_here = folder / "fat.dd"
        subprocess.run(
            ["mkfs.vfat", "-F", "32", "-s", "8", "-C", made_here, "600000"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run(["mcopy", "-s", "-i", made_here, *sorted(root.iterdir()), "::"], check=True)
        yield "FAT32", made_here, image


def plain(form: str, path: Path) -> int | None:
    """Names and bytes by the standard library; None where it reads no such container."""
    if form == "zip":
        with zipfile.ZipFile(path) as archive:
            return sum(len(archive.read(n)) >= 0 for n in archive.namelist())
    if form == "tar":
        with tarfile.open(path) as held:
            return sum(held.extractfile(m).read() is not None for m in held if m.isfile())  # type: ignore[union-attr]
    return None


def main() -> None:
    """Prints seconds and entries a second for each container."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--entries", type=int, default=50_000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = made(folder, given.entries)
        for form, path, lists in containers(folder, root):
            with path.open("rb") as stream:
                on_disk = lists is image
                begin = time.process_time()
                fd = stream.fileno()
                source = disk([fd], '{"image": "raw"}') if on_disk else Source.of_fd(fd)
                count = sum(
                    isinstance(r, File) for r in lists(source, Found("e", "", "", path.name))
                )
                spent = time.process_time() - begin
            begin = time.process_time()
            beside = plain(form, path)
            alone = f"{time.process_time() - begin:6.2f} s" if beside is not None else "       –"
            print(
                f"{form:6} {count:8,} files  {spent:6.2f} s  {count / spent:9,.0f}/s   library alone {alone}"
            )


if __name__ == "__main__":
    main()
