"""The networks in plain torch, for inference alone: every batch norm is folded into the convolution before it.

They take the published weights by their own names. torchvision and timm, which define the same networks, take a second
and more to import; tests hold these against them. Inputs are ``(n, 3, height, width)``, best in channels_last; outputs
are the means of the last feature maps, ``(n, dimension)`` float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from vicinal_image.architectures import Architecture

__all__ = ["EfficientNetLite0", "ResNet", "efficientnet_lite0_shapes", "random_weights"]

Weights = Mapping[str, Tensor]

_LITE0 = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride, expansion, channels after, and number of the blocks of each stage."""


class Convolution:
    """A convolution with the batch norm after it, and an activation: ReLU up to ``ceiling``, or none."""

    def __init__(
        self,
        weights: Weights,
        name: str,
        norm: str,
        dtype: torch.dtype,
        device: torch.device,
        *,
        epsilon: float = 1e-5,
        stride: int = 1,
        groups: int = 1,
        ceiling: float | None = float("inf"),
        same: bool = False,
    ) -> None:
        kernel, scale = weights[f"{name}.weight"], weights[f"{norm}.weight"]
        scale = scale / torch.sqrt(weights[f"{norm}.running_var"] + epsilon)
        kernel = kernel * scale[:, None, None, None]
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        if same and stride == 2:
            # TensorFlow's SAME pads one more on the right and below; zeros before the kernel do it without a copy.
            kernel = functional.pad(kernel, (1, 0, 1, 0))
        self.kernel = kernel.to(device, dtype).contiguous(memory_format=torch.channels_last)
        self.bias = bias.to(device, dtype)
        self.stride, self.groups, self.ceiling = stride, groups, ceiling
        self.padding = (weights[f"{name}.weight"].shape[-1]) // 2

    def __call__(self, x: Tensor) -> Tensor:
        x = functional.conv2d(
            x.to(self.kernel.dtype), self.kernel, self.bias, self.stride, self.padding, 1, self.groups
        )
        if self.ceiling is None:
            return x
        return torch.relu_(x) if self.ceiling == float("inf") else functional.hardtanh_(x, 0.0, self.ceiling)


class ResNet:
    """A ResNet without its last layer."""

    def __init__(self, architecture: Architecture, weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
        def make(name: str, norm: str, stride: int = 1, groups: int = 1, *, active: bool = True) -> Convolution:
            ceiling = float("inf") if active else None
            return Convolution(weights, name, norm, dtype, device, stride=stride, groups=groups, ceiling=ceiling)

        self.stem = make("conv1", "bn1", 2)
        self.blocks: list[tuple[list[Convolution], Convolution | None]] = []
        for name, _, stride in architecture.blocks():
            strides: tuple[int, ...]
            groups: tuple[int, ...]
            if architecture.bottleneck:
                strides, groups = (1, stride, 1), (1, architecture.groups, 1)
            else:
                strides, groups = (stride, 1), (1, 1)
            last = len(strides)
            way = [
                make(f"{name}.conv{n}", f"{name}.bn{n}", strides[n - 1], groups[n - 1], active=n < last)
                for n in range(1, last + 1)
            ]
            passed = f"{name}.downsample.0.weight" in weights
            side = make(f"{name}.downsample.0", f"{name}.downsample.1", stride, active=False) if passed else None
            self.blocks.append((way, side))

    def __call__(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        for way, side in self.blocks:
            before = x if side is None else side(x)
            for convolution in way:
                x = convolution(x)
            x = torch.relu_(x.add_(before))
        return x.mean((2, 3), dtype=torch.float32)


class EfficientNetLite0:
    """EfficientNet-Lite0 without its last layer, as TensorFlow trained it: SAME padding, epsilon 0.001.

    Its first three layers are in float32 always: in bfloat16 they alone would do two thirds of the damage.

    Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
    """

    def __init__(self, weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
        def make(name: str, norm: str, stride: int = 1, groups: int = 1, *, active: bool = True) -> Convolution:
            ceiling = 6.0 if active else None
            return Convolution(
                weights,
                name,
                norm,
                torch.float32 if name.startswith(("_conv_stem", "_blocks.0.")) else dtype,
                device,
                epsilon=1e-3,
                stride=stride,
                groups=groups,
                ceiling=ceiling,
                same=True,
            )

        self.stem, self.head = make("_conv_stem", "_bn0", 2), make("_conv_head", "_bn1")
        self.blocks = []
        for name, _, before, inner, after, stride in _lite0_blocks():
            way = [make(f"{name}._expand_conv", f"{name}._bn0")] if inner != before else []
            way.append(make(f"{name}._depthwise_conv", f"{name}._bn1", stride, inner))
            way.append(make(f"{name}._project_conv", f"{name}._bn2", active=False))
            self.blocks.append((way, stride == 1 and before == after))

    def __call__(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for way, is_residual in self.blocks:
            before = x
            for convolution in way:
                x = convolution(x)
            x = x.add_(before) if is_residual else x
        return self.head(x).mean((2, 3), dtype=torch.float32)


def _lite0_blocks() -> list[tuple[str, int, int, int, int, int]]:
    """Name, kernel, channels before, within and after, and stride of each block."""
    found: list[tuple[str, int, int, int, int, int]] = []
    before = 32
    for kernel, stride, expansion, after, count in _LITE0:
        for number in range(count):
            name = f"_blocks.{len(found)}"
            found.append((name, kernel, before, before * expansion, after, 1 if number else stride))
            before = after
    return found


def efficientnet_lite0_shapes() -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors that EfficientNet-Lite0's vectors depend on."""
    found = _lite0_layer("", "_conv_stem", "_bn0", (32, 3, 3, 3))
    for name, kernel, before, inner, after, _ in _lite0_blocks():
        if inner != before:
            found |= _lite0_layer(f"{name}.", "_expand_conv", "_bn0", (inner, before, 1, 1))
        found |= _lite0_layer(f"{name}.", "_depthwise_conv", "_bn1", (inner, 1, kernel, kernel))
        found |= _lite0_layer(f"{name}.", "_project_conv", "_bn2", (after, inner, 1, 1))
    return found | _lite0_layer("", "_conv_head", "_bn1", (1280, 320, 1, 1))


def _lite0_layer(start: str, convolution: str, norm: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{start}{convolution}.weight": shape,
        **{f"{start}{norm}.{name}": shape[:1] for name in statistics},
    }


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Untrained weights as He et al. 2015 (https://arxiv.org/abs/1502.01852) draw them, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            deviation = (2.0 / (shape[0] * shape[2] * shape[3])) ** 0.5
            found[name] = torch.empty(shape).normal_(0.0, deviation, generator=generator)
        else:
            found[name] = torch.full(shape, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
    return found
