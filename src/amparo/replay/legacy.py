"""Writes a phone's chats in the schema of before 2021 (`messages`, `chat_list`)."""

import base64
import sqlite3

from amparo.replay.chance import hex_token
from amparo.replay.chatter import Message
from amparo.replay.content import Blob
from amparo.replay.ddl import LEGACY, LEGACY_WORDS
from amparo.replay.view import ChatView, PhoneView
from amparo.replay.world import Event, Stay

# media_size of a system row (status 6) is its action; one row per person concerned
ACTION = {"create": 11, "add": 4, "leave": 5, "remove": 7, "promote": 15, "link": 20, "subject": 1}
TYPE = {"text": "0", "link": "0", "image": "1", "invite": "24"}
# group_participants_history.action is documented nowhere we know; these two values are ours
CAME, WENT = 1, 2

_INSERT = (
    "INSERT INTO {} (key_remote_jid, key_from_me, key_id, status, needs_push, data, timestamp,"
    " media_mime_type, media_wa_type, media_size, media_name, media_caption, media_hash, media_duration,"
    " origin, latitude, longitude, remote_resource, received_timestamp, send_timestamp,"
    " receipt_server_timestamp, receipt_device_timestamp, read_device_timestamp, played_device_timestamp,"
    " recipient_count, starred, quoted_row_id, edit_version, forwarded, preview_type, send_count,"
    " lookup_tables) VALUES (?,?,?,?,0,?,?,?,?,?,?,?,?,0,0,0.0,0.0,?,?,-1,?,-1,-1,-1,0,0,?,?,?,0,0,0)"
)


class LegacyWriter:
    """One msgstore.db of the old schema."""

    schema, words_schema = LEGACY, LEGACY_WORDS
    table, key_column, index = "messages", "key_id", "messages_fts"
    states_actor = False  # system rows name only the person concerned

    def __init__(self, db: sqlite3.Connection, view: PhoneView) -> None:
        self.db, self.view = db, view
        self.mapped: dict[str, str | None] = {}
        self._last: dict[str, tuple[int, int]] = {}
        self._system_rows = 0

    def start(self) -> None:
        """Empty tables and the dummy first row that such databases have."""
        self.db.executescript(self.schema + (self.words_schema if self.view.habits.words else ""))
        self.db.execute(
            "INSERT INTO props (key, value) VALUES ('user_push_name', ?)", (self.view.owner.name,)
        )
        self._write(
            "messages", "-1", 0, "-1", -1, None, 0, None, "-1", -1, None, None, None, None, -1, -1
        )

    def _write(self, table: str, jid: str, mine: int, key: str, status: int, data: str | None, at_ms: int,
               mime: str | None, kind: str, size: int, name: str | None, caption: str | None,
               digest: str | None, who: str | None, received: int, server: int, quoted: int = 0,
               edit: int = 0, score: int = 0) -> int:  # fmt: skip
        return self.db.execute(
            _INSERT.format(table),
            (jid, mine, key, status, data, at_ms, mime, kind, size, name, caption, digest, who, received, server,
             quoted, edit, score),
        ).lastrowid or 0  # fmt: skip

    def event(self, chat: ChatView, event: Event) -> None:
        """System rows, one for each person concerned."""
        for subject in event.subjects or (event.actor or 0,):
            self._system_rows += 1
            key = hex_token(32, self.view.world.seed, "system", self.view.holder, self._system_rows)
            who = self.view.handle(subject, chat)
            row = self._write("messages", chat.jid, 1, key, 6, event.new or None, event.at_ms, None, "0",
                              ACTION[event.kind], None, None, None, who,
                              event.at_ms + self.view.skew_ms, -1)  # fmt: skip
            self._last[chat.jid] = (row, event.at_ms)

    def message(
        self, chat: ChatView, message: Message, media: Blob | None, path: str | None,
        answered: Blob | None,
    ) -> int:  # fmt: skip
        """A message row; the old schema keeps nearly everything in one table."""
        mine, late = message.sender == self.view.holder, 200 + message.number % 700
        revoked = chat.shows_revoked(message)
        who = None if mine or chat.group is None else self.view.handle(message.sender, chat)
        text = None if revoked else message.text
        digest = base64.b64encode(bytes.fromhex(media.sha256)).decode() if media else None
        row = self._write(
            "messages", chat.jid, int(mine), message.key_id, 13 if mine else 0,
            None if media else text, message.server_ms - late if mine else message.server_ms,
            media.mime if media else None, "15" if revoked else TYPE[message.kind],
            len(media.data) if media else 0, path.rpartition("/")[2] if path else None,
            text if media else None, digest, who, 0 if mine else message.server_ms + late,
            message.server_ms if mine else -1,
            self._quote(chat, message, message.quoted, answered) if message.quoted and not revoked else 0,
            7 if revoked else 0, 0 if revoked else message.score,
        )  # fmt: skip
        if text and self.view.habits.words:
            self.db.execute(
                "INSERT INTO messages_fts (docid, content) VALUES (?,?)", (row, text.lower())
            )
        self._last[chat.jid] = (row, message.server_ms)
        if media is not None:
            self.db.execute("INSERT INTO message_thumbnails VALUES (?,?,?,?,?)",
                            (media.thumbnail, message.server_ms, chat.jid, int(mine), message.key_id))  # fmt: skip
        if not revoked and message.kind == "link":
            self.db.execute("INSERT INTO messages_links (key_remote_jid, message_row_id, link_index) VALUES (?,?,0)",
                            (chat.jid, row))  # fmt: skip
        if not revoked and message.kind == "invite":
            self._invitation(row, chat, message)
        return row

    def edit(self, row: int, message: Message) -> None:
        """Give a message its later words."""
        self.db.execute(
            "UPDATE messages SET data = ?, edit_version = 1 WHERE _id = ?", (message.edited, row)
        )
        if self.view.habits.words:
            self.db.execute("UPDATE messages_fts SET content = ? WHERE docid = ?",
                            ((message.edited or "").lower(), row))  # fmt: skip

    def revoke(self, row: int, message: Message) -> None:
        """Delete a message for everyone: the mark stays, the words go."""
        self.db.execute(
            "UPDATE messages SET data = NULL, media_wa_type = '15', edit_version = 7,"
            " quoted_row_id = 0, forwarded = 0 WHERE _id = ?", (row,))  # fmt: skip
        if self.view.habits.words:
            self.db.execute("DELETE FROM messages_fts WHERE docid = ?", (row,))

    def _quote(self, chat: ChatView, reply: Message, quoted: Message, media: Blob | None) -> int:
        mine = quoted.sender == self.view.holder
        who = None if mine or chat.group is None else self.view.handle(quoted.sender, chat)
        text, digest = quoted.text_at(reply.server_ms), None
        if media is not None:
            digest = base64.b64encode(bytes.fromhex(media.sha256)).decode()
        return self._write("messages_quotes", chat.jid, int(mine), quoted.key_id, 0, None if media else text,
                           quoted.server_ms, media.mime if media else None, TYPE[quoted.kind], 0, None,
                           text if media else None, digest, who, 0, -1)  # fmt: skip

    def _jid(self, raw: str) -> int:
        user, _, server = raw.partition("@")
        found = self.db.execute("SELECT _id FROM jid WHERE raw_string = ?", (raw,)).fetchone()
        if found:
            return int(found[0])
        return self.db.execute(
            "INSERT INTO jid (user, server, agent, device, type, raw_string) VALUES (?,?,0,0,?,?)",
            (user, server, int(server == "g.us"), raw),
        ).lastrowid or 0  # fmt: skip

    def _invitation(self, row: int, chat: ChatView, message: Message) -> None:
        group = self.view.world.groups[message.invited or 0]
        admin = self._jid(self.view.handle(message.sender, chat))
        self.db.execute("INSERT INTO message_group_invite VALUES (?,?,?,?,?,?,?,0)",
                        (row, self._jid(group.jid), admin, group.subject, group.code,
                         (message.server_ms + 3 * 86_400_000) // 1000, message.server_ms // 1000))  # fmt: skip

    def finish(self, chat: ChatView) -> None:
        """The chat's entry, its members (the owner is the empty JID) and their coming and going."""
        last, at_ms = self._last.get(chat.jid, (0, chat.since))
        self.db.execute(
            "INSERT INTO chat_list (key_remote_jid, message_table_id, subject, creation, archived, sort_timestamp,"
            " mod_tag, gen, my_messages, plaintext_disabled, last_message_table_id, unseen_message_count,"
            " show_group_description, ephemeral_expiration) VALUES (?,?,?,?,0,?,0,0.0,1,1,?,0,0,0)",
            (chat.jid, last, chat.subject, chat.created_ms if chat.group else None, at_ms, last),
        )
        for stay in chat.stays():
            jid = "" if stay.account == self.view.holder else self.view.handle(stay.account, chat)
            self.db.execute("INSERT INTO group_participants (gjid, jid, admin, pending, sent_sender_key)"
                            " VALUES (?,?,?,0,1)", (chat.jid, jid, stay.rank(chat.as_of)))  # fmt: skip
        for at_ms, action, stay in sorted(
            self._history(chat), key=lambda one: (one[0], one[2].account)
        ):
            self.db.execute("INSERT INTO group_participants_history (timestamp, gjid, jid, action, old_phash,"
                            " new_phash) VALUES (?,?,?,?,?,?)",
                            (at_ms, chat.jid, self.view.handle(stay.account, chat), action,
                             f"1:{hex_token(8, at_ms, stay.account, 'old')}",
                             f"1:{hex_token(8, at_ms, stay.account, 'new')}"))  # fmt: skip

    def _history(self, chat: ChatView) -> list[tuple[int, int, Stay]]:
        came = [(s.since, CAME, s) for s in (chat.group.stays.values() if chat.group else ())
                if s.how != "create" and chat.saw(s.since)]  # fmt: skip
        return came + [(s.until or 0, WENT, s) for s in chat.past()]

    def erase(self, row: int, left: tuple[str, ...] = ()) -> None:
        """Delete one message as the app does."""
        self.db.execute("DELETE FROM message_thumbnails WHERE key_id = (SELECT key_id FROM messages WHERE _id = ?)",
                        (row,))  # fmt: skip
        self.db.execute("DELETE FROM messages_links WHERE message_row_id = ?", (row,))
        self.db.execute("DELETE FROM messages WHERE _id = ?", (row,))

    def erase_chat(self, chat: ChatView) -> None:
        """Delete a whole chat with everything it stated."""
        for (row,) in self.db.execute(
            "SELECT _id FROM messages WHERE key_remote_jid = ?", (chat.jid,)
        ).fetchall():
            self.erase(row)
        for table, column in (("chat_list", "key_remote_jid"), ("group_participants", "gjid"),
                              ("group_participants_history", "gjid")):  # fmt: skip
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (chat.jid,))
