"""What crosses between a cell and the host: bounded frames, and records checked to the last field.

A frame is a 4-byte big-endian length (of all that follows), one byte that says what it is, and a
msgpack body. From a cell come::

    H  [level]                        the cell is locked in; how far
    R  [[KIND, *values], ...]         records: values in describe() order, At as an array, no ids
    T  [content, width, height, rgb]  pixels of a thumbnail
    W  [reason]                       a warning
    B  bytes as they are              unpacked data, where the job asked for it
    E  [number, status, error]        the job of this number has ended: done, failed or memory

The host believes nothing: every body is unpacked under limits and every value compared with the
record's own description, with exact types. Ids are derived again, never taken from the cell.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgpack

from amparo.kit.found import Found
from amparo.kit.plugin import Thumb
from amparo.model import KINDS, At, Field, Record, describe

HELLO, RECORDS, THUMB, WARN, BYTES, END, JOB = b"HRTWBEJ"
DONE, FAILED, MEMORY = "done", "failed", "memory"
HEAD = struct.Struct(">IB")
MAX_FRAME = 8 << 20
MAX_STRING = 1 << 20
MAX_ARRAY = 1 << 20
MAX_SIDE = 1024
"""Pixels on a side of a thumbnail."""
MAX_TEXT = 300
"""Characters of an error or a warning."""
OBSERVING = frozenset(
    {
        "amparo.model.film",
        "amparo.model.kinds",
        "amparo.model.observations",
        "amparo.model.quotes",
        "amparo.model.recovery",
        "amparo.model.reported",
    }
)
"""Where the kinds are written down that say what was read."""
KEPT_BY_THE_HOST = frozenset({"exhibit", "seal"})
"""Observations a cell never makes; nor does it make claims or marks, unless its job names the kind."""

_AT = tuple(f.name for f in At.__dataclass_fields__.values())
_at_values = attrgetter(*_AT)


class WireError(ValueError):
    """A cell answered with something that is not what it may say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one cell may take and one job may answer. Sizes in bytes."""

    memory: int = 2 << 30
    """Address space a cell may take beyond what its warm parent had."""
    files: int = 4200
    """Descriptors a cell may hold."""
    frame: int = MAX_FRAME
    records: int = 20_000_000
    bytes: int = 4 << 30
    """All frames of one job together, but for unpacked data."""
    unpacked: int = 4 << 40
    """Bytes of unpacked data."""
    thumbs: int = 8
    warnings: int = 1000
    """Warnings kept per job; more are only counted."""


class Pins(NamedTuple):
    """What the host knows of a job and a record may not contradict."""

    exhibit: str
    file: str
    content: str
    content_fixed: bool
    """A fingerprint speaks of one content only; a parser's attachments name many."""
    kinds: frozenset[str]


def pins_of(found: Found, kinds: frozenset[str] | None) -> Pins:
    """The pins of a job. Without ``kinds`` a cell may make every observation but the host's own."""
    if kinds is None:
        kinds = observation_kinds()
    kinds &= KINDS.keys()
    return Pins(found.exhibit, found.file, found.content, found.exhibit == "", kinds)


def observation_kinds() -> frozenset[str]:
    """Kinds of records that say what was read, not what was concluded or judged."""
    made = {kind for kind, cls in KINDS.items() if cls.__module__ in OBSERVING}
    return frozenset(made - KEPT_BY_THE_HOST)


# --- frames -------------------------------------------------------------------------------------


def frame(form: int, body: bytes) -> bytes:
    """One frame."""
    return HEAD.pack(len(body) + 1, form) + body


class FrameReader:
    """Cuts a stream into frames; never holds more than one frame and the piece just fed."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
        """The frames completed by these bytes. Raises WireError for a frame above the limit.

        To be gone through to the end before more is fed.
        """
        if self._buffer:
            self._buffer += data
            with memoryview(self._buffer) as view:
                at = yield from self._whole_ones(view)
            del self._buffer[:at]
        else:
            with memoryview(data) as view:
                at = yield from self._whole_ones(view)
                self._buffer += view[at:]

    def _whole_ones(self, view: memoryview) -> Generator[tuple[int, bytes], None, int]:
        """The frames that are complete; returns where they end."""
        at = 0
        while len(view) - at >= HEAD.size:
            length, form = HEAD.unpack_from(view, at)
            if not 1 <= length <= self._limit:
                raise WireError(f"a frame of {length} bytes")
            end = at + 4 + length
            if len(view) < end:
                break
            yield form, bytes(view[at + HEAD.size : end])
            at = end
        return at


def unpack(body: bytes, longest: int = MAX_STRING) -> tuple[Any, ...]:
    """A msgpack array as nested tuples; no maps, no extensions. Raises WireError."""
    try:
        value = msgpack.unpackb(
            body,
            use_list=False,
            max_str_len=longest,
            max_bin_len=longest,
            max_array_len=MAX_ARRAY,
            max_map_len=0,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException) as e:
        raise WireError(f"not msgpack within bounds: {str(e)[:100]}") from e
    if type(value) is not tuple:
        raise WireError("not an array")
    return value


def one_line(text: str, longest: int = MAX_TEXT) -> str:
    """Text from a cell made fit for people: one line, nothing invisible, cut to length."""
    text = re.sub("[\x00-\x20\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+", " ", text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


# --- records out of a cell ----------------------------------------------------------------------


def _outside(value: Any) -> tuple[Any, ...]:
    if type(value) is At:
        return _at_values(value)
    raise TypeError(f"a {type(value).__name__} is not a field of a record")


_pack: Callable[[Any], bytes] = msgpack.Packer(default=_outside).pack
_head: Callable[[int], bytes] = msgpack.Packer().pack_array_header


def encode_record(record: Record) -> bytes:
    """One record as it crosses the wire.

    A lone surrogate, which no database takes, becomes its escape (``\\ud83d``). Raises TypeError or
    OverflowError for a value no record may hold.
    """
    form = form_of(type(record))
    row = form.row(record)
    try:
        return _pack(row)
    except UnicodeEncodeError:
        return _pack(_escaped(row))


def too_long(record: Record) -> str:
    """What in a record is longer than the wire takes, for people; "" when nothing is."""
    for name in form_of(type(record)).names:
        value = getattr(record, name)
        if isinstance(value, str):
            value = value.encode("utf-8", "backslashreplace")
        if isinstance(value, bytes) and len(value) > MAX_STRING:
            return f"{record.KIND}.{name} of {len(value)} bytes"
    return ""


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, At):
        value = _at_values(value)
    return tuple(map(_escaped, value)) if isinstance(value, tuple) else value


def records_frame(rows: Sequence[bytes]) -> bytes:
    """A frame of records made by :func:`encode_record`."""
    return frame(RECORDS, _head(len(rows)) + b"".join(rows))


def small_frame(form: int, *values: Any) -> bytes:
    """A frame of plain values."""
    return frame(form, _pack(values))


# --- records into the host ----------------------------------------------------------------------


class _Plan(NamedTuple):
    """How to check a row of one exact combination of types."""

    numbers: Callable[[tuple[Any, ...]], tuple[int, ...]] | None
    pack: Callable[..., bytes]
    floats: tuple[int, ...]
    tuples: tuple[int, ...]


def _plan(row: tuple[Any, ...]) -> _Plan:
    ints = [i for i, v in enumerate(row) if type(v) is int]
    # A getter of one item gives no tuple, so the first is asked for twice.
    numbers = itemgetter(ints[0], *ints) if ints else None
    return _Plan(
        numbers,
        struct.Struct(f"{len(ints) + 1}q").pack,
        tuple(i for i, v in enumerate(row) if type(v) is float),
        tuple(i for i, v in enumerate(row) if type(v) is tuple),
    )


class _At:
    """Checks the place an observation gives against the place the host opened."""

    def __init__(self) -> None:
        self._fields = describe(At)
        self._known: dict[tuple[type, ...], _Plan] = {}

    def check(self, value: tuple[Any, ...], pins: Pins) -> None:
        kinds = tuple(map(type, value))
        plan = self._known.get(kinds) or self._learn(kinds, value)
        if value[0] != pins.exhibit or value[1] != pins.file:
            raise WireError("a place in another exhibit or file")
        if plan.numbers:
            plan.pack(*plan.numbers(value))
        for i in plan.floats:
            if not math.isfinite(value[i]):
                raise WireError("a number that is none")

    def _learn(self, kinds: tuple[type, ...], value: tuple[Any, ...]) -> _Plan:
        fits = len(kinds) == len(self._fields) and all(
            have is field.type or (field.optional and have is type(None))
            for have, field in zip(kinds, self._fields, strict=True)
        )
        if not fits:
            raise WireError("a place that is none")
        self._known[kinds] = plan = _plan(value)
        return plan


_AT_FORM = _At()


class Form:
    """How one kind of record crosses the wire, and how a row of it is checked."""

    def __init__(self, cls: type[Record]) -> None:
        fields: tuple[Field, ...] = describe(cls)  # type: ignore[arg-type]  # a class is hashable
        self.cls = cls
        self.names = tuple(f.name for f in fields)
        self._fields = fields
        self._values = attrgetter(*self.names)
        # Positions in a row, where the kind comes first.
        place = {f.name: i for i, f in enumerate(fields, 1)}
        self._ats = tuple(place[f.name] for f in fields if f.type is At)
        self._exhibit = place.get("exhibit", 0)
        self._content = place.get("content", 0)
        self._known: dict[tuple[type, ...], _Plan] = {}

    def row(self, record: Record) -> tuple[Any, ...]:
        """The kind and the values in order."""
        if len(self.names) == 1:
            return (self.cls.KIND, self._values(record))
        return (self.cls.KIND, *self._values(record))

    def make(self, row: tuple[Any, ...]) -> Record:
        """The record of a checked row; its id is derived here."""
        values = dict(zip(self.names, row[1:], strict=True))
        for i in self._ats:
            place = row[i]
            values[self.names[i - 1]] = None if place is None else At(*place)
        return self.cls(**values)

    def check(self, row: tuple[Any, ...], pins: Pins) -> None:
        """Raises WireError for a row that is not exactly this kind, or contradicts the pins."""
        kinds = tuple(map(type, row))
        plan = self._known.get(kinds) or self._learn(kinds, row)
        if plan.numbers:
            plan.pack(*plan.numbers(row))
        for i in plan.floats:
            if not math.isfinite(row[i]):
                raise WireError(f"{self.cls.KIND}.{self.names[i - 1]} is not a finite number")
        for i in plan.tuples:
            if i in self._ats:
                _AT_FORM.check(row[i], pins)
            elif not set(map(type, row[i])) <= {str}:
                raise WireError(f"{self.cls.KIND}.{self.names[i - 1]} holds more than text")
        if self._exhibit and row[self._exhibit] != pins.exhibit:
            raise WireError(f"a {self.cls.KIND} of another exhibit")
        if self._content and pins.content_fixed and row[self._content] != pins.content:
            raise WireError(f"a {self.cls.KIND} of another content")

    def _learn(self, kinds: tuple[type, ...], row: tuple[Any, ...]) -> _Plan:
        if len(row) != len(self._fields) + 1:
            raise WireError(f"a {self.cls.KIND} of {len(row) - 1} fields")
        for have, f in zip(kinds[1:], self._fields, strict=True):
            want = tuple if f.type is At else f.type
            if have is not want and not (f.optional and have is type(None)):
                raise WireError(
                    f"{self.cls.KIND}.{f.name} is {have.__name__}, not {f.type.__name__}"
                )
        self._known[kinds] = plan = _plan(row)
        return plan


_FORMS: dict[type[Record], Form] = {}


def form_of(cls: type[Record]) -> Form:
    """The form of a record class. Raises TypeError for one that is not registered."""
    form = _FORMS.get(cls)
    if form is None:
        if KINDS.get(cls.KIND) is not cls:
            raise TypeError(f"{cls.__name__} is not a kind of record")
        form = _FORMS[cls] = Form(cls)
    return form


def check_records(body: bytes, pins: Pins) -> int:
    """Check the body of a records frame to the last field and say how many there are.

    Raises WireError. What passes can be turned into records without any further doubt.
    """
    rows = unpack(body)
    kinds = pins.kinds
    try:
        for row in rows:
            if type(row) is not tuple or not row or type(row[0]) is not str or row[0] not in kinds:
                what = row[0] if type(row) is tuple and row and type(row[0]) is str else "nothing"
                raise WireError(f"a record of a kind it may not make: {one_line(what, 40)}")
            form_of(KINDS[row[0]]).check(row, pins)
    except struct.error as e:
        raise WireError("a number beyond 64 bits") from e
    return len(rows)


def decode_records(body: bytes) -> Iterator[Record]:
    """The records of a body that :func:`check_records` has passed."""
    for row in unpack(body):
        yield form_of(KINDS[row[0]]).make(row)


def check_thumb(body: bytes, pins: Pins) -> Thumb:
    """The pixels in a thumbnail frame; they must be of the content the host gave."""
    values = unpack(body, MAX_SIDE * MAX_SIDE * 3)
    if tuple(map(type, values)) != (str, int, int, bytes):
        raise WireError("a thumbnail that is none")
    content, width, height, rgb = values
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise WireError(f"a thumbnail of {width} x {height} pixels")
    if len(rgb) != width * height * 3:
        raise WireError(f"a thumbnail of {width} x {height} in {len(rgb)} bytes")
    if content != pins.content:
        raise WireError("a thumbnail of another content")
    return Thumb(content, width, height, rgb)


def check_text(body: bytes) -> str:
    """The line in a hello or a warning."""
    values = unpack(body)
    if tuple(map(type, values)) != (str,):
        raise WireError("a line that is none")
    return one_line(values[0])


def check_end(body: bytes, number: int) -> tuple[str, str]:
    """Status and error of the end of the job of this number."""
    values = unpack(body)
    if tuple(map(type, values)) != (int, str, str):
        raise WireError("an end that is none")
    n, status, error = values
    if n != number:
        raise WireError(f"the end of job {n} while {number} was due")
    if status not in (DONE, FAILED, MEMORY) or bool(error) != (status == FAILED):
        raise WireError("an end that is none")
    return status, one_line(error)
