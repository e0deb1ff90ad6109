"""Known hashes at national size: build, open, hold 360,000 files against them; beside SQLite and DuckDB.

    python benchmarks/known.py                       ten million hashes
    python benchmarks/known.py --hashes 100000000    a hundred million (about 12 GB of disk, half an hour)
    python benchmarks/known.py --duckdb              DuckDB too, installed in a temporary environment

One list of MD5 as text, uniform and without repeats; 360,000 files of which a hundredth is listed. Every
row runs in a process of its own; seconds are wall clock with processor time beside it, memory is the peak
of what the process held, file-backed pages among them. The limit is reading the list once and hashing
nothing. All rows have to give the same matches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

FILES = 360_000
LISTED = FILES // 100
_PART = 1 << 20


def make(folder: Path, hashes: int) -> None:
    """The list as text, and the digests of the files asked for."""
    chance = np.random.default_rng(2017)
    take = set(chance.choice(hashes, LISTED, replace=False).tolist())
    asked = [chance.bytes(16) for _ in range(FILES - LISTED)]
    with (folder / "list.txt").open("wb") as out:
        for start in range(0, hashes, _PART):
            count = min(_PART, hashes - start)
            raw = chance.bytes(16 * count)
            asked += [
                raw[16 * n : 16 * n + 16]
                for n in sorted(t - start for t in take if start <= t < start + count)
            ]
            lines = np.full((count, 33), ord("\n"), np.uint8)
            lines[:, :32] = np.frombuffer(raw.hex().encode(), np.uint8).reshape(count, 32)
            out.write(lines.tobytes())
    (folder / "asked").write_bytes(b"".join(asked))


def asked_in(folder: Path) -> list[bytes]:
    raw = (folder / "asked").read_bytes()
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]


def digests_in(folder: Path) -> Iterator[bytes]:
    """Digests of the list, a million at a time one behind the other."""
    with (folder / "list.txt").open("rb") as file:
        while text := file.read(33 * _PART):
            yield bytes.fromhex(text.decode("ascii"))


def ours(folder: Path) -> dict[str, Any]:
    from amparo.match.sets import KnownFile, compile_set

    def build() -> str:
        return compile_set(folder / "list.txt", folder / "ours", "list", "ignore")[0].id

    def join(known: KnownFile) -> int:
        return sum(s is not None for s in known.stated("md5", asked_in(folder)))

    return timed(build, lambda id: KnownFile.open(folder / "ours", id), join, folder / "ours")


def sqlite(folder: Path) -> dict[str, Any]:
    path = folder / "sqlite" / "known.db"
    path.parent.mkdir()

    def build() -> None:
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-200000")
        database.execute("CREATE TABLE known(md5 BLOB)")
        for raw in digests_in(folder):
            rows = ((raw[i : i + 16],) for i in range(0, len(raw), 16))
            database.executemany("INSERT INTO known VALUES(?)", rows)
        database.execute("CREATE INDEX by_md5 ON known(md5)")
        database.commit()
        database.close()

    def join(database: sqlite3.Connection) -> int:
        database.execute("CREATE TEMP TABLE asked(md5 BLOB PRIMARY KEY) WITHOUT ROWID")
        database.executemany(
            "INSERT INTO asked VALUES(?)", ((d,) for d in sorted(asked_in(folder)))
        )
        text = "SELECT count(*) FROM asked WHERE EXISTS (SELECT 1 FROM known k WHERE k.md5 = asked.md5)"
        return int(database.execute(text).fetchone()[0])

    return timed(build, lambda _: sqlite3.connect(path), join, path.parent)


def duckdb(folder: Path) -> dict[str, Any]:
    import duckdb as duck  # type: ignore[import-not-found,unused-ignore]

    path = folder / "duckdb" / "known.db"
    path.parent.mkdir()

    def limited() -> Any:
        database = duck.connect(str(path))
        database.execute(
            "SET memory_limit='1GB'; SET threads=2; SET preserve_insertion_order=false"
        )
        return database

    def build() -> None:
        database = limited()
        source = str(folder / "list.txt")
        database.execute(
            f"CREATE TABLE known AS SELECT unhex(h) AS md5 FROM read_csv('{source}', header=false, "
            "columns={'h': 'VARCHAR'}) ORDER BY md5"
        )
        database.close()

    def join(database: Any) -> int:
        asked = folder / "asked.csv"
        asked.write_text("\n".join(d.hex() for d in asked_in(folder)) + "\n")
        return int(
            database.execute(
                "SELECT count(*) FROM (SELECT unhex(h) AS md5 FROM read_csv('"
                f"{asked}', header=false, columns={{'h': 'VARCHAR'}})) a SEMI JOIN known k ON a.md5=k.md5"
            ).fetchone()[0]
        )

    return timed(build, lambda _: limited(), join, path.parent)


def limit(folder: Path) -> dict[str, Any]:
    """Reading the text once, decoding nothing; then looking nothing up."""

    def build() -> None:
        with (folder / "list.txt").open("rb") as file:
            while file.read(1 << 20):
                pass

    return timed(build, lambda _: None, lambda _: LISTED, folder / "none")


def peak() -> int:
    """MiB this process has held at most (what it was before the program started does not count)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


def timed(
    build: Callable[[], Any], open_: Callable[[Any], Any], join: Callable[[Any], int], kept: Path
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    result: Any = None
    for name, step in (("build", build), ("open", open_), ("join", join)):
        wall, spent = time.perf_counter(), time.process_time()
        result = step() if name == "build" else step(result)  # type: ignore[call-arg]
        out[name] = (time.perf_counter() - wall, time.process_time() - spent)
        out[f"{name} MB"] = peak()
    out["found"] = result
    out["disk MB"] = sum(p.stat().st_size for p in kept.rglob("*") if p.is_file()) >> 20
    return out


def main() -> int:
    """Run all rows and print a table; 1 where two of them disagree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hashes", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--duckdb", action="store_true")
    parser.add_argument("--folder", type=Path, help="where there is room (default: the system's)")
    parser.add_argument(
        "--worker", choices=("ours", "sqlite", "duckdb", "limit"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(globals()[args.worker](args.folder)))
        return 0
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        paths = [p for p in (os.environ.get("PYTHONPATH"),) if p]
        if args.duckdb:
            target = folder / "peers"
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), "duckdb"],
                check=True,
            )
            paths.append(str(target))
        print(f"{args.hashes:,} MD5 as text, {FILES:,} files of which {LISTED:,} are listed")
        make(folder, args.hashes)
        print(
            f"{'':8}{'build s (cpu)':>20}{'MB':>7}{'open s':>9}{'join s (cpu)':>18}{'MB':>7}{'disk MB':>9}{'found':>8}"
        )
        answers = set()
        for name in ("limit", "ours", "sqlite", *(["duckdb"] if args.duckdb else [])):
            done = subprocess.run(
                [sys.executable, __file__, "--worker", name, "--folder", str(folder)],
                check=True, capture_output=True, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )  # fmt: skip
            row = json.loads(done.stdout)
            build, open_, join = row["build"], row["open"], row["join"]
            print(
                f"{name:8}{f'{build[0]:.1f} ({build[1]:.1f})':>20}{row['build MB']:>7}{open_[0]:>9.3f}"
                f"{f'{join[0]:.2f} ({join[1]:.2f})':>18}{row['join MB']:>7}{row['disk MB']:>9}{row['found']:>8,}"
            )  # fmt: skip
            answers.add(row["found"])
            shutil.rmtree(folder / name, ignore_errors=True)
    return 0 if answers == {LISTED} else 1


if __name__ == "__main__":
    sys.exit(main())
