"""Checks what a search request is made of, where it comes from Python: anything may be given there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vicinal.errors import FilterError, VicinalError
from vicinal.search.similarity import find_similarity_range
from vicinal.toolkit.text import describe_kind
from vicinal.types import Metric, SearchRequest

__all__ = [
    "Query",
    "explain_min_similarity",
    "find_request_error",
    "is_vector",
    "require_limit",
    "split_queries",
    "to_examples",
    "to_query",
    "vector_to_text",
]

Query = str | Path | Sequence[float] | np.ndarray
"""A text, a path or, where the encoder reads vectors, a list of numbers."""

_MAX_LIMIT = 16_384


def require_limit(limit: object) -> None:
    """
    Raises:
        VicinalError: it is no whole number, or out of range.
    """
    if not isinstance(limit, Integral) or not 1 <= int(limit) <= _MAX_LIMIT:
        raise VicinalError(f"limit is {limit!r}", hint=f"a limit is a whole number, 1 to {_MAX_LIMIT:,}")


def is_vector(value: object) -> bool:
    """Whether it is a vector, and no list of queries: numbers in a list, a tuple or an array of one dimension."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "fiub"
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(number, Real) for number in value)


def vector_to_text(vector: Sequence[float] | np.ndarray) -> str:
    """A vector as an encoder's ``decode_query`` gets it; NaN and infinity become null, which no vector may have."""
    return orjson.dumps(np.asarray(vector).tolist()).decode()


def split_queries(query: object) -> tuple[list[Any], bool]:
    """The queries that were given, and whether they are several: a list, or an array of vectors."""
    if isinstance(query, np.ndarray) and query.ndim == 2:
        return list(query), True
    return (list(query), True) if isinstance(query, list) and not is_vector(query) else ([query], False)


def to_query(argument: str, query: object, *, reads_vectors: bool) -> str | Path:
    """A query as a request holds it.

    Raises:
        VicinalError: it is neither a text nor a path, nor a vector that the encoder reads; ``argument`` says whose, as
            ``like.0``.
    """
    if reads_vectors and is_vector(query):
        return vector_to_text(query)  # type: ignore[arg-type]
    if isinstance(query, str | Path):
        return query
    ways = "a text, a Path, a vector" if reads_vectors else "a text, a Path"
    raise VicinalError(f"{argument} is {describe_kind(query)}", hint=f"give {ways}, or a list of them")


def to_examples(
    argument: str, examples: Query | Iterable[Query] | None, *, reads_vectors: bool
) -> tuple[str | Path, ...]:
    """The examples of a request, of which a single one may have been given as it is.

    Raises:
        VicinalError: one of them is none of what ``to_query`` takes.
    """
    if examples is None:
        return ()
    is_single = isinstance(examples, str) or not isinstance(examples, Iterable)
    listed: tuple[Any, ...] = (
        (examples,) if is_single or (reads_vectors and is_vector(examples)) else tuple(examples)  # type: ignore[arg-type]
    )
    return tuple(
        to_query(f"{argument}.{number}", example, reads_vectors=reads_vectors) for number, example in enumerate(listed)
    )


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
