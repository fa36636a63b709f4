"""Turns search requests into the vectors that Milvus is searched with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal.errors import ItemError, UnknownItemError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import decode_query, encode_samples, find_invalid_vector
from vicinal.search.timer import Timer
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.text import shorten
from vicinal.types import Metric, SearchRequest, Segment, TextQuery, item_id

__all__ = ["EncodedQuery", "QueryEncoder", "name_query"]

_MAX_SEGMENTS = 64
"""Of a query of more segments, so many are searched with, evenly spaced from the first one on."""
_MAX_SHOWN_CHARS = 100
"""How much of a query an error shows."""


@dataclass(slots=True)
class EncodedQuery:
    """The vectors of a query, its text where words are searched too, and the key of the item that it is itself."""

    vectors: list[Any]
    text: str | None = None
    exclude_key: str | None = None


@dataclass(slots=True)
class QueryEncoder:
    """Decodes and encodes queries, and looks up those that are indexed items."""

    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    metric: Metric
    hybrid: bool
    encoder_lock: AbstractContextManager[Any]
    """Held during ``encode``: a lock, unless several threads may call it at once."""

    def encode_requests(self, requests: Sequence[SearchRequest], timer: Timer) -> list[EncodedQuery | Exception]:
        """The queries of all requests, encoded in one batch; the error of one that fails stands in its place."""
        queries: list[EncodedQuery | Exception] = []
        samples: dict[int, list[Any]] = {}
        for number, request in enumerate(requests):
            try:
                query, segments = self._decode_request(request)
                samples[number] = [segment.sample for segment in segments]
                queries.append(query)
            except Exception as error:  # a defect of the encoder at one query, too, is that query's error alone
                queries.append(error)
        timer.end_step("decode")
        samples = {number: part for number, part in samples.items() if part}
        if timer.measures_model_load:
            self._load_model(samples)
            timer.end_model_load()
        for number, vectors in self._encode_samples(samples).items():
            if isinstance(vectors, Exception):
                queries[number] = vectors
            elif isinstance(encoded := queries[number], EncodedQuery):
                encoded.vectors = vectors
        timer.end_step("encode")
        return queries

    def _decode_request(self, request: SearchRequest) -> tuple[EncodedQuery, Sequence[Segment]]:
        """A query, and its segments that have to be encoded: none where it is an indexed item."""
        if (query := request.query) is None:
            raise VicinalError("there is nothing to search for", hint="give a query, or examples to `like`")
        if isinstance(query, str) and query.startswith("@") and request.segments is None:
            return self._load_indexed(query[1:]), ()
        content = query[1:] if isinstance(query, str) and query.startswith("\\@") else query
        segments = request.segments if request.segments is not None else decode_query(self.encoder, content)
        if not segments:
            raise ItemError(f"nothing to search with in {_shorten_query(query)!r}")
        used = [segments[number] for number in _space_evenly(len(segments))]
        return EncodedQuery([], str(content) if self.encoder.samples_are_text else None), used

    def _load_indexed(self, key: str) -> EncodedQuery:
        entry = self.metadata.ledger_entries([item_id(key)])[0]
        if entry is None or not entry.matches_key(key):
            raise UnknownItemError(
                f"no item has the key {_shorten_query(key)!r}",
                hint="write a text that begins with @ as \\@…; keys are case-sensitive",
            )
        ids = [item_id(key, number) for number in _space_evenly(entry.segments)]
        record = self.metadata.records([item_id(key)])[0] if self.hybrid else None
        return EncodedQuery(
            list(self.vectors.fetch_vectors(ids).values()), record.content if record else None, exclude_key=key
        )

    def _load_model(self, samples: dict[int, list[Any]]) -> None:
        """Encode one sample: the contract has no other call that loads a model."""
        for number, part in samples.items():
            self._encode_samples({number: part[:1]})
            return

    def _encode_samples(self, samples: dict[int, list[Any]]) -> dict[int, list[Any] | Exception]:
        """The vectors of each query; if the batch fails, query by query, so that only the queries at fault fail."""
        if not samples:
            return {}
        try:
            with self.encoder_lock:
                encoded = encode_samples(self.encoder, [sample for part in samples.values() for sample in part])
            # A fingerprint of zeros is valid as a query: it has no bit in common with any item, and finds nothing.
            is_float = self.encoder.space.kind == "float"
            if is_float and (reason := find_invalid_vector(self.encoder, encoded, self.metric)):
                raise ItemError(reason)
            vectors = iter(self._to_query_vectors(encoded))
            return {number: [next(vectors) for _ in part] for number, part in samples.items()}
        except Exception as error:
            if len(samples) == 1:
                return dict.fromkeys(samples, error)
        results: dict[int, list[Any] | Exception] = {}
        for number, part in samples.items():
            results |= self._encode_samples({number: part})
        return results

    def _to_query_vectors(self, encoded: Any) -> list[Any]:
        """Encoded vectors in the form in which the store searches them."""
        if self.encoder.space.kind == "float":
            return list(encoded)
        return [row["vector"] for row in self.vectors.vector_columns(encoded)]


def name_query(error: ItemError, query: str | Path) -> ItemError:
    """The error, with the query in its message, unless that is there already.

    With several queries, or where the query is a file, the user sees which one is at fault.
    """
    message, text = str(error), str(query).removeprefix(TextQuery.PREFIX)
    if not text.strip() or text in message or _shorten_query(text) in message:
        return error
    named = ItemError(f"{_shorten_query(text)}: {message}", hint=error.hint)
    named.__cause__ = error
    return named


def _space_evenly(count: int) -> Sequence[int]:
    """The numbers of the segments that a query of ``count`` segments is searched with."""
    used = min(count, _MAX_SEGMENTS)
    return [number * count // used for number in range(used)]


def _shorten_query(query: str | Path) -> str:
    return shorten(str(query), _MAX_SHOWN_CHARS)
