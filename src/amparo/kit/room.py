"""Whether a disk was full: a state of this machine, never something to say of the evidence."""

from __future__ import annotations

import errno
import sqlite3

_ERRNO = frozenset({errno.ENOSPC, errno.EDQUOT})
_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
_POSTGRESQL_FULL = "53100"


def no_room(error: BaseException | None) -> bool:
    """Whether there was no room left to write, by an error or by any of those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _ERRNO:
            return True
        if getattr(error, "sqlite_errorcode", None) in _SQLITE:
            return True
        if getattr(error, "sqlstate", None) == _POSTGRESQL_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False
