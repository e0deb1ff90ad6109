"""What was changed or taken away: claims over several states of one database, and over several exhibits."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("version", "subject", "source")
@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Record):
    """One wording that a message, or the subject of a group, had on one exhibit.

    A thing has versions where at least two wordings are known. ``place`` counts from 1, the earliest
    first; ``source`` is the record that shows where the bytes lie, in which frame and transaction.
    """

    exhibit: Id
    of: str
    """``message`` or ``thread_info``."""
    subject: Id
    """The record as it stands now; where nothing stands any more, the latest version."""
    source: Id
    source_kind: str
    """``message``, ``attachment`` (a caption) or ``thread_info``."""
    thread: Id
    key: str = ""
    place: int
    versions: int
    current: bool
    """Whether it is what stands there now."""
    form: str = ""
    text: str = ""
    basis: tuple[str, ...] = ()
    """Ids of all records of this wording."""


@kind("erasure", "exhibit", "thread", "key", "row")
@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Record):
    """A message that an exhibit shows no more, and all that still tells of it.

    ``methods`` say by which ways it is known: those of recovered rows (``freelist``, ``wal_superseded``
    …), ``soft_deleted``, ``expired``, ``backup_difference``, ``quoted_reply``, ``other_exhibit``.
    ``since`` and ``until`` bound the moment at which it went, where two states of the database tell.
    """

    exhibit: Id
    thread: Id
    key: str
    row: int | None = None
    """Row number, for one whose key is lost."""
    sender: Id = ""
    sent: int | None = None
    form: str = ""
    text: str = ""
    methods: tuple[str, ...]
    confidence: float
    since: int | None = None
    until: int | None = None
    held_by: Id = ""
    """File: the last state of the database that holds it."""
    gone_from: Id = ""
    """File: the first state after that which does not."""
    exhibits: tuple[str, ...] = ()
    """Other exhibits on which it stands."""
    source: Id = ""
    """The Message or Quote its wording is taken from."""
    basis: tuple[str, ...] = ()
