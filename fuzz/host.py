"""The host's own entrances: what a cell that was taken over may send, and what it may have written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgpack

from amparo.evidence.detect import form_of
from amparo.kit.thumb import encode
from amparo.model import KINDS, At, Content, Exhibit, File, Message, Record, describe
from amparo.run.exhibits import Exhibits, lies_at
from amparo.run.writer import believed
from amparo.sandbox import wire
from amparo.sandbox.job import Answer, Job
from amparo.sandbox.ward import ended_by
from amparo.sandbox.warm import level_of
from amparo.store import Store
from fuzz import containers, mutate
from fuzz.cell import FILE, descriptor
from fuzz.target import target

_VALUES: dict[type, Any] = {str: "tëxt", int: -5, float: 1.5, bool: True, bytes: b"\0\xff"}
_VALUES |= {
    tuple: ("a", "b"),
    At: At(FILE.exhibit, FILE.file, "message", 7, 1, 2, "deleted", "freeblock", 0.5),
}
_PIECES = (1, 3, 5, 64, 1000)


def _record(cls: type[Record], bare: bool = False) -> Record:
    values = {f.name: None if bare and f.optional else _VALUES[f.type] for f in describe(cls)}
    if "exhibit" in values:
        values["exhibit"] = "EX"
    return cls(**values)


@cache
def _answers() -> list[bytes]:
    """What honest cells say: every kind of record, pixels, warnings, unpacked bytes, an end."""
    kinds = sorted(wire.observation_kinds())
    rows = [
        wire.encode_record(_record(KINDS[kind], bare)) for kind in kinds for bare in (False, True)
    ]
    small = wire.small_frame
    ends = [small(wire.END, 0, "done", ""), small(wire.END, 0, "failed", "ValueError: x")]
    out = [wire.records_frame([row]) + ends[0] for row in rows]
    out.append(wire.records_frame(rows[:6]) + ends[1])
    thumb = small(wire.THUMB, "CO", 4, 2, bytes(24))
    out.append(small(wire.HELLO, "rlimit+seccomp") + thumb + small(wire.WARN, "a line") + ends[0])
    return [*out, wire.frame(wire.BYTES, b"unpacked") + ends[0]]


def _other(value: Any, chance: Random, depth: int = 0) -> Any:
    """The same value with something else somewhere in it."""
    if isinstance(value, (list, tuple)) and value and (depth < 2 or chance.random() < 0.7):
        out = list(value)
        kind = chance.randrange(10)
        if kind == 0:
            del out[chance.randrange(len(out))]
        elif kind == 1:
            out.insert(chance.randrange(len(out) + 1), chance.choice(out))
        else:
            place = chance.randrange(len(out))
            out[place] = _other(out[place], chance, depth + 1)
        return out
    pick = chance.randrange(12)
    if pick < 8:
        new = mutate.value(chance)
        return max(-(1 << 63), min(new, (1 << 64) - 1)) if type(new) is int else new
    return chance.choice(
        (True, [], [[]], {}, {"a": 1}, float("nan"), msgpack.ExtType(3, b"x"), list(KINDS),
         chance.choice(sorted(KINDS)), (1 << 64) - 1)
    )  # fmt: skip


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 5 <= len(data):
        length, form = wire.HEAD.unpack_from(data, at)
        yield form, data[at + 5 : at + 4 + length]
        at += 4 + max(length, 1)


def _reframed(data: bytes, longest: int, chance: Random, plain: mutate.Plain) -> bytes:
    """Frames with other values in them, or in another order; lengths are right."""
    if chance.random() < 0.2:
        return plain(data, longest)
    frames = list(_frames(data))[:50]
    if not frames:
        return plain(data, longest)
    place = chance.randrange(len(frames))
    form, body = frames[place]
    if chance.random() < 0.15:
        frames.insert(chance.randrange(len(frames) + 1), frames[place])
    elif chance.random() < 0.1:
        frames[place] = chance.choice(wire.HELLO.to_bytes(1, "big") + b"RTWBE\0"), body
    else:
        try:
            value = msgpack.unpackb(body, strict_map_key=False)
            for _ in range(chance.choice((1, 1, 1, 3))):
                value = _other(value, chance)
            frames[place] = form, msgpack.packb(value, unicode_errors="surrogatepass")
        except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException):
            frames[place] = form, plain(body, max(1, longest // 2))
    return b"".join(wire.frame(form, body) for form, body in frames)


def _hear(data: bytes, piece: int) -> list[Record]:
    """As a ward hears a cell whose one job is in progress."""
    job = Job("t", "", "bytes", "", "", list, FILE, 1.0, None, lambda _: None)
    answer = Answer(job, "fuzz", wire.Limits())
    reader = wire.FrameReader()
    for at in range(0, len(data), piece):
        for form, body in reader.feed(data[at : at + piece]):
            if form == wire.HELLO:
                level = level_of(body)
                assert level.isascii() and len(level) <= 100
            elif form == wire.END:
                status, error = wire.check_end(body, 0)
                assert error.isprintable() and len(error) <= 300, error
                if status == wire.MEMORY:
                    return []
                outcome = answer.end(error)
                for thumb in outcome.thumbs:
                    encode(thumb)
                for line in outcome.warnings:
                    assert line == " ".join(line.split("\n")) and len(line) <= 300
                return list(believed(outcome.records()))
            else:
                answer.take(form, body)
    return []


@target(_answers, allowed=(wire.WireError,), mutate=_reframed, longest=4096)
def cell(data: bytes) -> None:
    """The answer of a cell: whatever comes, it is refused or made of sound records."""
    heard = [_hear(data, piece) for piece in _PIECES[len(data) % 2 :: 2]]
    for records in heard:
        assert records == heard[0]
        for record in records:
            form = wire.form_of(type(record))
            row = form.row(record)
            for spec, value in zip(describe(type(record)), row[1:], strict=False):
                fits = value is None and spec.optional
                assert fits or type(value) is spec.type or spec.type is At, (spec.name, value)
            assert len(record.id) == 36


@cache
def _store(process: int) -> Store:
    # The runner of the harnesses removes what lies in the place for temporary files.
    return Store.create(Path(tempfile.mkdtemp()) / "case.db")


@target(_answers, allowed=(wire.WireError,), mutate=_reframed, longest=4096)
def store(data: bytes) -> None:
    """Sound records of a cell that means harm, as far as the store: kept and read back."""
    records = _hear(data, 4096)
    held = _store(os.getpid())
    held.put(records, "parse/fuzz")
    for record in records:
        again = held.get(type(record), record.id)
        assert again is not None and again.id == record.id, record
        if isinstance(record, Message):
            held.search(record.text[:60], 3)


class _Held:
    """A case whose records are the two at hand."""

    def __init__(self, *records: Record) -> None:
        self.records = {r.id: r for r in records}
        self.store = self
        self.derived = Path("/nowhere/derived")

    def get(self, kind: type[Record], id: str) -> Record | None:
        found = self.records.get(id)
        return found if isinstance(found, kind) else None

    def many(self, kind: type[Record], ids: Iterable[str]) -> dict[str, Record]:
        return {id: found for id in ids if (found := self.get(kind, id)) is not None}


_LOCATORS = (
    {"at": 512, "size": 9}, {"method": 8, "header": 0, "at": 30, "packed": 5, "size": 9},
    {"image": "raw", "runs": [[0, 512]], "size": 9}, {"derived": "x.decrypted"},
    {"carved": [[0, 9]], "parent": "P"}, {"at": "ab/abcd", "key": "00"}, {"target": "x"},
    {"member": {"at": 0, "size": 9}, "parent": "P"},
)  # fmt: skip


@target(
    lambda: [bytes([n]) + json.dumps(place).encode() for n in range(4) for place in _LOCATORS],
    allowed=(),
    longest=2048,
    words=(
        b'{"derived":',
        b'{"carved":',
        b'{"member":',
        b'"parent":',
        b'"at":',
        b"[",
        b"{",
        b"null",
        b'".."',
        b"1e999",
        b"\\ud800",
    ),
)
def locators(data: bytes) -> None:
    """Where a listing says that a file lies: the host passes it on, and opens nothing outside."""
    form = ("folder", "zip", "itunes", "raw")[data[0] % 4 if data else 0]
    exhibit = Exhibit(number="1", source="/nowhere/exhibit", form=form)
    text = data[1:].decode("utf-8", "replace")
    content = Content(sha256="0" * 64, sha1="", md5="", size=9, mime="x")
    file = File(
        exhibit=exhibit.id, path="a.db", size=9, modified=None, content=content.id, locator=text
    )
    beside = File(
        exhibit=exhibit.id, path="a.db-wal", size=9, modified=None, content=content.id, locator=text
    )
    if not wire_takes(file):
        return
    case = _Held(exhibit, file, beside, content)
    reach = Exhibits(case).reach(file)  # type: ignore[arg-type]  # all it asks of a case
    assert len(reach.locator) < 20_000
    lies_at(file)
    try:
        fds = reach.open()
    except OSError:
        return
    raise AssertionError(f"something was opened: {fds}")


def wire_takes(record: Record) -> bool:
    """Whether the host takes this record from a cell."""
    frame = wire.records_frame([wire.encode_record(record)])
    _, body = next(wire.FrameReader().feed(frame))
    found = FILE.__class__(exhibit=getattr(record, "exhibit", ""), file="", path="", content="")
    try:
        wire.check_records(body, wire.pins_of(found, None))
    except wire.WireError:
        return False
    return True


@target(
    lambda: [*(seed()[0] for seed in (containers._zips, containers._tars)), b"QFI\xfb", bytes(510) + b"\x55\xaa"],
    longest=8192,
    words=(b"EVF\x09\x0d\x0a\xff\0", b"conectix", b"koly", b"KDMV", b"# Disk DescriptorFile", b"EFI PART", b"NXSB",
           b"-FVE-FS-", b"LUKS\xba\xbe", b"ANDROID BACKUP\n", b"\x1f\x8b\x08", b"PK\5\6", b"PK\1\2"),
)  # fmt: skip
def forms(data: bytes) -> None:
    """In which form an exhibit was handed over, by its bytes."""
    with descriptor(data) as fds:
        assert form_of(Path(f"/proc/self/fd/{fds[0]}")).isascii()


@target(lambda: [b"\0\0", b"\xf7\xff"], allowed=(), longest=4)
def ends(data: bytes) -> None:
    """How a cell ended, in words."""
    assert ended_by(int.from_bytes(data, "big", signed=True)).isprintable()


@target(
    lambda: [b"a line \x00\x1b[31m red", "\u202e\ud7ff\u2028".encode()], allowed=(), longest=2000
)
def lines(data: bytes) -> None:
    """Text of a cell made fit for a terminal."""
    line = wire.one_line(data.decode("utf-8", "backslashreplace"))
    assert len(line) <= 300
    assert not [c for c in line if c < " " or "\x7f" <= c <= "\x9f" or "\u2028" <= c <= "\u202e"], (
        line
    )
