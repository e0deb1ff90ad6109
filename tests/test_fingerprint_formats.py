"""HEIC, JPEG XL, JPEG 2000, Photoshop and camera raw: the same hash as the plain picture, upright, or a clear Warn."""

import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pylibjxl
import pytest
from PIL import Image

from amparo.fingerprint import heif, raw
from amparo.kit.found import Found
from amparo.kit.mime import HEAD, sniff
from amparo.model import Fingerprint, content_id
from amparo.sandbox.guard import Guard, Job
from heif_written import box, coded
from heif_written import heif as written
from test_fingerprint_image import Looked, distance, saved, scene


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return scene(256, 192, seed=3)


@pytest.fixture(scope="module")
def tile(picture: Image.Image) -> tuple[bytes, bytes]:
    return coded(np.asarray(picture))


def near(data: bytes, picture: Image.Image) -> int:
    got, plain = Looked(data), Looked(saved(picture, "png"))
    assert not got.warnings, got.warnings
    assert got.media is not None and got.thumb is not None and plain.thumb is not None
    assert (got.media.width, got.media.height) == picture.size
    shown = [
        np.frombuffer(t.rgb, np.uint8).reshape(t.height, t.width, 3).astype(int)
        for t in (got.thumb, plain.thumb)
    ]
    assert np.abs(shown[0] - shown[1]).mean() < 6
    return distance(got.prints["pdq"].value, plain.prints["pdq"].value)


def test_heic(picture: Image.Image, tile: tuple[bytes, bytes]) -> None:
    data = written([tile], (256, 192), (256, 192))
    assert near(data, picture) <= 10
    media = Looked(data).media
    assert media is not None and (media.format, media.frames, media.damaged) == ("HEIC", 1, "")


@pytest.mark.parametrize(
    ("turns", "way"),
    [
        ((box(b"irot", b"\1"),), (Image.Transpose.ROTATE_90,)),
        ((box(b"irot", b"\3"),), (Image.Transpose.ROTATE_270,)),
        ((box(b"imir", b"\0"),), (Image.Transpose.FLIP_TOP_BOTTOM,)),
        ((box(b"imir", b"\1"),), (Image.Transpose.FLIP_LEFT_RIGHT,)),
        (
            (box(b"irot", b"\1"), box(b"imir", b"\1")),
            (Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT),
        ),
    ],
)
def test_heic_is_shown_as_its_properties_turn_it(
    picture: Image.Image,
    tile: tuple[bytes, bytes],
    turns: tuple[bytes, ...],
    way: tuple[Image.Transpose, ...],
) -> None:
    for one in way:
        picture = picture.transpose(one)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "ACME"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    data = written([tile], (256, 192), (256, 192), turns=turns, exif=block)
    assert near(data, picture) <= 10  # the EXIF's orientation, already carried out, does not count
    got = Looked(data)
    assert got.media is not None and got.media.orientation == 1
    assert got.exif is not None and got.exif.make == "ACME"


def test_heic_of_a_phone_is_a_grid_of_tiles() -> None:
    whole = scene(500, 300, seed=5)
    pixels = np.asarray(whole)
    padded = np.pad(pixels, ((0, 84), (0, 76), (0, 0)), "edge")
    tiles = [
        coded(np.ascontiguousarray(padded[y : y + 192, x : x + 192]))
        for y in (0, 192)
        for x in (0, 192, 384)
    ]
    data = written(tiles, (192, 192), (500, 300), columns=3, thumbnail=True)
    assert near(data, whole) <= 10
    media = Looked(data).media
    assert media is not None and (media.frames, media.damaged) == (1, "")
    torn = data.replace(tiles[4][1], bytes(len(tiles[4][1])))
    got = Looked(torn)
    assert got.media is not None and got.media.damaged == "1 of 6 tiles are missing"
    assert got.prints["pdq"].value != bytes(32)


def test_heic_that_breaks_off_or_lies(tile: tuple[bytes, bytes]) -> None:
    data = written([tile], (256, 192), (256, 192))
    assert Looked(data[: len(data) // 2]).warnings[0].startswith("not decoded: HEIF: breaks off")
    huge = written([tile], (100_000, 100_000), (256, 192))
    assert "more than are decoded" in Looked(huge).warnings[0]
    grid = written([tile] * 4, (256, 192), (60_000, 60_000), columns=2)
    assert "more than are decoded" in Looked(grid).warnings[0]
    endless = written([tile], (256, 192), (256, 192)).replace(b"hvc1\0", b"iden\0")
    assert Looked(endless).media is None
    random = np.random.default_rng(1)
    for _ in range(150):
        bad = bytearray(data)
        for place in random.integers(0, len(bad) if random.random() < 0.3 else 600, 3):
            bad[place] = int(random.integers(256))
        Looked(bytes(bad))


def test_a_heif_counts_its_pictures(tile: tuple[bytes, bytes]) -> None:
    data = written([tile, tile, tile], (256, 192), (256, 192), thumbnail=True)
    assert heif.Heif(data).shown() == 3


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_jpeg_xl(picture: Image.Image, mode: str) -> None:
    pixels = np.asarray(picture.convert(mode))
    data = pylibjxl.encode(np.ascontiguousarray(np.atleast_3d(pixels)), lossless=True)
    assert near(data, picture.convert("L") if mode == "L" else picture) == 0
    media = Looked(data).media
    assert media is not None and media.format == "JPEG XL"


def test_jpeg_xl_with_exif_and_broken(picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x010F] = "ACME"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    data = pylibjxl.encode(np.asarray(picture), exif=block)
    got = Looked(data)
    assert got.exif is not None and got.exif.make == "ACME"
    assert Looked(data[: len(data) // 2]).warnings[0].startswith("not decoded")
    random = np.random.default_rng(2)
    for _ in range(60):
        bad = bytearray(data)
        for place in random.integers(0, len(bad), 3):
            bad[place] = int(random.integers(256))
        Looked(bytes(bad))


def test_jpeg_2000_is_decoded_at_a_half_or_a_quarter() -> None:
    large = scene(400, 300).resize((2200, 1650))
    data = saved(large, "jpeg2000", quality_mode="rates", quality_layers=[20])
    got, plain = Looked(data), Looked(saved(large, "png"))
    assert got.media is not None and (got.media.width, got.media.height) == (2200, 1650)
    assert distance(got.prints["pdq"].value, plain.prints["pdq"].value) <= 16


def test_photoshop_shows_its_composite(picture: Image.Image) -> None:
    width, height = picture.size
    head = b"8BPS" + struct.pack(">H6xHLLHH", 1, 3, height, width, 8, 3)
    planes = b"".join(np.asarray(picture)[:, :, c].tobytes() for c in range(3))
    data = head + struct.pack(">LLLH", 0, 0, 0, 0) + planes
    assert sniff(data[:HEAD], len(data)) == "image/vnd.adobe.photoshop"
    assert near(data, picture) == 0


def raw_file(preview: bytes, small: bytes, dng: bool = True) -> bytes:
    """A raw file as cameras write it: a small strip first, mosaic data in a second directory, JPEGs beside."""
    kind = (0xC612, 1, 4, 0x00000401) if dng else (0x0103, 3, 1, 32767)
    entries = sorted([(0x0100, 4, 1, 32), (0x0101, 4, 1, 32), (0x010F, 2, 5, 200), kind])
    body = b"II*\0" + struct.pack("<LH", 8, len(entries))
    body += b"".join(struct.pack("<HHLL", *e) for e in entries) + bytes(4)
    body = body.ljust(200, b"\0") + b"ACME\0"
    lossless = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB", 14, 14, 6000, 9000, 1) + bytes(200)
    return body.ljust(512, b"\0") + small + lossless + preview + bytes(64)


@pytest.mark.parametrize("dng", [True, False])
def test_raw_is_seen_by_its_largest_preview_and_says_so(dng: bool) -> None:
    large = scene(640, 480)
    data = raw_file(saved(large, "jpeg"), saved(large.resize((160, 120)), "jpeg"), dng)
    got, plain = Looked(data), Looked(saved(large, "jpeg"))
    assert got.media is not None and got.media.format == "camera raw, preview"
    assert (got.media.width, got.media.height) == (640, 480)
    assert got.prints["pdq"].value == plain.prints["pdq"].value
    assert got.exif is not None and got.exif.make == "ACME"
    without = Looked(raw_file(b"", b"", dng))
    assert without.media is None and "without a preview" in without.warnings[0]


def test_raw_of_other_makers_by_their_signatures() -> None:
    large = scene(320, 240)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "ACME", 6
    preview = saved(large, "jpeg", exif=exif.tobytes())
    for head, name in (
        (b"FUJIFILMCCD-RAW 0201", "Fujifilm"),
        (b"IIRO\x08\0\0\0", "Olympus"),
        (b"IIU\0\x08\0\0\0", "Panasonic"),
        (b"FOVb\0\0\2\0", "Sigma"),
    ):
        got = Looked(head + bytes(100) + preview)
        assert got.media is not None and got.media.format == f"{name} raw, preview"
        assert (got.media.width, got.media.height, got.media.orientation) == (240, 320, 6)
        assert got.exif is not None and got.exif.make == "ACME"
    assert raw.largest_preview(b"\xff\xd8\xff" * 9000) is None


def test_animated_and_many_paged_are_counted() -> None:
    pages = [scene(96, 64, seed) for seed in range(3)]
    for form in ("gif", "webp", "png", "tiff"):
        got = Looked(saved(pages[0], form, save_all=True, append_images=pages[1:]))
        assert got.media is not None and got.media.frames == 3, form


def test_all_of_them_decode_in_a_locked_in_cell(
    tmp_path: Path, picture: Image.Image, tile: tuple[bytes, bytes]
) -> None:
    files = {
        "HEIC": written([tile], (256, 192), (256, 192)),
        "JPEG XL": pylibjxl.encode(np.asarray(picture)),
        "JPEG2000": saved(picture, "jpeg2000"),
        "AVIF": saved(picture, "avif"),
        "WEBP": saved(picture, "webp"),
        "TIFF": saved(picture, "tiff", compression="tiff_lzw"),
    }
    jobs = []
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        jobs.append(
            Job(
                token=name,
                function="amparo.fingerprint.image:image",
                opens="bytes",
                reader="amparo.evidence.readers:whole",
                locator="{}",
                open=lambda p=path: [os.open(p, os.O_RDONLY)],  # type: ignore[misc]
                found=Found("", "", name, content_id(sha256), sha256),
                seconds=60.0,
            )
        )
    plain = Looked(saved(picture, "png")).prints["pdq"].value
    with Guard(1, ["amparo.fingerprint.image", "amparo.evidence.readers"], floor="none") as guard:
        for outcome in guard.run([jobs]):
            assert not outcome.error and not outcome.warnings, (outcome.job.token, outcome.error)
            (seen,) = [r for r in outcome.records() if getattr(r, "algorithm", "") == "pdq"]
            assert isinstance(seen, Fingerprint) and distance(seen.value, plain) <= 16
            assert len(outcome.thumbs) == 1
