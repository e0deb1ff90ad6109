"""A parser whose files say what it does: stands for a decoder that a planted file has taken over."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.kit.source import Source
from amparo.model import Lead

SPEC = Spec(
    "parse",
    "taken_over",
    1,
    "What a planted file would do.",
    f"{__name__}:taken_over",
    mimes=("text/plain",),
    paths=("*.order",),
    seconds=4.0,
)


def taken_over(source: Source, found: Found) -> Iterator[Lead]:
    """Does what the file says."""
    order, _, rest = source.read().decode().strip().partition(" ")
    if order == "loop":
        while True:
            time.sleep(0.01)
    elif order == "eat":
        held = [bytearray(1 << 30)]
        while held:
            held.append(bytearray(1 << 30))
    elif order == "abort":
        os.abort()
    elif order == "socket":
        socket.create_connection(("127.0.0.1", int(rest)))
    elif order in ("store", "file"):
        with open(rest, "r+b") as other:
            other.write(b"taken over")
    yield Lead(at=found.bytes(0, source.size), form="url", value=f"obeyed {order}")
