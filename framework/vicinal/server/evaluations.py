"""The latest reports of a solution as the API's JSON, with the items that it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import Request

from vicinal.quality.kept_reports import read_kept_reports
from vicinal.quality.labels import list_fields
from vicinal.server.item_pages import item_to_json
from vicinal.server.service import SolutionService
from vicinal.types import item_id

__all__ = ["read_evaluation"]

_MAX_FIELDS = 20


def read_evaluation(request: Request, service: SolutionService) -> dict[str, Any]:
    """Return the latest reports, their items by key, and the fields that an evaluation may take labels from."""
    kept = read_kept_reports(service.solution)
    return {
        "solution": service.name,
        **{kind: kept.get(kind) for kind in ("evaluation", "self_test", "tuning")},
        "items": _read_items(request, service, list(dict.fromkeys(_iter_keys(kept)))),
        "fields": list_fields(service.solution.metadata)[:_MAX_FIELDS],
    }


def _iter_keys(kept: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The keys of the worst queries, of their hits and of near-duplicates."""
    for query in (kept.get("evaluation", {}).get("details") or {}).get("worst", []):
        if query["query"].startswith("@"):
            yield query["query"][1:]
        yield from (hit["key"] for hit in query["hits"])
        yield from query["missed"]
    for pair in kept["self_test"]["report"]["near_duplicates"]["examples"] if "self_test" in kept else []:
        yield from (pair["key"], pair["found"])


def _read_items(request: Request, service: SolutionService, keys: Sequence[str]) -> dict[str, Any]:
    """Those of these items that are indexed."""
    records = service.solution.metadata.records([item_id(key) for key in keys])
    return {
        key: item_to_json(request, service, record, added=False, whole=False)
        for key, record in zip(keys, records, strict=True)
        if record is not None and record.key == key
    }
