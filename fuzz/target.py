"""One entrance and what is asked of it.

A harness is a function of bytes that calls the entrance as the product does, to its end, and asserts what
must hold of the answer. It is marked with :func:`target`; its name is ``module.function`` and its
docstring says what it reads. Four things are a find:

* an exception of a kind the entrance does not document (``allowed``);
* more processor time than ``seconds``;
* more memory than :data:`MEMORY` beyond what was there before;
* an assertion of the harness.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

MEMORY = 1 << 30
"""Bytes of address space that reading one small input may take."""

Mutate = Callable[[bytes, int, Random, Callable[[bytes, int], bytes]], bytes]
"""``f(data, longest, chance, plain)``: changed bytes; ``plain`` is the fuzzer's own change of bytes."""


@dataclass(frozen=True)
class Target:
    """A harness with its bounds."""

    name: str
    doc: str
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    """Well-formed inputs, made by code."""
    allowed: tuple[type[BaseException], ...]
    seconds: float
    """Of processor time; several times what an honest reader needs when it is traced."""
    longest: int
    """Bytes of an input."""
    words: tuple[bytes, ...]
    """What the format is made of, to be put in anywhere."""
    mutate: Mutate | None


TARGETS: dict[str, Target] = {}


def target(
    seeds: Callable[[], Iterable[bytes]],
    *,
    allowed: tuple[type[BaseException], ...] = (ValueError,),
    seconds: float = 5.0,
    longest: int = 1 << 15,
    words: tuple[bytes, ...] = (),
    mutate: Mutate | None = None,
) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Marks a harness."""

    def mark(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
        name = f"{read.__module__.rpartition('.')[2]}.{read.__name__}"
        doc = (read.__doc__ or "").strip().split("\n")[0]
        TARGETS[name] = Target(name, doc, read, seeds, allowed, seconds, longest, words, mutate)
        return read

    return mark


ROOMS = (
    "addresses",
    "backups",
    "chats",
    "containers",
    "files",
    "host",
    "lists",
    "pictures",
    "rows",
)
"""The modules of harnesses."""


def find(name: str) -> Target:
    """The harness of this name, importing no others. Raises KeyError."""
    room = name.partition(".")[0]
    if room in ROOMS:
        importlib.import_module(f"fuzz.{room}")
    return TARGETS[name]


def every() -> list[Target]:
    """All harnesses by name."""
    for room in ROOMS:
        importlib.import_module(f"fuzz.{room}")
    return [TARGETS[name] for name in sorted(TARGETS)]


def wanted(names: Iterable[str]) -> list[Target]:
    """The harnesses named, in whole or by their room; all for none. Raises KeyError."""
    chosen = []
    everything = every()
    for name in names:
        fitting = [t for t in everything if t.name == name or t.name.startswith(f"{name}.")]
        if not fitting:
            raise KeyError(name)
        chosen += fitting
    return chosen or everything
