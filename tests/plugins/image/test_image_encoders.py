"""The contract of encoders, kept by those of vicinal_image; and what they share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

import vicinal_image
from image_helpers import SAMPLE_IMAGES
from vicinal import Item, Rendering, Space, create_manager
from vicinal.testing import EncoderContract
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_image.timm import Timm
from vicinal_image.torchvision import ResNet18

BAD = ("", "no/such/file.jpg", Path(__file__), Path(__file__).parent, None, 7)


class TestResNet18(EncoderContract):
    encoder_class = ResNet18
    params: ClassVar = {"weights": "random", "seed": 3}
    libraries = frozenset({"PIL", "torch", "torchvision"})
    good = tuple(map(str, SAMPLE_IMAGES[:4]))
    bad = BAD
    variants = (
        {"weights": "random", "seed": 4},
        {"weights": "random", "seed": 3, "decode": "exact"},
        {"weights": "random", "seed": 3, "precision": "fp32"},
        {"weights": "random", "seed": 3, "normalize": True},
    )


class TestTimm(EncoderContract):
    encoder_class = Timm
    params: ClassVar = {"model": "test_vit", "weights": "random"}
    libraries = frozenset({"PIL", "timm", "torch", "torchvision"})
    good = tuple(map(str, SAMPLE_IMAGES[:4]))
    bad = BAD
    variants = ({"model": "test_vit", "weights": "random", "seed": 4}, {"model": "test_vit2", "weights": "random"})


class TestEfficientNetLite0(EncoderContract):
    encoder_class = EfficientNetLite0
    good = tuple(SAMPLE_IMAGES[:4])
    bad = BAD
    variants = ({"decode": "exact"}, {"precision": "fp32"})


class TestRegistration:
    def test_plugin_registers_its_encoders(self):
        manager = create_manager(entry_points=False)
        row = manager.register(vicinal_image, "image")
        assert (row.status, row.reason) == ("ok", "")
        assert {
            "clip",
            "efficientnet_lite0",
            "timm",
            "torchvision",
            "resnet18",
            "resnet152",
            "wide_resnet101_2",
        } <= set(row.encoders)
        for entry in manager.encoders:
            assert manager.encoders.load(entry.name).Params.model_json_schema()

    def test_encoder_modules_import_nothing_heavy(self):
        code = (
            "import sys, vicinal_image.torchvision, vicinal_image.timm, vicinal_image.efficientnet, vicinal_image.clip;"
            "print(sorted({'torch', 'torchvision', 'timm', 'PIL', 'transformers', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestImageEncoder:
    def test_spaces(self):
        assert EfficientNetLite0().space == Space(1280, "float", "COSINE")
        assert ResNet18().space == Space(512, "float", "L2")

    def test_content_may_be_bytes_or_a_pillow_image(self):
        encoder = EfficientNetLite0()
        contents = (SAMPLE_IMAGES[1], SAMPLE_IMAGES[1].read_bytes(), Image.open(SAMPLE_IMAGES[1]))
        path, data, image = (encoder.decode(Item("key", content))[0].sample for content in contents)
        assert np.array_equal(path, data)
        assert np.array_equal(path, image)

    def test_image_is_rendered_as_its_file(self):
        assert EfficientNetLite0().render(Item("key", SAMPLE_IMAGES[0])) == Rendering("image", str(SAMPLE_IMAGES[0]))
        assert EfficientNetLite0().render(Item("key", b"")).kind == "text"

    def test_vectors_do_not_depend_on_batch_size(self):
        frames = [EfficientNetLite0().decode(Item("key", path))[0].sample for path in SAMPLE_IMAGES[:3]]
        expected = EfficientNetLite0(EfficientNetLite0.Params(device="cpu")).encode(frames)
        for batch_size in (1, 2, 4):
            params = EfficientNetLite0.Params(batch_size=batch_size, device="cpu")
            for count in (1, 3, 7):
                found = EfficientNetLite0(params).encode((frames * 3)[:count])
                assert np.allclose(found, np.tile(expected, (3, 1))[:count], atol=1e-4)

    @pytest.mark.parametrize("threads", [1, 2, 8])
    @pytest.mark.parametrize("size", [1, 5, 16])
    def test_balanced_batches_end_in_small_ones_equal_per_thread(self, size, threads):
        from vicinal_image.inference import balanced_batch_sizes

        for count in range(size + 1, 12 * size + 20):
            sizes = balanced_batch_sizes(count, size, threads)
            assert sum(sizes) == count
            assert 0 < min(sizes) <= max(sizes) <= size
            if count >= 4 * threads * size:
                assert sizes[0] == size
                assert max(sizes[-threads:]) <= (size + 1) // 2
            assert max(sizes[-threads:]) - min(sizes[-threads:]) <= 1

    def test_missing_gpu_is_an_error(self):
        import torch

        from vicinal.errors import DependencyError

        if torch.cuda.is_available():
            pytest.skip("there is one")
        encoder = EfficientNetLite0(EfficientNetLite0.Params(device="cuda"))
        with pytest.raises(DependencyError, match="no GPU"):
            encoder.encode([encoder.decode(Item("key", SAMPLE_IMAGES[0]))[0].sample])
