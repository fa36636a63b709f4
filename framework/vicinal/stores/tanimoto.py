"""Exact Tanimoto search over fingerprints that an engine stores as unit-length sparse vectors.

For fingerprints with a and b set bits, c of them common, the engine ranks by their cosine, s = c / sqrt(a b), and
Tanimoto is T = c / (a + b - c). Two facts make the result exact:

* a and b are known, so c = s sqrt(a b), rounded, and with it T, are exact without reading the fingerprint.
* a + b >= 2 sqrt(a b), so T <= s / (2 - s). Once the k-th best T is no smaller than that bound for the last candidate
  fetched, no candidate that was not fetched can be better.

Where that takes more candidates than Milvus returns at once, the rest is searched by popcount: for equal b the order
by s is the order by T, and T <= min(a, b) / max(a, b) leaves only some values of b to search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from vicinal.stores.milvus import MAX_LIMIT, Candidate

__all__ = ["search_exact"]

_MAX_BITS = 65_536

Search = Callable[[Sequence[Any], int, str, int | None], list[list[Candidate]]]
"""Searches by cosine: (queries, limit, filter, popcount or None for any) to a list of candidates for each query."""


def search_exact(
    search: Search, queries: Sequence[dict[int, float]], limit: int, filter: str = ""
) -> list[list[Candidate]]:
    """The ``limit`` candidates of highest Tanimoto for each query, best first; ``distance`` is 1 - Tanimoto.

    Args:
        search: searches by cosine.
        queries: unit-length sparse vectors, all weights of one query being equal.
    """
    results: dict[int, list[Candidate]] = {}
    pending = [number for number, query in enumerate(queries) if query]
    fetch = max(32, 4 * limit)
    while pending:
        fetch = min(fetch, MAX_LIMIT)
        found = search([queries[number] for number in pending], fetch, filter, None)
        incomplete = []
        for number, candidates in zip(pending, found, strict=True):
            ranked = _rank_by_tanimoto(candidates, len(queries[number]))
            if len(candidates) < fetch or _is_provably_complete(ranked, candidates, limit, len(queries[number])):
                results[number] = ranked[:limit]
            elif fetch == MAX_LIMIT:
                results[number] = _search_by_popcount(search, queries[number], ranked, limit, filter)
            else:
                incomplete.append(number)
        pending, fetch = incomplete, fetch * 4
    return [results.get(number, []) for number in range(len(queries))]


def _compute_tanimoto(candidate: Candidate, popcount: int) -> float:
    common = round(candidate.distance * math.sqrt(popcount * candidate.popcount))
    return common / (popcount + candidate.popcount - common)


def _rank_by_tanimoto(candidates: Sequence[Candidate], popcount: int) -> list[Candidate]:
    return _sort_by_distance(replace(one, distance=1.0 - _compute_tanimoto(one, popcount)) for one in candidates)


def _sort_by_distance(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: (candidate.distance, candidate.item, candidate.segment))


def _is_provably_complete(
    ranked: Sequence[Candidate], candidates: Sequence[Candidate], limit: int, popcount: int
) -> bool:
    """Whether no candidate beyond those fetched can have a higher Tanimoto than the k-th best."""
    if len(ranked) < limit:
        return False
    cosine = min(1.0, candidates[-1].distance + 1e-5)
    return 1.0 - ranked[limit - 1].distance >= cosine / (2.0 - cosine)


def _search_by_popcount(
    search: Search, query: dict[int, float], ranked: list[Candidate], limit: int, filter: str
) -> list[Candidate]:
    """Search popcount by popcount, those that allow the highest Tanimoto first, until none can improve the result."""
    popcount = len(query)
    best = {(candidate.item, candidate.segment): candidate for candidate in ranked[:limit]}
    largest = math.ceil(popcount / max(1.0 - ranked[limit - 1].distance, popcount / _MAX_BITS))
    for bits in sorted(range(1, largest + 1), key=lambda bits: max(popcount, bits) / min(popcount, bits)):
        ordered = _sort_by_distance(best.values())
        worst = 1.0 - ordered[limit - 1].distance if len(ordered) >= limit else 0.0
        if min(popcount, bits) / max(popcount, bits) < worst:
            break
        candidates = _rank_by_tanimoto(search([query], limit, filter, bits)[0], popcount)
        best.update({(candidate.item, candidate.segment): candidate for candidate in candidates})
    return _sort_by_distance(best.values())[:limit]
