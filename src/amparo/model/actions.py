"""Marks (a person's judgement) and Actions (everything done, by machine or person)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields

from amparo.model.base import Id, Record, kind


@kind("mark", "subject", "form", "performer", "time", "code", "text")
@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Record):
    """A person's judgement (UCO Annotation). Marks are added, never changed: the latest counts.

    ``form`` is ``category``, ``tag``, ``note``, ``link`` (code ``confirmed``/``refused``) or
    ``identity``. A category is scheme + version + code, never a bare number; code "" takes it back.
    """

    subject: Id
    form: str
    scheme: str = ""
    version: str = ""
    code: str = ""
    text: str = ""
    performer: str
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something done (CASE InvestigativeAction): provenance and audit trail in one row.

    ``kind`` is a plugin's name (``parse/whatsapp.android``), or a person's verb (``review/reveal``).
    ``isolation`` is the level the cell reached. ``inputs`` are subject ids. ``operation`` is the LED
    Art. 25 operation (collection, alteration, consultation, disclosure, combination, erasure).
    Rows are appended when the action has ended and chained by :func:`chain_hash`.
    """

    kind: str
    version: int
    performer: str
    tool: str
    operation: str
    isolation: str = ""
    purpose: str = ""
    started: int
    ended: int
    status: str
    """``done`` or ``failed``."""
    error: str = ""
    inputs: tuple[str, ...] = ()
    outputs: int = 0


GENESIS = "0" * 64


def chain_hash(previous: str, sequence: int, action: Action) -> str:
    """SHA-256 over the previous hash and every field of the action, in a fixed JSON form."""
    body = {f.name: getattr(action, f.name) for f in fields(action)}
    text = json.dumps([previous, sequence, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def verb_action(
    verb: str,
    performer: str,
    tool: str,
    operation: str,
    now: int,
    inputs: tuple[Id, ...],
    purpose: str = "",
) -> Action:
    """An action of a person that ended in the moment it was done."""
    return Action(
        kind=verb,
        version=1,
        performer=performer,
        tool=tool,
        operation=operation,
        purpose=purpose,
        started=now,
        ended=now,
        status="done",
        inputs=inputs,
    )
