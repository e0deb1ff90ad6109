"""One harness under atheris, in a process of its own, forked from one in which everything is traced.

A find does not end the run: its input is kept as ``FOLDER/finds/TARGET/KEY``, the
smallest of each kind, with what happened beside it as ``KEY.json``; two finds are of one kind when they end
with the same exception at the same place. Only what the interpreter cannot stop (a hang or a crash inside a
native library) ends the process; libFuzzer then leaves the input in the same folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import linecache
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import NoReturn

from fuzz.target import MEMORY, Target, wanted

COMPILED = [
    "amparo.recover.formats.entropy_compiled",
    "amparo.match.near",
    "amparo.match.bands",
    "amparo.match.compiled.banding",
]
"""Their functions are compiled from the bytecode as it stands; traced, it is none that can be."""
ROOT = Path(__file__).resolve().parent.parent


class Hang(BaseException):
    """The time of one input is over; no reader's own ``except`` may swallow it."""


def place(error: BaseException) -> str:
    """``file:line text`` of our innermost frame."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if str(ROOT) in f.filename]
    ours = [f for f in frames if "/src/" in f.filename] or frames
    if not ours:
        return "?"
    last = ours[-1]
    text = linecache.getline(last.filename, last.lineno or 0).strip()
    return f"{Path(last.filename).relative_to(ROOT)}:{last.lineno} {text}"


def kind(error: BaseException) -> str:
    """What makes two finds one: a hang has no place of its own."""
    if isinstance(error, (Hang, MemoryError, RecursionError)):
        return type(error).__name__
    return f"{type(error).__name__} {place(error)}"


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raises Hang in the body after this much of the process's time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _late(number: int, frame: FrameType | None) -> None:
    raise Hang


def fence(memory: int = MEMORY) -> None:
    """From here on a hang raises and memory has an end."""
    signal.signal(signal.SIGPROF, _late)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGESIZE") + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def tried(target: Target, data: bytes) -> BaseException | None:
    """What a harness finds in one input; None where all is as it should be."""
    try:
        with bounded(target.seconds):
            target.read(data)
    except target.allowed:
        return None
    except (Exception, Hang) as error:  # noqa: BLE001  a find is any exception that is not documented
        return error
    return None


class Finds:
    """The finds of one harness on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes: dict[str, int] = {}
        self._count: dict[str, int] = {}

    def keep(self, error: BaseException, data: bytes) -> None:
        """Write down a find that is new or smaller than the one of its kind."""
        what = kind(error)
        self._count[what] = self._count.get(what, 0) + 1
        if len(data) >= self._sizes.get(what, 1 << 62):
            return
        self._sizes[what] = len(data)
        key = hashlib.sha256(what.encode()).hexdigest()[:12]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / key).write_bytes(data)
        about = {
            "kind": what,
            "message": str(error)[:500],
            "bytes": len(data),
            "trace": traceback.format_exception(error)[-12:],
        }
        (self.folder / f"{key}.json").write_text(json.dumps(about, indent=1))


def traced(names: Iterable[str]) -> list[tuple[Target, list[bytes]]]:
    """The harnesses and their seeds, everything imported for them under trace. Raises KeyError."""
    import atheris

    with (
        contextlib.redirect_stderr(io.StringIO()),  # where atheris tells of every module
        atheris.instrument_imports(include=["amparo", "plistlib"], exclude=COMPILED),
    ):
        chosen = [(target, list(target.seeds())) for target in wanted(names)]
        for target, seeds in chosen:  # what is imported late is traced, too
            for seed in seeds:
                tried(target, seed)
    return chosen


def fuzz(target: Target, seeds: Iterable[bytes], folder: Path, options: list[str]) -> NoReturn:
    """Fuzz until libFuzzer's own limits (among ``options``) end the process."""
    import atheris

    finds = Finds(folder / "finds" / target.name)
    corpus = folder / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    (folder / "finds").mkdir(exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)

    def one(data: bytes) -> None:
        error = tried(target, data)
        if error is not None:
            finds.keep(error, data)

    more = {}
    if target.mutate is not None:
        change = target.mutate

        def mutated(data: bytes, longest: int, seed: int) -> bytes:
            return change(data, longest, Random(seed), atheris.Mutate)[:longest]

        more["custom_mutator"] = mutated
    if target.words:
        words = Path(tempfile.mkdtemp()) / "words.txt"
        lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in target.words]
        words.write_text("".join(f'"{line}"\n' for line in lines))
        options = [*options, f"-dict={words}"]
    options = [
        *options,
        f"-max_len={target.longest}",
        f"-timeout={int(target.seconds * 40)}",  # by the clock: only for what cannot be stopped
        "-report_slow_units=100000",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={folder / 'finds' / target.name}.native-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, **more)
    fence()
    atheris.Fuzz()
    raise SystemExit(0)
