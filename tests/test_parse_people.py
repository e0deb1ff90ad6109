"""The address book and the registered number."""

import pytest

from amparo.model import Account, AccountName, Alias, At, Thread, ThreadInfo
from amparo.parse.whatsapp_contacts import whatsapp_contacts
from amparo.parse.whatsapp_preferences import whatsapp_preferences
from parsing import FOUND, parse, parse_bytes

ONE = "447700900001@s.whatsapp.net"


def test_names_of_contacts_and_groups() -> None:
    got = parse(
        whatsapp_contacts,
        f"""CREATE TABLE wa_contacts (_id INTEGER PRIMARY KEY, jid TEXT NOT NULL, number TEXT, display_name TEXT,
          wa_name TEXT, nickname TEXT);
        INSERT INTO wa_contacts VALUES (1, '{ONE}', '+447700900001', 'Uncle', 'Quiet Fox', 'Uncle'),
          (2, '5@lid', NULL, NULL, 'Grey Owl', NULL), (3, '447700900001-1461964508@g.us', NULL, 'The group', NULL, NULL),
          (4, 'junk', NULL, 'Nobody', NULL, NULL), (5, '{ONE}', NULL, NULL, x'ff', NULL);
        CREATE TABLE wa_vnames (_id INTEGER PRIMARY KEY, jid TEXT, verified_name TEXT);
        INSERT INTO wa_vnames VALUES (8, '{ONE}', 'Shop');
        CREATE TABLE wa_group_admin_settings (jid TEXT PRIMARY KEY, creator_jid TEXT);
        INSERT INTO wa_group_admin_settings VALUES ('120363000000000005@g.us', '{ONE}');""",
    )
    assert [
        (n.at.table, n.at.row, got.handle(n.account), n.name, n.source) for n in got.of(AccountName)
    ] == [
        ("wa_contacts", 1, ONE, "Uncle", "contact"),
        ("wa_contacts", 1, ONE, "Quiet Fox", "push"),
        ("wa_contacts", 2, "5@lid", "Grey Owl", "push"),
        ("wa_contacts", 5, ONE, "\\xff", "push"),
        ("wa_vnames", 8, ONE, "Shop", "business"),
    ]
    assert [(got.handle(i.thread), i.subject, got.handle(i.creator)) for i in got.of(ThreadInfo)] == [
        ("447700900001-1461964508@g.us", "The group", ""), ("120363000000000005@g.us", "", ONE)]  # fmt: skip
    assert len(got.of(Thread)) == 2 and got.warnings == []


def test_an_address_book_with_the_oldest_columns() -> None:
    got = parse(
        whatsapp_contacts,
        f"CREATE TABLE wa_contacts (jid TEXT, display_name TEXT); INSERT INTO wa_contacts VALUES ('{ONE}', 'A');",
    )
    assert [n.name for n in got.of(AccountName)] == ["A"]
    assert got.warnings == [
        "not in this database: wa_group_admin_settings, wa_vnames, wa_contacts.nickname, wa_contacts.wa_name"
    ]


HEAD = b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n"


def settings(*pairs: tuple[str, str]) -> bytes:
    lines = [f'    <string name="{k}">{v}</string>\n'.encode() for k, v in pairs]
    return HEAD + b'    <int name="x" value="1" />\n' + b"".join(lines) + b"</map>\n"


def test_the_registered_number_is_the_owner() -> None:
    data = settings(
        ("other", "1"),
        ("registration_jid", "447700900001"),
        ("self_lid", "77@lid"),
        ("push_name", "Fox &amp; Co"),
    )
    got = parse_bytes(whatsapp_preferences, data)
    owner = FOUND.owner("whatsapp")
    first, second = got.of(Alias)
    element = b'<string name="registration_jid">447700900001'
    assert first == Alias(at=At("exhibit-1", "file-1", "", None, data.index(element), len(element)),
                          account=owner.id, other=got.of(Account)[1].id, basis="owner")  # fmt: skip
    assert (got.handle(first.other), got.handle(second.other), second.account) == (
        ONE,
        "77@lid",
        owner.id,
    )
    assert [(n.account, n.name, n.source) for n in got.of(AccountName)] == [
        (owner.id, "Fox & Co", "push")
    ]
    assert got.records[0] == owner and got.warnings == []


@pytest.mark.parametrize(
    "pairs",
    [(("cc", "44"), ("ph", "7700900001")), (("registration_jid", ONE),), (("registration_jid", "447700900001:2@s.whatsapp.net"),)],
)  # fmt: skip
def test_other_ways_to_write_it(pairs: tuple[tuple[str, str], ...]) -> None:
    got = parse_bytes(whatsapp_preferences, settings(*pairs))
    (alias,) = got.of(Alias)
    assert got.handle(alias.other) == ONE


@pytest.mark.parametrize("pairs", [(), (("ph", "7700900001"),), (("push_name", "  "),)])
def test_settings_that_name_nobody(pairs: tuple[tuple[str, str], ...]) -> None:
    got = parse_bytes(whatsapp_preferences, settings(*pairs))
    assert got.records == [] and got.warnings == []


def test_a_registration_that_is_no_address_is_said() -> None:
    got = parse_bytes(whatsapp_preferences, settings(("registration_jid", "12 34")))
    assert got.of(Alias) == [] and got.warnings == ["the registration is no address: 12 34"]


def test_entities_are_refused_and_damage_keeps_what_came_before() -> None:
    bomb = (
        b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        + settings(("registration_jid", "&b;"))[len(HEAD) - 6 :]
    )
    got = parse_bytes(whatsapp_preferences, bomb)
    assert got.records == [] and "declares a document type" in got.warnings[0]
    cut = settings(("registration_jid", "447700900001"))[:-5]
    got = parse_bytes(whatsapp_preferences, cut)
    assert len(got.of(Alias)) == 1 and got.warnings[0].startswith("settings read up to byte ")
    assert parse_bytes(whatsapp_preferences, b"\0\1\2").warnings


def test_settings_of_any_size_are_bounded() -> None:
    with pytest.raises(ValueError, match="larger than"):
        parse_bytes(whatsapp_preferences, HEAD + b" " * (17 << 20))


def test_settings_are_found_by_name() -> None:
    spec = whatsapp_preferences.spec  # type: ignore[attr-defined]
    for path in ("data/data/com.whatsapp/shared_prefs/com.whatsapp_preferences_light.xml",
                 "com.whatsapp.w4b/shared_prefs/com.whatsapp.w4b_preferences.xml", "test_whatsAppPreferences.xml"):  # fmt: skip
        assert spec.fits("application/xml", path, frozenset())
    assert not spec.fits("application/xml", "shared_prefs/other.xml", frozenset())
