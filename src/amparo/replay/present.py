"""Writes a phone's chats in the schema of 2024-26 (`message`, `jid_map`)."""

import base64
import sqlite3

from amparo.replay.chance import hex_token
from amparo.replay.chatter import Message
from amparo.replay.content import Blob
from amparo.replay.ddl import PRESENT
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

    schema = PRESENT
    states_actor = True  # system rows name who added or removed

    def __init__(self, db: sqlite3.Connection, view: PhoneView) -> None:
        self.db, self.view = db, view
        self._jids: dict[str, int] = {}
        self._chats: dict[str, int] = {}
        self._last: dict[str, tuple[int, int]] = {}
        self.mapped: dict[str, str | None] = {}  # lid handle -> phone JID or None
        self._system_rows = 0

    def start(self) -> None:
        """Empty tables and the phone's own properties."""
        self.db.executescript(self.schema)
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
                (self.jid(chat.jid), chat.subject, chat.created_ms,
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
            " message_add_on_flags, view_mode) VALUES (?,?,?,?,?,0,0,?,0,?,?,?,?,?,0,0,0,0)",
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
            ),
        ).lastrowid
        self.db.execute("UPDATE message SET sort_id = _id WHERE _id = ?", (row,))
        self._last[chat.jid] = (row or 0, at_ms)
        return row or 0

    def event(self, chat: ChatView, event: Event) -> None:
        """A system row: creation, joining, leaving, removal, promotion, new title."""
        mine = event.actor == self.view.holder
        actor = event.actor if event.actor is not None else event.subjects[0]
        sender = 0 if mine else self.account(actor, chat)
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
        elif event.kind != "create":
            rows = [(row, self.account(one, chat)) for one in event.subjects]
            self.db.executemany("INSERT INTO message_system_chat_participant VALUES (?,?)", rows)
            joined = self.view.holder in event.subjects and event.kind in ("add", "link")
            self.db.execute("INSERT INTO message_system_group VALUES (?,?)", (row, int(joined)))

    def message(
        self, chat: ChatView, message: Message, media: Blob | None, path: str | None
    ) -> int:
        """A message row with its children; `media` and `path` for a picture not revoked."""
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
        revoked = message.revoked_at(chat.as_of)
        kind = _REVOKED if revoked else TYPE[message.kind]
        text = None if revoked else message.text_at(chat.as_of)
        row = self._row(chat, mine, message.key_id, sender, status, at_ms, received, server, kind, text,
                        int(message.score > 0))  # fmt: skip
        if revoked:
            self.db.execute(
                "INSERT INTO message_revoked VALUES (?,?,0,?)",
                (row, message.key_id, message.revoked_ms),
            )
            return row
        if message.edited_ms is not None and message.edited_ms <= chat.as_of:
            self.db.execute("INSERT INTO message_edit_info VALUES (?,?,?,?)",
                            (row, message.key_id, message.edited_ms, message.edited_ms))  # fmt: skip
        if media is not None:
            self._media(row, chat, message, media, path)
        if message.score:
            self.db.execute("INSERT INTO message_forwarded VALUES (?,?,NULL)", (row, message.score))
        if message.kind in ("link", "invite"):
            self._invitation(row, chat, message)
        if message.quoted is not None:
            self._quote(row, chat, message.quoted)
        return row

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

    def _quote(self, row: int, chat: ChatView, quoted: Message) -> None:
        mine = quoted.sender == self.view.holder
        self.db.execute(
            "INSERT INTO message_quoted (message_row_id, chat_row_id, parent_message_chat_row_id, from_me,"
            " sender_jid_row_id, key_id, timestamp, message_type, origin, text_data, lookup_tables)"
            " VALUES (?,?,?,?,?,?,?,?,0,?,0)",
            (row, self.chat(chat), self.chat(chat), int(mine), 0 if mine else self.account(quoted.sender, chat),
             quoted.key_id, quoted.server_ms, TYPE[quoted.kind], quoted.text),
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

    _CHILDREN = ("media", "text", "link", "quoted", "forwarded", "revoked", "edit_info", "group_invite",
                 "thumbnail", "system", "system_group", "system_chat_participant", "system_value_change")  # fmt: skip

    def erase(self, row: int) -> None:
        """Delete one message as the app does: the row and its children."""
        for child in self._CHILDREN:
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
