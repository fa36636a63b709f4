"""The reranker ``cross_encoder``, against ``CrossEncoder.predict`` called directly."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from inprocess_server import check_error, run_server
from text_helpers import TEXTS
from tiny_cross_encoder import save_tiny_cross_encoder
from vicinal import Hit, create_manager
from vicinal.cli import main
from vicinal.errors import ConfigError, DependencyError, ExitCode, PluginError
from vicinal.testing import RerankerContract
from vicinal_text.cross_encoder import CrossEncoderReranker

pytestmark = pytest.mark.usefixtures("one_thread")

QUERY = "how do I choose nprobe"


class TestCrossEncoderReranker(RerankerContract):
    reranker_class = CrossEncoderReranker

    @pytest.fixture(autouse=True)
    def _use_the_tiny_model(self, tiny_cross_encoder):
        self.params = {"model": str(tiny_cross_encoder)}


@pytest.fixture(scope="module")
def predict(tiny_cross_encoder):
    """The scores of texts for a query, by sentence-transformers alone."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(tiny_cross_encoder), device="cpu")
    return lambda query, texts: model.predict([(query, text) for text in texts]).tolist()


def make_hits(*texts, **metadata):
    return [Hit(text, rank, 0.1 * rank, 1 - 0.1 * rank, "", metadata, text) for rank, text in enumerate(texts, 1)]


def make_reranker(model, **params):
    return CrossEncoderReranker(CrossEncoderReranker.Params(model=str(model), device="cpu", **params))


def rank_by(scores, texts):
    return [text for _, text in sorted(zip(scores, texts, strict=True), key=lambda pair: -pair[0])]


# --- scores


def test_scores_equal_those_of_predict(tiny_cross_encoder, predict):
    scores = predict(QUERY, TEXTS)
    found = make_reranker(tiny_cross_encoder).rerank(QUERY, make_hits(*TEXTS))
    assert [hit.key for hit in found] == rank_by(scores, TEXTS) != list(TEXTS)
    assert {hit.key: hit.score for hit in found} == pytest.approx(dict(zip(TEXTS, scores, strict=True)), abs=1e-6)
    assert {hit.key: hit.note for hit in found} == {
        text: f"no. {rank} by similarity" for rank, text in enumerate(TEXTS, 1)
    }


def test_batches_and_threads_change_no_score(tiny_cross_encoder, predict):
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS]
    expected = dict(zip(texts, predict(QUERY, texts), strict=True))
    reranker = make_reranker(tiny_cross_encoder, batch_size=3)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: reranker.rerank(QUERY, make_hits(*texts)), range(8)):
            assert {hit.key: hit.score for hit in found} == pytest.approx(expected, abs=1e-5)


def test_what_is_read_of_a_hit(tiny_cross_encoder, predict):
    (hit,) = make_hits("the whole text", answer="the answer", topic="index", year=2024)

    def score(hit, query=QUERY, **params):
        return make_reranker(tiny_cross_encoder, **params).rerank(query, [hit])[0].score

    read = {
        "the whole text": score(hit),
        "the whole text\nthe answer\nindex": score(hit, metadata=True),
        "the whole text\nthe answer": score(hit, metadata=["answer", "year", "absent"]),
        "its window": score(replace(hit, segment={"number": 1, "label": "characters 1 to 9", "excerpt": "its window"})),
        "": score(replace(hit, content="")),
    }
    assert read == pytest.approx(dict(zip(read, predict(QUERY, read), strict=True)), abs=1e-6)
    assert score(hit, "\\@home") == pytest.approx(predict("@home", ["the whole text"])[0], abs=1e-6)


def test_max_length_is_that_of_query_and_text(tiny_cross_encoder):
    from sentence_transformers import CrossEncoder

    long = "a long text " * 100
    model = CrossEncoder(str(tiny_cross_encoder), device="cpu", max_length=40)
    (hit,) = make_reranker(tiny_cross_encoder, max_length=40).rerank("a query", make_hits(long))
    assert hit.score == pytest.approx(float(model.predict([("a query", long)])[0]), abs=1e-6)
    assert hit.score != pytest.approx(make_reranker(tiny_cross_encoder).rerank("a query", make_hits(long))[0].score)
    with pytest.raises(PluginError, match="max_length: 129 is more than the 128 tokens that the model reads") as error:
        make_reranker(tiny_cross_encoder, max_length=129).rerank("a query", make_hits("a text"))
    assert error.value.hint == "write max_length: 128"


@pytest.mark.parametrize("query", ["@red-apple", Path("red apple"), None])
def test_queries_without_a_text_keep_order_and_have_no_score(tiny_cross_encoder, query):
    hits = make_hits("a pear", "red apple")
    assert make_reranker(tiny_cross_encoder).rerank(query, hits) == hits


# --- models


def test_a_model_in_the_cache_is_found_without_a_network(tiny_cross_encoder, tmp_path, monkeypatch):
    """A name without an owner is one of cross-encoder, as for sentence-transformers."""
    repository = tmp_path / "models--cross-encoder--ms-marco-TinyBERT-L2-v2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(tiny_cross_encoder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    expected = make_reranker(tiny_cross_encoder).rerank(QUERY, make_hits(*TEXTS))
    for name in ("ms-marco-TinyBERT-L2-v2", "cross-encoder/ms-marco-TinyBERT-L2-v2"):
        assert make_reranker(name).rerank(QUERY, make_hits(*TEXTS)) == expected


@pytest.mark.usefixtures("no_hub")
def test_a_missing_model_is_an_error_that_says_how_to_get_it():
    with pytest.raises(DependencyError, match="cross-encoder/ms-marco-MiniLM-L6-v2 was not found locally") as error:
        make_reranker("cross-encoder/ms-marco-MiniLM-L6-v2").rerank("a query", make_hits("a text"))
    assert "HF_HUB_OFFLINE forbids downloads" in str(error.value)
    assert error.value.hint == (
        "where there is a network: `hf download cross-encoder/ms-marco-MiniLM-L6-v2"
        " --local-dir models/ms-marco-MiniLM-L6-v2`; then set `model: models/ms-marco-MiniLM-L6-v2`;"
        " or `vicinal bundle FILE --out DIR` there, and VICINAL_MODELS=DIR here"
    )


def test_other_models_are_refused(minilm, tmp_path):
    """Those without the layer that scores, to which sentence-transformers adds a random one, or with several scores."""
    base = save_tiny_cross_encoder(tmp_path / "base", base_only=True)
    classes = save_tiny_cross_encoder(tmp_path / "classes", labels=3)
    for model, reason in (
        (minilm, "is not a cross encoder: the architecture in its config.json is BertModel"),
        (base, "is not a cross encoder: the architecture in its config.json is BertModel"),
        (classes, "gives each pair 3 numbers"),
        (tmp_path / "nowhere" / "at" / "all", "is not the folder of a model: there is no such folder"),
    ):
        with pytest.raises(PluginError, match=reason):
            make_reranker(model).rerank("a query", make_hits("a text", "another"))


def test_damaged_weights_are_refused(tiny_cross_encoder, tmp_path):
    import torch
    from transformers import BertForSequenceClassification

    shutil.copytree(tiny_cross_encoder, tmp_path / "truncated")
    with (tmp_path / "truncated" / "model.safetensors").open("r+b") as file:
        file.truncate(10_000)
    with pytest.raises(PluginError, match="sentence-transformers cannot load"):
        make_reranker(tmp_path / "truncated").rerank("a query", make_hits("a text"))

    shutil.copytree(tiny_cross_encoder, tmp_path / "nan")
    model = BertForSequenceClassification.from_pretrained(tmp_path / "nan")
    torch.nn.init.constant_(model.classifier.weight, float("nan"))
    model.save_pretrained(tmp_path / "nan")
    with pytest.raises(PluginError, match="returned NaN or infinity"):
        make_reranker(tmp_path / "nan").rerank("a query", make_hits("a text"))


def test_nothing_reaches_stderr(tiny_cross_encoder):
    program = f"""
from vicinal import Hit
from vicinal_text.cross_encoder import CrossEncoderReranker
reranker = CrossEncoderReranker(CrossEncoderReranker.Params(model={str(tiny_cross_encoder)!r}))
assert reranker.rerank("a query", [Hit("key", 1, 0.0, 1.0, "", {{}}, "a text")])[0].score
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- a solution

TEXTS_OF_PIES = [f"{word} pie number {number}" for number, word in enumerate(["apple", "pear", "plum", "fig"])]


@pytest.fixture
def pies(lite, tiny_cross_encoder):
    """Makes a solution of four texts with the reranker, by an encoder's block."""
    lite.write([(f"k{number}", text, 2000) for number, text in enumerate(TEXTS_OF_PIES)])
    rerank = f"rerank: {{type: cross_encoder, model: '{tiny_cross_encoder}', candidates: 2}}"
    return lambda encoder: lite.solution("pies", encoder=encoder, extra=rerank)


def test_terminal_json_and_http_say_the_same(lite, pies, predict, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    query = "a pie with apples"
    scores = predict(query, TEXTS_OF_PIES)
    file = str(lite.folder / "pies.yaml")
    solution = pies("{type: sentence}")
    assert main(["ingest", file]) == ExitCode.DONE
    capsys.readouterr()

    assert main(["search", file, query, "--limit", "2", "--json"]) == ExitCode.DONE
    document = json.loads(capsys.readouterr().out)
    assert [hit["content"] for hit in document["hits"]] == rank_by(scores, TEXTS_OF_PIES)[:2]
    assert [hit["score"] for hit in document["hits"]] == pytest.approx(sorted(scores)[::-1][:2], abs=1e-6)
    assert "rerank" in document["timings_ms"]

    assert main(["search", file, query, "--limit", "2"]) == ExitCode.DONE
    table = capsys.readouterr().out
    for hit in document["hits"]:
        assert hit["note"] in table
        assert f"{hit['score']:.4g}" in table

    with run_server(solution) as client:
        found = client.search(query, "pies", limit=2).json()["hits"]
    columns = ("key", "rank", "similarity", "score", "note")
    assert [[hit[name] for name in columns] for hit in found] == [
        [hit[name] for name in columns] for hit in document["hits"]
    ]


def test_items_that_are_not_texts_are_refused(lite, pies):
    solution = pies("{type: fingerprint}")
    lite.write([("ethanol", "CCO", 1)])
    solution.ingest()
    message = "rerank: cross_encoder reads texts, but items of encoder 'fingerprint' are not texts"
    with pytest.raises(ConfigError) as error:
        solution.search("CCO")
    assert (str(error.value), error.value.hint) == (message, "remove `rerank` from the YAML")
    with run_server(solution) as client:
        assert check_error(client.search("CCO", "pies"), 500)["error"] == message


def test_the_model_is_loaded_once(pies):
    """After an ingest searches look at the collection anew, with the same reranker."""
    solution = pies("{type: hashed}")
    solution.ingest()
    solution.search("a pie")
    model = solution.reranker._model
    solution.ingest(force=True)
    solution.search("a pie")
    assert solution.reranker._model is model


def test_it_is_registered():
    assert create_manager().rerankers.load("cross_encoder") is CrossEncoderReranker
