"""What the contracts have in common: the checks of parameters, of refusals, and of vectors that should be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from vicinal.errors import ItemError
from vicinal.plugin.params import Params
from vicinal.types import Space

__all__ = ["assert_described", "assert_frozen", "assert_refused", "assert_same", "assert_strict"]


def assert_frozen(params: type[Params]) -> None:
    """Parameters cannot be changed once they are made, so that a signature stays true."""
    assert params.model_config.get("frozen"), f"{params.__qualname__} is not frozen; derive it from vicinal.Params"


def assert_strict(params: type[Params]) -> None:
    """A key that no parameter has is an error, so that a typing error in a YAML file is found."""
    unknown = "no_parameter_has_this_name"
    try:
        params.model_validate({unknown: 1})
    except ValidationError as error:
        if any(problem["loc"] == (unknown,) for problem in error.errors()):
            return
    pytest.fail(f"{params.__qualname__} accepts unknown keys; derive it from vicinal.Params")


def assert_described(params: type[Params]) -> None:
    """Every parameter has a description, from which documentation, JSON Schema and forms are made."""
    bare = [name for name, field in params.model_fields.items() if not (field.description or "").strip()]
    assert not bare, f"write a docstring below these fields of {params.__qualname__}: {', '.join(bare)}"


def assert_refused(call: Callable[[Any], Any], argument: Any) -> None:
    """A call raises ItemError with a reason, and nothing else."""
    shown = f"{getattr(call, '__qualname__', call)}({argument!r})"
    try:
        call(argument)
    except ItemError as error:
        assert str(error).strip(), f"{shown} raises ItemError without a reason"
    except Exception as error:
        pytest.fail(f"{shown} raises {type(error).__name__}: {error}; it must raise ItemError")
    else:
        pytest.fail(f"{shown} is accepted; it must raise ItemError")


def assert_same(space: Space, first: np.ndarray, second: np.ndarray, tolerance: float, what: str) -> None:
    """Vectors are the same, row by row: bits exactly, floats within a tolerance."""
    assert first.shape == second.shape, f"{what}: shape {first.shape} is not {second.shape}"
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        drift = _measure_drift(space, one, other)
        assert drift <= tolerance, f"{what}: row {row} is {drift:.3g} away, more than {tolerance:.3g}"


def _measure_drift(space: Space, one: np.ndarray, other: np.ndarray) -> float:
    """1 - cosine; where lengths count (L2, IP) ``|a - b|² / 2|a||b|``, which is the same for equal lengths."""
    if np.array_equal(one, other, equal_nan=space.kind == "float"):
        return 0.0
    a, b = one.astype(np.float64), other.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if space.kind == "binary" or lengths == 0.0:
        return float("inf")
    if space.metric == "COSINE":
        return 1.0 - float(a @ b) / lengths
    return float(((a - b) ** 2).sum()) / (2.0 * lengths)
