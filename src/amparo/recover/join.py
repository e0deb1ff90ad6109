"""Files in two pieces: where the first breaks off and where the second begins, tried cluster by cluster.

What decides is the format itself: a JPEG's coded units must go on and come out exactly, a PNG's chunk
must have its checksum, a film's samples must fill their stated sizes. Pieces begin at whole clusters
counted from the file's start.
"""

from __future__ import annotations

from collections.abc import Callable

from amparo.kit.spans import Spans
from amparo.recover.join_film import film
from amparo.recover.join_jpeg import jpeg
from amparo.recover.join_png import png
from amparo.recover.pieces import Effort, Joined

JOINERS: dict[str, Callable[[Spans, int, int, Effort], Joined | None]] = {
    "jpg": jpeg,
    "png": png,
    "mp4": film,
}


def two(form: str, view: Spans, start: int, cluster: int, effort: Effort) -> Joined | None:
    """The two pieces of a file that breaks off in ``view``; None where they are not found."""
    joiner = JOINERS.get(form)
    return joiner(view, start, cluster, effort) if joiner and cluster else None
