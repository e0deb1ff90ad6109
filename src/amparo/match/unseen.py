"""The queue of what nobody has seen: known material taken away, the rest in the order in which looking helps."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import numpy as np

from amparo.kit.judgements import latest_judgements
from amparo.kit.plugin import deriver
from amparo.kit.schemes import tone
from amparo.kit.view import View
from amparo.match.series import name_series
from amparo.match.traits import PRIOR, Stack, camera_name, traits_of
from amparo.match.weights import learnt
from amparo.model import (
    Content,
    ContentKind,
    Exif,
    File,
    Id,
    KnownDispute,
    KnownMatch,
    Mark,
    Media,
    Message,
    Position,
    Posting,
    Resolution,
    StackMember,
    Unseen,
)

NEAR_METRES = 200
_NEXT_NUMBER = 2
_NEXT_SECONDS = 600
_STEP_BACK = 1.0
"""What each doubling of the turn within a series costs, so that one series does not fill the screen."""
_GRAVE = ("grave", "concern")


@deriver(
    "unseen",
    stage="rank",
    version=2,
    reads=(
        Content, ContentKind, Exif, File, KnownDispute, KnownMatch, Mark, Media, Message, Position, Posting, Resolution,
        StackMember,
    ),
    makes=(Unseen,),
)  # fmt: skip
def unseen(view: View) -> Iterator[Unseen]:
    """Which pictures and films no list knows and nobody has judged, the likeliest new victim first."""
    yield from ranked(*gathered(view))


def gathered(view: View) -> tuple[dict[Id, Stack], set[Id], dict[Id, str]]:
    """All visual stacks by centre, those that are known or judged, and the tone of each judgement."""
    centre_of = dict(view.columns(StackMember, "content", "stack"))
    stacks: dict[Id, Stack] = {}
    of: dict[Id, Stack] = {}
    for content, mime in view.columns(Content, "id", "mime"):
        if content in centre_of or str(mime).startswith(("image/", "video/")):
            centre = centre_of.get(content, content)
            if centre in stacks:
                stacks[centre].contents += 1
            of[content] = stacks.setdefault(centre, Stack(centre))
    _metadata(view, of)
    _files(view, of)
    known, tones = _known(view, of)
    alerts = known["alert"] | {c for c, t in tones.items() if t in _GRAVE}
    _postings(view, of, alerts)
    _cameras(stacks.values(), alerts)
    _places(stacks.values(), alerts)
    name_series(stacks.values(), alerts, known["alert"] | known["ignore"] | set(tones))
    return stacks, known["alert"] | known["ignore"], tones


def ranked(stacks: dict[Id, Stack], known: set[Id], tones: dict[Id, str]) -> Iterator[Unseen]:
    """The order of looking; a pure function of what the stacks say and what was judged.

    ``tones`` has a tone (``grave``, ``concern``, ``check``, ``clear``) for each judged stack.
    """
    names = list(PRIOR)
    latest = max((s.newest for s in stacks.values()), default=0)
    judged = sorted(c for c, t in tones.items() if t in (*_GRAVE, "clear") and c in stacks)
    rows = np.array([_row(stacks[c], latest, names) for c in judged]).reshape(
        len(judged), len(names)
    )
    grave = np.array([tones[c] in _GRAVE for c in judged], dtype=bool)
    weights = learnt(np.array([PRIOR[n] for n in names]), rows, grave)
    source = f"learnt from {len(judged)} judgements" if judged else "prior"
    base, weight = float(weights[0]), dict(zip(names, weights[1:].tolist(), strict=True))
    scored: list[tuple[float, Id, dict[str, tuple[float, str]]]] = []
    for centre, stack in stacks.items():
        if centre in known or centre in tones:
            continue
        traits = traits_of(stack, latest)
        scored.append((base + sum(weight[n] * v for n, (v, _) in traits.items()), centre, traits))
    scored.sort(key=lambda s: (-s[0], s[1]))
    turns: Counter[str] = Counter()
    shown: list[tuple[float, int, int]] = []
    for place, (score, centre, _) in enumerate(scored):
        series = stacks[centre].series
        turns[series] += 1
        turn = turns[series] if series else 1
        shown.append((-(score - _STEP_BACK * math.log2(turn)), place, turn))
    for rank, (_, place, turn) in enumerate(sorted(shown), 1):
        score, centre, traits = scored[place]
        heaviest = sorted(traits.items(), key=lambda t: -abs(weight[t[0]] * t[1][0]))
        yield Unseen(
            content=centre,
            rank=rank,
            score=round(score, 4),
            series=stacks[centre].series,
            turn=turn,
            reasons=tuple(reason for name, (_, reason) in heaviest if reason != "age"),
            traits=tuple(f"{name}={value:g}" for name, (value, _) in heaviest),
            weights=source,
        )


def _row(stack: Stack, latest: int, names: list[str]) -> list[float]:
    traits = traits_of(stack, latest)
    return [traits[n][0] if n in traits else 0.0 for n in names]


def _metadata(view: View, of: dict[Id, Stack]) -> None:
    names = ("content", "make", "model", "serial", "taken")
    for content, make, model, serial, taken in view.columns(Exif, *names):
        stack = of.get(content)
        if stack is None or not (make or model or serial):
            continue
        stack.camera = " ".join(filter(None, (make, model, serial)))
        stack.serial = stack.camera if serial else ""
        stack.taken = clock(taken)
    for content, latitude, longitude in view.columns(Position, "content", "latitude", "longitude"):
        if content in of:
            of[content].place = (latitude, longitude)
    for content, width, height in view.columns(Media, "content", "width", "height"):
        if content in of:
            of[content].side = max(of[content].side, width, height)
    for content, form, score in view.columns(ContentKind, "content", "form", "score"):
        if content in of and score > of[content].sure:
            of[content].kind, of[content].sure = form, score


def clock(taken: str) -> int | None:
    """A camera's own clock as milliseconds, as if it ran in UTC; None where it is no time."""
    try:
        moment = datetime.strptime(
            taken[:19].replace("-", ":").replace("T", " "), "%Y:%m:%d %H:%M:%S"
        )
    except ValueError:
        return None
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _files(view: View, of: dict[Id, Stack]) -> None:
    cameras: dict[Id, Counter[str]] = defaultdict(Counter)
    folders: dict[tuple[str, str], list[tuple[int, Stack]]] = defaultdict(list)
    lying: list[tuple[Id, Stack]] = []
    for content, exhibit, path, modified in view.columns(
        File, "content", "exhibit", "path", "modified", entry="file"
    ):
        stack = of.get(content)
        if stack is None:
            continue
        stack.exhibits.add(exhibit)
        stack.newest = max(stack.newest, modified or 0)
        if stack.camera:
            cameras[exhibit][stack.camera] += 1
            lying.append((exhibit, stack))
        if named := camera_name(path):
            folder = f"{exhibit}/{path.rpartition('/')[0]}"
            folders[folder, named[0]].append((named[1], stack))
    own = {exhibit: count.most_common(1)[0][0] for exhibit, count in cameras.items()}
    for exhibit, stack in lying:
        stack.own_camera |= own[exhibit] == stack.camera
    for (folder, style), numbered in folders.items():
        numbered.sort(key=lambda n: n[0])
        gap = _NEXT_SECONDS if style == "date" else _NEXT_NUMBER
        start = 0
        for end in range(1, len(numbered) + 1):
            if end < len(numbered) and numbered[end][0] - numbered[end - 1][0] <= gap:
                continue
            for _, stack in numbered[start:end]:
                stack.run = max(stack.run, end - start)
                stack.names.add((folder, style, numbered[start][0]))
            start = end


def _known(view: View, of: dict[Id, Stack]) -> tuple[dict[str, set[Id]], dict[Id, str]]:
    """Stacks that a list knows (any member alerts; every member is ignored), and tones of judgements."""
    found: dict[str, set[Id]] = {"alert": set(), "ignore": set()}
    ignored: dict[Id, set[Id]] = defaultdict(set)
    for content, use in view.columns(KnownMatch, "content", "use"):
        stack = of.get(content)
        if stack is not None and use == "alert":
            found["alert"].add(stack.centre)
        elif stack is not None and use == "ignore":
            ignored[stack.centre].add(content)
    for centre, some in ignored.items():
        if len(some) >= of[centre].contents:
            found["ignore"].add(centre)
    disputed = {of[c].centre for (c,) in view.columns(KnownDispute, "content") if c in of}
    found["ignore"] -= found["alert"] | disputed
    judged = latest_judgements(view, lambda id: of[id].centre if id in of else None)
    tones = {centre: tone(*judgement) for centre, judgement in judged.items()}
    return found, {centre: word for centre, word in tones.items() if word}


def _postings(view: View, of: dict[Id, Stack], alerts: set[Id]) -> None:
    """Who posted first, and beside what; only what a phone's own holder sent counts as theirs."""
    owners = {sender for (sender,) in view.columns(Message, "sender", from_owner=True)}
    owners |= {
        canonical
        for source, canonical in view.columns(Resolution, "source", "canonical", form="account")
        if source in owners
    }
    threads: dict[Id, set[Id]] = defaultdict(set)
    grave: set[Id] = set()
    for content, thread, account, first, score in view.columns(
        Posting, "content", "thread", "account", "first_in_network", "forward_score"
    ):
        stack = of.get(content)
        if stack is None:
            continue
        threads[stack.centre].add(thread)
        if stack.centre in alerts:
            grave.add(thread)
        stack.forwarded = max(stack.forwarded, score or 0)
        stack.posted_first |= bool(first) and not score and account in owners
    for centre, where in threads.items():
        of[centre].among_alerts = centre not in alerts and not where.isdisjoint(grave)


def _cameras(stacks: Iterable[Stack], alerts: set[Id]) -> None:
    """The same camera body, by its serial, on other exhibits and behind material of alert."""
    by_body: dict[str, list[Stack]] = defaultdict(list)
    for stack in stacks:
        if stack.serial:
            by_body[stack.serial].append(stack)
    for same in by_body.values():
        exhibits = len(set().union(*(s.exhibits for s in same)))
        grave = sum(s.centre in alerts for s in same)
        for stack in same:
            stack.camera_exhibits, stack.alert_camera = exhibits, grave


def _places(stacks: Iterable[Stack], alerts: set[Id]) -> None:
    """What was taken within :data:`NEAR_METRES` of each other, across exhibits."""
    step = NEAR_METRES / 111_320
    cells: dict[tuple[int, int], list[Stack]] = defaultdict(list)
    placed = [s for s in stacks if s.place is not None]
    for stack in placed:
        cells[_cell(stack, step)].append(stack)
    for stack in placed:
        row, column = _cell(stack, step)
        reach = range(-_columns(stack), _columns(stack) + 1)
        exhibits: set[str] = set()
        for other in (
            o for r in (-1, 0, 1) for c in reach for o in cells.get((row + r, column + c), ())
        ):
            if metres(stack.place, other.place) <= NEAR_METRES:
                exhibits |= other.exhibits
                stack.alert_place |= other is not stack and other.centre in alerts
        stack.place_exhibits = len(exhibits)


def _cell(stack: Stack, step: float) -> tuple[int, int]:
    assert stack.place is not None
    return math.floor(stack.place[0] / step), math.floor(stack.place[1] / step)


def _columns(stack: Stack) -> int:
    """How many cells of longitude :data:`NEAR_METRES` spans at this latitude; bounded near the poles."""
    assert stack.place is not None
    return min(50, math.ceil(1 / max(0.02, math.cos(math.radians(stack.place[0])))))


def metres(a: tuple[float, float] | None, b: tuple[float, float] | None) -> float:
    """Great-circle distance (haversine on a sphere of 6,371 km)."""
    if a is None or b is None:
        return math.inf
    p, q = math.radians(a[0]), math.radians(b[0])
    h = (
        math.sin((q - p) / 2) ** 2
        + math.cos(p) * math.cos(q) * math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(h)))
