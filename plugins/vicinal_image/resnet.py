"""torchvision's ResNets without their last layer: the classic of image search (512 or 2048 dimensions, L2).

Weights are torchvision's own, by the name of its enum; a file with a state dict; or random ones, for tests. Networks
and preprocessing are torchvision's, without importing it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator

from vicinal import LocalPath, Space
from vicinal.errors import DependencyError
from vicinal_image import checkpoints as files
from vicinal_image.architectures import RESNETS, Architecture
from vicinal_image.base import ImageEncoder, unit
from vicinal_image.preprocess import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.inference import Build

__all__ = [
    "ResNeXt50",
    "ResNeXt101",
    "ResNeXt101Wide",
    "ResNet",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "WideResNet50",
    "WideResNet101",
]

_PATH = TypeAdapter(LocalPath)
_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
_RANDOM = "random"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ResNet(ImageEncoder):
    """A ResNet; a subclass names it in its parameters."""

    class Params(ImageEncoder.Params):
        name: ClassVar[str]
        """torchvision's name of the network."""
        weights: str = "IMAGENET1K_V1"
        """A name of torchvision's (IMAGENET1K_V1, IMAGENET1K_V2), the path of a state dict (.pth, .safetensors), or
        ``random``."""
        seed: int = Field(default=0, ge=0)
        """Of ``weights: random``."""
        normalize: bool = False
        """Whether vectors are brought to length 1."""

        @field_validator("weights")
        @classmethod
        def _check_weights(cls, weights: str, info: ValidationInfo) -> str:
            published = RESNETS[cls.name].weights
            if weights == "DEFAULT":
                return list(published)[-1]
            if weights in published or weights == _RANDOM:
                return weights
            if not weights.endswith(_SUFFIXES):
                known = ", ".join([*published, _RANDOM])
                raise ValueError(f"write one of {known}, or the path of a file ({', '.join(_SUFFIXES)})")
            path: Path = _PATH.validate_python(weights, context=info.context)
            return str(path)

    @property
    def architecture(self) -> Architecture:
        """The network's shape and its published weights."""
        return RESNETS[self.params.name]

    @property
    def space(self) -> Space:
        return Space(self.architecture.dimension, "float", "L2")

    @property
    def signature(self) -> str:
        """The network, the start of its weights' SHA-256, and how pictures are prepared.

        Raises:
            DependencyError: the weights are not there and cannot be fetched.
        """
        normalize = "/l2" if self.params.normalize else ""
        return f"{self.params.name}/{self._digest}/{self._manner}{normalize}"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """That of torchvision for these weights; for weights that it does not publish, that of IMAGENET1K_V1."""
        published = self.architecture.weights
        resizes = {weights.digest: weights.resize for weights in published.values()}
        named = published.get(self.params.weights)
        resize = named.resize if named else resizes.get(self._digest, 256)
        return Preprocessing(resize, 224, _MEAN, _STD)

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        vectors = super().encode(samples)
        return unit(vectors) if self.params.normalize else vectors

    @property
    def _digest(self) -> str:
        weights: str = self.params.weights
        if weights == _RANDOM:
            return f"random-{self.params.seed}"
        if published := self.architecture.weights.get(weights):
            files.find(published.file)
            return published.digest
        return files.sha256(_existing(Path(weights)))[:8]

    def _build(self) -> Build:
        from vicinal_image.networks import ResNet as Network
        from vicinal_image.networks import random_weights

        architecture, name = self.architecture, self.params.weights
        shapes = architecture.shapes()
        if name == _RANDOM:
            weights = random_weights(shapes, self.params.seed)
        else:
            published = architecture.weights.get(name)
            path = files.fetch(published) if published else _existing(Path(name))
            weights = files.checked(files.load(path), shapes, f"{self.params.name}: the weights in {path}")
        return partial(Network, architecture, weights)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DependencyError(f"there are no weights at {path}", hint=f"`weights:` names a file; {files.ANOTHER}")
    return path


class ResNet18(ResNet):
    """torchvision's ``resnet18``."""

    class Params(ResNet.Params):
        name = "resnet18"


class ResNet34(ResNet):
    """torchvision's ``resnet34``."""

    class Params(ResNet.Params):
        name = "resnet34"


class ResNet50(ResNet):
    """torchvision's ``resnet50``."""

    class Params(ResNet.Params):
        name = "resnet50"


class ResNet101(ResNet):
    """torchvision's ``resnet101``."""

    class Params(ResNet.Params):
        name = "resnet101"


class ResNet152(ResNet):
    """torchvision's ``resnet152``."""

    class Params(ResNet.Params):
        name = "resnet152"


class ResNeXt50(ResNet):
    """torchvision's ``resnext50_32x4d``."""

    class Params(ResNet.Params):
        name = "resnext50_32x4d"


class ResNeXt101(ResNet):
    """torchvision's ``resnext101_32x8d``."""

    class Params(ResNet.Params):
        name = "resnext101_32x8d"


class ResNeXt101Wide(ResNet):
    """torchvision's ``resnext101_64x4d``."""

    class Params(ResNet.Params):
        name = "resnext101_64x4d"


class WideResNet50(ResNet):
    """torchvision's ``wide_resnet50_2``."""

    class Params(ResNet.Params):
        name = "wide_resnet50_2"


class WideResNet101(ResNet):
    """torchvision's ``wide_resnet101_2``."""

    class Params(ResNet.Params):
        name = "wide_resnet101_2"
