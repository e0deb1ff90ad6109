"""The very bytes a record rests on, read again from the evidence inside a cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import load
from amparo.kit.source import Source


def piece(fds: list[int], locator: str) -> Source:
    """Some bytes of a file or of one beside it: ``{"reader", "locator", "companion", "offset", "length"}``.

    Raises ValueError where the file beside it is not there, or the bytes lie behind its end.
    """
    place = json.loads(locator)
    opened: Callable[[list[int], str], Source] = load(str(place["reader"]))  # type: ignore[assignment]
    whole = opened(fds, str(place["locator"]))
    name, offset, length = str(place["companion"]), int(place["offset"]), int(place["length"])
    if name and name not in whole.companions:
        raise ValueError(f"no file with {name} lies beside it any more")
    part = whole.companions[name] if name else whole
    if not 0 <= offset <= offset + length <= part.size:
        raise ValueError("behind the end of the file")
    stream = part.stream()
    stream.seek(offset)
    return Source.of_bytes(stream.read(length))


def as_they_are(source: Source, found: Found) -> Iterator[bytes]:
    """The bytes, unread."""
    yield source.read()
