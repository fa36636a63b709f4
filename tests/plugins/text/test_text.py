"""Sentence embeddings: the vectors of sentence-transformers, quicker; their prompts and texts."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch

from text_helpers import LONG, TEXTS, cosines, docstrings, make
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract
from vicinal_text.backends import BertEngine, PipelineEngine
from vicinal_text.bert import batches
from vicinal_text.model_dir import ModelFolder
from vicinal_text.sentence import Query, Sentence

pytestmark = pytest.mark.usefixtures("one_thread")


def quietly(call):
    """What a library warns of while it loads is not what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@pytest.fixture(scope="module")
def reference(minilm):
    """The vectors of a model as sentence-transformers computes them."""
    from sentence_transformers import SentenceTransformer

    def encode(texts, path=minilm):
        def call():
            model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
            return model.encode(list(texts), show_progress_bar=False, normalize_embeddings=True)

        return quietly(call)

    return encode


@pytest.fixture(scope="module")
def tiny(minilm, tmp_path_factory):
    """Makes small models with random weights in the layout of sentence-transformers."""

    def build(kind, pooling, dense=None):
        from sentence_transformers import SentenceTransformer, models
        from transformers import AutoTokenizer, BertConfig, BertModel, DistilBertConfig, DistilBertModel

        home = tmp_path_factory.mktemp(kind)
        size = {"vocab_size": 30522, "max_position_embeddings": 64}
        if kind == "bert":
            config = BertConfig(
                hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80, **size
            )
            BertModel(config).save_pretrained(home / "network")
        else:
            config = DistilBertConfig(dim=48, n_layers=2, n_heads=4, hidden_dim=80, **size)
            DistilBertModel(config).save_pretrained(home / "network")
        AutoTokenizer.from_pretrained(minilm).save_pretrained(home / "network")
        transformer = models.Transformer(str(home / "network"), max_seq_length=32)
        modules = [transformer, models.Pooling(48, pooling_mode=pooling)]
        modules += [models.Dense(48, dense)] if dense else []
        SentenceTransformer(modules=modules, device="cpu").save(str(home / "model"))
        return home / "model"

    return lambda *arguments: quietly(lambda: build(*arguments))


class TestSentence(EncoderContract):
    encoder_class = Sentence
    good = TEXTS
    bad = ("", "  \n", "\0", None, 7, b"bytes", ["a"], "x" * (2**20 + 1), "ü" * (2**19 + 1))
    variants = ({"precision": "fp32"}, {"precision": "bf16"}, {"prompt": "passage: "})


# Vectors


@pytest.mark.parametrize("count", [3, 40])
def test_vectors_are_those_of_sentence_transformers(reference, count):
    texts = [*TEXTS, LONG, *docstrings(count)] if count > 3 else TEXTS[:3]
    vectors = make(precision="fp32", device="cpu").encode(texts)
    assert cosines(vectors, reference(texts)).min() >= 0.99999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_vectors_of_the_packaged_model_are_known():
    vectors = make().encode(["How do I pick nprobe for an IVF index?"])
    assert np.allclose(vectors[0, :4], [-0.003664, 0.004516, -0.030327, 0.004922], atol=1e-5)


def test_bfloat16_stays_true():
    texts = docstrings(240)
    exact, lowered = (make(precision=name, device="cpu").encode(texts) for name in ("fp32", "bf16"))
    assert 0.9999 <= cosines(exact, lowered).min() < 0.9999999
    agreed = [len(set(a) & set(b)) / 10 for a, b in zip(_nearest(exact), _nearest(lowered), strict=True)]
    assert np.mean(agreed) >= 0.97


def _nearest(vectors):
    return np.argsort(-vectors @ vectors.T + 2 * np.eye(len(vectors)), axis=1)[:, :10]


def test_equal_texts_and_any_order_change_nothing():
    encoder, texts = make(precision="fp32", device="cpu"), docstrings(12)
    mixed = [*texts, *texts[::-1], texts[0], texts[0]]
    vectors = encoder.encode(mixed)
    singles = dict(zip(texts, (encoder.encode([text])[0] for text in texts), strict=True))
    assert cosines(vectors, np.stack([singles[text] for text in mixed])).min() >= 0.99999
    assert np.array_equal(vectors[0], vectors[-1])


def test_another_bert_is_computed_directly(tiny, reference):
    path = tiny("bert", "cls")
    encoder = make(model=str(path), precision="fp32", device="cpu")
    assert isinstance(encoder._engine, BertEngine)
    assert (encoder.space.dimension, encoder._folder.longest, encoder._folder.poolings) == (48, 32, ["cls"])
    texts = [*TEXTS, LONG]
    for given in (texts, texts * 4 + docstrings(20)):
        assert cosines(encoder.encode(given), reference(given, path)).min() >= 0.99999


def test_any_other_model_goes_through_sentence_transformers(tiny, reference, capfd):
    path = tiny("distilbert", "mean", 24)
    encoder = make(model=str(path), precision="fp32", device="cpu")
    assert isinstance(encoder._engine, PipelineEngine)
    assert encoder.space.dimension == 24
    texts = [*TEXTS, LONG, *docstrings(30)]
    expected = reference(texts, path)
    capfd.readouterr()
    vectors = encoder.encode(texts)
    assert capfd.readouterr().err == ""
    assert (vectors.dtype, vectors.flags.c_contiguous) == (np.float32, True)
    assert cosines(vectors, expected).min() >= 0.99999
    assert cosines(make(model=str(path), precision="bf16", device="cpu").encode(texts), expected).min() >= 0.999


# Prompts


def test_a_prompt_goes_before_texts_and_another_before_queries():
    plain, prompted = make(), make(prompt="passage: ", query_prompt="query: ")
    (text,), (query,) = prompted.decode(Item("t", "apples")), prompted.decode_query("apples")
    assert (text.sample, query.sample) == ("apples", "apples"), "the words of hybrid search stay without a prompt"
    assert isinstance(query.sample, Query)
    expected = plain.encode(["passage: apples", "query: apples"])
    assert np.allclose(prompted.encode([text.sample, query.sample]), expected, atol=1e-6)


def test_prompts_come_from_the_models_files(tmp_path):
    config = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert ModelFolder(tmp_path).prompts == ("passage: ", "query: ")


def test_only_the_prompt_of_stored_texts_is_in_the_signature():
    assert make().signature == make(query_prompt="query: ").signature
    assert make().signature != make(prompt="passage: ").signature


# Texts


def test_a_refusal_says_why():
    for content, reason in (
        ("", "the text is empty"),
        (" \n\0", "the text is empty"),
        (7, "a text is wanted, not int"),
        ("x" * (2**20 + 1), "the text is larger than 1 MiB"),
    ):
        with pytest.raises(ItemError) as caught:
            make().decode(Item("t", content))
        assert str(caught.value) == reason


def test_what_cannot_be_encoded_is_made_good():
    (segment,) = make().decode(Item("t", "a\0b \ud800 c"))
    assert segment.sample == "ab ? c"
    assert make().encode([segment.sample]).shape == (1, 384)


def test_it_is_computed_without_the_lock_of_the_interpreter():
    encoder = make(device="cpu")
    encoder.encode([f"the text number {number}" for number in range(9)])
    assert isinstance(encoder._engine._many._forward, torch.jit.ScriptModule)


def test_without_torchscript_the_vectors_are_the_same(monkeypatch):
    texts = docstrings(12)
    expected = make(device="cpu").encode(texts)

    def missing(*_):
        raise AttributeError("torch has no script")

    monkeypatch.setattr(torch.jit, "script", missing)
    encoder = make(device="cpu")
    assert np.array_equal(encoder.encode(texts), expected)
    assert not isinstance(encoder._engine._many._forward, torch.jit.ScriptModule)


@pytest.mark.parametrize(
    ("lengths", "size", "least", "expected"),
    [
        ([5, 3, 4], 8, 1, [[1, 2, 0]]),
        ([5, 3, 4], 2, 1, [[1, 2], [0]]),
        ([4] * 6, 8, 2, [[0, 1, 2], [3, 4, 5]]),
        ([2, 2, 2, 2, 4, 4], 8, 2, [[0, 1, 2, 3], [4, 5]]),
        ([9, 1], 8, 4, [[1], [0]]),
        ([600, 500, 512], 4, 1, [[1], [2], [0]]),
    ],
)
def test_batches_are_of_like_lengths_and_equal_parts(lengths, size, least, expected):
    assert batches(lengths, size, least) == expected
