"""The store's contract, on SQLite and on PostgreSQL: what goes in comes out, once, and is counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amparo.model import (
    KINDS,
    Account,
    Action,
    At,
    Attachment,
    Content,
    Exhibit,
    File,
    Fingerprint,
    KnownMatch,
    Link,
    Mark,
    Media,
    Message,
    ModelScore,
    Position,
    Problem,
    Record,
    Resolution,
    Structure,
    Thread,
)
from amparo.store import WHOLE, Store, StoreRefused, dump
from amparo.store.schema import TALLIES
from postgres import new_database, new_store

EXHIBIT = Exhibit(number="A-1", form="folder", source="/evidence/a")
THREAD = Thread(service="whatsapp", handle="100@g.us", form="group")
ACCOUNT = Account(service="whatsapp", handle="+34600000001", form="phone", phone="+34600000001")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return tmp_path / "case.db" if request.param == "sqlite" else new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store.create(tmp_path / "case.db")
    else:
        made = Store.open(new_store())
    with made:
        yield made


def file(n: int, **more: Any) -> File:
    return File(exhibit=EXHIBIT.id, path=f"f/{n:05d}", size=n, **more)


def content(n: int, mime: str = "image/jpeg") -> Content:
    return Content(sha256=f"{n:064x}", sha1="", md5="", size=n, mime=mime)


def message(n: int, of: File | None = None, **more: Any) -> Message:
    at = At(EXHIBIT.id, (of or file(0)).id, "message", n)
    fields: dict[str, Any] = {"sent": 1000 * n, "text": f"word{n} hello"} | more
    return Message(
        at=at,
        thread=THREAD.id,
        key=f"K{n}",
        sender=ACCOUNT.id,
        from_owner=bool(n % 2),
        form="text",
        **fields,
    )


def link(n: int, lr: float = 1.5) -> Link:
    return Link(
        form="same_thing",
        source=file(n).id,
        target=file(n + 1).id,
        method="m",
        version=1,
        log10_lr=lr,
        reasons=("because",),
    )


def action(kind: str = "parse/x", *inputs: str) -> Action:
    return Action(
        kind=kind,
        version=1,
        performer="machine",
        tool="amparo",
        operation="collection",
        started=1,
        ended=2,
        status="done",
        inputs=inputs,
    )


def counts_hold(store: Store) -> None:
    """Every tally equals a count of the rows themselves."""
    for cls in KINDS.values():
        rows = list(store.each(cls))
        assert store.tally(cls) == {"": len(rows)}
        for name in TALLIES.get(cls.KIND, ()):
            values = (str(v) for (v,) in store.columns(cls, name))
            assert store.tally(cls, name) == dict(Counter(values)), (cls, name)


def test_every_kind_comes_back_as_it_went_in(store: Store) -> None:
    records: list[Record] = [
        EXHIBIT,
        ACCOUNT,
        message(1, sent=None, edited=-5),
        content(1),
        Structure(content="c", format="sqlite", names=("a.b", 'odd "name"', "ñ", "")),
        Position(content="c", method="exif", latitude=-33.5, longitude=1e-9),
        Fingerprint(content="c", algorithm="pdq", value=bytes(range(32)), quality=100),
        Fingerprint(content="d", algorithm="pdq", value=b"", quality=0),
        link(1),
        Media(content="c", format="jpeg", width=1, height=2),
    ]
    assert store.put(records, "parse/x") == len(records)
    for record in records:
        back = store.get(type(record), record.id)
        assert back == record
        assert {
            type(getattr(back, n)) for n in ("from_owner", "withdrawn") if hasattr(back, n)
        } <= {bool}
    assert store.get(Message, "nothing") is None
    counts_hold(store)


def test_putting_again_adds_nothing(store: Store) -> None:
    records = [message(n) for n in range(1500)]
    assert store.put(records, "parse/x") == 1500
    revision = store.revision([Message, File])
    assert store.put(records + records, "parse/y") == 0
    assert store.revision([Message, File]) == revision
    store.put([file(1)])
    assert store.revision([Message, File]) != revision
    assert store.tally(Message, "maker") == {"parse/x": 1500}
    counts_hold(store)


def test_hostile_text_and_numbers(store: Store) -> None:
    hard = [
        "a\0b",
        "\ud800x",
        "'; DROP TABLE message; --",
        '"quoted" %s ?',
        "😀 e\u0301",
        "x" * 1_000_000,
    ]
    messages = [message(n, text=text) for n, text in enumerate(hard)]
    store.put(messages)
    back = store.many(Message, [m.id for m in messages])
    assert back[messages[0].id].text == "a\u2400b"
    assert back[messages[1].id].text == "\\ud800x"
    for m in messages[2:]:
        assert back[m.id] == m
    odd = Account(service="x", handle="a\0b", form="other")
    store.put([odd])
    # The id is that of the true handle, so rows that point to it still do.
    assert store.many(Account, [odd.id])[odd.id].handle == "a\u2400b"
    with pytest.raises(ValueError, match="64 bits"):
        store.put([file(1, modified=1 << 64)])
    with pytest.raises(ValueError, match="not a number"):
        store.put([Position(content="c", method="m", latitude=float("nan"), longitude=0.0)])
    counts_hold(store)


def test_each_and_columns_filter_and_keep_id_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amparo.store.reading.PAGE", 100)
    files = [
        file(n, content=content(n % 7).id, locator="x*y" if n % 2 else "xy") for n in range(450)
    ]
    store.put(files)
    everything = sorted(files, key=lambda f: f.id)
    assert list(store.each(File)) == everything
    assert [id for (id,) in store.columns(File, "id")] == [f.id for f in everything]
    some = [content(2).id, content(3).id]
    assert list(store.each(File, content=some)) == [f for f in everything if f.content in some]
    # More than a page of rows found by an index that is not in id order.
    five = [content(n).id for n in range(5)]
    assert list(store.each(File, content=five)) == [f for f in everything if f.content in five]
    assert list(store.each(File, exhibit=EXHIBIT.id, size=7)) == [f for f in files if f.size == 7]
    assert list(store.each(File, modified=None, path="f/0001*")) == [
        f for f in everything if f.path.startswith("f/0001")
    ]
    assert not list(store.each(File, path="F/0001*")), "case counts"
    assert len(list(store.each(File, locator=["x*y"]))) == 225, "values in a list are literal"
    assert not list(store.each(File, path="f/____1")), "only * is special"
    assert list(store.columns(File, "content", "size", path="f/00001")) == [(files[1].content, 1)]
    with pytest.raises(ValueError, match="no field"):
        list(store.each(File, colour="red"))
    with pytest.raises(ValueError, match="no field"):
        store.columns(File, "maker")


def test_columns_of_where_and_of_lists(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amparo.store.reading.PAGE", 100)
    messages = [message(n) for n in range(250)]
    store.put([*messages, Structure(content="c", format="sqlite", names=("a.b", "c.d"))])
    assert list(store.columns(Structure, "names", "content")) == [(("a.b", "c.d"), "c")]
    names = ("id", "at_file", "at_row", "at_offset", "at_state", "from_owner")
    expected = [
        (m.id, m.at.file, m.at.row, None, "live", m.from_owner)
        for m in sorted(messages, key=lambda m: m.id)
    ]
    paged = list(store.columns(Message, *names))
    assert paged == expected
    assert type(paged[0][-1]) is bool
    monkeypatch.setattr("amparo.store.reading.LONG", 100)
    assert list(store.columns(Message, *names)) == expected
    assert list(store.columns(Message, "sent", thread=THREAD.id, sent=5000)) == [(5000,)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("where_", [{}, {"thread": THREAD.id}, {"at_file": file(0).id}])
def test_pages_hold_every_row_once_with_ties_and_gaps(
    store: Store, descending: bool, where_: dict[str, str]
) -> None:
    messages = [message(n, sent=None if n % 5 == 0 else n % 3) for n in range(60)]
    store.put(messages)
    known = sorted((m for m in messages if m.sent is not None), key=lambda m: (m.sent, m.id))
    unknown = sorted((m for m in messages if m.sent is None), key=lambda m: m.id)
    expected = (known[::-1] + unknown[::-1]) if descending else known + unknown
    seen: list[Message] = []
    after = None
    while page := store.find(Message, where_, "sent", descending, after, limit=7):
        seen += page
        after = (page[-1].sent, page[-1].id)
    assert seen == expected


def test_pages_by_text_and_by_id(store: Store) -> None:
    files = [file(n, locator=t) for n, t in enumerate(["b", "B", "é", "a", "", "Z", "😀", "a"])]
    store.put(files)
    by_text = sorted(files, key=lambda f: (f.locator, f.id))
    assert store.find(File, order="locator") == by_text
    first = store.find(File, {"exhibit": EXHIBIT.id}, "locator", limit=3)
    rest = store.find(File, {"exhibit": EXHIBIT.id}, "locator", False, ("Z", first[-1].id))
    assert first + rest == by_text
    down = sorted(files, key=lambda f: f.id, reverse=True)
    assert store.find(File, descending=True, after=(None, down[2].id)) == down[3:]


def test_undone_until_finished_at_this_version(store: Store) -> None:
    contents = [content(n, "image/png" if n % 2 else "text/plain") for n in range(10)]
    store.put(contents)
    pictures = sorted((c for c in contents if c.mime == "image/png"), key=lambda c: c.id)
    where = {"mime": "image/*"}
    assert list(store.undone(Content, "f/p", 2, where)) == pictures
    assert store.undone_count(Content, "f/p", 2, {"mime": ["image/png"]}) == 5
    done = pictures[0]
    store.finish(action("f/p"), [], [(done.id, "f/p", 2)], "f/p")
    assert list(store.undone(Content, "f/p", 2, where)) == pictures[1:]
    assert store.undone_count(Content, "f/p", 2, where) == 4
    assert store.undone_count(Content, "f/p", 3, where) == 5
    assert store.undone_count(Content, "f/other", 1) == 10
    assert store.is_done("f/p", done.id) == (2, "")
    assert store.is_done("f/p", pictures[1].id) is None
    some = {"mime": "image/png", "sha256": [c.sha256 for c in pictures[:3]]}
    assert list(store.undone(Content, "f/p", 2, some)) == pictures[1:3]


def test_finish_stands_or_falls_together(store: Store) -> None:
    subject = file(0).id

    def broken() -> Iterator[Record]:
        yield from (message(n) for n in range(2500))
        raise OSError("gone")

    with pytest.raises(OSError):
        store.finish(action("parse/x", subject), broken(), [(subject, "parse/x", 1)], "parse/x")
    # What had been written is noted as begun, so that a later version takes it out first.
    assert store.is_done("parse/x", subject) == (0, "")
    assert store.tally(Message)[""] == 1000
    assert store.actions() == []
    records = [message(n) for n in range(2500)]
    made = store.finish(
        lambda: action("parse/x", subject), records, [(subject, "parse/x", 1)], "parse/x"
    )
    assert made == 2500
    assert store.is_done("parse/x", subject) == (1, "")
    assert [a.inputs for _, a, _ in store.actions()] == [(subject,)]
    counts_hold(store)


def test_a_failing_action_takes_its_last_records_along(store: Store) -> None:
    bad = Action(**{**_fields(action()), "started": 1 << 70})
    with pytest.raises(ValueError, match="64 bits"):
        store.finish(bad, [message(1)], [("s", "parse/x", 1)], "parse/x")
    assert store.tally(Message) == {"": 0}
    assert store.search("hello") == []
    assert store.is_done("parse/x", "s") is None
    assert store.verify() == []
    store.put([message(1)])
    counts_hold(store)


def _fields(one: Action) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def test_a_new_version_replaces_what_the_old_one_made(store: Store) -> None:
    one, two = file(1, content=content(1).id), file(2)
    problem = Problem(stage="parse", plugin="parse/x", subject=one.id, reason="torn")
    other = Problem(stage="parse", plugin="parse/y", subject=one.id, reason="torn")
    store.put([EXHIBIT, one, two], "evidence/folder")
    store.finish(
        action(),
        [message(n, one) for n in range(1200)] + [ACCOUNT, problem],
        [(one.id, "parse/x", 1)],
        "parse/x",
    )
    store.finish(action(), [message(5000, two)], [(two.id, "parse/x", 1)], "parse/x")
    store.put([other, message(6000, one)], "parse/y")
    store.finish(action(), [message(7, one)], [(one.id, "parse/x", 2)], "parse/x")
    assert {m.id for m in store.each(Message)} == {
        m.id for m in (message(7, one), message(5000, two), message(6000, one))
    }
    assert list(store.each(Problem)) == [other]
    assert store.get(Account, ACCOUNT.id) == ACCOUNT, "identity rows belong to nobody"
    assert len(store.search("word5")) == 1, "only word5000 is left"
    counts_hold(store)
    assert store.retract("parse/x", two.id) == 1
    assert store.is_done("parse/x", two.id) is None
    assert store.retract("evidence/folder", EXHIBIT.id) == 2
    assert store.get(Exhibit, EXHIBIT.id) == EXHIBIT
    counts_hold(store)


def test_records_without_a_word_are_taken_back_too(store: Store) -> None:
    one = file(1)
    store.put([EXHIBIT, one], "evidence/folder")
    store.finish(action(), [message(1, one, text="")], [(one.id, "parse/x", 1)], "parse/x")
    assert store.retract("parse/x", one.id) == 1 and not list(store.each(Message))
    store.finish(action(), [message(2, one)], [(one.id, "parse/x", 2)], "parse/x")
    assert [hit.kind for hit in store.search("hello")] == ["message"]
    counts_hold(store)


def test_retract_by_content_and_by_whole_exhibit(store: Store) -> None:
    store.put([EXHIBIT])
    prints = [Fingerprint(content=c, algorithm="pdq", value=b"1", quality=1) for c in ("c", "d")]
    store.finish(action(), prints, [("c", "fingerprint/pdq", 1)], "fingerprint/pdq")
    assert store.retract("fingerprint/pdq", "c") == 1
    assert [p.content for p in store.each(Fingerprint)] == ["d"]
    store.put([message(1)], "evidence/report")
    assert store.retract("evidence/report", EXHIBIT.id) == 1


def test_what_a_plugin_made_of_everything_is_forgotten(store: Store) -> None:
    def scored(plugin: str, model: str) -> None:
        names = [f"c{n}" for n in range(1300)]
        rows = [ModelScore(content=c, model=model, label="x", score=0.5) for c in names]
        trouble = [Problem(stage="fingerprint", plugin=plugin, subject=model, reason="why")]
        done = [(subject, plugin, 1) for subject in (*names, model)]
        store.finish(action(), [*rows, *trouble], done, plugin)
        store.replace((), [], action(), plugin, 1, "revision")

    scored("fingerprint/a", "one")
    scored("fingerprint/b", "two")
    assert store.forget("fingerprint/a") == 1301
    assert {s.model for s in store.each(ModelScore)} == {"two"}
    assert [p.plugin for p in store.each(Problem)] == ["fingerprint/b"]
    assert store.is_done("fingerprint/a", WHOLE) is store.is_done("fingerprint/a", "c1") is None
    assert store.is_done("fingerprint/b", WHOLE) == (1, "revision")
    assert store.forget("fingerprint/a") == 0
    counts_hold(store)


def test_replace_makes_the_output_exactly_this(store: Store) -> None:
    def derive(rows: list[Record], revision: str) -> int:
        return store.replace(
            (Resolution, KnownMatch), rows, action("link/r"), "link/r", 1, revision
        )

    def row(n: int, canonical: str) -> Resolution:
        return Resolution(form="account", source=f"s{n}", canonical=canonical, basis=("b",))

    foreign = Resolution(form="account", source="other", canonical="x")
    store.put([foreign], "link/other")
    assert derive([row(n, "a") for n in range(2300)], "r1") == 2300
    assert store.is_done("link/r", WHOLE) == (1, "r1")
    before = store.revision([Resolution])
    assert derive([row(n, "a") for n in range(2300)], "r2") == 0
    assert store.revision([Resolution]) == before, "nothing changed, so nothing below is stale"
    match = KnownMatch(content="c", known_set="k", algorithm="md5", use="alert")
    assert (
        derive([row(n, "b" if n < 5 else "a") for n in range(1100)] + [match], "r3") == 5 + 1200 + 1
    )
    assert {r.canonical for r in store.each(Resolution, source=["s4", "s5"])} == {"a", "b"}
    assert store.tally(Resolution) == {"": 1101}
    assert store.get(Resolution, foreign.id) == foreign
    assert len(store.actions()) == 3
    with pytest.raises(ValueError, match="does not make"):
        derive([file(1)], "r4")
    assert store.is_done("link/r", WHOLE) == (0, ""), "under way until it is whole"
    assert derive([], "r5") == 1101 - 1 + 1
    counts_hold(store)


def test_replace_of_nothing_only_notes_the_revision(store: Store) -> None:
    store.replace((), iter(()), action("parse/x"), plugin="parse/x", version=3, revision="r")
    assert store.is_done("parse/x", WHOLE) == (3, "r")


def test_links_are_withdrawn_and_come_back(store: Store) -> None:
    def derive(*links: Link) -> int:
        return store.replace((Link,), links, lambda: action("link/l"), "link/l", 1, "r")

    assert derive(link(1), link(2)) == 2
    before = store.revision([Link])
    assert derive(link(2)) == 1
    assert [x.withdrawn for x in store.many(Link, [link(1).id, link(2).id]).values()].count(
        True
    ) == 1
    assert store.revision([Link]) != before
    assert derive(link(2)) == 0, "withdrawn once"
    assert derive(link(1), link(2, 2.5)) == 2
    back = store.many(Link, [link(1).id, link(2).id])
    assert back == {link(1).id: link(1), link(2).id: link(2, 2.5)}
    counts_hold(store)


def test_marks_and_removal_go_with_their_action(store: Store) -> None:
    mark = Mark(subject="c", form="tag", text="Blau", performer="u1", time=5)
    assert store.mark(mark, action("review/mark", "c")) == 1
    assert store.get(Mark, mark.id) == mark
    assert store.tally(Mark, "form") == {"tag": 1}
    more = [Mark(subject=c, form="category", code="1", performer="u1", time=6) for c in "de"]
    assert store.mark(more, action("review/mark", "d", "e")) == 2
    assert store.tally(Mark, "form") == {"tag": 1, "category": 2}
    files = [file(n) for n in range(1300)]
    store.put(files)
    ids = [f.id for f in files[:1100]]
    assert store.remove(File, [*ids, "nothing"], action("review/erase", *ids[:3])) == 1100
    assert {f.id for f in store.each(File)} == {f.id for f in files[1100:]}
    assert [a.kind for _, a, _ in store.history(ids[0])] == ["review/erase"]
    counts_hold(store)


def test_tally_gives_what_is_counted_and_refuses_the_rest(store: Store) -> None:
    store.put([file(1), file(2), content(1), content(2, "text/plain")], "evidence/folder")
    assert store.tally(Content, "mime") == {"image/jpeg": 1, "text/plain": 1}
    assert store.tally(Content, where={"mime": ["text/plain", "x"]}) == {"": 1}
    assert store.tally(File, "exhibit", {"exhibit": "other"}) == {}
    for by, where in (("size", {}), ("", {"path": "x"}), ("exhibit", {"maker": "x"})):
        with pytest.raises(ValueError, match="not counted"):
            store.tally(File, by, where)
    with pytest.raises(ValueError, match="not counted"):
        store.tally(Content, "maker")


def test_readers_see_only_whole_transactions_while_one_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amparo.store.reading.LONG", 0)
    stop, seen, errors = threading.Event(), set(), []

    def read() -> None:
        try:
            while not stop.is_set():
                seen.add(sum(1 for _ in store.columns(Message, "id")) % 500)
                seen.add(store.tally(Message)[""] % 500)
                ids = [m.id for m in store.each(Message, at_row=range(200))]
                assert ids == sorted(set(ids))
                store.find(Message, {"thread": THREAD.id}, "sent", limit=5)
                store.search("hello", 3)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(0, 3000, 500):
        store.put([message(n) for n in range(start, start + 500)], "parse/x")
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert seen <= {0}
    counts_hold(store)


def test_writers_of_several_threads_take_turns(store: Store) -> None:
    def write(part: int) -> None:
        for n in range(20):
            store.put([message(part * 1000 + n)], "parse/x")
            store.act(action(f"part/{part}"))

    threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.tally(Message) == {"": 80}
    assert len(store.actions()) == 80
    assert store.verify() == []


def test_records_may_be_read_from_the_store_that_is_written(store: Store) -> None:
    store.put([file(n) for n in range(3000)], "evidence/folder")
    made = (Problem(stage="s", plugin="p", subject=f.id, reason="r") for f in store.each(File))
    assert store.put(made, "p") == 3000


def test_dump_is_equal_for_equal_records_only(store: Store, tmp_path: Path) -> None:
    with Store.create(tmp_path / "other.db") as other:
        store.put([message(n) for n in range(10)] + [file(1)], "a")
        other.put([file(1)] + [message(n) for n in reversed(range(10))], "b")
        other.act(action())
        assert dump(store) == dump(other)
        assert set(dump(store)) == {"message", "file"}
        other.put([message(11)])
        assert dump(store)["message"] != dump(other)["message"]
        assert dump(store)["file"] == dump(other)["file"]


def test_open_again_and_read_only(where: Path | str) -> None:
    with (
        pytest.raises(FileNotFoundError) if isinstance(where, Path) else pytest.raises(StoreRefused)
    ):
        Store.open(where)
    with Store.create(where) as store:
        store.put([message(1)])
        with pytest.raises(FileExistsError):
            Store.create(where)
    with Store.open(where, readonly=True) as store:
        assert store.get(Message, message(1).id) == message(1)
        with pytest.raises(StoreRefused, match="reading only"):
            store.put([message(2)])
        with pytest.raises(StoreRefused, match="reading only"):
            store.act(action())
    with Store.open(where) as store:
        assert store.put([message(1), message(2)]) == 1
        assert store.put([Attachment(at=message(1).at, message=message(1).id, path="a/b.jpg")]) == 1
