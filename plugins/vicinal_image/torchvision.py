"""The classification networks of torchvision without their last layer, by the names of ``torchvision.models``.

ResNets are the classic of image search (512 or 2048 dimensions, L2), and are encoders with names of their own. Weights
are torchvision's own, by the names of its enum, with its own preprocessing and in its own cache; a file with a state
dict; or random ones, for tests.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vicinal import Space
from vicinal.errors import PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.models import WeightsUrl
from vicinal.toolkit.torch_hub import find_stated_sha256, load_state_dict, use_checkpoint
from vicinal_image.checkpoints import ALTERNATIVE_HINT, SUFFIXES
from vicinal_image.preprocess import Preprocessing
from vicinal_image.pretrained import PretrainedEncoder, mismatch_error, require_known

if TYPE_CHECKING:
    from torch import nn


class TorchvisionEncoder(PretrainedEncoder):
    """A network of torchvision; its vectors are what its last layer would take."""

    class Params(PretrainedEncoder.Params):
        weight_names: ClassVar[str] = "[A-Z][A-Z0-9_]*"

    @property
    def space(self) -> Space:
        head = self._skeleton.get_submodule(_find_head(self._skeleton))
        return Space(getattr(head, "in_features", None) or head.in_channels, "float", "L2")

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """torchvision's for these weights; for weights that it does not publish, that of its first ones."""
        given: Any = (self._published_weights or next(iter(self._known_weights))).transforms()
        resize, crop = given.resize_size[0], given.crop_size[0]
        return Preprocessing(resize, crop, tuple(given.mean), tuple(given.std), given.interpolation.value)

    @cached_property
    def _known_weights(self) -> Any:
        """The library's enum of the network's weights."""
        from torchvision import models

        require_known(self.params.model, models.list_models(module=models), "model: torchvision's network")
        return models.get_model_weights(self.params.model)

    @cached_property
    def _published_weights(self) -> Any:
        """The weights by that enum, given by their name or as a file with their SHA-256; None for others."""
        name, known = self.params.weights, self._known_weights
        if name == "random":
            return None
        if name.endswith(SUFFIXES):
            sha256 = hash_file(self._weights_path)
            return next((each for each in known if sha256.startswith(find_stated_sha256(each.url))), None)
        require_known(name, list(known.__members__), f"weights: {self.params.model} with")
        return known[name]

    def _build_network(self, *, as_skeleton: bool = False) -> nn.Module:
        return self._get_model() if as_skeleton else _remove_head(self._get_model(**self._options))

    def _get_model(self, **options: Any) -> nn.Module:
        from torchvision.models import get_model

        _ = self._known_weights  # which checks the name
        model: nn.Module = get_model(self.params.model, progress=False, **options)
        return model

    @property
    def _options(self) -> dict[str, int]:
        """A vision transformer takes images of one size, which is set when it is built."""
        return {"image_size": self.preprocessing.crop} if hasattr(self._skeleton, "image_size") else {}

    @property
    def _published_model(self) -> WeightsUrl:
        return WeightsUrl(self._published_weights.url, ALTERNATIVE_HINT)

    def _load_network(self, path: Path) -> nn.Module:
        if self.params.weights.endswith(SUFFIXES):
            return self._load_file(path)
        try:
            with use_checkpoint(path):
                return _remove_head(self._get_model(weights=self._published_weights))
        except Exception as error:  # a damaged pickle or zip has errors of its own
            raise PluginError(f"{path} cannot be read as weights: {error}", hint="delete it") from error

    def _load_file(self, path: Path) -> nn.Module:
        """Load a file without the weights of its head, which may be one for other classes."""
        model, tensors = self._get_model(**self._options), load_state_dict(path)
        unused = [_find_head(model)]
        for name, child in _remove_head(model).named_children():
            if type(child).__name__ == "InceptionAux":  # a head beside the last one, for training alone
                setattr(model, name, None)
                unused.append(name)
        for name in [name for name in tensors if name.startswith(tuple(f"{part}." for part in unused))]:
            del tensors[name]
        if self._published_weights and hasattr(model, "transform_input"):
            model.transform_input = True
        try:
            model.load_state_dict(tensors)
        except (RuntimeError, ValueError) as error:
            raise mismatch_error(self.params.model, path, error) from error
        return model


def _find_head(model: nn.Module) -> str:
    """Return the name of the last layer with weights, which all networks of torchvision build last."""
    from torch import nn

    return str([name for name, child in model.named_modules() if isinstance(child, nn.Linear | nn.Conv2d)][-1])


def _remove_head(model: nn.Module) -> nn.Module:
    from torch import nn

    model.set_submodule(_find_head(model), nn.Identity())
    return model


class Torchvision(TorchvisionEncoder):
    """Any classification network of torchvision."""

    class Params(TorchvisionEncoder.Params):
        model: str  # type: ignore[misc]
        """A classification network of ``torchvision.models``: convnext_tiny, vit_b_16, swin_t, efficientnet_v2_s, …"""


def _make_resnet(name: str, network: str) -> type[TorchvisionEncoder]:
    """Make the class of a network that is an encoder with a name of its own."""

    class Params(TorchvisionEncoder.Params):
        model = network
        weights: str = "IMAGENET1K_V1"
        """A name of torchvision's (IMAGENET1K_V1, IMAGENET1K_V2, or ``DEFAULT`` for the best), the path of a state dict
        (.pth, .safetensors), or ``random``."""

    Params.__qualname__ = f"{name}.Params"
    return type(name, (TorchvisionEncoder,), {"Params": Params, "__module__": __name__})


ResNet18 = _make_resnet("ResNet18", "resnet18")
ResNet34 = _make_resnet("ResNet34", "resnet34")
ResNet50 = _make_resnet("ResNet50", "resnet50")
ResNet101 = _make_resnet("ResNet101", "resnet101")
ResNet152 = _make_resnet("ResNet152", "resnet152")
ResNeXt50 = _make_resnet("ResNeXt50", "resnext50_32x4d")
ResNeXt101 = _make_resnet("ResNeXt101", "resnext101_32x8d")
ResNeXt101Wide = _make_resnet("ResNeXt101Wide", "resnext101_64x4d")
WideResNet50 = _make_resnet("WideResNet50", "wide_resnet50_2")
WideResNet101 = _make_resnet("WideResNet101", "wide_resnet101_2")
