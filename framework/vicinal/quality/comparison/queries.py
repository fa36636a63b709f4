"""What compared solutions are asked: common items, or queries that people judged; and how their answers are judged."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vicinal.errors import VicinalError
from vicinal.quality.comparison.items import CommonItems, CommonLabels, read_labels, sample_ids
from vicinal.quality.evaluation.search_query import SearchQuery
from vicinal.quality.evaluation.searches import build_judged_query, describe_unused, leave_own_keys_out
from vicinal.quality.judgments import JudgedQuery, read_judgments
from vicinal.quality.labels import require_queries
from vicinal.quality.measures import Ranking
from vicinal.types import Hit

if TYPE_CHECKING:
    from vicinal.stores.redis import MetadataStore

__all__ = ["Questions", "choose_questions"]


@dataclass(slots=True)
class Questions:
    """The queries, the columns that name them in the per-query table, and the keys of items that lie near to them.

    ``judged_by`` is a field, the file of judgments, or empty where nothing says what is relevant. ``chance`` is P@k of
    items in random order.
    """

    judged_by: str
    columns: tuple[str, ...]
    queries: Sequence[SearchQuery]
    keys: Sequence[str]
    labels: int | None = None
    chance: float | None = None
    warnings: list[str] = field(default_factory=list)


def choose_questions(
    metadata: MetadataStore,
    items: CommonItems,
    *,
    labels: str,
    qrels: Path | None,
    queries: Path | None,
    sample: int,
    seed: int,
) -> Questions:
    """Draw up to ``sample`` of the queries at random.

    Raises:
        VicinalError: fewer than two can be had; the field tells nothing, or the judgments cannot be read.
    """
    if qrels is not None:
        return _choose_judged(items, qrels, queries, sample, seed)
    if labels:
        return _choose_labelled(metadata, read_labels(metadata, labels, items), sample, seed)
    keys = _read_keys(metadata, sample_ids(items.ids, sample, seed))
    return Questions("", ("query",), [_build_query(key) for key in keys], keys)


def _choose_labelled(metadata: MetadataStore, labels: CommonLabels, sample: int, seed: int) -> Questions:
    keys = _read_keys(metadata, sample_ids(labels.shared_ids, sample, seed))
    require_queries(len(keys), "index more items in each solution")
    codes = labels.read_codes(keys).tolist()
    queries = [_build_labelled_query(key, code, labels) for key, code in zip(keys, codes, strict=True)]
    others = sum(labels.count(code) - 1 for code in codes) / len(codes)
    counts = labels.counts
    warnings = list(describe_unused(counts))
    chance = others / (counts.items - 1)
    return Questions(counts.field, ("query", "label"), queries, keys, len(counts.counts), chance, warnings)


def _choose_judged(items: CommonItems, qrels: Path, queries: Path | None, sample: int, seed: int) -> Questions:
    judged, warnings = leave_own_keys_out(read_judgments(qrels, queries))
    judged, lost = _keep_common(judged, items)
    warnings += lost
    if len(judged) > sample:
        judged = random.Random(seed).sample(judged, sample)
    keys = list(dict.fromkeys(key for query in judged for key in query.relevant))
    return Questions(str(qrels), ("id", "query"), [build_judged_query(one) for one in judged], keys, warnings=warnings)


def _keep_common(judged: Sequence[JudgedQuery], items: CommonItems) -> tuple[list[JudgedQuery], list[str]]:
    """The queries with those of their relevant items that all solutions have, and warnings that count the others.

    Raises:
        VicinalError: no solution could find any of them.
    """
    keys = list(dict.fromkeys(key for query in judged for key in query.relevant))
    common = {key for key, place in zip(keys, items.find_keys(keys).tolist(), strict=True) if place >= 0}
    kept = [
        JudgedQuery(query.id, query.query, relevant)
        for query in judged
        if (relevant := {key: gain for key, gain in query.relevant.items() if key in common})
    ]
    if not kept:
        raise VicinalError(
            f"none of the {len(keys):,} items judged relevant is indexed in each solution, {keys[0]!r} for one",
            "judgments name items by their keys, as `vicinal search` shows them",
        )
    return kept, list(_describe_lost(len(keys) - len(common), len(keys), len(judged) - len(kept)))


def _describe_lost(lost: int, keys: int, unasked: int) -> Iterator[str]:
    if lost:
        verb = "is" if lost == 1 else "are"
        yield f"{lost:,} of {keys:,} items judged relevant {verb} not indexed in each solution, and left out"
    if unasked == 1:
        yield "nothing else is relevant to 1 query, which was not asked"
    elif unasked:
        yield f"nothing else is relevant to {unasked:,} queries, which were not asked"


def _build_query(key: str) -> SearchQuery:
    return SearchQuery("@" + key, {"query": key}, lambda hits: Ranking([0] * len(hits), 0))


def _build_labelled_query(key: str, code: int, labels: CommonLabels) -> SearchQuery:
    def judge(hits: Sequence[Hit]) -> Ranking:
        found = labels.read_codes(hit.key for hit in hits)
        return Ranking((found == code).astype(int).tolist(), labels.count(code) - 1)

    return SearchQuery("@" + key, {"query": key, "label": str(labels.names[code])}, judge)


def _read_keys(metadata: MetadataStore, ids: Sequence[int]) -> list[str]:
    return [record.key for record in metadata.records(ids) if record is not None]
