"""A bundle has the models that encoders load, each file of it locked by its hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vicinal.errors import DependencyError, PluginError, VicinalError
from vicinal.toolkit.hf_hub import download, offline_variable, resolve_model
from vicinal.toolkit.model_bundle import ModelBundle, open_bundle
from vicinal.toolkit.model_copy import find_models, write_model_bundle
from vicinal.toolkit.models import HubModel, LocalModel, PackagedModel, WeightsUrl
from vicinal.toolkit.torch_hub import download_weights, require_available

PACKAGED = PackagedModel("vicinal", "toolkit/text.py")
URL = "https://example.com/models/net-2cf24dba.pth"


def write(path, content=b"hello"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Caches of the hub and of torch.hub with a model each; nothing is downloaded."""
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    write(tmp_path / "torch/hub/checkpoints/net-2cf24dba.pth")
    repository = tmp_path / "hub/models--someone--tiny"
    write(repository / "refs/main", b"abc")
    for name in ("model.safetensors", "config.json", "tf_model.h5", "1_Pooling/config.json", ".gitattributes"):
        write(repository / "snapshots/abc" / name, b"{}")


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """Writes a bundle of some models and has VICINAL_MODELS name it."""

    def bundle(*models):
        write_model_bundle(models, tmp_path / "bundle")
        monkeypatch.setenv("VICINAL_MODELS", str(tmp_path / "bundle"))
        return tmp_path / "bundle"

    return bundle


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


class TestModels:
    def test_each_kind_is_found_in_the_bundle_and_nowhere_else(self, tmp_path, bundle):
        weights = write(tmp_path / "own/mine.pth", b"mine")
        folder = write(tmp_path / "own/tuned/model.safetensors").parent
        models = [
            PACKAGED,
            WeightsUrl(URL),
            HubModel("someone/tiny"),
            LocalModel(weights),
            HubModel(str(folder)),
        ]
        made = bundle(*models)
        assert [model.resolve().relative_to(made).as_posix() for model in models] == [
            "models/vicinal/text.py",
            "models/checkpoints/net-2cf24dba.pth",
            "models/someone--tiny",
            "models/local/mine.pth",
            "models/local/tuned",
        ]
        assert (models[0].resolve().read_bytes(), models[3].resolve().read_bytes()) == (
            (Path(__file__).parents[3] / "framework/vicinal/toolkit/text.py").read_bytes(),
            b"mine",
        )
        assert resolve_model("someone/tiny") == made / "models/someone--tiny"
        assert require_available(URL) == download_weights(URL) == made / "models/checkpoints/net-2cf24dba.pth"

    def test_a_local_one_is_found_by_the_last_part_of_its_path(self, tmp_path, bundle):
        made = bundle(LocalModel(write(tmp_path / "own/mine.pth")))
        assert LocalModel(Path("/elsewhere/mine.pth")).resolve() == made / "models/local/mine.pth"
        with pytest.raises(DependencyError, match=r"has no model /elsewhere/other\.pth"):
            LocalModel(Path("/elsewhere/other.pth")).resolve()

    def test_of_a_cache_it_has_what_is_loaded(self, bundle):
        assert list_files(bundle(HubModel("someone/tiny"))) == [
            "manifest.json",
            "models/someone--tiny/1_Pooling/config.json",
            "models/someone--tiny/config.json",
            "models/someone--tiny/model.safetensors",
        ]

    @pytest.mark.parametrize(
        "model", [PACKAGED, WeightsUrl("https://example.com/other.pth"), HubModel("someone/other"), HubModel("./own")]
    )
    def test_one_that_it_lacks_is_an_error_that_says_how_to_get_it(self, bundle, tmp_path, model):
        made = bundle()
        with pytest.raises(DependencyError) as caught:
            model.resolve()
        name = "./own" if model.is_local else model.name
        assert str(caught.value) == f"the bundle {made} has no model {name}"
        assert caught.value.hint == (
            "where there is a network: `vicinal bundle FILE --out DIR`; then set VICINAL_MODELS to that folder"
        )

    def test_it_forbids_downloads(self, bundle, monkeypatch):
        monkeypatch.delenv("VICINAL_OFFLINE")
        bundle()
        assert offline_variable() == "VICINAL_MODELS"
        with pytest.raises(Exception, match="VICINAL_MODELS forbids downloads"):
            download("someone/other", ())

    def test_two_of_one_name_are_refused(self, tmp_path):
        one, other = (write(tmp_path / name / "mine.pth", name.encode()) for name in ("a", "b"))
        assert len(find_models({"first": [LocalModel(one)], "second": [LocalModel(one)]})) == 1
        with pytest.raises(VicinalError, match=r"two models are named mine\.pth: .*a/mine\.pth and .*b/mine\.pth"):
            find_models({"first": [LocalModel(one)], "second": [LocalModel(other)]})

    def test_one_that_several_need_is_there_once(self):
        (found,) = find_models({"a: encoder x": [PACKAGED], "b: encoder y": [PACKAGED, PACKAGED]})
        assert found.used_by == ["a: encoder x", "b: encoder y"]

    def test_a_damaged_file_of_the_hubs_cache_is_not_taken_along(self, tmp_path):
        blob = write(tmp_path / "hub/models--someone--tiny/blobs" / ("ab" * 32))
        weights = tmp_path / "hub/models--someone--tiny/snapshots/abc/model.safetensors"
        weights.unlink()
        weights.symlink_to(blob)
        with pytest.raises(PluginError, match="is damaged: its SHA-256 is not its name"):
            write_model_bundle([HubModel("someone/tiny")], tmp_path / "bundle")


class TestLock:
    def test_the_manifest_has_size_and_hash_of_each_file(self, bundle, tmp_path):
        made = bundle(LocalModel(write(tmp_path / "mine.pth", b"mine")))
        manifest = json.loads((made / "manifest.json").read_text())
        assert manifest["files"] == [
            {"path": "models/local/mine.pth", "bytes": 4, "sha256": hashlib.sha256(b"mine").hexdigest()}
        ]
        assert ModelBundle.open(made).check() == []

    @pytest.mark.parametrize(
        ("spoil", "problem"),
        [
            (lambda model: (model / "config.json").unlink(), "config.json is missing"),
            (lambda model: (model / "config.json").write_text("{ }"), "config.json has 3 bytes, not 2"),
            (lambda model: (model / "config.json").write_text("[]"), "config.json has the SHA-256 4f53cda18c2b…, not"),
            (lambda model: (model / "adapter.json").write_text("[]"), "adapter.json is not in the manifest"),
        ],
    )
    def test_another_file_than_it_states_is_not_loaded(self, bundle, spoil, problem):
        model = bundle(HubModel("someone/tiny"), PACKAGED) / "models/someone--tiny"
        spoil(model)
        with pytest.raises(DependencyError) as caught:
            HubModel("someone/tiny").resolve()
        assert f"is damaged: models/someone--tiny/{problem}" in str(caught.value)
        assert "vicinal bundle --check" in caught.value.hint
        assert PACKAGED.resolve()
        (found,) = ModelBundle.open(model.parents[1]).check()
        assert f"models/someone--tiny/{problem}" in found

    def test_a_model_whose_files_the_manifest_does_not_list_is_not_loaded(self, bundle, tmp_path):
        model = LocalModel(write(tmp_path / "mine.pth", b"mine"))
        made = bundle(model)
        (made / "manifest.json").write_text(
            json.dumps(json.loads((made / "manifest.json").read_text()) | {"files": []})
        )
        with pytest.raises(
            DependencyError, match=r"is damaged: manifest\.json lists no file of models/local/mine\.pth"
        ):
            model.resolve()
        assert ModelBundle.open(made).check()[0] == "manifest.json lists no file of models/local/mine.pth"

    def test_files_beside_the_models_may_be_added(self, bundle):
        made = bundle(PACKAGED)
        write(made / "wheels/some.whl")
        assert ModelBundle.open(made).check() == []

    @pytest.mark.parametrize(
        ("manifest", "reason"),
        [
            (None, r"cannot read manifest\.json: No such file or directory"),
            ("{", r"manifest\.json: it: Invalid JSON"),
            ('{"format": 2}', r"manifest\.json: format: Input should be 1"),
            (
                '{"models": [{"name": "x", "path": "../x"}]}',
                r"manifest\.json: models\.0\.path: .*leads out",
            ),
            (
                '{"models": [{"name": "x", "path": "/x"}]}',
                r"manifest\.json: models\.0\.path: .*leads out",
            ),
        ],
    )
    def test_a_folder_that_is_no_bundle_is_refused(self, tmp_path, monkeypatch, manifest, reason):
        if manifest is not None:
            write(tmp_path / "none/manifest.json", manifest.encode())
        monkeypatch.setenv("VICINAL_MODELS", str(tmp_path / "none"))
        with pytest.raises(DependencyError, match=f"none is not a bundle: {reason}"):
            open_bundle()
        with pytest.raises(DependencyError, match="is not a bundle"):
            PACKAGED.resolve()
