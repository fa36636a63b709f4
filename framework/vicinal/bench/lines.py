"""Straight lines through measured costs, with intervals that widen with the distance to what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Forecast", "Line", "fit_lines"]

_MIN_ERROR = 0.05
"""Relative; a fit that happens to be perfect says little."""
_EXPECTED_ERROR = 0.05
"""Relative, of a measurement, where what is expected of a slope is weighed against measurements."""
_EXPONENT_ERROR = 0.05
"""Costs are taken to grow as the model says; the exponent of that growth may be off by so much."""
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Forecast:
    """A figure that is expected, with its 95% interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 3) for name in ("value", "low", "high")}

    def __add__(self, other: Forecast) -> Forecast:
        """The sum, as if both were wrong in the same direction: they come from the same machine and engine."""
        return Forecast(self.value + other.value, self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Line:
    """``base + slope * x``. ``covariance`` is that of the two for a relative error of 1."""

    base: float
    slope: float
    error: float
    """Relative standard deviation of a measurement."""
    freedom: float = math.inf
    covariance: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    farthest: float = 0.0
    """The largest x that was measured."""

    def predict(self, x: float) -> Forecast:
        """What is expected at x. A new measurement differs from the line by the error, and the line by its own."""
        value = self.base + self.slope * x
        (a, b), (_, c) = self.covariance
        own = self.error**2 * max(0.0, a + 2 * b * x + c * x * x) / value**2
        distance = _EXPONENT_ERROR * math.log(x / self.farthest) if 0 < self.farthest < x else 0.0
        margin = math.sqrt(_t_quantile(self.freedom) ** 2 * (self.error**2 + own) + (_NORMAL_95 * distance) ** 2)
        return Forecast(value, value * math.exp(-margin), value * math.exp(margin))


def fit_lines(
    groups: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    with_base: bool = True,
    expected: tuple[float, float] | None = None,
) -> list[Line]:
    """A line through each group of (x, y), by least squares of relative errors; none of them begins below zero.

    The groups share one error: with three sizes a group alone tells little of it.

    Args:
        with_base: whether a line may begin above zero.
        expected: what is known of the slope before, and its standard deviation, which counts where the points say less.
    """
    import numpy as np

    fits = [_fit_line(np.asarray(x, float), np.asarray(y, float), with_base, expected) for x, y in groups]
    freedom = sum(len(residuals) - used for _, residuals, _, used in fits)
    squares = sum(float((residuals**2).sum()) for _, residuals, _, _ in fits)
    error = max(_MIN_ERROR, math.sqrt(squares / freedom)) if freedom > 0 else 0.25
    return [
        Line(base, slope, error, float(max(freedom, 1)), covariance, max(x))
        for ((base, slope), _, covariance, _), (x, _) in zip(fits, groups, strict=True)
    ]


def _fit_line(
    x: np.ndarray, y: np.ndarray, with_base: bool, expected: tuple[float, float] | None
) -> tuple[tuple[float, float], np.ndarray, Any, int]:
    """Base and slope, relative residuals, the covariance for an error of 1, and how many numbers were fitted."""
    import numpy as np

    if with_base and len(set(x.tolist())) > 1:
        design, target = np.stack([np.ones_like(x), x], axis=1) / y[:, None], np.ones_like(y)
        if expected is not None:
            weight = _EXPECTED_ERROR / expected[1]
            design, target = np.vstack([design, [0.0, weight]]), np.append(target, weight * expected[0])
        (base, slope), *_ = np.linalg.lstsq(design, target, rcond=None)
        if base >= 0 and slope >= 0:
            inverse = np.linalg.pinv(design.T @ design)
            return (float(base), float(slope)), (base + slope * x) / y - 1, _to_pairs(inverse), 2
    ratio = x / y
    slope = float(ratio.sum() / (ratio**2).sum())
    covariance = ((0.0, 0.0), (0.0, float(1 / (ratio**2).sum())))
    return (0.0, slope), slope * ratio - 1, covariance, 1


def _to_pairs(matrix: np.ndarray) -> Any:
    return tuple(tuple(map(float, row)) for row in matrix)


def _t_quantile(freedom: float) -> float:
    """The 97.5% quantile of Student's t (Hill's expansion beyond 10 degrees, within 0.1%)."""
    table = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
    if freedom <= len(table):
        return table[max(1, int(freedom)) - 1]
    z = _NORMAL_95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
