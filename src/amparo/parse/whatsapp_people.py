"""The accounts and conversations that rows of a WhatsApp database name, each told once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import NamedTuple

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.sqlite import Database, text, whole
from amparo.model import Account, Id, Record, Thread, content_id

LONGEST_TEXT = 200_000
"""Characters of a message kept; the app itself sends 65,536 at most."""
LARGEST_PREVIEW = 256 << 10

_SELF = frozenset({"", "@", "@status_me", f"@{jid.PHONE}"})
"""Addresses by which a database means the account it belongs to."""


class Chat(NamedTuple):
    """A conversation and, if it is a private one, the account at its other end."""

    id: Id
    other: Id
    form: str
    address: str


class People:
    """Turns addresses into ids and keeps the records that are still to be told."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._owner = found.owner(jid.SERVICE)
        self.owner = self._owner.id
        self._accounts: dict[str, Id] = {}
        self._chats: dict[str, Chat] = {}
        self._lost: dict[int, Chat] = {}
        self._told: set[Id] = {self.owner}
        self._fresh: list[Record] = [self._owner]

    def fresh(self) -> list[Record]:
        """Accounts and threads named since the last call. To be yielded before what refers to them."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _tell(self, record: Account | Thread) -> Id:
        if record.id not in self._told:
            self._told.add(record.id)
            self._fresh.append(record)
        return record.id

    def account(self, address: str) -> Id:
        """The account at an address; "" where there is none (a group, or no address at all)."""
        known = self._accounts.get(address)
        if known is None:
            parts = jid.parse(address)
            account = jid.account(parts) if parts else None
            known = self._accounts[address] = self._tell(account) if account else ""
        return known

    def member(self, address: str) -> Id:
        """The same where a blank user stands for the owner, as in lists of members."""
        return self.owner if address in _SELF else self.account(address)

    def chat(self, address: str) -> Chat:
        """The conversation at an address."""
        known = self._chats.get(address)
        if known is None:
            parts = jid.parse(address)
            if parts:
                thread = jid.thread(parts, self._owner)
                other = self.account(address) if thread.form == "private" else ""
            else:
                handle = f"{self._owner.handle}|{address[:200]}"
                thread, other = Thread(service=jid.SERVICE, handle=handle, form="other"), ""
            known = Chat(self._tell(thread), other, thread.form, parts.handle if parts else "")
            self._chats[address] = known
        return known

    def lost_chat(self, row: int) -> Chat:
        """The conversation of a chat whose row or address is gone: kept together under its number."""
        if row not in self._lost:
            handle = f"{jid.LOST}{row}@{self._found.exhibit}"
            thread = Thread(service=jid.SERVICE, handle=handle, form="other")
            self._lost[row] = Chat(self._tell(thread), "", "other", "")
        return self._lost[row]

    @property
    def lost_chats(self) -> int:
        """How many there are of those."""
        return len(self._lost)


class Book:
    """The table ``jid``: row numbers to addresses."""

    def __init__(self, database: Database, people: People) -> None:
        self._people = people
        self._addresses: dict[int, str] = {}
        self._ids: dict[object, Id] = {None: "", 0: ""}
        self.gone: set[int] = set()
        """Row numbers that were referred to and are not there."""
        for _, number, user, server, raw in database.rows(
            "jid", ("_id", "user", "server", "raw_string"), by="_id"
        ):
            self._addresses[number] = f"{text(user)}@{text(server)}" if server else text(raw)

    def accounts(self) -> Iterator[Record]:
        """Every account of the table."""
        for address in self._addresses.values():
            self._people.account(address)
        yield from self._people.fresh()

    def address(self, row: object) -> str | None:
        """The address in a row; None (and noted) where it is gone."""
        number = whole(row)
        address = self._addresses.get(number) if number is not None else None
        if address is None and number is not None and number > 0:
            self.gone.add(number)
        return address

    def account(self, row: object) -> Id:
        """The account in a row; "" where none is given, or it is gone."""
        known = self._ids.get(row)
        if known is None:
            address = self.address(row)
            known = "" if address is None else self._people.member(address)
            self._ids[row] = known
        return known


def hashed(value: object) -> Id:
    """The content with this SHA-256, written in base64 or hex; "" for anything else."""
    if type(value) is not str:
        return ""
    try:
        digest = (
            binascii.unhexlify(value)
            if len(value) == 64
            else base64.b64decode(value, validate=True)
        )
    except ValueError:
        return ""
    return content_id(digest.hex()) if len(digest) == 32 else ""
