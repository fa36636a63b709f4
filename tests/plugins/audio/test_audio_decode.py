"""Reading sounds: formats, sample rates, channels, silence, and splitting into windows."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import audio_helpers
from audio_helpers import DATA, RATE, encode_sound, make_chirp, make_sounds, read_samples, write_sound
from vicinal import Item, ItemError
from vicinal_audio.decode import repeat_to_length, split_windows
from vicinal_audio.melstats import MelStats

SOUNDS = Path(audio_helpers.__file__).parent / "sounds"

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
def test_formats_are_read(tmp_path, name, codec):
    rate = 48_000 if codec == "libopus" else 44_100
    sound = make_chirp(rate=rate)
    read = read_samples(write_sound(tmp_path / name, sound, rate, codec), rate)
    write_sound(tmp_path / "expected.wav", sound, rate)
    assert abs(len(read) - len(sound)) <= 0.06 * rate
    middle = sound[rate : 2 * rate]
    likeness = np.correlate(read[rate - 2500 : 2 * rate + 2500], middle)
    assert likeness.max() / (middle @ middle) == pytest.approx(1, abs=0.06), "LAME turns the volume down by a twentieth"
    assert encode_sound(tmp_path / name) @ encode_sound(tmp_path / "expected.wav") > 0.98


@pytest.mark.parametrize(
    ("name", "rate", "codec"),
    [
        ("a.voc", 22_050, "pcm_s16le"),
        ("u8.voc", 22_222, "pcm_u8"),
        ("a.rm", 44_100, "ac3"),
        ("a.g722", 16_000, "g722"),
        ("a.latm", 44_100, "aac"),
        ("a.amr", 8_000, "libopencore_amrnb"),
        ("a.tta", 44_100, "tta"),
        ("a.caf", 44_100, "pcm_s16le"),
        ("a.wv", 44_100, "wavpack"),
        ("a.spdif", 48_000, "ac3"),
    ],
)
def test_formats_of_recorders_and_telephones_are_read(tmp_path, name, rate, codec):
    if codec == "libopencore_amrnb" and codec not in av.codecs_available:
        pytest.skip("PyAV 19 reads AMR, but cannot write it")
    found = encode_sound(write_sound(tmp_path / name, make_chirp(rate=rate), rate, codec))
    assert found @ encode_sound(write_sound(tmp_path / "expected.wav", make_chirp(rate=rate), rate)) > 0.9


@pytest.mark.parametrize(
    ("file_format", "subtype"),
    [("NIST", "PCM_16"), ("NIST", "ULAW"), ("IRCAM", "PCM_16"), ("PVF", "PCM_16"), ("PAF", "PCM_16"), ("AVR", "PCM_16"),
     ("SVX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("VOC", "PCM_16")],
)  # fmt: skip
def test_formats_that_libsndfile_writes_are_read(tmp_path, file_format, subtype):
    soundfile.write(tmp_path / "a.bin", make_chirp(rate=RATE), RATE, format=file_format, subtype=subtype)
    expected = encode_sound(write_sound(tmp_path / "expected.wav", make_chirp(rate=RATE), RATE))
    assert encode_sound(tmp_path / "a.bin") @ expected > 0.99


@pytest.mark.parametrize("name", ["chirp.gsm", "chirp.dts"])
def test_formats_that_ffmpeg_does_not_write_are_read(tmp_path, name):
    """``ffmpeg -i chirp.wav -ar 16000 -strict -2 -c:a dca -b:a 96k`` and ``sox chirp.wav -r 8000 -c 1`` wrote them."""
    expected = encode_sound(write_sound(tmp_path / "expected.wav", make_chirp(1.0)))
    assert encode_sound(SOUNDS / name) @ expected > 0.85


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_wav_of_any_sample_format_is_read(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", make_chirp(), 44_100, subtype=subtype)
    expected = read_samples(write_sound(tmp_path / "expected.flac", make_chirp()))
    assert np.abs(read_samples(tmp_path / "a.wav") - expected).max() < (0.02 if subtype in ("PCM_U8", "ULAW") else 2e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "rate"), [("a.wav", 44_100), ("a.flac", 48_000), ("a.ogg", 32_000), ("a.mp3", 44_100)]
)
def test_samples_equal_those_of_librosa(tmp_path, name, rate):
    import librosa

    sound = np.stack([make_chirp(rate=rate), 0.3 * make_chirp(rate=rate)[::-1]], axis=1)
    write_sound(tmp_path / name, sound, rate, "libmp3lame" if name.endswith("mp3") else None)
    expected, _ = librosa.load(tmp_path / name, sr=RATE)
    found = read_samples(tmp_path / name)
    assert abs(len(found) - len(expected)) <= 1
    size = min(len(found), len(expected))
    assert np.abs(found[:size] - expected[:size]).max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sample_rate_and_channels_do_not_change_the_vector(tmp_path, rate, channels):
    sound = np.repeat(make_chirp(rate=rate)[:, None], channels, axis=1)
    other = encode_sound(write_sound(tmp_path / "other.wav", sound, rate))
    assert other @ encode_sound(write_sound(tmp_path / "a.wav", make_chirp(), 44_100)) > 0.98


def test_loudness_does_not_change_the_vector(tmp_path):
    quiet = encode_sound(write_sound(tmp_path / "quiet.flac", make_chirp() / 50))
    assert quiet @ encode_sound(write_sound(tmp_path / "a.wav", make_chirp())) > 0.99


def test_the_audio_track_of_a_video_is_read(tmp_path):
    video = write_sound(tmp_path / "a.mp4", make_chirp(), 44_100, "aac", video=True)
    assert encode_sound(video) @ encode_sound(write_sound(tmp_path / "a.wav", make_chirp())) > 0.98


def test_nan_and_infinity_in_a_float_file_become_finite(tmp_path):
    sound = make_chirp()
    sound[1000:1010], sound[2000] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", sound, 44_100, subtype="FLOAT")
    assert np.isfinite(read_samples(tmp_path / "a.wav")).all()
    assert np.isfinite(encode_sound(tmp_path / "a.wav")).all()


# --- silence and short sounds


def test_a_silent_sound_fails(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.zeros(3 * RATE), RATE)
    for params in ({}, {"window": 1}):
        with pytest.raises(ItemError, match="the sound is silent"):
            MelStats(MelStats.Params(**params)).decode(Item("x", path))


def test_silent_windows_are_left_out(tmp_path):
    path = write_sound(
        tmp_path / "a.wav", np.concatenate([np.zeros(4 * RATE), make_chirp(4, RATE), np.zeros(4 * RATE)]), RATE
    )
    segments = MelStats(MelStats.Params(window=2, hop=2)).decode(Item("x", path))
    assert [(each.start, each.end) for each in segments] == [(4, 6), (6, 8)]


def test_a_constant_is_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(3 * RATE, 0.3), RATE)
    for params in ({}, {"window": 1}):
        with pytest.raises(ItemError, match="the sound is silent"):
            MelStats(MelStats.Params(**params)).decode(Item("x", tmp_path / "a.wav"))


def test_windows_50_db_below_the_loudest_are_left_out(tmp_path):
    hiss = np.random.default_rng(2).standard_normal(40 * RATE) * 1e-4
    hiss[20 * RATE : 24 * RATE] += make_chirp(4, RATE)
    write_sound(tmp_path / "a.flac", hiss, RATE)
    segments = MelStats(MelStats.Params(window=2, hop=2)).decode(Item("x", tmp_path / "a.flac"))
    assert [(each.start, each.end) for each in segments] == [(20, 22), (22, 24)]


def test_a_short_sound_is_repeated_where_an_encoder_asks_for_it():
    sound = make_chirp(0.3, RATE)
    repeated = np.concatenate(list(repeat_to_length([sound[:1000], sound[1000:]], RATE, 1.0)))
    assert np.array_equal(repeated, np.resize(sound, RATE))
    [window] = split_windows([sound], RATE, 5, 2.5, 1.0)
    assert np.array_equal(window.samples, np.resize(sound, RATE))
    assert (window.start, window.end) == (0, pytest.approx(0.3, abs=1e-4))


def test_a_long_enough_sound_is_not_repeated():
    sound = make_chirp(2.5, RATE)
    assert np.array_equal(np.concatenate(list(repeat_to_length(np.array_split(sound, 7), RATE, 1.0))), sound)


# --- windows


def split_ramp(seconds, length, hop, block_count=1, rate=100):
    """Samples that count up, and the windows they are split into."""
    sound = np.arange(1, round(seconds * rate) + 1, dtype=np.float32)
    return sound, list(split_windows(np.array_split(sound, block_count), rate, length, hop))


def test_windows_start_a_hop_apart_and_the_last_ends_with_the_sound():
    times = [(each.start, each.end) for each in split_ramp(23, 10, 5)[1]]
    assert times == [(0, 10), (5, 15), (10, 20), (13, 23)]
    assert [(each.start, each.end) for each in split_ramp(20, 10, 5)[1]] == [(0, 10), (5, 15), (10, 20)]
    assert [(each.start, each.end) for each in split_ramp(20.4, 10, 10)[1]] == [(0, 10), (10, 20)], (
        "not for half a second"
    )
    assert [(each.start, each.end) for each in split_ramp(4, 10, 5)[1]] == [(0, 4)]


@given(
    seconds=st.floats(1, 60),
    length=st.floats(1, 20),
    share=st.floats(0.1, 1),
    block_count=st.integers(1, 40),
)
def test_windows_hold_the_samples_of_their_times(seconds, length, share, block_count):
    sound, found = split_ramp(seconds, length, share * length, block_count)
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
    path = write_sound(tmp_path / "a.flac", np.tile(make_chirp(10, RATE), 60), RATE)
    encoder = MelStats(MelStats.Params(window=10, hop=5))
    encoder.decode(Item("x", write_sound(tmp_path / "short.wav", make_chirp())))
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
    assert MelStats.Params(window=4).hop_seconds == 2


def test_sample_sounds_are_those_that_their_program_generates(tmp_path):
    kind, name = "bells", "hand"
    rng = np.random.default_rng([make_sounds.SEED, sorted(make_sounds.NAMES).index(kind), 1])
    generated = make_sounds.sound(kind, 1, rng)
    make_sounds.write(tmp_path / "a.ogg", generated)
    committed = DATA / "sounds" / kind / f"{name}.ogg"
    assert encode_sound(tmp_path / "a.ogg") @ encode_sound(committed) > 0.999
    files = [path for path in (DATA / "sounds").rglob("*") if path.is_file()]
    assert len(files) == 36
    assert sum(path.stat().st_size for path in files) < 700_000
