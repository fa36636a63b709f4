"""The encoder ``librosa``: features by name, equal to librosa's own, standardized over a solution's sounds."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
import warnings
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from audio_helpers import DATA, RATE, make_chirp, read_samples, write_sound, write_three_sounds
from vicinal import Item, ItemError, create_manager
from vicinal.config import check_config
from vicinal.errors import PluginError
from vicinal.testing import EncoderContract
from vicinal_audio import librosa_encoder, librosa_extractor
from vicinal_audio.librosa_encoder import LibrosaEncoder
from vicinal_audio.librosa_features import FEATURES, Feature

REQUIRED = {"chroma_vqt": {"intervals": "ji5"}}
"""Parameters without which librosa does not compute a feature."""
OTHER_PARAMETERS = [
    ("mfcc", {"n_mfcc": 13, "lifter": 22, "n_fft": 1024, "hop_length": 256, "n_mels": 64}),
    ("melspectrogram", {"n_mels": 40, "fmax": 8000, "power": 1.0}),
    ("chroma_stft", {"n_chroma": 24, "tuning": 0.0}),
    ("chroma_cqt", {"n_chroma": 24, "bins_per_octave": 24, "norm": None}),
    ("chroma_vqt", {"intervals": "equal", "bins_per_octave": 24}),
    ("spectral_contrast", {"n_bands": 4, "fmin": 150.0}),
    ("spectral_rolloff", {"roll_percent": 0.5}),
    ("poly_features", {"order": 3}),
    ("tempogram", {"win_length": 100}),
    ("fourier_tempogram", {"win_length": 101}),
    ("tempogram_ratio", {"factors": [0.5, 1, 2]}),
    ("zero_crossing_rate", {"frame_length": 1024}),
    ("rms", {"frame_length": 1024, "center": False}),
]


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    good = [
        *write_three_sounds(folder),
        write_sound(folder / "low.m4a", make_chirp(5)[::2], 44_100, "aac"),
    ]
    (folder / "text.wav").write_text("no sound")
    return good, [folder / "text.wav", folder / "gone.wav", folder, "", None]


def make_encoder(*features, **params):
    return LibrosaEncoder(LibrosaEncoder.Params(features=features, **params))


def fitted(encoder, files):
    encoder.restore(encoder.fit([Item(str(file), file) for file in files]))
    return encoder


class TestWholeSounds(EncoderContract):
    encoder_class = LibrosaEncoder
    params: ClassVar = {"features": ["mfcc", "spectral_contrast", "rms"]}
    variants = (
        {"features": ["mfcc", "spectral_contrast"]},
        {"features": [{"mfcc": {"n_mfcc": 13}}, "spectral_contrast", "rms"]},
        {"features": [{"mfcc": {"lifter": 2}}, "spectral_contrast", "rms"]},
        {**params, "sample_rate": 16_000},
        {**params, "window": 2},
        {**params, "window": 2, "hop": 2},
    )

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents


class TestWindows(EncoderContract):
    encoder_class = LibrosaEncoder
    params: ClassVar = {"features": ["mfcc", "chroma_stft"], "window": 2, "hop": 1}

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents

    def test_windows_are_segments_with_times(self):
        [segment] = self.encoder.decode(Item("x", self.good[2]))
        assert (segment.start, segment.end) == (0, pytest.approx(0.4, abs=0.01))
        times = [(each.start, each.end) for each in self.encoder.decode(Item("x", self.good[0]))]
        assert times == [(0, 2)], "a rest of less than half a second has no window"


# Features


@pytest.mark.parametrize(
    ("name", "parameters"), [*((name, REQUIRED.get(name, {})) for name in FEATURES), *OTHER_PARAMETERS]
)
def test_features_equal_those_of_librosa(name, parameters, contents):
    import librosa

    encoder = make_encoder({name: parameters})
    for file in (contents[0][0], contents[0][3]):
        [segment] = encoder.decode(Item("x", file))
        assert segment.sample.dtype == np.float32
        assert segment.sample.shape == (encoder.space.dimension,)
        function = getattr(librosa.feature, name)
        rate = {"sr": RATE} if "sr" in inspect.signature(function).parameters else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            series = np.atleast_2d(
                np.abs(found)
                if np.iscomplexobj(found := function(y=read_samples(file), **rate, **parameters))
                else found
            )
        expected = np.concatenate([series.mean(axis=1), series.std(axis=1)])
        assert np.allclose(segment.sample, expected, rtol=1e-4, atol=1e-6)


def test_several_features_stand_one_after_another(contents):
    [segment] = make_encoder("rms", {"mfcc": {"n_mfcc": 13}}).decode(Item("x", contents[0][0]))
    alone = [
        make_encoder(each).decode(Item("x", contents[0][0]))[0].sample for each in ("rms", {"mfcc": {"n_mfcc": 13}})
    ]
    assert np.array_equal(segment.sample, np.concatenate(alone))


def test_every_frame_feature_of_librosa_is_known():
    import librosa

    transforms = {"delta", "stack_memory", "inverse", "metrogram"}
    since_1 = {"hybrid_tempogram"}
    public = {name for name in dir(librosa.feature) if not name.startswith("_")}
    assert public - transforms - since_1 == set(FEATURES)


# Standardization


def test_vectors_are_standardized_over_the_sounds(contents):
    encoder = fitted(make_encoder("rms", "chroma_stft"), contents[0])
    statistics = np.stack([encoder.decode(Item("x", file))[0].sample for file in contents[0]])
    assert np.allclose(encoder.state["mean"], statistics.mean(axis=0))
    assert np.allclose(encoder.state["scale"], statistics.std(axis=0))
    expected = ((statistics - statistics.mean(axis=0)) / statistics.std(axis=0)).clip(-3, 3)
    expected /= np.sqrt([2] * 2 + [24] * 24)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(encoder.encode(list(statistics)), expected, atol=1e-5)


def test_numbers_that_are_the_same_in_all_sounds_do_not_count(contents):
    encoder = fitted(make_encoder("tempo", "rms"), contents[0][:2])
    samples = [encoder.decode(Item("x", file))[0].sample for file in contents[0]]
    assert encoder.state["scale"][1] == np.inf, "tempo is one number, without a deviation"
    assert (encoder.encode(samples)[:, 1] == 0).all()


def test_fit_leaves_out_what_cannot_be_read(contents):
    good, bad = contents
    state = make_encoder("rms").fit([Item(str(file), file) for file in [bad[0], *good, bad[1]]])
    assert np.array_equal(state["mean"], fitted(make_encoder("rms"), good).state["mean"])


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([], "no sounds"),
        (["bad"], "none of 1 sounds can be read: "),
        (["good", "good"], "have the same features; at least two that differ are needed"),
    ],
)
def test_fit_needs_two_sounds_that_differ(contents, chosen, reason):
    files = {"good": contents[0][0], "bad": contents[1][0]}
    with pytest.raises(ItemError, match=reason):
        make_encoder("rms").fit([Item(str(number), files[each]) for number, each in enumerate(chosen)])


def test_fit_draws_from_all_items():
    items = [Item(str(number), "") for number in range(1_000)]
    drawn = librosa_encoder._draw_items(items, 100)
    assert len({item.key for item in drawn}) == 100
    assert 350 < np.mean([int(item.key) for item in drawn]) < 650
    assert drawn == librosa_encoder._draw_items(items, 100)
    assert librosa_encoder._draw_items(items[:5], 100) == items[:5]


def test_a_solution_learns_and_is_searched(lite):
    if "librosa" not in lite.manager.encoders:
        import vicinal_audio

        lite.manager.register(vicinal_audio, "audio")
    sounds = DATA / "sounds" / "bells"
    encoder = "{type: librosa, features: [{mfcc: {n_mfcc: 13}}, spectral_contrast]}"
    solution = lite.solution(source=f"{{type: folder, path: '{sounds}'}}", encoder=encoder)
    assert (solution.ingest().new, solution.ingest().unchanged) == (4, 4)
    hits = solution.search(sounds / "hand.ogg", limit=2)
    assert hits[0].key == "hand.ogg"
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)


# Configuration


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("[mfc]", "'mfc' is not a frame feature of librosa (did you mean 'mfcc'?); these are: chroma_cens, "),
        ("[delta]", "'delta' is not a frame feature of librosa; these are: "),
        ("[{mfcc: {n_mfcc: 0}}]", "n_mfcc must be a whole number above 0"),
        ("[{mfcc: {n_mfcc: many}}]", "n_mfcc must be a whole number above 0"),
        ("[{mfcc: {}, rms: {}}]", "write one feature an entry, as `- mfcc: {n_mfcc: 13}`"),
    ],
)
def test_mistakes_in_the_configuration_are_located(tmp_path, features, message):
    file = tmp_path / "a.yaml"
    file.write_text(
        f"name: sounds\nsource: {{type: folder, path: .}}\nencoder:\n  type: librosa\n  features: {features}\n"
    )
    _, [problem] = check_config(file, create_manager())
    assert problem.startswith(f"{file}:5:")
    assert message in problem


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        ({"mfcc": {"n_mfc": 13}}, "librosa cannot compute mfcc: "),
        ({"mfcc": {"sr": 8000}}, "features: mfcc: .*multiple values for keyword argument 'sr'"),
        ({"mfcc": {"n_mels": 10}}, "features: mfcc has 10 numbers a frame with these parameters, not 20"),
        ({"spectral_contrast": {"fmin": 9000.0}}, "librosa cannot compute spectral_contrast: "),
        ("chroma_vqt", "librosa cannot compute chroma_vqt: .*intervals"),
    ],
)
def test_parameters_that_librosa_refuses_end_the_run(contents, feature, reason):
    encoder = make_encoder(feature)
    for act in (lambda: encoder.fit([Item("x", contents[0][0])]), lambda: encoder.decode(Item("x", contents[0][0]))):
        with pytest.raises(PluginError, match=reason):
            act()


def test_a_sound_of_which_librosa_computes_nothing_fails():
    extractor = librosa_extractor.FeatureExtractor([Feature("mfcc", {})], RATE)
    with pytest.raises(ItemError, match="librosa cannot compute mfcc: Audio buffer is not finite"):
        extractor.summarize(np.full(RATE, np.nan, np.float32))


def test_warnings_of_librosa_are_silent_and_the_filters_restored(contents):
    before = list(warnings.filters)
    make_encoder("chroma_cqt", "tempogram").decode(Item("x", contents[0][2]))
    assert warnings.filters == before


def test_parameters_are_described():
    schema = LibrosaEncoder.Params.model_json_schema()["properties"]["features"]["items"]
    assert schema["anyOf"][0]["enum"] == list(FEATURES)
    with pytest.raises(ValidationError):
        make_encoder()


# Start


def test_a_line_says_what_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(librosa_extractor, "_PATIENCE_SECONDS", 0.05)
    with librosa_extractor._report_slow_start():
        time.sleep(0.5)
    assert capsys.readouterr().err == librosa_extractor._COMPILING
    with librosa_extractor._report_slow_start():
        pass
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_fit_warms_what_the_first_search_needs(contents):
    """So the first ingest compiles, and says so, not the first search."""
    encoder = make_encoder("mfcc")
    assert "_extractor" not in vars(encoder)
    with pytest.raises(ItemError, match="no sounds"):
        encoder.fit([])
    assert "_extractor" in vars(encoder)


def test_registering_and_validating_import_no_librosa(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "name: sounds\nsource: {type: folder, path: .}\nencoder: {type: librosa, features: [mfcc, {tempogram: {}}]}\n"
    )
    program = f"""
import sys
from vicinal.cli import main
for arguments in (["plugins"], ["validate", {str(tmp_path / "a.yaml")!r}], ["--help"]):
    sys.argv = ["vicinal", *arguments]
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    assert not code, arguments
print(sorted({{"librosa", "numba", "torch", "torchaudio", "scipy"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
