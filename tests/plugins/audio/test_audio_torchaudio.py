"""The encoder ``torchaudio``: bundles equal torchaudio's own, on tiny networks of the real architectures."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch

from audio_helpers import DATA, make_chirp, read_samples, write_sound, write_three_sounds
from tiny_torchaudio import TINY, TinyTorchaudio, make_tiny, register_tiny_bundles
from vicinal import Item
from vicinal.config import check_config
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal.plugin.manager import create_manager
from vicinal.testing import EncoderContract
from vicinal_audio.torchaudio_bundles import BUNDLES
from vicinal_audio.torchaudio_encoder import TorchaudioEncoder

pytestmark = pytest.mark.usefixtures("one_thread")

RATE = 16_000


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    good = [
        *write_three_sounds(folder),
        write_sound(folder / "other.wav", make_chirp(2.2)[::-1]),
    ]
    (folder / "text.wav").write_text("no sound")
    return good, [folder / "text.wav", folder / "gone.wav", folder, "", None]


class TestTorchaudio(EncoderContract):
    encoder_class = TinyTorchaudio
    params: ClassVar = {"bundle": "TINY_WAV2VEC2", "weights": "random"}
    variants = (
        {**params, "layer": 2},
        {**params, "seed": 1},
        {**params, "precision": "bf16"},
        {**params, "bundle": "TINY_WAVLM"},
        {**params, "window": 2},
        {**params, "window": 2, "hop": 2},
    )

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents


class TestWindows(EncoderContract):
    encoder_class = TinyTorchaudio
    params: ClassVar = {"bundle": "TINY_ASR", "weights": "random", "window": 1, "hop": 0.5}

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents

    def test_windows_are_segments_with_times(self):
        times = [(each.start, each.end) for each in self.encoder.decode(self.items[0])]
        assert times == [(0, 1), (0.5, 1.5), (1, 2)]


# Vectors


def reference(bundle, seed, path, layer):
    """The mean of a layer's outputs as torchaudio computes them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build = {"Wav2Vec2": "wav2vec2_model", "WavLM": "wavlm_model"}[bundle._model_type]
        import torchaudio

        model = getattr(torchaudio.models, build)(**{**bundle._params, "aux_num_out": None}).eval()
    if bundle._normalize_waveform:
        model = torchaudio.pipelines._wav2vec2.utils._extend_model(model, normalize_waveform=True)
    waveform = torch.from_numpy(read_samples(path, RATE))[None]
    with torch.inference_mode():
        outputs, _ = model.extract_features(waveform)
    mean = outputs[layer - 1][0].mean(dim=0).numpy()
    return mean / np.linalg.norm(mean), model


def encode_file(encoder, path):
    return encoder.encode([segment.sample for segment in encoder.decode(Item("x", path))])[0]


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("layer", [1, 3])
def test_vectors_equal_those_of_torchaudio(contents, name, layer):
    expected, _ = reference(register_tiny_bundles()[name], 5, contents[0][0], layer)
    found = encode_file(make_tiny(name, seed=5, layer=layer, precision="fp32", device="cpu"), contents[0][0])
    assert found @ expected >= 0.999999


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["TINY_WAVLM", "TINY_ASR"])
def test_vectors_equal_those_of_torchaudio_after_weights_of_a_file(contents, tmp_path, name, suffix):
    expected, model = reference(register_tiny_bundles()[name], 7, contents[0][1], 3)
    state_dict = {**model.state_dict(), "aux.weight": torch.ones(29, 32), "aux.bias": torch.ones(29)}
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state_dict}, path)
    else:
        from safetensors.torch import save_file

        save_file({key: tensor.contiguous().clone() for key, tensor in state_dict.items()}, path)
    encoder = make_tiny(name, weights=str(path), precision="fp32", device="cpu")
    assert encode_file(encoder, contents[0][1]) @ expected >= 0.999999
    assert encoder.signature != make_tiny(name, seed=7).signature


def test_a_network_of_full_size_equals_torchaudio(contents):
    import torchaudio

    expected, _ = reference(torchaudio.pipelines.HUBERT_BASE, 3, contents[0][0], 6)
    params = {"bundle": "HUBERT_BASE", "weights": "random", "seed": 3, "layer": 6, "precision": "fp32", "device": "cpu"}
    encoder = TorchaudioEncoder(TorchaudioEncoder.Params(**params))
    assert encoder.space.dimension == 768
    assert encode_file(encoder, contents[0][0]) @ expected >= 0.999999


def test_weights_of_the_cache_are_loaded_as_torchaudio_loads_them(contents, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    bundle = register_tiny_bundles()["TINY_WAV2VEC2"]
    expected, model = reference(bundle, 9, contents[0][0], 3)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(model.state_dict(), tmp_path / "hub" / "checkpoints" / "tiny_wav2vec2.pth")
    encoder = make_tiny(weights="pretrained", precision="fp32", device="cpu")
    assert "/pretrained/" in encoder.signature
    assert encode_file(encoder, contents[0][0]) @ expected >= 0.999999
    theirs = bundle.get_model().extract_features(torch.from_numpy(read_samples(contents[0][0], RATE))[None])[0][-1]
    mean = theirs[0].mean(dim=0).detach().numpy()
    assert encode_file(encoder, contents[0][0]) @ (mean / np.linalg.norm(mean)) >= 0.999999


def test_bfloat16_matches_float32(contents):
    fp32, bf16, auto = (
        np.stack([encode_file(make_tiny(precision=each), path) for path in contents[0]])
        for each in ("fp32", "bf16", "auto")
    )
    assert (fp32 * bf16).sum(axis=1).min() >= 0.999
    assert (fp32 * auto).sum(axis=1).min() >= 0.999


def test_vector_of_a_long_sound_is_the_mean_of_its_chunks(tmp_path):
    samples = np.concatenate([make_chirp(30, RATE), 0.1 * np.random.default_rng(3).standard_normal(20 * RATE)])
    path = write_sound(tmp_path / "long.flac", samples, RATE)
    encoder = make_tiny(precision="fp32", device="cpu")
    [segment] = encoder.decode(Item("x", path))
    assert segment.sample.shape == (3, 20 * RATE), "two chunks of 20 s, and the last 20 s"
    mean = encoder._network.encode(segment.sample).mean(axis=0)
    assert encode_file(encoder, path) @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)
    very_long = write_sound(tmp_path / "very-long.flac", np.tile(samples, 4), RATE)
    [segment] = encoder.decode(Item("x", very_long))
    assert segment.sample.shape == (5, 20 * RATE), "every second one of ten"


def test_the_table_of_bundles_is_that_of_torchaudio():
    from torchaudio import pipelines

    theirs = {name: getattr(pipelines, name) for name in dir(pipelines) if not name.startswith("TINY")}
    bundles = {name: each for name, each in theirs.items() if isinstance(each, pipelines.Wav2Vec2Bundle)}
    assert {name: tuple(bundle) for name, bundle in BUNDLES.items() if name not in TINY} == {
        name: (each._path, each._params["encoder_embed_dim"], each._params["encoder_num_layers"])
        for name, each in bundles.items()
    }
    assert {each.sample_rate for each in bundles.values()} == {RATE}


# Weights that are missing or wrong


def test_missing_weights_are_an_error_that_says_what_to_do(no_downloads, tmp_path):
    encoder = TorchaudioEncoder(TorchaudioEncoder.Params(bundle="WAVLM_BASE_PLUS"))
    for act in (lambda: encoder.signature, lambda: encoder._network):
        with pytest.raises(DependencyError) as caught:
            act()
        assert caught.value.exit_code == ExitCode.PLUGIN_MISSING
        assert str(caught.value) == (
            "the weights wavlm_base_plus.pth were not found locally and could not be downloaded"
            " (VICINAL_OFFLINE forbids downloads)"
        )
        assert caught.value.hint == (
            f"download it from https://download.pytorch.org/torchaudio/models/ to {tmp_path}/torch/hub/checkpoints"
            " (or set TORCH_HOME), or set `weights:` to the path of a file; or `vicinal bundle FILE --out DIR`"
            " there, and VICINAL_MODELS=DIR here; the encoder melstats needs no weights and works offline"
        )
    with pytest.raises(DependencyError, match=r"there are no weights at .*gone\.pth"):
        _ = make_tiny(weights=str(tmp_path / "gone.pth")).signature


def test_the_command_line_reports_missing_weights_without_a_traceback(no_downloads, tmp_path):
    (tmp_path / "a.yaml").write_text(
        f"name: speech\nsource: {{type: folder, path: '{DATA / 'sounds' / 'bells'}'}}\n"
        "encoder: {type: torchaudio, bundle: HUBERT_BASE}\n"
    )
    program = "import sys; from vicinal.cli import main; sys.argv = ['vicinal', 'ingest', 'a.yaml']; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == ExitCode.PLUGIN_MISSING
    assert done.stderr.startswith("error: the weights hubert_fairseq_base_ls960.pth were not found locally")
    assert "\nhint: download it from https://" in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_of_another_network_are_refused(contents, tmp_path):
    _, model = reference(register_tiny_bundles()["TINY_WAVLM"], 0, contents[0][0], 1)
    torch.save(model.state_dict(), tmp_path / "wavlm.pth")
    with pytest.raises(PluginError, match=r"wavlm\.pth do not fit: ") as caught:
        _ = make_tiny(weights=str(tmp_path / "wavlm.pth"))._network
    assert caught.value.hint == "are they of another bundle?"
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(PluginError, match=r"broken\.pth cannot be read as weights: "):
        _ = make_tiny(weights=str(tmp_path / "broken.pth"))._network
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(PluginError, match=r"list\.pth holds no state dict"):
        _ = make_tiny(weights=str(tmp_path / "list.pth"))._network
    state_dict = {name: tensor * np.nan for name, tensor in model.state_dict().items()}
    torch.save(state_dict, tmp_path / "nan.pth")
    with pytest.raises(PluginError, match=r"nan\.pth contain NaN or infinity"):
        _ = make_tiny("TINY_WAVLM", weights=str(tmp_path / "nan.pth"))._network


# Configuration


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "bundle: hubert_base",
            "torchaudio has no bundle 'hubert_base' (did you mean HUBERT_BASE?); these are: HUBERT_",
        ),
        ("bundle: SQUIM_OBJECTIVE", "torchaudio has no bundle 'SQUIM_OBJECTIVE'"),
        ("bundle: HUBERT_BASE, layer: 13", "layer: HUBERT_BASE has 12 layers"),
        ("bundle: HUBERT_BASE, weights: mine", "write pretrained, random, or the path of a file (.pth, .pt, "),
    ],
)
def test_mistakes_in_the_configuration_are_located(tmp_path, keys, message):
    file = tmp_path / "a.yaml"
    file.write_text(f"name: speech\nsource: {{type: folder, path: .}}\nencoder: {{type: torchaudio, {keys}}}\n")
    _, [problem] = check_config(file, create_manager())
    assert problem.startswith(f"{file}:3:")
    assert message in problem


def test_a_solution_finds_a_sound(lite):
    if "torchaudio" not in lite.manager.encoders:
        import vicinal_audio

        lite.manager.register(vicinal_audio, "audio")
    sounds = DATA / "sounds" / "bells"
    encoder = "{type: torchaudio, bundle: WAV2VEC2_BASE, weights: random, layer: 1}"
    solution = lite.solution(source=f"{{type: folder, path: '{sounds}'}}", encoder=encoder)
    assert solution.ingest().new == 4
    hits = solution.search(sounds / "hand.ogg", limit=1)
    assert (hits[0].key, hits[0].similarity) == ("hand.ogg", pytest.approx(1, abs=1e-3))
