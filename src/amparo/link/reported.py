"""What another tool reports of a phone, held against what was read from the same phone here.

The rows of a report are not evidence of their own: they never count as messages. Where a report has what
was not read here, or reads it differently, one of the two tools missed or misread something.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from amparo.kit import jid
from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.model import (
    Account,
    AccountName,
    Exhibit,
    Id,
    Message,
    Problem,
    ReportCheck,
    Reported,
)

SAME, DIFFERS, ONLY_THERE = "same", "differs", "only there"
_SERVICE = "whatsapp"
"""What is read here of messengers: reports of others have nothing to be held against."""


@dataclass
class _Read:
    """What was read of one exhibit: messages by second and by text, names by account."""

    by_second: dict[int, list[tuple[Id, str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    texts: dict[str, Id] = field(default_factory=dict)
    names: dict[str, dict[str, Id]] = field(default_factory=lambda: defaultdict(dict))


@deriver(
    "reported",
    stage="link",
    version=1,
    reads=(Account, AccountName, Exhibit, Message, Reported),
    makes=(ReportCheck, Problem),
)
def reported(view: View) -> Iterator[ReportCheck | Problem]:
    """Messages and contacts of another tool's report that were not read here, or read differently."""
    exhibits = {e for (e,) in view.columns(Reported, "at_exhibit")}
    if not exhibits:
        return
    handles = dict(view.columns(Account, "id", "handle"))
    for exhibit in sorted(exhibits):
        read, counts = _of(view, exhibit, handles), Counter[tuple[str, str]]()
        for one in view.each(Reported, at_exhibit=exhibit):
            if one.form not in ("message", "contact") or _SERVICE not in one.service.lower():
                continue
            check = _message(one, read) if one.form == "message" else _contact(one, read)
            counts[one.form, check.verdict] += 1
            yield check
        for (form, verdict), count in sorted(counts.items()):
            if verdict != SAME:
                yield _said(exhibit, form, verdict, count)


def _of(view: View, exhibit: Id, handles: dict[Id, str]) -> _Read:
    read = _Read()
    wanted = ("id", "sender", "sent", "server", "text")
    for id, sender, sent, server, text in view.columns(Message, *wanted, at_exhibit=exhibit):
        for when in {sent, server} - {None}:
            read.by_second[when // 1000].append((id, handles.get(sender, ""), text))
        if text:
            read.texts.setdefault(text.strip(), id)
    for id, account, name in view.columns(AccountName, "id", "account", "name", at_exhibit=exhibit):
        read.names[handles.get(account, "")][name] = id
    return read


def _handle(address: str) -> str:
    """An address as this program writes it; a bare number is taken for a telephone's."""
    found = jid.parse(address) or jid.parse(
        f"{address.lstrip('+').replace(' ', '')}@s.whatsapp.net"
    )
    return found.handle if found else address


def _message(one: Reported, read: _Read) -> ReportCheck:
    text, sender = one.text.strip(), _handle(one.account)
    if one.time is None:
        id = read.texts.get(text, "") if text else ""
        return ReportCheck(reported=one.id, verdict=SAME if id else ONLY_THERE, subject=id)
    second = one.time // 1000
    near = [m for s in (second, second - 1, second + 1) for m in read.by_second.get(s, ())]
    for id, _, said in near:
        if said.strip() == text:
            return ReportCheck(reported=one.id, verdict=SAME, subject=id)
    for id, who, said in near:
        if who == sender:
            detail = f"read here: {said[:200]}" if said else "read here without text"
            return ReportCheck(reported=one.id, verdict=DIFFERS, subject=id, detail=detail)
    return ReportCheck(reported=one.id, verdict=ONLY_THERE)


def _contact(one: Reported, read: _Read) -> ReportCheck:
    names = read.names.get(_handle(one.account), {})
    if one.name in names:
        return ReportCheck(reported=one.id, verdict=SAME, subject=names[one.name])
    if names:
        name, id = min(names.items())
        detail = f"read here: {name[:200]}"
        return ReportCheck(reported=one.id, verdict=DIFFERS, subject=id, detail=detail)
    return ReportCheck(reported=one.id, verdict=ONLY_THERE)


def _said(exhibit: Id, form: str, verdict: str, count: int) -> Problem:
    what = f"{count} {form}{'s' if count != 1 else ''}"
    reason = (
        f"{what} in the report of the acquiring tool were not read here (amparo find --text finds them)"
        if verdict == ONLY_THERE
        else f"{what} in the report of the acquiring tool read differently here"
    )
    return Problem(
        stage="link",
        plugin="link/reported",
        subject=exhibit,
        exhibit=exhibit,
        path="report.xml",
        reason=reason,
    )
