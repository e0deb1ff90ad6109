"""Keys and passwords an examiner has given for a case: one a line in a text file.

The file is ``keys.txt`` in the case's folder, or what ``AMPARO_KEYS`` names; both count. Lines are 64
hexadecimal digits or a password; empty lines and those beginning with ``#`` do not count. None of it is
written to the case's database.
"""

from __future__ import annotations

import os
from pathlib import Path

from amparo.store import Case

MOST = 50
"""Secrets tried on one file."""


def secrets(case: Case) -> list[bytes]:
    """What is in the files, without repetition. Raises OSError when one cannot be read."""
    found: dict[bytes, None] = {}
    for path in _files(case):
        for line in path.read_bytes().splitlines():
            text = line.strip()
            if text and not text.startswith(b"#"):
                found[text] = None
    return list(found)[:MOST]


def stamp(case: Case) -> str:
    """Changes when the files do; says nothing of what is in them."""
    states = [(path.stat().st_mtime_ns, path.stat().st_size) for path in _files(case)]
    return " ".join(f"{time}-{size}" for time, size in states)


def _files(case: Case) -> list[Path]:
    named = os.environ.get("AMPARO_KEYS", "")
    paths = [case.path / "keys.txt", *([Path(named)] if named else [])]
    return [path for path in paths if path.is_file()]
