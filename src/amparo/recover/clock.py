"""When rows were written, as far as a column of them says: any application's way of counting time."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from amparo.recover.record import Value
from amparo.recover.schema import Table
from amparo.recover.survey import Survey

_NAMED = re.compile(r"time|date|stamp|sent|received|created|_ts$|_at$|^ts$", re.I)
_BEST = ("timestamp", "zmessagedate", "date", "time", "date_sent", "created", "received_timestamp")
_MAC = 978_307_200
"""Seconds from 1970 to 2001, when Core Data and iMessage begin to count."""
_EARLIEST = 631_152_000_000
"""1990: whoever counts from 1970 and says less means something else."""
_LATEST = 4_102_444_800_000
"""2100."""
_SAMPLE = 60


def moment(value: Value, mac: bool = False) -> int | None:
    """Milliseconds since 1970 of a number that is a time; None for any other.

    Told apart by size: seconds, milliseconds, microseconds, nanoseconds (those since 2001, as iMessage
    counts). ``mac``: small numbers are seconds since 2001.
    """
    if not isinstance(value, (int, float)) or not value > 0:
        return None
    if mac and value < 3e9:
        found = (value + _MAC) * 1000
    elif value < 1e11:
        found = value * 1000
    elif value < 1e14:
        found = value
    elif value < 1e17:
        found = value / 1000
    else:
        found = value / 1e6 + _MAC * 1000
    return int(found) if _EARLIEST < found <= _LATEST else None


def clock(survey: Survey, table: Table) -> Callable[[list[Value]], int | None] | None:
    """What reads the time off a table's rows; None where no column holds one."""
    mac = any(c.name.upper() == "Z_PK" for c in table.columns)
    named = [i for i, c in enumerate(table.columns) if _NAMED.search(c.name)]
    named.sort(key=lambda i: _rank(table.columns[i].name))
    sample = [row for _, row, _ in islice(survey.rows(table), _SAMPLE)]
    for place in named:
        told = sum(1 for row in sample if moment(row[place], mac) is not None)
        if told and 2 * told >= len(sample):
            return lambda row: moment(row[place], mac)
    return None


def _rank(name: str) -> int:
    low = name.lower()
    return _BEST.index(low) if low in _BEST else len(_BEST)
