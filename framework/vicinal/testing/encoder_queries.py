"""The contract of encoders, queries and rendering: what users search with, and what they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from vicinal.plugin.encoder import Encoder
from vicinal.testing.checks import assert_refused
from vicinal.testing.encoder_under_test import EncoderUnderTest, encode_copy, make_items
from vicinal.types import TEXT, Item, Modality, Rendering, RenderKind

__all__ = ["QueryContract"]

KINDS = get_args(RenderKind)
SENTENCE = "Which of them is like this one: green, 3 cm long, and naïve?"


class QueryContract(EncoderUnderTest):
    """The tests of what ``decode_query`` and its like, ``query_modalities`` and ``render`` return."""

    def test_a_query_equals_its_item(self) -> None:
        for query in self._select_queries(self.good):
            segments = self.encoder.decode_query(query)
            assert segments, f"{query!r} has no segment"
            vectors = self._encode_segments(segments)
            if not self.query_differs:
                item = Item("query", query)
                self._assert_same(vectors, self._encode_segments(self.encoder.decode(item)), f"{item} as a query")

    def test_a_bad_query_raises_item_error(self) -> None:
        if not self.query_differs:
            for query in self._select_queries(self.bad):
                assert_refused(self.encoder.decode_query, query)

    def test_query_modalities_are_declared(self) -> None:
        modalities = self.encoder.query_modalities
        assert isinstance(modalities, tuple), "write a tuple, as (TEXT,)"
        assert all(isinstance(modality, Modality) for modality in modalities), f"{modalities} are not all a Modality"
        names = [modality.name for modality in modalities]
        assert len(set(names)) == len(names), f"{names} has one twice"

    def test_a_typed_modality_has_an_example_that_is_read(self) -> None:
        """A placeholder and an example are what a stranger sees first."""
        for modality in self.encoder.query_modalities:
            if modality.input == "text":
                assert modality.placeholder, f"give {modality.name} a placeholder"
                assert modality.example, f"give {modality.name} an example"
                reader = self._get_reader(modality.example)
                assert reader.decode_query(modality.example), f"the example {modality.example!r} is not read"

    def test_any_text_is_a_query_where_text_is_a_modality(self) -> None:
        """Any sentence; where files are queries too, what stands behind ``text:`` is never opened as one."""
        modalities = self.encoder.query_modalities
        if TEXT not in modalities:
            return
        mark = "text:" if any(modality.input == "file" for modality in modalities) else ""
        space, reader = self.encoder.space, self._get_reader(SENTENCE)
        vectors = encode_copy(reader, [segment.sample for segment in reader.decode_query(mark + SENTENCE)])
        width = space.dimension // 8 if space.kind == "binary" else space.dimension
        assert vectors.shape[1:] == (width,)
        assert len(vectors), f"{mark + SENTENCE!r} has no segment"
        for query in self._select_queries(self.good) if mark else ():
            text = self._encode_segments(self.encoder.decode_query(f"{mark}{query}"))
            item = self._encode_segments(self.encoder.decode(Item("query", query)))
            assert not np.array_equal(text, item), f"{mark}{query} is a text, and was read as a file"

    def test_suggested_queries_are_read(self) -> None:
        """Some of all for an empty prefix, never more than asked for, and a whole query suggests itself."""
        if self.encoder.suggests_queries:
            suggested = self._suggest_queries("", 3)
            assert suggested, "it suggests nothing for an empty prefix"
            for query in suggested:
                assert self.encoder.decode_query(query), f"the suggestion {query!r} is not read"
                assert query in self._suggest_queries(query, 3), f"{query!r} is not suggested for itself"
            assert not self._suggest_queries("no query begins with this", 3), "suggest what begins with the prefix"

    def _suggest_queries(self, prefix: str, limit: int) -> list[str]:
        queries = self.encoder.suggest_queries(prefix, limit)
        assert isinstance(queries, Sequence), f"{prefix!r}: return a list of texts"
        assert not isinstance(queries, str), f"{prefix!r}: return a list of texts"
        assert all(isinstance(query, str) for query in queries), f"{prefix!r}: a suggestion is a text"
        assert len(queries) <= limit, f"{prefix!r}: {len(queries)} suggestions where {limit} are asked for"
        return list(queries)

    # Examples and indexed items as queries

    def test_an_item_s_vector_makes_a_query(self) -> None:
        if self._overrides_method("to_query_vector"):
            for vector in self._embed_items():
                self._assert_query_vector(self.encoder.to_query_vector(vector), "to_query_vector")

    def test_examples_combine_to_a_vector(self) -> None:
        """One liked example and several, without an unliked one and with some."""
        if self._overrides_method("combine_examples"):
            vectors = self._embed_items()
            if self.encoder.space.metric == "COSINE":
                vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            for liked in (vectors[:1], vectors[:2]):
                for unliked in (vectors[:0], vectors[2:]):
                    self._assert_query_vector(self.encoder.combine_examples(liked, unliked), "combine_examples")

    def test_excluded_keys_are_texts(self) -> None:
        for query in self._select_queries(self.good):
            keys = self.encoder.list_excluded_keys(query)
            assert isinstance(keys, Sequence), f"{query!r}: return a list of keys"
            assert not isinstance(keys, str), f"{query!r}: return a list of keys"
            assert all(isinstance(key, str) for key in keys), f"{query!r}: a key is a text"

    def _overrides_method(self, method: str) -> bool:
        return getattr(type(self.encoder), method) is not getattr(Encoder, method)

    def _assert_query_vector(self, vector: object, method: str) -> None:
        assert isinstance(vector, np.ndarray), f"{method}: return an array"
        assert (vector.shape, vector.dtype.name) == ((self.encoder.space.dimension,), "float32"), f"{method}"
        assert np.isfinite(vector).all(), f"{method}: it is not finite"

    # Rendering

    def test_items_are_rendered_as_their_modality_says(self) -> None:
        for modality in self.encoder.query_modalities[:1]:
            for item in self.items:
                kind = self.encoder.render(item).kind
                if isinstance(item.content, str | Path):
                    assert kind == modality.renders, f"{item} renders as {kind}, its modality as {modality.renders}"

    def test_what_cannot_be_drawn_is_rendered_as_text(self) -> None:
        for item in make_items(self.bad):
            if isinstance(item.content, str):
                assert self.encoder.render(item).kind in ("text", *_list_render_kinds(self.encoder)), (
                    f"{item} cannot be shown"
                )

    def test_render_shows_an_item(self) -> None:
        for item in self.items:
            rendering = self.encoder.render(item)
            assert isinstance(rendering, Rendering)
            assert rendering.kind in KINDS
            assert isinstance(rendering.value, str)


def _list_render_kinds(encoder: Encoder) -> list[str]:
    return [modality.renders for modality in encoder.query_modalities[:1]]
