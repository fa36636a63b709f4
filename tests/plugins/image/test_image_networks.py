"""The networks of images and their vectors, held against torchvision and timm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from image_helpers import SAMPLE_IMAGES, load_rgb
from random_networks import encode_images, make_encoder, random_torchvision_model
from vicinal_image import checkpoints, efficientnet, resnet
from vicinal_image.architectures import RESNETS
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.networks import EfficientNetLite0 as Lite0Network
from vicinal_image.networks import ResNet as ResNetNetwork
from vicinal_image.networks import draw_random_weights
from vicinal_image.resnet import ResNet18

pytestmark = pytest.mark.usefixtures("no_downloads")
CLASSES = {kind.Params.name: kind for kind in vars(resnet).values() if hasattr(getattr(kind, "Params", None), "name")}
CPU = torch.device("cpu")


def cosine_similarities(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def load_timm_lite0():
    """timm's EfficientNet-Lite0 with the packaged weights, which have the same order under other names."""
    from timm import create_model

    model = create_model("tf_efficientnet_lite0", num_classes=0).eval()
    tensors = checkpoints.load_state_dict(efficientnet._find_packaged_weights())
    kept = [value for name, value in tensors.items() if not name.startswith("_fc.")]
    model.load_state_dict(dict(zip(model.state_dict(), kept, strict=True)))
    return model


class TestArchitectures:
    def test_every_torchvision_resnet_is_registered(self):
        from torchvision import models

        assert set(RESNETS) == set(models.list_models(module=models, include="*resne*")) == set(CLASSES)

    @pytest.mark.parametrize("name", RESNETS)
    def test_weights_and_preprocessing_equal_torchvision(self, name):
        from torchvision.models import get_model_weights

        theirs = {each.name: each for each in get_model_weights(name)}
        assert set(RESNETS[name].weights) == set(theirs)
        for own, published in RESNETS[name].weights.items():
            transforms = theirs[own].transforms()
            assert theirs[own].url == checkpoints.BASE_URL + published.file
            assert transforms.resize_size == [published.resize]
            prepared = make_encoder(CLASSES[name], weights=own).preprocessing
            assert (prepared.resize, prepared.crop) == (published.resize, transforms.crop_size[0])
            assert (list(prepared.mean), list(prepared.std)) == (transforms.mean, transforms.std)
            assert transforms.interpolation.value == prepared.interpolation

    @pytest.mark.parametrize("name", RESNETS)
    def test_tensor_shapes_equal_torchvision(self, name):
        from torchvision.models import get_model

        with torch.device("meta"):
            state = get_model(name, weights=None).state_dict()
        shapes = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("fc.")}
        counters = {key for key in shapes if key.endswith("num_batches_tracked")}
        assert RESNETS[name].tensor_shapes() == {key: shapes[key] for key in shapes.keys() - counters}


class TestNetworks:
    @pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
    def test_resnet_equals_torchvision(self, name):
        model = random_torchvision_model(name)
        own = ResNetNetwork(RESNETS[name], model.state_dict(), torch.float32, CPU)
        model.fc = torch.nn.Identity()
        x = torch.randn(2, 3, 96, 96)
        with torch.inference_mode():
            assert torch.allclose(own(x), model(x), rtol=1e-3, atol=1e-3)

    def test_efficientnet_equals_timm(self):
        weights = checkpoints.load_state_dict(efficientnet._find_packaged_weights())
        own, model = Lite0Network(weights, torch.float32, CPU), load_timm_lite0()
        x = torch.randn(2, 3, 224, 224)
        with torch.inference_mode():
            assert torch.allclose(own(x), model(x), rtol=1e-3, atol=1e-4)

    def test_random_weights_depend_on_the_seed_alone(self):
        shapes = RESNETS["resnet18"].tensor_shapes()
        one, same, other = (draw_random_weights(shapes, seed) for seed in (1, 1, 2))
        assert all(torch.equal(one[name], same[name]) for name in shapes)
        assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


class TestVectors:
    def test_resnet18_vectors_equal_torchvision(self, resnet18):
        from torchvision.models import ResNet18_Weights

        model, path = resnet18
        prepare = ResNet18_Weights.IMAGENET1K_V1.transforms()
        with torch.inference_mode():
            expected = model(torch.stack([prepare(load_rgb(path)) for path in SAMPLE_IMAGES])).numpy()
        found = encode_images(make_encoder(ResNet18, weights=str(path), precision="fp32", decode="exact"))
        assert cosine_similarities(found, expected).min() >= 0.9999
        assert np.abs(found - expected).max() <= 0.01 * np.abs(expected).max()

    def test_bfloat16_matches_float32(self, resnet18):
        path = str(resnet18[1])
        exact, low = (encode_images(make_encoder(ResNet18, weights=path, precision=each)) for each in ("fp32", "bf16"))
        assert cosine_similarities(exact, low).min() >= 0.9995

    @pytest.mark.parametrize(("kind", "params"), [(ResNet18, {"weights": "random"}), (EfficientNetLite0, {})])
    def test_auto_precision_matches_float32(self, kind, params):
        exact, found = (encode_images(make_encoder(kind, precision=each, **params)) for each in ("fp32", "auto"))
        assert cosine_similarities(exact, found).min() >= 0.9995

    def test_auto_precision_falls_back_to_float32(self, monkeypatch):
        from vicinal.toolkit import torch_runtime

        monkeypatch.setattr(torch_runtime, "MIN_COSINE", 1.1)
        encoder = make_encoder(ResNet18, weights="random", precision="auto")
        encode_images(encoder, SAMPLE_IMAGES[:1])
        assert encoder._engine.dtype == torch.float32

    def test_fast_decoding_stays_close_to_exact(self):
        exact, fast = (encode_images(make_encoder(EfficientNetLite0, decode=each)) for each in ("exact", "fast"))
        assert cosine_similarities(exact, fast).min() >= 0.98

    def test_efficientnet_vectors_equal_timm(self):
        from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

        prepare = Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize((127 / 255,) * 3, (128 / 255,) * 3)])
        with torch.inference_mode():
            expected = load_timm_lite0()(torch.stack([prepare(load_rgb(path)) for path in SAMPLE_IMAGES])).numpy()
        found = encode_images(make_encoder(EfficientNetLite0, decode="exact"))
        assert cosine_similarities(found, expected).min() >= 0.9999

    @pytest.mark.parametrize(("kind", "params"), [(EfficientNetLite0, {}), (ResNet18, {"weights": "random"})])
    def test_golden_vectors(self, kind, params):
        vector = encode_images(make_encoder(kind, precision="fp32", decode="exact", **params), SAMPLE_IMAGES[5:6])[0]
        assert vector[:8] == pytest.approx(GOLDEN[kind.__name__], abs=2e-4)

    def test_normalize_gives_length_one(self):
        found = encode_images(make_encoder(ResNet18, weights="random", normalize=True), SAMPLE_IMAGES[:3])
        assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    @pytest.mark.parametrize("precision", ["fp32", "auto"])
    def test_gpu_vectors_equal_cpu(self, precision):
        found = encode_images(make_encoder(ResNet18, weights="random", device="cuda", precision=precision))
        expected = encode_images(make_encoder(ResNet18, weights="random", precision="fp32"))
        assert cosine_similarities(found, expected).min() >= 0.9995


GOLDEN = {
    "EfficientNetLite0": [0.0, 0.0, 0.0923, 0.0109, 0.0001, 0.0013, 0.0199, 0.0098],
    "ResNet18": [0.2923, 0.0492, 0.6092, 0.3403, 0.0663, 0.376, 0.6684, 0.7213],
}
"""The first floats for grey.jpg; half of all are zeros, for both networks end with an activation."""
