"""Sounds: voice messages, music, recordings."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.fingerprint.video import SECONDS, look
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn, fingerprint
from amparo.kit.source import Source
from amparo.model import Record


@fingerprint("audio", version=1, mimes=("audio/*",), seconds=SECONDS)
def audio(source: Source, found: Found) -> Iterator[Record | Thumb | Warn]:
    """What is heard in a sound file: its fingerprint, length, recorder and place where it says so.

    Raises ValueError when the bytes are not those taken in.
    """
    yield from look(source, found)
