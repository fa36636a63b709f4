"""The latest evaluation of a solution as the API's JSON, with the items that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from vicinal.quality.kept_report import read_kept_report
from vicinal.quality.labels import list_fields
from vicinal.server.item_pages import item_to_json
from vicinal.server.service import SolutionService
from vicinal.types import item_id

__all__ = ["read_evaluation"]

_MAX_FIELDS = 20


def read_evaluation(request: Request, service: SolutionService) -> dict[str, Any]:
    """Return the latest report with its items by key; without one, what a first one may take labels from."""
    kept = read_kept_report(service.solution)
    if kept is None:
        fields = list_fields(service.solution.metadata)[:_MAX_FIELDS]
        return {"solution": service.name, "report": None, "fields": fields}
    return {**kept, "items": _read_items(request, service, _list_keys(kept))}


def _list_keys(kept: dict[str, Any]) -> list[str]:
    """The keys of the worst queries, of their hits and of near-duplicates."""
    keys = []
    for query in (kept["details"] or {}).get("worst", []):
        asked = [query["query"][1:]] if query["query"].startswith("@") else []
        keys += [*asked, *(hit["key"] for hit in query["hits"]), *query["missed"]]
    for pair in kept["report"].get("near_duplicates", {}).get("examples", []):
        keys += [pair["key"], pair["found"]]
    return list(dict.fromkeys(keys))


def _read_items(request: Request, service: SolutionService, keys: Sequence[str]) -> dict[str, Any]:
    """Those of these items that are indexed."""
    records = service.solution.metadata.records([item_id(key) for key in keys])
    return {
        key: item_to_json(request, service, record, added=False, whole=False)
        for key, record in zip(keys, records, strict=True)
        if record is not None and record.key == key
    }
