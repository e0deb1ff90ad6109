"""Near search of PDQ codes: recall, speed and size, beside a flat scan and FAISS, in one run.

    python benchmarks/near.py                    100,000 and 1,000,000 codes
    python benchmarks/near.py --codes 10000000   ten million (about 2 GB of memory)
    python benchmarks/near.py --faiss            FAISS too, installed in a temporary environment

Codes are uniform random bits, as PDQ of photographs nearly is, three in ten of them copies of another
with up to 40 bits changed. Each query is a stored code with exactly d bits changed, d = 0 to 31 in equal
shares, so recall is known without a search; answers are also compared with the flat scan's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.match.near import NearIndex, flat, pairs

QUERIES = 20_000
CHECKED = 64

FAISS = """
import json, sys, time
import faiss, numpy as np
faiss.omp_set_num_threads(1)
codes, queries = (np.load(p) for p in sys.argv[1:3])
out = {}
for name, make, few in (
    ("BinaryFlat", lambda: faiss.IndexBinaryFlat(256), 512),
    ("BinaryMultiHash 16x16", lambda: faiss.IndexBinaryMultiHash(256, 16, 16), 4096),
):
    index = make()
    if "Multi" in name:
        index.nflip = 1
    begin = time.perf_counter()
    index.add(codes)
    built = time.perf_counter() - begin
    asked = queries[:few]
    begin = time.perf_counter()
    limits, distance, row = index.range_search(asked, 32)  # FAISS finds what lies below its radius
    took = time.perf_counter() - begin
    truth = np.load(sys.argv[3])[:few]
    hit = sum(truth[q] in row[limits[q]:limits[q + 1]] for q in range(len(asked)))
    out[name] = [built, len(asked) / took, hit / len(asked)]
print(json.dumps(out))
"""


def flipped(chance: np.random.Generator, codes: Any, bits: Any) -> Any:
    """Each code with ``bits[i]`` distinct bits changed."""
    out = codes.copy()
    for begin in range(0, len(codes), 100_000):
        part = slice(begin, begin + 100_000)
        shape = (len(codes[part]), 256)
        order = np.argsort(chance.random(shape, dtype=np.float32), axis=1)
        ranks = np.empty(shape, dtype=np.uint8)
        np.put_along_axis(ranks, order, np.arange(256, dtype=np.uint8)[None], axis=1)
        out[part] ^= np.packbits(ranks < bits[part, None], axis=1).view("<u8")
    return out


def made(n: int) -> tuple[Any, Any, Any]:
    """(codes, queries, the stored row each query was made from)."""
    chance = np.random.default_rng(n)
    codes = chance.integers(0, 2**64, (n, 4), dtype=np.uint64)
    copies = n * 3 // 10
    sources = chance.integers(copies, n, copies)
    codes[:copies] = flipped(chance, codes[sources], chance.integers(0, 41, copies))
    rows = chance.integers(0, n, QUERIES)
    return codes, flipped(chance, codes[rows], np.arange(QUERIES) % 32), rows


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = do()
    return time.perf_counter() - begin, result


def recall(hits: Any, rows: Any) -> list[float]:
    """Share of queries at each planted distance 0 to 31 whose own row was found at that distance."""
    query, row, distance = hits
    planted = np.arange(len(rows)) % 32
    own = (row == rows[query]) & (distance == planted[query])
    found = np.zeros(len(rows), dtype=bool)
    found[query[own]] = True
    return [float(found[planted == d].mean()) for d in range(32)]


def measure(n: int, python: Path | None) -> None:
    codes, queries, rows = made(n)
    print(f"\n{n:,} codes, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        seconds, index = timed(lambda: NearIndex.build(codes, Path(folder) / "index"))
        size = sum(f.stat().st_size for f in (Path(folder) / "index").iterdir())
        print(f"  index on disk      built in {seconds:.2f} s, {size / n:.0f} bytes per code")
        _, index = timed(lambda: NearIndex.open(Path(folder) / "index"))
        single = [timed(lambda q=q: index.query(queries[q : q + 1]))[0] for q in range(20)]
        index.query(queries[:CHECKED])
        few = min(QUERIES, n // 16 - 1)
        seconds, hits = timed(lambda: index.query(queries[:few]))
        print(f"  query by query     {few / seconds:,.0f} queries/s", end=", ")
        print(f"one alone {sorted(single)[10] * 1000:.1f} ms")
        each = recall(hits, rows[:few])
        print(f"  recall             {min(each):.4f} at the worst of the distances 0 to 31")
        batch = np.concatenate([queries, codes[: n // 8]])
        seconds, _ = timed(lambda: index.count(batch))
        print(
            f"  many at once       {len(batch) / seconds:,.0f} queries/s ({len(batch):,} counted)"
        )
        seconds, want = timed(lambda: flat(queries[:CHECKED], codes))
        same = all(np.array_equal(a, b[hits[0] < CHECKED]) for a, b in zip(want, hits, strict=True))
        print(f"  flat scan (numpy)  {CHECKED / seconds:,.0f} queries/s, answers equal: {same}")
        seconds, found = timed(lambda: pairs(codes))
        print(f"  self-join          {seconds:.2f} s, {len(found[0]):,} pairs")
        if python:
            compare(python, Path(folder), codes, queries, rows)


def compare(python: Path, folder: Path, codes: Any, queries: Any, rows: Any) -> None:
    """The same codes and queries through FAISS, one thread."""
    files = [folder / f"{name}.npy" for name in ("codes", "queries", "rows")]
    for file, array in zip(
        files, (codes.view(np.uint8), queries.view(np.uint8), rows), strict=True
    ):
        np.save(file, array)
    done = subprocess.run(
        [python, "-c", FAISS, *files], check=True, stdout=subprocess.PIPE, timeout=3600
    )
    for name, (built, rate, share) in json.loads(done.stdout).items():
        print(f"  FAISS {name}: built in {built:.2f} s, {rate:,.0f} queries/s, recall {share:.4f}")


def faiss_python(folder: Path) -> Path | None:
    """A Python with FAISS in an environment of its own; None where it cannot be installed."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", "faiss-cpu", "numpy"])
    if done.returncode:
        print("FAISS could not be installed; measured without it", file=sys.stderr)
        return None
    return python


def main() -> None:
    """Prints the figures for each number of codes."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--codes", type=int, action="append", help="how many (repeatable)")
    options.add_argument("--faiss", action="store_true", help="compare with FAISS")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = faiss_python(Path(folder)) if given.faiss else None
        for n in given.codes or [100_000, 1_000_000]:
            measure(n, python)


if __name__ == "__main__":
    main()
