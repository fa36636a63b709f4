"""Sentence embeddings: where a model is found, and what it is checked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from pydantic import ValidationError

from text_helpers import make
from vicinal import create_manager
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal_text import resolve as places
from vicinal_text.keywords import Keywords
from vicinal_text.sentence import Sentence

pytestmark = pytest.mark.usefixtures("one_thread")


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
    with pytest.raises(DependencyError, match="someone/a-model-of-theirs is not on this machine") as caught:
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
    with pytest.raises(DependencyError, match=r"neither modules\.json nor config\.json"):
        _ = make(model=str(tmp_path)).space
    with pytest.raises(DependencyError, match="there is no folder"):
        _ = make(model="./nowhere").space
    with pytest.raises(ValidationError):
        make(model="")


def test_it_is_registered():
    manager = create_manager()
    assert manager.encoders.load("sentence") is Sentence
    assert manager.rerankers.load("keywords") is Keywords
