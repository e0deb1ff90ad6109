"""PhotoRec beside our own carver in a case: asked for, fenced in, told once."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

import planted
from amparo.cli import main
from amparo.model import Content, File, Media, Problem
from amparo.recover import photorec
from amparo.store import Case
from amparo.store.case import read_config


def card(path: Path) -> tuple[bytes, bytes]:
    """A card without a file system: a photograph in one piece, and one of a form we do not carve."""
    photo = planted.picture("JPEG", 60, 640, 480)
    other = planted.picture("JPEG", 61, 320, 240)
    disk = bytearray(8 << 20)
    disk[1 << 20 : (1 << 20) + len(photo)] = photo
    disk[4 << 20 : (4 << 20) + len(other)] = other
    path.write_bytes(disk)
    return photo, other


def case_of(tmp_path: Path, asked: bool) -> Path:
    case = tmp_path / "case.amparo"
    assert main(["new", str(case)]) == 0
    if asked:
        text = (case / "case.toml").read_text()
        assert "photorec = false\n" in text
        (case / "case.toml").write_text(text.replace("photorec = false", "photorec = true"))
    assert main(["add", str(case), str(tmp_path / "card.dd"), "--country", "ES"]) in (0, 1)
    return case


ONLY = ["--only", "recover/photorec"]


def a_program(folder: Path, text: str) -> None:
    """A program called photorec, first on the path."""
    folder.mkdir()
    (folder / "photorec").write_text("#!/bin/sh\n" + text)
    (folder / "photorec").chmod(0o755 | stat.S_IXUSR)


def test_it_runs_only_where_it_is_asked_for(tmp_path: Path) -> None:
    card(tmp_path / "card.dd")
    path = case_of(tmp_path, asked=False)
    assert main(["run", str(path), "--stage", "recover"]) in (0, 1)
    with Case.open(path) as case:
        assert not [a for _, a, _ in case.store.history("") if "photorec" in a.kind]
        assert case.store.is_done("recover/photorec", "*") is None
        assert {f.method for f in case.store.each(File, state="carved")} == {"contiguous"}


def test_it_is_said_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photorec, "installed", lambda: "")
    card(tmp_path / "card.dd")
    path = case_of(tmp_path, asked=True)
    assert main(["run", str(path), *ONLY]) == 1
    with Case.open(path) as case:
        (said,) = case.store.each(Problem, plugin="recover/photorec")
        assert "not installed here (package testdisk)" in said.reason
    capsys.readouterr()
    assert main(["run", str(path), *ONLY]) == 0, "nothing is tried again until it is installed"
    assert "Nothing to do" in capsys.readouterr().out


def test_what_both_find_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not photorec.installed():
        pytest.skip("photorec (package testdisk) is not installed")
    photo, other = card(tmp_path / "card.dd")
    path = case_of(tmp_path, asked=True)
    assert main(["run", str(path)]) in (0, 1)
    with Case.open(path) as case:
        files = list(case.store.each(File, state="carved"))
        hashes = [case.store.get(Content, f.content).sha256 for f in files]  # type: ignore[union-attr]
        assert sorted(hashes) == sorted([planted.sha256(photo), planted.sha256(other)])
        (exhibit,) = {f.exhibit for f in files}
        actions = [a for _, a, _ in case.store.history(exhibit) if a.kind == "recover/photorec"]
        assert (
            actions[-1].purpose == "0 files that the carver did not find, 2 that it found as well"
        )
        assert "photorec: " in actions[-1].isolation and "nnp" in actions[-1].isolation
    assert not list((path / "derived").glob("photorec-*"))
    capsys.readouterr()
    assert main(["run", str(path)]) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_what_only_it_finds_is_read_from_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own carver is kept from finding anything; its absence here is made, not met."""
    if not photorec.installed():
        pytest.skip("photorec (package testdisk) is not installed")
    photo, _ = card(tmp_path / "card.dd")
    path = case_of(tmp_path, asked=True)
    for only in (ONLY, ["--only", "image"]):
        assert main(["run", str(path), *only]) in (0, 1)
    with Case.open(path) as case:
        files = {f.path: f for f in case.store.each(File, state="carved")}
        one = files["#photorec/000001048576.jpg"]
        assert one.method == "photorec" and one.confidence == 0.7
        assert json.loads(one.locator)["runs"] == [[1 << 20, len(photo)]]
        content = case.store.get(Content, one.content)
        assert content is not None and content.sha256 == planted.sha256(photo)
        assert list(case.store.each(Media, content=content.id)), "its pixels were looked at"


def test_a_program_that_fails_or_lies_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card(tmp_path / "card.dd")
    a_program(tmp_path / "bin", "exit 3\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    path = case_of(tmp_path, asked=True)
    assert main(["run", str(path), *ONLY]) == 1
    with Case.open(path) as case:
        (said,) = case.store.each(Problem, plugin="recover/photorec")
        assert said.reason == "photorec left no report (status 3)"
    report = (
        "<dfxml><fileobject><filename>f1.jpg</filename><filesize>10</filesize><byte_runs>"
        "<byte_run offset='0' img_offset='999999999' len='10'/></byte_runs></fileobject></dfxml>"
    )
    (tmp_path / "bin" / "photorec").write_text(
        f'#!/bin/sh\nmkdir "$2.1" && echo "{report}" > "$2.1/report.xml"\n'
    )
    assert main(["run", str(path), *ONLY]) == 1
    with Case.open(path) as case:
        (said,) = case.store.each(Problem, plugin="recover/photorec")
        assert said.reason == "PhotoRec names 1 files beyond the end of what it was given"


def test_the_setting_stands_in_the_case_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text('name = "x"\nphotorec = true\n')
    assert read_config(path, {}).photorec
    assert not read_config(path, {"AMPARO_PHOTOREC": "false"}).photorec
    for text, given in (('name = "x"\nphotorec = 1', {}), ('name = "x"', {"AMPARO_PHOTOREC": "x"})):
        path.write_text(text)
        with pytest.raises(ValueError, match="must be true or false"):
            read_config(path, given)
