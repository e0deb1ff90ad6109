"""Keys and passwords an examiner has given for a case: one a line in a text file.

The file is ``keys.txt`` in the case's folder, or what ``AMPARO_KEYS`` names; both count. A line is a key in
hexadecimal digits, a password, or ``file:PATH``, which stands for what is in that file (a startup key, a key
file; relative to the file it is named in). Empty lines and those beginning with ``#`` do not count. None of it
is written to the case's database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from amparo.store import Case

MOST = 50
"""Secrets tried on one file."""
LARGEST = 8 << 20
"""Bytes of the largest key file."""
_NAMED = b"file:"


def secrets(case: Case) -> list[bytes]:
    """What is in the files, without repetition. Raises OSError when one cannot be read."""
    found: dict[bytes, None] = {}
    for line, named in _lines(case):
        if named is None:
            found[line] = None
            continue
        try:
            with named.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise OSError(f"the key file {named}: {error.strerror}") from error
        if len(data) > LARGEST:
            raise OSError(f"the key file {named} is larger than any key")
        found[data] = None
    return list(found)[:MOST]


def stamp(case: Case) -> str:
    """Changes when the files do; says nothing of what is in them."""
    named = [path for _, path in _lines(case) if path is not None and path.is_file()]
    states = [(path.stat().st_mtime_ns, path.stat().st_size) for path in (*_files(case), *named)]
    return " ".join(f"{time}-{size}" for time, size in states)


def _lines(case: Case) -> Iterator[tuple[bytes, Path | None]]:
    """Lines that count, with the file that one names."""
    for path in _files(case):
        for line in path.read_bytes().splitlines():
            text = line.strip()
            if text.startswith(_NAMED):
                yield text, path.parent / os.fsdecode(text[len(_NAMED) :].strip())
            elif text and not text.startswith(b"#"):
                yield text, None


def _files(case: Case) -> list[Path]:
    named = os.environ.get("AMPARO_KEYS", "")
    paths = [case.path / "keys.txt", *([Path(named)] if named else [])]
    return [path for path in paths if path.is_file()]
