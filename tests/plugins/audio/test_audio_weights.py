"""The weights of ``clap``: where they are found, and the errors where they are missing or damaged."""

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

from audio_helpers import make_chirp, write_sound
from tiny_clap import encode_queries, make_clap
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal_audio.clap import Clap
from vicinal_audio.clap_dir import resolve_clap


def test_space_and_signature_come_from_the_files(tiny_clap, tmp_path):
    encoder = make_clap(tiny_clap)
    assert (encoder.space.dimension, encoder.space.metric) == (24, "COSINE")
    assert not {"_audio_encoder", "_text_encoder"} & vars(encoder).keys()
    copy = shutil.copytree(tiny_clap, tmp_path / "copy")
    assert make_clap(copy).signature == encoder.signature
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert make_clap(copy).signature != encoder.signature


def test_a_relative_folder_is_relative_to_the_yaml_file(tiny_clap):
    params = Clap.Params.model_validate({"model": tiny_clap.name}, context={"base": tiny_clap.parent})
    assert params.model == str(tiny_clap)
    assert Clap.Params().model == "laion/clap-htsat-unfused"
    with pytest.raises(ValidationError):
        Clap.Params(model="")


def test_a_model_in_the_cache_is_used_offline(tiny_clap, tmp_path, monkeypatch):
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
    encoder = make_clap("someone/tiny")
    assert encoder.signature == make_clap(tiny_clap).signature
    assert np.allclose(encode_queries(encoder, "a bird sings"), encode_queries(make_clap(tiny_clap), "a bird sings"))


def assert_names_alternatives(error, *words):
    assert error.exit_code == ExitCode.PLUGIN_MISSING
    text = f"{error} {error.hint}"
    for word in ("melstats", *words):
        assert word in text, text


def test_missing_weights_are_an_error_that_names_places(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(DependencyError) as caught:
        _ = Clap().space
    download = "hf download laion/clap-htsat-unfused --local-dir models/clap-htsat-unfused`"
    assert_names_alternatives(caught.value, "VICINAL_OFFLINE", download, "model: models/clap-htsat-unfused")
    with pytest.raises(DependencyError) as caught:
        resolve_clap(str(tmp_path / "nowhere"))
    assert_names_alternatives(caught.value, "there is no such folder")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DependencyError) as caught:
        resolve_clap(str(tmp_path / "bare"))
    assert_names_alternatives(caught.value, "holds no weights")


@pytest.mark.long
@pytest.mark.parametrize("accepts", [False, True])
def test_an_unresponsive_hub_times_out(tmp_path, accepts):
    """One that refuses the connection, and one that accepts it and never responds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if accepts:
            server.listen()  # the system accepts connections then, and nothing reads from them
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


def test_a_folder_with_another_model_is_refused(tiny_clap, tmp_path):
    copy = Path(shutil.copytree(tiny_clap, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(PluginError, match="is not a CLAP model: model_type in its config"):
        _ = make_clap(copy).space
    (copy / "config.json").write_text("{")
    with pytest.raises(PluginError, match="not valid JSON"):
        _ = make_clap(copy).space


def test_damaged_or_incomplete_weights_are_refused(tiny_clap, tmp_path):
    import safetensors.numpy

    sound = write_sound(tmp_path / "a.wav", make_chirp(1))
    copy = Path(shutil.copytree(tiny_clap, tmp_path / "copy"))
    weights = safetensors.numpy.load_file(copy / "model.safetensors")
    missing = next(name for name in weights if name.startswith("audio_projection"))
    del weights[missing]
    safetensors.numpy.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match=r"lacks 1 of the network's weights, e\.g\. audio_projection"):
        encode_queries(make_clap(copy), sound)
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(PluginError, match="transformers cannot load"):
        encode_queries(make_clap(copy), sound)
