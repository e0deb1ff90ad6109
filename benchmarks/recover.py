"""Recovery of deleted rows, measured: ours beside sqlite-dissect, on made variants and a public corpus.

    python benchmarks/recover.py [--rows 2000] [--only A,B] [--peer] [--xsqlite FOLDER]
                                 [--corpus ../shared/data/sqlite-corpus]

full: key and whole text of a deleted row in one record. false: records that are neither (junk, wrong
values, live rows called deleted). ``--peer`` installs sqlite-dissect into an environment of its own;
``--xsqlite`` is a checkout of github.com/NetherlandsForensicInstitute/xsqlite, run on the corpus as well.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from recover_corpus import corpus
from recover_peers import dissect, environment
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


def main() -> None:
    """Make the variants, run everything, print the tables."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--only", default="")
    options.add_argument("--peer", action="store_true")
    options.add_argument("--xsqlite", type=Path, default=None)
    options.add_argument("--folder", type=Path, default=None)
    options.add_argument("--corpus", type=Path, default=Path("../shared/data/sqlite-corpus"))
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="amparo-recover-"))
    peers = environment(folder) if chosen.peer or chosen.xsqlite else None
    tool = peers if chosen.peer else None
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
        corpus(chosen.corpus / "v1.0", folder, peers, chosen.peer, chosen.xsqlite)


if __name__ == "__main__":
    main()
