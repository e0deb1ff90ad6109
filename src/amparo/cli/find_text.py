"""Find by words: messages with who wrote them where, and accounts with what the case knows of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from amparo.cli.say import safe
from amparo.model import (
    KINDS,
    Account,
    AccountName,
    Activity,
    At,
    Exhibit,
    File,
    Id,
    Message,
    Record,
    Resolution,
    Tenure,
    Thread,
    ThreadInfo,
    Version,
)
from amparo.store import Case, Hit, Store

Answer = tuple[dict[str, object], list[str]]
ACCOUNTS = ("account", "account_name")


def find_text(case: Case, args: argparse.Namespace) -> Answer:
    """Whatever holds all the words."""
    rows = [_row(case.store, hit) for hit in _hits(case, args.text, args.limit, ())]
    return {"found": rows}, [line for row in rows for line in _lines(row)]


def find_account(case: Case, args: argparse.Namespace) -> Answer:
    """Accounts by number, handle or name: each once, however many handles and names it has."""
    store = case.store
    hits = list(_hits(case, args.account, args.limit, ACCOUNTS))
    found: dict[Id, None] = {}
    for hit in hits:
        record = store.get(KINDS[hit.kind], hit.id)
        account = record.account if isinstance(record, AccountName) else hit.id
        found.setdefault(_canonical(store, "account", account))
    accounts = [_account(store, id) for id in found]
    data: dict[str, object] = {"found": [_row(store, hit) for hit in hits], "accounts": accounts}
    return data, [line for account in accounts for line in _account_lines(account)]


def _hits(case: Case, text: str, limit: int, kinds: tuple[str, ...]) -> list[Hit]:
    """The first hits of these kinds; of all kinds where none is named."""
    hits, after = list[Hit](), 0
    while len(hits) < limit and (page := case.store.search(text, limit, after)):
        hits += [h for h in page if not kinds or h.kind in kinds]
        after = page[-1].place
    return hits[:limit]


def _row(store: Store, hit: Hit) -> dict[str, Any]:
    """A hit with where it stands, who said it where and when, and its other wordings."""
    record = store.get(KINDS[hit.kind], hit.id)
    return {
        "kind": hit.kind,
        "id": hit.id,
        "text": hit.text,
        **_place(store, record),
        **(_said(store, record) if isinstance(record, Message) else {}),
        **_wordings(store, hit),
    }


def _lines(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['kind']:<14}{row['id']}  {safe(row['text'])}"
    if row.get("thread"):
        yield f"    {_time(row['sent'])} by {safe(row['sender'])} in {safe(row['thread'])}"
    if row.get("exhibit"):
        at = f" {row['table']} row {row['row']}" if row.get("table") else ""
        state = f" ({row['state']})" if row.get("state", "live") != "live" else ""
        yield f"    {safe(row['exhibit'])}: {safe(row['path'])}{at}{state}"
    for version in row.get("versions", []):
        if version["id"] != row["id"]:
            word = "now" if version["current"] else "before"
            yield f"    {word}: {safe(version['text'] or version['form'])}"


def _said(store: Store, message: Message) -> dict[str, Any]:
    """Who sent a message in which conversation, in words, and when (milliseconds since 1970 UTC)."""
    sender = store.get(Account, _canonical(store, "account", message.sender))
    return {
        "sent": message.sent,
        "sender": (sender.phone or sender.handle) if sender is not None else "not known",
        "thread": _subject(store, _canonical(store, "thread", message.thread)),
    }


def _canonical(store: Store, form: str, id: Id) -> Id:
    row = next(store.each(Resolution, source=id, form=form), None)
    return row.canonical if row is not None else id


def _subject(store: Store, thread: Id) -> str:
    """What a conversation is called: its subject as it stands, its handle where it has none."""
    infos = list(store.each(ThreadInfo, thread=thread))
    infos.sort(key=lambda i: (i.at.state != "live", not i.subject, i.id))
    if infos and infos[0].subject:
        return infos[0].subject
    held = store.get(Thread, thread)
    return held.handle if held is not None else "a conversation not held"


def _account(store: Store, id: Id) -> dict[str, Any]:
    """What the case knows of an account: numbers, handles, names, groups, what it posted."""
    sides = [r.source for r in store.each(Resolution, canonical=id, form="account")] or [id]
    held = sorted(store.many(Account, sides).values(), key=lambda a: (a.id != id, a.handle))
    main = next((a for a in held if a.id == id), None)
    exhibits = {e.id: e.number for e in store.each(Exhibit)}
    names: dict[str, set[str]] = {}
    for name in store.each(AccountName, account=sides):
        names.setdefault(name.name, set()).add(exhibits.get(name.at.exhibit, ""))
    tenures = [
        {
            "group": _subject(store, t.thread),
            "role": t.role,
            "since": t.since,
            "until": t.until,
            "present": t.present and t.until is None,
        }
        for t in store.each(Tenure, account=sides)
    ]
    activity = next(store.each(Activity, account=id, thread=""), None)
    return {
        "id": id,
        "number": next((a.phone for a in held if a.phone), ""),
        "country": main.country if main is not None else "",
        "handles": [a.handle for a in held],
        "names": {name: sorted(numbers) for name, numbers in sorted(names.items())},
        "groups": sorted(tenures, key=lambda t: (str(t["group"]), t["since"] or 0)),
        "messages": activity.messages if activity else 0,
        "contents": activity.contents if activity else 0,
        "originated": activity.originated if activity else 0,
        "first": activity.first if activity else None,
        "last": activity.last if activity else None,
    }


def _account_lines(account: dict[str, Any]) -> Iterator[str]:
    handles = ", ".join(map(safe, account["handles"])) or "an account not held"
    number = " ".join(filter(None, (account["number"], account["country"])))
    yield f"{number}  {handles}" if number else handles
    for name, exhibits in account["names"].items():
        yield f"    called {safe(name)} on {', '.join(map(safe, exhibits))}"
    for group in account["groups"]:
        role = "" if group["role"] == "member" else f", {safe(group['role'])}"
        end = "at seizure" if group["present"] else _time(group["until"])
        yield f"    in {safe(group['group'])}{role}: {_time(group['since'])} to {end}"
    if account["messages"]:
        yield (
            f"    {account['messages']:,} messages from {_time(account['first'])} to "
            f"{_time(account['last'])}; {account['contents']:,} contents posted, "
            f"{account['originated']:,} of them seen nowhere before"
        )
    yield f"    on the desk: /account/{account['id']}"


def _time(milliseconds: int | None) -> str:
    """UTC to the second; words where no date is known or fits."""
    if milliseconds is None:
        return "a time not known"
    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"


def _wordings(store: Store, hit: Hit) -> dict[str, object]:
    """The other wordings of what a hit tells: what it said before, what it says now."""
    mine = [*store.each(Version, source=hit.id), *store.each(Version, subject=hit.id)]
    if not mine:
        return {}
    rows = sorted(store.each(Version, subject=mine[0].subject), key=lambda v: v.place)
    return {
        "versions": [
            {"place": v.place, "current": v.current, "form": v.form, "text": v.text, "id": v.source}
            for v in rows
        ]
    }


def _place(store: Store, record: Record | None) -> dict[str, object]:
    """Where a hit stands: exhibit, file, table and row."""
    at = getattr(record, "at", None)
    if isinstance(at, At):
        file, exhibit = store.get(File, at.file), store.get(Exhibit, at.exhibit)
        return {
            "exhibit": exhibit.number if exhibit else "",
            "path": file.path if file else "",
            "table": at.table,
            "row": at.row,
            "offset": at.offset,
            "state": at.state,
            "method": at.method,
            "companion": at.companion,
            "frame": at.frame,
            "transaction": at.commit,
        }
    if isinstance(record, File):
        exhibit = store.get(Exhibit, record.exhibit)
        return {"exhibit": exhibit.number if exhibit else "", "path": record.path}
    return {}
