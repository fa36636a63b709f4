"""torchvision's ResNets: their layers, and the files of their pretrained weights.

He et al. 2015, https://arxiv.org/abs/1512.03385; ResNeXt: Xie et al. 2016, https://arxiv.org/abs/1611.05431; wide
ResNets: Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146. A test compares all of it with torchvision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["RESNETS", "PretrainedWeights", "ResNetConfig"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PretrainedWeights:
    """A weight file that torchvision publishes, and the ``resize`` of its preprocessing."""

    file: str
    resize: int

    @property
    def sha256_prefix(self) -> str:
        """The first eight digits of the file's SHA-256, which torchvision writes into its name."""
        return self.file.rpartition("-")[2].partition(".")[0]


@dataclass(frozen=True, slots=True)
class ResNetConfig:
    """A ResNet: the number of blocks in its four stages, their kind and width, and its pretrained weights by name."""

    layers: tuple[int, int, int, int]
    bottleneck: bool
    weights: dict[str, PretrainedWeights]
    groups: int = 1
    width_per_group: int = 64

    @property
    def dimension(self) -> int:
        """The dimension of its vectors."""
        return 2048 if self.bottleneck else 512

    def iter_blocks(self) -> Iterator[tuple[str, int, int]]:
        """Yield the prefix of each block's tensor names, its stage and its stride."""
        for stage, count in enumerate(self.layers):
            for number in range(count):
                yield f"layer{stage + 1}.{number}", stage, 2 if stage and not number else 1

    def tensor_shapes(self) -> dict[str, Shape]:
        """Return the shapes of all tensors that its vectors depend on, by their names in torchvision's state dict."""
        shapes = _conv_bn_shapes("conv1", "bn1", 64, 3, 7)
        channels = 64
        for name, stage, stride in self.iter_blocks():
            planes = 64 << stage
            channels_out = planes * 4 if self.bottleneck else planes
            if self.bottleneck:
                inner = planes * self.width_per_group // 64 * self.groups
                shapes |= _conv_bn_shapes(f"{name}.conv1", f"{name}.bn1", inner, channels, 1)
                shapes |= _conv_bn_shapes(f"{name}.conv2", f"{name}.bn2", inner, inner // self.groups, 3)
                shapes |= _conv_bn_shapes(f"{name}.conv3", f"{name}.bn3", channels_out, inner, 1)
            else:
                shapes |= _conv_bn_shapes(f"{name}.conv1", f"{name}.bn1", planes, channels, 3)
                shapes |= _conv_bn_shapes(f"{name}.conv2", f"{name}.bn2", planes, planes, 3)
            if stride != 1 or channels != channels_out:
                downsample = f"{name}.downsample"
                shapes |= _conv_bn_shapes(f"{downsample}.0", f"{downsample}.1", channels_out, channels, 1)
            channels = channels_out
        return shapes


def _conv_bn_shapes(conv: str, norm: str, channels_out: int, channels_in: int, kernel: int) -> dict[str, Shape]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{conv}.weight": (channels_out, channels_in, kernel, kernel),
        **{f"{norm}.{name}": (channels_out,) for name in statistics},
    }


def _imagenet_weights(v1: str, v2: str = "", v1_resize: int = 256) -> dict[str, PretrainedWeights]:
    weights = {"IMAGENET1K_V1": PretrainedWeights(v1, v1_resize)}
    return weights | ({"IMAGENET1K_V2": PretrainedWeights(v2, 232)} if v2 else {})


RESNETS = {
    "resnet18": ResNetConfig((2, 2, 2, 2), False, _imagenet_weights("resnet18-f37072fd.pth")),
    "resnet34": ResNetConfig((3, 4, 6, 3), False, _imagenet_weights("resnet34-b627a593.pth")),
    "resnet50": ResNetConfig((3, 4, 6, 3), True, _imagenet_weights("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")),
    "resnet101": ResNetConfig(
        (3, 4, 23, 3), True, _imagenet_weights("resnet101-63fe2227.pth", "resnet101-cd907fc2.pth")
    ),
    "resnet152": ResNetConfig(
        (3, 8, 36, 3), True, _imagenet_weights("resnet152-394f9c45.pth", "resnet152-f82ba261.pth")
    ),
    "resnext50_32x4d": ResNetConfig(
        (3, 4, 6, 3), True, _imagenet_weights("resnext50_32x4d-7cdf4587.pth", "resnext50_32x4d-1a0047aa.pth"), 32, 4
    ),
    "resnext101_32x8d": ResNetConfig(
        (3, 4, 23, 3), True, _imagenet_weights("resnext101_32x8d-8ba56ff5.pth", "resnext101_32x8d-110c445d.pth"), 32, 8
    ),
    "resnext101_64x4d": ResNetConfig(
        (3, 4, 23, 3), True, _imagenet_weights("resnext101_64x4d-173b62eb.pth", v1_resize=232), 64, 4
    ),
    "wide_resnet50_2": ResNetConfig(
        (3, 4, 6, 3),
        True,
        _imagenet_weights("wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"),
        width_per_group=128,
    ),
    "wide_resnet101_2": ResNetConfig(
        (3, 4, 23, 3),
        True,
        _imagenet_weights("wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"),
        width_per_group=128,
    ),
}
"""Each ResNet under torchvision's name for it."""
