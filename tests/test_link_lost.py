"""A chat whose row is gone is found again by its messages' keys, and only where they all agree."""

from __future__ import annotations

from amparo.link.resolve import accounts
from amparo.model import At, Link, Message, Record, Resolution, Thread
from memory_view import MemoryView

GROUP = Thread(service="whatsapp", handle="111-1@g.us", form="group")
OTHER = Thread(service="whatsapp", handle="222-2@g.us", form="group")
LOST = Thread(service="whatsapp", handle="unknown-chat-4@exhibit", form="other")
KEYS = [f"{n:032X}" for n in range(4)]


def message(thread: Thread, key: str, row: int, state: str = "live") -> Message:
    at = At(exhibit="e", file=thread.id, table="message", row=row, state=state)
    return Message(
        at=at, thread=thread.id, key=key, sender="s", from_owner=False, sent=row, form="text"
    )


def canonical(*records: Record) -> tuple[str, tuple[str, ...], list[Link]]:
    made = list(accounts(MemoryView([GROUP, OTHER, LOST, *records])))
    (row,) = [r for r in made if isinstance(r, Resolution) and r.source == LOST.id]
    return (
        row.canonical,
        row.basis,
        [r for r in made if isinstance(r, Link) and r.form == "same_thread"],
    )


def test_the_keys_say_which_conversation_it_was() -> None:
    mine = [message(LOST, key, n, "deleted") for n, key in enumerate(KEYS)]
    theirs = [message(GROUP, key, n) for n, key in enumerate(KEYS[:2])]
    target, basis, links = canonical(*mine, *theirs)
    assert target == GROUP.id
    assert set(basis) == {m.id for m in (*mine[:2], *theirs)}
    assert [(link.source, link.target) for link in links] == [(LOST.id, GROUP.id)]
    assert "2 of its messages" in links[0].reasons[0]


def test_keys_that_disagree_join_nothing() -> None:
    mine = [message(LOST, key, n, "deleted") for n, key in enumerate(KEYS)]
    theirs = [message(GROUP, KEYS[0], 1), message(OTHER, KEYS[1], 1)]
    assert canonical(*mine, *theirs) == (LOST.id, (), [])


def test_keys_that_count_up_from_a_clock_prove_nothing() -> None:
    short = "1389000000-12"
    assert canonical(message(LOST, short, 1), message(GROUP, short, 1)) == (LOST.id, (), [])


def test_without_messages_it_stays_lost() -> None:
    assert canonical() == (LOST.id, (), [])


def test_rows_without_even_a_number_are_of_no_one_conversation() -> None:
    """They are of any: that one of them stands in a group says nothing of the others."""
    numberless = Thread(service="whatsapp", handle="unknown-chat-0@exhibit", form="other")
    mine = [message(numberless, key, n, "deleted") for n, key in enumerate(KEYS)]
    records = [GROUP, numberless, *mine, message(GROUP, KEYS[0], 1)]
    made = list(accounts(MemoryView(records)))
    (row,) = [r for r in made if isinstance(r, Resolution) and r.source == numberless.id]
    assert (row.canonical, row.basis) == (numberless.id, ())
