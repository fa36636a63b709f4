"""Sentence embeddings: the vectors of sentence-transformers, quicker; their prompts and texts."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
import torch

from text_helpers import BLANK, LONG, TEXTS, TWO_SENTENCES, collect_docstrings, make_encoder, row_cosines
from vicinal import Item, ItemError
from vicinal.testing import EncoderContract
from vicinal_text.backends import BertBackend, SentenceTransformersBackend
from vicinal_text.bert import batch_by_length
from vicinal_text.model_dir import SentenceModelDir
from vicinal_text.sentence import QuerySample, SentenceEncoder
from vicinal_text.tokenizer import TokenizedText

pytestmark = pytest.mark.usefixtures("one_thread")


def without_warnings(call):
    """Call a library that warns while it loads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@pytest.fixture(scope="module")
def reference(minilm):
    """The vectors of a model as sentence-transformers computes them."""
    from sentence_transformers import SentenceTransformer

    def encode(texts, path=minilm, **settings):
        def call():
            model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
            return model.encode(list(texts), show_progress_bar=False, normalize_embeddings=True, **settings)

        return without_warnings(call)

    return encode


@pytest.fixture(scope="module")
def tiny(minilm, tmp_path_factory):
    """Makes small models with random weights in the layout of sentence-transformers."""

    def build(kind, pooling, dense=None, include_prompt=True):
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
        modules = [transformer, models.Pooling(48, pooling_mode=pooling, include_prompt=include_prompt)]
        modules += [models.Dense(48, dense)] if dense else []
        SentenceTransformer(modules=modules, device="cpu").save(str(home / "model"))
        return home / "model"

    return lambda *arguments, **settings: without_warnings(lambda: build(*arguments, **settings))


@pytest.fixture(scope="module")
def static(minilm, tmp_path_factory):
    """A model of word embeddings alone, with prompts; it reads all of a text."""

    def build():
        from sentence_transformers import SentenceTransformer, models
        from tokenizers import Tokenizer

        torch.manual_seed(3)
        embedding = models.StaticEmbedding(Tokenizer.from_file(str(minilm / "tokenizer.json")), embedding_dim=40)
        prompts = {"document": "a passage of words: ", "query": "a query: "}
        model = SentenceTransformer(modules=[embedding], device="cpu", prompts=prompts, default_prompt_name="document")
        model.save(str(folder))
        return folder

    folder = tmp_path_factory.mktemp("static") / "model"
    return without_warnings(build)


class TestSentence(EncoderContract):
    encoder_class = SentenceEncoder
    good = (*TEXTS, TWO_SENTENCES)
    bad = (*BLANK.values(), None, 7, b"bytes", ["a"], "x" * (2**20 + 1), "ü" * (2**19 + 1))
    variants = ({"precision": "fp32"}, {"precision": "bf16"}, {"prompt": "passage: "})


# Vectors


@pytest.mark.parametrize("count", [3, 40])
def test_vectors_equal_those_of_sentence_transformers(reference, count):
    texts = [*TEXTS, LONG, *collect_docstrings(count)] if count > 3 else TEXTS[:3]
    vectors = make_encoder(precision="fp32", device="cpu").encode(texts)
    assert row_cosines(vectors, reference(texts)).min() >= 0.99999
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_vectors_of_the_packaged_model_are_known():
    vectors = make_encoder().encode(["How do I pick nprobe for an IVF index?"])
    assert np.allclose(vectors[0, :4], [-0.003664, 0.004516, -0.030327, 0.004922], atol=1e-5)


@pytest.mark.long
def test_bfloat16_matches_float32():
    texts = collect_docstrings(240)
    fp32, bf16 = (make_encoder(precision=name, device="cpu").encode(texts) for name in ("fp32", "bf16"))
    assert 0.9999 <= row_cosines(fp32, bf16).min() < 0.9999999
    agreed = [len(set(a) & set(b)) / 10 for a, b in zip(_ten_nearest(fp32), _ten_nearest(bf16), strict=True)]
    assert np.mean(agreed) >= 0.97


def _ten_nearest(vectors):
    return np.argsort(-vectors @ vectors.T + 2 * np.eye(len(vectors)), axis=1)[:, :10]


def test_duplicates_and_order_do_not_change_vectors():
    encoder, texts = make_encoder(precision="fp32", device="cpu"), collect_docstrings(12)
    mixed = [*texts, *texts[::-1], texts[0], texts[0]]
    vectors = encoder.encode(mixed)
    singles = dict(zip(texts, (encoder.encode([text])[0] for text in texts), strict=True))
    assert row_cosines(vectors, np.stack([singles[text] for text in mixed])).min() >= 0.99999
    assert np.array_equal(vectors[0], vectors[-1])


def test_another_bert_is_computed_directly(tiny, reference):
    path = tiny("bert", "cls")
    encoder = make_encoder(model=str(path), precision="fp32", device="cpu")
    assert isinstance(encoder._backend, BertBackend)
    assert (encoder.space.dimension, encoder._model_dir.max_tokens, encoder._model_dir.pooling_modes) == (
        48,
        32,
        ["cls"],
    )
    texts = [*TEXTS, LONG]
    for given in (texts, texts * 4 + collect_docstrings(20)):
        assert row_cosines(encoder.encode(given), reference(given, path)).min() >= 0.99999


def test_any_other_model_goes_through_sentence_transformers(tiny, reference, capfd):
    path = tiny("distilbert", "mean", 24)
    encoder = make_encoder(model=str(path), precision="fp32", device="cpu")
    assert isinstance(encoder._backend, SentenceTransformersBackend)
    assert encoder.space.dimension == 24
    texts = [*TEXTS, LONG, *collect_docstrings(30)]
    expected = reference(texts, path)
    capfd.readouterr()
    vectors = encoder.encode(texts)
    assert capfd.readouterr().err == ""
    assert (vectors.dtype, vectors.flags.c_contiguous) == (np.float32, True)
    assert row_cosines(vectors, expected).min() >= 0.99999
    assert (
        row_cosines(make_encoder(model=str(path), precision="bf16", device="cpu").encode(texts), expected).min()
        >= 0.999
    )


# Prompts


def test_texts_and_queries_have_prompts_of_their_own():
    plain, prompted = make_encoder(), make_encoder(prompt="passage: ", query_prompt="query: ")
    (text,), (query,) = prompted.decode(Item("t", "apples")), prompted.decode_query("apples")
    assert (text.sample, query.sample) == ("apples", "apples"), "the words of hybrid search stay without a prompt"
    assert isinstance(query.sample, QuerySample)
    expected = plain.encode(["passage: apples", "query: apples"])
    assert np.allclose(prompted.encode([text.sample, query.sample]), expected, atol=1e-6)


def test_default_prompts_are_those_of_the_model(tmp_path):
    config = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert SentenceModelDir(tmp_path).prompts == ("passage: ", "query: ")


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_a_prompt_is_left_out_of_the_mean_where_the_model_says_so(tiny, reference, kind):
    path = tiny(kind, "mean", include_prompt=False)
    prompted = make_encoder(model=str(path), prompt="represent this: ", precision="fp32", device="cpu")
    expected = reference(TEXTS, path, prompt="represent this: ")
    assert row_cosines(prompted.encode(TEXTS), expected).min() >= 0.99999
    assert (
        row_cosines(prompted.encode(TEXTS), reference([f"represent this: {text}" for text in TEXTS], path)).max()
        < 0.9999
    )


def test_a_model_of_other_modules_gets_its_default_prompt_once(static, reference):
    encoder = make_encoder(model=str(static), precision="fp32", device="cpu")
    assert encoder.space.dimension == 40
    texts = [*TEXTS, LONG]
    assert row_cosines(encoder.encode(texts), reference(texts, static)).min() >= 0.99999
    queries = [segment.sample for text in texts for segment in encoder.decode_query(text)]
    assert row_cosines(encoder.encode(queries), reference(texts, static, prompt_name="query")).min() >= 0.99999


def test_only_the_prompt_of_stored_texts_is_in_the_signature():
    assert make_encoder().signature == make_encoder(query_prompt="query: ").signature
    assert make_encoder().signature != make_encoder(prompt="passage: ").signature


def test_the_signature_tells_vectors_of_prompts_that_were_misplaced_before(tiny, static, tmp_path):
    def has_new_signature(path, **params):
        return make_encoder(model=str(path), **params).signature.startswith("sentence/2/")

    assert make_encoder().signature == "sentence/de984774cce0074e/longest=256/pooling=mean/l2/auto"
    assert make_encoder(prompt="p: ").signature.startswith("sentence/de984774cce0074e/")
    assert has_new_signature(static), "of other modules, with a default prompt: it came twice"
    assert has_new_signature(static, prompt=""), "it came in place of none"
    apart, plain = tiny("distilbert", "mean", include_prompt=False), tiny("distilbert", "mean")
    assert has_new_signature(apart, prompt="p: "), "the prompt was part of the mean"
    assert not has_new_signature(apart), "there is no prompt"
    assert not has_new_signature(plain, prompt="p: ")
    shutil.copytree(static, tmp_path / "static")
    config = tmp_path / "static" / "config_sentence_transformers.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "default_prompt_name": None}))
    assert not has_new_signature(tmp_path / "static"), "it has prompts, and none by default"


# Tokens


def test_texts_that_are_tokenized_while_they_are_decoded_have_the_same_vectors():
    encoder = make_encoder(prompt="passage: ", precision="fp32", device="cpu")
    texts = [*TEXTS, LONG, TEXTS[0]]
    samples = [segments[0].sample for segments in encoder.decode_many([Item(text, text) for text in texts])]
    assert samples == texts
    assert all(isinstance(sample, TokenizedText) for sample in samples)
    assert np.allclose(encoder.encode(samples), encoder.encode(texts), atol=1e-6)
    assert np.allclose(encoder.encode([*samples[:2], *texts[2:]]), encoder.encode(texts), atol=1e-6)


def test_a_text_is_truncated_where_it_has_more_tokens_than_the_model_reads(tiny):
    path = tiny("bert", "mean")  # it reads 32 tokens, [CLS] and [SEP] included
    for prompt, words in (("", 30), ("one two three ", 27)):
        encoder = make_encoder(model=str(path), prompt=prompt)
        for count in (1, words - 1, words, words + 1, 4 * words):
            [segment] = encoder.decode(Item("t", " ".join(["word"] * count)))
            assert segment.truncated is (count > words)
            assert len(segment.sample.token_ids) == min(count + 32 - words, 32)


def test_a_model_without_a_limit_truncates_nothing(static):
    [segment] = make_encoder(model=str(static)).decode(Item("t", LONG))
    assert (segment.truncated, segment.sample) == (False, LONG)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_truncated_texts_are_counted_and_the_warning_says_what_to_do(lite, tiny, kind):
    model = tiny(kind, "mean")
    lite.write([("short", "a few words", 1), ("long", LONG, 2), ("longer", f"more {LONG}", 3)])
    solution = lite.solution(encoder=f"{{type: sentence, model: '{model}'}}")
    report = solution.ingest()
    assert (report.new, report.truncated) == (3, 2)
    assert report.warnings == [
        "2 items are longer than the encoder reads; only their beginning is searched: the model reads 32 tokens of a"
        " text; `window: 32` on the encoder indexes longer ones in parts"
    ]
    assert solution.status()["truncated"] == 2


def test_decoding_several_texts_is_decoding_each():
    encoder = make_encoder()
    first, second, third = encoder.decode_many([Item("a", "apples"), Item("b", " "), Item("c", "pears")])
    assert ([first[0].sample], [third[0].sample]) == (["apples"], ["pears"])
    assert (type(second), str(second)) == (ItemError, "the text is empty")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config": {"max_position_embeddings": 512}}, 512),
        ({"config": {"max_position_embeddings": 512}, "sentence_bert_config": {"max_seq_length": 256}}, 256),
        ({"config": {"max_position_embeddings": 64}, "sentence_bert_config": {"max_seq_length": 256}}, 64),
        ({"config": {"max_position_embeddings": 514}, "tokenizer_config": {"model_max_length": 512}}, 512),
        ({"config": {}, "sentence_bert_config": {"max_seq_length": 768}}, 768),
        ({"config": {"max_position_embeddings": -1}, "tokenizer_config": {"model_max_length": 10**30}}, None),
        ({}, None),
    ],
)
def test_how_many_tokens_a_model_reads(tmp_path, files, expected):
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert SentenceModelDir(tmp_path).max_tokens == expected


# Texts


def test_invalid_texts_fail_with_a_reason():
    for content, reason in (
        (7, "the content must be a text, not int"),
        ("x" * (2**20 + 1), "the text is larger than 1 MiB"),
    ):
        with pytest.raises(ItemError) as caught:
            make_encoder().decode(Item("t", content))
        assert str(caught.value) == reason


@pytest.mark.parametrize("kind", BLANK)
def test_texts_in_which_nothing_is_visible_are_empty(kind):
    for read in (lambda text: make_encoder().decode(Item("t", text)), make_encoder().decode_query):
        with pytest.raises(ItemError, match=r"^the text is empty$"):
            read(BLANK[kind])


@pytest.mark.parametrize("text", ["\u200bx\u200b", "?", "\u0905\u0902", "🍎\ufe0f", "e\u0301", "\ue000", "\ufffd"])
def test_texts_with_a_visible_character_are_encoded(text):
    [segment] = make_encoder().decode(Item("t", text))
    assert segment.sample == text


def test_nul_and_lone_surrogates_are_replaced():
    (segment,) = make_encoder().decode(Item("t", "a\0b \ud800 c"))
    assert segment.sample == "ab ? c"
    assert make_encoder().encode([segment.sample]).shape == (1, 384)


def test_the_model_is_compiled_by_torchscript():
    encoder = make_encoder(device="cpu")
    encoder.encode([f"the text number {number}" for number in range(9)])
    assert isinstance(encoder._backend._batch_model._forward, torch.jit.ScriptModule)


def test_without_torchscript_the_vectors_are_the_same(monkeypatch):
    texts = collect_docstrings(12)
    expected = make_encoder(device="cpu").encode(texts)

    def missing(*_):
        raise AttributeError("torch has no script")

    monkeypatch.setattr(torch.jit, "script", missing)
    encoder = make_encoder(device="cpu")
    assert np.array_equal(encoder.encode(texts), expected)
    assert not isinstance(encoder._backend._batch_model._forward, torch.jit.ScriptModule)


@pytest.mark.parametrize(
    ("lengths", "batch_size", "min_batches", "expected"),
    [
        ([5, 3, 4], 8, 1, [[1, 2, 0]]),
        ([5, 3, 4], 2, 1, [[1, 2], [0]]),
        ([4] * 6, 8, 2, [[0, 1, 2], [3, 4, 5]]),
        ([2, 2, 2, 2, 4, 4], 8, 2, [[0, 1, 2, 3], [4, 5]]),
        ([9, 1], 8, 4, [[1], [0]]),
        ([600, 500, 512], 4, 1, [[1], [2], [0]]),
    ],
)
def test_batches_have_like_lengths_and_equal_parts(lengths, batch_size, min_batches, expected):
    assert batch_by_length(lengths, batch_size, min_batches) == expected
