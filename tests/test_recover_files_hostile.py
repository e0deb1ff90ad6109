"""Bytes made to mislead a carver: it ends, keeps to its means, and never calls rubbish whole."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import planted
from amparo.kit.embedded import embedded
from amparo.kit.spans import Claims, Spans
from amparo.recover.files import MEASURES, Carved, Tally, carve
from amparo.recover.formats import movie
from amparo.recover.formats.extent import Extent, NotOne
from amparo.recover.photorec import REPORT as REPORT_PLACE
from amparo.recover.photorec import command, fenced, installed, read_report, run
from amparo.recover.thumbcaches import collection

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return planted.every_form(tmp_path_factory.mktemp("planted"))


def view(data: bytes) -> Spans:
    return Spans(io.BytesIO(data), [(0, len(data))])


def sound(extent: Extent, size: int) -> None:
    assert 0 < extent.length <= max(size, 64) or not extent.complete
    assert 0 <= extent.confidence <= 1


def check(blob: bytes, every: list[Carved]) -> None:
    for one in every:
        assert one.segments and one.size > 0
        for at, length in one.segments:
            assert at >= 0 and length > 0 and at + length <= len(blob)


@pytest.mark.parametrize("form", sorted(MEASURES))
def test_changed_bytes_never_stop_a_measure(files: dict[str, bytes], form: str) -> None:
    chance = random.Random(form)
    data = files[form][:20_000]
    for _ in range(120):
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 12)):
            changed[chance.randrange(len(changed) if chance.random() < 0.4 else 200)] = (
                chance.randrange(256)
            )
        cut = bytes(changed[: chance.randrange(4, len(changed))])
        try:
            sound(MEASURES[form](view(cut), 0), len(cut))
        except (NotOne, struct.error):
            continue


@FEW
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.sampled_from(
                [b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a",
                 b"RIFF\x10\0\0\0WEBPVP8 ", b"\0\0\0\x18ftypisom", b"#!AMR\n", b"OggS\0\2",
                 b"%PDF-1.4", b"PK\3\4\x14\0", b"SQLite format 3\0", b"PK\5\6", b"moov", b"\0\0\0\0mdat",
                 b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0", b"\xff\xc0\0\x11\x08\xff\xff\xff\xff\3"]
            ),
        ),
        max_size=40,
    ),
    st.sampled_from([(1, 0), (512, 512)]),
)  # fmt: skip
def test_any_mixture_ends(parts: list[bytes], how: tuple[int, int]) -> None:
    blob = b"".join(parts)
    check(blob, list(carve(io.BytesIO(blob), align=how[0], cluster=how[1])))


@FEW
@given(st.data())
def test_caches_of_any_bytes_end(data: st.DataObject) -> None:
    head = data.draw(
        st.sampled_from(
            [b"CMMM", b"\x10\x85\x24\xbd", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\xff\xd8\xff\xe1"]
        )
    )
    body = head + data.draw(st.binary(max_size=2000))
    try:
        for small in collection(view(body)) or ():
            assert all(at + n <= len(body) for at, n in small.segments)
    except (ValueError, struct.error):
        pass
    embedded(view(body))


def test_stacked_beginnings_take_time_in_proportion() -> None:
    """Whatever each beginning promises, the whole is walked a bounded number of times."""
    jpeg = planted.picture("JPEG", 1, 64, 48)[:-2]
    gif = planted.picture("GIF", 1, 64, 48)[:-3]
    lying = {
        "jpeg": jpeg * 300,
        "gif": gif[:13] + b"!\xf9" + (b"\xff" + b"GIF89a" + bytes([1]) * 249) * 3000,
        "zip": (b"PK\3\4\x14\0\0\0\0\0" + bytes(16) + b"\4\0\0\0name") * 20_000,
        "pdf": b"%PDF-1.4 1 0 obj startxref 5 %%EOF" * 20_000,
        "mp4": (struct.pack(">I4s4s", 16, b"ftyp", b"isom") + bytes(4)) * 30_000,
        "moov": struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0)
        + struct.pack(">I4s", 1 << 30, b"mdat")
        + b"\0\0\4\0moov" * 40_000,
        "ogg": (b"OggS\0\2" + bytes(20) + b"\1\xff") * 20_000,
        "sqlite": (b"SQLite format 3\0\x02\0\1\1\0\x40\x20\x20" + bytes(76) + b"\5" + bytes(20))
        * 5000,
        "amr": b"#!AMR\n" * 100_000,
    }
    for name, blob in lying.items():
        started = time.process_time()
        tally = Tally()
        every = list(carve(io.BytesIO(blob), align=512, cluster=4096, tally=tally))
        check(blob, every)
        assert time.process_time() - started < 10, name


def test_a_picture_that_states_to_be_enormous() -> None:
    data = bytearray(planted.picture("JPEG", 1, 64, 48, progressive=True))
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    for one in carve(io.BytesIO(bytes(data))):
        assert not one.complete or one.confidence < 0.7


def test_an_index_that_states_to_be_enormous() -> None:
    data = planted.film(3, index_first=True)
    for kind in (b"stsz", b"stco", b"stsc"):
        at = data.index(kind)
        for offset in (8, 12):
            lying = data[: at + offset] + b"\xff\xff\xff\xff" + data[at + offset + 4 :]
            extent = movie.measure(view(lying), 0)
            assert not extent.complete


def test_pointers_of_a_database_in_circles(tmp_path: Path) -> None:
    data = bytearray(planted.database(tmp_path, 3))
    size = int.from_bytes(data[16:18])
    for page in range(1, len(data) // size):
        if data[page * size] in (2, 5):
            data[page * size + 8 : page * size + 12] = (page + 1).to_bytes(4)
    extent = MEASURES["sqlite"](view(bytes(data)), 0)
    assert extent.length <= len(data)


def test_decoys_are_not_taken_for_files() -> None:
    text = (
        b"He wrote: %PDF-1.4 is a header, PK\3\4 another, GIF89a too, and RIFF....WEBPVP8 as well. "
    )
    assert not [c for c in carve(io.BytesIO(text * 500)) if c.complete]


def test_ranges_that_end_within_a_file(files: dict[str, bytes]) -> None:
    blob = files["png"]
    every = list(carve(io.BytesIO(blob), [(0, len(blob) // 2)]))
    check(blob[: len(blob) // 2], every)
    assert not [c for c in every if c.complete]


@FEW
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=12), st.integers(0, 72))
def test_claims_hold_what_was_taken(taken: list[tuple[int, int]], place: int) -> None:
    claims = Claims()
    for at, length in taken:
        claims.take(at, length)
    assert claims.holds(place) == any(at <= place < at + n for at, n in taken)
    every = claims.all()
    assert all(a + n < b for (a, n), (b, _) in pairwise(every))


@FEW
@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.data())
def test_spans_read_what_their_segments_say(lengths: list[int], data: st.DataObject) -> None:
    blob = bytes(range(256))
    ranges, at = [], 0
    for number, length in enumerate(lengths):
        at += number % 3
        ranges.append((at, length))
        at += length
    spans = Spans(io.BytesIO(blob), ranges)
    whole = b"".join(blob[a : a + n] for a, n in ranges)
    start, length = data.draw(st.integers(0, 100)), data.draw(st.integers(0, 100))
    assert spans.read(start, length) == whole[start : start + length]
    segments = spans.segments(start, length)
    assert b"".join(blob[a : a + n] for a, n in segments) == whole[start : start + length]
    cut = data.draw(st.integers(0, max(0, spans.size - 1)))
    rest, places = spans.without([(cut, 3)])
    assert rest.read(0, rest.size) == whole[:cut] + whole[cut + 3 :]
    for old in range(spans.size):
        new = places.new(old)
        assert (new is None) == (cut <= old < cut + 3)
        if new is not None:
            assert places.old(new, 1) == [(old, 1)]
    needle = whole[start : start + 2]
    if len(needle) == 2:
        assert spans.find(needle, 0, spans.size) == whole.find(needle)
        assert spans.find(needle, start, spans.size) == whole.find(needle, start)


# --- PhotoRec -----------------------------------------------------------------------------------

REPORT = b"""<?xml version='1.0' encoding='UTF-8'?>
<dfxml xmloutputversion='1.0'>
  <source><image_size>2097152</image_size><volume>
    <byte_runs><byte_run offset='0' img_offset='0' len='2097152'/></byte_runs></volume></source>
  <fileobject><filename>f0000008.jpg</filename><filesize>3000</filesize>
    <byte_runs><byte_run offset='0' img_offset='4096' len='2048'/>
    <byte_run offset='2048' img_offset='16384' len='65536'/></byte_runs></fileobject>
  <fileobject><filename>b0000100.png</filename>
    <byte_runs><byte_run offset='0' img_offset='51200' len='100'/></byte_runs></fileobject>
  <fileobject><filename>x.jpg</filename>
    <byte_runs><byte_run offset='0' img_offset='-5' len='1e9'/></byte_runs></fileobject>
</dfxml>"""


def test_a_report_of_photorec(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_bytes(REPORT)
    with path.open("rb") as file:
        whole, broken = read_report(file)
    assert (whole.form, whole.segments) == ("jpg", ((4096, 2048), (16384, 952))) and whole.complete
    assert not broken.complete and broken.confidence < whole.confidence < 1
    with pytest.raises(ValueError):
        list(read_report(io.BytesIO(REPORT[:300])))
    with pytest.raises(ValueError):
        list(read_report(io.BytesIO(b"<!DOCTYPE x [<!ENTITY a 'aa'>]><x>&a;</x>")))


def test_photorec_gets_orders_and_bounds(tmp_path: Path) -> None:
    disk = tmp_path / "disk.dd"
    disk.write_bytes(bytes(4096))
    words = command(disk, tmp_path, free_only=False)
    assert words[1:5] == ["/d", str(tmp_path / "r"), "/cmd", str(disk)]
    assert words[5].endswith("wholespace,search") and "jpg,enable" in words[5]
    bound = fenced(words, disk, tmp_path, 10)
    assert bound[-len(words) - 1 :] == ["--", *words]


PROBE = """
import os, resource, socket, sys
out, image, secret = sys.argv[1:]
def refused(what, *words):
    try:
        what(*words)
    except OSError:
        return True
    return False
said = [
    refused(socket.socket), refused(open, secret), refused(os.listdir, "/"),
    refused(open, image, "r+"), not refused(open, image), not refused(open, out + "/x", "w"),
    resource.getrlimit(resource.RLIMIT_CPU)[0] == 10,
]
open(out + "/said", "w").write(repr(said))
"""


def test_a_program_in_the_fence_reaches_nothing_else(tmp_path: Path) -> None:
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no Python of the system to try the fence with")
    disk, out, secret = tmp_path / "disk.dd", tmp_path / "out", tmp_path / "case.db"
    disk.write_bytes(bytes(4096))
    secret.write_bytes(b"not its business")
    out.mkdir()
    words = [str(python), "-I", "-c", PROBE, str(out), str(disk), str(secret)]
    done = subprocess.run(fenced(words, disk, out, 10), capture_output=True, text=True, check=False)
    level = done.stdout.strip().split("+")
    assert {"rlimit", "nnp"} <= set(level)
    if not any(part.startswith("landlock") for part in level):
        pytest.skip("this kernel has no Landlock: files are not fenced off")
    said = (out / "said").read_text()
    assert said == repr([True] * 7), said


def test_photorec_where_it_is_installed(tmp_path: Path) -> None:
    if not installed():
        pytest.skip("photorec (package testdisk) is not installed")
    photo = planted.picture("JPEG", 1)
    disk = bytearray(2 << 20)
    disk[1 << 20 : (1 << 20) + len(photo)] = photo
    (tmp_path / "disk.dd").write_bytes(disk)
    out = tmp_path / "out"
    out.mkdir()
    ran = run(tmp_path / "disk.dd", out, free_only=False)
    assert not ran.trouble and {"rlimit", "nnp"} <= set(ran.isolation.split("+"))
    with (out / REPORT_PLACE).open("rb") as file:
        (one,) = read_report(file)
    assert b"".join(disk[at : at + n] for at, n in one.segments) == photo
