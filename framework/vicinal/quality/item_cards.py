"""The worst queries of a report as HTML: what was asked, what was found, and what would have been right."""

from __future__ import annotations

from html import escape
from pathlib import Path

from vicinal.quality.sample import to_item
from vicinal.quality.search_details import JudgedHit, SearchDetails, WorstQuery
from vicinal.solution.solution import Solution
from vicinal.stores.records import Record
from vicinal.toolkit.html import media_to_html
from vicinal.toolkit.text import shorten
from vicinal.types import Item, Rendering, item_id

__all__ = ["MAX_MEDIA_BYTES", "build_worst_queries"]

MAX_MEDIA_BYTES = 16 * 1024 * 1024
"""Of all pictures, sounds, videos and drawings together."""
_MAX_QUERY_CHARS = 500
_MAX_LABEL_CHARS = 60


def build_worst_queries(solution: Solution, details: SearchDetails, max_bytes: int = MAX_MEDIA_BYTES) -> str:
    """An article for each query, worst first; once ``max_bytes`` of media are used, items are shown by their keys."""
    return _CardBuilder(solution, details, max_bytes).build()


class _CardBuilder:
    def __init__(self, solution: Solution, details: SearchDetails, max_bytes: int) -> None:
        self._solution, self._details = solution, details
        self._bytes_left = max_bytes
        asked = [query.query[1:] for query in details.worst if query.query.startswith("@")]
        keys = list(dict.fromkeys([*asked, *(key for query in details.worst for key in query.missed)]))
        records = solution.metadata.records([item_id(key) for key in keys]) if keys else []
        self._records: dict[str, Record | None] = dict(zip(keys, records, strict=True))

    def build(self) -> str:
        return "".join(self._build_query(number, query) for number, query in enumerate(self._details.worst, 1))

    def _build_query(self, number: int, query: WorstQuery) -> str:
        right = sum(hit.gain > 0 for hit in query.hits)
        facts = [
            *(["label " + _format_label(query.label)] if query.label is not None else []),
            f"{self._details.measure} {query.value:.3f}",
            f"{right} of the first {len(query.hits)} right" if query.hits else "nothing was found",
            f"{query.relevant:,} relevant {'item' if query.relevant == 1 else 'items'} in all",
        ]
        title = shorten(" ".join(query.query.split()), _MAX_QUERY_CHARS)
        cards = [self._build_card("asked", self._render_query(query), "asked", title)]
        cards += [self._build_hit(place, hit) for place, hit in enumerate(query.hits, 1)]
        cards += [self._build_missed(key) for key in query.missed]
        return (
            f'<article><h3>{number}. {escape(title)}</h3><p class="quiet">{escape(" · ".join(facts))}</p>'
            f'<div class="cards">{"".join(cards)}</div></article>'
        )

    def _build_hit(self, place: int, judged: JudgedHit) -> str:
        hit = judged.hit
        segment = hit.segment or {}
        media = self._embed(self._solution.render(hit), hit.key, segment.get("start"), segment.get("end"))
        kind, mark = ("right", "✓ right") if judged.gain else ("wrong", "✗ wrong")
        facts = [f"{hit.similarity:.3f}", hit.place, _format_label(judged.label) if judged.label is not None else ""]
        return self._build_card(kind, media, f"{place}. {mark}", hit.key, " · ".join(filter(None, facts)))

    def _build_missed(self, key: str) -> str:
        record = self._records[key]
        media = "" if record is None else self._embed(self._solution.render(to_item(record)), key)
        return self._build_card("missed", media, "expected", key, "" if record else "not indexed")

    def _build_card(self, kind: str, media: str, mark: str, title: str, facts: str = "") -> str:
        return (
            f'<figure class="{kind}">{media}<figcaption><span class="mark">{mark}</span> <b>{escape(title)}</b> '
            f'<span class="quiet">{escape(facts)}</span></figcaption></figure>'
        )

    def _render_query(self, query: WorstQuery) -> str:
        """An indexed item or a file as the encoder shows it, and so a text where items are texts."""
        if query.query.startswith("@"):
            record = self._records[query.query[1:]]
            return "" if record is None else self._embed(self._solution.render(to_item(record)), record.key)
        modalities = self._solution.modalities
        if _is_file(query.query) or (modalities and modalities[0].input == "text"):
            return self._embed(self._solution.render(Item(query.query, query.query)), query.query)
        return media_to_html("text", query.query)

    def _embed(self, rendering: Rendering, label: str, start: float | None = None, end: float | None = None) -> str:
        """The HTML of a rendering; empty once there are too many bytes."""
        if self._bytes_left <= 0:
            return ""
        html = media_to_html(rendering.kind, rendering.value, label, start, end)
        self._bytes_left -= len(html)
        return html if self._bytes_left >= 0 else ""


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _format_label(label: str) -> str:
    return shorten(" ".join(label.split()), _MAX_LABEL_CHARS) or "“”"
