"""The network as points and lines with places worked out here; the browser only draws."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from amparo.model import Id, Lead, Message
from amparo.review.desk import Desk
from amparo.review.directory import Directory, Group, Person
from amparo.review.layout import place_groups, place_people

router = APIRouter()
MOST = 5000
"""Points one drawing holds."""


@router.get("/graph")
def graph(request: Request) -> Response:
    """The whole network of groups and the people who join them."""
    desk = Desk.of(request)
    groups = [g for g in desk.directory().groups.values() if g.form == "group"]
    people = [p for p in desk.directory().people.values() if len(p.groups) > 1]
    strongest = sorted(people, key=lambda p: (-len(p.groups), -p.originated, p.id))[:50]
    return desk.show(
        request,
        "graph.html",
        {"title": "Network", "groups": len(groups), "bridges": strongest, "count": len(people)},
    )


@router.get("/graph.json")
def graph_json(request: Request) -> Response:
    """Points and lines around a group, around a person, or of the whole case."""
    desk = Desk.of(request)
    thread, account = (request.query_params.get(n, "") for n in ("thread", "account"))
    groups, people = chosen(desk.directory(), thread, account)
    return JSONResponse(drawing(desk, groups, people))


def chosen(
    directory: Directory, thread: Id, account: Id
) -> tuple[dict[Id, Group], dict[Id, Person]]:
    """The groups and people of a drawing; the most telling ones where there are too many."""
    if thread:
        centre = directory.group(thread)
        if centre is None:
            raise HTTPException(404, "This case holds no such thread.")
        people = [directory.people[a] for a in centre.members]
        ids = {centre.id} | {g for p in people for g in p.groups}
    elif account:
        person = directory.person(account)
        if person is None:
            raise HTTPException(404, "This case holds no such account.")
        ids = set(person.groups)
        people = [directory.people[a] for g in ids for a in directory.groups[g].members]
    else:
        ids = {g.id for g in directory.groups.values() if g.form == "group" and g.members}
        people = [p for p in directory.people.values() if p.groups & ids]
    ranked = sorted(
        {p.id: p for p in people}.values(),
        key=lambda p: (-len(p.groups & ids), -p.originated, -p.postings, p.id),
    )
    some = sorted(ids, key=lambda g: (g != directory.canonical(thread), g))[: MOST // 2]
    keep = {g: directory.groups[g] for g in some}
    return keep, {p.id: p for p in ranked[: MOST - len(keep)]}


def drawing(desk: Desk, groups: dict[Id, Group], people: dict[Id, Person]) -> dict[str, Any]:
    """Nodes with places and sizes, edges with what they mean."""
    homes = {p.id: sorted(p.groups & groups.keys()) for p in people.values()}
    shared: Counter[tuple[Id, Id]] = Counter()
    for where in homes.values():
        shared.update(combinations(where[:40], 2))
    invites = invitations(desk, groups)
    pull = shared + Counter({tuple(sorted(pair)): n for pair, n in invites.items()})
    places = place_groups({(a, b): n for (a, b), n in pull.items()}, sorted(groups))
    places |= place_people(homes, places)
    nodes = [
        {"id": g.id, "kind": "group", "label": g.label, "x": places[g.id][0], "y": places[g.id][1],
         "size": 5 + min(9.0, len(g.members) ** 0.5), "country": ""}
        for g in groups.values()
    ] + [
        {"id": p.id, "kind": "person", "label": p.label, "x": places[p.id][0],
         "y": places[p.id][1], "size": 2 + min(5.0, p.originated**0.5), "country": p.country,
         "first": p.originated, "groups": len(p.groups)}
        for p in people.values()
    ]  # fmt: skip
    edges = [
        {"source": p, "target": g, "kind": "admin" if g in people[p].admin_of else "member"}
        for p, where in homes.items()
        for g in where
    ] + [{"source": a, "target": b, "kind": "invite"} for a, b in sorted(invites)]
    return {"nodes": nodes, "edges": edges}


def invitations(desk: Desk, groups: dict[Id, Group]) -> Counter[tuple[Id, Id]]:
    """Pairs of groups where a message in the first holds an invite to the second."""
    rows = [
        (message, desk.directory().canonical(thread))
        for thread, message in desk.reads.columns(Lead, "thread", "message")
        if thread and message
    ]
    messages = desk.reads.many(Message, [message for message, _ in rows])
    found: Counter[tuple[Id, Id]] = Counter()
    for message, target in rows:
        row = messages.get(message)
        source = desk.directory().canonical(row.thread) if row is not None else ""
        if source in groups and target in groups and source != target:
            found[source, target] += 1
    return found
