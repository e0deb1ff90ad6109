"""The desk shows what was erased: databases, gaps where they fall, rows of any application, the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from amparo.model import (
    Account,
    At,
    DatabaseState,
    File,
    Gap,
    Message,
    Orphan,
    Record,
    RecoveredRow,
    Resolution,
    Thread,
)
from amparo.review.app import create_app
from amparo.review.record import dump
from review_case import HOSTILE, START, make_case

A = Account(service="whatsapp", handle="447700900001@s.whatsapp.net", form="phone")
CHAT = Thread(service="whatsapp", handle="1203@g.us", form="group")
OTHER = Thread(service="whatsapp", handle="1204@g.us", form="group")


class Desk:
    """A desk over a case in which messages 4 to 6 of one phone are missing."""

    def __init__(self, path: Path) -> None:
        self.case = make_case(path, exhibits=4, people=32, groups=2, stacks=10)
        exhibit, file = next(
            (f.exhibit, f.id) for f in self.case.store.each(File) if f.path.endswith(".db")
        )
        self.file = file
        self.asked: list[tuple[At, int]] = []
        records: list[Record] = [A, CHAT, OTHER]
        records += [Resolution(form="thread", source=t.id, canonical=t.id) for t in (CHAT, OTHER)]

        def said(row: int, thread: Thread, **more: object) -> Message:
            at = At(exhibit, file, "message", row, **more)  # type: ignore[arg-type]
            return Message(
                at=at, thread=thread.id, key=f"K{row}", sender=A.id, from_owner=None,
                sent=START + row * 60_000, form="text", text=f"words of {row}",
            )  # fmt: skip

        self.back = said(
            5, CHAT, offset=4096, length=40, state="deleted", method="wal_stale", confidence=0.99,
            companion="-wal", frame=3,
        )  # fmt: skip
        records += [said(n, CHAT) for n in (1, 2, 3, 7)] + [said(8, OTHER), self.back]
        gap = At(exhibit, file, "message", state="deleted", method="id_gap", confidence=0.95)
        self.gap = Gap(
            at=gap, column="_id", first=4, last=6, missing=3, recovered=1,
            after=START + 180_000, before=START + 420_000,
        )  # fmt: skip
        row = At(exhibit, file, "notes", 9, 100, 20, "deleted", "freeblock", 0.93)
        records += [
            self.gap,
            Gap(at=gap, column="_id", first=20, last=29, missing=10),
            DatabaseState(
                at=At(exhibit, file), pages=20, page_size=4096, encoding="UTF-8",
                journal_mode="write-ahead log", auto_vacuum="none", erasing="overwritten", freed=500,
                live=7, missing=13, recovered=("wal_stale=1", "freeblock=1"), left_out=3,
            ),
            Orphan(
                at=At(exhibit, file, "message_media", 6, 10, 10, "live", "orphan", 1.0),
                parent="message", number=6, rows=2, tables=("message_media=1", "receipt_user=1"),
                time=START + 361_000,
            ),
            RecoveredRow(
                at=row, text=HOSTILE,
                columns=json.dumps({"title": HOSTILE, "data": {"bytes": 9, "hex": "00ff"}, "n": None}),
            ),
        ]  # fmt: skip
        self.case.store.put(records, "test")
        app = create_app(self.case, "token", lambda *_: None, "tester", self.piece)
        self.client = TestClient(app, base_url="http://127.0.0.1")
        assert self.client.get("/?token=token").status_code == 200

    def piece(self, at: At, most: int) -> bytes:
        self.asked.append((at, most))
        if at.companion:
            return b"the very bytes\x00\xff <b>"
        raise ValueError("it has gone")

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text and "\u202e" not in answer.text
        return str(answer.text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("recovered") / "r.amparo")
    yield made
    made.case.close()


def test_databases_gaps_leftovers_and_rows(desk: Desk) -> None:
    page = desk.get("/recovered")
    for words in (
        "overwritten on erasing (secure_delete)", "wal stale 1", "freeblock 1", "4096 B, UTF-8",
        "3 rows too many to keep", "20–29", "message_media 1", "9 bytes 00ff",
    ):  # fmt: skip
        assert words in page, words
    told = desk.client.get("/recovered?format=json").json()
    assert (told["missing"], told["gap_count"], told["orphan_count"], told["row_count"]) == (
        13, 2, 1, 1
    )  # fmt: skip
    assert [g["gap"]["missing"] for g in told["gaps"]] == [3, 10], "those between dated rows first"
    assert "No number is missing" in desk.get("/recovered?at_file=elsewhere")


def test_a_chat_reads_with_its_gap_between_the_messages(desk: Desk) -> None:
    page = desk.get(f"/thread/{CHAT.id}/messages")
    order = ["words of 3", "3 messages missing", "words of 5", "words of 7"]
    places = [page.index(text) for text in order]
    assert places == sorted(places) and page.count("messages missing") == 1
    assert "between 2016-06-04 00:29:40 and 2016-06-04 00:33:40" in page
    assert "both neighbours are of this chat" in page and "1 brought back" in page
    assert "wal stale, confidence 0.99" in page and "direction not known" in page
    other = desk.get(f"/thread/{OTHER.id}/messages")
    assert "words of 8" in other and "messages missing" not in other


def test_the_page_of_a_chat_says_where_messages_are_missing(desk: Desk) -> None:
    page = desk.get(f"/thread/{CHAT.id}")
    assert "Where messages are missing" in page and "row numbers 4 to 6" in page
    assert f'href="/thread/{CHAT.id}/messages"' in page
    assert "Where messages are missing" not in desk.get(f"/thread/{OTHER.id}")


def test_a_window_of_messages_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amparo.review.messages.ROWS", 3)
    told = desk.client.get(f"/thread/{CHAT.id}/messages?format=json").json()
    assert [x["message"]["key"] for x in told["lines"] if x["message"]] == ["K1", "K2", "K3"]
    rest = desk.client.get(f"/thread/{CHAT.id}/messages?format=json&after={told['next']}").json()
    assert [x["message"]["key"] for x in rest["lines"] if x["message"]] == ["K5", "K7"]
    assert rest["next"] == ""


def test_the_bytes_of_a_record_are_shown_and_that_is_logged(desk: Desk) -> None:
    record = desk.get(f"/record/message/{desk.back.id}")
    assert "40 bytes of its log" in record and f"/bytes/message/{desk.back.id}" in record
    before = desk.case.store.head().sequence
    page = desk.get(f"/bytes/message/{desk.back.id}")
    assert "74 68 65 20 76 65 72 79" in page and "the very bytes.." in page and "&lt;b&gt;" in page
    assert "0000001000" in page and "-wal" in page
    (at, most) = desk.asked[-1]
    assert at == desk.back.at and most == 2048
    (entry,) = desk.case.store.actions(before)
    assert (entry[1].kind, entry[1].inputs) == ("review/bytes", (desk.back.id,))
    row = next(desk.case.store.each(RecoveredRow))
    assert "it has gone" in desk.get(f"/bytes/recovered_row/{row.id}")
    assert desk.client.get(f"/bytes/gap/{desk.gap.id}").status_code == 404
    assert desk.client.get("/bytes/nothing/x").status_code == 404


def test_rows_of_any_application_can_be_searched(desk: Desk) -> None:
    page = desk.get("/search?q=gpj")
    assert "/record/recovered_row/" in page


def test_a_dump_says_where_each_line_begins() -> None:
    assert dump(bytes(range(60, 80)), 4096) == [
        ("0000001000", bytes(range(60, 76)).hex(" "), "<=>?@ABCDEFGHIJK"),
        ("0000001010", "4c 4d 4e 4f", "LMNO"),
    ]
