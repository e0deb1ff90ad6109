"""Recovery is scored by method: 1.0000 for a right case, and what is wrong lowers its own measure alone."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from amparo.link.erased import erased
from amparo.link.resolve import accounts
from amparo.link.versions import versions
from amparo.model import (
    At,
    Attachment,
    Erasure,
    Exhibit,
    File,
    Message,
    Quote,
    Record,
    Thread,
    Version,
    content_id,
)
from amparo.replay.score import score
from amparo.replay.truth import TABLES
from memory_view import MemoryView, derived

A = Exhibit(number="A", form="folder", source="a")
B = Exhibit(number="B", form="folder", source="b")
GROUP = Thread(service="whatsapp", handle="111-1@g.us", form="group")
T, DAY = 1_770_000_000_000, 86_400_000
SHA = sha256(b"a picture").hexdigest()
PLAIN = sha256(b"what came out").hexdigest()
PATH = "Databases/msgstore-2026-02-01.1.db.crypt14"
LIVE = File(exhibit=A.id, path="com.whatsapp/databases/msgstore.db", size=1, modified=T + 3 * DAY)
OLD = File(exhibit=A.id, path=f"{PATH}#decrypted", size=1, modified=T, content=content_id(PLAIN))
OTHER = File(exhibit=B.id, path="com.whatsapp/databases/msgstore.db", size=1, modified=T + 3 * DAY)
METHODS = {"freelist": "freelist", "page": "freeblock", "log": "wal_superseded", "journal": "journal",
           "hidden": "soft_deleted"}  # fmt: skip


def key(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32].upper()


def truth_file(folder: Path) -> Path:
    """One message for each place, said ``words of PLACE``; one changed, one revoked."""
    path = folder / "truth.db"
    db = sqlite3.connect(path)
    db.executescript(TABLES)
    grp = GROUP.handle
    for row, place in enumerate([*METHODS, "words", "backup", "quote"], 1):
        text = f"words of {place}"
        alive = int(place == "page")
        db.execute("INSERT INTO erased_message VALUES ('A',?,?,?,?,?,?)",
                   (key(place), grp, alive, row, text, T + 2 * DAY))  # fmt: skip
        db.execute("INSERT INTO trace VALUES ('A',?,?,?)", (key(place), grp, place))
    db.execute("INSERT INTO message VALUES (?,?,'s',?,'text','words of page',0,'B',NULL)", (grp, key("page"), T))  # fmt: skip
    db.execute("INSERT INTO message VALUES (?,?,'s',?,'text','after',0,'A',NULL)", (grp, key("changed"), T))  # fmt: skip
    db.execute("INSERT INTO former VALUES ('A',?,?,'before','log')", (key("changed"), grp))
    db.execute("INSERT INTO wording VALUES ('A',20,?,?,'before')", (grp, key("changed")))
    db.execute("INSERT INTO left_over VALUES ('A',?,?)", (key("page"), SHA))
    db.execute("INSERT INTO opened VALUES ('A',?,?)", (PATH, PLAIN))
    db.commit()
    db.close()
    return path


def message(
    row: int, name: str, text: str, method: str = "", state: str = "deleted", on: File = LIVE,
    sure: float | None = 0.9,
) -> Message:  # fmt: skip
    at = At(on.exhibit, on.id, "message", row, state=state, method=method, confidence=sure if method else None)  # fmt: skip
    return Message(
        at=at, thread=GROUP.id, key=name and key(name), sender="s", from_owner=False,
        sent=T - DAY + row, form="text", text=text,
    )  # fmt: skip


def right_case() -> list[Record]:
    first = replace(message(1, "first", "first", state="live"), sent=T - 2 * DAY)
    records: list[Record] = [A, B, GROUP, LIVE, OLD, OTHER, first]
    records += [replace(first, at=replace(first.at, file=OLD.id))]
    for row, (place, method) in enumerate(METHODS.items(), 1):
        records.append(message(row, place, f"words of {place}", method))
    records += [
        message(6, "", "words of words", "fts_rebuild"),
        message(7, "backup", "words of backup", state="live", on=OLD),
        message(2, "page", "words of page", state="live", on=OTHER),
        message(20, "changed", "after", state="live"),
        message(20, "changed", "before", "wal_superseded", "superseded"),
    ]
    at = At(A.id, LIVE.id, "message_quoted", 50)
    records.append(
        Quote(at=at, message="m", thread=GROUP.id, key=key("quote"), sender="s", sent=T, form="text", text="words of quote")
    )  # fmt: skip
    media = At(A.id, LIVE.id, "message_media", 2, method="orphan", confidence=1.0)
    records.append(Attachment(at=media, message="", content=content_id(SHA)))
    return derived(records, accounts, versions, erased)[1]


RIGHT = right_case()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return truth_file(tmp_path_factory.mktemp("truth"))


def lowered(records: list[Record], truth: Path) -> dict[str, str]:
    out = {}
    for m in score(MemoryView(records), truth).measures:
        if not m.name.startswith(("recovered: ", "encrypted ")):
            continue
        low = (m.recall < 1, m.precision < 1)
        if any(low):
            name = m.name.removeprefix("recovered: ")
            out[name] = "both" if all(low) else "recall" if low[0] else "precision"
    return out


def test_a_right_case_is_perfect_in_every_method(truth: Path) -> None:
    assert lowered(RIGHT, truth) == {}
    named = [
        m for m in score(MemoryView(RIGHT), truth).measures if m.name.startswith("recovered: ")
    ]
    assert len(named) == 11 and all(m.truth and m.found for m in named)


def without(kind: type[Record], **fields: object) -> list[Record]:
    kept = [
        r for r in RIGHT
        if not (isinstance(r, kind) and all(getattr(r, n) == v for n, v in fields.items()))
    ]  # fmt: skip
    assert len(kept) < len(RIGHT)
    return kept


def instead(kind: type[Record], to: dict[str, object], **fields: object) -> list[Record]:
    found = [
        replace(r, **to)  # type: ignore[arg-type]
        if isinstance(r, kind) and all(getattr(r, n) == v for n, v in fields.items()) else r
        for r in RIGHT
    ]  # fmt: skip
    assert found != RIGHT
    return found


INVENTED = {
    "free pages": "freelist",
    "free bytes": "unallocated",
    "log": "wal_stale",
    "journal": "journal",
    "hidden rows": "expired",
}
WRONG: dict[str, tuple[list[Record], dict[str, str]]] = {
    "a free page not read": (without(Message, key=key("freelist")), {"free pages": "recall"}),
    "freed bytes read wrongly": (
        instead(Message, {"text": "words of pages"}, text="words of page"), {"free bytes": "both"}),
    "freed bytes that break off, and say so": (
        instead(Message, {"text": "words of…"}, text="words of page"), {"free bytes": "recall"}),
    "a beginning nobody said": (
        instead(Message, {"text": "sword…"}, text="words of page"), {"free bytes": "both"}),
    "a quote that breaks off": (instead(Quote, {"text": "wo…"}), {"replies": "recall"}),
    "nothing from the log": (without(Message, key=key("log")), {"log": "recall"}),
    "the journal not read": (without(Message, key=key("journal")), {"journal": "recall"}),
    "hidden rows taken for live": (
        [replace(r, at=replace(r.at, state="live", method=""))
         if isinstance(r, Message) and r.key == key("hidden") else r for r in RIGHT],
        {"hidden rows": "recall"},
    ),
    "words in a wrong order": (
        instead(Message, {"text": "words words of"}, text="words of words"), {"text index": "both"}),
    "a word is lost": (
        instead(Message, {"text": "words … words"}, text="words of words"), {"text index": "recall"}),
    "no quotes": (without(Quote), {"replies": "recall"}),
    "a quote nobody said": (instead(Quote, {"text": "other"}), {"replies": "both"}),
    "a backup not compared": (without(Erasure, key=key("backup")), {"backups": "recall"}),
    "gone at a wrong time": (
        instead(Erasure, {"since": T - 9 * DAY, "until": T - 8 * DAY}, key=key("backup")), {"backups": "both"}),
    "no other phone asked": (
        instead(Erasure, {"methods": ("freeblock",)}, key=key("page")), {"other exhibits": "recall"}),
    "another message from the other phone": (
        instead(Erasure, {"text": "no"}, key=key("page")), {"other exhibits": "both"}),
    "a row left over not seen": (without(Attachment), {"rows left over": "recall"}),
    "a row left over of another picture": (
        instead(Attachment, {"content": content_id("0" * 64)}), {"rows left over": "both"}),
    "no versions": (without(Version), {"versions": "recall"}),
    "an invented version": (instead(Version, {"text": "never"}, text="before"), {"versions": "both"}),
    "a backup that did not open": (without(File, path=OLD.path), {"encrypted backups": "recall"}),
    "a backup that opened into something else": (
        instead(File, {"content": content_id(SHA)}, path=OLD.path), {"encrypted backups": "both"}),
    **{
        f"an invented row by {method}": (
            [*RIGHT, message(99, "freelist", "never said", method)], {name: "precision"})
        for name, method in INVENTED.items()
    },
    "an invented text of an index": (
        [*RIGHT, message(6, "", "never said", "fts_older")], {"text index": "precision"}),
    "a text of no row": (
        [*RIGHT, message(77, "", "words of words", "fts_older")], {"text index": "precision"}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_lowers_its_own_method(name: str, truth: Path) -> None:
    records, expected = WRONG[name]
    assert lowered(records, truth) == expected


def test_examples_name_the_exhibit_and_the_message(truth: Path) -> None:
    lines = score(MemoryView(without(Message, key=key("journal"))), truth).lines()
    assert f"    missed  A {key('journal')}" in lines
