"""Pages of a solution's items, in the order of their ids or of a declared field, and how often each value occurs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from vicinal.server.api_errors import invalid_value, unsuitable_value
from vicinal.server.paths import content_path
from vicinal.server.service import SolutionService
from vicinal.stores.record_scan import RecordOrder, ValueCounts, count_values, list_ordered_records
from vicinal.stores.records import Record
from vicinal.toolkit.text import shorten
from vicinal.types import MAX_EXCERPT_CHARS, item_id

__all__ = ["PageRequest", "item_to_json", "read_item_page"]

_MAX_LISTED_VALUES = 100


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which items a client asks for; ``after`` is the id of the last one that it has, or -1."""

    limit: int
    after: int
    prefix: str = ""
    whole: bool = False
    sort: str = ""
    """A declared field, after ``-`` for its descending order; by default items are in the order of their ids."""
    counts: str = ""
    """A declared field whose values are counted."""


def read_item_page(request: Request, service: SolutionService, page: PageRequest) -> dict[str, Any]:
    """Read a page of items, as the API's JSON.

    Raises:
        ApiError: 422, a field is not declared, or the item of a sorted page's cursor no longer exists; 409, there are
            too many items to be sorted or counted.
    """
    store = service.solution.metadata
    total = int(store.state().get("items", 0))
    _require_fields(service, page, total)
    counts = ValueCounts(page.counts) if page.counts else None
    if page.sort:
        order = RecordOrder(page.sort.removeprefix("-"), page.sort.startswith("-"))
        after = _find_position(service, order, page.after) if page.after >= 0 else None
        records, next_after = list_ordered_records(store, order, page.limit, after, page.prefix, counts)
    else:
        records, next_after = store.list_records(page.limit, page.after, page.prefix)
        if counts is not None:
            count_values(store, counts, page.prefix)
    manual = store.are_manual([item_id(record.key) for record in records])
    return {
        "items": [
            item_to_json(request, service, record, added, page.whole)
            for record, added in zip(records, manual, strict=True)
        ],
        "next": None if next_after is None else str(next_after),
        "total": total,
        "counts": None if counts is None else _counts_to_json(counts),
    }


def _require_fields(service: SolutionService, page: PageRequest, total: int) -> None:
    """
    Raises:
        ApiError: 422, a field is not declared; 409, there are too many items.
    """
    declared = service.solution.config.field_specs
    for location, field in (("sort", page.sort.removeprefix("-")), ("counts", page.counts)):
        if (field or getattr(page, location)) and field not in declared:
            hint = f"declared: {', '.join(declared) or 'none'}"
            raise invalid_value(location, f"{service.name!r} declares no field {field[:100]!r}", hint)
        if field and total > service.settings.max_sorted_items:
            raise unsuitable_value(
                location,
                f"{service.name!r} has {total:,} items, and all of them would be read:"
                f" more than {service.settings.max_sorted_items:,}",
                "the server's VICINAL_MAX_SORTED_ITEMS sets how many may be; a filter of a search has no such limit",
            )


def _find_position(service: SolutionService, order: RecordOrder, after: int) -> tuple[bool, Any, int]:
    record = service.solution.metadata.records([after])[0]
    if record is None:
        raise invalid_value("cursor", "the item that it stands for no longer exists", "begin with the first page")
    return order.key_of(after, record)


def _counts_to_json(counts: ValueCounts) -> dict[str, Any]:
    listed = heapq.nsmallest(_MAX_LISTED_VALUES, counts.items.items(), key=_rank_count)
    return {
        "field": counts.name,
        "values": [{"value": value, "items": items} for value, items in listed],
        "others": counts.items.total() + counts.others - sum(items for _, items in listed),
    }


def _rank_count(count: tuple[Any, int]) -> tuple[int, bool, Any]:
    """What values are listed by: the most frequent first, and those that are as frequent in their own order."""
    value, items = count
    return -items, value is not None, value


def item_to_json(
    request: Request, service: SolutionService, record: Record, added: bool, whole: bool
) -> dict[str, Any]:
    """Return an item as the API's JSON."""
    return {
        "key": record.key,
        "uri": record.uri,
        "title": service.read_title(record),
        "content": record.content if whole or record.content is None else shorten(record.content, MAX_EXCERPT_CHARS),
        "metadata": record.metadata,
        "kind": service.display_kind(record.uri),
        "content_label": service.solution.encoder.content_label,
        "content_url": content_path(request, service.name, record.key),
        "added": added,
    }
