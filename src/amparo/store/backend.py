"""One database behind the store: connections, turns at writing, and the few things two dialects differ in."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, Transaction, inspect
from sqlalchemy.exc import DBAPIError

from amparo.store.schema import METADATA


class StoreRefused(ValueError):
    """The store cannot be used as asked; the message says why and what to do."""


class NoRoom(StoreRefused):
    """The disk is full: everything that was committed before is there, nothing of this."""

    def __init__(self) -> None:
        super().__init__(
            "there is no room left on its disk; nothing written before is lost: make room and do it again"
        )


class Turns:
    """Who writes next: one at a time, and whoever waits with a person's deed goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writer: int | None = None
        self._urgent = 0

    @contextmanager
    def turn(self, urgent: bool) -> Iterator[None]:
        """Waits for the turn. RuntimeError when this thread is writing already."""
        me = threading.get_ident()
        with self._changed:
            if self._writer == me:
                raise RuntimeError("a transaction is open already in this thread")
            self._urgent += urgent
            while self._writer is not None or (self._urgent and not urgent):
                self._changed.wait()
            self._urgent -= urgent
            self._writer = me
        try:
            yield
        finally:
            with self._changed:
                self._writer = None
                self._changed.notify_all()


class Backend(ABC):
    """Connections to one case database. ``mark`` is the driver's placeholder."""

    mark = "?"

    def __init__(self, reader: Engine, writer: Engine | None) -> None:
        self._reader = reader
        self._writer_engine = writer
        self._writer: Connection | None = None
        self._turns = Turns()

    def sql(self, text: str) -> str:
        """SQL written with ``?`` for this driver. It must hold no other ``?`` and no ``%``."""
        return text if self.mark == "?" else text.replace("?", self.mark)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for short reads; every statement sees what was committed before it."""
        with self._reader.connect() as connection:
            yield connection

    def stream(self, statement: Select[Any], size: int = 1000) -> Iterator[Row[Any]]:
        """Rows of one long statement, fetched ``size`` at a time."""
        with self._streaming() as connection:
            yield from connection.execute(statement.execution_options(yield_per=size))

    @contextmanager
    def writing(self, durable: bool = False) -> Iterator[Connection]:
        """One transaction. ``durable``: it survives a power cut once this returns, and goes first.

        StoreRefused when opened read-only, NoRoom when its disk is full.
        """
        if self._writer_engine is None:
            raise StoreRefused("this case is open for reading only")
        try:
            with self._turns.turn(durable):
                if self._writer is None:
                    self._writer = self._writer_engine.connect()
                with self._begin(self._writer, durable):
                    yield self._writer
        except DBAPIError as error:
            if self._is_full(error.orig):
                raise NoRoom from error
            raise

    def close(self) -> None:
        """Let go of all connections; the writing one last, for it leaves the log folded in."""
        self._reader.dispose()
        with self._turns.turn(True):
            if self._writer is not None:
                self._settle(self._writer)
                self._writer.close()
                self._writer = None
        if self._writer_engine is not None:
            self._writer_engine.dispose()

    def tables(self, connection: Connection) -> set[str]:
        """Names of the tables there are; asked only when a case is made or brought up to date."""
        return set(inspect(connection).get_table_names())

    def build(self, connection: Connection) -> None:
        """Make every table, index and rule that is not there yet."""
        METADATA.create_all(connection)
        self._rules(connection)

    @contextmanager
    def _streaming(self) -> Iterator[Connection]:
        with self._reader.connect() as connection:
            yield connection

    @abstractmethod
    def _begin(self, connection: Connection, durable: bool) -> Transaction:
        """Begin a transaction that is as durable as asked."""

    @abstractmethod
    def _settle(self, connection: Connection) -> None:
        """Before the writing connection goes."""

    @abstractmethod
    def _is_full(self, error: BaseException | None) -> bool:
        """Whether the driver says by this error that there is no room left."""

    @abstractmethod
    def _rules(self, connection: Connection) -> None:
        """Make the word index and the triggers that keep actions append-only, where missing."""

    @abstractmethod
    def among(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        """``column`` is one of ``values``, however many."""

    @abstractmethod
    def like(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        """``column`` fits a pattern in which only ``*`` is special; case counts."""

    @abstractmethod
    def insert(
        self,
        connection: Connection,
        table: str,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Insert many rows that are known not to be there yet, the quick way of the driver."""

    @abstractmethod
    def index_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        """Add documents to the word index."""

    @abstractmethod
    def drop_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        """Take documents out of the word index; their words must be those they were indexed with."""

    @abstractmethod
    def find_words(self, wanted: list[str], after: int, limit: int) -> Iterable[int]:
        """Documents after ``after`` that hold all words, the last one as a beginning, in order."""
