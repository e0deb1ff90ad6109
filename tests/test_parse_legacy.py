"""WhatsApp for Android before 2021, and the years in which both tables stand side by side."""

import hashlib

from amparo.model import (
    Account,
    AccountName,
    Attachment,
    Lead,
    Membership,
    MembershipEvent,
    Message,
    Preview,
    Thread,
    ThreadInfo,
    content_id,
)
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.parse.whatsapp_legacy import whatsapp_legacy
from parsing import FOUND, Parsed, parse
from test_parse_android import BARE, GROUP, HASH, JPEG, ONE, OWNER, PEOPLE, SCHEMA, SHA, TWO, T

COLUMNS = """_id INTEGER PRIMARY KEY AUTOINCREMENT, key_remote_jid TEXT NOT NULL, key_from_me INTEGER,
  key_id TEXT NOT NULL, status INTEGER, data TEXT, timestamp INTEGER, media_mime_type TEXT,
  media_wa_type TEXT, media_size INTEGER, media_name TEXT, media_caption TEXT, media_hash TEXT,
  thumb_image TEXT, remote_resource TEXT, receipt_server_timestamp INTEGER, raw_data BLOB,
  quoted_row_id INTEGER, forwarded INTEGER"""
LEGACY = f"""
CREATE TABLE messages ({COLUMNS}); CREATE TABLE messages_quotes ({COLUMNS});
CREATE TABLE chat_list (_id INTEGER PRIMARY KEY, key_remote_jid TEXT UNIQUE, subject TEXT, creation INTEGER);
CREATE TABLE group_participants (_id INTEGER PRIMARY KEY, gjid TEXT, jid TEXT, admin INTEGER, pending INTEGER);
CREATE TABLE group_participants_history (_id INTEGER PRIMARY KEY, timestamp DATETIME, gjid TEXT, jid TEXT,
  action INTEGER, old_phash TEXT, new_phash TEXT);
CREATE TABLE message_thumbnails (thumbnail BLOB, timestamp DATETIME, key_remote_jid TEXT, key_from_me INTEGER,
  key_id TEXT);
CREATE TABLE props (_id INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT);
INSERT INTO messages (_id, key_remote_jid, key_from_me, key_id, status, media_wa_type)
  VALUES (1, '-1', 0, '-1', -1, '-1');
"""


def row(number: int, chat: str, table: str = "messages", **values: object) -> str:
    """One message; unnamed columns get a plain received text."""
    filled: dict[str, object] = {
        "_id": number, "key_remote_jid": chat, "key_from_me": 0, "key_id": f"KEY{number}", "status": 0,
        "timestamp": T, "media_wa_type": "0", "receipt_server_timestamp": -1, **values,
    }  # fmt: skip
    quoted = [f"x'{v.hex()}'" if isinstance(v, bytes) else repr(v) for v in filled.values()]
    return f"INSERT INTO {table} ({', '.join(filled)}) VALUES ({', '.join(quoted)});"


def run(*sql: str) -> Parsed:
    return parse(whatsapp_legacy, LEGACY, *sql)


def test_who_wrote_and_when() -> None:
    got = run(
        row(2, ONE, data="hi"),
        row(3, ONE, data="ho", key_from_me=1, receipt_server_timestamp=T + 50),
        row(4, GROUP, data="all", remote_resource=TWO, forwarded=3),
        row(5, "status@broadcast", remote_resource=ONE),
    )
    assert [(m.at, got.handle(m.thread), got.handle(m.sender), m.from_owner, m.sent, m.server, m.text)
            for m in got.of(Message)] == [
        (FOUND.row("messages", 2), f"{OWNER}|{ONE}", ONE, False, T, T, "hi"),
        (FOUND.row("messages", 3), f"{OWNER}|{ONE}", OWNER, True, T, T + 50, "ho"),
        (FOUND.row("messages", 4), GROUP, TWO, False, T, T, "all"),
        (FOUND.row("messages", 5), f"{OWNER}|status@broadcast", ONE, False, T, T, ""),
    ]  # fmt: skip
    assert [m.forward_score for m in got.of(Message)] == [None, None, 3, None]
    assert got.warnings == []


def test_chats_members_and_their_history() -> None:
    group = "447700900001-1461964508@g.us"
    got = run(
        f"""INSERT INTO chat_list VALUES (1, '{group}', 'The group', {T}), (2, '{ONE}', NULL, NULL);
        INSERT INTO group_participants VALUES (1, '{group}', '', 1, 0), (2, '{group}', '{ONE}', 2, 0), (3, '{group}', 'junk', 0, 0);
        INSERT INTO group_participants_history VALUES (1, {T}, '{group}', '{TWO}', 1, '', ''),
          (2, {T // 1000}, '{group}', '{TWO},', 2, '', ''), (3, {T}, '{group}', '{ONE},{TWO}', 3, '', ''),
          (4, {T}, '{group}', '{ONE}', 9, '', '');
        INSERT INTO props VALUES (1, 'user_push_name', 'Me');"""
    )
    info = got.of(ThreadInfo)
    assert [(i.subject, i.created, got.handle(i.creator)) for i in info] == [("The group", T, ONE)]
    assert [(got.handle(m.account), m.role, m.present) for m in got.of(Membership)] == [
        (OWNER, "admin", True), (ONE, "creator", True)]  # fmt: skip
    assert [
        (e.at.row, e.event, got.handle(e.account), e.time, e.detail)
        for e in got.of(MembershipEvent)
    ] == [
        (1, "joined", TWO, T, ""),
        (2, "left", TWO, T // 1000 * 1000, ""),
        (2, "left", OWNER, T // 1000 * 1000, ""),
        (3, "number_changed", ONE, T, TWO),
        (4, "code:9", ONE, T, ""),
    ]
    assert [(n.account, n.name) for n in got.of(AccountName)] == [(got.of(Account)[0].id, "Me")]


def test_system_rows() -> None:
    got = run(
        row(2, GROUP, status=6, media_size=11, data="Name", remote_resource=ONE, key_from_me=1),
        row(3, GROUP, status=6, media_size=4, remote_resource=TWO, key_from_me=1),
        row(4, GROUP, status=6, media_size=20, remote_resource=TWO, key_from_me=1),
        row(5, GROUP, status=6, media_size=99, key_from_me=1),
        row(6, ONE, status=6, media_size=19, key_from_me=1),
        row(7, GROUP, status=6, media_size=11, data="Whose", key_from_me=1),
    )
    assert {m.form for m in got.of(Message)} == {"system"} and len(got.of(Message)) == 6
    assert {got.handle(m.sender) for m in got.of(Message)} == {ONE, TWO, ""}
    assert [(e.at.row, e.event, got.handle(e.account), got.handle(e.actor), e.detail)
            for e in got.of(MembershipEvent)] == [
        (2, "created", "", ONE, "Name"),
        (3, "added", TWO, "", ""),
        (4, "joined_by_link", TWO, "", ""),
        (5, "code:99", "", "", ""),
        (7, "created", "", "", "Whose"),
    ]  # fmt: skip
    assert got.of(Attachment) == []


def java_file(path: str) -> bytes:
    """A MediaData as Java writes it, as far as the file goes."""
    return (b"\xac\xed\x00\x05sr\x00\x16com.whatsapp.MediaData\xff\xf4\x96\xed\xe1\xa20\x06\x02\x00!Z\x00\x18autodownload"
            b"L\x00\x04filet\x00\x0eLjava/io/File;xpsr\x00\x0cjava.io.File\x04-\xa4E\x0e\r\xe4\xff\x03\x00\x01L\x00\x04path"
            b"t\x00\x12Ljava/lang/String;xpt" + len(path.encode()).to_bytes(2, "big") + path.encode()
            + b"w\x02\x00/x")  # fmt: skip


def test_files_and_previews() -> None:
    got = run(
        row(2, GROUP, media_wa_type="1", media_hash=HASH, media_mime_type="image/jpeg", media_size=77,
            media_name="IMG.jpg", media_caption="see", thumb_image=java_file("Media/été.jpg"), raw_data=JPEG,
            remote_resource=ONE),
        f"INSERT INTO message_thumbnails VALUES (x'{JPEG.hex()}', {T}, '{GROUP}', 0, 'KEY2');",
        row(3, GROUP, data="text only"),
        f"INSERT INTO message_thumbnails VALUES (x'00', {T}, '{GROUP}', 0, 'KEY3'), (x'01', {T}, 'gone', 0, 'KEY9');",
    )  # fmt: skip
    (attachment,) = got.of(Attachment)
    first, second = got.of(Message)
    assert attachment == Attachment(
        at=FOUND.row("messages", 2), message=first.id, content=content_id(SHA), path="Media/été.jpg", size=77,
        mime="image/jpeg", caption="see", name="IMG.jpg",
    )  # fmt: skip
    assert first.text == "see" and first.form == "image"
    assert [(p.at.table, p.owner, p.data) for p in got.of(Preview)] == [
        ("messages", attachment.id, JPEG),
        ("message_thumbnails", attachment.id, JPEG),
        ("message_thumbnails", second.id, b"\0"),
        ("message_thumbnails", "", b"\1"),
    ]
    assert got.of(Preview)[0].content == content_id(hashlib.sha256(JPEG).hexdigest())


def test_a_serialised_object_that_lies_about_its_length() -> None:
    blob = java_file("Media/a.jpg").replace(b"\x00\x0bMedia", b"\xff\xffMedia")
    (one,) = run(row(2, GROUP, media_wa_type="1", media_hash=HASH, thumb_image=blob)).of(Attachment)
    assert one.path.startswith("Media/a.jpg") and len(one.path) < 40


def test_answers_revoked_and_links() -> None:
    code = "AbCdEfGhIjKlMnOpQrStUv"
    got = run(
        row(
            40,
            GROUP,
            table="messages_quotes",
            key_id="QUOTED",
            data=f"https://chat.whatsapp.com/{code}",
        ),
        row(2, GROUP, data="yes", quoted_row_id=40),
        row(3, GROUP, media_wa_type="15", quoted_row_id=41),
        "CREATE TABLE jid (_id INTEGER PRIMARY KEY, user TEXT, server TEXT, raw_string TEXT);"
        f"INSERT INTO jid VALUES (1, '447700900001', 's.whatsapp.net', '{ONE}'), (5, '120363000000000005', 'g.us', '{GROUP}');"
        "CREATE TABLE message_group_invite (message_row_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,"
        " admin_jid_row_id INTEGER, group_name TEXT, invite_code TEXT);"
        f"INSERT INTO message_group_invite VALUES (4, 5, 1, 'Group', '{code}');",
        row(4, TWO, media_wa_type="24"),
    )
    assert [(m.reply_to, m.revoked) for m in got.of(Message)] == [
        ("QUOTED", False),
        ("", True),
        ("", False),
    ]
    quote, card = got.of(Lead)
    assert (quote.at.table, quote.value, quote.message) == ("messages_quotes", code, "")
    assert (card.value, got.handle(card.thread), got.handle(card.account), card.text) == (
        code,
        GROUP,
        ONE,
        "Group",
    )
    assert card.message == got.of(Message)[2].id


# --- both tables --------------------------------------------------------------------------------

DUMMY = "INSERT INTO message (_id, chat_row_id, from_me, key_id) VALUES (1, -1, 0, '-1');"


def test_messages_still_in_the_old_table_are_told_once() -> None:
    both = (SCHEMA, PEOPLE, LEGACY.replace("CREATE TABLE props", "CREATE TABLE props_old"), DUMMY,
            row(2, ONE, media_wa_type="1", media_hash=HASH),
            "INSERT INTO message_media (message_row_id, file_path, width, height) VALUES (2, 'Media/a.jpg', 3, 4);"
            "INSERT INTO message_quoted VALUES (2, 'K', 'x');")  # fmt: skip
    new, old = parse(whatsapp_android, *both), parse(whatsapp_legacy, *both)
    assert new.of(Message) == [] and new.of(Attachment) == [] and new.warnings == []
    (attachment,) = old.of(Attachment)
    assert (attachment.path, attachment.width, attachment.height) == ("Media/a.jpg", 3, 4)
    assert [m.key for m in old.of(Message)] == ["KEY2"]


def test_messages_already_moved_are_told_by_the_new_table() -> None:
    both = (SCHEMA, PEOPLE, LEGACY.replace("CREATE TABLE props", "CREATE TABLE props_old"), DUMMY,
            row(2, ONE), row(3, ONE), row(4, ONE),
            f"INSERT INTO message (_id, chat_row_id, from_me, key_id, timestamp, message_type) VALUES"
            f" (2, 10, 0, 'KEY2', {T}, 0), (4, 10, 0, 'ANOTHER', {T}, 0);")  # fmt: skip
    assert [m.key for m in parse(whatsapp_android, *both).of(Message)] == ["KEY2", "ANOTHER"]
    assert [m.key for m in parse(whatsapp_legacy, *both).of(Message)] == ["KEY3", "KEY4"]


def test_both_parsers_name_threads_and_accounts_alike() -> None:
    new = parse(whatsapp_android, SCHEMA, PEOPLE)
    old = run(row(2, ONE), row(3, GROUP), row(4, "status@broadcast"))
    assert {t.id for t in old.of(Thread)} <= {t.id for t in new.of(Thread)}
    assert {a.id for a in old.of(Account)} <= {a.id for a in new.of(Account)}


def test_an_old_database_with_almost_nothing_is_read() -> None:
    got = parse(whatsapp_legacy, "CREATE TABLE messages (_id INTEGER PRIMARY KEY, key_remote_jid, key_id, media_wa_type);"
                f"INSERT INTO messages VALUES (7, '{ONE}', 'K', 'x'), (8, x'ff', 9, NULL);")  # fmt: skip
    assert [(m.key, m.form, m.sender, m.from_owner) for m in got.of(Message)] == [
        ("K", "code:x", "", None), ("9", "unknown", "", None)]  # fmt: skip
    (warning,) = got.warnings
    assert warning.startswith("not in this database: chat_list, ") and "messages.data" in warning


def test_the_present_parser_is_chosen_by_structure_alone() -> None:
    from amparo.kit.source import Source
    from amparo.kit.sqlite import structure_names
    from parsing import database_bytes

    new, old = whatsapp_android.spec, whatsapp_legacy.spec  # type: ignore[attr-defined]

    def chosen(*sql: str) -> tuple[bool, bool]:
        names = frozenset(structure_names(Source.of_bytes(database_bytes(*sql))))
        return tuple(s.fits("application/vnd.sqlite3", "any/name.bin", names) for s in (new, old))  # type: ignore[return-value]

    assert chosen(SCHEMA) == (True, False)
    assert chosen(LEGACY) == (False, True)
    assert chosen(BARE) == (True, False)
    assert chosen("CREATE TABLE message (id, body);") == (False, False)
