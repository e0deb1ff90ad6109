"""What a message said before, what was erased, and by which ways both are known."""

from __future__ import annotations

from typing import Any

import pytest

from amparo.link.erased import erased
from amparo.link.resolve import accounts
from amparo.link.states import databases, day_of, kin, threads_of
from amparo.link.versions import versions
from amparo.model import (
    At,
    Attachment,
    Erasure,
    Exhibit,
    File,
    Message,
    Quote,
    Record,
    Thread,
    ThreadInfo,
    Version,
)
from memory_view import MemoryView, Shuffled, derived

A = Exhibit(number="A", form="folder", source="a")
B = Exhibit(number="B", form="folder", source="b")
GROUP = Thread(service="whatsapp", handle="111-1@g.us", form="group")
LOST = Thread(service="whatsapp", handle="unknown-chat-4@exhibit", form="other")
DAY = 86_400_000
T = 1_770_000_000_000  # 2026-02-02 02:40 UTC
APP = "data/data/com.whatsapp/databases/msgstore.db"
MEDIA = "sdcard/Android/media/com.whatsapp/WhatsApp/Databases/"


def key(n: int) -> str:
    return f"{n:032X}"


def file(exhibit: Exhibit, path: str, modified: int | None = None) -> File:
    return File(exhibit=exhibit.id, path=path, size=1, modified=modified)


LIVE = file(A, APP, T + 3 * DAY)
OLD = file(A, MEDIA + "msgstore-2026-02-01.1.db.crypt14#decrypted", T - DAY)
OLDER = file(A, MEDIA + "msgstore-2026-01-31.1.db.crypt14#decrypted", T - 2 * DAY)
OTHER = file(B, APP, T + 3 * DAY)
FILES = (A, B, GROUP, LIVE, OLD, OLDER, OTHER)


def message(
    n: int, text: str, on: File = LIVE, *, state: str = "live", method: str = "", sure: float | None = None,
    row: int | None = None, thread: Thread = GROUP, **more: Any,
) -> Message:  # fmt: skip
    at = {k: more.pop(k) for k in ("offset", "frame", "commit", "companion") if k in more}
    return Message(
        at=At(on.exhibit, on.id, "message", n if row is None else row, state=state, method=method,
              confidence=sure, **at),
        thread=thread.id, key=more.pop("key", key(n)), sender="s", from_owner=False,
        sent=T - 4 * DAY + n * 1000, form=more.pop("form", "text"), text=text, **more,
    )  # fmt: skip


def of_versions(*records: Record) -> list[Version]:
    _, held = derived([*FILES, *records], accounts)
    found = {tuple(versions(Shuffled(held, seed))) for seed in range(3)}
    assert len(found) == 1, "the order of ids does not matter"
    return sorted(found.pop(), key=lambda v: (v.key, v.place))


def of_erasures(*records: Record) -> dict[str, Erasure]:
    _, held = derived([*FILES, *records], accounts)
    found = {tuple(erased(Shuffled(held, seed))) for seed in range(3)}
    assert len(found) == 1, "the order of ids does not matter"
    return {e.key: e for e in found.pop()}


def test_wordings_in_the_order_of_the_log() -> None:
    now = message(1, "third")
    first = message(1, "first", state="superseded", method="before_wal", sure=1.0, offset=10)
    second = message(1, "second", state="superseded", method="wal_superseded", sure=1.0, offset=20,
                     frame=3, commit=1, companion="-wal")  # fmt: skip
    same = message(
        1, "third", state="superseded", method="wal_superseded", sure=1.0, offset=30, frame=7
    )
    told = of_versions(now, first, second, same)
    assert [(v.text, v.place, v.current, v.versions) for v in told] == [
        ("first", 1, False, 3), ("second", 2, False, 3), ("third", 3, True, 3)]  # fmt: skip
    assert [v.source for v in told] == [first.id, second.id, now.id]
    assert {v.subject for v in told} == {now.id} and {v.thread for v in told} == {GROUP.id}
    assert set(told[2].basis) == {now.id, same.id}


def test_what_was_revoked_and_what_cannot_be_dated() -> None:
    now = message(1, "", form="revoked", revoked=True)
    free = message(1, "hello", state="superseded", method="freeblock", sure=0.9, offset=4)
    told = of_versions(now, free)
    assert [(v.form, v.text, v.current) for v in told] == [("text", "hello", False), ("revoked", "", True)]  # fmt: skip
    logged = message(
        1, "hello", state="superseded", method="wal_superseded", sure=1.0, offset=9, frame=2
    )
    again = of_versions(now, free, logged)
    assert [v.source for v in again] == [logged.id, now.id], "one wording, told once, by the surest"
    assert set(again[0].basis) == {free.id, logged.id}


def test_the_same_wording_is_no_version() -> None:
    stamped = message(
        1, "same", state="superseded", method="wal_superseded", sure=1.0, offset=1, frame=1
    )
    words = message(2, "rebuilt words", state="deleted", method="fts_rebuild", sure=0.85)
    key_only = message(3, "", state="deleted", method="index_tombstone", sure=0.9, form="unknown")
    assert of_versions(message(1, "same"), stamped, words, key_only, message(2, "Other!"), message(3, "x")) == []  # fmt: skip


def test_a_text_that_breaks_off_is_no_version() -> None:
    torn = {"state": "deleted", "method": "unallocated", "sure": 0.5}
    assert of_versions(message(1, "one two"), message(1, "one t…", **torn)) == []
    (old, now) = of_versions(message(1, "one two"), message(1, "two t…", **torn))
    assert (old.text, now.text) == ("two t…", "one two")


def test_a_caption_that_was_changed_alone() -> None:
    now = message(1, "new caption", form="image")
    old = Attachment(
        at=At(A.id, LIVE.id, "message_media", 1, 5, 9, "superseded", "wal_superseded", 1.0, frame=2),
        message=now.id, caption="old caption",
    )  # fmt: skip
    told = of_versions(now, old)
    assert [(v.text, v.source_kind, v.current) for v in told] == [
        ("old caption", "attachment", False), ("new caption", "message", True)]  # fmt: skip


def test_the_subject_of_a_group() -> None:
    def info(subject: str, on: File, state: str = "live", method: str = "") -> ThreadInfo:
        at = At(on.exhibit, on.id, "chat", 1, state=state, method=method)
        return ThreadInfo(at=at, thread=GROUP.id, subject=subject)

    now = info("now", LIVE)
    told = of_versions(
        message(1, "x"), message(1, "x", OLD), now, info("before", LIVE, "superseded", "before_wal"), info("at first", OLD),
    )  # fmt: skip
    assert [(v.text, v.of, v.current) for v in told] == [
        ("at first", "thread_info", False), ("before", "thread_info", False), ("now", "thread_info", True)]  # fmt: skip
    assert {v.subject for v in told} == {now.id}


def test_versions_over_backups() -> None:
    told = of_versions(
        message(1, "a", OLDER), message(1, "b", OLD), message(1, "a", LIVE), message(2, "z", OLD), message(2, "z")
    )  # fmt: skip
    assert [(v.text, v.current) for v in told] == [("a", False), ("b", False), ("a", True)]


def test_deleted_between_two_backups() -> None:
    kept = [message(n, "kept", on) for n in (8, 9) for on in (OLDER, OLD, LIVE)]
    gone = [message(1, "between", OLDER), message(2, "after", OLDER), message(2, "after", OLD)]
    last = message(30, "newest", OLD)
    found = of_erasures(*kept, *gone, last, message(30, "newest"))
    assert set(found) == {key(1), key(2)}
    one, two = found[key(1)], found[key(2)]
    assert (one.methods, one.text, one.confidence) == (("backup_difference",), "between", 1.0)
    assert (one.held_by, one.gone_from) == (OLDER.id, OLD.id)
    assert (two.held_by, two.gone_from) == (OLD.id, LIVE.id)
    assert one.since == T - 4 * DAY + 9000 and two.since == last.sent
    day = day_of(OLD.path)
    assert day is not None and one.until == day[1] and two.until == LIVE.modified
    assert one.basis == (gone[0].id,)


def test_a_database_wiped_to_the_last_message() -> None:
    info = ThreadInfo(at=At(A.id, LIVE.id, "chat", 1), thread=GROUP.id, subject="left over")
    found = of_erasures(message(1, "one", OLD), message(2, "two", OLD), info)
    assert {e.text for e in found.values()} == {"one", "two"}
    assert {e.gone_from for e in found.values()} == {LIVE.id}


def test_two_accounts_on_one_phone_are_two_databases() -> None:
    twin = file(A, "data/user/10/com.whatsapp/databases/msgstore.db", T)
    business = file(A, "data/data/com.whatsapp.w4b/databases/msgstore.db", T)
    for second in (twin, business):
        mine = [message(n, "x", second, key=key(n)) for n in (1, 2, 3)]
        if second is twin:
            mine = [
                Message(at=m.at, thread=m.thread, key=m.key, sender="s", from_owner=True, sent=m.sent, form="text")
                for m in mine
            ]  # fmt: skip
        own = [message(1, "x"), *(message(n, "own") for n in range(10, 20))]
        assert of_erasures(second, *mine, *own) == {}


def test_what_the_app_hides_and_what_was_brought_back() -> None:
    hidden = message(1, "hidden", state="deleted", method="soft_deleted", sure=1.0)
    freed = message(2, "freed", state="deleted", method="freelist", sure=0.97, offset=3)
    twice = message(
        2, "freed", state="deleted", method="wal_superseded", sure=1.0, offset=7, frame=1
    )
    older = message(3, "older wording", state="superseded", method="before_wal", sure=1.0, offset=8)
    found = of_erasures(hidden, freed, twice, older, message(3, "now"), message(4, "live"))
    assert set(found) == {key(1), key(2)}
    assert found[key(1)].methods == ("soft_deleted",) and found[key(1)].since is None
    assert found[key(2)].methods == ("wal_superseded", "freelist")
    assert found[key(2)].source == twice.id and found[key(2)].basis == tuple(sorted((freed.id, twice.id)))  # fmt: skip


def test_an_erased_message_stands_on_another_phone() -> None:
    tombstone = Message(
        at=At(A.id, LIVE.id, "message", 5, state="deleted", method="index_tombstone", confidence=0.9),
        thread=LOST.id, key=key(5), sender="", from_owner=None, sent=None, form="unknown",
    )  # fmt: skip
    there = message(5, "all of it", OTHER)
    found = of_erasures(LOST, tombstone, there, message(6, "never had", OTHER), message(7, "x"))
    assert set(found) == {key(5)}
    one = found[key(5)]
    assert (one.text, one.thread, one.exhibit, one.exhibits) == (
        "all of it",
        GROUP.id,
        A.id,
        (B.id,),
    )
    assert one.methods == ("other_exhibit", "index_tombstone") and one.source == there.id


def quote(n: int, text: str, sent: int, on: File = LIVE, form: str = "text") -> Quote:
    at = At(on.exhibit, on.id, "message_quoted", 100 + n)
    return Quote(at=at, message="m", thread=GROUP.id, key=key(n), sender="q", sent=sent, form=form, text=text)  # fmt: skip


def test_a_reply_tells_of_a_message_that_is_gone() -> None:
    first = message(1, "first heard")
    assert first.sent is not None
    gone = quote(2, "the blue bag", first.sent + 1)
    before = quote(3, "before joining", first.sent - 1)
    found = of_erasures(first, gone, before, quote(1, "first heard", first.sent), quote(4, "", T))
    assert set(found) == {key(2)}
    assert (found[key(2)].methods, found[key(2)].text) == (("quoted_reply",), "the blue bag")
    assert (found[key(2)].sender, found[key(2)].source) == ("q", gone.id)


def test_words_of_an_index_find_their_message_in_a_backup() -> None:
    words = message(
        1, "the blue bag", state="deleted", method="fts_rebuild", sure=0.85, key="", thread=LOST
    )
    alone = message(
        2, "only words", state="deleted", method="fts_rebuild", sure=0.5, key="", thread=LOST
    )
    found = {
        (e.key, e.row): e
        for e in erased(
            MemoryView(
                derived([*FILES, LOST, words, alone, message(1, "The blue bag!", OLD), message(9, "x"), message(9, "x", OLD)], accounts)[1]
            )
        )
    }  # fmt: skip
    assert set(found) == {(key(1), None), ("", 2)}
    assert found[key(1), None].text == "The blue bag!"
    assert found[key(1), None].methods == ("backup_difference", "fts_rebuild")
    assert (found["", 2].text, found["", 2].confidence) == ("only words", 0.5)


def test_a_message_that_was_revoked_is_not_gone() -> None:
    assert of_erasures(message(1, "x", OLD), message(1, "", form="revoked", revoked=True)) == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (APP, MEDIA + "msgstore-2026-02-01.1.db.crypt14#decrypted", True),
        (APP, "sdcard/WhatsApp/Databases/msgstore.db.crypt12#decrypted", True),
        (APP, "data/data/com.whatsapp/databases/wa.db", False),
        (APP, "data/data/com.whatsapp.w4b/databases/msgstore.db", False),
    ],
)
def test_which_names_are_one_database(one: str, other: str, same: bool) -> None:
    assert kin(one, other) is same


def test_states_come_in_order_the_database_itself_last() -> None:
    late = file(A, MEDIA + "msgstore-2026-02-99.1.db.crypt14#decrypted", T - 5 * DAY)
    records = [message(1, "x", f) for f in (LIVE, OLD, OLDER)]
    view = MemoryView(derived([*FILES, late, *records, message(1, "x", late)], accounts)[1])
    ((_, states),) = databases(view, threads_of(view)).all
    assert [s.file for s in states] == [OLDER.id, OLD.id, late.id, LIVE.id]
    assert states[2].dated is None and states[2].latest is None, "no such day; a stamp that lies"


def test_words_of_a_message_that_was_revoked_are_its_version() -> None:
    mark = message(1, "", form="revoked", revoked=True)
    words = message(1, "the blue bag", state="deleted", method="fts_rebuild", sure=0.85, key="", thread=LOST)  # fmt: skip
    told = of_versions(LOST, mark, words)
    assert [(v.text, v.source, v.current) for v in told] == [
        ("the blue bag", words.id, False), ("", mark.id, True)]  # fmt: skip
    assert of_erasures(LOST, mark, words) == {}
    older = message(1, "The blue bag!", state="superseded", method="before_wal", sure=1.0, offset=3)
    again = of_versions(LOST, mark, words, older)
    assert [v.text for v in again] == ["The blue bag!", ""], "the wording itself is better"
