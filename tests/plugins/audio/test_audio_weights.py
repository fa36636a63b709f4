"""The weights of ``clap``: found, explained where they cannot be had, refused where they are damaged."""

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

from audio_helpers import chirp, write
from tiny_clap import encoder, vectors
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal_audio.clap import Clap
from vicinal_audio.clap_dir import locate


def test_space_and_signature_come_from_the_files(tiny_clap, tmp_path):
    made = encoder(tiny_clap)
    assert (made.space.dimension, made.space.metric) == (24, "COSINE")
    assert not {"_ear", "_reader"} & vars(made).keys()
    copy = shutil.copytree(tiny_clap, tmp_path / "copy")
    assert encoder(copy).signature == made.signature
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert encoder(copy).signature != made.signature


def test_a_folder_beside_the_yaml_file(tiny_clap):
    params = Clap.Params.model_validate({"model": tiny_clap.name}, context={"base": tiny_clap.parent})
    assert params.model == str(tiny_clap)
    assert Clap.Params().model == "laion/clap-htsat-unfused"
    with pytest.raises(ValidationError):
        Clap.Params(model="")


def test_a_model_in_the_cache(tiny_clap, tmp_path, monkeypatch):
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

    for file in tiny_clap.iterdir():
        blob = home / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)
    made = encoder("someone/tiny")
    assert made.signature == encoder(tiny_clap).signature
    assert np.allclose(vectors(made, "a bird sings"), vectors(encoder(tiny_clap), "a bird sings"))


def assert_explained(error, *words):
    assert error.exit_code == ExitCode.PLUGIN_MISSING
    text = f"{error} {error.hint}"
    for word in ("melstats", *words):
        assert word in text, text


def test_weights_that_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(DependencyError) as caught:
        _ = Clap().space
    place = tmp_path / "hub" / "models--laion--clap-htsat-unfused"
    assert_explained(caught.value, "laion/clap-htsat-unfused", "VICINAL_OFFLINE", str(place), "model:")
    with pytest.raises(DependencyError) as caught:
        locate(str(tmp_path / "nowhere"))
    assert_explained(caught.value, "there is no such folder")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DependencyError) as caught:
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
from vicinal.errors import DependencyError
from vicinal_audio.clap import Clap
try:
    Clap().space
except DependencyError as error:
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


def test_a_folder_with_something_else(tiny_clap, tmp_path):
    copy = Path(shutil.copytree(tiny_clap, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(PluginError, match="is not a CLAP model: model_type in its config"):
        _ = encoder(copy).space
    (copy / "config.json").write_text("{")
    with pytest.raises(PluginError, match="not valid JSON"):
        _ = encoder(copy).space


def test_weights_that_are_damaged_or_lacking(tiny_clap, tmp_path):
    import safetensors.numpy

    sound = write(tmp_path / "a.wav", chirp(1))
    copy = Path(shutil.copytree(tiny_clap, tmp_path / "copy"))
    weights = safetensors.numpy.load_file(copy / "model.safetensors")
    lost = next(name for name in weights if name.startswith("audio_projection"))
    del weights[lost]
    safetensors.numpy.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match=r"lacks 1 of the network's weights, e\.g\. audio_projection"):
        vectors(encoder(copy), sound)
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(PluginError, match="transformers cannot load"):
        vectors(encoder(copy), sound)
