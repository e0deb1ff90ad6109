"""How fast a large WhatsApp database becomes records, beside WhatsApp-Chat-Exporter on the same file.

    .venv/bin/python benchmarks/parse_whatsapp.py [--messages 1000000] [--keep FOLDER] [--no-peer] [--no-run]

Builds a present-schema ``msgstore.db`` (groups, hidden ids, pictures with hash and preview, quotes, system
rows), then runs, each in a process of its own, one after the other:

* Amparo's parser alone: every record made, none stored;
* ``amparo run --only whatsapp_android``: the same through the sandbox into a case;
* WhatsApp-Chat-Exporter from PyPI, in its own environment: its ``messages`` and ``media`` functions, which
  build its chats in memory; no page is written.

Prints messages per second, by the clock and by processor time (the first means little on a busy machine),
and the largest process's peak memory.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

PEER = "whatsapp-chat-exporter"
GROUPS, PEOPLE, PRIVATE = 200, 3_000, 300
DAY = 86_400_000
START = 1_700_000_000_000

SCHEMA = """
CREATE TABLE jid (_id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, server TEXT NOT NULL,
  agent INTEGER, device INTEGER, type INTEGER, raw_string TEXT);
CREATE TABLE jid_map (lid_row_id INTEGER PRIMARY KEY NOT NULL, jid_row_id INTEGER NOT NULL, sort_id INTEGER);
CREATE TABLE chat (_id INTEGER PRIMARY KEY AUTOINCREMENT, jid_row_id INTEGER UNIQUE, hidden INTEGER,
  subject TEXT, created_timestamp INTEGER, archived INTEGER, sort_timestamp INTEGER);
CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER NOT NULL,
  from_me INTEGER NOT NULL, key_id TEXT NOT NULL, sender_jid_row_id INTEGER, status INTEGER,
  broadcast INTEGER, recipient_count INTEGER, participant_hash TEXT, origination_flags INTEGER,
  origin INTEGER, timestamp INTEGER, received_timestamp INTEGER, receipt_server_timestamp INTEGER,
  message_type INTEGER, text_data TEXT, starred INTEGER, lookup_tables INTEGER,
  sort_id INTEGER NOT NULL DEFAULT 0, message_add_on_flags INTEGER, view_mode INTEGER);
CREATE UNIQUE INDEX message_key_index ON message (chat_row_id, from_me, key_id, sender_jid_row_id);
CREATE TABLE message_media (message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, file_path TEXT,
  file_size INTEGER, media_key BLOB, width INTEGER, height INTEGER, message_url TEXT, mime_type TEXT,
  file_length INTEGER, media_name TEXT, file_hash TEXT, media_caption TEXT);
CREATE TABLE message_thumbnail (message_row_id INTEGER PRIMARY KEY, thumbnail BLOB);
CREATE TABLE media_hash_thumbnail (media_hash TEXT PRIMARY KEY, thumbnail BLOB);
CREATE TABLE message_quoted (message_row_id INTEGER PRIMARY KEY, chat_row_id INTEGER, from_me INTEGER,
  sender_jid_row_id INTEGER, key_id TEXT NOT NULL, timestamp INTEGER, message_type INTEGER, text_data TEXT);
CREATE TABLE message_quoted_media (message_row_id INTEGER PRIMARY KEY, thumbnail BLOB);
CREATE TABLE message_forwarded (message_row_id INTEGER PRIMARY KEY, forward_score INTEGER);
CREATE TABLE message_revoked (message_row_id INTEGER PRIMARY KEY, revoked_key_id TEXT, revoke_timestamp INTEGER);
CREATE TABLE message_edit_info (message_row_id INTEGER PRIMARY KEY, original_key_id TEXT,
  edited_timestamp INTEGER, sender_timestamp INTEGER);
CREATE TABLE message_text (message_row_id INTEGER PRIMARY KEY, url TEXT);
CREATE TABLE message_group_invite (message_row_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,
  admin_jid_row_id INTEGER, group_name TEXT, invite_code TEXT);
CREATE TABLE message_system (message_row_id INTEGER PRIMARY KEY, action_type INTEGER NOT NULL);
CREATE TABLE message_system_group (message_row_id INTEGER PRIMARY KEY, is_me_joined INTEGER);
CREATE TABLE message_system_chat_participant (message_row_id INTEGER, user_jid_row_id INTEGER);
CREATE TABLE message_system_value_change (message_row_id INTEGER PRIMARY KEY, old_data TEXT);
CREATE TABLE message_system_number_change (message_row_id INTEGER PRIMARY KEY, old_jid_row_id INTEGER,
  new_jid_row_id INTEGER);
CREATE TABLE message_location (message_row_id INTEGER PRIMARY KEY, latitude REAL, longitude REAL,
  place_name TEXT, place_address TEXT, url TEXT);
CREATE TABLE message_future (message_row_id INTEGER PRIMARY KEY, version INTEGER, data BLOB,
  future_message_type INTEGER);
CREATE TABLE message_vcard (_id INTEGER PRIMARY KEY, message_row_id INTEGER, vcard TEXT);
CREATE TABLE missed_call_logs (_id INTEGER PRIMARY KEY, message_row_id INTEGER, timestamp INTEGER,
  video_call INTEGER);
CREATE TABLE receipt_user (_id INTEGER PRIMARY KEY, message_row_id INTEGER, receipt_user_jid_row_id INTEGER,
  receipt_timestamp INTEGER, read_timestamp INTEGER, played_timestamp INTEGER);
CREATE UNIQUE INDEX receipt_user_index ON receipt_user (message_row_id, receipt_user_jid_row_id);
CREATE TABLE message_add_on (_id INTEGER PRIMARY KEY, chat_row_id INTEGER, parent_message_row_id INTEGER);
CREATE TABLE group_participant_user (_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,
  user_jid_row_id INTEGER, rank INTEGER, pending INTEGER, add_timestamp INTEGER);
CREATE TABLE group_past_participant_user (_id INTEGER PRIMARY KEY, group_jid_row_id INTEGER,
  user_jid_row_id INTEGER, is_leave INTEGER, timestamp INTEGER);
CREATE TABLE lid_display_name (lid_row_id INTEGER PRIMARY KEY, display_name TEXT, username TEXT);
CREATE TABLE props (_id INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT);
"""


def build(path: Path, messages: int) -> None:
    """A database of that many messages: 68 % text, 27 % pictures, 5 % system; a tenth are answers."""
    chance = random.Random(7)
    db = sqlite3.connect(path)
    db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
    jids, people = [], []
    for i in range(PEOPLE):
        hidden = i % 4 == 0
        user = f"{10**14 + i}" if hidden else f"1202555{100 + i % 100:04d}"[:7] + f"{i:04d}"
        server = "lid" if hidden else "s.whatsapp.net"
        jids.append((i + 1, user, server, 0, 0, 18 if hidden else 0, f"{user}@{server}"))
        people.append(i + 1)
    groups = range(PEOPLE + 1, PEOPLE + 1 + GROUPS)
    jids += [(g, f"1203630{g:011d}", "g.us", 0, 0, 1, f"1203630{g:011d}@g.us") for g in groups]
    db.executemany("INSERT INTO jid VALUES (?,?,?,?,?,?,?)", jids)
    db.executemany("INSERT INTO jid_map VALUES (?,?,?)", [(p, p + 1, p) for p in people[::8]])
    chats = [*groups, *people[1 : PRIVATE * 4 : 4]]
    db.executemany(
        "INSERT INTO chat VALUES (?,?,0,?,?,0,?)",
        [
            (i, j, f"group {j}" if j > PEOPLE else None, START, START)
            for i, j in enumerate(chats, 1)
        ],
    )
    members = {g: chance.sample(people, 60) for g in groups}
    db.executemany(
        "INSERT INTO group_participant_user (group_jid_row_id, user_jid_row_id, rank, pending, add_timestamp)"
        " VALUES (?,?,?,0,?)",
        [(g, m, int(n == 0) * 2, START) for g, ms in members.items() for n, m in enumerate(ms)],
    )
    words = [f"word{i}" for i in range(5_000)]
    noise = chance.randbytes(1 << 20)
    for first in range(1, messages + 1, 20_000):
        rows, media, thumbs, quoted, system, concerned, forwarded, receipts = ([] for _ in range(8))
        for i in range(first, min(first + 20_000, messages + 1)):
            n = chance.randrange(len(chats))
            group = chats[n] if chats[n] > PEOPLE else 0
            mine = int(chance.random() < 0.2)
            sender = chance.choice(members[group]) if group and not mine else 0
            stamp, kind = START + i * 20_000, chance.random()
            form = 0 if kind < 0.68 else 1 if kind < 0.95 else 7
            line = " ".join(chance.choices(words, k=9)) if form == 0 else None
            rows.append((i, n + 1, mine, f"{i:032X}", sender, 13 * mine, 0, 0, None, 0, 0, stamp, stamp + 300,
                         stamp + 200 if mine else -1, form, line, 0, 0, i, 0, 0))  # fmt: skip
            if form == 1:
                digest = base64.b64encode(hashlib.sha256(b"%d" % (i // 3)).digest()).decode()
                media.append((i, n + 1, f"Media/WhatsApp Images/IMG-2024-WA{i}.jpg", 90_000 + i % 999, b"k" * 32,
                              1200, 1600, None, "image/jpeg", 90_000 + i % 999, None, digest, None))  # fmt: skip
                at = chance.randrange(len(noise) - 700)
                thumbs.append((i, b"\xff\xd8\xff\xe0" + noise[at : at + 700]))
                if i % 3 == 0:
                    forwarded.append((i, i % 9))
            elif form == 0 and i % 7 == 0:
                quoted.append((i, n + 1, 0, 0, f"{i - 5:032X}", stamp, 0, "what was said"))
            elif form == 7:
                system.append((i, 12 if i % 2 else 13))
                concerned.append((i, sender or people[i % PEOPLE]))
            if mine:
                receipts.append((i, i, 1, stamp + 400, stamp + 900, None))
        for table, width, values in (
            ("message", 21, rows), ("message_media", 13, media), ("message_thumbnail", 2, thumbs),
            ("message_quoted", 8, quoted), ("message_system", 2, system), ("receipt_user", 6, receipts),
            ("message_system_chat_participant", 2, concerned), ("message_forwarded", 2, forwarded),
        ):  # fmt: skip
            db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * width)})", values)
    db.commit()
    db.close()


def ours(path: Path) -> dict[str, float]:
    """Every record of the file, made and dropped."""
    from amparo.kit.found import Found
    from amparo.kit.plugin import Warn
    from amparo.kit.source import Source
    from amparo.kit.sqlite import Database
    from amparo.model import Message
    from amparo.parse.whatsapp_android import whatsapp_android

    found = Found(exhibit="e" * 36, file="f" * 36, path="msgstore.db", content="c" * 36)
    start, cpu = time.perf_counter(), time.process_time()
    counts: dict[type, int] = {}
    with path.open("rb") as stream:
        source = Source(stream, path.stat().st_size)
        for record in whatsapp_android(Database(source), found):
            counts[type(record)] = counts.get(type(record), 0) + 1
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    warned = counts.pop(Warn, 0)
    return {
        "seconds": seconds,
        "cpu": cpu,
        "messages": counts[Message],
        "records": sum(counts.values()),
        "warnings": warned,
    }


THEIRS = """
import json, resource, sqlite3, sys, time
from Whatsapp_Chat_Exporter import android_handler as handler
from Whatsapp_Chat_Exporter.data_model import ChatCollection, Timing
from Whatsapp_Chat_Exporter.utility import CURRENT_TZ_OFFSET, check_jid_map, get_transcription_selection
start, cpu = time.perf_counter(), time.process_time()
chats = ChatCollection()
with sqlite3.connect(sys.argv[1]) as db:
    db.row_factory = sqlite3.Row
    db.text_factory = lambda b: b.decode(encoding="utf-8", errors="replace")
    chats.set_system("jid_map_exists", check_jid_map(db))
    chats.set_system("transcription_selection", get_transcription_selection(db))
    handler.messages(db, chats, "WhatsApp", Timing(CURRENT_TZ_OFFSET), None, (None, None), None, False)
    handler.media(db, chats, "WhatsApp", None, (None, None), None, False, False)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
count = sum(len(chat) for chat in chats.values())
print(json.dumps({"seconds": seconds, "cpu": cpu, "messages": count,
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def peer(path: Path, folder: Path) -> dict[str, float] | str:
    """WhatsApp-Chat-Exporter's own parsing of the same file; a sentence where it could not be run."""
    home = folder / "peer"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PEER]
        if done := subprocess.run(install, capture_output=True, text=True).returncode:
            return f"could not be installed (pip exit {done})"
    result = subprocess.run(
        [str(python), "-c", THEIRS, str(path)], capture_output=True, text=True, cwd=folder
    )
    if result.returncode:
        return "stopped: " + (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    answer: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return answer


def through(path: Path, folder: Path) -> dict[str, float] | str:
    """The parser's own part of ``amparo run``: cell, wire, checks, case. A sentence where that failed."""
    exhibit, case = folder / "exhibit", folder / "bench.amparo"
    exhibit.mkdir()
    (exhibit / "msgstore.db").hardlink_to(path)
    first = [["new", case], ["add", case, exhibit], ["run", case, "--stage", "fingerprint"]]
    for arguments in [*first, ["run", case, "--only", "whatsapp_android"]]:
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        call = [sys.executable, "-m", "amparo", *map(str, arguments)]
        done = subprocess.run(call, capture_output=True, text=True)
        if done.returncode > 1:
            return f"amparo {arguments[0]} stopped: {(done.stderr or done.stdout).strip()[-200:]}"
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    with sqlite3.connect(f"file:{case / 'case.db'}?mode=ro", uri=True) as db:
        messages = db.execute("SELECT count(*) FROM message").fetchone()[0]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "messages": messages, "mb": after.ru_maxrss / 1024}


def main() -> None:
    """Build, measure, print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--keep", type=Path, help="folder to build in and keep")
    options.add_argument("--no-peer", action="store_true")
    options.add_argument("--no-run", action="store_true")
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        answer = ours(chosen.one)
        answer["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        path = folder / f"msgstore-{chosen.messages}.db"
        if not path.exists():
            build(path, chosen.messages)
        print(f"{path.name}: {chosen.messages:,} messages, {path.stat().st_size / 1e6:,.0f} MB")
        line = [sys.executable, __file__, "--one", str(path)]
        alone = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
        results: list[tuple[str, dict[str, float] | str]] = [("amparo, parser alone", alone)]
        if not chosen.no_peer:
            results.append((PEER, peer(path, folder)))
        if not chosen.no_run:
            results.append(("amparo run --only (stored)", through(path, folder)))
    for name, result in results:
        if isinstance(result, str):
            print(f"{name:28} {result}")
            continue
        more = f", {result['records']:,.0f} records" if "records" in result else ""
        print(
            f"{name:28} {result['messages'] / result['seconds']:>8,.0f} messages/s, by processor time"
            f" {result['messages'] / result['cpu']:>8,.0f}/s; {result['seconds']:7.1f} s, peak"
            f" {result['mb']:6,.0f} MB ({result['messages']:,.0f} messages{more})"
        )


if __name__ == "__main__":
    main()
