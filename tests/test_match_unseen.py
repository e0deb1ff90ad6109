"""The never-seen queue: known things gone, the likely new victim first, and it learns."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from amparo.match.traits import PRIOR, Stack, camera_name, traits_of
from amparo.match.unseen import clock, metres, ranked, unseen
from amparo.match.weights import BASE, learnt
from amparo.model import (
    At,
    Content,
    ContentKind,
    Exif,
    File,
    KnownDispute,
    KnownMatch,
    Mark,
    Media,
    Message,
    Position,
    Posting,
    Record,
    StackMember,
    Unseen,
)

DAY = 86_400_000
NOW = 1_750_000_000_000


class Rows:
    """A view over records in memory."""

    def __init__(self, records: list[Record]) -> None:
        self.records = sorted(records, key=lambda r: r.id)

    def columns(self, kind: type, *names: str, **equal: Any) -> Iterator[tuple[Any, ...]]:
        for r in self.records:
            if isinstance(r, kind) and all(getattr(r, k) == v for k, v in equal.items()):
                yield tuple(
                    getattr(r.at, n[3:]) if n.startswith("at_") else getattr(r, n) for n in names
                )


class Case:
    """Builds records of an invented case."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._number = 0

    def picture(
        self, exhibit: str = "A", path: str = "", camera: str = "", taken: str = "", when: int = NOW,
        on: tuple[str, ...] = (), place: tuple[float, float] | None = None,
    ) -> str:  # fmt: skip
        self._number += 1
        content = Content(sha256=f"{self._number:064x}", sha1="", md5="", size=9, mime="image/jpeg")
        self.records.append(content)
        for one in (exhibit, *on):
            name = path or f"other/{self._number}x.jpg"
            self.records.append(
                File(exhibit=one, path=name, size=9, modified=when, content=content.id)
            )
        self.records.append(Media(content=content.id, format="JPEG", width=1600, height=1200))
        if camera:
            make, model, serial = camera.split("/")
            self.records.append(
                Exif(content=content.id, make=make, model=model, serial=serial, taken=taken)
            )
        if place:
            self.records.append(
                Position(content=content.id, method="exif", latitude=place[0], longitude=place[1])
            )
        return content.id

    def post(self, content: str, thread: str, account: str, first: bool, score: int = 0) -> None:
        self._number += 1
        self.records.append(
            Posting(
                content=content, thread=thread, key=str(self._number), account=account, time=NOW,
                place=1, first_in_network=first, first_in_thread=first, forward_score=score,
            )
        )  # fmt: skip

    def owner(self, account: str, exhibit: str = "A") -> None:
        self.records.append(
            Message(
                at=At(exhibit=exhibit, file="f"), thread="t", key="k", sender=account, from_owner=True,
                sent=NOW, form="text",
            )
        )  # fmt: skip

    def known(self, content: str, use: str) -> None:
        self.records.append(KnownMatch(content=content, known_set="s", algorithm="md5", use=use))

    def mark(self, content: str, code: str, time: int = 1) -> None:
        self.records.append(
            Mark(
                subject=content, form="category", scheme="Triage", version="1", code=code,
                performer="p", time=time,
            )
        )  # fmt: skip

    def queue(self) -> list[Unseen]:
        return list(unseen(Rows(self.records)))  # type: ignore[arg-type]


def series(case: Case, exhibit: str, camera: str, count: int, minute: int = 0) -> list[str]:
    return [
        case.picture(
            exhibit, f"DCIM/Camera/IMG_20250601_12{minute + n:02}00.jpg", camera,
            f"2025-06-01T12:{minute + n:02}:00",
        )
        for n in range(count)
    ]  # fmt: skip


def test_what_is_known_or_judged_is_not_in_the_queue() -> None:
    case = Case()
    alert, ignored, half, other, listed, judged, taken_back, free = (
        case.picture() for _ in range(8)
    )
    case.records += [
        StackMember(content=half, stack=half, distance=0, method="pdq"),
        StackMember(content=other, stack=half, distance=4, method="pdq"),
    ]
    case.known(alert, "alert")
    case.known(ignored, "ignore")
    case.known(half, "ignore")  # another member of its stack is not known
    case.known(listed, "listed")
    case.mark(judged, "3")
    case.mark(taken_back, "1", 1)
    case.mark(taken_back, "", 2)
    queue = case.queue()
    assert {u.content for u in queue} == {half, listed, taken_back, free}
    assert [u.rank for u in queue] == [1, 2, 3, 4]
    case.records.append(KnownDispute(content=ignored, between=(), reasons=("lists disagree",)))
    assert ignored in {u.content for u in case.queue()}


def test_a_series_made_here_and_posted_first_leads() -> None:
    case = Case()
    case.owner("me")
    ordinary = [case.picture(when=NOW - 900 * DAY, on=("B", "C")) for _ in range(40)]
    holiday = [
        case.picture("A", f"DCIM/Camera/IMG_202401{n + 10}_080000.jpg", "Maker/Phone/1", f"2024-01-{n + 10}T08:00:00")
        for n in range(10)
    ]  # fmt: skip
    new = series(case, "A", "Maker/Phone/1", 12)
    for content in new:
        case.post(content, "group", "me", True)
    beside = case.picture()
    case.known(beside, "alert")
    case.post(beside, "group", "other", True)
    queue = case.queue()
    assert queue[0].content in new
    reasons = " | ".join(queue[0].reasons)
    for words in (
        "posted first, as far as seen, by the holder", "one of 12 unseen of a series", "which camera",
        "most pictures of this exhibit", "named one after the other", "alert list was posted too",
        "this exhibit only",
    ):  # fmt: skip
        assert words in reasons, words
    places = {u.content: u.rank for u in queue}
    assert max(places[c] for c in new) < min(places[c] for c in ordinary)
    assert min(places[c] for c in new) < min(places[c] for c in holiday)
    assert [u.turn for u in queue if u.content in new] == list(range(1, 13))
    assert queue[0].weights == "prior" and sum(u.turn == 1 for u in queue) == 40 + 10 + 1


def test_each_series_comes_once_before_the_like_of_it_comes_again() -> None:
    case = Case()
    first = series(case, "A", "Maker/Phone/1", 16)
    second = series(case, "B", "Maker/Phone/2", 16, 20)
    top = [u.content for u in case.queue()[:2]]
    assert len(set(top) & set(first)) == len(set(top) & set(second)) == 1


def test_two_phones_of_one_model_without_serial_are_two_cameras() -> None:
    case = Case()
    series(case, "A", "Maker/Phone/", 3)
    series(case, "B", "Maker/Phone/", 3)
    queue = case.queue()
    assert all("one of 3 unseen" in " ".join(u.reasons) for u in queue)
    assert not [u for u in queue if any("seen on 2 exhibits" in r for r in u.reasons)]


def test_camera_and_place_of_alerts_count() -> None:
    case = Case()
    known = case.picture(
        "A", camera="Maker/Phone/77", taken="2020-01-01T00:00:00", place=(10.0, 20.0)
    )
    case.known(known, "alert")
    body = case.picture("B", camera="Maker/Phone/77", taken="2023-01-01T00:00:00")
    near = case.picture("B", place=(10.0005, 20.0005))
    far = case.picture("B", place=(10.01, 20.0))
    by = {u.content: " ".join(u.reasons) for u in case.queue()}
    assert "same camera body as 1 on an alert list" in by[body] and "seen on 2 exhibits" in by[body]
    assert "within 200 m of material on an alert list" in by[near]
    assert "200 m" not in by[far] and "camera body" not in by[near]


def test_small_blank_and_forwarded_ones_come_last() -> None:
    case = Case()
    plain, blank, passed_on = case.picture(), case.picture(), case.picture()
    icon = case.picture()
    case.records.append(ContentKind(content=blank, form="blank", score=0.9, reasons=()))
    case.post(passed_on, "t", "x", True, 9)
    case.records = [r for r in case.records if not (isinstance(r, Media) and r.content == icon)]
    case.records.append(Media(content=icon, format="PNG", width=48, height=48))
    assert [u.content for u in case.queue()] == [plain, passed_on, icon, blank]


def test_judgements_move_the_weights() -> None:
    """Where analysts find the forwarded grave and the camera's own clear, the order turns round."""
    case = Case()
    made = [case.picture("A", camera="M/P/1", taken=f"20{n:02}-01-01T00:00:00") for n in range(20)]
    spread = [case.picture(on=tuple("BCDEFGHIJKLMNOP")) for _ in range(20)]
    before = [u.content for u in case.queue()]
    assert set(before[:20]) == set(made)
    for content in made[:15]:
        case.mark(content, "3")
    for content in spread[:15]:
        case.mark(content, "1")
    after = case.queue()
    assert set(u.content for u in after[:5]) == set(spread[15:])
    assert after[0].weights == "learnt from 30 judgements"


def test_learning_stays_near_what_is_known_of_other_cases() -> None:
    prior = np.array([1.0, -1.0])
    assert learnt(prior, np.zeros((0, 2)), np.zeros(0, bool)).tolist() == [BASE, 1.0, -1.0]
    one = learnt(prior, np.array([[1.0, 0.0]]), np.array([True]))
    assert 1.0 < one[1] < 4 and one[2] == -1.0
    many = learnt(prior, np.tile([[1.0, 0.0]], (200, 1)), np.zeros(200, bool))
    assert many[1] < 0.5


def test_the_order_does_not_depend_on_the_order_of_records() -> None:
    case = Case()
    for n in range(30):
        case.picture("AB"[n % 2], camera=f"M/P/{n % 3}", taken=f"2025-06-01T10:{n:02}:00")
    straight = case.queue()
    case.records.reverse()
    assert case.queue() == straight
    assert list(ranked({}, set(), {})) == []


def test_names_that_cameras_give() -> None:
    same = (
        camera_name("DCIM/100/IMG_20250601_120000.jpg"),
        camera_name("x/PXL_20250601_120001123.MP.jpg"),
    )
    assert same[0] and same[1] and same[1][1] - same[0][1] == 1
    assert camera_name("DCIM/DSC_0012.JPG") == ("DSC_", 12)
    assert camera_name("dcim/img_e1234.jpg") == ("IMG_E", 1234)
    for other in ("IMG-20250601-WA0001.jpg", "IMG_1.jpg", "photo.jpg", "IMG_20250601/x.jpg", ""):
        assert camera_name(other) is None, other


def test_clocks_and_distances() -> None:
    one, other = clock("2025-06-01T12:00:00"), clock("2025:06:01 12:00:01")
    assert one is not None and other == one + 1000
    assert clock("") is None and clock("0000:00:00 00:00:00") is None
    assert abs(metres((0, 0), (0, 1)) - 111_195) < 10 and metres((0, 180), (0, -180)) < 1
    assert metres(None, (0, 0)) == float("inf")


def test_every_trait_has_a_weight_and_a_value_between_nothing_and_one() -> None:
    full = Stack(
        "c", exhibits={"a", "b"}, camera="m", serial="m", newest=NOW, own_camera=True, posted_first=True,
        among_alerts=True, forwarded=50, side=10, kind="screenshot", sure=0.7, run=99, series="s",
        size=10**6, alert_camera=2, alert_series=True, alert_place=True, camera_exhibits=2,
        place_exhibits=2,
    )  # fmt: skip
    traits = traits_of(full, NOW)
    traits |= traits_of(Stack("d", exhibits={"a"}, newest=1, kind="blank", sure=1.0), NOW)
    assert set(traits) <= set(PRIOR)
    assert set(PRIOR) - set(traits) == {"captioned", "document", "drawing", "photograph"}
    assert all(0 <= value <= 1 and reason for value, reason in traits.values())
