"""Takes the gzip layer off a tar, once, so that its members can be read at their place."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from amparo.kit.found import Found
from amparo.kit.mime import sniff
from amparo.kit.plugin import Warn
from amparo.kit.source import Source

BLOCK = 1 << 20


@dataclass(frozen=True)
class Limit:
    """At most ``size`` bytes come out and, above ``free`` bytes, at most ``ratio`` times what went in."""

    size: int = 4 << 40
    free: int = 4 << 30
    ratio: int = 200


def gunzip(source: Source, found: Found) -> Iterator[bytes | Warn]:
    """What a compressed tar holds, in blocks of up to 1 MiB; a Warn when it ends early.

    Raises ValueError when this is no gzip of a tar, or for a bomb.
    """
    yield from unwrap(source, Limit())


def unwrap(source: Source, limit: Limit) -> Iterator[bytes | Warn]:
    """:func:`gunzip` (RFC 1952, one or more members) under given limits."""
    stream = source.stream()
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    came = went = 0
    begun = False
    data = b""
    try:
        while True:
            if not data:
                data = stream.read(BLOCK)
                came += len(data)
            ended = not data
            if not begun:
                data = data.lstrip(b"\0")  # padding between or after members
                begun = bool(data)
            out = engine.decompress(data, BLOCK) if begun else b""
            if out:
                if not went and sniff(out[:1024], 1 << 20) != "application/x-tar":
                    raise ValueError("the gzip file holds no tar")
                went += len(out)
                if went > limit.size or went > limit.free + limit.ratio * came:
                    raise ValueError(f"unpacks from {came} to over {went} bytes: refused")
                yield out
            elif ended:
                break
            data = engine.unconsumed_tail
            if engine.eof:
                data, begun = engine.unused_data, False
                engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    except zlib.error as error:
        if not went:
            raise ValueError(f"not readable as gzip: {error}") from error
        yield Warn(f"the gzip layer is damaged after {went} bytes: {error}")
        return
    if not went:
        raise ValueError("the gzip file holds no tar")
    if begun:
        yield Warn(f"the gzip layer breaks off after {went} bytes")
