"""Custody of what lies beside and behind a file: logs of databases, unpacked copies, labels."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.kit.plugin import load
from amparo.kit.source import Source
from amparo.model import Exhibit, File
from amparo.run.exhibits import Exhibits
from amparo.store import Case


def read(case: Path, path: str) -> dict[str, bytes]:
    """A file and what lies beside it, as a cell would read them."""
    with Case.open(case) as opened:
        (file,) = opened.store.each(File, path=path)
        reach = Exhibits(opened).reach(file)
        fds = reach.open()
        try:
            source = load(reach.reader)(fds, reach.locator)
            assert isinstance(source, Source)
            return {"": source.read()} | {s: c.read() for s, c in source.companions.items()}
        finally:
            for fd in fds:
                os.close(fd)


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_log_changed_since_intake_is_not_read_with_its_database(
    form: str, tmp_path: Path
) -> None:
    folder, case = tmp_path / "phone", tmp_path / "a.amparo"
    folder.mkdir()
    db = sqlite3.connect(folder / "a.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE lamp (colour)")
    db.commit()
    wal = (folder / "a.db-wal").read_bytes()
    assert wal
    source = folder
    if form == "tar":
        source = tmp_path / "phone.tar"
        with tarfile.open(source, "w") as made:
            made.add(folder / "a.db", "a.db")
            made.add(folder / "a.db-wal", "a.db-wal")
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(source)]) == 0
    assert read(case, "a.db")["-wal"] == wal
    lies = folder / "a.db-wal" if form == "folder" else source
    data = lies.read_bytes()
    at = data.index(wal[:400]) + 100
    lies.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ValueError, match="its wal has changed since intake"):
        read(case, "a.db")
    db.close()


def test_unpacked_copies_are_held_against_what_was_unpacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, case = tmp_path / "phone.tar.gz", tmp_path / "a.amparo"
    with tarfile.open(packed, "w:gz") as made:
        info = tarfile.TarInfo("note.txt")
        info.size = 11
        made.addfile(info, io.BytesIO(b"hello world"))
    assert main(["new", str(case)]) == 0
    assert main(["add", str(case), str(packed)]) == 0
    assert main(["verify", str(case)]) == 0
    (tar,) = (case / "derived").glob("*.tar")
    data = tar.read_bytes()
    tar.write_bytes(data.replace(b"hello world", b"hello earth"))
    capsys.readouterr()
    assert main(["verify", str(case)]) == 1
    assert "what was unpacked from it has CHANGED" in capsys.readouterr().out
    tar.unlink()
    assert main(["verify", str(case)]) == 0
    main(["run", str(case)])
    assert main(["verify", str(case)]) == 0


def test_a_label_is_corrected_and_the_correction_stays_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, case = tmp_path / "phone", tmp_path / "a.amparo"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"a")
    assert main(["new", str(case)]) == 0
    add = ["add", str(case), str(folder), "--exhibit", "ES-001", "--country", "es"]
    assert main([*add, "--site", "Hause 1", "--legal-basis", "Warrant 1"]) == 0
    capsys.readouterr()
    assert main(["label", str(case), "ES-001", "--site", "House 1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["site"], said["legal_basis"]) == ("House 1", "Warrant 1")
    assert main(["verify", str(case)]) == 0
    with Case.open(case) as opened:
        (exhibit,) = opened.store.each(Exhibit)
        assert exhibit.site == "House 1" and exhibit.legal_basis == "Warrant 1"
        assert len(list(opened.store.each(File))) == 1
        (deed,) = [a for _, a, _ in opened.store.history(exhibit.id) if a.kind == "label"]
        assert deed.purpose == "site: 'Hause 1' -> 'House 1'" and deed.performer != "machine"
        assert not opened.store.verify()
    assert main(add) == 0, "the same again, whatever the label says now"
    assert main([*add, "--site", "elsewhere"]) == 2
    for words in (["ES-001"], ["ES-009", "--site", "x"]):
        assert main(["label", str(case), *words]) == 2
    capsys.readouterr()
    main(["find", str(case), "--text", "House"])
    assert "House 1" in capsys.readouterr().out
