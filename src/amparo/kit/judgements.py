"""Which judgement of a stack counts: the latest, given on any of its contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from amparo.kit.view import View
from amparo.model import Id, Mark

Judgement = tuple[str, str, str]
"""Scheme, version and code; code "" takes an earlier one back."""

S = TypeVar("S")


def latest_judgements(view: View, stack_of: Callable[[Id], S | None]) -> dict[S, Judgement]:
    """The latest judgement of each stack; what ``stack_of`` gives None for is left out."""
    latest: dict[S, tuple[int, Judgement]] = {}
    names = ("subject", "scheme", "version", "code", "time")
    for subject, scheme, version, code, time in view.columns(Mark, *names, form="category"):
        stack = stack_of(subject)
        if stack is not None and (stack not in latest or time >= latest[stack][0]):
            latest[stack] = (time, (scheme, version, code))
    return {stack: judgement for stack, (_, judgement) in latest.items()}
