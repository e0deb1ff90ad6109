"""The synthetic operation: same bytes every time, resumable, and in agreement with its own truth."""

import base64
import hashlib
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import phonenumbers
import pytest
from PIL import Image

from amparo.fingerprint.pdq import pdq as hashed
from amparo.replay import SCALES, build, open_truth
from amparo.replay.content import Content, Contents, Picture
from amparo.replay.numbering import number
from amparo.replay.wal import settle

LEGACY = "US-002"  # second phone of the tiny operation
CHATS = "data/data/com.whatsapp/databases/msgstore.db"


def fingerprint(root: Path) -> dict[str, tuple[str, int]]:
    """Path -> (SHA-256, modification time in ns) of every file under root."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def operation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("replay") / "op", "_tiny").parent


@pytest.fixture(scope="module")
def truth(operation: Path) -> Iterator[sqlite3.Connection]:
    db = open_truth(operation)
    yield db
    db.close()


def members(operation: Path, path: str) -> dict[str, bytes]:
    """Every file of a delivered exhibit, by its path inside."""
    root = operation / path
    if root.is_dir():
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    if path.endswith(".zip"):
        with zipfile.ZipFile(root) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(root) as tar:
        return {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar}


@pytest.fixture(scope="module")
def exhibits(operation: Path) -> dict[str, dict[str, bytes]]:
    register = json.loads((operation / "exhibits.json").read_text())
    return {entry["number"]: members(operation, entry["path"]) for entry in register}


@pytest.fixture
def chats(exhibits: dict[str, dict[str, bytes]], tmp_path: Path) -> dict[str, sqlite3.Connection]:
    """Each phone's database opened from a copy, its log beside it."""
    found = {}
    for exhibit, files in exhibits.items():
        if CHATS in files:
            path = tmp_path / f"{exhibit}.db"
            path.write_bytes(files[CHATS])
            if f"{CHATS}-wal" in files:
                path.with_name(f"{exhibit}.db-wal").write_bytes(files[f"{CHATS}-wal"])
            found[exhibit] = sqlite3.connect(path)
    return found


def test_same_seed_same_bytes_another_seed_other_bytes(operation: Path, tmp_path: Path) -> None:
    build(tmp_path / "again", "_tiny")
    assert fingerprint(tmp_path / "again") == fingerprint(operation)
    build(tmp_path / "other", "_tiny", seed=7)
    assert fingerprint(tmp_path / "other").keys() != fingerprint(operation).keys()
    with pytest.raises(ValueError, match="another operation"):
        build(tmp_path / "other", "_tiny", seed=8)


@pytest.mark.parametrize("stop_after", [0, 2, 4])
def test_goes_on_after_being_killed(operation: Path, tmp_path: Path, stop_after: int) -> None:
    out = tmp_path / "op"

    def stop(done: int, total: int) -> None:
        assert total == SCALES["_tiny"].exhibits
        if done == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(out, "_tiny", progress=stop)
    untouched = {p: p.stat().st_ino for p in (out / "exhibits").iterdir()}
    assert len(untouched) == stop_after and not (out / "truth.json").exists()
    half = out / ".build" / "half" / "GB-003.zip"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half written")
    (out / ".build" / "half" / LEGACY).mkdir(exist_ok=True)
    (out / ".build" / "half" / LEGACY / "junk").write_bytes(b"junk")
    build(out, "_tiny")
    assert fingerprint(out) == fingerprint(operation)
    assert all(p.stat().st_ino == inode for p, inode in untouched.items())


def test_a_lost_exhibit_is_made_again_and_a_whole_operation_left_alone(
    tmp_path: Path, operation: Path
) -> None:
    out = tmp_path / "op"
    build(out, "_tiny")
    (out / "exhibits" / "GB-003.zip").unlink()
    seen: list[tuple[int, int]] = []
    build(out, "_tiny", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(3, 4), (4, 4)]
    assert fingerprint(out) == fingerprint(operation)


def test_every_file_is_where_the_truth_says(
    exhibits: dict[str, dict[str, bytes]], truth: sqlite3.Connection
) -> None:
    stated = {(e, p): s for e, p, s in truth.execute("SELECT exhibit, path, sha256 FROM file")}
    there = {
        (e, p): hashlib.sha256(data).hexdigest()
        for e, files in exhibits.items()
        for p, data in files.items()
    }
    assert stated == there
    erased = truth.execute("SELECT exhibit, path FROM erased_file").fetchall()
    assert erased and not set(erased) & set(there)


def live_rows(
    exhibit: str, db: sqlite3.Connection, owner: str
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(chat, key) of live messages and (key, sha256) of live pictures, as the phone states them."""
    if exhibit == LEGACY:
        rows = db.execute("SELECT key_remote_jid, key_id, media_hash FROM messages"
                          " WHERE status NOT IN (6, -1) AND media_wa_type <> '15'").fetchall()  # fmt: skip
    else:
        rows = db.execute("SELECT j.raw_string, m.key_id, f.file_hash FROM message m JOIN chat c ON c._id = m.chat_row_id"
                          " JOIN jid j ON j._id = c.jid_row_id LEFT JOIN message_media f ON f.message_row_id = m._id"
                          " WHERE m.message_type NOT IN (7, 15)").fetchall()  # fmt: skip
    named = [(jid if jid.endswith("@g.us") else "private:" + "|".join(sorted((jid, owner))), key, digest)
             for jid, key, digest in rows]  # fmt: skip
    return ({(jid, key) for jid, key, _ in named},
            {(key, base64.b64decode(digest).hex()) for _, key, digest in named if digest})  # fmt: skip


def test_databases_state_what_the_truth_says(
    chats: dict[str, sqlite3.Connection], truth: sqlite3.Connection
) -> None:
    assert len(chats) == 3
    for exhibit, db in chats.items():
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (owner,) = truth.execute(
            "SELECT account FROM exhibit WHERE number = ?", (exhibit,)
        ).fetchone()
        messages, pictures = live_rows(exhibit, db, owner)
        here = "',' || exhibits || ',' LIKE ?", (f"%,{exhibit},%",)
        assert messages == set(
            truth.execute(f"SELECT grp, key_id FROM message WHERE {here[0]}", here[1])
        )
        assert pictures == set(
            truth.execute(f"SELECT key_id, sha256 FROM posting WHERE {here[0]}", here[1])
        )
        for key, grp, alive in truth.execute(
            "SELECT key_id, grp, alive_elsewhere FROM erased_message WHERE exhibit = ?", (exhibit,)
        ):
            assert (grp, key) not in messages
            elsewhere = any(
                (grp, key) in live_rows(e, other, "")[0]
                for e, other in chats.items()
                if e != exhibit
            )
            assert not grp.endswith("@g.us") or bool(alive) == elsewhere


def test_members_of_each_phone_are_in_the_truth(
    chats: dict[str, sqlite3.Connection], truth: sqlite3.Connection
) -> None:
    canon = dict(truth.execute("SELECT lid, canonical FROM lid_view"))
    checked = 0
    for exhibit, db in chats.items():
        (owner,) = truth.execute(
            "SELECT account FROM exhibit WHERE number = ?", (exhibit,)
        ).fetchone()
        query = ("SELECT gjid, jid, admin FROM group_participants" if exhibit == LEGACY else
                 "SELECT g.raw_string, u.raw_string, rank FROM group_participant_user p"
                 " JOIN jid g ON g._id = group_jid_row_id JOIN jid u ON u._id = user_jid_row_id")  # fmt: skip
        for grp, jid, rank in db.execute(query):
            row = truth.execute("SELECT role, as_of_ms FROM member WHERE grp = ? AND account = ?",
                                (grp, canon.get(jid, jid) or owner)).fetchone()  # fmt: skip
            assert row is not None and row[1] is not None
            assert (row[0] == "creator") == (rank == 2)
            checked += 1
    assert checked > 10
    hidden = truth.execute(
        "SELECT count(*) FROM account WHERE handle_jid LIKE '%@lid' AND phone IS NULL"
    ).fetchone()[0]
    assert hidden >= 1


def test_postings_are_in_server_order(truth: sqlite3.Connection) -> None:
    for (sha256,) in truth.execute("SELECT DISTINCT sha256 FROM posting").fetchall():
        rows = truth.execute("SELECT server_ms, seq, first_in_network FROM posting WHERE sha256 = ? ORDER BY seq",
                             (sha256,)).fetchall()  # fmt: skip
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
        assert [row[2] for row in rows] == [1] + [0] * (len(rows) - 1)


def test_own_rows_keep_device_clock_beside_server_time(
    chats: dict[str, sqlite3.Connection],
) -> None:
    own = "SELECT timestamp - receipt_server_timestamp FROM message WHERE from_me = 1 AND message_type <> 7"
    assert all(-1000 < delta < 0 for (delta,) in chats["ES-001"].execute(own))
    assert chats["ES-001"].execute(own).fetchone() is not None


def test_the_log_holds_the_last_rows(exhibits: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    files = exhibits["ES-001"]
    alone, whole = tmp_path / "alone.db", tmp_path / "whole.db"
    alone.write_bytes(files[CHATS])
    whole.write_bytes(files[CHATS])
    (tmp_path / "whole.db-wal").write_bytes(files[f"{CHATS}-wal"])
    latest = "SELECT max(sort_id) FROM message"
    assert (
        sqlite3.connect(whole).execute(latest).fetchone()
        > sqlite3.connect(alone).execute(latest).fetchone()
    )
    assert settle(files[f"{CHATS}-wal"], 2017, 97) == files[f"{CHATS}-wal"]


def test_originals_say_which_camera(
    exhibits: dict[str, dict[str, bytes]], truth: sqlite3.Connection
) -> None:
    rows = truth.execute(
        "SELECT f.exhibit, f.path, c.serial, t.taken_local, t.utc_offset, t.latitude, t.has_refs FROM file f"
        " JOIN camera c USING (sha256) JOIN capture t USING (sha256) WHERE c.exif = 1"
    ).fetchall()
    assert len(rows) >= 8
    for exhibit, path, serial, taken, offset, latitude, has_refs in rows:
        with Image.open(io.BytesIO(exhibits[exhibit][path])) as image:
            exif = image.getexif()
            inner, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        assert inner[0xA431] == serial and exif[0x010F]
        assert str(inner[0x9003]).replace(":", "-", 2).replace(" ", "T") == taken
        assert inner.get(0x9011) == offset
        assert bool(place) == (latitude is not None)
        if place:
            assert (1 in place) == bool(has_refs)
            degrees, minutes, seconds = (float(part) for part in place[2])
            assert degrees + minutes / 60 + seconds / 3600 == pytest.approx(abs(latitude), abs=1e-5)


def test_known_sets_hit_what_the_truth_says(operation: Path, truth: sqlite3.Connection) -> None:
    lines = set((operation / "known" / "benign-ignore.txt").read_text().split())
    vics = json.loads((operation / "known" / "alert-vics.json").read_text())
    alerts = {entry["MD5"].lower() for entry in vics["value"] if entry["Category"]}
    files = {
        s: m
        for s, m in truth.execute(
            "SELECT sha256, md5 FROM content WHERE sha256 IN (SELECT sha256 FROM file)"
        )
    }
    expected = dict(truth.execute("SELECT sha256, kind FROM known"))
    found = {s: "ignore" for s in files if s in lines} | {
        s: "alert" for s, m in files.items() if m in alerts
    }
    assert found == expected and len(set(expected.values())) >= 1
    assert any(entry["MD5"].lower() == hashlib.md5(b"").hexdigest() for entry in vics["value"])


def test_numbers_parse_to_the_intended_country() -> None:
    for country in SCALES["tantalio"].countries:
        for index in (0, 7, 99, 143):
            one = number(country, index)
            parsed = phonenumbers.parse(f"+{one.digits}")
            region = phonenumbers.region_code_for_number(parsed)
            assert phonenumbers.is_possible_number(parsed)
            assert (
                region or phonenumbers.region_code_for_country_code(parsed.country_code)
            ) == country


def test_recompressed_copies_stay_near_and_other_pictures_far(tmp_path: Path) -> None:
    contents = Contents(2017, SCALES["_tiny"], tmp_path)

    def pdq(picture: Picture, variant: str) -> tuple[np.ndarray, int]:
        data = contents.get(Content(picture, variant), shared=False).data
        with Image.open(io.BytesIO(data)) as image:
            value, quality = hashed(np.asarray(image.convert("RGB")))
        return np.unpackbits(np.frombuffer(value, np.uint8)), quality

    pictures = [Picture(f"p{n}", "room" if n < 4 else f"s{n}", n, "room" if n < 4 else "scene", None, None, None)
                for n in range(10)]  # fmt: skip
    first = [pdq(picture, "whatsapp") for picture in pictures]
    assert all(quality > 50 for _, quality in first)
    for picture, (bits, _) in zip(pictures, first, strict=True):
        for variant in ("again", "bright", "screenshot"):
            assert int((pdq(picture, variant)[0] != bits).sum()) <= 31
    assert min(int((a[0] != b[0]).sum()) for i, a in enumerate(first) for b in first[:i]) > 52
    flat = Picture("flat", "flat", 0, "flat", None, None, None)
    assert pdq(flat, "whatsapp")[1] < 50
