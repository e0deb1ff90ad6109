"""The plugins that the models of a case are. None comes with Amparo.

A registered model is a plugin of the fingerprint stage for this case alone. Its name holds the first digits
of the record's id, which is made of the file's SHA-256 and its card, so another file or another card is
another plugin: what the old one made goes with it, and exactly its own work is planned anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from amparo.kit.card import CLASSIFIER, DESCRIPTOR, Card, read_card
from amparo.kit.plugin import Spec
from amparo.model import ModelCard, ModelScore, ModelVector
from amparo.store import Case

RUNTIME = "onnxruntime"
MISSING = "onnxruntime, which runs models, is not installed here: pip install 'amparo[models]'"
VERSION = 1
"""Raised when pictures are given to models in another way: every model is then run anew."""
SECONDS = 30.0
"""Time limit for one picture, loading the model included."""
FILM_SECONDS = 600.0
"""The same for one film: looking at it ends after two minutes by itself, but a film of many gigabytes is read through
before, to know that it is the one taken in."""
TAKES = {CLASSIFIER: ("image/*", "video/*"), DESCRIPTOR: ("image/*",)}
"""True types by form. A frame's vector could not be laid over in detail: of a film only a sheet is kept."""


def available() -> bool:
    """Whether models can be run on this machine; the host itself never loads what runs them."""
    return find_spec(RUNTIME) is not None


def models_of(case: Case, form: str = "") -> list[tuple[ModelCard, Card]]:
    """The registered models by name, all or of one form, each with its card."""
    equal = {"form": form} if form else {}
    found = sorted(case.store.each(ModelCard, **equal), key=lambda record: record.name)
    return [(record, read_card(record.card)) for record in found]


def descriptors(case: Case) -> list[tuple[ModelCard, Card]]:
    """The registered descriptors, each with its card."""
    return models_of(case, DESCRIPTOR)


def preload(case: Case) -> tuple[str, ...]:
    """What cells of this case must have at hand besides plugins."""
    needed = available() and next(iter(case.store.each(ModelCard)), None) is not None
    return (RUNTIME,) if needed else ()


def spec_of(record: ModelCard) -> Spec:
    """The plugin that a registered model is."""
    return Spec(
        stage="fingerprint",
        name=f"model-{record.name}-{record.id[:8]}",
        version=VERSION,
        doc=f"What the registered model {record.name} {record.version} says of a content.",
        function="amparo.fingerprint.learnt:apply",
        mimes=TAKES[record.form],
        makes=(ModelScore,) if record.form == CLASSIFIER else (ModelVector,),
        seconds=SECONDS,
        model=record.id,
    )


def timed(spec: Spec, mime: str) -> Spec:
    """The plugin with the time limit for a content of this true type."""
    film = bool(spec.model) and mime.startswith("video/")
    return replace(spec, seconds=FILM_SECONDS) if film else spec


def specs(case: Case) -> Iterator[Spec]:
    """The plugins that this case's models are."""
    return (spec_of(record) for record, _ in models_of(case))
