"""What PhotoRec said it found, as records: the bytes are read from the evidence, never from what it wrote."""

from __future__ import annotations

from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Warn, carver
from amparo.kit.source import Source
from amparo.kit.spans import Spans
from amparo.recover.entries import Entries, Told, carved
from amparo.recover.inside.buried import IMAGES
from amparo.recover.photorec import FOLDER, read_report
from amparo.recover.readers import Space


@carver("photorec", version=1, forms=IMAGES, seconds=24 * 3600)
def photorec(source: Source, found: Found) -> Iterator[Told]:
    """Files that PhotoRec, a separate program, finds in the free space of a disk; only where asked for.

    ``source`` is the free space with the report beside it, whose ranges count from its first free byte.
    """
    if not isinstance(source, Space):
        raise TypeError("free space is opened with the reader readers:free_space")
    free = Spans(source.stream(), source.ranges)
    entries = Entries(source.stream(), found)
    beyond = 0
    try:
        for one in read_report(source.companions["0"].stream()):
            if any(at + length > free.size for at, length in one.segments):
                beyond += 1
                continue
            segments = tuple(s for at, length in one.segments for s in free.segments(at, length))
            label = f"{segments[0][0]:012d}.{one.form}"
            yield from entries.on_disk(label, segments, carved(one, FOLDER))
    except ValueError as error:
        yield Warn(f"PhotoRec: {error}")
    if beyond:
        yield Warn(f"PhotoRec names {beyond} files beyond the end of what it was given")
