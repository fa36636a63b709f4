"""Weights: found, fetched, checked."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from image_helpers import SAMPLE_IMAGES
from random_networks import encode_images, make_encoder, random_torchvision_model
from vicinal.errors import ConfigError, DependencyError, PluginError
from vicinal.toolkit import torch_hub
from vicinal.toolkit.model_copy import write_model_bundle
from vicinal.toolkit.models import LocalModel
from vicinal.toolkit.vectors import min_cosine
from vicinal_image import efficientnet
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.timm import Timm
from vicinal_image.torchvision import ResNet18, ResNet50, Torchvision

pytestmark = pytest.mark.usefixtures("no_downloads", "no_hub")


class TestStateDictFiles:
    def test_signature_follows_the_file_content(self, resnet18, tmp_path):
        copy = tmp_path / "copy.pth"
        copy.write_bytes(resnet18[1].read_bytes())
        one, same = (make_encoder(ResNet18, weights=str(path)).signature for path in (resnet18[1], copy))
        assert one == same
        assert hashlib.sha256(copy.read_bytes()).hexdigest()[:8] in one
        other = tmp_path / "other.pth"
        torch.save(random_torchvision_model("resnet18", 1).state_dict(), other)
        assert make_encoder(ResNet18, weights=str(other)).signature != one

    def test_safetensors_and_pickle_give_the_same_vectors(self, resnet18, tmp_path):
        from safetensors.torch import save_file

        path = tmp_path / "seeded.safetensors"
        save_file(torch_hub.load_state_dict(resnet18[1]), path)
        one, other = (
            encode_images(make_encoder(ResNet18, weights=str(file), precision="fp32"), SAMPLE_IMAGES[:2])
            for file in (resnet18[1], path)
        )
        assert np.array_equal(one, other)

    def test_wrapped_state_dict_is_unwrapped(self, resnet18, tmp_path):
        path = tmp_path / "checkpoint.pt"
        tensors = torch.load(resnet18[1], weights_only=True)
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}, path)
        assert set(torch_hub.load_state_dict(path)) == set(tensors)

    def test_path_is_relative_to_the_yaml(self, resnet18):
        found = ResNet18.Params.model_validate({"weights": resnet18[1].name}, context={"base": resnet18[1].parent})
        assert found.weights == str(resnet18[1])

    @pytest.mark.parametrize("defect", ["lacking", "unknown", "shape", "not finite"])
    def test_weights_of_another_network_are_refused(self, resnet18, tmp_path, defect):
        tensors = torch.load(resnet18[1], weights_only=True)
        name = "layer2.0.conv1.weight"
        if defect == "lacking":
            del tensors[name]
        elif defect == "unknown":
            tensors["layer9.weight"] = torch.zeros(1)
        elif defect == "shape":
            tensors[name] = tensors[name][:, :3]
        else:
            tensors[name] = tensors[name] * float("nan")
        path = tmp_path / "spoilt.pth"
        torch.save(tensors, path)
        reason = {
            "lacking": rf'do not fit: Missing key\(s\) in state_dict: "{name}"',
            "unknown": r'do not fit: Unexpected key\(s\) in state_dict: "layer9.weight"',
            "shape": f"do not fit: size mismatch for {name}",
            "not finite": f"{name} contains NaN or infinity",
        }[defect]
        with pytest.raises(PluginError, match=reason):
            encode_images(make_encoder(ResNet18, weights=str(path)), SAMPLE_IMAGES[:1])

    def test_weights_of_another_resnet_are_refused(self, resnet18):
        with pytest.raises(
            PluginError, match=r'do not fit: Missing key\(s\) in state_dict: "layer1\.0\.conv3\.weight"'
        ):
            encode_images(make_encoder(ResNet50, weights=str(resnet18[1])), SAMPLE_IMAGES[:1])

    def test_file_with_another_hash_than_its_name_is_refused(self, resnet18, tmp_path):
        path = tmp_path / "resnet18-f37072fd.pth"
        path.write_bytes(resnet18[1].read_bytes())
        with pytest.raises(PluginError, match=r"its SHA-256 begins with .*, not f37072fd"):
            encode_images(make_encoder(ResNet18, weights=str(path)), SAMPLE_IMAGES[:1])

    def test_pickle_with_code_is_refused(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "harm",))

        path = tmp_path / "evil.pth"
        torch.save({"conv1.weight": Evil()}, path)
        with pytest.raises(PluginError, match="cannot be read as weights"):
            encode_images(make_encoder(ResNet18, weights=str(path)), SAMPLE_IMAGES[:1])
        assert not (tmp_path / "harm").exists()

    @pytest.mark.parametrize("data", [b"", b"no weights", b"PK\x03\x04" + bytes(100)])
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_damaged_file_is_refused(self, tmp_path, data, suffix):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(data)
        with pytest.raises(PluginError, match="cannot be read as weights"):
            torch_hub.load_state_dict(path)

    def test_modified_package_is_refused(self, monkeypatch, tmp_path):
        path = tmp_path / "package.pth"
        torch.save({}, path)
        monkeypatch.setattr(efficientnet, "_WEIGHTS", LocalModel(path))
        with pytest.raises(PluginError, match="not the published file"):
            encode_images(make_encoder(EfficientNetLite0), SAMPLE_IMAGES[:1])


class TestMissingWeights:
    def test_error_names_the_file_where_to_put_it_and_the_offline_encoder(self, tmp_path):
        with pytest.raises(DependencyError) as caught:
            _ = make_encoder(ResNet18).signature
        assert "resnet18-f37072fd.pth" in str(caught.value)
        assert "VICINAL_OFFLINE forbids downloads" in str(caught.value)
        for part in (
            str(tmp_path / "torch" / "hub" / "checkpoints"),
            "set `weights:` to the path of a file",
            "efficientnet_lite0",
        ):
            assert part in caught.value.hint

    def test_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(DependencyError, match="no weights at"):
            _ = make_encoder(ResNet18, weights=str(tmp_path / "none.pth")).signature

    @pytest.mark.parametrize("kind", [ResNet18, Torchvision, Timm])
    @pytest.mark.parametrize("given", ["imagenet", "weights.txt"])
    def test_weights_that_no_library_names_are_a_config_error(self, kind, given):
        with pytest.raises(ValidationError, match="write DEFAULT or another name of the library's, random, or a path"):
            kind.Params.model_validate({"weights": given, **({} if kind is ResNet18 else {"model": "resnet18"})})

    def test_unknown_name_is_an_error_that_names_near_ones(self):
        with pytest.raises(ConfigError, match="weights: resnet18 with 'IMAGENET1K_V2' is unknown") as caught:
            _ = make_encoder(ResNet18, weights="IMAGENET1K_V2").signature
        assert caught.value.hint == "did you mean IMAGENET1K_V1?"

    def test_default_is_the_newest_version(self):
        assert "resnet50-11ad3fa6.pth" in missing_message(make_encoder(ResNet50, weights="DEFAULT"))
        assert "resnet50-0676ba61.pth" in missing_message(make_encoder(ResNet50))
        assert "resnet50-11ad3fa6.pth" in missing_message(make_encoder(Torchvision, model="resnet50"))

    def test_weights_in_the_torchvision_cache_are_found(self, resnet18, published, tmp_path):
        path = tmp_path / "torch" / "hub" / "checkpoints" / Path(published.url).name
        path.parent.mkdir(parents=True)
        path.write_bytes(resnet18[1].read_bytes())
        own, given = make_encoder(ResNet18), make_encoder(ResNet18, weights=str(resnet18[1]))
        assert own.signature == given.signature
        assert np.array_equal(encode_images(own, SAMPLE_IMAGES[:2]), encode_images(given, SAMPLE_IMAGES[:2]))

    def test_named_weights_are_loaded_from_a_bundle(self, resnet18, published, tmp_path, monkeypatch):
        monkeypatch.setattr(torch.hub, "_hub_dir", None)
        path = tmp_path / "torch" / "hub" / "checkpoints" / Path(published.url).name
        path.parent.mkdir(parents=True)
        path.write_bytes(resnet18[1].read_bytes())
        given = encode_images(make_encoder(ResNet18), SAMPLE_IMAGES[:2])
        write_model_bundle(make_encoder(ResNet18).list_models(), tmp_path / "bundle")
        path.unlink()
        monkeypatch.setenv("VICINAL_MODELS", str(tmp_path / "bundle"))
        assert np.array_equal(encode_images(make_encoder(ResNet18), SAMPLE_IMAGES[:2]), given)
        assert not list(path.parent.iterdir())

    def test_spoilt_file_in_the_torchvision_cache_is_refused(self, published, tmp_path):
        path = tmp_path / "torch" / "hub" / "checkpoints" / Path(published.url).name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half a file")
        with pytest.raises(PluginError, match="is not the file that its name states"):
            encode_images(make_encoder(ResNet18), SAMPLE_IMAGES[:1])

    def test_published_file_by_its_path_has_its_own_preprocessing(self, resnet18, published, monkeypatch):
        from torchvision.transforms._presets import ImageClassification

        encoder = make_encoder(ResNet18, weights=str(resnet18[1]))
        assert (encoder.preprocessing.resize, encoder.preprocessing.crop) == (256, 224)
        monkeypatch.setattr(published.value, "transforms", partial(ImageClassification, crop_size=192, resize_size=200))
        encoder = make_encoder(ResNet18, weights=str(resnet18[1]))
        assert (encoder.preprocessing.resize, encoder.preprocessing.crop) == (200, 192)


@pytest.fixture
def published(resnet18, monkeypatch):
    """torchvision's enum of ResNet-18's weights, as if the seeded file were the published one."""
    from torchvision.models import ResNet18_Weights

    weights = ResNet18_Weights.IMAGENET1K_V1
    digest = hashlib.sha256(resnet18[1].read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(weights.value, "url", f"{weights.url.rpartition('/')[0]}/resnet18-{digest}.pth")
    return weights


def missing_message(encoder):
    with pytest.raises(DependencyError) as caught:
        _ = encoder.signature
    return str(caught.value)


class TestTimmWeights:
    def test_error_names_the_model_how_to_get_it_and_the_offline_encoder(self):
        with pytest.raises(DependencyError) as caught:
            _ = make_encoder(Timm, model="test_vit").signature
        assert str(caught.value) == (
            "the model timm/test_vit.r160_in1k was not found locally and could not be downloaded"
            " (VICINAL_OFFLINE forbids downloads)"
        )
        for part in ("weights: models/test_vit.r160_in1k/model.safetensors`", "efficientnet_lite0"):
            assert part in caught.value.hint

    def test_model_in_the_hub_cache_is_found(self, tmp_path):
        from safetensors.torch import save_file
        from timm import create_model

        torch.manual_seed(1)
        folder = tmp_path / "hub" / "hub" / "models--timm--test_vit.r160_in1k"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc")
        (folder / "snapshots" / "abc").mkdir(parents=True)
        save_file(create_model("test_vit").state_dict(), folder / "snapshots" / "abc" / "model.safetensors")
        path = next(folder.rglob("*.safetensors"))
        own, given = make_encoder(Timm, model="test_vit"), make_encoder(Timm, model="test_vit", weights=str(path))
        assert own.signature == given.signature
        assert np.array_equal(encode_images(own, SAMPLE_IMAGES[:2]), encode_images(given, SAMPLE_IMAGES[:2]))

    def test_weights_of_another_network_are_refused(self, tmp_path):
        from timm import create_model

        path = tmp_path / "resnet.pth"
        torch.save(create_model("test_resnet").state_dict(), path)
        with pytest.raises(PluginError, match=r"test_vit: the weights in .* do not fit: ") as caught:
            encode_images(make_encoder(Timm, model="test_vit", weights=str(path)), SAMPLE_IMAGES[:1])
        assert caught.value.hint == "are they of another network?"

    def test_weights_that_are_not_finite_are_refused(self, tmp_path):
        from timm import create_model

        path, tensors = tmp_path / "spoilt.pth", create_model("test_vit").state_dict()
        tensors["norm.weight"][0] = float("nan")
        torch.save(tensors, path)
        with pytest.raises(PluginError, match=r"norm\.weight contains NaN or infinity"):
            encode_images(make_encoder(Timm, model="test_vit", weights=str(path)), SAMPLE_IMAGES[:1])


class TestAuxiliaryHeads:
    def test_googlenet_without_the_heads_for_training_is_the_same(self, tmp_path):
        """torchvision's own file has them, a state dict that was saved after it was loaded has not."""
        from torchvision.models import googlenet

        model = googlenet(weights=None, init_weights=False)
        whole, less = tmp_path / "whole.pth", tmp_path / "less.pth"
        torch.save(model.state_dict(), whole)
        torch.save({n: t for n, t in model.state_dict().items() if not n.startswith("aux")}, less)
        one, other = (
            encode_images(make_encoder(Torchvision, model="googlenet", weights=str(path)), SAMPLE_IMAGES[:2])
            for path in (whole, less)
        )
        assert min_cosine(one, other) >= 0.9999


@pytest.fixture
def downloads_allowed(monkeypatch):
    monkeypatch.delenv("VICINAL_OFFLINE")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class TestDownload:
    def test_unreachable_site_fails_at_once(self, downloads_allowed, published, monkeypatch):
        monkeypatch.setattr(published.value, "url", "http://127.0.0.1:9/resnet18-f37072fd.pth")
        with pytest.raises(DependencyError, match=r"could not be downloaded .*does not respond") as caught:
            _ = make_encoder(ResNet18).signature
        assert "efficientnet_lite0" in caught.value.hint
