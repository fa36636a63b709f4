"""What reports say in sentences, on their page and on that of a solution."""

from __future__ import annotations

from typing import TypeAlias

from vicinal.quality.evaluation.model_report import ModelReport
from vicinal.quality.evaluation.search_report import SearchReport
from vicinal.quality.index_recall import IndexRecall
from vicinal.quality.self_test.report import SelfReport

__all__ = ["Report", "describe_report", "list_findings"]

Report: TypeAlias = SearchReport | ModelReport | SelfReport

_LOSS = 0.05
"""An index that loses more than this is worth other parameters."""


def describe_report(report: Report) -> str:
    """What was asked, in one sentence."""
    if isinstance(report, SelfReport):
        return f"{report.sample:,} of {report.items:,} items, each searched with as it is and disturbed."
    if isinstance(report, ModelReport):
        return f"Split {report.split}, {report.queries:,} queries, {report.items:,} items ranked."
    if report.labels is None:
        return f"{report.queries:,} queries of {report.judged_by}, {report.items:,} items."
    return f"{report.queries:,} of {report.items:,} items as queries, {report.labels:,} labels in {report.judged_by}."


def list_findings(report: Report) -> list[str]:
    """What follows from the figures: what the index loses, or whether a model beats simple ones."""
    if isinstance(report, SearchReport):
        return [_describe_index(report.index)] if report.index else []
    if isinstance(report, ModelReport):
        return [report.comparison.describe(report.model)] if report.comparison else []
    return []


def _describe_index(index: IndexRecall) -> str:
    """Which of the two an answer is wrong by: what the index loses, and what follows from it."""
    recall = index.recall
    found = (
        f"Of the {index.limit} nearest stored vectors, the index {index.index} returns {recall.value:.1%}"
        f" ({recall.low:.1%} to {recall.high:.1%}), measured by {index.queries:,} vectors against all {index.rows:,}."
    )
    if recall.value == 1.0:
        return f"{found} It loses nothing: what is wrong above is so by the encoder, or by the labels."
    if recall.low >= 1 - _LOSS:
        return f"{found} It loses little: most of what is wrong above is so by the encoder, or by the labels."
    return f"{found} It loses much: look at its search parameters first, before the encoder."
