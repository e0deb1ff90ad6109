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
ROOM = 14.0
"""Between two lots of groups, in the measure in which people lie 2 to 6 around their group."""


def place_groups(weights: Mapping[tuple[Id, Id], float], groups: list[Id]) -> Places:
    """Places of groups; a pair pulls together by its weight (people or invites shared).

    Groups that nothing joins would push each other apart without end: each lot that hangs together is
    laid out for itself, and the lots stand in rows, the largest first.
    """
    graph: rustworkx.PyGraph[Id, float] = rustworkx.PyGraph()
    index = {group: graph.add_node(group) for group in groups}
    for (a, b), weight in sorted(weights.items()):
        graph.add_edge(index[a], index[b], 1 + math.log1p(weight))
    lots = [sorted(graph[n] for n in lot) for lot in rustworkx.connected_components(graph)]
    lots.sort(key=lambda lot: (-len(lot), lot))
    return in_rows([spring(graph.subgraph([index[g] for g in lot])) for lot in lots])


def spring(graph: rustworkx.PyGraph[Id, float]) -> Places:
    """Places of groups that hang together, by force, from a circle."""
    count = len(graph)
    turn = 2 * math.pi / max(1, count)
    found = rustworkx.spring_layout(
        graph,
        pos={n: (math.cos(turn * n), math.sin(turn * n)) for n in range(count)},
        k=2.2 / math.sqrt(max(1, count)),
        num_iter=120 if count < 400 else 30,
        weight_fn=float,
        seed=1,
    )
    spread = 10 * math.sqrt(count)
    return {graph[n]: (found[n][0] * spread, found[n][1] * spread) for n in range(count)}


def in_rows(lots: list[Places]) -> Places:
    """Lots beside each other and in rows, about as wide as high, room for people around each."""
    boxes = []
    for lot in lots:
        xs, ys = [x for x, _ in lot.values()], [y for _, y in lot.values()]
        boxes.append((min(xs), min(ys), max(xs) - min(xs) + ROOM, max(ys) - min(ys) + ROOM))
    wide = max(
        [1.3 * math.sqrt(sum(width * height for *_, width, height in boxes))]
        + [width for *_, width, _ in boxes]
    )
    out: Places = {}
    x = y = high = 0.0
    for lot, (left, low, width, height) in zip(lots, boxes, strict=True):
        if x and x + width > wide:
            x, y, high = 0.0, y + high, 0.0
        out |= {id: (x + a - left, y + b - low) for id, (a, b) in lot.items()}
        x, high = x + width, max(high, height)
    return out


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
