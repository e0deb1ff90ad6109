"""Numbers and addresses: the traps of numbering plans and of WhatsApp's own forms."""

import pytest

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.phone import number
from amparo.kit.times import from_ms, from_unix

OWNER = Found("exhibit-1", "file-1", "p", "c").owner("whatsapp")


@pytest.mark.parametrize(
    ("digits", "e164", "country", "mark"),
    [
        ("447700900123", "+447700900123", "GB", ""),  # fiction: in no plan, but in GB's code
        ("12025550123", "+12025550123", "US", ""),
        ("14165550100", "+14165550100", "CA", ""),
        ("12425550123", "+12425550123", "BS", ""),
        ("18095550123", "+18095550123", "DO", ""),
        ("77990000001", "+77990000001", "KZ", ""),
        ("61491570006", "+61491570006", "AU", ""),
        ("5215510000001", "+525510000001", "MX", "mx_old_1"),
        ("525510000001", "+525510000001", "MX", ""),
        ("551160000001", "+551160000001", "BR", "br_no_ninth"),
        ("5511960000001", "+5511960000001", "BR", ""),
        ("541100000001", "+541100000001", "AR", "ar_no_9"),
        ("5491100000001", "+5491100000001", "AR", ""),
        ("8821600000001", "+8821600000001", "", ""),  # satellite: no country
        ("10005550100", "+10005550100", "", ""),  # no such area code
    ],
)
def test_numbers(digits: str, e164: str, country: str, mark: str) -> None:
    known = number(digits)
    assert known is not None
    assert (known.e164, known.country, known.mark) == (e164, country, mark)
    assert number("+" + digits) == known


@pytest.mark.parametrize(
    "digits", ["", "0", "00000", "999123456789", "12", "1" * 16, "44x7700900123", "٤٤٧٧٠٠٩٠٠١٢٣"]
)
def test_what_is_no_number(digits: str) -> None:
    assert number(digits) is None


def test_shared_codes_keep_their_candidates() -> None:
    known = number("447700900123")
    assert known and known.candidates == ("GB", "GG", "IM", "JE") and not known.valid


@pytest.mark.parametrize(
    ("address", "handle", "form", "phone"),
    [
        ("447700900123@s.whatsapp.net", "447700900123@s.whatsapp.net", "phone", "+447700900123"),
        (
            "447700900123.0:5@s.whatsapp.net",
            "447700900123@s.whatsapp.net",
            "phone",
            "+447700900123",
        ),
        ("447700900123:12@s.whatsapp.net", "447700900123@s.whatsapp.net", "phone", "+447700900123"),
        ("447700900123@c.us", "447700900123@s.whatsapp.net", "phone", "+447700900123"),
        ("5215510000001@s.whatsapp.net", "5215510000001@s.whatsapp.net", "phone", "+525510000001"),
        ("447700900123@lid", "447700900123@lid", "lid", ""),
        ("447700900123_1:2@lid", "447700900123@lid", "lid", ""),
        ("12@hosted.lid", "12@hosted.lid", "lid", ""),
        ("0@s.whatsapp.net", "0@s.whatsapp.net", "other", ""),
        ("13135550002@bot", "13135550002@bot", "other", ""),
    ],
)
def test_accounts(address: str, handle: str, form: str, phone: str) -> None:
    parts = jid.parse(address)
    account = jid.account(parts) if parts else None
    assert account and (account.handle, account.form, account.phone) == (handle, form, phone)


@pytest.mark.parametrize(
    ("address", "handle", "form"),
    [
        ("120363000000000001@g.us", "120363000000000001@g.us", "group"),
        ("447700900123-1461964508@g.us", "447700900123-1461964508@g.us", "group"),
        ("120363@newsletter", "120363@newsletter", "newsletter"),
        ("447700900123@s.whatsapp.net", "owner@exhibit-1|447700900123@s.whatsapp.net", "private"),
        ("99@lid", "owner@exhibit-1|99@lid", "private"),
        ("status@broadcast", "owner@exhibit-1|status@broadcast", "status"),
        ("1612181955@broadcast", "owner@exhibit-1|1612181955@broadcast", "broadcast"),
        ("x@unheard-of", "owner@exhibit-1|x@unheard-of", "other"),
    ],
)
def test_threads(address: str, handle: str, form: str) -> None:
    parts = jid.parse(address)
    assert parts
    thread = jid.thread(parts, OWNER)
    assert (thread.handle, thread.form) == (handle, form)


@pytest.mark.parametrize(
    "address", ["", "x", "a b@lid", "-1", "@", "a@b@c", "9" * 200 + "@lid", "a\n@lid"]
)
def test_what_is_no_address(address: str) -> None:
    assert jid.parse(address) is None


def test_groups_and_lists_are_no_accounts() -> None:
    for address in ("1@g.us", "status@broadcast", "@status_me", "1@newsletter", "@s.whatsapp.net"):
        parts = jid.parse(address)
        assert parts and jid.account(parts) is None


def test_device_is_kept_apart_from_identity() -> None:
    parts = jid.parse("447700900123.2:7@s.whatsapp.net")
    assert parts and (parts.agent, parts.device, parts.handle) == (
        2,
        7,
        "447700900123@s.whatsapp.net",
    )


def test_an_old_group_tells_its_creator() -> None:
    old, new, odd = (
        jid.parse(a)
        for a in ("447700900123-1461964508@g.us", "120363000000000001@g.us", "1-2@g.us")
    )
    assert old and new and odd
    assert jid.group_origin(old) == ("447700900123@s.whatsapp.net", 1461964508000)
    assert jid.group_origin(new) is None and jid.group_origin(odd) is None


def test_times() -> None:
    assert [from_ms(v) for v in (1461964508000, 0, -1, None, "1461964508000", 2**63 - 1, 1.5e12, b"x")] == [
        1461964508000, None, None, None, None, None, 1500000000000, None]  # fmt: skip
    assert [from_unix(v) for v in (1461964508, 1461964508000, 1461964508.25, 0, -5, 2**62)] == [
        1461964508000, 1461964508000, 1461964508250, None, None, None]  # fmt: skip
