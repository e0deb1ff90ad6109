"""What the ``decodedData`` of a UFDR's ``report.xml`` says: the acquiring tool's own reading of the phone.

The databases in the UFDR are read here for themselves; this is kept beside as a second opinion. The report
reaches gigabytes and is streamed; what is inside one element is bounded. Layout as such reports are seen:
``modelType/model(type, id, deleted_state, decoding_confidence)`` with ``field(name)/value``,
``modelField(name)/model`` and ``multiModelField(name)/model`` nested in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.parsers import expat

from amparo.kit.found import Found
from amparo.kit.plugin import Warn, parser
from amparo.kit.source import Source
from amparo.model import At, Reported

METHOD = "ufdr_decoded"
FORMS = {
    "InstantMessage": "message",
    "SMS": "message",
    "Contact": "contact",
    "Call": "call",
    "UserAccount": "account",
}
_DEEPEST = 60
_LONGEST = 1 << 18
"""Characters kept of one value."""
_MOST_FIELDS, _MOST_PARTS = 200, 50
_BLOCK = 1 << 18


@dataclass
class Model:
    """One decoded thing; ``parts`` are the models nested in it, by the field they fill."""

    type: str
    at: int
    deleted: bool
    sure: str
    fields: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[Model]] = field(default_factory=dict)
    role: str = ""
    """The field of the model above that this one fills."""

    def first(self, *names: str) -> str:
        """The first of these fields that is filled, also inside what fills it."""
        for name in names:
            if self.fields.get(name):
                return self.fields[name]
            for part in self.parts.get(name, []):
                if found := part.first("Identifier", "Value", "PhoneNumber", "Name"):
                    return found
        return ""


class Reader:
    """Takes the report a block at a time; ``ready`` holds what was completed."""

    def __init__(self) -> None:
        self.ready: deque[tuple[Model, Model | None, int]] = deque()
        self.is_report = False
        self._stack: list[Model] = []
        self._roles: list[str] = []
        self._decoded = False
        self._field = ""
        self._text: list[str] | None = None
        self._length = 0
        self._depth = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = _refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("it is nested without end")
        if name == "decodedData":
            self._decoded = self.is_report = True
        if not self._decoded:
            return
        if name == "model":
            deleted = attributes.get("deleted_state", "").lower() == "deleted"
            sure = attributes.get("decoding_confidence", "")[:40]
            model = Model(
                attributes.get("type", "")[:80], self.parser.CurrentByteIndex, deleted, sure
            )
            model.role = self._roles[-1] if self._roles else ""
            self._stack.append(model)
            self._roles.append("")
        elif name in ("modelField", "multiModelField") and self._roles:
            self._roles[-1] = attributes.get("name", "")[:80]
        elif name == "field" and self._stack:
            self._field = attributes.get("name", "")[:80]
        elif name == "value" and self._field:
            self._text, self._length = [], 0

    def _characters(self, text: str) -> None:
        if self._text is not None and self._length < _LONGEST:
            self._text.append(text[: _LONGEST - self._length])
            self._length += len(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "decodedData":
            self._decoded = False
        elif name == "value" and self._text is not None and self._stack:
            fields = self._stack[-1].fields
            if self._field not in fields and len(fields) < _MOST_FIELDS:
                fields[self._field] = "".join(self._text).strip()
            self._text = None
        elif name == "field":
            self._field, self._text = "", None
        elif name == "model" and self._stack:
            self._close(self._stack.pop())
            self._roles.pop()

    def _close(self, model: Model) -> None:
        above = self._stack[-1] if self._stack else None
        if model.type in FORMS:
            chat = next((m for m in reversed(self._stack) if m.type == "Chat"), None)
            self.ready.append((model, chat, self.parser.CurrentByteIndex - model.at))
        elif above is not None:
            parts = above.parts.setdefault(model.role, [])
            if len(parts) < _MOST_PARTS and len(above.parts) < _MOST_FIELDS:
                parts.append(model)


def _refuse(*declaration: object) -> None:
    raise ValueError("it declares entities, which no report needs")


@parser("ufdr.decoded", version=1, mimes=("application/xml",), paths=("report.xml", "*/report.xml"),
        seconds=24 * 3600.0)  # fmt: skip
def decoded(source: Source, found: Found) -> Iterator[Reported | Warn]:
    """What the tool that acquired the phone says it decoded there, as a second opinion."""
    reader, stream = Reader(), source.stream()
    told = 0
    trouble = ""
    while not trouble:
        block = stream.read(_BLOCK)
        try:
            reader.parser.Parse(block, not block)
        except (expat.ExpatError, ValueError) as error:
            trouble = str(error)
        while reader.ready:
            told += 1
            yield _record(*reader.ready.popleft(), found)
        if not block:
            break
    if trouble and reader.is_report:
        yield Warn(f"its decoded data are read up to {told} things: {trouble}")


def _record(model: Model, chat: Model | None, length: int, found: Found) -> Reported:
    above = chat.first if chat else lambda *names: ""
    return Reported(
        at=At(
            found.exhibit, found.file, model.type, None, model.at, length, "reported", METHOD
        ),
        form=FORMS[model.type],
        service=model.first("SourceApplication", "Source", "ServiceType") or above("Source"),
        thread=above("Id", "Identifier"),
        account=model.first(
            *(("From",) if FORMS[model.type] == "message" else ()),
            "Parties", "Entries", "Username", "Identifier", "PhoneNumber",
        ),
        name=model.first("Name"),
        text=model.first("Body", "Subject", "Content"),
        time=moment(model.first("TimeStamp", "TimeCreated")),
        deleted=model.deleted,
        sure=model.sure,
    )  # fmt: skip


def moment(text: str) -> int | None:
    """Milliseconds UTC of a stamp as reports write it; None without a zone."""
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            return None
        return round((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    except (ValueError, OverflowError):
        return None
