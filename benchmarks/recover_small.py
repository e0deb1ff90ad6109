"""Small tables made at random, of the kind the public corpus holds: rows deleted, new ones written over them.

    python benchmarks/recover_small.py [HOW_MANY] [FIRST_SEED]

No number of a made table repeats the corpus: what is learnt there by heart does not help here. A row is
found where all its values come back (its number may be lost with the head of its cell).
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from recover_corpus import serial, stands

from amparo.recover import recovered

NAMES = str.split(
    "Anna Ben Clara Dieter Emil Franziska Gustav Hanna Ida Jörg Karl Lukas Melanie Nico Otto Paula Quirin"
    " Rosa Sven Tim Ute Vera Walter Xaver Yvonne Zoe Müller Schmidt Weiß Krüger Zimmermann Bauer"
)
TYPES = {
    "whole": "INT", "small": "INT", "name": "TEXT NOT NULL", "note": "TEXT", "maybe": "TEXT", "real": "FLOAT",
}  # fmt: skip
Values = tuple[object, ...]


def _value(kind: str, chance: random.Random) -> object:
    match kind:
        case "whole":
            return chance.randint(-(1 << 31), 1 << 32)
        case "small":
            return chance.randint(0, 200)
        case "name":
            return chance.choice(NAMES)
        case "note":
            return " ".join(chance.choices(NAMES, k=chance.randint(1, 12)))
        case "maybe":
            return chance.choice([None, chance.choice(NAMES)])
    return round(chance.uniform(-5e9, 5e9), 5)


def made(seed: int, folder: Path) -> tuple[bytes, bool, dict[int, Values], list[int]]:
    """A database, whether its first column is the row's number, all rows by number, numbers deleted."""
    chance = random.Random(seed)
    kinds = chance.choices(list(TYPES), k=chance.randint(2, 6))
    if not {"name", "note"} & set(kinds):
        kinds[-1] = "name"
    alias = chance.random() < 0.4
    path = folder / f"{seed}.db"
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=4096", "secure_delete=0", "auto_vacuum=0", "journal_mode=DELETE"):
        db.execute(f"PRAGMA {pragma}")
    first = "c0 INTEGER PRIMARY KEY" if alias else "c0 INT NOT NULL"
    columns = ", ".join([first, *(f"c{i} {TYPES[k]}" for i, k in enumerate(kinds, 1))])
    db.execute(f"CREATE TABLE users ({columns})")
    rows: dict[int, Values] = {}

    def insert(number: int) -> None:
        rows[number] = (20_000 + number, *(_value(kind, chance) for kind in kinds))
        marks = ",".join("?" * len(rows[number]))
        db.execute(f"INSERT INTO users VALUES ({marks})", rows[number])

    count = chance.choice([6, 10, 20, 40, 80])
    for number in range(count):
        insert(number)
    gone = chance.sample(range(count), chance.randint(1, count - 1))
    for number in gone:
        db.execute("DELETE FROM users WHERE c0=?", (20_000 + number,))
    for number in range(count, count + chance.choice([0, 0, 2, 5, 10])):
        insert(number)
    db.close()
    data = path.read_bytes()
    path.unlink()
    return data, alias, rows, gone


def judged(seed: int, folder: Path) -> Counter[str]:
    """How many rows were deleted, still stand, were found; how many finds are false or live."""
    data, alias, rows, gone = made(seed, folder)
    dead = {rows[number] for number in gone}
    alive = {row[alias:] for number, row in rows.items() if number not in gone}
    found: set[Values] = set()
    told: Counter[str] = Counter(deleted=len(gone))
    for row in recovered(data):
        if row.table != "users" or row.method in ("id_gap", "sort_id_gap", "orphan"):
            continue
        values = tuple(row.columns.values())
        whole = {r for r in dead if values and r[len(r) - len(values) :] == values}
        if whole and len(values) >= len(rows[0]) - alias:
            found |= whole
        elif not whole:
            told["live" if values[-len(rows[0]) + alias :] in alive else "false"] += 1
    for number in gone:
        kept = (None, *rows[number][1:]) if alias else rows[number]
        content = sum(len(serial(value)[1]) for value in kept)
        if content > 3 and stands(kept, data):
            told["stand"] += 1
            told["found"] += rows[number] in found
    return told


def main() -> None:
    """The table of one line."""
    options = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    options.add_argument("how_many", type=int, nargs="?", default=500)
    options.add_argument("first_seed", type=int, nargs="?", default=0)
    given = options.parse_args()
    many, first = given.how_many, given.first_seed
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        sums = sum((judged(seed, Path(folder)) for seed in range(first, first + many)), Counter())
    names = ("deleted", "stand", "found", "false", "live")
    print(f"{many} tables: " + ", ".join(f"{name} {sums[name]}" for name in names), end="")
    print(f"; CPU {time.process_time() - start:.1f} s")


if __name__ == "__main__":
    main()
