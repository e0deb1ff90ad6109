"""Which handles are one account: stated aliases join, contradictions stay apart and are said aloud."""

from __future__ import annotations

import random

from amparo.link.resolve import accounts
from amparo.model import Account, Alias, At, Exhibit, Link, Record, Resolution, Thread
from memory_view import MemoryView, Shuffled

E1 = Exhibit(number="07", country="ES", form="folder", source="a")
E2 = Exhibit(number="11", country="CO", form="folder", source="b")


def phone(n: int) -> Account:
    return Account(
        service="whatsapp",
        handle=f"3460000{n:04d}@s.whatsapp.net",
        form="phone",
        phone=f"+3460000{n:04d}",
    )


def lid(n: int) -> Account:
    return Account(service="whatsapp", handle=f"{n:015d}@lid", form="lid")


def owner(e: Exhibit) -> Account:
    return Account(service="whatsapp", handle=f"owner@{e.id}", form="owner")


def alias(e: Exhibit, a: Account, b: Account, basis: str = "lid", state: str = "live") -> Alias:
    at = At(exhibit=e.id, file=e.id, table="jid_map", row=1, state=state)
    return Alias(at=at, account=a.id, other=b.id, basis=basis)


def chat(a: Account, b: Account) -> Thread:
    return Thread(service="whatsapp", handle=f"{a.handle}|{b.handle}", form="private")


def run(*records: Record) -> tuple[dict[str, str], list[Link], dict[str, Resolution]]:
    made = list(accounts(MemoryView(records)))
    rows = {r.source: r for r in made if isinstance(r, Resolution)}
    links = [r for r in made if isinstance(r, Link)]
    return {s: r.canonical for s, r in rows.items()}, links, rows


def test_a_lid_mapped_on_one_phone_is_the_number_everywhere() -> None:
    a = alias(E1, lid(1), phone(1))
    to, links, rows = run(E1, E2, lid(1), lid(2), phone(1), a)
    assert to == {lid(1).id: phone(1).id, phone(1).id: phone(1).id, lid(2).id: lid(2).id}
    (link,) = links
    assert (link.form, link.source, link.target) == ("same_account", lid(1).id, phone(1).id)
    assert link.basis == (a.id,) == rows[lid(1).id].basis
    assert link.log10_lr >= 6
    assert "07 (ES)" in link.reasons[0] and "+34600000001" in link.reasons[0]


def test_owner_reaches_the_number_through_its_own_lid() -> None:
    made = (alias(E1, owner(E1), lid(1), "owner"), alias(E2, phone(1), lid(1)))
    to, links, rows = run(E1, E2, owner(E1), lid(1), phone(1), *made)
    assert to[owner(E1).id] == phone(1).id
    assert set(rows[owner(E1).id].basis) == {a.id for a in made}
    assert {len(link.reasons) for link in links} == {1, 2}


def test_without_a_number_the_least_lid_stands() -> None:
    for n in range(2, 12):
        pair = (lid(n), lid(n - 1))
        to, _, _ = run(*pair, owner(E1), alias(E1, *pair), alias(E1, owner(E1), lid(n), "owner"))
        assert set(to.values()) == {lid(n - 1).id}


def test_contradiction_stays_apart_and_is_said() -> None:
    records = [
        E1,
        E2,
        lid(1),
        phone(1),
        phone(2),
        alias(E1, lid(1), phone(1)),
        alias(E2, lid(1), phone(1)),
        alias(E2, lid(1), phone(2)),
    ]
    to, links, _ = run(*records)
    assert to[lid(1).id] == phone(1).id, "two exhibits against one"
    assert to[phone(2).id] == phone(2).id
    (conflict,) = [link for link in links if link.form == "conflict"]
    assert {conflict.source, conflict.target} == {phone(1).id, phone(2).id}
    assert conflict.basis == (records[-1].id,)
    assert "kept apart" in conflict.reasons[0]


def test_a_live_row_outweighs_carved_ones() -> None:
    to, links, _ = run(
        lid(1),
        phone(1),
        phone(2),
        alias(E1, lid(1), phone(1), state="carved"),
        alias(E2, lid(1), phone(1), state="deleted"),
        alias(E2, lid(1), phone(2)),
        lid(3),
        phone(3),
        alias(E1, lid(3), phone(3), state="carved"),
    )
    assert to[lid(1).id] == phone(2).id
    strength = {link.source: link.log10_lr for link in links if link.form == "same_account"}
    assert strength[lid(3).id] < strength[lid(1).id]


def test_of_carved_rows_those_of_more_exhibits_stand() -> None:
    for n in range(1, 8):
        to, _, _ = run(
            lid(n),
            phone(n),
            phone(n + 1),
            alias(E1, lid(n), phone(n), state="carved"),
            alias(E2, lid(n), phone(n), state="carved"),
            alias(E2, lid(n), phone(n + 1), state="carved"),
        )
        assert to[lid(n).id] == phone(n).id


def test_two_spellings_of_one_number_are_no_contradiction() -> None:
    old = Account(service="whatsapp", handle="34600000001@c.us", form="phone", phone="+34600000001")
    to, links, _ = run(lid(1), phone(1), old, alias(E1, lid(1), phone(1)), alias(E2, lid(1), old))
    assert len(set(to.values())) == 1
    assert not [link for link in links if link.form == "conflict"]


def test_number_change_is_a_claim_not_a_union() -> None:
    to, links, _ = run(E1, phone(1), phone(2), alias(E1, phone(1), phone(2), "number_change"))
    assert to[phone(1).id] == phone(1).id and to[phone(2).id] == phone(2).id
    (link,) = links
    assert (link.form, link.source, link.target) == ("number_change", phone(1).id, phone(2).id)
    assert link.log10_lr < 6


def test_order_of_records_changes_nothing() -> None:
    rng = random.Random(5)
    people = [phone(n) for n in range(6)] + [lid(n) for n in range(9)] + [owner(E1), owner(E2)]
    stated = [
        alias(rng.choice((E1, E2)), *rng.sample(people, 2), basis=rng.choice(("lid", "owner")))
        for _ in range(14)
    ]
    records: list[Record] = [*people, *stated]
    expected = {r.id: r for r in accounts(MemoryView(records))}
    for seed in range(5):
        assert {r.id: r for r in accounts(Shuffled(records, seed))} == expected
    numbers: dict[str, set[str]] = {}
    for r in expected.values():
        if isinstance(r, Resolution) and r.source in {p.id for p in people[:6]}:
            numbers.setdefault(r.canonical, set()).add(r.source)
    assert all(len(held) == 1 for held in numbers.values()), "two numbers became one account"


def test_both_sides_of_a_private_chat_are_one_thread() -> None:
    mine, theirs = chat(owner(E1), lid(2)), chat(owner(E2), phone(1))
    unknown = chat(owner(E1), lid(9))
    group = Thread(service="whatsapp", handle="120363000000000001@g.us", form="group")
    joined = (
        alias(E1, owner(E1), phone(1), "owner"),
        alias(E2, owner(E2), phone(2), "owner"),
        alias(E2, lid(2), phone(2)),
    )
    people = (owner(E1), owner(E2), lid(2), lid(9), phone(1), phone(2))
    to, _, rows = run(*people, *joined, mine, theirs, unknown, group)
    assert to[mine.id] == to[theirs.id] == min(mine.id, theirs.id)
    assert set(rows[mine.id].basis) == {joined[0].id, joined[2].id}
    assert to[unknown.id] == unknown.id and to[group.id] == group.id


def test_a_handle_with_a_second_bar_is_left_alone() -> None:
    odd = Thread(service="whatsapp", handle="a|b|c", form="private")
    to, _, _ = run(odd)
    assert to == {odd.id: odd.id}


def test_an_account_only_an_alias_names_has_a_row() -> None:
    to, _, _ = run(phone(1), alias(E1, lid(1), phone(1)))
    assert to[lid(1).id] == phone(1).id
