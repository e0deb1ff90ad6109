"""Short texts that are understood everywhere: paths, addresses, numbers, times."""

from __future__ import annotations

from amparo.kit import jid
from amparo.kit.phone import number
from amparo.kit.times import LATEST, from_ms, from_unix
from amparo.match.vics import moment, scheme_of
from amparo.model import Account, path_bytes, path_text
from amparo.parse.links import links
from fuzz.cell import FILE, heard
from fuzz.target import target

_OWNER = Account(service="whatsapp", handle="owner@EX", form="owner")
_JIDS = (
    b"@s.whatsapp.net",
    b"@g.us",
    b"@lid",
    b"@broadcast",
    b"@newsletter",
    b"status_me",
    b"@c.us",
    b":3",
    b".0",
)


@target(
    lambda: [
        b"DCIM/IMG_0001.JPG",
        b"a\\b\xff\x00c",
        "ünï/\u202ecode\u2028".encode(),
        b"\\x41\\xzz",
    ],
    allowed=(),
    longest=512,
    words=(b"\\x", b"\\x5c", b"\xe2\x80\xae", b"\xed\xa0\x80"),
)
def paths(data: bytes) -> None:
    """Names of any bytes as text and back."""
    text = path_text(data)
    assert path_bytes(text) == data, text
    assert not any(c < " " for c in text.encode("utf-8").decode("utf-8"))
    assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    assert path_text(path_bytes(text)) == text


@target(
    lambda: [
        b"447700900001@s.whatsapp.net", b"447700900001-1461964508@g.us", b"77000000000003@lid",
        b"447700900002.0:3@s.whatsapp.net", b"status@broadcast", b"120363000000000005@newsletter",
    ],
    allowed=(),
    longest=300,
    words=_JIDS,
)  # fmt: skip
def jids(data: bytes) -> None:
    """Addresses of accounts and chats."""
    found = jid.parse(data.decode("utf-8", "replace"))
    if found is None:
        return
    account, thread = jid.account(found), jid.thread(found, _OWNER)
    again = jid.parse(found.handle)
    assert again is not None and again.handle == found.handle, (found, again)
    origin = jid.group_origin(found)
    assert origin is None or 0 < origin[1] <= LATEST
    heard([r for r in (account, thread) if r is not None], FILE)


@target(
    lambda: [b"+447700900001", b"5215512345678", b"551199999999", b"541112345678", b"12425550100"],
    allowed=(),
    longest=64,
)
def phones(data: bytes) -> None:
    """Telephone numbers and their numbering country."""
    known = number(data.decode("utf-8", "replace"))
    if known is not None:
        assert known.e164.startswith("+") and known.e164[1:].isdigit()
        assert known.country == "" or (len(known.country) == 2 and known.country.isalpha())


@target(
    lambda: [
        b"2024-01-02T03:04:05.1234567Z", b"/Date(1700000000000+0100)/", b"1700000000",
        b"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media",
        b"9999-12-31T23:59:59-12:00", b"0001-01-01T00:00:00+14:00",
    ],
    allowed=(),
    longest=300,
    words=(b"/Date(", b")/", b"+14:00", b"Z"),
)  # fmt: skip
def times(data: bytes) -> None:
    """Times as phones, lists and exporters write them."""
    text = data.decode("utf-8", "replace")
    moment(text)
    scheme_of(text)
    try:
        value: float = float(text)
    except ValueError:
        return
    for one in (value, int(value) if abs(value) < 1e30 else 0):
        for made in (from_ms(one), from_unix(one)):
            assert made is None or 0 < made <= LATEST


@target(
    lambda: [
        b"see https://chat.whatsapp.com/ABCDEFGHIJKLMNOPQRSTUV and www.example.org/a(b)c).",
        b"https:\\/\\/wa.me\\/447700900001?text=x api.whatsapp.com/send?phone=447700900001&amp;a=b",
    ],
    allowed=(),
    longest=4096,
    words=(
        b"chat.whatsapp.com/",
        b"%2F",
        b"https://",
        b"wa.me/",
        b"www.",
        b"\\/",
        b"&amp;",
        b"]).,",
    ),
)
def invitations(data: bytes) -> None:
    """Links in a text."""
    text = data.decode("utf-8", "replace")
    for link in links(text):
        assert 0 <= link.start < link.end <= len(text) and link.value
        assert link.phone == "" or link.phone.isdigit()
