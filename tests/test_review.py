"""The web desk: its door, its pages in both forms, hostile names, reveals and judgements in the log."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import amparo.review
from amparo.model import (
    Account,
    AccountName,
    At,
    Attachment,
    Content,
    File,
    KnownMatch,
    KnownSet,
    Link,
    Mark,
    Message,
    Posting,
    Resolution,
    StackMember,
    Thread,
    ThreadInfo,
    make_id,
)
from amparo.review import create_app
from amparo.store.case import Case
from review_case import HOSTILE, make_case, pattern

BASE = "http://127.0.0.1:8123"
STATIC = Path(amparo.review.__file__).parent / "static"
ORIGIN = {"origin": BASE, "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with make_case(tmp_path_factory.mktemp("desk") / "pines.amparo") as made:
        yield made


@pytest.fixture
def desk(case: Case) -> TestClient:
    """A client that came in through the door."""
    client = TestClient(create_app(case, "secret", picture, "Analyst 1"), base_url=BASE)
    assert client.get("/?token=secret").status_code == 200
    return client


def picture(content: str, side: int) -> bytes | None:
    return pattern(side) if side < 1000 else None


def json(desk: TestClient, address: str) -> Any:
    answer = desk.get(address, headers={"accept": "application/json"})
    assert answer.status_code == 200, address
    return answer.json()


def addresses(case: Case) -> list[str]:
    posting = next(case.store.each(Posting))
    name = next(n for n in case.store.each(AccountName) if n.name == HOSTILE)
    info = next(i for i in case.store.each(ThreadInfo) if i.subject == HOSTILE)
    some = [next(case.store.each(kind)) for kind in (Message, Attachment, File, KnownMatch)]
    return [
        "/",
        "/gallery",
        "/gallery?known=all&order=copies&grade=none",
        f"/stack/{json_free_stack(case)}",
        f"/content/{posting.content}",
        "/threads",
        "/threads?form=all&sort=subject",
        f"/thread/{posting.thread}",
        f"/thread/{info.thread}",
        "/accounts",
        "/accounts?sort=-name&country=ES",
        f"/account/{posting.account}",
        f"/account/{name.account}",
        "/graph",
        "/problems",
        "/problems?stage=parse",
        "/search?q=pines",
        "/search?q=",
        "/actions",
        "/actions?verify=1",
        f"/record/posting/{posting.id}",
        *(f"/record/{row.KIND}/{row.id}" for row in some),
    ]


def json_free_stack(case: Case) -> str:
    return next(c.id for c in case.store.each(Content) if c.mime == "image/jpeg")


def test_every_page_answers_as_html_and_as_json(desk: TestClient, case: Case) -> None:
    for address in addresses(case):
        page = desk.get(address, headers={"accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert isinstance(json(desk, address), dict), address


def test_unknown_things_are_404_in_words(desk: TestClient) -> None:
    for address in ("/content/x", "/thread/x", "/account/x*", "/record/message/x", "/record/x/x",
                    "/stack/x", "/thumb/x", "/graph.json?thread=x", "/nowhere"):  # fmt: skip
        assert desk.get(address).status_code == 404, address


def test_hostile_names_are_escaped_everywhere(desk: TestClient, case: Case) -> None:
    seen = 0
    for address in addresses(case):
        text = desk.get(address, headers={"accept": "text/html"}).text
        assert "<script>alert" not in text, address
        assert "\u202e" not in text and "\u2066" not in text, address
        assert not re.search(r"U\+2066(?:\]|</span>) 49", text), "a template was evaluated"
        assert not re.search(r"\sstyle=|\son\w+=|javascript:", html.unescape(text)), address
        seen += "&lt;script&gt;alert(1)" in text
    assert seen > 6


def test_found_links_are_text_never_anchors(desk: TestClient) -> None:
    for address in ("/search?q=whatsapp", "/", "/threads"):
        page = desk.get(address, headers={"accept": "text/html"}).text
        assert not re.findall(r'(?:href|src|action)="(?!/)[^"?#]', page), address
    assert "chat.whatsapp.com/AbC" in desk.get("/search?q=chat").text


def test_the_token_opens_once_and_only_with_the_cookie(case: Case) -> None:
    app = create_app(case, "secret", picture, "Analyst 1")
    client = TestClient(app, base_url=BASE)
    assert client.get("/").status_code == 403
    assert client.get("/?token=wrong").status_code == 403
    entered = client.get("/?token=secret", follow_redirects=False)
    cookie = entered.headers["set-cookie"]
    assert entered.status_code == 303 and entered.headers["location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert client.get("/").status_code == 200
    again = TestClient(app, base_url=BASE)
    assert again.get("/?token=secret").status_code == 403
    assert again.get("/static/desk.css").status_code == 403
    again.cookies.set("amparo_desk_8123", "guess")
    assert again.get("/").status_code == 403
    assert (
        TestClient(create_app(case, "", picture, "x"), base_url=BASE).get("/?token=").status_code
        == 403
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:9", "127.0.0.1", "localhost.evil:8123", ""]
)
def test_only_our_own_host_is_answered(desk: TestClient, host: str) -> None:
    assert desk.get("/", headers={"host": host}).status_code == 403


def test_other_sites_are_refused(desk: TestClient) -> None:
    assert desk.get("/", headers={"host": "localhost:8123"}).status_code == 200
    for site in ("cross-site", "same-site"):
        assert desk.get("/", headers={"sec-fetch-site": site}).status_code == 403
    body = {"content": "x"}
    for headers in (
        {},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9", "sec-fetch-site": "same-origin"},
        {"origin": "null"},
        {"sec-fetch-site": "none"},
    ):
        assert desk.post("/reveal", json=body, headers=headers).status_code == 403, headers
    form = desk.post("/reveal", data=body, headers=ORIGIN)
    assert form.status_code == 403 and "JSON" in form.text
    assert desk.post("/reveal", json={"content": "x" * 300_000}, headers=ORIGIN).status_code == 403
    assert desk.post("/reveal", json=body, headers=ORIGIN).status_code == 404


def test_every_answer_carries_the_strict_headers(desk: TestClient, case: Case) -> None:
    outside = TestClient(create_app(case, "t", picture, "x"), base_url=BASE)
    for answer in (
        desk.get("/"),
        desk.get("/static/desk.js"),
        desk.get("/nowhere"),
        outside.get("/"),
    ):
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
    for address in ("/docs", "/redoc", "/openapi.json"):
        assert desk.get(address).status_code == 404


def test_a_picture_is_sent_only_after_its_consultation_is_logged(
    desk: TestClient, case: Case
) -> None:
    content = json(desk, "/gallery")["tiles"][0]["id"]
    assert desk.get(f"/thumb/{content}").content[:4] == b"RIFF"
    assert desk.get(f"/picture/{content}").status_code == 403
    before = case.store.head().sequence
    assert desk.post("/reveal", json={"content": content}, headers=ORIGIN).json()["reveals"] == 1
    (_, action, _), = case.store.actions(before)  # fmt: skip
    assert (action.kind, action.operation, action.performer) == (
        "review/reveal",
        "consultation",
        "Analyst 1",
    )
    assert action.inputs == (content,)
    assert desk.get(f"/picture/{content}?side=500").content == pattern(500)
    assert desk.get(f"/picture/{content}?side=1200").status_code == 404
    assert create_app(case, "t", picture, "Analyst 1").state.desk.reveals == 1, (
        "counted over the day"
    )
    assert create_app(case, "t", picture, "Analyst 2").state.desk.reveals == 0
    assert case.store.verify() == []


def test_grading_marks_the_stack_under_its_scheme_and_can_be_undone(
    desk: TestClient, case: Case
) -> None:
    tiles = json(desk, "/gallery?grade=none&limit=3")["tiles"]
    ids = [tile["id"] for tile in tiles]
    before = case.store.head().sequence
    body = {"scheme": "Triage 1", "grades": [{"content": i, "code": "1"} for i in ids]}
    assert desk.post("/grade", json=body, headers=ORIGIN).status_code == 200
    (_, action, _), = case.store.actions(before)  # fmt: skip
    assert (action.kind, set(action.inputs)) == ("review/grade", set(ids))
    marks = [m for m in case.store.each(Mark, form="category") if m.subject in ids]
    assert {(m.scheme, m.version, m.code, m.performer) for m in marks} == {
        ("Triage", "1", "1", "Analyst 1")
    }
    assert len(marks) == 3
    graded = json(desk, "/gallery?grade=1")
    assert graded["total"] == 3 and {t["id"] for t in graded["tiles"]} == set(ids)
    assert (
        "Relevant (Triage 1: 1)"
        in desk.get(f"/content/{ids[0]}", headers={"accept": "text/html"}).text
    )
    back = {"scheme": "Triage 1", "grades": [{"content": ids[0], "code": ""}]}
    assert desk.post("/grade", json=back, headers=ORIGIN).status_code == 200
    assert json(desk, "/gallery?grade=1")["total"] == 2
    fresh = TestClient(create_app(case, "t", picture, "x"), base_url=BASE)
    fresh.get("/?token=t")
    assert json(fresh, "/gallery?grade=1")["total"] == 2, "judgements are read back from the store"
    assert case.store.verify() == []


def test_wrong_judgements_are_refused_whole(desk: TestClient, case: Case) -> None:
    content = json(desk, "/gallery")["tiles"][0]["id"]
    before = case.store.head().sequence
    one = {"content": content, "code": "1"}
    for scheme, grades, status in (
        ("Project VIC US 2.0", [one], 409),
        ("Triage 1", [one, {"content": content, "code": "7"}], 422),
        ("Triage 1", [one, {"content": "nobody", "code": "1"}], 404),
        ("Triage 1", [], 422),
    ):
        answer = desk.post("/grade", json={"scheme": scheme, "grades": grades}, headers=ORIGIN)
        assert answer.status_code == status
    assert case.store.head().sequence == before


def test_opening_personal_data_is_logged(desk: TestClient, case: Case) -> None:
    thread = next(t for t in case.store.each(Thread) if t.form == "group")
    account = next(a for a in case.store.each(Account) if a.form == "phone")
    before = case.store.head().sequence
    for address in (
        f"/thread/{thread.id}",
        f"/account/{account.id}",
        "/search?q=token",
        "/threads",
    ):
        desk.get(address)
    kinds = [action.kind for _, action, _ in case.store.actions(before)]
    assert kinds == ["review/thread", "review/account", "review/search"]
    assert all("token" not in repr(action) for _, action, _ in case.store.actions(before))


def test_content_named_only_by_messages_has_a_page(desk: TestClient, case: Case) -> None:
    message = next(m for m in case.store.each(Message) if m.form == "text")
    gone = make_id("content", "erased everywhere")
    case.store.put(
        [Attachment(at=message.at, message=message.id, content=gone, caption="kept")], "t"
    )
    page = desk.get(f"/content/{gone}", headers={"accept": "text/html"}).text
    assert "its bytes lie on no exhibit" in page and "kept" in page


def test_first_posters_are_said_with_their_coverage(desk: TestClient, case: Case) -> None:
    posting = next(p for p in case.store.each(Posting) if p.first_in_network)
    for address in (
        f"/content/{posting.content}",
        f"/thread/{posting.thread}",
        f"/account/{posting.account}",
    ):
        page = desk.get(address, headers={"accept": "text/html"}).text
        assert "arliest observed by seized devices" in page, address
        assert re.search(r"seen on \d+", page), address
    assert "numbering country, not the person" in desk.get(f"/account/{posting.account}").text


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
    assert page.count("among the earliest place") == 2 and "earliest observed place" not in page


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
    assert "State deleted Recovered by freeblock Confidence 0.80 of 1" in page
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


def test_a_large_stack_says_its_earliest_posting_and_every_known_member(
    desk: TestClient, case: Case
) -> None:
    stack, posting = next(
        (m.stack, p)
        for p in case.store.each(Posting, place=1)
        for m in case.store.each(StackMember, content=p.content)
    )
    members = [f"00000000-0000-5000-8000-{n:012d}" for n in range(600)]
    early = replace(posting, content=members[-1], time=1)
    sets = next(case.store.each(KnownSet, use="alert"))
    match = KnownMatch(content=members[-1], known_set=sets.id, algorithm="md5", use="alert")
    placed = [StackMember(content=m, stack=stack, distance=9, method="pdq") for m in members]
    case.store.put([*placed, early, match], "t")
    for address in (f"/stack/{stack}", f"/content/{stack}"):
        answer = desk.get(address, headers={"accept": "application/json"}).json()
        first = answer.get("first") or answer["steps"]
        assert first[0]["posting"]["time"] == 1, address
        assert members[-1] in [k["content"] for k in answer["known"]], address


def test_a_record_leads_to_the_action_that_read_its_file(desk: TestClient, case: Case) -> None:
    read = next(a for _, a, _ in case.store.actions() if a.kind.startswith("parse/"))
    message = next(case.store.each(Message, at_file=read.inputs[0]))
    answer = desk.get(
        f"/record/message/{message.id}", headers={"accept": "application/json"}
    ).json()
    assert read.kind in [entry["action"]["kind"] for entry in answer["history"]]


def test_the_graph_has_places_and_is_the_same_twice(desk: TestClient, case: Case) -> None:
    thread = next(t for t in case.store.each(Thread) if t.form == "group")
    for address in ("/graph.json", f"/graph.json?thread={thread.id}"):
        drawing = json(desk, address)
        assert drawing == json(desk, address)
        ids = {node["id"] for node in drawing["nodes"]}
        assert thread.id in ids and {"group", "person"} == {n["kind"] for n in drawing["nodes"]}
        assert all(e["source"] in ids and e["target"] in ids for e in drawing["edges"])
        assert len({(n["x"], n["y"]) for n in drawing["nodes"]}) > len(ids) * 0.9
    assert any(e["kind"] == "invite" for e in json(desk, "/graph.json")["edges"])


def test_a_private_chat_is_called_by_its_two_sides(desk: TestClient, case: Case) -> None:
    (chat,) = json(desk, "/threads?form=private")["list"]["rows"]
    assert chat["title"] == f"Token 000 and {HOSTILE}" and len(chat["members"]) == 2
    assert {n["kind"] for n in json(desk, f"/graph.json?thread={chat['id']}")["nodes"]} == {
        "group",
        "person",
    }
    assert desk.get(f"/thread/{chat['id']}").status_code == 200


def test_overview_counts_what_is_there(desk: TestClient, case: Case) -> None:
    figures = json(desk, "/")["figures"]
    store = case.store
    files = list(store.each(File))
    assert figures["files"] == len(files)
    assert figures["contents"] == len(list(store.each(Content)))
    assert figures["known_alert"] == len(list(store.each(KnownMatch, use="alert")))
    assert figures["looks"] < figures["visual_files"]
    assert figures["looks_saved"] == figures["visual_files"] - figures["looks"]
    accounts = [a for a in store.each(Account) if a.form == "phone"]
    assert figures["accounts"] == len(accounts), "the LID counts as its phone account"
    assert json(desk, "/")["chain"]["broken"] == ""


def test_vendored_files_are_the_ones_we_vouch_for() -> None:
    vendor = STATIC / "vendor"
    listed = dict(
        line.split("  ")[::-1] for line in (vendor / "SHA256SUMS").read_text().splitlines()
    )
    there = {p.name for p in vendor.iterdir()} - {"SHA256SUMS"}
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name


def test_our_scripts_are_small_and_name_no_other_host() -> None:
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path.name
        assert not re.search(r"https?://|eval\(|new Function|hx-on", text), path.name
