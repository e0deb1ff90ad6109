"""Sounds: our Chromaprint is that of fpcalc, survives recoding, and knows when there is nothing to hear."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from amparo.fingerprint.audio_print import Chromaprint, codes
from amparo.kit.mime import HEAD, sniff
from amparo.kit.plugin import Warn
from amparo.model import Exif, Film, Soundtrack
from films import looked, sound_file, soundtrack, tune

REFERENCE = json.loads((Path(__file__).parent / "chromaprint_reference.json").read_text())


def printed(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    made = Chromaprint()
    for begin in range(0, len(samples), 1000):
        made.feed(samples[begin : begin + 1000])
    return made.finish()


def test_codes_are_those_of_fpcalc() -> None:
    ours, sounding = printed(tune(11, 16, 11025))
    assert ours.tolist() == REFERENCE["codes"]
    assert sounding.all()


def test_codes_of_silence_sound_like_nothing() -> None:
    _, sounding = printed(np.zeros(11025 * 8, np.int16))
    assert len(sounding) and not sounding.any()
    faint = np.random.default_rng(1).normal(0, 0.4, 11025 * 8).round().astype(np.int16)
    assert not printed(faint)[1].any()


def test_too_little_sound_has_no_code() -> None:
    ours, sounding = printed(tune(1, 2, 11025))
    assert len(ours) == len(sounding) == 0
    with pytest.raises(ValueError):
        codes(np.zeros((10, 12)))


def test_feeding_in_pieces_changes_nothing() -> None:
    samples = tune(3, 30, 11025)
    whole = Chromaprint()
    whole.feed(samples)
    assert (whole.finish()[0] == printed(samples)[0]).all()


@pytest.mark.parametrize(
    ("codec", "form", "rate", "mime"),
    [
        ("libmp3lame", "mp3", 44100, "audio/mpeg"),
        ("aac", "adts", 44100, "audio/aac"),
        ("aac", "ipod", 44100, "audio/mp4"),
        ("libopus", "ogg", 48000, "audio/opus"),
        ("libopencore_amrnb", "amr", 8000, "audio/amr"),
        ("flac", "flac", 44100, "audio/flac"),
        ("pcm_s16le", "wav", 44100, "audio/wav"),
        ("alac", "caf", 44100, "audio/x-caf"),
        ("wmav2", "asf", 44100, "video/x-ms-wmv"),
    ],
)
def test_forms(codec: str, form: str, rate: int, mime: str) -> None:
    """Each form is known by its content, decodes, and is nearly the same sound as the original."""
    samples = tune(5, 8)
    data = sound_file(samples, codec, form, rate)
    assert sniff(data[:HEAD], len(data)) == mime
    record = soundtrack(data)
    assert abs(record.duration - 8000) < 200
    assert (record.hertz, record.channels) == (rate, 1)
    ours = np.frombuffer(record.value, "<u4")
    plain = np.frombuffer(soundtrack(sound_file(samples, "pcm_s16le", "wav")).value, "<u4")
    count = min(len(ours), len(plain))
    assert count > 30
    differ = min(
        np.bitwise_count(ours[a : count - 2 + a] ^ plain[b : count - 2 + b]).mean() / 32
        for a in (0, 1, 2)
        for b in (0, 1, 2)
    )
    assert differ < 0.12


def test_wide_band_amr() -> None:
    """Nobody encodes it here, so its frames (12.65 kbit/s, 20 ms, RFC 4867) are of chance: some noise."""
    chance = np.random.default_rng(3)
    frames = b"".join(b"\x14" + chance.bytes(32) for _ in range(400))
    data = b"#!AMR-WB\n" + frames
    assert sniff(data[:HEAD], len(data)) == "audio/amr-wb"
    record = soundtrack(data)
    assert (record.hertz, record.channels) == (16000, 1)
    assert abs(record.duration - 8000) < 200 and not record.damaged


def test_a_cover_is_no_film() -> None:
    data = sound_file(tune(5, 4), "libmp3lame", "mp3")
    things = looked(data)
    assert not [t for t in things if isinstance(t, Film | Exif | Warn)]


def test_damaged_sound_says_so() -> None:
    data = bytearray(sound_file(tune(5, 8), "flac", "flac"))
    middle = len(data) // 2
    data[middle : middle + 20_000] = bytes(20_000)
    (record,) = [t for t in looked(bytes(data)) if isinstance(t, Soundtrack)]
    assert record.damaged
    assert record.duration > 4000
