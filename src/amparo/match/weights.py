"""Weights of traits, moved by judgements: what this case's analysts found grave counts more from then on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BASE = -4.0
"""Odds of a picture without any trait, as a logarithm: most of what is seized is of no interest."""
SPREAD = 2.0
"""Standard deviation of what is believed of a weight before anything is judged."""
_STEPS = 50


def learnt(prior: Floats, traits: Floats, grave: NDArray[np.bool_]) -> Floats:
    """The most probable weights after judgements: logistic regression around the prior weights.

    ``prior`` has one weight a trait, ``traits`` a row a judged stack, ``grave`` the judgements. The first
    entry of the answer is the base; without judgements it is the prior. A Gaussian prior keeps a few
    judgements from overturning what is known of thousands of cases (MAP estimate by Newton's method).
    """
    start = np.concatenate(([BASE], prior))
    if not len(grave):
        return start
    rows = np.column_stack([np.ones(len(traits)), traits])
    sign = np.where(grave, 1.0, -1.0)
    precision = 1 / SPREAD**2

    def surprise(weights: Floats) -> float:
        wrong = np.logaddexp(0, -sign * (rows @ weights)).sum()
        return float(wrong + precision / 2 * ((weights - start) ** 2).sum())

    weights, least = start, surprise(start)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (grave - chance) - precision * (weights - start)
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + precision * np.eye(len(start))
        step = np.linalg.solve(curve, slope)
        while (now := surprise(weights + step)) > least and np.abs(step).max() > 1e-9:
            step = step / 2
        if least - now < 1e-12:
            break
        weights, least = weights + step, now
    return weights
