"""What an analyst reads: notices of the messenger in words, one line for what several exhibits say alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from amparo.model import (
    Account,
    At,
    Attachment,
    Content,
    Exhibit,
    File,
    Lead,
    MembershipEvent,
    Message,
    Posting,
    Problem,
    Record,
    Resolution,
    Seal,
    Thread,
    ThreadInfo,
    Unseen,
)
from amparo.review.app import create_app
from amparo.review.directory import Directory
from amparo.review.layout import ROOM, place_groups
from amparo.store.case import Case
from review_case import HOSTILE, START, make_case

CHAT = Thread(service="whatsapp", handle="1203@g.us", form="group")
TALK = Thread(service="whatsapp", handle="1299@g.us", form="group")
ANA = Account(service="whatsapp", handle="447700900001@s.whatsapp.net", form="phone",
              phone="+447700900001", country="GB")  # fmt: skip
BEN = Account(service="whatsapp", handle="447700900002@s.whatsapp.net", form="phone",
              phone="+447700900002", country="GB")  # fmt: skip
SHA = "ab" * 32


def told_by_two(case: Case) -> list[Record]:
    """A group as two exhibits hold it: its subject, a member added, a picture, an invite."""
    content = Content(sha256=SHA, sha1="cd" * 20, md5="ef" * 16, size=9, mime="image/jpeg")
    records: list[Record] = [CHAT, ANA, BEN, content]
    records += [Resolution(form="account", source=a.id, canonical=a.id) for a in (ANA, BEN)]
    records.append(Resolution(form="thread", source=CHAT.id, canonical=CHAT.id))
    files = [f for f in case.store.each(File) if f.path.endswith(".db")][:2]
    basis = []
    for n, file in enumerate(files):
        at = [At(file.exhibit, file.id, "message", 9000 + row) for row in range(5)]
        records.append(ThreadInfo(at=at[0], thread=CHAT.id, subject="Orchard", created=START))
        notice = Message(at=at[1], thread=CHAT.id, key=f"N{n}", sender=ANA.id, from_owner=None,
                         sent=START + 60_000, form="system")  # fmt: skip
        added = MembershipEvent(at=At(file.exhibit, file.id, "message_system", 9001), event="added",
                                thread=CHAT.id, account=BEN.id, actor=ANA.id, time=START + 60_000)  # fmt: skip
        odd = Message(at=at[2], thread=CHAT.id, key=f"O{n}", sender=ANA.id, from_owner=None,
                      sent=START + 70_000, form="system")  # fmt: skip
        elsewhere = MembershipEvent(at=At(file.exhibit, file.id, "group_participants_history", 9001),
                                    event="left", thread=CHAT.id, account=ANA.id, time=START + 60_000)  # fmt: skip
        code = MembershipEvent(at=At(file.exhibit, file.id, "message_system", 9002), event="code:77",
                               thread=CHAT.id, actor=ANA.id, time=START + 70_000)  # fmt: skip
        picture = Message(at=at[3], thread=CHAT.id, key="P", sender=ANA.id, from_owner=None,
                          sent=START + 80_000, form="image", text="quince")  # fmt: skip
        there = Attachment(at=at[3], message=picture.id, content=content.id, mime="image/jpeg",
                           path=f"Media/quince-{n}.jpg" if n else "")  # fmt: skip
        invite = Lead(
            at=at[4],
            form="whatsapp_invite",
            value="AbCdEf",
            message=odd.id,
            thread=CHAT.id,
            account=ANA.id,
        )
        records += [notice, added, elsewhere, odd, code, picture, there, invite]
        basis.append(there.id)
    records.append(Posting(content=content.id, thread=CHAT.id, key="P", account=ANA.id,
                           time=START + 80_000, place=1, first_in_network=True, first_in_thread=True,
                           dated="server", exhibits=tuple(f.exhibit for f in files),
                           basis=tuple(basis)))  # fmt: skip
    return records


def long_talk(case: Case) -> list[Record]:
    """A conversation of 300 lines on one exhibit."""
    at = next(
        At(f.exhibit, f.id, "message") for f in case.store.each(File) if f.path.endswith("db")
    )
    return [TALK] + [
        Message(at=replace(at, row=20_000 + n), thread=TALK.id, key=f"T{n}", sender=ANA.id,
                from_owner=None, sent=START + n * 1000, form="text", text=f"line {n:03d}")
        for n in range(300)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    path: Path = tmp_path_factory.mktemp("reading") / "r.amparo"
    with make_case(path, exhibits=4, people=32, groups=2, stacks=10) as made:
        made.store.put([*told_by_two(made), *long_talk(made)], "test")
        yield made


@pytest.fixture(scope="module")
def desk(case: Case) -> Iterator[TestClient]:
    client = TestClient(
        create_app(case, "token", lambda *_: None, "tester"), base_url="http://127.0.0.1"
    )
    assert client.get("/?token=token").status_code == 200
    yield client


def json(desk: TestClient, address: str) -> Any:
    return desk.get(address, headers={"accept": "application/json"}).json()


def words(desk: TestClient, address: str) -> str:
    """The page as it reads, without its marks."""
    import html
    import re

    text = desk.get(address).text.partition("<main")[2].partition("</main")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_a_notice_of_the_messenger_says_what_happened(desk: TestClient) -> None:
    page = words(desk, f"/thread/{CHAT.id}/messages")
    assert page.count("+447700900002 was added by +447700900001") == 2, "one notice an exhibit"
    assert " left" not in page, "another table's row of the same number is another row"
    assert page.count("notice of type 77, whose meaning is not known by +447700900001") == 2


def test_an_invitation_says_where_it_leads(desk: TestClient) -> None:
    page = words(desk, f"/thread/{CHAT.id}/messages")
    assert page.count("invite AbCdEf to Orchard") == 2, "carried by a message on each exhibit"


def test_a_file_on_two_exhibits_stands_once_beside_its_message(desk: TestClient) -> None:
    page = words(desk, f"/thread/{CHAT.id}/messages")
    assert page.count("quince-1.jpg") == 1 and "file image/jpeg" not in page
    lines = json(desk, f"/thread/{CHAT.id}/messages")["lines"]
    assert [len(x["attachments"]) for x in lines if x["message"]["form"] == "image"] == [1]


def test_what_two_exhibits_say_alike_is_one_line_with_both(desk: TestClient) -> None:
    told = json(desk, f"/thread/{CHAT.id}")
    assert [len(rows) for rows in told["subjects"]] == [2]
    assert [len(rows) for rows in told["invites"]] == [2]
    assert {rows[0]["event"]: len(rows) for rows in told["events"]} == {
        "code:77": 2,
        "left": 2,
        "added": 2,
    }
    page = words(desk, f"/thread/{CHAT.id}")
    assert page.count("read 2 times, on") == 1
    assert words(desk, f"/account/{ANA.id}").count("WhatsApp invite , read 2 times, on") == 1


def test_hits_that_say_the_same_are_one_line(desk: TestClient) -> None:
    told = json(desk, "/search?q=orchard")
    assert told["hit_count"] == 2 and [len(hit["rows"]) for hit in told["hits"]] == [2]
    assert len({row["exhibit"]["number"] for row in told["hits"][0]["rows"]}) == 2
    assert "2 hits for" in words(desk, "/search?q=orchard")


def test_a_message_that_was_found_is_read_in_its_conversation(desk: TestClient, case: Case) -> None:
    hit = next(h for h in json(desk, "/search?q=quince")["hits"] if h["kind"] == "message")
    assert hit["target"].startswith(f"/thread/{CHAT.id}/messages?at=") and len(hit["rows"]) == 2
    page = desk.get(hit["target"].partition("#")[0]).text
    assert page.count('id="here"') == 1 and 'id="here" class="here"' in page
    row = page.partition('id="here"')[2].partition("</tr>")[0]
    assert "quince" in row and "was added" in page.partition('id="here"')[0]
    assert "Read it in its conversation" in words(desk, f"/record/message/{hit['id']}")
    said = sorted(case.store.each(Message, thread=TALK.id), key=lambda m: m.sent or 0)
    lines = json(desk, f"/thread/{TALK.id}/messages?at={said[250].id}")["lines"]
    assert [x["message"]["text"] for x in lines] == [f"line {n:03d}" for n in range(239, 300)]
    other = json(desk, f"/thread/{CHAT.id}/messages?at={said[250].id}")
    assert other["first"] and len(other["lines"]) > 3, (
        "a message of another conversation is not followed"
    )


def test_an_exhibit_shows_what_it_was_sealed_as(desk: TestClient, case: Case) -> None:
    seal = next(case.store.each(Seal))
    page = words(desk, f"/record/exhibit/{seal.exhibit}")
    assert f"Sealed at intake SHA-256 {seal.sha256} of the container , 2 readings" in page


def test_postings_name_a_content_by_its_hash(desk: TestClient) -> None:
    page = words(desk, f"/thread/{CHAT.id}")
    assert SHA[:8] + "…" in page and "posting 1 of it" in page


def test_a_stack_is_a_page_of_its_own_and_a_part_of_the_gallery(desk: TestClient) -> None:
    stack = json(desk, "/gallery?known=all")["tiles"][0]["id"]
    alone = desk.get(f"/stack/{stack}", headers={"accept": "text/html"}).text
    inside = desk.get(f"/stack/{stack}?format=html&part=inside").text
    assert alone.startswith("<!doctype html>") and "Open this content" in alone
    assert "<html" not in inside and "<h2>" in inside and "Open this content" in inside


def test_a_stack_says_why_it_comes_where_it_does(desk: TestClient, case: Case) -> None:
    stack = json(desk, "/gallery?known=all")["tiles"][1]["id"]
    case.store.put(
        [Unseen(content=stack, rank=7, score=1.5, reasons=("made in the orchard",))], "t"
    )
    for address in (f"/stack/{stack}", f"/content/{stack}"):
        page = words(desk, address)
        assert "place 7" in page and "made in the orchard" in page, address


def test_problems_are_counted_by_reason_and_shown_by_it(desk: TestClient, case: Case) -> None:
    told = json(desk, "/problems")
    assert sorted(n for _, _, n in told["kinds"]) == [1, 1, 1] and told["kind_count"] == 3
    plugin, reason, _ = next(k for k in told["kinds"] if k[1].startswith("page"))
    assert (plugin, reason) == ("x/y", "page … is cut off")
    only = desk.get("/problems", params={"plugin": plugin, "like": reason, "format": "json"}).json()
    assert [p["reason"] for p in only["rows"]] == ["page 3 is cut off"]
    assert "show" in words(desk, "/problems") and "<script>alert" not in desk.get("/problems").text


def test_a_record_says_who_made_it_and_problems_lie_by_exhibit(desk: TestClient) -> None:
    posting = json(desk, f"/thread/{CHAT.id}")["steps"][0]["posting"]["id"]
    assert "Made by test." in words(desk, f"/record/posting/{posting}")
    rows = json(desk, "/problems")["rows"]
    numbers = [json(desk, f"/record/exhibit/{row['exhibit']}")["record"]["number"] for row in rows]
    assert numbers == sorted(numbers) and len(numbers) == 3
    assert rows[0]["record"] == Problem.KIND and any(row["reason"] == HOSTILE for row in rows)


def test_chats_of_our_own_naming_are_said_in_words(tmp_path: Path) -> None:
    with make_case(tmp_path / "n.amparo", exhibits=4, people=32, groups=2, stacks=4) as case:
        exhibit = next(case.store.each(Exhibit))
        owner = Account(service="whatsapp", handle=f"owner@{exhibit.id}", form="owner")
        told = {
            (f"{owner.handle}|status@broadcast", "status"): f"Status posts on {exhibit.number}",
            (f"{owner.handle}|", "other"): f"A chat on {exhibit.number}, its address is gone",
            (
                f"unknown-chat-7@{exhibit.id}",
                "other",
            ): f"Chat 7 on {exhibit.number}, its address is gone",
            (
                f"unknown-chat-0@{exhibit.id}",
                "other",
            ): f"Messages on {exhibit.number} of chats that are not known",
            ("unknown-chat-7@elsewhere", "other"): "unknown-chat-7@elsewhere",
            (
                f"{owner.handle}|447700900009@s.whatsapp.net",
                "other",
            ): f"{owner.handle}|447700900009@s.whatsapp.net",
        }
        threads = {Thread(service="whatsapp", handle=h, form=f): t for (h, f), t in told.items()}
        case.store.put([owner, *threads], "test")
        directory = Directory(case)
        assert {t.handle: directory.groups[t.id].title for t in threads} == {
            t.handle: title for t, title in threads.items()
        }
        assert directory.people[owner.id].number == f"owner of {exhibit.number}"


def test_groups_that_nothing_joins_lie_beside_each_other() -> None:
    joined = [f"g{n:02d}" for n in range(18)]
    alone = [f"h{n}" for n in range(4)]
    pull = {(a, b): 3.0 for a, b in itertools.pairwise(joined)}
    places = place_groups(pull, sorted([*joined, *alone]))
    assert places == place_groups(pull, sorted([*joined, *alone])), "the same every time"

    def across(ids: list[str]) -> float:
        return max(math.dist(places[a], places[b]) for a in ids for b in ids)

    assert len(places) == 22 and across([*joined, *alone]) < 2.5 * across(joined)
    apart = [(a, b) for a in places for b in places if a < b and (a in alone or b in alone)]
    assert min(math.dist(places[a], places[b]) for a, b in apart) >= ROOM * 0.99
    assert place_groups({}, []) == {}
