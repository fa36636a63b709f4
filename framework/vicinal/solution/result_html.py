"""What a notebook shows of a search: a card for each hit, with what its encoder renders."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vicinal.toolkit.html import Card, build_cards, media_to_html
from vicinal.types import Hit, Rendering, SearchResult

__all__ = ["build_result_html"]

_MAX_HITS = 50
"""In one output: a notebook with a thousand thumbnails is a file of 7 MB."""


def build_result_html(result: SearchResult, render: Callable[[Hit], Rendering]) -> str:
    """The hits as cards, best first, with rank, similarity, key, place, note and metadata; ``render`` shows an item."""
    shown = result.hits[:_MAX_HITS]
    html = build_cards([_to_card(hit, shown, render(hit)) for hit in shown], "no hits")
    more = len(result.hits) - len(shown)
    return f"{html}<p>and {more:,} more</p>" if more else html


def _to_card(hit: Hit, hits: Sequence[Hit], rendering: Rendering) -> Card:
    segment = hit.segment or {}
    media = media_to_html(rendering.kind, rendering.value, hit.key, segment.get("start"), segment.get("end"))
    place = f"at {hit.place}" if segment.get("start") is not None else hit.place
    score = "" if hit.score is None else f"score {hit.score:.3g}"
    subtitle = " · ".join(filter(None, [f"{hit.similarity:.3f}", place, score, hit.note]))
    details = [(name, str(value)) for name, value in hit.metadata.items() if is_informative(name, hits)]
    return Card(rendering.kind, media, f"{hit.rank}. {hit.key}", subtitle, details)


def is_informative(name: str, hits: Sequence[Hit]) -> bool:
    """Whether metadata of this name tell more than the keys do; a file's name and folder do not."""
    return not all(str(hit.metadata.get(name, "")) in hit.key for hit in hits)
