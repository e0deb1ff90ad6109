"""The parsers on genuine public databases; counts checked by hand with SQL on the same files."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from amparo.model import (
    Account,
    AccountName,
    Alias,
    Attachment,
    Lead,
    Membership,
    MembershipEvent,
    Message,
    Preview,
    Thread,
    ThreadInfo,
)
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.parse.whatsapp_contacts import whatsapp_contacts
from amparo.parse.whatsapp_legacy import whatsapp_legacy
from amparo.parse.whatsapp_preferences import whatsapp_preferences
from conftest import public_data
from parsing import Parsed, parse, parse_bytes


def data_of(path: Path) -> bytes:
    """A database's bytes, from the file or from its dump."""
    if path.suffix != ".sql":
        return path.read_bytes()
    db = sqlite3.connect(":memory:")
    db.executescript(path.read_text())
    data: bytes = db.serialize()
    db.close()
    return data


def kinds(got: Parsed) -> dict[str, int]:
    return dict(Counter(type(record).__name__ for record in got.records))


def only_says_what_is_absent(got: Parsed) -> bool:
    """No warning of a loss: at most the one line on tables this version does not have."""
    return len(got.warnings) <= 1 and all(
        w.startswith("not in this database: ") for w in got.warnings
    )


def test_a_legacy_database() -> None:
    data = data_of(public_data("whatsapp/android-legacy-anonymised/test_whatsAppMsgStore.db"))
    old, new = parse(whatsapp_legacy, data=data), parse(whatsapp_android, data=data)
    # 75 rows of which one is the dummy; 70 of status 6, 39 of them in groups; 29 chats, 18 with a subject
    assert kinds(old) == {
        "Account": 28,
        "Thread": 29,
        "ThreadInfo": 18,
        "Message": 74,
        "MembershipEvent": 39,
    }
    assert Counter(m.form for m in old.of(Message)) == {"system": 70, "text": 4}
    assert Counter(e.event for e in old.of(MembershipEvent)) == {
        "created": 18,
        "added": 16,
        "code:19": 5,
    }
    assert kinds(new)["Membership"] == 156 and new.of(Message) == []
    roles = Counter(m.role for m in new.of(Membership))
    assert roles == {"member": 56, "admin": 87, "creator": 13}
    assert sum(new.handle(m.account).startswith("owner@") for m in new.of(Membership)) == 18
    assert {t.form for t in new.of(Thread)} == {"group", "private", "status"}
    assert only_says_what_is_absent(old) and only_says_what_is_absent(new)


def test_the_creators_of_old_groups_agree_with_their_addresses() -> None:
    data = data_of(public_data("whatsapp/android-legacy-anonymised/test_whatsAppMsgStore.db"))
    got = parse(whatsapp_android, data=data)
    told = {i.thread: i.creator for i in got.of(ThreadInfo)}
    creators = [m for m in got.of(Membership) if m.role == "creator"]
    others = [m for m in creators if not got.handle(m.account).startswith("owner@")]
    assert len(creators) == 13 and len(others) == 11
    assert all(told[m.thread] == m.account for m in others)


def test_a_database_of_the_years_between() -> None:
    data = data_of(public_data("whatsapp/encrypted-backups/msgstore.db"))
    old, new = parse(whatsapp_legacy, data=data), parse(whatsapp_android, data=data)
    assert kinds(old) == {
        "Account": 2,
        "Thread": 1,
        "Message": 9,
        "Attachment": 9,
        "Content": 9,
        "Preview": 9,
    }
    assert all(a.content and a.size for a in old.of(Attachment))
    assert {p.owner for p in old.of(Preview)} == {a.id for a in old.of(Attachment)}
    assert sorted(a.path for a in old.of(Attachment) if a.path) == [
        "Media/.Statuses/512f6126774046e9999b4be9a1d5c2a5.jpg", "Media/.Statuses/96848000accb45c4a7b7726f183a10c9.mp4"]  # fmt: skip
    assert new.of(Message) == [] and new.of(Attachment) == []
    # Of 8 chats 7 lost their address when the file was made public: said, and kept under their numbers.
    assert len(new.of(Thread)) == 8 and only_says_what_is_absent(old)
    assert "7 chats are known by their number only, their address is gone" in new.warnings


def test_dumps_of_2023_and_2026() -> None:
    folder = public_data("whatsapp")
    got = parse(whatsapp_android, data=data_of(folder / "whatsapp-android_2023-10/msgstore.sql"))
    assert kinds(got) == {
        "Account": 3,
        "AccountName": 1,
        "Thread": 2,
        "ThreadInfo": 2,
        "Message": 4,
        "MembershipEvent": 1,
        "Lead": 1,
        "Quote": 1,
    }
    last = next(m for m in got.of(Message) if m.key == "GROUPMSG99999")
    assert (last.reply_to, last.forward_score, last.edited) == ("GROUPMSG00100", 1, 1661417955000)
    (joined,) = got.of(MembershipEvent)
    assert (joined.event, got.handle(joined.account), got.handle(joined.actor)) == (
        "added", "00000@s.whatsapp.net", "11111@s.whatsapp.net")  # fmt: skip
    assert [m.revoked for m in got.of(Message)] == [False, False, False, True]
    place = "New Bahari, Jl. Gurita No.21x, Denpasar, Bali, geo:-8.703857,115.216737"
    assert {m.form: m.text for m in got.of(Message)}["live_location"] == place
    assert [lead.value for lead in got.of(Lead)] == [
        "https://foursquare.com/v/51e14cff498e834f4f815e43"
    ]
    assert only_says_what_is_absent(got)
    got = parse(whatsapp_android, data=data_of(folder / "whatsapp-android_2026-01/msgstore.sql"))
    (business,) = got.of(Message)
    assert (business.form, business.key) == ("code:85", "A79C32A482DF09EF37")
    assert business.text == f"{place}\nLine 1\nLine 2\n\nLine 3"
    assert [lead.value for lead in got.of(Lead)] == [
        "https://w.meta.me/s/SOMETHING",
        "https://t.me/TELEGRAM_LINK",
    ]
    assert only_says_what_is_absent(got)


@pytest.mark.parametrize(
    ("folder", "names"),
    [("2023-10", {"Hey look it's me!"}), ("2026-01", {"Hey look it's me!", "WA Verified VName"})],
)
def test_address_books(folder: str, names: set[str]) -> None:
    got = parse(
        whatsapp_contacts, data=data_of(public_data(f"whatsapp/whatsapp-android_{folder}/wa.sql"))
    )
    assert {n.name for n in got.of(AccountName)} == names and only_says_what_is_absent(got)


def test_settings_name_the_owner() -> None:
    got = parse_bytes(whatsapp_preferences, data_of(
        public_data("whatsapp/android-legacy-anonymised/test_whatsAppPreferences.xml")))  # fmt: skip
    (alias,) = got.of(Alias)
    assert (got.handle(alias.other), alias.basis, alias.at.offset) == (
        "554499887766@s.whatsapp.net",
        "owner",
        8484,
    )
    assert got.of(Account)[1].country == "BR"
    assert [n.name for n in got.of(AccountName)] == ["Mr. Roboto"] and got.warnings == []
