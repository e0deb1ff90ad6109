"""What another tool's report says was in the evidence: a second opinion beside what was read here."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import At, Id, Record, kind


@kind("reported", "at")
@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Record):
    """One thing the tool that acquired the phone says it decoded; never counted as evidence of its own.

    The state of its ``at`` is ``reported``, the method names the report (``ufdr_decoded``), and offset and
    length are those of its element in the report.
    """

    at: At
    form: str
    """``message``, ``contact``, ``call`` or ``account``."""
    service: str = ""
    """The application, as the report has it."""
    thread: str = ""
    """Address of the conversation, as the report has it."""
    account: str = ""
    """Address of the sender or contact, as the report has it."""
    name: str = ""
    text: str = ""
    time: int | None = None
    deleted: bool = False
    """Whether the tool says it was deleted."""
    sure: str = ""
    """The tool's own word for how sure it is."""


@kind("report_check", "reported")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCheck(Record):
    """A reported thing held against what was read here on the same exhibit."""

    reported: Id
    verdict: str
    """``same``, ``differs`` or ``only there``."""
    subject: Id = ""
    """The Message or AccountName read here that it was held against."""
    detail: str = ""
    """What differs, for people."""
