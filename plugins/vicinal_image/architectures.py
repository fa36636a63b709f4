"""torchvision's ResNets: their shapes, and the files that torchvision keeps their weights in.

He et al. 2015, https://arxiv.org/abs/1512.03385; ResNeXt: Xie et al. 2016, https://arxiv.org/abs/1611.05431; wide
ResNets: Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1605.07146. A test holds it all against torchvision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["RESNETS", "Architecture", "Published"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """Weights as torchvision publishes them: the file's name carries the start of its SHA-256."""

    file: str
    resize: int

    @property
    def digest(self) -> str:
        """The first eight digits of the file's SHA-256."""
        return self.file.rpartition("-")[2].partition(".")[0]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A ResNet: how many blocks its four stages have, of which kind and width, and its published weights by name."""

    layers: tuple[int, int, int, int]
    bottleneck: bool
    weights: dict[str, Published]
    groups: int = 1
    width: int = 64

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return 2048 if self.bottleneck else 512

    def blocks(self) -> Iterator[tuple[str, int, int]]:
        """Each block: the start of its tensors' names, its stage and its stride."""
        for stage, count in enumerate(self.layers):
            for number in range(count):
                yield f"layer{stage + 1}.{number}", stage, 2 if stage and not number else 1

    def shapes(self) -> dict[str, Shape]:
        """The shapes of all tensors that its vectors depend on, by their names in torchvision's state dict."""
        found = _layer("conv1", "bn1", 64, 3, 7)
        before = 64
        for name, stage, stride in self.blocks():
            planes = 64 << stage
            after = planes * 4 if self.bottleneck else planes
            if self.bottleneck:
                inner = planes * self.width // 64 * self.groups
                found |= _layer(f"{name}.conv1", f"{name}.bn1", inner, before, 1)
                found |= _layer(f"{name}.conv2", f"{name}.bn2", inner, inner // self.groups, 3)
                found |= _layer(f"{name}.conv3", f"{name}.bn3", after, inner, 1)
            else:
                found |= _layer(f"{name}.conv1", f"{name}.bn1", planes, before, 3)
                found |= _layer(f"{name}.conv2", f"{name}.bn2", planes, planes, 3)
            if stride != 1 or before != after:
                found |= _layer(f"{name}.downsample.0", f"{name}.downsample.1", after, before, 1)
            before = after
        return found


def _layer(convolution: str, norm: str, after: int, before: int, kernel: int) -> dict[str, Shape]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{convolution}.weight": (after, before, kernel, kernel),
        **{f"{norm}.{name}": (after,) for name in statistics},
    }


def _published(first: str, second: str = "", resize: int = 256) -> dict[str, Published]:
    found = {"IMAGENET1K_V1": Published(first, resize)}
    return found | ({"IMAGENET1K_V2": Published(second, 232)} if second else {})


RESNETS = {
    "resnet18": Architecture((2, 2, 2, 2), False, _published("resnet18-f37072fd.pth")),
    "resnet34": Architecture((3, 4, 6, 3), False, _published("resnet34-b627a593.pth")),
    "resnet50": Architecture((3, 4, 6, 3), True, _published("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")),
    "resnet101": Architecture((3, 4, 23, 3), True, _published("resnet101-63fe2227.pth", "resnet101-cd907fc2.pth")),
    "resnet152": Architecture((3, 8, 36, 3), True, _published("resnet152-394f9c45.pth", "resnet152-f82ba261.pth")),
    "resnext50_32x4d": Architecture(
        (3, 4, 6, 3), True, _published("resnext50_32x4d-7cdf4587.pth", "resnext50_32x4d-1a0047aa.pth"), 32, 4
    ),
    "resnext101_32x8d": Architecture(
        (3, 4, 23, 3), True, _published("resnext101_32x8d-8ba56ff5.pth", "resnext101_32x8d-110c445d.pth"), 32, 8
    ),
    "resnext101_64x4d": Architecture(
        (3, 4, 23, 3), True, _published("resnext101_64x4d-173b62eb.pth", resize=232), 64, 4
    ),
    "wide_resnet50_2": Architecture(
        (3, 4, 6, 3), True, _published("wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"), width=128
    ),
    "wide_resnet101_2": Architecture(
        (3, 4, 23, 3), True, _published("wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"), width=128
    ),
}
"""By torchvision's names."""
