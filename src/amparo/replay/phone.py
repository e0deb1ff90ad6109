"""One seized phone: databases, preferences, pictures in the messenger's folders and the camera's."""

import datetime as dt
import hashlib
import sqlite3
from pathlib import Path

from amparo.replay.camera import local_time
from amparo.replay.chance import rng, share
from amparo.replay.chatter import Chatter, Message
from amparo.replay.content import Blob, Content, Contents, Picture
from amparo.replay.ddl import CONTACTS
from amparo.replay.ledger import Ledger
from amparo.replay.legacy import LegacyWriter
from amparo.replay.present import PresentWriter
from amparo.replay.sink import Folder
from amparo.replay.view import ChatView, PhoneView
from amparo.replay.wal import settle
from amparo.replay.world import START_MS, Event, is_legacy

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


def open_database(path: Path) -> sqlite3.Connection:
    """A new database whose bytes depend only on what is written; deleted rows are not wiped."""
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                     "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA user_version=1;")  # fmt: skip
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
        self.root, self.keeps_wal = root, view.holder == 0
        self.db = open_database(work / "msgstore.db")
        self.writer: PresentWriter | LegacyWriter = (
            LegacyWriter(self.db, view) if legacy else PresentWriter(self.db, view))  # fmt: skip
        self._paths: dict[str, str] = {}
        self._daily: dict[str, int] = {}
        self._handles: set[str] = set()
        self._erase_rows: list[int] = []

    def build(self) -> None:
        """Everything, in the order the phone itself would have written it."""
        self.writer.start()
        self.db.execute("BEGIN")
        lines = self.view.lines()
        settled = int(len(lines) * 0.95) if self.keeps_wal else len(lines)
        for number, line in enumerate(lines):
            if number == settled:
                self._switch_to_wal()
            if line.event is not None:
                self.writer.event(line.chat, line.event)
                if line.chat is not self.view.erased_chat:
                    self._state_event(line.chat, line.event)
            if line.message is not None:
                self._message(line.chat, line.message)
        for chat in self.view.chats:
            self.writer.finish(chat)
            if chat is not self.view.erased_chat:
                self._state_chat(chat)
        for row in self._erase_rows:
            self.writer.erase(row)
        if self.view.erased_chat is not None:
            self.writer.erase_chat(self.view.erased_chat)
        self.db.execute("COMMIT")
        for lid, phone in self.writer.mapped.items():
            self.ledger.add("lid", lid, phone)
        self._deliver_databases()
        self._camera_roll()

    def _switch_to_wal(self) -> None:
        self.db.execute("COMMIT")
        self.db.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; BEGIN;")

    def _put(self, path: str, data: bytes, at_ms: int) -> None:
        """A file that is no picture."""
        self.sink.put(path, data, at_ms)
        self.ledger.file(path, hashlib.sha256(data).hexdigest(), len(data))

    def _deliver_databases(self) -> None:
        path, seized = self.work / "msgstore.db", self.view.seized_ms
        folder = f"{_APP}/databases"
        if self.keeps_wal:
            log = (self.work / "msgstore.db-wal").read_bytes()
            self._put(f"{folder}/msgstore.db", path.read_bytes(), seized)
            self._put(f"{folder}/msgstore.db-wal", settle(log, self.seed, 97), seized)
            self.db.close()
        else:
            self.db.close()
            self._put(f"{folder}/msgstore.db", path.read_bytes(), seized)
        path.unlink()
        self._contacts(folder)
        number, owner = self.view.owner.number, self.view.owner
        text = _PREFERENCES.format(digits=number.digits, code=number.calling_code,
                                   national=number.national, name=owner.name)  # fmt: skip
        self._put(f"{_APP}/shared_prefs/com.whatsapp_preferences_light.xml", text.encode(), seized)

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
        alive = not message.revoked_at(chat.as_of)
        if message.content is not None and alive:
            media = self.contents.get(message.content, shared=True)
            path = self._store_picture(chat, message, message.content, media)
        row = self.writer.message(chat, message, media, path)
        if chat is self.view.erased_chat:
            self.ledger.add("erased_message", message.key_id, chat.truth)
        elif self.view.erases(message) and alive:
            self._erase_rows.append(row)
            self.ledger.add("erased_message", message.key_id, chat.truth)
        else:
            self._state_message(chat, message, media)

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

    def _state_message(self, chat: ChatView, message: Message, media: Blob | None) -> None:
        sender = self._handle(message.sender, chat)
        revoked = message.revoked_at(chat.as_of)
        if message.quoted is not None and not revoked:
            self._handle(message.quoted.sender, chat)
        edited = message.edited_ms if message.edited_ms and message.edited_ms <= chat.as_of else 0
        kind = "text" if message.kind == "link" else message.kind
        self.ledger.add("message", chat.truth, message.key_id, sender, message.server_ms, kind,
                        None if revoked else message.text_at(chat.as_of), int(revoked), edited,
                        message.score)  # fmt: skip
        if media is not None and message.content is not None:
            self.ledger.add(
                "posting", chat.truth, message.key_id, sender, message.server_ms, media.sha256
            )
            self.ledger.content(message.content, media)
        if message.invited is not None and not revoked:
            group = self.world.groups[message.invited]
            self.ledger.add("invite", group.code, group.jid, chat.truth, message.key_id, sender,
                            message.server_ms, message.kind, None)  # fmt: skip


def unposted(chatter: Chatter, key: str, country: str, number: int, before_ms: int) -> Picture:
    """The `number`-th picture of a camera that was never posted."""
    pick = rng(chatter.world.seed, "unposted", key, number)
    taken_s = (START_MS + int(pick.random() * (before_ms - START_MS - 86_400_000))) // 1000
    kind = "flat" if pick.random() < 0.03 else "scene"
    return chatter.expose(key, country, f"{key.replace(':', '')}-{number:05d}", taken_s, pick, kind)


def write_originals(pictures: list[Picture], folder: str, before_ms: int, contents: Contents,
                    sink: Folder, ledger: Ledger) -> None:  # fmt: skip
    """Camera files IMG_YYYYMMDD_HHMMSS.jpg, local time, in order of taking."""
    used: set[str] = set()
    for picture in sorted(pictures, key=lambda p: (p.capture.taken_s if p.capture else 0, p.id)):
        body, capture = contents.body(picture), picture.capture
        if body is None or capture is None or capture.taken_s * 1000 >= before_ms:
            continue
        stem = local_time(body, capture).strftime("IMG_%Y%m%d_%H%M%S")
        while stem in used:
            stem += "_1"
        used.add(stem)
        content = Content(picture, "camera")
        blob = contents.get(content, shared=False)
        path = f"{folder}/{stem}.jpg"
        sink.put(path, blob.data, capture.taken_s * 1000)
        ledger.picture(path, content, blob)
