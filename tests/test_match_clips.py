"""Clips in longer films: the right place and time, edits and speeds, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from amparo.fingerprint.image import image
from amparo.kit.found import Found
from amparo.kit.source import Source
from amparo.kit.times import clock
from amparo.match import clips_table
from amparo.match.clips import clips, film_in_films, still_in_films
from amparo.match.clips_lines import Hits, stretches
from amparo.match.clips_table import shared, table_of
from amparo.model import ClipMatch, Film, Fingerprint, Link, Media, Record
from films import film, frames_record, looked, records, scene, shown
from memory_view import MemoryView

Row = tuple[int, int, int, bytes, bytes]


@pytest.fixture(scope="module")
def reel() -> bytes:
    """Twelve seconds, four scenes."""
    return film([f for seed in (21, 22, 23, 24) for f in scene(seed, 3)])


@pytest.fixture(scope="module")
def case(reel: bytes) -> list[Record]:
    """The reel and another film that has nothing of it."""
    other = film([f for seed in (31, 32) for f in scene(seed, 3)])
    return records(reel, "reel") + records(other, "other")


def middle() -> list[np.ndarray]:
    """Seconds 2 to 8 of the reel."""
    return [f for seed in (21, 22, 23, 24) for f in scene(seed, 3)][20:80]


def found(case: list[Record], data: bytes) -> list[ClipMatch]:
    return film_in_films(MemoryView(case), shown(looked(data)))


def is_middle(match: ClipMatch, start: int = 2000, end: int = 8000) -> bool:
    return abs(match.other_start - start) <= 600 and abs(match.other_end - end) <= 600


def test_a_clip_is_found_with_its_range(case: list[Record]) -> None:
    (match,) = found(case, film(middle()))
    assert match.other == "reel" and is_middle(match)
    assert (match.speed, match.mirrored, match.form) == (1.0, False, "film")
    assert match.start == 0 and abs(match.end - 6000) <= 400


def test_recoded_letterboxed_and_mirrored(case: list[Record]) -> None:
    boxed = film([np.pad(f, ((24, 24), (0, 0), (0, 0))) for f in middle()], "mjpeg", "mov")
    (match,) = found(case, boxed)
    assert match.other == "reel" and is_middle(match)
    (match,) = found(case, film([f[:, ::-1] for f in middle()]))
    assert match.mirrored and is_middle(match)


def test_edges_cut_off(case: list[Record]) -> None:
    """Whole frames are like no whole frame any more; the middle of one is."""
    for share in (0.94, 0.9):
        down, across = round(144 * (1 - share) / 2), round(192 * (1 - share) / 2)
        cut = film([f[down : 144 - down, across : 192 - across] for f in middle()])
        made = clips(MemoryView(case + records(cut, "cut")))
        assert {(r.source, r.target) for r in made if isinstance(r, Link)} == {("cut", "reel")}


def test_another_speed(case: list[Record]) -> None:
    frames = middle()
    fast = film([frames[int(n * 1.25)] for n in range(int(len(frames) / 1.25))])
    matches = found(case, fast)
    assert {m.other for m in matches} == {"reel"}
    assert any(abs(m.speed - 1.25) < 0.05 for m in matches)


def test_nothing_where_nothing_is(case: list[Record]) -> None:
    assert found(case, film([f for seed in (41, 42) for f in scene(seed, 3)])) == []
    assert found(case, film([np.full((144, 192, 3), 120, np.uint8)] * 30)) == []


def test_the_deriver_links_clip_and_film_and_is_independent_of_order(
    case: list[Record], reel: bytes
) -> None:
    clip = records(film(middle()), "clip")
    everything = case + clip
    made = list(clips(MemoryView(everything)))
    (link,) = [r for r in made if isinstance(r, Link)]
    assert (link.form, link.source, link.target) == ("clip_of", "clip", "reel")
    assert link.log10_lr == 6.0 and "0:02.0" in link.reasons[0]
    (match,) = [r for r in made if isinstance(r, ClipMatch)]
    assert (match.content, match.other) == ("clip", "reel")
    again = list(clips(MemoryView(reversed(everything))))
    assert sorted(r.id for r in again) == sorted(r.id for r in made)
    renamed = list(clips(MemoryView(case + records(film(middle()), "zlip"))))
    (turned,) = [r for r in renamed if isinstance(r, ClipMatch)]
    assert (turned.start, turned.other_start) == (match.start, match.other_start)


def test_the_same_film_encoded_again() -> None:
    frames = [f for seed in (51, 52) for f in scene(seed, 2)]
    made = clips(
        MemoryView(records(film(frames), "a") + records(film(frames, "mjpeg", "mov"), "b"))
    )
    (link,) = [r for r in made if isinstance(r, Link)]
    assert link.form == "same_film"


def pictured(data: bytes, content: str) -> list[Record]:
    things = image(Source.of_bytes(data), Found("", "", "", content))
    return [t for t in things if isinstance(t, Media | Fingerprint)]


def test_a_picture_is_found_in_a_film(case: list[Record]) -> None:
    import io

    from PIL import Image

    for mirrored in (False, True):
        pixels = scene(23, 3)[10]
        out = io.BytesIO()
        Image.fromarray(pixels[:, ::-1] if mirrored else pixels).save(out, "JPEG", quality=80)
        picture = pictured(out.getvalue(), "picture")
        made = list(clips(MemoryView(case + picture)))
        (match,) = [r for r in made if isinstance(r, ClipMatch)]
        assert (match.form, match.content, match.other) == ("still", "picture", "reel")
        assert abs(match.other_start - 7000) <= 400 and match.mirrored is mirrored
        (link,) = [r for r in made if isinstance(r, Link)]
        assert (link.form, link.source, link.target) == ("frame_of", "picture", "reel")
        (eight,) = [
            r.value for r in picture if isinstance(r, Fingerprint) and r.algorithm == "pdq8"
        ]
        ((film_id, time, distance, flipped),) = still_in_films(MemoryView(case), eight)
        assert (film_id, flipped) == ("reel", mirrored) and distance <= 31
        assert abs(time - 7000) <= 400
    with pytest.raises(ValueError):
        still_in_films(MemoryView(case), bytes(32))


# --- on drawn hashes ------------------------------------------------------------------------------


def rows(seed: int, count: int, quality: int = 90) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [(400 * n, quality, 0, rng.bytes(32), rng.bytes(32)) for n in range(count)]


def test_one_like_frame_is_no_clip() -> None:
    a, b = rows(1, 20), rows(2, 20)
    b[7] = (b[7][0], 90, 0, a[3][3], b[7][4])
    table = table_of((r.content, r.value) for r in (frames_record("a", a), frames_record("b", b)))
    assert list(shared(table, table, one_way=True)) == []
    b[9] = (b[9][0], 90, 0, a[5][3], b[9][4])
    table = table_of((r.content, r.value) for r in (frames_record("a", a), frames_record("b", b)))
    (pair,) = shared(table, table, one_way=True)
    assert (pair.stretch.start, pair.stretch.other_start, pair.stretch.votes) == (1200, 2800, 2)


def test_featureless_frames_never_vote() -> None:
    a = rows(1, 20, quality=49)
    table = table_of((name, frames_record(name, a).value) for name in ("a", "b"))
    assert list(shared(table, table, one_way=True)) == []


def test_frames_that_are_everywhere_do_not_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_table, "EVERYWHERE", 30)
    title = rows(1, 4)
    films = [(str(n), frames_record(str(n), title + rows(n + 10, 4)).value) for n in range(40)]
    assert list(shared(table_of(films), table_of(films), one_way=True)) == []


def test_blocks_of_films_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    films = []
    for n in range(12):
        own = rows(n, 10)
        if n % 3 == 1:
            own[2:8] = [
                (t, q, f, *rows(n - 1, 10)[i][3:]) for i, (t, q, f, _, _) in enumerate(own[2:8], 2)
            ]
        films.append((f"{n:02}", frames_record(str(n), own).value))
    table = table_of(films)
    whole = sorted(shared(table, table, one_way=True))
    assert len(whole) == 4
    monkeypatch.setattr(clips_table, "_HITS_AT_ONCE", 1)
    assert sorted(shared(table, table, one_way=True)) == whole


def hits(pairs: list[tuple[int, int]]) -> Hits:
    time, other = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    return Hits(
        time, np.full(len(time), 200), other, np.full(len(time), 200), np.full(len(time), 9)
    )


def test_lines() -> None:
    plain = [(t, t + 5000) for t in range(0, 4000, 400)]
    noise = [(3000, 90_000), (400, 70_000), (3600, 20_000)]
    (one,) = stretches(hits(plain + noise))
    assert (one.start, one.end, one.other_start, one.other_end) == (0, 3800, 5000, 8800)
    twice = plain + [(t, t + 60_000) for t in range(0, 4000, 400)]
    assert [s.other_start for s in stretches(hits(twice))] == [5000, 60_000]
    slow = [(t, round(1000 + t / 1.25)) for t in range(0, 8000, 400)]
    (one,) = stretches(hits(slow))
    assert abs(one.speed - 0.8) < 0.01 and one.votes == 20
    apart = plain + [(t + 60_000, t + 65_000) for t in range(0, 4000, 400)]
    assert [s.start for s in stretches(hits(apart))] == [0, 60_000]
    # Each at one time only, or three at a speed of their own: nothing.
    assert stretches(hits([(0, t) for t in range(0, 4000, 400)])) == []
    assert stretches(hits([(0, 0), (3000, 3900), (6000, 7800)])) == []


def test_times_for_people() -> None:
    assert [clock(n) for n in (0, 62_300, 3_662_349)] == ["0:00.0", "1:02.3", "1:01:02.3"]


def test_lengths_come_from_the_film(case: list[Record]) -> None:
    lengths = {r.content: r.reached for r in case if isinstance(r, Film)}
    assert lengths == {"reel": 11_900, "other": 5900}
