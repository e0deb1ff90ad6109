"""Killed inside a transaction of every stage, one after another: the case ends equal, row for row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from amparo.cli import main
from amparo.kit.plugin import discover
from amparo.run.plan import CONCLUDING
from amparo.store import Case, dump
from conftest import Operation, take_in

DEADLY = """
import os, signal, sys
from amparo.cli import main
from amparo.store.store import Store

stage, verb = sys.argv[1], sys.argv[2:]
finish, replace = Store.finish, Store.replace

def deadly(records, plugin):
    for number, record in enumerate(records):
        if number == 3 and plugin.startswith(stage):
            break
        yield record
    if plugin.startswith(stage):
        os.kill(os.getpid(), signal.SIGKILL)  # rows are written, nothing is committed

Store.finish = lambda self, action, records=(), *rest, maker="", **more: finish(
    self, action, deadly(records, maker), *rest, maker=maker, **more)
Store.replace = lambda self, makes, records, *rest, plugin="", **more: replace(
    self, makes, deadly(records, plugin), *rest, plugin=plugin, **more)
sys.exit(main(verb))
"""


def killed(stage: str, *verb: str) -> bool:
    words = [sys.executable, "-c", DEADLY, stage, *verb, "--json"]
    done = subprocess.run(words, capture_output=True, env=dict(os.environ))
    assert done.returncode in (0, 1, -signal.SIGKILL), done.stderr.decode()[-3000:]
    return done.returncode == -signal.SIGKILL


def contents(path: Path) -> dict[str, str]:
    with Case.open(path) as case:
        assert case.store.verify() == []
        return dump(case.store)


def test_killed_in_every_stage_the_case_is_equal_row_for_row(
    worked: Path, operation: Operation, tmp_path: Path
) -> None:
    case = tmp_path / "killed.amparo"
    main(["new", str(case), "--scheme", "Triage 1"])
    entry = operation.entries()[0]
    add = ["add", str(case), str(operation.root / entry["path"]), "--exhibit", entry["number"]]
    add += ["--country", entry["country"], "--site", entry["site"], "--holder", entry["holder"]]
    assert killed("evidence/", *add, "--legal-basis", entry["legal_basis"])
    take_in(operation, case)
    stages = ("fingerprint", "parse", "recover", *CONCLUDING)
    assert {s.stage for s in discover()} - {"evidence"} <= set(stages), "a stage nobody kills"
    died = [stage for stage in stages if killed(f"{stage}/", "run", str(case))]
    assert set(died) >= {"fingerprint", "parse", "recover", "match", "link", "network"}, died
    assert main(["run", str(case), "--json"]) in (0, 1)
    assert contents(case) == contents(worked)
