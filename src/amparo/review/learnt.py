"""What an agency's own models say: beside the error rates their cards state, to find and to order by.

Never an identity and never a judgement: nothing is hidden, graded or stacked by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amparo.kit.card import Label, read_card
from amparo.model import Id, ModelCard, ModelScore, ModelVector
from amparo.review.reads import Reads
from amparo.store import Store

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Told:
    """What one model says of one content."""

    kind: str
    """``model_score`` or ``model_vector``, with the record's ``id``."""
    id: Id
    name: str
    version: str
    sha256: str
    label: str
    """"" for a descriptor, which says nothing by itself."""
    score: float | None
    moment: int | None
    """Where in a film that score is, in milliseconds."""
    reached: bool
    """Whether the score is one the stated error rates speak of."""
    errors: str


@dataclass(frozen=True)
class Scores:
    """One label's scores over all stacks: of each the highest among its contents, -1 where there is none."""

    said: str
    threshold: float
    values: Floats


def told(reads: Reads, content: Id) -> list[Told]:
    """What every registered model says of a content: scores in the order of the cards' labels, then vectors."""
    scores = {(s.model, s.label): s for s in reads.rows(ModelScore, content=content)}
    vectors = {v.model: v for v in reads.rows(ModelVector, content=content)}
    out = []
    for record in sorted(reads.rows(ModelCard), key=lambda r: r.name):
        card = read_card(record.card)
        whose = record.name, record.version, record.sha256
        for label in card.labels:
            if score := scores.get((record.id, label.name)):
                out.append(_scored(score, whose, label))
        if (vector := vectors.get(record.id)) and card.descriptor is not None:
            errors = card.descriptor.errors
            out.append(Told(vector.KIND, vector.id, *whose, "", None, None, False, errors))
    return out


def _scored(score: ModelScore, whose: tuple[str, str, str], label: Label) -> Told:
    """One label's score; a card states how often one picture errs, and a film's score is the highest of several."""
    reached, errors = score.score >= label.threshold, label.errors
    if score.moment is not None:
        errors = f"of one picture, and this is the highest of a film's frames: {errors}"
    return Told(
        score.KIND, score.id, *whose, label.name, score.score, score.moment, reached, errors
    )


def scores_of(store: Store, stack_of: dict[Id, int], count: int) -> dict[str, Scores]:
    """The scores of every label of every registered classifier, by model and label."""
    out: dict[str, Scores] = {}
    for record in sorted(store.each(ModelCard), key=lambda r: r.name):
        for label in read_card(record.card).labels:
            none = np.full(count, -1, np.float32)
            said = f"{record.name}: {label.name}"
            out[key_of(record.id, label.name)] = Scores(said, label.threshold, none)
    if out:
        for content, model, label, score in store.columns(
            ModelScore, "content", "model", "label", "score"
        ):
            stack, scores = stack_of.get(content), out.get(key_of(model, label))
            if stack is not None and scores is not None:
                scores.values[stack] = max(scores.values[stack], score)
    return out


def key_of(model: Id, label: str) -> str:
    """What a label of a model is called in an address."""
    return f"{model[:8]}:{label}"
