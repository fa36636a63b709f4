"""Models are found in packages, folders and caches, and errors say where to put one that is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vicinal.errors import DependencyError, PluginError
from vicinal.toolkit import hf_hub
from vicinal.toolkit.hf_hub import ModelDir, find_packaged, is_local_path, resolve_model


def save_model(folder, model_type="clip", weights="model.safetensors"):
    (folder / weights).parent.mkdir(parents=True, exist_ok=True)
    (folder / weights).write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "projection_dim": 24}))
    return folder


def save_cached_model(cache, name="someone/tiny", weights="model.safetensors"):
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    return save_model(folder / "snapshots" / "abc", weights=weights)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's own cache, which is empty; downloads are forbidden."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.mark.parametrize("model", ["/models/clip", "./clip", "../clip", "~/clip", "models/by/me", "."])
def test_paths(model):
    assert is_local_path(model)


@pytest.mark.parametrize("model", ["clip", "openai/clip-vit-base-patch32", "sentence-transformers/all-MiniLM-L6-v2"])
def test_names(model):
    assert not is_local_path(model)


class TestResolveModel:
    def test_local_folder(self, tmp_path, monkeypatch):
        folder = save_model(tmp_path / "home" / "model")
        assert resolve_model(str(folder), "clip") == folder
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert resolve_model("~/model", "clip") == folder

    def test_weights_may_be_in_a_subfolder(self, tmp_path, cache):
        assert resolve_model(str(save_model(tmp_path / "model", weights="0_Transformer/pytorch_model.bin")))
        save_cached_model(cache, weights="0_Transformer/pytorch_model.bin")
        assert resolve_model("someone/tiny")

    def test_cached_model(self, cache):
        snapshot = save_cached_model(cache)
        assert resolve_model("someone/tiny", "clip") == snapshot

    def test_other_caches(self, cache, tmp_path):
        snapshot = save_cached_model(tmp_path / "own")
        assert resolve_model("someone/tiny", caches=[cache, tmp_path / "own"]) == snapshot

    @pytest.mark.parametrize(("model_type", "found"), [("bert", "bert"), (None, "missing")])
    def test_model_of_another_type_is_refused(self, tmp_path, model_type, found):
        folder = save_model(tmp_path / "model", model_type)
        with pytest.raises(PluginError, match=rf"is not a CLIP model: model_type in its config\.json is {found}"):
            resolve_model(str(folder), "clip")
        assert resolve_model(str(folder)) == folder

    def test_folder_without_a_model_is_refused(self, tmp_path):
        with pytest.raises(DependencyError, match="there is no such folder") as caught:
            resolve_model(str(tmp_path / "none"), alternative="melstats needs none")
        assert caught.value.hint == "set `model:` to a folder that holds a model; melstats needs none"
        with pytest.raises(DependencyError, match=r"it holds no weights \(\*\.safetensors or \*\.bin\)"):
            resolve_model(str(tmp_path))

    def test_error_for_a_missing_model_says_how_to_get_it(self, cache, tmp_path):
        with pytest.raises(DependencyError) as caught:
            resolve_model("someone/tiny", "clip", "efficientnet_lite0 needs none", caches=[tmp_path, cache])
        reason = "VICINAL_OFFLINE forbids downloads"
        assert (
            str(caught.value) == f"the model someone/tiny was not found locally and could not be downloaded ({reason})"
        )
        assert caught.value.hint == (
            "where there is a network: `hf download someone/tiny --local-dir models/tiny`; "
            "then set `model: models/tiny`; or `vicinal bundle FILE --out DIR` there, and VICINAL_MODELS=DIR here; "
            "efficientnet_lite0 needs none"
        )


class TestModelDir:
    def test_json_is_read_once(self, tmp_path):
        model_dir = ModelDir(save_model(tmp_path))
        assert (model_dir.config["model_type"], model_dir.projection_dim) == ("clip", 24)
        (tmp_path / "config.json").write_text("{")
        assert model_dir.projection_dim == 24
        assert model_dir.read_json("none.json") == {}
        with pytest.raises(PluginError, match="is not valid JSON") as caught:
            ModelDir(tmp_path).config  # noqa: B018
        assert caught.value.hint == "download the model again"

    def test_preprocessor_config_has_a_file_or_a_section(self, tmp_path):
        (tmp_path / "processor_config.json").write_text('{"image_processor": {"size": 5}}')
        assert ModelDir(tmp_path).preprocessor_config("image_processor") == {"size": 5}
        assert ModelDir(tmp_path).preprocessor_config("feature_extractor") == {}
        (tmp_path / "preprocessor_config.json").write_text('{"size": 7}')
        assert ModelDir(tmp_path).preprocessor_config("image_processor") == {"size": 7}

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.txt"])
    def test_hash_follows_weights_and_settings(self, tmp_path, name):
        save_model(tmp_path)
        before = ModelDir(tmp_path).hash
        (tmp_path / "README.md").write_text("is of no account")
        assert ModelDir(tmp_path, "another name").hash == before
        (tmp_path / name).write_bytes(b"{}")
        assert ModelDir(tmp_path).hash != before

    def test_hash_of_some_files_depends_on_their_names_and_not_on_their_order(self, tmp_path):
        one, other = tmp_path / "one.json", tmp_path / "other.json"
        one.write_text("1"), other.write_text("2")
        model_dir = ModelDir(tmp_path)
        assert model_dir.hash_files([one, other]) == model_dir.hash_files([other, one, one])
        assert model_dir.hash_files([one]) != model_dir.hash_files([one.rename(tmp_path / "renamed.json")])


def test_files_of_a_package_are_found_without_importing_it():
    assert find_packaged("vicinal", "toolkit/hf_hub.py") == Path(hf_hub.__file__)
    assert find_packaged("vicinal", "toolkit") == Path(hf_hub.__file__).parent
    assert find_packaged("vicinal", "none.py") is None
    assert find_packaged("no_such_package", "none.py") is None
