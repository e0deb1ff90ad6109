"""Files inside databases and caches: what a live row holds is not deleted; what was left undone is said."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from pathlib import Path

import pytest

import planted
from amparo.cli import main
from amparo.kit.found import Found
from amparo.kit.plugin import Warn
from amparo.kit.source import Source
from amparo.model import Content, File, Media
from amparo.recover.files import Tally, carve
from amparo.recover.inside import buried
from amparo.recover.live_values import LiveValues, rest
from amparo.store import Case

SMALL = [planted.picture("JPEG", n, 48, 32) for n in range(9)]
LARGE = [planted.picture("JPEG", 10 + n, 320, 240) for n in range(3)]


def opened(path: Path, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (*pragmas, "secure_delete=OFF"):
        connection.execute(f"pragma {pragma}").fetchall()
    return connection


def filled(path: Path, *pragmas: str) -> sqlite3.Connection:
    """A database with small pictures in cells and large ones in overflow pages."""
    connection = opened(path, *pragmas)
    connection.execute("create table kept (id integer primary key, name text, data blob)")
    for number, data in enumerate([*SMALL, *LARGE], 1):
        connection.execute("insert into kept values (?, ?, ?)", (number, f"p{number}", data))
    return connection


def states(path: Path, **beside: Path) -> dict[str, str]:
    """State by SHA-256 of what lies in a file; each must be told once."""
    companions = {f"-{name}": Source.of_bytes(p.read_bytes()) for name, p in beside.items()}
    source = Source(io.BytesIO(path.read_bytes()), path.stat().st_size, companions)
    found = Found("exhibit", "0f" * 18, path.name, "content")
    made = list(buried.files(source, found))
    assert not [m for m in made if isinstance(m, Warn)], made
    contents = {c.id: c.sha256 for c in made if isinstance(c, Content)}
    files = [m for m in made if isinstance(m, File)]
    live = [f.content for f in files if f.state == "embedded"]
    assert len(set(live)) == len(live)
    for file in files:
        folder = {"embedded": "#row/", "carved": "#carved/"}[file.state]
        assert folder in file.path
        assert file.method == ("live row" if file.state == "embedded" else "contiguous")
    return {contents[f.content]: f.state for f in files}


def test_pictures_of_live_rows_are_embedded_and_others_carved(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with filled(path) as connection:
        connection.execute("delete from kept where id = 5")
    connection.close()
    got = states(path)
    want = {planted.sha256(data): "embedded" for data in [*SMALL, *LARGE]}
    want[planted.sha256(SMALL[4])] = "carved"
    assert got == want
    for data in LARGE:  # each goes through several pages with pointers between
        assert len(data) > 3 * 4096


def test_rows_that_only_the_log_holds_are_live(tmp_path: Path) -> None:
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    connection = filled(path, "journal_mode=WAL")
    connection.execute("pragma wal_checkpoint(TRUNCATE)").fetchall()
    new = planted.picture("JPEG", 40, 96, 64)
    connection.execute("insert into kept values (50, 'new', ?)", (new,))
    connection.execute("delete from kept where id = 1")
    kept = tmp_path / "kept"
    kept.mkdir()
    for one in (path, log):  # as they lie while the application runs
        (kept / one.name).write_bytes(one.read_bytes())
    connection.close()
    inside = states(kept / path.name, wal=kept / log.name)
    assert inside[planted.sha256(SMALL[0])] == "carved", "the log has erased it"
    assert set(inside.values()) == {"carved", "embedded"}
    logged = states(kept / log.name, db=kept / path.name)
    assert logged[planted.sha256(new)] == "embedded"
    assert planted.sha256(new) not in inside
    alone = states(kept / log.name)
    assert set(alone.values()) == {"carved"}, "without its database nothing is known to be live"
    assert planted.sha256(new) in alone


def test_a_journal_tells_what_its_database_no_longer_holds(tmp_path: Path) -> None:
    path, journal = tmp_path / "a.db", tmp_path / "a.db-journal"
    connection = filled(path, "journal_mode=PERSIST")
    connection.execute("delete from kept where id = 3")
    connection.close()
    got = states(journal, db=path)
    assert got == {planted.sha256(SMALL[2]): "carved"}, (
        "live pictures on the same page are not told"
    )


def test_rows_laid_one_over_another_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path) as connection:
        connection.execute("create table kept (id integer primary key, data blob)")
        connection.executemany(
            "insert into kept (data) values (?)", [(bytes([n]) * 100,) for n in range(60)]
        )
    connection.close()
    data = bytearray(path.read_bytes())
    page = next(
        at for at in range(4096, len(data), 4096)
        if data[at] == 13 and int.from_bytes(data[at + 3 : at + 5]) > 1
    )  # fmt: skip
    count = 1500
    first = data[page + 8 : page + 10]
    data[page + 3 : page + 5] = count.to_bytes(2)
    data[page + 8 : page + 8 + 2 * count] = first * count
    with pytest.raises(ValueError, match="one over another"):
        list(LiveValues(bytes(data)).ranges())
    source = Source.of_bytes(bytes(data))
    made = list(buried.files(source, Found("exhibit", "0f" * 18, "a.db", "content")))
    said = [m.reason for m in made if isinstance(m, Warn)]
    assert said == ["live rows are not told from erased ones: rows lie one over another"]


def test_what_is_left_of_a_range() -> None:
    assert rest(100, [(10, 5), (0, 3), (12, 8)]) == [(3, 7), (20, 80)]
    assert rest(10, [(0, 20)]) == [] and rest(10, []) == [(0, 10)]


# --- limits of effort ---------------------------------------------------------------------------


def test_a_search_that_runs_out_of_time_says_what_is_left() -> None:
    blob = planted.picture("JPEG", 1) * 3
    tally = Tally(seconds=-1)
    assert not list(carve(io.BytesIO(blob), tally=tally))
    assert tally.lines() == [f"{len(blob):,} bytes were not searched: time was used up"]
    tally = Tally()
    assert len(list(carve(io.BytesIO(blob), tally=tally))) == 3 and tally.lines() == []


def test_files_for_which_no_effort_is_left_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from amparo.recover import files

    monkeypatch.setattr(files, "SHARE", 1)
    photo = planted.picture("JPEG", 1, 640, 480)
    half = len(photo) // 2 // 4096 * 4096
    blob = photo[:half] + b"\x5a" * 8192 + photo[half:] + bytes(4096)
    tally = Tally()
    (one,) = carve(io.BytesIO(blob), align=512, cluster=4096, tally=tally)
    assert not one.complete and tally.unjoined
    assert "the other piece was not looked for everywhere" in tally.lines()[0]


def test_what_was_left_undone_is_a_problem_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buried, "_SEARCHING", -1)
    made = list(buried.files(Source.of_bytes(b"\1" * 5000), Found("e", "f", "swap.bin", "c")))
    assert made == [Warn("5,000 bytes were not searched: time was used up")]


# --- the places of the phones, each once --------------------------------------------------------


def test_caches_of_applications_come_into_a_case(tmp_path: Path) -> None:
    """Glide and Coil, OkHttp, a browser's cache, iOS thumbnails and .ithmb, a messenger's database."""
    glide, body, web, ios, strip, held = (
        planted.picture("JPEG", 70 + n, 160, 120) for n in range(6)
    )
    webp = planted.picture("WEBP", 80, 160, 120)
    database = tmp_path / "chat.db"
    connection = opened(database)
    connection.execute("create table message_thumbnails (message integer primary key, thumb blob)")
    connection.execute("insert into message_thumbnails values (1, ?)", (b"\x0a\x20" + held,))
    connection.close()
    cache = "data/data/app/cache"
    want = {
        f"{cache}/image_manager_disk_cache/{'a1' * 32}.0": (glide, "live"),
        f"{cache}/image_cache/{'b2' * 16}.1": (webp, "live"),
        "private/var/mobile/Media/PhotoData/Thumbnails/V2/DCIM/100APPLE/IMG_0001.JPG/5005.JPG": (
            ios,
            "live",
        ),
    }
    exhibit = tmp_path / "phone.zip"
    with zipfile.ZipFile(exhibit, "w") as file:
        for path, (data, _) in want.items():
            file.writestr(path, data)
        journal = "libcore.io.DiskLruCache\n1\n1\n1\n\nCLEAN " + "a1" * 32 + f" {len(glide)}\n"
        file.writestr(f"{cache}/image_manager_disk_cache/journal", journal)
        file.writestr(f"{cache}/okhttp/entry", b"\x00\x01https://example.org/a\x00\x00" + body)
        simple = b"\x30\x5c\x72\xa7\x1b\x6d\xfb\xfc" + b"\x05\0\0\0\x16\0\0\0" + bytes(8)
        file.writestr(
            f"{cache}/Cache_Data/0123456789abcdef_0", simple + b"https://x.example/" + web
        )
        file.writestr(
            "Media/PhotoData/Thumbnails/T1001_1.ithmb", b"\0\0\x03\xe9" + bytes(64) + strip
        )
        file.writestr("Media/PhotoData/Thumbnails/F1019_1.ithmb", bytes(range(256)) * 90)
        file.write(database, "data/data/app/databases/chat.db")
        file.writestr("DCIM/again.jpg", glide)
    case_path = tmp_path / "case.amparo"
    assert main(["new", str(case_path)]) == 0
    assert main(["add", str(case_path), str(exhibit), "--country", "ES"]) in (0, 1)
    assert main(["run", str(case_path)]) in (0, 1)
    with Case.open(case_path) as case:
        files = list(case.store.each(File))
        by_hash: dict[str, list[File]] = {}
        for one in files:
            content = case.store.get(Content, one.content)
            by_hash.setdefault(content.sha256 if content else "", []).append(one)
        for path, (data, state) in want.items():
            there = {f.path: f.state for f in by_hash[planted.sha256(data)]}
            assert there[path] == state
        assert len(by_hash[planted.sha256(glide)]) == 2, "one content, in two places"
        for data, state, inside in (
            (body, "carved", "okhttp/entry#carved/"),
            (web, "carved", "0123456789abcdef_0#carved/"),
            (strip, "carved", "T1001_1.ithmb#carved/"),
            (held, "embedded", "chat.db#row/"),
        ):
            (one,) = by_hash[planted.sha256(data)]
            assert one.state == state and inside in one.path
            assert '"carved": [[' in one.locator, "with its ranges of bytes"
            assert list(case.store.each(Media, content=one.content)), "its pixels were looked at"
        from amparo.model import Problem

        (said,) = (p for p in case.store.each(Problem) if p.path.endswith("F1019_1.ithmb"))
        assert said.reason == "thumbnails kept as bare pixels, which are not shown"
