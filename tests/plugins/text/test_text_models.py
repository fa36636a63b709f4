"""Sentence embeddings: where a model is found, and how it is validated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from pydantic import ValidationError

from text_helpers import make_encoder
from vicinal import create_manager
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal.toolkit import models
from vicinal_text.keywords import KeywordReranker
from vicinal_text.sentence import SentenceEncoder

pytestmark = pytest.mark.usefixtures("one_thread")


def test_encoding_imports_no_transformers_and_nothing_reaches_stderr():
    program = """
import sys
from vicinal_text.sentence import SentenceEncoder
encoder = SentenceEncoder()
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
    monkeypatch.setattr(models, "find_packaged", lambda *_: tmp_path / "model")
    encoder = make_encoder()
    for act in (lambda: encoder.signature, lambda: encoder.encode(["a text"])):
        with pytest.raises(PluginError, match="is not the published model") as caught:
            act()
        assert "--force-reinstall" in caught.value.hint


def test_a_truncated_file_of_weights_is_refused(minilm, tmp_path):
    shutil.copytree(minilm, tmp_path / "copy")
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(PluginError, match="sentence-transformers cannot load"):
        make_encoder(model=str(tmp_path / "copy")).encode(["a text"])


def test_a_damaged_tokenizer_is_refused(minilm, tmp_path):
    shutil.copytree(minilm, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer.json").write_text("{")
    with pytest.raises(PluginError, match=r"tokenizer\.json is not a tokenizer") as caught:
        make_encoder(model=str(tmp_path / "copy")).encode(["a text"])
    assert caught.value.hint == "download the model again"


def test_signature_depends_on_the_files_not_on_their_folder(minilm, tmp_path):
    shutil.copytree(minilm, tmp_path / "copy")
    assert make_encoder(model=str(tmp_path / "copy")).signature == make_encoder().signature
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert make_encoder(model=str(tmp_path / "copy")).signature != make_encoder().signature


def test_a_folder_is_relative_to_the_yaml(minilm, tmp_path):
    (tmp_path / "models").symlink_to(minilm)
    params = SentenceEncoder.Params.model_validate({"model": "models"}, context={"base": tmp_path})
    assert params.model == str(tmp_path / "models")
    assert SentenceEncoder.Params.model_validate({"model": "all-MiniLM-L6-v2"}, context={"base": tmp_path}).model == (
        "all-MiniLM-L6-v2"
    )


@pytest.mark.parametrize("offline", [True, False])
def test_a_missing_model_is_an_error_that_names_places(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if offline else "0")
    if not offline:
        import huggingface_hub

        def refuse(*_, **given):
            assert given["timeout"] <= 10
            raise OSError("no network")

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(DependencyError, match="someone/a-model-of-theirs was not found locally") as caught:
        _ = make_encoder(model="someone/a-model-of-theirs").space
    assert ("HF_HUB_OFFLINE" if offline else "no network") in str(caught.value)
    assert "hf download someone/a-model-of-theirs --local-dir models/a-model-of-theirs`" in caught.value.hint
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
    assert make_encoder(model="all-MiniLM-L6-v2").signature == make_encoder().signature


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DependencyError, match=r"is not the folder of a model: it holds no weights"):
        _ = make_encoder(model=str(tmp_path)).space
    with pytest.raises(DependencyError, match="there is no such folder"):
        _ = make_encoder(model="./nowhere").space
    with pytest.raises(ValidationError):
        make_encoder(model="")


def test_encoder_and_reranker_are_registered():
    manager = create_manager()
    assert manager.encoders.load("sentence") is SentenceEncoder
    assert manager.rerankers.load("keywords") is KeywordReranker
