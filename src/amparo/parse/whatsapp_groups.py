"""Who is, was or became a member of a WhatsApp group: membership tables and system messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.sqlite import Database, text
from amparo.kit.times import from_unix
from amparo.model import At, Id, Membership, MembershipEvent, Record, ThreadInfo
from amparo.parse.whatsapp_codes import (
    ABOUT_THE_OWNER,
    ABOUT_THE_SENDER,
    BY_THE_OWNER,
    EVENTS,
    HISTORY,
    ROLES,
)
from amparo.parse.whatsapp_people import Book, Chat, People


def info(people: People, at: At, chat: Chat, subject: object, created: object) -> Iterator[Record]:
    """What a chat's row tells; an old group's address also tells its creator and its creation."""
    parts = jid.parse(chat.address)
    origin = jid.group_origin(parts) if parts else None
    creator = people.account(origin[0]) if origin else ""
    since = from_unix(created) or (origin[1] if origin else None)
    yield from people.fresh()
    if subject or since or creator:
        yield ThreadInfo(
            at=at, thread=chat.id, subject=text(subject), created=since, creator=creator
        )


def present_members(
    database: Database, found: Found, people: People, book: Book
) -> Iterator[Record]:
    """Members of groups as the schema since 2021 keeps them, with those who left."""
    wanted = ("group_jid_row_id", "user_jid_row_id", "rank", "add_timestamp")
    for row, group, user, rank, added in database.rows("group_participant_user", wanted):
        address, account = book.address(group), book.account(user)
        if not address or not account:
            continue
        chat = people.chat(address)
        yield from people.fresh()
        yield Membership(
            at=found.row("group_participant_user", row),
            thread=chat.id,
            account=account,
            role=ROLES.get(rank, "member"),
            since=from_unix(added),
        )
    wanted = ("group_jid_row_id", "user_jid_row_id", "is_leave", "timestamp")
    for row, group, user, left, until in database.rows("group_past_participant_user", wanted):
        address, account = book.address(group), book.account(user)
        if not address or not account:
            continue
        chat = people.chat(address)
        yield from people.fresh()
        yield Membership(
            at=found.row("group_past_participant_user", row),
            thread=chat.id,
            account=account,
            present=False,
            until=from_unix(until),
            left={0: False, 1: True}.get(left),
        )


def legacy_members(database: Database, found: Found, people: People) -> Iterator[Record]:
    """Members and the history of members as the schema before 2021 keeps them."""
    wanted: Sequence[str] = ("gjid", "jid", "admin")
    for row, group, member, admin in database.rows("group_participants", wanted):
        chat, account = people.chat(text(group)), people.member(text(member))
        yield from people.fresh()
        if account:
            yield Membership(
                at=found.row("group_participants", row),
                thread=chat.id,
                account=account,
                role=ROLES.get(admin, "member"),
            )
    wanted = ("gjid", "jid", "action", "timestamp")
    for row, group, listed, action, stamp in database.rows("group_participants_history", wanted):
        chat = people.chat(text(group))
        event = HISTORY.get(action, f"code:{action}")
        members = text(listed).split(",")
        detail = ""
        if event == "number_changed" and len(members) == 2:
            members, detail = members[:1], members[1]
        for member in members:
            account = people.member(member)
            yield from people.fresh()
            yield MembershipEvent(
                at=found.row("group_participants_history", row),
                thread=chat.id,
                event=event,
                account=account,
                time=from_unix(stamp),
                detail=detail,
            )


def events(
    at: At,
    thread: Id,
    action: int | None,
    sender: Id,
    owner: Id,
    by_owner: bool,
    listed: Sequence[Id],
    time: int | None,
    detail: str,
) -> Iterator[MembershipEvent]:
    """What a system message says about a group's members.

    ``sender`` is the account named on the message ("" if none), ``listed`` the participants beside it,
    ``by_owner`` whether the row is marked as the owner's own.
    """
    if action is None:
        return
    subjects, actor = list(listed), sender
    if not subjects and action in ABOUT_THE_SENDER:
        subjects, actor = [sender] if sender else [], ""
    elif not subjects and action in ABOUT_THE_OWNER:
        subjects = [owner]
    if actor in subjects:
        actor = ""
    if not actor and by_owner and action in BY_THE_OWNER and subjects != [owner]:
        actor = owner
    for subject in dict.fromkeys(subjects or [""]):
        yield MembershipEvent(
            at=at,
            thread=thread,
            event=EVENTS.get(action, f"code:{action}"),
            account=subject,
            actor=actor,
            time=time,
            detail=detail,
        )
