"""The same soundtrack: recoded, cut out; never silence with silence, nor a hum with a hum."""

from __future__ import annotations

import numpy as np
import pytest

from amparo.match.sounds import sound_in_films, sounds
from amparo.match.sounds_align import Index, Track, aligned
from amparo.model import ClipMatch, Link, Soundtrack
from films import film, looked, records, scene, sound_file, soundtrack, tune
from memory_view import MemoryView


def test_the_sound_of_a_film_in_a_recording() -> None:
    song = tune(1, 20)
    case = records(film(scene(1, 20, 5), rate=5, sound=song), "film")
    case += records(sound_file(song[5 * 44100 : 15 * 44100], "libopus", "ogg", 48000), "piece")
    case += records(sound_file(tune(2, 20), "aac", "adts"), "other")
    made = list(sounds(MemoryView(case)))
    (link,) = [r for r in made if isinstance(r, Link)]
    assert (link.form, link.source, link.target) == ("sound_of", "piece", "film")
    (match,) = [r for r in made if isinstance(r, ClipMatch)]
    assert match.form == "sound" and match.distance < 0.12
    assert abs(match.other_start - match.start - 5000) < 300
    again = list(sounds(MemoryView(reversed(case))))
    assert {r.id for r in again} == {r.id for r in made}


def test_recoded_is_the_same_sound() -> None:
    song = tune(3, 12)
    case = records(sound_file(song, "libmp3lame", "mp3"), "mp3")
    case += records(sound_file(song, "libopencore_amrnb", "amr", 8000), "amr")
    (link,) = [r for r in sounds(MemoryView(case)) if isinstance(r, Link)]
    assert link.form == "same_sound"


def test_a_sound_that_is_not_of_the_case() -> None:
    song = tune(4, 20)
    case = records(sound_file(song, "aac", "adts"), "song")
    asked = soundtrack(sound_file(song[6 * 44100 + 999 : 13 * 44100], "libmp3lame", "mp3"))
    (match,) = sound_in_films(MemoryView(case), asked.value, asked.sounding)
    assert (match.other, match.content) == ("song", "")
    assert abs(match.other_start - match.start - 6000) < 300
    with pytest.raises(ValueError):
        sound_in_films(MemoryView(case), asked.value, b"")


def quiet() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    t = np.arange(8 * 44100) / 44100
    return [
        np.zeros(len(t), np.int16),
        rng.normal(0, 2, len(t)).astype(np.int16),
        rng.normal(0, 600, len(t)).astype(np.int16),
        (9000 * np.sin(2 * np.pi * 50 * t)).astype(np.int16),
        (4000 * np.sin(2 * np.pi * 50 * t)).astype(np.int16),
        (4000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16),
    ]


def test_silence_noise_and_hum_are_like_nothing() -> None:
    """Each of them recoded in two ways: not even like itself, for nothing in it could be told from another."""
    case: list[Soundtrack] = []
    for n, samples in enumerate(quiet()):
        for codec, form in (("libmp3lame", "mp3"), ("aac", "adts")):
            things = looked(sound_file(samples, codec, form), f"{n}{form}")
            case += [t for t in things if isinstance(t, Soundtrack)]
    assert len(case) == 12
    assert list(sounds(MemoryView(case))) == []


def test_a_song_after_silence_matches_in_the_song_only() -> None:
    song = tune(6, 10)
    silence = np.zeros(8 * 44100, np.int16)
    tracks = [
        Track.of(r.value, r.sounding)
        for r in (
            soundtrack(sound_file(np.concatenate([silence, song]), "aac", "adts")),
            soundtrack(sound_file(np.concatenate([silence, silence, song]), "aac", "adts")),
        )
    ]
    ((other, offsets),) = Index(tracks).places(tracks[0], after=0)
    assert other == 1
    (stretch,) = aligned(tracks[0], tracks[1], offsets)
    assert stretch.begin * 0.1238 > 5.0


def test_different_speech_like_sounds_stay_apart() -> None:
    """Syllables of noise and tone from one small stock, in different orders."""
    rng = np.random.default_rng(7)
    stock = [tune(100 + n, 0.4) for n in range(8)]
    tracks = []
    for _ in range(6):
        said = np.concatenate([stock[i] for i in rng.integers(0, 8, 40)])
        record = soundtrack(sound_file(said, "pcm_s16le", "wav"))
        tracks.append(Track.of(record.value, record.sounding))
    index = Index(tracks)
    longest = [
        s.length * 0.1238
        for n, track in enumerate(tracks)
        for other, offsets in index.places(track, n)
        for s in aligned(track, tracks[other], offsets)
    ]
    assert max(longest, default=0) < 6
