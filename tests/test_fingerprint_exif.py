"""Camera metadata: what is written is read, what is missing is never filled in."""

import os
import struct
from pathlib import Path

import pytest

from amparo.fingerprint.blocks import exif_block
from amparo.fingerprint.exif import Metadata, instant, read
from amparo.kit.mime import sniff
from amparo.model import Exif, Position

DATA = Path(os.environ.get("AMPARO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEXT, SHORT, LONG, RATIO, BYTE = 2, 3, 4, 5, 1
Entry = tuple[int, int, int, bytes]


def text(tag: int, value: bytes) -> Entry:
    return tag, TEXT, len(value), value


def ratios(tag: int, *pairs: tuple[int, int]) -> Entry:
    return tag, RATIO, len(pairs), b"".join(struct.pack(">LL", *p) for p in pairs)


def block(
    main: list[Entry], exif: list[Entry] | None = None, gps: list[Entry] | None = None
) -> bytes:
    """A big-endian TIFF structure with the given directories."""
    main = list(main)
    parts = {0x8769: exif, 0x8825: gps}
    for tag, entries in parts.items():
        if entries is not None:
            main.append((tag, LONG, 1, b"\0\0\0\0"))
    out = bytearray(b"MM\0\x2a\0\0\0\x08")
    pointers = _write(out, main)
    for tag, entries in parts.items():
        if entries is not None:
            struct.pack_into(">L", out, pointers[tag], len(out))
            _write(out, entries)
    return bytes(out)


def _write(out: bytearray, entries: list[Entry]) -> dict[int, int]:
    start, places = len(out), {}
    out += struct.pack(">H", len(entries)) + bytes(len(entries) * 12 + 4)
    for i, (tag, form, count, value) in enumerate(entries):
        at = start + 2 + i * 12
        places[tag] = at + 8
        struct.pack_into(">HHL", out, at, tag, form, count)
        if len(value) <= 4:
            out[at + 8 : at + 8 + len(value)] = value
        else:
            struct.pack_into(">L", out, at + 8, len(out))
            out += value
    return places


def place(
    south: bytes | None = b"S\0",
    west: bytes | None = b"W\0",
    latitude: tuple[tuple[int, int], ...] = ((9, 1), (30, 1), (36, 1)),
    more: list[Entry] | None = None,
) -> Metadata:
    gps = [ratios(2, *latitude), ratios(4, (79, 1), (15, 1), (0, 1)), *(more or [])]
    gps += [text(1, south)] if south is not None else []
    gps += [text(3, west)] if west is not None else []
    return read(block([], gps=gps), "c")


def test_camera_and_lens_as_written() -> None:
    found = read(
        block(
            [
                text(0x10F, b"ACME\0"),
                text(0x110, b"X \xc3\xb1 1\0junk"),
                text(0x131, b"v1\x01\x02\0"),
            ],
            exif=[
                text(0xA431, b"12345\0"),
                text(0xA433, b"Glass\0"),
                text(0xA434, b"50mm f/2\0"),
                text(0xA435, b"L9\0"),
                text(0xA420, b"abcdef\0"),
            ],
        ),
        "c",
    )
    assert found.exif == Exif(
        content="c",
        make="ACME",
        model="X ñ 1",
        software="v1",
        serial="12345",
        lens="Glass 50mm f/2",
        lens_serial="L9",
        unique_id="abcdef",
    )
    assert not found.doubts and found.position is None and found.orientation == 1


def test_time_needs_its_zone() -> None:
    taken = text(0x9003, b"2017:05:04 03:02:01\0")
    local = read(block([], exif=[taken]), "c").exif
    assert local is not None and (local.taken, local.zone, local.taken_at) == (
        "2017:05:04 03:02:01",
        "",
        None,
    )
    zoned = read(
        block([], exif=[taken, text(0x9011, b"+02:00\0"), text(0x9291, b"25\0")]), "c"
    ).exif
    assert zoned is not None and zoned.taken_at == 1_493_859_721_250
    blank = read(block([], exif=[text(0x9003, b"    :  :     :  :  \0")]), "c")
    assert blank.exif is None and not blank.doubts
    wrong = read(
        block([], exif=[text(0x9003, b"2017:99:04 03:02:01\0"), text(0x9011, b"Z\0")]), "c"
    )
    assert wrong.exif is not None and wrong.exif.taken_at is None
    assert "no time that can be read" in wrong.doubts[0]


def test_instants() -> None:
    assert instant("1970:01:01 00:00:00", "Z", "") == 0
    assert instant("1970:01:01 01:30:00", "+01:30", "9") == 900
    assert instant("1969:12:31 20:00:00", "-05:00", "") == 3_600_000
    for zone in ("", "CET", "+25:00", "+02:99"):
        assert instant("1970:01:01 00:00:00", zone, "") is None


def test_position_with_both_hemispheres() -> None:
    found = place(more=[ratios(6, (25, 2)), (5, BYTE, 1, b"\1")])
    assert found.position == Position(
        content="c", method="exif", latitude=-9.51, longitude=-79.25, altitude=-12.5
    )
    north = place(b"n\0", b"E\0").position
    assert north is not None and (north.latitude, north.longitude) == (9.51, 79.25)
    assert north.altitude is None


@pytest.mark.parametrize("side", [None, b"", b"\0", b"X\0", b"North\0", b"\xff\0"])
def test_no_hemisphere_no_position(side: bytes | None) -> None:
    for found in (place(south=side), place(west=side)):
        assert found.position is None
        assert "without a hemisphere" in found.doubts[0]


@pytest.mark.parametrize(
    ("latitude", "doubt"),
    [
        (((91, 1), (0, 1), (0, 1)), "out of range"),
        (((9, 0), (0, 1), (0, 1)), "not readable"),
        (((9, 1), (75, 1), (0, 1)), "not readable"),
        (((2**32 - 1, 1), (0, 1), (0, 1)), "out of range"),
    ],
)
def test_impossible_places_are_doubted(latitude: tuple[tuple[int, int], ...], doubt: str) -> None:
    found = place(latitude=latitude)
    assert found.position is None and doubt in found.doubts[0]


def test_fractions_in_the_minutes_and_nought_over_nought_seconds() -> None:
    found = place(latitude=((9, 1), (3060, 100), (0, 0)))
    assert found.position is not None and found.position.latitude == pytest.approx(-9.51)
    degrees = place(latitude=((951, 100),))
    assert degrees.position is not None and degrees.position.latitude == pytest.approx(-9.51)


def test_nought_nought_void_and_foreign_datum() -> None:
    zero = read(
        block([], gps=[text(1, b"N\0"), ratios(2, (0, 1)), text(3, b"E\0"), ratios(4, (0, 1))]), "c"
    )
    assert zero.position is None and "0, 0" in zero.doubts[0]
    void = place(more=[text(9, b"V\0"), text(18, b"TOKYO\0")])
    assert void.position is not None and len(void.doubts) == 2
    good = place(more=[text(9, b"A\0"), text(18, b"WGS-84\0")])
    assert good.position is not None and not good.doubts


def test_empty_gps_directory_is_no_doubt() -> None:
    found = read(block([], gps=[(0, BYTE, 4, b"\2\3\0\0")]), "c")
    assert found == Metadata()


def test_broken_directories_neither_hang_nor_raise() -> None:
    loop = bytearray(block([(0x8769, LONG, 1, struct.pack(">L", 8)), text(0x10F, b"A\0")]))
    assert read(bytes(loop), "c").exif is not None  # the directory points to itself
    outside = block([(0x8825, LONG, 1, struct.pack(">L", 2**31)), (0x112, SHORT, 1, b"\0\6")])
    found = read(outside, "c")
    assert found.orientation == 6 and "GPS: its directory is damaged" in found.doubts
    lying = block([(0x10F, TEXT, 2**32 - 1, b"\0\0\0\x08"), (0x110, 99, 1, b"x")])
    assert read(lying, "c").exif is None
    many = bytearray(block([]))
    many[8:10] = b"\xff\xff"
    assert read(bytes(many), "c") == Metadata()
    assert read(block([(0x112, SHORT, 1, b"\0\x09")]), "c").orientation == 1
    for start in (
        b"",
        b"MM",
        b"XX\0\x2a\0\0\0\x08",
        b"MM\0\x2b\0\0\0\x08",
        b"II\x2a\0\xff\xff\xff\xff",
    ):
        assert read(start, "c").doubts


def test_flipped_and_cut_blocks_never_raise() -> None:
    whole = block(
        [text(0x10F, b"ACME CORP\0"), (0x112, SHORT, 1, b"\0\6")],
        exif=[text(0x9003, b"2017:05:04 03:02:01\0"), text(0x9011, b"+02:00\0")],
        gps=[
            text(1, b"N\0"),
            ratios(2, (9, 1), (3, 1), (1, 7)),
            text(3, b"E\0"),
            ratios(4, (9, 1)),
        ],
    )
    assert read(whole, "c").position is not None
    for i in range(len(whole)):
        read(whole[:i], "c")
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[i] ^= 1 << bit
            found = read(bytes(flipped), "c")
            if found.position is not None:
                assert abs(found.position.latitude) <= 90


def test_where_each_format_keeps_its_block() -> None:
    exif = block([text(0x10F, b"ACME\0")])
    app1 = b"Exif\0\0" + exif
    length = struct.pack(">H", len(app1) + 2)
    jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xe1" + length + app1 + b"\xff\xda"
    png = (
        b"\x89PNG\r\n\x1a\n"
        + b"\0\0\0\x01tEXtx0000"
        + struct.pack(">L", len(exif))
        + b"eXIf"
        + exif
    )
    webp = (
        b"RIFF\0\0\0\0WEBP" + b"VP8X\x03\0\0\0abc\0" + b"EXIF" + struct.pack("<L", len(exif)) + exif
    )
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40) + app1
    for data, mime in (
        (jpeg, "image/jpeg"),
        (png, "image/png"),
        (webp, "image/webp"),
        (exif, "image/tiff"),
        (heic, "image/heic"),
    ):
        assert sniff(data, len(data)) == mime
        assert exif_block(data, mime).startswith(exif), mime
    assert exif_block(b"\xff\xd8\xff\xe1\0\0", "image/jpeg") == b""
    assert exif_block(b"GIF89a", "image/gif") == b""


def test_real_cameras_positions() -> None:
    paths = sorted((DATA / "exif" / "jpg" / "gps").glob("*.jpg"))
    if not paths:
        pytest.skip("no real pictures with positions: set AMPARO_TEST_DATA")
    for path in paths:
        found = read(exif_block(path.read_bytes(), "image/jpeg"), "c")
        assert found.position is not None and found.exif is not None, path
        # All nine were taken on one walk in Arezzo.
        assert 43.46 < found.position.latitude < 43.47
        assert 11.87 < found.position.longitude < 11.89
        assert found.exif.model == "COOLPIX P6000" and found.exif.taken.startswith("2008:10:22")
        assert found.exif.taken_at is None
