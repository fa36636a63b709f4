"""The encoder ``clap`` on a tiny CLAP that is built and saved here, and loaded by the code that loads the real one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tones import DATA, chirp, samples_of, write

from vicinal import BadItem, Item
from vicinal.errors import DependencyMissing, ExitCode, PluginError
from vicinal.testing import EncoderContract
from vicinal_audio.clap import Clap
from vicinal_audio.hearing import Hearing
from vicinal_audio.weights import locate

WORDS = "a bird sings bell rings drum noise engine runs siren in the distance of sound"
RATE = 16_000


def save(folder, fused=False):
    """A CLAP of the real architecture with random weights, its tokenizer and its feature extractor."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS.split()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    torch.manual_seed(7)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**small, "vocab_size": len(vocabulary), "max_position_embeddings": 40, "pad_token_id": 1}
    audio = {
        "hidden_size": 64,
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 2, 2],
        "num_hidden_layers": 3,
        "spec_size": 64,
        "window_size": 4,
        "num_mel_bins": 16,
        "enable_fusion": fused,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    ClapModel(config).save_pretrained(folder)
    hearing = {"feature_size": 16, "sampling_rate": RATE, "hop_length": 1600, "frequency_max": 7_000}
    extractor = ClapFeatureExtractor(**hearing, truncation="fusion" if fused else "rand_trunc")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    ClapProcessor(extractor, fast).save_pretrained(folder)
    if not (folder / "preprocessor_config.json").exists():  # some versions of transformers write one, some the other
        assert (folder / "processor_config.json").exists()
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return save(tmp_path_factory.mktemp("tiny-clap"))


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(3)
    good = [
        write(folder / "chirp.wav", chirp(2.2)),
        write(folder / "noise.flac", 0.1 * rng.standard_normal((60_000, 2)), 32_000),
        write(folder / "long.wav", np.concatenate([chirp(8, 8_000), 0.1 * rng.standard_normal(16 * 8_000)]), 8_000),
    ]
    (folder / "text.wav").write_text("no sound")
    return good, [folder / "text.wav", folder / "gone.wav", folder, ""]


def encoder(folder, **params):
    return Clap(Clap.Params(model=str(folder), **params))


def vectors(made, *queries):
    return made.encode([segment.sample for query in queries for segment in made.decode_query(query)])


class TestClap(EncoderContract):
    encoder_class = Clap

    @pytest.fixture(autouse=True)
    def _contents(self, contents, tiny):
        self.good, self.bad = contents
        self.params = {"model": str(tiny), "window": 10, "hop": 5}
        changed = ({"window": 10, "hop": 10}, {"window": 8, "hop": 5}, {"precision": "bf16"}, {})
        self.variants = [{"model": str(tiny), **each} for each in changed]

    def test_segments_with_times(self):
        times = [(each.start, each.end) for each in self.encoder.decode(self.items[2])]
        assert times == [(0, 10), (5, 15), (10, 20), (14, 24)]


# --- against transformers


@pytest.mark.parametrize("fused", [False, True])
def test_vectors_equal_those_of_transformers(tmp_path, contents, fused):
    import torch
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    save(tmp_path, fused)
    made = encoder(tmp_path, precision="fp32")
    model, tokenizer = ClapModel.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    extractor = ClapFeatureExtractor(**made._folder.hearing)
    for path in contents[0][:2]:
        inputs = extractor(samples_of(path, RATE), sampling_rate=RATE, return_tensors="pt")
        inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)  # it is not, though the extractor may say so
        with torch.inference_mode():
            expected = model.get_audio_features(**inputs).pooler_output[0].numpy()
        assert vectors(made, path)[0] @ expected >= 0.9999
    sentences = ["a bird sings", "the sound of a drum in the distance", "engine " * 60]
    tokens = tokenizer(sentences, padding=True, truncation=True, max_length=38, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output.numpy()
    assert (vectors(made, *sentences) * expected).sum(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("seconds", [0.4, 3.3, 10])
def test_spectrograms_equal_those_of_transformers(truncation, padding, seconds):
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(truncation=truncation, padding=padding)
    sound = chirp(seconds, 48_000)
    expected = np.asarray(extractor(sound, sampling_rate=48_000)["input_features"][0])[0]
    found = Hearing(extractor.to_dict()).mel(sound)
    assert (found.shape, found.dtype) == ((1001, 64), np.float32)
    assert np.abs(found - expected).max() < 1e-2


def test_a_long_sound_is_the_mean_of_its_pieces(tiny, contents):
    made, windowed = encoder(tiny), encoder(tiny, window=10, hop=10)
    long = contents[0][2]
    pieces = windowed.encode([segment.sample for segment in windowed.decode(Item("x", long))])
    assert len(pieces) == 3, "24 s: two pieces of ten seconds, and the last ten"
    mean = pieces.mean(axis=0)
    assert vectors(made, long)[0] @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)


def test_of_a_very_long_sound_some_pieces_are_heard(tiny, tmp_path):
    made = encoder(tiny)
    tones = np.concatenate([chirp(10, 8_000) * (0.2 + number / 40) for number in range(37)])
    [segment] = made.decode(Item("x", write(tmp_path / "long.flac", tones, 8_000)))
    pieces = encoder(tiny, window=10, hop=10).decode(Item("x", tmp_path / "long.flac"))
    assert len(pieces) == 37
    heard = np.concatenate([pieces[number].sample for number in range(0, 37, 4)])
    assert np.allclose(segment.sample, heard, atol=1e-3)


def test_bfloat16_stays_true(tiny, contents):
    exact, lowered = (vectors(encoder(tiny, precision=each), *contents[0]) for each in ("fp32", "bf16"))
    assert (exact * lowered).sum(axis=1).min() >= 0.9995
    auto = vectors(encoder(tiny), *contents[0])
    assert (exact * auto).sum(axis=1).min() >= 0.9995


# --- sentences and sounds


def test_a_sound_or_a_sentence(tiny, tmp_path, monkeypatch):
    made = encoder(tiny)
    sound = write(tmp_path / "bird.wav", chirp(1))
    heard, read = vectors(made, sound), vectors(made, "a bird sings")
    assert np.allclose(vectors(made, str(sound)), heard)
    assert abs(float((heard @ read.T)[0, 0])) < 0.999
    assert np.allclose(vectors(made, "text: a bird sings"), read, atol=1e-5), "spaces do not count"
    monkeypatch.chdir(tmp_path)
    assert np.allclose(vectors(made, "bird.wav"), heard)
    assert not np.allclose(vectors(made, "text:bird.wav"), heard)
    mixed = vectors(made, "a bird sings", sound, "drum noise", str(sound))
    assert np.allclose(mixed[[1, 3]], np.repeat(heard, 2, axis=0), atol=1e-5)
    assert np.allclose(mixed[0], read[0], atol=1e-5)


@pytest.mark.parametrize("query", ["", "  ", "text:", "text:  ", "a " * 6_000])
def test_sentences_that_are_refused(tiny, query):
    with pytest.raises(BadItem):
        encoder(tiny).decode_query(query)


def test_a_path_is_never_a_sentence(tiny, tmp_path):
    with pytest.raises(BadItem, match=r"no file birds/owl\.OGG; write text:birds/owl\.OGG if that is a sentence"):
        encoder(tiny).decode_query("birds/owl.OGG")
    with pytest.raises(BadItem, match="there is no file"):
        encoder(tiny).decode_query(tmp_path / "gone.wav")


def test_only_the_network_that_is_needed_is_loaded(tiny):
    made = encoder(tiny)
    vectors(made, "a bird sings")
    assert "_ear" not in vars(made)


# --- weights


def test_space_and_signature_come_from_the_files(tiny, tmp_path):
    made = encoder(tiny)
    assert (made.space.dimension, made.space.metric) == (24, "COSINE")
    assert not {"_ear", "_reader"} & vars(made).keys()
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert encoder(copy).signature == made.signature
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert encoder(copy).signature != made.signature


def test_a_folder_beside_the_yaml_file(tiny):
    params = Clap.Params.model_validate({"model": tiny.name}, context={"base": tiny.parent})
    assert params.model == str(tiny)
    assert Clap.Params().model == "laion/clap-htsat-unfused"
    with pytest.raises(ValidationError):
        Clap.Params(model="")


def test_a_model_in_the_cache(tiny, tmp_path, monkeypatch):
    """As the hub's client lays it out: links to blobs that are named by their SHA-256."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    home = tmp_path / "models--someone--tiny"
    snapshot = home / "snapshots" / "abc"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "blobs").mkdir()
    snapshot.mkdir(parents=True)
    import hashlib

    for file in tiny.iterdir():
        blob = home / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)
    made = encoder("someone/tiny")
    assert made.signature == encoder(tiny).signature
    assert np.allclose(vectors(made, "a bird sings"), vectors(encoder(tiny), "a bird sings"))


def assert_explained(error, *words):
    assert error.exit_code == ExitCode.PLUGIN_MISSING
    text = f"{error} {error.hint}"
    for word in ("melstats", *words):
        assert word in text, text


def test_weights_that_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(DependencyMissing) as caught:
        _ = Clap().space
    place = tmp_path / "hub" / "models--laion--clap-htsat-unfused"
    assert_explained(caught.value, "laion/clap-htsat-unfused", "VICINAL_OFFLINE", str(place), "model:")
    with pytest.raises(DependencyMissing) as caught:
        locate(str(tmp_path / "nowhere"))
    assert_explained(caught.value, "there is no such folder")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DependencyMissing) as caught:
        locate(str(tmp_path / "bare"))
    assert_explained(caught.value, "holds no weights")


@pytest.mark.parametrize("answers", [False, True])
def test_a_hub_that_does_not_answer_is_no_hang(tmp_path, answers):
    """One that refuses, and one that takes the connection and stays silent."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answers:
            server.listen()  # the system takes connections then, and nobody reads from them
        program = """
from vicinal.errors import DependencyMissing
from vicinal_audio.clap import Clap
try:
    Clap().space
except DependencyMissing as error:
    print(error, error.hint)
"""
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert "laion/clap-htsat-unfused" in done.stdout
    assert "melstats" in done.stdout


def test_a_folder_with_something_else(tiny, tmp_path):
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(PluginError, match="is no CLAP: its config"):
        _ = encoder(copy).space
    (copy / "config.json").write_text("{")
    with pytest.raises(PluginError, match="not valid JSON"):
        _ = encoder(copy).space


def test_weights_that_are_damaged_or_lacking(tiny, tmp_path):
    import safetensors.numpy

    sound = write(tmp_path / "a.wav", chirp(1))
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    weights = safetensors.numpy.load_file(copy / "model.safetensors")
    lost = next(name for name in weights if name.startswith("audio_projection"))
    del weights[lost]
    safetensors.numpy.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match="lacks 1 of the network's weights, audio_projection"):
        vectors(encoder(copy), sound)
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(PluginError, match="transformers cannot load"):
        vectors(encoder(copy), sound)


def test_search_by_a_sentence(tiny, lite):
    """Through a solution: the same collection is asked by a sound and by a sentence."""
    if "clap" not in lite.manager.encoders:
        import vicinal_audio

        lite.manager.register(vicinal_audio, "audio")
    source = f"{{type: folder, path: '{DATA / 'sounds' / 'bells'}'}}"
    solution = lite.solution(source=source, encoder=f"{{type: clap, model: '{tiny}'}}")
    report = solution.ingest()
    assert (report.new, report.failed) == (4, 0)
    hits = solution.search(DATA / "sounds" / "bells" / "hand.ogg", limit=2)
    assert hits[0].key == "hand.ogg"
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)
    read = solution.search("a bell rings in the distance", limit=4)
    made = encoder(tiny)
    wanted = made.encode([segment.sample for segment in made.decode_query("a bell rings in the distance")])
    files = sorted((DATA / "sounds" / "bells").iterdir())
    order = np.argsort(-(vectors(made, *files) @ wanted[0]))
    assert [hit.key for hit in read] == [files[number].name for number in order]
