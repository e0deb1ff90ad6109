"""Every showing of every content, once each, in order: copies from several phones are one message."""

from __future__ import annotations

import random

from amparo.link.attachments import attachments
from amparo.model import Attachment, File, Link, Message, Posting, Record, Resolution, Thread
from amparo.network.propagation import postings
from memory_view import MemoryView, Shuffled, derived
from network_case import (
    HOUR,
    MINUTE,
    PHONES,
    T0,
    at,
    content,
    group,
    hidden,
    message,
    owner,
    person,
    same,
    shown,
)

G1, G2, G3 = group(1), group(2), group(3)
A, B, C, L = person(1), person(2), person(3), hidden(7)
PEOPLE = [A, B, C, L, owner(0), owner(1)]


def run(*records: Record | list[Record]) -> list[Posting]:
    flat: list[Record] = list(PEOPLE)
    for r in records:
        flat += r if isinstance(r, list) else [r]
    made = list(postings(MemoryView(flat)))
    assert len({p.id for p in made}) == len(made)
    return sorted(made, key=lambda p: (p.content, p.place))


def test_copies_of_one_message_are_one_posting() -> None:
    own = shown(0, G1, "K", owner(0), T0 - 4 * MINUTE, "x", own=True)
    (p,) = run(
        same(owner(0), A),
        own,
        shown(1, G1, "K", A, T0 + 2000, "x", forward=2),
        shown(2, G1, "K", A, T0, "x"),
    )
    assert (p.content, p.thread, p.key, p.account) == (content("x"), G1.id, "K", A.id)
    assert p.time == T0, "the least stamp of the receivers, not the sender's clock"
    assert p.exhibits == tuple(sorted(PHONES[n].id for n in range(3)))
    assert own[1].id in p.basis and len(p.basis) == 3
    assert p.forward_score == 2
    assert (p.place, p.first_in_network, p.first_in_thread) == (1, True, True)


def test_the_senders_server_stamp_stands_before_its_clock() -> None:
    (p,) = run(shown(0, G1, "K", A, T0 + HOUR, "x", own=True, server=T0))
    assert p.time == T0
    (p,) = run(shown(0, G1, "K", A, T0 + HOUR, "x", own=True))
    assert p.time == T0 + HOUR


def test_a_copy_of_unknown_direction_is_trusted_no_more_than_a_phones_clock() -> None:
    unknown = shown(0, G1, "K", A, T0 - HOUR, "x", own=None)
    (p,) = run(unknown, shown(1, G1, "K", A, T0, "x"))
    assert (p.time, p.dated) == (T0, "server")
    (p,) = run(unknown)
    assert (p.time, p.dated) == (T0 - HOUR, "phone")


def test_a_wrong_clock_does_not_make_a_second_posting() -> None:
    made = run(shown(0, G1, "K", A, T0 - 500 * HOUR, "x", own=True), shown(1, G1, "K", A, T0, "x"))
    assert [(p.time, len(p.exhibits)) for p in made] == [(T0, 2)]


def left(n: int, thread: Thread, name: str) -> list[Record]:
    """What an erased message leaves on phone ``n``: its file's hash and its conversation."""
    stub = Message(at=at(n), thread=thread.id, key="", sender="", from_owner=None, sent=None, form="unknown")  # fmt: skip
    return [stub, Attachment(at=at(n), message=stub.id, content=content(name))]


def test_what_is_left_of_an_erased_message_is_no_further_posting() -> None:
    rest = left(0, G1, "x")
    (p,) = run(shown(1, G1, "K", A, T0, "x"), rest)
    assert (p.key, p.time, p.account) == ("K", T0, A.id)
    assert p.exhibits == tuple(sorted(PHONES[n].id for n in (0, 1)))
    assert rest[1].id in p.basis
    twice = [shown(1, G1, "K", A, T0, "x"), shown(1, G1, "L", B, T0 + HOUR, "x")]
    made = run(*twice, rest)
    assert [p.key for p in made] == ["K", "L"]
    assert all(rest[1].id not in p.basis for p in made), "nobody can tell of which it is left"
    made = run(shown(1, G2, "K", A, T0, "x"), rest)
    assert [(p.thread, p.time) for p in made] == [(G2.id, T0), (G1.id, None)]


def test_a_key_used_twice_hours_apart_is_two_messages() -> None:
    made = run(shown(1, G1, "K", A, T0, "x"), shown(2, G1, "K", A, T0 + 11 * MINUTE, "x"))
    assert [p.time for p in made] == [T0, T0 + 11 * MINUTE]
    assert [p.key for p in made] == ["K", f"K@{T0 + 11 * MINUTE}"]
    assert len(run(shown(1, G1, "K", A, T0, "x"), shown(2, G1, "K", A, T0 + 9 * MINUTE, "x"))) == 1


def test_only_clocks_of_the_senders_phones_hours_apart_are_two_messages() -> None:
    made = run(
        same(owner(0), A),
        same(owner(1), A),
        shown(0, G1, "K", owner(0), T0, "x", own=True),
        shown(1, G1, "K", owner(1), T0 + HOUR, "x", own=True),
    )
    assert [p.time for p in made] == [T0, T0 + HOUR]


def test_two_senders_with_one_key_are_two_messages() -> None:
    made = run(shown(1, G1, "K", A, T0, "x"), shown(2, G1, "K", B, T0, "x"))
    assert {p.account for p in made} == {A.id, B.id}


def test_one_key_in_two_groups_is_two_messages() -> None:
    assert len(run(shown(1, G1, "K", A, T0, "x"), shown(1, G2, "K", A, T0, "x"))) == 2


def test_a_hidden_id_gives_way_to_the_number() -> None:
    made = run(shown(1, G1, "K", L, T0 + 1000, "x"), shown(2, G1, "K", A, T0, "x"))
    assert [(p.account, len(p.exhibits)) for p in made] == [(A.id, 2)]
    far = run(shown(1, G1, "K", L, T0 + HOUR, "x"), shown(2, G1, "K", A, T0, "x"))
    assert {p.account for p in far} == {A.id, L.id}


def test_an_unnamed_owner_gives_way_to_what_receivers_say() -> None:
    made = run(shown(0, G1, "K", owner(0), T0, "x", own=True), shown(1, G1, "K", L, T0, "x"))
    assert [p.account for p in made] == [L.id]
    made = run(
        shown(0, G1, "K", owner(0), T0, "x", own=True),
        shown(1, G1, "K", owner(1), T0, "x", own=True),
    )
    assert len(made) == 2, "neither says who it is better than the other"


def test_deleted_for_everyone_but_held_by_one_phone() -> None:
    revoked = Message(
        at=at(2),
        thread=G1.id,
        key="K",
        sender=A.id,
        from_owner=False,
        sent=T0 - 1000,
        form="revoked",
        revoked=True,
    )
    (p,) = run(revoked, shown(1, G1, "K", L, T0, "x"))
    assert len(p.exhibits) == 2 and len(p.basis) == 1
    assert (p.account, p.time) == (A.id, T0 - 1000), "the copy without the file dates and names it"


def test_both_sides_of_a_private_chat() -> None:
    mine = Thread(service="whatsapp", handle="a|b", form="private")
    theirs = Thread(service="whatsapp", handle="b|a", form="private")
    joined = Resolution(form="thread", source=theirs.id, canonical=mine.id)
    made = run(joined, shown(0, mine, "K", A, T0, "x", own=True), shown(1, theirs, "K", A, T0, "x"))
    assert [p.thread for p in made] == [mine.id]


def test_order_and_firsts_over_conversations() -> None:
    made = run(
        shown(1, G2, "K3", B, T0 + HOUR, "x"),
        shown(1, G1, "K2", C, T0 + 1000, "x"),
        shown(1, G1, "K1", A, T0, "x"),
        shown(1, G3, "K4", B, T0 + 2 * HOUR, "y"),
    )
    x = [p for p in made if p.content == content("x")]
    assert [(p.place, p.key, p.first_in_network, p.first_in_thread) for p in x] == [
        (1, "K1", True, True),
        (2, "K2", False, False),
        (3, "K3", False, True),
    ]
    (y,) = [p for p in made if p.content == content("y")]
    assert y.first_in_network and y.place == 1


def test_all_of_the_earliest_instant_are_first_and_places_still_differ() -> None:
    made = run(
        shown(1, G1, "K2", A, T0, "x"),
        shown(1, G1, "K1", A, T0, "x"),
        shown(1, G2, "K0", B, T0, "x"),
    )
    assert [(p.thread, p.key) for p in made] == sorted((p.thread, p.key) for p in made)
    assert [(p.place, p.first_in_network, p.first_in_thread) for p in made] == [
        (1, True, True), (2, True, True), (3, True, True),
    ]  # fmt: skip
    made = run(
        shown(1, G1, "K1", A, T0, "x"),
        shown(1, G1, "K2", B, T0, "x"),
        shown(1, G1, "K3", C, T0 + 1, "x"),
        shown(1, G2, "K4", C, T0 + 1, "x"),
    )
    said = {p.key: (p.first_in_network, p.first_in_thread) for p in made}
    assert said == {
        "K1": (True, True),
        "K2": (True, True),
        "K3": (False, False),
        "K4": (False, True),
    }


def test_a_posting_says_what_dates_it() -> None:
    made = run(
        shown(0, G1, "K1", A, T0, "x", own=True),
        shown(0, G1, "K2", A, T0 + HOUR, "x", own=True, server=T0 + HOUR),
        shown(1, G1, "K3", B, T0 + 2 * HOUR, "x"),
        shown(1, G1, "K4", B, None, "x"),
        shown(0, G1, "K5", A, T0 - 9 * HOUR, "x", own=True),
        shown(2, G1, "K5", A, T0 + 3 * HOUR, "x"),
    )
    said = {p.key: p.dated for p in made}
    assert said == {"K1": "phone", "K2": "server", "K3": "server", "K4": "", "K5": "server"}


def test_a_slow_clock_alone_makes_nobody_the_only_first() -> None:
    year = 365 * 24 * HOUR
    made = run(
        shown(0, G1, "K1", A, T0 - 9 * year, "x", own=True),
        shown(0, G1, "K2", A, T0 - 8 * year, "x", own=True),
        shown(1, G2, "K3", B, T0, "x"),
        shown(1, G1, "K4", C, T0 + HOUR, "x"),
        shown(1, G1, "K5", C, T0 + 2 * HOUR, "x"),
    )
    assert [(p.place, p.key, p.first_in_network, p.first_in_thread) for p in made] == [
        (1, "K1", True, True),
        (2, "K2", False, False),
        (3, "K3", True, True),
        (4, "K4", False, True),
        (5, "K5", False, False),
    ]


def test_a_fast_clock_never_unseats_a_server() -> None:
    made = run(shown(1, G1, "K1", B, T0, "x"), shown(0, G1, "K2", A, T0 + HOUR, "x", own=True))
    assert [p.first_in_network for p in made] == [True, False]
    made = run(
        shown(0, G1, "K1", A, T0, "x", own=True), shown(0, G1, "K2", A, T0 + HOUR, "x", own=True)
    )
    assert [p.first_in_network for p in made] == [True, False], "only clocks: the earliest of them"


def test_without_a_time_last_and_first_only_when_alone() -> None:
    made = run(shown(1, G1, "K1", A, None, "x"), shown(1, G2, "K2", B, T0, "x"))
    assert [(p.key, p.time, p.first_in_network, p.first_in_thread) for p in made] == [
        ("K2", T0, True, True),
        ("K1", None, False, True),
    ]
    made = run(shown(1, G1, "K1", A, None, "x"), shown(1, G1, "K2", B, None, "x"))
    assert not any(p.first_in_network or p.first_in_thread for p in made)
    (p,) = run(shown(1, G1, "K1", A, None, "x"))
    assert p.first_in_network and p.first_in_thread


def test_planted_times_out_of_range_are_no_time() -> None:
    (p,) = run(shown(1, G1, "K", A, 1 << 63, "x"))
    assert p.time is None
    (p,) = run(shown(1, G1, "K", A, -(1 << 70), "x", server=T0))
    assert p.time == T0


def test_messages_without_a_key_stand_by_sender_and_time() -> None:
    made = run(
        shown(1, G1, "", A, T0, "x"),
        shown(2, G1, "", A, T0, "x"),
        shown(1, G1, "", A, T0 + 1000, "x"),
        message(1, G1, "", B, T0),
    )
    assert [(p.key, len(p.exhibits)) for p in made] == [(f"@{T0}", 2), (f"@{T0 + 1000}", 1)]


def test_an_attachment_without_hash_counts_through_its_path() -> None:
    held = message(0, G1, "K", A, T0)
    carried = Attachment(at=at(0), message=held.id, path="Media/x.jpg")
    file = File(exhibit=PHONES[0].id, path="data/Media/x.jpg", size=1, content=content("x"))
    _, records = derived([*PEOPLE, held, carried, file], attachments, postings)
    (p,) = [r for r in records if isinstance(r, Posting)]
    assert (p.content, p.key) == (content("x"), "K")
    (link,) = [r for r in records if isinstance(r, Link)]
    assert set(p.basis) == {carried.id, link.id}, "the attachment alone does not name the content"
    withdrawn = Link(
        form="attachment_content", source=carried.id, target=content("x"), method="path",
        version=1, log10_lr=2.0, withdrawn=True,
    )  # fmt: skip
    assert run(held, carried, withdrawn) == []


def test_two_attachments_of_one_message() -> None:
    first = shown(0, G1, "K", A, T0, "x")
    held = first[0]
    second = Attachment(at=at(0), message=held.id, content=content("y"))
    again = Attachment(at=at(0), message=held.id, content=content("x"))
    made = run(first, second, again)
    assert {p.content: len(p.basis) for p in made} == {content("x"): 2, content("y"): 1}


def test_order_of_records_changes_nothing() -> None:
    rng = random.Random(3)
    records: list[Record] = []
    for _ in range(60):
        records += shown(
            rng.randrange(4), rng.choice((G1, G2)), f"K{rng.randrange(12)}", rng.choice((A, B, L, owner(0))),
            T0 + rng.randrange(8) * 4 * MINUTE, rng.choice("xy"), own=rng.random() < 0.2,
        )  # fmt: skip
    expected = run(records)
    assert len(expected) > 20
    for seed in range(5):
        found = list(postings(Shuffled([*PEOPLE, *records], seed)))
        assert sorted(found, key=lambda p: (p.content, p.place)) == expected


def test_nothing_shown_gives_nothing() -> None:
    assert run(message(0, G1, "K", A, T0)) == []
