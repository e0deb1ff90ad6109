"""Charts as plain geometry, drawn by the templates as SVG (no inline style, no script)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from amparo.model import Id, Tenure
from amparo.review.directory import Directory
from amparo.review.words import when

LEFT, WIDTH, ROW, TOP = 220.0, 1000.0, 18.0, 22.0
DAY = 86_400_000


@dataclass(frozen=True)
class Span:
    """One bar; ``open`` when an end is not known, ``note`` says so in words."""

    x: float
    width: float
    role: str
    open: bool
    note: str
    tenure: Id


@dataclass(frozen=True)
class Line:
    """One person's bars."""

    person: Id
    label: str
    y: float
    spans: list[Span]


@dataclass(frozen=True)
class Chart:
    """Lines or bars over a time axis; ``ticks`` are places and words under the axis."""

    width: float
    height: float
    lines: list[Line]
    bars: list[tuple[float, float, float, float, str]]
    """x, y, width, height, words."""
    ticks: list[tuple[float, str]]
    hidden: int = 0
    """Members that did not fit."""


def ticks(start: int, end: int, left: float, width: float) -> list[tuple[float, str]]:
    """At most eight round dates between two times, with their places."""
    out: list[tuple[float, str]] = []
    first = datetime.fromtimestamp(start / 1000, UTC)
    for months in (1, 2, 3, 6, 12, 24, 60, 120):
        if (end - start) / DAY / 30 / months <= 8:
            break
    year, month = first.year, (first.month - 1) // months * months if months < 12 else 0
    while len(out) < 24 and year < 9999:
        moment = int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp() * 1000)
        if moment > end:
            break
        if moment >= start:
            out.append((left + (moment - start) / max(1, end - start) * width,
                        f"{year}-{month + 1:02d}"))  # fmt: skip
        year, month = year + (month + months) // 12, (month + months) % 12
    if not out:
        out = [(left, when(start, "day"))]
    return out


def sane(times: Iterable[int | None]) -> list[int]:
    """Times from 2009 (the first messengers) to 2100; a broken stamp must not stretch an axis."""
    return [t for t in times if t is not None and 1_230_768_000_000 <= t < 4_102_444_800_000]


def tenure_chart(
    tenures: list[Tenure], directory: Directory, most: int, last: int | None = None
) -> Chart | None:
    """Who was a member when: one line a person, earliest first; None without a single date.

    ``last`` is when the group was last heard of: those present at seizure were members until then.
    """
    known = sane([t.since for t in tenures] + [t.until for t in tenures])
    if not known:
        return None
    start, end = min(known), max(known + sane([last]))
    end = max(end, start + DAY)
    by_person: dict[Id, list[Tenure]] = {}
    for tenure in tenures:
        by_person.setdefault(directory.canonical(tenure.account), []).append(tenure)

    def order(id: Id) -> tuple[bool, int, Id]:
        lead = any(t.role in ("admin", "creator") for t in by_person[id])
        return (not lead, min(sane(t.since for t in by_person[id]), default=end), id)

    span = WIDTH - LEFT - 12
    lines = []
    for n, person in enumerate(sorted(by_person, key=order)[:most]):
        spans = []
        for tenure in by_person[person]:
            since = min(max(tenure.since if tenure.since is not None else start, start), end)
            until = min(max(tenure.until if tenure.until is not None else end, since), end)
            x = LEFT + (since - start) / (end - start) * span
            spans.append(Span(
                x=round(x, 2),
                width=round(max(3.0, (until - since) / (end - start) * span), 2),
                role=tenure.role,
                open=tenure.since is None or (tenure.until is None and not tenure.present),
                note=f"{tenure.role}: {when(tenure.since)} to "
                + ("present at seizure" if tenure.present and tenure.until is None
                   else when(tenure.until)),
                tenure=tenure.id,
            ))  # fmt: skip
        who = directory.person(person)
        label = who.label if who is not None else person[:8]
        lines.append(
            Line(person, label if len(label) < 34 else label[:33] + "…", TOP + n * ROW, spans)
        )
    return Chart(
        width=WIDTH,
        height=TOP + len(lines) * ROW + 6,
        lines=lines,
        bars=[],
        ticks=ticks(start, end, LEFT, span),
        hidden=max(0, len(by_person) - most),
    )


def activity_chart(times: Iterable[int | None]) -> Chart | None:
    """Messages over time in at most 80 bars; None without a single date."""
    known = sorted(sane(times))
    if not known:
        return None
    start, end = known[0] // DAY * DAY, (known[-1] // DAY + 1) * DAY
    step = max(DAY, -(-(end - start) // 80 // DAY) * DAY)
    count = max(1, -(-(end - start) // step))
    counts = [0] * count
    for t in known:
        counts[(t - start) // step] += 1
    most, height = max(counts), 56.0
    width = WIDTH / count
    bars = [
        (round(n * width, 2), round(height - c / most * height, 2), round(max(1.0, width - 1.5), 2),
         round(c / most * height, 2), f"{when(start + n * step, 'day')}: {c} messages")
        for n, c in enumerate(counts)
        if c
    ]  # fmt: skip
    return Chart(WIDTH, height + 18, [], bars, ticks(start, start + count * step, 0.0, WIDTH))
