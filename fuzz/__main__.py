"""Fuzz the entrances of Amparo: ``python -m fuzz`` (or ``fuzz/run``).

Each harness runs in a process of its own, guided by the lines and comparisons it reaches. The corpus is
kept in ``--corpus`` and taken up again by the next run. Exit code 0: no find; 1: finds; 2: wrong use.

    fuzz/run --list                       the entrances
    fuzz/run --seconds 60                 a minute for each
    fuzz/run -t rows -t host.cell         some of them
    fuzz/run --repeat FILE -t rows.log    one input again, with its traceback
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fuzz.target import Target, find, wanted

_FEATURES = re.compile(r"cov: (\d+) ft: (\d+)(?: corp: (\d+))?")
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass
class Result:
    """What came of one harness."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    edges: int = 0
    """Distinct branches and lines reached."""
    features: int = 0
    """Distinct ways of reaching them, as libFuzzer counts."""
    corpus: int = 0
    finds: list[dict[str, Any]] = field(default_factory=list)


def options(given: argparse.Namespace) -> list[str]:
    """libFuzzer's, alike for all harnesses."""
    seconds = max(1, round(given.seconds))
    return [f"-max_total_time={seconds}", f"-runs={given.runs}", f"-seed={given.seed}"]


class Work:
    """One harness at work in a child process, whose output goes to a file in ``scratch``."""

    def __init__(
        self, target: Target, seeds: list[bytes], folder: Path, given: argparse.Namespace
    ) -> None:
        self.target, self.folder = target, folder
        self.began = time.monotonic()
        self.limit = given.seconds + 30 + 45 * target.seconds
        self._scratch = tempfile.mkdtemp(dir=tempfile.gettempdir())
        self._said = Path(self._scratch) / "said"
        self.process = os.fork()
        if not self.process:
            self._child(seeds, options(given))

    def _child(self, seeds: list[bytes], words: list[str]) -> NoReturn:
        from fuzz.worker import fuzz

        tempfile.tempdir = self._scratch
        fd = os.open(self._said, os.O_WRONLY | os.O_CREAT)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        try:
            fuzz(self.target, seeds, self.folder, words)
        except Exception:  # noqa: BLE001  whatever it is, the parent tells it
            traceback.print_exc()
        os._exit(99)

    def late(self) -> bool:
        """Whether it should have ended by itself long since; it is ended then."""
        over = time.monotonic() - self.began > self.limit
        if over:
            os.kill(self.process, signal.SIGKILL)
        return over

    def result(self, status: int) -> Result:
        """What came of it."""
        result = Result(self.target.name, seconds=round(time.monotonic() - self.began, 1))
        said = self._said.read_text("utf-8", "replace")
        for found in _FEATURES.finditer(said):
            result.edges, result.features = int(found[1]), int(found[2])
            result.corpus = int(found[3] or 0)
        for found in _EXECUTIONS.finditer(said):
            result.executions = int(found[1])
        result.finds = list(finds(self.folder, self.target.name))
        code = os.waitstatus_to_exitcode(status)
        if code:
            result.finds.append({"kind": f"the process ended with {code}", "message": said[-1500:]})
        shutil.rmtree(self._scratch, ignore_errors=True)
        return result


def run(given: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """All harnesses asked for, some at a time, as they end. Raises KeyError for one there is not."""
    from fuzz.worker import traced

    waiting = traced(given.target)
    working: dict[int, Work] = {}
    while waiting or working:
        while waiting and len(working) < given.jobs:
            work = Work(*waiting.pop(0), folder, given)
            working[work.process] = work
        process, status = os.waitpid(-1, os.WNOHANG)
        if process in working:
            yield working.pop(process).result(status)
        elif not any(work.late() for work in working.values()):
            time.sleep(0.02)


def finds(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The finds of a harness that lie in the folder."""
    for path in sorted((folder / "finds" / name).glob("*.json")):
        yield {"file": str(path.with_suffix("")), **json.loads(path.read_text())}
    for path in sorted((folder / "finds").glob(f"{name}.native-*")):
        yield {
            "file": str(path),
            "kind": "native",
            "message": path.name,
            "bytes": path.stat().st_size,
        }


def repeat(target: Target, path: Path) -> int:
    """Read one input again, without tracing; the exception, if any, comes out as it is."""
    from fuzz.worker import fence, tried

    fence()
    data = path.read_bytes()
    print(f"{target.name}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")
    error = tried(target, data)
    if error is not None:
        raise error
    print("nothing found")
    return 0


def table(results: list[Result]) -> str:
    """For people."""
    head = f"{'entrance':28} {'executions':>10} {'edges':>6} {'features':>8} {'corpus':>6} {'s':>6} finds"
    lines = [head]
    for one in results:
        lines.append(
            f"{one.target:28} {one.executions:>10,} {one.edges:>6,} {one.features:>8,}"
            f" {one.corpus:>6,} {one.seconds:>6.0f} {len(one.finds)}"
        )
        for each in one.finds:
            lines += [f"  {each['kind']}: {each['message'][:200]}", f"    {each.get('file', '')}"]
    total = sum(one.executions for one in results)
    edges, many = sum(one.edges for one in results), sum(len(one.finds) for one in results)
    return "\n".join(
        [*lines, f"{len(results)} entrances: {total:,} executions, {edges:,} edges, {many} finds"]
    )


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(
        "fuzz/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-t", "--target", action="append", default=[], help="an entrance, or a room's all"
    )
    parser.add_argument("-s", "--seconds", type=float, default=10, help="for each entrance (10)")
    parser.add_argument("--runs", type=int, default=-1, help="executions of each entrance at most")
    parser.add_argument("--jobs", type=int, default=1, help="entrances at a time (1)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (1)")
    parser.add_argument(
        "--corpus", type=Path, help="folder of inputs and finds, kept for the next run"
    )
    parser.add_argument("--list", action="store_true", help="say which entrances there are")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="read one input again")
    parser.add_argument("--json", action="store_true", help="one object for each entrance")
    return parser


def main() -> int:
    """The command."""
    given = arguments().parse_args()
    try:
        if given.repeat:
            return repeat(find(given.target[0] if given.target else ""), given.repeat)
        if given.list:
            for one in wanted(given.target):
                print(f"{one.name:28} {one.doc}")
            return 0
        if os.environ.get("PYTHONHASHSEED") != "0":  # the same seed gives the same run
            os.environ["PYTHONHASHSEED"] = "0"
            os.execv(sys.executable, [sys.executable, "-m", "fuzz", *sys.argv[1:]])
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        with tempfile.TemporaryDirectory(prefix="amparo-fuzz-", dir=memory) as temporary:
            tempfile.tempdir = temporary
            results = sorted(
                run(given, (given.corpus or Path(temporary)).resolve()), key=lambda r: r.target
            )
    except KeyError as error:
        print(f"no such entrance: {error.args[0]!r}; see --list", file=sys.stderr)
        return 2
    print("\n".join(json.dumps(asdict(r)) for r in results) if given.json else table(results))
    return 1 if any(one.finds for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
