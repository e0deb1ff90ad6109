"""Films: what is shown five times a second, cuts, metadata, damage, and only what we name is ever decoded."""

from __future__ import annotations

import hashlib
import io
from fractions import Fraction

import av
import numpy as np
import pytest

from amparo.fingerprint import video_open
from amparo.fingerprint.pdq import dihedral, of_samples
from amparo.fingerprint.video_frames import distance, laid_out, sampled
from amparo.fingerprint.video_open import Changed, kind_of, open_media
from amparo.fingerprint.video_said import instant, position, said
from amparo.fingerprint.video_sheet import sheet
from amparo.kit.found import Found
from amparo.kit.frames import CUT, INNER, TRIMMED, unpacked
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Thumb, Warn
from amparo.kit.source import Source
from amparo.model import Exif, FilmFrames, Position, Soundtrack
from films import HIGH, WIDE, film, film_of, looked, scene, shown, tune, with_rotation


@pytest.fixture(scope="module")
def three() -> bytes:
    """Three scenes of two seconds, with sound."""
    frames = scene(1, 2) + scene(2, 2) + scene(3, 2)
    return film(frames, sound=tune(1, 6))


def test_what_a_film_is(three: bytes) -> None:
    record = film_of(looked(three))
    assert (record.container, record.codec) == ("mov", "mpeg4")
    assert (record.width, record.height, record.rate) == (WIDE, HIGH, 10.0)
    assert (record.duration, record.reached, record.frames) == (6000, 5900, 30)
    assert record.damaged == ""
    assert record.encoder.startswith("Lavf")


def test_shots_begin_where_the_scenes_do(three: bytes) -> None:
    things = looked(three)
    assert film_of(things).shots == 3
    (value,) = shown(things)
    rows = unpacked(value)
    assert rows["time"][rows["flags"] == CUT].tolist() == [0, 2000, 4000]


def test_a_moving_camera_cuts_nothing() -> None:
    field = np.kron(
        np.random.default_rng(4).integers(0, 255, (60, 90, 3)), np.ones((12, 12, 1), np.int64)
    ).astype(np.uint8)
    pan = [field[200 : 200 + HIGH, 12 * n : 12 * n + WIDE] for n in range(50)]
    assert film_of(looked(film(pan))).shots == 1


def test_vpdq_holds_one_frame_a_second_as_stored(three: bytes) -> None:
    (part,) = [t for t in looked(three) if isinstance(t, FilmFrames) and t.form == "vpdq"]
    rows = unpacked(part.value, "vpdq")
    assert rows["number"].tolist() == [0, 10, 20, 30, 40, 50]
    assert rows["time"].tolist() == [0, 1000, 2000, 3000, 4000, 5000]
    assert (rows["quality"] > 50).all()


def test_hashes_are_those_of_pictures_of_the_same_frames(three: bytes) -> None:
    (value,) = shown(looked(three))
    rows = unpacked(value)
    with av.open(io.BytesIO(three)) as container:
        frames = list(container.decode(video=0))
    for row in rows[rows["flags"] <= CUT][:5]:
        grey = frames[round(int(row["time"]) / 100)].to_ndarray(format="gray")
        codes, _ = dihedral(grey)
        assert distance(codes[0], row["code"].tobytes()) <= 8
        assert distance(codes[5], row["mirror"].tobytes()) <= 8


def test_samples_are_those_of_the_reference_way() -> None:
    frame = scene(9, 0.1)[0][:, :, 1]
    for height, width in ((144, 192), (700, 1001), (512, 60)):
        big = np.tile(frame, (8, 8))[:height, :width]
        rows, columns = (np.arange(512) * n // 512 for n in big.shape)
        codes, quality = dihedral(big if max(big.shape) <= 512 else big[rows][:, columns])
        assert of_samples(sampled(big)) == (codes[0], codes[5], quality)


def test_black_bars_are_looked_past() -> None:
    frames = scene(5, 2)
    plain, boxed = (
        unpacked(shown(looked(film(fs)))[0])
        for fs in (frames, [np.pad(f, ((24, 24), (0, 0), (0, 0))) for f in frames])
    )
    trimmed = boxed[(boxed["flags"] & TRIMMED) > 0]
    whole = boxed[(boxed["flags"] & (TRIMMED | INNER)) == 0]
    assert len(trimmed) and not (plain["flags"] & TRIMMED).any()
    assert distance(plain["code"][0].tobytes(), trimmed["code"][0].tobytes()) <= 31
    assert distance(plain["code"][0].tobytes(), whole["code"][0].tobytes()) > 60


def test_a_fixed_camera_leaves_few_frames_but_not_one() -> None:
    frames = [scene(6, 0.1)[0]] * 300
    (value,) = shown(looked(film(frames)))
    assert 3 <= len(unpacked(value)) <= 16


def test_black_frames_have_no_hash() -> None:
    things = looked(film([np.zeros((HIGH, WIDE, 3), np.uint8)] * 20))
    assert film_of(things).frames == 10
    assert not shown(things)


@pytest.mark.parametrize(
    ("form", "codec", "container"),
    [
        ("mp4", "libx264", "mov"),
        ("mov", "libx265", "mov"),
        ("mp4", "libsvtav1", "mov"),
        ("webm", "libvpx-vp9", "matroska"),
        ("mpeg", "mpeg1video", "mpeg"),
        ("3gp", "h263", "mov"),
        ("mov", "mjpeg", "mov"),
        ("avi", "mpeg4", "avi"),
        ("matroska", "mpeg4", "matroska"),
        ("webm", "libvpx", "matroska"),
        ("flv", "flv", "flv"),
        ("asf", "wmv2", "asf"),
        ("mpegts", "mpeg2video", "mpegts"),
        ("3gp", "mpeg4", "mov"),
        ("ogg", "libvpx", "ogg"),
    ],
)
def test_forms(form: str, codec: str, container: str) -> None:
    rate = 25 if codec.startswith("mpeg") and codec != "mpeg4" else 10
    frames = [f[:, :176] if codec == "h263" else f for f in scene(7, 1.6, rate)]
    data = film(frames, codec, form, rate)
    record = film_of(looked(data))
    assert record.container == container
    assert record.frames >= 7
    assert sniff(data[:HEAD], len(data)).startswith("video/")


def test_contact_sheets(three: bytes) -> None:
    (thumb,) = [t for t in looked(three) if isinstance(t, Thumb)]
    assert max(thumb.width, thumb.height) <= 1024
    assert len(thumb.rgb) == thumb.width * thumb.height * 3
    (larger,) = sheet(Source.of_bytes(three), Found("", "", "", "c"))
    assert thumb.width >= 2 * WIDE and larger.width >= 2 * WIDE
    tall = laid_out([np.full((256, 144, 3), n, np.uint8) for n in range(9)])
    assert tall.shape[1] > tall.shape[0]
    assert max(laid_out([np.zeros((340, 340, 3), np.uint8)] * 40).shape) <= 1024


def test_a_turned_phone() -> None:
    """A film stored lying, with the note that a player turns it, has the hashes of the upright one."""
    frames = scene(8, 1)
    lying = with_rotation(film([np.rot90(f) for f in frames]), 90)
    record = film_of(looked(lying))
    assert record.rotation == 90
    assert (record.width, record.height) == (WIDE, HIGH)
    upright = unpacked(shown(looked(film(frames)))[0])
    turned = unpacked(shown(looked(lying))[0])
    assert distance(upright["code"][0].tobytes(), turned["code"][0].tobytes()) <= 31


# --- what a container says ------------------------------------------------------------------------


def test_place_camera_and_time_of_a_film() -> None:
    metadata = {
        "com.apple.quicktime.make": "Maker",
        "com.apple.quicktime.model": "Model 1",
        "com.apple.quicktime.creationdate": "2024-05-04T12:00:00+0200",
        "com.apple.quicktime.location.ISO6709": "+48.2000+016.3700+171.5/",
    }
    data = film(
        scene(1, 1), form="mov", metadata=metadata, options={"movflags": "use_metadata_tags"}
    )
    things = looked(data)
    (exif,) = [t for t in things if isinstance(t, Exif)]
    assert (exif.make, exif.model, exif.zone) == ("Maker", "Model 1", "+02:00")
    assert exif.taken_at == 1_714_816_800_000
    (place,) = [t for t in things if isinstance(t, Position)]
    assert (place.latitude, place.longitude, place.altitude) == (48.2, 16.37, 171.5)


@pytest.mark.parametrize(
    ("written", "latitude", "longitude"),
    [
        ("+40.75-073.98/", 40.75, -73.98),
        ("-1234.5+00101.25/", -(12 + 34.5 / 60), 1 + 1.25 / 60),
        ("+123445.5-1203015/", 12 + 34 / 60 + 45.5 / 3600, -(120 + 30 / 60 + 15 / 3600)),
        ("+27.5916+086.5640+8850CRSWGS_84/", 27.5916, 86.564),
        ("+00-025/", 0, -25),
    ],
)
def test_iso_6709(written: str, latitude: float, longitude: float) -> None:
    place = position(written, "c")
    assert (place.latitude, place.longitude) == (pytest.approx(latitude), pytest.approx(longitude))


@pytest.mark.parametrize(
    "written",
    ["", "40.75,-73.98", "+4.5-073.98/", "+40.75-73.98/", "+91.0+000.0/", "+40.75-181.0/",
     "+1260.0+00100.0/", "+40.75-073.98CRSNAD27/", "+00.0000+000.0000/", "+40.75-073.98/x"],
)  # fmt: skip
def test_what_is_no_place_is_none(written: str) -> None:
    with pytest.raises(ValueError):
        position(written, "c")
    if written:
        (doubt,) = said({"location": written}, "c")
        assert isinstance(doubt, Warn)


def test_instants() -> None:
    assert instant("1970-01-02T00:00:00.000000Z") == 86_400_000
    assert instant("1970-01-02 01:00:00+01:00") == 86_400_000
    assert instant("1970-01-01T23:30:00-0030") == 86_400_000
    for bad in ("", "1970-02-30T00:00:00Z", "1970-01-01T00:00:00+2500", "yesterday"):
        assert instant(bad) is None


# --- hostile and damaged --------------------------------------------------------------------------


def test_a_film_that_breaks_off_says_so() -> None:
    data = film(scene(1, 8), form="avi")
    record = film_of(looked(data[: len(data) * 2 // 3]))
    assert 3000 < record.reached < 7000
    assert record.damaged
    assert record.frames > 10


def test_a_film_with_holes_is_looked_at_around_them() -> None:
    data = bytearray(film(scene(1, 8), form="matroska"))
    third = len(data) // 3
    data[third : third + 3000] = b"\xa5" * 3000
    record = film_of(looked(bytes(data)))
    assert record.reached > 7000


@pytest.mark.parametrize("seed", range(12))
def test_any_bytes_end_in_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    form = ("mp4", "avi", "matroska", "flv")[seed % 4]
    data = bytearray(film(scene(1, 1), "flv" if form == "flv" else "mpeg4", form))
    for at in rng.integers(0, len(data), 40):
        data[at] = rng.integers(0, 256)
    assert isinstance(looked(bytes(data)), list)


def test_a_film_without_its_index_is_a_warning() -> None:
    data = film(scene(1, 2))
    (warning,) = looked(data[: data.rindex(b"moov") - 4])
    assert isinstance(warning, Warn) and warning.reason.startswith("not decoded")


def test_changed_bytes_are_refused(three: bytes) -> None:
    digest = hashlib.sha256(three).hexdigest()
    assert film_of(looked(three, sha256=digest))
    with pytest.raises(Changed):
        looked(three + b"x", sha256=digest)


def test_large_films_are_read_in_blocks_that_are_checked(
    three: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_open, "IN_MEMORY", 1000)
    monkeypatch.setattr(video_open, "BLOCK", 4096)
    digest = hashlib.sha256(three).hexdigest()
    assert film_of(looked(three, sha256=digest)).frames == 30
    with pytest.raises(Changed):
        looked(three[:-1] + b"x", sha256=digest)

    class Turncoat(video_open._Checked):
        pass

    source = Source.of_bytes(three)
    checked = video_open.unchanged(source, digest)
    source.stream().getbuffer()[9000] ^= 1  # type: ignore[attr-defined]
    checked.seek(8192)
    with pytest.raises(Changed):
        checked.read(10)


def test_only_named_demuxers_and_decoders() -> None:
    playlists = (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n", b"ffconcat version 1.0\nfile /etc/hostname\n")  # fmt: skip
    for playlist in playlists:
        with pytest.raises(ValueError, match="no decoder"):
            open_media(Source.of_bytes(playlist), "")
    raw = film(scene(1, 0.5), codec="ffv1", form="matroska")
    (warning,) = looked(raw)
    assert isinstance(warning, Warn) and "ffv1" in warning.reason


def test_a_tag_in_front_of_a_sound_is_looked_behind() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05" + bytes(5)
    assert kind_of(Source.of_bytes(tag + b"fLaC" + bytes(50)).stream(), 69) == (
        "audio/mpeg",
        "flac",
    )
    assert kind_of(Source.of_bytes(tag + b"\xff\xfb\x90\x00" * 9).stream(), 51)[1] == "mp3"


def test_a_film_without_pictures_is_a_sound() -> None:
    data = film(scene(1, 1), sound=tune(2, 4))
    things = looked(data)
    assert any(isinstance(t, Soundtrack) for t in things)
    assert Fraction(film_of(things).rate) == 10
