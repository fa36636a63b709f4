"""The encoder ``clap`` on a tiny CLAP that is built and saved here, and loaded by the code that loads the real one."""

from __future__ import annotations

import numpy as np
import pytest

from audio_helpers import DATA, chirp, samples_of, write
from tiny_clap import RATE, encoder, save, vectors
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract
from vicinal_audio.clap import Clap
from vicinal_audio.clap_features import Hearing


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


class TestClap(EncoderContract):
    encoder_class = Clap

    @pytest.fixture(autouse=True)
    def _contents(self, contents, tiny_clap):
        self.good, self.bad = contents
        self.params = {"model": str(tiny_clap), "window": 10, "hop": 5}
        changed = ({"window": 10, "hop": 10}, {"window": 8, "hop": 5}, {"precision": "bf16"}, {})
        self.variants = [{"model": str(tiny_clap), **each} for each in changed]

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


def test_a_long_sound_is_the_mean_of_its_pieces(tiny_clap, contents):
    made, windowed = encoder(tiny_clap), encoder(tiny_clap, window=10, hop=10)
    long = contents[0][2]
    pieces = windowed.encode([segment.sample for segment in windowed.decode(Item("x", long))])
    assert len(pieces) == 3, "24 s: two pieces of ten seconds, and the last ten"
    mean = pieces.mean(axis=0)
    assert vectors(made, long)[0] @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)


def test_of_a_very_long_sound_some_pieces_are_heard(tiny_clap, tmp_path):
    made = encoder(tiny_clap)
    tones = np.concatenate([chirp(10, 8_000) * (0.2 + number / 40) for number in range(37)])
    [segment] = made.decode(Item("x", write(tmp_path / "long.flac", tones, 8_000)))
    pieces = encoder(tiny_clap, window=10, hop=10).decode(Item("x", tmp_path / "long.flac"))
    assert len(pieces) == 37
    heard = np.concatenate([pieces[number].sample for number in range(0, 37, 4)])
    assert np.allclose(segment.sample, heard, atol=1e-3)


def test_bfloat16_stays_true(tiny_clap, contents):
    exact, lowered = (vectors(encoder(tiny_clap, precision=each), *contents[0]) for each in ("fp32", "bf16"))
    assert (exact * lowered).sum(axis=1).min() >= 0.9995
    auto = vectors(encoder(tiny_clap), *contents[0])
    assert (exact * auto).sum(axis=1).min() >= 0.9995


# --- sentences and sounds


def test_a_sound_or_a_sentence(tiny_clap, tmp_path, monkeypatch):
    made = encoder(tiny_clap)
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
def test_sentences_that_are_refused(tiny_clap, query):
    with pytest.raises(ItemError):
        encoder(tiny_clap).decode_query(query)


def test_a_path_is_never_a_sentence(tiny_clap, tmp_path):
    with pytest.raises(ItemError, match=r"no file birds/owl\.OGG; write text:birds/owl\.OGG if that is a sentence"):
        encoder(tiny_clap).decode_query("birds/owl.OGG")
    with pytest.raises(ItemError, match="there is no file"):
        encoder(tiny_clap).decode_query(tmp_path / "gone.wav")


def test_only_the_network_that_is_needed_is_loaded(tiny_clap):
    made = encoder(tiny_clap)
    vectors(made, "a bird sings")
    assert "_ear" not in vars(made)


def test_search_by_a_sentence(tiny_clap, lite):
    """Through a solution: the same collection is asked by a sound and by a sentence."""
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
    read = solution.search("a bell rings in the distance", limit=4)
    made = encoder(tiny_clap)
    wanted = made.encode([segment.sample for segment in made.decode_query("a bell rings in the distance")])
    files = sorted((DATA / "sounds" / "bells").iterdir())
    order = np.argsort(-(vectors(made, *files) @ wanted[0]))
    assert [hit.key for hit in read] == [files[number].name for number in order]
