"""Reading sounds: formats, rates, channels, silence, and how they are cut into windows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_helpers import DATA, RATE, chirp, make_sounds, samples_of, vector, write
from vicinal import Item, ItemError
from vicinal_audio.decode import audible, windows
from vicinal_audio.melstats import MelStats

# --- formats


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", None),
        ("a.flac", None),
        ("a.ogg", None),
        ("a.aiff", None),
        ("a.opus", "libopus"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("alac.m4a", "alac"),
        ("a.mkv", "flac"),
    ],
)
def test_formats(tmp_path, name, codec):
    rate = 48_000 if codec == "libopus" else 44_100
    sound = chirp(rate=rate)
    read = samples_of(write(tmp_path / name, sound, rate, codec), rate)
    write(tmp_path / "expected.wav", sound, rate)
    assert abs(len(read) - len(sound)) <= 0.06 * rate
    middle = sound[rate : 2 * rate]
    likeness = np.correlate(read[rate - 2500 : 2 * rate + 2500], middle)
    assert likeness.max() / (middle @ middle) == pytest.approx(1, abs=0.06), "LAME turns the volume down by a twentieth"
    assert vector(tmp_path / name) @ vector(tmp_path / "expected.wav") > 0.98


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_wav_of_any_depth(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", chirp(), 44_100, subtype=subtype)
    expected = samples_of(write(tmp_path / "expected.flac", chirp()))
    assert np.abs(samples_of(tmp_path / "a.wav") - expected).max() < (0.02 if subtype in ("PCM_U8", "ULAW") else 2e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "rate"), [("a.wav", 44_100), ("a.flac", 48_000), ("a.ogg", 32_000), ("a.mp3", 44_100)]
)
def test_samples_are_those_of_librosa(tmp_path, name, rate):
    import librosa

    sound = np.stack([chirp(rate=rate), 0.3 * chirp(rate=rate)[::-1]], axis=1)
    write(tmp_path / name, sound, rate, "libmp3lame" if name.endswith("mp3") else None)
    expected, _ = librosa.load(tmp_path / name, sr=RATE)
    found = samples_of(tmp_path / name)
    assert abs(len(found) - len(expected)) <= 1
    size = min(len(found), len(expected))
    assert np.abs(found[:size] - expected[:size]).max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rate_and_channels_do_not_matter(tmp_path, rate, channels):
    sound = np.repeat(chirp(rate=rate)[:, None], channels, axis=1)
    other = vector(write(tmp_path / "other.wav", sound, rate))
    assert other @ vector(write(tmp_path / "a.wav", chirp(), 44_100)) > 0.98


def test_loudness_does_not_matter(tmp_path):
    quiet = vector(write(tmp_path / "quiet.flac", chirp() / 50))
    assert quiet @ vector(write(tmp_path / "a.wav", chirp())) > 0.99


def test_the_sound_track_of_a_video(tmp_path):
    film = write(tmp_path / "a.mp4", chirp(), 44_100, "aac", video=True)
    assert vector(film) @ vector(write(tmp_path / "a.wav", chirp())) > 0.98


def test_a_float_file_with_values_that_are_no_numbers(tmp_path):
    sound = chirp()
    sound[1000:1010], sound[2000] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT")
    assert np.isfinite(samples_of(tmp_path / "a.wav")).all()
    assert np.isfinite(vector(tmp_path / "a.wav")).all()


# --- silence and short sounds


def test_a_silent_sound_has_no_direction(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(3 * RATE), RATE)
    for params in ({}, {"window": 1}):
        with pytest.raises(ItemError, match="the sound is silent"):
            MelStats(MelStats.Params(**params)).decode(Item("x", path))


def test_silent_windows_are_left_out(tmp_path):
    path = write(tmp_path / "a.wav", np.concatenate([np.zeros(4 * RATE), chirp(4, RATE), np.zeros(4 * RATE)]), RATE)
    segments = MelStats(MelStats.Params(window=2, hop=2)).decode(Item("x", path))
    assert [(each.start, each.end) for each in segments] == [(4, 6), (6, 8)]


def test_a_short_sound_is_repeated_to_a_second(tmp_path):
    short = chirp(0.3, RATE)
    found = vector(write(tmp_path / "a.wav", short, RATE))
    assert found @ vector(write(tmp_path / "b.wav", np.resize(short, RATE), RATE)) > 0.9999
    encoder = MelStats(MelStats.Params(window=5))
    [segment] = encoder.decode(Item("x", tmp_path / "a.wav"))
    assert (segment.start, segment.end) == (0, pytest.approx(0.3, abs=1e-4))
    assert encoder.encode([segment.sample])[0] @ found > 0.9999


def test_audible_blocks_are_the_same_sound():
    sound = chirp(2.5, RATE)
    assert np.array_equal(np.concatenate(list(audible(np.array_split(sound, 7), RATE, 1.0))), sound)


# --- windows


def cut(seconds, length, step, pieces=1, rate=100):
    sound = np.arange(1, round(seconds * rate) + 1, dtype=np.float32)
    return sound, list(windows(np.array_split(sound, pieces), rate, length, step))


def test_windows_follow_each_other_and_the_last_ends_with_the_sound():
    times = [(each.start, each.end) for each in cut(23, 10, 5)[1]]
    assert times == [(0, 10), (5, 15), (10, 20), (13, 23)]
    assert [(each.start, each.end) for each in cut(20, 10, 5)[1]] == [(0, 10), (5, 15), (10, 20)]
    assert [(each.start, each.end) for each in cut(20.4, 10, 10)[1]] == [(0, 10), (10, 20)], "not for half a second"
    assert [(each.start, each.end) for each in cut(4, 10, 5)[1]] == [(0, 4)]


@given(
    seconds=st.floats(1, 60),
    length=st.floats(1, 20),
    share=st.floats(0.1, 1),
    pieces=st.integers(1, 40),
)
def test_windows_hold_what_their_times_say(seconds, length, share, pieces):
    sound, found = cut(seconds, length, share * length, pieces)
    assert [len(each.samples) for each in found[:-1]] == [round(length * 100)] * (len(found) - 1)
    for each in found:
        assert np.array_equal(each.samples, sound[round(each.start * 100) : round(each.end * 100)])
    assert found[0].start == 0
    assert len(sound) / 100 - found[-1].end <= 0.5
    covered = np.zeros(len(sound), bool)
    for each in found:
        covered[round(each.start * 100) : round(each.end * 100)] = True
    assert covered[: -51 or None].all() or len(sound) <= 51


def test_a_long_sound_needs_little_memory(tmp_path):
    path = write(tmp_path / "a.flac", np.tile(chirp(10, RATE), 60), RATE)
    encoder = MelStats(MelStats.Params(window=10, hop=5))
    encoder.decode(Item("x", write(tmp_path / "short.wav", chirp())))
    tracemalloc.start()
    try:
        segments = encoder.decode(Item("x", path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(segments) == 119
    assert (segments[-1].start, segments[-1].end) == (590, 600)
    assert peak < 20 * 2**20, "its samples alone are 53 MB"


def test_hop_needs_a_window():
    for params in ({"hop": 2}, {"window": 2, "hop": 3}):
        with pytest.raises(ValueError, match="hop needs a window"):
            MelStats.Params(**params)
    assert MelStats.Params(window=4).step == 2


def test_the_sample_sounds_are_what_their_program_makes(tmp_path):
    kind, name = "bells", "hand"
    rng = np.random.default_rng([make_sounds.SEED, sorted(make_sounds.NAMES).index(kind), 1])
    made = make_sounds.sound(kind, 1, rng)
    make_sounds.write(tmp_path / "a.ogg", made)
    committed = DATA / "sounds" / kind / f"{name}.ogg"
    assert vector(tmp_path / "a.ogg") @ vector(committed) > 0.999
    files = [path for path in (DATA / "sounds").rglob("*") if path.is_file()]
    assert len(files) == 36
    assert sum(path.stat().st_size for path in files) < 700_000
