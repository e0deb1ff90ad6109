"""A disk that is full while a case is written: one clear line, nothing lost, and it goes on afterwards."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amparo.cli import main
from amparo.cli.say import NO_ROOM
from amparo.kit.room import no_room
from amparo.model import Mark, verb_action
from amparo.store import Case, NoRoom, Store, StoreRefused, dump
from conftest import Operation, take_in

PAGE = 4096


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Pages that a database may grow to from its next opening on; 0 for any number."""
    most = {"pages": 0}
    connect = sqlite3.connect

    def limited(*words: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*words, **more)
        if most["pages"] and "mode=rwc" in str(words[0]):
            connection.execute(f"PRAGMA max_page_count={most['pages']}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)
    return most


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    told = [line for line in lines if line.startswith("amparo: ")]
    assert len(told) == 1 and "Traceback" not in "\n".join(lines), lines
    return told[0]


def contents(path: Path) -> dict[str, str]:
    with Case.open(path) as case:
        assert case.store.verify() == []
        return dump(case.store)


def test_a_case_that_finds_no_room_again_and_again_ends_equal_row_for_row(
    worked: Path,
    operation: Operation,
    tmp_path: Path,
    limit: dict[str, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = tmp_path / "full.amparo"
    main(["new", str(case), "--scheme", "Triage 1"])
    capsys.readouterr()
    entry = operation.entries()[0]
    limit["pages"] = (case / "case.db").stat().st_size // PAGE + 3
    add = ["add", str(case), str(operation.root / entry["path"]), "--exhibit", entry["number"]]
    add += ["--country", entry["country"], "--site", entry["site"], "--holder", entry["holder"]]
    assert main([*add, "--legal-basis", entry["legal_basis"], "--json"]) == NO_ROOM
    assert "no room left" in one_line(capsys)
    limit["pages"] = 0
    take_in(operation, case)
    stopped = 0
    while True:
        limit["pages"] = (case / "case.db").stat().st_size // PAGE + 40 * (stopped + 1)
        capsys.readouterr()
        code = main(["run", str(case), "--json"])
        if code != NO_ROOM:
            break
        assert "the same command goes on" in one_line(capsys)
        stopped += 1
    assert code in (0, 1) and stopped >= 3
    assert contents(case) == contents(worked)


def test_a_mark_that_finds_no_room_is_refused_and_the_next_one_is_kept(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    store = Store.create(tmp_path / "a.db")
    store.close()
    limit["pages"] = (tmp_path / "a.db").stat().st_size // PAGE + 2

    def act(number: int, text: str) -> None:
        action = verb_action("note", "a person", "amparo", "alteration", number, ())
        mark = Mark(
            subject=f"subject-{number}", form="note", text=text, performer="a person", time=number
        )
        store.mark(mark, action)

    store = Store.open(tmp_path / "a.db")
    with pytest.raises(StoreRefused, match="no room left") as caught:
        for number in range(200):
            act(number, "a note " * 500)
    assert isinstance(caught.value, NoRoom) and no_room(caught.value)
    kept = len(store.actions())
    act(1000, "")  # the same connection: small enough for the room there is
    assert len(store.actions()) == kept + 1 and store.verify() == []
    assert store.tally(Mark)[""] == len(store.actions())
    store.close()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "x"), False),
        (sqlite3.OperationalError("x"), False),
        (None, False),
    ],
)
def test_what_is_a_full_disk(error: BaseException | None, full: bool) -> None:
    assert no_room(error) == full
    outer = ValueError("wrapped")
    outer.__cause__ = error
    assert no_room(outer) == full
    if error is not None:
        error.__cause__ = outer  # in a circle
        assert no_room(outer) == full


SMALL = """
import subprocess, sys
from pathlib import Path
place, root = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1700k", "tmpfs", str(place)], check=True)
case = place / "c.amparo"

def amparo(*words):
    done = subprocess.run([sys.executable, "-m", "amparo", *words], capture_output=True, text=True)
    print(done.returncode, len(done.stderr.strip().splitlines()), done.stderr.strip()[:200])
    return done.returncode

assert amparo("new", str(case)) == 0
packed = next(root.glob("exhibits/*.tar.gz"))
assert amparo("add", str(case), str(packed), "--json") == 3
assert not list(case.glob("derived/*.part")), "what was begun takes no room"
try:
    (place / "filler").write_bytes(bytes(1 << 21))
except OSError:
    pass
assert amparo("run", str(case), "--json") == 3
subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
assert amparo("add", str(case), str(packed), "--json") in (0, 1)
assert amparo("run", str(case), "--json") in (0, 1)
assert amparo("verify", str(case)) == 0
"""


def test_a_disk_of_1700_kilobytes(operation: Operation, tmp_path: Path) -> None:
    """The whole way on a file system that really is full, where this machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    alone = ["unshare", "--mount", "--map-root-user"]
    mount = [*alone, "mount", "-t", "tmpfs", "tmpfs", str(place)]
    if not shutil.which("unshare") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    words = [*alone, sys.executable, "-c", SMALL, str(place), str(operation.root)]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("3 ")]
    assert len(refused) == 2 and all(
        line.startswith("3 1 amparo: no room left") for line in refused
    )
