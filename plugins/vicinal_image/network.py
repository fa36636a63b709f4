"""Makes any network of torch fast for inference: batch norms folded, channels_last, frozen, in the dtype of choice."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vicinal.toolkit.vectors import min_cosine
from vicinal_image.inference import Network, NetworkFactory

__all__ = ["make_network_factory"]

_MIN_FOLDED_COSINE = 0.99999
"""To the vectors before batch norms are folded; rounding alone leaves 0.9999999."""


def make_network_factory(model: nn.Module, input_size: tuple[int, int]) -> NetworkFactory:
    """Return a factory of a network that takes images of ``input_size``, height and width, and returns vectors."""
    model.eval().requires_grad_(requires_grad=False)
    model.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        _fold_batch_norms(model, torch.randn(2, 3, *input_size, generator=torch.Generator().manual_seed(0)))

    def build(dtype: torch.dtype, device: torch.device) -> Network:
        network = (model if dtype == torch.float32 else copy.deepcopy(model)).to(device, dtype)
        return lambda pixels: _average_positions(network(pixels))

    return build


def _average_positions(features: Tensor) -> Tensor:
    """Return one vector an image; what a network leaves of height and width, or of tokens, is averaged."""
    places = (2, 3) if features.dim() == 4 else (1,) if features.dim() == 3 else ()
    return features.float().mean(places) if places else features.float()


def _fold_batch_norms(model: nn.Module, pixels: Tensor) -> None:
    """Fold each batch norm into the convolution before it, unless the vectors show that more hangs on these layers."""
    before = model(pixels)
    pairs = _find_conv_bn_pairs(model, pixels)
    originals = {name: model.get_submodule(name) for pair in pairs for name in pair}
    for conv, norm in pairs:
        folded: Any = originals[norm]
        model.set_submodule(conv, fuse_conv_bn_eval(originals[conv], folded))
        model.set_submodule(norm, getattr(folded, "act", nn.Identity()))  # timm's have the activation within
    if (
        pairs
        and not min_cosine(_average_positions(model(pixels)).numpy(), _average_positions(before).numpy())
        >= _MIN_FOLDED_COSINE
    ):
        for name, module in originals.items():
            model.set_submodule(name, module)


def _find_conv_bn_pairs(model: nn.Module, pixels: Tensor) -> list[tuple[str, str]]:
    """Run a network and return the convolutions whose output is what a batch norm takes next, each with that one.

    Seen at work, they are found in networks that torch.fx cannot trace, too.
    """
    names = {module: name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)}
    calls: Counter[str] = Counter()
    pairs: list[tuple[str, str]] = []
    last: tuple[str, Any] = ("", None)

    def watch(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal last
        calls[names[module]] += 1
        if isinstance(module, nn.BatchNorm2d) and inputs[0] is last[1]:
            pairs.append((last[0], names[module]))
        last = (names[module], output if isinstance(module, nn.Conv2d) else None)

    handles = [module.register_forward_hook(watch) for module in names]
    model(pixels)
    for handle in handles:
        handle.remove()
    return [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]
