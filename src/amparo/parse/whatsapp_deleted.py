"""Messages that WhatsApp hides as deleted while their rows still stand: soft-deleted and expired ones.

A chat that is emptied or deleted is marked first and its rows are taken away later, in blocks::

    deleted_chat_job(chat_row_id, deleted_message_row_id, deleted_starred_message_row_id,
                     deleted_categories_message_row_id, deleted_categories_starred_message_row_id,
                     deleted_message_categories, singular_message_delete_rows_id)

What counts as deleted is what the app's own view ``deleted_messages_view`` says: rows up to a number,
with another limit for starred ones, and another for some kinds of messages only (their codes in quotes).
``message_ephemeral(message_row_id, expire_timestamp)`` dates the end of disappearing messages.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace

from amparo.kit.sqlite import Beside, Database, text, whole
from amparo.model import At

_JOB = ("chat_row_id", "deleted_message_row_id", "deleted_starred_message_row_id",
        "deleted_categories_message_row_id", "deleted_categories_starred_message_row_id",
        "deleted_message_categories", "singular_message_delete_rows_id")  # fmt: skip
LACKING = frozenset({
    "deleted_chat_job", "message_ephemeral", "message.starred", "message.timestamp",
    *(f"deleted_chat_job.{name}" for name in _JOB[3:]),
})  # fmt: skip
"""What other versions do not have."""


@dataclass(frozen=True)
class Job:
    """One order to delete in a chat: row numbers up to which it holds, plain and starred."""

    plain: int
    starred: int
    of_kinds: int
    of_kinds_starred: int
    kinds: frozenset[str]
    single: frozenset[int]

    def takes(self, number: int, starred: bool, kind: int | None) -> bool:
        """Whether it deletes a message."""
        if number in self.single or number <= (self.starred if starred else self.plain):
            return True
        limit = self.of_kinds_starred if starred else self.of_kinds
        return str(kind) in self.kinds and number <= limit


class Hidden:
    """Which rows of ``message`` a database hides, and why."""

    def __init__(self, database: Database) -> None:
        self._jobs: dict[int, list[Job]] = defaultdict(list)
        for _, chat, plain, starred, kinds, kinds_starred, codes, single in database.rows(
            "deleted_chat_job", _JOB
        ):
            if (number := whole(chat)) is not None:
                self._jobs[number].append(
                    Job(
                        whole(plain) or 0,
                        whole(starred) or 0,
                        whole(kinds) or 0,
                        whole(kinds_starred) or 0,
                        frozenset(re.findall(r'"(\d+)"', text(codes)[:1000])),
                        frozenset(map(int, re.findall(r"\d{1,18}", text(single)[:100_000]))),
                    )
                )
        self._expiry = Beside(
            database, "message_ephemeral", "message_row_id", ("expire_timestamp",)
        )
        self._now = _newest(database) if self._expiry.next < 1 << 63 else 0

    def place(self, at: At, chat: object, number: int, starred: object, kind: int | None) -> At:
        """The place of a message's row; one that is hidden is called deleted, with the method."""
        expiry = self._expiry.take(number) if self._expiry.next <= number else ()
        if at.state != "live" or at.method:
            return at
        jobs = self._jobs.get(chat, ()) if type(chat) is int else ()
        if any(job.takes(number, starred == 1, kind) for job in jobs):
            return replace(at, state="deleted", method="soft_deleted", confidence=1.0)
        ends = [end for _, _, end in expiry if type(end) is int and end > 0]
        if ends and max(ends) < self._now:
            return replace(at, state="deleted", method="expired", confidence=0.9)
        return at


def _newest(database: Database) -> int:
    """The latest moment the database itself tells of: what expired before it is shown no more."""
    stamps = (stamp for _, stamp in database.rows("message", ("timestamp",)))
    return max((s for s in stamps if type(s) is int and s < 1 << 43), default=0)
