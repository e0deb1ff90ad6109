"""The case on a PostgreSQL server, for many analysts or hosts: same tables, same rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ARRAY,
    URL,
    ColumnElement,
    Connection,
    Transaction,
    any_,
    bindparam,
    create_engine,
    event,
    make_url,
)

from amparo.store.backend import Backend

WRITER_LOCK = 0x414D50
"""Advisory lock that every writing transaction takes: one writer at a time, as in a file."""

_RULES = (
    "CREATE TABLE IF NOT EXISTS words (doc BIGINT PRIMARY KEY, body TSVECTOR NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ix_words_body ON words USING gin (body)",
    "CREATE OR REPLACE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE EXCEPTION 'actions are only ever added'; END$$",
    *(
        f"CREATE OR REPLACE TRIGGER {table}_only_added BEFORE UPDATE OR DELETE OR TRUNCATE "
        f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added()"
        for table in ("action", "action_input")
    ),
)


def address(where: str) -> URL:
    """The address with the driver we bring; ValueError for any other database."""
    url = make_url(where)
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"no store for {url.get_backend_name()}: a path or postgresql://…")
    return url.set(drivername="postgresql+psycopg")


class Postgresql(Backend):
    """A case database on a server."""

    mark = "%s"

    def __init__(self, where: str, readonly: bool) -> None:
        url = address(where)
        # Short reads need no transaction of their own.
        reader = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=8, max_overflow=32)
        self._long = reader.execution_options(isolation_level="REPEATABLE READ")
        event.listen(reader, "connect", _read_only)
        super().__init__(reader, None if readonly else create_engine(url, pool_size=1))

    @contextmanager
    def _streaming(self) -> Iterator[Connection]:
        with self._long.connect() as connection:
            yield connection

    def _begin(self, connection: Connection, durable: bool) -> Transaction:
        transaction = connection.begin()
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
        if not durable:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        return transaction

    def _settle(self, connection: Connection) -> None:
        """The server keeps its own house."""

    def _is_full(self, error: BaseException | None) -> bool:
        return getattr(error, "sqlstate", None) == "53100"

    def _rules(self, connection: Connection) -> None:
        for statement in _RULES:
            connection.exec_driver_sql(statement)

    def among(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))

    def like(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        for special in ("\\", "%", "_"):
            pattern = pattern.replace(special, "\\" + special)
        return column.like(pattern.replace("*", "%"), escape="\\")

    def insert(
        self,
        connection: Connection,
        table: str,
        names: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        columns = ", ".join(f'"{n}"' for n in names)
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor:
            with cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)

    def index_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        # Words are folded and parted already: no parser or dictionary of the server has a say.
        vectors = [(doc, " ".join(f"'{word}'" for word in words)) for doc, words in rows]
        self.insert(connection, "words", ("doc", "body"), vectors)

    def drop_words(self, connection: Connection, rows: Sequence[tuple[int, list[str]]]) -> None:
        connection.exec_driver_sql(
            "DELETE FROM words WHERE doc = ANY(%s)", ([doc for doc, _ in rows],)
        )

    def find_words(self, wanted: list[str], after: int, limit: int) -> list[int]:
        query = " & ".join(f"'{word}'" for word in wanted) + ":*"
        with self.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT doc FROM words WHERE body @@ CAST(%s AS tsquery) AND doc > %s "
                "ORDER BY doc LIMIT %s",
                (query, after, limit),
            )
            return [row[0] for row in rows]


def _read_only(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION default_transaction_read_only = on")
    connection.commit()
