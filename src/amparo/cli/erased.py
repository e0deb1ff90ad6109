"""What was erased from a case's databases, for ``amparo status`` and the findings of ``amparo demo``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amparo.store import Store


def erased(store: Store) -> dict[str, Any]:
    """Each database with its state, what came back by which method and its gaps."""
    from amparo.model import (
        DatabaseState,
        Erasure,
        Exhibit,
        File,
        Gap,
        Message,
        Orphan,
        RecoveredRow,
        Version,
    )

    exhibits = {e.id: e.number for e in store.each(Exhibit)}
    states = list(store.each(DatabaseState))
    gaps: dict[str, list[Gap]] = {}
    for gap in store.each(Gap):
        gaps.setdefault(gap.at.file, []).append(gap)
    paths = {id: file.path for id, file in store.many(File, {s.at.file for s in states}).items()}
    orphans = list(store.columns(Orphan, "recovered"))
    messages = Counter(state for (state,) in store.columns(Message, "at_state"))
    databases = [
        {
            "exhibit": exhibits.get(s.at.exhibit, ""),
            "path": paths.get(s.at.file, ""),
            "pages": s.pages,
            "page_size": s.page_size,
            "encoding": s.encoding,
            "journal_mode": s.journal_mode,
            "auto_vacuum": s.auto_vacuum,
            "log_frames": s.log_frames,
            "journal_pages": s.journal_pages,
            "freed": s.freed,
            "freed_nonzero": s.freed_nonzero,
            "unused": s.unused,
            "unused_nonzero": s.unused_nonzero,
            "erasing": s.erasing,
            "tables": s.tables,
            "rows": s.live,
            "missing": s.missing,
            "recovered": {name: n for name, n in map(_method, s.recovered)},
            "left_out": s.left_out,
            "gaps": [
                {
                    "table": g.at.table,
                    "column": g.column,
                    "first": g.first,
                    "last": g.last,
                    "missing": g.missing,
                    "recovered": g.recovered,
                    "after": g.after,
                    "before": g.before,
                }
                for g in sorted(gaps.get(s.at.file, []), key=lambda g: (g.at.table, g.first))
            ],
        }
        for s in sorted(
            states, key=lambda s: (exhibits.get(s.at.exhibit, ""), paths.get(s.at.file, ""))
        )
    ]
    known: Counter[str] = Counter()
    gone = dated = 0
    for methods, gone_from in store.columns(Erasure, "methods", "gone_from"):
        known.update(methods)
        gone, dated = gone + 1, dated + bool(gone_from)
    back: Counter[str] = Counter()
    for state in states:
        back.update(dict(map(_method, state.recovered)))
    return {
        "databases": databases,
        "missing": sum(s.missing for s in states),
        "gaps": sum(map(len, gaps.values())),
        "lost_rows_with_something_left": len(orphans),
        "recovered": dict(back.most_common()),
        "recovered_rows_of_no_parser": sum(store.tally(RecoveredRow).values()),
        "gone": {"messages": gone, "dated": dated, "known_by": dict(known.most_common())},
        "changed": len({s for (s,) in store.columns(Version, "subject")}),
        "messages": {s: n for s, n in messages.items() if s != "live"},
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people, in a few lines."""
    if not found["databases"]:
        return []
    erasing = Counter(d["erasing"] for d in found["databases"])
    freed = ", ".join(f"{n} {word}" for word, n in erasing.most_common())
    back = ", ".join(f"{method} {n:,}" for method, n in found["recovered"].items())
    said = ", ".join(f"{n:,} {state}" for state, n in sorted(found["messages"].items()))
    out = [
        f"Erased: {len(found['databases'])} databases; freed space {freed}",
        f"  {found['missing']:,} row numbers are missing in {found['gaps']:,} gaps;"
        f" of {found['lost_rows_with_something_left']:,} lost rows something is left",
        f"  rows brought back: {back or 'none'}",
    ]
    if said:
        out.append(f"  messages among them: {said}")
    gone, ways = found["gone"], found["gone"]["known_by"]
    if gone["messages"]:
        known = ", ".join(f"{way.replace('_', ' ')} {n:,}" for way, n in ways.items())
        out.append(
            f"  messages that are gone: {gone['messages']:,}, when is known of {gone['dated']:,}; by {known}"
        )
    if found["changed"]:
        out.append(
            f"  messages and subjects of which earlier wordings are known: {found['changed']:,}"
        )
    return out


def _method(text: str) -> tuple[str, int]:
    name, _, count = text.rpartition("=")
    return name, int(count)
