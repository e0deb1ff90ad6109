"""Bringing a case of an earlier Amparo up to date, forward only, each step once.

What records gain (a field, a kind, an index) needs no step: the tables are generated, ``meta`` keeps
the layout they had, and :func:`complete` adds what is missing, with the field's default. A step in
``STEPS`` is for what a default cannot say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, literal_column, select
from sqlalchemy.schema import CreateColumn

from amparo.model import KINDS, At
from amparo.store.backend import Backend, StoreRefused
from amparo.store.schema import META, METADATA, flat, layout

Step = Callable[[Backend, Connection], None]


def _direction_may_be_unknown(backend: Backend, connection: Connection) -> None:
    """``message.from_owner`` may be absent from now on."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE message ALTER COLUMN from_owner DROP NOT NULL")
        return
    # As https://www.sqlite.org/lang_altertable.html says for constraints that are taken off.
    (version,) = connection.exec_driver_sql("PRAGMA schema_version").one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, 'from_owner BOOLEAN NOT NULL',"
        " 'from_owner BOOLEAN') WHERE type = 'table' AND name = 'message'"
    )
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=OFF")


STEPS: tuple[Step, ...] = (_direction_may_be_unknown,)
"""Step ``n`` takes a case of version ``n`` to ``n + 1``. Add at the end; never change an old one."""


def stamp(connection: Connection) -> None:
    """Write down version and layout of today."""
    for key, value in (("version", str(len(STEPS))), ("layout", json.dumps(layout()))):
        connection.execute(META.delete().where(META.c.key == key))
        connection.execute(META.insert().values(key=key, value=value))


def upgrade(backend: Backend, readonly: bool) -> None:
    """Check version and layout, and bring both up to date in one transaction where needed.

    StoreRefused when the case was written by a newer Amparo, when it is an older one open for reading
    only, and when this is no case database at all.
    """
    with backend.reading() as connection:
        version, there = _stamped(connection)
    _refuse_newer(version, there)
    if version == len(STEPS) and there == layout():
        return
    if readonly:
        raise StoreRefused(
            "this case was written by an earlier Amparo: open it once for writing (or a copy of it, "
            "if it is sealed) and it is brought up to date"
        )
    with backend.writing(durable=True) as connection:
        version, there = _stamped(connection)
        for step in STEPS[version:]:
            step(backend, connection)
        complete(backend, connection, there)
        stamp(connection)


def complete(backend: Backend, connection: Connection, there: dict[str, list[str]]) -> None:
    """Add the columns, tables and indexes that today's records have and ``there`` has not."""
    quote = connection.dialect.identifier_preparer.quote
    for name, table in METADATA.tables.items():
        for column in table.columns if name in there else ():
            if column.name not in there[name]:
                added = _with_default(name, column, connection.dialect.name)
                text = CreateColumn(added).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {quote(name)} ADD COLUMN {text}")
    backend.build(connection)
    for name in there:
        for index in METADATA.tables[name].indexes:
            index.create(connection, checkfirst=True)


def _stamped(connection: Connection) -> tuple[int, dict[str, list[str]]]:
    rows = connection.execute(select(META.c.key, META.c.value))
    meta = {str(key): str(value) for key, value in rows}
    try:
        return int(meta["version"]), json.loads(meta["layout"])
    except (KeyError, ValueError) as error:
        raise StoreRefused("this is not a case database of Amparo") from error


def _refuse_newer(version: int, there: dict[str, list[str]]) -> None:
    today = layout()
    unknown = [t for t in there if t not in today] + [
        f"{t}.{c}"
        for t, columns in there.items()
        for c in columns
        if c not in today.get(t, columns)
    ]
    if version > len(STEPS) or unknown:
        raise StoreRefused(
            f"this case was written by a newer Amparo (version {version}, this one knows "
            f"{len(STEPS)}{'; new: ' + ', '.join(sorted(unknown)) if unknown else ''}): use that one"
        )


def _with_default(name: str, column: Column[Any], dialect: str) -> Column[Any]:
    """The column as it is added to rows that lack it: with its field's default, or empty."""
    default: Any = None
    if name in KINDS:
        cls = KINDS[name]
        types = {f.name: f.type for f in flat(cls)}
        given = {f.name: f.default for f in fields(cls) if f.default is not MISSING}
        given |= {f"at_{f.name}": f.default for f in fields(At) if f.default is not MISSING}
        default = given.get(column.name)
        if default is None and not column.nullable:
            default = types.get(column.name, str)()
    elif not column.nullable:
        default = column.type.python_type()
    text: ColumnElement[Any] | None = (
        None if default is None else literal_column(_literal(default, dialect))
    )
    return Column(column.name, column.type, nullable=column.nullable, server_default=text)


def _literal(value: Any, dialect: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'" if dialect == "sqlite" else f"'\\x{value.hex()}'"
    if isinstance(value, int | float):
        return repr(value)
    text = json.dumps(list(value)) if isinstance(value, tuple) else str(value)
    return "'" + text.replace("'", "''") + "'"
