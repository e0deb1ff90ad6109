"""A whole operation of the replay: how long each step takes and how much memory all processes hold together.

    python benchmarks/operation.py --out FOLDER                  300 exhibits, 361,225 files; some 15 GB, half an hour
    python benchmarks/operation.py --out FOLDER --scale small    9 exhibits

Building, then ``amparo demo`` over what was built (every stage and the score), ``amparo run`` again over the
finished case, ``amparo verify``, and ``amparo find --image`` for any part of each of some pictures. Memory is the
sum of what each process holds for itself and its share of what several hold (Pss), asked for every half second;
Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from random import Random

from edits import any_part
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from amparo.match.within import centres
from amparo.run.picture import Pictures
from amparo.store import Case

PARTS = 10
BUILD = "import sys; from pathlib import Path; from amparo.replay import build; build(Path(sys.argv[1]), sys.argv[2])"


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended since
        children[parent].append(int(stat.parent.name))
    found = [root]
    for one in found:
        found += children[one]
    return found


def held(process: int) -> int:
    """Bytes a process holds, shared ones in shares; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def step(name: str, *command: str | Path) -> str:
    """Run a command, print what it took, and give what it said."""
    before, begin, most = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as running:
        while True:
            most = max(most, sum(map(held, tree(running.pid))))
            try:
                said, _ = running.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                continue
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - begin
    print(
        f"{name:22} {wall:8.1f} s  {spent:8.1f} s of processor time  {most >> 20:6,} MB", flush=True
    )
    if running.returncode not in (0, 1):
        sys.exit(f"{name}: exit {running.returncode}\n{said[-2000:]}")
    return said


def cut_out(path: Path, out: Path) -> list[tuple[set[str], Path]]:
    """Any part of each of some pictures of the case that are not featureless, as JPEG 70, and the stack it is of."""
    made = []
    chance = Random(1)
    with Case.open(path, write=True) as case, Pictures(case) as pictures:
        stored, copies = centres(case.store)
        for content in chance.sample(stored, min(PARTS, len(stored))):
            seen = pictures.larger(content, 1024)
            if seen is not None:
                file = out / f"part-{len(made)}.jpg"
                any_part(Image.open(io.BytesIO(seen)), chance).save(file, quality=70)
                made.append(({content, *copies[content]}, file))
    return made


def main() -> None:
    """Prints a line for each step, then the findings and the score."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, required=True, help="a folder to build in")
    options.add_argument("--scale", choices=["small", "tantalio"], default="tantalio")
    given = options.parse_args()
    case, built = given.out / f"{given.scale}.amparo", given.out / f"operation-{given.scale}"
    if case.exists():
        sys.exit(f"{case} is there already: its work would not be measured")
    given.out.mkdir(parents=True, exist_ok=True)
    amparo = ("-m", "amparo")
    step("build", "-c", BUILD, built, given.scale)
    said = step(
        "every stage and score", *amparo, "demo", "--scale", given.scale, "--out", given.out, "--no-open",
    )  # fmt: skip
    step("a second run", *amparo, "run", case)
    step("verify", *amparo, "verify", case)
    answers: list[tuple[bool, int]] = []
    for stack, part in cut_out(case, given.out):
        answer = step("find --image PART", *amparo, "find", case, "--image", part, "--json")
        sure = {hit["content"] for hit in json.loads(answer)["found"] if hit["verified"]}
        answers.append((bool(sure & stack), len(sure - stack)))
    right, others = sum(hit for hit, _ in answers), sum(other for _, other in answers)
    print(
        f"found by any part of it: {right} of {len(answers)}; other pictures called the same: {others}"
    )
    print(said[said.index("Findings") :])


if __name__ == "__main__":
    main()
