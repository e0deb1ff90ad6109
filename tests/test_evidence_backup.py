"""Android backups and UFDR: made by the tests, plain, packed, encrypted, broken and lying."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from amparo.cli import main
from amparo.evidence import readers, ufdr
from amparo.evidence.archive import list_zip
from amparo.evidence.backup import unwrap
from amparo.evidence.detect import form_of
from amparo.evidence.unpack import Limits
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Problem
from amparo.store import Case

FOUND = Found("exhibit", "", "", "")
PASSWORD = "inventada ñ".encode()
BODY = b"invented preferences " * 900


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo("apps/org.invented/f/prefs.txt")
        info.size = len(BODY)
        made.addfile(info, io.BytesIO(BODY))
    return out.getvalue()


def cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    padder = padding.PKCS7(128).padder()
    data = padder.update(data) + padder.finalize()
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(data)


def android(version: int = 5, packed: bool = True, password: bytes = b"") -> bytes:
    body = zlib.compress(tar()) if packed else tar()
    head = b"ANDROID BACKUP\n%d\n%d\n" % (version, packed)
    if not password:
        return head + b"none\n" + body
    salt, check_salt, iv, data_iv = b"a" * 64, b"b" * 64, b"c" * 16, b"d" * 16
    master = bytes(range(112, 144))  # with bytes above 127, which Java widens
    chars = "".join(chr(b if b < 128 else b | 0xFF00) for b in master).encode()
    check = hashlib.pbkdf2_hmac("sha1", chars if version > 1 else master, check_salt, 100, 32)
    blob = b"".join(bytes([len(x)]) + x for x in (data_iv, master, check))
    user = hashlib.pbkdf2_hmac("sha1", password, salt, 100, 32)
    lines = [b"AES-256", salt.hex(), check_salt.hex(), "100", iv.hex(), cbc(user, iv, blob).hex()]
    head += b"".join((x if isinstance(x, bytes) else x.upper().encode()) + b"\n" for x in lines)
    return head + cbc(master, data_iv, body)


def unwrapped(data: bytes, *passwords: bytes) -> tuple[bytes, list[str]]:
    source = Source.of_bytes(data)
    source.companions = {str(i): Source.of_bytes(p) for i, p in enumerate(passwords)}
    out = list(unwrap(source, FOUND))
    return (
        b"".join(x for x in out if isinstance(x, bytes)),
        [x.reason for x in out if isinstance(x, Warn)],
    )


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("version", [1, 3, 5])
@pytest.mark.parametrize("password", [b"", PASSWORD])
def test_the_tar_comes_out_whole(version: int, packed: bool, password: bytes) -> None:
    data = android(version, packed, password)
    assert unwrapped(data, b"wrong", PASSWORD) == (tar(), [])


def test_a_missing_password_is_one_line() -> None:
    for passwords in ((), (b"wrong",)):
        with pytest.raises(ValueError, match=r"^encrypted with a password, and none at hand fits$"):
            unwrapped(android(password=PASSWORD), *passwords)


def test_a_break_keeps_what_came_before() -> None:
    noise = hashlib.shake_256(b"x").digest(300_000)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo("noise")
        info.size = len(noise)
        made.addfile(info, io.BytesIO(noise))
    data = b"ANDROID BACKUP\n5\n1\nnone\n" + zlib.compress(out.getvalue())
    plain, reasons = unwrapped(data[:200_000])
    assert out.getvalue().startswith(plain) and len(plain) > 150_000
    assert "breaks off" in reasons[0]


@pytest.mark.parametrize(
    "data",
    [
        b"ANDROID BACKUP\n",
        b"ANDROID BACKUP\n5\n1\nnone\n",
        b"ANDROID BACKUP\n5\n1\nnone\nnot zlib at all",
        b"ANDROID BACKUP\n5\n0\nnone\n" + b"no tar " * 100,
        b"ANDROID BACKUP\n5\n1\nROT-13\nxyz",
        b"ANDROID BACKUP\n5\n1\nAES-256\nzz\nzz\n1\n00\n00\n",
        b"ANDROID BACKUP\n5\n1\nAES-256\n00\n00\n99999999999\n" + b"00" * 16 + b"\n" + b"00" * 16 + b"\n",
    ],
)  # fmt: skip
def test_broken_heads_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        unwrapped(data, b"x")


def test_a_backup_in_a_case_opens_once_its_password_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phone.ab").write_bytes(android(password=PASSWORD))
    assert form_of(tmp_path / "phone.ab") == "ab"
    path = tmp_path / "c.amparo"
    main(["new", str(path)])
    main(["add", str(path), str(tmp_path / "phone.ab"), "--exhibit", "P1"])
    case = Case.open(path)
    assert [p.reason for p in case.store.each(Problem)] == [
        "encrypted with a password, and none at hand fits"
    ]
    case.close()
    (tmp_path / "given").write_bytes(PASSWORD)
    monkeypatch.setenv("AMPARO_KEYS", str(tmp_path / "given"))
    main(["run", str(path)])
    case = Case.open(path)
    assert [(f.path, f.size) for f in case.store.each(File)] == [
        ("apps/org.invented/f/prefs.txt", len(BODY))
    ]
    assert not list(case.store.each(Problem))
    case.close()


# --- UFDR ---------------------------------------------------------------------------------------

HASH = hashlib.sha256(BODY).hexdigest()
REPORT = f"""<?xml version="1.0" encoding="utf-8"?>
<project id="x" name="invented" xmlns="http://pa.cellebrite.com/report/2.0">
 <taggedFiles>
  <file fs="Dump" path="/data/data/org.invented/databases/a.db" size="1" deleted="Intact">
   <metadata section="File">
    <item name="Local Path"><![CDATA[files\\Database\\a.db]]></item>
    <item name="SHA256"><![CDATA[{HASH}]]></item>
   </metadata>
  </file>
  <file fs="Dump" path="/data/media/0/DCIM/gone &amp; found.txt" size="1" deleted="Deleted">
   <metadata section="File">
    <item name="Local Path">files\\Text\\gone.txt</item>
    <item name="MD5">{"0" * 32}</item>
   </metadata>
  </file>
 </taggedFiles>
</project>"""


def zipped(report: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("files/Database/a.db", BODY)
        made.writestr("files/Text/gone.txt", b"once erased")
        made.writestr("files/Text/unnamed.txt", b"the report knows nothing of it")
        made.writestr("report.xml", report)
    return out.getvalue()


def listed(data: bytes) -> list[File | Content | Problem | Warn]:
    return list(list_zip(Source.of_bytes(data), FOUND, Limits()))


def test_files_of_a_ufdr_bear_the_names_they_had() -> None:
    data = zipped(REPORT)
    records = listed(data)
    files = {f.path: f for f in records if isinstance(f, File)}
    assert {path: f.state for path, f in files.items()} == {
        "data/data/org.invented/databases/a.db": "live",
        "data/media/0/DCIM/gone & found.txt": "deleted",
        "files/Text/unnamed.txt": "live",
        "report.xml": "live",
    }
    fd = os.memfd_create("ufdr")
    os.write(fd, data)
    gone = files["data/media/0/DCIM/gone & found.txt"]
    assert readers.zip_member([fd], gone.locator).read() == b"once erased"
    os.close(fd)
    problems = [r for r in records if isinstance(r, Problem)]
    assert [(p.path, p.reason) for p in problems] == [
        (gone.path, f"report.xml states another MD5 for it: {'0' * 32}")
    ]


ENTITIES = REPORT.replace("<project", '<!DOCTYPE p [<!ENTITY a "b">]>\n<project', 1)


@pytest.mark.parametrize(
    ("report", "named", "note"),
    [
        (REPORT[: REPORT.index("</taggedFiles")], 2, "read up to 2 files"),
        (ENTITIES, 0, ""),
        (REPORT.replace("taggedFiles", "otherFiles"), 0, ""),
        ("", 0, ""),
    ],
)
def test_a_broken_or_foreign_report_costs_only_its_names(
    report: str, named: int, note: str
) -> None:
    records = listed(zipped(report))
    paths = [f.path for f in records if isinstance(f, File)]
    assert len(paths) == 4
    assert sum(not p.startswith(("files/", "report")) for p in paths) == named
    warnings = [r.reason for r in records if isinstance(r, Warn)]
    assert [note in w for w in warnings] == ([True] if note else [])


def test_a_report_that_is_a_bomb_is_cut_off() -> None:
    def endless() -> Iterator[bytes]:
        yield b"<project><taggedFiles>"
        for _ in range(100):
            yield b"<file path='/x'><metadata><item name='Local Path'>" + b"y" * (1 << 20)
            yield b"</item></metadata></file>"

    names = ufdr.Names()
    names.read(endless())
    assert all(len(key) <= (1 << 21) for key in names.files)
    assert names.notes
