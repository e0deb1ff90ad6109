"""Parsers of applications, over sound databases with unlikely cells, and of texts."""

from __future__ import annotations

import sqlite3
from functools import cache

from amparo.kit.plugin import PluginFunction
from amparo.kit.source import Source
from amparo.kit.sqlite import Database
from amparo.parse.web_page import web_page
from amparo.parse.whatsapp_android import whatsapp_android
from amparo.parse.whatsapp_contacts import whatsapp_contacts
from amparo.parse.whatsapp_legacy import whatsapp_legacy
from amparo.parse.whatsapp_preferences import whatsapp_preferences
from amparo.recover.ghost import recover_with
from amparo.replay.ddl import CONTACTS, LEGACY, PRESENT
from fuzz import mutate
from fuzz.cell import FILE, heard
from fuzz.target import target

_JIDS = (
    "447700900001@s.whatsapp.net", "447700900002@s.whatsapp.net", "77000000000003@lid",
    "120363000000000005@g.us", "447700900001-1461964508@g.us", "status@broadcast",
)  # fmt: skip
_T = 1_700_000_000_000
_LINK = "https://chat.whatsapp.com/ABCDEFGHIJKLMNOPQRSTUV"


def _filled(schema: str) -> bytes:
    """A database in which every table has rows that refer to one another, a column at a time by its name."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA page_size=512")
    db.execute("PRAGMA secure_delete=0")
    db.executescript(schema)
    names = [str(n) for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in names:
        if table.startswith("sqlite_"):
            continue
        columns = [(str(r[1]), str(r[2])) for r in db.execute(f"PRAGMA table_info({table})")]
        for row in range(1, 6):
            values = [_value(name, form, row) for name, form in columns]
            marks = ", ".join("?" for _ in values)
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
    for name in {"message", "messages", "wa_contacts"} & set(names):
        db.execute(f"DELETE FROM {name} WHERE _id IN (2, 3)")
    data: bytes = db.serialize()
    db.close()
    return data


def _value(name: str, form: str, row: int) -> object:
    low = name.lower()
    if low in ("raw_string", "jid", "gjid", "key_remote_jid", "remote_resource", "sender_jid"):
        return _JIDS[row % len(_JIDS)]
    if "text" in low or low in ("data", "media_caption", "description"):
        return f"a blue chair {row} {_LINK if row == 2 else ''}"
    if low == "key":
        return ("user_push_name", "other")[row % 2] + str(row // 2 or "")
    if low == "server":
        return _JIDS[row % len(_JIDS)].partition("@")[2]
    if low == "user":
        return _JIDS[row % len(_JIDS)].partition("@")[0]
    if "time" in low or low.endswith("_at") or low in ("creation", "created"):
        return _T + row
    if low in ("message_type", "media_wa_type", "action_type", "media_size"):
        return (0, 1, 7, 15, 24)[row % 5]
    if low in ("thumbnail", "thumb_image", "raw_data"):
        return b"\xff\xd8\xff\xe0 a preview"
    if "hash" in low:
        return "A" * 43 + "="
    if low.endswith("_id") or "INT" in form or form == "DATETIME":
        return row
    return row / 2 if form == "REAL" else f"{low} {row}"


@cache
def _present() -> bytes:
    return _filled(PRESENT)


def _over(parser: PluginFunction, data: bytes) -> None:
    heard(parser(Database(Source.of_bytes(data), 20), FILE), FILE)


_BAD = (ValueError, sqlite3.Error)


@target(lambda: [_present()], allowed=_BAD, mutate=mutate.cells, longest=96 << 10, seconds=10)
def android(data: bytes) -> None:
    """WhatsApp for Android since 2021."""
    _over(whatsapp_android, data)


@target(lambda: [_filled(LEGACY)], allowed=_BAD, mutate=mutate.cells, longest=96 << 10, seconds=10)
def legacy(data: bytes) -> None:
    """WhatsApp for Android before 2021."""
    _over(whatsapp_legacy, data)


@target(lambda: [_filled(CONTACTS)], allowed=_BAD, mutate=mutate.cells, longest=64 << 10)
def contacts(data: bytes) -> None:
    """The address book of WhatsApp for Android."""
    _over(whatsapp_contacts, data)


@target(lambda: [_present()], mutate=mutate.cells, longest=96 << 10, seconds=20)
def recovered(data: bytes) -> None:
    """Rows brought back, as the parser of live rows reads them."""
    heard(recover_with(whatsapp_android, Source.of_bytes(data), FILE, 20), FILE)


@target(
    lambda: [
        b'<?xml version="1.0"?><map><string name="registration_jid">447700900001</string>'
        b'<string name="push_name">A &amp; B</string><string name="self_lid">77000000000003@lid</string>'
        b'<string name="cc">44</string><string name="ph">7700900001</string></map>'
    ],
    longest=4096,
    words=(
        b"<string name=",
        b"</string>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
        b"&#0;",
        b"&a;",
        b"<![CDATA[",
    ),
)
def preferences(data: bytes) -> None:
    """The number a phone was registered with."""
    heard(whatsapp_preferences(Source.of_bytes(data), FILE), FILE)


@target(
    lambda: [
        f"<html><a href='{_LINK}'>x</a> wa.me/447700900001 ü\u0085 https://example.org/?a=b</html>".encode(),
        f'{{"a": "https:\\/\\/chat.whatsapp.com\\/{"A" * 22}"}}'.encode(),
        f"a note {_LINK} \ud83d https://example.org".encode("utf-16", "surrogatepass"),
    ],
    longest=4096,
    words=(
        b"https://",
        b"chat.whatsapp.com/",
        b"\xff\xfe",
        b"\xfe\xff",
        b"wa.me/",
        b"\\/",
        b"<",
        b">",
        b"\xc2\xa0",
    ),
)
def pages(data: bytes) -> None:
    """Links in pages and notes."""
    heard(web_page(Source.of_bytes(data), FILE), FILE)
