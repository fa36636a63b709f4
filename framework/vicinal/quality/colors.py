"""Colours for the points of a map by one of their items' metadata: categories, or numbers from low to high."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vicinal.errors import VicinalError
from vicinal.toolkit.text import shorten

__all__ = ["GREY", "OTHERS", "PALETTE", "RAMP", "Coloring", "color_by", "find_fields"]

Kind = Literal["category", "number"]

PALETTE = (
    *("#12908a", "#e8590c", "#4c6ef5", "#d6336c", "#6b8e23", "#ae3ec9"),
    *("#1c8dbf", "#b07d0b", "#9c6b4f", "#e03131", "#2f9e44", "#7c8a00"),
)
"""One for each category; each has a contrast of 3.3 at least to the page's light and dark ground."""
RAMP = ("#4c6ef5", "#ae3ec9", "#e8590c")
"""From the lowest number to the highest."""
GREY = "#868e96"
"""Of the categories that no colour is left for, and of points without a value, which are hollow."""
OTHERS = "others"

_MAX_VALUE_CHARS = 60
_MAX_CATEGORIES_OF_A_FIELD = 100


@dataclass(frozen=True, slots=True)
class Coloring:
    """What a point's colour stands for: ``values`` has a number or a category for each point, None for no value.

    ``categories`` are the most frequent ones, these first; those that no colour is left for are ``others``.
    """

    field: str
    kind: Kind
    values: Sequence[str | float | None]
    categories: Sequence[str] = ()

    @property
    def category_colors(self) -> dict[str, str]:
        """The colour of each category."""
        return dict(zip(self.categories, (*PALETTE, GREY), strict=False))


def color_by(field: str, metadata: Sequence[Mapping[str, Any]]) -> Coloring:
    """Colour points by a field of their items' metadata.

    Raises:
        VicinalError: no item has that field.
    """
    if not any(field in one for one in metadata):
        known = ", ".join(sorted({name for one in metadata for name in one})[:20])
        raise VicinalError(f"no item on the map has the field {field!r}", hint=f"fields: {known or 'none'}")
    values = [one.get(field) for one in metadata]
    if _kind_of(values) == "number":
        return Coloring(field, "number", [_to_number(value) for value in values])
    texts = [_to_category(value) for value in values]
    counts = Counter(text for text in texts if text is not None)
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    if len(ranked) > len(PALETTE):
        ranked = ranked[: len(PALETTE)]
        kept = set(ranked)
        texts = [text if text is None or text in kept else OTHERS for text in texts]
        ranked = [*ranked, OTHERS]
    return Coloring(field, "category", texts, ranked)


def find_fields(metadata: Sequence[Mapping[str, Any]]) -> dict[str, Kind]:
    """The fields that colours tell something by, in the order of first use.

    Those are numbers that differ, and categories of which there are fewer than items, and 2 to 100.
    """
    found: dict[str, Kind] = {}
    for name in dict.fromkeys(name for one in metadata for name in one):
        values = [one.get(name) for one in metadata]
        kind = _kind_of(values)
        distinct = {_to_category(value) for value in values} - {None}
        is_grouping = kind == "number" or len(distinct) <= min(_MAX_CATEGORIES_OF_A_FIELD, len(metadata) - 1)
        if len(distinct) > 1 and is_grouping:
            found[name] = kind
    return found


def _kind_of(values: Sequence[Any]) -> Kind:
    """Numbers, unless some value is none; texts that read as numbers count where they are too many for categories."""
    present = [value for value in values if value is not None and value != ""]
    if not present or any(_to_number(value) is None for value in present):
        return "category"
    has_texts = any(isinstance(value, str) for value in present)
    return "category" if has_texts and len(set(map(str, present))) <= len(PALETTE) else "number"


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _to_category(value: Any) -> str | None:
    if value is None or value == "":
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return shorten(" ".join(text.split()), _MAX_VALUE_CHARS)
