"""Weights: found, fetched, checked."""

from __future__ import annotations

import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from image_helpers import SAMPLE_IMAGES
from random_networks import encode_images, make_encoder, random_torchvision_model
from vicinal.errors import DependencyError, PluginError
from vicinal_image import checkpoints, efficientnet
from vicinal_image.architectures import RESNETS, PretrainedWeights
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.networks import draw_random_weights, lite0_tensor_shapes
from vicinal_image.resnet import ResNet18, ResNet50

pytestmark = pytest.mark.usefixtures("no_downloads")


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
        save_file(checkpoints.load_state_dict(resnet18[1]), path)
        one, other = (
            encode_images(make_encoder(ResNet18, weights=str(file), precision="fp32"), SAMPLE_IMAGES[:2])
            for file in (resnet18[1], path)
        )
        assert np.array_equal(one, other)

    def test_wrapped_state_dict_is_unwrapped(self, resnet18, tmp_path):
        path = tmp_path / "checkpoint.pt"
        tensors = torch.load(resnet18[1], weights_only=True)
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}, path)
        assert set(checkpoints.load_state_dict(path)) == set(tensors)

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
            "lacking": f"lack {name}",
            "unknown": "unknown layer9.weight",
            "shape": rf"{name} has the shape \(128, 3, 3, 3\), not \(128, 64, 3, 3\)",
            "not finite": f"{name} contains NaN or infinity",
        }[defect]
        with pytest.raises(PluginError, match=reason):
            encode_images(make_encoder(ResNet18, weights=str(path)), SAMPLE_IMAGES[:1])

    def test_weights_of_another_resnet_are_refused(self, resnet18):
        with pytest.raises(PluginError, match=r"lack layer1\.0\.conv3\.weight and"):
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
            checkpoints.load_state_dict(path)

    def test_modified_package_is_refused(self, monkeypatch, tmp_path):
        path = tmp_path / "package.pth"
        torch.save(draw_random_weights(lite0_tensor_shapes(), 0), path)
        monkeypatch.setattr(efficientnet, "_find_packaged_weights", lambda: path)
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

    @pytest.mark.parametrize("given", ["IMAGENET1K_V2", "imagenet", "weights.txt"])
    def test_unknown_weights_are_a_config_error(self, given):
        with pytest.raises(ValidationError, match="IMAGENET1K_V1, random, or the path"):
            ResNet18.Params(weights=given)

    def test_default_is_the_newest_version(self):
        assert ResNet50.Params(weights="DEFAULT").weights == "IMAGENET1K_V2"

    def test_weights_in_the_torchvision_cache_are_found(self, resnet18, monkeypatch, tmp_path):
        digest = hashlib.sha256(resnet18[1].read_bytes()).hexdigest()[:8]
        published = PretrainedWeights(f"resnet18-{digest}.pth", 256)
        monkeypatch.setitem(RESNETS["resnet18"].weights, "IMAGENET1K_V1", published)
        path = tmp_path / "torch" / "hub" / "checkpoints" / published.file
        path.parent.mkdir(parents=True)
        path.write_bytes(resnet18[1].read_bytes())
        own, given = make_encoder(ResNet18), make_encoder(ResNet18, weights=str(resnet18[1]))
        assert own.signature == given.signature
        assert np.array_equal(encode_images(own, SAMPLE_IMAGES[:2]), encode_images(given, SAMPLE_IMAGES[:2]))


class FileServer(http.server.BaseHTTPRequestHandler):
    """Serves one file, or another one."""

    data = b""

    def do_HEAD(self):
        self.send_response(403)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_):
        pass


@pytest.fixture
def file_server(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FileServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(checkpoints, "BASE_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("VICINAL_OFFLINE")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestDownload:
    def test_file_is_downloaded_into_the_cache_and_verified(self, file_server, tmp_path, monkeypatch):
        monkeypatch.setattr(FileServer, "data", b"weights" * 1_000)
        published = PretrainedWeights(f"net-{hashlib.sha256(FileServer.data).hexdigest()[:8]}.pth", 256)
        path = checkpoints.download(published)
        assert path == tmp_path / "torch" / "hub" / "checkpoints" / published.file
        assert path.read_bytes() == FileServer.data
        assert [each.name for each in path.parent.iterdir()] == [published.file]

    def test_download_with_another_hash_is_discarded(self, file_server, tmp_path, monkeypatch):
        monkeypatch.setattr(FileServer, "data", b"a page that asks for a login")
        with pytest.raises(DependencyError, match="its SHA-256 differs"):
            checkpoints.download(PretrainedWeights("net-00000000.pth", 256))
        assert not list((tmp_path / "torch" / "hub" / "checkpoints").iterdir())

    def test_unreachable_site_fails_within_seconds(self, file_server, monkeypatch):
        monkeypatch.setattr(checkpoints, "BASE_URL", "http://127.0.0.1:9/")
        with pytest.raises(DependencyError, match="does not respond"):
            _ = make_encoder(ResNet18).signature
