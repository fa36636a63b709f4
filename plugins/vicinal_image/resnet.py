"""torchvision's ResNets without their last layer: the classic of image search (512 or 2048 dimensions, L2).

Weights are torchvision's own, by the names of its enum; a file with a state dict; or random ones, for tests. Networks
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
from vicinal.toolkit.hf_hub import hash_file
from vicinal.toolkit.vectors import l2_normalize
from vicinal_image import checkpoints
from vicinal_image.architectures import RESNETS, ResNetConfig
from vicinal_image.base import ImageEncoder
from vicinal_image.preprocess import Preprocessing

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.inference import NetworkFactory

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
        """Whether vectors are scaled to length 1."""

        @field_validator("weights")
        @classmethod
        def _check_weights(cls, weights: str, info: ValidationInfo) -> str:
            pretrained = RESNETS[cls.name].weights
            if weights == "DEFAULT":
                return list(pretrained)[-1]
            if weights in pretrained or weights == _RANDOM:
                return weights
            if not weights.endswith(_SUFFIXES):
                known = ", ".join([*pretrained, _RANDOM])
                raise ValueError(f"write one of {known}, or the path of a file ({', '.join(_SUFFIXES)})")
            path: Path = _PATH.validate_python(weights, context=info.context)
            return str(path)

    params: Params

    @property
    def architecture(self) -> ResNetConfig:
        """The network's layers and its pretrained weights."""
        return RESNETS[self.params.name]

    @property
    def space(self) -> Space:
        return Space(self.architecture.dimension, "float", "L2")

    @property
    def signature(self) -> str:
        """The network, the start of its weights' SHA-256, preprocessing and precision.

        Raises:
            DependencyError: the weights are not on this machine and cannot be downloaded.
        """
        normalize = "/l2" if self.params.normalize else ""
        return f"{self.params.name}/{self._weights_tag}/{self._preprocessing_tag}{normalize}"

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """torchvision's for these weights; for weights that it does not publish, that of IMAGENET1K_V1."""
        pretrained = self.architecture.weights
        resize_by_hash = {weights.sha256_prefix: weights.resize for weights in pretrained.values()}
        named = pretrained.get(self.params.weights)
        resize = named.resize if named else resize_by_hash.get(self._weights_tag, 256)
        return Preprocessing(resize, 224, _MEAN, _STD)

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        vectors = super().encode(samples)
        return l2_normalize(vectors) if self.params.normalize else vectors

    @property
    def _weights_tag(self) -> str:
        """The start of the weights' SHA-256; for random ones, their seed."""
        weights: str = self.params.weights
        if weights == _RANDOM:
            return f"random-{self.params.seed}"
        if pretrained := self.architecture.weights.get(weights):
            checkpoints.expected_path(pretrained.file)
            return pretrained.sha256_prefix
        return hash_file(_require_weights(Path(weights)))[:8]

    def _network_factory(self) -> NetworkFactory:
        from vicinal_image.networks import ResNet as Network
        from vicinal_image.networks import draw_random_weights

        config, name = self.architecture, self.params.weights
        shapes = config.tensor_shapes()
        if name == _RANDOM:
            return partial(Network, config, draw_random_weights(shapes, self.params.seed))
        pretrained = config.weights.get(name)
        path = checkpoints.download(pretrained) if pretrained else _require_weights(Path(name))
        what = f"{self.params.name}: the weights in {path}"
        weights = checkpoints.validate_state_dict(checkpoints.load_state_dict(path), shapes, what)
        return partial(Network, config, weights)


def _require_weights(path: Path) -> Path:
    if not path.is_file():
        alternative = checkpoints.ALTERNATIVE_HINT
        raise DependencyError(
            f"there are no weights at {path}", hint=f"set `weights:` to the path of a state dict; {alternative}"
        )
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
