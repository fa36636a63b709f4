"""Checks what a search request is made of, where it comes from Python: anything may be given there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, cast

from vicinal.errors import FilterError, VicinalError
from vicinal.search.similarity import find_similarity_range
from vicinal.toolkit.text import describe_kind
from vicinal.types import Metric, SearchRequest

__all__ = ["explain_min_similarity", "find_request_error", "require_limit", "require_query", "to_examples"]

_MAX_LIMIT = 16_384


def require_limit(limit: object) -> None:
    """
    Raises:
        VicinalError: it is no whole number, or out of range.
    """
    if not isinstance(limit, Integral) or not 1 <= int(limit) <= _MAX_LIMIT:
        raise VicinalError(f"limit is {limit!r}", hint=f"a limit is a whole number, 1 to {_MAX_LIMIT:,}")


def require_query(argument: str, query: object) -> None:
    """
    Raises:
        VicinalError: it is neither a text nor a path; ``argument`` says whose, as ``like.0``.
    """
    if not isinstance(query, str | Path):
        raise VicinalError(f"{argument} is {describe_kind(query)}", hint="give a text, a Path, or a list of them")


def to_examples(argument: str, examples: str | Path | Iterable[str | Path] | None) -> tuple[str | Path, ...]:
    """The examples of a request, of which a single one may have been given as it is.

    Raises:
        VicinalError: one of them is neither a text nor a path.
    """
    if examples is None:
        return ()
    is_single = isinstance(examples, str) or not isinstance(examples, Iterable)
    listed: tuple[Any, ...] = (examples,) if is_single else tuple(cast("Iterable[Any]", examples))
    for number, example in enumerate(listed):
        require_query(f"{argument}.{number}", example)
    return listed


def find_request_error(request: SearchRequest, metric: Metric) -> VicinalError | None:
    """What is wrong with a request's filters and numbers; None where they can be searched with."""
    if not _is_text(request.filter):
        return FilterError(f"filter is {describe_kind(request.filter)}", hint="a filter is a text, as `year > 2000`")
    if not isinstance(request.item_filters, Mapping) or not all(map(_is_text, request.item_filters.values())):
        kind = describe_kind(request.item_filters)
        return FilterError(f"item_filters is {kind}", hint="they are patterns, texts, by the names of item filters")
    if not _is_number(request.diversity) or not 0.0 <= request.diversity <= 1.0:
        return VicinalError(f"diversity is {request.diversity!r}", hint="a diversity is 0 to 1")
    if reason := explain_min_similarity(request.min_similarity, metric):
        return VicinalError(f"min_similarity is {request.min_similarity!r}", hint=reason)
    return None


def explain_min_similarity(value: float | None, metric: Metric) -> str:
    """Why two items of this metric cannot have such a similarity; empty where they can."""
    low, high = find_similarity_range(metric)
    if value is None or (_is_number(value) and low <= value <= high and abs(value) < float("inf")):
        return ""
    return f"similarities are {low:g} to {high:g} here ({metric})" if metric != "IP" else "it must be a finite number"


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
