"""The networks of images and their vectors, held against torchvision and timm called directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from image_helpers import SAMPLE_IMAGES, load_rgb
from random_networks import draw_statistics, encode_images, make_encoder
from vicinal import Item
from vicinal.errors import ConfigError
from vicinal.toolkit.torch_hub import find_stated_sha256, load_state_dict
from vicinal.toolkit.vectors import min_cosine
from vicinal_image import efficientnet
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.network import make_network_factory
from vicinal_image.networks import EfficientNetLite0 as Lite0Network
from vicinal_image.timm import Timm
from vicinal_image.torchvision import ResNet18, Torchvision

pytestmark = pytest.mark.usefixtures("no_downloads", "no_hub")
CPU = torch.device("cpu")
PICTURES = SAMPLE_IMAGES[:3]
EXACT = {"precision": "fp32", "decode": "exact"}
TORCHVISION = {
    "resnet18": "fc",
    "mobilenet_v3_small": "classifier.3",
    "shufflenet_v2_x0_5": "fc",
    "googlenet": "fc",
    "squeezenet1_1": "classifier.1",
    "convnext_tiny": "classifier.2",
    "swin_t": "head",
}
"""Networks of torchvision, each with its last layer."""
OTHERS = sorted({*TORCHVISION} - {"resnet18", "shufflenet_v2_x0_5"})
TIMM = ("test_resnet", "test_efficientnet", "test_convnext", "test_vit", "test_maxvit", "test_nfnet")


def as_long(name):
    return pytest.param(name, marks=pytest.mark.long)


def cosine_similarities(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def build_torchvision(name):
    """A seeded network as torchvision builds it, and the transforms of its first weights."""
    from torchvision.models import get_model, get_model_weights

    torch.manual_seed(3)
    return get_model(name, weights=None).eval(), next(iter(get_model_weights(name))).transforms()


def build_timm(name, **options):
    from timm import create_model
    from timm.data import create_transform, resolve_model_data_config

    torch.manual_seed(3)
    model = create_model(name, **options).eval()
    return model, create_transform(**resolve_model_data_config(model), is_training=False)


def run_directly(model, prepare):
    with torch.inference_mode():
        return model(torch.stack([prepare(load_rgb(path)) for path in PICTURES])).numpy()


def load_timm_lite0():
    """timm's EfficientNet-Lite0 with the packaged weights, which have the same order under other names."""
    from timm import create_model

    model = create_model("tf_efficientnet_lite0", num_classes=0).eval()
    tensors = load_state_dict(efficientnet._WEIGHTS.resolve())
    kept = [value for name, value in tensors.items() if not name.startswith("_fc.")]
    model.load_state_dict(dict(zip(model.state_dict(), kept, strict=True)))
    return model


@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet:FutureWarning")
class TestTorchvision:
    @pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5", *map(as_long, OTHERS)])
    def test_seeded_vectors_equal_torchvision(self, name):
        model, prepare = build_torchvision(name)
        model.set_submodule(TORCHVISION[name], torch.nn.Identity())
        expected = run_directly(model, prepare)
        encoder = make_encoder(Torchvision, model=name, weights="random", seed=3, **EXACT)
        assert encoder.space.dimension == expected.shape[1]
        assert min_cosine(encode_images(encoder, PICTURES), expected) >= 0.9999

    @pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5", *map(as_long, OTHERS)])
    def test_vectors_by_a_state_dict_equal_torchvision(self, name, tmp_path):
        model, prepare = build_torchvision(name)
        draw_statistics(model)
        torch.save(model.state_dict(), tmp_path / "weights.pth")
        model.set_submodule(TORCHVISION[name], torch.nn.Identity())
        encoder = make_encoder(Torchvision, model=name, weights=str(tmp_path / "weights.pth"), **EXACT)
        assert min_cosine(encode_images(encoder, PICTURES), run_directly(model, prepare)) >= 0.9999

    def test_every_network_has_a_dimension_and_a_preprocessing(self):
        from torchvision import models

        for name in models.list_models(module=models):
            for weights in models.get_model_weights(name):
                assert len(find_stated_sha256(weights.url)) >= 8
                assert type(weights.transforms()).__name__ == "ImageClassification"
        found = {
            name: make_encoder(Torchvision, model=name, weights="random").space.dimension
            for name in ("vgg11", "densenet121", "regnet_y_400mf", "inception_v3", "maxvit_t", "vit_b_32")
        }
        assert list(found.values()) == [4096, 1024, 440, 2048, 512, 768]

    def test_vision_transformer_takes_the_size_of_its_weights(self):
        encoder = make_encoder(Torchvision, model="vit_h_14", weights="random")
        assert encoder.preprocessing.input_size == (518, 518)
        with torch.device("meta"):
            assert encoder._build_network().image_size == 518

    def test_named_resnet_is_the_same_encoder(self):
        named = make_encoder(ResNet18, weights="random", seed=3)
        general = make_encoder(Torchvision, model="resnet18", weights="random", seed=3)
        assert (named.space, named.signature) == (general.space, general.signature)
        assert np.array_equal(encode_images(named, PICTURES), encode_images(general, PICTURES))

    def test_unknown_network_is_an_error_that_names_near_ones(self):
        with pytest.raises(ConfigError, match="torchvision's network 'resnet19' is unknown") as caught:
            _ = make_encoder(Torchvision, model="resnet19").space
        assert "resnet18" in caught.value.hint


class TestTimm:
    @pytest.mark.parametrize("name", TIMM)
    def test_seeded_vectors_equal_timm(self, name):
        expected = run_directly(*build_timm(name, num_classes=0))
        encoder = make_encoder(Timm, model=name, weights="random", seed=3, **EXACT)
        assert encoder.space.dimension == expected.shape[1]
        assert min_cosine(encode_images(encoder, PICTURES), expected) >= 0.9999

    @pytest.mark.parametrize("classes", [1000, 7, 0])
    @pytest.mark.parametrize("name", TIMM[:5])
    def test_vectors_by_a_state_dict_equal_timm(self, name, classes, tmp_path):
        model, prepare = build_timm(name, num_classes=classes)
        draw_statistics(model)
        torch.save(model.state_dict(), tmp_path / "weights.pth")
        model.reset_classifier(0)
        encoder = make_encoder(Timm, model=name, weights=str(tmp_path / "weights.pth"), **EXACT)
        assert min_cosine(encode_images(encoder, PICTURES), run_directly(model, prepare)) >= 0.9999

    @pytest.mark.parametrize(
        "name", ["test_vit", "convnext_tiny.fb_in22k_ft_in1k_384", "volo_d4_448", "vit_base_patch16_sapiens2"]
    )
    def test_images_are_prepared_as_timm_does(self, name):
        """The shorter side, both sides, a border, and a network that is not square."""
        from timm.data import create_transform, resolve_model_data_config

        encoder = make_encoder(Timm, model=name, weights="random", **EXACT)
        transforms = create_transform(**resolve_model_data_config(encoder._skeleton), use_prefetcher=True)
        for path in PICTURES:
            found = encoder.decode(Item("key", path))[0].sample
            assert found.shape == (*encoder.preprocessing.input_size, 3)
            assert np.array_equal(found, np.asarray(transforms(load_rgb(path))).transpose(1, 2, 0))

    def test_unknown_network_is_an_error_that_names_near_ones(self):
        with pytest.raises(ConfigError, match="timm's network 'vit_tini_patch16_224' is unknown") as caught:
            _ = make_encoder(Timm, model="vit_tini_patch16_224").space
        assert "vit_tiny_patch16_224" in caught.value.hint


class TestNetworks:
    def test_batch_norms_are_folded(self):
        model, _ = build_torchvision("resnet18")
        draw_statistics(model)
        x = torch.randn(2, 3, 96, 96)
        with torch.inference_mode():
            expected = model(x)
            found = make_network_factory(model, (96, 96))(torch.float32, CPU)(x)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)
        assert not [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]

    def test_batch_norm_is_kept_where_the_convolution_is_used_twice(self):
        class Shared(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.norm = torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)

            def forward(self, x):
                y = self.conv(x)
                return (self.norm(y) * y).mean((2, 3))

        model, x = Shared().eval(), torch.randn(2, 3, 32, 32)
        draw_statistics(model)
        with torch.inference_mode():
            expected = model(x)
            found = make_network_factory(model, (32, 32))(torch.float32, CPU)(x)
        assert torch.allclose(found, expected, atol=1e-5)
        assert isinstance(model.norm, torch.nn.BatchNorm2d)

    def test_efficientnet_equals_timm(self):
        weights = load_state_dict(efficientnet._WEIGHTS.resolve())
        own, model = Lite0Network(weights, torch.float32, CPU), load_timm_lite0()
        x = torch.randn(2, 3, 224, 224)
        with torch.inference_mode():
            assert torch.allclose(own(x), model(x), rtol=1e-3, atol=1e-4)

    def test_random_weights_leave_the_random_numbers_of_others_alone(self):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        encode_images(make_encoder(Timm, model="test_vit", weights="random"), PICTURES[:1])
        assert torch.equal(torch.rand(3), expected)


class TestVectors:
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
        vector = encode_images(
            make_encoder(kind, precision="fp32", decode="exact", device="cpu", **params), SAMPLE_IMAGES[5:6]
        )[0]
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
    "ResNet18": [0.2714, 0.1773, 0.318, 0.6123, 0.196, 2.42, 1.5535, 2.8908],
}
"""The first floats for grey.jpg; half of all are zeros, for both networks end with an activation."""
