"""The desk and the search say what a message said before and what is gone, escaped and with its places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from amparo.cli import main
from amparo.link.erased import erased
from amparo.link.versions import versions
from amparo.model import Account, At, Exhibit, File, Message, Quote, Thread
from amparo.review import create_app
from amparo.store.case import Case
from review_case import HOSTILE, START, make_case

BASE = "http://127.0.0.1:8123"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, dict[str, str]]]:
    """A case with a changed message, two erased ones, and their ids."""
    path = tmp_path_factory.mktemp("history") / "pines.amparo"
    with make_case(path) as case:
        store = case.store
        exhibit, thread = next(store.each(Exhibit)), next(store.each(Thread))
        sender = next(store.each(Account))
        file = next(
            f for f in store.each(File, exhibit=exhibit.id) if f.path.endswith("msgstore.db")
        )

        def message(n: int, text: str, **at: object) -> Message:
            place = At(exhibit.id, file.id, "message", 9000 + n, **at)  # type: ignore[arg-type]
            return Message(at=place, thread=thread.id, key=f"{n:032X}", sender=sender.id,
                           from_owner=False, sent=START + n, form="text", text=text)  # fmt: skip

        now = message(1, "lanterns at eight")
        old = message(1, f"quince orchard {HOSTILE}", offset=4120, length=80, state="superseded",
                      method="wal_superseded", confidence=1.0, companion="-wal", frame=3, commit=2)  # fmt: skip
        gone = message(2, f"erased words {HOSTILE}", offset=99, state="deleted", method="freelist",
                       confidence=0.93)  # fmt: skip
        quote = Quote(at=At(exhibit.id, file.id, "message_quoted", 5), message=now.id, thread=thread.id,
                      key=f"{3:032X}", sender=sender.id, sent=START + DAYS, form="text", text="said again")  # fmt: skip
        store.put([now, old, gone, quote])
        store.put([*versions(store), *erased(store)])
        ids = {"now": now.id, "old": old.id, "gone": gone.id}
    yield path, thread.id, ids


DAYS = 400 * 86_400_000


@pytest.fixture
def desk(held: tuple[Path, str, dict[str, str]]) -> Iterator[TestClient]:
    with Case.open(held[0], write=True) as case:
        client = TestClient(
            create_app(case, "secret", lambda c, s: None, "Analyst 1"), base_url=BASE
        )
        assert client.get("/?token=secret").status_code == 200
        yield client


def test_the_page_of_a_thread_says_what_changed_and_what_is_gone(
    desk: TestClient, held: tuple[Path, str, dict[str, str]]
) -> None:
    page = desk.get(f"/thread/{held[1]}").text
    assert "<script>alert(1)" not in page and "quince orchard" in page
    assert page.index("quince orchard") < page.index("lanterns at eight"), "in order of time"
    assert "offset 4120, 80 bytes of its log, frame 3, transaction 2" in page
    assert (
        "erased words" in page
        and "in a page that was set free" in page
        and "a reply repeats it" in page
    )
    answer = desk.get(f"/thread/{held[1]}", headers={"accept": "application/json"}).json()
    assert [w["version"]["text"] for w in answer["changed"][0]["wordings"]][
        1
    ] == "lanterns at eight"
    assert {g["erasure"]["text"] for g in answer["gone"]} > {"said again"} and answer[
        "gone_count"
    ] == 2


def test_a_record_and_the_search_say_the_other_wording(
    desk: TestClient, held: tuple[Path, str, dict[str, str]]
) -> None:
    for id in (held[2]["now"], held[2]["old"]):
        page = desk.get(f"/record/message/{id}").text
        assert "Wordings in order" in page and "quince orchard" in page and "lanterns" in page
    assert "before: quince orchard" in desk.get("/search?q=lanterns").text.replace(
        "<bdi>", ""
    ).replace('<bdi class="ev">', "")
    assert "now: " in desk.get("/search?q=quince").text
    assert "Wordings" not in desk.get(f"/record/message/{held[2]['gone']}").text


def test_find_says_the_other_wording(
    held: tuple[Path, str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["find", str(held[0]), "--text", "lanterns"]) == 0
    assert "before: quince orchard" in capsys.readouterr().out
    assert main(["find", str(held[0]), "--text", "quince", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["found"]
    assert (row["companion"], row["frame"], row["transaction"], row["state"]) == ("-wal", 3, 2, "superseded")  # fmt: skip
    assert [(v["place"], v["current"]) for v in row["versions"]] == [(1, False), (2, True)]


def test_status_counts_what_is_gone_and_what_was_changed(
    held: tuple[Path, str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["status", str(held[0]), "--json"])
    told = json.loads(capsys.readouterr().out)["erased"]
    assert told["gone"]["messages"] >= 2 and told["gone"]["dated"] == 0
    assert (
        told["gone"]["known_by"]["freelist"] == 1 and told["gone"]["known_by"]["quoted_reply"] == 1
    )
    assert told["changed"] >= 1
