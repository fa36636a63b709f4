"""The worst queries of a report as HTML: what was asked, what was found, and what would have been right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from vicinal.quality.evaluation.search_details import JudgedHit, SearchDetails, WorstQuery
from vicinal.quality.sample import to_item
from vicinal.quality.self_test.report import NearDuplicate
from vicinal.solution.solution import Solution
from vicinal.stores.records import Record
from vicinal.toolkit.html import media_to_html
from vicinal.toolkit.text import shorten
from vicinal.types import Item, Rendering, item_id

__all__ = ["MAX_MEDIA_BYTES", "MAX_PAIRS", "build_near_duplicates", "build_worst_queries"]

MAX_MEDIA_BYTES = 16 * 1024 * 1024
"""Of all pictures, sounds, videos and drawings together."""
MAX_PAIRS = 20
_MAX_QUERY_CHARS = 500
_MAX_LABEL_CHARS = 60


def build_worst_queries(solution: Solution, details: SearchDetails, max_bytes: int = MAX_MEDIA_BYTES) -> str:
    """An article for each query, worst first; once ``max_bytes`` of media are used, items are shown by their keys."""
    keys = [query.query[1:] for query in details.worst if query.query.startswith("@")]
    keys += [key for query in details.worst for key in query.missed]
    builder = _CardBuilder(solution, keys, max_bytes)
    return "".join(builder.build_query(number, query, details.measure) for number, query in enumerate(details.worst, 1))


def build_near_duplicates(solution: Solution, pairs: Sequence[NearDuplicate], max_bytes: int = MAX_MEDIA_BYTES) -> str:
    """The items of each pair beside one another, as ``build_worst_queries`` shows them."""
    builder = _CardBuilder(solution, [key for pair in pairs for key in (pair.key, pair.found)], max_bytes)
    return "".join(map(builder.build_pair, pairs))


class _CardBuilder:
    """Cards of items by their keys, and of hits."""

    def __init__(self, solution: Solution, keys: Iterable[str], max_bytes: int) -> None:
        self._solution = solution
        self._bytes_left = max_bytes
        keys = list(dict.fromkeys(keys))
        records = solution.metadata.records([item_id(key) for key in keys]) if keys else []
        self._records: dict[str, Record | None] = dict(zip(keys, records, strict=True))

    def build_pair(self, pair: NearDuplicate) -> str:
        cards = [
            self._build_item("item", "asked", pair.key, ""),
            self._build_item("missed", "found", pair.found, f"{pair.similarity:.3f}"),
        ]
        return f'<article><div class="cards">{"".join(cards)}</div></article>'

    def build_query(self, number: int, query: WorstQuery, measure: str) -> str:
        right = sum(hit.gain > 0 for hit in query.hits)
        facts = [
            *(["label " + _format_label(query.label)] if query.label is not None else []),
            f"{measure} {query.value:.3f}",
            f"{right} of the first {len(query.hits)} right" if query.hits else "nothing was found",
            f"{query.relevant:,} relevant {'item' if query.relevant == 1 else 'items'} in all",
        ]
        title = shorten(" ".join(query.query.split()), _MAX_QUERY_CHARS)
        cards = [self._build_card("asked", self._render_query(query), "asked", title)]
        cards += [self._build_hit(place, hit) for place, hit in enumerate(query.hits, 1)]
        cards += [self._build_item("missed", "expected", key, "") for key in query.missed]
        return (
            f'<article><h3>{number}. {escape(title)}</h3><p class="quiet">{escape(" · ".join(facts))}</p>'
            f'<div class="cards">{"".join(cards)}</div></article>'
        )

    def _build_hit(self, place: int, judged: JudgedHit) -> str:
        hit = judged.hit
        segment = hit.segment or {}
        media = self._embed_rendering(self._solution.render(hit), hit.key, segment.get("start"), segment.get("end"))
        kind, mark = ("right", "✓ right") if judged.gain else ("wrong", "✗ wrong")
        facts = [f"{hit.similarity:.3f}", hit.place, _format_label(judged.label) if judged.label is not None else ""]
        return self._build_card(kind, media, f"{place}. {mark}", hit.key, " · ".join(filter(None, facts)))

    def _build_item(self, kind: str, mark: str, key: str, facts: str) -> str:
        record = self._records[key]
        media = "" if record is None else self._embed_rendering(self._solution.render(to_item(record)), key)
        return self._build_card(kind, media, mark, key, facts if record else "not indexed")

    def _build_card(self, kind: str, media: str, mark: str, title: str, facts: str = "") -> str:
        return (
            f'<figure class="{kind}">{media}<figcaption><span class="mark">{mark}</span> <b>{escape(title)}</b> '
            f'<span class="quiet">{escape(facts)}</span></figcaption></figure>'
        )

    def _render_query(self, query: WorstQuery) -> str:
        """An indexed item or a file as the encoder shows it, and so a text where items are texts."""
        if query.query.startswith("@"):
            record = self._records[query.query[1:]]
            return "" if record is None else self._embed_rendering(self._solution.render(to_item(record)), record.key)
        modalities = self._solution.modalities
        if _is_file(query.query) or (modalities and modalities[0].input == "text"):
            return self._embed_rendering(self._solution.render(Item(query.query, query.query)), query.query)
        return media_to_html("text", query.query)

    def _embed_rendering(
        self, rendering: Rendering, label: str, start: float | None = None, end: float | None = None
    ) -> str:
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
