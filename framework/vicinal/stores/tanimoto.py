"""Exact Tanimoto search over fingerprints that an engine keeps as unit-length sparse vectors.

For fingerprints with a and b set bits of which c are common, the engine finds by s = c / sqrt(a b), their cosine, and
Tanimoto is T = c / (a + b - c). Two facts make the answer exact:

* a and b are known, so c = s sqrt(a b), rounded, and with it T, are exact without reading the fingerprint.
* a + b >= 2 sqrt(a b), so T <= s / (2 - s). Once the k-th best T is no smaller than that bound for the last candidate
  fetched, no candidate that was not fetched can be better.

Where that takes more candidates than Milvus returns at once, the rest is searched by number of set bits: for equal b
the order by s is the order by T, and T <= min(a, b) / max(a, b) leaves only some b to look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from vicinal.stores.milvus import MAX_LIMIT, Candidate

__all__ = ["search_exact"]

_MOST_BITS = 65_536

Search = Callable[[Sequence[Any], int, str], list[list[Candidate]]]


def search_exact(
    search: Search, queries: Sequence[dict[int, float]], limit: int, filter: str = ""
) -> list[list[Candidate]]:
    """The ``limit`` candidates of highest Tanimoto for each query, best first, ``distance`` being 1 - Tanimoto.

    Args:
        search: finds candidates by cosine: (queries, limit, filter) to a list for each query.
        queries: unit-length sparse vectors, all of one query having equal weights.
    """
    answers: dict[int, list[Candidate]] = {}
    waiting = [number for number, query in enumerate(queries) if query]
    fetch = max(32, 4 * limit)
    while waiting:
        fetch = min(fetch, MAX_LIMIT)
        found = search([queries[number] for number in waiting], fetch, filter)
        open_ = []
        for number, candidates in zip(waiting, found, strict=True):
            ranked = _ranked(candidates, len(queries[number]))
            if len(candidates) < fetch or _is_provably_complete(ranked, candidates, limit, len(queries[number])):
                answers[number] = ranked[:limit]
            elif fetch == MAX_LIMIT:
                answers[number] = _search_by_popcount(search, queries[number], ranked, limit, filter)
            else:
                open_.append(number)
        waiting, fetch = open_, fetch * 4
    return [answers.get(number, []) for number in range(len(queries))]


def _tanimoto(candidate: Candidate, ones: int) -> float:
    common = round(candidate.distance * math.sqrt(ones * candidate.ones))
    return common / (ones + candidate.ones - common)


def _ranked(candidates: Sequence[Candidate], ones: int) -> list[Candidate]:
    scored = [replace(candidate, distance=1.0 - _tanimoto(candidate, ones)) for candidate in candidates]
    return sorted(scored, key=lambda candidate: (candidate.distance, candidate.item, candidate.segment))


def _is_provably_complete(ranked: Sequence[Candidate], candidates: Sequence[Candidate], limit: int, ones: int) -> bool:
    if len(ranked) < limit:
        return False
    cosine = min(1.0, candidates[-1].distance + 1e-5)
    return 1.0 - ranked[limit - 1].distance >= cosine / (2.0 - cosine)


def _search_by_popcount(
    search: Search, query: dict[int, float], ranked: list[Candidate], limit: int, filter: str
) -> list[Candidate]:
    ones = len(query)
    best = {(candidate.item, candidate.segment): candidate for candidate in ranked[:limit]}
    most = math.ceil(ones / max(1.0 - ranked[limit - 1].distance, ones / _MOST_BITS))
    for bits in sorted(range(1, most + 1), key=lambda bits: max(ones, bits) / min(ones, bits)):
        ordered = sorted(best.values(), key=lambda candidate: (candidate.distance, candidate.item, candidate.segment))
        worst = 1.0 - ordered[limit - 1].distance if len(ordered) >= limit else 0.0
        if min(ones, bits) / max(ones, bits) < worst:
            break
        both = f"({filter}) and ones == {bits}" if filter else f"ones == {bits}"
        found = _ranked(search([query], limit, both)[0], ones)
        best.update({(candidate.item, candidate.segment): candidate for candidate in found})
    ordered = sorted(best.values(), key=lambda candidate: (candidate.distance, candidate.item, candidate.segment))
    return ordered[:limit]
