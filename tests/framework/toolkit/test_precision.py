"""The dtype that ``choose_precision`` takes: the lower one only where it is native and its vectors match float32's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vicinal.toolkit import torch_runtime
from vicinal.toolkit.torch_runtime import choose_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def native(monkeypatch):
    """Says whether the device has bfloat16."""
    return lambda has: monkeypatch.setattr(torch_runtime, "has_native_bfloat16", lambda device: has)


def probe(cosine, dtypes=None):
    """Two samples of which the second has this cosine to float32 in any other dtype."""

    def encode(dtype):
        if dtypes is not None:
            dtypes.append(dtype)
        x = 1 if dtype == torch.float32 else cosine
        return np.array([[3, 0], [x, (1 - x * x) ** 0.5]])

    return encode


def refuse(dtype):
    raise AssertionError("no probe is needed")


@pytest.mark.parametrize("has_native", [True, False])
def test_a_named_precision_is_taken_without_a_probe(native, has_native):
    native(has_native)
    assert choose_precision("fp32", CPU, refuse) == torch.float32
    assert choose_precision("bf16", CPU, refuse) == torch.bfloat16


@pytest.mark.parametrize(("cosine", "dtype"), [(0.9996, torch.bfloat16), (0.9994, torch.float32)])
def test_auto_takes_bfloat16_if_all_vectors_match_float32(native, cosine, dtype):
    native(True)
    dtypes = []
    assert choose_precision("auto", CPU, probe(cosine, dtypes)) == dtype
    assert dtypes == [torch.bfloat16, torch.float32]


def test_auto_is_float32_without_a_native_lower_precision(native):
    native(False)
    assert choose_precision("auto", CPU, refuse) == torch.float32
    assert choose_precision("auto", CPU, refuse, allow_float16=True) == torch.float32
    assert choose_precision("auto", GPU, refuse) == torch.float32


def test_auto_takes_float16_on_an_older_gpu_where_it_is_allowed(native):
    native(False)
    assert choose_precision("auto", GPU, probe(0.9999), allow_float16=True) == torch.float16
    assert choose_precision("auto", GPU, probe(0.99), allow_float16=True) == torch.float32
