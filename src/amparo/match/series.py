"""Series: pictures that one camera took in one go, or one folder holds under a camera's running names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from amparo.match.traits import Stack

PAUSE = 2 * 3600 * 1000
"""Milliseconds without a picture after which a camera begins another series."""


def name_series(stacks: Iterable[Stack], alerts: set[str], seen: set[str]) -> None:
    """Puts each stack into its series and says how many of it are unseen and whether it holds an alert.

    By camera and time of taking where the pictures say both; else by running camera names in a folder.
    A picture alone has none.
    """
    timed: dict[str, list[Stack]] = defaultdict(list)
    named: dict[str, list[Stack]] = defaultdict(list)
    for stack in stacks:
        if stack.camera and stack.taken is not None:
            body = stack.serial or f"{stack.camera} {min(stack.exhibits, default='')}"
            timed[body].append(stack)
        elif stack.run > 1:
            folder, style, start = min(stack.names)
            named[f"{folder} {style} {start}"].append(stack)
    for taken in timed.values():
        taken.sort(key=lambda s: (s.taken or 0, s.centre))
        start = 0
        for end in range(1, len(taken) + 1):
            if end < len(taken) and (taken[end].taken or 0) - (taken[end - 1].taken or 0) <= PAUSE:
                continue
            part = taken[start:end]
            _settle(part, f"{part[0].camera}, {_span(part)}", alerts, seen)
            start = end
    for _, together in sorted(named.items()):
        folder = min(together[0].names)[0].partition("/")[2] or "the top folder"
        _settle(together, f"running camera names in {folder}", alerts, seen)


def _settle(members: list[Stack], title: str, alerts: set[str], seen: set[str]) -> None:
    if len(members) < 2:
        return
    unseen = sum(s.centre not in seen for s in members)
    grave = any(s.centre in alerts for s in members)
    for stack in members:
        stack.series = title
        stack.size = unseen
        stack.alert_series = grave


def _span(members: list[Stack]) -> str:
    """From when to when by the camera's own clock."""
    first, last = members[0].taken or 0, members[-1].taken or 0
    minutes = max(1, round((last - first) / 60_000))
    try:
        day = datetime.fromtimestamp(first / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        day = "a time it made up"
    return f"{minutes} min from {day} by its clock"
