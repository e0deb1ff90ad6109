"""Encrypted WhatsApp backups: made here in every layout, genuine ones where they are at hand."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import zipfile
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.cli import main
from amparo.evidence.crypt import Key, envelope, key_of, opened
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Problem
from amparo.run.plan import Plan
from amparo.store import Case

ROOT = bytes(range(7, 39))
SALT, ACCOUNT, IV = b"S" * 32, b"A" * 16, bytes(range(16))
PLAIN = b"SQLite format 3\0" + b"invented rows " * 5000
JAVA = bytes.fromhex("aced0005757200025b42acf317f8060854e00200007870")
VECTORS = (
    Path(os.environ.get("AMPARO_TEST_DATA") or Path(__file__).parent.parent.parent / "shared/data")
    / "whatsapp/encrypted-backups"
)


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def sealed(head: bytes, key: bytes, packed: bytes, trailer: str = "md5") -> bytes:
    whole = head + AESGCM(key).encrypt(IV, packed, None)
    if trailer == "none":
        return whole
    digest = hashlib.md5(whole).digest()
    return whole + digest + (b"--00" if trailer == "crypt12" else b"")


def crypt12(packed: bytes) -> bytes:
    return sealed(b"\0\1\2" + SALT + ACCOUNT + IV, ROOT, packed, "crypt12")


def crypt14(packed: bytes, trailer: str = "md5", filler: bytes = b"") -> bytes:
    inner = field(1, b"\0\2") + field(3, SALT) + field(4, ACCOUNT) + field(5, IV)
    message = b"\x08\0" + field(2, inner) + field(4, b"2.99.0" + filler)
    return sealed(varint(len(message)) + message, ROOT, packed, trailer)


def crypt15(packed: bytes, trailer: str = "md5") -> bytes:
    message = b"\x08\1" + field(3, field(1, IV)) + field(4, b"x" * 120)
    key = HKDF(SHA256(), 32, None, b"backup encryption").derive(ROOT)
    return sealed(varint(len(message)) + message, key, packed, trailer)


def key_file(old: bool) -> bytes:
    body = b"\0\1\2" + SALT + ACCOUNT + bytes(48) + ROOT if old else ROOT
    return JAVA + len(body).to_bytes(4, "big") + body


def read(data: bytes, *keys: bytes) -> tuple[bytes, list[str]]:
    found = [k for k in map(key_of, keys) if k]
    out = list(opened(Source.of_bytes(data), found))
    return (
        b"".join(x for x in out if isinstance(x, bytes)),
        [x.reason for x in out if isinstance(x, Warn)],
    )


@pytest.mark.parametrize("make", [crypt12, crypt14, crypt15])
def test_every_layout_opens_with_every_form_of_its_key(make: object) -> None:
    data = make(zlib.compress(PLAIN))  # type: ignore[operator]
    digits = ROOT.hex().encode()
    grouped = b" ".join(digits[i : i + 4] for i in range(0, 64, 4)) + b"\n"
    for key in (key_file(True), key_file(False), digits.upper(), grouped, ROOT):
        assert read(data, b"other", bytes(32), key) == (PLAIN, [])


def test_what_is_inside_may_be_a_zip_or_plain() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("stickers.db", PLAIN)
    assert read(crypt15(out.getvalue()), ROOT) == (out.getvalue(), [])
    assert read(crypt15(PLAIN), ROOT) == (PLAIN, [])


def test_part_of_a_backup_has_no_md5() -> None:
    for make in (crypt14, crypt15):
        assert read(make(zlib.compress(PLAIN), "none"), ROOT) == (PLAIN, [])


@pytest.mark.parametrize("length", [0, 60, 200, 500])
def test_the_head_may_be_of_any_length(length: int) -> None:
    assert read(crypt14(zlib.compress(PLAIN), filler=b"f" * length), ROOT) == (PLAIN, [])


@pytest.mark.parametrize("make", [crypt12, crypt14, crypt15])
@pytest.mark.parametrize("keys", [(), (bytes(32),), (b"\1" * 32, b"f" * 64)])
def test_a_wrong_key_is_one_clear_line(make: object, keys: tuple[bytes, ...]) -> None:
    data = make(zlib.compress(PLAIN))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"^encrypted \(crypt1[245]\), and no key at hand fits$"):
        read(data, *keys)


def test_damage_is_told_and_what_still_unpacks_is_kept() -> None:
    noise = b"SQLite format 3\0" + hashlib.shake_256(b"rows").digest(200_000)
    data = bytearray(crypt15(zlib.compress(noise)))
    data[150_000] ^= 1
    plain, reasons = read(bytes(data), ROOT)
    assert plain[:140_000] == noise[:140_000]
    assert "tag does not fit" in reasons[0]
    tail = bytearray(crypt15(zlib.compress(noise)))
    tail[-1] ^= 1
    assert read(bytes(tail), ROOT) == (
        noise,
        ["the MD5 at its end does not fit, though its authentication tag does"],
    )


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from amparo.evidence import crypt
    from amparo.evidence.unwrap import Limit

    monkeypatch.setattr(crypt, "Limit", lambda: Limit(size=1 << 20))
    with pytest.raises(ValueError, match="refused"):
        read(crypt15(zlib.compress(bytes(4 << 20))), ROOT)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([crypt12, crypt14, crypt15]), st.integers(0, 150))
def test_hostile_bytes_end_in_a_line(noise: bytes, make: object, at: int) -> None:
    data = bytearray(make(zlib.compress(b"x" * 50)))  # type: ignore[operator]
    data[at : at + len(noise)] = noise
    for candidate in (noise, bytes(data)):
        try:
            list(opened(Source.of_bytes(candidate), [Key(ROOT)]))
        except ValueError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("msgstore.db.crypt12", "key"),
        ("msgstore.db.crypt14", "key"),
        ("msgstore-noexpiry.db.crypt14", "key"),
        ("msgstore.db.crypt15", "encrypted_backup.key"),
    ],
)
def test_genuine_backups_come_out_byte_for_byte(name: str, key: str) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no {VECTORS}")
    data = (VECTORS / name).read_bytes()
    want = (VECTORS / "msgstore.db").read_bytes()
    assert len(envelope(io.BytesIO(data), len(data))) >= 1
    both = [(VECTORS / k).read_bytes() for k in ("key", "encrypted_backup.key")]
    assert read(data, (VECTORS / key).read_bytes()) == (want, [])
    assert read(data, *both) == (want, [])


def test_in_a_case_the_database_appears_beside_its_backup(tmp_path: Path) -> None:
    database = tmp_path / "m.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE invented(a)")
        db.executemany("INSERT INTO invented VALUES(?)", [("row",)] * 500)
    db.close()
    plain = database.read_bytes()
    phone = tmp_path / "phone"
    (phone / "Databases").mkdir(parents=True)
    (phone / "Databases/msgstore.db.crypt15").write_bytes(crypt15(zlib.compress(plain)))
    (phone / "Databases/msgstore-2024-01-01.1.db.crypt14").write_bytes(
        crypt14(zlib.compress(plain))
    )
    (phone / "files").mkdir()
    (phone / "files/key").write_bytes(key_file(True).replace(ROOT, b"w" * 32))
    path = tmp_path / "c.amparo"
    main(["new", str(path)])
    main(["add", str(path), str(phone), "--exhibit", "P1"])
    main(["run", str(path)])
    case = Case.open(path)
    assert sorted(p.reason for p in case.store.each(Problem)) == [
        "encrypted (crypt14), and no key at hand fits",
        "encrypted (crypt15), and no key at hand fits",
    ]
    case.close()
    assert main(["run", str(path)]) == 0
    (path / "keys.txt").write_bytes(ROOT.hex().encode())
    main(["run", str(path)])
    case = Case.open(path)
    assert not list(case.store.each(Problem))
    made = {f.path: f for f in case.store.each(File) if f.path.endswith("#decrypted")}
    assert sorted(made) == [
        "Databases/msgstore-2024-01-01.1.db.crypt14#decrypted",
        "Databases/msgstore.db.crypt15#decrypted",
    ]
    for file in made.values():
        content = case.store.get(Content, file.content)
        assert content is not None and content.sha256 == hashlib.sha256(plain).hexdigest()
        assert content.mime == "application/vnd.sqlite3"
    case.close()
    assert main(["verify", str(path)]) == 0
    assert main(["run", str(path)]) == 0


def test_a_backup_inside_an_archive_opens_in_the_same_run(tmp_path: Path) -> None:
    """What a round brings up is looked through again, for encrypted backups as well."""
    database = tmp_path / "m.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE invented(a)")
    db.close()
    phone = tmp_path / "phone"
    phone.mkdir()
    with zipfile.ZipFile(phone / "copied.zip", "w") as archive:
        archive.writestr(
            "Databases/msgstore.db.crypt15", crypt15(zlib.compress(database.read_bytes()))
        )
    path = tmp_path / "c.amparo"
    main(["new", str(path)])
    (path / "keys.txt").write_bytes(ROOT.hex().encode())
    main(["add", str(path), str(phone), "--exhibit", "P1"])
    main(["run", str(path)])
    with Case.open(path) as case:
        made = [f.path for f in case.store.each(File) if f.path.endswith("#decrypted")]
        assert len(made) == 1 and made[0].endswith("Databases/msgstore.db.crypt15#decrypted")
        assert Plan(case).finished(), "nothing is left for a second run"
