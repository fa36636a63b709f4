"""Weight files: torchvision's cache and downloads, and the checks that a state dict passes before it is used."""

from __future__ import annotations

import functools
import os
import re
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from vicinal.errors import DependencyError, PluginError
from vicinal.toolkit.hf_hub import hash_file, offline_variable
from vicinal_image.architectures import PretrainedWeights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ALTERNATIVE_HINT", "download", "expected_path", "load_state_dict", "validate_state_dict"]

BASE_URL = "https://download.pytorch.org/models/"
ALTERNATIVE_HINT = "`type: efficientnet_lite0` needs no download"

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 20.0


# --- torchvision's files


def expected_path(name: str) -> Path:
    """Return where torchvision's cache has a file, or will have it after ``download``.

    Raises:
        DependencyError: the file is not there, and downloads are forbidden or the site is unreachable.
    """
    path = _cache_dir() / name
    if path.is_file():
        return path
    if variable := offline_variable():
        raise _missing_weights_error(path, f"{variable} forbids downloads")
    if not _is_reachable(BASE_URL):
        raise _missing_weights_error(path, f"{BASE_URL} does not respond")
    return path


def download(weights: PretrainedWeights) -> Path:
    """Return one of torchvision's files in its cache, and download it if it is not there.

    Raises:
        DependencyError: the file cannot be downloaded.
    """
    path = expected_path(weights.file)
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".vicinal-") as folder:
            part = Path(folder) / path.name
            # torch.hub's own download has no timeout: a connection that stalls would hang for ever.
            with urlopen(BASE_URL + path.name, timeout=_READ_SECONDS) as response, part.open("wb") as file:
                while block := response.read(1 << 20):
                    file.write(block)
            if not hash_file(part).startswith(weights.sha256_prefix):
                raise OSError("the downloaded file is not the published one: its SHA-256 differs")
            part.replace(path)
    except OSError as error:  # of urllib, of the connection, of the disk
        raise _missing_weights_error(path, str(error)) from error
    return path


def _cache_dir() -> Path:
    """Return torchvision's cache of weights: https://docs.pytorch.org/docs/stable/hub.html."""
    env = os.environ
    home = env.get("TORCH_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


@functools.cache
def _is_reachable(url: str) -> bool:
    """Whether a site responds within 3 s; probed once in a process, on a thread since resolving a name may hang."""
    responses = []

    def probe() -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=_CONNECT_SECONDS).close()
            responses.append(True)
        except HTTPError as error:  # a response all the same
            error.close()
            responses.append(True)
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=probe, name="vicinal-image-probe", daemon=True)
    thread.start()
    thread.join(_CONNECT_SECONDS)
    return bool(responses)


def _missing_weights_error(path: Path, reason: str) -> DependencyError:
    return DependencyError(
        f"the weights {path.name} were not found locally and could not be downloaded ({reason})",
        hint=f"download it from {BASE_URL} to {path.parent} (or set TORCH_HOME), or set `weights:` to the path of a"
        f" file; {ALTERNATIVE_HINT}",
    )


# --- what is in a file


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a state dict, from safetensors or from a pickle that may hold nothing but tensors.

    Raises:
        PluginError: the file holds anything else, or its name promises another SHA-256.
    """
    import torch

    _require_promised_sha256(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors: dict[str, Tensor] = load_file(path)
            return tensors
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
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
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def validate_state_dict(
    state_dict: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str
) -> dict[str, Tensor]:
    """Return the tensors that a network needs, in float32, without the last layer and the batch counters.

    Raises:
        PluginError: a tensor is missing, of another shape or not finite, or the network does not have it.
    """
    import torch

    lacking = [name for name in shapes if name not in state_dict]
    unknown = [name for name in state_dict if name not in shapes and not re.match(r"fc\.|.*num_batches_tracked$", name)]
    for names, verb in ((lacking, "lack"), (unknown, "have an unknown")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise PluginError(f"{what} {verb} {names[0]}{more}", hint="are they of another network?")
    for name, shape in shapes.items():
        if tuple(state_dict[name].shape) != shape:
            raise PluginError(
                f"{what}: {name} has the shape {tuple(state_dict[name].shape)}, not {shape}",
                hint="are they of another network?",
            )
        if not bool(torch.isfinite(state_dict[name]).all()):
            raise PluginError(f"{what}: {name} contains NaN or infinity", hint="download or save the file again")
    return {name: state_dict[name].float() for name in shapes}


def _require_promised_sha256(path: Path) -> None:
    """Check the start of a file's SHA-256 where its name states it, as torch.hub's ``resnet18-f37072fd.pth`` does."""
    promised = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", path.name)
    if promised and not (actual := hash_file(path)).startswith(promised[1]):
        raise PluginError(
            f"{path} is not the file that its name states: its SHA-256 begins with {actual[:8]}, not {promised[1]}",
            hint="delete it and download it again",
        )
