"""The card of a model: what it is for, what it expects, and how often it errs. One TOML file, read strictly.

::

    name = "rooms"
    version = "2026-03"
    kind = "descriptor"                     # or "classifier"
    purpose = "the same room in another picture"
    trained_on = "120,000 pictures of hotel rooms"
    licence = "own work"
    # output = "softmax"                    # classifier: "probability" (unless said), "softmax", "sigmoid": applied

    [input]                                 # 8-bit RGB, upright, squeezed to side x side
    side = 288
    mean = [0.485, 0.456, 0.406]            # (value / 255 - mean) / std
    std = [0.229, 0.224, 0.225]
    layout = "NCHW"                         # or "NHWC"; one picture at a time, float32

    [descriptor]
    distance = "cosine"                     # 1 - cosine, 0 to 2
    suggest = 0.25                          # up to here a pair is suggested
    false_match = 0.001                     # share of different pairs within it
    miss = 0.12                             # share of same pairs beyond it
    measured_on = "4,000 pairs of the unit's own rooms"

and for a classifier, instead of the last part::

    [[label]]                               # one for each number of the first output, in its order
    name = "vehicle"
    threshold = 0.8
    false_positive = 0.02
    false_negative = 0.1
    measured_on = "3,000 pictures of the unit, 400 with a vehicle"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

DESCRIPTOR, CLASSIFIER = "descriptor", "classifier"
LARGEST = 64 << 10
"""Bytes of a card."""
MOST_LABELS = 64
_LONGEST = 1000
_NAME = re.compile("[a-z0-9][a-z0-9._-]{0,39}")

Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Input:
    """What the model takes: one float32 picture, ``(value / 255 - mean) / std`` of red, green and blue."""

    side: int
    mean: Three
    std: Three
    layout: str


@dataclass(frozen=True, slots=True)
class Label:
    """One thing a classifier tells, and how often it errs from ``threshold`` on."""

    name: str
    threshold: float
    false_positive: float
    false_negative: float
    measured_on: str

    @property
    def errors(self) -> str:
        """Its error rates in words."""
        return (
            f"from {self.threshold:g} on: false {self.false_positive:.2%} of what is not, "
            f"missed {self.false_negative:.2%} of what is ({self.measured_on})"
        )


@dataclass(frozen=True, slots=True)
class Descriptor:
    """How near two vectors must lie to be suggested, and how often that errs."""

    distance: str
    suggest: float
    false_match: float
    miss: float
    measured_on: str

    @property
    def errors(self) -> str:
        """Its error rates in words."""
        return (
            f"within {self.suggest:g}: {self.false_match:.2%} of different pairs, "
            f"missed {self.miss:.2%} of same ones ({self.measured_on})"
        )


@dataclass(frozen=True, slots=True)
class Card:
    """A model's card as it was read."""

    name: str
    version: str
    kind: str
    purpose: str
    trained_on: str
    licence: str
    input: Input
    output: str = "probability"
    labels: tuple[Label, ...] = ()
    descriptor: Descriptor | None = None


def read_card(text: str) -> Card:
    """The card in a TOML text. ValueError in one line for whatever is missing, unknown or out of bounds."""
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from error
    if "labels" in values:
        raise ValueError("the card: unknown labels; each is a [[label]]")
    values["labels"] = tuple(
        _table(Label, each, f"label {number}")
        for number, each in enumerate(_list(values.pop("label", [])), 1)
    )
    for name, cls in (("input", Input), ("descriptor", Descriptor)):
        if name in values:
            values[name] = _table(cls, values[name], name)
    card = _table(Card, values, "the card")
    _check(card)
    return card


_T = TypeVar("_T")
_RATES = ("false_positive", "false_negative", "false_match", "miss", "measured_on")


def _list(given: object) -> list[object]:
    if not isinstance(given, list):
        raise ValueError("label is written [[label]], once for each")
    return given


def _table(cls: type[_T], given: object, where: str) -> _T:
    """A dataclass from a table of exactly its fields."""
    if not isinstance(given, dict):
        raise ValueError(f"{where} is no table")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]  # ours are dataclasses
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}")
    missing = [n for n, f in known.items() if n not in given and f.default is MISSING]
    if rates := [n for n in missing if n in _RATES]:
        raise ValueError(
            f"{where} does not state {', '.join(rates)}: a model without stated error rates is refused"
        )
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} missing")
    return cls(**{n: _value(str(known[n].type), v, f"{where}: {n}") for n, v in given.items()})


def _value(kind: str, given: Any, where: str) -> Any:
    """A value of exactly this type; whole numbers stand for floats."""
    if kind == "float" and type(given) in (int, float):
        return float(given)
    if kind == "Three":
        if type(given) is list and len(given) == 3 and {*map(type, given)} <= {int, float}:
            return tuple(map(float, given))
        raise ValueError(f"{where} is three numbers")
    if kind == "str":
        if type(given) is not str or not given.strip() or len(given) > _LONGEST:
            raise ValueError(f"{where} is a text of 1 to {_LONGEST} characters")
        if not given.isprintable():
            raise ValueError(f"{where} is one line without control characters")
        return given
    if kind == "int" and type(given) is not int:
        raise ValueError(f"{where} is a whole number")
    if kind == "float":
        raise ValueError(f"{where} is a number")
    return given


def _check(card: Card) -> None:
    _one_of("kind", card.kind, (DESCRIPTOR, CLASSIFIER))
    _one_of("output", card.output, ("probability", "softmax", "sigmoid"))
    _one_of("input: layout", card.input.layout, ("NCHW", "NHWC"))
    if not _NAME.fullmatch(card.name):
        raise ValueError("name is 1 to 40 of a-z, 0-9, '.', '_' and '-'")
    if not 8 <= card.input.side <= 1024:
        raise ValueError("input: side is 8 to 1024 pixels")
    if not all(-1e6 < n < 1e6 for n in card.input.mean):
        raise ValueError("input: mean is out of bounds")
    if not all(1e-6 < n < 1e6 for n in card.input.std):
        raise ValueError("input: std is above 0")
    if card.kind == CLASSIFIER:
        _check_labels(card)
    elif card.labels or card.output != "probability":
        raise ValueError("a descriptor has neither labels nor output")
    elif card.descriptor is None:
        raise ValueError("descriptor is missing: a model without stated error rates is refused")
    else:
        _one_of("descriptor: distance", card.descriptor.distance, ("cosine",))
        _shares("descriptor", card.descriptor, ("false_match", "miss"))
        if not 0 < card.descriptor.suggest < 1:
            raise ValueError("descriptor: suggest lies between 0 and 1")


def _check_labels(card: Card) -> None:
    if card.descriptor is not None:
        raise ValueError("a classifier has no part [descriptor]")
    if not 1 <= len(card.labels) <= MOST_LABELS:
        raise ValueError(
            f"has {len(card.labels)} labels, 1 to {MOST_LABELS} are taken: "
            "a model without stated error rates is refused"
        )
    if len({label.name for label in card.labels}) < len(card.labels):
        raise ValueError("two labels have one name")
    for label in card.labels:
        _shares(f"label {label.name}", label, ("threshold", "false_positive", "false_negative"))


def _one_of(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} is {' or '.join(allowed)}")


def _shares(where: str, part: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not 0 <= getattr(part, name) <= 1:
            raise ValueError(f"{where}: {name} lies between 0 and 1")
