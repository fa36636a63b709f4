"""How many samples are computed together where the YAML does not say it."""

from __future__ import annotations

import pytest
import torch

from vicinal.toolkit.torch_runtime import choose_batch_size
from vicinal_image.efficientnet import EfficientNetLite0


@pytest.fixture(params=[True, False], ids=["gpu", "cpu"])
def has_gpu(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param)
    return request.param


def test_more_are_computed_together_on_a_gpu(has_gpu):
    assert choose_batch_size(EfficientNetLite0.Params(), gpu=128) == (128 if has_gpu else 8)


def test_the_number_of_the_yaml_holds(has_gpu):
    assert choose_batch_size(EfficientNetLite0.Params(batch_size=8), gpu=128) == 8


def test_a_gpu_that_is_not_to_be_used_changes_nothing(has_gpu):
    assert choose_batch_size(EfficientNetLite0.Params(device="cpu"), gpu=128) == 8
