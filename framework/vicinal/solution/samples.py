"""The sample solutions that come with vicinal: a YAML file for each, and their data."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from vicinal.errors import VicinalError

__all__ = ["find_samples", "write_samples"]


def find_samples() -> Path:
    """The folder of the sample solutions: in the installed package, or in the checkout it was installed from."""
    package = Path(__file__).parents[1]
    for candidate in (package / "samples", package.parents[1] / "configs"):
        if (candidate / "molecule.yaml").is_file():
            return candidate
    raise VicinalError("this installation has no sample solutions", hint="install vicinal again")


def write_samples(folder: str | Path, names: Iterable[str] | None = None) -> Path:
    """Copy the sample solutions and their data (2 MB) into a folder, which is returned; files that exist stay.

    Args:
        names: those of the YAML files, ``image.yaml`` say; by default all.

    Raises:
        VicinalError: this installation has none.
        OSError: the folder cannot be written.
    """
    folder, origin = Path(folder), find_samples()
    if folder.resolve() == origin.resolve():
        return folder
    yaml_files = _list_solutions(origin) if names is None else [origin / name for name in names]
    for file in [*yaml_files, *sorted((origin / "data").rglob("*"))]:
        target = folder / file.relative_to(origin)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file() and not target.exists():
            shutil.copyfile(file, target)
    return folder


def _list_solutions(folder: Path) -> list[Path]:
    """The YAML files of solutions; those of benchmarks are named ``bench-…``."""
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith("bench-"))
