"""Models an agency brings itself: add, list, remove. Amparo brings none."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from amparo.cli.case import opened
from amparo.cli.say import DONE, Refused, answer, safe

if TYPE_CHECKING:
    from amparo.kit.card import Card
    from amparo.model import ModelCard
    from amparo.store import Case


def model(args: argparse.Namespace) -> int:
    """Models an agency registers: classifiers and descriptors, each with its card."""
    from amparo.run.learnt import models_of
    from amparo.run.models import remove

    with opened(args.case, write=args.do != "list") as case:
        if args.do == "add":
            return _add(case, args)
        models = models_of(case)
        if args.do == "remove":
            gone = [r for r, _ in models if args.what and args.what in (r.name, r.id, r.sha256)]
            if not gone:
                raise Refused(f"no model {args.what!r} in this case")
            rows = sum(remove(case, record) for record in gone)
            data = {"removed": [r.name for r in gone], "records": rows}
            answer(args.json, data, [f"Removed {safe(args.what)} and {rows:,} records it made"])
            return DONE
        lines: list[str] = []
        for record, card in models:
            lines += _lines(record, card)
        found = [describe_model(record, card) for record, card in models]
        answer(args.json, {"models": found}, lines or ["No models."])
        return DONE


def _add(case: Case, args: argparse.Namespace) -> int:
    from amparo.kit.card import CLASSIFIER, read_card
    from amparo.run.models import add
    from amparo.sandbox.guard import FloorError, GuardError

    if not args.what or args.card is None:
        raise Refused("model add needs a FILE.onnx and --card CARD.toml")
    try:
        text = args.card.read_text("utf-8")
        read_card(text)
    except (OSError, ValueError) as error:
        raise Refused(f"{args.card}: {getattr(error, 'strerror', None) or error}") from error
    try:
        record, replaced = add(case, Path(args.what), text)
    except (OSError, ValueError) as error:
        raise Refused(f"{args.what}: {getattr(error, 'strerror', None) or error}") from error
    except (RuntimeError, FloorError, GuardError) as error:
        raise Refused(str(error)) from error
    card = read_card(text)
    lines = _lines(record, card)
    lines += [f"  replaces {safe(old.version)}, {old.sha256[:12]}" for old in replaced]
    data = {
        "model": describe_model(record, card),
        "replaced": [old.id for old in replaced],
    }
    seen = "pictures and films" if card.kind == CLASSIFIER else "pictures"
    answer(args.json, data, [*lines, f"It is run on the case's {seen} by: amparo run"])
    return DONE


def _lines(record: ModelCard, card: Card) -> list[str]:
    """A model as people read it: what it is for, on what terms, and how often it errs."""
    head = f"{record.name} {safe(record.version)}: {record.form}, {record.sha256[:12]}, {record.size:,} bytes"
    lines = [
        head,
        f"  for {safe(card.purpose)}",
        f"  trained on {safe(card.trained_on)}; licence: {safe(card.licence)}",
    ]
    if card.descriptor is not None:
        lines.append(f"  {safe(card.descriptor.errors)}")
    return lines + [f"  {safe(label.name)}: {safe(label.errors)}" for label in card.labels]


def describe_model(record: ModelCard, card: Card) -> dict[str, object]:
    """A model and its card for JSON."""
    from dataclasses import asdict

    return {
        "id": record.id,
        "sha256": record.sha256,
        "size": record.size,
        **asdict(card),
    }
