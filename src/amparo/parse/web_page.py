"""Pages and notes: links in text files of any kind, each with the byte where it stands."""

from __future__ import annotations

import codecs
import re
import sys
from array import array
from collections.abc import Iterator

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.source import Source
from amparo.model import Lead, Record
from amparo.parse.links import links
from amparo.parse.whatsapp_people import People

_WINDOW = 1 << 20
_OVERLAP = 16 << 10
_MOST = 50_000
_SPACES = {0x85: 0xE085, 0xA0: 0xE0A0}
"""Bytes inside UTF-8 characters that would read as blanks, and where they go meanwhile."""
_BACK = {there: here for here, there in _SPACES.items()}
_TAGS = re.compile(r"<[^<>]{0,2000}>|\s+")


@parser(
    "web_page",
    version=1,
    mimes=("text/*", "application/xhtml+xml", "application/xml", "application/json"),
)
def web_page(source: Source, found: Found) -> Iterator[Record | Warn]:
    """Which links stand in a page or note: invitations to groups, web addresses.

    Of data made by programs (JSON, XML that is no page) only invitations and numbers are told: their
    web addresses are a program's, by the thousand.
    """
    people = People(found)
    people.fresh()
    by_people = not _made_by_programs(source.stream().read(1024))
    known: set[tuple[str, str]] = set()
    for offset, length, form, value, phone, around in _links(source):
        if (form, value) in known or not (by_people or phone or form == "whatsapp_invite"):
            continue
        known.add((form, value))
        if len(known) > _MOST:
            yield Warn(f"more than {_MOST} different links: the rest was not read")
            return
        account = people.account(f"{phone}@{jid.PHONE}") if phone else ""
        yield from people.fresh()
        at = found.bytes(offset, length)
        yield Lead(at=at, form=form, value=value, account=account, text=around)


def _made_by_programs(head: bytes) -> bool:
    head = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return head.startswith((b"{", b"[")) or (head.startswith(b"<?xml") and b"<html" not in head)


def _links(source: Source) -> Iterator[tuple[int, int, str, str, str, str]]:
    """Offset and length in bytes, form, value, phone digits and the text around each link."""
    stream = source.stream()
    mark = stream.read(2)
    order = {codecs.BOM_UTF16_LE: "little", codecs.BOM_UTF16_BE: "big"}.get(mark, "")
    width = 2 if order else 1
    stream.seek(0)
    data, base, done = b"", 0, 0
    while True:
        more = stream.read(_WINDOW)
        data += more
        text = _units(data, order)
        last = max(0, len(text) - _OVERLAP) if more else len(text)
        for link in links(text):
            here = base + link.start * width
            if here < done or link.start >= last:
                continue
            value = _read(link.value, order)
            around = _read(text[max(0, link.start - 120) : link.end + 80], order)
            around = _TAGS.sub(" ", around).strip()
            yield here, (link.end - link.start) * width, link.form, value, link.phone, around
        if not more:
            return
        done = base + last * width
        keep = max(0, last - 256) * width
        base, data = base + keep, data[keep:]


def _units(data: bytes, order: str) -> str:
    """One character for each byte, or each pair of bytes of UTF-16: positions stay offsets."""
    if not order:
        return data.decode("latin-1").translate(_SPACES)
    units = array("H", data[: len(data) // 2 * 2])
    if order != sys.byteorder:
        units.byteswap()
    return "".join(map(chr, units))


def _read(units: str, order: str) -> str:
    """What those characters say."""
    if order:
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return units.translate(_BACK).encode("latin-1").decode("utf-8", "replace")
