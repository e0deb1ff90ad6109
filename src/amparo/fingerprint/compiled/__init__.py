"""The inner loops over pixels that numba compiles (:mod:`amparo.fingerprint.compiled.loops`), loaded when first used.

They bring numba along, half a second that a process without a picture to look at has no use for. The warm parent
loads them, because a cell can load nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

LOOPS = ("averaged", "counted", "flat", "picked", "sampled")


def __getattr__(name: str) -> Any:
    if name not in LOOPS:  # whoever looks through modules for something else loads nothing
        raise AttributeError(name)
    return getattr(importlib.import_module("amparo.fingerprint.compiled.loops"), name)
