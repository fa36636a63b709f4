"""The program that executes notebooks, which lies beside them, for tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def load_make_notebooks():
    """``notebooks/make_notebooks.py`` as a module."""
    spec = importlib.util.spec_from_file_location("make_notebooks", NOTEBOOKS / "make_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
