"""Checks the numbers of a search request."""

from __future__ import annotations

from vicinal.errors import VicinalError
from vicinal.search.similarity import find_similarity_range
from vicinal.types import Metric, SearchRequest

__all__ = ["explain_min_similarity", "find_request_error"]


def find_request_error(request: SearchRequest, metric: Metric) -> VicinalError | None:
    """What is wrong with a request's numbers; None where they can be searched with."""
    if not 0.0 <= request.diversity <= 1.0:
        return VicinalError(f"diversity is {request.diversity}", hint="a diversity is 0 to 1")
    if reason := explain_min_similarity(request.min_similarity, metric):
        return VicinalError(f"min_similarity is {request.min_similarity}", hint=reason)
    return None


def explain_min_similarity(value: float | None, metric: Metric) -> str:
    """Why two items of this metric cannot have such a similarity; empty where they can."""
    low, high = find_similarity_range(metric)
    if value is None or (low <= value <= high and abs(value) < float("inf")):
        return ""
    return f"similarities are {low:g} to {high:g} here ({metric})" if metric != "IP" else "it must be a finite number"
