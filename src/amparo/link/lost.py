"""Conversations whose own row is gone, found again by the keys of their messages on another phone.

A messenger gives every message one key, the same on all phones. A phone that has lost the row of a chat
still says, by the keys of the messages left in it or brought back, which conversation it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from amparo.kit.view import View
from amparo.model import Id, Message

UNIQUE = re.compile(r"[0-9A-Fa-f]{20,64}")
"""Random keys. Older ones count up from a clock and can meet by chance."""


@dataclass
class Found:
    """The conversation a lost one is, the keys both hold and the messages that hold them."""

    target: Id
    keys: set[str] = field(default_factory=set)
    basis: set[Id] = field(default_factory=set)


def rejoined(view: View, lost: Collection[Id], canonical: Callable[[Id], Id]) -> Mapping[Id, Found]:
    """For each lost thread the one conversation its messages stand in elsewhere.

    Where they stand in several, it stays lost: nothing is guessed.
    """
    holders: dict[str, list[tuple[Id, Id]]] = defaultdict(list)
    for thread in sorted(lost):
        for id, key in view.columns(Message, "id", "key", thread=thread):
            if UNIQUE.fullmatch(key):
                holders[key].append((thread, id))
    if not holders:
        return {}
    hits: dict[Id, dict[Id, Found]] = defaultdict(dict)
    for id, thread, key in view.columns(Message, "id", "thread", "key"):
        if key not in holders or thread in lost:
            continue
        target = canonical(thread)
        for from_thread, message in holders[key]:
            found = hits[from_thread].setdefault(target, Found(target))
            found.keys.add(key)
            found.basis |= {id, message}
    return {
        thread: next(iter(targets.values()))
        for thread, targets in hits.items()
        if len(targets) == 1
    }
