"""WhatsApp for Android: the number a phone was registered with (``shared_prefs/*_preferences*.xml``).

Android's form: ``<map><string name="registration_jid">5544…</string> …</map>``. Keys read:
``registration_jid`` (digits, or a whole address), ``cc`` and ``ph`` (country code and national number),
``self_lid`` (the account's hidden id), ``push_name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.source import Source
from amparo.model import AccountName, Alias, At, Record
from amparo.parse.whatsapp_people import People

_KEYS = frozenset({"registration_jid", "cc", "ph", "self_lid", "push_name"})
_LARGEST = 16 << 20


@parser(
    "whatsapp_preferences",
    version=1,
    mimes=("application/xml", "text/*"),
    paths=("*com.whatsapp*preferences*.xml", "*whatsapp*preferences*.xml", "*startup_prefs.xml",
           "*registration.registerphone.xml"),
)  # fmt: skip
def whatsapp_preferences(source: Source, found: Found) -> Iterator[Record | Warn]:
    """Which number WhatsApp was registered with on this phone."""
    values, broken = _strings(source.read(_LARGEST), found)
    if broken:
        yield Warn(broken)
    people = People(found)
    registered, where = values.get("registration_jid", ("", None))
    if not registered and "cc" in values and "ph" in values:
        registered, where = values["cc"][0] + values["ph"][0], values["ph"][1]
    if registered.isascii() and registered.isdigit():
        registered = f"{registered}@{jid.PHONE}"
    for address, at in ((registered, where), values.get("self_lid", ("", None))):
        account = people.account(address)
        if account and at:
            yield from people.fresh()
            yield Alias(at=at, account=people.owner, other=account, basis="owner")
        elif address:
            yield Warn(f"the registration is no address: {address[:60]}")
    name, at = values.get("push_name", ("", None))
    if name and at:
        yield from people.fresh()
        yield AccountName(at=at, account=people.owner, name=name[:1000], source="push")


def _strings(data: bytes, found: Found) -> tuple[dict[str, tuple[str, At]], str]:
    """The string values of the keys wanted with their places, and why reading stopped, if it did.

    No document type is accepted, hence no entities: nothing can be fetched or grow.
    """
    values: dict[str, tuple[str, At]] = {}
    reader = expat.ParserCreate()
    reader.buffer_text = True
    key, text, start = "", "", 0

    def doctype(*_: object) -> None:
        raise ValueError("it declares a document type, as no settings file does")

    def opened(tag: str, attributes: dict[str, str]) -> None:
        nonlocal key, text, start
        name = attributes.get("name", "")
        key, text, start = (
            (name if tag == "string" and name in _KEYS else ""),
            "",
            reader.CurrentByteIndex,
        )

    def said(piece: str) -> None:
        nonlocal text
        if key and len(text) < 10_000:
            text += piece

    def closed(tag: str) -> None:
        nonlocal key
        if key and tag == "string" and text.strip():
            at = found.bytes(start, reader.CurrentByteIndex - start)
            values.setdefault(key, (text.strip(), at))
        key = ""

    reader.StartDoctypeDeclHandler = doctype
    reader.StartElementHandler = opened
    reader.CharacterDataHandler = said
    reader.EndElementHandler = closed
    try:
        reader.Parse(data, True)
    except (expat.ExpatError, ValueError) as e:
        return values, f"settings read up to byte {reader.CurrentByteIndex}: {e}"
    return values, ""
