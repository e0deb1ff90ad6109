"""Words are found alike on SQLite and PostgreSQL, whatever the accents, and hostile text does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amparo.model import (
    Account,
    AccountName,
    At,
    Attachment,
    Exhibit,
    File,
    Lead,
    Message,
    Record,
    ThreadInfo,
)
from amparo.store import Store
from amparo.store.schema import SEARCHED
from amparo.store.text import clean, fold, words
from postgres import new_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store.create(tmp_path / "case.db")
    else:
        made = Store.open(new_store())
    with made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def corpus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store.create(tmp_path_factory.mktemp("corpus") / "case.db")
    else:
        made = Store.open(new_store("corpus"))
    with made:
        made.put([message(n, text) for n, text in enumerate(TEXTS)])
        yield made


def at(n: int) -> At:
    return At("e", "f", "message", n)


def message(n: int, text: str) -> Message:
    return Message(
        at=at(n),
        thread="t",
        key=str(n),
        sender="s",
        from_owner=True,
        sent=n,
        form="text",
        text=text,
    )


def found(store: Store, text: str) -> set[str]:
    return {hit.id for hit in store.search(text)}


TEXTS = (
    "José Ñandú went to São Paulo",
    "JOSE stayed home_alone",
    "josefina: 12abc 1e5 3.14 0x1F user@example.org http://example.org/a-b_c?d=1",
    "Straße, İstanbul, Łódź, ﬁne",
    "北京の天気は良い",
    "สวัสดีครับ",
    "हिन्दी भाषा",
    "the-quick/brown\\fox 'quoted' \"double\" don't",
    "привет Мир",
    "x" * 5000 + " end",
    "",
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("jose", {0, 1, 2}),
        ("jose nandu", {0}),
        ("José  ÑAN", {0}),
        ("jose stay", {1}),
        ("stayed jo", {1}),
        ("stay jose", set()),
        ("alone", {1}),
        ("home_alone", {1}),
        ("12ab", {2}),
        ("1e5", {2}),
        ("3.14", {2}),
        ("0x1f", {2}),
        ("user@example.org", {2}),
        ("http://example.org/a-b", {2}),
        ("strasse istanbul", {3}),
        ("lodz fine", {3}),
        ("北京", {4}),
        ("天気", {4}),
        ("天", {4}),
        ("気北", set()),
        ("สวัส", {5}),
        ("हिन्दी", {6}),
        ("quick brown fox don", {7}),
        ("мир", {8}),
        ("x" * 3000, {9}),
        ("end", {9}),
        ("and OR not NEAR(jose)", set()),
        ('"jose" OR *', set()),
        ("jose & ! | <-> :* ' \\", {0, 1, 2}),
        ("'; DROP TABLE words; --", set()),
        ("\0\ud800", set()),
        ("   ", set()),
        ("", set()),
    ],
)
def test_words_are_found_alike(corpus: Store, query: str, expected: set[int]) -> None:
    assert found(corpus, query) == {message(n, "").id for n in expected}


def test_every_kind_that_holds_text_is_found_in_its_place(store: Store) -> None:
    records: list[Record] = [
        File(exhibit="e", path="DCIM/zebra.jpg", size=1),
        Attachment(at=at(1), message="m", caption="a zebra"),
        Attachment(at=at(2), message="m", name="ZEBRA.pdf"),
        message(3, "one zebra"),
        Lead(at=at(4), form="url", value="https://zebra.example/"),
        ThreadInfo(at=at(5), thread="t", subject="Zebras"),
        AccountName(at=at(6), account="a", name="Zebra Z", source="push"),
        Account(service="x", handle="zebra@x", form="other"),
        Exhibit(number="Z1", holder="zebra", form="folder", source="/x"),
    ]
    store.put(records)
    hits = store.search("zebra")
    assert {h.id for h in hits} == {r.id for r in records}
    order = list(SEARCHED)
    assert [h.kind for h in hits] == sorted((h.kind for h in hits), key=order.index)
    assert all("zebra" in h.text.lower() for h in hits)
    seen, after = [], 0
    while page := store.search("zebra", 2, after):
        seen += page
        after = page[-1].place
    assert seen == hits


def test_the_line_shown_is_around_the_word(store: Store) -> None:
    store.put([message(1, "before " * 50 + "Ñandú " + "after " * 50)])
    (hit,) = store.search("nandu")
    assert hit.text.startswith("… ") and hit.text.endswith(" …")
    assert "Ñandú" in hit.text and len(hit.text) < 200


def test_words_go_with_their_record(store: Store) -> None:
    store.put([message(n, f"zebra {n}") for n in range(5)], "parse/x")
    store.put([message(9, "zebra kept")], "parse/y")
    store.retract("parse/x", "f")
    assert found(store, "zebra") == {message(9, "").id}
    store.put([message(n, f"zebra {n}") for n in range(5)], "parse/x")
    assert len(found(store, "zebra")) == 6


def test_a_megabyte_of_words_is_searchable(store: Store) -> None:
    many = " ".join(f"wort{n}" for n in range(150_000))
    store.put([message(1, many), message(2, "\u0416" * 1_000_000)])
    assert len(store.search("wort7")) == 1
    assert len(store.search("\u0436\u0436")) == 1


def test_folding_and_cleaning() -> None:
    assert fold("ÀÉîõÜ ẞ Æ œ ı") == "aeiou ss ae oe i"
    assert words("a A á b_b c-c") == ["a", "b", "c"]
    assert words("北京市") == ["北京", "京市", "市"]
    assert clean("plain") == "plain"
    assert clean("é\udcff\0") == "é\\udcff\u2400"
