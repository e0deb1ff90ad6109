"""What is planted for recovery is there, byte for byte where the truth says, and nowhere else."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from amparo.evidence.crypt import key_of, opened
from amparo.kit.source import Source
from amparo.replay.sealed import key_file, root_key, seal
from amparo.replay.traces import Files, body, indexed, tokens
from amparo.replay.truth import open_truth
from conftest import Operation

APP = "data/data/com.whatsapp"
CHATS = f"{APP}/databases/msgstore.db"


@pytest.fixture(scope="module")
def truth(operation: Operation) -> Iterator[sqlite3.Connection]:
    db = open_truth(operation.truth)
    yield db
    db.close()


def phones(operation: Operation) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Exhibit number and the files of each phone, pictures left out."""
    for entry in operation.entries():
        root = operation.root / entry["path"]
        if entry["kind"] != "phone":
            continue
        if root.is_dir():
            paths = [p for p in root.rglob("*") if p.is_file() and p.suffix not in (".jpg", ".png")]
            yield entry["number"], {str(p.relative_to(root)): p.read_bytes() for p in paths}
        else:
            with zipfile.ZipFile(root) as archive:
                names = [n for n in archive.namelist() if not n.endswith((".jpg", ".png"))]
                yield entry["number"], {n: archive.read(n) for n in names}


def bytes_of(files: dict[str, bytes]) -> bytes:
    return b"\0" * 64 + b"\0".join(files.get(CHATS + end, b"") for end in ("", "-wal", "-journal"))


def test_every_kind_of_trace_is_planted(truth: sqlite3.Connection) -> None:
    places = {p for (p,) in truth.execute("SELECT DISTINCT place FROM trace")}
    assert places == {"freelist", "page", "log", "journal", "hidden", "words", "backup", "quote"}
    former = {p for (p,) in truth.execute("SELECT DISTINCT place FROM former")}
    assert {"log", "backup", "words"} <= former
    for table in ("left_over", "opened", "erased_posting"):
        assert truth.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table


def test_erased_rows_lie_where_the_truth_says(
    operation: Operation, truth: sqlite3.Connection
) -> None:
    """Key and words stand beside each other wherever a row is said to lie, and hardly anywhere else.

    A row half overwritten keeps them as well, and so does what a reply repeats: neither is asked for.
    """
    answered = {k for (k,) in truth.execute("SELECT key_id FROM wording WHERE row IS NULL")}
    there = absent = halves = 0
    for number, files in phones(operation):
        data = bytes_of(files)
        query = (
            "SELECT key_id, text, (SELECT group_concat(place) FROM trace t WHERE t.exhibit = e.exhibit"
            " AND t.key_id = e.key_id) FROM erased_message e WHERE exhibit = ? AND text <> ''"
        )
        for key, text, places in truth.execute(query, (number,)).fetchall():
            found = re.search(key.encode() + b".{0,40}" + re.escape(text.encode()), data, re.S)
            if {"freelist", "page", "log", "journal", "hidden"} & set((places or "").split(",")):
                assert found, (number, key, places)
                there += 1
            elif key not in answered:
                absent += 1
                halves += bool(found)
    assert there > 100 and absent > 10 and halves <= absent // 4, (there, absent, halves)


def keys(operation: Operation, files: dict[str, bytes]) -> list[bytes]:
    lines = (operation.root / "keys.txt").read_bytes().splitlines()
    return [line for line in lines if not line.startswith(b"#")] + [
        data for path, data in files.items() if path.endswith("files/key")
    ]


def test_backups_open_with_the_keys_at_hand_and_hold_what_the_truth_says(
    operation: Operation, truth: sqlite3.Connection, tmp_path: Path
) -> None:
    wanted = {(e, p): s for e, p, s in truth.execute("SELECT exhibit, path, sha256 FROM opened")}
    shown = 0
    for number, files in phones(operation):
        held: set[str] = set()
        for path, data in files.items():
            if ".crypt" not in path:
                continue
            fits = [k for k in map(key_of, keys(operation, files)) if k]
            parts = list(opened(Source.of_bytes(data), fits))
            plain = b"".join(p for p in parts if isinstance(p, bytes))
            assert hashlib.sha256(plain).hexdigest() == wanted.pop((number, path))
            copy = tmp_path / f"{number}.db"
            copy.write_bytes(plain[:18] + b"\1\1" + plain[20:])
            db = sqlite3.connect(copy)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            held |= {k for (k,) in db.execute("SELECT key_id FROM message")}
            db.close()
        for (key,) in truth.execute(
            "SELECT key_id FROM trace WHERE place = 'backup' AND exhibit = ?", (number,)
        ):
            assert key in held
            shown += 1
    assert not wanted and shown > 10


def test_marked_rows_stand_and_are_marked(
    operation: Operation, truth: sqlite3.Connection, tmp_path: Path
) -> None:
    found = 0
    for number, files in phones(operation):
        (tmp_path / "a.db").write_bytes(files[CHATS])
        with sqlite3.connect(tmp_path / "a.db") as db:
            if not db.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'deleted_chat_job'"
            ).fetchone():
                continue
            marked = {
                key
                for (key,) in db.execute(
                    "SELECT key_id FROM message m JOIN deleted_chat_job j USING (chat_row_id)"
                    " WHERE m._id <= deleted_message_row_id AND m.message_type <> 7"
                )
            }
        query = "SELECT key_id FROM trace WHERE place = 'hidden' AND exhibit = ?"
        revoked = "SELECT key_id FROM message WHERE ',' || revoked_exhibits || ',' LIKE ?"
        told = {k for (k,) in truth.execute(query, (number,))}
        told |= {k for (k,) in truth.execute(revoked, (f"%,{number},%",))} & marked
        assert told == marked
        found += len(marked)
    assert found > 20


def test_the_bytes_of_a_row_are_those_sqlite_writes(tmp_path: Path) -> None:
    row = [
        "text ñ",
        0,
        1,
        -1,
        127,
        128,
        1 << 20,
        1 << 30,
        1 << 45,
        -(1 << 60),
        2.0,
        2.5,
        None,
        b"\x01",
    ]
    columns = ", ".join(f"c{n}{' REAL' if n == 10 else ''}" for n in range(len(row)))
    db = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    db.executescript("PRAGMA page_size=4096; PRAGMA secure_delete=OFF; PRAGMA auto_vacuum=0;"
                     f"CREATE TABLE t (_id INTEGER PRIMARY KEY, {columns});")  # fmt: skip
    db.execute(f"INSERT INTO t VALUES (5{', ?' * len(row)})", row)
    stored = body([None, *row])
    assert stored in (tmp_path / "a.db").read_bytes()
    db.execute("DELETE FROM t")
    db.close()
    files = Files((tmp_path / "a.db").read_bytes())
    assert files.places(stored) == {"page"} and files.places(stored + b"!") == set()
    begun = stored[:-1]
    assert files.places(begun, 0, (begun + b"!",)) == {"page"}
    assert files.places(begun, 2, (b"!", stored[2:])) == set(), (
        "only the beginning of what stands there"
    )


def test_words_of_an_index_by_document(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "a.db")
    db.execute("CREATE VIRTUAL TABLE t USING fts4(content, other)")
    said = {n: f"mañana {n} the BLUE bag, {'again ' * (n % 3)}end" for n in range(1, 40)}
    for n, text in said.items():
        db.execute("INSERT INTO t (docid, content, other) VALUES (?,?,'1 2')", (n, text.lower()))
        db.commit()
    db.execute("DELETE FROM t WHERE docid = 39")
    found = indexed(db, "t")
    for n, text in said.items():
        assert [found[n][place] for place in sorted(found[n])] == tokens(text.lower()), n


@pytest.mark.parametrize("form", ["crypt14", "crypt15"])
def test_a_sealed_backup_is_the_same_every_time(form: str) -> None:
    plain = b"SQLite format 3\0" + bytes(range(256)) * 40
    key = root_key("any", 1)
    data = seal(form, key, plain)
    assert data == seal(form, key, plain) != seal(form, root_key("any", 2), plain)
    secrets = [key_of(key_file(key)), key_of(key.hex().encode())]
    for secret in secrets:
        assert secret is not None and secret.raw == key
        parts = list(opened(Source.of_bytes(data), [secret]))
        assert parts == [p for p in parts if isinstance(p, bytes)] and b"".join(parts) == plain
