"""What each account did: messages once each, contents originated, carried, first shown."""

from __future__ import annotations

from amparo.model import Activity, Record
from amparo.network.activity import activity
from amparo.network.propagation import postings
from memory_view import derived
from network_case import HOUR, MINUTE, T0, group, hidden, message, owner, person, same, shown

G1, G2 = group(1), group(2)
A, B, L = person(1), person(2), hidden(7)


def run(*records: Record | list[Record]) -> dict[tuple[str, str], Activity]:
    flat: list[Record] = [A, B, L, owner(0)]
    for r in records:
        flat += r if isinstance(r, list) else [r]
    _, held = derived(flat, postings, activity)
    return {(r.account, r.thread): r for r in held if isinstance(r, Activity)}


def test_what_an_account_did_here_and_in_all() -> None:
    rows = run(
        shown(1, G1, "K1", A, T0, "x"),
        shown(2, G1, "K1", A, T0 + 1000, "x"),
        shown(1, G1, "K2", A, T0 + MINUTE, "x"),
        shown(1, G2, "K3", A, T0 + HOUR, "x"),
        shown(1, G2, "K4", B, T0 + 2 * HOUR, "x"),
        shown(1, G2, "K5", B, T0 - HOUR, "y"),
        message(1, G1, "K6", A, T0 + 3 * HOUR, form="text"),
    )
    whole, here, there = rows[A.id, ""], rows[A.id, G1.id], rows[A.id, G2.id]
    assert (here.messages, here.postings, here.contents) == (3, 2, 1)
    assert (here.originated, here.first_in_thread, here.carried) == (1, 1, 0)
    assert (here.first, here.last, here.threads) == (T0, T0 + 3 * HOUR, 1)
    assert (there.originated, there.first_in_thread, there.carried) == (0, 1, 1)
    assert (whole.messages, whole.postings, whole.contents, whole.threads) == (4, 3, 1, 2)
    assert (whole.originated, whole.first_in_thread, whole.carried) == (1, 2, 1)
    assert (whole.first, whole.last) == (T0, T0 + 3 * HOUR)
    b = rows[B.id, ""]
    assert (b.postings, b.contents, b.originated, b.carried, b.first) == (2, 2, 1, 0, T0 - HOUR)


def test_a_phones_own_copy_and_the_received_ones_are_one_message() -> None:
    rows = run(
        same(owner(0), A),
        message(0, G1, "K", owner(0), T0 - 99 * HOUR, own=True),
        message(1, G1, "K", A, T0),
        message(2, G1, "K", L, T0),
    )
    assert set(rows) == {(A.id, ""), (A.id, G1.id)}
    assert (rows[A.id, ""].messages, rows[A.id, ""].first) == (1, T0)


def test_at_the_same_instant_nothing_was_carried() -> None:
    rows = run(shown(1, G1, "K1", A, T0, "x"), shown(1, G2, "K2", A, T0, "x"))
    assert (rows[A.id, ""].originated, rows[A.id, ""].carried) == (1, 0)
    assert [rows[A.id, g.id].originated for g in (G1, G2)] == [1, 1], "one content, first in both"
    assert rows[A.id, ""].first_in_thread == 2


def test_two_accounts_of_one_instant_both_originate() -> None:
    rows = run(
        shown(1, G1, "K1", A, T0, "x"),
        shown(1, G1, "K2", B, T0, "x"),
        shown(1, G1, "K3", B, T0, "x"),
    )
    for who in (A, B):
        assert (rows[who.id, ""].originated, rows[who.id, G1.id].originated) == (1, 1)
        assert (rows[who.id, ""].first_in_thread, rows[who.id, ""].carried) == (1, 0)


def test_what_only_a_slow_clock_dates_earlier_was_not_carried() -> None:
    rows = run(
        shown(0, G1, "K1", A, T0 - 9000 * HOUR, "x", own=True), shown(1, G2, "K2", B, T0, "x")
    )
    assert (rows[A.id, ""].originated, rows[B.id, ""].originated) == (1, 1)
    assert rows[B.id, ""].carried == 0


def test_undated_messages_count_without_a_span() -> None:
    rows = run(message(1, G1, "K", A, None))
    assert (rows[A.id, ""].messages, rows[A.id, ""].first, rows[A.id, ""].last) == (1, None, None)
    rows = run(message(1, G1, "K", A, None), message(1, G1, "K2", A, T0))
    assert (rows[A.id, ""].first, rows[A.id, ""].last) == (T0, T0)


def test_messages_without_key_are_counted_one_by_one() -> None:
    rows = run(*(message(n, G1, "", A, T0) for n in (1, 1, 2, 2, 2)))
    assert rows[A.id, ""].messages == 3, "three on one exhibit, two of them on the other too"


def test_what_the_service_wrote_is_nobodys_message() -> None:
    assert run(message(1, G1, "K", A, T0, form="system")) == {}
