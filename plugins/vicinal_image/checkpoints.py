"""Weights as files: where they lie, how torchvision's are fetched, and what is checked before they are used."""

from __future__ import annotations

import functools
import hashlib
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
from vicinal.toolkit import hf_hub as hub
from vicinal_image.architectures import Published

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ANOTHER", "checked", "fetch", "find", "load", "sha256"]

SITE = "https://download.pytorch.org/models/"
ANOTHER = "`type: efficientnet_lite0` needs no download"

_ANSWERS_IN = 3.0
_STALLS_AFTER = 20.0


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; read once in a process as long as its size and time stay the same."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- torchvision's files


def find(name: str) -> Path:
    """Where torchvision's cache has a file, or will have it once it is fetched.

    Raises:
        DependencyError: it is not there, and it cannot be fetched either: the network is forbidden or out of reach.
    """
    path = _cache() / name
    if path.is_file():
        return path
    if variable := hub.offline_variable():
        raise _missing(path, f"{variable} forbids downloads")
    if not _answers(SITE):
        raise _missing(path, f"{SITE} does not answer")
    return path


def fetch(published: Published) -> Path:
    """One of torchvision's files in its cache, fetched unless it is there.

    Raises:
        DependencyError: it cannot be had.
    """
    path = find(published.file)
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".vicinal-") as folder:
            part = Path(folder) / path.name
            with urlopen(SITE + path.name, timeout=_STALLS_AFTER) as answer, part.open("wb") as file:
                while block := answer.read(1 << 20):
                    file.write(block)
            if not sha256(part).startswith(published.digest):
                raise OSError("what came is not the published file: its SHA-256 differs")
            part.replace(path)
    except OSError as error:  # of urllib, of the connection, of the disk
        raise _missing(path, f"it cannot be fetched: {error}") from error
    return path


def _cache() -> Path:
    """Where torchvision keeps weights: https://docs.pytorch.org/docs/stable/hub.html."""
    env = os.environ
    home = env.get("TORCH_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


@functools.cache
def _answers(site: str) -> bool:
    """Whether a site answers soon, asked once in a process and on a thread, since looking up a name may take long."""
    found = []

    def ask() -> None:
        try:
            urlopen(Request(site, method="HEAD"), timeout=_ANSWERS_IN).close()
            found.append(True)
        except HTTPError as error:  # an answer all the same
            error.close()
            found.append(True)
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=ask, name="vicinal-image-ask", daemon=True)
    thread.start()
    thread.join(_ANSWERS_IN)
    return bool(found)


def _missing(path: Path, why: str) -> DependencyError:
    return DependencyError(
        f"the weights {path.name} are not on this machine, and {why}",
        hint=f"put the file in {path.parent} (or set TORCH_HOME), or say `weights: PATH-OF-THE-FILE`; {ANOTHER}",
    )


# --- what is in a file


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, from safetensors or from a pickle that may hold nothing but tensors.

    Raises:
        PluginError: the file holds anything else.
    """
    import torch

    _check_name(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors: dict[str, Tensor] = load_file(path)
            return tensors
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle, zip or header each has errors of its own
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise PluginError(
            f"{path} cannot be read as weights: {first}", hint="save it with torch.save(model.state_dict(), …)"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise PluginError(f"{path} holds no state dict", hint="save it with torch.save(model.state_dict(), …)")
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def checked(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], what: str) -> dict[str, Tensor]:
    """The tensors that a network needs, in float32; the last layer's and the counters of batches are left out.

    Raises:
        PluginError: one is missing, of another shape, not finite, or there is one that the network does not have.
    """
    import torch

    lacking = [name for name in shapes if name not in weights]
    unknown = [name for name in weights if name not in shapes and not re.match(r"fc\.|.*num_batches_tracked$", name)]
    for names, verb in ((lacking, "lack"), (unknown, "have an unknown")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise PluginError(f"{what} {verb} {names[0]}{more}", hint="are they of another network?")
    for name, shape in shapes.items():
        if tuple(weights[name].shape) != shape:
            raise PluginError(
                f"{what}: {name} has the shape {tuple(weights[name].shape)}, not {shape}",
                hint="are they of another network?",
            )
        if not bool(torch.isfinite(weights[name]).all()):
            raise PluginError(f"{what}: {name} holds values that are not finite", hint="fetch or save the file again")
    return {name: weights[name].float() for name in shapes}


def _check_name(path: Path) -> None:
    """A name as torch.hub writes it, ``resnet18-f37072fd.pth``, promises the start of the file's SHA-256."""
    promised = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", path.name)
    if promised and not (found := sha256(path)).startswith(promised[1]):
        raise PluginError(
            f"{path} is not the file that its name promises: its SHA-256 begins with {found[:8]}, not {promised[1]}",
            hint="delete it and fetch it again",
        )
