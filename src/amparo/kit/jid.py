"""WhatsApp addresses (JIDs): whose account, which conversation.

Grammar: ``user[_agent | .agent][:device]@server``. Servers: ``s.whatsapp.net`` (a phone number), ``c.us``
(the same, old), ``lid`` (a hidden id whose digits are no phone number), ``g.us`` (a group; old ones are
``creator-unixtime``), ``broadcast``, ``newsletter``, ``status_me`` (the owner's own status).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from amparo.kit.phone import number
from amparo.kit.times import from_unix
from amparo.model import Account, Thread

SERVICE = "whatsapp"
LOST = "unknown-chat-"
"""How the handle of a conversation begins of which only its number in a phone's table is left."""
NUMBERLESS = f"{LOST}0@"
"""The same for rows of which not even that number is left: they are of any conversation of the exhibit."""
PHONE = "s.whatsapp.net"

_GRAMMAR = re.compile(
    r"(?P<user>[^@:_.\s\x00-\x1f]{0,128})(?:[._](?P<agent>\d{1,9}))?(?::(?P<device>\d{1,9}))?"
    r"@(?P<server>[a-z0-9._-]{1,64})",
    re.ASCII,
)
_OLD_GROUP = re.compile(r"([1-9]\d{6,14})-(\d{9,11})", re.ASCII)
_HIDDEN = ("lid", "hosted.lid")
_THREADS = {"g.us": "group", "newsletter": "newsletter", "status_me": "status"}
_PEOPLE = {PHONE, *_HIDDEN, "hosted", "bot", "msgr", "interop"}
_NOT_ACCOUNTS = {*_THREADS, "broadcast", "call"}


@dataclass(frozen=True, slots=True)
class Jid:
    """The parts of an address. ``device`` tells a linked computer and is no part of the identity."""

    user: str
    server: str
    agent: int | None = None
    device: int | None = None

    @property
    def handle(self) -> str:
        """``user@server``: the same for all devices of an account."""
        return f"{self.user}@{self.server}"


@lru_cache(maxsize=1 << 16)
def parse(text: str) -> Jid | None:
    """The parts of an address, ``c.us`` read as ``s.whatsapp.net``; None for what is no address."""
    found = _GRAMMAR.fullmatch(text.strip().lower())
    if found is None:
        return None
    agent, device = found["agent"], found["device"]
    return Jid(
        user=found["user"],
        server=PHONE if found["server"] == "c.us" else found["server"],
        agent=int(agent) if agent else None,
        device=int(device) if device else None,
    )


@lru_cache(maxsize=1 << 16)
def account(jid: Jid) -> Account | None:
    """The account of an address; None for groups, lists and channels. Hidden ids never get a phone."""
    if jid.server in _NOT_ACCOUNTS or not jid.user:
        return None
    if jid.server in _HIDDEN:
        return Account(service=SERVICE, handle=jid.handle, form="lid")
    if jid.server != PHONE or jid.user == "0":
        return Account(service=SERVICE, handle=jid.handle, form="other")
    known = number(jid.user)
    return Account(
        service=SERVICE,
        handle=jid.handle,
        form="phone",
        phone=known.e164 if known else "",
        country=known.country if known else "",
    )


def thread(jid: Jid, owner: Account) -> Thread:
    """The conversation at an address as the owner's phone sees it.

    Groups and channels are the same everywhere. Private chats, broadcast lists and the status feed are
    this phone's own: their handle begins with the owner's.
    """
    form = _THREADS.get(jid.server, "private" if jid.server in _PEOPLE else "other")
    if jid.server == "broadcast":
        form = "status" if jid.user == "status" else "broadcast"
    shared = form in ("group", "newsletter")
    handle = jid.handle if shared else f"{owner.handle}|{jid.handle}"
    return Thread(service=SERVICE, handle=handle, form=form)


def group_origin(jid: Jid) -> tuple[str, int] | None:
    """Creator's address and creation time in ms, which an old group's address gives away."""
    found = _OLD_GROUP.fullmatch(jid.user) if jid.server == "g.us" else None
    created = from_unix(int(found[2])) if found else None
    return (f"{found[1]}@{PHONE}", created) if found and created else None
