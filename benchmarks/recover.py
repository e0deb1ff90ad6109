"""Recovery of deleted rows, measured: ours beside sqlite-dissect, on made variants and a public corpus.

    python benchmarks/recover.py [--rows 2000] [--only A,B] [--peer] [--corpus ../shared/data/sqlite-corpus]

full: key and whole text of a deleted row in one record. false: records that are neither (junk, wrong
values, live rows called deleted). ``--peer`` installs sqlite-dissect into an environment of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from recover_variants import COLUMNS, MAKERS, Variant, make

from amparo.recover import Row, recovered


def files(variant: Variant) -> tuple[bytes, bytes | None, bytes | None]:
    """The bytes of a variant's database, log and journal."""
    parts = [variant.database.with_name(f"msgstore.db{s}") for s in ("", "-wal", "-journal")]
    main, wal, journal = (p.read_bytes() if p.exists() else None for p in parts)
    assert main is not None
    return main, wal, journal


def judge(variant: Variant, rows: list[Row]) -> tuple[int, int, int, set[int]]:
    """(full, false, live called deleted, what was found) of our own rows."""
    truth = {str(r[3]): r for r in [*variant.deleted.values(), *variant.live.values()]}
    full: set[int] = set()
    false = alive = 0
    for row in rows:
        if row.table in ("jid", "chat") and row.method not in ("id_gap", "sort_id_gap", "orphan"):
            false += row.state != "live" and variant.name != "C"  # nothing was deleted there
        if row.table != "message" or row.method in (
            "fts_rebuild",
            "fts_older",
            "id_gap",
            "sort_id_gap",
            "orphan",
        ):
            continue
        known = truth.get(str(row.columns.get("key_id")))
        expected = dict(zip(COLUMNS, known, strict=True)) if known else {}
        if row.method == "index_tombstone" and "key_id" not in row.columns:
            by_id = variant.deleted.get(row.rowid or 0)
            expected = dict(zip(COLUMNS, by_id, strict=True)) if by_id else {}
        wrong = [n for n, v in row.columns.items() if expected.get(n) != v]
        if not row.complete and wrong == ["text_data"] and wrong[0] in row.columns:
            wrong = (
                []
                if str(expected["text_data"]).startswith(str(row.columns["text_data"]))
                else wrong
            )
        if not expected or wrong:
            false += 1
            continue
        number = expected["_id"]
        if number in variant.live:
            alive += row.state != "live"
        elif (
            "key_id" in row.columns
            and "text_data" in row.columns
            and row.columns["text_data"] == expected["text_data"]
        ):
            full.add(number)
    return len(full), false, alive, full


def ours(variant: Variant) -> tuple[list[Row], float]:
    """Our rows and the CPU seconds they took."""
    sibling = variant.sibling.read_bytes() if variant.sibling else None
    data = files(variant)
    start = time.process_time()
    rows = list(recovered(*data, tables=("message",), sibling=sibling))
    return rows, time.process_time() - start


def plain(text: str) -> str:
    """A text as a full-text index keeps it: words in lower case."""
    return " ".join(re.findall(r"[a-z0-9\u0080-\U0010ffff]+", text.lower()))


def texts(variant: Variant, rows: list[Row]) -> tuple[dict[str, set[int]], int, int]:
    """(deleted texts by method, wrong ones, numbers proven missing); whole texts only."""
    truth = {n: str(r[15]) for n, r in variant.deleted.items() if r[15] is not None}
    found: dict[str, set[int]] = {}
    wrong = 0
    for row in rows:
        said = row.columns.get("text_data")
        if row.table != "message" or row.state == "live" or not isinstance(said, str):
            continue
        if plain(said) == plain(truth.get(row.rowid or 0, "")):
            found.setdefault(row.method, set()).add(row.rowid or 0)
        else:
            whole = row.complete or row.method in (
                "fts_rebuild",
                "fts_older",
            )  # rebuilt texts are never "complete"
            wrong += "…" not in said and whole
    db = sqlite3.connect(f"file:{variant.database}?mode=ro", uri=True)
    quoted = {t for (t,) in db.execute("SELECT text_data FROM message_quoted")}
    quoted |= {r.columns.get("text_data") for r in rows if r.table == "message_quoted"}
    found["quotes"] = {n for n, t in truth.items() if t in quoted}
    gaps = (r for r in rows if r.table == "message" and r.method == "id_gap")
    missing = sum(int(str(r.columns["missing"])) for r in gaps)
    return found, wrong, missing


def peer_python(folder: Path) -> Path:
    """An environment with sqlite-dissect from PyPI."""
    home = folder / "peer"
    if not (home / "bin" / "sqlite_dissect").exists():
        venv.create(home, with_pip=True)
        subprocess.run(
            [home / "bin" / "pip", "-q", "install", "sqlite-dissect==1.0.0", "setuptools<80"],
            check=True,
        )
    return home / "bin" / "sqlite_dissect"


def dissect(tool: Path, database: Path, folder: Path) -> tuple[list[list[str]], float, str]:
    """Records that sqlite-dissect calls deleted or updated, its CPU seconds, how it ended."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [tool, database, "-c", "-f", "-k", "-e", "csv", "-d", out]
    wal = database.with_name(database.name + "-wal")
    journal = database.with_name(database.name + "-journal")
    command += ["-w", wal] if wal.exists() else []
    command += ["-j", journal] if journal.exists() and not wal.exists() else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        ended = "" if done.returncode == 0 else f"exit {done.returncode}"
    except subprocess.TimeoutExpired:
        ended = "timeout"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    records = []
    csv.field_size_limit(1 << 30)
    for file in out.rglob("*.csv"):
        with file.open(newline="", encoding="utf-8", errors="replace") as stream:
            for line in csv.reader(stream):
                if "Added" not in line and any(w in line for w in ("Deleted", "Updated", "Carved")):
                    records.append(line)
    return records, spent, ended


def judge_peer(variant: Variant, records: list[list[str]]) -> tuple[int, int]:
    """(full, false): texts of a peer are compared after taking off its quoting."""
    full: set[int] = set()
    false = 0
    keys = {str(r[3]): r for r in variant.deleted.values()}
    for record in records:
        joined = "\x1f".join(record)
        found = re.search(r"[0-9A-F]{32}", joined)
        if not found or len(record) < 15:
            continue
        key = found.group()
        if key not in keys:
            false += 1  # a live row called deleted, or junk
        elif keys[key][15] is None or str(keys[key][15]) in joined:
            full.add(int(str(keys[key][0])))
    return len(full), false


def expected_of(xml: Path) -> list[tuple[str, ...]]:
    """Deleted rows that the corpus states, as texts in order of columns."""
    text = xml.read_text(encoding="utf-8", errors="replace")
    rows = []
    for row in re.findall(r'<row deleted="1">(.*?)</row>', text, re.S):
        rows.append(
            tuple(_plain(v) for v in re.findall(r"<content(?:/>|>(.*?)</content>)", row, re.S))
        )
    return rows


def _plain(value: Any) -> str:
    text = "" if value is None else str(value)
    for mark, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(mark, char)
    text = text.strip()
    if re.fullmatch(r"-?\d+\.\d+", text):
        text = repr(float(text))
    return "" if text in ("NULL", "None") else text.removesuffix(".0")


def _ever(database: Path) -> Counter[tuple[str, ...]]:
    """Every row that the corpus' own statements ever wrote and that is not live now."""
    ever: Counter[tuple[str, ...]] = Counter()
    db = sqlite3.connect(":memory:")
    statement = ""
    for line in database.with_suffix(".sql").read_text("utf-8", "replace").splitlines(True):
        statement += line
        if sqlite3.complete_statement(statement):
            if not re.match(r"\s*(delete|drop|pragma)", statement, re.I):
                with contextlib.suppress(sqlite3.Error):
                    db.execute(statement)
            if re.match(r"\s*drop", statement, re.I):
                ever += _contents(db)
                with contextlib.suppress(sqlite3.Error):
                    db.execute(statement)
            statement = ""
    ever += _contents(db)
    now = sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)
    now.text_factory = lambda b: b.decode("utf-8", "replace")
    return ever - _contents(now)


def _contents(db: sqlite3.Connection) -> Counter[tuple[str, ...]]:
    rows: Counter[tuple[str, ...]] = Counter()
    names = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
    for (name,) in names:
        quoted = '"' + name.replace('"', '""') + '"'
        with contextlib.suppress(sqlite3.Error):
            rows.update(tuple(map(_plain, r)) for r in db.execute(f"SELECT * FROM {quoted}"))
    return rows


def _of_corpus(
    database: Path,
) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]], int, float]:
    """(rows stated as deleted, rows found, how many were never written or are live, CPU seconds)."""
    want = Counter(expected_of(database.with_suffix(".xml")))
    start = time.process_time()
    rows = [
        r for r in recovered(database.read_bytes())
        if r.table != "sqlite_master" and r.method not in ("id_gap", "sort_id_gap", "orphan", "fts_rebuild", "fts_older")
    ]  # fmt: skip
    spent = time.process_time() - start
    got = Counter(tuple(_plain(v) for v in r.columns.values()) for r in rows)
    return want, got, (got - (_ever(database) | want)).total(), spent


def corpus(folder: Path) -> None:
    """The table per category of the public corpus."""
    print("\ncategory  databases  rows  found  false  more  CPU s")
    for category in sorted(p for p in folder.iterdir() if p.is_dir()):
        total = found = false = more = count = 0
        spent = 0.0
        for database in sorted(category.glob("*.db")):
            want, got, wrong, seconds = _of_corpus(database)
            spent += seconds
            total, found, count = total + want.total(), found + (want & got).total(), count + 1
            false, more = false + wrong, more + (got - want).total() - wrong
        print(
            f"{category.name:8}  {count:9}  {total:4}  {found:5}  {false:5}  {more:4}  {spent:5.2f}"
        )


def main() -> None:
    """Make the variants, run everything, print the tables."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--only", default="")
    options.add_argument("--peer", action="store_true")
    options.add_argument("--folder", type=Path, default=None)
    options.add_argument("--corpus", type=Path, default=Path("../shared/data/sqlite-corpus"))
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="amparo-recover-"))
    tool = peer_python(folder) if chosen.peer else None
    print(
        f"SQLite {sqlite3.sqlite_version}, {chosen.rows} rows; full / false / live called deleted / CPU s"
    )
    for name in chosen.only.split(",") if chosen.only else MAKERS:
        variant = make(name, folder, chosen.rows)
        rows, spent = ours(variant)
        full, false, alive, found = judge(variant, rows)
        in_reach = len(found & variant.ceiling)
        line = f"{name:3} deleted {len(variant.deleted):5} ceiling {len(variant.ceiling):5}  ours {full:5} ({in_reach} of the ceiling) / {false} / {alive} / {spent:.2f}"
        if tool:
            records, seconds, ended = dissect(tool, variant.database, folder)
            theirs, wrong = judge_peer(variant, records)
            line += f"   sqlite-dissect {theirs:5} / {wrong} / {seconds:.1f} {ended}"
        print(line, flush=True)
        if name[0] in "MNO":
            by_method, wrong, missing = texts(variant, rows)
            union = set().union(*by_method.values())
            total = sum(1 for r in variant.deleted.values() if r[15] is not None)
            counts = ", ".join(f"{m} {len(f)}" for m, f in sorted(by_method.items()))
            print(
                f"    texts {len(union)} of {total}, wrong {wrong}, missing numbers proven {missing}: {counts}"
            )
    if (chosen.corpus / "v1.0").exists():
        corpus(chosen.corpus / "v1.0")


if __name__ == "__main__":
    main()
