"""``amparo recover``: the erased rows of one database, without a case; read in a cell, nothing written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from amparo.kit.found import Found
from amparo.run.exhibits import COMPANIONS, READERS, open_read_only
from amparo.run.guards import FLOOR
from amparo.sandbox.guard import Guard, Job


def recovered_rows(
    path: Path,
    live: bool = False,
    sibling: Path | None = None,
    tell: Callable[[str], None] = lambda text: None,
    seconds: float = 24 * 3600.0,
) -> Iterator[dict[str, Any]]:
    """Rows as the engine tells them, the surest first; log and journal beside the file come along.

    ``tell`` hears what is to be said of the file itself: page size, pages, encoding, journal mode and how
    much of its free space was not overwritten. Raises OSError for a file that cannot be opened and ValueError with one line for what is no
    database or could not be read in a cell.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    beside = [s for s in COMPANIONS if Path(f"{path}{s}").is_file()]
    paths = [path, *(Path(f"{path}{s}") for s in beside)]
    if sibling is not None:
        beside.append("-sibling")
        paths.append(sibling)
    with tempfile.TemporaryFile() as out:

        def start() -> list[int]:
            out.seek(0)
            out.truncate()
            return [open_read_only(p) for p in paths]

        job = Job(
            token=str(path),
            function=f"amparo.recover.lines:{'lines_with_live' if live else 'lines'}",
            opens="bytes",
            reader=f"{READERS}:whole",
            locator=json.dumps({"companions": beside}),
            open=start,
            found=Found("", "", os.fsencode(path.name).decode("utf-8", "backslashreplace"), ""),
            seconds=seconds,
            sink=out.write,
        )
        with Guard(1, ["amparo.recover.lines", "amparo.evidence.readers"], floor=FLOOR) as guard:
            outcome = next(iter(guard.run([[job]])))
        if outcome.error:
            raise ValueError(f"{path}: {outcome.error}")
        for text in outcome.warnings:
            tell(text)
        out.seek(0)
        for line in out:
            yield json.loads(line)
