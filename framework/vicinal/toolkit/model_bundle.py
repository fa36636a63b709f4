"""A bundle: a folder with the models that encoders load on a machine without a network, locked by hash.

``manifest.json`` lists its files with sizes and SHA-256. Where ``VICINAL_MODELS`` names the folder, models are loaded
from it and from nowhere else: no package, no cache, no folder that a YAML names, no network. Each file is compared with
the manifest before it is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vicinal.errors import DependencyError
from vicinal.toolkit.hashing import hash_file

__all__ = [
    "BUNDLE_ADVICE",
    "MANIFEST",
    "MODELS_DIR",
    "VARIABLE",
    "BundledFile",
    "BundledModel",
    "BundledSolution",
    "Manifest",
    "ModelBundle",
    "open_bundle",
    "resolve_bundled",
]

MANIFEST = "manifest.json"
MODELS_DIR = "models"
VARIABLE = "VICINAL_MODELS"
"""The environment variable that names the folder of a bundle."""
BUNDLE_ADVICE = f"or `vicinal bundle FILE --out DIR` there, and {VARIABLE}=DIR here"
"""How to get a model to a machine without a network; it ends the hint of an error."""
_BUNDLE_HINT = f"where there is a network: `vicinal bundle FILE --out DIR`; then set {VARIABLE} to that folder"


def _require_inside(path: str) -> str:
    """Refuse a path that leads out of the bundle."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise ValueError("the path leads out of the bundle")
    return path


_Path = Annotated[str, AfterValidator(_require_inside)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class BundledFile(_Entry):
    """A file of a bundle."""

    path: _Path
    """Relative to the bundle, with slashes."""
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class BundledModel(_Entry):
    """A model of a bundle: a file, or a folder."""

    name: str
    """What an encoder asks for: a name on the hub, a URL, ``package:path``, or the name of a local file or folder."""
    path: _Path
    is_local: bool = False
    """Whether the YAML names a file or folder, which is then found by the last part of its path."""
    used_by: tuple[str, ...] = ()
    """The solutions that need it, each with the part that loads it: ``qa: encoder sentence``."""


class BundledSolution(_Entry):
    """A YAML file of a bundle."""

    name: str
    path: _Path
    models: tuple[str, ...] = ()
    """The names of the models that it needs."""


class Manifest(_Entry):
    """What ``manifest.json`` holds."""

    format: Literal[1] = 1
    vicinal: str = ""
    """The version that wrote it."""
    python: str = ""
    platform: str = ""
    solutions: tuple[BundledSolution, ...] = ()
    models: tuple[BundledModel, ...] = ()
    files: tuple[BundledFile, ...] = ()
    """All files of the bundle but the manifest itself."""


@dataclass(frozen=True)
class ModelBundle:
    """A bundle that lies in ``folder``."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: str | Path) -> ModelBundle:
        """Read a bundle's manifest.

        Raises:
            DependencyError: the folder is no bundle.
        """
        path = Path(folder).expanduser().absolute()
        try:
            return cls(path, Manifest.model_validate_json((path / MANIFEST).read_bytes()))
        except OSError as error:
            reason = f"cannot read {MANIFEST}: {error.strerror}"
        except ValidationError as error:
            problem = error.errors()[0]
            reason = f"{MANIFEST}: {'.'.join(map(str, problem['loc'])) or 'it'}: {problem['msg']}"
        raise DependencyError(f"{path} is not a bundle: {reason}", hint=_BUNDLE_HINT)

    def resolve(self, name: str) -> Path:
        """Return where a model lies, once each of its files is the one that the manifest states.

        Args:
            name: what the manifest calls it, or the path of a local file or folder.

        Raises:
            DependencyError: the bundle lacks the model, or a file of it is missing, damaged or too many.
        """
        model = self._find_model(name)
        if model is None:
            raise DependencyError(f"the bundle {self.folder} has no model {name}", hint=_BUNDLE_HINT)
        if problem := next(self._check_files([model.path], [model.path]), ""):
            raise DependencyError(
                f"the bundle {self.folder} is damaged: {problem}",
                hint=f"copy it here again; `vicinal bundle --check {self.folder}` lists every damaged file",
            )
        return self.folder / model.path

    def check(self) -> list[str]:
        """Return what is wrong with its files, a line for each; only below ``models`` must there be no others."""
        models = [model.path for model in self.manifest.models]
        return list(self._check_files([MODELS_DIR, *(file.path for file in self.manifest.files)], models))

    def _find_model(self, name: str) -> BundledModel | None:
        last = name.rstrip("/").rpartition("/")[2]
        models = self.manifest.models
        published = (model for model in models if not model.is_local and model.name == name)
        local = (model for model in models if model.is_local and model.name == last)
        return next(published, None) or next(local, None)

    def _list_files(self, paths: Sequence[str]) -> dict[str, BundledFile]:
        """The files of the manifest that are, or lie below, one of some paths."""
        return {file.path: file for file in self.manifest.files if _is_below(file.path, paths)}

    def _check_files(self, paths: Sequence[str], models: Sequence[str]) -> Iterator[str]:
        """Compare files at or below some paths with the manifest, which lists at least one of each model."""
        for model in models:
            if not self._list_files([model]):
                yield f"{MANIFEST} lists no file of {model}"
        expected = self._list_files(paths)
        for path, file in expected.items():
            if problem := _find_difference(self.folder / path, file):
                yield f"{path} {problem}"
        for folder in paths:
            for found in sorted((self.folder / folder).rglob("*")):
                name = found.relative_to(self.folder).as_posix()
                if name not in expected and not found.is_dir():
                    yield f"{name} is not in the manifest"


def open_bundle() -> ModelBundle | None:
    """Return the bundle that ``VICINAL_MODELS`` names; None where it is not set.

    Raises:
        DependencyError: it names no bundle.
    """
    folder = os.environ.get(VARIABLE)
    return ModelBundle.open(folder) if folder else None


def resolve_bundled(name: str) -> Path | None:
    """Return where the bundle that ``VICINAL_MODELS`` names has a model; None where the variable is not set.

    Raises:
        DependencyError: the bundle lacks the model, or its files are not those of the manifest.
    """
    bundle = open_bundle()
    return bundle.resolve(name) if bundle else None


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _find_difference(path: Path, file: BundledFile) -> str:
    """Return how a file differs from what the manifest states; empty where it does not."""
    if not path.is_file():
        return "is missing"
    if (size := path.stat().st_size) != file.bytes:
        return f"has {size:,} bytes, not {file.bytes:,}"
    found = hash_file(path)
    return "" if found == file.sha256 else f"has the SHA-256 {found[:12]}…, not {file.sha256[:12]}…"
