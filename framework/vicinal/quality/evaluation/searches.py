"""Evaluates a solution's searches: by labels of its items, or by judgments of queries."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, UnknownItemError, VicinalError
from vicinal.quality.estimates import estimate_means
from vicinal.quality.evaluation.detail_collector import DetailCollector
from vicinal.quality.evaluation.search_query import SearchQuery
from vicinal.quality.evaluation.search_report import PerQuery, SearchReport
from vicinal.quality.index_recall import measure_index_recall
from vicinal.quality.judgments import JudgedQuery, read_judgments
from vicinal.quality.labels import LabelCounts, count_labels, read_label, require_queries, sample_keys
from vicinal.quality.measures import Measures, Ranking
from vicinal.quality.per_query import PerQueryTable
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Hit, SearchRequest, item_id

if TYPE_CHECKING:
    import numpy as np

    from vicinal.solution.solution import Solution

__all__ = [
    "SearchOptions",
    "build_judged_query",
    "describe_unused",
    "evaluate_judged",
    "evaluate_judgments",
    "evaluate_labels",
    "evaluate_searches",
    "leave_own_keys_out",
    "to_rows",
]

_QUERIES_PER_CALL = 100
_FEW_QUERIES = 30


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What both evaluations of searches take; ``sample`` is the most queries that are asked."""

    measures: Measures
    sample: int
    seed: int = 0
    per_query: Path | None = None
    index_recall: bool = True


def evaluate_searches(
    solution: Solution, labels: str, qrels: str | Path | None, queries: str | Path | None, options: SearchOptions
) -> SearchReport:
    """Evaluate by labels, or by judgments where there are ``qrels``.

    Raises:
        VicinalError: as ``evaluate_labels`` and ``evaluate_judgments``.
    """
    if qrels is None:
        return evaluate_labels(solution, labels, options)
    return evaluate_judgments(solution, Path(qrels), Path(queries) if queries is not None else None, options)


def evaluate_labels(solution: Solution, field: str, options: SearchOptions) -> SearchReport:
    """Search with indexed items, each without itself; what has the same label is relevant.

    Raises:
        VicinalError: the field does not tell items apart.
    """
    labels = count_labels(solution.metadata, field)
    chosen = sample_keys(solution.metadata, labels, options.sample, options.seed)
    keys: dict[Any, list[str]] = defaultdict(list)
    for key, label in chosen:
        keys[label].append(key)

    def make_query(key: str, label: Any) -> SearchQuery:
        def judge(hits: Sequence[Hit]) -> Ranking:
            return Ranking([int(read_label(hit.metadata, field) == label) for hit in hits], labels.counts[label] - 1)

        return SearchQuery("@" + key, {"query": key, "label": str(label)}, judge, lambda: keys[label])

    report = SearchReport(solution.name, field, {}, 0, labels.items, len(labels.counts))
    report.warnings += describe_unused(labels)
    _fill_report(
        solution, [make_query(key, label) for key, label in chosen], ("query", "label"), options, report, field
    )
    others = sum(labels.counts[label] - 1 for _, label in chosen) / len(chosen)
    report.chance = others / (labels.items - 1)
    if options.index_recall:
        report.index = measure_index_recall(solution, [key for key, _ in chosen], options.measures.depth, options.seed)
    return report


def evaluate_judgments(solution: Solution, qrels: Path, queries: Path | None, options: SearchOptions) -> SearchReport:
    """Search with queries of which people said what is relevant to them.

    Raises:
        VicinalError: the judgments cannot be read, or speak of items that are not indexed.
    """
    return evaluate_judged(solution, read_judgments(qrels, queries), _name_file(qrels), options)


def _name_file(path: Path) -> str:
    """The name of a file as text that JSON can hold."""
    return str(path).encode(errors="backslashreplace").decode()


def evaluate_judged(
    solution: Solution, judged: Sequence[JudgedQuery], judged_by: str, options: SearchOptions
) -> SearchReport:
    """Search with these queries; ``judged_by`` is how the report calls them.

    Raises:
        VicinalError: the judgments speak of items that are not indexed.
    """
    judged, warnings = leave_own_keys_out(judged)
    if len(judged) > options.sample:
        judged = random.Random(options.seed).sample(judged, options.sample)
    report = SearchReport(solution.name, judged_by, {}, 0, int(solution.metadata.state().get("items", 0)))
    report.warnings += warnings
    indexed = _find_indexed(solution, judged, report)
    _fill_report(solution, [build_judged_query(query) for query in judged], ("id", "query"), options, report)
    if options.index_recall:
        report.index = measure_index_recall(solution, indexed, options.measures.depth, options.seed)
    return report


def leave_own_keys_out(judged: Sequence[JudgedQuery]) -> tuple[list[JudgedQuery], list[str]]:
    """The queries without their own items, which a search by ``@key`` never returns, and warnings that count them.

    Raises:
        VicinalError: nothing else is relevant to any query.
    """
    own = [query for query in judged if query.query.startswith("@") and query.relevant.pop(query.query[1:], 0)]
    left = [query for query in judged if query.relevant]
    if not left:
        raise VicinalError(
            f"each query has only its own item judged relevant, {judged[0].query!r} for one, and never finds it",
            "judge other items relevant to it",
        )
    return left, list(_describe_own(len(own), len(judged) - len(left)))


def _describe_own(own: int, alone: int) -> Iterator[str]:
    if own == 1:
        yield "1 query has its own item judged relevant, which it never finds; that judgment was left out"
    elif own:
        yield f"{own:,} queries have their own items judged relevant, which they never find; those were left out"
    if alone == 1:
        yield "nothing else is relevant to 1 of them, which was not asked"
    elif alone:
        yield f"nothing else is relevant to {alone:,} of them, which were not asked"


def build_judged_query(query: JudgedQuery) -> SearchQuery:
    """The query, whose hits are judged by their keys."""

    def judge(hits: Sequence[Hit]) -> Ranking:
        found = {hit.key for hit in hits}
        missed = sorted((gain for key, gain in query.relevant.items() if key not in found), reverse=True)
        return Ranking([query.relevant.get(hit.key, 0) for hit in hits], len(query.relevant), missed)

    def list_relevant() -> list[str]:
        return sorted(query.relevant, key=lambda key: (-query.relevant[key], key))

    return SearchQuery(query.query, {"id": query.id, "query": query.query}, judge, list_relevant)


def _fill_report(
    solution: Solution,
    queries: Sequence[SearchQuery],
    columns: Sequence[str],
    options: SearchOptions,
    report: SearchReport,
    label_field: str = "",
) -> None:
    """Search for all queries and fill in the report's figures; ``label_field`` is what labels are read from.

    Raises:
        VicinalError: fewer than two queries can be answered.
    """
    import numpy as np

    measures, parts, refused = options.measures, [], list[str]()
    asked: list[Mapping[str, str]] = []
    details = DetailCollector(measures, label_field)
    with PerQueryTable(options.per_query, columns, measures.names) as table:
        for part in iter_slices(queries, _QUERIES_PER_CALL):
            answered = list(_search_queries(solution, part, measures.depth, refused))
            rankings = [query.judge(hits) for query, hits in answered]
            parts.append(figures := measures.compute(rankings))
            asked += [query.columns for query, _ in answered]
            details.add(answered, rankings, figures)
            table.write(list(to_rows(answered, rankings, measures.names, figures)))
    values = np.concatenate(parts) if parts else np.empty((0, len(measures.names)))
    report.queries, report.skipped = len(values), len(refused)
    if refused:
        others = f" (and {len(refused) - 1:,} others)" if len(refused) > 1 else ""
        report.warnings.append(f"query {refused[0]}{others}")
    require_queries(len(values), "; ".join(report.warnings))
    if len(values) < _FEW_QUERIES:
        report.warnings.append(f"{len(values)} queries are few: the intervals are rough, and too narrow")
    report.metrics = dict(zip(measures.names, estimate_means(values, options.seed), strict=True))
    report.details = details.build(values, (columns.get("label", "") for columns in asked), options.seed)
    report.per_query = PerQuery(asked, dict(zip(measures.names, values.T, strict=True)))


def _search_queries(
    solution: Solution, queries: Sequence[SearchQuery], limit: int, refused: list[str]
) -> Iterator[tuple[SearchQuery, Sequence[Hit]]]:
    """The hits of each query that can be answered; of the others, which they are and why, is added to ``refused``.

    Raises:
        VicinalError: a store fails, or anything else that is not one query's own fault.
    """
    requests = [SearchRequest(query.request, limit) for query in queries]
    for query, result in zip(queries, solution.search_many(requests, notify=False), strict=True):
        if isinstance(result, ItemError | UnknownItemError):
            refused.append(f"{query.request!r} was left out: {result}")
        elif isinstance(result, Exception):
            raise result
        else:
            yield query, result.hits


def to_rows(
    answered: Iterable[tuple[SearchQuery, Sequence[Hit]]],
    rankings: Iterable[Ranking],
    names: Sequence[str],
    values: np.ndarray,
) -> Iterator[dict[str, Any]]:
    """The rows of the per-query table, one for each query.

    Args:
        values: shape (queries, measures), in the order of ``names``.
    """
    for (query, hits), ranking, figures in zip(answered, rankings, values.tolist(), strict=True):
        yield {
            **query.columns,
            "relevant": ranking.relevant,
            **dict(zip(names, figures, strict=True)),
            "found": [hit.key for hit in hits],
        }


def describe_unused(labels: LabelCounts) -> Iterator[str]:
    """Warnings that count the items that are no queries."""
    if labels.alone == 1:
        yield "1 item shares its label with no other, and was not asked"
    elif labels.alone:
        yield f"{labels.alone:,} items share their label with no other, and were not asked"
    if labels.unlabelled == 1:
        yield f"1 item has no {labels.field}, and counts as not relevant where it is found"
    elif labels.unlabelled:
        yield f"{labels.unlabelled:,} items have no {labels.field}, and count as not relevant where they are found"


def _find_indexed(solution: Solution, judged: Sequence[JudgedQuery], report: SearchReport) -> list[str]:
    """The judged keys that are indexed.

    Raises:
        VicinalError: none of them is.
    """
    keys = list(dict.fromkeys(key for query in judged for key in query.relevant))
    entries = solution.metadata.ledger_entries([item_id(key) for key in keys])
    found = [key for key, entry in zip(keys, entries, strict=True) if entry is not None and entry.matches_key(key)]
    if not found:
        raise VicinalError(
            f"none of the {len(keys):,} items judged relevant is indexed, {keys[0]!r} for one",
            "judgments name items by their keys, as `vicinal search` shows them",
        )
    if missing := len(keys) - len(found):
        verb, they = ("is", "it counts") if missing == 1 else ("are", "they count")
        report.warnings.append(
            f"{missing:,} of {len(keys):,} items judged relevant {verb} not indexed; {they} as missed"
        )
    return found
