"""Files that Amparo makes of evidence, while they are being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def begun(part: Path) -> Iterator[IO[bytes]]:
    """A file to write to that is gone again if anything goes wrong: on a full disk its room is needed."""
    try:
        with part.open("wb") as out:
            yield out
    except BaseException:
        part.unlink(missing_ok=True)
        raise
