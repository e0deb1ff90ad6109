"""Links in text: invitations to groups, web addresses, numbers written as links. Never opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from amparo.kit.phone import number

_SLASH = r"(?:\\?/|%2[Ff])"
_INVITE = re.compile(
    rf"chat\.whatsapp\.com{_SLASH}(?:invite{_SLASH})?([A-Za-z0-9]{{22}})(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_LINK = re.compile(
    rf"(https?:(?:\\?/){{2}}|www\.|chat\.whatsapp\.com{_SLASH}|\bwa\.me/)"
    r"(?:\\/|[^\s<>\"'`{}|\\^\x00-\x1f\x7f]){2,2000}",
    re.IGNORECASE,
)
_MAYBE = re.compile(r"//|/\\/|www\.|whatsapp\.com|wa\.me/", re.IGNORECASE)
may_hold_links = _MAYBE.search
"""A quick look that rules most texts out."""
_NUMBER = re.compile(
    r"(?:wa\.me/|api\.whatsapp\.com/send/?\?(?:[^#]*&)?phone=)(?:\+|%2B)?(\d{7,15})(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_CLOSING = {")": "(", "]": "["}


class Link(NamedTuple):
    """A link and where in the text it stands, in characters."""

    form: str
    """``whatsapp_invite`` (value: the invite code) or ``url``."""
    value: str
    start: int
    end: int

    @property
    def phone(self) -> str:
        """Digits of the number that a ``wa.me`` link opens a chat with, or ""."""
        found = _NUMBER.search(self.value) if self.form == "url" else None
        return found[1] if found and number(found[1]) else ""


def links(text: str) -> Iterator[Link]:
    """Every link of a text, in order; also as written in JSON (``\\/``) or HTML (``&amp;``)."""
    if not may_hold_links(text):
        return
    for found in _LINK.finditer(text):
        raw = found[0]
        invites = list(_INVITE.finditer(raw))
        for invite in invites:
            yield Link("whatsapp_invite", invite[1], found.start() + invite.start(),
                       found.start() + invite.end())  # fmt: skip
        if invites:
            continue
        while raw[-1] in ".,;:!?*_~" or (
            raw[-1] in _CLOSING and raw.count(raw[-1]) > raw.count(_CLOSING[raw[-1]])
        ):
            raw = raw[:-1]
        if not any(c.isalnum() for c in raw[len(found[1]) :]):
            continue
        value = raw.replace("\\/", "/").replace("&amp;", "&")
        yield Link("url", value, found.start(), found.start() + len(raw))
