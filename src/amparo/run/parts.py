"""Files that Amparo makes of evidence: while they are being written, and whether they are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from amparo.store import Case

_MADE = (".decrypted", ".unpacked")


@contextmanager
def begun(part: Path) -> Iterator[IO[bytes]]:
    """A file to write to that is gone again if anything goes wrong: on a full disk its room is needed."""
    try:
        with part.open("wb") as out:
            yield out
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def stamp(case: Case) -> str:
    """Changes when somebody deletes what was made; it is then made again."""
    there = sorted(path.name for path in case.derived.glob("*.*") if path.suffix in _MADE)
    return hashlib.sha256("\n".join(there).encode()).hexdigest()[:16] if there else ""
