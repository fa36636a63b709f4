"""What the encoders of images say of weights, and the check that weights pass before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vicinal.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ALTERNATIVE_HINT", "SUFFIXES", "require_finite"]

ALTERNATIVE_HINT = "`type: efficientnet_lite0` needs no download"
SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
"""The suffixes of files with a state dict."""


def require_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        PluginError: one is.
    """
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise PluginError(f"{what}: {name} contains NaN or infinity", hint="download or save the file again")
