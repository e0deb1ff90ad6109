"""A case tells what was erased from its databases, down to the bytes in the file beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from amparo.cli import main
from amparo.model import At, DatabaseState, Gap, Record, RecoveredRow
from amparo.run.picture import Pictures
from amparo.store.case import Case
from recovering import erased, note, noted


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of a folder with one database nobody knows, its log still beside it, and its copy in a zip."""
    folder = tmp_path_factory.mktemp("erased")
    phone = folder / "phone"
    (phone / "data").mkdir(parents=True)
    live = folder / "live.db"
    db = noted(live, 80, journal="WAL", secure=1)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    erased(db, [7, 8, 9, 40])
    for suffix in ("", "-wal"):
        shutil.copy(f"{live}{suffix}", phone / "data" / f"notes.db{suffix}")
    db.close()
    shutil.make_archive(str(folder / "phone"), "zip", phone)
    case = folder / "c.amparo"
    main(["new", str(case)])
    assert main(["add", str(case), str(phone), "--exhibit", "F-1", "--json"]) == 0
    assert main(["add", str(case), str(folder / "phone.zip"), "--exhibit", "Z-1", "--json"]) == 0
    assert main(["run", str(case), "--json"]) in (0, 1)
    return case


def test_rows_gaps_and_states_are_in_the_case(
    worked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Case.open(worked) as case:
        rows = list(case.store.each(RecoveredRow))
        gaps = list(case.store.each(Gap))
        states = list(case.store.each(DatabaseState))
        found = case.store.search(note(40)[3][:30])
    assert sorted(json.loads(r.columns)["_id"] for r in rows) == [7, 7, 8, 8, 9, 9, 40, 40]
    assert {(g.first, g.last, g.recovered) for g in gaps} == {(7, 9, 3), (40, 40, 1)}
    assert len(states) == 2 and all(s.log_frames and s.missing == 4 for s in states)
    assert {h.kind for h in found} == {"recovered_row"}
    capsys.readouterr()
    assert main(["status", str(worked), "--json"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)["erased"]
    assert (told["missing"], told["gaps"], told["recovered_rows_of_no_parser"]) == (8, 4, 8)
    assert told["databases"][0]["recovered"] == {"before_wal": 4}
    assert told["databases"][0]["gaps"][0]["after"] == note(6)[2]
    assert main(["status", str(worked)]) in (0, 1)
    assert "8 row numbers are missing in 4 gaps" in capsys.readouterr().out


def test_the_bytes_a_record_rests_on_are_read_again(worked: Path) -> None:
    with Case.open(worked) as case, Pictures(case) as pictures:
        rows: list[Record] = list(case.store.each(RecoveredRow))
        for row in rows:
            at = row.at  # type: ignore[attr-defined]
            author = json.loads(row.columns)["author"]  # type: ignore[attr-defined]
            assert author.encode() in pictures.piece(at, 4096)
            assert len(pictures.piece(at, 5)) == 5
        log = At(at.exhibit, at.file, "", None, 0, 4, companion="-wal")
        assert pictures.piece(log, 100)[:3] == b"\x37\x7f\x06"
        for wrong, why in (
            (At(at.exhibit, at.file, "", None, 1 << 40, 4), "behind the end"),
            (At(at.exhibit, at.file, "", None, 0, 4, companion="-journal"), "no file"),
            (At(at.exhibit, at.file), "no bytes"),
        ):
            with pytest.raises(ValueError, match=why):
                pictures.piece(wrong, 10)


def test_a_second_run_adds_nothing(worked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Case.open(worked) as case:
        before = [case.store.tally(k) for k in (RecoveredRow, Gap, DatabaseState)]
    assert main(["run", str(worked), "--only", "recover/databases"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    with Case.open(worked) as case:
        assert [case.store.tally(k) for k in (RecoveredRow, Gap, DatabaseState)] == before
