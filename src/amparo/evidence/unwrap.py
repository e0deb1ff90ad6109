"""Takes the gzip layer off a tar, once, so that its members can be read at their place.

A pure function for a cell: it is given a descriptor to read and a function that takes the bytes on.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from amparo.kit.mime import sniff

BLOCK = 1 << 20


@dataclass(frozen=True)
class Limit:
    """At most ``size`` bytes come out and, above ``free`` bytes, at most ``ratio`` times what went in."""

    size: int = 4 << 40
    free: int = 4 << 30
    ratio: int = 200


LIMIT = Limit()


def unwrap(fd: int, write: Callable[[bytes], None], limit: Limit = LIMIT) -> tuple[int, str]:
    """Write out what a gzip file (RFC 1952, one or more members) holds, in blocks of up to 1 MiB.

    Returns the bytes written and "" or one line saying why it ended early: what came before the damage
    has been written. Raises ValueError when this is no gzip of a tar, or for a bomb.
    """
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    came = went = 0
    begun = False
    data = b""
    try:
        while True:
            if not data:
                data = os.pread(fd, BLOCK, came)
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
                write(out)
            elif ended:
                break
            data = engine.unconsumed_tail
            if engine.eof:
                data, begun = engine.unused_data, False
                engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    except zlib.error as error:
        if not went:
            raise ValueError(f"not readable as gzip: {error}") from error
        return went, f"the gzip layer is damaged after {went} bytes: {error}"
    if not went:
        raise ValueError("the gzip file holds no tar")
    return went, f"the gzip layer breaks off after {went} bytes" if begun else ""
