"""The encoder ``clap`` on a tiny CLAP of the real architecture, which the code for the real one loads."""

from __future__ import annotations

import numpy as np
import pytest

from audio_helpers import DATA, make_chirp, read_samples, write_sound
from tiny_clap import RATE, encode_queries, make_clap, save_tiny_clap
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract
from vicinal_audio import clap_features
from vicinal_audio.clap import Clap


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(3)
    good = [
        write_sound(folder / "chirp.wav", make_chirp(2.2)),
        write_sound(folder / "noise.flac", 0.1 * rng.standard_normal((60_000, 2)), 32_000),
        write_sound(
            folder / "long.wav", np.concatenate([make_chirp(8, 8_000), 0.1 * rng.standard_normal(16 * 8_000)]), 8_000
        ),
    ]
    (folder / "text.wav").write_text("no sound")
    return good, [folder / "text.wav", folder / "gone.wav", folder, ""]


class TestClap(EncoderContract):
    encoder_class = Clap

    @pytest.fixture(autouse=True)
    def _contents(self, contents, tiny_clap):
        self.good, self.bad = contents
        self.params = {"model": str(tiny_clap), "window": 10, "hop": 5}
        changed = ({"window": 10, "hop": 10}, {"window": 8, "hop": 5}, {"precision": "bf16"}, {})
        self.variants = [{"model": str(tiny_clap), **each} for each in changed]

    def test_windows_are_segments_with_times(self):
        times = [(each.start, each.end) for each in self.encoder.decode(self.items[2])]
        assert times == [(0, 10), (5, 15), (10, 20), (14, 24)]


# --- equal to transformers


@pytest.mark.parametrize("fused", [False, True])
def test_vectors_equal_those_of_transformers(tmp_path, contents, fused):
    import torch
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    save_tiny_clap(tmp_path, fused)
    encoder = make_clap(tmp_path, precision="fp32")
    model, tokenizer = ClapModel.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    extractor = ClapFeatureExtractor(**encoder._model_dir.feature_extractor_config)
    for path in contents[0][:2]:
        inputs = extractor(read_samples(path, RATE), sampling_rate=RATE, return_tensors="pt")
        inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)  # it is not, though the extractor may say so
        with torch.inference_mode():
            expected = model.get_audio_features(**inputs).pooler_output[0].numpy()
        assert encode_queries(encoder, path)[0] @ expected >= 0.9999
    sentences = ["a bird sings", "the sound of a drum in the distance", "engine " * 60]
    tokens = tokenizer(sentences, padding=True, truncation=True, max_length=38, return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output.numpy()
    assert (encode_queries(encoder, *sentences) * expected).sum(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("seconds", [0.4, 3.3, 10])
def test_spectrograms_equal_those_of_transformers(truncation, padding, seconds):
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(truncation=truncation, padding=padding)
    sound = make_chirp(seconds, 48_000)
    expected = np.asarray(extractor(sound, sampling_rate=48_000)["input_features"][0])[0]
    found = clap_features.ClapFeatureExtractor(extractor.to_dict()).log_mel(sound)
    assert (found.shape, found.dtype) == ((1001, 64), np.float32)
    assert np.abs(found - expected).max() < 1e-2


def test_vector_of_a_long_sound_is_the_mean_of_its_chunks(tiny_clap, contents):
    encoder, windowed = make_clap(tiny_clap), make_clap(tiny_clap, window=10, hop=10)
    long = contents[0][2]
    chunks = windowed.encode([segment.sample for segment in windowed.decode(Item("x", long))])
    assert len(chunks) == 3, "24 s: two chunks of ten seconds, and the last ten"
    mean = chunks.mean(axis=0)
    assert encode_queries(encoder, long)[0] @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)


def test_a_very_long_sound_is_encoded_by_evenly_spaced_chunks(tiny_clap, tmp_path):
    encoder = make_clap(tiny_clap)
    tones = np.concatenate([make_chirp(10, 8_000) * (0.2 + number / 40) for number in range(37)])
    [segment] = encoder.decode(Item("x", write_sound(tmp_path / "long.flac", tones, 8_000)))
    chunks = make_clap(tiny_clap, window=10, hop=10).decode(Item("x", tmp_path / "long.flac"))
    assert len(chunks) == 37
    encoded = np.concatenate([chunks[number].sample for number in range(0, 37, 4)])
    assert np.allclose(segment.sample, encoded, atol=1e-3)


def test_bfloat16_matches_float32(tiny_clap, contents):
    fp32, bf16 = (encode_queries(make_clap(tiny_clap, precision=each), *contents[0]) for each in ("fp32", "bf16"))
    assert (fp32 * bf16).sum(axis=1).min() >= 0.9995
    auto = encode_queries(make_clap(tiny_clap), *contents[0])
    assert (fp32 * auto).sum(axis=1).min() >= 0.9995


# --- sentences and sounds


def test_a_query_is_a_sound_or_a_sentence(tiny_clap, tmp_path, monkeypatch):
    encoder = make_clap(tiny_clap)
    sound = write_sound(tmp_path / "bird.wav", make_chirp(1))
    sound_vector, sentence_vector = encode_queries(encoder, sound), encode_queries(encoder, "a bird sings")
    assert np.allclose(encode_queries(encoder, str(sound)), sound_vector)
    assert abs(float((sound_vector @ sentence_vector.T)[0, 0])) < 0.999
    assert np.allclose(encode_queries(encoder, "text: a bird sings"), sentence_vector, atol=1e-5), "spaces do not count"
    monkeypatch.chdir(tmp_path)
    assert np.allclose(encode_queries(encoder, "bird.wav"), sound_vector)
    assert not np.allclose(encode_queries(encoder, "text:bird.wav"), sound_vector)
    mixed = encode_queries(encoder, "a bird sings", sound, "drum noise", str(sound))
    assert np.allclose(mixed[[1, 3]], np.repeat(sound_vector, 2, axis=0), atol=1e-5)
    assert np.allclose(mixed[0], sentence_vector[0], atol=1e-5)


@pytest.mark.parametrize("query", ["", "  ", "text:", "text:\u200b\ufeff", "\u3164\u0301", "a " * 6_000])
def test_empty_and_oversized_sentences_are_refused(tiny_clap, query):
    with pytest.raises(ItemError):
        make_clap(tiny_clap).decode_query(query)


def test_a_path_that_does_not_exist_is_no_sentence(tiny_clap, tmp_path):
    with pytest.raises(ItemError, match=r"no file birds/owl\.OGG; write text:birds/owl\.OGG if that is a sentence"):
        make_clap(tiny_clap).decode_query("birds/owl.OGG")
    with pytest.raises(ItemError, match="there is no file"):
        make_clap(tiny_clap).decode_query(tmp_path / "gone.wav")


def test_a_sentence_loads_the_text_encoder_alone(tiny_clap):
    encoder = make_clap(tiny_clap)
    encode_queries(encoder, "a bird sings")
    assert "_audio_encoder" not in vars(encoder)


def test_a_solution_is_searched_by_sound_and_by_sentence(tiny_clap, lite):
    if "clap" not in lite.manager.encoders:
        import vicinal_audio

        lite.manager.register(vicinal_audio, "audio")
    source = f"{{type: folder, path: '{DATA / 'sounds' / 'bells'}'}}"
    solution = lite.solution(source=source, encoder=f"{{type: clap, model: '{tiny_clap}'}}")
    report = solution.ingest()
    assert (report.new, report.failed) == (4, 0)
    hits = solution.search(DATA / "sounds" / "bells" / "hand.ogg", limit=2)
    assert hits[0].key == "hand.ogg"
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)
    hits = solution.search("a bell rings in the distance", limit=4)
    encoder = make_clap(tiny_clap)
    wanted = encoder.encode([segment.sample for segment in encoder.decode_query("a bell rings in the distance")])
    files = sorted((DATA / "sounds" / "bells").iterdir())
    order = np.argsort(-(encode_queries(encoder, *files) @ wanted[0]))
    assert [hit.key for hit in hits] == [files[number].name for number in order]
