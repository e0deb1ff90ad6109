"""Small tables, where every byte counts: the public forensic corpus, and tables made at random."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from conftest import public_data

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from recover_corpus import history, ours, stands, stated
from recover_small import judged


def test_the_public_corpus_gives_up_all_that_stands_and_nothing_else() -> None:
    for database in sorted(public_data("sqlite-corpus/v1.0").glob("*/*.db")):
        want, (ever, held), data = stated(database), history(database), database.read_bytes()
        got, _ = ours(database)
        standing = Counter({r: n for r, n in want.items() if r in held and stands(held[r], data)})
        assert not standing - got, database.name
        assert not got - (ever | want), database.name


def test_tables_made_at_random(tmp_path: Path) -> None:
    """Seeds were not looked at when the engine was written for them."""
    told = sum((judged(seed, tmp_path) for seed in range(9000, 9060)), Counter())
    assert told["stand"] > 400 and told["found"] >= 0.98 * told["stand"]
    assert told["live"] == 0 and told["false"] <= 0.003 * told["found"]
