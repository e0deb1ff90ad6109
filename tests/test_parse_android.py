"""WhatsApp for Android since 2021: every kind of row, every gap, every lie."""

import base64
import hashlib
from typing import Any

import pytest

from amparo.model import (
    Account,
    AccountName,
    Alias,
    At,
    Attachment,
    Content,
    Lead,
    Membership,
    MembershipEvent,
    Message,
    Preview,
    Quote,
    Thread,
    ThreadInfo,
    content_id,
)
from amparo.parse.whatsapp_android import whatsapp_android
from parsing import FOUND, Parsed, parse

SCHEMA = """
CREATE TABLE jid (_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, server TEXT NOT NULL,
  agent INTEGER, device INTEGER, type INTEGER, raw_string TEXT);
CREATE TABLE chat (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER UNIQUE, hidden INTEGER,
  subject TEXT, created_timestamp INTEGER);
CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL,
  from_me INTEGER NOT NULL, key_id TEXT NOT NULL, sender_jid_row_id INTEGER, status INTEGER,
  timestamp INTEGER, received_timestamp INTEGER, receipt_server_timestamp INTEGER,
  message_type INTEGER, text_data TEXT);
CREATE TABLE message_media (message_row_id INTEGER PRIMARY KEY, file_path TEXT, file_size INTEGER,
  width INTEGER, height INTEGER, mime_type TEXT, file_length INTEGER, media_name TEXT, file_hash TEXT,
  media_caption TEXT);
CREATE TABLE message_thumbnail (message_row_id INTEGER PRIMARY KEY, thumbnail BLOB);
CREATE TABLE media_hash_thumbnail (media_hash TEXT PRIMARY KEY, thumbnail BLOB);
CREATE TABLE message_quoted (message_row_id INTEGER PRIMARY KEY, key_id TEXT NOT NULL, text_data TEXT);
CREATE TABLE message_quoted_media (message_row_id INTEGER PRIMARY KEY, thumbnail BLOB);
CREATE TABLE message_forwarded (message_row_id INTEGER PRIMARY KEY, forward_score INTEGER);
CREATE TABLE message_revoked (message_row_id INTEGER PRIMARY KEY, revoked_key_id TEXT NOT NULL,
  admin_jid_row_id INTEGER, revoke_timestamp INTEGER);
CREATE TABLE message_edit_info (message_row_id INTEGER PRIMARY KEY, original_key_id TEXT,
  edited_timestamp INTEGER, sender_timestamp INTEGER);
CREATE TABLE message_text (message_row_id INTEGER PRIMARY KEY, url TEXT);
CREATE TABLE message_group_invite (message_row_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,
  admin_jid_row_id INTEGER, group_name TEXT, invite_code TEXT);
CREATE TABLE message_system (message_row_id INTEGER PRIMARY KEY, action_type INTEGER NOT NULL);
CREATE TABLE message_system_chat_participant (message_row_id INTEGER, user_jid_row_id INTEGER);
CREATE TABLE message_system_value_change (message_row_id INTEGER PRIMARY KEY, old_data TEXT);
CREATE TABLE message_system_number_change (message_row_id INTEGER PRIMARY KEY, old_jid_row_id INTEGER,
  new_jid_row_id INTEGER);
CREATE TABLE group_participant_user (_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER NOT NULL,
  user_jid_row_id INTEGER NOT NULL, rank INTEGER, pending INTEGER, add_timestamp INTEGER);
CREATE TABLE group_past_participant_user (_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,
  user_jid_row_id INTEGER, is_leave INTEGER, timestamp INTEGER);
CREATE TABLE jid_map (lid_row_id INTEGER PRIMARY KEY NOT NULL, jid_row_id INTEGER NOT NULL, sort_id INTEGER);
CREATE TABLE lid_display_name (lid_row_id INTEGER PRIMARY KEY, display_name TEXT, username TEXT);
CREATE TABLE props (_id INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT);
"""
PEOPLE = """
INSERT INTO jid (_id, user, server, raw_string) VALUES
  (1, '447700900001', 's.whatsapp.net', '447700900001@s.whatsapp.net'),
  (2, '447700900002', 's.whatsapp.net', '447700900002@s.whatsapp.net'),
  (3, '77000000000003', 'lid', '77000000000003@lid'),
  (4, '77000000000004', 'lid', '77000000000004@lid'),
  (5, '120363000000000005', 'g.us', '120363000000000005@g.us'),
  (6, '447700900001-1461964508', 'g.us', '447700900001-1461964508@g.us'),
  (7, 'status', 'broadcast', 'status@broadcast'),
  (8, '', 'status_me', 'status_me'),
  (9, '447700900002', 's.whatsapp.net', '447700900002.0:3@s.whatsapp.net');
INSERT INTO jid_map VALUES (3, 2, 1);
INSERT INTO chat VALUES (10, 1, 0, NULL, 1700000000000), (11, 5, 0, 'New group', 1700000000500),
  (12, 6, 0, 'Old group', NULL), (13, 7, 0, NULL, NULL), (14, 4, 0, NULL, NULL);
"""
SHA = hashlib.sha256(b"a picture").hexdigest()
HASH = base64.b64encode(bytes.fromhex(SHA)).decode()
JPEG = b"\xff\xd8\xff\xe0 a preview"
T = 1_700_000_100_000

BARE = """CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id INTEGER, from_me INTEGER, key_id TEXT);
INSERT INTO message VALUES (1, 5, 0, 'K1'), (2, 5, 1, 'K2');"""

ONE = "447700900001@s.whatsapp.net"
TWO = "447700900002@s.whatsapp.net"
OWNER = "owner@exhibit-1"
GROUP = "120363000000000005@g.us"


def at(table: str, row: int) -> At:
    return FOUND.row(table, row)


def run(*sql: str) -> Parsed:
    return parse(whatsapp_android, SCHEMA, PEOPLE, *sql)


def message(row: int, chat: int, mine: int = 0, sender: int | str = 0, kind: int | str = 0, line: str = "'hi'",
            stamp: int | str = T, server: int = -1, key: str = "") -> str:  # fmt: skip
    return (f"INSERT INTO message (_id, chat_row_id, from_me, key_id, sender_jid_row_id, status, timestamp,"
            f" received_timestamp, receipt_server_timestamp, message_type, text_data) VALUES ({row}, {chat},"
            f" {mine}, '{key or f'KEY{row}'}', {sender}, 0, {stamp}, 0, {server}, {kind}, {line});")  # fmt: skip


def the(kind: type[Any], parsed: Parsed) -> Any:
    found = parsed.of(kind)
    assert len(found) == 1, found
    return found[0]


def test_people_chats_and_names() -> None:
    got = run(
        "INSERT INTO lid_display_name VALUES (4, 'Four', 'four_4'); INSERT INTO props VALUES (1, 'user_push_name', 'Me');"
    )
    assert got.warnings == []
    accounts = {a.handle: a for a in got.of(Account)}
    assert set(accounts) == {OWNER, ONE, TWO, "77000000000003@lid", "77000000000004@lid"}
    assert (accounts[ONE].phone, accounts[ONE].country, accounts[ONE].form) == (
        "+447700900001",
        "GB",
        "phone",
    )
    assert (accounts["77000000000003@lid"].phone, accounts["77000000000003@lid"].form) == (
        "",
        "lid",
    )
    assert {(t.handle, t.form) for t in got.of(Thread)} == {
        (f"{OWNER}|{ONE}", "private"), (GROUP, "group"), ("447700900001-1461964508@g.us", "group"),
        (f"{OWNER}|status@broadcast", "status"), (f"{OWNER}|77000000000004@lid", "private"),
    }  # fmt: skip
    assert the(Alias, got) == Alias(
        at=at("jid_map", 3),
        account=accounts["77000000000003@lid"].id,
        other=accounts[TWO].id,
        basis="lid",
    )
    names = {(got.handle(n.account), n.name, n.source) for n in got.of(AccountName)}
    assert names == {("77000000000004@lid", "Four", "push"), ("77000000000004@lid", "four_4", "push"),
                     (OWNER, "Me", "push")}  # fmt: skip
    infos = {got.handle(i.thread): i for i in got.of(ThreadInfo)}
    assert (infos[GROUP].subject, infos[GROUP].created, infos[GROUP].creator) == (
        "New group",
        1700000000500,
        "",
    )
    old = infos["447700900001-1461964508@g.us"]
    assert (old.subject, old.created, old.creator) == ("Old group", 1461964508000, accounts[ONE].id)


def test_references_are_told_before_they_are_used() -> None:
    got = run(message(1, 11, sender=3), message(2, 99), message(3, 11, kind=7),
              "INSERT INTO message_system VALUES (3, 12);")  # fmt: skip
    told: set[str] = {""}
    for record in got.records:
        for name in ("account", "thread", "sender", "actor", "creator", "other"):
            assert getattr(record, name, "") in told, record
        told.add(record.id)


def test_who_wrote_and_when() -> None:
    got = run(
        message(1, 10, mine=1, server=T + 70, sender=1),
        message(2, 10),
        message(3, 11, sender=3),
        message(4, 11, sender=9),
        message(5, 13, sender=1),
        message(6, 14),
        message(7, 10, mine=1, server=0),
    )
    rows = [(m.at.row, got.handle(m.thread), got.handle(m.sender), m.from_owner, m.sent, m.server)
            for m in got.of(Message)]  # fmt: skip
    assert rows == [
        (1, f"{OWNER}|{ONE}", OWNER, True, T, T + 70),
        (2, f"{OWNER}|{ONE}", ONE, False, T, T),
        (3, GROUP, "77000000000003@lid", False, T, T),
        (4, GROUP, TWO, False, T, T),  # a linked computer is the account it is linked to
        (5, f"{OWNER}|status@broadcast", ONE, False, T, T),
        (6, f"{OWNER}|77000000000004@lid", "77000000000004@lid", False, T, T),
        (7, f"{OWNER}|{ONE}", OWNER, True, T, None),
    ]
    assert got.warnings == []


def test_everything_of_a_message() -> None:
    got = run(
        message(5, 11, sender=2, line="'look'", key="ABC"),
        "INSERT INTO message_quoted VALUES (5, 'QUOTED', 'old text');"
        "INSERT INTO message_forwarded VALUES (5, 4);"
        f"INSERT INTO message_edit_info VALUES (5, 'ABC', {T + 9}, {T + 9});",
    )
    assert the(Message, got) == Message(
        at=at("message", 5), thread=got.of(Thread)[1].id, key="ABC", sender=got.of(Account)[2].id,
        from_owner=False, sent=T, server=T, form="text", text="look", reply_to="QUOTED", forward_score=4,
        revoked=False, edited=T + 9,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "form"),
    [(0, "text"), (1, "image"), (2, "audio"), (3, "video"), (9, "document"), (15, "revoked"), (64, "revoked"),
     (20, "sticker"), (24, "invite"), (85, "code:85"), (-3, "code:-3"), ("'odd'", "code:odd"), ("NULL", "unknown")],
)  # fmt: skip
def test_forms(code: int | str, form: str) -> None:
    one = the(Message, run(message(1, 10, kind=code)))
    assert one.form == form and one.revoked == (form == "revoked")


def test_deleted_for_everyone() -> None:
    got = run(message(1, 10, kind=15, line="NULL"), message(2, 10),
              f"INSERT INTO message_revoked VALUES (2, 'KEY2', 1, {T});")  # fmt: skip
    assert [(m.revoked, m.text) for m in got.of(Message)] == [(True, ""), (True, "hi")]


def test_attachments_and_previews() -> None:
    got = run(
        message(3, 11, sender=2, kind=1, line="NULL"),
        f"""INSERT INTO message_media VALUES (3, 'Media/IMG-1.jpg', 4711, 640, 480, 'image/jpeg', 4712, 'IMG', '{HASH}', 'see');
        INSERT INTO message_thumbnail VALUES (3, x'{JPEG.hex()}');
        INSERT INTO media_hash_thumbnail VALUES ('{HASH}', x'{(JPEG + b"2").hex()}');""",
    )
    one = the(Message, got)
    assert one.text == "see"
    assert the(Attachment, got) == Attachment(
        at=at("message_media", 3), message=one.id, content=content_id(SHA), path="Media/IMG-1.jpg", size=4711,
        mime="image/jpeg", caption="see", name="IMG", width=640, height=480,
    )  # fmt: skip
    first, second = got.of(Preview)
    assert first == Preview(at=at("message_thumbnail", 3), owner=the(Attachment, got).id,
                            content=content_id(hashlib.sha256(JPEG).hexdigest()), data=JPEG)  # fmt: skip
    assert (second.at, second.owner, second.data) == (
        at("media_hash_thumbnail", 1),
        first.owner,
        JPEG + b"2",
    )
    assert {c.id for c in got.of(Content)} == {first.content, second.content}
    assert {c.size for c in got.of(Content)} == {len(JPEG), len(JPEG) + 1}
    assert got.warnings == []


@pytest.mark.parametrize("written", [HASH, SHA, SHA.upper()])
def test_hashes_in_base64_and_hex(written: str) -> None:
    got = run(
        message(1, 10, kind=1),
        f"INSERT INTO message_media (message_row_id, file_hash) VALUES (1, '{written}');",
    )
    assert the(Attachment, got).content == content_id(SHA)


@pytest.mark.parametrize(
    "written", ["''", "'x'", "x'00'", "'%%%%'", "7", f"'{HASH[:20]}'", "'" + "g" * 64 + "'"]
)
def test_what_is_no_hash_names_no_content(written: str) -> None:
    got = run(
        message(1, 10, kind=1),
        f"INSERT INTO message_media (message_row_id, file_hash) VALUES (1, {written});",
    )
    assert the(Attachment, got).content == ""


def test_files_and_previews_of_messages_that_are_gone() -> None:
    got = run(
        message(5, 10),
        f"""INSERT INTO message_media (message_row_id, file_path, file_hash) VALUES (3, 'a.jpg', '{HASH}'), (9, 'b.jpg', NULL);
        INSERT INTO message_thumbnail VALUES (3, x'{JPEG.hex()}'), (4, x'{JPEG.hex()}');
        INSERT INTO media_hash_thumbnail VALUES ('{base64.b64encode(bytes(32)).decode()}', x'{JPEG.hex()}');
        INSERT INTO message_quoted VALUES (77, 'K', 'lost');""",
    )
    assert [(a.message, a.path, a.content) for a in got.of(Attachment)] == [
        ("", "a.jpg", content_id(SHA)), ("", "b.jpg", "")]  # fmt: skip
    assert [p.owner for p in got.of(Preview)] == [
        got.of(Attachment)[0].id,
        "",
        content_id("0" * 64),
    ]
    assert got.warnings == [
        "2 attachments belong to messages that are gone",
        "1 rows of message_quoted belong to messages that are gone",
    ]


def test_previews_are_bounded() -> None:
    got = run(message(1, 10), "INSERT INTO message_thumbnail VALUES (1, zeroblob(262144));", message(2, 10),
              "INSERT INTO message_thumbnail VALUES (2, zeroblob(262145)), (3, 'text');")  # fmt: skip
    assert [len(p.data) for p in got.of(Preview)] == [262144]
    assert "1 previews above 256 KiB were left out" in got.warnings


def test_members() -> None:
    got = run(
        f"""INSERT INTO group_participant_user VALUES (1, 5, 1, 2, 0, {T}), (2, 5, 3, 0, 0, 0), (3, 5, 8, 1, 0, {T // 1000}),
          (4, 5, 2, 77, 0, NULL), (5, 5, 444, 0, 0, NULL);
        INSERT INTO group_past_participant_user VALUES (1, 5, 4, 1, {T + 5}), (2, 5, 2, 0, {T + 6}), (3, 5, 1, NULL, NULL);"""
    )
    rows = [(m.at.table, m.at.row, got.handle(m.account), m.role, m.present, m.since, m.until, m.left)
            for m in got.of(Membership)]  # fmt: skip
    now, past = "group_participant_user", "group_past_participant_user"
    assert rows == [
        (now, 1, ONE, "creator", True, T, None, None),
        (now, 2, "77000000000003@lid", "member", True, None, None, None),
        (now, 3, OWNER, "admin", True, T // 1000 * 1000, None, None),
        (now, 4, TWO, "member", True, None, None, None),
        (past, 1, "77000000000004@lid", "member", False, None, T + 5, True),
        (past, 2, TWO, "member", False, None, T + 6, False),
        (past, 3, ONE, "member", False, None, None, None),
    ]
    assert got.warnings == ["1 addresses are gone that rows refer to"]


def event(
    action: int, *participants: int, mine: int = 1, sender: int = 1, line: str = "NULL"
) -> list[tuple[str, ...]]:
    got = run(message(1, 11, mine=mine, sender=sender, kind=7, line=line),
              f"INSERT INTO message_system VALUES (1, {action});"
              "INSERT INTO message_system_value_change VALUES (1, 'before');",
              *(f"INSERT INTO message_system_chat_participant VALUES (1, {p});" for p in participants))  # fmt: skip
    assert the(Message, got).form == "system"
    assert all(e.at == at("message_system", 1) and e.time == T for e in got.of(MembershipEvent))
    return [
        (e.event, got.handle(e.account), got.handle(e.actor), e.detail)
        for e in got.of(MembershipEvent)
    ]


def test_what_happened_in_groups() -> None:
    lid = "77000000000003@lid"
    assert event(12, 2, 3) == [("added", TWO, ONE, "before"), ("added", lid, ONE, "before")]
    assert event(4) == [("added", ONE, "", "before")]
    assert event(13, 1) == [("left", ONE, "", "before")]
    assert event(14, 2) == [("removed", TWO, ONE, "before")]
    assert event(14, 2, sender=0) == [("removed", TWO, OWNER, "before")]
    assert event(14, 2, sender=0, mine=0) == [("removed", TWO, "", "before")]
    assert event(12, 8, sender=0) == [("added", OWNER, "", "before")]
    assert event(20) == [("joined_by_link", ONE, "", "before")]
    assert event(15) == [("promoted", OWNER, ONE, "before")]
    assert event(11, line="'Name'") == [("created", "", ONE, "Name")]
    assert event(11, sender=0) == [("created", "", "", "before")]
    assert event(1, line="'New'") == [("subject", "", ONE, "New")]
    assert event(118) == [("code:118", "", ONE, "before")]


def test_a_change_of_number() -> None:
    got = run(message(1, 11, kind=7), "INSERT INTO message_system VALUES (1, 28);"
              "INSERT INTO message_system_number_change VALUES (1, 1, 2);")  # fmt: skip
    alias = got.of(Alias)[-1]
    assert (got.handle(alias.account), got.handle(alias.other), alias.basis) == (
        ONE,
        TWO,
        "number_change",
    )
    one = the(MembershipEvent, got)
    assert (one.event, got.handle(one.account)) == ("number_changed", ONE)


def test_system_rows_never_count_as_the_owner_s_words() -> None:
    one = the(Message, run(message(1, 10, mine=1, sender=0, kind=7, line="NULL")))
    assert (one.sender, one.server, one.form) == ("", None, "system")


def test_links() -> None:
    code, other = "AbCdEfGhIjKlMnOpQrStUv", "ZbCdEfGhIjKlMnOpQrStUv"
    got = run(
        message(
            1,
            11,
            sender=2,
            line=f"'join https://chat.whatsapp.com/{code}! or https://example.org/a_(b).'",
        ),
        f"INSERT INTO message_text VALUES (1, 'https://chat.whatsapp.com/{code}');",
        message(2, 11, sender=2, kind=24, line="NULL"),
        f"INSERT INTO message_group_invite VALUES (2, 6, 1, 'Old group', '{other}');",
        message(3, 11, sender=2, line="'see https://wa.me/447700900077'"),
        f"INSERT INTO message_quoted VALUES (3, 'K', 'chat.whatsapp.com/invite/{other}');",
    )
    rows = [
        (x.at.table, x.at.row, x.form, x.value, got.handle(x.thread), got.handle(x.account))
        for x in got.of(Lead)
    ]
    assert rows == [
        ("message", 1, "whatsapp_invite", code, "", ""),
        ("message", 1, "url", "https://example.org/a_(b)", "", ""),
        ("message_group_invite", 2, "whatsapp_invite", other, "447700900001-1461964508@g.us", ONE),
        ("message", 3, "url", "https://wa.me/447700900077", "", "447700900077@s.whatsapp.net"),
        ("message_quoted", 3, "whatsapp_invite", other, "", ""),
    ]
    assert {x.message for x in got.of(Lead)} == {m.id for m in got.of(Message)}


CARDS = """
CREATE TABLE message_location (message_row_id INTEGER PRIMARY KEY, latitude REAL, longitude REAL,
  place_name TEXT, place_address TEXT, url TEXT);
CREATE TABLE message_vcard (_id INTEGER PRIMARY KEY, message_row_id INTEGER, vcard TEXT);
CREATE TABLE message_ui_elements (_id INTEGER PRIMARY KEY, message_row_id INTEGER NOT NULL,
  element_type INTEGER, element_content TEXT);
INSERT INTO message (_id, chat_row_id, from_me, key_id, message_type, text_data) VALUES
  (1, 10, 0, 'A', 5, NULL), (2, 10, 0, 'B', 4, NULL), (3, 10, 0, 'C', 85, NULL), (4, 10, 0, 'D', 5, 'here'),
  (5, 10, 0, 'E', 85, NULL), (6, 10, 0, 'F', 5, NULL), (7, 10, 0, 'G', 4, NULL);
INSERT INTO message_location VALUES (1, -33.5, 151.25, ' The quay ', NULL, NULL),
  (4, 0, 0, NULL, NULL, NULL), (6, 'x', 2, NULL, NULL, 'https://example.org/place');
INSERT INTO message_vcard VALUES (1, 2, 'BEGIN:VCARD
FN:Ana
item1.TEL;waid=447700900003:+44 7700 900003
TEL:+44 7700 900003
tel;type=CELL:+44 7700 900004
END:VCARD'), (2, 7, 'no card at all'), (3, 99, 'FN:of no message');
INSERT INTO message_ui_elements VALUES
  (1, 3, 6, '{"title":"Hi","sub_title":"","description":"Read\nthis","n":{"buttons":[{"params":'
    || '"{\\"url\\":\\"https:\\\\/\\\\/example.com\\\\/x\\"}"}]}}'),
  (2, 5, 6, '{not json');
"""


def test_cards_that_mean_harm_say_nothing_and_cost_nothing() -> None:
    deep, long = "[" * 100_000, '{"title":"' + "x" * 300_000 + '"}'
    rows = (
        f"INSERT INTO message_ui_elements VALUES (3, 5, 6, '{deep}'), (4, 6, 6, '{long}'),"
        ' (5, 7, 6, \'{"title":{"a":[1]},"description":7}\');'
    )
    got = parse(whatsapp_android, SCHEMA + PEOPLE + CARDS + rows)
    said = {m.key: m.text for m in got.of(Message)}
    assert (said["C"], said["E"], said["F"], said["G"]) == ("Hi\nRead\nthis", "", "", "")


def test_words_that_stand_beside_the_message() -> None:
    got = parse(whatsapp_android, SCHEMA + PEOPLE + CARDS)
    assert {m.key: m.text for m in got.of(Message)} == {
        "A": "The quay, geo:-33.500000,151.250000", "B": "Ana, +44 7700 900003, +44 7700 900004",
        "C": "Hi\nRead\nthis", "D": "here", "E": "", "F": "", "G": "",
    }  # fmt: skip
    assert {lead.value for lead in got.of(Lead)} == {
        "https://example.com/x",
        "https://example.org/place",
    }
    assert got.warnings == ["1 rows of message_vcard belong to messages that are gone"]


def test_a_reply_tells_what_it_answers_also_where_that_is_gone() -> None:
    columns = ("message_row_id, chat_row_id, from_me, sender_jid_row_id, key_id, timestamp,"
               " message_type, text_data")  # fmt: skip
    got = parse(
        whatsapp_android,
        SCHEMA.replace(
            "key_id TEXT NOT NULL, text_data TEXT);",
            "key_id TEXT NOT NULL, text_data TEXT, chat_row_id INTEGER, from_me INTEGER,"
            " sender_jid_row_id INTEGER, timestamp INTEGER, message_type INTEGER);",
        ),
        PEOPLE,
        message(5, 11, sender=2),
        f"INSERT INTO message_quoted ({columns}) VALUES (5, 11, 0, 1, 'GONE', {T}, 0, 'the blue bag');",
        f"INSERT INTO message_quoted ({columns}) VALUES (4, 12, 1, 0, 'MINE', {T}, 1, NULL);",
    )
    alone, quote = sorted(got.of(Quote), key=lambda q: q.text)
    (reply,) = got.of(Message)
    assert quote.at == at("message_quoted", 5) and quote.message == reply.id
    assert (quote.key, quote.text, quote.form, quote.sent) == ("GONE", "the blue bag", "text", T)
    assert (got.handle(quote.sender), quote.thread) == (ONE, reply.thread)
    assert (alone.message, alone.key, alone.form) == ("", "MINE", "image")
    assert got.handle(alone.sender) == OWNER


def test_rows_that_the_app_hides_as_deleted() -> None:
    job = """CREATE TABLE deleted_chat_job (_id INTEGER PRIMARY KEY, chat_row_id INTEGER,
      deleted_message_row_id INTEGER, deleted_starred_message_row_id INTEGER,
      deleted_categories_message_row_id INTEGER, deleted_categories_starred_message_row_id INTEGER,
      deleted_message_categories TEXT);
    INSERT INTO deleted_chat_job VALUES (1, 11, 4, 2, NULL, NULL, NULL), (2, 12, 0, 0, 20, 0, '"1","3"');
    ALTER TABLE message ADD COLUMN starred INTEGER;
    CREATE TABLE message_ephemeral (message_row_id INTEGER PRIMARY KEY, duration INTEGER, expire_timestamp INTEGER);
    """
    rows = [
        message(1, 11, sender=1), message(2, 11, sender=1), message(3, 11, sender=1),
        message(4, 10), message(5, 11, sender=1), message(6, 12, sender=1, kind=1),
        message(7, 12, sender=1), message(8, 10), message(9, 10, stamp=T + 5000),
        "UPDATE message SET starred = 1 WHERE _id IN (2, 3);",
        f"INSERT INTO message_ephemeral VALUES (4, 60, {T + 4000}), (8, 60, {T + 6000});",
    ]  # fmt: skip
    got = run(job, *rows)
    states = {m.at.row: (m.at.state, m.at.method) for m in got.of(Message)}
    soft, live = ("deleted", "soft_deleted"), ("live", "")
    assert states == {
        1: soft, 2: soft, 3: live, 4: ("deleted", "expired"), 5: live, 6: soft, 7: live, 8: live, 9: live,
    }  # fmt: skip
