"""Copies models into the folder of a bundle, and writes down what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vicinal.errors import PluginError, VicinalError
from vicinal.toolkit.hashing import find_blob_hash
from vicinal.toolkit.model_bundle import MANIFEST, MODELS_DIR, BundledFile, BundledModel, Manifest
from vicinal.toolkit.models import Model, WeightsUrl

__all__ = ["FoundModel", "copy_file", "copy_model", "find_models", "write_manifest", "write_model_bundle"]

_BLOCK_BYTES = 1 << 20


@dataclass
class FoundModel:
    """A model on this machine, its files, and the place that a bundle has for it."""

    model: Model
    source: Path
    files: Sequence[Path]
    target: str
    """A file or folder, relative to the bundle."""
    used_by: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.stat().st_size for file in self.files)


def find_models(
    needed: Mapping[str, Iterable[Model]], report: Callable[[Model], None] = lambda _: None
) -> list[FoundModel]:
    """Find the models that some solutions need, and download those that are not here; equal ones are one.

    Args:
        needed: the models of each part of a solution, by a text that names the part.
        report: called with each model before it is looked for.

    Raises:
        DependencyError: one is not here and cannot be downloaded.
        VicinalError: two have one name.
    """
    found: dict[str, FoundModel] = {}
    for part, models in needed.items():
        for model in models:
            if model.name not in found or model.is_local:
                report(model)
                _add_found(found, _find_model(model))
            if part not in (users := found[model.name].used_by):
                users.append(part)
    return list(found.values())


def _find_model(model: Model) -> FoundModel:
    source = model.resolve()
    return FoundModel(model, source, model.list_files(source), _choose_target(model, source))


def _add_found(found: dict[str, FoundModel], new: FoundModel) -> None:
    for other in found.values():
        if other.target == new.target and other.source.resolve() != new.source.resolve():
            raise VicinalError(
                f"two models are named {new.source.name}: {other.source} and {new.source}",
                hint="a bundle tells them apart by that name; rename one, or write two bundles",
            )
    found.setdefault(new.model.name, new)


def _choose_target(model: Model, source: Path) -> str:
    """Return a model's place in a bundle. That of weights by URL is the layout of torch.hub, which loads some."""
    if isinstance(model, WeightsUrl):
        return f"{MODELS_DIR}/checkpoints/{source.name}"
    if model.is_local:
        return f"{MODELS_DIR}/local/{model.name}"
    folder = model.name.partition(":")[0].replace("/", "--")
    return f"{MODELS_DIR}/{folder}/{source.name}" if source.is_file() else f"{MODELS_DIR}/{folder}"


def copy_model(found: FoundModel, bundle: Path) -> tuple[BundledModel, list[BundledFile]]:
    """Copy a model's files into a bundle.

    Raises:
        PluginError: a file of the hub's cache is not the one that its name states.
        OSError: a file cannot be read or written.
    """
    files = [copy_file(file, bundle, _to_target(found, file)) for file in found.files]
    entry = BundledModel(
        name=found.model.name, path=found.target, is_local=found.model.is_local, used_by=tuple(found.used_by)
    )
    return entry, files


def copy_file(source: Path, bundle: Path, path: str) -> BundledFile:
    """Copy a file to a place in a bundle, in one reading with its SHA-256.

    Raises:
        PluginError: it is a file of the hub's cache, and not the one that its name states.
        OSError: it cannot be read or written.
    """
    target, digest = bundle / path, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK_BYTES):
            digest.update(block)
            writer.write(block)
    sha256 = digest.hexdigest()
    if (stated := find_blob_hash(source)) and stated != sha256:
        raise PluginError(f"{source} is damaged: its SHA-256 is not its name", hint="delete it and download it again")
    return BundledFile(path=path, bytes=target.stat().st_size, sha256=sha256)


def write_manifest(bundle: Path, manifest: Manifest) -> str:
    """Write a bundle's manifest, and return the SHA-256 of it, which locks all the others."""
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    (bundle / MANIFEST).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def write_model_bundle(models: Iterable[Model], bundle: Path) -> None:
    """Write a bundle that has some models and nothing else.

    Raises:
        DependencyError: one is not here and cannot be downloaded.
    """
    copied = [copy_model(found, bundle) for found in find_models({"": models})]
    bundle.mkdir(parents=True, exist_ok=True)
    files = tuple(file for _, files in copied for file in files)
    write_manifest(bundle, Manifest(models=tuple(model for model, _ in copied), files=files))


def _to_target(found: FoundModel, file: Path) -> str:
    if file == found.source:
        return found.target
    return f"{found.target}/{file.relative_to(found.source).as_posix()}"
