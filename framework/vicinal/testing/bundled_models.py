"""A bundle for the tests of a contract: models come from it, and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vicinal.toolkit.model_bundle import VARIABLE
from vicinal.toolkit.model_copy import write_model_bundle
from vicinal.toolkit.models import Model

__all__ = ["bundle_models"]


@contextmanager
def bundle_models(models: Sequence[Model]) -> Iterator[None]:
    """Write a bundle of some models, and have ``VICINAL_MODELS`` name it."""
    with TemporaryDirectory(prefix="vicinal-testing-") as folder, pytest.MonkeyPatch.context() as patch:
        write_model_bundle(models, Path(folder, "bundle"))
        patch.setenv(VARIABLE, str(Path(folder, "bundle")))
        yield
