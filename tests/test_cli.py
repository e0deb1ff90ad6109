"""Odd arguments and interrupted work at the command line: one line of refusal, never a trace, never a loss."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.cli.case import by_reason
from amparo.cli.main import EXAMPLES, FIRST, HELP, VERBS, parser
from amparo.kit.schemes import SCHEMES
from amparo.match.sets import compile_set
from amparo.model import (
    Account,
    AccountName,
    At,
    Exhibit,
    Message,
    Problem,
    Record,
    Resolution,
    Seal,
    Tenure,
    Thread,
    ThreadInfo,
)
from amparo.run.plan import STAGES
from amparo.store import Case

Said = pytest.CaptureFixture[str]


@pytest.fixture
def case(tmp_path: Path, capsys: Said) -> Path:
    path = tmp_path / "case.amparo"
    assert main(["new", str(path)]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "note.txt").write_text("table and chair")
    return folder


def refused(capsys: Said, *args: str | Path) -> str:
    """The one line a verb refuses with."""
    assert main([str(a) for a in args]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_exhibit_of_any_name_is_added_twice_and_shown_safely(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    path = os.fsencode(tmp_path) + b"/card\xff\x1b[31m\n"
    os.mkdir(path)
    for _ in range(2):
        assert main(["add", str(case), os.fsdecode(path), "--json"]) == 0
        assert (
            json.loads(capsys.readouterr().out)["exhibits"][0]["number"]
            == "card\\xff\\x1b[31m\\x0a"
        )
    assert main(["status", str(case)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in refused(capsys, "add", case, tmp_path / "gone\x1b[31m")


def test_a_relative_path_gives_the_folders_own_name(
    case: Path, card: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card)
    assert main(["add", str(case), ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exhibits"][0]["number"] == "card"
    assert "--exhibit" in refused(capsys, "add", case, "/")


def test_the_case_is_no_exhibit_of_its_own(case: Path, capsys: Said) -> None:
    for path in (case, case.parent, case / "derived"):
        assert "the case itself" in refused(capsys, "add", case, path)


def test_a_case_is_not_made_where_it_could_not_be_used(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "n.amparo"
    assert "scheme" in refused(capsys, "new", path, "--scheme", "nonsense")
    assert "mysql" in refused(capsys, "new", path, "--store", "mysql://host/db")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert main(["new", str(path), "--store", f"postgresql://u:word@127.0.0.1:{port}/x"]) == 2
    assert "word" not in capsys.readouterr().err
    assert main(["new", str(path)]) == 0, "what failed before does not stand in the way"


def test_finding_with_odd_arguments(case: Path, card: Path, tmp_path: Path, capsys: Said) -> None:
    assert "32, 40 or 64" in refused(capsys, "find", case, "--hash", "")
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refused(capsys, "find", case, "--image", tmp_path / "pipe")
    for wrong in ("-1", "0", "many"):
        with pytest.raises(SystemExit):
            main(["find", str(case), "--text", "x", "--limit", wrong])
    with pytest.raises(SystemExit):
        main(["review", str(case), "--port", "65536"])


def test_an_account_is_found_behind_many_other_hits(case: Path, capsys: Said) -> None:
    with Case.open(case, write=True) as opened:
        opened.store.put(Exhibit(number=f"Pine {n}", form="folder", source="/x") for n in range(60))
        at = At("exhibit", "file", "wa_contacts", 1)
        opened.store.put([AccountName(at=at, account="a", name="Pine token", source="push")])
    assert main(["find", str(case), "--account", "pine", "--json", "--limit", "5"]) == 0
    assert [f["kind"] for f in json.loads(capsys.readouterr().out)["found"]] == ["account_name"]


def test_an_account_is_told_once_with_its_names_and_groups(case: Path, capsys: Said) -> None:
    exhibit = Exhibit(number="ES-1", form="folder", source="/x")
    at = At(exhibit.id, "file", "wa_contacts", 1)
    phone = Account(service="whatsapp", handle="447700900001@s.whatsapp.net", form="phone",
                    phone="+447700900001", country="GB")  # fmt: skip
    lid = Account(service="whatsapp", handle="77@lid", form="lid")
    chat = Thread(service="whatsapp", handle="1203@g.us", form="group")
    records: list[Record] = [
        exhibit,
        phone,
        lid,
        chat,
        ThreadInfo(at=at, thread=chat.id, subject="Orchard"),
    ]
    records += [Resolution(form="account", source=a.id, canonical=phone.id) for a in (phone, lid)]
    records += [AccountName(at=at, account=a.id, name="Pine", source="push") for a in (phone, lid)]
    records += [
        Tenure(thread=chat.id, account=lid.id, role="admin", since=1_700_000_000_000, until=None, present=True),
        Message(at=at, thread=chat.id, key="K", sender=lid.id, from_owner=False,
                sent=1_700_000_060_000, form="text", text="quince"),
    ]  # fmt: skip
    with Case.open(case, write=True) as opened:
        opened.store.put(records)
    for words in ("pine", "+447700900001", "447700900001"):
        assert main(["find", str(case), "--account", words]) == 0
        said = capsys.readouterr().out
        assert said.splitlines()[0] == "+447700900001 GB  447700900001@s.whatsapp.net, 77@lid", (
            words
        )
        assert "called Pine on ES-1" in said and said.count("on the desk") == 1
        assert "in Orchard, admin: 2023-11-14 22:13:20 UTC to at seizure" in said
    assert main(["find", str(case), "--text", "quince"]) == 0
    assert "2023-11-14 22:14:20 UTC by +447700900001 in Orchard" in capsys.readouterr().out
    assert main(["find", str(case), "--account", "pine", "--json"]) == 0
    (account,) = json.loads(capsys.readouterr().out)["accounts"]
    assert account["names"] == {"Pine": ["ES-1"]} and account["groups"][0]["role"] == "admin"


def test_a_port_that_is_taken_and_a_scheme_nobody_knows(
    case: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = str(taken.getsockname()[1])
        assert "in use" in refused(capsys, "review", case, "--no-open", "--port", port)
    monkeypatch.setenv("AMPARO_SCHEME", "nonsense")
    assert "scheme" in refused(capsys, "review", case, "--no-open")


def test_status_names_databases_that_no_parser_knows(case: Path, card: Path, capsys: Said) -> None:
    for name, columns in (("notes", "body TEXT"), ("wa_contacts", "jid TEXT, display_name TEXT")):
        database = sqlite3.connect(card / f"{name}.db")
        database.execute(f"CREATE TABLE {name} (_id INTEGER PRIMARY KEY, {columns})")
        database.close()
    shutil.copy(card / "notes.db", card / "copy.db")
    assert main(["add", str(case), str(card), "--exhibit", "X-1"]) == 0
    main(["run", str(case)])
    capsys.readouterr()
    main(["status", str(case), "--json"])
    unknown = json.loads(capsys.readouterr().out)["unknown_databases"]
    assert [row["exhibit"] for row in unknown] == ["X-1"] and unknown[0]["path"] != "wa_contacts.db"
    main(["status", str(case)])
    assert "Databases of applications no parser knows: 1" in capsys.readouterr().out


def test_score_wants_the_truth(case: Path, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "truth.json").write_text("{}")
    assert "truth.db" in refused(capsys, "score", case, tmp_path / "truth.json")


def listed(folder: Path, word: str = "chair") -> Path:
    """A list of one hash."""
    path = folder / "list.txt"
    path.write_text(hashlib.md5(word.encode()).hexdigest() + "\n")
    return path


def test_a_known_set_cut_short_does_not_stand_in_the_way(
    case: Path, tmp_path: Path, capsys: Said
) -> None:
    source = listed(tmp_path)
    compile_set(source, case / "derived", "list", "ignore")  # killed before the record was written
    assert main(["known", str(case), "add", str(source), "--use", "alert", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["set"]["use"] == "alert"
    with Case.open(case) as opened:
        assert [a.kind for _, a, _ in opened.store.actions()] == ["known/add"]


def test_a_known_set_without_its_arrays_is_said_and_can_go(
    case: Path, card: Path, tmp_path: Path, capsys: Said
) -> None:
    assert main(["known", str(case), "add", str(listed(tmp_path)), "--use", "alert"]) == 0
    assert main(["add", str(case), str(card)]) == 0
    shutil.rmtree(case / "derived" / "known")
    capsys.readouterr()
    assert main(["run", str(case), "--json"]) == 2
    assert "add its list again" in capsys.readouterr().err
    assert main(["known", str(case), "remove", "list"]) == 0
    assert main(["run", str(case), "--json"]) == 0


def test_what_is_no_list_is_refused(case: Path, tmp_path: Path, capsys: Said) -> None:
    wild = tmp_path / "wild.txt"
    wild.write_bytes(b"md5,\rsha1,x\n" * 3)
    assert "not a hash list" in refused(capsys, "known", case, "add", wild, "--use", "alert")
    assert "without pages" in refused(capsys, "known", case, "add", tmp_path, "--use", "alert")


def test_verify_sees_an_added_file_and_a_list_that_was_changed(
    case: Path, card: Path, capsys: Said
) -> None:
    def verified() -> str:
        main(["verify", str(case), "--json"])
        return str(json.loads(capsys.readouterr().out)["exhibits"][0]["reason"])

    assert main(["add", str(case), str(card), "--json"]) == 0
    capsys.readouterr()
    assert verified() == ""
    (card / "later.txt").write_text("lamp")
    assert "later.txt (added)" in verified()
    (card / "later.txt").unlink()
    with Case.open(case, write=True) as opened:
        with opened.store._backend.writing() as connection:
            connection.exec_driver_sql("UPDATE file SET size = size + 1")
    assert "not the one that was sealed" in verified()


def test_a_container_that_never_reads_the_same_is_a_problem(
    case: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "phone.zip", "w") as made:
        made.writestr("note.txt", "table")

    def never(*_: object) -> None:
        raise ValueError("two readings never agreed in 5")

    with monkeypatch.context() as patch:
        patch.setattr("amparo.run.intake.hash_pieces", never)
        assert main(["add", str(case), str(tmp_path / "phone.zip"), "--json"]) == 1
    with Case.open(case) as opened:
        (problem,) = opened.store.each(Problem)
        assert "never agreed" in problem.reason and not list(opened.store.each(Seal))
    capsys.readouterr()
    assert main(["run", str(case), "--json"]) == 0
    with Case.open(case) as opened:
        assert not list(opened.store.each(Problem)) and list(opened.store.each(Seal))


def test_a_database_changed_since_intake_is_not_read_as_the_one_sealed(
    case: Path, card: Path, capsys: Said
) -> None:
    page = b"<html><a href='https://example.org/%d'>x</a></html>"
    (card / "page.html").write_bytes(page % 1)
    assert main(["add", str(case), str(card), "--json"]) == 0
    (card / "page.html").write_bytes(page % 2)
    assert main(["run", str(case), "--json"]) == 1
    with Case.open(case) as opened:
        (problem,) = opened.store.each(Problem)
        assert "changed since intake" in problem.reason and problem.path == "page.html"


def help_of(capsys: Said, *verb: str) -> str:
    with pytest.raises(SystemExit) as done:
        main([*verb, "--help"])
    assert done.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_of_every_verb_shows_a_command_that_is_understood(capsys: Said) -> None:
    assert set(EXAMPLES) == set(VERBS) == set(HELP)
    for verb, example in EXAMPLES.items():
        assert f"example: {example}" in help_of(capsys, verb)
        assert parser().parse_args(shlex.split(example)[1:]).verb == verb
    first = help_of(capsys)
    for line in FIRST.splitlines()[1:7]:
        assert parser().parse_args(shlex.split(line)[1:]).verb in first


def test_help_names_the_stages_and_the_schemes_there_are(capsys: Said) -> None:
    assert ", ".join(STAGES) in help_of(capsys, "run")
    assert all(name in help_of(capsys, "new") for name in SCHEMES)


def test_every_option_has_words(capsys: Said) -> None:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = [(verb, a) for verb, p in action.choices.items() for a in p._actions]
    assert [f"{verb} {a.dest}" for verb, a in told if not a.help and not a.choices] == []


def test_the_desk_tells_its_address_as_json(case: Path) -> None:
    desk = subprocess.Popen(
        [sys.executable, "-m", "amparo", "review", str(case), "--no-open", "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert desk.stdout is not None
        address = json.loads(desk.stdout.readline())["address"]
        assert address.startswith("http://127.0.0.1:") and "/?token=" in address
        host, _, token = address.removeprefix("http://").partition("/")
        asked = http.client.HTTPConnection(host, timeout=20)
        asked.request("GET", f"/{token}")
        assert asked.getresponse().status == 303, "the door opens"
        asked.close()
    finally:
        desk.terminate()
        desk.wait(20)


def test_the_truth_is_found_beside_the_exhibits(case: Path, tmp_path: Path, capsys: Said) -> None:
    assert "name it" in refused(capsys, "score", case)
    replay = tmp_path / "operation"
    (replay / "exhibits" / "ES-1").mkdir(parents=True)
    (replay / "exhibits.json").write_text("[]")
    (replay / "truth.db").write_text("no database")
    assert main(["add", str(case), str(replay / "exhibits" / "ES-1")]) == 0
    capsys.readouterr()
    assert f"{replay}/truth.db: no truth file" in refused(capsys, "score", case)


def test_problems_are_told_by_reason_the_commonest_first() -> None:
    said = [("A-1", "x.jpg", "no place"), ("A-1", "y.db", "cut"), ("B-2", "z.jpg", "no place")]
    assert by_reason(said) == [
        (2, "no place", "A-1 +1", "x.jpg and 1 more"),
        (1, "cut", "A-1", "y.db"),
    ]


def test_the_next_step_is_said_as_it_can_be_typed(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "amparo"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert main(["new", str(tmp_path / "one.amparo")]) == 0
    assert f"next: {program} add " in capsys.readouterr().out
    monkeypatch.setenv("PATH", str(program.parent))
    assert main(["new", str(tmp_path / "two.amparo")]) == 0
    assert "next: amparo add " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["new", str(tmp_path / "three.amparo")]) == 0
    assert f"next: {sys.executable} -m amparo add " in capsys.readouterr().out
