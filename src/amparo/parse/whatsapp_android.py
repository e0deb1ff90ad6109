"""WhatsApp for Android since 2021: ``msgstore.db`` with the table ``message``.

One pass over ``message`` in row order; every side table is read along with it (:class:`Beside`), so that
damage in one costs nothing of the others and nothing is held in memory but addresses and chats.
The tables, as far as they are there (schema of 2021 to 2026)::

    jid(_id, user, server, raw_string)              jid_map(lid_row_id, jid_row_id)
    chat(_id, jid_row_id, subject, created_timestamp)
    message(_id, chat_row_id, from_me, key_id, sender_jid_row_id, timestamp, receipt_server_timestamp,
            message_type, text_data)
    message_media, message_thumbnail, message_quoted, message_quoted_media, message_forwarded,
    message_revoked, message_edit_info, message_text, message_group_invite, message_system and its
    _chat_participant, _value_change, _number_change: each by message_row_id
    message_location, message_vcard, message_ui_elements: see :mod:`.whatsapp_cards`
"""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit import jid
from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.sqlite import Beside, Database, text, whole
from amparo.kit.times import LATEST, from_unix
from amparo.model import AccountName, Alias, At, Attachment, Id, Message, Quote, Record
from amparo.parse import whatsapp_cards
from amparo.parse.links import may_hold_links
from amparo.parse.whatsapp_codes import REVOKED, SYSTEM, form_of
from amparo.parse.whatsapp_deleted import LACKING, Hidden
from amparo.parse.whatsapp_groups import events, info, present_members
from amparo.parse.whatsapp_message import Losses, invite, leads, preview
from amparo.parse.whatsapp_people import Book, Chat, People, hashed

_MESSAGE = ("_id", "chat_row_id", "from_me", "key_id", "sender_jid_row_id", "timestamp",
            "receipt_server_timestamp", "message_type", "text_data", "starred")  # fmt: skip
_QUOTED = ("key_id", "text_data", "chat_row_id", "from_me", "sender_jid_row_id", "timestamp",
           "message_type")  # fmt: skip
_MEDIA = ("file_path", "file_size", "file_length", "mime_type", "media_name", "file_hash", "width",
          "height", "media_caption")  # fmt: skip
_NEVER = 1 << 63
_MAY_LACK = frozenset({
    "jid_map", "lid_display_name", "group_past_participant_user", "group_participant_user.add_timestamp",
    "message_edit_info", "message_media.media_caption", "message_revoked.revoke_timestamp",
    "media_hash_thumbnail", "message_quoted_media", *LACKING, *whatsapp_cards.LACKING,
    *(f"message_quoted.{name}" for name in _QUOTED[2:]),
})  # fmt: skip
"""What came with later versions or went with earlier ones."""


@parser(
    "whatsapp_android",
    version=3,
    tables={"message.key_id", "message.chat_row_id", "message.from_me"},
)
def whatsapp_android(database: Database, found: Found) -> Iterator[Record | Warn]:
    """Who wrote what to whom in WhatsApp, in which groups, with which files (Android, since 2021)."""
    people = People(found)
    book = Book(database, people)
    yield from people.fresh()
    yield from book.accounts()
    yield from _names(database, found, people, book)
    chats: dict[int, Chat] = {}
    for row, number, address_row, subject, created in database.rows(
        "chat", ("_id", "jid_row_id", "subject", "created_timestamp"), by="_id"
    ):
        address = book.address(address_row)
        chat = people.lost_chat(number) if address is None else people.chat(address)
        chats[number] = chat
        yield from info(people, found.row("chat", row), chat, subject, created)
    yield from present_members(database, found, people, book)
    losses = Losses()
    yield from _Messages(database, found, people, book, chats, losses).read()
    if people.lost_chats:
        losses.counts["chats are known by their number only, their address is gone"] = (
            people.lost_chats
        )
    if book.gone:
        losses.counts["addresses are gone that rows refer to"] = len(book.gone)
    yield from losses.warnings()
    yield from database.warnings(_MAY_LACK)


def _names(database: Database, found: Found, people: People, book: Book) -> Iterator[Record]:
    """Hidden ids with their numbers, and names the database itself keeps."""
    for row, lid, phone in database.rows("jid_map", ("lid_row_id", "jid_row_id")):
        hidden, known = book.address(lid) or "", book.address(phone) or ""
        if hidden.endswith("lid") and jid.parse(known) and not known.endswith("lid"):
            account, other = people.account(hidden), people.account(known)
            yield from people.fresh()
            if account and other:
                yield Alias(at=found.row("jid_map", row), account=account, other=other, basis="lid")
    for row, lid, name, user in database.rows(
        "lid_display_name", ("lid_row_id", "display_name", "username")
    ):
        account = book.account(lid)
        yield from people.fresh()
        for shown in dict.fromkeys((text(name), text(user))):
            if account and shown:
                at = found.row("lid_display_name", row)
                yield AccountName(at=at, account=account, name=shown[:1000], source="push")
    for row, key, name in database.rows("props", ("key", "value")):
        if key == "user_push_name" and name:
            at = found.row("props", row)
            yield AccountName(at=at, account=people.owner, name=text(name)[:1000], source="push")


class _Messages:
    """The pass over ``message`` and the tables beside it."""

    def __init__(
        self, database: Database, found: Found, people: People, book: Book, chats: dict[int, Chat],
        losses: Losses,
    ) -> None:  # fmt: skip
        self._database, self._found, self._people = database, found, people
        self._book, self._chats, self._losses = book, chats, losses
        self._sides: dict[str, Beside] = {}
        self._media = self._beside("media", _MEDIA)
        self._thumbnail = self._beside("thumbnail", ("thumbnail",))
        self._quoted = self._beside("quoted", _QUOTED)
        self._quoted_media = self._beside("quoted_media", ("thumbnail",))
        self._forwarded = self._beside("forwarded", ("forward_score",))
        self._revoked = self._beside("revoked", ("revoke_timestamp",))
        self._edit = self._beside("edit_info", ("edited_timestamp",))
        self._text = self._beside("text", ("url",))
        self._invite = self._beside(
            "group_invite", ("group_jid_row_id", "admin_jid_row_id", "group_name", "invite_code")
        )
        self._system = self._beside("system", ("action_type",))
        self._participants = self._beside("system_chat_participant", ("user_jid_row_id",))
        self._change = self._beside("system_value_change", ("old_data",))
        self._numbers = self._beside("system_number_change", ("old_jid_row_id", "new_jid_row_id"))
        self._hidden = Hidden(database)
        self._cards = whatsapp_cards.Cards(database)
        self._sides |= self._cards.sides
        self._moving = _still_in_old_table(database)
        self._pictured = _hashes_with_pictures(database)
        self._carriers: dict[Id, Id] = {}

    def _beside(self, table: str, wanted: tuple[str, ...]) -> Beside:
        side = Beside(self._database, f"message_{table}", "message_row_id", wanted)
        self._sides[f"message_{table}"] = side
        return side

    def read(self) -> Iterator[Record]:
        """Every message with what belongs to it, then what belongs to none."""
        for row in self._database.rows("message", _MESSAGE, by="_id"):
            if row[4] == "-1" and (whole(row[2]) or 0) <= 0:
                continue  # the dummy first row
            yield from self._message(row)
        if not self._moving:
            yield from self._alone(_NEVER)
            for table, side in self._sides.items():
                if alone := side.alone + sum(1 for _ in side.before(_NEVER)):
                    self._losses.counts[f"rows of {table} belong to messages that are gone"] = alone
        yield from self._pictures_by_hash()

    def _message(self, row: tuple[object, ...]) -> Iterator[Record]:
        rowid, number, chat_row, mine, key, sender_row, stamp, receipt, code, line, starred = row
        assert type(number) is int and (rowid is None or type(rowid) is int)
        losses, people = self._losses, self._people
        chat = self._chats.get(chat_row) if type(chat_row) is int else None
        if chat is None:
            chat = people.lost_chat(whole(chat_row) or 0)
            yield from people.fresh()
        sender = self._book.account(sender_row)
        from_owner = None if mine is None else mine == 1
        kind = whole(code)
        sent = stamp if type(stamp) is int and 0 < stamp <= LATEST else losses.time(stamp)
        server = sent
        body = losses.text(line) if line is not None else ""
        if kind == SYSTEM:
            server = None
        elif from_owner:
            sender = people.owner
            server = from_unix(receipt)
        elif from_owner is None:
            server = None
        elif not sender:
            sender = chat.other
        if not self._moving and number > min(
            self._media.next, self._thumbnail.next, self._quoted.next
        ):
            yield from self._alone(number)
        media = self._media.take(number) if self._media.next <= number else ()
        if media and not body:
            body = losses.text(media[0][10])
        linked = ""
        if self._cards.next <= number:
            words, linked = self._cards.take(number)
            body = body or losses.text(words)
        quoted = self._quoted.take(number) if self._quoted.next <= number else ()
        score = self._forwarded.take(number) if self._forwarded.next <= number else ()
        edit = self._edit.take(number) if self._edit.next <= number else ()
        revoked = kind in REVOKED
        if self._revoked.next <= number:
            revoked = bool(self._revoked.take(number)) or revoked
        message = Message(
            at=self._hidden.place(
                self._found.row("message", rowid), chat_row, number, starred, kind
            ),
            thread=chat.id,
            key=key if type(key) is str else text(key),
            sender=sender,
            from_owner=from_owner,
            sent=sent,
            server=server,
            form=form_of(code),
            text=body,
            reply_to=text(quoted[0][2]) if quoted else "",
            forward_score=whole(score[0][2]) if score else None,
            revoked=revoked,
            edited=from_unix(edit[0][2]) if edit else None,
        )
        yield message
        for piece in quoted:
            yield from self._quote(piece, message.id, chat)
        if (
            quoted
            or self._text.next <= number
            or self._invite.next <= number
            or (body and may_hold_links(body))
            or (linked and may_hold_links(linked))
        ):
            yield from self._links(number, message, f"{body}\n{linked}" if linked else body, quoted)
        owner = message.id
        for piece in media:
            attachment = self._attachment(piece, message.id, body)
            owner = attachment.id
            yield attachment
        if self._thumbnail.next <= number:
            for at_row, _, data in self._thumbnail.take(number):
                yield from preview(self._at("message_thumbnail", at_row), owner, data, losses)
        if self._quoted_media.next <= number:
            for at_row, _, data in self._quoted_media.take(number):
                at = self._at("message_quoted_media", at_row)
                yield from preview(at, message.id, data, losses)
        if self._system.next <= number or kind == SYSTEM:
            yield from self._happened(number, message, chat, sender)

    def _at(self, table: str, row: int | None) -> At:
        return self._found.row(table, row)

    def _attachment(self, piece: tuple[object, ...], message: Id, body: str) -> Attachment:
        row, _, path, size, length, mime, name, digest, width, height, caption = piece
        assert row is None or type(row) is int
        size = whole(size)
        attachment = Attachment(
            at=self._at("message_media", row),
            message=message,
            content=hashed(digest),
            path=text(path)[:4096],
            size=size if size else whole(length),
            mime=text(mime)[:200],
            caption=self._losses.text(caption) if caption else body,
            name=text(name)[:1000],
            width=whole(width),
            height=whole(height),
        )
        if attachment.content in self._pictured:
            self._carriers.setdefault(attachment.content, attachment.id)
        return attachment

    def _quote(self, piece: tuple[object, ...], reply: Id, chat: Chat | None) -> Iterator[Record]:
        """What a reply repeats of the message it answers, which may stand in another chat."""
        row, _, key, line, chat_row, mine, sender_row, stamp, code = piece
        assert row is None or type(row) is int
        where = self._chats.get(chat_row, chat) if type(chat_row) is int else chat
        if where is None and type(chat_row) is int:
            where = self._people.lost_chat(chat_row)
            yield from self._people.fresh()
        sender = self._people.owner if mine == 1 else self._book.account(sender_row)
        yield Quote(
            at=self._at("message_quoted", row),
            message=reply,
            thread=where.id if where else "",
            key=text(key)[:200],
            sender=sender or (where.other if where else ""),
            sent=self._losses.time(stamp),
            form=form_of(code),
            text=self._losses.text(line),
        )

    def _alone(self, number: int) -> Iterator[Record]:
        """Files and previews whose message was deleted: the row is left, and names the file by its hash."""
        owners: dict[int, Id] = {}
        for piece in self._media.before(number):
            self._losses.counts["attachments belong to messages that are gone"] += 1
            attachment = self._attachment(piece, "", "")
            owners[piece[1]] = attachment.id
            yield attachment
        for row, key, data in self._thumbnail.before(number):
            owner = owners.get(key, "")
            yield from preview(self._at("message_thumbnail", row), owner, data, self._losses)
        for piece in self._quoted.before(number):
            self._losses.counts["rows of message_quoted belong to messages that are gone"] += 1
            yield from self._quote(piece, "", None)

    def _links(
        self, number: int, message: Message, body: str, quoted: list[tuple[object, ...]] | tuple[()]
    ) -> Iterator[Record]:
        known: set[str] = set()
        if body:
            yield from leads(message.at, message.id, self._people, body, known)
        if self._text.next <= number:
            for row, _, url in self._text.take(number):
                at = self._at("message_text", row)
                yield from leads(at, message.id, self._people, self._losses.text(url), known)
        for row, _, _, line, *_ in quoted:
            assert row is None or type(row) is int
            at = self._at("message_quoted", row)
            yield from leads(at, message.id, self._people, self._losses.text(line), known)
        if self._invite.next <= number:
            for row, _, group, admin, name, code in self._invite.take(number):
                address, account = self._book.address(group), self._book.account(admin)
                yield from invite(
                    self._found, self._people, row, message.id, address, account, name, code
                )

    def _happened(self, number: int, message: Message, chat: Chat, sender: Id) -> Iterator[Record]:
        """What a system message tells: changes in the group, changes of number."""
        participants = [self._book.account(row[2]) for row in self._participants.take(number)]
        old = [text(row[2]) for row in self._change.take(number)]
        numbers = self._numbers.take(number)
        for row, _, before, after in numbers:
            account, other = self._book.account(before), self._book.account(after)
            yield from self._people.fresh()
            if account and other and account != other:
                at = self._at("message_system_number_change", row)
                yield Alias(at=at, account=account, other=other, basis="number_change")
                participants = participants or [account]
        for row, _, action in self._system.take(number):
            if chat.form == "group":
                detail = message.text or (old[0] if old else "")
                yield from events(
                    self._at("message_system", row), message.thread, whole(action), sender,
                    self._people.owner, bool(message.from_owner), [p for p in participants if p],
                    message.sent, detail[:1000],
                )  # fmt: skip

    def _pictures_by_hash(self) -> Iterator[Record]:
        """Previews kept under the hash of a file, also where no message is left that carried it."""
        for row, digest, data in self._database.rows(
            "media_hash_thumbnail", ("media_hash", "thumbnail")
        ):
            content = hashed(digest)
            owner = self._carriers.get(content, content)
            if owner:
                at = self._at("media_hash_thumbnail", row)
                yield from preview(at, owner, data, self._losses)


def _hashes_with_pictures(database: Database) -> frozenset[Id]:
    rows = database.rows("media_hash_thumbnail", ("media_hash",))
    return frozenset(hashed(digest) for _, digest in rows) - {""}


def _still_in_old_table(database: Database) -> bool:
    """Whether messages are still kept in the table of before 2021: side tables then belong to it."""
    if not database.has("messages", "key_remote_jid"):
        return False
    rows = database.rows("messages", ("key_id",))
    return any(key != "-1" for _, key in rows)
