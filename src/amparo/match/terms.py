"""On what conditions a list may be used."""

from __future__ import annotations

import time
from collections.abc import Iterable

from amparo.model import Id, KnownSet


def expired(record: KnownSet, now: int | None = None) -> bool:
    """Whether the terms of a list forbid its use by now (UTC milliseconds)."""
    now = int(time.time() * 1000) if now is None else now
    return record.expires is not None and record.expires < now


def out_of_use(sets: Iterable[KnownSet]) -> list[Id]:
    """The sets past their date: what was concluded with them has to be concluded anew."""
    return sorted(s.id for s in sets if expired(s))
