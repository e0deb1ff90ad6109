"""What replies repeat of the messages they answer."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import At, Id, Record, kind


@kind("quote", "at")
@dataclass(frozen=True, slots=True, kw_only=True)
class Quote(Record):
    """What a reply repeats of an earlier message: it tells what that one said, also where it is gone."""

    at: At
    message: Id
    """The reply."""
    thread: Id
    """The conversation of the message that is quoted; "" where that is not known."""
    key: str
    """Message key of the message that is quoted."""
    sender: Id
    sent: int | None = None
    form: str
    text: str = ""
