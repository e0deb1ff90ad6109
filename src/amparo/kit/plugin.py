"""Plugins: a decorated function is found by itself; nothing is registered by hand.

Three shapes:

* ``@parser`` and ``@fingerprint`` read hostile bytes. They run only inside cells:
  ``f(source, found) -> Iterator[Record | Thumb]``, where the type of the first parameter says how the
  bytes are opened: :class:`~amparo.kit.source.Source` (bytes) or
  :class:`~amparo.kit.sqlite.Database`.
* ``@opener`` lists what an exhibit's container holds, likewise in a cell; ``@carver`` brings up files
  inside other files and in free space.
* ``@deriver`` reads records through a :class:`~amparo.kit.view.View` and makes claims; it runs in the
  host and never touches evidence.

Discovery walks the folders named in ``ROOMS`` and the entry-point group ``amparo.plugins``.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from amparo.model import Content, File, Id, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOMS = ("evidence", "parse", "fingerprint", "recover.inside", "match", "link", "network")

PluginFunction = Callable[..., Iterator[Any]]


@dataclass(frozen=True)
class Thumb:
    """Pixels for a thumbnail, on their way out of a cell: 8-bit RGB, rows from the top.

    The host checks ``len(rgb) == width * height * 3`` and encodes it itself.
    """

    content: str
    width: int
    height: int
    rgb: bytes

    @classmethod
    def of(cls, content: str, pixels: NDArray[np.uint8]) -> Thumb:
        """Of 8-bit RGB (h, w, 3)."""
        return cls(content, pixels.shape[1], pixels.shape[0], pixels.tobytes())


@dataclass(frozen=True)
class Warn:
    """Something in this file could not be read; the host makes it a Problem record."""

    reason: str


@dataclass(frozen=True)
class Spec:
    """What a plugin is called and what it takes. Raising ``version`` re-plans exactly its own work."""

    stage: str
    name: str
    version: int
    doc: str
    """First line of the docstring: what an examiner learns from it."""
    function: str
    """``package.module:name``; cells load it by this."""
    opens: str = "bytes"
    """``bytes`` or ``sqlite``; from the type of the first parameter."""
    mimes: tuple[str, ...] = ()
    """True types it takes, as patterns (``image/*``)."""
    paths: tuple[str, ...] = ()
    """Path patterns, lower case; with ``mimes`` both must fit."""
    tables: tuple[str, ...] = ()
    """``table`` or ``table.column`` that an SQLite file must have."""
    reads: tuple[type[Record], ...] = ()
    makes: tuple[type[Record], ...] = ()
    seconds: float = 60.0
    """Time limit per file."""
    forms: tuple[str, ...] = field(default=())
    """Exhibit forms an opener lists."""
    once: bool = False
    """One occurrence of each content is enough; otherwise every file with it is read."""
    embeds: bool = False
    """Only for pictures whose file holds another, or that could not be looked at."""
    beside: bool = False
    """Whether its first argument is the parsers that fit the same file."""
    model: Id = ""
    """The registered model it runs; its file and card lie beside the content as companions."""

    @property
    def id(self) -> str:
        """``stage/name``, as it stands in actions and problems."""
        return f"{self.stage}/{self.name}"

    def fits(self, mime: str, path: str, names: frozenset[str]) -> bool:
        """Whether a file of this true type, path and SQLite structure is this plugin's business."""
        if self.mimes and not any(fnmatchcase(mime, m) for m in self.mimes):
            return False
        if self.paths and not any(fnmatchcase(path.lower(), p) for p in self.paths):
            return False
        if self.tables:
            return bool(names) and set(self.tables) <= names
        return bool(self.mimes)


_F = typing.TypeVar("_F", bound=PluginFunction)


def _decorate(stage: str, name: str, version: int, **more: Any) -> Callable[[_F], _F]:
    def mark(function: _F) -> _F:
        hints = [str(h) for h in function.__annotations__.values()]
        opens = "sqlite" if hints and "Database" in hints[0] else "bytes"
        doc = (function.__doc__ or "").strip().split("\n")[0]
        if not doc:
            raise TypeError(f"{stage}/{name}: the docstring says what an examiner learns from it")
        spec = Spec(
            stage=stage,
            name=name,
            version=version,
            doc=doc,
            function=f"{function.__module__}:{function.__name__}",
            opens=opens,
            **more,
        )
        function.spec = spec  # type: ignore[attr-defined]
        return function

    return mark


def parser(
    name: str,
    *,
    version: int,
    tables: set[str] | None = None,
    mimes: tuple[str, ...] = (),
    paths: tuple[str, ...] = (),
    seconds: float = 3600.0,
) -> Callable[[_F], _F]:
    """A parser of one application's or document kind's files, chosen by content (``tables``, ``mimes``)."""
    if not tables and not mimes:
        raise TypeError(f"parse/{name}: content decides, so it names tables or true types")
    tables_sorted = tuple(sorted(tables or ()))
    return _decorate(
        "parse", name, version, tables=tables_sorted, mimes=mimes, paths=paths, seconds=seconds
    )


def fingerprint(
    name: str, *, version: int, mimes: tuple[str, ...], seconds: float = 60.0
) -> Callable[[_F], _F]:
    """A fingerprint of one content: runs once per distinct bytes, however often they occur."""
    return _decorate("fingerprint", name, version, mimes=mimes, seconds=seconds)


def carver(
    name: str,
    *,
    version: int,
    mimes: tuple[str, ...] = (),
    forms: tuple[str, ...] = (),
    seconds: float = 60.0,
    once: bool = False,
    embeds: bool = False,
) -> Callable[[_F], _F]:
    """Brings up files inside files (``mimes``) or in what no file has of an exhibit (``forms``).

    ``once``: from one occurrence of each content, not from every copy of it. ``embeds``: not from pictures that,
    when they were looked at, held no other file. Yields File and Content records, whose locators :mod:`amparo.recover.readers` can read.
    """
    makes = (File, Content)
    more = {"forms": forms, "makes": makes, "seconds": seconds, "once": once, "embeds": embeds}
    return _decorate("recover", name, version, mimes=mimes, **more)


def recovery(
    name: str,
    *,
    version: int,
    mimes: tuple[str, ...],
    makes: tuple[type[Record], ...],
    seconds: float = 3600.0,
) -> Callable[[_F], _F]:
    """Brings back what was erased inside files of these true types: ``f(parsers, source, found)``.

    ``parsers`` are the functions that read the same file's live rows, so that nothing is told twice.
    """
    return _decorate(
        "recover", name, version, mimes=mimes, makes=makes, seconds=seconds, beside=True
    )


def opener(
    name: str, *, version: int, forms: tuple[str, ...], seconds: float = 24 * 3600.0
) -> Callable[[_F], _F]:
    """Lists the entries of a container: File and Content records, hashed while streaming."""
    return _decorate("evidence", name, version, forms=forms, seconds=seconds)


def deriver(
    name: str,
    *,
    stage: str,
    version: int,
    reads: tuple[type[Record], ...],
    makes: tuple[type[Record], ...],
) -> Callable[[_F], _F]:
    """A function ``f(view) -> Iterator[Record]`` over records; its whole output replaces its last one.

    Further parameters are given by name: ``folder``, the case's folder of derived files, and ``thumbs``,
    a function from a content's id to its encoded thumbnail or None.
    """
    return _decorate(stage, name, version, reads=reads, makes=makes)


@cache
def discover() -> tuple[Spec, ...]:
    """All plugins: every module of our rooms, then entry points of installed packages.

    Raises ValueError when two plugins have one id.
    """
    found: dict[str, Spec] = {}
    modules = []
    for room in ROOMS:
        package = importlib.import_module(f"amparo.{room}")
        modules += [
            importlib.import_module(m.name)
            for m in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
        ]
    modules += [point.load() for point in entry_points(group="amparo.plugins")]
    for module in modules:
        for thing in vars(module).values():
            spec = getattr(thing, "spec", None)
            if isinstance(spec, Spec) and spec.function.split(":")[0] == module.__name__:
                if found.setdefault(spec.id, spec) != spec:
                    raise ValueError(f"two plugins are called {spec.id}")
    return tuple(sorted(found.values(), key=lambda s: s.id))


def load(dotted: str) -> PluginFunction:
    """The function behind ``package.module:name``.

    ``outer(inner)`` is the outer function with the inner one as its first argument, which is how one
    plugin reads for another; ``outer[one,two]`` has a tuple of functions as its first argument.
    """
    if dotted.endswith("]"):
        outer, _, inner = dotted[:-1].partition("[")
        return functools.partial(load(outer), tuple(map(load, filter(None, inner.split(",")))))
    if dotted.endswith(")"):
        outer, _, inner = dotted[:-1].partition("(")
        return functools.partial(load(outer), load(inner))
    module, _, name = dotted.partition(":")
    function = getattr(importlib.import_module(module), name)
    if not callable(function):
        raise TypeError(f"{dotted} is not a function")
    return typing.cast(PluginFunction, function)
