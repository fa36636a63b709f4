"""The encoder ``melstats``: its contract, equality with librosa, its constants and its imports."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import vicinal_audio
from audio_helpers import DATA, RATE, encode_sound, make_chirp, read_samples, write_sound, write_three_sounds
from vicinal import Item, Rendering, create_manager
from vicinal.config import check_config
from vicinal.testing import EncoderContract
from vicinal_audio.filters import chroma_filters, mel_htk, mel_slaney
from vicinal_audio.melstats import MelStats
from vicinal_audio.normalization import GROUP_SIZES, MEAN, STD
from vicinal_audio.spectrogram import compute_spectra
from vicinal_audio.statistics import GROUP_WEIGHTS, standardize_statistics, summarize_spectra

HEAVY = ("torch", "torchaudio", "librosa", "numba", "av", "soundfile", "soxr", "scipy", "transformers")


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    """Sounds that can be read, and files that cannot."""
    folder = tmp_path_factory.mktemp("sounds")
    good = [
        *write_three_sounds(folder),
        write_sound(
            folder / "speech.mp3", make_chirp(6) * (np.sin(np.arange(6 * 44_100) / 4000) > 0), 44_100, "libmp3lame"
        ),
        str(write_sound(folder / "low.m4a", make_chirp(3)[::2], 44_100, "aac")),
    ]
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound")
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    bad = [folder / "empty.wav", folder / "text.wav", folder / "silent.wav", folder / "gone.wav", folder, "", "no file"]
    return good, bad


class TestWholeSounds(EncoderContract):
    encoder_class = MelStats
    variants = ({"sample_rate": 16_000}, {"window": 2}, {"window": 2, "hop": 2})

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents[0], [*contents[1], None, 5]

    def test_a_whole_sound_is_one_segment_without_times(self):
        assert not self.encoder.segmented
        [segment] = self.encoder.decode(self.items[0])
        assert (segment.start, segment.end) == (None, None)


class TestWindowedSounds(EncoderContract):
    encoder_class = MelStats
    params = {"window": 2, "hop": 1}  # noqa: RUF012
    variants = ({}, {"window": 3, "hop": 1}, {"window": 2, "hop": 0.5})

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents

    def test_windows_are_segments_with_times(self):
        assert self.encoder.segmented
        times = [(each.start, each.end) for each in self.encoder.decode(self.items[3])]
        assert times == [(0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]


# --- equal to librosa


def reference_statistics(sound, rate):
    """The statistics of ``summarize_spectra`` as librosa computes their series, for samples without DC."""
    import librosa

    y = np.pad(sound, (1536, 2047))
    spectrum = np.abs(librosa.stft(y, n_fft=2048, hop_length=512, center=False))
    spectrum[: max(2, int(np.ceil(25 * 2048 / rate)))] = 0
    power = spectrum.astype(float) ** 2
    level = librosa.power_to_db(power.sum(axis=0), ref=np.max, amin=1e-20, top_db=40)
    counts = level > -40
    mel = librosa.feature.melspectrogram(S=power, sr=rate) / power.sum(axis=0).max()
    decibels = librosa.power_to_db(mel, amin=1e-20, top_db=40)[:, counts]
    mfcc = librosa.feature.mfcc(S=decibels, n_mfcc=20)
    above = np.maximum(10 ** (decibels / 10) - 1.01 * mel.max() / 1e4, 0)
    bands = np.arange(128)[:, None]
    above /= np.maximum(above.sum(axis=0), 1e-30)
    centroid = (bands * above).sum(axis=0)
    bandwidth = np.sqrt(((bands - centroid) ** 2 * above).sum(axis=0))
    flatness = 10 * np.log10(librosa.feature.spectral_flatness(S=10 ** (decibels / 10), power=1, amin=1e-20)[0])
    chroma = librosa.feature.chroma_stft(S=power, sr=rate, tuning=0.0)[:, counts]
    floored = np.maximum(spectrum, spectrum.max() / 100)
    contrast = librosa.feature.spectral_contrast(S=floored, sr=rate)[:, counts]
    weights = power.sum(axis=0)[counts]
    parts = []
    for name, each in (
        ("mfcc", mfcc),
        ("delta", librosa.feature.delta(mfcc)),
        ("chroma", chroma),
        ("contrast", contrast),
        ("shape", np.stack([centroid, bandwidth, flatness])),
    ):
        mean = np.average(each, axis=1, weights=weights)
        parts += [] if name == "delta" else [mean]
        parts.append(np.sqrt(np.average((each - mean[:, None]) ** 2, axis=1, weights=weights)))
    first, last = np.flatnonzero(counts)[[0, -1]]
    steps = np.diff(np.concatenate([[-40], level[first : last + 1], [-40]]))
    rises, falls = steps[steps > 0], -steps[steps < 0]
    logs = np.log(0.1 + np.array([falls.mean(), np.median(falls), steps.std()]))
    return np.concatenate([*parts, [rises.mean()], logs, [level[first : last + 1].std()]])


def list_sample_sounds():
    return sorted(path for path in (DATA / "sounds").rglob("*") if path.is_file())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rate", [RATE, 16_000, 44_100])
def test_vectors_equal_librosa(rate):
    import librosa

    paths = list_sample_sounds()[:: 3 if rate == RATE else 12]
    assert len(paths) >= 3
    for path in paths:
        loaded, _ = librosa.load(path, sr=rate) if path.suffix == ".flac" else (read_samples(path, rate), rate)
        expected = reference_statistics(loaded, rate)
        found = summarize_spectra(compute_spectra(np.array_split(read_samples(path, rate), 5), rate))
        assert np.abs((found - expected) / STD).max() < 3e-2, path
        assert float(standardize_statistics([found])[0] @ standardize_statistics([expected])[0]) > 0.999999
        assert encode_sound(path, sample_rate=rate) @ standardize_statistics([expected])[0] >= 0.9999


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rate", [16_000, RATE, 48_000])
def test_filters_equal_those_of_the_libraries(rate):
    import librosa
    import torchaudio

    expected_slaney = librosa.filters.mel(sr=rate, n_fft=2048, n_mels=128)
    expected_htk = torchaudio.functional.melscale_fbanks(1025, 0.0, rate / 2, 64, rate).T.numpy()
    assert np.abs(mel_slaney(rate, 2048, 128).toarray() - expected_slaney).max() < 1e-6
    assert np.abs(mel_htk(rate, 2048, 64).toarray() - expected_htk).max() < 1e-4
    assert np.abs(chroma_filters(rate, 2048) - librosa.filters.chroma(sr=rate, n_fft=2048)).max() < 1e-6


def test_block_sizes_do_not_change_the_statistics():
    sound = make_chirp(4, RATE)
    whole = summarize_spectra(compute_spectra([sound], RATE))
    for count in (2, 9, 500):
        assert np.allclose(summarize_spectra(compute_spectra(np.array_split(sound, count), RATE)), whole, atol=1e-4)


GOLDEN = {
    "bells/hand.ogg": [-0.1155, -0.08942, -0.06218, -0.02444, 0.15554, -0.27993, -0.00028, -0.0712, -0.01083],
    "drums/hats.flac": [-0.05875, 0.01679, -0.02559, -0.02833, 0.01267, -0.20461, 0.45066, 0.16139, 0.2037],
    "sirens/wail.ogg": [-0.03096, -0.0363, 0.07963, 0.04742, -0.01477, -0.19098, 0.02782, 0.02287, -0.08415],
}
"""Some floats of each group. If they change, the signature must change too."""


@pytest.mark.parametrize("name", GOLDEN)
def test_vectors_of_sample_sounds_are_known(name):
    found = encode_sound(DATA / "sounds" / name)
    assert (found.shape, found.dtype) == ((109,), np.float32)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    assert found[[0, 8, 30, 50, 65, 85, 90, 100, 106]] == pytest.approx(GOLDEN[name], abs=5e-4)


def test_signature_names_rate_and_windowing():
    assert MelStats().signature == "melstats/2/rate=22050/whole"
    assert MelStats(MelStats.Params(window=10)).signature == "melstats/2/rate=22050/window=10/hop=5"


def test_constants_match_the_group_sizes():
    assert len(GROUP_WEIGHTS) == len(GROUP_SIZES)
    assert len(MEAN) == len(STD) == GROUP_SIZES.sum() == MelStats().space.dimension == 109
    assert STD.min() > 0.1


def test_groups_have_their_weight_in_a_vector():
    """The share of a group in the energy of the vectors of the sample sounds is near that of its weight."""
    vectors = np.stack([encode_sound(path) for path in list_sample_sounds()])
    energy = (vectors**2).mean(axis=0)
    shares = np.array([part.sum() for part in np.split(energy, np.cumsum(GROUP_SIZES)[:-1])])
    assert shares.sum() == pytest.approx(1, abs=1e-3)
    assert (np.abs(np.log2(shares / (GROUP_WEIGHTS / GROUP_WEIGHTS.sum()))) < 1).all(), shares


# --- imports and registration


def run_python(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_registering_imports_nothing_heavy():
    program = f"""
import sys
from vicinal import create_manager
import vicinal_audio, vicinal_audio.melstats, vicinal_audio.clap
encoder = vicinal_audio.melstats.MelStats()
encoder.space, encoder.signature
vicinal_audio.melstats.MelStats.Params.model_json_schema(), vicinal_audio.clap.Clap.Params.model_json_schema()
print(*[name for name in {HEAVY} if name in sys.modules])
"""
    assert run_python(program) == []


def test_encoding_needs_neither_torch_nor_librosa():
    program = """
import sys
from vicinal import Item
from vicinal_audio.melstats import MelStats
encoder = MelStats()
assert encoder.encode([segment.sample for segment in encoder.decode(Item("x", sys.argv[1]))]).shape == (1, 109)
unwanted = "torch", "torchaudio", "librosa", "numba", "soundfile", "transformers"
print(*[name for name in unwanted if name in sys.modules])
"""
    assert run_python(program, str(list_sample_sounds()[0])) == []


def test_all_encoders_are_registered():
    manager = create_manager(entry_points=False)
    row = manager.register(vicinal_audio, "audio")
    assert (row.status, row.encoders) == ("ok", ["clap", "librosa", "melstats", "torchaudio"])
    assert isinstance(manager.encoders.build("melstats", MelStats.Params()), MelStats)


@pytest.mark.parametrize("encoder", ["melstats", "clap", "librosa"])
def test_the_error_for_longest_names_max_seconds(encoder, tmp_path):
    path = tmp_path / "sounds.yaml"
    path.write_text(f"name: sounds\nsource: {{type: folder, path: .}}\nencoder: {{type: {encoder}, longest: 60}}\n")
    _, [problem] = check_config(path, create_manager())
    assert str(problem).endswith("encoder.longest: renamed to 'max_seconds'")


def test_a_sound_is_rendered_as_audio():
    assert MelStats().render(Item("x", "a/b.wav")) == Rendering("audio", "a/b.wav")
