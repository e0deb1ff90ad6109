"""Pictures of every kind, sound, damaged and hostile: records or a clear Warn, never anything else."""

import hashlib
import io
import os
import sqlite3
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amparo.fingerprint import decode as module
from amparo.fingerprint.image import image
from amparo.fingerprint.pixels import rgb, thumbnail
from amparo.fingerprint.structure import sqlite
from amparo.kit.found import Found
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.kit.thumb import encode
from amparo.model import ContentKind, Exif, Fingerprint, Media, Position, content_id

DATA = Path(os.environ.get("AMPARO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
FORMATS = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "ico", "jpeg2000")


class Looked:
    """What image() made of some bytes."""

    def __init__(self, data: bytes) -> None:
        sha256 = hashlib.sha256(data).hexdigest()
        found = Found("", "", "", content_id(sha256), sha256)
        out = list(image(Source.of_bytes(data), found))
        self.media = next((r for r in out if isinstance(r, Media)), None)
        self.exif = next((r for r in out if isinstance(r, Exif)), None)
        self.position = next((r for r in out if isinstance(r, Position)), None)
        self.prints = {r.algorithm: r for r in out if isinstance(r, Fingerprint)}
        self.kind = next((r for r in out if isinstance(r, ContentKind)), None)
        self.thumb = next((r for r in out if isinstance(r, Thumb)), None)
        self.warnings = [r.reason for r in out if isinstance(r, Warn)]
        if self.thumb is not None:
            assert len(self.thumb.rgb) == self.thumb.width * self.thumb.height * 3
            assert 1 <= max(self.thumb.width, self.thumb.height) <= 256
        if self.media is not None:
            assert {"pdq", "pdq8"} <= set(self.prints) <= {"pdq", "pdq8", "pdq_box"}
            assert self.thumb is not None


def scene(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """Random shapes of all sizes, the smaller the weaker, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for side in (4, 8, 16, 32, 64):
        noise = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / side
    low, high = total.min(), total.max()
    return Image.fromarray(((total - low) * 255 / (high - low)).astype(np.uint8))


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_hash(form: str) -> None:
    size = (256, 192) if form == "ico" else (640, 480)
    options = {"sizes": [size]} if form == "ico" else {}
    got = Looked(saved(scene(*size), form, **options))
    assert got.media is not None and (got.media.width, got.media.height) == size
    assert got.media.format == form.upper() and not got.media.damaged and not got.warnings
    sound = Looked(saved(scene(*size), "png"))
    assert distance(got.prints["pdq"].value, sound.prints["pdq"].value) <= 31
    assert len(got.prints["pdq8"].value) == 256
    assert got.prints["pdq8"].value.startswith(got.prints["pdq"].value)
    shown = (256, 192) if form == "ico" else (214, 160)
    assert got.thumb is not None and (got.thumb.width, got.thumb.height) == shown


def test_large_jpeg_is_decoded_at_a_fraction() -> None:
    data = saved(scene(400, 300).resize((4000, 3000)), "jpeg", quality=80)
    assert module.decode(data, "image/jpeg").image.size == (1000, 750)
    got = Looked(data)
    assert got.media is not None and (got.media.width, got.media.height) == (4000, 3000)
    assert len(got.media.quantization) == 16


def test_quantization_key_tells_settings_apart() -> None:
    keys = [
        Looked(saved(scene(seed=seed), "jpeg", quality=q)).media
        for seed, q in ((0, 80), (1, 80), (1, 81))
    ]
    values = [k.quantization for k in keys if k is not None]
    assert values[0] == values[1] != values[2]


def test_changed_bytes_are_refused() -> None:
    data = saved(scene(), "png")
    with pytest.raises(ValueError, match="changed since intake"):
        list(
            image(
                Source.of_bytes(data + b"x"),
                Found("", "", "", "c", hashlib.sha256(data).hexdigest()),
            )
        )


def test_orientation_turns_the_thumbnail_and_not_the_hash() -> None:
    upright = np.zeros((200, 300, 3), np.uint8)
    upright[:100, :150] = (255, 0, 0)  # the red corner is top left when upright
    upright[100:, 150:] = (0, 0, 255)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, 3),
    }
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        got = Looked(saved(picture, "png", exif=exif.tobytes()))
        assert got.media is not None and got.thumb is not None
        assert (got.media.width, got.media.height, got.media.orientation) == (300, 200, orientation)
        small = np.frombuffer(got.thumb.rgb, np.uint8).reshape(got.thumb.height, got.thumb.width, 3)
        assert small.shape == (171, 256, 3)
        assert small[20, 20].tolist() == [255, 0, 0] and small[-20, -20].tolist() == [0, 0, 255]
        plain = Looked(saved(picture, "png"))
        assert plain.prints["pdq"].value == got.prints["pdq"].value


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB"]
)
def test_modes_come_out_as_a_viewer_shows_them(mode: str) -> None:
    grey = scene().convert("L")
    if mode in ("I;16", "I", "F"):
        wide = np.asarray(grey).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
        picture = Image.fromarray(wide * 256 if mode == "I;16" else wide)
    elif mode == "LAB":
        picture = Image.merge("LAB", [grey, grey, grey])
    else:
        picture = grey.convert(mode) if mode in ("1", "L", "LA") else scene().convert(mode)
    got = Looked(saved(picture, "tiff" if mode not in ("P", "LA") else "png"))
    assert got.media is not None and not got.warnings
    wanted = Looked(saved(grey, "png")).prints["pdq"].value
    assert distance(got.prints["pdq"].value, wanted) <= 31


def test_adobe_cmyk_jpeg_is_not_inverted() -> None:
    got = Looked(saved(scene().convert("CMYK"), "jpeg", quality=90))
    plain = Looked(saved(scene(), "jpeg", quality=90))
    assert distance(got.prints["pdq"].value, plain.prints["pdq"].value) <= 16
    assert got.media is not None and got.media.format == "JPEG"


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((100, 80), (100, 80)),
        ((300, 200), (256, 171)),
        ((511, 9), (256, 5)),
        ((513, 400), (171, 134)),
        ((1000, 750), (250, 188)),
        ((3, 5000), (1, 250)),
    ],
)
def test_thumbnail_sizes(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert thumbnail(Image.new("RGB", size), 256).shape == (shown[1], shown[0], 3)


def test_see_through_pixels_lie_on_white() -> None:
    clear = Image.new("RGBA", (40, 40), (10, 20, 30, 0))
    assert rgb(clear).getpixel((5, 5)) == (255, 255, 255)
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([9, 9, 9])
    palette.info["transparency"] = 0
    assert thumbnail(palette, 256)[5, 5].tolist() == [255, 255, 255]


def test_animations_and_pages_are_counted_and_the_first_is_hashed() -> None:
    frames = [scene(320, 240, seed=i) for i in range(3)]
    first = Looked(saved(frames[0], "png")).prints["pdq"].value
    for form in ("gif", "webp", "tiff", "png"):
        got = Looked(saved(frames[0], form, save_all=True, append_images=frames[1:]))
        assert got.media is not None and got.media.frames == 3, form
        assert distance(got.prints["pdq"].value, first) <= 31, form


def test_previews_of_chat_databases_say_how_little_they_hold() -> None:
    """72 x 100 JPEG of quality 30, as messengers keep beside a message."""
    whole = Looked(saved(scene(720, 1000), "jpeg"))
    small = Looked(saved(scene(720, 1000).resize((72, 100)), "jpeg", quality=30))
    assert small.media is not None and (small.thumb.width, small.thumb.height) == (72, 100)  # type: ignore[union-attr]
    assert distance(whole.prints["pdq"].value, small.prints["pdq"].value) <= 31
    flat = Looked(saved(Image.new("RGB", (72, 100), (90, 90, 90)), "jpeg", quality=30))
    assert flat.prints["pdq"].quality == 0


@pytest.mark.parametrize("form", ["jpeg", "png", "gif", "bmp", "tiff"])
def test_truncated_files_are_decoded_as_far_as_they_go(form: str) -> None:
    noisy = Image.fromarray(
        (
            np.asarray(scene()) // 2 + np.random.default_rng(1).integers(0, 128, (480, 640, 3))
        ).astype(np.uint8)
    )
    data = saved(noisy, form, **({"interlace": 0} if form == "gif" else {}))
    got = Looked(data[: len(data) * 3 // 5])
    assert got.media is not None and "truncated" in got.media.damaged
    assert got.thumb is not None
    part, whole = (
        np.frombuffer(t.rgb, np.uint8).reshape(160, 214, 3).astype(int)
        for t in (got.thumb, Looked(data).thumb)
        if t is not None
    )
    kept = np.s_[-80:] if form == "bmp" else np.s_[:80]  # BMP begins at the bottom
    assert np.abs(part[kept] - whole[kept]).mean() < 3
    assert np.abs(part - whole).mean() > 5


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def bombs() -> dict[str, bytes]:
    header = struct.pack(">LLBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(bytes(10**6)))
    )
    jpeg = bytearray(saved(scene(64, 64), "jpeg"))
    at = jpeg.index(b"\xff\xc0")
    struct.pack_into(">HH", jpeg, at + 5, 65_500, 65_500)
    progressive = bytearray(saved(scene(64, 64), "jpeg", progressive=True))
    struct.pack_into(">HH", progressive, progressive.index(b"\xff\xc2") + 5, 16_000, 16_000)
    gif = bytearray(saved(scene(64, 64), "gif"))
    struct.pack_into("<HH", gif, 6, 65_535, 65_535)
    bmp = bytearray(saved(scene(64, 64), "bmp"))
    struct.pack_into("<ll", bmp, 18, 100_000, 100_000)
    webp = bytearray(
        saved(Image.new("RGBA", (8, 8)), "webp", lossless=True, exif=b"Exif\0\0MM\0\x2a")
    )
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (16_382).to_bytes(3, "little") * 2
    return {
        "png": png,
        "jpeg": bytes(jpeg),
        "progressive": bytes(progressive),
        "gif": bytes(gif),
        "bmp": bytes(bmp),
        "webp": bytes(webp),
    }


@pytest.mark.parametrize("name", ["png", "jpeg", "progressive", "gif", "bmp", "webp"])
def test_decompression_bombs_are_refused_before_decoding(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = bombs()[name]
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    got = Looked(bomb)
    assert got.media is None and got.thumb is None
    assert any("more than are decoded" in w for w in got.warnings)


def test_bytes_that_are_no_picture() -> None:
    for data in (
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\4\0\0\0WEBP",
        b"BM" + bytes(60),
    ):
        got = Looked(data)
        assert got.media is None and got.warnings[0].startswith("not decoded")
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    assert Looked(postscript).media is None


def test_forms_without_a_decoder_say_so() -> None:
    drawn = b"<svg xmlns='http://www.w3.org/2000/svg'><circle r='4'/></svg>"
    assert Looked(drawn).warnings == ["SVG: no decoder, its pixels were not looked at"]


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_pictures_never_raise(form: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "ACME"
    picture = scene(96, 64)
    options = {"exif": exif.tobytes()} if form in ("jpeg", "png", "webp") else {}
    data = saved(picture, form, **options)
    random = np.random.default_rng(7)
    for _ in range(60):
        bad = bytearray(data)
        for place in random.integers(0, len(bad), 4):
            bad[place] ^= 1 << int(random.integers(8))
        Looked(bytes(bad))
        Looked(data[: int(random.integers(len(data)))])
    head = bytearray(data)
    for place in range(min(64, len(head))):
        head[place] = 0xFF
        Looked(bytes(head))


def test_mpo_is_a_jpeg_with_frames() -> None:
    got = Looked(saved(scene(), "mpo", save_all=True, append_images=[scene(seed=1)]))
    assert got.media is not None and (got.media.format, got.media.frames) == ("JPEG", 2)


def test_thumbnails_are_encoded_only_when_they_add_up() -> None:
    thumb = Looked(saved(scene(), "png")).thumb
    assert thumb is not None
    made = Image.open(io.BytesIO(encode(thumb)))
    assert made.format == "JPEG" and made.size == (214, 160)
    difference = np.asarray(made.convert("RGB")).astype(int) - np.asarray(
        scene().resize((214, 160))
    )
    assert np.abs(difference).mean() < 6
    for bad in (
        Thumb("c", 10, 10, bytes(299)),
        Thumb("c", 0, 10, b""),
        Thumb("c", 100_000, 1, bytes(300_000)),
        Thumb("c", -1, -1, bytes(3)),
    ):
        with pytest.raises(ValueError, match="thumbnail of"):
            encode(bad)


def test_database_structure_with_and_without_its_log(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE jid (_id INTEGER, raw_string TEXT)")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("CREATE TABLE late (a)")
        db.commit()
        main, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    db.close()
    found = Found("", "", "", "c")
    alone = next(sqlite(Source.of_bytes(main), found))
    assert alone.names == ("jid._id", "jid.raw_string") and alone.format == "sqlite"
    source = Source(io.BytesIO(main), len(main), {"-wal": Source.of_bytes(log)})
    assert next(sqlite(source, found)).names == ("jid._id", "jid.raw_string", "late.a")
    with pytest.raises((ValueError, sqlite3.Error)):
        list(sqlite(Source.of_bytes(b"SQLite format 3\0" + bytes(600)), found))


def test_every_real_picture_gives_records_or_a_clear_warning() -> None:
    paths = sorted((DATA / "exif").rglob("*.jp*g"))
    if not paths:
        pytest.skip("no real pictures: set AMPARO_TEST_DATA")
    cameras = 0
    for path in paths:
        got = Looked(path.read_bytes())
        assert got.media is not None or got.warnings, path
        cameras += got.exif is not None
    assert len(paths) >= 80 and cameras >= 60


def test_real_orientations_all_show_the_same_picture() -> None:
    folder = DATA / "exif" / "jpg" / "orientation"
    for kind in ("landscape", "portrait"):
        thumbs = []
        for path in sorted(folder.glob(f"{kind}_*.jpg")):
            thumb = Looked(path.read_bytes()).thumb
            assert thumb is not None
            thumbs.append(np.frombuffer(thumb.rgb, np.uint8).reshape(thumb.height, thumb.width, 3))
        if not thumbs:
            pytest.skip("no real pictures: set AMPARO_TEST_DATA")
        for thumb in thumbs[1:]:
            assert thumb.shape == thumbs[0].shape
            # Each shows its own number in the middle; turned wrongly they would not go together at all.
            assert np.corrcoef(thumb.ravel(), thumbs[0].ravel())[0, 1] > 0.9
