"""Loops that numba compiles. Importing this imports numba (half a second): only modules of loops do, and they lazily."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy.ma  # noqa: F401  numba asks for it at the first call, when a cell can load nothing any more

_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(signature: str | Any = None) -> Callable[[_F], _F]:
    """Compiles a function, kept on disk where a folder for it can be written and what lies there can be read.

    With a ``signature`` (of numba, as text or type) at import, because a cell can compile nothing; without
    one for whatever types it is first called with.
    """

    def make(function: _F) -> _F:
        njit: Any = numba.njit
        try:
            made: _F = njit(signature, cache=True, nogil=True)(function)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError):
            made = njit(signature, nogil=True)(function)
        return made

    return make
