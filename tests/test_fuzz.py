"""Every entrance of hostile bytes, fuzzed for a moment from a fixed seed; and the fuzzing itself."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
HAS_WHEEL = (
    sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
)
pytestmark = pytest.mark.skipif(not HAS_WHEEL, reason="atheris has no wheel for this platform")

PLANTED = """
import sys, time
from fuzz import target
target.ROOMS = ()

@target.target(lambda: [b"good"], seconds=0.5)
def planted(data):
    "Does what the first byte says."
    if data[:1] == b"r":
        raise KeyError("not documented")
    if data[:1] == b"d":
        raise ValueError("documented")
    if data[:1] == b"h":
        while True:
            pass
    if data[:1] == b"m":
        bytearray(3 << 30)
    assert data[:1] != b"a"
"""


def python(*words: str, code: int | None = 0) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert code is None or ended.returncode == code, ended.stderr.decode()[-3000:]
    return ended.stdout.decode()


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    said = python(
        "-m", "fuzz", "--seconds", "1", "--runs", "400", "--jobs", "2", "--json", code=None
    )
    found = [json.loads(line) for line in said.splitlines()]
    return {one["target"]: one for one in found}


def test_no_entrance_gives_a_find(results: dict[str, dict[str, Any]]) -> None:
    finds = [(name, find) for name, one in results.items() for find in one["finds"]]
    assert len(results) > 50 and not finds, json.dumps(finds, indent=1)[:5000]


def test_every_entrance_was_gone_through(results: dict[str, dict[str, Any]]) -> None:
    listed = {line.split()[0] for line in python("-m", "fuzz", "--list").splitlines()}
    assert listed == results.keys()
    idle = [name for name, one in results.items() if one["executions"] < 2 or one["edges"] < 1]
    assert not idle


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("r", "KeyError"),
        ("a", "AssertionError"),
        ("h", "Hang"),
        ("m", "MemoryError"),
        ("d", "None"),
        ("good", "None"),
    ],
)
def test_what_is_a_find(data: str, kind: str) -> None:
    end = f"from fuzz.worker import fence, kind, tried; fence(); e = tried(target.TARGETS.popitem()[1], b{data!r})"
    assert python("-c", f"{PLANTED}\n{end}\nprint(e and kind(e))").split()[0] == kind


def test_a_find_is_kept_and_told(tmp_path: Path) -> None:
    end = f"sys.argv[1:] = ['-s', '3', '--json', '--corpus', {str(tmp_path)!r}]\nfrom fuzz.__main__ import main\nsys.exit(main())"
    one = json.loads(python("-c", f"{PLANTED}\n{end}", code=1))
    kinds = {find["kind"].split()[0]: Path(find["file"]) for find in one["finds"]}
    assert (
        {"KeyError", "AssertionError"}
        <= kinds.keys()
        <= {"KeyError", "AssertionError", "Hang", "MemoryError"}
    )
    assert kinds["KeyError"].read_bytes()[:1] == b"r"
    assert one["executions"] > 100 and (tmp_path / "corpus" / one["target"]).is_dir()


def test_an_entrance_there_is_not_is_wrong_use() -> None:
    assert not python("-m", "fuzz", "--list", "--target", "nowhere", code=2)
