"""What walking the entropy-coded part of a JPEG comes to; the compiled loops that do it are loaded when first used.

They bring numba along, which takes half a second that a process without anything to search has no use for. The
warm parent loads them, because a cell can load nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

DONE, MORE, BAD = 0, 1, 2
"""All units read and a marker follows; the bytes ended first; this is no such data."""

COMPILED = "amparo.recover.formats.entropy_compiled"


def __getattr__(name: str) -> Any:
    return getattr(importlib.import_module(COMPILED), name)
