"""The score is 1.0000 for a right case, and each thing that is wrong lowers its own measure alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from amparo.link.attachments import attachments
from amparo.link.resolve import accounts
from amparo.model import (
    Account,
    Alias,
    At,
    Attachment,
    Exhibit,
    File,
    KnownMatch,
    Link,
    Membership,
    MembershipEvent,
    Message,
    Posting,
    Record,
    StackMember,
    Tenure,
    Thread,
    Unseen,
    content_id,
)
from amparo.network.propagation import postings
from amparo.network.tenure import tenure
from amparo.replay.measure import floor
from amparo.replay.score import Report, score
from amparo.replay.truth import TABLES
from memory_view import MemoryView, derived

T0 = 1_740_960_000_000
GROUP = "120363000000000001@g.us"
SECOND = "120363000000000002@g.us"
ANA, BEA, CAI = (f"3460000000{n}@s.whatsapp.net" for n in range(3))
LID = "999@lid"
PRIVATE = f"private:{ANA}|{BEA}"
SHA = {name: sha256(name.encode()).hexdigest() for name in ("x", "x2", "y", "z", "db")}


def truth_file(folder: Path) -> Path:
    """Two phones, two groups, a private chat; x erased on the second phone."""
    path = folder / "truth.db"
    db = sqlite3.connect(path)
    db.executescript(TABLES)

    def fill(table: str, *rows: tuple[object, ...]) -> None:
        db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)

    phones = [(jid.partition("@")[0], jid) for jid in (ANA, BEA, CAI)]
    fill("account", *((jid, phone, "ES", 1) for phone, jid in phones))
    fill(
        "grp", (GROUP, "one", T0, ANA, T0, "ES-001,ES-002"), (SECOND, "two", T0, ANA, T0, "ES-001")
    )
    fill(
        "member",
        (GROUP, ANA, "creator", T0, None, 1, None),
        (GROUP, BEA, "admin", T0 + 1000, None, 1, None),
        (GROUP, CAI, "member", T0 + 2000, T0 + 900_000, 0, None),
        (SECOND, ANA, "creator", T0, None, 1, None),
        (SECOND, CAI, "member", None, None, 1, None),
    )
    fill(
        "member_event",
        (GROUP, "create", ANA, ANA, T0, "one", "ES-001"),
        (GROUP, "add", BEA, ANA, T0 + 1000, None, "ES-001"),
        (GROUP, "promote", BEA, ANA, T0 + 1500, None, "ES-002"),
        (GROUP, "link", CAI, CAI, T0 + 2000, None, "ES-001"),
        (GROUP, "remove", CAI, ANA, T0 + 900_000, None, "ES-001"),
        (GROUP, "subject", None, ANA, T0 + 5000, "uno", "ES-001"),
        (SECOND, "create", ANA, ANA, T0, "two", "ES-001"),
    )
    fill(
        "message",
        (GROUP, "K1", ANA, T0 + 10_000, "image", "look", 0, "ES-001,ES-002", None),
        (GROUP, "K2", CAI, T0 + 20_000, "image", None, 0, "ES-001,ES-002", None),
        (GROUP, "K3", BEA, T0 + 30_000, "text", "edited", 0, "ES-001,ES-002", None),
        (GROUP, "K4", CAI, T0 + 40_000, "revoked", None, 0, None, "ES-001"),
        (SECOND, "K5", CAI, T0 + 50_000, "image", None, 0, "ES-001", None),
        (PRIVATE, "K6", ANA, T0 + 60_000, "text", "hello", 0, "ES-001,ES-002", None),
    )
    fill(
        "posting",
        (SHA["x"], GROUP, "K1", ANA, T0 + 10_000, 1, 1, 1, "ES-001,ES-002"),
        (SHA["x"], GROUP, "K2", CAI, T0 + 20_000, 2, 0, 0, "ES-001,ES-002"),
        (SHA["x"], SECOND, "K5", CAI, T0 + 50_000, 3, 0, 1, "ES-001"),
    )
    for name, original in (("x", "p1"), ("x2", "p1"), ("y", "p2"), ("z", "p3")):
        series = "phone:000/new0" if name == "x" else None
        fill("content", (SHA[name], original, "camera", "room", series, 1, "", ""))
    fill(
        "file",
        ("ES-001", "Media/x.jpg", SHA["x"], 1),
        ("ES-001", "DCIM/x.jpg", SHA["x"], 1),
        ("ES-002", "DCIM/x2.jpg", SHA["x2"], 1),
        ("ES-002", "DCIM/y\n.jpg", SHA["y"], 1),
        ("ES-002", "DCIM/z.jpg", SHA["z"], 1),
    )
    fill("exact_stack", (SHA["x"], SHA["x"], 2))
    fill("visual_stack", (SHA["x"], "p1"), (SHA["x2"], "p1"))
    fill("known", (SHA["y"], "alert"), (SHA["z"], "ignore"))
    fill("erased_file", ("ES-002", "Media/x.jpg", SHA["x"]))
    gone = (("ES-002", "K2", GROUP, 1), ("ES-002", "K9", GROUP, 0))
    fill("erased_message", *((*row, None, None, None) for row in gone))
    db.commit()
    db.close()
    return path


E1 = Exhibit(number="ES-001", country="ES", form="folder", source="1")
E2 = Exhibit(number="ES-002", country="ES", form="folder", source="2")


def account(jid: str) -> Account:
    form = "lid" if jid.endswith("@lid") else "owner" if jid.startswith("owner@") else "phone"
    phone = "+" + jid.partition("@")[0] if form == "phone" else ""
    return Account(
        service="whatsapp", handle=jid, form=form, phone=phone, country="ES" if phone else ""
    )


def thread(handle: str, form: str = "group") -> Thread:
    return Thread(service="whatsapp", handle=handle, form=form)


def observed() -> list[Record]:
    """What the two phones show, as parsers would tell it."""
    out: list[Record] = [E1, E2]
    rows = iter(range(1, 1000))

    def at(e: Exhibit, table: str = "message") -> At:
        return At(exhibit=e.id, file=e.id, table=table, row=next(rows))

    def message(
        e: Exhibit, where: Thread, key: str, who: str, ms: int, text: str = "", own: bool = False,
        form: str = "text", picture: str = "", edited: int | None = None,
    ) -> None:  # fmt: skip
        held = Message(
            at=at(e), thread=where.id, key=key, sender=account(who).id, from_owner=own, sent=ms,
            server=None if own else ms, form=form, text=text, edited=edited, revoked=form == "revoked",
        )  # fmt: skip
        out.append(held)
        if picture:
            out.append(
                Attachment(
                    at=at(e, "media"),
                    message=held.id,
                    content=content_id(SHA[picture]),
                    path="Media/x.jpg",
                )
            )

    def event(e: Exhibit, where: Thread, kind: str, who: str, actor: str, ms: int) -> None:
        out.append(
            MembershipEvent(
                at=at(e), thread=where.id, event=kind, time=ms,
                account=account(who).id if who else "", actor=account(actor).id if actor else "",
            )
        )  # fmt: skip

    one, two = f"owner@{E1.id}", f"owner@{E2.id}"
    out += [account(h) for h in (ANA, BEA, CAI, LID, one, two)]
    for e, a, b, basis in ((E1, one, ANA, "owner"), (E2, two, BEA, "owner"), (E1, LID, CAI, "lid")):
        out.append(Alias(at=at(e), account=account(a).id, other=account(b).id, basis=basis))
    group, second = thread(GROUP), thread(SECOND)
    mine, theirs = thread(f"{one}|{BEA}", "private"), thread(f"{two}|{ANA}", "private")
    out += [group, second, mine, theirs]
    message(E1, group, "K1", one, T0 + 9000, "look", own=True, form="image", picture="x")
    message(E2, group, "K1", ANA, T0 + 10_000, "look", form="image", picture="x")
    message(E1, group, "K2", CAI, T0 + 20_000, form="image", picture="x")
    message(E1, group, "K3", BEA, T0 + 30_000, "edited", edited=T0 + 31_000)
    message(E2, group, "K3", two, T0 + 127_000, "first words", own=True)
    message(E1, group, "K4", CAI, T0 + 40_000, form="revoked")
    message(E1, second, "K5", LID, T0 + 50_000, form="image", picture="x")
    message(E1, mine, "K6", one, T0 + 60_000, "hello", own=True)
    message(E2, theirs, "K6", ANA, T0 + 60_000, "hello")
    message(E1, group, "S1", ANA, T0 + 5000, "uno", form="system")
    event(E1, group, "created", "", one, T0)
    event(E1, group, "added", BEA, one, T0 + 1000)
    event(E2, group, "added", two, ANA, T0 + 1000)
    event(E2, group, "joined", two, "", T0 + 1000)
    event(E2, group, "promoted", two, ANA, T0 + 1500)
    event(E1, group, "joined_by_link", CAI, "", T0 + 2000)
    event(E1, group, "removed", CAI, one, T0 + 900_000)
    event(E2, group, "left", CAI, "", T0 + 900_000)
    event(E1, group, "subject", "", one, T0 + 5000)
    event(E1, second, "created", one, "", T0)
    out.append(Membership(at=at(E1), thread=second.id, account=account(LID).id, role="member"))
    for e, path, name in (
        (E1, "Media/x.jpg", "x"),
        (E1, "DCIM/x.jpg", "x"),
        (E2, "DCIM/x2.jpg", "x2"),
        (E2, "DCIM/y\\x0a.jpg", "y"),
        (E2, "DCIM/z.jpg", "z"),
    ):
        out.append(File(exhibit=e.id, path=path, size=1, content=content_id(SHA[name])))
    return out


def stack(name: str, centre: str) -> StackMember:
    return StackMember(
        content=content_id(SHA[name]), stack=content_id(SHA[centre]), distance=0, method="pdq"
    )


def known(name: str, use: str) -> KnownMatch:
    return KnownMatch(content=content_id(SHA[name]), known_set="s", algorithm="sha256", use=use)


def right_case() -> list[Record]:
    _, held = derived(observed(), accounts, attachments, tenure, postings)
    held += [stack("x", "x"), stack("x2", "x"), stack("y", "y"), stack("z", "z")]
    first = Unseen(content=content_id(SHA["x"]), rank=1, score=0.0)
    return [*held, known("y", "alert"), known("z", "ignore"), first]


RIGHT = right_case()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return truth_file(tmp_path_factory.mktemp("truth"))


def scored(records: Iterable[Record], truth: Path) -> Report:
    return score(MemoryView(records), truth)


def test_a_new_series_that_comes_late_is_missed(truth: Path) -> None:
    others = [r for r in RIGHT if not isinstance(r, Unseen)]
    late = Unseen(content=content_id(SHA["x"]), rank=4, score=0.0)
    for records in ([*others, late], others):
        (measure,) = (
            m for m in scored(records, truth).measures if m.name == "new series shown first"
        )
        assert (measure.truth, measure.right) == (1, 0)


def test_a_right_case_is_perfect(truth: Path) -> None:
    report = scored(RIGHT, truth)
    wanting = [line for line in report.lines() if "missed" in line or "false " in line]
    assert report.perfect, "\n".join(wanting)
    apart = ("recovered: ", "encrypted ")  # in test_score_recovery.py
    assert all(m.truth > 0 for m in report.measures if not m.name.startswith(apart)), (
        "measures something"
    )
    assert {floor(s) for m in report.measures for s in (m.recall, m.precision)} == {"1.0000"}
    assert report.as_dict()["messages"]["right"] == 6


def messages(*keys: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Message) and r.key in keys


def without(test: Callable[[Record], bool]) -> list[Record]:
    kept = [r for r in RIGHT if not test(r)]
    assert len(kept) < len(RIGHT)
    return kept


def changed(test: Callable[[Record], bool], **values: object) -> list[Record]:
    assert any(test(r) for r in RIGHT)
    return [replace(r, **values) if test(r) else r for r in RIGHT]  # type: ignore[arg-type]


def swapped(one: int, other: int) -> list[Record]:
    places = {one: other, other: one}
    return [
        replace(r, place=places.get(r.place, r.place)) if isinstance(r, Posting) else r
        for r in RIGHT
    ]


def tenure_of(jid: str) -> Callable[[Record], bool]:
    group = thread(GROUP).id
    return lambda r: isinstance(r, Tenure) and r.account == account(jid).id and r.thread == group


def is_posting(key: str) -> Callable[[Record], bool]:
    return lambda r: isinstance(r, Posting) and r.key == key


def first_is_wrong() -> list[Record]:
    return [
        replace(r, first_in_network=r.key == "K2") if isinstance(r, Posting) else r for r in RIGHT
    ]


SPARE = At(exhibit=E1.id, file=E1.id, table="spare", row=1)


def extra(**values: object) -> Message:
    return Message(
        **{
            "at": SPARE, "thread": thread(GROUP).id, "key": "K99", "sender": account(CAI).id,
            "from_owner": False, "sent": T0, "form": "text", **values,
        }  # type: ignore[arg-type]
    )  # fmt: skip


def event(kind: str, jid: str, time: int) -> MembershipEvent:
    return MembershipEvent(
        at=SPARE, thread=thread(GROUP).id, event=kind, account=account(jid).id, time=time
    )


WRONG: dict[str, tuple[list[Record], dict[str, str]]] = {
    "missing member": (without(tenure_of(BEA)), {"membership": "recall"}),
    "wrong role": (changed(tenure_of(BEA), role="member"), {"membership": "both"}),
    "wrong presence": (changed(tenure_of(BEA), present=False), {"membership": "both"}),
    "wrong leaving": (changed(tenure_of(CAI), until=T0 + 800), {"membership": "both"}),
    "two spans for one": (
        [*RIGHT, Tenure(thread=thread(GROUP).id, account=account(BEA).id, role="member",
                        since=T0 + 500_000, until=None, present=True)],
        {"membership": "both"},
    ),
    "wrong first poster": (first_is_wrong(), {"first poster": "both"}),
    "swapped order": (swapped(2, 3), {"order of postings": "both"}),
    "posting by somebody else": (
        changed(is_posting("K2"), account=account(BEA).id),
        {"propagation steps": "both"},
    ),
    "posting twice": (
        [*RIGHT, Posting(content=content_id(SHA["x"]), thread=thread(GROUP).id, key="K1@1",
                         account=account(ANA).id, time=1, place=9, first_in_network=False,
                         first_in_thread=False)],
        {"propagation steps": "precision", "order of postings": "both"},
    ),
    "missing message": (without(messages("K6")), {"messages": "recall"}),
    "missing message that was erased": (
        without(messages("K2")),
        {"messages": "recall", "erased messages restored": "recall"},
    ),
    "extra message": ([*RIGHT, extra()], {"messages": "precision"}),
    "wrong words": (changed(messages("K6"), text="hallo"), {"messages": "both"}),
    "wrong time": (changed(messages("K5"), server=T0 - 600_000), {"messages": "both"}),
    "wrong sender": (changed(messages("K5"), sender=account(BEA).id), {"messages": "both"}),
    "unresolved sender": (
        changed(messages("K5"), sender=account("7@lid").id),
        {"messages": "both", "accounts": "precision"},
    ),
    "false stack": (
        [stack("y", "x") if r == stack("y", "y") else r for r in RIGHT],
        {"visual stacks (pairs)": "precision"},
    ),
    "missing stack": (
        [stack("x2", "x2") if r == stack("x2", "x") else r for r in RIGHT],
        {"visual stacks (pairs)": "recall"},
    ),
    "missing event": (
        without(lambda r: isinstance(r, MembershipEvent) and r.event == "promoted"),
        {"membership events": "recall"},
    ),
    "extra event": ([*RIGHT, event("left", BEA, T0)], {"membership events": "precision"}),
    "a going without how, at a wrong time": (
        [*RIGHT, event("joined", CAI, T0 + 700_000)],
        {"membership events": "precision"},
    ),
    "missing alert": (without(lambda r: r == known("y", "alert")), {"known": "recall"}),
    "false alert": ([*RIGHT, known("x", "alert")], {"known": "precision"}),
    "ignored as alert": (
        [known("z", "alert") if r == known("z", "ignore") else r for r in RIGHT],
        {"known": "both"},
    ),
    "missing file": (
        without(lambda r: isinstance(r, File) and r.path == "DCIM/z.jpg"),
        {"files": "recall"},
    ),
    "missing copy": (
        without(lambda r: isinstance(r, File) and r.path == "DCIM/x.jpg"),
        {"files": "recall", "exact stacks": "recall"},
    ),
    "file not restored": (
        without(lambda r: isinstance(r, Link) and r.form == "attachment_content"),
        {"erased files restored": "recall"},
    ),
    "wrong country": (
        changed(lambda r: r == account(CAI), country="PT"),
        {"countries": "both"},
    ),
    "invented recovery": (
        [*RIGHT, extra(at=At(exhibit=E2.id, file=E2.id, offset=5, state="carved"))],
        {"erased messages restored": "precision"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_lowers_its_own_measure(name: str, truth: Path) -> None:
    records, expected = WRONG[name]
    report = scored(records, truth)
    lowered = {}
    for m in report.measures:
        low = (m.recall < 1, m.precision < 1)
        if any(low):
            lowered[m.name] = "both" if all(low) else "recall" if low[0] else "precision"
    assert lowered == expected
    assert not report.perfect
    for m in report.measures:
        assert bool(m.missed) == (m.recall < 1) and bool(m.false) == (m.precision < 1), m.name


def test_a_true_recovery_counts_for_the_case(truth: Path) -> None:
    carved = extra(key="K9", at=At(exhibit=E2.id, file=E2.id, offset=5, state="carved"))
    assert scored([*RIGHT, carved], truth).perfect


def test_an_empty_case_finds_nothing_and_says_nothing_false(truth: Path) -> None:
    report = scored([], truth)
    assert {m.recall for m in report.measures if m.truth} == {0.0}
    assert {m.precision for m in report.measures} == {1.0}


def test_examples_are_in_words_and_few(truth: Path) -> None:
    report = scored([], truth)
    lines = report.lines()
    assert any(ANA in line for line in lines) and any(GROUP in line for line in lines)
    assert all(len(m.missed) <= 5 for m in report.measures)


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert floor(99_999 / 100_000) == "0.9999"


def test_no_truth_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        score(MemoryView([]), tmp_path)
