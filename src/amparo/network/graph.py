"""The network as points and lines with places, and its countries: for drawing and for export.

Pure functions over what the stages made. Places come from a seeded spring layout over points in id
order, so the same case is drawn the same way every time; a place is never evidence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import rustworkx

from amparo.kit.view import View
from amparo.model import Account, Activity, Id, Tenure, Thread, ThreadInfo
from amparo.network.canonical import canonical

MOST = 5000
"""Points one drawing holds."""
SEED = 1
SPANS_MOST = 60
"""An account in more groups than this joins no pair of groups: it is in everything."""


ORDER = {"": -1, "member": 0, "admin": 1, "creator": 2}


@dataclass(frozen=True, slots=True)
class Node:
    """A group or an account; ``size`` is its members or groups, places lie within -1 to 1."""

    id: Id
    form: str
    """``group`` or ``account``."""
    label: str
    country: str
    size: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Edge:
    """A membership (``role``) or, between two groups, the number of members they share."""

    source: Id
    target: Id
    weight: int
    role: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn, and how many points were left out because there were too many."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Country:
    """What carries one country's numbers. The *numbering* country is not where a person is."""

    code: str
    accounts: int
    members: int
    """Accounts ever seen in a group."""
    groups: int
    postings: int
    originated: int


def group_graph(
    view: View, *, between: Literal["members", "groups"] = "members", most: int = MOST
) -> Graph:
    """Groups with their members (``members``), or groups joined by shared members (``groups``).

    Where there are more than ``most`` points, groups stay first, then the accounts in most groups.
    """
    roles: dict[tuple[Id, Id], str] = {}
    for thread, account, role in view.columns(Tenure, "thread", "account", "role"):
        if ORDER.get(role, 0) >= ORDER.get(roles.get((thread, account), ""), -1):
            roles[thread, account] = role
    of_group: dict[Id, set[Id]] = defaultdict(set)
    of_account: dict[Id, set[Id]] = defaultdict(set)
    for thread, account in roles:
        of_group[thread].add(account)
        of_account[account].add(thread)
    groups = sorted(of_group, key=lambda g: (-len(of_group[g]), g))
    people = sorted(of_account, key=lambda a: (-len(of_account[a]), a))
    if between == "groups":
        people = []
    kept_groups = groups[:most]
    kept_people = people[: most - len(kept_groups)]
    if between == "groups":
        edges = shared(of_account, set(kept_groups))
    else:
        inside, drawn = set(kept_groups), set(kept_people)
        edges = [
            Edge(account, thread, 1, role)
            for (thread, account), role in sorted(roles.items())
            if thread in inside and account in drawn
        ]
    sizes = {id: len(of_group[id]) for id in kept_groups}
    sizes |= {id: len(of_account[id]) for id in kept_people}
    places = layout(sorted(sizes), edges)
    labels, countries_of = described(view, sizes.keys())
    nodes = tuple(
        Node(
            id=id,
            form="group" if id in of_group else "account",
            label=labels.get(id, id),
            country=countries_of.get(id, ""),
            size=sizes[id],
            x=places[id][0],
            y=places[id][1],
        )
        for id in sorted(sizes)
    )
    return Graph(nodes, tuple(edges), len(groups) + len(people) - len(nodes))


def shared(of_account: dict[Id, set[Id]], groups: set[Id]) -> list[Edge]:
    """Pairs of groups and how many members they share."""
    pairs: Counter[tuple[Id, Id]] = Counter()
    for threads in of_account.values():
        here = sorted(threads & groups)
        if len(here) <= SPANS_MOST:
            pairs.update(combinations(here, 2))
    return [Edge(a, b, count) for (a, b), count in sorted(pairs.items())]


def layout(ids: list[Id], edges: list[Edge]) -> dict[Id, tuple[float, float]]:
    """A place for every point: joined points near each other, the same for the same input."""
    graph: rustworkx.PyGraph[Id, float] = rustworkx.PyGraph(multigraph=False)
    index = dict(zip(ids, graph.add_nodes_from(ids), strict=True))
    graph.add_edges_from([(index[e.source], index[e.target], float(e.weight)) for e in edges])
    rounds = 50 if len(ids) <= 1000 else 20
    found = rustworkx.spring_layout(graph, weight_fn=float, seed=SEED, num_iter=rounds)
    return {id: (float(found[n][0]), float(found[n][1])) for id, n in index.items()}


def described(view: View, ids: Collection[Id]) -> tuple[dict[Id, str], dict[Id, str]]:
    """Labels (a group's subject as most exhibits have it, an account's number) and countries."""
    labels: dict[Id, str] = {}
    of: dict[Id, str] = {}
    for id, handle in view.columns(Thread, "id", "handle"):
        if id in ids:
            labels[id] = handle
    for id, handle, phone, country in view.columns(Account, "id", "handle", "phone", "country"):
        if id in ids:
            labels[id], of[id] = phone or handle, country
    subjects: Counter[tuple[Id, str]] = Counter()
    for thread, subject in view.columns(ThreadInfo, "thread", "subject"):
        if subject and thread in ids:
            subjects[thread, subject] += 1
    for (thread, subject), _ in sorted(subjects.items(), key=lambda s: (s[1], s[0])):
        labels[thread] = subject
    return labels, of


def countries(view: View) -> list[Country]:
    """Accounts, groups and what was shown, by numbering country, the busiest first; "" is unknown."""
    stands_for = canonical(view, "account")
    of: dict[Id, str] = {}
    accounts: Counter[str] = Counter()
    for id, country in view.columns(Account, "id", "country"):
        if id not in stands_for:
            of[id] = country
            accounts[country] += 1
    members: dict[str, set[Id]] = defaultdict(set)
    groups: dict[str, set[Id]] = defaultdict(set)
    for thread, account in view.columns(Tenure, "thread", "account"):
        members[of.get(account, "")].add(account)
        groups[of.get(account, "")].add(thread)
    postings: Counter[str] = Counter()
    originated: Counter[str] = Counter()
    rows = view.columns(Activity, "account", "postings", "originated", thread="")
    for account, posted, first in rows:
        postings[of.get(account, "")] += posted
        originated[of.get(account, "")] += first
    found = [
        Country(c, accounts[c], len(members[c]), len(groups[c]), postings[c], originated[c])
        for c in {*accounts, *members, *postings}
    ]
    return sorted(found, key=lambda c: (-c.originated, -c.postings, -c.accounts, c.code))
