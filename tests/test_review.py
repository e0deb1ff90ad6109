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
    Attachment,
    Content,
    File,
    KnownMatch,
    KnownSet,
    Mark,
    Message,
    Posting,
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
        f"/thread/{info.thread}/messages",
        "/recovered",
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
