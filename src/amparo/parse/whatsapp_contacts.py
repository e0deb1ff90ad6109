"""WhatsApp for Android: the address book ``wa.db``."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.sqlite import Database, text
from amparo.model import AccountName, Record, ThreadInfo
from amparo.parse.whatsapp_people import People

_MAY_LACK = frozenset({"wa_vnames", "wa_group_admin_settings", "wa_contacts.nickname"})
"""What only some versions have."""


@parser("whatsapp_contacts", version=1, tables={"wa_contacts.jid", "wa_contacts.display_name"})
def whatsapp_contacts(database: Database, found: Found) -> Iterator[Record | Warn]:
    """What the phone's owner calls people in WhatsApp, and what they call themselves."""
    people = People(found)
    yield from people.fresh()
    columns = ("jid", "display_name", "wa_name", "nickname")
    for row, address, shown, push, nickname in database.rows("wa_contacts", columns):
        at, address = found.row("wa_contacts", row), text(address)
        account = people.account(address)
        yield from people.fresh()
        if not account and address.endswith("@g.us") and shown:
            chat = people.chat(address)
            yield from people.fresh()
            yield ThreadInfo(at=at, thread=chat.id, subject=text(shown)[:1000])
        names = dict.fromkeys(
            ((text(shown), "contact"), (text(nickname), "contact"), (text(push), "push"))
        )
        for name, source in names:
            if account and name:
                yield AccountName(at=at, account=account, name=name[:1000], source=source)
    for row, address, name in database.rows("wa_vnames", ("jid", "verified_name")):
        account = people.account(text(address))
        yield from people.fresh()
        if account and name:
            at = found.row("wa_vnames", row)
            yield AccountName(at=at, account=account, name=text(name)[:1000], source="business")
    settings = "wa_group_admin_settings"
    for row, address, creator in database.rows(settings, ("jid", "creator_jid")):
        account = people.account(text(creator))
        chat = people.chat(text(address))
        yield from people.fresh()
        if account:
            yield ThreadInfo(at=found.row(settings, row), thread=chat.id, creator=account)
    yield from database.warnings(_MAY_LACK)
