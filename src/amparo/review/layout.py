"""Places for the points of a network, the same every time: groups by force, people around them.

Only groups push and pull each other (there are hundreds); a person stands between the groups it is
in, and people of one single group lie around it like seeds of a sunflower. That reads well, needs no
time, and two analysts see the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import rustworkx

from amparo.model import Id

GOLDEN = math.pi * (3 - math.sqrt(5))
Places = dict[Id, tuple[float, float]]


def place_groups(weights: Mapping[tuple[Id, Id], float], groups: list[Id]) -> Places:
    """Places of groups; a pair pulls together by its weight (people or invites shared)."""
    graph: rustworkx.PyGraph[Id, float] = rustworkx.PyGraph()
    index = {group: graph.add_node(group) for group in groups}
    for (a, b), weight in sorted(weights.items()):
        graph.add_edge(index[a], index[b], 1 + math.log1p(weight))
    count = max(1, len(groups))
    start = {
        index[g]: (math.cos(2 * math.pi * n / count), math.sin(2 * math.pi * n / count))
        for n, g in enumerate(groups)
    }
    found = rustworkx.spring_layout(
        graph,
        pos=start,
        k=2.2 / math.sqrt(count),
        num_iter=120 if count < 400 else 30,
        weight_fn=float,
        seed=1,
    )
    spread = 10 * math.sqrt(count)
    return {g: (found[i][0] * spread, found[i][1] * spread) for g, i in index.items()}


def place_people(homes: Mapping[Id, list[Id]], groups: Places) -> Places:
    """Places of people from the groups each is in."""
    out: Places = {}
    seeds: dict[tuple[Id, ...], int] = {}
    for person in sorted(homes):
        where = tuple(sorted(g for g in homes[person] if g in groups))
        n = seeds[where] = seeds.get(where, 0) + 1
        x = sum(groups[g][0] for g in where) / max(1, len(where))
        y = sum(groups[g][1] for g in where) / max(1, len(where))
        alone = len(where) <= 1
        radius = (1.6 + 0.42 * math.sqrt(n)) if alone else 0.5 * math.sqrt(n - 1)
        turn = n * GOLDEN
        out[person] = (x + radius * math.cos(turn), y + radius * math.sin(turn))
    return out
