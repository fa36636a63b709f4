"""Measures again whether the index finds what it found when it was tuned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicinal.config.models import TunedIndex
from vicinal.errors import NothingIndexedError
from vicinal.quality.estimates import Estimate
from vicinal.quality.tuning.queries import QueryKind, choose_queries
from vicinal.quality.tuning.recall_meter import RecallMeter
from vicinal.quality.tuning.truth import list_ids, read_truth
from vicinal.solution.solution import Solution

__all__ = ["RecallCheck", "check_recall"]

_DEFAULT_LIMIT = 10
_MAX_GROWTH = 1.2


@dataclass(slots=True)
class RecallCheck:
    """The recall of the index that is searched, and what became of it since it was tuned.

    ``recalls`` has it under each filter, "" being none. ``tuned`` is what the YAML says of the tuning, None where the
    index was never tuned; then there is no target to fall below.
    """

    solution: str
    index: str
    limit: int
    recalls: dict[str, Estimate]
    kind: QueryKind
    queries: int
    rows: int
    data: str
    tuned: TunedIndex | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def recall(self) -> Estimate:
        """The recall under the filter where it is lowest."""
        return min(self.recalls.values(), key=lambda recall: (recall.low, recall.value))

    @property
    def has_fallen(self) -> bool:
        """Whether the recall is less than the target, with 95% certainty."""
        return self.tuned is not None and self.recall.high < self.tuned.target

    @property
    def has_grown(self) -> bool:
        """Whether the collection has a fifth more rows than when it was tuned."""
        return self.tuned is not None and self.rows >= _MAX_GROWTH * self.tuned.rows

    def to_dict(self) -> dict[str, Any]:
        tuned = self.tuned
        return {
            "index": self.index,
            "limit": self.limit,
            "recall": {**self.recall.to_dict(), "target": tuned.target if tuned else None},
            "filters": {filter: recall.to_dict() for filter, recall in self.recalls.items() if filter},
            "queries": {"kind": self.kind, "count": self.queries},
            "rows": self.rows,
            "data": self.data,
            "tuned": tuned.model_dump() if tuned else None,
            "has_fallen": self.has_fallen,
            "has_grown": self.has_grown,
            "warnings": self.warnings,
        }


def check_recall(solution: Solution, *, queries: str | Path | None = None, seed: int = 0) -> RecallCheck:
    """Measure the recall of the index that is searched, as ``tune`` did, and compare it with what that promised.

    It reads all stored vectors once, in parts; nothing is built or written.

    Args:
        queries: the log, as for ``tune``; by default stored items are asked, each without itself.
        seed: of the sample of queries.

    Raises:
        NothingIndexedError: nothing is indexed.
        VicinalError: the queries cannot be read.
    """
    solution.open()
    solution.fetch_rows([])
    tuned = solution.config.index.tuned
    limit = tuned.limit if tuned else _DEFAULT_LIMIT
    ids = list_ids(solution)
    if len(ids) < 2:
        raise NothingIndexedError(f"{solution.name!r} has one row, which has no neighbours")
    filters = {"": None, **{filter: list_ids(solution, filter) for filter in (tuned.filters if tuned else ())}}
    path = Path(queries) if queries is not None else None
    asked = choose_queries(solution, ids, path, seed, may_hold_out=False)
    truths, data = read_truth(solution, asked, limit, filters, None)
    meter = RecallMeter(truths, 0, len(asked))
    measured = meter.measure(solution.search_vectors, tuned.target if tuned else 0.0)
    index = solution.metadata.state().get("index") or {}
    found = RecallCheck(
        solution.name,
        str(index.get("type", "")),
        limit,
        dict(measured.recalls),
        asked.kind,
        measured.queries,
        len(ids),
        data,
        tuned,
    )
    found.warnings += _list_warnings(found, solution)
    return found


def _list_warnings(found: RecallCheck, solution: Solution) -> list[str]:
    warnings = []
    if found.tuned is None:
        return ["the index was never tuned: run `vicinal tune`"]
    recall = f"recall@{found.limit} is {found.recall.value:.3f}"
    if found.has_fallen:
        warnings.append(f"{recall}, and {found.tuned.target:g} was wanted: run `vicinal tune`")
    elif found.recall.low < found.tuned.target:
        warnings.append(f"{recall}, not clearly {found.tuned.target:g}, which was wanted")
    if found.has_grown:
        growth = found.rows / max(found.tuned.rows, 1) - 1
        warnings.append(f"the collection grew by {growth:.0%} since it was tuned: run `vicinal tune`")
    wanted = solution.config.index
    if wanted.type not in ("auto", found.index):
        warnings.append(f"the index is {found.index}, and the YAML says {wanted.type}: run `vicinal index`")
    return warnings
