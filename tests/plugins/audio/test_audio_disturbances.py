"""What happens to sounds before somebody searches with them: each change is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from audio_helpers import RATE, make_chirp, read_samples, write_sound
from vicinal import ItemError
from vicinal_audio.disturbances import list_disturbances
from vicinal_audio.torchaudio_encoder import TorchaudioEncoder

BY_NAME = {disturbance.name: disturbance for disturbance in list_disturbances(RATE, 3600)}


@pytest.fixture
def disturb(tmp_path):
    """Disturbs samples at RATE, and reads what comes of them."""

    def disturb(name, samples, seed=0):
        source = write_sound(tmp_path / "sound.wav", samples, RATE)
        made = BY_NAME[name].apply(source, np.random.default_rng(seed))
        if made is None:
            return None
        target = tmp_path / f"query{BY_NAME[name].suffix}"
        target.write_bytes(made)
        return read_samples(target, RATE)

    return disturb


def make_tone(hertz, seconds=2.0, peak=0.5):
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def find_pitch(samples):
    window = np.hanning(len(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[np.abs(np.fft.rfft(window * samples)).argmax()])


def level(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples))))


def test_a_cut_is_a_half_of_the_sound(disturb):
    chirp = make_chirp(3.0, RATE)
    half = disturb("cut", chirp)
    assert len(half) == len(chirp) // 2
    starts = [start for start in range(len(chirp) - len(half) + 1) if abs(chirp[start] - half[0]) < 1e-4]
    assert min(np.abs(chirp[start : start + len(half)] - half).max() for start in starts) < 1e-3
    assert disturb("cut", make_chirp(1.5, RATE)) is None


def test_a_semitone_higher_is_faster_by_as_much(disturb):
    faster = disturb("faster", make_tone(440))
    assert find_pitch(faster) == pytest.approx(466.16, abs=1)
    assert len(faster) == pytest.approx(2 * RATE / 2 ** (1 / 12), abs=2)


def test_noise_is_20_db_below_the_sound(disturb):
    tone = make_tone(440)
    noise = disturb("noisy", tone) - tone
    assert level(tone) - level(noise) == pytest.approx(20, abs=0.2)


@pytest.mark.parametrize(("hertz", "loss"), [(1000, 0), (100, 20), (8000, 20)])
def test_a_telephone_lets_the_middle_through(disturb, hertz, loss):
    lost = level(make_tone(hertz)) - level(disturb("telephone", make_tone(hertz)))
    assert lost == pytest.approx(0, abs=0.5) if loss == 0 else lost > loss


def test_quieter_and_overdriven(disturb):
    tone = make_tone(440)
    assert level(tone) - level(disturb("quieter", tone)) == pytest.approx(20, abs=0.1)
    loud = disturb("overdriven", tone)
    assert np.abs(loud).max() == pytest.approx(1.0, abs=1e-3)
    assert (np.abs(loud) > 0.999).mean() == pytest.approx(2 / 3, abs=0.02)


def test_compressed_it_is_an_mp3_of_a_few_kilobytes(disturb, tmp_path):
    chirp = make_chirp(4.0, RATE)
    compressed = disturb("compressed", chirp)
    assert len(compressed) / RATE == pytest.approx(4.0, abs=0.15)
    assert soundfile.info(tmp_path / "query.mp3").format == "MP3"
    assert (tmp_path / "query.mp3").stat().st_size < 4 * 32_000 / 8 * 1.3


def test_of_a_long_sound_the_first_ten_minutes_are_taken(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.tile(make_chirp(10.0, 8_000), 61), 8_000)
    [quieter] = [one for one in list_disturbances(8_000, 3600) if one.name == "quieter"]
    (tmp_path / "query.wav").write_bytes(quieter.apply(path, np.random.default_rng(0)))
    assert soundfile.info(tmp_path / "query.wav").duration == 600


def test_what_cannot_be_heard_is_refused(tmp_path):
    silent = write_sound(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    for disturbance in BY_NAME.values():
        for content in (silent, tmp_path / "gone.wav"):
            with pytest.raises(ItemError):
                disturbance.apply(content, np.random.default_rng(0))


def test_random_weights_are_noted():
    params = TorchaudioEncoder.Params(bundle="WAV2VEC2_BASE", weights="random")
    assert "the weights are random" in TorchaudioEncoder(params).quality_note
    assert TorchaudioEncoder(TorchaudioEncoder.Params(bundle="WAV2VEC2_BASE")).quality_note == ""
