"""The wire: whatever a plugin may say comes through whole, whatever it may not is refused."""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amparo.kit.found import Found
from amparo.model import KINDS, At, Content, Message, Position, Record, Structure, describe
from amparo.sandbox import wire
from amparo.sandbox.wire import FrameReader, Pins, WireError

FOUND = Found("EX", "FI", "a/b", "CO")
EVERY = Pins("EX", "FI", "CO", False, frozenset(KINDS))
VALUES: dict[type, Any] = {str: "tëxt", int: -5, float: 1.5, bool: True, bytes: b"\0\xff"}
VALUES |= {tuple: ("a", "b"), At: At("EX", "FI", "message", 7)}


def record(cls: type[Record], bare: bool = False) -> Record:
    """A record of a kind; ``bare`` without what it may lack."""
    values = {f.name: None if bare and f.optional else VALUES[f.type] for f in describe(cls)}
    if "exhibit" in values:
        values["exhibit"] = "EX"
    return cls(**values)


def message(**more: Any) -> Message:
    values: dict[str, Any] = {"at": FOUND.row("message", 1), "thread": "t", "key": "k"}
    values |= {"sender": "s", "from_owner": False, "sent": None, "form": "text"}
    return Message(**(values | more))


def body(*records: Record) -> bytes:
    (_, content), *rest = FrameReader().feed(
        wire.records_frame([wire.encode_record(r) for r in records])
    )
    assert not rest
    return content


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_comes_through_with_its_id(name: str) -> None:
    cls = KINDS[name]
    records = [record(cls), record(cls, bare=True)]
    content = body(*records)
    assert wire.check_records(content, EVERY) == 2
    back = list(wire.decode_records(content))
    assert back == records
    assert [r.id for r in back] == [r.id for r in records]
    assert all(r.id.encode() not in content for r in records)


def place(**more: Any) -> At:
    return At(**({"exhibit": "EX", "file": "FI", "table": "message", "row": 1} | more))


LIES: dict[str, Record] = {
    "a place in another exhibit or file": message(at=place(exhibit="E2")),
    "a place in another exhibit or file ": message(at=place(file="F2")),
    "a place that is none": message(at=place(row=True)),
    "a place that is none ": message(at=place(state=None)),
    "message.from_owner is int": message(from_owner=1),
    "message.sent is bool": message(sent=True),
    "message.sent is float": message(sent=1.0),
    "message.text is NoneType": message(text=None),
    "message.text is bytes": message(text=b"x"),
    "beyond 64 bits": message(sent=1 << 63),
    "beyond 64 bits ": message(at=place(offset=1 << 63)),
    "structure.names holds more": Structure(content="c", format="f", names=("a", 1)),  # type: ignore[arg-type]
    "structure.names holds more ": Structure(content="c", format="f", names=("a", ("b",))),  # type: ignore[arg-type]
    "not a finite number": Position(content="c", method="m", latitude=float("nan"), longitude=0.0),
    "not a finite number ": Position(content="c", method="m", latitude=0.0, longitude=float("inf")),
    "position.longitude is int": Position(content="c", method="m", latitude=0.0, longitude=1),
    "max_str_len": message(text="x" * ((1 << 20) + 1)),
}


@pytest.mark.parametrize("why", LIES)
def test_a_lie_is_refused(why: str) -> None:
    with pytest.raises(WireError, match=why.strip()):
        wire.check_records(body(message(), LIES[why]), EVERY)


def packed(value: Any) -> bytes:
    return bytes(msgpack.packb(value))


ROW = [
    "message",
    ["EX", "FI", "m", 1, None, None, "live", "", None, "", None, None],
    "t",
    "k",
    "s",
    False,
    None,
    None,
]
ROW += ["text", "", "", None, False, None]


def test_rows_that_are_no_records_are_refused() -> None:
    assert wire.check_records(packed([ROW]), EVERY) == 1
    bad: list[Any] = [
        [[]],
        [5],
        [[5, "x"]],
        [["no_such_kind", 1]],
        [ROW[:-1]],
        [[*ROW, 1]],
        [["message", [], *ROW[2:]]],
        [["message", "at", *ROW[2:]]],
        [["message", ROW[1][:-1], *ROW[2:]]],
        {"a": 1},
        [[*ROW[:-1], {}]],
        [[*ROW[:-1], msgpack.ExtType(4, b"x")]],
        [[*ROW[:-1], 1 << 63]],
        "text",
        None,
    ]
    for value in bad:
        with pytest.raises(WireError):
            wire.check_records(packed(value), EVERY)
    for damaged in (b"", b"\xc1", packed([ROW])[:-1], packed([ROW]) + b"\0", b"\x91" * 5000):
        with pytest.raises(WireError):
            wire.check_records(damaged, EVERY)
    with pytest.raises(WireError):  # not UTF-8
        wire.check_records(packed([ROW]).replace(b"\xa4text", b"\xa4te\xff\xff"), EVERY)


def test_a_job_says_what_a_cell_may_make() -> None:
    parser = wire.pins_of(FOUND, None)
    assert parser.kinds >= {"message", "account", "attachment", "file", "content", "problem"}
    assert not parser.kinds & {"mark", "link", "exhibit", "seal", "known_set", "known_match"}
    assert wire.pins_of(FOUND, frozenset({"message", "no such"})).kinds == {"message"}
    with pytest.raises(WireError, match="kind it may not make: position"):
        position = Position(content="c", method="m", latitude=0.0, longitude=0.0)
        wire.check_records(body(position), wire.pins_of(FOUND, frozenset({"message"})))


def test_a_fingerprint_speaks_of_one_content_only() -> None:
    pins = wire.pins_of(Found("", "", "", "CO"), None)
    fine = Position(content="CO", method="m", latitude=0.0, longitude=0.0)
    assert wire.check_records(body(fine), pins) == 1
    for other in (record(KINDS["fingerprint"]), message(), record(KINDS["file"])):
        with pytest.raises(WireError, match="another"):
            wire.check_records(body(other), pins)
    # A parser's attachments and an opener's contents name many.
    assert wire.check_records(body(record(KINDS["attachment"])), wire.pins_of(FOUND, None)) == 1
    with pytest.raises(WireError, match="file of another exhibit"):
        wire.check_records(body(record(KINDS["file"])), wire.pins_of(Found("E2", "", "", ""), None))


def test_lone_surrogates_become_their_escapes() -> None:
    content = body(message(text="a\ud83d", key="é"))
    assert wire.check_records(content, EVERY) == 1
    (back,) = wire.decode_records(content)
    assert isinstance(back, Message)
    assert (back.text, back.key, back.at) == ("a\\ud83d", "é", place())


def test_what_is_no_record_is_not_sent() -> None:
    with pytest.raises(TypeError):
        wire.encode_record(message(text={"a"}))
    with pytest.raises(TypeError):
        wire.encode_record(Record())
    assert wire.too_long(message(text="x" * 2_000_000)) == "message.text of 2000000 bytes"
    assert wire.too_long(message(text="x")) == ""


def test_frames_are_cut_at_any_seam_and_bounded() -> None:
    whole = wire.small_frame(wire.WARN, "one") + wire.small_frame(wire.END, 0, "done", "")
    reader = FrameReader()
    got = [f for byte in whole for f in reader.feed(bytes([byte]))]
    assert got == list(FrameReader().feed(whole)) and len(got) == 2
    for head in (struct.pack(">IB", 0, 0), struct.pack(">IB", (8 << 20) + 1, ord("R"))):
        with pytest.raises(WireError, match="a frame of"):
            list(FrameReader().feed(head))


def end_of(data: bytes) -> bytes:
    ((_, content),) = FrameReader().feed(data)
    return content


def test_thumbnails_have_the_size_they_say() -> None:
    def thumb(*values: Any) -> bytes:
        return end_of(wire.small_frame(wire.THUMB, *values))

    good = wire.check_thumb(thumb("CO", 1024, 1, b"abc" * 1024), EVERY)
    assert (good.content, good.width, good.height, len(good.rgb)) == ("CO", 1024, 1, 3072)
    for values in (
        ("CO", 2, 1, b"abc"),
        ("CO", 0, 0, b""),
        ("CO", 1025, 1, b"abc" * 1025),
        ("CO", True, 1, b"abc"),
        ("CO", 1, True, b"abc"),
        ("CO", 1, 1, "abc"),
        ("C2", 1, 1, b"abc"),
        ("CO", 1, 1),
    ):
        with pytest.raises(WireError):
            wire.check_thumb(thumb(*values), EVERY)


def test_ends_and_lines() -> None:
    def end(*values: Any) -> tuple[str, str]:
        return wire.check_end(end_of(wire.small_frame(wire.END, *values)), 3)

    assert end(3, "done", "") == ("done", "")
    assert end(3, "failed", "ValueError: a\nb") == ("failed", "ValueError: a b")
    for values in ((2, "done", ""), (3, "done", "x"), (3, "failed", ""), (3, "fine", ""), (3,)):
        with pytest.raises(WireError):
            end(*values)
    line = wire.check_text(end_of(wire.small_frame(wire.WARN, "a\x1b[2J\u202eb" + "c" * 999)))
    assert line.startswith("a [2J b") and len(line) == 300
    with pytest.raises(WireError):
        wire.check_text(end_of(wire.small_frame(wire.WARN, b"a")))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_noise_never_gets_through_nor_up(noise: bytes) -> None:
    """Any bytes: either a WireError or something that turns into records."""

    def attempt() -> Iterator[Record]:
        wire.check_records(noise, EVERY)
        yield from wire.decode_records(noise)

    with contextlib.suppress(WireError):
        assert all(isinstance(r, Record) for r in attempt())


flat = st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()
flat |= st.text(max_size=4) | st.binary(max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_one_changed_field_is_seen_or_harmless(data: st.DataObject) -> None:
    """A good row with one value replaced either fails, or makes a record that says the same again."""
    row: list[Any] = [*ROW]
    i = data.draw(st.integers(0, len(row) - 1))
    if i == 1 and data.draw(st.booleans()):
        row[1] = [*row[1]]
        row[1][data.draw(st.integers(0, 6))] = data.draw(flat)
    else:
        row[i] = data.draw(flat | st.lists(flat, max_size=8))
    try:
        wire.check_records(packed([row]), EVERY)
    except WireError:
        return
    (back,) = wire.decode_records(packed([row]))
    assert list(wire.decode_records(body(back))) == [back]
    for f in describe(type(back)):
        value = getattr(back, f.name)
        assert type(value) is f.type or (f.optional and value is None)


def test_content_is_not_content_by_name_alone() -> None:
    """The kind itself is the opener's to make: its id comes from the hash in it."""
    content = Content(sha256="ab" * 32, sha1="", md5="", size=1, mime="text/plain")
    (back,) = wire.decode_records(body(content))
    assert back.id == content.id
