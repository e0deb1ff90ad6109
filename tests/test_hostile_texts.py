"""Texts of an exhibit that mean harm: in every field of every record, on every page and in every answer."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from amparo.cli import main
from amparo.model import (
    KINDS,
    At,
    Content,
    Exhibit,
    File,
    Message,
    Record,
    Thread,
    describe,
    path_text,
)
from amparo.review.app import create_app
from amparo.store.case import Case
from recovering import erased, noted
from review_case import make_case

HARM = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`&<!--{{7*7}}${7*7}"
    "\x1b[31m\x9b2J\x07\x7f\r\n\u202egpj.exe\u2066\u200f\u061c\u2028=HYPERLINK(1)"
)
"""Markup, templates, terminal codes, line breaks, direction marks, the beginning of a formula."""
BASE = "http://127.0.0.1:8123"
CODES = {
    "exhibit.country", "exhibit.form", "file.state", "file.entry", "file.content", "file.locator",
    "content.sha256", "content.sha1", "content.md5", "content.mime", "account.service", "account.form",
    "account.country", "account.handle", "account.phone", "thread.service", "thread.form", "message.form",
    "known_match.use", "known_match.scheme", "known_match.code", "known_match.algorithm", "known_set.use",
    "known_set.scheme", "known_set.edition", "fingerprint.algorithm", "seal.method", "seal.sha256",
    "position.method", "problem.stage", "problem.plugin", "membership.role", "membership_event.event",
    "tenure.role", "stack_member.method", "alias.basis", "account_name.source", "resolution.form", "link.form",
    "lead.form", "mark.form", "mark.scheme", "mark.version", "mark.code", "posting.dated", "content_kind.form",
    "media.format", "structure.format", "attachment.mime",
}  # fmt: skip
"""Fields that hold a code of ours, a hash or a number: what fills them is checked elsewhere."""


def spoilt(records: list[Record]) -> list[Record]:
    """The same records with harm in every text; where an id depends on a text, all follow."""
    there = {one.id: one for one in records}
    made: dict[str, Record] = {}

    def text(kind: str, name: str, value: str, own: str) -> str:
        if value in there and value != own:
            return renewed(value).id
        if f"{kind}.{name}" in CODES or re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value
        ):
            return value
        return path_text((value + HARM).encode()) if name == "path" else value + HARM

    def renewed(id: str) -> Record:
        if id not in made:
            one = there[id]
            values: dict[str, Any] = {}
            for field in describe(type(one)):
                value = getattr(one, field.name)
                if isinstance(value, str):
                    value = text(one.KIND, field.name, value, id)
                elif isinstance(value, tuple):
                    value = tuple(text(one.KIND, field.name, v, id) for v in value)
                elif isinstance(value, At):
                    value = replace(
                        value,
                        exhibit=renewed(value.exhibit).id
                        if value.exhibit in there
                        else value.exhibit,
                        file=renewed(value.file).id if value.file in there else value.file,
                        table=value.table + HARM,
                    )
                values[field.name] = value
            made[id] = type(one)(**values)
        return made[id]

    return [renewed(one.id) for one in records]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    honest = make_case(folder / "honest.amparo")
    records = [r for kind in KINDS.values() for r in honest.store.each(kind)]
    honest.close()
    with Case.create(folder / "harm.amparo", f"Operation {HARM}") as made:
        made.store.put(spoilt(records))
    return folder / "harm.amparo"


def addresses(store: Any) -> list[str]:
    """Every page without a parameter, those of some records of each kind, and searches."""
    pages = [
        "/", "/gallery", "/gallery?known=all&order=copies&grade=none", "/threads", "/threads?form=all",
        "/accounts", "/accounts?sort=-name", "/graph", "/problems", "/actions", "/actions?verify=1",
        "/search?q=script", "/search?q=alert", "/search?q=" + "%3Cscript%3E%1b", "/recovered",
    ]  # fmt: skip
    for kind in KINDS.values():
        some = [one for one, _ in zip(store.each(kind), range(3), strict=False)]
        pages += [f"/record/{kind.KIND}/{one.id}" for one in some]
        if kind in (Thread, Content):
            pages += [f"/{kind.KIND}/{one.id}" for one in some]
        if kind.KIND in ("account",):
            pages += [f"/account/{one.id}" for one in some]
        if kind is Content:
            pages += [f"/stack/{one.id}" for one in some]
    return pages


def test_no_text_gets_out_of_a_page(case: Path) -> None:
    with Case.open(case, write=True) as opened:
        desk = TestClient(create_app(opened, "secret", lambda *_: None, "Analyst 1"), base_url=BASE)
        assert desk.get("/?token=secret").status_code == 200
        shown = 0
        for address in addresses(opened.store):
            answer = desk.get(address, headers={"accept": "text/html"})
            assert answer.status_code in (200, 404), address
            page = answer.text
            for harm in ("<script>alert", "<img src=x", "49\x1b", "\x1b", "\x9b", "\x07", "\x7f",
                         "\u202e", "\u2066", "\u200f", "\u061c", "\u2028"):  # fmt: skip
                assert harm not in page, (
                    address,
                    harm,
                    page[max(0, page.index(harm) - 80) :][:200],
                )
            inside = re.findall(r"<[a-z][^>]*>", page)
            assert not [
                t for t in inside if re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', t))
            ], address
            shown += "&lt;script&gt;alert(1)" in page
            told = desk.get(address, headers={"accept": "application/json"})
            assert told.headers["content-type"].startswith(("application/json", "text/html")), (
                address
            )
            assert told.headers["x-content-type-options"] == "nosniff"
        assert shown > 25


def spoken(capsys: pytest.CaptureFixture[str], *words: str, code: tuple[int, ...] = (0, 1)) -> str:
    capsys.readouterr()
    assert main(list(words)) in code
    said = capsys.readouterr()
    for letter in said.out + said.err:
        safe = letter == "\n" or (letter.isprintable() and letter not in "\u200f\u061c\u2028")
        assert safe, (words, hex(ord(letter)))
    return said.out + said.err


def test_no_text_steers_a_terminal(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(case)
    with Case.open(case) as opened:
        message = next(m for m in opened.store.each(Message) if m.text)
        digest = next(opened.store.each(Content)).sha256
        assert HARM in message.text and HARM in next(opened.store.each(Exhibit)).number
        assert "\\x1b" in next(opened.store.each(File)).path
    asked = [
        ("status", place), ("find", place, "--text", "script alert", "--limit", "60"),
        ("find", place, "--account", "alert", "--limit", "60"), ("find", place, "--hash", digest),
        ("known", place, "list"), ("verify", place),
    ]  # fmt: skip
    found = 0
    for words in asked:
        text = spoken(capsys, *words)
        found += "\\u001b[31m" in text or "\\x1b[31m" in text
        json.loads(spoken(capsys, *words, "--json"))
    assert found >= 4


def test_a_recovered_text_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = noted(tmp_path / "a.db", 20)
    db.execute(f'ALTER TABLE note ADD COLUMN "{HARM.replace(chr(34), chr(34) * 2)}"')
    db.execute("UPDATE note SET body = ?", (f"\x1b[31m\u202e{HARM}",))
    db.execute('CREATE TABLE "t\x1b\u202e" (a, b)')
    db.execute('INSERT INTO "t\x1b\u202e" VALUES (?, ?)', (HARM, HARM))
    erased(db, range(5, 9))
    db.close()
    path = str(tmp_path / "a.db")
    assert "\\u001b[31m" in spoken(capsys, "recover", path, "--live")
    rows = [
        json.loads(line)
        for line in spoken(capsys, "recover", path, "--live", "--json").splitlines()
        if line[:1] == "{"
    ]
    assert any(HARM in map(str, row["columns"].values()) for row in rows)


def test_a_refusal_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = spoken(capsys, "status", str(tmp_path / f"no{HARM.replace('/', '')}"), code=(2,))
    assert text.count("\n") == 1 and "\\u001b" in text


def test_marks_of_direction_come_through_the_pages_as_words(case: Path) -> None:
    """What is taken out is shown, so that nobody reads another name than there is."""
    with Case.open(case, write=True) as opened:
        desk = TestClient(create_app(opened, "secret", lambda *_: None, "Analyst 1"), base_url=BASE)
        desk.get("/?token=secret")
        page = desk.get("/threads", headers={"accept": "text/html"}).text
    assert "U+202E" in html.unescape(page) and "gpj.exe" in page
