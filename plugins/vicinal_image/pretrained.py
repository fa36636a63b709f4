"""What the encoders by networks of a library share: torchvision's and timm's.

The library builds the network, says how its images are prepared, and knows its weights; all of that is asked for when
it is needed, since both libraries take seconds to import.
"""

from __future__ import annotations

import re
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator

from vicinal import LocalPath
from vicinal.errors import ConfigError, PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.models import LocalModel, Model
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal.toolkit.vectors import l2_normalize
from vicinal_image.base import ImageEncoder
from vicinal_image.checkpoints import ALTERNATIVE_HINT, SUFFIXES, require_finite

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from vicinal_image.inference import NetworkFactory

__all__ = ["PretrainedEncoder", "mismatch_error", "require_known"]

_PATH = TypeAdapter(LocalPath)


class PretrainedEncoder(ImageEncoder):
    """A network without its head; a subclass is for a library."""

    class Params(ImageEncoder.Params):
        model: ClassVar[str]
        """The library's name of the network; a parameter, or that of a class for one network."""
        weights: str = "DEFAULT"
        """``DEFAULT``, another name that the library has for weights (torchvision's IMAGENET1K_V2, say), the path of a
        state dict (.pth, .safetensors), or ``random``."""
        seed: int = Field(default=0, ge=0)
        """Of ``weights: random``."""
        normalize: bool = False
        """Whether vectors are scaled to length 1."""

        weight_names: ClassVar[str] = "DEFAULT"
        """A pattern of the names that the library may have for weights."""

        @field_validator("weights")
        @classmethod
        def _check_weights(cls, weights: str, info: ValidationInfo) -> str:
            if weights.endswith(SUFFIXES):
                return str(_PATH.validate_python(weights, context=info.context))
            if not re.fullmatch(f"{cls.weight_names}|random", weights):
                suffixes = ", ".join(SUFFIXES)
                raise ValueError(f"write DEFAULT or another name of the library's, random, or a path ({suffixes})")
            return weights

    params: Params

    @abstractmethod
    def _build_network(self, *, as_skeleton: bool = False) -> nn.Module:
        """Build the network with random weights, without its head; as a skeleton it is only looked at."""

    @property
    @abstractmethod
    def _published_model(self) -> Model:
        """What the library publishes as the named weights."""

    def _find_weights_file(self, path: Path) -> Path:
        """Return the file with the weights, which is the model itself or in its folder."""
        return path

    @abstractmethod
    def _load_network(self, path: Path) -> nn.Module:
        """Build the network with the weights of a file, without its head."""

    @property
    def signature(self) -> str:
        """The network, the start of its weights' SHA-256, preprocessing and precision.

        Raises:
            DependencyError: the weights are not on this machine and cannot be downloaded.
        """
        tag = f"seed-{self.params.seed}" if self.params.weights == "random" else hash_file(self._weights_path)[:8]
        return f"{self.params.model}/{tag}/{self._preprocessing_tag}{'/l2' if self.params.normalize else ''}"

    @property
    def quality_note(self) -> str:
        if self.params.weights != "random":
            return ""
        return "the weights are random: the network has learnt nothing; write `weights: DEFAULT`"

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        vectors = super().encode(samples)
        return l2_normalize(vectors) if self.params.normalize else vectors

    def list_models(self) -> list[Model]:
        return [] if self.params.weights == "random" else [self._model]

    @property
    def _model(self) -> Model:
        """What has the weights."""
        if not self.params.weights.endswith(SUFFIXES):
            return self._published_model
        return LocalModel(Path(self.params.weights), ALTERNATIVE_HINT)

    @property
    def _weights_path(self) -> Path:
        return self._find_weights_file(self._model.resolve())

    @locked_cached_property
    def _skeleton(self) -> Any:
        """The network, mostly without memory for its weights: it tells what it takes and what it gives."""
        import torch

        with warnings.catch_warnings(action="ignore"):
            try:
                with torch.device("meta"):
                    return self._build_network(as_skeleton=True)
            except NotImplementedError:  # torchvision's RegNets compute with tensors while they are built
                return self._build_network(as_skeleton=True)

    def _network_factory(self) -> NetworkFactory:
        import torch

        from vicinal_image.network import make_network_factory

        input_size = self.preprocessing.input_size
        with warnings.catch_warnings(action="ignore"), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.params.seed)
            if self.params.weights == "random":
                return make_network_factory(self._build_network(), input_size)
            network = self._load_network(path := self._weights_path)
        require_finite(network.state_dict(), f"{self.params.model}: the weights in {path}")
        return make_network_factory(network, input_size)


def require_known(name: str, names: Sequence[str], what: str) -> None:
    """Check a name that a library may have.

    Raises:
        ConfigError: it does not have it.
    """
    if name not in names:
        near = get_close_matches(name, names, cutoff=0.5) or sorted(names)[:3]
        raise ConfigError(f"{what} {name!r} is unknown", hint=f"did you mean {' or '.join(near)}?")


def mismatch_error(model: str, path: Path, error: Exception) -> PluginError:
    """An error that says how the weights in a file differ from those of a network, from torch's or timm's own."""
    reason = (str(error).splitlines() or [type(error).__name__])[:2][-1].strip()  # torch's first line is a title
    return PluginError(
        f"{model}: the weights in {path} do not fit: {reason[:200]}", hint="are they of another network?"
    )
