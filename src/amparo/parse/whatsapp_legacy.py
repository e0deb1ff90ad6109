"""WhatsApp for Android before 2021: ``msgstore.db`` with the table ``messages``.

Databases of 2021 and 2022 hold both tables while messages are moved; a message that is already in the
new one is told by the present parser alone. System rows have ``status`` 6 and their action code in
``media_size``; ``media_wa_type`` is a number written as text; ``thumb_image`` is a serialised Java object
(``com.whatsapp.MediaData``) that names the file, ``raw_data`` the preview of a picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.sqlite import Beside, Database, Row, text, whole
from amparo.kit.times import from_unix
from amparo.model import AccountName, Attachment, Id, Message, Quote, Record
from amparo.parse.whatsapp_codes import REVOKED, SYSTEM_STATUS, form_of
from amparo.parse.whatsapp_groups import events, info, legacy_members
from amparo.parse.whatsapp_message import Losses, invite, leads, preview
from amparo.parse.whatsapp_people import Book, People, hashed

_MESSAGES = ("_id", "key_remote_jid", "key_from_me", "key_id", "status", "data", "timestamp",
             "receipt_server_timestamp", "remote_resource", "media_wa_type", "media_size",
             "media_mime_type", "media_name", "media_caption", "media_hash", "quoted_row_id", "forwarded",
             "raw_data", "thumb_image")  # fmt: skip
_QUOTED = ("_id", "key_id", "data", "key_remote_jid", "key_from_me", "remote_resource", "timestamp",
           "media_wa_type", "media_caption")  # fmt: skip
_PICTURE = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF")
_FILE = re.compile(rb"java\.io\.File.{0,200}?xpt(..)", re.DOTALL)
_WITH_FILES = frozenset({1, 2, 3, 9, 13, 20, 42, 43, 81, 82})

_SINCE_CHAT = frozenset({"chat_list"})
"""What went when the table ``chat`` came."""

_Key = tuple[object, object, object]


@parser(
    "whatsapp_legacy",
    version=2,
    tables={"messages.key_remote_jid", "messages.key_id", "messages.media_wa_type"},
)
def whatsapp_legacy(database: Database, found: Found) -> Iterator[Record | Warn]:
    """Who wrote what to whom in WhatsApp, in which groups, with which files (Android, before 2021)."""
    people = People(found)
    yield from people.fresh()
    for row, address, subject, created in database.rows(
        "chat_list", ("key_remote_jid", "subject", "creation")
    ):
        chat = people.chat(text(address))
        yield from people.fresh()
        yield from info(people, found.row("chat_list", row), chat, subject, created)
    if not database.has("message", "key_id"):
        for row, key, name in database.rows("props", ("key", "value")):
            if key == "user_push_name" and name:
                at, name = found.row("props", row), text(name)[:1000]
                yield AccountName(at=at, account=people.owner, name=name, source="push")
    yield from legacy_members(database, found, people)
    losses = Losses()
    yield from _Messages(database, found, people, losses).read()
    yield from losses.warnings()
    yield from database.warnings(_SINCE_CHAT if database.has("chat") else frozenset())


class _Messages:
    """The pass over ``messages``."""

    def __init__(self, database: Database, found: Found, people: People, losses: Losses) -> None:
        self._database, self._found, self._people, self._losses = database, found, people, losses
        self._book = Book(database, people) if database.has("message_group_invite") else None
        self._quotes: dict[int, Row] = {}
        self._answered: set[int] = set()
        """Quotes whose reply is there."""
        self._owners: dict[_Key, Id] = {}
        self._moved = self._beside("message", "_id", ("key_id",))
        self._invite = self._beside(
            "message_group_invite", "message_row_id",
            ("group_jid_row_id", "admin_jid_row_id", "group_name", "invite_code"),
        )  # fmt: skip
        self._media = self._beside(
            "message_media", "message_row_id", ("file_path", "width", "height")
        )

    def _beside(self, table: str, key: str, wanted: tuple[str, ...]) -> Beside | None:
        """A table that only the databases of the years between have: not missed where it is absent."""
        return Beside(self._database, table, key, wanted) if self._database.has(table) else None

    def read(self) -> Iterator[Record]:
        """Quoted texts, messages, and the previews kept beside them."""
        for row in self._database.rows("messages_quotes", _QUOTED, by="_id"):
            self._quotes[row[1]] = row
            at = self._found.row("messages_quotes", row[0])
            yield from leads(at, "", self._people, self._losses.text(row[3]), set())
        key_columns = ("key_remote_jid", "key_from_me", "key_id")
        for _, jid, mine, key in self._database.rows("message_thumbnails", key_columns):
            self._owners[jid, mine, key] = ""
        for message in self._database.rows("messages", _MESSAGES, by="_id"):
            moved = self._moved.take(message[1]) if self._moved else []
            if message[2] != "-1" and not any(m[2] == message[4] for m in moved):
                yield from self._message(message)
        for number, quote in self._quotes.items():
            if number not in self._answered and self._moved is None:
                yield from self._quote(quote, "")
        for row, jid, mine, key, data in self._database.rows(
            "message_thumbnails", (*key_columns, "thumbnail")
        ):
            at, owner = self._found.row("message_thumbnails", row), self._owners[jid, mine, key]
            yield from preview(at, owner, data, self._losses)

    def _message(self, row: Row) -> Iterator[Record]:
        (rowid, number, address, mine, key, status, line, stamp, receipt, who, code, action, mime, _,
         caption, digest, quoted, forwarded, *_) = row  # fmt: skip
        people, losses = self._people, self._losses
        chat = people.chat(text(address))
        sender = people.account(text(who)) if who else ""
        system = status == SYSTEM_STATUS
        from_owner = None if mine is None else mine == 1
        kind = whole(code)
        server = sent = losses.time(stamp)
        if system:
            server = None
        elif from_owner:
            sender, server = people.owner, from_unix(receipt)
        elif from_owner is None:
            server = None
        elif not sender:
            sender = chat.other
        yield from people.fresh()
        quote = self._quotes.get(quoted, ()) if type(quoted) is int else ()
        body = losses.text(line) or losses.text(caption)
        message = Message(
            at=self._found.row("messages", rowid),
            thread=chat.id,
            key=text(key),
            sender=sender,
            from_owner=from_owner,
            sent=sent,
            server=server,
            form="system" if system else form_of(code),
            text=body,
            reply_to=text(quote[2]) if quote else "",
            forward_score=whole(forwarded) or None,
            revoked=kind in REVOKED and not system,
        )
        yield message
        if quote:
            self._answered.add(quote[1])
            yield from self._quote(quote, message.id)
        yield from leads(message.at, message.id, people, body, set())
        if system and chat.form == "group":
            yield from events(
                message.at, chat.id, whole(action), sender, people.owner, bool(from_owner), (), sent, body[:1000]
            )  # fmt: skip
        owner = message.id
        if not system and (digest or mime or kind in _WITH_FILES):
            attachment = self._attachment(row, message.id, body)
            owner = attachment.id
            yield attachment
        if (address, mine, key) in self._owners:
            self._owners[address, mine, key] = owner
        for blob in row[-2:]:
            if isinstance(blob, bytes) and blob.startswith(_PICTURE):
                yield from preview(message.at, owner, blob, losses)
        for at_row, _, group, admin, name, invitation in (
            self._invite.take(number) if self._invite else ()
        ):
            book = self._book
            assert book is not None
            yield from invite(
                self._found, people, at_row, message.id, book.address(group), book.account(admin), name,
                invitation,
            )  # fmt: skip

    def _quote(self, row: Row, reply: Id) -> Iterator[Record]:
        """What a reply repeats of the message it answers; "" for a reply that is gone."""
        rowid, _, key, line, address, mine, who, stamp, code, caption = row
        people = self._people
        chat = people.chat(text(address))
        sender = people.owner if mine == 1 else people.account(text(who)) if who else chat.other
        yield from people.fresh()
        yield Quote(
            at=self._found.row("messages_quotes", rowid),
            message=reply,
            thread=chat.id,
            key=text(key)[:200],
            sender=sender,
            sent=self._losses.time(stamp),
            form=form_of(code),
            text=self._losses.text(line) or self._losses.text(caption),
        )

    def _attachment(self, row: Row, message: Id, body: str) -> Attachment:
        number, size, mime, name, caption, digest = (row[i] for i in (1, 11, 12, 13, 14, 15))
        newer = self._media.take(number) if self._media else []
        path, width, height = newer[0][2:] if newer else (None, None, None)
        return Attachment(
            at=self._found.row("messages", row[0]),
            message=message,
            content=hashed(digest),
            path=(text(path) or _path_in(row[-1]))[:4096],
            size=whole(size) or None,
            mime=text(mime)[:200],
            caption=self._losses.text(caption) or body,
            name=text(name)[:1000],
            width=whole(width),
            height=whole(height),
        )


def _path_in(blob: object) -> str:
    """The path of the ``java.io.File`` in a serialised MediaData; "" where it has none."""
    found = _FILE.search(blob[: 64 << 10]) if isinstance(blob, bytes) else None
    if not found or not isinstance(blob, bytes):
        return ""
    length = int.from_bytes(found[1], "big")
    return blob[found.end() : found.end() + length].decode("utf-8", "backslashreplace")
