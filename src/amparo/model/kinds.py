"""What kind of picture something is, so that those who look see photographs first."""

from __future__ import annotations

from dataclasses import dataclass

from amparo.model.base import Id, Record, kind


@kind("content_kind", "content")
@dataclass(frozen=True, slots=True, kw_only=True)
class ContentKind(Record):
    """What kind of picture a content is by its pixels and metadata alone; an aid to order, never to hide by.

    ``form`` is ``photograph``, ``screenshot``, ``captioned`` (a picture with text laid over or beside it),
    ``document``, ``drawing`` or ``blank``. ``score`` (0 to 1) is how sure, calibrated on drawn and public
    pictures; below :data:`SURE` nobody should rest anything on it.
    """

    content: Id
    form: str
    score: float
    reasons: tuple[str, ...]


SURE = 0.6
"""From this score on the stated error rates hold."""
