"""What claims rest on, as the desk says it: links and a person's word, clocks, recovered rows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from amparo.model import (
    Account,
    At,
    Attachment,
    Link,
    Mark,
    Message,
    Posting,
    Resolution,
    Thread,
    make_id,
)
from amparo.review import create_app
from amparo.store.case import Case
from review_case import HOSTILE, make_case

BASE = "http://127.0.0.1:8123"
ORIGIN = {"origin": BASE, "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with make_case(tmp_path_factory.mktemp("desk") / "pines.amparo") as made:
        yield made


@pytest.fixture
def desk(case: Case) -> TestClient:
    """A client that came in through the door."""
    app = create_app(case, "secret", lambda content, side: None, "Analyst 1")
    client = TestClient(app, base_url=BASE)
    assert client.get("/?token=secret").status_code == 200
    return client


def json(desk: TestClient, address: str) -> Any:
    answer = desk.get(address, headers={"accept": "application/json"})
    assert answer.status_code == 200, address
    return answer.json()


def page_of(desk: TestClient, address: str) -> str:
    """A page's text as read: tags gone, white space single."""
    text = desk.get(address, headers={"accept": "text/html"}).text
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def shown_again(case: Case, content: str, **other: Any) -> Posting:
    """A posting of a content of its own, made from one of the case."""
    return replace(next(case.store.each(Posting, place=1)), content=content, **other)


def test_a_time_by_a_phones_own_clock_is_said_to_be_one(desk: TestClient, case: Case) -> None:
    content = make_id("content", "dated by a clock")
    message = next(m for m in case.store.each(Message) if m.form == "text")
    attachment = Attachment(at=replace(message.at, row=8000), message=message.id, content=content)
    own = shown_again(case, content, key="own", dated="phone", time=5, basis=(attachment.id,))
    stamped = replace(own, key="stamped", dated="server", time=900_000_000_000, place=2)
    later = replace(stamped, key="later", time=stamped.time + 1, place=3,
                    first_in_network=False, first_in_thread=False)  # fmt: skip
    case.store.put([attachment, own, stamped, later], "t")
    steps = json(desk, f"/content/{content}")["steps"]
    assert [(s["posting"]["dated"], s["shared"], s["recovered"]) for s in steps] == [
        ("phone", True, None), ("server", True, None), ("server", False, None),
    ]  # fmt: skip
    page = page_of(desk, f"/content/{content}")
    assert page.count("by the phone's own clock") == 1
    assert "was first is not known" in page
    assert page.count("among the earliest posting") == 2 and "earliest observed posting" not in page


def test_what_rests_only_on_recovered_rows_says_so(desk: TestClient, case: Case) -> None:
    content = make_id("content", "recovered")
    message = next(m for m in case.store.each(Message) if m.form == "text")
    where = message.at
    found = [
        At(where.exhibit, where.file, "message_media", 9000 + n, state="deleted",
           method="freeblock", confidence=0.8 + n / 10)
        for n in range(2)
    ]  # fmt: skip
    rows = [Attachment(at=at, message=message.id, content=content) for at in found]
    live = Attachment(at=replace(where, row=8001), message=message.id, content=content)
    erased = shown_again(case, content, key="erased", basis=tuple(r.id for r in rows))
    held = shown_again(case, content, key="held", time=1 << 42, basis=(rows[0].id, live.id))
    case.store.put([*rows, live, erased, held], "t")
    steps = {s["posting"]["key"]: s for s in json(desk, f"/content/{content}")["steps"]}
    assert steps["erased"]["recovered"]["confidence"] == 0.9
    assert steps["held"]["recovered"] is None
    page = page_of(desk, f"/content/{content}")
    assert page.count("recovered row freeblock, confidence 0.90") == 1
    assert "deleted freeblock, confidence 0.80" in page
    page = page_of(desk, f"/record/attachment/{rows[0].id}")
    assert (
        "State deleted Recovered by freeblock in freed bytes of a page in use Confidence 0.80 of 1"
        in page
    )
    assert "deleted freeblock, confidence 0.90" in page_of(desk, f"/record/posting/{erased.id}")
    assert "Confidence" not in page_of(desk, f"/record/attachment/{live.id}")


def linked(case: Case) -> dict[str, Link]:
    """One link of each form over the case's own accounts, groups and contents."""
    one, two = [a for a in case.store.each(Account) if a.form == "phone"][:2]
    lid = next(case.store.each(Account, form="lid"))
    here, there = [t for t in case.store.each(Thread) if t.form == "group"][:2]
    attachment = next(a for a in case.store.each(Attachment) if a.content)
    ends = {
        "same_account": (lid.id, next(case.store.each(Resolution, source=lid.id)).canonical, 6.0),
        "conflict": (one.id, two.id, 0.0),
        "number_change": (one.id, two.id, 2.0),
        "same_thread": (here.id, there.id, 4.0),
        "attachment_content": (attachment.id, attachment.content, 9.0),
    }
    made = {
        form: Link(form=form, source=source, target=target, method="t", version=1, log10_lr=lr,
                   reasons=(f"reason of {form}", HOSTILE), basis=(attachment.id,))
        for form, (source, target, lr) in ends.items()
    }  # fmt: skip
    case.store.put(list(made.values()), "t")
    return made


def test_links_are_shown_where_they_matter_with_reasons_and_strength(
    desk: TestClient, case: Case
) -> None:
    made = linked(case)
    said = {
        "same_account": (f"/account/{made['same_account'].target}", "extremely strong support LR 10 6.0"),
        "conflict": (f"/account/{made['conflict'].target}", "no weight either way LR 10 0.0"),
        "number_change": (f"/account/{made['number_change'].source}", "moderately strong support LR 10 2.0"),
        "same_thread": (f"/thread/{made['same_thread'].source}", "very strong support LR 10 4.0"),
        "attachment_content": (f"/content/{made['attachment_content'].target}", "support LR 10 9.0"),
    }  # fmt: skip
    for form, (address, strength) in said.items():
        page = page_of(desk, address)
        assert f"reason of {form}" in page and strength in page, form
        assert "assigned, not measured" in page, form
        raw = desk.get(address, headers={"accept": "text/html"}).text
        assert f'href="/record/link/{made[form].id}"' in raw and "<script>alert" not in raw, form
        record = desk.get(f"/record/link/{made[form].id}", headers={"accept": "text/html"}).text
        assert f'href="/record/attachment/{made[form].basis[0]}"' in record, form
        assert "assigned, not measured" in record, form
    record = desk.get(
        f"/record/link/{made['same_thread'].id}", headers={"accept": "text/html"}
    ).text
    for end in (made["same_thread"].source, made["same_thread"].target):
        assert f'href="/thread/{end}"' in record
    same = made["same_account"]
    ends = [case.store.get(Account, id) for id in (same.source, same.target)]
    record = page_of(desk, f"/record/link/{same.id}")
    for end in ends:
        assert end is not None and end.handle in record, "each end by its own handle"


def test_a_person_confirms_or_refuses_a_link_and_the_log_has_it(
    desk: TestClient, case: Case
) -> None:
    link = linked(case)["number_change"]
    before = case.store.head().sequence
    for code in ("confirmed", "refused", ""):
        answer = desk.post("/link", json={"link": link.id, "code": code}, headers=ORIGIN)
        assert answer.json() == {"link": link.id, "code": code, "by": "Analyst 1"}
        rows = json(desk, f"/account/{link.source}")["links"]
        marks = next(r for r in rows if r["link"]["id"] == link.id)["marks"]
        assert (marks[0]["form"], marks[0]["code"]) == ("link", code)
    logged = [a for _, a, _ in case.store.actions(before) if a.kind == "review/link"]
    assert [a.inputs for a in logged] == [(link.id,)] * 3
    assert {a.operation for a in logged} == {"alteration"}
    marks = list(case.store.each(Mark, subject=link.id))
    assert len(marks) == 3 == len({m.time for m in marks}), "words are added, never changed"
    assert "refused" in page_of(desk, f"/record/link/{link.id}")
    assert next(case.store.each(Link, source=link.source, form="number_change")) == link
    assert case.store.verify() == []
    for body, headers, status in (
        ({"link": link.id, "code": "maybe"}, ORIGIN, 422),
        ({"link": "nothing", "code": "refused"}, ORIGIN, 404),
        ({"link": link.id, "code": "refused"}, {"origin": "http://evil.example"}, 403),
    ):
        assert desk.post("/link", json=body, headers=headers).status_code == status
    assert len(list(case.store.each(Mark, subject=link.id))) == 3


def test_a_withdrawn_link_is_labelled_and_takes_no_judgement(desk: TestClient, case: Case) -> None:
    account = next(a for a in case.store.each(Account) if a.form == "phone")
    gone = Link(form="same_account", source=account.id, target=account.id, method="old", version=1,
                log10_lr=6.0, reasons=("was stated once",), withdrawn=True)  # fmt: skip
    case.store.put([gone], "t")
    raw = desk.get(f"/account/{account.id}", headers={"accept": "text/html"}).text
    (row,) = re.findall(r'<tr[^>]*class="withdrawn">.*?</tr>', raw, re.DOTALL)
    assert "was stated once" in row and ">withdrawn<" in row and "<button" not in row
    answer = desk.post("/link", json={"link": gone.id, "code": "confirmed"}, headers=ORIGIN)
    assert answer.status_code == 409 and "withdrawn" in answer.json()["error"]
