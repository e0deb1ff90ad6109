"""A case as one folder: its settings, its database, its thumbnails and what can be rebuilt.

``NAME.amparo/`` holds ``case.toml``, ``case.db``, ``thumbs.db``, ``derived/``, ``models/`` where an agency
brought any, and ``.writer``, the lock of the one process that writes.
"""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from amparo.model import KINDS
from amparo.store.backend import StoreRefused
from amparo.store.store import Store
from amparo.store.text import clean
from amparo.store.thumbs import Blobs

SCHEMA = 1
"""Version of the folder's layout."""


class CaseBusy(StoreRefused):
    """Another process is writing to this case."""


@dataclass(frozen=True, slots=True)
class CaseConfig:
    """What ``case.toml`` says. ``AMPARO_<KEY>`` in the environment comes before the file."""

    name: str
    schema: int = SCHEMA
    scheme: str = ""
    """Name of the category scheme in use."""
    store: str = ""
    """``postgresql://…``, or "" for ``case.db`` in the folder."""
    isolation_floor: str = ""
    """The least isolation cells must reach; "" leaves it to the runner's own floor."""
    cells: int = 0
    """Cells at a time; 0 for one a core."""
    photorec: bool = False
    """Whether PhotoRec, a separate program, also searches the free space of disks."""
    crops: bool = False
    """Whether parts of every picture are hashed too, so that what was cut out of one is found."""


def read_config(path: Path, environment: Mapping[str, str] | None = None) -> CaseConfig:
    """The settings in a file, with those of the environment before them.

    ValueError for an unknown key, a value of the wrong type or text that is not TOML.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    types = {f.name: _TYPES[str(f.type)] for f in fields(CaseConfig)}
    if unknown := sorted(set(values) - set(types)):
        raise ValueError(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(types)}")
    for key, value in values.items():
        if type(value) is not types[key]:
            raise ValueError(f"{path}: {key} must be {_KIND[types[key]]}")
    given = os.environ if environment is None else environment
    for key, type_ in types.items():
        text = given.get(f"AMPARO_{key.upper()}")
        if text is not None:
            try:
                values[key] = _WORDS[text.lower()] if type_ is bool else type_(text)
            except (ValueError, KeyError) as error:
                raise ValueError(f"AMPARO_{key.upper()} must be {_KIND[type_]}") from error
    if "name" not in values:
        raise ValueError(f"{path}: a case has a name")
    config = CaseConfig(**values)
    if config.schema > SCHEMA:
        raise StoreRefused(f"{path}: made by a newer Amparo (folder version {config.schema})")
    if config.cells < 0:
        raise ValueError(f"{path}: cells cannot be negative")
    return config


_TYPES: dict[str, type] = {"int": int, "str": str, "bool": bool}
_WORDS = {"true": True, "1": True, "false": False, "0": False, "": False}
_KIND = {int: "a whole number", str: "a text", bool: "true or false"}


def write_config(path: Path, config: CaseConfig) -> None:
    """Write the settings so that either the old or the new file is there, never half of one."""
    lines = [f"{f.name} = {_toml(getattr(config, f.name))}\n" for f in fields(config)]
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _toml(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    out = []
    for letter in clean(value):
        if letter in '"\\':
            out.append("\\" + letter)
        elif ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0:
            out.append(f"\\u{ord(letter):04x}")
        else:
            out.append(letter)
    return '"' + "".join(out) + '"'


class Case:
    """An open case folder. ``store``, ``thumbs``, ``derived`` and ``config`` are its parts.

    With ``write`` this process is the case's one writer until :meth:`close`; the lock is held by an
    open descriptor (``writer``), which child processes must not keep.
    """

    def __init__(
        self, path: Path, config: CaseConfig, store: Store, thumbs: Blobs, writer: int | None
    ) -> None:
        self.path = path
        self.config = config
        self.store = store
        self.thumbs = thumbs
        self.derived = path / "derived"
        self.writer = writer

    @classmethod
    def create(cls, path: Path, name: str, scheme: str = "", store: str = "") -> Self:
        """Make the folder and open it for writing. FileExistsError when there is a case already."""
        if (path / "case.toml").exists():
            raise FileExistsError(f"there is a case at {path} already")
        path.mkdir(parents=True, exist_ok=True)
        writer = _lock(path)
        try:
            (path / "derived").mkdir(exist_ok=True)
            made = Store.create(store) if store else _database(path / "case.db")
            config = CaseConfig(name, scheme=scheme, store=store)
            # The settings last: a folder without them is no case yet.
            write_config(path / "case.toml", config)
            return cls(path, config, made, Blobs(path / "thumbs.db"), writer)
        except BaseException:
            os.close(writer)
            raise

    @classmethod
    def open(cls, path: Path, write: bool = False) -> Self:
        """Open a case, for reading unless ``write``.

        FileNotFoundError when there is none, CaseBusy when another process writes, StoreRefused or
        ValueError when it cannot be used as it is.
        """
        if not (path / "case.toml").is_file():
            raise FileNotFoundError(f"no case at {path}")
        config = read_config(path / "case.toml")
        writer = _lock(path) if write else None
        try:
            if write:
                (path / "derived").mkdir(exist_ok=True)
            store = Store.open(config.store or path / "case.db", readonly=not write)
            thumbs = Blobs(path / "thumbs.db", readonly=not write)
            return cls(path, config, store, thumbs, writer)
        except BaseException:
            if writer is not None:
                os.close(writer)
            raise

    def close(self) -> None:
        """Let go of everything; a case that was written to is then whole in its folder."""
        try:
            self.thumbs.close()
        finally:
            try:
                self.store.close()
            finally:
                if self.writer is not None:
                    os.close(self.writer)
                    self.writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _database(path: Path) -> Store:
    """A new database, or the empty one that a making cut short left behind."""
    try:
        return Store.create(path)
    except FileExistsError:
        left = Store.open(path)
    if left.head().sequence or any(left.tally(kind)[""] for kind in KINDS.values()):
        left.close()
        raise FileExistsError(f"{path} holds a case, but its case.toml is gone: put that back")
    return left


def _lock(path: Path) -> int:
    """Become the writer: an exclusive lock on ``.writer``, which names this process."""
    handle = os.open(path / ".writer", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise CaseBusy(f"process {pid} is writing to {path}: wait for it or end it") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle
