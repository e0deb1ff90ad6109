"""Parts of a WhatsApp message that the old and the new schema share: links, previews, what was cut."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn
from amparo.kit.sqlite import text
from amparo.kit.times import from_ms
from amparo.model import At, Content, Id, Lead, Preview, Record
from amparo.parse.links import links
from amparo.parse.whatsapp_people import LARGEST_PREVIEW, LONGEST_TEXT, People


@dataclass
class Losses:
    """What could not be kept, counted; told at the end in one line each."""

    counts: Counter[str] = field(default_factory=Counter)

    def text(self, value: object) -> str:
        """A text, cut where no message can be so long."""
        line = value if type(value) is str else text(value)
        if len(line) > LONGEST_TEXT:
            self.counts["texts were cut to 200,000 characters"] += 1
            line = line[:LONGEST_TEXT]
        return line

    def time(self, value: object) -> int | None:
        """A stamp in milliseconds."""
        known = from_ms(value)
        if known is None and value not in (None, 0, -1):
            self.counts["times lie outside any calendar"] += 1
        return known

    def warnings(self) -> Iterator[Warn]:
        """One line for each kind of loss."""
        for what, count in sorted(self.counts.items()):
            yield Warn(f"{count} {what}")


def preview(at: At, owner: Id, data: object, losses: Losses) -> Iterator[Record]:
    """A small picture kept in the database, as the bytes are."""
    if not isinstance(data, bytes) or not data:
        return
    if len(data) > LARGEST_PREVIEW:
        losses.counts["previews above 256 KiB were left out"] += 1
        return
    content = Content(
        sha256=hashlib.sha256(data).hexdigest(),
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        size=len(data),
        mime=sniff(data[:HEAD], len(data)),
    )
    yield content
    yield Preview(at=at, owner=owner, content=content.id, data=data)


def leads(at: At, message: Id, people: People, line: str, known: set[str]) -> Iterator[Record]:
    """Links in a text, each told once per message (``known`` collects them)."""
    for link in links(line):
        if link.value in known:
            continue
        known.add(link.value)
        account = people.account(f"{link.phone}@{jid.PHONE}") if link.phone else ""
        yield from people.fresh()
        yield Lead(at=at, form=link.form, value=link.value, message=message, account=account)


def invite(
    found: Found, people: People, row: int, message: Id, group: str | None, admin: Id, name: object,
    code: object,
) -> Iterator[Record]:  # fmt: skip
    """An invitation card: the code, the group it leads to, who sent it."""
    chat = people.chat(group) if group else None
    yield from people.fresh()
    if code or chat:
        yield Lead(
            at=found.row("message_group_invite", row),
            form="whatsapp_invite",
            value=text(code)[:100],
            message=message,
            thread=chat.id if chat else "",
            account=admin,
            text=text(name)[:1000],
        )
