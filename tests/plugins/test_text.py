"""Sentence embeddings: the vectors of sentence-transformers, quicker; and the reranker by words."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from vicinal import BadItem, Hit, Item, create_manager
from vicinal.errors import DependencyMissing, ExitCode, PluginError
from vicinal.testing import EncoderContract, RerankerContract
from vicinal_text import locate as places
from vicinal_text.bert import batches
from vicinal_text.engine import BertEngine, PipelineEngine
from vicinal_text.folder import MINILM, ModelFolder
from vicinal_text.keywords import Keywords, bm25
from vicinal_text.locate import locate
from vicinal_text.sentence import Query, Sentence

TEXTS = (
    "How do I pick nprobe for an IVF index?",
    "The number of probes trades speed for recall.",
    "A recipe for apple pie with cinnamon.",
    "Ünïcödé, naïve café: 東京は日本の首都です 🍎\tand\nmore",
    "x",
)
LONG = " ".join(f"word{number} of a text that is far longer than the model reads" for number in range(200))


def make(**params):
    return Sentence(Sentence.Params(**params))


def cosines(first, second):
    return (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def docstrings(count):
    """English texts of 8 to 20 words that every Python has: what the standard library says of itself."""
    found = {}
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        try:
            nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in nodes:
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                words = (ast.get_docstring(node) or "").split()
                if len(words) >= 8 and ">>>" not in words:
                    found[" ".join(words[:20])] = None
    return random.Random(1).sample(sorted(found), count)


def quietly(call):
    """What a library warns of while it loads is not what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On a busy machine threads wait for each other: the tests take half as long on one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def minilm():
    return locate(MINILM).path


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


class TestKeywords(RerankerContract):
    reranker_class = Keywords


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
        with pytest.raises(BadItem) as caught:
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


# Finding and checking models


def test_encoding_imports_no_transformers_and_nothing_reaches_stderr():
    program = """
import sys
from vicinal_text.sentence import Sentence
encoder = Sentence()
encoder.encode([segment.sample for segment in encoder.decode_query("how are texts found?")])
encoder.encode([f"the text number {number} of quite a few" for number in range(60)])
assert "transformers" not in sys.modules, "its import takes seconds"
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_packaged_model_must_be_the_published_one(minilm, tmp_path, monkeypatch):
    shutil.copytree(minilm, tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    monkeypatch.setattr(places, "_packaged", lambda: tmp_path / "model")
    encoder = make()
    for act in (lambda: encoder.signature, lambda: encoder.encode(["a text"])):
        with pytest.raises(PluginError, match="is not the published model") as caught:
            act()
        assert "--force-reinstall" in caught.value.hint


def test_the_same_weights_elsewhere_have_the_same_signature_and_may_differ_from_the_package(minilm, tmp_path):
    shutil.copytree(minilm, tmp_path / "copy")
    assert make(model=str(tmp_path / "copy")).signature == make().signature
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert make(model=str(tmp_path / "copy")).signature != make().signature


def test_a_folder_is_relative_to_the_yaml(minilm, tmp_path):
    (tmp_path / "models").symlink_to(minilm)
    params = Sentence.Params.model_validate({"model": "models"}, context={"base": tmp_path})
    assert params.model == str(tmp_path / "models")
    assert Sentence.Params.model_validate({"model": "all-MiniLM-L6-v2"}, context={"base": tmp_path}).model == (
        "all-MiniLM-L6-v2"
    )


@pytest.mark.parametrize("offline", [True, False])
def test_a_model_that_cannot_be_had_is_an_error_with_places(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if offline else "0")
    if not offline:
        import huggingface_hub

        def refuse(*_, **given):
            assert given["timeout"] <= 10
            raise OSError("no network")

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(DependencyMissing, match="someone/a-model-of-theirs is not on this machine") as caught:
        _ = make(model="someone/a-model-of-theirs").space
    assert ("HF_HUB_OFFLINE" if offline else "no network") in str(caught.value)
    assert str(tmp_path / "cache") in caught.value.hint
    assert "minilm" in caught.value.hint
    assert caught.value.exit_code == ExitCode.PLUGIN_MISSING


def test_a_model_in_the_cache_is_found_without_a_network(minilm, tmp_path, monkeypatch):
    repository = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(minilm)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert make(model="all-MiniLM-L6-v2").signature == make().signature


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DependencyMissing, match=r"neither modules\.json nor config\.json"):
        _ = make(model=str(tmp_path)).space
    with pytest.raises(DependencyMissing, match="there is no folder"):
        _ = make(model="./nowhere").space
    with pytest.raises(ValidationError):
        make(model="")


def test_it_is_registered():
    manager = create_manager()
    assert manager.encoders.load("sentence") is Sentence
    assert manager.rerankers.load("keywords") is Keywords


# The reranker


def hits(*texts, **metadata):
    return [Hit(text, rank, 0.1 * rank, 1 - 0.1 * rank, "", metadata, text) for rank, text in enumerate(texts, 1)]


def reranked(query, found, **params):
    return [hit.key for hit in Keywords(Keywords.Params(**params)).rerank(query, found)]


def test_bm25_by_hand():
    """n = 3, mean length 7 / 3; idf(red) = ln(1 + 1.5 / 2.5), idf(apple) = ln(1 + 2.5 / 1.5)."""
    scores = bm25(["red", "apple"], [["green", "pear"], ["red", "apple", "pie"], ["red", "car"]])
    assert scores == pytest.approx([0.0, 1.298992, 0.499177], abs=1e-5)


def test_fusion_by_hand():
    """Ranks by vectors 1, 2, 3 and by words none, 2, 1: 1/61, 1/62 + 1/62 = 0.032258, and 1/63 + 1/61 = 0.032266."""
    found = hits("green pear", "red car", "red apple pie")
    assert reranked("red apple", found) == ["red apple pie", "red car", "green pear"]
    assert reranked("red apple", found, weight=0) == ["green pear", "red car", "red apple pie"]


def test_words_are_compared_without_case_in_any_script():
    assert reranked("STRASSE", hits("a road", "die Straße")) == ["die Straße", "a road"]
    assert reranked("cafe\u0301", hits("tea", "Café")) == ["Café", "tea"]
    assert reranked("首都", hits("a city", "東京は日本の首都です"), weight=1)[0] == "東京は日本の首都です"


def test_metadata_counts_where_it_is_asked_for():
    first, second = hits("a", "b")
    found = [replace(first, metadata={"answer": "pear"}), replace(second, metadata={"answer": "apple", "year": 1})]
    assert reranked("apple", found) == ["a", "b"]
    assert reranked("apple", found, metadata=True) == ["b", "a"]


@pytest.mark.parametrize("query", ["@red-apple", Path("red apple"), "", "?!"])
def test_what_has_no_words_keeps_its_order(query):
    assert reranked(query, hits("a pear", "red apple")) == ["a pear", "red apple"]
