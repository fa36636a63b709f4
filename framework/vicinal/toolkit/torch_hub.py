"""Weights in torch.hub's cache: where a file is, its download, and the state dict in it.

torch.hub's own download has no timeout, so that a connection which stalls would hang for ever. torch is imported when a
state dict is loaded, and not before.
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from vicinal.errors import DependencyError, PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.hf_hub import offline_variable
from vicinal.toolkit.model_bundle import BUNDLE_ADVICE, resolve_bundled

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "checkpoints_dir",
    "download_weights",
    "find_stated_sha256",
    "load_state_dict",
    "require_available",
    "require_sha256",
    "use_checkpoint",
]

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 20.0
_BLOCK_BYTES = 1 << 20
_hub_dir_lock = threading.Lock()


def checkpoints_dir() -> Path:
    """Return the folder in which torch.hub keeps weights: https://docs.pytorch.org/docs/stable/hub.html."""
    env = os.environ
    home = env.get("TORCH_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def require_available(url: str, alternative: str = "") -> Path:
    """Return where torch.hub's cache has the file of a URL, or will have it after ``download_weights``.

    Where ``VICINAL_MODELS`` names a bundle, it is the file in the bundle.

    Args:
        url: of the weights.
        alternative: what to do where they are out of reach; it ends the hint of an error.

    Raises:
        DependencyError: the file is not there, and downloads are forbidden or the site does not respond.
    """
    if (bundled := resolve_bundled(url)) is not None:
        return bundled
    path = checkpoints_dir() / url.rpartition("/")[2]
    if not path.is_file():
        if variable := offline_variable():
            raise _missing_weights_error(url, f"{variable} forbids downloads", alternative)
        site = url.rpartition("/")[0] + "/"
        if not _is_reachable(site):
            raise _missing_weights_error(url, f"{site} does not respond", alternative)
    return path


def download_weights(url: str, alternative: str = "") -> Path:
    """Return the file of a URL in torch.hub's cache, downloaded if it is not there; see ``require_available``.

    Raises:
        DependencyError: the file is not there and cannot be downloaded, or is not the one that its name states.
    """
    path = require_available(url, alternative)
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".vicinal-") as folder:
            part = Path(folder) / path.name
            with urlopen(url, timeout=_READ_SECONDS) as response, part.open("wb") as file:
                while block := response.read(_BLOCK_BYTES):
                    file.write(block)
                if response.length:  # what it promised and did not send
                    raise OSError("the download ended early")
            if _find_wrong_sha256(part):
                raise OSError("the downloaded file is not the published one: its SHA-256 differs")
            part.replace(path)
    except OSError as error:  # of urllib, of the connection, of the disk
        raise _missing_weights_error(url, str(error), alternative) from error
    return path


@contextmanager
def use_checkpoint(path: Path) -> Iterator[None]:
    """Have torch.hub take a file from the folder ``checkpoints`` it is in, where that is not its cache's.

    torch.hub has one folder for the whole process, so that one thread at a time uses another.
    """
    import torch

    if path.parent == checkpoints_dir():
        yield
        return
    with _hub_dir_lock:
        before = torch.hub.get_dir()
        torch.hub.set_dir(str(path.parent.parent))
        try:
            yield
        finally:
            torch.hub.set_dir(before)


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a state dict, from safetensors or from a pickle that may hold nothing but tensors.

    Raises:
        PluginError: the file holds anything else, or its name states another SHA-256 (``resnet18-f37072fd.pth``).
    """
    require_sha256(path)
    try:
        content: Any = _read_tensors(path)
    except Exception as error:  # a damaged pickle, zip or header each has errors of its own
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise PluginError(
            f"{path} cannot be read as weights: {first_line}", hint="save it with torch.save(model.state_dict(), …)"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(hasattr(value, "dtype") for value in content.values()):
        raise PluginError(f"{path} holds no state dict", hint="save it with torch.save(model.state_dict(), …)")
    state_dict: Any = content  # as it is: some networks look at the version that torch keeps beside the tensors
    for name in [name for name in state_dict if name.startswith("module.")]:
        state_dict[name.removeprefix("module.")] = state_dict.pop(name)
    return state_dict  # type: ignore[no-any-return]


def require_sha256(path: Path) -> None:
    """Check the start of a file's SHA-256 where its name states it.

    Raises:
        PluginError: it is another one.
    """
    if found := _find_wrong_sha256(path):
        raise PluginError(
            f"{path} is not the file that its name states: its SHA-256 begins with {found},"
            f" not {find_stated_sha256(path.name)}",
            hint="delete it and download it again",
        )


def find_stated_sha256(name: str) -> str:
    """Return the start of a file's SHA-256 where its name states it (``resnet18-f37072fd.pth``); else an empty text."""
    stated = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", name)
    return stated[1] if stated else ""


def _read_tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _find_wrong_sha256(path: Path) -> str:
    """Return the start of a file's SHA-256 where its name states another one, else an empty text."""
    stated = find_stated_sha256(path.name)
    if not stated or (found := hash_file(path)).startswith(stated):
        return ""
    return found[:8]


@functools.cache
def _is_reachable(site: str) -> bool:
    """Whether a site responds within 3 s; probed once in a process, on a thread since resolving a name may hang."""
    responses = []

    def probe() -> None:
        try:
            urlopen(Request(site, method="HEAD"), timeout=_CONNECT_SECONDS).close()
            responses.append(True)
        except HTTPError as error:  # a response all the same
            error.close()
            responses.append(True)
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=probe, name="vicinal-torch-hub-probe", daemon=True)
    thread.start()
    thread.join(_CONNECT_SECONDS)
    return bool(responses)


def _missing_weights_error(url: str, reason: str, alternative: str) -> DependencyError:
    site, _, name = url.rpartition("/")
    hint = (
        f"download it from {site}/ to {checkpoints_dir()} (or set TORCH_HOME), or set `weights:` to the path of a file;"
        f" {BUNDLE_ADVICE}"
    )
    return DependencyError(
        f"the weights {name} were not found locally and could not be downloaded ({reason})",
        hint="; ".join(filter(None, (hint, alternative))),
    )
