"""Membership spans: each happening counts once, re-joins are second spans, what is unknown stays so."""

from __future__ import annotations

import random
from dataclasses import replace

from amparo.model import Record, Tenure, Thread
from amparo.network.tenure import tenure
from memory_view import MemoryView, Shuffled
from network_case import HOUR, MINUTE, T0, event, group, listed, message, owner, person, same

G, A, B = group(1), person(1), person(2)
Brief = tuple[int | None, int | None, bool, str]


def stays(*records: Record, account: str = A.id) -> list[Brief]:
    made: list[Tenure] = list(tenure(MemoryView([G, *records])))
    assert len({t.id for t in made}) == len(made)
    return sorted(
        ((t.since, t.until, t.present, t.role) for t in made if t.account == account),
        key=lambda s: (s[0] or 0, s[1] or 0),
    )


def test_one_event_on_several_phones_counts_once() -> None:
    seen = [
        event(0, G, "added", A, T0),
        event(1, G, "added", A, T0),
        event(2, G, "added", A, T0 - 3 * MINUTE),
    ]
    (span,) = tenure(MemoryView(seen))
    assert (span.since, span.until, span.present) == (T0, None, True), (
        "two phones against one clock"
    )
    assert set(span.basis) == {e.id for e in seen}
    assert len(span.exhibits) == 3


def test_leaving_ends_and_joining_again_begins_a_second_span() -> None:
    assert stays(
        event(0, G, "joined_by_link", A, T0),
        event(0, G, "left", A, T0 + HOUR),
        event(1, G, "left", A, T0 + HOUR + 1000),
        event(0, G, "added", A, T0 + 2 * HOUR),
        event(0, G, "removed", A, T0 + 3 * HOUR),
    ) == [(T0, T0 + HOUR, False, "member"), (T0 + 2 * HOUR, T0 + 3 * HOUR, False, "member")]


def test_a_quick_return_is_not_swallowed_by_clock_tolerance() -> None:
    seen: list[Record] = []
    for n in range(3):
        seen += [
            event(n, G, "added", A, T0),
            event(n, G, "left", A, T0 + MINUTE),
            event(n, G, "added", A, T0 + 2 * MINUTE),
        ]
    assert stays(*seen) == [
        (T0, T0 + MINUTE, False, "member"),
        (T0 + 2 * MINUTE, None, True, "member"),
    ]


def test_a_second_table_of_one_phone_repeats_the_first() -> None:
    history = event(0, G, "joined", A, T0 + 3000, table="group_participants_history")
    assert stays(event(0, G, "added", A, T0), history) == [(T0, None, True, "member")]


def test_a_second_join_without_a_leave_leaves_the_end_open() -> None:
    assert stays(event(0, G, "added", A, T0), event(1, G, "added", A, T0 + 48 * HOUR)) == [
        (T0, None, False, "member"),
        (T0 + 48 * HOUR, None, True, "member"),
    ]


def test_list_stamps_and_events_are_one() -> None:
    assert stays(
        listed(0, G, A, since=T0 + 2000), event(1, G, "added", A, T0), event(2, G, "added", A, T0)
    ) == [(T0, None, True, "member")]
    assert stays(listed(0, G, A, present=False, until=T0), event(1, G, "removed", A, T0)) == [
        (None, T0, False, "member")
    ]


def test_the_newest_list_says_who_is_present() -> None:
    early, late = message(0, G, "k1", B, T0), message(1, G, "k2", B, T0 + HOUR)
    assert stays(early, late, listed(0, G, A), listed(1, G, A, present=False)) == [
        (None, None, False, "member")
    ]
    assert stays(early, late, listed(0, G, A, present=False), listed(1, G, A)) == [
        (None, None, True, "member")
    ]


def test_the_owners_own_clock_does_not_make_a_list_newer() -> None:
    wrong = message(0, G, "k1", B, T0 + 9999 * HOUR, own=True)
    late = message(1, G, "k2", B, T0 + HOUR)
    early = message(0, G, "k0", A, T0)
    assert stays(wrong, early, late, listed(0, G, A), listed(1, G, A, present=False)) == [
        (None, None, False, "member")
    ]


def test_an_old_list_does_not_undo_a_leave_and_a_newer_one_shows_a_return() -> None:
    left = event(1, G, "left", A, T0)
    assert stays(message(0, G, "k", B, T0 - HOUR), listed(0, G, A), left) == [
        (None, T0, False, "member")
    ]
    assert stays(message(0, G, "k", B, T0 + HOUR), listed(0, G, A), left) == [
        (None, None, True, "member"),
        (None, T0, False, "member"),
    ]


def test_an_unstated_absence_does_not_end_a_stay_at_a_made_up_time() -> None:
    after = message(1, G, "k", B, T0 + HOUR)
    assert stays(event(0, G, "added", A, T0), after, listed(1, G, A, present=False)) == [
        (T0, None, False, "member")
    ]


def test_the_highest_role_held_counts() -> None:
    assert stays(
        event(0, G, "added", A, T0),
        event(0, G, "promoted", A, T0 + HOUR, actor=B),
        event(0, G, "demoted", A, T0 + 2 * HOUR, actor=B),
        listed(0, G, A),
    ) == [(T0, None, True, "admin")]
    created = event(0, G, "created", None, T0, actor=A)
    assert stays(created, listed(0, G, A, role="admin")) == [(T0, None, True, "creator")]
    assert stays(event(0, G, "created", B, T0, actor=A)) == [(T0, None, True, "creator")]
    assert stays(event(0, G, "created", B, T0, actor=A), account=B.id) == [
        (T0, None, True, "member")
    ]


def test_the_owner_of_a_phone_is_its_number() -> None:
    mine = owner(0)
    assert stays(
        same(mine, A), listed(0, G, mine, role="admin", since=T0), event(1, G, "added", A, T0)
    ) == [(T0, None, True, "admin")]
    assert stays(same(mine, A), listed(0, G, mine), account=mine.id) == []


def test_subject_and_unknown_events_make_no_member() -> None:
    assert stays(event(0, G, "subject", A, T0), event(0, G, "code:99", A, T0)) == []


def test_undated_events_still_say_who_was_there() -> None:
    assert stays(event(0, G, "added", A, None)) == [(None, None, True, "member")]
    assert stays(event(0, G, "left", A, None)) == [(None, None, False, "member")]


def test_who_wrote_in_a_group_was_in_it() -> None:
    wrote = message(0, G, "k", A, T0)
    assert stays(G, wrote) == [(None, None, True, "member")]
    assert stays(G, message(0, G, "k", A, T0, own=True)) == [(None, None, True, "member")]
    (span,) = tenure(MemoryView([G, wrote, event(0, G, "added", A, T0 - HOUR)]))
    assert wrote.id not in span.basis, "it tells nothing that the event does not"
    assert stays(G, message(0, G, "k", A, T0, form="system")) == []
    private = Thread(service="whatsapp", handle="a|b", form="private")
    assert stays(private, message(0, private, "k", A, T0)) == []


def test_who_writes_after_leaving_has_come_back() -> None:
    left = event(0, G, "left", A, T0)
    late = message(1, G, "k", A, T0 + MINUTE)
    assert stays(G, left, late) == [(None, T0, False, "member")], "within the tolerance of clocks"
    back = message(1, G, "k", A, T0 + HOUR)
    assert stays(G, left, back) == [(None, None, True, "member"), (None, T0, False, "member")]


def test_two_stays_of_which_nothing_is_known_are_one() -> None:
    assert stays(
        event(0, G, "promoted", A, T0),
        event(0, G, "added", A, T0 + HOUR),
        event(0, G, "left", A, T0 + 2 * HOUR),
        message(1, G, "k", A, T0 + 3 * HOUR),
    ) == [(None, None, True, "admin"), (T0 + HOUR, T0 + 2 * HOUR, False, "member")]


def test_an_old_list_speaks_of_the_stay_of_its_time() -> None:
    assert stays(
        event(0, G, "added", A, T0),
        message(1, G, "k", B, T0 + 30 * MINUTE),
        listed(1, G, A, role="admin"),
        event(0, G, "left", A, T0 + HOUR),
        event(0, G, "added", A, T0 + 2 * HOUR),
    ) == [(T0, T0 + HOUR, False, "admin"), (T0 + 2 * HOUR, None, True, "member")]


def test_whatever_is_stated_spans_are_distinct_and_one_at_most_is_present() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        records: list[Record] = []
        for _ in range(rng.randrange(1, 9)):
            n, time = rng.randrange(3), T0 + rng.randrange(8) * rng.choice((1000, MINUTE, HOUR))
            kind = rng.choice(("added", "left", "joined", "removed", "promoted", "list", "wrote"))
            if kind == "list":
                here = rng.random() < 0.5
                since, until = (time, None) if here else (None, rng.choice((None, time)))
                records.append(listed(n, G, A, present=here, since=since, until=until))
            elif kind == "wrote":
                records.append(message(n, G, f"k{len(records)}", A, time))
            else:
                records.append(event(n, G, kind, A, time, table=rng.choice("ab")))
        found = stays(*records)
        assert set(tenure(Shuffled([G, *records], seed))) == set(tenure(MemoryView([G, *records])))
        assert sum(present for _, _, present, _ in found) <= 1
        assert all(since <= until for since, until, _, _ in found if since and until)


def test_a_list_in_an_older_backup_speaks_for_its_own_moment() -> None:
    def backup(record: Record) -> Record:
        return replace(record, at=replace(record.at, file="msgstore-old"))  # type: ignore[attr-defined, call-arg]

    live = [message(0, G, "K2", B, T0 + 9 * HOUR), event(0, G, "left", A, T0 + 5 * HOUR)]
    older = [backup(message(0, G, "K1", B, T0 + HOUR)), backup(listed(0, G, A))]
    assert stays(*live, *older) == [(None, T0 + 5 * HOUR, False, "member")]


def test_an_overwritten_row_of_a_member_dates_nothing() -> None:
    now = listed(0, G, A, since=T0 + HOUR)
    torn = listed(0, G, A, since=T0)
    torn = replace(torn, at=replace(torn.at, state="superseded", method="unallocated"))
    assert stays(now, torn) == [(T0 + HOUR, None, True, "member")]
