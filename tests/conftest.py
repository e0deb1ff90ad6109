"""The demo operation, built once, and a case that was taken through every stage, for all tests."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Operation:
    """A built replay operation and its truth."""

    root: Path
    truth: Path

    def entries(self) -> list[dict[str, str]]:
        """The exhibits as labelled."""
        entries: list[dict[str, str]] = json.loads((self.root / "exhibits.json").read_text())
        return entries


def public_data(folder: str) -> Path:
    """A folder of the benign public test data; the test is skipped where it is absent."""
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    path = Path(os.environ.get("AMPARO_TEST_DATA", beside)) / folder
    if not path.exists():
        pytest.skip(f"public test data not here: {path} (set AMPARO_TEST_DATA)")
    return path


@pytest.fixture(scope="session")
def operation(tmp_path_factory: pytest.TempPathFactory) -> Operation:
    """The small replay operation."""
    from amparo.replay import build

    root = tmp_path_factory.mktemp("operation")
    return Operation(root, build(root, "small"))


@pytest.fixture(scope="session")
def worked(operation: Operation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that holds the small operation, every stage done, never interrupted."""
    from amparo.cli import main

    case = tmp_path_factory.mktemp("worked") / "small.amparo"
    assert main(["new", str(case), "--scheme", "Triage 1"]) == 0
    take_in(operation, case)
    assert main(["run", str(case), "--json"]) in (0, 1)
    return case


def take_in(operation: Operation, case: Path) -> None:
    """Add every exhibit and known set of the operation to a new case."""
    from amparo.cli import main

    (case / "keys.txt").write_bytes((operation.root / "keys.txt").read_bytes())
    for entry in operation.entries():
        more = ["--country", entry["country"], "--site", entry["site"], "--holder", entry["holder"]]
        path = str(operation.root / entry["path"])
        add = ["add", str(case), path, "--exhibit", entry["number"], "--json"]
        assert main([*add, *more, "--legal-basis", entry["legal_basis"]]) in (0, 1)
    known = operation.root / "known"
    for name, use in (("benign-ignore.txt", "ignore"), ("alert-vics.json", "alert")):
        assert main(["known", str(case), "add", str(known / name), "--use", use, "--json"]) in (
            0,
            1,
        )
