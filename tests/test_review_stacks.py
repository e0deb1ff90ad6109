"""The review queue, category schemes and words: order, windows, filters, and codes never guessed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amparo.kit.schemes import SCHEMES, find_scheme, label
from amparo.model import Action, KnownMatch, Mark
from amparo.review.stacks import Filter, Queue, build_queue
from amparo.review.words import evidence, plain_evidence, size, when
from amparo.store.case import Case
from review_case import HOSTILE, make_case

SCHEME = ("Triage", "1")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with make_case(tmp_path_factory.mktemp("queue") / "pines.amparo", stacks=90) as made:
        yield made


def walk(queue: Queue, wanted: Filter, step: int) -> list[int]:
    """All stacks of a filter, window after window."""
    out: list[int] = []
    window = queue.window(wanted, SCHEME, step, rank=0)
    while window.stacks:
        out += window.stacks
        window = queue.window(wanted, SCHEME, step, after=window.positions[-1])
    return out


def test_windows_meet_without_gap_or_overlap(case: Case) -> None:
    queue = build_queue(case)
    for order in ("unseen", "copies", "newest"):
        wanted = Filter(known="all", order=order)
        assert walk(queue, wanted, 7) == queue.orders[order].tolist()
        assert sorted(walk(queue, wanted, 100)) == list(range(len(queue.centres)))
    first = queue.window(Filter(), SCHEME, 10, rank=20)
    back = queue.window(Filter(), SCHEME, 10, before=first.positions[0])
    assert (back.first, len(back.stacks)) == (10, 10)


def test_ignored_are_hidden_and_unseen_come_first(case: Case) -> None:
    queue = build_queue(case)
    shown = walk(queue, Filter(), 50)
    known = [int(queue.known[n]) for n in shown]
    assert 2 not in known and 1 in known
    assert known == sorted(known), "what nobody knows comes before what is known"
    assert {int(queue.known[n]) for n in walk(queue, Filter(known="ignore"), 50)} == {2}
    cameras = [bool(queue.camera[n]) for n in shown if not queue.known[n]]
    assert cameras == sorted(cameras, reverse=True)
    files = [int(queue.files[n]) for n in walk(queue, Filter(order="copies"), 50)]
    assert files == sorted(files, reverse=True)


def test_grading_does_not_move_what_is_on_screen(case: Case) -> None:
    queue = build_queue(case)
    wanted = Filter(grade="none")
    first = queue.window(wanted, SCHEME, 5, rank=0)
    rest = walk(queue, wanted, 50)[5:]
    for stack in first.stacks:
        queue.grade(queue.centres[stack], *SCHEME, "1")
    after = queue.window(wanted, SCHEME, 5, after=first.positions[-1])
    assert after.stacks == rest[:5]
    assert after.first == 0, "ranks count what still fits"


def test_an_exhibit_shows_its_own_stacks(case: Case) -> None:
    queue = build_queue(case)
    exhibit, stacks = next(iter(queue.exhibits.items()))
    found = walk(queue, Filter(known="all", exhibit=exhibit), 10)
    assert sorted(found) == stacks.tolist()
    assert walk(queue, Filter(exhibit="nowhere"), 10) == []


def test_a_stack_is_ignored_only_when_all_of_it_is(case: Case) -> None:
    queue = build_queue(case)
    uses: dict[int, set[str]] = {}
    for match in case.store.each(KnownMatch):
        uses.setdefault(queue.stack_of[match.content], set()).add(match.use)
    for stack, found in uses.items():
        assert int(queue.known[stack]) == (1 if "alert" in found else 2)


def test_the_latest_judgement_on_any_member_counts(case: Case) -> None:
    queue = build_queue(case)
    stack = int(queue.contents.argmax())
    members = [content for content, n in queue.stack_of.items() if n == stack]
    assert len(members) > 1
    did = Action(kind="review/grade", version=1, performer="a", tool="t", operation="alteration",
                 started=5, ended=5, status="done")  # fmt: skip
    for time, member, code in ((5, members[0], "1"), (9, members[1], "3"), (7, members[0], "2")):
        case.store.mark(Mark(subject=member, form="category", scheme="Triage", version="1",
                             code=code, performer="a", time=time), did)  # fmt: skip
    assert build_queue(case).grades[stack] == ("Triage", "1", "3")


def test_schemes_are_found_by_name_and_never_guessed() -> None:
    assert find_scheme("") is find_scheme("Triage 1") is SCHEMES["triage"]
    assert find_scheme("Project VIC US 2.0") is SCHEMES["project-vic-us"]
    with pytest.raises(ValueError, match="no category scheme"):
        find_scheme("DHS")
    vic = SCHEMES["project-vic-us"]
    assert {c.code: c.name for c in vic.categories}["0"] == "Non-Pertinent"
    assert {c.code: c.name for c in vic.categories}["5"] == "Uncategorized"
    for scheme in SCHEMES.values():
        keys = [c.key for c in scheme.categories]
        assert len(set(keys)) == len(keys) and all(k in "0123456789" for k in keys)
        for category in scheme.categories:
            said = label(scheme.name, scheme.version, category.code)
            assert said == f"{category.name} ({scheme.name} {scheme.version}: {category.code})"
    assert label("Elsewhere", "4", "9") == "9 (Elsewhere 4)"
    assert label("Triage", "1", "") == ""


def test_evidence_text_cannot_act() -> None:
    shown = str(evidence(HOSTILE))
    assert "<script>" not in shown and "\u202e" not in shown
    assert '<span class="esc">U+202E</span>' in shown and shown.startswith("<bdi")
    assert "\u202e" not in plain_evidence(HOSTILE) and "[U+202E]" in plain_evidence(HOSTILE)
    assert len(str(evidence("x" * 1_000_000))) < 400
    assert "1000000 characters" in str(evidence("x" * 1_000_000))
    assert str(evidence("\ud800")) == '<bdi class="ev"><span class="esc">U+D800</span></bdi>'
    assert "\u200d" in str(evidence("\U0001f468\u200d\U0001f469")), "joiners of scripts stay"


def test_times_and_sizes_read_well() -> None:
    assert when(0) == "1970-01-01 00:00:00"
    assert when(None) == "–"
    assert when(10**18) == f"{10**18} ms"
    assert (size(999), size(1500), size(None)) == ("999 B", "1.5 kB", "–")
