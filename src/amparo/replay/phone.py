"""One seized phone: databases, preferences, pictures in the messenger's folders and the camera's."""

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from amparo.replay.chance import share
from amparo.replay.chatter import Chatter, Message
from amparo.replay.content import Blob, Content, Contents
from amparo.replay.ddl import CONTACTS
from amparo.replay.gone import Gone, Held, Places, Step
from amparo.replay.ledger import Ledger
from amparo.replay.legacy import LegacyWriter
from amparo.replay.originals import unposted, write_originals
from amparo.replay.present import PresentWriter
from amparo.replay.sealed import key_file, root_key, seal
from amparo.replay.sink import Folder
from amparo.replay.traces import Files, settle_journal
from amparo.replay.view import ChatView, Line, PhoneView
from amparo.replay.wal import settle
from amparo.replay.world import Event, is_legacy

_APP = "data/data/com.whatsapp"
_MEDIA = "Media/WhatsApp Images"
_PREFERENCES = """<?xml version='1.0' encoding='utf-8' standalone='yes' ?>
<map>
    <int name="image_max_edge" value="1600" />
    <string name="registration_jid">{digits}</string>
    <string name="cc">{code}</string>
    <string name="ph">{national}</string>
    <string name="push_name">{name}</string>
    <string name="my_current_status">.</string>
</map>
"""


LOGGED = 60
"""Things that happened last and lie in the log of a phone that keeps one."""
LEFT = ("media", "thumbnail")
"""Child rows that some versions leave when a picture is deleted."""


def open_database(path: Path, wipes: bool = False) -> sqlite3.Connection:
    """A new database whose bytes depend only on what is written; `wipes`: freed bytes become zero."""
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                     f"PRAGMA secure_delete={'ON' if wipes else 'OFF'}; PRAGMA temp_store=MEMORY; PRAGMA user_version=1;")  # fmt: skip
    return db


class PhoneBuilder:
    """Writes one phone into a sink and what it states into a ledger."""

    def __init__(self, view: PhoneView, chatter: Chatter, contents: Contents, sink: Folder,
                 ledger: Ledger, work: Path) -> None:  # fmt: skip
        self.view, self.chatter, self.contents = view, chatter, contents
        self.sink, self.ledger, self.work = sink, ledger, work
        self.world, self.seed = view.world, view.world.seed
        legacy = is_legacy(view.holder)
        root = "sdcard/WhatsApp" if legacy else "sdcard/Android/media/com.whatsapp/WhatsApp"
        self.root, self.habits = root, view.habits
        self.db = open_database(work / "msgstore.db", view.habits.wipes)
        self.writer: PresentWriter | LegacyWriter = (
            LegacyWriter(self.db, view) if legacy else PresentWriter(self.db, view))  # fmt: skip
        self.gone = Gone(self.db, self.writer.table)
        self.held: dict[int, Held] = {}
        self._backups: list[tuple[int, bytes]] = []
        self._paths: dict[str, str] = {}
        self._daily: dict[str, int] = {}
        self._handles: set[str] = set()
        self._logging = False

    def build(self) -> None:
        """Everything, in the order the phone itself would have written it."""
        self.writer.start()
        self.db.execute("BEGIN")
        steps = sorted(self._steps())
        logged = len(steps) - min(len(steps) // 4, LOGGED)
        for number, step in enumerate(steps):
            if self.habits.log and number == logged:
                self._switch("WAL")
            step.act()
            if self._logging or number % 10 == 9:
                self._commit()
        for chat in self.view.chats:
            self.writer.finish(chat)
            if chat is not self.view.erased_chat:
                self._state_chat(chat)
        self._commit()  # what was never written leaves no trace
        if self.habits.journal:
            self._switch("PERSIST")
        for held in self.held.values():
            if held.erased_ms is not None and self.habits.journal:
                self._erase(held)
        if self.view.erased_chat is not None:
            self._erase_chat(self.view.erased_chat)
        self.db.execute("COMMIT")
        for lid, phone in self.writer.mapped.items():
            self.ledger.add("lid", lid, phone)
        for held in self.held.values():
            self._state_held(held)
        words = self.gone.words(self.writer.index) if self.habits.words else {}
        files = self._deliver_databases()
        Places(self.held, self.gone.former, self.view.backup_ms, words, files,
               isinstance(self.writer, LegacyWriter)).tell(self.ledger)  # fmt: skip
        self._camera_roll()

    def _steps(self) -> Iterator[Step]:
        """What happens, in no order: rows come, words change, messages go, backups are made."""
        for order, line in enumerate(self.view.lines()):
            yield Step(line.at_ms, 1, order, partial(self._line, line))
            message, chat = line.message, line.chat
            if message is None:
                continue
            ends = [self.view.erased_ms(message)] if self._erases(chat, message) else []
            for at_ms, change in (
                (message.edited_ms, self._edit),
                (message.revoked_ms, self._revoke),
            ):
                if (
                    at_ms is not None
                    and at_ms <= min([chat.as_of, *ends])
                    and message.kind == "text"
                ):
                    yield Step(at_ms, 2, order, partial(change, message))
            for at_ms in ends:
                if not self.habits.journal:
                    yield Step(at_ms, 3, order, partial(self._erase_one, message))
        for at_ms in self.view.backup_ms:
            yield Step(at_ms, 0, 0, partial(self._back_up, at_ms))
        if self.view.hidden_chat is not None:
            yield Step(self.view.hidden_ms, 0, 1, partial(self._hide, self.view.hidden_chat))

    def _erases(self, chat: ChatView, message: Message) -> bool:
        return (
            chat is not self.view.erased_chat
            and not message.revoked_at(chat.as_of)
            and self.view.erases(message)
        )

    def _line(self, line: Line) -> None:
        if line.event is not None:
            self.writer.event(line.chat, line.event)
            if line.chat is not self.view.erased_chat:
                self._state_event(line.chat, line.event)
        if line.message is not None:
            self._message(line.chat, line.message)

    def _edit(self, message: Message) -> None:
        held = self.held[message.number]
        self.gone.keep(held.row, message.text, erased=False)
        self.writer.edit(held.row, message)

    def _revoke(self, message: Message) -> None:
        held = self.held[message.number]
        self.gone.keep(held.row, message.text_at(message.revoked_ms or 0), erased=False)
        self.writer.revoke(held.row, message)

    def _erase_one(self, message: Message) -> None:
        self._erase(self.held[message.number])

    def _erase(self, held: Held) -> None:
        self.gone.keep(held.row, held.message.text_at(held.erased_ms or 0), erased=True)
        left = LEFT if self.habits.leaves and held.sha256 else ()
        self.writer.erase(held.row, left)
        if left:
            self.ledger.add("left_over", held.message.key_id, held.sha256)

    def _erase_chat(self, chat: ChatView) -> None:
        for held in self.held.values():
            if held.chat is chat:
                held.erased_ms = self.view.seized_ms - 3_600_000
                self.gone.keep(held.row, held.message.text_at(held.erased_ms), erased=True)
        self.writer.erase_chat(chat)

    def _hide(self, chat: ChatView) -> None:
        assert isinstance(self.writer, PresentWriter)
        last = self.writer.hide(chat)
        for held in self.held.values():
            if held.chat is chat and held.row <= last and held.erased_ms is None:
                held.hidden_ms = self.view.hidden_ms

    def _back_up(self, at_ms: int) -> None:
        self.db.execute("COMMIT")
        self._backups.append((at_ms, self.db.serialize()))
        self.db.execute("BEGIN")

    def _commit(self) -> None:
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    def _switch(self, mode: str) -> None:
        """Keep a log, or a journal, from here on."""
        self.db.execute("COMMIT")
        self.db.executescript(f"PRAGMA journal_mode={mode}; PRAGMA wal_autocheckpoint=0; BEGIN;")
        self._logging = mode == "WAL"

    def _put(self, path: str, data: bytes, at_ms: int) -> None:
        """A file that is no picture."""
        self.sink.put(path, data, at_ms)
        self.ledger.file(path, hashlib.sha256(data).hexdigest(), len(data))

    def _deliver_databases(self) -> Files:
        path, seized = self.work / "msgstore.db", self.view.seized_ms
        folder = f"{_APP}/databases"
        log = journal = b""
        if self.habits.log:
            log = settle((self.work / "msgstore.db-wal").read_bytes(), self.seed, 97)
            self._put(f"{folder}/msgstore.db-wal", log, seized)
        if self.habits.journal:
            kept = (self.work / "msgstore.db-journal").read_bytes()
            journal = settle_journal(kept, self.seed)
            self._put(f"{folder}/msgstore.db-journal", journal, seized)
        main = path.read_bytes()
        self._put(f"{folder}/msgstore.db", main, seized)
        self.db.close()
        path.unlink()
        self._deliver_backups()
        self._contacts(folder)
        number, owner = self.view.owner.number, self.view.owner
        text = _PREFERENCES.format(digits=number.digits, code=number.calling_code,
                                   national=number.national, name=owner.name)  # fmt: skip
        self._put(f"{_APP}/shared_prefs/com.whatsapp_preferences_light.xml", text.encode(), seized)
        return Files(main, log, journal)

    def _deliver_backups(self) -> None:
        """Dated copies, encrypted; the key of crypt14 lies in the app's own folder."""
        form, key = self.habits.backups, root_key(self.seed, self.view.holder)
        for at_ms, plain in self._backups:
            day = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%d")
            path = f"{self.root}/Databases/msgstore-{day}.1.db.{form}"
            self._put(path, seal(form, key, plain), at_ms)
            self.ledger.add("opened", path, hashlib.sha256(plain).hexdigest())
        if form == "crypt14":
            self._put(f"{_APP}/files/key", key_file(key), self.view.seized_ms)

    def _contacts(self, folder: str) -> None:
        """wa.db: those seen by number; two in five are saved under a name."""
        path = self.work / "wa.db"
        db = open_database(path)
        db.executescript(CONTACTS)
        db.execute("BEGIN")
        by_jid = {account.jid: account for account in self.world.accounts}
        for jid in sorted(handle for handle in self._handles if handle in by_jid):
            account = by_jid[jid]
            saved = (
                account.name
                if share(self.seed, "saved", self.view.holder, account.index) < 0.4
                else None
            )
            db.execute(
                "INSERT INTO wa_contacts (jid, is_whatsapp_user, status, number, display_name, given_name, wa_name,"
                " sort_name) VALUES (?,1,'.',?,?,?,?,?)",
                (
                    jid,
                    f"+{account.number.digits}",
                    saved,
                    saved,
                    f"Push {account.index:04d}",
                    saved,
                ),
            )
            self.ledger.add("contact", jid, saved, f"Push {account.index:04d}")
        db.execute("COMMIT")
        db.close()
        self._put(f"{folder}/wa.db", path.read_bytes(), self.view.seized_ms)
        path.unlink()

    def _message(self, chat: ChatView, message: Message) -> None:
        media, path = None, None
        if message.content is not None and not message.revoked_at(chat.as_of):
            media = self.contents.get(message.content, shared=True)
            path = self._store_picture(chat, message, message.content, media)
        row = self.writer.message(chat, message, media, path, self._answered(message))
        held = Held(chat, message, media.sha256 if media else "", row)
        if self._erases(chat, message):
            held.erased_ms = self.view.erased_ms(message)
        self.held[message.number] = held

    def _answered(self, message: Message) -> Blob | None:
        """The picture a message answers, as far as the phone ever saw it."""
        quoted = message.quoted
        held = self.held.get(quoted.number) if quoted is not None else None
        if quoted is None or quoted.content is None or held is None or not held.sha256:
            return None
        return self.contents.get(quoted.content, shared=True)

    def _state_held(self, held: Held) -> None:
        """What the phone states of a message: in its database, else in the latest backup that has it."""
        chat, message, end = held.chat, held.message, held.chat.as_of
        shown = held.shown(self.view.backup_ms)
        if chat is self.view.erased_chat:
            self._erased_posting(held)
        elif not held.lost:
            self._state_message(held, end)
            read = [t for t in shown if not message.revoked_at(t)]
            if message.kind == "text" and message.revoked_at(end) and read:
                self._state_message(held, read[-1])
        elif shown:
            self._state_message(held, shown[-1])
        elif held.erased_ms is None:  # the row is only marked: what hangs on it still stands
            self._handle(message.sender, chat)
            self._state_posting(held)
        else:
            self._erased_posting(held)

    def _erased_posting(self, held: Held) -> None:
        """Names the picture of an erased message: true where it is recovered, not asked for."""
        if held.sha256:
            self.ledger.add("erased_posting", held.sha256, held.chat.truth, held.message.key_id)

    def _store_picture(
        self, chat: ChatView, message: Message, content: Content, media: Blob
    ) -> str:
        """Write the received or sent file unless the owner removed it; the same bytes lie once."""
        if content.id in self._paths:
            return self._paths[content.id]
        day = dt.datetime.fromtimestamp(message.server_ms / 1000, dt.UTC).strftime("%Y%m%d")
        number = self._daily.get(day, 0)
        self._daily[day] = number + 1
        sent = "/Sent" if message.sender == self.view.holder else ""
        path = f"{_MEDIA}{sent}/IMG-{day}-WA{number:04d}.{media.suffix}"
        self._paths[content.id] = path
        full = f"{self.root}/{path}"
        if self.view.unlinks(content.id, chat):
            self.ledger.add("erased_file", full, media.sha256)
            self.ledger.content(content, media)
        else:
            self.sink.put(full, media.data, message.server_ms)
            self.ledger.picture(full, content, media)
        return path

    def _camera_roll(self) -> None:
        """Originals of pictures posted (some thrown away) and of pictures never posted."""
        key, owner = f"phone:{self.view.holder:03d}", self.view.owner
        posted = [p for p in self.chatter.taken.get(key, ())
                  if share(self.seed, "kept", p.id) < 0.85]  # fmt: skip
        private = [unposted(self.chatter, key, owner.number.country, n, self.view.seized_ms)
                   for n in range(self.world.scale.dcim_per_phone)]  # fmt: skip
        write_originals([*posted, *private], "sdcard/DCIM/Camera", self.view.seized_ms,
                        self.contents, self.sink, self.ledger)  # fmt: skip

    # what the databases state ------------------------------------------------------------------

    def _handle(self, account: int, chat: ChatView) -> str:
        handle = self.view.handle(account, chat)
        if handle not in self._handles:
            self._handles.add(handle)
            self.ledger.add("handle", handle)
        return handle

    def _state_event(self, chat: ChatView, event: Event) -> None:
        actor = event.actor
        if event.kind in ("link", "leave"):
            actor = event.subjects[0]
        elif not self.writer.states_actor and event.kind not in ("create", "subject"):
            actor = None
        by = self._handle(actor, chat) if actor is not None else None
        subjects: tuple[str | None, ...] = tuple(self._handle(one, chat) for one in event.subjects)
        for subject in subjects or (None,):
            self.ledger.add(
                "event", chat.truth, event.kind, subject, by, event.at_ms, event.new or None
            )

    def _state_chat(self, chat: ChatView) -> None:
        if chat.group is None:
            return
        self.ledger.add("grp", chat.jid, chat.subject, chat.created_ms, chat.as_of)
        for stay in chat.stays():
            self.ledger.add(
                "seat",
                chat.jid,
                self._handle(stay.account, chat),
                stay.rank(chat.as_of),
                chat.as_of,
            )

    def _state_message(self, held: Held, at_ms: int) -> None:
        """A message as it was shown at a moment, with the picture and the invitation it carried."""
        chat, message, at_ms = held.chat, held.message, min(at_ms, held.chat.as_of)
        sender = self._handle(message.sender, chat)
        revoked = chat.shows_revoked(message) or message.revoked_at(at_ms)
        if message.quoted is not None and not revoked:
            self._handle(message.quoted.sender, chat)
        edited = message.edited_ms if message.edited_ms and message.edited_ms <= at_ms else 0
        kind = "text" if message.kind == "link" else message.kind
        self.ledger.add("message", chat.truth, message.key_id, sender, message.server_ms, kind,
                        None if revoked else message.text_at(at_ms), int(revoked), edited,
                        message.score)  # fmt: skip
        self._state_posting(held)
        if message.invited is not None and not revoked:
            group = self.world.groups[message.invited]
            self.ledger.add("invite", group.code, group.jid, chat.truth, message.key_id, sender,
                            message.server_ms, message.kind, None)  # fmt: skip

    def _state_posting(self, held: Held) -> None:
        message = held.message
        if held.sha256:
            sender = self._handle(message.sender, held.chat)
            self.ledger.add(
                "posting", held.chat.truth, message.key_id, sender, message.server_ms, held.sha256
            )
