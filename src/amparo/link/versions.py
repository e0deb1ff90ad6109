"""What a message said before: its wordings in order, from logs, free space and dated backups.

A row that was changed leaves its earlier states in the log, in the file below the log, in freed bytes and
in every backup made before. All of them are records of one message (same exhibit, conversation and key);
where their wording differs they are its versions. The same holds for the subject of a group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amparo.kit.plugin import deriver
from amparo.kit.view import View
from amparo.link.states import databases, threads_of
from amparo.model import (
    At,
    Attachment,
    Exhibit,
    File,
    Id,
    Message,
    Resolution,
    ThreadInfo,
    Version,
)

UNWORDED = frozenset({"index_tombstone", "fts_rebuild", "fts_older", "orphan"})
"""Methods that give back less than a row: no wording to compare."""
INDEXED = frozenset({"fts_rebuild", "fts_older"})
"""Methods that give back the words of a text without their spelling."""
_ORDER = {"journal": 1, "wal_stale": 2, "before_wal": 3, "wal_superseded": 4, "soft_deleted": 5,
          "expired": 5, "": 5, "wal_uncommitted": 6}  # fmt: skip
"""Order in time of the places a row is found in; what lies in free bytes cannot be dated."""

Wording = tuple[str, str]
"""What it was and what it said."""
Item = tuple[int, Id, str]
"""Number of the database, canonical conversation, message key."""


@dataclass(frozen=True, slots=True)
class Told:
    """One record that tells a wording."""

    id: Id
    kind: str
    at: At
    state: int
    """Place of the file among the states of its database."""
    wording: Wording

    @property
    def dated(self) -> bool:
        """Whether its place in the order is known."""
        return self.at.method in _ORDER

    @property
    def order(self) -> tuple[int, int, int, str]:
        return (self.state, _ORDER.get(self.at.method, 0), self.at.frame or 0, self.id)

    @property
    def sureness(self) -> tuple[bool, float, int, str]:
        """The surest first."""
        at = self.at
        return (at.state != "live", -(at.confidence or 0.0), -self.state, self.id)


def in_order(told: list[Told]) -> list[list[Told]]:
    """Records by wording, in order of time; those that cannot be dated come first.

    A wording that came back stands twice. An undated record of a wording that is dated is one of it.
    """
    runs: list[list[Told]] = []
    for one in sorted((t for t in told if t.dated), key=lambda t: t.order):
        if runs and runs[-1][0].wording == one.wording:
            runs[-1].append(one)
        else:
            runs.append([one])
    first: dict[Wording, list[Told]] = {}
    for run in runs:
        first.setdefault(run[0].wording, run)
    undated: dict[Wording, list[Told]] = {}
    for one in sorted((t for t in told if not t.dated), key=lambda t: t.order):
        home = first.get(one.wording)
        (undated.setdefault(one.wording, []) if home is None else home).append(one)
    return [*undated.values(), *runs]


def made(
    of: str, exhibit: Id, thread: Id, key: str, told: list[Told], latest: int
) -> Iterator[Version]:
    """The versions of one thing; none where only one wording is known. ``latest``: the last state."""
    runs = in_order(told)
    if len({run[0].wording for run in runs}) < 2:
        return
    standing = [t for t in told if t.at.state == "live" and t.state == latest]
    now = min(standing, key=lambda t: t.sureness) if standing else None
    subject = now or min(runs[-1], key=lambda t: t.sureness)
    for place, run in enumerate(runs, 1):
        source = min(run, key=lambda t: t.sureness)
        form, text = source.wording
        yield Version(
            exhibit=exhibit, of=of, subject=subject.id, source=source.id, source_kind=source.kind,
            thread=thread, key=key, place=place, versions=len(runs), current=now in run, form=form,
            text=text, basis=tuple(sorted({t.id for t in run})),
        )  # fmt: skip


@deriver(
    "versions",
    stage="link",
    version=2,
    reads=(Attachment, Exhibit, File, Message, Resolution, ThreadInfo),
    makes=(Version,),
)
def versions(view: View) -> Iterator[Version]:
    """What messages and the subjects of groups said before they were changed, in order."""
    threads = threads_of(view)
    held = databases(view, threads)
    changed = _changed(view, threads, held.of)
    told: dict[Item, list[Told]] = defaultdict(list)
    names = ("id", "thread", "key", "at_exhibit", "at_file")
    wanted = {hash(item) for item in changed}
    if wanted:
        for id, thread, key, exhibit, file in view.columns(Message, *names):
            number, state = held.of.get((exhibit, file), (-1, 0))
            item = (number, threads.get(thread, thread), key)
            if key and hash(item) in wanted and (message := view.get(Message, id)):
                if _worded(message.form, message.at.method):
                    told[item].append(
                        Told(id, "message", message.at, state, wording(message.form, message.text))
                    )
    _captions(view, threads, held.of, told)
    _words(view, threads, held.of, told)
    for item, records in sorted(told.items()):
        number, thread, key = item
        exhibit, states = held.all[number]
        yield from made("message", exhibit, thread, key, uncut(records), len(states) - 1)
    subjects: dict[tuple[int, Id], list[Told]] = defaultdict(list)
    for info in view.each(ThreadInfo):
        number, state = held.of.get((info.at.exhibit, info.at.file), (-1, 0))
        if number >= 0 and info.subject and info.at.method not in UNWORDED:
            subjects[number, threads.get(info.thread, info.thread)].append(
                Told(info.id, "thread_info", info.at, state, ("subject", info.subject))
            )
    for (number, thread), records in sorted(subjects.items()):
        exhibit, states = held.all[number]
        yield from made("thread_info", exhibit, thread, "", records, len(states) - 1)


def uncut(told: list[Told]) -> list[Told]:
    """The records without those whose text breaks off ("…") where another goes on from there."""
    texts = [t.wording[1] for t in told]

    def goes_on(text: str) -> bool:
        return text.endswith("…") and any(
            other != text and other.startswith(text[:-1]) for other in texts
        )

    return [t for t in told if t.at.state == "live" or not goes_on(t.wording[1])]


def _words(
    view: View,
    threads: Mapping[Id, Id],
    of: Mapping[tuple[Id, Id], tuple[int, int]],
    told: dict[Item, list[Told]],
) -> None:
    """What a message deleted for everyone said, from the words a full-text index still has of its row."""
    names = ("id", "at_file", "at_row", "at_method", "text")
    words: dict[tuple[Id, int], Id] = {}
    for id, file, row, method, text in view.columns(Message, *names):
        if method in INDEXED and text and row is not None:
            words[file, row] = id
    if not words:
        return
    for id, thread, key, file, row in view.columns(
        Message, "id", "thread", "key", "at_file", "at_row", form="revoked", at_state="live"
    ):
        source, mark = words.get((file, row)), view.get(Message, id)
        if source is None or mark is None or not key:
            continue
        number, place = of.get((mark.at.exhibit, file), (-1, 0))
        records = told[number, threads.get(thread, thread), key]
        older = view.get(Message, source)
        if older is None or any(t.wording[1] for t in records):
            continue  # the wording itself came back
        if not any(t.id == id for t in records):
            records.append(Told(id, "message", mark.at, place, ("revoked", "")))
        records.append(Told(source, "message", older.at, place, ("text", older.text)))


def wording(form: str, text: str) -> Wording:
    """What a record says; one deleted for everyone says nothing."""
    return (form, "" if form == "revoked" else text)


def _worded(form: str, method: str) -> bool:
    return form not in ("system", "unknown") and method not in UNWORDED


def _changed(
    view: View, threads: Mapping[Id, Id], of: Mapping[tuple[Id, Id], tuple[int, int]]
) -> set[Item]:
    """Messages of which two wordings are known.

    Only what several states of a database hold, or a row that was brought back, can have two.
    """
    several = {number for number, state in of.values() if state}
    known: dict[Item, int] = {}
    changed: set[Item] = set()
    names = ("thread", "key", "form", "text", "at_exhibit", "at_file", "at_state", "at_method")
    for again in (False, True):  # first what may differ, then the live rows of the same messages
        for thread, key, form, text, exhibit, file, state, method in view.columns(Message, *names):
            number, _ = of.get((exhibit, file), (-1, 0))
            lone = state == "live" and number not in several
            if not key or number < 0 or lone != again or not _worded(form, method):
                continue
            item = (number, threads.get(thread, thread), key)
            said = hash(wording(form, text))
            if again and item not in known:
                continue
            if known.setdefault(item, said) != said:
                changed.add(item)
        if not known:
            break
    return changed


def _captions(
    view: View,
    threads: Mapping[Id, Id],
    of: Mapping[tuple[Id, Id], tuple[int, int]],
    told: dict[Item, list[Told]],
) -> None:
    """Captions of earlier rows that stand beside a message which itself was not changed."""
    names = ("id", "message", "caption", "at_state")
    for id, owner, caption, state in view.columns(Attachment, *names):
        if state == "live" or not caption or not owner:
            continue
        message, attachment = view.get(Message, owner), view.get(Attachment, id)
        if message is None or attachment is None or not _worded(message.form, message.at.method):
            continue
        number, place = of.get((message.at.exhibit, message.at.file), (-1, 0))
        said = wording(message.form, message.text)
        if number < 0 or not message.key or said in ((message.form, caption), ("revoked", "")):
            continue
        item = (number, threads.get(message.thread, message.thread), message.key)
        records = told[item]
        if not any(t.id == message.id for t in records):
            records.append(Told(message.id, "message", message.at, place, said))
        older = Told(id, "attachment", attachment.at, place, (message.form, caption))
        records.append(older)
