"""Weights: found, fetched, checked; and the networks that take them, held against torchvision and timm."""

from __future__ import annotations

import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import TEN, rgb
from pydantic import ValidationError

from vicinal import Item
from vicinal.errors import DependencyMissing, PluginError
from vicinal_image import efficientnet, resnet, weights
from vicinal_image.catalogue import RESNETS, Published
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.networks import EfficientNetLite0 as Lite0Network
from vicinal_image.networks import ResNet as ResNetNetwork
from vicinal_image.networks import efficientnet_lite0_shapes, random_weights
from vicinal_image.resnet import ResNet18, ResNet50

CLASSES = {kind.Params.name: kind for kind in vars(resnet).values() if hasattr(getattr(kind, "Params", None), "name")}
CPU = torch.device("cpu")


def make(kind, **params):
    return kind(kind.Params.model_validate(params))


def encode(encoder, contents=TEN):
    return encoder.encode([encoder.decode(Item("key", content))[0].sample for content in contents])


def cosines(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def seeded(name, seed=0):
    """A network of torchvision with weights and statistics drawn at random."""
    from torchvision.models import get_model

    torch.manual_seed(seed)
    model = get_model(name, weights=None).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.normal_(0, 0.1)
    return model


def timms():
    """timm's EfficientNet-Lite0 with the packaged weights, which have the same order under other names."""
    from timm import create_model

    model = create_model("tf_efficientnet_lite0", num_classes=0).eval()
    tensors = weights.load(efficientnet._packaged())
    kept = [value for name, value in tensors.items() if not name.startswith("_fc.")]
    model.load_state_dict(dict(zip(model.state_dict(), kept, strict=True)))
    return model


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A seeded ResNet-18 of torchvision, and the file with its state dict."""
    model = seeded("resnet18")
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    torch.save(model.state_dict(), path)
    model.fc = torch.nn.Identity()
    return model, path


class TestCatalogue:
    def test_every_resnet_of_torchvision_is_there(self):
        from torchvision import models

        assert set(RESNETS) == set(models.list_models(module=models, include="*resne*")) == set(CLASSES)

    @pytest.mark.parametrize("name", RESNETS)
    def test_weights_and_preprocessing_are_torchvisions(self, name):
        from torchvision.models import get_model_weights

        theirs = {each.name: each for each in get_model_weights(name)}
        assert set(RESNETS[name].weights) == set(theirs)
        for own, published in RESNETS[name].weights.items():
            transforms = theirs[own].transforms()
            assert theirs[own].url == weights.SITE + published.file
            assert transforms.resize_size == [published.resize]
            prepared = make(CLASSES[name], weights=own).preprocessing
            assert (prepared.resize, prepared.crop) == (published.resize, transforms.crop_size[0])
            assert (list(prepared.mean), list(prepared.std)) == (transforms.mean, transforms.std)
            assert transforms.interpolation.value == prepared.interpolation

    @pytest.mark.parametrize("name", RESNETS)
    def test_tensors_are_torchvisions(self, name):
        from torchvision.models import get_model

        with torch.device("meta"):
            state = get_model(name, weights=None).state_dict()
        shapes = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("fc.")}
        assert RESNETS[name].shapes() == {k: v for k, v in shapes.items() if not k.endswith("num_batches_tracked")}


class TestNetworks:
    @pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
    def test_a_resnet_is_torchvisions(self, name):
        model = seeded(name)
        own = ResNetNetwork(RESNETS[name], model.state_dict(), torch.float32, CPU)
        model.fc = torch.nn.Identity()
        x = torch.randn(2, 3, 96, 96)
        with torch.inference_mode():
            assert torch.allclose(own(x), model(x), rtol=1e-3, atol=1e-3)

    def test_efficientnet_is_timms_tf_efficientnet(self):
        own, model = Lite0Network(weights.load(efficientnet._packaged()), torch.float32, CPU), timms()
        x = torch.randn(2, 3, 224, 224)
        with torch.inference_mode():
            assert torch.allclose(own(x), model(x), rtol=1e-3, atol=1e-4)

    def test_random_weights_are_the_same_for_a_seed(self):
        shapes = RESNETS["resnet18"].shapes()
        one, same, other = (random_weights(shapes, seed) for seed in (1, 1, 2))
        assert all(torch.equal(one[name], same[name]) for name in shapes)
        assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


class TestVectors:
    def test_resnet18_equals_plain_torchvision(self, state):
        from torchvision.models import ResNet18_Weights

        model, path = state
        prepare = ResNet18_Weights.IMAGENET1K_V1.transforms()
        with torch.inference_mode():
            expected = model(torch.stack([prepare(rgb(path)) for path in TEN])).numpy()
        found = encode(make(ResNet18, weights=str(path), precision="fp32", decode="exact"))
        assert cosines(found, expected).min() >= 0.9999
        assert np.abs(found - expected).max() <= 0.01 * np.abs(expected).max()

    def test_bfloat16_stays_true(self, state):
        exact, lowered = (encode(make(ResNet18, weights=str(state[1]), precision=each)) for each in ("fp32", "bf16"))
        assert cosines(exact, lowered).min() >= 0.9995

    @pytest.mark.parametrize(("kind", "params"), [(ResNet18, {"weights": "random"}), (EfficientNetLite0, {})])
    def test_auto_stays_true(self, kind, params):
        exact, found = (encode(make(kind, precision=each, **params)) for each in ("fp32", "auto"))
        assert cosines(exact, found).min() >= 0.9995

    def test_auto_refuses_a_precision_that_does_not_stay_true(self, monkeypatch):
        from vicinal_image import run

        monkeypatch.setattr(run, "TRUE", 1.1)
        encoder = make(ResNet18, weights="random", precision="auto")
        encode(encoder, TEN[:1])
        assert encoder._engine.dtype == torch.float32

    def test_fast_decoding_stays_near(self):
        exact, fast = (encode(make(EfficientNetLite0, decode=each)) for each in ("exact", "fast"))
        assert cosines(exact, fast).min() >= 0.98

    def test_efficientnet_equals_timms(self):
        from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

        prepare = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize((127 / 255,) * 3, (128 / 255,) * 3)])
        with torch.inference_mode():
            expected = timms()(torch.stack([prepare(rgb(path)) for path in TEN])).numpy()
        assert cosines(encode(make(EfficientNetLite0, decode="exact")), expected).min() >= 0.9999

    @pytest.mark.parametrize(("kind", "params"), [(EfficientNetLite0, {}), (ResNet18, {"weights": "random"})])
    def test_vectors_are_golden(self, kind, params):
        vector = encode(make(kind, precision="fp32", decode="exact", **params), TEN[5:6])[0]
        assert vector[:8] == pytest.approx(GOLDEN[kind.__name__], abs=2e-4)

    def test_normalize(self):
        found = encode(make(ResNet18, weights="random", normalize=True), TEN[:3])
        assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    @pytest.mark.parametrize("precision", ["fp32", "auto"])
    def test_a_gpu_gives_the_same(self, precision):
        found = encode(make(ResNet18, weights="random", device="cuda", precision=precision))
        assert cosines(found, encode(make(ResNet18, weights="random", precision="fp32"))).min() >= 0.9995


GOLDEN = {
    "EfficientNetLite0": [0.0, 0.0, 0.0923, 0.0109, 0.0001, 0.0013, 0.0199, 0.0098],
    "ResNet18": [0.2923, 0.0492, 0.6092, 0.3403, 0.0663, 0.376, 0.6684, 0.7213],
}
"""The first floats for grey.jpg; half of all are zeros, for both networks end with an activation."""


class TestFiles:
    def test_the_same_bytes_have_the_same_signature(self, state, tmp_path):
        copy = tmp_path / "copy.pth"
        copy.write_bytes(state[1].read_bytes())
        one, same = (make(ResNet18, weights=str(path)).signature for path in (state[1], copy))
        assert one == same
        assert hashlib.sha256(copy.read_bytes()).hexdigest()[:8] in one
        other = tmp_path / "other.pth"
        torch.save(seeded("resnet18", 1).state_dict(), other)
        assert make(ResNet18, weights=str(other)).signature != one

    def test_safetensors_give_the_same_vectors(self, state, tmp_path):
        from safetensors.torch import save_file

        path = tmp_path / "seeded.safetensors"
        save_file(weights.load(state[1]), path)
        one, other = (encode(make(ResNet18, weights=str(file), precision="fp32"), TEN[:2]) for file in (state[1], path))
        assert np.array_equal(one, other)

    def test_a_checkpoint_that_wraps_a_state_dict(self, state, tmp_path):
        path = tmp_path / "checkpoint.pt"
        tensors = torch.load(state[1], weights_only=True)
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in tensors.items()}}, path)
        assert set(weights.load(path)) == set(tensors)

    def test_a_path_is_relative_to_the_yaml(self, state):
        found = ResNet18.Params.model_validate({"weights": state[1].name}, context={"base": state[1].parent})
        assert found.weights == str(state[1])

    @pytest.mark.parametrize("spoil", ["lacking", "unknown", "shape", "not finite"])
    def test_weights_of_another_network_are_refused(self, state, tmp_path, spoil):
        tensors = torch.load(state[1], weights_only=True)
        name = "layer2.0.conv1.weight"
        if spoil == "lacking":
            del tensors[name]
        elif spoil == "unknown":
            tensors["layer9.weight"] = torch.zeros(1)
        elif spoil == "shape":
            tensors[name] = tensors[name][:, :3]
        else:
            tensors[name] = tensors[name] * float("nan")
        path = tmp_path / "spoilt.pth"
        torch.save(tensors, path)
        reason = {
            "lacking": f"lack {name}",
            "unknown": "unknown layer9.weight",
            "shape": rf"{name} has the shape \(128, 3, 3, 3\), not \(128, 64, 3, 3\)",
            "not finite": f"{name} holds values that are not finite",
        }[spoil]
        with pytest.raises(PluginError, match=reason):
            encode(make(ResNet18, weights=str(path)), TEN[:1])

    def test_weights_of_another_resnet_are_refused(self, state):
        with pytest.raises(PluginError, match=r"lack layer1\.0\.conv3\.weight and"):
            encode(make(ResNet50, weights=str(state[1])), TEN[:1])

    def test_a_name_that_promises_another_hash(self, state, tmp_path):
        path = tmp_path / "resnet18-f37072fd.pth"
        path.write_bytes(state[1].read_bytes())
        with pytest.raises(PluginError, match=r"its SHA-256 begins with .*, not f37072fd"):
            encode(make(ResNet18, weights=str(path)), TEN[:1])

    def test_a_pickle_with_code_is_refused(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "harm",))

        path = tmp_path / "evil.pth"
        torch.save({"conv1.weight": Evil()}, path)
        with pytest.raises(PluginError, match="cannot be read as weights"):
            encode(make(ResNet18, weights=str(path)), TEN[:1])
        assert not (tmp_path / "harm").exists()

    @pytest.mark.parametrize("data", [b"", b"no weights", b"PK\x03\x04" + bytes(100)])
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_a_damaged_file(self, tmp_path, data, suffix):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(data)
        with pytest.raises(PluginError, match="cannot be read as weights"):
            weights.load(path)

    def test_a_package_that_was_tampered_with(self, monkeypatch, tmp_path):
        path = tmp_path / "package.pth"
        torch.save(random_weights(efficientnet_lite0_shapes(), 0), path)
        monkeypatch.setattr(efficientnet, "_packaged", lambda: path)
        with pytest.raises(PluginError, match="not the published file"):
            encode(make(EfficientNetLite0), TEN[:1])


class TestMissing:
    def test_an_error_names_the_file_both_places_and_the_offline_encoder(self, tmp_path):
        with pytest.raises(DependencyMissing) as caught:
            _ = make(ResNet18).signature
        assert "resnet18-f37072fd.pth" in str(caught.value)
        assert "VICINAL_OFFLINE forbids downloads" in str(caught.value)
        for part in (str(tmp_path / "torch" / "hub" / "checkpoints"), "weights: PATH", "efficientnet_lite0"):
            assert part in caught.value.hint

    def test_a_path_without_a_file(self, tmp_path):
        with pytest.raises(DependencyMissing, match="no weights at"):
            _ = make(ResNet18, weights=str(tmp_path / "none.pth")).signature

    @pytest.mark.parametrize("given", ["IMAGENET1K_V2", "imagenet", "weights.txt"])
    def test_a_name_that_does_not_exist_is_a_mistake_in_the_yaml(self, given):
        with pytest.raises(ValidationError, match="IMAGENET1K_V1, random, or the path"):
            ResNet18.Params(weights=given)

    def test_default_is_the_newest(self):
        assert ResNet50.Params(weights="DEFAULT").weights == "IMAGENET1K_V2"

    def test_weights_in_torchvisions_cache_are_found(self, state, monkeypatch, tmp_path):
        digest = hashlib.sha256(state[1].read_bytes()).hexdigest()[:8]
        published = Published(f"resnet18-{digest}.pth", 256)
        monkeypatch.setitem(RESNETS["resnet18"].weights, "IMAGENET1K_V1", published)
        path = tmp_path / "torch" / "hub" / "checkpoints" / published.file
        path.parent.mkdir(parents=True)
        path.write_bytes(state[1].read_bytes())
        own, given = make(ResNet18), make(ResNet18, weights=str(state[1]))
        assert own.signature == given.signature
        assert np.array_equal(encode(own, TEN[:2]), encode(given, TEN[:2]))


class Site(http.server.BaseHTTPRequestHandler):
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
def site(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(weights, "SITE", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.delenv("VICINAL_OFFLINE")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestFetching:
    def test_a_file_is_fetched_into_the_cache_and_checked(self, site, tmp_path, monkeypatch):
        monkeypatch.setattr(Site, "data", b"weights" * 1_000)
        published = Published(f"net-{hashlib.sha256(Site.data).hexdigest()[:8]}.pth", 256)
        path = weights.fetch(published)
        assert path == tmp_path / "torch" / "hub" / "checkpoints" / published.file
        assert path.read_bytes() == Site.data
        assert [each.name for each in path.parent.iterdir()] == [published.file]

    def test_what_is_not_the_published_file_is_thrown_away(self, site, tmp_path, monkeypatch):
        monkeypatch.setattr(Site, "data", b"a page that asks for a login")
        with pytest.raises(DependencyMissing, match="its SHA-256 differs"):
            weights.fetch(Published("net-00000000.pth", 256))
        assert not list((tmp_path / "torch" / "hub" / "checkpoints").iterdir())

    def test_a_site_that_does_not_answer_is_asked_once_and_briefly(self, site, monkeypatch):
        monkeypatch.setattr(weights, "SITE", "http://127.0.0.1:9/")
        with pytest.raises(DependencyMissing, match="does not answer"):
            _ = make(ResNet18).signature
