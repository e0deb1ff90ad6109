"""Scores of what was shown and what lies there: propagation, stacks, known sets, files, the erased."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from amparo.model import (
    Attachment,
    File,
    Id,
    KnownMatch,
    Link,
    Message,
    Posting,
    StackMember,
    Unseen,
    path_text,
)
from amparo.replay.compare import Comparison, account_id, content_of, thread_of
from amparo.replay.measure import MOST, Measure
from amparo.replay.score_recovery import opened
from amparo.replay.series import MARK


def propagation(case: Comparison) -> Iterable[Measure]:
    """Every showing of every content; who showed it first; the order of all showings of each."""
    steps, firsts = set(), set()
    order: dict[Id, list[tuple[str, str]]] = defaultdict(list)
    query = "SELECT sha256, grp, key_id, sender, first_in_network FROM posting ORDER BY sha256, seq"
    for sha256, grp, key, handle, first in case.rows(query):
        content, thread, sender = content_of(sha256), thread_of(grp), account_id(handle)
        steps.add((content, thread, key, sender))
        order[content].append((thread, key))
        if first:
            firsts.add((content, sender))
    shown = {step[:3] for step in steps}
    erased = erased_postings(case)
    spare, nameless = erased - shown, {step[:2] for step in erased}
    found, found_firsts = [], []
    placed: dict[Id, list[tuple[int, tuple[str, str]]]] = defaultdict(list)
    names = ("content", "thread", "key", "account", "place", "first_in_network")
    earlier: set[Id] = set()
    """Contents whose first showing was erased and brought back: the next one counts."""
    next_one: dict[Id, tuple[int, Id]] = {}
    for content, thread, key, account, place, first in case.view.columns(Posting, *names):
        here = case.thread(thread)
        if (content, here, key) in spare or (not key and (content, here) in nameless):
            earlier |= {content} if first else set()
            continue  # only rows that were brought back tell of it: true, and not asked for
        found.append((content, here, key, case.account(account)))
        placed[content].append((place, (here, key)))
        who = case.account(account)
        next_one[content] = min((place, who), next_one.get(content, (place, who)))
        if first:
            found_firsts.append((content, who))
    found_firsts += [(content, next_one[content][1]) for content in earlier if content in next_one]
    yield case.tally("propagation steps").sets(steps, found)
    yield case.tally("first poster").sets(firsts, found_firsts)
    tally = case.tally("order of postings")
    tally.truth, tally.found = len(order), len(placed)
    for content, sequence in order.items():
        said = [step for _, step in sorted(placed.get(content, []))]
        if said == sequence:
            tally.right += 1
            tally.true += 1
            continue
        same = next((n for n, (a, b) in enumerate(zip(said, sequence, strict=False)) if a != b), -1)
        at = same if same >= 0 else min(len(said), len(sequence))
        tally.miss((content, f"{at + 1}.", *sequence[at : at + 1]))
        if said:
            tally.wrong((content, f"{at + 1}.", *said[at : at + 1]))
    for content in sorted(placed.keys() - order.keys()):
        tally.wrong(content)
    yield tally.done()


def erased_postings(case: Comparison) -> set[tuple[Id, str, str]]:
    """Postings of erased messages: true where the case has them."""
    rows = case.rows("SELECT sha256, grp, key_id FROM erased_posting")
    return {(content_of(sha256), thread_of(grp), key) for sha256, grp, key in rows}


def stacks(case: Comparison) -> Iterable[Measure]:
    """Files of equal bytes, as content and number of places; pictures made from one picture, by pairs."""
    places: Counter[Id] = Counter()
    for (content,) in case.view.columns(File, "content", entry="file", state="live"):
        if content:
            places[content] += 1
    query = "SELECT sha256, files FROM exact_stack"
    truth = {(content_of(sha256), files) for sha256, files in case.rows(query)}
    found = [(content, files) for content, files in places.items() if files > 1]
    yield case.tally("exact stacks").sets(truth, found)

    tally = case.tally("visual stacks (pairs)")
    query = "SELECT c.sha256, v.stack FROM content c LEFT JOIN visual_stack v USING (sha256)"
    true = {content_of(sha256): stack for sha256, stack in case.rows(query)}
    case_of = {
        content: stack
        for content, stack in case.view.columns(StackMember, "content", "stack")
        if content in true
    }
    by_truth, by_case = grouped(true.items()), grouped(case_of.items())
    tally.truth, tally.found = pairs(by_truth), pairs(by_case)
    for group in by_truth.values():
        parts = grouped((c, case_of.get(c, c)) for c in group)
        tally.right += pairs(parts)
        if len(parts) > 1:
            tally.miss([min(part) for part in parts.values()][:2])
    for group in by_case.values():
        parts = grouped((c, true[c] or c) for c in group)
        tally.true += pairs(parts)
        if len(parts) > 1:
            tally.wrong([min(part) for part in parts.values()][:2])
    yield tally.done()


def grouped(items: Iterable[tuple[Id, str | None]]) -> dict[str, list[Id]]:
    """Contents by stack; those in none are left out."""
    found: dict[str, list[Id]] = defaultdict(list)
    for content, stack in items:
        if stack:
            found[stack].append(content)
    return found


def pairs(groups: dict[str, list[Id]]) -> int:
    """How many pairs lie together."""
    return sum(len(group) * (len(group) - 1) // 2 for group in groups.values())


def known(case: Comparison) -> Measure:
    """Contents that stand in a known set, by its use."""
    rows = case.rows("SELECT sha256, kind FROM known")
    truth = {(content_of(sha256), kind) for sha256, kind in rows}
    stated = set(case.view.columns(KnownMatch, "content", "use"))
    return case.tally("known").sets(truth, {row for row in stated if row[1] != "listed"})


def never_seen(case: Comparison) -> Measure:
    """Planted new series of which a picture stands in the first hundredth of the never-seen queue.

    In a small case the first hundredth is less than the series there are: three places each at least.
    """
    tally = case.tally("new series shown first")
    series = {
        content_of(sha256): name
        for sha256, name in case.rows(
            "SELECT sha256, series FROM content WHERE EXISTS "
            "(SELECT 1 FROM file f WHERE f.sha256 = content.sha256)"
        )
        if name and MARK in name
    }  # fmt: skip
    queue = dict(case.view.columns(Unseen, "content", "rank"))
    first = max(math.ceil(len(queue) / 100), 3 * len(set(series.values())))
    stacks = dict(case.view.columns(StackMember, "content", "stack"))
    shown = {
        name
        for content, name in series.items()
        if queue.get(stacks.get(content, content), first + 1) <= first
    }
    return tally.sets(set(series.values()), shown)


def files(case: Comparison) -> Measure:
    """Every file of every exhibit with its bytes."""
    rows = case.rows("SELECT exhibit, path, sha256 FROM file")
    truth = {(e, path_text(path.encode()), content_of(sha256)) for e, path, sha256 in rows}
    names = ("exhibit", "path", "content")
    found = (
        row
        for row in case.view.columns(File, *names, entry="file", state="live")
        if not opened(row[1])
    )
    return case.tally("files").sets(truth, ((case.exhibit(e), p, c) for e, p, c in found))


def erased_files(case: Comparison) -> Measure:
    """Files erased on one exhibit, named by a message there and found by hash on another."""
    tally = case.tally("erased files restored")
    erased = {
        (exhibit, content_of(sha256))
        for exhibit, sha256 in case.rows("SELECT exhibit, sha256 FROM erased_file")
    }
    there = {content_of(sha256) for (sha256,) in case.rows("SELECT DISTINCT sha256 FROM file")}
    named = {
        (exhibit, content_of(sha256))
        for sha256, on in case.rows("SELECT sha256, exhibits FROM posting")
        for exhibit in on.split(",")
    }
    truth = {item for item in erased & named if item[1] in there}
    lying = set(case.view.columns(File, "exhibit", "content", entry="file", state="live"))
    where = {
        id: exhibit
        for id, exhibit, path, name in case.view.columns(
            Attachment, "id", "at_exhibit", "path", "name"
        )
        if path or name
    }
    links = case.view.columns(
        Link, "source", "target", form="attachment_content", method="hash", withdrawn=False
    )
    found = {
        (case.exhibit(where[source]), content)
        for source, content in links
        if source in where and (where[source], content) not in lying
    }
    tally.truth, tally.right = len(truth), len(truth & found)
    tally.found, tally.true = len(found), len(found & erased)
    for missed in sorted(truth - found)[:MOST]:
        tally.miss(missed)
    for false in sorted(found - erased)[:MOST]:
        tally.wrong(false)
    return tally.done()


def erased_messages(case: Comparison) -> Measure:
    """Messages erased on one exhibit that another holds; of recovered rows, those that are true."""
    tally = case.tally("erased messages restored")
    query = "SELECT exhibit, grp, key_id, alive_elsewhere FROM erased_message"
    erased = {(e, thread_of(g), key): bool(alive) for e, g, key, alive in case.rows(query)}
    sent = {(thread_of(g), key) for g, key in case.rows("SELECT grp, key_id FROM message")}
    sent |= {(thread, key) for _, thread, key in erased}
    truth = {item for item, alive in erased.items() if alive}
    held, recovered = set(), set()
    names = ("thread", "key", "form", "revoked", "sent", "at_state")
    for thread, key, form, revoked, sent_at, state in case.view.columns(Message, *names):
        # An index may keep the key alone: that proves a row, but neither gives back what it said nor
        # tells a message from a notice of the messenger, which the truth does not list.
        if form == "system" or (state != "live" and sent_at is None):
            continue
        here = (case.thread(thread), key)
        if not revoked:
            held.add(here)
        if state not in ("live", "superseded"):
            recovered.add(here)
    tally.truth, tally.found = len(truth), len(recovered)
    tally.true = len(recovered & sent)
    for item in sorted(truth):
        if item[1:] in held:
            tally.right += 1
        else:
            tally.miss(item)
    for false in sorted(recovered - sent)[:MOST]:
        tally.wrong(false)
    return tally.done()
