"""iPhone backups: names from the manifest, encrypted ones with the password, made by the tests."""

from __future__ import annotations

import hashlib
import json
import plistlib
import sqlite3
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from amparo.cli import main
from amparo.evidence import itunes
from amparo.evidence.detect import form_of
from amparo.model import Content, Exhibit, File, Problem
from amparo.run.exhibits import Exhibits
from amparo.store import Case

LOCKED = "encrypted with a password, and none at hand fits"
PASSWORD = b"invented-password"
FILES = {
    ("HomeDomain", "Library/Notes/notes.txt"): b"a note of nobody\n" * 500,
    ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.JPG"): b"\x01\x02invented" + bytes(4000),
    ("AppDomain-invented", "Documents/empty"): b"",
}
CLASSES = {1: bytes(range(32)), 3: bytes(range(32, 64))}


def keyed_archive(root: dict[str, object]) -> bytes:
    """A keyed archive as Foundation writes it: values that are bytes or texts stand apart."""
    objects: list[object] = ["$null"]
    shown: dict[str, object] = {}
    for name, value in root.items():
        if isinstance(value, (bytes, str)):
            objects.append({"NS.data": value} if isinstance(value, bytes) else value)
            shown[name] = plistlib.UID(len(objects))
        else:
            shown[name] = value
    objects.insert(1, shown)
    archive = {
        "$archiver": "NSKeyedArchiver",
        "$objects": objects,
        "$top": {"root": plistlib.UID(1)},
    }
    return plistlib.dumps(archive, fmt=plistlib.FMT_BINARY)


def tag(name: bytes, value: bytes) -> bytes:
    return name + struct.pack(">I", len(value)) + value


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def keybag(password: bytes) -> bytes:
    first = hashlib.pbkdf2_hmac("sha256", password, b"s" * 20, 50, 32)
    key = hashlib.pbkdf2_hmac("sha1", first, b"t" * 20, 20, 32)
    head = [
        tag(b"VERS", number(5)), tag(b"TYPE", number(1)), tag(b"UUID", b"u" * 16),
        tag(b"WRAP", number(1)), tag(b"SALT", b"t" * 20), tag(b"ITER", number(20)),
        tag(b"DPWT", number(0)), tag(b"DPIC", number(50)), tag(b"DPSL", b"s" * 20),
    ]  # fmt: skip
    for class_, secret in CLASSES.items():
        head += [tag(b"UUID", b"v" * 16), tag(b"CLAS", number(class_)), tag(b"WRAP", number(2))]
        head += [tag(b"KTYP", number(0)), tag(b"WPKY", aes_key_wrap(key, secret))]
    return b"".join(head)


def encrypted(key: bytes, data: bytes, padded: bool = True) -> bytes:
    if padded:
        padder = padding.PKCS7(128).padder()
        data = padder.update(data) + padder.finalize()
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor().update(data)


def backup(folder: Path, password: bytes = b"") -> Path:
    """A backup as Finder writes it, of FILES and one link."""
    folder.mkdir()
    rows = []
    for order, ((domain, path), data) in enumerate(FILES.items()):
        id_ = hashlib.sha1(f"{domain}-{path}".encode()).hexdigest()
        what: dict[str, object] = {"Size": len(data), "LastModified": 1_700_000_000 + order}
        if password:
            key = hashlib.sha256(path.encode()).digest()
            what["ProtectionClass"] = 3
            what["EncryptionKey"] = struct.pack("<I", 3) + aes_key_wrap(CLASSES[3], key)
            data = encrypted(key, data)
        (folder / id_[:2]).mkdir(exist_ok=True)
        (folder / id_[:2] / id_).write_bytes(data)
        rows.append((id_, domain, path, 1, keyed_archive(what)))
    rows.append(("0" * 40, "HomeDomain", "Library/link", 4, keyed_archive({"Target": "Notes"})))
    rows.append(("1" * 40, "HomeDomain", "Library", 2, keyed_archive({"Size": 0})))
    rows.append(("2" * 40, "HomeDomain", "Library/gone", 1, keyed_archive({"Size": 7})))
    made = folder.parent / "made.db"
    with sqlite3.connect(made) as db:
        db.execute("CREATE TABLE Files(fileID TEXT PRIMARY KEY, domain, relativePath, flags, file)")
        db.executemany("INSERT INTO Files VALUES(?,?,?,?,?)", rows)
    db.close()
    data, plist = made.read_bytes(), {"IsEncrypted": bool(password), "Version": "10.0"}
    if password:
        key = bytes(range(100, 132))
        plist["BackupKeyBag"] = keybag(password)
        plist["ManifestKey"] = struct.pack("<I", 3) + aes_key_wrap(CLASSES[3], key)
        data = encrypted(key, data, padded=False)
    (folder / "Manifest.db").write_bytes(data)
    (folder / "Manifest.plist").write_bytes(plistlib.dumps(plist, fmt=plistlib.FMT_BINARY))
    return folder


def holds_all(case: Case) -> None:
    """Every file stands under its name on the phone, with the hash and the bytes it had there."""
    by_path = {f.path: f for f in case.store.each(File) if f.entry == "file"}
    exhibits = Exhibits(case)
    for (domain, path), data in FILES.items():
        file = by_path[f"{domain}/{path}"]
        content = case.store.get(Content, file.content)
        assert content is not None and content.sha256 == hashlib.sha256(data).hexdigest()
        assert file.size == len(data)
        reach = exhibits.reach(file)
        source = itunes.itunes_file(reach.open(), reach.locator)
        assert source.read() == data
        if len(data) > 100:
            stream = source.stream()
            stream.seek(37)
            assert stream.read(50) == data[37:87]
    assert not [p for p in by_path if len(p.partition("/")[2]) == 40], "bytes are not listed twice"
    link = next(f for f in case.store.each(File) if f.entry == "symlink")
    assert (link.path, json.loads(link.locator)["target"]) == ("HomeDomain/Library/link", "Notes")


def reasons(case: Case) -> list[str]:
    return [p.reason for p in case.store.each(Problem)]


def test_a_plain_backup_is_listed_as_on_the_phone(tmp_path: Path) -> None:
    folder = backup(tmp_path / "backup")
    assert form_of(folder) == "itunes"
    path = tmp_path / "c.amparo"
    main(["new", str(path)])
    assert main(["add", str(path), str(folder), "--exhibit", "P1"]) == 1
    case = Case.open(path)
    holds_all(case)
    assert reasons(case) == ["1 files named in Manifest.db are not in the backup"]
    case.close()
    assert main(["verify", str(path)]) == 0
    victim = next(folder.glob("??/*"))
    victim.write_bytes(victim.read_bytes() + b"x")
    assert main(["verify", str(path)]) != 0


def test_an_encrypted_backup_opens_once_its_password_is_given(tmp_path: Path) -> None:
    folder = backup(tmp_path / "backup", PASSWORD)
    path = tmp_path / "c.amparo"
    main(["new", str(path)])
    main(["add", str(path), str(folder), "--exhibit", "P1"])
    case = Case.open(path)
    assert reasons(case) == [LOCKED]
    assert len(list(case.store.each(Exhibit))) == 1
    case.close()
    main(["run", str(path)])
    assert main(["run", str(path)]) == 0, "a locked backup does not keep a run going"
    (path / "keys.txt").write_bytes(b"# keys of the case\nwrong\n")
    main(["run", str(path)])
    case = Case.open(path)
    assert reasons(case) == [LOCKED]
    case.close()
    (path / "keys.txt").write_bytes(b"wrong\n" + PASSWORD + b"\n")
    main(["run", str(path)])
    case = Case.open(path)
    holds_all(case)
    assert reasons(case) == ["1 files named in Manifest.db are not in the backup"]
    case.close()
    assert main(["verify", str(path)]) == 0


def test_a_keybag_that_asks_for_endless_work_is_refused() -> None:
    bag = keybag(PASSWORD).replace(tag(b"ITER", number(20)), tag(b"ITER", b"\xff\xff\xff\xff"))
    with pytest.raises(ValueError, match="damaged"):
        itunes.open_bag(bag, [PASSWORD])


@pytest.mark.parametrize("blob", [b"", b"bplist00", keyed_archive({})[:-9], b"\0" * 90])
def test_damaged_archives_say_nothing(blob: bytes) -> None:
    assert itunes.archived(blob) == {}
