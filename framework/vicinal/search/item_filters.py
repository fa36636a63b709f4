"""Applies the item filters of a search to its candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vicinal.errors import FilterError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.item_filter import ItemFilter
from vicinal.plugin.registry import Registration, Registry
from vicinal.stores.records import Record
from vicinal.types import Item, path_from_file_uri

__all__ = ["CandidateFilter", "list_item_filters"]


class CandidateFilter:
    """Those of a search's item filters, which a candidate must all pass; each candidate is checked once."""

    def __init__(self, filters: Sequence[ItemFilter]) -> None:
        self._filters = filters
        self._passed: dict[str, bool] = {}

    @classmethod
    def build(
        cls, patterns: Mapping[str, str], registry: Registry[ItemFilter] | None, encoder: Encoder
    ) -> CandidateFilter:
        """Make the filters that a request names.

        Raises:
            FilterError: one is unknown, is not for the encoder's items, or its pattern is wrong.
            DependencyError: a package that one needs is not installed.
        """
        if not patterns:
            return cls(())
        registry = registry or Registry("item filter", "vicinal.plugin.item_filter:ItemFilter")
        known = [entry.name for entry in list_item_filters(registry, encoder)]
        if unknown := [name for name in patterns if name not in known]:
            hint = f"this solution's item filters: {', '.join(known) or 'none'}"
            raise FilterError(f"this solution's items cannot be filtered by {unknown[0]!r}", hint=hint)
        return cls([registry.build(name, pattern) for name, pattern in patterns.items()])

    def __bool__(self) -> bool:
        return bool(self._filters)

    def accept(self, record: Record) -> bool:
        """Whether an indexed item passes all filters."""
        if not self._filters:
            return True
        if record.key not in self._passed:
            content = record.content if record.content is not None else path_from_file_uri(record.uri)
            item = Item(record.key, content, record.uri, record.metadata)
            self._passed[record.key] = all(each.matches(item) for each in self._filters)
        return self._passed[record.key]


def list_item_filters(registry: Registry[ItemFilter], encoder: Encoder) -> list[Registration[ItemFilter]]:
    """The registered filters that can check the items of an encoder."""
    modalities = encoder.query_modalities
    name = modalities[0].name if modalities else ""
    return [entry for entry in registry if registry.load(entry.name).modality == name]
