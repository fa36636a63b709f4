"""Contract suites that a plugin's tests inherit, ours and a stranger's; the only part of vicinal that needs pytest.

    >>> class TestMorgan(EncoderContract):
    ...     encoder_class = Morgan
    ...     params = {"bits": 1024}
    ...     good = ("CCO", "c1ccccc1", "CC(=O)O")
    ...     bad = ("", "not a molecule")

Each test is a promise that the framework relies on; a plugin that keeps them all works in every face.
"""

from __future__ import annotations

try:
    import pytest
except ImportError as error:
    raise ImportError('vicinal.testing needs pytest: pip install "pytest>=8.4"') from error

# Asserts in these modules are then explained as they are in a test file.
_MODULES = (
    "checks",
    "encoder",
    "encoder_disturbances",
    "encoder_queries",
    "encoder_under_test",
    "encoder_vectors",
    "reranker",
    "source",
)
pytest.register_assert_rewrite(*(f"vicinal.testing.{name}" for name in _MODULES))

from vicinal.testing.encoder import EncoderContract  # noqa: E402
from vicinal.testing.reranker import RerankerContract  # noqa: E402
from vicinal.testing.source import SourceContract  # noqa: E402

__all__ = ["EncoderContract", "RerankerContract", "SourceContract"]
