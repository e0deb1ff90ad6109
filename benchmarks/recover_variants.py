"""Databases in which messages were deleted in the ways that matter, with what must come back.

Every variant is made with secure_delete, auto_vacuum and the journal mode set by hand: builds of SQLite
differ in their defaults (Debian's and Android's overwrite what is deleted). The ceiling is computed from
bytes alone: a deleted row counts where its key and its text still stand somewhere in the files (a row without text,
and one whose text runs over pages: its key with its time beside it, since keys alone also stand in
indexes).

    python benchmarks/recover_variants.py FOLDER [ROWS]
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TABLES = """
CREATE TABLE jid (_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, server TEXT NOT NULL,
 agent INTEGER, device INTEGER, type INTEGER, raw_string TEXT);
CREATE TABLE chat (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER UNIQUE, hidden INTEGER,
 subject TEXT, created_timestamp INTEGER, sort_timestamp INTEGER);
CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL,
 from_me INTEGER NOT NULL, key_id TEXT NOT NULL, sender_jid_row_id INTEGER, status INTEGER,
 broadcast INTEGER, recipient_count INTEGER, participant_hash TEXT, origination_flags INTEGER,
 origin INTEGER, timestamp INTEGER, received_timestamp INTEGER, receipt_server_timestamp INTEGER,
 message_type INTEGER, text_data TEXT, starred INTEGER, lookup_tables INTEGER,
 message_add_on_flags INTEGER, sort_id INTEGER NOT NULL DEFAULT 0);
CREATE INDEX message_chat_sort_id_index ON message (chat_row_id, sort_id);
CREATE INDEX message_sort_id_index ON message (sort_id);
CREATE UNIQUE INDEX message_key_index ON message (chat_row_id, from_me, key_id, sender_jid_row_id);
CREATE INDEX message_starred_index ON message (starred);
CREATE INDEX message_type_chat_index ON message (chat_row_id, message_type);
CREATE INDEX message_chat_id_index ON message (chat_row_id, _id);
CREATE INDEX message_type_index ON message (message_type);
"""
CASCADE = """
CREATE TABLE message_quoted (message_row_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER,
 from_me INTEGER NOT NULL, sender_jid_row_id INTEGER, key_id TEXT NOT NULL, timestamp INTEGER,
 message_type INTEGER, text_data TEXT);
CREATE TABLE message_media (message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, file_path TEXT,
 file_size INTEGER, mime_type TEXT, file_hash TEXT);
CREATE TABLE receipt_user (_id INTEGER PRIMARY KEY AUTOINCREMENT, message_row_id INTEGER NOT NULL,
 receipt_user_jid_row_id INTEGER NOT NULL, receipt_timestamp INTEGER, read_timestamp INTEGER);
CREATE VIRTUAL TABLE message_ftsv2 USING FTS4(content, fts_jid, fts_namespace);
CREATE TRIGGER message_bd_for_message_quoted_trigger BEFORE DELETE ON message BEGIN
 DELETE FROM message_quoted WHERE message_row_id=old._id; END;
CREATE TRIGGER message_bd_for_message_media_trigger BEFORE DELETE ON message BEGIN
 DELETE FROM message_media WHERE message_row_id=old._id; END;
CREATE TRIGGER message_bd_for_receipt_user_trigger BEFORE DELETE ON message BEGIN
 DELETE FROM receipt_user WHERE message_row_id=old._id; END;
CREATE TRIGGER message_bd_for_message_ftsv2_trigger BEFORE DELETE ON message BEGIN
 DELETE FROM message_ftsv2 WHERE docid=old._id; END;
"""
COLUMNS = str.split(
    "_id chat_row_id from_me key_id sender_jid_row_id status broadcast recipient_count "
    "participant_hash origination_flags origin timestamp received_timestamp "
    "receipt_server_timestamp message_type text_data starred lookup_tables message_add_on_flags "
    "sort_id"
)
_WORDS = str.split(
    "kto ist das haus morgen kommt niemand der zug fährt später bring the blue bag to station seven "
    "we leave at nine nobody knows mañana nos vemos en la plaza con los demás quizás llueve "
    "завтра встреча на старом месте никому не говори пакет у вокзала "
    "明日 駅で 会う 約束 時間 は まだ 未定 "
    "ليلة السفر قريبة نلتقي عند الباب "
    "हम कल मिलेंगे पुराने बाजार में शाम को 😀 🚆 🌧️ 📦"
)


@dataclass
class Variant:
    """One database as it would be seized, and the truth about it."""

    name: str
    folder: Path
    deleted: dict[int, tuple[object, ...]]
    """Row number to the row that was deleted."""
    live: dict[int, tuple[object, ...]] = field(default_factory=dict)
    ceiling: set[int] = field(default_factory=set)
    sibling: Path | None = None

    @property
    def database(self) -> Path:
        """The main file; log and journal lie beside it."""
        return self.folder / "msgstore.db"


class Writer:
    """Invented messages: six languages, emoji, files without a text."""

    def __init__(self, seed: str, long: bool = False) -> None:
        self._random = random.Random(seed)
        self._long = long
        self._time = 1_650_000_000_000

    def text(self, number: int) -> str:
        """A text that occurs once."""
        words = self._random.choices(_WORDS, k=self._random.randint(2, 24))
        if self._long and number % 2:
            words = self._random.choices(_WORDS, k=self._random.randint(400, 6000))
        return f"{' '.join(words)} {number}x{self._random.randrange(10**6)}"

    def row(self, number: int) -> tuple[object, ...]:
        """One row of ``message``."""
        pick = self._random
        self._time += pick.randrange(1000, 90_000_000)
        media = number % 7 == 3
        mine = pick.randrange(2)
        key = f"{pick.getrandbits(128):032X}"
        return (
            number, pick.randint(1, 40), mine, key, 0 if mine else pick.randint(1, 60),
            13 if mine else 0, 0, 0, None, 0, 0, self._time, self._time + 400,
            self._time + 300 if mine else -1, 1 if media else 0, None if media else self.text(number),
            0, 0, None, number,
        )  # fmt: skip


def connect(path: Path, *, secure: int, vacuum: int, journal: str) -> sqlite3.Connection:
    """A new database with every default that matters set by hand."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size=4096")
    db.execute(f"PRAGMA auto_vacuum={vacuum}")
    db.execute(f"PRAGMA journal_mode={journal}")
    db.execute(f"PRAGMA secure_delete={secure}")
    db.execute("PRAGMA synchronous=OFF")
    return db


def fill(db: sqlite3.Connection, rows: list[tuple[object, ...]], cascade: bool = False) -> None:
    """Tables, addresses, chats and messages."""
    db.executescript(TABLES + (CASCADE if cascade else ""))
    jids = [
        (i, f"35840000{i:04}", "s.whatsapp.net", 0, 0, 0, f"35840000{i:04}@s.whatsapp.net")
        for i in range(1, 101)
    ]
    db.execute("BEGIN")
    db.executemany("INSERT INTO jid VALUES (?,?,?,?,?,?,?)", jids)
    db.executemany(
        "INSERT INTO chat VALUES (?,?,0,?,?,?)",
        [
            (i, 100 - i, f"group {i}" if i % 3 == 0 else None, 10**12 + i, 10**12 + i)
            for i in range(1, 41)
        ],
    )
    insert(db, rows)
    db.execute("COMMIT")


def insert(db: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    """Messages, row by row."""
    db.executemany(f"INSERT INTO message VALUES ({','.join('?' * 20)})", rows)


def remove(db: sqlite3.Connection, numbers: list[int], each: int = 0) -> None:
    """Delete messages in one transaction, or ``each`` at a time."""
    for i in range(0, len(numbers), each or len(numbers)):
        db.execute("BEGIN")
        db.executemany(
            "DELETE FROM message WHERE _id=?",
            [(n,) for n in numbers[i : i + (each or len(numbers))]],
        )
        db.execute("COMMIT")


def seize(db: sqlite3.Connection, work: Path, to: Path) -> None:
    """Copy the files as they lie, while the application still runs; then close it."""
    to.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-journal"):
        file = work.with_name(work.name + suffix)
        if file.exists():
            shutil.copy(file, to / f"msgstore.db{suffix}")
    db.close()


def make(name: str, folder: Path, rows: int = 2000) -> Variant:
    """One of the variants A to M by name; its files are left in ``folder``/``name``."""
    work = folder / f"work-{name}" / "msgstore.db"
    shutil.rmtree(work.parent, ignore_errors=True)
    shutil.rmtree(folder / name, ignore_errors=True)
    work.parent.mkdir(parents=True)
    writer = Writer(name, long=name.startswith("J"))
    held = [writer.row(i) for i in range(1, rows + 1)]
    many = rows // 4
    pick = random.Random(name + "deleted")
    if name in ("B", "J2", "K2"):
        gone = list(range(rows // 2 - many // 2, rows // 2 - many // 2 + many))
    elif name == "C":
        gone = list(range(1, rows + 1))
    else:
        gone = sorted(pick.sample(range(1, rows + 1), many))
    variant = Variant(name, folder / name, {n: held[n - 1] for n in gone})
    MAKERS[name](variant, work, held, gone, writer)
    shutil.rmtree(work.parent)
    variant.live = {r[0]: r for r in held if r[0] not in variant.deleted}
    variant.ceiling = ceiling(variant)
    return variant


Held = list[tuple[object, ...]]


def _plain(secure: int = 0, vacuum: int = 0, journal: str = "DELETE") -> Callable[..., None]:
    def build(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
        db = connect(work, secure=secure, vacuum=vacuum, journal=journal)
        fill(db, held)
        remove(db, gone)
        seize(db, work, variant.folder)

    return build


def _dropped(variant: Variant, work: Path, held: Held, gone: list[int], writer: Writer) -> None:
    db = connect(work, secure=0, vacuum=0, journal="DELETE")
    fill(db, held)
    db.execute("DROP TABLE message")
    seize(db, work, variant.folder)
    sibling = variant.folder / "sibling.db"
    db = connect(sibling, secure=1, vacuum=0, journal="DELETE")
    other = Writer("sibling")
    fill(db, [other.row(i) for i in range(1, 61)])
    db.close()
    variant.sibling = sibling
    held.clear()


def _in_log(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    db = connect(work, secure=0, vacuum=0, journal="WAL")
    fill(db, held)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA wal_autocheckpoint=0")
    remove(db, gone, each=10)
    seize(db, work, variant.folder)


def _within_log(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    db = connect(work, secure=1, vacuum=0, journal="WAL")
    fill(db, [r for r in held if r[0] not in variant.deleted])
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA wal_autocheckpoint=0")
    for i in range(0, len(gone), 25):
        db.execute("BEGIN")
        insert(db, [variant.deleted[n] for n in gone[i : i + 25]])
        db.execute("COMMIT")
    remove(db, gone, each=25)
    seize(db, work, variant.folder)


def _stale_log(variant: Variant, work: Path, held: Held, gone: list[int], writer: Writer) -> None:
    db = connect(work, secure=1, vacuum=0, journal="WAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    fill(db, [r for r in held if r[0] not in variant.deleted])
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for i in range(0, len(gone), 25):
        db.execute("BEGIN")
        insert(db, [variant.deleted[n] for n in gone[i : i + 25]])
        db.execute("COMMIT")
    remove(db, gone, each=25)
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    extra = writer.row(len(held) + 1)
    insert(db, [extra])  # the log starts again from its beginning
    held.append(extra)
    seize(db, work, variant.folder)


def _hot_journal(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    db = connect(work, secure=1, vacuum=0, journal="DELETE")
    fill(db, held)
    db.execute("PRAGMA cache_size=5")
    db.execute("PRAGMA cache_spill=1")
    db.execute("BEGIN")
    db.executemany("DELETE FROM message WHERE _id=?", [(n,) for n in gone])
    db.execute("PRAGMA cache_spill=1")
    for index in (
        "NOT INDEXED",
        "INDEXED BY message_key_index",
    ):  # reading drives changes to the file
        db.execute(f"SELECT max(key_id || sort_id) FROM message {index}").fetchall()
    for name in ("jid", "chat"):
        db.execute(f"SELECT * FROM {name}").fetchall()
    variant.folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-journal"):
        shutil.copy(work.with_name(work.name + suffix), variant.folder / f"msgstore.db{suffix}")
    db.execute("ROLLBACK")
    db.close()


def _zeroed_journal(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    db = connect(work, secure=1, vacuum=0, journal="PERSIST")
    fill(db, held)
    remove(db, gone)
    seize(db, work, variant.folder)


def _vacuumed(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    db = connect(work, secure=0, vacuum=0, journal="DELETE")
    fill(db, held)
    remove(db, gone)
    db.execute("VACUUM")
    seize(db, work, variant.folder)


def _written_over(
    variant: Variant, work: Path, held: Held, gone: list[int], writer: Writer
) -> None:
    db = connect(work, secure=0, vacuum=0, journal="DELETE")
    fill(db, held)
    remove(db, gone)
    fresh = [writer.row(i) for i in range(len(held) + 1, len(held) + 1 + len(gone) // 2)]
    db.execute("BEGIN")
    insert(db, fresh)
    db.execute("COMMIT")
    held += fresh
    seize(db, work, variant.folder)


def _android(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    """As on a phone: secure_delete, auto_vacuum, a log, triggers that delete what belongs to a message."""
    db = connect(work, secure=1, vacuum=1, journal="WAL")
    fill(db, [], cascade=True)
    db.execute("PRAGMA wal_autocheckpoint=1000")
    pick = random.Random("android")
    for row in held:
        number, text = row[0], row[15]
        db.execute("BEGIN")
        insert(db, [row])
        if text is not None:
            db.execute(
                "INSERT INTO message_ftsv2(docid, content, fts_jid, fts_namespace) VALUES (?,?,?,?)",
                (number, str(text).lower(), row[1], "1"),
            )
        else:
            path = f"Media/WhatsApp Images/IMG-{number}.jpg"
            db.execute(
                "INSERT INTO message_media VALUES (?,?,?,?,?,?)",
                (number, row[1], path, 1000, "image/jpeg", row[3]),
            )
        db.execute("INSERT INTO receipt_user VALUES (NULL,?,?,?,?)", (number, 3, row[11], row[11]))
        if pick.random() < 0.12 and isinstance(number, int) and number > 5:
            old = held[number - 1 - pick.randint(1, 4)]
            quoted = (number, old[1], old[2], old[4], old[3], old[11], old[14], old[15])
            db.execute("INSERT INTO message_quoted VALUES (?,?,?,?,?,?,?,?)", quoted)
        db.execute("COMMIT")
    remove(db, gone, each=5)
    if variant.name == "M2":
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nothing is left in the log
    seize(db, work, variant.folder)


def genuine(name: str) -> list[str]:
    """The CREATE statements of a public database of a real phone; none where the test data is not here.

    ``N``: 144 tables, 87 indexes and 100 triggers of 2022; ``O``: the tables of a dump of 2026. Triggers that
    delete what belonged to a message stood on the old table of messages then; they stand on the new one here,
    as in later versions.
    """
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    data = Path(os.environ.get("AMPARO_TEST_DATA", beside)) / "whatsapp"
    if name.startswith("O"):
        dump = data / "whatsapp-android_2026-01" / "msgstore.sql"
        text = dump.read_text("utf-8") if dump.is_file() else ""
        return re.findall(r"^CREATE TABLE.*?\);$", text, re.S | re.M)
    source = data / "encrypted-backups" / "msgstore.db"
    if not source.is_file():
        return []
    db = sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    db.close()
    virtual = [n for _, n, sql in rows if sql.upper().startswith("CREATE VIRTUAL")]
    order = {"table": 0, "index": 1, "trigger": 2, "view": 3}
    out = []
    for kind, label, sql in sorted(rows, key=lambda r: order[r[0]]):
        shadow = any(label.startswith(f"{v}_") for v in virtual)
        if label.startswith("sqlite_") or shadow or label == "messages_bd_for_message_trigger":
            continue
        if kind == "trigger" and "old._id" in sql:
            sql = sql.replace("DELETE ON messages BEGIN", "DELETE ON message BEGIN")
        out.append(sql)
    return out


def _put(db: sqlite3.Connection, table: str, **values: object) -> None:
    """A row with these values, as far as the table has such columns; those it demands are 0."""
    info = db.execute(f"PRAGMA table_info({table})").fetchall()
    row = {n: 0 for _, n, _, must, default, key in info if must and default is None and not key}
    row |= {n: v for n, v in values.items() if n in {i[1] for i in info}}
    if row:
        places = ",".join("?" * len(row))
        db.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({places})", list(row.values()))


def _genuine(variant: Variant, work: Path, held: Held, gone: list[int], _: Writer) -> None:
    """As M, with the structure of a real phone's database: every table, index and trigger."""
    db = connect(work, secure=1, vacuum=1, journal="WAL")
    db.execute("BEGIN")
    for statement in genuine(variant.name):
        db.execute(statement)
    for i in range(1, 101):
        user = f"35840000{i:04}"
        _put(db, "jid", user=user, server="s.whatsapp.net", raw_string=f"{user}@s.whatsapp.net")
    for i in range(1, 41):
        _put(db, "chat", jid_row_id=100 - i, subject=f"group {i}", created_timestamp=10**12 + i)
    db.execute("COMMIT")
    indexed = db.execute("SELECT 1 FROM sqlite_master WHERE name='message_ftsv2'").fetchone()
    pick = random.Random("android")
    for row in held:
        number, text = row[0], row[15]
        db.execute("BEGIN")
        _put(db, "message", **dict(zip(COLUMNS, row, strict=True)))
        more = {"message_row_id": number, "chat_row_id": row[1]}
        if text is None:
            path = f"Media/WhatsApp Images/IMG-{number}.jpg"
            _put(db, "message_media", **more, file_path=path, file_size=1000, file_hash=row[3])
        elif indexed:
            values = (number, str(text).lower(), row[1], "1")
            db.execute(
                "INSERT INTO message_ftsv2(docid, content, fts_jid, fts_namespace) VALUES (?,?,?,?)",
                values,
            )
        if indexed:
            _put(db, "receipt_user", **more, receipt_user_jid_row_id=3, receipt_timestamp=row[11])
        if pick.random() < 0.12 and isinstance(number, int) and number > 5:
            old = held[number - 1 - pick.randint(1, 4)]
            _put(
                db, "message_quoted", message_row_id=number, chat_row_id=old[1],
                parent_message_chat_row_id=row[1], from_me=old[2], sender_jid_row_id=old[4],
                key_id=old[3], timestamp=old[11], message_type=old[14], text_data=old[15],
            )  # fmt: skip
        db.execute("COMMIT")
    remove(db, gone, each=5)
    if variant.name.endswith("2"):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    seize(db, work, variant.folder)


MAKERS: dict[str, Callable[..., None]] = {
    "A": _plain(), "B": _plain(), "C": _dropped, "D": _in_log, "E": _within_log, "F": _stale_log,
    "G1": _hot_journal, "G2": _zeroed_journal, "H": _vacuumed, "I": _plain(secure=1, journal="OFF"),
    "J": _plain(), "J2": _plain(), "K": _plain(vacuum=1), "K2": _plain(vacuum=1),
    "L": _written_over, "M": _android, "M2": _android,
    **dict.fromkeys((n for n in ("N", "N2", "O", "O2") if genuine(n)), _genuine),
}  # fmt: skip


def ceiling(variant: Variant) -> set[int]:
    """Deleted rows whose key and whole text still stand in the bytes of the files."""
    files = sorted(variant.folder.glob("msgstore.db*"))
    data = b"\0".join(f.read_bytes() for f in files)
    found = set()
    for number, row in variant.deleted.items():
        key, text = str(row[3]).encode(), row[15]
        if text is None or variant.name[0] == "J":
            stamp = re.escape(int(str(row[11])).to_bytes(6, "big"))
            if not re.search(key + b".{0,12}" + stamp, data, re.S):
                continue
        body = str(text or "").encode()
        if key not in data:
            continue
        if body in data or (variant.name[0] == "J" and _pieces(body, data)):
            found.add(number)
    return found


def _pieces(body: bytes, data: bytes) -> bool:
    """Whether a text that runs over pages is there: in stretches of a page, each found somewhere."""
    at = 0
    while at < len(body):
        step = 4092
        low, high = 0, min(step, len(body) - at)
        if body[at : at + high] in data:
            at += high
            continue
        while low < high:  # the longest stretch from here on
            middle = (low + high + 1) // 2
            if body[at : at + middle] in data:
                low = middle
            else:
                high = middle - 1
        if low < 30:
            return False
        at += low
    return True


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("rows", type=int, nargs="?", default=2000)
    given = options.parse_args()
    for each in MAKERS:
        made = make(each, given.folder, given.rows)
        print(f"{each:3} deleted {len(made.deleted):5} ceiling {len(made.ceiling):5}")
