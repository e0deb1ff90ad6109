"""Lists of other kinds, and lists that change: RDS, pages of a hash-sharing service, updates, terms."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amparo.match import sets
from amparo.match.categories import disagreement
from amparo.match.entries import Entry, Gone, Reading
from amparo.match.known import known
from amparo.match.rds import read_changes
from amparo.match.sets import KnownFile, Terms, compile_set, latest_of, update_set
from amparo.match.terms import expired
from amparo.model import Content, KnownDispute, KnownMatch, KnownSet, Record


def h(name: str, text: str) -> str:
    return hashlib.new(name, text.encode()).hexdigest()


class Rows:
    """A view over records in memory."""

    def __init__(self, *records: Record) -> None:
        self.records = sorted(records, key=lambda r: r.id)

    def each(self, kind: type, **equal: Any) -> Iterator[Any]:
        return (r for r in self.records if isinstance(r, kind))

    def columns(self, kind: type, *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        for r in self.each(kind):
            yield tuple(getattr(r, n) for n in names)


def held(known_file: KnownFile, algorithm: str, *texts: str) -> list[bool]:
    answers = known_file.stated(algorithm, [bytes.fromhex(h(algorithm, t)) for t in texts])
    return [a is not None for a in answers]


def rds(path: Path, texts: list[str]) -> Path:
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE FILE(sha256 VARCHAR NOT NULL, sha1 VARCHAR NOT NULL, md5 VARCHAR NOT NULL, "
        "crc32 VARCHAR NOT NULL, file_name VARCHAR NOT NULL, file_size INTEGER NOT NULL, "
        "package_id INTEGER NOT NULL, PRIMARY KEY(sha256, sha1, md5, crc32, file_name, file_size, "
        "package_id)); CREATE TABLE VERSION(version VARCHAR, build_set VARCHAR, build_date TIMESTAMP, "
        "release_date TIMESTAMP, description VARCHAR);"
        "INSERT INTO VERSION VALUES('2026.03.1','modern','2026-03-01','2026-03-01','invented');"
        "CREATE VIEW DISTINCT_HASH AS SELECT DISTINCT sha256, sha1, md5, crc32 FROM FILE;"
    )
    for number, text in enumerate(texts):
        for package in (1, 2):
            hashes = [h(a, text).upper() for a in ("sha256", "sha1", "md5")]
            database.execute(
                "INSERT INTO FILE VALUES(?,?,?,?,?,?,?)",
                (*hashes, "00000000", f"{text}.dll", number, package),
            )
    database.commit()
    database.close()
    return path


def insert(text: str) -> str:
    values = "','".join(h(a, text).upper() for a in ("sha256", "sha1", "md5"))
    return f"INSERT INTO FILE VALUES('{values}','0','it''s; a (name).dll',7,3);"


def delete(text: str) -> str:
    return f"DELETE FROM FILE WHERE sha256='{h('sha256', text)}' AND sha1='{h('sha1', text)}' AND md5='{h('md5', text)}';"


# --- NSRL -----------------------------------------------------------------------------------------


def test_rds_and_its_quarterly_changes(tmp_path: Path) -> None:
    source = rds(tmp_path / "RDS?2026#modern.db", [f"file{n}" for n in range(500)] + [""])
    before = source.read_bytes()
    made, problems = compile_set(source, tmp_path / "d", "NSRL", "ignore", Terms("NIST"))
    assert source.read_bytes() == before and len(list(tmp_path.glob("RDS*"))) == 1
    assert made.scheme == "NSRL RDSv3 2026.03.1" and made.hashes == 1500
    assert [p for p in problems if "empty file" in p]
    there = KnownFile.open(tmp_path / "d", made.id)
    for algorithm in ("md5", "sha1", "sha256"):
        assert held(there, algorithm, "file0", "file499", "file500") == [True, True, False]

    change = tmp_path / "delta.sql"
    change.write_text(
        "BEGIN TRANSACTION;\n" + insert("new1") + "\n" + insert("new2") + insert("new3") + "\n"
        + delete("file7") + "\n" + delete("file8") + "\n" + insert("file8") + "\n"
        + f"UPDATE FILE SET sha256='{h('sha256', 'moved')}' WHERE sha256='{h('sha256', 'file9')}';\n"
        + "INSERT INTO PKG VALUES(1,'a package','1',2,3,'en','tool');\nCOMMIT;\n"
    )  # fmt: skip
    array = there.place / "sha256.npy"
    inode = array.stat().st_ino
    newer, problems = update_set(change, tmp_path / "d", made)
    assert not problems and newer.name == "NSRL" and newer.edition != made.edition
    after = KnownFile.open(tmp_path / "d", newer.id)
    assert (after.place / "sha256.npy").stat().st_ino == inode  # shared, not written anew
    assert held(after, "sha256", "new1", "new2", "new3", "file7", "file8", "file9", "moved") == [
        True, True, True, False, True, False, True,
    ]  # fmt: skip
    assert held(after, "md5", "file7", "file9", "file6") == [False, True, True]
    assert newer.hashes == 1500 + 9 + 1 - 3 - 1
    assert held(there, "sha256", "file7") == [True]  # the edition before is as it was
    assert update_set(change, tmp_path / "d", newer)[0] == newer
    with pytest.raises(ValueError, match="ignored"):
        other, _ = compile_set(source, tmp_path / "d", "As alert", "alert")
        update_set(change, tmp_path / "d", other)


def test_a_database_that_is_no_rds(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE other(a)")
    database.commit()
    database.close()
    with pytest.raises(ValueError, match="no RDSv3"):
        compile_set(path, tmp_path / "d", "x", "ignore")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError):
        compile_set(path, tmp_path / "d", "x", "ignore")
    assert not list((tmp_path / "d" / "known").iterdir())


def test_changes_that_take_out_everything_are_not_believed() -> None:
    reading = Reading()
    assert not list(
        read_changes(iter([b"DELETE FROM FILE;\n", b"DELETE FROM FILE WHERE md5='';\n"]), reading)
    )
    assert len(reading.lines()) == 2
    entries = list(read_changes(iter([f"{delete('a')}{insert('b')}\n".encode()]), Reading()))
    assert [type(e) for e in entries] == [Gone, Entry]


# --- hash sharing ---------------------------------------------------------------------------------


def page(*entries: str, more: str = "", at: str = "2026-05-01T00:00:00Z") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><queryResult xmlns="https://hashsharing.ncmec.org/'
        f'hashsharing/v2"><images count="{len(entries)}" maxTimestamp="{at}">{"".join(entries)}</images>'
        f"<paging><next>{more}</next></paging></queryResult>"
    )


def image(
    number: str, text: str, code: str = "A1", at: str = "2026-04-01T00:00:00Z", member: str = "42"
) -> str:
    return (
        f'<image><member id="{member}">Invented member</member><timestamp>{at}</timestamp><id>{number}</id>'
        f"<classification>{code}</classification><fingerprints><md5>{h('md5', text)}</md5>"
        f"<sha1>{h('sha1', text)}</sha1><pdq>{2 * h('md5', text)}</pdq><tmk>x</tmk></fingerprints></image>"
    )


def gone(number: str, at: str = "2026-05-01T00:00:00Z", member: str = "42") -> str:
    return f'<deletedImage><member id="{member}">Invented member</member><id>{number}</id><timestamp>{at}</timestamp></deletedImage>'


def pages(folder: Path, *texts: str) -> Path:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.xml").write_text(text)
    return folder


def test_pages_tombstones_and_exhausted_paging(tmp_path: Path) -> None:
    first = pages(
        tmp_path / "first",
        page(image("1", "a"), image("2", "b", "B2"), image("3", "c"), more="/v2/entries?start=4"),
        page(gone("3"), image("4", "d"), image("9", "a", member="7"), gone("5")),
    )
    made, problems = compile_set(first, tmp_path / "d", "Shared", "alert")
    assert [p for p in problems if "'tmk'" in p] and not [p for p in problems if "pdq" in p]
    there = KnownFile.open(tmp_path / "d", made.id)
    values = [bytes.fromhex(2 * h("md5", text)) for text in "abcd"]
    assert [a is not None for a in there.stated("pdq", values)] == [True, True, False, True]
    index = there.near()
    assert index is not None
    kept = {row.tobytes() for row in index.at(np.arange(len(index)))}
    assert kept == set(values[:2] + values[3:])
    assert made.scheme == "Industry (A1 to B2)" and there.updated is not None
    assert held(there, "sha1", "a", "b", "c", "d") == [True, True, False, True]
    assert there.lookup("md5", [bytes.fromhex(h("md5", "b"))]) == ["B2"]

    second = pages(
        tmp_path / "second", page(gone("2"), gone("1"), image("4", "d2", at="2026-06-01T00:00:00Z"))
    )
    newer, _ = update_set(second, tmp_path / "d", made)
    after = KnownFile.open(tmp_path / "d", newer.id)
    # "a" stands: another member lists it too; entry 4 has another hash now
    assert held(after, "md5", "a", "b", "d", "d2") == [True, False, False, True]
    third = pages(tmp_path / "third", page(gone("9", member="7")))
    newest, _ = update_set(third, tmp_path / "d", newer)
    assert held(KnownFile.open(tmp_path / "d", newest.id), "md5", "a", "d2") == [False, True]


def test_an_answer_that_is_not_whole_gives_no_date(tmp_path: Path) -> None:
    folder = pages(tmp_path / "p", page(image("1", "a"), more="/v2/entries?start=2"))
    made, problems = compile_set(folder, tmp_path / "d", "Shared", "alert")
    assert any("the last page is missing" in p for p in problems)
    assert KnownFile.open(tmp_path / "d", made.id).updated is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html></html>", "no queryResult"),
        ("<queryResult><images><image>", "not well-formed"),
        ('<!DOCTYPE q [<!ENTITY a "b">]><queryResult>&a;</queryResult>', "document type"),
        ("<queryResult>" + "<a>" * 50, "nested deeper"),
    ],
)
def test_xml_that_is_no_page(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "p.xml").write_text(text)
    with pytest.raises(ValueError, match=reason):
        compile_set(tmp_path / "p.xml", tmp_path / "d", "x", "alert")
    with pytest.raises(ValueError, match="without pages"):
        (tmp_path / "none").mkdir()
        compile_set(tmp_path / "none", tmp_path / "d", "x", "alert")


# --- updates, terms, disputes ---------------------------------------------------------------------


def test_many_updates_are_merged_and_say_the_same(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sets, "_MOST_LAYERS", 3)
    (tmp_path / "l").write_text(h("md5", "0"))
    made, _ = compile_set(tmp_path / "l", tmp_path / "d", "x", "ignore")
    texts = {"0"}
    for number in range(1, 12):
        change = tmp_path / f"c{number}.sql"
        take = str(number // 2)
        change.write_text(insert(str(number)) + "\n" + delete(take) + "\n")
        texts = (texts - {take}) | {str(number)}
        made, _ = update_set(change, tmp_path / "d", made)
        there = KnownFile.open(tmp_path / "d", made.id)
        assert len(there.layers) <= 3
        assert held(there, "md5", *map(str, range(13))) == [str(n) in texts for n in range(13)]
        assert there.counts["md5"] == len(texts)
        assert update_set(change, tmp_path / "d", made)[0] == made
    every = [
        KnownFile.open(tmp_path / "d", p.name).record for p in (tmp_path / "d/known").iterdir()
    ]
    assert latest_of(tmp_path / "d", every) == made
    (tmp_path / "other").write_text(h("md5", "elsewhere"))
    other, _ = compile_set(tmp_path / "other", tmp_path / "d", "x", "ignore")
    assert latest_of(tmp_path / "d", [made, other]) is None


def test_an_update_cut_short_leaves_the_set_as_it_was(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "l").write_text(h("md5", "a"))
    (tmp_path / "more").write_text(h("md5", "b"))
    made, _ = compile_set(tmp_path / "l", tmp_path / "d", "x", "alert")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            update_set(tmp_path / "more", tmp_path / "d", made)
    assert [p.name for p in (tmp_path / "d/known").iterdir()] == [made.id]
    newer, _ = update_set(tmp_path / "more", tmp_path / "d", made)
    assert held(KnownFile.open(tmp_path / "d", newer.id), "md5", "a", "b") == [True, True]


def test_long_lists_are_read_many_lines_at_a_time_and_say_the_same(tmp_path: Path) -> None:
    lines = [h("md5", str(n)) for n in range(30_000)]
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    plain.write_text("\n".join(lines) + "\n")
    mixed = list(lines)
    mixed[20_000] = "no hash at all, this"
    mixed[25_000] = mixed[25_000][:10] + " " + mixed[25_000][11:]
    odd.write_text("\r\n".join(mixed) + "\r\n")
    a, problems = compile_set(plain, tmp_path / "d", "a", "ignore")
    assert (a.entries, a.hashes, problems) == (30_000, 30_000, [])
    b, problems = compile_set(odd, tmp_path / "d", "b", "ignore")
    assert (b.entries, b.hashes) == (29_998, 29_998)
    assert [p.partition(":")[0] for p in problems] == ["line 20001", "line 25001"]
    asked = [bytes.fromhex(line) for line in lines]
    states = KnownFile.open(tmp_path / "d", b.id).stated("md5", asked)
    assert [i for i, s in enumerate(states) if s is None] == [20_000, 25_000]


def test_a_nist_list_of_vics_1_2(tmp_path: Path) -> None:
    media = {
        "odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media",
        "value": [
            {
                "MediaID": 1, "Category": 0, "MD5": h("md5", "a").upper(), "SHA1": h("sha1", "a"),
                "MediaSize": "10", "MediaFiles": [{"FileName": "x.jpg", "MD5": h("md5", "decoy")}],
            }
        ],
    }  # fmt: skip
    (tmp_path / "l").write_text(json.dumps(media))
    made, _ = compile_set(tmp_path / "l", tmp_path / "d", "NIST", "ignore")
    assert made.scheme == "VICS 1.2" and made.hashes == 2
    assert held(KnownFile.open(tmp_path / "d", made.id), "md5", "a", "decoy") == [True, False]


def test_terms_are_kept_and_an_expired_set_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "l").write_text(h("md5", "a"))
    past, _ = compile_set(tmp_path / "l", tmp_path / "d", "old", "alert", Terms("A", "Lent", 1))
    ahead, _ = compile_set(tmp_path / "l", tmp_path / "d", "new", "alert", Terms(expires=1 << 50))
    assert (past.origin, past.licence, past.expires) == ("A", "Lent", 1)
    assert expired(past) and not expired(ahead) and not expired(ahead, 0)
    one = Content(sha256=h("sha256", "a"), sha1=h("sha1", "a"), md5=h("md5", "a"), size=1, mime="x")
    found = list(known(Rows(one, past, ahead), tmp_path / "d"))
    assert [m.known_set for m in found if isinstance(m, KnownMatch)] == [ahead.id]


def test_what_lists_say_besides_is_passed_on(tmp_path: Path) -> None:
    head = (
        "MD5;SHA1;PhotoDNA;Image ID;Is distributed;Victim identified;Offender identified;Baseline"
    )
    (tmp_path / "icse").write_text(f"{head}\n{h('md5', 'a')};;;7;Y;yes;N;Y\n")
    made, _ = compile_set(tmp_path / "icse", tmp_path / "d", "ICSE", "alert")
    one = Content(sha256=h("sha256", "a"), sha1=h("sha1", "a"), md5=h("md5", "a"), size=1, mime="x")
    (match,) = known(Rows(one, made), tmp_path / "d")
    assert isinstance(match, KnownMatch)
    assert (match.victim_identified, match.offender_identified, match.distributed) == (
        True,
        False,
        True,
    )


def test_lists_that_contradict_each_other() -> None:
    assert disagreement(
        [("A", "alert", "VICS 2.0/US", "1"), ("B", "alert", "VICS 2.0/US", "2")]
    ) == ("VICS 2.0/US: 1 by A; 2 by B",)
    assert not disagreement([("A", "alert", "VICS 2.0/US", "1"), ("B", "alert", "VICS 1.3", "2")])
    assert not disagreement(
        [("A", "alert", "VICS 2.0/US", "1"), ("B", "listed", "VICS 2.0/US", "5")]
    )
    assert disagreement([("A", "alert", "", ""), ("B", "ignore", "", "")]) == (
        "alert by A, ignored by B",
    )
    assert len(disagreement([("A", "alert", "X", "1|3"), ("B", "ignore", "X", "")])) == 2
    assert (
        KnownDispute(content="c", between=(), reasons=()).id
        == KnownDispute(content="c", between=("x",), reasons=()).id
    )
    assert KnownSet(name="a", edition="b", use="alert").id
