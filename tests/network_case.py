"""Words for small network cases: phones, groups, messages, memberships."""

from __future__ import annotations

from hashlib import sha256
from itertools import count

from amparo.model import (
    Account,
    At,
    Attachment,
    Exhibit,
    Membership,
    MembershipEvent,
    Message,
    Record,
    Resolution,
    Thread,
    content_id,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
T0 = 1_740_960_000_000
_rows = count(1)

PHONES = [Exhibit(number=f"{n:02d}", country="ES", form="folder", source=str(n)) for n in range(6)]


def at(n: int, table: str = "message") -> At:
    return At(exhibit=PHONES[n].id, file=f"msgstore-{n}", table=table, row=next(_rows))


def person(n: int) -> Account:
    number = f"3460000{n:04d}"
    return Account(
        service="whatsapp",
        handle=f"{number}@s.whatsapp.net",
        form="phone",
        phone=f"+{number}",
        country="ES",
    )


def hidden(n: int) -> Account:
    return Account(service="whatsapp", handle=f"{n}@lid", form="lid")


def owner(n: int) -> Account:
    return Account(service="whatsapp", handle=f"owner@{PHONES[n].id}", form="owner")


def group(n: int) -> Thread:
    return Thread(service="whatsapp", handle=f"12036300000000{n:04d}@g.us", form="group")


def content(name: str) -> str:
    return content_id(sha256(name.encode()).hexdigest())


def same(source: Account, canonical: Account) -> Resolution:
    return Resolution(form="account", source=source.id, canonical=canonical.id)


def message(
    n: int,
    thread: Thread,
    key: str,
    sender: Account,
    sent: int | None,
    own: bool | None = False,
    server: int | None = None,
    forward: int | None = None,
    form: str = "image",
) -> Message:
    return Message(
        at=at(n),
        thread=thread.id,
        key=key,
        sender=sender.id,
        from_owner=own,
        sent=sent,
        server=server,
        form=form,
        forward_score=forward,
    )


def shown(
    n: int,
    thread: Thread,
    key: str,
    sender: Account,
    sent: int | None,
    name: str,
    own: bool | None = False,
    server: int | None = None,
    forward: int | None = None,
) -> list[Record]:
    """A message on phone ``n`` and the attachment it carries there."""
    held = message(n, thread, key, sender, sent, own, server, forward)
    return [held, Attachment(at=at(n), message=held.id, content=content(name))]


def listed(
    n: int,
    thread: Thread,
    account: Account,
    role: str = "member",
    present: bool = True,
    since: int | None = None,
    until: int | None = None,
) -> Membership:
    return Membership(
        at=at(n, "group_participant_user"),
        thread=thread.id,
        account=account.id,
        role=role,
        present=present,
        since=since,
        until=until,
    )


def event(
    n: int,
    thread: Thread,
    kind: str,
    account: Account | None,
    time: int | None,
    actor: Account | None = None,
    table: str = "message",
) -> MembershipEvent:
    return MembershipEvent(
        at=at(n, table),
        thread=thread.id,
        event=kind,
        account=account.id if account else "",
        actor=actor.id if actor else "",
        time=time,
    )
