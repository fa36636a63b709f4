"""The latest evaluation of a solution as the API's JSON, with the items that it speaks of."""

from __future__ import annotations

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
    return {**kept, "items": _read_items(request, service, kept["details"])}


def _read_items(request: Request, service: SolutionService, details: dict[str, Any] | None) -> dict[str, Any]:
    """The items of the worst queries that are still indexed."""
    keys = list(dict.fromkeys(key for query in (details or {}).get("worst", []) for key in _list_keys(query)))
    records = service.solution.metadata.records([item_id(key) for key in keys])
    return {
        key: item_to_json(request, service, record, added=False, whole=False)
        for key, record in zip(keys, records, strict=True)
        if record is not None and record.key == key
    }


def _list_keys(query: dict[str, Any]) -> list[str]:
    asked = [query["query"][1:]] if query["query"].startswith("@") else []
    return [*asked, *(hit["key"] for hit in query["hits"]), *query["missed"]]
