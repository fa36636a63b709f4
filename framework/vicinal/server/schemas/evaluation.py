"""The latest reports of a solution."""

from __future__ import annotations

from typing import Any

from vicinal.server.schemas.fields import ResponseBody
from vicinal.server.schemas.items import Item
from vicinal.server.schemas.search import Segment

__all__ = [
    "ConfusedPair",
    "Confusions",
    "Evaluation",
    "EvaluationDetails",
    "JudgedHit",
    "KeptReport",
    "LabelFigure",
    "LatestReports",
    "WorstQuery",
]


class LabelFigure(ResponseBody):
    """The mean over the queries of one label, with its 95% interval."""

    label: str
    queries: int
    value: float
    low: float
    high: float


class ConfusedPair(ResponseBody):
    """How many of a label's queries find an item of another label first."""

    label: str
    found: str | None
    """Null where the first hit has no label."""
    count: int
    queries: int


class Confusions(ResponseBody):
    """The labels of queries, and those of their first hits."""

    rows: list[str]
    """Labels of queries; of more than 25 those that are confused most."""
    columns: list[str | None]
    counts: list[list[int]]
    queries: list[int]
    """How many each row's label has, those included whose hit is in no column."""
    pairs: list[ConfusedPair]


class JudgedHit(ResponseBody):
    key: str
    similarity: float
    label: str | None
    is_right: bool
    segment: Segment | None


class WorstQuery(ResponseBody):
    query: str
    """A text, the path of a file, or ``@key``."""
    label: str | None
    value: float
    relevant: int
    """How many items are relevant to it in all."""
    hits: list[JudgedHit]
    """The first five."""
    missed: list[str]
    """Keys of items that would have been right, three at most."""


class EvaluationDetails(ResponseBody):
    measure: str
    """What labels and queries are ordered by."""
    distribution: list[int]
    """How many queries have a value in each of so many equal parts of 0 to 1."""
    labels: list[LabelFigure]
    """The lowest first, 100 at most."""
    confusions: Confusions | None
    worst: list[WorstQuery]
    """The worst first, 20 at most."""


class KeptReport(ResponseBody):
    measured: str
    is_current: bool
    """Whether the collection has not changed since."""
    summary: str
    findings: list[str]
    report: dict[str, Any]
    """What the command prints with `--json`."""


class Evaluation(KeptReport):
    details: EvaluationDetails | None
    """Null for the evaluation of a model."""


class LatestReports(ResponseBody):
    solution: str
    evaluation: Evaluation | None
    """Of `vicinal evaluate`."""
    self_test: KeptReport | None
    """Of `vicinal evaluate --self`."""
    tuning: KeptReport | None
    """Of `vicinal tune`."""
    items: dict[str, Item]
    """The items of the worst queries and of near-duplicates by key, as far as they are still indexed."""
    fields: list[str]
    """Metadata that `vicinal evaluate --labels` may take."""
