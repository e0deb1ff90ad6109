"""The measured variants, small: the byte-level ceiling is reached, nothing false, nothing live."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from recover import judge, ours, texts
from recover_variants import MAKERS, make

ON_PHONES = [n for n in MAKERS if n[0] in "MNO"]


@pytest.mark.parametrize("name", [n for n in MAKERS if n not in ON_PHONES])
def test_variant(name: str, tmp_path: Path) -> None:
    variant = make(name, tmp_path, 240)
    rows, _ = ours(variant)
    _, false, alive, found = judge(variant, rows)
    floor = 0.85 if name == "J" else 0.99
    assert len(found & variant.ceiling) >= floor * len(variant.ceiling)
    assert (false, alive) == (0, 0)
    assert len(variant.ceiling) > 20 or name in ("H", "I", "K2")


@pytest.mark.parametrize("name", ON_PHONES)
def test_as_on_a_phone(name: str, tmp_path: Path) -> None:
    variant = make(name, tmp_path, 240)
    rows, _ = ours(variant)
    _, false, alive, _ = judge(variant, rows)
    by_method, wrong, missing = texts(variant, rows)
    union = set().union(*by_method.values())
    total = sum(1 for r in variant.deleted.values() if r[15] is not None)
    # Since 2026 there is no text index: after a checkpoint only replies still hold what was said.
    assert len(union) >= (0.1 if name == "O2" else 0.68) * total
    assert (false, alive, wrong) == (0, 0, 0)
    assert missing == len(variant.deleted)
