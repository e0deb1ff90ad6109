"""Models an agency registered in a case, and what they say of a content. Claims, never marks.

None of these is an observation a cell may make by itself: a cell that runs one model may make only what
that model's form yields, and the host writes down whose word it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("model_card", "name", "sha256", "card")
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard(Record):
    """A model in ONNX form that an agency brought itself, with the card that states its error rates."""

    name: str
    version: str
    form: str
    """``classifier`` or ``descriptor``."""
    sha256: str
    """Of the ONNX file, which lies in the case's folder as ``models/SHA256.onnx``."""
    size: int
    numbers: int
    """How many numbers it gave when it was tried; what gives another count is not its word."""
    card: str
    """The card as supplied, TOML; :func:`amparo.kit.card.read_card` reads it."""


@kind("model_score", "content", "model", "label")
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore(Record):
    """What a classifier gives a content for one of its labels, 0 to 1: an aid to find and to order.

    Of a film it is the highest among the frames that were looked at.
    """

    content: Id
    model: Id
    label: str
    score: float
    moment: int | None = None
    """Milliseconds into a film at which the frame of that score stands; None of a picture."""


@kind("model_vector", "content", "model")
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVector(Record):
    """A descriptor of a content: a vector of unit length, as little-endian float16.

    A kind of its own beside Fingerprint, so that a model that comes or goes leaves the search of hashes
    as it was, and no model's cell can ever state a PDQ.
    """

    content: Id
    model: Id
    value: bytes
