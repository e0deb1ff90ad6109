"""Hostile files in cells: each costs itself and nothing else, and nothing gets out."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, features

from amparo.kit.found import Found
from amparo.model import Message, Position
from amparo.sandbox.guard import FloorError, Guard, GuardError, Job, Limits, Outcome

FOUND = Found("EX", "FI", "a/b", "CO")
LIMITS = Limits(memory=96 << 20, records=20_000, warnings=3)
MODULES = ["hostile_plugins"]
OURS = [str(Path(__file__).parent), *(p for p in sys.path if p)]


@pytest.fixture(scope="module", params=[1, 2], ids=["one cell", "two cells"])
def guard(request: pytest.FixtureRequest) -> Iterator[Guard]:
    os.environ["AMPARO_SECRET"] = "not for cells"
    with Guard(request.param, MODULES, LIMITS) as g:
        yield g
    del os.environ["AMPARO_SECRET"]


def job(plugin: str, text: Any = "a", token: str = "", **more: Any) -> Job:
    values: dict[str, Any] = {
        "token": token or plugin,
        "function": f"hostile_plugins:{plugin}",
        "opens": "bytes",
        "reader": "hostile_plugins:reader",
        "locator": json.dumps(text),
        "open": list,
        "found": FOUND,
        "seconds": 20.0,
    }
    return Job(**(values | more))


def run(guard: Guard, *jobs: Job) -> dict[str, Outcome]:
    """One batch; every job has exactly one outcome."""
    outcomes = list(guard.run([jobs]))
    by_token = {o.job.token: o for o in outcomes}
    assert len(outcomes) == len(by_token) == len(jobs)
    return by_token


def among(guard: Guard, hostile: Job) -> Outcome:
    """A hostile job between innocent ones, first, in the middle and last; all others complete."""
    innocent = [job("honest", f"line {n}\nline", f"honest{n}") for n in range(4)]
    errors = set()
    for place in (0, 2, 4):
        jobs = [*innocent[:place], hostile, *innocent[place:]]
        got = run(guard, *jobs)
        guilty = got.pop(hostile.token)
        errors.add(guilty.error)
        assert [o.error for o in got.values()] == [""] * 4
        assert [len(list(o.records())) for o in got.values()] == [2] * 4
    assert len(errors) == 1, errors
    assert not list(guilty.records()) and not guilty.thumbs
    return guilty


CRASHES = {
    "raises": "ValueError: header is broken x",
    "exits": "SystemExit: 0",
    "recurses": "RecursionError: maximum recursion depth exceeded",
    "eats": "memory limit of 96 MiB",
    "aborts": "cell killed by SIGABRT",
    "segfaults": "cell killed by SIGSEGV",
    "leaves": "cell ended with status 0 before its answer was complete",
    "late": "cell killed by SIGABRT, after its answer",
    "executes": "cell killed by SIGSYS: a forbidden system call",
    "traces": "cell killed by SIGSYS: a forbidden system call",
    "garbage": "answered with a malformed frame: a frame of 4294901244 bytes",
    "forges_end": "answered with a malformed frame: the end of job 5 while",
}


@pytest.mark.parametrize("plugin", CRASHES)
def test_a_crash_costs_one_file(guard: Guard, plugin: str) -> None:
    if plugin == "forges_end":
        # The number that is due differs with its place, so it stands first only.
        got = run(guard, job(plugin), job("honest"))
        assert got["honest"].error == ""
        assert got[plugin].error.startswith(CRASHES[plugin])
        return
    guilty = among(guard, job(plugin))
    assert guilty.error.startswith(CRASHES[plugin])
    assert len(guilty.error) <= 300 and "\n" not in guilty.error and "\u202e" not in guilty.error


@pytest.mark.parametrize("plugin", ["loops", "half"])
def test_a_hang_costs_one_file_and_its_time(guard: Guard, plugin: str) -> None:
    started = time.monotonic()
    jobs = [job("honest", token=str(n)) for n in range(6)]
    got = run(guard, *jobs[:3], job(plugin, seconds=0.5), *jobs[3:])
    assert got.pop(plugin).error == "took longer than 0.5 s"
    assert not any(o.error for o in got.values())
    assert time.monotonic() - started < 8


def test_a_closed_channel_is_no_way_to_live_on(guard: Guard) -> None:
    got = run(guard, job("hangs_up"), job("honest"))
    assert got["hangs_up"].error == "closed its channel before its answer was complete"
    assert got["honest"].error == ""


LIES = {
    "exhibit": "a place in another exhibit or file",
    "file": "a place in another exhibit or file",
    "bool": "message.from_owner is int, not bool",
    "int": "message.sent is bool, not int",
    "none": "message.text is NoneType, not str",
    "number": "a number beyond 64 bits",
    "row": "a number beyond 64 bits",
    "place": "a place that is none",
    "bytes": "message.text is bytes, not str",
    "tuple": "structure.names holds more than text",
    "nan": "position.latitude is not a finite number",
    "mark": "a record of a kind it may not make: mark",
    "thumb": "a thumbnail of another content",
    "thumb size": "a thumbnail of 1000 x 1000 in 3 bytes",
    "thumb large": "a thumbnail of 5000 x 1 pixels",
    "map": "not msgpack within bounds",
}


def test_a_lie_costs_one_file(guard: Guard) -> None:
    got = run(guard, *[job("lies", what, what) for what in [*LIES, "thing", "truth"]])
    assert got["truth"].error == "" and len(list(got["truth"].records())) == 1
    assert got["thing"].error == "TypeError: the plugin yielded a dict"
    for what, why in LIES.items():
        assert got[what].error.startswith(f"answered with a malformed frame: {why}"), what


def test_nothing_gets_out(guard: Guard, tmp_path: Path) -> None:
    evidence, other = tmp_path / "evidence", tmp_path / "store.db"
    other.write_text("secret")
    evidence.write_text(json.dumps({"file": str(other), "new": str(tmp_path / "new")}))
    before = evidence.stat()
    again = job("tries", open=lambda: [os.open(evidence, os.O_RDONLY)])
    got = run(guard, again)["tries"]
    assert (got.error, got.warnings) == ("", [])
    (record,) = got.records()
    assert isinstance(record, Message)
    assert record.text == "0,1,2,3,4", "null device, channel and one descriptor of evidence"
    after = evidence.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_size) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_size,
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evidence", "store.db"]


def test_the_level_is_said(guard: Guard) -> None:
    outcome = run(guard, job("honest"))["honest"]
    assert outcome.isolation == guard.level
    assert {"rlimit", "nnp", "seccomp"} <= set(guard.level.split("+"))


def test_what_is_good_comes_through(guard: Guard) -> None:
    fingerprint = Found("", "", "a.jpg", "CO")
    got = run(guard, job("picture", found=fingerprint), job("warns"), job("oversize"))
    picture, warns, oversize = got["picture"], got["warns"], got["oversize"]
    assert [(t.content, t.width, t.height, t.rgb) for t in picture.thumbs] == [
        ("CO", 2, 1, b"abcdef")
    ]
    assert list(picture.records()) == [
        Position(content="CO", method="exif", latitude=1.5, longitude=-2.5)
    ]
    assert warns.warnings == ["page 7 [31m is damaged badly"]
    assert len(list(warns.records())) == len(list(warns.records())) == 1, "more than once"
    assert oversize.warnings == ["left out: message.text of 2097152 bytes in message 2"]
    texts = [r.text for r in oversize.records() if isinstance(r, Message)]
    assert texts == ["one", "\\ud83d three"]


def test_kinds_of_a_job_are_kept(guard: Guard) -> None:
    got = run(guard, job("warns", kinds=frozenset({"position"})), job("honest"))
    assert got["warns"].error.endswith("a record of a kind it may not make: message")
    assert got["honest"].error == ""


def test_too_many_records(guard: Guard) -> None:
    got = run(guard, job("many", "1000000"), job("many", "20000", "right"))
    assert got["many"].error == "answered with more than 20000 records"
    assert got["right"].error == "" and len(list(got["right"].records())) == 20_000


def test_a_database_is_read_in_a_cell(guard: Guard, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE message (text TEXT)")
        made.executemany("INSERT INTO message VALUES (?)", [(f"text {n}",) for n in range(500)])
        made.commit()

    def at(p: Path) -> dict[str, Any]:
        return {"opens": "sqlite", "open": lambda: [os.open(p, os.O_RDONLY)]}

    (tmp_path / "b.db").write_bytes(b"no database")
    good, bad = job("reads_rows", token="a", **at(path)), job("reads_rows", **at(tmp_path / "b.db"))
    got = run(guard, bad, good)
    assert got["a"].error == ""
    assert [r.text for r in got["a"].records() if isinstance(r, Message)] == [
        f"text {n}" for n in range(500)
    ]
    assert got["reads_rows"].error == "ValueError: not an SQLite database"


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "webp", "avif", "tiff", "jpeg2000"])
def test_pictures_decode_without_threads_or_late_imports(
    guard: Guard, tmp_path: Path, form: str
) -> None:
    if form in ("webp", "avif") and not features.check(form):
        pytest.skip(f"this Pillow does not know {form}")
    path = tmp_path / "picture"
    Image.radial_gradient("L").resize((300, 200)).convert("RGB").save(path, form)
    decodes = job("decodes", open=lambda: [os.open(path, os.O_RDONLY)])
    got = run(guard, decodes)["decodes"]
    assert got.error == ""
    assert [(t.width, t.height) for t in got.thumbs] == [(8, 8)]
    assert len(set(got.thumbs[0].rgb)) > 8


def test_unpacked_bytes_go_where_the_job_says(guard: Guard) -> None:
    out = bytearray()
    got = run(guard, job("unpacks", sink=out.extend), job("unpacks", token="unasked"))
    assert (got["unpacks"].error, got["unpacks"].warnings) == ("", ["the rest is damaged"])
    assert out == b"x" * 300_000 + b"end"
    assert got["unasked"].error == "answered with a malformed frame: a frame of type 66"

    def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run(guard, job("unpacks", sink=full))
    with Guard(1, MODULES, Limits(unpacked=200_000)) as small:
        got = run(small, job("unpacks", sink=out.extend))
        assert got["unpacks"].error == "answered with more than 200000 bytes of unpacked data"


def test_what_cannot_be_opened(guard: Guard) -> None:
    def missing() -> list[int]:
        return [os.open("/no/such/file", os.O_RDONLY)]

    got = run(guard, job("honest"), job("warns", open=missing), job("late", open=missing))
    assert got["honest"].error == ""
    assert got["warns"].error == got["late"].error == "cannot be opened: No such file or directory"
    assert run(guard, job("warns", open=missing))["warns"].error


def test_a_plugin_that_is_not_there(guard: Guard) -> None:
    got = run(guard, job("honest"), job("x", function="hostile_plugins:nothing"))
    assert got["honest"].error == ""
    assert got["x"].error.startswith("AttributeError: module 'hostile_plugins' has no attribute")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_five_hundred_jobs_leak_nothing(guard: Guard, tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    path.write_text("x")

    def batches() -> Iterator[Sequence[Job]]:
        for n in range(0, 500, 25):
            more: dict[str, Any] = {"open": lambda: [os.open(path, os.O_RDONLY)] * 1}
            yield [job("opens_twice", token=str(n + i), **more) for i in range(25)]

    run(guard, job("honest"))
    before = descriptors()
    outcomes = list(guard.run(batches()))
    assert len(outcomes) == 500 and not any(o.error for o in outcomes)
    held = [r.at.row for o in outcomes for r in o.records() if isinstance(r, Message)]
    assert set(held) == {5}, "the cell's descriptors grow"
    assert descriptors() == before


def test_an_idle_cell_takes_half_of_what_another_has_before_it() -> None:
    with Guard(2, MODULES, LIMITS) as guard:
        outcomes = list(guard.run([[job("which", token=str(n)) for n in range(8)]]))
    assert {o.job.token for o in outcomes} == {str(n) for n in range(8)}
    assert len(outcomes) == 8 and not any(o.error for o in outcomes)
    cells = [r.at.row for o in outcomes for r in o.records() if isinstance(r, Message)]
    assert len(set(cells)) > 1


def test_outcomes_come_while_another_job_goes_on(guard: Guard) -> None:
    started = time.monotonic()
    jobs = [*(job("honest", token=str(n)) for n in range(3)), job("loops", seconds=20.0)]
    running = guard.run([jobs])
    assert {next(running).job.token for _ in range(2)} < {"0", "1", "2"}
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10


def test_leaving_early_and_coming_back(guard: Guard) -> None:
    pulled = 0

    def batches() -> Iterator[Sequence[Job]]:
        nonlocal pulled
        for n in range(1000):
            pulled += 1
            yield [job("honest", token=str(n))]

    running = guard.run(batches())
    assert next(running).error == ""
    with pytest.raises(RuntimeError, match="one run at a time"):
        next(guard.run([]))
    running.close()  # type: ignore[attr-defined]
    assert pulled < 20, "batches are pulled as they are needed"
    assert run(guard, job("honest"))["honest"].error == ""
    assert list(guard.run([])) == []

    def broken() -> Iterator[Sequence[Job]]:
        yield [job("loops")]
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        list(guard.run(broken()))
    assert run(guard, job("honest"))["honest"].error == ""


def test_a_busy_caller_condemns_nobody(guard: Guard) -> None:
    batch = [job("honest", token=str(n), seconds=0.3) for n in range(600)]
    for n, outcome in enumerate(guard.run([batch])):
        assert outcome.error == ""
        if n in (0, 300):
            time.sleep(0.8)


def test_a_floor_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no isolation floor"):
        Guard(1, MODULES, floor="tower")
    monkeypatch.setattr("amparo.sandbox.guard.Warm.probe", lambda self: "rlimit+nnp")
    with pytest.raises(FloorError, match="rlimit"), Guard(1, MODULES, floor="seccomp"):
        pass


def test_a_module_that_cannot_be_imported() -> None:
    with (
        pytest.raises(GuardError, match="no_such_module: No module named"),
        Guard(1, ["no_such_module"]),
    ):
        pass


HOST = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.path[:0] = json.loads(sys.argv[1])
import test_sandbox as t
with t.Guard(2, t.MODULES, t.LIMITS) as guard:
    jobs = [t.job("loops", token=str(n), seconds=600) for n in range(2)]
    print(guard._warm._process.pid, flush=True)
    for outcome in guard.run([[j] for j in jobs]):
        print(outcome)
"""


def children(pid: int) -> set[int]:
    try:
        return {int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_host(end: signal.Signals) -> None:
    command = [sys.executable, "-c", HOST, json.dumps(OURS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as host:
        assert host.stdout is not None
        zygote = int(host.stdout.readline())
        until = time.monotonic() + 20
        while len(cells := children(zygote)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(cells) == 2 and alive(zygote)
        host.send_signal(end)
        try:
            host.wait(10)
        finally:
            host.kill()
        until = time.monotonic() + 5
        while any(map(alive, [zygote, *cells])) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(alive, [zygote, *cells]))
