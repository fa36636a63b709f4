"""What recorders and editors do to a sound changes its vector little: polarity, DC, silence, hiss, spikes, ticks."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from audio_helpers import DATA, RATE, encode_sound, make_chirp, read_samples, write_sound
from vicinal import Item, ItemError
from vicinal_audio.downmix import downmix
from vicinal_audio.melstats import MelStats
from vicinal_audio.spectrogram import compute_spectra
from vicinal_audio.statistics import summarize_spectra

SAMPLES = ["bells/hand.ogg", "drums/rock.flac", "birds/owl.ogg", "chords/minor.ogg"]
HIGH = 44_100


@pytest.fixture(scope="module", params=SAMPLES)
def sound(request):
    [path] = (DATA / "sounds").glob(request.param.split(".")[0] + ".*")
    return read_samples(path, HIGH)


@pytest.fixture
def cosine(tmp_path, sound):
    """Of a sound written as a float file to the sample sound."""

    def measure(samples, reference=sound):
        for name, each in (("odd.wav", samples), ("base.wav", reference)):
            soundfile.write(tmp_path / name, each, HIGH, subtype="FLOAT")
        return float(encode_sound(tmp_path / "odd.wav") @ encode_sound(tmp_path / "base.wav"))

    return measure


# --- channels


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1, 1), (1, -1, 0), (1, -1, 0.5, 0.1, -0.7, 0.7), (1, -0.3)], ids=str)
def test_channels_of_inverted_polarity_do_not_cancel(sound, cosine, signs):
    assert cosine(np.outer(sound, signs)) > 0.999


def test_inverted_channels_with_noise_and_dc_do_not_cancel(sound, cosine):
    noise = 0.003 * np.random.default_rng(1).standard_normal((len(sound), 2))
    assert cosine(np.stack([sound, -sound], 1) + noise) > 0.98
    assert cosine(0.3 * np.stack([sound, -sound], 1) + 0.4) > 0.99


@pytest.mark.parametrize("codec", ["aac", "libmp3lame"])
def test_an_inverted_channel_survives_compression(tmp_path, codec):
    stereo = np.stack([make_chirp(), -make_chirp()], 1)
    odd = write_sound(tmp_path / ("a.m4a" if codec == "aac" else "a.mp3"), stereo, HIGH, codec)
    assert encode_sound(odd) @ encode_sound(write_sound(tmp_path / "base.wav", make_chirp())) > 0.99


def test_channels_that_differ_are_averaged():
    rng = np.random.default_rng(5)
    left, right = rng.standard_normal((2, 5000)).astype(np.float32)
    assert np.allclose(downmix(np.stack([left, right])), (left + right) / 2, atol=1e-6)
    wide = np.stack([left, right - 0.4 * left])
    assert np.allclose(downmix(wide.copy()), wide.mean(axis=0), atol=1e-6)


# --- DC


@pytest.mark.parametrize("constant", [0.02, -0.1, 0.5])
@pytest.mark.parametrize("volume", [0.4, 0.1])
def test_a_constant_does_not_count(sound, cosine, volume, constant):
    assert cosine(volume * sound + constant) > 0.99


def test_a_constant_that_drifts_does_not_count(sound, cosine):
    t = np.arange(len(sound)) / HIGH
    assert cosine(0.2 * sound + 0.2 + 0.1 * np.sin(2 * np.pi * 0.7 * t)) > 0.98
    assert cosine(0.2 * sound + np.linspace(-0.3, 0.3, len(sound))) > 0.98


# --- silence


@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("decibels", [-np.inf, -80.0])
def test_silence_and_hiss_do_not_count(sound, cosine, seconds, decibels):
    rng, size = np.random.default_rng(3), int(seconds * HIGH)
    hiss = 10 ** (decibels / 20) * rng.standard_normal(size)
    assert cosine(np.concatenate([hiss, sound])) > 0.97
    assert cosine(np.concatenate([sound, hiss])) > 0.97
    assert cosine(np.concatenate([hiss[: size // 2 + 77], sound, hiss])) > 0.97


def test_hiss_at_60_db_below_full_scale_counts_little(sound, cosine):
    hiss = 0.001 * np.random.default_rng(3).standard_normal(5 * HIGH)
    assert cosine(np.concatenate([hiss, sound, hiss])) > 0.97


def test_a_constant_before_and_after_a_sound_does_not_count(sound, cosine):
    """Less so than silence: resampling rings where the constant begins and ends with the file."""
    assert cosine(0.3 * np.concatenate([np.zeros(HIGH), sound, np.zeros(HIGH)]) + 0.2) > 0.93


# --- spikes


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e30, -3e38, 100.0])
@pytest.mark.parametrize("count", [1, 3])
def test_lone_spikes_do_not_count(sound, cosine, value, count):
    spiked = sound.copy()
    spiked[np.linspace(5000, len(sound) - 5000, count).astype(int)] = value
    assert cosine(spiked) > 0.99


def test_a_spike_of_full_scale_in_a_quiet_sound_does_not_count(sound, cosine):
    quiet = 0.002 * sound
    quiet[len(sound) // 2] = 1
    assert cosine(quiet) > 0.99


def test_a_burst_of_infinity_and_nan_counts_little(sound, cosine):
    broken = sound.copy()
    broken[10_000:10_020], broken[30_000:30_040] = np.inf, np.nan
    assert cosine(broken) > 0.98


def test_clicks_are_sounds(tmp_path):
    """A sound that is nothing but an impulse is not taken for a fault."""
    impulse = np.zeros(HIGH, np.float32)
    impulse[2000] = 0.9
    assert np.array_equal(downmix(impulse[None].copy()), impulse)
    tick = np.exp(-np.arange(44_100) / 20).astype(np.float32)
    assert np.array_equal(downmix(tick[None].copy()), tick)


# --- ticks


@pytest.mark.parametrize("milliseconds", [5.1, 10, 20])
def test_ticks_are_indexed(tmp_path, milliseconds):
    """And told apart; silence behind them changes nothing."""
    size = int(milliseconds * HIGH / 1000)
    fade = np.hanning(size)
    rng = np.random.default_rng(4)
    ticks = {
        "hat": np.diff(rng.standard_normal(size + 1)) * fade * 0.2,
        "wood": np.sin(2 * np.pi * 1200 * np.arange(size) / HIGH) * fade * 0.5,
    }
    vectors = {}
    for name, tick in ticks.items():
        for silence in (0, HIGH):
            soundfile.write(tmp_path / "a.wav", np.concatenate([tick, np.zeros(silence)]), HIGH)
            vectors[name, silence] = encode_sound(tmp_path / "a.wav")
        assert vectors[name, 0] @ vectors[name, HIGH] > 0.99
    assert vectors["hat", 0] @ vectors["wood", 0] < 0.7


def test_a_tick_in_a_window_is_a_segment(tmp_path):
    soundfile.write(tmp_path / "a.wav", make_chirp(0.01), HIGH)
    [segment] = MelStats(MelStats.Params(window=5)).decode(Item("x", tmp_path / "a.wav"))
    assert (segment.start, segment.end) == (0, pytest.approx(0.01, abs=1e-4))
    assert np.isfinite(MelStats().encode([segment.sample])).all()


def test_a_sound_without_anything_to_hear_is_silent():
    with pytest.raises(ItemError, match="the sound is silent above 25 Hz"):
        summarize_spectra(compute_spectra([np.zeros(RATE, np.float32)], RATE))
