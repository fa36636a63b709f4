"""Files of weights: what is in them, and the checks that they pass before they are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import PluginError
from vicinal.toolkit.hf_hub import hash_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ALTERNATIVE_HINT", "SUFFIXES", "load_state_dict", "promised_sha256", "require_finite", "require_sha256"]

ALTERNATIVE_HINT = "`type: efficientnet_lite0` needs no download"
SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
"""The suffixes of files with a state dict."""


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a state dict, from safetensors or from a pickle that may hold nothing but tensors.

    Raises:
        PluginError: the file holds anything else, or its name promises another SHA-256.
    """
    import torch

    require_sha256(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle, zip or header each has errors of its own
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise PluginError(
            f"{path} cannot be read as weights: {first_line}", hint="save it with torch.save(model.state_dict(), …)"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise PluginError(f"{path} holds no state dict", hint="save it with torch.save(model.state_dict(), …)")
    state_dict: Any = content  # as it is: some networks look at the version that torch keeps beside the tensors
    for name in [name for name in state_dict if name.startswith("module.")]:
        state_dict[name.removeprefix("module.")] = state_dict.pop(name)
    return state_dict  # type: ignore[no-any-return]


def require_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        PluginError: one is.
    """
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise PluginError(f"{what}: {name} contains NaN or infinity", hint="download or save the file again")


def promised_sha256(name: str) -> str:
    """Return the start of a file's SHA-256 where its name states it, as torchvision's ``resnet18-f37072fd.pth``."""
    promised = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", name)
    return promised[1] if promised else ""


def require_sha256(path: Path) -> None:
    """Check the start of a file's SHA-256 where its name states it.

    Raises:
        PluginError: it is another one.
    """
    promised = promised_sha256(path.name)
    if promised and not (actual := hash_file(path)).startswith(promised):
        raise PluginError(
            f"{path} is not the file that its name states: its SHA-256 begins with {actual[:8]}, not {promised}",
            hint="delete it and download it again",
        )
