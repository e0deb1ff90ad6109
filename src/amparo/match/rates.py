"""What each way of calling two pictures alike has been measured to find and to get wrong.

Calibrated by ``benchmarks/robustness.py``: benign photographs, edited as people and programs edit them, and
pairs of different ones. The figures are copied here so that they stand beside every match; a case's own
pictures may do better or worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

STRONGEST = 6.0
"""The most one comparison is held to weigh, as log10 of the likelihood ratio."""


@dataclass(frozen=True)
class Rate:
    """How often a method finds what is there, and how often it finds what is not."""

    method: str
    said: str
    """What it compares, in words."""
    recall: float
    """Share of the edits it is meant for that it finds."""
    false: int
    """Pairs of different pictures called alike."""
    pairs: int
    """Pairs of different pictures compared."""
    calibrated_on: str

    @property
    def false_rate(self) -> float:
        """The highest false rate these counts leave likely: three more than none in so many (95 %)."""
        return (self.false + 3) / self.pairs

    @property
    def log10_lr(self) -> float:
        """The decimal logarithm of the likelihood ratio of a match, bounded."""
        return min(STRONGEST, log10(self.recall / self.false_rate))

    def __str__(self) -> str:
        return (
            f"{self.said}: finds {self.recall:.0%}; {self.false} of {self.pairs:,} different pairs "
            f"called alike ({self.calibrated_on})"
        )


RATES: dict[str, Rate] = {}


def _add(*rates: Rate) -> None:
    RATES.update((rate.method, rate) for rate in rates)


_ON = "172 public photographs and their edits"
_PAIRS = 735_300
_add(
    Rate("pdq", "PDQ within 31", 0.989, 0, _PAIRS, _ON),
    Rate("tier2", "PDQ 32 to 52", 0.68, 8, _PAIRS, _ON),
    Rate("box", "PDQ of the picture without its frame within 31", 0.941, 0, _PAIRS, _ON),
    Rate("crop", "PDQ of a part within 40", 0.922, 12, _PAIRS, _ON),
    Rate("cut", "laid on every picture, at all places and sizes", 0.887, 23, 352_944, _ON),
    Rate("detail", "laid over each other, patch by patch", 0.955, 1, 6_000, _ON),
)


def strength(method: str, verified: bool) -> float:
    """What a match weighs, as log10 of the likelihood ratio; verified, both comparisons count.

    But not of ``cut``, whose rates are those of both together: the place that is compared was looked for.
    """
    if not verified:
        return 1.0
    if method == "cut":
        return RATES[method].log10_lr
    return min(STRONGEST, RATES[method].log10_lr + RATES["detail"].log10_lr)
