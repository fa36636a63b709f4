"""Asks several solutions the same queries: the values of each, and how alike their answers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from vicinal.errors import ItemError, UnknownItemError
from vicinal.quality.comparison.items import CommonItems
from vicinal.quality.comparison.queries import Questions
from vicinal.quality.comparison.turns import SolutionTurns
from vicinal.quality.evaluation.search_query import SearchQuery
from vicinal.quality.evaluation.searches import to_rows
from vicinal.quality.measures import Measures
from vicinal.quality.per_query import PerQueryTable
from vicinal.solution.solution import Solution
from vicinal.stores.milvus import MAX_LIMIT
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Hit, SearchRequest

__all__ = ["Answers", "ask_all"]

_QUERIES_PER_CALL = 100
_QUERIES_PER_TURN = 500


@dataclass(slots=True)
class Answers:
    """What the queries gave that every solution answered.

    ``values`` is of shape (solutions, queries, measures). ``overlaps`` has, by the numbers of two solutions, the share
    of the found items that both found, of shape (queries,), and ``equal`` how many queries have the same list in both.
    ``refused`` says which queries a solution could not answer, and why.
    """

    values: np.ndarray
    overlaps: Mapping[tuple[int, int], np.ndarray]
    equal: Mapping[tuple[int, int], int]
    asked: list[SearchQuery] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def ask_all(
    turns: SolutionTurns,
    names: Sequence[str],
    questions: Questions,
    items: CommonItems,
    measures: Measures,
    table: PerQueryTable,
) -> Answers:
    """Search with all queries in all solutions; hits that are no common items are left out, and the next ones follow.

    Raises:
        VicinalError: a store fails, or anything else that is not one query's own fault.
    """
    pairs = list(combinations(range(len(names)), 2))
    overlaps: dict[tuple[int, int], list[float]] = {pair: [] for pair in pairs}
    equal = dict.fromkeys(pairs, 0)
    parts: list[np.ndarray] = [np.empty((len(names), 0, len(measures.names)))]
    asked, refused = list[SearchQuery](), list[str]()
    for part in iter_slices(questions.queries, _QUERIES_PER_TURN):
        found = [
            _search_queries(turns.open(number), part, items, number, measures.depth) for number in range(len(names))
        ]
        answered = []
        for place, query in enumerate(part):
            error = next((one[place] for one in found if isinstance(one[place], Exception)), None)
            if error is None:
                answered.append(place)
            else:
                refused.append(f"{query.request!r} was left out: {error}")
        asked += (queries := [part[place] for place in answered])
        hits = [[list[Hit](one[place]) for place in answered] for one in found]  # type: ignore[arg-type]
        parts.append(_compute_values(names, queries, hits, measures, table))
        for first, second in pairs:
            for mine, others in zip(hits[first], hits[second], strict=True):
                keys = [[hit.key for hit in one] for one in (mine, others)]
                overlaps[first, second].append(_compute_overlap(*keys))
                equal[first, second] += keys[0] == keys[1]
    shares = {pair: np.array(values) for pair, values in overlaps.items()}
    return Answers(np.concatenate(parts, axis=1), shares, equal, asked, refused)


def _compute_values(
    names: Sequence[str],
    queries: Sequence[SearchQuery],
    hits: Sequence[Sequence[Sequence[Hit]]],
    measures: Measures,
    table: PerQueryTable,
) -> np.ndarray:
    """The values of shape (solutions, queries, measures), which are written to the table, too."""
    values = np.zeros((len(names), len(queries), len(measures.names)))
    for number, name in enumerate(names):
        rankings = [query.judge(found) for query, found in zip(queries, hits[number], strict=True)]
        if measures.names:
            values[number] = measures.compute(rankings)
        rows = to_rows(zip(queries, hits[number], strict=True), rankings, measures.names, values[number])
        table.write([{"solution": name, **row} for row in rows])
    return values


def _search_queries(
    solution: Solution, queries: Sequence[SearchQuery], items: CommonItems, number: int, depth: int
) -> list[Sequence[Hit] | Exception]:
    """The first ``depth`` hits of each query that are common items, or why it cannot be answered."""
    has_others = items.totals[number] > len(items.ids)
    found: list[Sequence[Hit] | Exception] = [()] * len(queries)
    for start in range(0, len(queries), _QUERIES_PER_CALL):
        places, limit = list(range(start, min(start + _QUERIES_PER_CALL, len(queries)))), depth
        while places:
            short = []
            for place, result in zip(places, _search_part(solution, queries, places, limit), strict=True):
                if isinstance(result, Exception):
                    found[place] = result
                    continue
                found[place] = kept = (_keep_common(result, items) if has_others else result)[:depth]
                if len(kept) < depth and len(result) == limit < MAX_LIMIT:
                    short.append(place)
            places, limit = short, min(4 * limit, MAX_LIMIT)
    return found


def _search_part(
    solution: Solution, queries: Sequence[SearchQuery], places: Sequence[int], limit: int
) -> Iterator[Sequence[Hit] | Exception]:
    """
    Raises:
        VicinalError: a store fails, or anything else that is not one query's own fault.
    """
    requests = [SearchRequest(queries[place].request, limit) for place in places]
    for result in solution.search_many(requests, notify=False):
        if isinstance(result, Exception):
            if not isinstance(result, ItemError | UnknownItemError):
                raise result
            yield result
        else:
            yield result.hits


def _keep_common(hits: Sequence[Hit], items: CommonItems) -> list[Hit]:
    places = items.find_keys(hit.key for hit in hits).tolist()
    return [hit for hit, place in zip(hits, places, strict=True) if place >= 0]


def _compute_overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """The share of the found items that both found; 1 where neither found any."""
    longest = max(len(first), len(second))
    return len(set(first) & set(second)) / longest if longest else 1.0
