"""Links in pages and notes, and where they stand."""

import time

import pytest

from amparo.model import Account, At, Lead
from amparo.parse.links import links
from amparo.parse.web_page import web_page
from parsing import FOUND, parse_bytes

CODE = "AbCdEfGhIjKlMnOpQrStUv"


def found(text: str) -> list[tuple[str, str]]:
    return [(link.form, link.value) for link in links(text)]


@pytest.mark.parametrize(
    "text",
    [
        f"https://chat.whatsapp.com/{CODE}",
        f"chat.whatsapp.com/{CODE}",
        f"HTTPS://CHAT.WHATSAPP.COM/invite/{CODE}?mode=ac_t",
        f'{{"u":"https:\\/\\/chat.whatsapp.com\\/{CODE}"}}',
        f"https://example.org/?u=https%3A%2F%2Fchat.whatsapp.com%2F{CODE}&x=1",
        f"(http://chat.whatsapp.com/{CODE}).",
        f"ünï https://chat.whatsapp.com/{CODE}؟",
    ],
)
def test_invitations(text: str) -> None:
    assert found(text) == [("whatsapp_invite", CODE)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("see https://example.org/a_(b)?c=1&amp;d=2#e.", "https://example.org/a_(b)?c=1&d=2#e"),
        ("(www.example.org)", "www.example.org"),
        ('<a href="http://example.org/x">', "http://example.org/x"),
        (f"https://chat.whatsapp.com/{CODE[:21]}", f"https://chat.whatsapp.com/{CODE[:21]}"),
        (f"https://chat.whatsapp.com/{CODE}X", f"https://chat.whatsapp.com/{CODE}X"),
        ("https://пример.рф/ж", "https://пример.рф/ж"),
    ],
)
def test_addresses(text: str, value: str) -> None:
    assert found(text) == [("url", value)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no link",
        "ftp://x",
        "www...",
        "http://...",
        "a.b/c",
        "whatsapp.com/AbCdEfGhIjKlMnOpQrStUv",
        "https://",
    ],
)
def test_what_is_no_link(text: str) -> None:
    assert found(text) == []


def test_numbers_written_as_links() -> None:
    (one,) = links("https://api.whatsapp.com/send?text=hi&phone=%2B447700900077")
    assert one.phone == "447700900077"
    assert [
        x.phone for x in links("wa.me/447700900077 wa.me/12 https://example.org/447700900077")
    ] == ["447700900077", "", ""]


def test_a_page_with_offsets() -> None:
    page = (f"<html><body><p>Grüße &amp; <a href='https://chat.whatsapp.com/{CODE}'>join</a>"
            f" https://example.org/à\u0085\u00a0x <b>again</b> https://chat.whatsapp.com/{CODE}</p>"
            "<a href='https://wa.me/447700900077'>me</a>").encode()  # fmt: skip
    got = parse_bytes(web_page, page)
    invite, url, number = got.of(Lead)
    at = page.index(b"chat.whatsapp.com")
    assert invite.at == At("exhibit-1", "file-1", "", None, at, len(f"chat.whatsapp.com/{CODE}"))
    assert page[at : at + (invite.at.length or 0)].decode() == f"chat.whatsapp.com/{CODE}"
    assert (invite.form, invite.value) == ("whatsapp_invite", CODE)
    assert "Grüße" in invite.text and "<p>" not in invite.text
    assert url.value.startswith("https://example.org/à") and url.at.offset == page.index(
        b"https://example.org"
    )
    assert number.account == got.of(Account)[0].id and got.of(Account)[0].phone == "+447700900077"
    assert got.records.index(got.of(Account)[0]) < got.records.index(number)
    assert FOUND.owner("whatsapp") not in got.records


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_notes_in_utf_16(encoding: str) -> None:
    text = f"\ufeffn\u00f6te \U0001f600 http://example.org/\U0001f600 chat.whatsapp.com/{CODE}"
    data = text.encode(encoding)
    url, invite = parse_bytes(web_page, data).of(Lead)
    assert url.value == "http://example.org/\U0001f600" and invite.value == CODE
    for lead, shown in ((url, url.value), (invite, f"chat.whatsapp.com/{CODE}")):
        start, length = lead.at.offset or 0, lead.at.length or 0
        assert data[start : start + length].decode(encoding) == shown


def test_links_across_windows_are_whole_and_told_once() -> None:
    parts, size = [], 0
    while size < (3 << 20):
        parts.append(
            f"{'.' * (977 - len(parts) % 7)} https://example.org/{len(parts):06d}{'y' * (len(parts) % 300)} "
        )
        size += len(parts[-1])
    data = "".join(parts).encode()
    got = parse_bytes(web_page, data)
    assert [lead.value for lead in got.of(Lead)] == [p.split()[1] for p in parts]
    for lead in got.of(Lead):
        start = lead.at.offset or 0
        assert data[start : start + (lead.at.length or 0)].decode() == lead.value


def test_hostile_text_takes_no_longer() -> None:
    start = time.monotonic()
    for data in (b"<" * (2 << 20), b"https://" * (200 << 10), b"www." * (400 << 10), b"chat.whatsapp.com/" * (60 << 10),
                 b"https://a" + b"(" * (1 << 20) + b")" * (1 << 20), b"\xff\xfe" + b"\xd8\x00" * (300 << 10),
                 b"http://x/" + b"&phone=" * (200 << 10)):  # fmt: skip
        parse_bytes(web_page, data)
    assert time.monotonic() - start < 20


def test_the_number_of_links_is_bounded() -> None:
    data = b"".join(b"http://e.org/%d " % i for i in range(50_010))
    got = parse_bytes(web_page, data)
    assert len(got.of(Lead)) == 50_000 and got.warnings == [
        "more than 50000 different links: the rest was not read"
    ]


def test_of_data_made_by_programs_only_invitations_and_numbers_are_told() -> None:
    links = f"https://example.org/a https://wa.me/447700900077 chat.whatsapp.com/{CODE}"
    for data, told in (
        (f'{{"a": "{links}"}}', 2),
        (f"\ufeff[\n'{links}']", 2),
        (f"<?xml version='1.0'?><map><string>{links}</string></map>", 2),
        (f"<?xml version='1.0'?><html>{links}</html>", 3),
        (f"<p>{links}</p>", 3),
        (links, 3),
    ):
        assert len(parse_bytes(web_page, data.encode()).of(Lead)) == told, data
