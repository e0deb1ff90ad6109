"""Near search of PDQ codes: recall, speed and size, beside FAISS and the threatexchange index, in one run.

    python benchmarks/near.py                              100,000 and 1,000,000 codes
    python benchmarks/near.py --codes 10000000             ten million (about 2 GB of memory)
    python benchmarks/near.py --codes 10000000 --lean      without the self-join and threatexchange
    python benchmarks/near.py --codes 100000000 --lean     a hundred million (16 GB of disk and of memory)
    python benchmarks/near.py --peers peers                beside the peers, installed there by
                                                           pip install --target peers faiss-cpu threatexchange

Codes are uniform random bits, as PDQ of photographs nearly is, three in ten of them copies of another
with up to 40 bits changed. A peer that would take more memory than there is is left out. Each query is a stored code with exactly d bits changed, d = 0 to 31 in equal
shares, so recall is known without a search; answers are also compared with the flat scan's. Times per
query are processor time of one thread, ours and the peers', so a busy machine shifts both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.match import near
from amparo.match.near import NearIndex, flat, pairs

QUERIES = 20_000
CHECKED = 64

PEERS = """
import json, sys, time
import faiss, numpy as np
faiss.omp_set_num_threads(1)
codes, queries, truth = (np.load(p) for p in sys.argv[1:4])
lean = sys.argv[4] == "lean"

def say(name, built, asked, took, hit, held):
    print(json.dumps([name, built, 1000 * took / asked, hit / asked, held]), flush=True)

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def measure(name, index, few):
    before, begin = held(), time.process_time()
    index.add(codes)
    built, grown = time.process_time() - begin, held() - before
    begin = time.process_time()
    limits, _, row = index.range_search(queries[:few], 32)  # FAISS finds what lies below its radius
    took = time.process_time() - begin
    hit = sum(truth[q] in row[limits[q]:limits[q + 1]] for q in range(few))
    say(name, built, few, took, hit, grown / len(codes))

measure("FAISS BinaryFlat", faiss.IndexBinaryFlat(256), 512)
with open("/proc/meminfo") as file:
    room = next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
fits = room > 350 * len(codes)  # bytes a code, as measured where it fits
if fits:
    multi = faiss.IndexBinaryMultiHash(256, 16, 16)
    multi.nflip = 1
    measure("FAISS MultiHash 16x16", multi, 512)
    del multi
if not lean and fits:
    try:
        from threatexchange.signal_type.pdq.pdq_index import PDQIndex
    except ImportError:
        sys.exit()
    before, begin = held(), time.process_time()
    index = PDQIndex((code.tobytes().hex(), n) for n, code in enumerate(codes))
    built, grown = time.process_time() - begin, held() - before
    asked = [q.tobytes().hex() for q in queries[:256]]
    begin = time.process_time()
    got = [index.query(q) for q in asked]
    took = time.process_time() - begin
    hit = sum(any(m.metadata == truth[n] for m in got[n]) for n in range(len(asked)))
    say("threatexchange PDQIndex", built, len(asked), took, hit, grown / len(codes))
"""


def copied(chance: np.random.Generator, codes: Any, most: int) -> Any:
    """Each code with up to ``most`` bits changed, few to many in equal shares."""
    out = codes.copy()
    for begin in range(0, len(codes), 1_000_000):
        part = out[begin : begin + 1_000_000]
        bits = chance.integers(0, most + 1, len(part))
        mask = np.zeros_like(part)
        rows = np.arange(len(part))
        for turn in range(most):
            places = chance.integers(0, 256, len(part))
            ones = np.where(turn < bits, 1, 0).astype(np.uint64) << (places & 63).astype(np.uint64)
            mask[rows, places >> 6] |= ones
        part ^= mask
    return out


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
    codes[:copies] = copied(chance, codes[sources], 40)
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


def one_thread(index: NearIndex, queries: Any) -> float:
    """Milliseconds of processor time per query, one after the other."""
    kept = near.in_parallel
    near.in_parallel = lambda do, times: [do(i) for i in range(times)]
    try:
        begin = time.process_time()
        index.query(queries)
        return 1000 * (time.process_time() - begin) / len(queries)
    finally:
        near.in_parallel = kept


def measure(n: int, peers: Path | None, lean: bool) -> None:
    codes, queries, rows = made(n)
    print(f"\n{n:,} codes, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        seconds, index = timed(lambda: NearIndex.build(codes, Path(folder) / "index"))
        spent = time.process_time() - begin
        size = sum(f.stat().st_size for f in (Path(folder) / "index").iterdir())
        print(f"  index on disk      built in {seconds:.2f} s ({spent:.2f} s of processor time)")
        print(f"  bytes per code     {size / n:.0f}, the code itself included")
        opening, index = timed(lambda: NearIndex.open(Path(folder) / "index"))
        index.query(queries[:CHECKED])
        few = min(QUERIES, n // 16 - 1)
        alone = sorted(timed(lambda q=q: index.query(queries[q : q + 1]))[0] for q in range(50))
        ours = one_thread(index, queries[:few])
        seconds, hits = timed(lambda: index.query(queries[:few]))
        print(f"  opened in {opening * 1000:.1f} ms; one query alone {alone[25] * 1000:.2f} ms")
        print(
            f"  one thread         {ours:.3f} ms a query; all cores {few / seconds:,.0f} queries/s"
        )
        each = recall(hits, rows[:few])
        print(f"  recall             {min(each):.4f} at the worst of the distances 0 to 31")
        seconds, want = timed(lambda: flat(queries[:CHECKED], codes))
        same = all(np.array_equal(a, b[hits[0] < CHECKED]) for a, b in zip(want, hits, strict=True))
        print(f"  flat scan (numpy)  {CHECKED / seconds:,.1f} queries/s, answers equal: {same}")
        if not lean:
            batch = np.concatenate([queries, codes[: n // 8]])
            seconds, _ = timed(lambda: index.count(batch))
            print(
                f"  many at once       {len(batch) / seconds:,.0f} queries/s ({len(batch):,} counted)"
            )
            seconds, found = timed(lambda: pairs(codes))
            print(f"  self-join          {seconds:.2f} s, {len(found[0]):,} pairs")
        if peers:
            compare(peers, Path(folder), (codes, queries, rows), ours, lean)


def compare(peers: Path, folder: Path, data: tuple[Any, Any, Any], ours: float, lean: bool) -> None:
    """The same codes and queries through the peers, one thread."""
    codes, queries, rows = data
    files = [folder / f"{name}.npy" for name in ("codes", "queries", "rows")]
    for file, array in zip(
        files, (codes.view(np.uint8), queries.view(np.uint8), rows), strict=True
    ):
        np.save(file, array)
    done = subprocess.run(
        [sys.executable, "-c", PEERS, *files, "lean" if lean else "all"],
        check=True,
        stdout=subprocess.PIPE,
        timeout=3600,
        env={**os.environ, "PYTHONPATH": str(peers)},
    )
    for line in done.stdout.splitlines():
        name, built, each, share, held = json.loads(line)
        print(
            f"  {name}: {each:.2f} ms a query ({each / ours:.0f} times ours), recall {share:.4f},",
            end="",
        )
        print(f" {held:.0f} bytes per code, built in {built:.1f} s of processor time")


def main() -> None:
    """Prints the figures for each number of codes."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--codes", type=int, action="append", help="how many (repeatable)")
    options.add_argument("--peers", type=Path, help="where faiss and threatexchange are installed")
    options.add_argument("--lean", action="store_true", help="only what ends soon at any size")
    given = options.parse_args()
    for n in given.codes or [100_000, 1_000_000]:
        measure(n, given.peers, given.lean)


if __name__ == "__main__":
    main()
