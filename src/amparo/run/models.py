"""Models an agency registers in a case: tried, kept, removed. None comes with Amparo.

The file lies in the case's folder as ``models/SHA256.onnx`` and is opened by cells only; the host itself
never loads what runs it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from amparo.fingerprint.learnt import LARGEST_MODEL
from amparo.kit.card import LARGEST, read_card
from amparo.kit.found import Found
from amparo.kit.plugin import Spec
from amparo.model import ModelCard, ModelVector, Problem
from amparo.run.exhibits import kinds_of, model_file, secret_reach, with_model
from amparo.run.guards import LazyGuard
from amparo.run.learnt import MISSING, RUNTIME, available, spec_of
from amparo.run.writer import machine_action, now_ms, person_action
from amparo.sandbox.guard import Job
from amparo.store import Case

GIVES_UP = 20
"""Pictures and films in a row on which a model may fail before it is set aside for this run."""
_NOISE = re.compile(r"^(?:[A-Z]\w+: )?(?:\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : )?")


def add(case: Case, path: Path, card_text: str) -> tuple[ModelCard, list[ModelCard]]:
    """Register a model once it has been tried on a drawn picture; the record, and those of its name it replaces.

    Raises ValueError in one line for a card that does not say enough and a model that does not do what its
    card says, RuntimeError where models cannot be run at all, OSError for a file that cannot be read.
    """
    if not available():
        raise RuntimeError(MISSING)
    if len(card_text) > LARGEST:
        raise ValueError(f"the card has more than {LARGEST >> 10} KiB")
    card = read_card(card_text)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not 0 < size <= LARGEST_MODEL:
            raise ValueError(f"has {size} bytes, 1 to {LARGEST_MODEL >> 20} MiB are taken")
        data = file.read(LARGEST_MODEL)
    record = ModelCard(
        name=card.name,
        version=card.version,
        form=card.kind,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        numbers=0,
        card=card_text,
    )
    there = list(case.store.each(ModelCard, name=card.name))
    if record.id in {other.id for other in there}:
        raise ValueError(f"the model {card.name} is in this case already, with this file and card")
    _keep(model_file(case, record.sha256), data)
    try:
        with LazyGuard(case, cells=1, also=(RUNTIME,)) as guard:
            why, numbers = try_out(guard, case, record)
            if why:
                raise ValueError(why)
    except BaseException:
        _drop_file(case, record.sha256)
        raise
    record = replace(record, numbers=numbers)
    action = person_action("model/add", (record.id, *(o.id for o in there)), purpose=card.purpose)
    case.store.finish(action, [record], done=(), maker="")
    for other in there:
        remove(case, other)
    return record, there


def remove(case: Case, record: ModelCard) -> int:
    """Take a model out of the case with everything it said; how many records that were."""
    removed = case.store.forget(spec_of(record).id)
    case.store.remove(ModelCard, [record.id], person_action("model/remove", (record.id,)))
    _drop_file(case, record.sha256)
    return removed


def _keep(path: Path, data: bytes) -> None:
    """Write a model's file so that it is there whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _drop_file(case: Case, sha256: str) -> None:
    if next(iter(case.store.each(ModelCard, sha256=sha256)), None) is None:
        model_file(case, sha256).unlink(missing_ok=True)


def try_out(guard: LazyGuard, case: Case, record: ModelCard) -> tuple[str, int]:
    """Run a model on a drawn picture in a cell: "" when it does what its card says, else why not.

    With it, how many numbers the model gave.
    """
    if not available():
        return MISSING, 0
    spec, drawn = spec_of(record), _drawn()
    reach = with_model(case, record, secret_reach(drawn))
    job = Job(
        token=record.id,
        function=spec.function,
        opens=spec.opens,
        reader=reach.reader,
        locator=reach.locator,
        open=reach.open,
        found=Found("", "", "", record.id, hashlib.sha256(drawn).hexdigest()),
        seconds=spec.seconds,
        kinds=kinds_of(spec),
    )
    outcome = next(iter(guard.get().run([[job]])))
    if "bad_alloc" in outcome.error:
        return "needs more memory than a cell has", 0
    if outcome.error:
        return _NOISE.sub("", outcome.error), 0
    said = list(outcome.records())
    vectors = [len(record.value) // 2 for record in said if isinstance(record, ModelVector)]
    numbers = vectors[0] if vectors else len(said)
    return "" if said else "the model gives nothing for a picture", numbers


def _drawn() -> bytes:
    """A picture that shows nothing: coloured shapes on a gradient, as PNG."""
    picture = Image.linear_gradient("L").convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 30, 150, 140), fill=(200, 80, 40))
    draw.rectangle((120, 150, 220, 230), fill=(30, 90, 210))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def fit(guard: LazyGuard, case: Case, spec: Spec) -> str:
    """Try a model before a run gives it contents; "" or why it is not run, which becomes one Problem."""
    record = case.store.get(ModelCard, spec.model)
    assert record is not None
    started = now_ms()
    why, _ = try_out(guard, case, record)
    set_aside(case, spec, started, why)
    return why


def set_aside(case: Case, spec: Spec, started: int, why: str) -> None:
    """Put a model's own Problem in the place of the one it had; none for ""."""
    case.store.retract(spec.id, spec.model)
    if not why:
        return
    problem = Problem(
        stage=spec.stage, plugin=spec.id, subject=spec.model, path=spec.name, reason=why
    )
    action = machine_action(spec, started, (spec.model,), error=why)
    case.store.finish(action, [problem], [(spec.model, spec.id, spec.version)], maker=spec.id)
