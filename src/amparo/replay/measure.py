"""Recall and precision of one comparison, counted, and the report of all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

MOST = 5
"""Examples shown for each measure."""

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Measure:
    """One comparison: how much of the truth was found, how much of what was found is true."""

    name: str
    truth: int
    right: int
    """Of the truth, what the case has."""
    found: int
    true: int
    """Of what the case states, what is true."""
    missed: tuple[str, ...] = ()
    false: tuple[str, ...] = ()

    @property
    def recall(self) -> float:
        """Share of the truth that was found; 1 where there was nothing to find."""
        return self.right / self.truth if self.truth else 1.0

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was found."""
        return self.true / self.found if self.found else 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """All measures of a case."""

    measures: tuple[Measure, ...]

    @property
    def perfect(self) -> bool:
        """Whether everything was found and nothing is false."""
        return all(m.right == m.truth and m.true == m.found for m in self.measures)

    def lines(self) -> list[str]:
        """A table for people, with examples of what is missing and what is false."""
        wide = max((len(m.name) for m in self.measures), default=0) + 1
        out = [f"{'':{wide}}{'recall':>8}{'precision':>11}   found of truth, true of stated"]
        for m in self.measures:
            counts = f"{m.right} of {m.truth}, {m.true} of {m.found}"
            out.append(f"{m.name:{wide}}{floor(m.recall):>8}{floor(m.precision):>11}   {counts}")
            out += [f"    missed  {example}" for example in m.missed]
            out += [f"    false   {example}" for example in m.false]
        return out

    def as_dict(self) -> dict[str, dict[str, object]]:
        """The same by name of measure, for JSON."""
        return {
            m.name: {
                "recall": m.recall,
                "precision": m.precision,
                "truth": m.truth,
                "right": m.right,
                "found": m.found,
                "true": m.true,
                "missed": list(m.missed),
                "false": list(m.false),
            }
            for m in self.measures
        }


def floor(share: float) -> str:
    """A share with four decimals, cut, so that 1.0000 means all of it."""
    return f"{int(share * 10_000) / 10_000:.4f}"


@dataclass
class Tally:
    """A measure while it is counted."""

    name: str
    show: Callable[[object], str]
    truth: int = 0
    right: int = 0
    found: int = 0
    true: int = 0
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def miss(self, item: object) -> None:
        if len(self.missed) < MOST:
            self.missed.append(self.show(item))

    def wrong(self, item: object) -> None:
        if len(self.false) < MOST:
            self.false.append(self.show(item))

    def sets(self, truth: set[T], found: Iterable[T]) -> Measure:
        """Counts items that are equal; one found twice is false the second time."""
        missing = set(truth)
        self.truth = len(truth)
        for item in found:
            self.found += 1
            if item in missing:
                missing.remove(item)
                self.true += 1
            else:
                self.wrong(item)
        self.right = self.true
        for item in sorted(missing, key=repr)[:MOST]:
            self.miss(item)
        return self.done()

    def done(self) -> Measure:
        """The measure, as counted."""
        return Measure(
            self.name, self.truth, self.right, self.found, self.true,
            tuple(self.missed), tuple(self.false),
        )  # fmt: skip
