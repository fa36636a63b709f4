"""mypy as the tests call it: strict, with what it has learnt of the packages kept between calls."""

from __future__ import annotations

import os

from servers import ROOT

__all__ = ["STRICT_MYPY"]

_CACHE = ROOT / ".mypy_cache" / f"tests-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
STRICT_MYPY = ("-m", "mypy", "--strict", "--cache-dir", str(_CACHE))
"""Arguments of Python, before the files. One process of the tests writes to a cache."""
