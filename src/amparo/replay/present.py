"""Writes a phone's chats in the schema of 2024-26 (`message`, `jid_map`)."""

import base64
import sqlite3

from amparo.replay.chance import hex_token
from amparo.replay.chatter import Message
from amparo.replay.content import Blob
from amparo.replay.ddl import PRESENT, PRESENT_WORDS
from amparo.replay.view import ChatView, PhoneView
from amparo.replay.world import Event

ACTION = {
    "create": 11,
    "add": 12,
    "leave": 13,
    "remove": 14,
    "promote": 15,
    "link": 20,
    "subject": 1,
}
TYPE = {"text": 0, "link": 0, "image": 1, "invite": 24}
_SYSTEM, _REVOKED = 7, 15


class PresentWriter:
    """One msgstore.db of the present schema."""

    schema, words_schema = PRESENT, PRESENT_WORDS
    table, key_column, index = "message", "key_id", "message_ftsv2"
    states_actor = True  # system rows name who added or removed

    def __init__(self, db: sqlite3.Connection, view: PhoneView) -> None:
        self.db, self.view = db, view
        self._jids: dict[str, int] = {}
        self._chats: dict[str, int] = {}
        self._last: dict[str, tuple[int, int]] = {}
        self.mapped: dict[str, str | None] = {}  # lid handle -> phone JID or None
        self._system_rows = 0
        self._sorted = 0

    def start(self) -> None:
        """Empty tables and the phone's own properties."""
        self.db.executescript(self.schema + (self.words_schema if self.view.habits.words else ""))
        self.db.execute(
            "INSERT INTO props (key, value) VALUES ('user_push_name', ?)", (self.view.owner.name,)
        )
        self.jid(self.view.owner.jid)

    def jid(self, raw: str) -> int:
        """Row of a JID, made on first use; a hidden account's number beside it where known."""
        if raw in self._jids:
            return self._jids[raw]
        user, _, server = raw.partition("@")
        kind = {"g.us": 1, "lid": 18}.get(server, 0)
        row = self.db.execute(
            "INSERT INTO jid (user, server, agent, device, type, raw_string) VALUES (?,?,0,0,?,?)",
            (user, server, kind, raw),
        ).lastrowid
        self._jids[raw] = row or 0
        return row or 0

    def account(self, index: int, chat: ChatView) -> int:
        """Row of an account as this chat names it."""
        handle = self.view.handle(index, chat)
        row, one = self.jid(handle), self.view.world.accounts[index]
        if handle.endswith("@lid") and handle not in self.mapped:
            known = self.view.world.maps_lid(self.view.holder, one)
            self.mapped[handle] = one.jid if known else None
            if known:
                self.db.execute("INSERT INTO jid_map VALUES (?,?,?)", (row, self.jid(one.jid), row))
        return row

    def chat(self, chat: ChatView) -> int:
        """Row of a chat, made on first use."""
        if chat.jid not in self._chats:
            row = self.db.execute(
                "INSERT INTO chat (jid_row_id, hidden, subject, created_timestamp, archived, group_type,"
                " chat_origin, participation_status, group_member_count) VALUES (?,0,?,?,0,0,?,?,?)",
                (self.jid(chat.jid), chat.first_subject, chat.created_ms,
                 None if chat.group else "general", int(not chat.left), len(chat.stays())),
            ).lastrowid  # fmt: skip
            self._chats[chat.jid] = row or 0
        return self._chats[chat.jid]

    def _row(self, chat: ChatView, from_me: bool, key: str, sender: int, status: int, at_ms: int,
             received: int, server: int, kind: int, text: str | None, flags: int = 0) -> int:  # fmt: skip
        row = self.db.execute(
            "INSERT INTO message (chat_row_id, from_me, key_id, sender_jid_row_id, status, broadcast,"
            " recipient_count, origination_flags, origin, timestamp, received_timestamp,"
            " receipt_server_timestamp, message_type, text_data, starred, lookup_tables,"
            " message_add_on_flags, view_mode, sort_id) VALUES (?,?,?,?,?,0,0,?,0,?,?,?,?,?,0,0,0,0,?)",
            (
                self.chat(chat),
                int(from_me),
                key,
                sender,
                status,
                flags,
                at_ms,
                received,
                server,
                kind,
                text,
                self._sorted + 1,
            ),
        ).lastrowid
        self._sorted = row or 0
        self._last[chat.jid] = (row or 0, at_ms)
        return row or 0

    def event(self, chat: ChatView, event: Event) -> None:
        """A system row: creation, joining, leaving, removal, promotion, new title."""
        mine = event.actor == self.view.holder
        actor = event.actor if event.actor is not None else event.subjects[0]
        named = not mine or event.kind == "create"  # who created a group is named, the owner too
        sender = self.account(actor, chat) if named else 0
        self._system_rows += 1
        key = hex_token(32, self.view.world.seed, "system", self.view.holder, self._system_rows)
        text = event.new or None
        row = self._row(
            chat,
            mine,
            key,
            sender,
            6,
            event.at_ms,
            event.at_ms + self.view.skew_ms,
            -1,
            _SYSTEM,
            text,
        )
        self.db.execute("INSERT INTO message_system VALUES (?,?)", (row, ACTION[event.kind]))
        if event.kind == "subject":
            self.db.execute(
                "INSERT INTO message_system_value_change VALUES (?,?)", (row, event.old)
            )
            self.db.execute(
                "UPDATE chat SET subject = ? WHERE _id = ?", (event.new, self.chat(chat))
            )
        elif event.kind != "create":
            rows = [(row, self.account(one, chat)) for one in event.subjects]
            self.db.executemany("INSERT INTO message_system_chat_participant VALUES (?,?)", rows)
            joined = self.view.holder in event.subjects and event.kind in ("add", "link")
            self.db.execute("INSERT INTO message_system_group VALUES (?,?)", (row, int(joined)))

    def message(
        self, chat: ChatView, message: Message, media: Blob | None, path: str | None,
        answered: Blob | None,
    ) -> int:  # fmt: skip
        """A message row with its children; `media` and `path` for a picture not revoked.

        `answered` is the picture of the message it answers.
        """
        mine, skew = message.sender == self.view.holder, self.view.skew_ms
        sender = 0 if mine or chat.group is None else self.account(message.sender, chat)
        late = 200 + message.number % 700
        if mine:
            at_ms, received, server, status = (
                message.server_ms - late + skew,
                0,
                message.server_ms,
                13,
            )
        else:
            at_ms, received, server, status = (
                message.server_ms,
                message.server_ms + late + skew,
                -1,
                0,
            )
        revoked = chat.shows_revoked(message)
        kind = _REVOKED if revoked else TYPE[message.kind]
        text = None if revoked else message.text
        row = self._row(chat, mine, message.key_id, sender, status, at_ms, received, server, kind, text,
                        int(message.score > 0))  # fmt: skip
        if revoked:
            self.db.execute(
                "INSERT INTO message_revoked VALUES (?,?,0,?)",
                (row, message.key_id, message.revoked_ms),
            )
            return row
        self._index(row, chat, mine, text)
        if media is not None:
            self._media(row, chat, message, media, path)
        if message.score:
            self.db.execute("INSERT INTO message_forwarded VALUES (?,?,NULL)", (row, message.score))
        if message.kind in ("link", "invite"):
            self._invitation(row, chat, message)
        if message.quoted is not None:
            self._quote(
                row, chat, message.quoted, message.quoted.text_at(message.server_ms), answered
            )
        return row

    def _index(self, row: int, chat: ChatView, mine: bool, text: str | None) -> None:
        if text and self.view.habits.words:
            self.db.execute(
                "INSERT INTO message_ftsv2 (docid, content, fts_jid, fts_namespace) VALUES (?,?,?,'')",
                (row, text.lower(), f"{int(mine)} {self.jid(chat.jid)}"),
            )

    def edit(self, row: int, message: Message) -> None:
        """Give a message its later words."""
        self.db.execute("UPDATE message SET text_data = ? WHERE _id = ?", (message.edited, row))
        self.db.execute("INSERT INTO message_edit_info VALUES (?,?,?,?)",
                        (row, message.key_id, message.edited_ms, message.edited_ms))  # fmt: skip
        if self.view.habits.words:
            self.db.execute("UPDATE message_ftsv2 SET content = ? WHERE docid = ?",
                            ((message.edited or "").lower(), row))  # fmt: skip

    def revoke(self, row: int, message: Message) -> None:
        """Delete a message for everyone: the mark stays, the words go."""
        self.db.execute(
            "UPDATE message SET message_type = ?, text_data = NULL WHERE _id = ?", (_REVOKED, row)
        )
        self.db.execute("INSERT INTO message_revoked VALUES (?,?,0,?)",
                        (row, message.key_id, message.revoked_ms))  # fmt: skip
        for child in ("quoted", "quoted_media", "forwarded"):
            self.db.execute(f"DELETE FROM message_{child} WHERE message_row_id = ?", (row,))
        if self.view.habits.words:
            self.db.execute("DELETE FROM message_ftsv2 WHERE docid = ?", (row,))

    def _media(
        self, row: int, chat: ChatView, message: Message, media: Blob, path: str | None
    ) -> None:
        digest = base64.b64encode(bytes.fromhex(media.sha256)).decode()
        self.db.execute(
            "INSERT INTO message_media (message_row_id, chat_row_id, autotransfer_retry_enabled,"
            " transferred, transcoded, file_path, file_size, suspicious_content, media_key,"
            " media_key_timestamp, width, height, mime_type, file_length, file_hash, media_duration,"
            " page_count, media_caption) VALUES (?,?,0,1,1,?,?,0,?,?,?,?,?,?,?,0,0,?)",
            (row, self.chat(chat), path, len(media.data), bytes.fromhex(hex_token(64, "key", message.key_id)),
             message.server_ms, media.width, media.height, media.mime, len(media.data), digest, message.text),
        )  # fmt: skip
        self.db.execute("INSERT INTO message_thumbnail VALUES (?,?)", (row, media.thumbnail))

    def _invitation(self, row: int, chat: ChatView, message: Message) -> None:
        group = self.view.world.groups[message.invited or 0]
        if message.kind == "link":
            url = f"https://chat.whatsapp.com/{group.code}"
            self.db.execute("INSERT INTO message_text (message_row_id, description, page_title, url, font_style,"
                            " text_color, background_color, preview_type) VALUES (?,?,?,?,0,0,0,0)",
                            (row, "WhatsApp Group Invite", group.subject, url))  # fmt: skip
            self.db.execute("INSERT INTO message_link (chat_row_id, message_row_id, link_index) VALUES (?,?,0)",
                            (self.chat(chat), row))  # fmt: skip
            return
        self.db.execute(
            "INSERT INTO message_group_invite VALUES (?,?,?,?,?,?,?,0,0)",
            (row, self.jid(group.jid), self.account(message.sender, chat), group.subject, group.code,
             (message.server_ms + 3 * 86_400_000) // 1000, message.server_ms // 1000),
        )  # fmt: skip

    def _quote(
        self, row: int, chat: ChatView, quoted: Message, text: str | None, media: Blob | None
    ) -> None:
        mine = quoted.sender == self.view.holder
        self.db.execute(
            "INSERT INTO message_quoted (message_row_id, chat_row_id, parent_message_chat_row_id, from_me,"
            " sender_jid_row_id, key_id, timestamp, message_type, origin, text_data, lookup_tables)"
            " VALUES (?,?,?,?,?,?,?,?,0,?,0)",
            (row, self.chat(chat), self.chat(chat), int(mine), 0 if mine else self.account(quoted.sender, chat),
             quoted.key_id, quoted.server_ms, TYPE[quoted.kind], text),
        )  # fmt: skip
        if media is not None:
            digest = base64.b64encode(bytes.fromhex(media.sha256)).decode()
            self.db.execute(
                "INSERT INTO message_quoted_media (message_row_id, transferred, width, height, mime_type,"
                " file_length, file_hash, thumbnail) VALUES (?,0,?,?,?,?,?,?)",
                (row, media.width, media.height, media.mime, len(media.data), digest, media.thumbnail),
            )  # fmt: skip

    def finish(self, chat: ChatView) -> None:
        """Members as listed now, those who left, and the chat's last row."""
        row = self.chat(chat)
        last, at_ms = self._last.get(chat.jid, (0, chat.since))
        self.db.execute("UPDATE chat SET last_message_row_id = ?, display_message_row_id = ?,"
                        " sort_timestamp = ?, last_message_sort_id = ? WHERE _id = ?", (last, last, at_ms, last, row))  # fmt: skip
        group = self.jid(chat.jid)
        for stay in chat.stays():
            seen = stay.since if chat.saw(stay.since) else None
            self.db.execute(
                "INSERT INTO group_participant_user (group_jid_row_id, user_jid_row_id, rank, pending,"
                " add_timestamp, join_method) VALUES (?,?,?,0,?,?)",
                (
                    group,
                    self.account(stay.account, chat),
                    stay.rank(chat.as_of),
                    seen,
                    int(stay.how == "link"),
                ),
            )
        for stay in chat.past():
            self.db.execute(
                "INSERT INTO group_past_participant_user (group_jid_row_id, user_jid_row_id, is_leave, timestamp)"
                " VALUES (?,?,?,?)",
                (group, self.account(stay.account, chat), int(stay.gone == "leave"), stay.until),
            )

    _CHILDREN = ("media", "text", "link", "quoted", "quoted_media", "forwarded", "revoked",
                 "edit_info", "group_invite", "thumbnail", "system", "system_group", "system_chat_participant", "system_value_change")  # fmt: skip

    def hide(self, chat: ChatView) -> int:
        """Empty a chat: its rows are marked as deleted and stay for now. Returns the last one marked."""
        (last,) = self.db.execute(
            "SELECT max(_id) FROM message WHERE chat_row_id = ?", (self.chat(chat),)
        ).fetchone()
        self.db.execute(
            "INSERT INTO deleted_chat_job (chat_row_id, block_size, deleted_message_row_id,"
            " deleted_starred_message_row_id, deleted_messages_remove_files) VALUES (?,1000,?,?,0)",
            (self.chat(chat), last, last),
        )
        return int(last or 0)

    def erase(self, row: int, left: tuple[str, ...] = ()) -> None:
        """Delete one message as the app does: the row and its children, but for those that are left."""
        for child in (c for c in self._CHILDREN if c not in left):
            self.db.execute(f"DELETE FROM message_{child} WHERE message_row_id = ?", (row,))
        self.db.execute("DELETE FROM message WHERE _id = ?", (row,))

    def erase_chat(self, chat: ChatView) -> None:
        """Delete a whole chat with everything it stated."""
        rows = self.db.execute(
            "SELECT _id FROM message WHERE chat_row_id = ?", (self.chat(chat),)
        ).fetchall()
        for (row,) in rows:
            self.erase(row)
        group = self.jid(chat.jid)
        for table in ("group_participant_user", "group_past_participant_user"):
            self.db.execute(f"DELETE FROM {table} WHERE group_jid_row_id = ?", (group,))
        self.db.execute("DELETE FROM chat WHERE _id = ?", (self.chat(chat),))
