"""WhatsApp databases that are incomplete, damaged or made to harm: read as far as they go, and said so."""

from pathlib import Path

from amparo.model import (
    Account,
    Alias,
    Attachment,
    Membership,
    Message,
    Preview,
    Record,
    Thread,
    ThreadInfo,
    describe,
)
from amparo.parse.whatsapp_android import whatsapp_android
from parsing import database_bytes, parse, with_log
from test_parse_android import BARE, ONE, OWNER, PEOPLE, SCHEMA, message, run, the


def test_a_database_with_almost_nothing_is_read() -> None:
    got = parse(whatsapp_android, BARE)
    assert [(m.key, got.handle(m.thread), got.handle(m.sender)) for m in got.of(Message)] == [
        ("K1", "unknown-chat-5@exhibit-1", ""), ("K2", "unknown-chat-5@exhibit-1", OWNER)]  # fmt: skip
    missing = [w for w in got.warnings if w.startswith("not in this database: ")]
    assert len(missing) == 1 and "jid_map" in missing[0] and "message.text_data" in missing[0]
    assert "1 chats are known by their number only, their address is gone" in got.warnings


def test_rows_that_refer_to_nothing_are_kept() -> None:
    got = run(message(1, 999), message(2, 999, sender=888), message(3, 10), "DELETE FROM jid WHERE _id = 5;",
              message(4, 11, sender=2))  # fmt: skip
    assert [got.handle(m.thread) for m in got.of(Message)] == [
        "unknown-chat-999@exhibit-1", "unknown-chat-999@exhibit-1", f"{OWNER}|{ONE}", "unknown-chat-11@exhibit-1"]  # fmt: skip
    assert [i.subject for i in got.of(ThreadInfo) if "unknown" in got.handle(i.thread)] == [
        "New group"
    ]
    assert got.warnings == ["2 addresses are gone that rows refer to",
                            "2 chats are known by their number only, their address is gone"]  # fmt: skip


def test_the_dummy_row_and_only_it_is_left_out() -> None:
    got = run(message(1, -1, key="-1", stamp="NULL"), message(2, 10, key="-1"), message(3, 10))
    assert [m.at.row for m in got.of(Message)] == [2, 3]


def test_wrong_types_everywhere() -> None:
    got = run(
        message(
            1,
            "'chat'",
            mine="'yes'",
            sender="x'0102'",
            kind="'1'",
            line="x'ff41'",
            stamp="'yesterday'",
        ),  # type: ignore[arg-type]
        message(2, 10, stamp=2**63 - 1, line="17"),
        message(3, 10, stamp=-5, line="x'c3'"),
        "INSERT INTO message_media VALUES (1, x'ff', 'big', x'00', 1e300, 7, -1, x'fe', x'00', x'c3a9');"
        "INSERT INTO message_forwarded VALUES (2, 'many'); INSERT INTO message_edit_info VALUES (2, 1, 'late', 2);"
        "INSERT INTO message_system VALUES (3, 'twelve'); INSERT INTO message_thumbnail VALUES (3, 'no blob');"
        "INSERT INTO group_participant_user VALUES (1, 'g', 'u', 'r', 'p', 't');"
        "INSERT INTO jid_map VALUES (1, 1, 1), (2, 3, 1);"
        "INSERT INTO chat VALUES (77, 'x', 0, x'ff', 'then');",
    )
    first, second, third = got.of(Message)
    assert (first.text, first.sent, first.form) == ("\\xffA", None, "image")
    assert (second.text, second.sent, second.forward_score, second.edited) == (
        "17",
        None,
        None,
        None,
    )
    assert (third.text, third.sent) == ("\\xc3", None)
    attachment = the(Attachment, got)
    assert (attachment.path, attachment.size, attachment.height, attachment.caption) == (
        "\\xff",
        -1,
        None,
        "é",
    )
    assert "3 times lie outside any calendar" in got.warnings
    assert len(got.of(Alias)) == 1


def test_ids_at_both_ends_of_the_numbers() -> None:
    least, most = -(2**63), 2**63 - 1
    got = run(message(least, 10), message(most, 10), message(-1, 10), message(0, 10),
              f"INSERT INTO message_media (message_row_id, file_path) VALUES ({least}, 'least'), ({most}, 'most'), (0, 'nought');")  # fmt: skip
    assert [m.at.row for m in got.of(Message)] == [least, -1, 0, most]
    assert [(a.path, a.message) for a in got.of(Attachment)] == [
        ("least", got.of(Message)[0].id), ("nought", got.of(Message)[2].id), ("most", got.of(Message)[3].id)]  # fmt: skip


def test_a_text_longer_than_any_message_is_cut() -> None:
    got = run(message(1, 10, line="hex(zeroblob(150000))"))
    assert len(the(Message, got).text) == 200_000
    assert got.warnings == ["1 texts were cut to 200,000 characters"]


def test_side_tables_without_their_key_or_order() -> None:
    loose = SCHEMA.replace(
        "message_media (message_row_id INTEGER PRIMARY KEY", "message_media (message_row_id INTEGER"
    )
    got = parse(whatsapp_android, loose, PEOPLE, message(1, 10, kind=1), message(2, 10, kind=1),
                "INSERT INTO message_media (message_row_id, file_path) VALUES (2,'b'), (1,'a'), (2,'c');")  # fmt: skip
    numbers = {m.id: m.at.row for m in got.of(Message)}
    assert [(numbers[a.message], a.path, a.at.row) for a in got.of(Attachment)] == [
        (1, "a", 2),
        (2, "b", 1),
        (2, "c", 3),
    ]


def test_views_and_triggers_are_never_run() -> None:
    got = run(
        message(1, 10),
        "CREATE VIEW message_vcard AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n;"
        "DROP TABLE message_media; CREATE VIEW message_media AS SELECT _id AS message_row_id, 'planted' AS file_path FROM message;"
        "CREATE TRIGGER loop AFTER INSERT ON props BEGIN INSERT INTO props VALUES (NULL, new.key || 'x', 1); END;",
    )
    assert got.of(Attachment) == [] and len(got.of(Message)) == 1
    (told,) = got.warnings
    assert told.startswith("not in this database: ") and "message_media," in told


def test_a_damaged_side_table_costs_no_message() -> None:
    rows = "".join(message(i, 10, kind=1) for i in range(1, 401))
    media = "".join(f"INSERT INTO message_media (message_row_id, file_path) VALUES ({i}, 'path-{i:04d}{'-' * 200}');"
                    for i in range(1, 401))  # fmt: skip
    data = bytearray(database_bytes(SCHEMA, PEOPLE, rows, media))
    page = data.index(b"path-0200") // 4096
    data[page * 4096 : (page + 1) * 4096] = b"\xaa" * 4096
    got = parse(whatsapp_android, data=bytes(data))
    assert len(got.of(Message)) == 400 and 360 < len(got.of(Attachment)) < 400
    assert [w for w in got.warnings if w.startswith("message_media: ")]


def test_rows_that_only_the_log_holds(tmp_path: Path) -> None:
    data, log = with_log(
        tmp_path,
        SCHEMA + PEOPLE + message(1, 10),
        message(2, 11, sender=2) + "DELETE FROM message WHERE _id = 1;",
    )
    assert [m.at.row for m in parse(whatsapp_android, data=data, log=log).of(Message)] == [2]
    assert [m.at.row for m in parse(whatsapp_android, data=data).of(Message)] == [1]


def test_all_values_have_the_types_of_their_fields() -> None:
    """What the wire demands of every record, on the worst of the databases here."""
    got = run(
        message(1, 10, line="x'ff'", key="K"), message(2, 11, mine=1, kind=7, sender=1),
        "INSERT INTO message_system VALUES (2, 12); INSERT INTO message_media VALUES (1,1,2.0,3,4,5,6,7,8,9);"
        "INSERT INTO message_thumbnail VALUES (1, x'01'); INSERT INTO group_participant_user VALUES (1,5,1,2.0,0,1.5e12);",
    )  # fmt: skip
    assert {type(r) for r in got.records} >= {
        Account,
        Thread,
        Message,
        Attachment,
        Preview,
        Membership,
    }
    for record in got.records:
        assert isinstance(record, Record)
        for f in describe(type(record)):
            value = getattr(record, f.name)
            assert type(value) is f.type or (f.optional and value is None), (f.name, record)
