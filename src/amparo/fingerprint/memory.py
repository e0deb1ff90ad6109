"""Pillow's own pixels, looked at without copying them.

Pillow lends its memory by the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html):
an RGB picture is a list of four bytes for each pixel, the fourth unused. numpy does not speak it; the one
structure that is needed is written down here, which spares another library.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class _ArrowArray(ctypes.Structure):
    """``struct ArrowArray`` of the interface."""


_ArrowArray._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset")),
    *((name, ctypes.c_int64) for name in ("n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    *((name, ctypes.c_void_p) for name in ("dictionary", "release", "private_data")),
]

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class _Lent:
    """Keeps what was lent while an array looks at it."""

    def __init__(self, capsule: Any, at: int, shape: tuple[int, int, int]) -> None:
        self._capsule = capsule
        self.__array_interface__ = {
            "shape": shape,
            "typestr": "|u1",
            "data": (at, True),
            "version": 3,
        }


def memory(image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of an RGB picture, uint8[h, w, 4], read-only; None where they do not lie in one piece.

    They do up to 4 million pixels. The fourth channel is not part of the picture.
    """
    if image.mode != "RGB":
        return None
    try:
        _, capsule = image.__arrow_c_array__()
    except ValueError:
        return None
    given = _ArrowArray.from_address(_pointer(capsule, b"arrow_array"))
    values = given.children[0].contents
    size = image.width * image.height
    if (given.length, given.offset, values.length, values.offset) != (size, 0, 4 * size, 0):
        return None
    return np.asarray(_Lent(capsule, values.buffers[1], (image.height, image.width, 4)))
