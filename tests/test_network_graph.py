"""The drawing of the network is complete, bounded and the same every time."""

from __future__ import annotations

from amparo.model import Record, ThreadInfo
from amparo.network.activity import activity
from amparo.network.graph import countries, group_graph
from amparo.network.propagation import postings
from amparo.network.tenure import tenure
from memory_view import Shuffled, derived
from network_case import PHONES, T0, at, event, group, hidden, person, same, shown

G = [group(n) for n in range(3)]
P = [person(n) for n in range(6)]


def records() -> list[Record]:
    made: list[Record] = [*G, *P, hidden(1), same(hidden(1), P[0])]
    inside = {0: P[:4], 1: P[2:5], 2: P[5:]}
    for n, people in inside.items():
        made += [event(0, G[n], "added", p, T0) for p in people]
    made.append(event(0, G[0], "promoted", P[2], T0 + 1))
    made += [ThreadInfo(at=at(n), thread=G[0].id, subject=s) for n, s in enumerate(("b", "a", "b"))]
    made += shown(0, G[0], "K1", P[0], T0, "x") + shown(0, G[1], "K2", P[2], T0 + 5, "x")
    return made


VIEW, HELD = derived([*PHONES, *records()], tenure, postings, activity)


def test_groups_with_their_members() -> None:
    graph = group_graph(VIEW)
    nodes = {n.id: n for n in graph.nodes}
    assert len(nodes) == 9 and graph.left_out == 0
    assert nodes[G[0].id].label == "b" and nodes[G[0].id].size == 4
    assert nodes[P[2].id].label == P[2].phone and nodes[P[2].id].country == "ES"
    assert nodes[P[2].id].size == 2
    assert {(e.source, e.target) for e in graph.edges if e.role == "admin"} == {(P[2].id, G[0].id)}
    assert len(graph.edges) == 8
    assert all(-1 <= v <= 1 for n in graph.nodes for v in (n.x, n.y))
    assert len({(n.x, n.y) for n in graph.nodes}) == 9


def test_groups_joined_by_shared_members() -> None:
    graph = group_graph(VIEW, between="groups")
    assert {n.id for n in graph.nodes} == {g.id for g in G}
    assert [(e.source, e.target, e.weight) for e in graph.edges] == [
        (*sorted((G[0].id, G[1].id)), 2)
    ]


def test_the_same_case_is_drawn_the_same_way() -> None:
    one, other = group_graph(VIEW), group_graph(Shuffled(HELD, 7))
    assert [(n.id, n.x, n.y) for n in one.nodes] == [(n.id, n.x, n.y) for n in other.nodes]


def test_too_many_points_leave_out_the_least_connected() -> None:
    graph = group_graph(VIEW, most=5)
    assert {n.id for n in graph.nodes} == {*(g.id for g in G), P[2].id, P[3].id}
    assert graph.left_out == 4
    assert {e.source for e in graph.edges} == {P[2].id, P[3].id}


def test_an_empty_case_has_an_empty_drawing() -> None:
    empty, _ = derived([])
    assert group_graph(empty).nodes == () and countries(empty) == []


def test_countries_count_each_account_once() -> None:
    (spain,) = countries(VIEW)
    assert (spain.code, spain.accounts, spain.members, spain.groups) == ("ES", 6, 6, 3)
    assert (spain.postings, spain.originated) == (2, 1)
