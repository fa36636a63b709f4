"""The networks in plain torch, for inference alone: each batch norm is folded into the convolution before it.

They take the published weights under their own names. torchvision and timm, which define the same networks, take a
second and more to import; tests compare these with them. Inputs are ``(n, 3, height, width)``, fastest in
channels_last; outputs are the means of the last feature maps, ``(n, dimension)`` float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from vicinal_image.architectures import ResNetConfig

__all__ = ["EfficientNetLite0", "ResNet", "draw_random_weights", "lite0_tensor_shapes"]

Weights = Mapping[str, Tensor]

_LITE0_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride, expansion, channels out, and number of the blocks of each stage."""


class ConvBnRelu:
    """A convolution with its batch norm folded in, and ReLU up to ``max_value``; without ReLU where that is None."""

    def __init__(
        self,
        weights: Weights,
        conv: str,
        norm: str,
        dtype: torch.dtype,
        device: torch.device,
        *,
        epsilon: float = 1e-5,
        stride: int = 1,
        groups: int = 1,
        max_value: float | None = float("inf"),
        tf_same_padding: bool = False,
    ) -> None:
        mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        weight, bias = fuse_conv_bn_weights(
            weights[f"{conv}.weight"], None, mean, variance, epsilon, weights[f"{norm}.weight"], weights[f"{norm}.bias"]
        )
        self.padding = weight.shape[-1] // 2
        if tf_same_padding and stride == 2:
            # TensorFlow's SAME pads one more on the right and below; zeros before the kernel do it without a copy.
            weight = functional.pad(weight, (1, 0, 1, 0))
        self.weight = weight.to(device, dtype).contiguous(memory_format=torch.channels_last)
        self.bias = bias.to(device, dtype)
        self.stride, self.groups, self.max_value = stride, groups, max_value

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        x = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        if self.max_value is None:
            return x
        return torch.relu_(x) if self.max_value == float("inf") else functional.hardtanh_(x, 0.0, self.max_value)


class ResNet:
    """A ResNet without its last layer."""

    def __init__(self, config: ResNetConfig, weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
        def build(conv: str, norm: str, stride: int = 1, groups: int = 1, *, has_relu: bool = True) -> ConvBnRelu:
            max_value = float("inf") if has_relu else None
            return ConvBnRelu(weights, conv, norm, dtype, device, stride=stride, groups=groups, max_value=max_value)

        self.stem = build("conv1", "bn1", 2)
        self.blocks: list[tuple[list[ConvBnRelu], ConvBnRelu | None]] = []
        for name, _, stride in config.iter_blocks():
            strides: tuple[int, ...]
            groups: tuple[int, ...]
            if config.bottleneck:
                strides, groups = (1, stride, 1), (1, config.groups, 1)
            else:
                strides, groups = (stride, 1), (1, 1)
            last = len(strides)
            main_path = [
                build(f"{name}.conv{n}", f"{name}.bn{n}", strides[n - 1], groups[n - 1], has_relu=n < last)
                for n in range(1, last + 1)
            ]
            projection = f"{name}.downsample"
            has_projection = f"{projection}.0.weight" in weights
            shortcut = build(f"{projection}.0", f"{projection}.1", stride, has_relu=False) if has_projection else None
            self.blocks.append((main_path, shortcut))

    def __call__(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        for main_path, shortcut in self.blocks:
            residual = x if shortcut is None else shortcut(x)
            for layer in main_path:
                x = layer(x)
            x = torch.relu_(x.add_(residual))
        return x.mean((2, 3), dtype=torch.float32)


class EfficientNetLite0:
    """EfficientNet-Lite0 without its last layer, as TensorFlow trained it: SAME padding, epsilon 0.001.

    Its first three layers are always in float32: in bfloat16 they alone would cause two thirds of the error.

    Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
    """

    def __init__(self, weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
        def build(conv: str, norm: str, stride: int = 1, groups: int = 1, *, has_relu: bool = True) -> ConvBnRelu:
            return ConvBnRelu(
                weights,
                conv,
                norm,
                torch.float32 if conv.startswith(("_conv_stem", "_blocks.0.")) else dtype,
                device,
                epsilon=1e-3,
                stride=stride,
                groups=groups,
                max_value=6.0 if has_relu else None,
                tf_same_padding=True,
            )

        self.stem, self.head = build("_conv_stem", "_bn0", 2), build("_conv_head", "_bn1")
        self.blocks = []
        for name, _, channels, inner, channels_out, stride in _list_lite0_blocks():
            main_path = [build(f"{name}._expand_conv", f"{name}._bn0")] if inner != channels else []
            main_path.append(build(f"{name}._depthwise_conv", f"{name}._bn1", stride, inner))
            main_path.append(build(f"{name}._project_conv", f"{name}._bn2", has_relu=False))
            self.blocks.append((main_path, stride == 1 and channels == channels_out))

    def __call__(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for main_path, is_residual in self.blocks:
            residual = x
            for layer in main_path:
                x = layer(x)
            x = x.add_(residual) if is_residual else x
        return self.head(x).mean((2, 3), dtype=torch.float32)


def _list_lite0_blocks() -> list[tuple[str, int, int, int, int, int]]:
    """Return the name, kernel, channels in, within and out, and the stride of each block."""
    blocks: list[tuple[str, int, int, int, int, int]] = []
    channels = 32
    for kernel, stride, expansion, channels_out, count in _LITE0_STAGES:
        for number in range(count):
            name = f"_blocks.{len(blocks)}"
            blocks.append((name, kernel, channels, channels * expansion, channels_out, 1 if number else stride))
            channels = channels_out
    return blocks


def lite0_tensor_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors that EfficientNet-Lite0's vectors depend on."""
    shapes = _lite0_layer_shapes("", "_conv_stem", "_bn0", (32, 3, 3, 3))
    for name, kernel, channels, inner, channels_out, _ in _list_lite0_blocks():
        if inner != channels:
            shapes |= _lite0_layer_shapes(f"{name}.", "_expand_conv", "_bn0", (inner, channels, 1, 1))
        shapes |= _lite0_layer_shapes(f"{name}.", "_depthwise_conv", "_bn1", (inner, 1, kernel, kernel))
        shapes |= _lite0_layer_shapes(f"{name}.", "_project_conv", "_bn2", (channels_out, inner, 1, 1))
    return shapes | _lite0_layer_shapes("", "_conv_head", "_bn1", (1280, 320, 1, 1))


def _lite0_layer_shapes(prefix: str, conv: str, norm: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{prefix}{conv}.weight": shape,
        **{f"{prefix}{norm}.{name}": shape[:1] for name in statistics},
    }


def draw_random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Draw untrained weights as He et al. 2015 (https://arxiv.org/abs/1502.01852) do; a seed always gives the same."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            std = (2.0 / (shape[0] * shape[2] * shape[3])) ** 0.5
            weights[name] = torch.empty(shape).normal_(0.0, std, generator=generator)
        else:
            weights[name] = torch.full(shape, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
    return weights
