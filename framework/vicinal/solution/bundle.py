"""A bundle of solutions: their models, YAML files and the versions of packages, for machines without a network."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.config import check_config
from vicinal.errors import ConfigError, VicinalError
from vicinal.plugin.foreign_calls import attribute_errors
from vicinal.plugin.manager import Manager, create_manager
from vicinal.solution.components import Components
from vicinal.solution.requirements import list_constraints, list_requirements
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.model_bundle import MANIFEST, BundledFile, BundledSolution, Manifest, ModelBundle
from vicinal.toolkit.model_copy import FoundModel, copy_file, copy_model, find_models, write_manifest
from vicinal.toolkit.models import Model

__all__ = ["BundleReport", "check_bundle", "list_models", "write_bundle"]

CONSTRAINTS, REQUIREMENTS = "constraints.txt", "requirements.txt"


@dataclass(frozen=True, slots=True)
class BundleReport:
    """A bundle that was written or checked."""

    folder: Path
    manifest: Manifest
    sha256: str
    """Of the manifest, which has that of every other file: two bundles with the same one are equal."""
    problems: tuple[str, ...] = ()
    """What is wrong with its files, a line for each; those of a bundle that was just written were not read again."""

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.bytes for file in self.manifest.files)

    def measure_model(self, path: str) -> int:
        """The size of a model's files, in bytes."""
        return sum(file.bytes for file in self.manifest.files if file.path == path or file.path.startswith(f"{path}/"))

    def to_dict(self) -> dict[str, Any]:
        """As ``bundle --json`` prints it."""
        models = [
            {**model.model_dump(exclude={"is_local"}), "bytes": self.measure_model(model.path)}
            for model in self.manifest.models
        ]
        return {
            "bundle": str(self.folder),
            "sha256": self.sha256,
            "files": len(self.manifest.files),
            "bytes": self.bytes,
            "solutions": [solution.model_dump() for solution in self.manifest.solutions],
            "models": models,
            "consistent": not self.problems,
            "problems": list(self.problems),
        }


def write_bundle(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    manager: Manager | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> BundleReport:
    """Gather what some solutions need on a machine without a network, in a new folder.

    Models that are not here are downloaded. The folder appears when it is complete. It has nothing of the
    solutions' items or stores.

    Args:
        files: their YAML files; models that several need are there once.
        out: the folder, which does not exist or is empty.
        manager: the plugins; by default all that are installed.
        report: called with a line for each model that is looked for or copied.

    Raises:
        ConfigError: a YAML file is wrong; ``problems`` lists the mistakes of all.
        DependencyError: a package is not installed, or a model is neither here nor can it be downloaded.
        VicinalError: the folder cannot be written, or two YAML files or models have one name.
    """
    out = Path(out).absolute()
    _require_new(out)
    solutions = _open_solutions(files, manager or create_manager())
    needed = {part: models for solution in solutions for part, models in list_models(solution).items()}
    found = find_models(needed, lambda model: report(f"looking for {model.name}"))
    _require_space(out, sum(model.bytes for model in found))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            made = Path(folder) / out.name
            made.mkdir()
            manifest = _copy_all(solutions, found, made, report)
            sha256 = write_manifest(made, manifest)
            made.rename(out)
    except OSError as error:
        raise VicinalError(f"cannot write the bundle {out}: {error.strerror or error}") from error
    return BundleReport(out, manifest, sha256)


def check_bundle(folder: str | Path) -> BundleReport:
    """Compare each file of a bundle with its manifest; the report lists what is missing, damaged or too many.

    Raises:
        DependencyError: the folder is no bundle.
    """
    bundle = ModelBundle.open(folder)
    return BundleReport(
        bundle.folder, bundle.manifest, hash_file(bundle.folder / MANIFEST), problems=tuple(bundle.check())
    )


def list_models(solution: Components) -> dict[str, list[Model]]:
    """The models that a solution loads, by the part that does: ``qa: encoder sentence``.

    Raises:
        DependencyError: a package that the part needs is not installed.
    """
    name, encoder, reranker = solution.name, solution.create_encoder(), solution.reranker
    with attribute_errors(f"encoder {solution.config.encoder.type!r}", "list_models"):
        models = {f"{name}: encoder {solution.config.encoder.type}": list(encoder.list_models())}
    if reranker is not None and (block := solution.config.rerank) is not None:
        with attribute_errors(f"reranker {block.type!r}", "list_models"):
            models[f"{name}: reranker {block.type}"] = list(reranker.list_models())
    return models


def _require_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VicinalError(f"{out} exists and is not an empty folder", hint="name a new folder")


def _open_solutions(files: Sequence[str | Path], manager: Manager) -> list[Components]:
    problems = [problem for file in files for problem in check_config(file, manager)[1]]
    if problems:
        raise ConfigError(f"the YAML has {len(problems)} mistakes" if len(problems) > 1 else "", problems=problems)
    unique = dict.fromkeys(Path(file).resolve() for file in files)
    for one, other in ((one, other) for one in unique for other in unique if one < other):
        if one.name == other.name:
            raise VicinalError(
                f"two files are named {one.name}: {one} and {other}", hint="rename one, or write two bundles"
            )
    return [Components.from_yaml(file, manager=manager) for file in unique]


def _require_space(out: Path, needed: int) -> None:
    existing = next(parent for parent in (out, *out.parents) if parent.exists())
    if (free := shutil.disk_usage(existing).free) < needed:
        raise VicinalError(
            f"the bundle needs {needed / 1e6:,.0f} MB, and {existing} has {free / 1e6:,.0f} MB left",
            hint="name a folder elsewhere",
        )


def _copy_all(
    solutions: Sequence[Components], found: Sequence[FoundModel], folder: Path, report: Callable[[str], None]
) -> Manifest:
    """Write all files of a bundle but the manifest, which is returned."""
    models, files = [], []
    for each in found:
        report(f"copying {each.model.name} ({each.bytes / 1e6:,.1f} MB)")
        model, copied = copy_model(each, folder)
        models.append(model)
        files += copied
    entries = []
    for solution in solutions:
        path = f"solutions/{_require_path(solution).name}"
        files.append(copy_file(_require_path(solution), folder, path))
        names = [model.name for model in models if any(part.startswith(f"{solution.name}: ") for part in model.used_by)]
        entries.append(BundledSolution(name=solution.name, path=path, models=tuple(names)))
    where = f"{platform.python_implementation()} {platform.python_version()}", f"{sys.platform} {platform.machine()}"
    files += _write_versions(solutions, folder, where)
    return Manifest(
        vicinal=_find_version(),
        python=where[0],
        platform=where[1],
        solutions=tuple(entries),
        models=tuple(models),
        files=tuple(sorted(files, key=lambda file: file.path)),
    )


def _write_versions(solutions: Sequence[Components], folder: Path, where: tuple[str, str]) -> list[BundledFile]:
    """Write what pip installs for the solutions, and the version of each distribution that is installed here."""
    comment = f"# Installed where this bundle was written: {where[0]}, {where[1]}."
    texts = {REQUIREMENTS: list_requirements(solutions), CONSTRAINTS: [comment, *list_constraints()]}
    written = []
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        size = os.path.getsize(folder / name)  # noqa: PTH202
        written.append(BundledFile(path=name, bytes=size, sha256=hash_file(folder / name)))
    return written


def _require_path(solution: Components) -> Path:
    assert solution.path is not None, "it was opened from its YAML file"
    return solution.path


def _find_version() -> str:
    import vicinal

    return vicinal.__version__
