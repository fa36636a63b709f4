"""Turns search requests into the vectors that Milvus is searched with."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vicinal.errors import ItemError, UnknownItemError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import decode_query, encode_samples, find_invalid_vector
from vicinal.plugin.example_calls import list_excluded_keys
from vicinal.search.examples import EncodedExample, EncodedQuery, combine_to_query
from vicinal.search.timer import Timer
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.toolkit.slices import iter_slices
from vicinal.toolkit.text import shorten
from vicinal.types import Metric, SearchRequest, Segment, TextQuery, item_id

__all__ = ["QueryEncoder", "name_query"]

_MAX_SEGMENTS = 64
"""Of a query of more segments, so many are searched with, evenly spaced from the first one on."""
_ROWS_PER_FETCH = 1_000
_MAX_SHOWN_CHARS = 100
"""How much of a query an error shows."""


@dataclass(slots=True)
class _Part:
    """One of the things that requests are made of: a query or an example, and the samples that are not encoded yet."""

    example: EncodedExample
    samples: list[Any] = field(default_factory=list)
    row_ids: list[int] = field(default_factory=list)
    """Of an indexed item, the rows whose vectors are its own."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request names a part, as ``like.0``; parts of one ``key`` are the same, and are encoded once."""

    key: Hashable
    argument: str
    content: str | Path
    segments: Sequence[Segment] | None = None


@dataclass(slots=True)
class QueryEncoder:
    """Decodes and encodes queries and examples, and looks up those that are indexed items."""

    encoder: Encoder
    vectors: VectorStore
    metadata: MetadataStore
    metric: Metric
    hybrid: bool
    encoder_lock: AbstractContextManager[Any]
    """Held during ``encode``: a lock, unless several threads may call it at once."""

    def encode_requests(self, requests: Sequence[SearchRequest], timer: Timer) -> list[EncodedQuery | Exception]:
        """The queries of all requests, encoded in one batch; the error of one that fails stands in its place."""
        places = [list(_iter_places(number, request)) for number, request in enumerate(requests)]
        parts: dict[Hashable, _Part | Exception] = {}
        for place in (place for group in places for place in group):
            if place.key not in parts:
                parts[place.key] = self._decode_or_error(place)
        parts |= self._fetch_indexed({key: part for key, part in parts.items() if isinstance(part, _Part)})
        timer.end_step("decode")
        samples = {key: part.samples for key, part in parts.items() if isinstance(part, _Part) and part.samples}
        if timer.measures_model_load:
            self._load_model(samples)
            timer.end_model_load()
        for key, vectors in self._encode_samples(samples).items():
            if isinstance(vectors, Exception):
                parts[key] = vectors
            elif isinstance(part := parts[key], _Part):
                part.example.vectors = vectors
        queries = [self._build_or_error(group, parts) for group in places]
        timer.end_step("encode")
        return queries

    def _decode_or_error(self, place: _Place) -> _Part | Exception:
        try:
            return self._decode_place(place)
        except Exception as error:  # a defect of the encoder at one query, too, is that query's error alone
            return error

    def _decode_place(self, place: _Place) -> _Part:
        """A query or an example, with the samples that have to be encoded: none where it is an indexed item."""
        content = place.content
        if isinstance(content, str) and content.startswith("@") and place.segments is None:
            return self._find_indexed(content[1:])
        content = content[1:] if isinstance(content, str) and content.startswith("\\@") else content
        segments, excluded = place.segments, frozenset[str]()
        if segments is None:
            segments = decode_query(self.encoder, content)
            excluded = frozenset(list_excluded_keys(self.encoder, content))
        if not segments:
            raise ItemError(f"nothing to search with in {_shorten_query(place.content)!r}")
        used = [segments[number].sample for number in _space_evenly(len(segments))]
        text = str(content) if self.encoder.samples_are_text else None
        return _Part(EncodedExample([], text=text, excluded=excluded), used)

    def _find_indexed(self, key: str) -> _Part:
        """An indexed item, its vectors not fetched yet."""
        entry = self.metadata.ledger_entries([item_id(key)])[0]
        if entry is None or not entry.matches_key(key):
            raise UnknownItemError(
                f"no item has the key {_shorten_query(key)!r}",
                hint="write a text that begins with @ as \\@…; keys are case-sensitive",
            )
        ids = [item_id(key, number) for number in _space_evenly(entry.segments)]
        record = self.metadata.records([item_id(key)])[0] if self.hybrid else None
        example = EncodedExample([], record.content if record else None, frozenset([key]), is_stored=True)
        return _Part(example, row_ids=ids)

    def _fetch_indexed(self, parts: Mapping[Hashable, _Part]) -> dict[Hashable, _Part | Exception]:
        """Fetch the vectors of indexed items, of several at once: a call takes a Milvus server 0.2 s.

        It has to see every write, which a server applies a moment later. If it fails, so does each of these parts.
        """
        ids = list({id_: None for part in parts.values() for id_ in part.row_ids})
        vectors: dict[int, Any] = {}
        try:
            for some in iter_slices(ids, _ROWS_PER_FETCH):
                vectors |= self.vectors.fetch_vectors(some)
        except Exception as error:
            return {key: error if part.row_ids else part for key, part in parts.items()}
        for part in parts.values():
            part.example.vectors += [vectors[id_] for id_ in part.row_ids if id_ in vectors]
        return dict(parts)

    def _build_or_error(
        self, places: Sequence[_Place], parts: dict[Hashable, _Part | Exception]
    ) -> EncodedQuery | Exception:
        """The query that a request's parts make, or the error of the first part that failed."""
        examples: dict[str, list[EncodedExample]] = {"query": [], "like": [], "unlike": []}
        for place in places:
            part = parts[place.key]
            if isinstance(part, Exception):
                return _locate_error(part, place)
            examples[place.argument.partition(".")[0]].append(part.example)
        try:
            return combine_to_query(self.encoder, self.metric, **examples)
        except ItemError as error:
            return _locate_combination_error(error, places)
        except Exception as error:  # a defect of the encoder, as above
            return error

    def _load_model(self, samples: dict[Hashable, list[Any]]) -> None:
        """Encode one sample: the contract has no other call that loads a model."""
        for key, part in samples.items():
            self._encode_samples({key: part[:1]})
            return

    def _encode_samples(self, samples: dict[Hashable, list[Any]]) -> dict[Hashable, list[Any] | Exception]:
        """The vectors of each part; if the batch fails, part by part, so that only the parts at fault fail."""
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
            return {key: [next(vectors) for _ in part] for key, part in samples.items()}
        except Exception as error:
            if len(samples) == 1:
                return dict.fromkeys(samples, error)
        results: dict[Hashable, list[Any] | Exception] = {}
        for key, part in samples.items():
            results |= self._encode_samples({key: part})
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


def _iter_places(number: int, request: SearchRequest) -> Iterator[_Place]:
    """The query and the examples of a request; examples that several requests name are the same."""
    if request.query is not None or request.segments is not None:
        yield _Place(("query", number), "query", request.query or "", request.segments)
    for argument, examples in (("like", request.like), ("unlike", request.unlike)):
        for place, content in enumerate(examples):
            yield _Place(("example", content), f"{argument}.{place}", content)


def _locate_error(error: Exception, place: _Place) -> Exception:
    """The error of an example, with the example in its message, and with the argument that it is about."""
    if place.argument == "query" or not isinstance(error, ItemError | UnknownItemError):
        return error
    named = name_query(error, place.content) if isinstance(error, ItemError) else error
    located = type(error)(str(named), hint=named.hint)
    located.argument, located.__cause__ = place.argument, error
    return located


def _locate_combination_error(error: ItemError, places: Sequence[_Place]) -> Exception:
    """The error of making one query of examples: about the one that the encoder names, or about all of them."""
    for place in places:
        if place.argument == error.argument:
            return _locate_error(error, place)
    if len(places) > 1 or places[0].argument != "query":
        error.argument = "examples"
    return error


def _space_evenly(count: int) -> Sequence[int]:
    """The numbers of the segments that a query of ``count`` segments is searched with."""
    used = min(count, _MAX_SEGMENTS)
    return [number * count // used for number in range(used)]


def _shorten_query(query: str | Path) -> str:
    return shorten(str(query), _MAX_SHOWN_CHARS)
