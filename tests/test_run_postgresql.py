"""The whole way on PostgreSQL: the case is equal, row for row, to the one on SQLite; the desk opens on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from amparo.cli import main
from amparo.review import create_app
from amparo.store.case import Case
from amparo.store.equal import dump
from conftest import Operation, take_in
from postgres import new_database


def test_on_postgresql_the_case_is_equal_row_for_row(
    worked: Path, operation: Operation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.amparo"
    assert main(["new", str(path), "--scheme", "Triage 1", "--store", new_database()]) == 0
    take_in(operation, path)
    assert main(["run", str(path), "--json"]) in (0, 1)
    assert main(["verify", str(path)]) == 0
    assert main(["find", str(path), "--text", "mesa", "--limit", "3"]) == 0
    assert main(["status", str(path)]) in (0, 1)
    assert "Everything is up to date." in capsys.readouterr().out
    with Case.open(path, write=True) as case, Case.open(worked) as other:
        assert case.store.verify() == []
        assert dump(case.store) == dump(other.store)
        app = create_app(case, "secret", lambda content, side: None, "Analyst 1")
        desk = TestClient(app, base_url="http://127.0.0.1:8123")
        assert desk.get("/?token=secret").status_code == 200
        for page in ("/", "/gallery", "/threads", "/accounts", "/graph", "/recovered", "/problems",
                     "/actions?verify=1", "/search?q=mesa"):  # fmt: skip
            assert desk.get(page).status_code == 200, page
