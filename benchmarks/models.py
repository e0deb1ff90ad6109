"""What a registered model costs: run in cells beside the same code with nothing around it, and the pairs of vectors.

    python benchmarks/models.py [--side 288] [--pairs 10000 30000]

The model has learnt nothing: seven layers of convolutions with numbers of chance, 512 numbers out, about the
work of a small ResNet. Pictures are those under ``AMPARO_TEST_DATA`` or ``../shared/data`` (``photos``). *Bare* is
decoding, squeezing and running it in as many plain processes as there are cells, with the model loaded once in
each; *cells* is ``amparo run`` with that one plugin: planning, hashing, a cell for every 64 pictures with the
model loaded in each, the records checked and stored. What the whole run costs beyond that (a second of starting
the parent of cells, trying the model) is in it too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np

from amparo.cli import main as amparo
from amparo.fingerprint.learnt import apply
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.match.described import near_pairs
from onnx_written import CARD, FLOAT, every, graph, ints, model, node, picture, put, value

ROOT = Path(__file__).resolve().parents[1]
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 512)


def by_chance(side: int) -> bytes:
    """A stack of convolutions with weights of chance."""
    chance = np.random.default_rng(1)
    nodes, held, last = [], [], "x"
    for layer, (takes, gives) in enumerate(pairwise(CHANNELS)):
        kernel, step = (7, 2) if layer == 0 else (3, 1 + layer % 2)
        weights = chance.normal(0, (2 / (takes * kernel**2)) ** 0.5, (gives, takes, kernel, kernel))
        raw = weights.astype("<f4").tobytes()
        held.append(every(1, weights.shape) + put(2, FLOAT) + put(8, f"w{layer}") + put(9, raw))
        edge = kernel // 2
        shape = ints("strides", step, step), ints("pads", edge, edge, edge, edge)
        nodes.append(node("Conv", f"{last} w{layer}", f"c{layer}", *shape))
        nodes.append(node("Relu", f"c{layer}", f"r{layer}"))
        last = f"r{layer}"
    nodes += [node("GlobalAveragePool", last, "p"), node("Flatten", "p", "y")]
    return model(graph(nodes, picture(side), [value("y", (1, CHANNELS[-1]))], held))


def card(side: int) -> str:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    head = CARD.format(name="chance", version="1", kind="descriptor", side=side, mean=mean, std=std)
    return head + (
        '[descriptor]\ndistance = "cosine"\nsuggest = 0.001\nfalse_match = 1.0\nmiss = 1.0\n'
        'measured_on = "nothing: its numbers are of chance"\n'
    )


def bare(data: bytes, text: str, paths: list[Path]) -> float:
    """Seconds from the first picture to the last in one plain process."""
    said = json.dumps({"sha256": hashlib.sha256(data).hexdigest(), "card": text}).encode()
    began = time.perf_counter()
    for path in paths:
        source = Source.of_bytes(path.read_bytes())
        source.companions = {"0": Source.of_bytes(data), "1": Source.of_bytes(said)}
        list(apply(source, Found("", "", "", "c")))
    return time.perf_counter() - began


def photographs() -> Path:
    beside = ROOT.parent / "shared" / "data"
    return Path(os.environ.get("AMPARO_TEST_DATA", beside)) / "photos"


def in_case(folder: Path, data: bytes, text: str) -> tuple[float, float]:
    """Seconds of adding the model to a case of these photographs, and of running it."""
    case, file = folder / "b.amparo", folder / "m.onnx"
    file.write_bytes(data)
    (folder / "m.toml").write_text(text)
    out, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
    try:
        amparo(["new", str(case)])
        amparo(["add", str(case), str(photographs()), "--json"])
        amparo(["run", str(case), "--json"])
        began = time.perf_counter()
        amparo(["model", str(case), "add", str(file), "--card", str(folder / "m.toml")])
        added = time.perf_counter()
        amparo(["run", str(case), "--stage", "fingerprint", "--json"])
        return added - began, time.perf_counter() - added
    finally:
        sys.stdout = out


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--side", type=int, default=288)
    asked.add_argument("--pairs", type=int, nargs="*", default=[10_000, 30_000])
    chosen = asked.parse_args()
    data, text = by_chance(chosen.side), card(chosen.side)
    paths = sorted(p for p in photographs().rglob("*") if p.is_file())
    cores = os.cpu_count() or 1
    print(
        f"model {len(data) / 1e6:.1f} MB, {chosen.side} pixels; {len(paths)} photographs, {cores} cores"
    )
    parts = [paths[n::cores] for n in range(cores)]
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(bare, [data] * cores, [text] * cores, [paths[:1]] * cores))  # all loaded
        seconds = max(pool.map(bare, [data] * cores, [text] * cores, parts))
    print(f"bare        {len(paths) / seconds:8.1f} pictures/s   {seconds:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        adding, running = in_case(Path(folder), data, text)
    print(
        f"cells       {len(paths) / running:8.1f} pictures/s   {running:.2f} s, all of amparo run"
    )
    print(f"model add   {adding:8.2f} s")
    for count in chosen.pairs:
        rows = np.random.default_rng(2).normal(size=(count, 512))
        vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
        began = time.perf_counter()
        near_pairs(vectors, 0.3)
        took = time.perf_counter() - began
        print(
            f"pairs       {count:8,} vectors of 512   {took:.2f} s, {count**2 / 2 / took / 1e6:.0f} M pairs/s"
        )


if __name__ == "__main__":
    main()
