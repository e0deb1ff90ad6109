"""What speaks for or against a picture being new: named traits, each with a weight and a reason in words.

Weights are natural logarithms of odds, set by what victim-identification units report of new material
(made by the phone it lies on, in bursts, posted first by its maker, copied nowhere yet) and then moved by
the judgements that follow (:mod:`amparo.match.weights`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PRIOR = {
    "original": 1.5,
    "own_camera": 1.0,
    "camera_names": 0.7,
    "series": 2.5,
    "posted_first": 2.0,
    "among_alerts": 1.5,
    "camera_of_alerts": 2.0,
    "place_of_alerts": 1.5,
    "series_of_alerts": 2.0,
    "camera_elsewhere": 0.5,
    "place_elsewhere": 0.5,
    "only_here": 0.7,
    "spread": -0.6,
    "forwarded": -1.0,
    "recent": 0.5,
    "small": -2.0,
    "blank": -4.0,
    "screenshot": -1.5,
    "captioned": -1.5,
    "document": -1.5,
    "drawing": -1.0,
    "photograph": 0.3,
}
"""Weight of each trait at its full value of 1; the last six are kinds of pictures."""

SMALL = 128
"""Pixels of the longer side up to which a picture is an icon or a thumbnail rather than a picture."""
YEAR = 365 * 86_400_000
_CAMERA = re.compile(
    r"(?:^|/)(?:(?P<stem>DSC[_FN]?|IMG_E?|PICT|P[0-9A-C]|DSCN|DSCF|SAM_|MVI_|_MG_|GOPR|DJI_)(?P<number>\d{4,5})"
    r"|(?:IMG_|VID_|PXL_|MVIMG_)?(?P<day>(?:19|20)\d{6})_(?P<time>\d{6})\d{0,3}(?:[_~.-]\w+)*)\.\w{2,5}$",
    re.IGNORECASE,
)


@dataclass
class Stack:
    """One visual stack: what its contents, files, postings and metadata say together."""

    centre: str
    contents: int = 1
    exhibits: set[str] = field(default_factory=set)
    camera: str = ""
    """Make, model and serial as one key; "" where the picture does not say."""
    serial: str = ""
    taken: int | None = None
    """The camera's own clock, milliseconds: only differences within one camera are used."""
    newest: int = 0
    place: tuple[float, float] | None = None
    names: set[tuple[str, str, int]] = field(default_factory=set)
    """Exhibit and folder, style, and number of each file named by a camera."""
    own_camera: bool = False
    posted_first: bool = False
    among_alerts: bool = False
    forwarded: int = 0
    side: int = 0
    kind: str = ""
    sure: float = 0.0
    run: int = 1
    """Files with neighbouring camera names, itself among them."""
    series: str = ""
    size: int = 1
    """Unseen stacks of its series."""
    alert_camera: int = 0
    alert_series: bool = False
    alert_place: bool = False
    camera_exhibits: int = 0
    place_exhibits: int = 0


def camera_name(path: str) -> tuple[str, int] | None:
    """Style and number of a file name as cameras count them; None for any other name.

    A date and time counts in seconds; a number in itself.
    """
    found = _CAMERA.search(path)
    if not found:
        return None
    if found["number"]:
        return found["stem"].upper(), int(found["number"])
    day, time = found["day"], found["time"]
    days = (int(day[:4]) * 12 + int(day[4:6])) * 31 + int(day[6:])
    return "date", days * 86_400 + int(time[:2]) * 3600 + int(time[2:4]) * 60 + int(time[4:])


LIKE = {"captioned": "a captioned picture", "blank": "a blank picture"}
"""Kinds of pictures whose name is no noun."""


def traits_of(stack: Stack, latest: int) -> dict[str, tuple[float, str]]:
    """Each trait found with its value (0 to 1) and the reason in words; ``latest`` is the case's newest day."""
    return {
        name: (round(value, 4), reason) for name, value, reason in _found(stack, latest) if value
    }


def _found(stack: Stack, latest: int) -> Iterator[tuple[str, float, str]]:
    if stack.camera:
        yield "original", 1.0, f"says which camera made it: {stack.camera}"
    if stack.own_camera:
        yield "own_camera", 1.0, "by the camera that made most pictures of this exhibit"
    if stack.run > 1:
        yield (
            "camera_names", min(1.0, stack.run / 8),
            f"one of {stack.run} files that a camera named one after the other",
        )  # fmt: skip
    if stack.size > 1:
        yield (
            "series", min(1.0, math.log2(stack.size) / 4),
            f"one of {stack.size} unseen of a series: {stack.series}",
        )  # fmt: skip
    if stack.posted_first:
        yield "posted_first", 1.0, "posted first, as far as seen, by the holder of an exhibit"
    if stack.among_alerts:
        yield "among_alerts", 1.0, "posted where material on an alert list was posted too"
    if stack.alert_camera:
        yield (
            "camera_of_alerts", 1.0,
            f"by the same camera body as {stack.alert_camera} on an alert list or judged grave",
        )  # fmt: skip
    if stack.alert_series:
        yield "series_of_alerts", 1.0, "its series holds material on an alert list or judged grave"
    if stack.alert_place:
        yield (
            "place_of_alerts",
            1.0,
            "taken within 200 m of material on an alert list or judged grave",
        )
    if stack.camera_exhibits > 1:
        yield (
            "camera_elsewhere",
            1.0,
            f"its camera body is seen on {stack.camera_exhibits} exhibits",
        )
    if stack.place_exhibits > 1:
        yield "place_elsewhere", 1.0, f"its place is seen on {stack.place_exhibits} exhibits"
    if len(stack.exhibits) == 1:
        yield "only_here", 1.0, "lies on this exhibit only"
    elif stack.exhibits:
        yield (
            "spread", min(1.0, math.log2(len(stack.exhibits)) / 4),
            f"lies on {len(stack.exhibits)} exhibits",
        )  # fmt: skip
    if stack.forwarded:
        yield (
            "forwarded",
            min(1.0, stack.forwarded / 5),
            f"was forwarded {stack.forwarded} times before",
        )
    if stack.newest and latest:
        recent = math.exp(-max(0, latest - stack.newest) / YEAR)
        yield "recent", recent, "newer than most of the case" if recent > 0.8 else "age"
    if 0 < stack.side <= SMALL:
        yield "small", 1.0, f"only {stack.side} pixels long"
    if stack.kind in PRIOR:
        yield stack.kind, stack.sure, f"looks like {LIKE.get(stack.kind, f'a {stack.kind}')}"
