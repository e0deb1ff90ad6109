"""The whole way, as a user walks it: exhibits in, findings out; again; killed; and scored."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.model import Action, Activity, Exhibit, File, Posting, Problem, Seal
from amparo.store.case import Case
from amparo.store.equal import dump
from conftest import Operation, take_in


def test_score_of_the_small_operation(
    worked: Path, operation: Operation, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["score", str(worked), str(operation.truth), "--json"])
    score = json.loads(capsys.readouterr().out)
    visual = score.pop("visual stacks (pairs)")
    assert visual["recall"] >= 0.95 and visual["precision"] >= 0.99, visual
    named = {"membership", "messages", "propagation steps", "first poster", "exact stacks", "known"}
    assert named <= set(score)
    for name, measure in score.items():
        assert measure["truth"], name
        assert (measure["recall"], measure["precision"]) == (1.0, 1.0), (name, measure)


def test_a_second_run_does_nothing_and_says_so(
    worked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for no plan and starts no cell: that is what makes it quick (``benchmarks/operation.py``)."""

    def asked(*_: object) -> None:
        pytest.fail("a second run looks for work")

    before = contents(worked)
    monkeypatch.setattr("amparo.run.plan.Plan.__init__", asked)
    monkeypatch.setattr("amparo.run.guards.LazyGuard.get", asked)
    assert main(["run", str(worked)]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert contents(worked) == before


def contents(path: Path) -> dict[str, str]:
    case = Case.open(path)
    try:
        return dump(case.store)
    finally:
        case.close()


def test_killed_at_twenty_instants_the_case_is_equal_row_for_row(
    worked: Path, operation: Operation, tmp_path: Path
) -> None:
    case = tmp_path / "small.amparo"
    main(["new", str(case), "--scheme", "Triage 1"])
    chance = random.Random(2017)
    entries = operation.entries()
    kills = 0
    for entry in entries[:4]:
        add = [
            "add", str(case), str(operation.root / entry["path"]),
            "--exhibit", entry["number"], "--country", entry["country"], "--site", entry["site"],
            "--holder", entry["holder"], "--legal-basis", entry["legal_basis"],
        ]  # fmt: skip
        kills += killed(add, chance.uniform(0.2, 1.2))
    take_in(operation, case)
    for _ in range(40):
        if kills >= 20:
            break
        kills += killed_at_work(case, chance.randint(1, 3), chance.uniform(0, 0.1))
    assert kills >= 20, "the run was over before it could be killed twenty times"
    assert main(["run", str(case), "--json"]) in (0, 1)
    assert contents(case) == contents(worked)
    opened = Case.open(case)
    assert opened.store.verify() == []
    opened.close()


def killed(verb: list[str], seconds: float) -> bool:
    """Start a verb, kill its process with SIGKILL after some seconds of work; False: it had ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "amparo", *verb],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        process.wait(timeout=0.4 + seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def killed_at_work(case: Path, writes: int, seconds: float) -> bool:
    """Start a run, kill it with SIGKILL some seconds after so many writes to the case; False: it had ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "amparo", "run", str(case)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = case / "case.db-wal"

    def state() -> tuple[int, int]:
        try:
            about = log.stat()
        except FileNotFoundError:
            return 0, 0
        return about.st_size, about.st_mtime_ns

    before = state()
    while writes and process.poll() is None:
        time.sleep(0.002)
        now = state()
        writes -= now != before
        before = now
    time.sleep(seconds)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def test_ctrl_c_stops_and_the_same_command_goes_on(operation: Operation, tmp_path: Path) -> None:
    case = tmp_path / "c.amparo"
    main(["new", str(case)])
    process = subprocess.Popen(
        [sys.executable, "-m", "amparo", "add", str(case), str(operation.root / "exhibits")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    # The last: it was over already, and the interpreter on its way out takes no more signals.
    assert process.returncode in (0, 1, 130, -signal.SIGINT), err
    assert "Traceback" not in err
    assert main(["add", str(case), str(operation.root / "exhibits"), "--json"]) in (0, 1)


def test_sources_are_unchanged(worked: Path, operation: Operation) -> None:
    assert main(["verify", str(worked), "--json"]) == 0
    case = Case.open(worked)
    exhibits = list(case.store.each(Exhibit))
    assert len(exhibits) == len(operation.entries())
    assert len(list(case.store.each(Seal))) == len(exhibits)
    case.close()


def test_verify_sees_one_changed_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "note.txt").write_text("table and chair")
    case = tmp_path / "v.amparo"
    main(["new", str(case)])
    main(["add", str(case), str(folder), "--json"])
    (folder / "note.txt").write_text("table and choir")
    capsys.readouterr()
    assert main(["verify", str(case), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"] and "note.txt" in answer["exhibits"][0]["reason"]


def test_every_action_of_a_cell_names_its_isolation(worked: Path) -> None:
    case = Case.open(worked)
    levels = {
        action.isolation
        for _, action, _ in case.store.actions()
        if action.kind in ("fingerprint/image", "parse/whatsapp.android") and action.inputs
    }
    case.close()
    assert levels and all("seccomp" in level for level in levels), levels


def test_an_exhibit_that_cannot_be_reached_is_said_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a.txt").write_text("lamp")
    case = tmp_path / "gone.amparo"
    main(["new", str(case)])
    main(["add", str(case), str(disk), "--exhibit", "X-1", "--json"])
    (disk / "a.txt").unlink()
    opened = Case.open(case)
    assert [f.path for f in opened.store.each(File)] == ["a.txt"]
    opened.close()
    main(["run", str(case), "--json"])
    (disk / "a.txt").write_text("lamp")
    assert main(["run", str(case), "--json"]) in (0, 1)
    opened = Case.open(case)
    assert not list(opened.store.each(Problem)), list(opened.store.each(Problem))
    opened.close()


def test_refusals_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tmp_path / "none.amparo")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "none.amparo" in lines[0]
    case = tmp_path / "r.amparo"
    main(["new", str(case)])
    assert main(["new", str(case)]) == 2
    assert main(["add", str(case), str(tmp_path / "missing.zip")]) == 2
    assert main(["run", str(case), "--stage", "nothing"]) == 2


def test_action_rows_say_what_was_done(worked: Path) -> None:
    case = Case.open(worked)
    actions: list[Action] = [action for _, action, _ in case.store.actions(limit=100_000)]
    case.close()
    kinds = {a.kind for a in actions}
    assert {"evidence/folder", "evidence/zip", "fingerprint/image", "network/postings"} <= kinds
    assert all(a.started <= a.ended and a.tool.startswith("amparo ") for a in actions)


def test_verify_sees_a_seal_made_to_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever changes the evidence, its rows and its seal together cannot change what intake noted."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "note.txt").write_text("table and chair")
    cases = []
    for name in ("true", "forged"):
        case = tmp_path / f"{name}.amparo"
        main(["new", str(case)])
        main(["add", str(case), str(folder), "--exhibit", "C-1", "--json"])
        cases.append(case)
        (folder / "note.txt").write_text("table and choir")
    # the forged case's rows, in the true case's database: only its chain of actions is left as it was
    target = sqlite3.connect(cases[0] / "case.db")
    target.execute("ATTACH ? AS forged", (str(cases[1] / "case.db"),))
    for table in ("seal", "file", "content"):
        target.execute(f"DELETE FROM {table}")
        target.execute(f"INSERT INTO {table} SELECT * FROM forged.{table}")
    target.commit()
    target.close()
    capsys.readouterr()
    assert main(["verify", str(cases[0]), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["chain"] == []
    assert "SEAL" in answer["exhibits"][0]["reason"]


def test_a_conclusion_says_how_much_it_made_and_how_long_that_took(worked: Path) -> None:
    case = Case.open(worked)
    acts = {
        a.kind: a for _, a, *_ in case.store.actions(0, 100_000) if a.inputs == () and a.outputs
    }
    posted = acts["network/postings"]
    assert posted.outputs == case.store.tally(Posting)[""] > 0
    assert acts["network/activity"].outputs == case.store.tally(Activity)[""]
    assert posted.ended >= posted.started and sum(a.ended - a.started for a in acts.values()) > 0
    case.close()


def test_what_is_found_leads_back_to_its_row(
    worked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find", str(worked), "--text", "mesa", "--limit", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert len(found) == 5
    case = Case.open(worked)
    numbers = {e.number for e in case.store.each(Exhibit)}
    case.close()
    for hit in found:
        name = hit["path"].rpartition("/")[2]
        assert hit["exhibit"] in numbers and name.startswith("msgstore")
        assert hit["table"] and hit["row"] > 0 and "mesa" in hit["text"]
