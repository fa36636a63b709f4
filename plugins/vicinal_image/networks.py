"""EfficientNet-Lite0 in plain torch, for inference alone: each batch norm is folded into the convolution before it.

It takes the published weights under their own names. timm, which defines the same network, takes seconds to import; a
test compares this with it. Inputs are ``(n, 3, height, width)``, fastest in channels_last; outputs are the means of the
last feature maps, ``(n, 1280)`` float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ["EfficientNetLite0"]

Weights = Mapping[str, Tensor]

_LITE0_STAGES = ((1, 1, 1), (6, 2, 2), (6, 2, 2), (6, 2, 3), (6, 1, 3), (6, 2, 4), (6, 1, 1))
"""Expansion, stride, and number of the blocks of each stage; the other numbers are those of the weights."""


class ConvBnRelu6:
    """A convolution as TensorFlow pads it, with its batch norm folded in, and ReLU6 where ``has_relu``."""

    def __init__(
        self,
        weights: Weights,
        conv: str,
        norm: str,
        dtype: torch.dtype,
        device: torch.device,
        *,
        stride: int = 1,
        groups: int = 1,
        has_relu: bool = True,
    ) -> None:
        mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        weight, bias = fuse_conv_bn_weights(
            weights[f"{conv}.weight"], None, mean, variance, 1e-3, weights[f"{norm}.weight"], weights[f"{norm}.bias"]
        )
        self.padding = weight.shape[-1] // 2
        if stride == 2:
            # TensorFlow's SAME pads one more on the right and below; zeros before the kernel do it without a copy.
            weight = functional.pad(weight, (1, 0, 1, 0))
        self.weight = weight.to(device, dtype).contiguous(memory_format=torch.channels_last)
        self.bias = bias.to(device, dtype)
        self.stride, self.groups, self.has_relu = stride, groups, has_relu

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        x = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        return functional.hardtanh_(x, 0.0, 6.0) if self.has_relu else x


class EfficientNetLite0:
    """EfficientNet-Lite0 without its last layer, as TensorFlow trained it: SAME padding, epsilon 0.001.

    Its first three layers are always in float32: in bfloat16 they alone would cause two thirds of the error.

    Architecture: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
    """

    def __init__(self, weights: Weights, dtype: torch.dtype, device: torch.device) -> None:
        def build(conv: str, norm: str, stride: int = 1, groups: int = 1, *, has_relu: bool = True) -> ConvBnRelu6:
            layer_dtype = torch.float32 if conv.startswith(("_conv_stem", "_blocks.0.")) else dtype
            return ConvBnRelu6(
                weights, conv, norm, layer_dtype, device, stride=stride, groups=groups, has_relu=has_relu
            )

        self.stem, self.head = build("_conv_stem", "_bn0", 2), build("_conv_head", "_bn1")
        self.blocks: list[tuple[list[ConvBnRelu6], bool]] = []
        channels = 32
        for expansion, first_stride, count in _LITE0_STAGES:
            for stride in (first_stride, *[1] * (count - 1)):
                name, inner = f"_blocks.{len(self.blocks)}", channels * expansion
                main_path = [build(f"{name}._expand_conv", f"{name}._bn0")] if inner != channels else []
                main_path.append(build(f"{name}._depthwise_conv", f"{name}._bn1", stride, inner))
                main_path.append(build(f"{name}._project_conv", f"{name}._bn2", has_relu=False))
                channels_out = len(main_path[-1].bias)
                self.blocks.append((main_path, stride == 1 and channels == channels_out))
                channels = channels_out

    def __call__(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for main_path, is_residual in self.blocks:
            residual = x
            for layer in main_path:
                x = layer(x)
            x = x.add_(residual) if is_residual else x
        return self.head(x).mean((2, 3), dtype=torch.float32)
