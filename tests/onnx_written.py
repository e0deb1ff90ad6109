"""Tiny ONNX models written field by field (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), for tests.

None of them has learnt anything: they average pixels, or are hostile.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

FLOAT, INT64, BOOL = 1, 7, 9
FOREVER = (1 << 63) - 1


def varint(n: int) -> bytes:
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def put(number: int, value: int | str | bytes) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def every(number: int, values: Iterable[int | str | bytes]) -> bytes:
    return b"".join(put(number, value) for value in values)


def number(name: str, value: int | float, kind: int = INT64, dims: tuple[int, ...] = ()) -> bytes:
    """A constant."""
    raw = struct.pack({FLOAT: "<f", INT64: "<q", BOOL: "<?"}[kind], value)
    return every(1, dims) + put(2, kind) + put(8, name) + put(9, raw)


def ints(name: str, *values: int) -> bytes:
    return put(1, name) + put(20, 7) + every(8, values)


def whole(name: str, value: int) -> bytes:
    return put(1, name) + put(20, 2) + put(3, value)


def body(graph: bytes) -> bytes:
    return put(1, "body") + put(20, 5) + put(6, graph)


def node(kind: str, takes: str, gives: str, *attributes: bytes) -> bytes:
    return every(1, takes.split()) + every(2, gives.split()) + put(4, kind) + every(5, attributes)


def value(name: str, dims: tuple[int, ...] | None, kind: int = FLOAT) -> bytes:
    shape = b"" if dims is None else put(2, every(1, (put(1, n) for n in dims)))
    return put(1, name) + put(2, put(1, put(1, kind) + shape))


def graph(
    nodes: list[bytes], takes: list[bytes], gives: list[bytes], held: Iterable[bytes] = ()
) -> bytes:
    return every(1, nodes) + put(2, "g") + every(5, held) + every(11, takes) + every(12, gives)


def model(whole_graph: bytes) -> bytes:
    return put(1, 8) + put(7, whole_graph) + put(8, put(2, 13))


def picture(side: int) -> list[bytes]:
    return [value("x", (1, 3, side, side))]


def brightness(side: int = 16) -> bytes:
    """Two numbers: how bright a picture is, 0 to 1, and one less that."""
    nodes = [
        node("ReduceMean", "x", "m", ints("axes", 1, 2, 3)),
        node("Flatten", "m", "bright"),
        node("Sub", "one bright", "dark"),
        node("Concat", "bright dark", "y", whole("axis", 1)),
    ]
    held = [number("one", 1.0, FLOAT, (1, 1))]
    return model(graph(nodes, picture(side), [value("y", (1, 2))], held))


def grid(side: int = 32, cells: int = 4) -> bytes:
    """The mean colour of each of cells x cells parts: 3 cells² numbers."""
    step = side // cells
    nodes = [
        node(
            "AveragePool", "x", "p", ints("kernel_shape", step, step), ints("strides", step, step)
        ),
        node("Flatten", "p", "y"),
    ]
    return model(graph(nodes, picture(side), [value("y", (1, 3 * cells * cells))]))


def _of_the_mean(kind: str, takes: str, held: Iterable[bytes], *attributes: bytes) -> bytes:
    """Something made of the mean ``m`` of a picture, as the output ``y``."""
    nodes = [
        node("ReduceMean", "x", "m", ints("axes", 0, 1, 2, 3), whole("keepdims", 0)),
        node(kind, takes, "y", *attributes),
    ]
    return model(graph(nodes, picture(16), [value("y", None)], held))


def endless() -> bytes:
    """Goes round nearly for ever."""
    inner = graph(
        [node("Identity", "go", "on"), node("Add", "v v", "w")],
        [value("i", (), INT64), value("go", (), BOOL), value("v", ())],
        [value("on", (), BOOL), value("w", ())],
    )
    held = [number("times", FOREVER), number("go_on", True, BOOL)]
    return _of_the_mean("Loop", "times go_on m", held, body(inner))


def huge(numbers: int) -> bytes:
    """So many numbers, all the mean of the picture."""
    return _of_the_mean("Expand", "m many", [number("many", numbers, INT64, (1,))])


def nought_by_nought() -> bytes:
    return _of_the_mean("Div", "none none", [number("none", 0.0, FLOAT, (1,))])


def elsewhere(path: str) -> bytes:
    """Weights that are said to lie in another file."""
    place = every(13, (put(1, k) + put(2, v) for k, v in (("location", path), ("length", "4"))))
    outside = put(1, 1) + put(2, FLOAT) + put(8, "w") + place + put(14, 1)
    return _of_the_mean("Add", "m w", [outside])


def foreign() -> bytes:
    """An operator of a library nobody gave."""
    own = put(1, "m") + put(2, "y") + put(4, "Secret") + put(7, "somebody.else")
    nodes = [node("ReduceMean", "x", "m", ints("axes", 0, 1, 2, 3), whole("keepdims", 0)), own]
    made = graph(nodes, picture(16), [value("y", None)])
    return put(1, 8) + put(7, made) + every(8, [put(2, 13), put(1, "somebody.else") + put(2, 1)])


CARD = """
name = "{name}"
version = "{version}"
kind = "{kind}"
purpose = "a test of the seam"
trained_on = "nothing: it averages pixels"
licence = "Apache-2.0"
[input]
side = {side}
mean = {mean}
std = {std}
layout = "NCHW"
"""
LABEL = """
[[label]]
name = "{}"
threshold = {}
false_positive = 0.02
false_negative = 0.1
measured_on = "40 drawn squares"
"""


def classifier_card(
    *labels: tuple[str, float], name: str = "light", version: str = "1", side: int = 16
) -> str:
    """A card for :func:`brightness`; labels with their thresholds."""
    head = CARD.format(
        name=name, version=version, kind="classifier", side=side, mean=[0, 0, 0], std=[1, 1, 1]
    )
    return head + "".join(LABEL.format(*label) for label in labels)


def descriptor_card(suggest: float = 0.1, name: str = "grid", version: str = "1") -> str:
    """A card for :func:`grid`."""
    mean, std = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]
    head = CARD.format(name=name, version=version, kind="descriptor", side=32, mean=mean, std=std)
    return head + (
        f'[descriptor]\ndistance = "cosine"\nsuggest = {suggest}\nfalse_match = 0.001\nmiss = 0.2\n'
        'measured_on = "1,000 drawn pairs"\n'
    )
