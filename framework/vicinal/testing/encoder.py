"""The contract of encoders as a test class: inherit it, say how to make the encoder, and give good and bad contents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar, get_args, get_type_hints

import numpy as np

from vicinal.errors import ItemError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.state import hash_state, pack_state, unpack_state
from vicinal.testing.checks import assert_described, assert_frozen, assert_refused, assert_same, assert_strict
from vicinal.testing.process import Answer, ask
from vicinal.types import TEXT, Item, Modality, Rendering, Segment, Space

__all__ = ["EncoderContract"]

THREADS = 8
FLOAT_METRICS = ("COSINE", "IP", "L2")
KINDS = get_args(get_type_hints(Rendering)["kind"])
MAX_LABEL_CHARS = 256
SENTENCE = "Which of them is like this one: green, 3 cm long, and naïve?"


class EncoderContract:
    """Every test that an encoder must pass. A subclass gives ``encoder_class``, ``good`` and ``bad``.

    What needs files may be set on ``self`` by a fixture of the subclass with ``autouse=True``.
    """

    encoder_class: ClassVar[type[Encoder]]
    """The class under test; or override ``make_encoder``."""
    params: ClassVar[Mapping[str, Any]] = {}
    """The keys of its YAML block, beside ``type``."""
    good: ClassVar[Sequence[Any]] = ()
    """Three or more contents (or Items) that can be encoded and differ from each other."""
    bad: ClassVar[Sequence[Any]] = ()
    """Contents (or Items) that ``decode`` must refuse: empty ones, broken files, another format."""
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Other parameters, each of which changes the vectors, and so must change the signature."""
    tolerance: ClassVar[float] = 1e-4
    """How far a float vector may be from its twin in another batch: 1 - cosine."""
    libraries: ClassVar[Set[str]] = frozenset()
    """Heavy packages that ``space`` and ``signature`` may import, where only they know what their networks give."""
    query_differs: ClassVar[bool] = False
    """Set it where a query is meant to be encoded otherwise than an item (a prefix, another network)."""

    _made: ClassVar[tuple[str, Encoder]]

    def make_encoder(self, params: Mapping[str, Any] | None = None) -> Encoder:
        """Make a fresh encoder; ``params`` are given for the ``variants`` only."""
        return _build(self.encoder_class, dict(self.params if params is None else params))

    # Parameters

    def test_params_are_frozen(self) -> None:
        assert_frozen(type(self.encoder).Params)

    def test_params_refuse_unknown_keys(self) -> None:
        assert_strict(type(self.encoder).Params)

    def test_params_are_described(self) -> None:
        assert_described(type(self.encoder).Params)

    # Making one

    def test_making_one_imports_nothing_heavy(self) -> None:
        heavy = [name for name in self._ask(_describe).heavy if name not in self.libraries]
        assert not heavy, f"import {', '.join(heavy)} where they work: in the first encode or decode"

    def test_space_is_consistent(self) -> None:
        space = self.encoder.space
        assert space.dimension > 0
        assert space == self.encoder.space
        if space.kind == "binary":
            assert space.dimension % 8 == 0, "bits are packed in bytes"
            assert space.metric == "JACCARD"
        else:
            assert space.metric in FLOAT_METRICS

    def test_signature_is_stable_across_processes(self) -> None:
        signature = self.encoder.signature
        assert isinstance(signature, str)
        assert signature.strip()
        assert self._ask(_describe).value == (self.encoder.space, signature)

    def test_signature_tells_parameters_apart(self) -> None:
        variants = [self.params, *(variant for variant in self.variants if variant != self.params)]
        signatures = [self.make_encoder(variant).signature for variant in variants[1:]] + [self.encoder.signature]
        assert len(set(signatures)) == len(variants), f"{variants} have the signatures {signatures}"

    # Decoding

    def test_decode_gives_segments(self) -> None:
        for item in self.items:
            segments = self.encoder.decode(item)
            assert isinstance(segments, Sequence)
            assert segments, f"{item} has no segment; raise ItemError where there is nothing to encode"
            assert all(isinstance(segment, Segment) for segment in segments)

    def test_an_item_has_one_segment_unless_segmented(self) -> None:
        if not self.encoder.segmented:
            assert [len(self.encoder.decode(item)) for item in self.items] == [1] * len(self.items)

    def test_segments_are_labelled_where_it_says_so(self) -> None:
        labels = [segment.label for item in self.items for segment in self.encoder.decode(item)]
        if not self.encoder.labelled:
            assert not any(labels), "set labelled, or the labels are lost"
            return
        assert self.encoder.segmented, "labelled needs segmented"
        assert all(0 < len(label) <= MAX_LABEL_CHARS for label in labels), f"a label has 1 to {MAX_LABEL_CHARS} letters"

    def test_samples_are_strings_where_samples_are_text(self) -> None:
        if self.encoder.samples_are_text:
            assert all(isinstance(sample, str) for sample in self._samples())

    def test_decode_is_thread_safe(self) -> None:
        expected = [self._face(self.encoder, item) for item in self.items]
        encoder, start = self._make_fitted(), Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool, _frequent_switches():
            calls = [pool.submit(_decode_all, encoder, self.items, turn, start) for turn in range(THREADS)]
        for call in calls:
            for item, segments, (times, vectors) in zip(self.items, call.result(), expected, strict=True):
                assert [(segment.start, segment.end) for segment in segments] == times, f"{item}"
                self._assert_same(self._encode(segments), vectors, f"{item} decoded on one of {THREADS} threads")

    def test_bad_input_raises_item_error(self) -> None:
        assert self.bad, "give contents that must be refused, as `bad`"
        for item in _items(self.bad):
            assert_refused(self.encoder.decode, item)

    def test_decode_many_equals_decode(self) -> None:
        if type(self.encoder).decode_many is Encoder.decode_many:
            return
        pairs = zip_longest(self.items, _items(self.bad))
        mixed = [item for pair in pairs for item in pair if item is not None]
        answers, alone = self.encoder.decode_many(mixed), Encoder.decode_many(self.encoder, mixed)
        assert len(answers) == len(mixed), "give an answer for each item, in their order"
        for item, answer, expected in zip(mixed, answers, alone, strict=True):
            assert isinstance(answer, ItemError) == isinstance(expected, ItemError), (
                f"{item}: {answer}, alone: {expected}"
            )
            if not isinstance(answer, ItemError) and not isinstance(expected, ItemError):
                self._assert_same(self._encode(answer), self._encode(expected), f"{item} among others and alone")

    # Encoding

    def test_shape_and_dtype(self) -> None:
        space, vectors = self.encoder.space, self._vectors()
        width, dtype = (space.dimension // 8, "uint8") if space.kind == "binary" else (space.dimension, "float32")
        assert isinstance(vectors, np.ndarray)
        assert (vectors.shape, vectors.dtype.name) == ((len(self._samples()), width), dtype)
        assert vectors.flags.c_contiguous, "return np.ascontiguousarray(vectors)"

    def test_values_are_finite(self) -> None:
        assert np.isfinite(self._vectors()).all()

    def test_vectors_have_a_direction(self) -> None:
        if self.encoder.space.metric in ("COSINE", "IP"):
            assert self._vectors().any(axis=1).all(), "a zero vector is near to nothing; raise ItemError in decode"

    def test_different_items_have_different_vectors(self) -> None:
        assert len(np.unique(self._vectors(), axis=0)) > 1

    def test_a_batch_equals_single_samples(self) -> None:
        singles = [_encode(self.encoder, [sample]) for sample in self._samples()]
        self._assert_same(self._vectors(), np.concatenate(singles), "a sample by itself and in a batch")

    def test_the_order_of_a_batch_does_not_matter(self) -> None:
        backwards = _encode(self.encoder, self._samples()[::-1])
        self._assert_same(self._vectors(), backwards[::-1], "a batch and its reverse")

    def test_encode_is_deterministic(self) -> None:
        first, tolerance = self._vectors(), min(self.tolerance, 1e-6)
        assert_same(self.encoder.space, first, self._vectors(), tolerance, "the same call twice")
        fresh = self._vectors(self._make_fitted())
        assert_same(self.encoder.space, first, fresh, tolerance, "a freshly made encoder")

    def test_vectors_are_stable_across_processes(self) -> None:
        answer = self._ask(_embed, self.items)
        self._assert_same(self._vectors(), answer.value, "another process with other string hashes")

    def test_encode_is_thread_safe_where_it_says_so(self) -> None:
        if not self.encoder.encode_is_thread_safe:
            return
        samples, expected = self._samples(), self._vectors()
        encoder, start = self._make_fitted(), Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool, _frequent_switches():
            calls = [pool.submit(_encode_turned, encoder, samples, turn, start) for turn in range(THREADS)]
        for turn, call in enumerate(calls):
            turned = np.roll(expected, -turn, axis=0)
            self._assert_same(call.result(), turned, f"the samples encoded on {THREADS} threads at once")

    def test_encode_returns_vectors_of_its_own(self) -> None:
        samples = self._samples()
        first = self.encoder.encode(samples[:1])
        before = np.array(first)
        self.encoder.encode(samples[1:])
        assert np.array_equal(first, before), "encode returns a buffer that its next call fills again; return a copy"

    def test_an_empty_batch_gives_no_rows(self) -> None:
        space = self.encoder.space
        width = space.dimension // 8 if space.kind == "binary" else space.dimension
        assert _encode(self.encoder, []).shape == (0, width)

    def test_a_batch_larger_than_encode_batch_size(self) -> None:
        samples, many = self._samples(), self.encoder.encode_batch_size + 1
        rows = np.arange(many) % len(samples)
        vectors = _encode(self.encoder, [samples[row] for row in rows])
        self._assert_same(vectors, self._vectors()[rows], f"{many} samples in one batch")

    # Faces

    def test_a_query_equals_its_item(self) -> None:
        for query in self._queries(self.good):
            segments = self.encoder.decode_query(query)
            assert segments, f"{query!r} has no segment"
            vectors = self._encode(segments)
            if not self.query_differs:
                item = Item("query", query)
                self._assert_same(vectors, self._encode(self.encoder.decode(item)), f"{item} as a query")

    def test_a_bad_query_raises_item_error(self) -> None:
        if not self.query_differs:
            for query in self._queries(self.bad):
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
                assert self.encoder.decode_query(modality.example), f"the example {modality.example!r} is not read"

    def test_any_text_is_a_query_where_text_is_a_modality(self) -> None:
        """Any sentence; where files are queries too, what stands behind ``text:`` is never opened as one."""
        modalities = self.encoder.query_modalities
        if TEXT not in modalities:
            return
        mark = "text:" if any(modality.input == "file" for modality in modalities) else ""
        space, vectors = self.encoder.space, self._encode(self.encoder.decode_query(mark + SENTENCE))
        width = space.dimension // 8 if space.kind == "binary" else space.dimension
        assert vectors.shape[1:] == (width,)
        assert len(vectors), f"{mark + SENTENCE!r} has no segment"
        for query in self._queries(self.good) if mark else ():
            text = self._encode(self.encoder.decode_query(f"{mark}{query}"))
            item = self._encode(self.encoder.decode(Item("query", query)))
            assert not np.array_equal(text, item), f"{mark}{query} is a text, and was read as a file"

    def test_items_are_rendered_as_their_modality_says(self) -> None:
        for modality in self.encoder.query_modalities[:1]:
            for item in self.items:
                kind = self.encoder.render(item).kind
                if isinstance(item.content, str | Path):
                    assert kind == modality.renders, f"{item} renders as {kind}, its modality as {modality.renders}"

    def test_what_cannot_be_drawn_is_rendered_as_text(self) -> None:
        for item in _items(self.bad):
            if isinstance(item.content, str):
                assert self.encoder.render(item).kind in ("text", *_renders(self.encoder)), f"{item} cannot be shown"

    def test_render_shows_an_item(self) -> None:
        for item in self.items:
            rendering = self.encoder.render(item)
            assert isinstance(rendering, Rendering)
            assert rendering.kind in KINDS
            assert isinstance(rendering.value, str)

    # Learning

    def test_what_is_learnt_is_kept_as_arrays(self) -> None:
        """Another process is given nothing but the state that ``fit`` returned."""
        if self.encoder.learns:
            kept, other = unpack_state(pack_state(self.encoder.state)), self.make_encoder()
            assert hash_state(kept) == self.encoder.state_hash
            other.restore(kept)
            self._assert_same(self._vectors(), self._vectors(other), "an encoder with the restored state")

    def test_fit_learns_the_same_from_the_same_items(self) -> None:
        if self.encoder.learns:
            first, second = self._make_fitted().state_hash, self._make_fitted().state_hash
            assert first == second, "fit twice gives two states; seed what is random"

    # What the tests share

    @property
    def items(self) -> list[Item]:
        """The good contents as items."""
        assert len(self.good) >= 3, "give three or more contents, as `good`"
        return _items(self.good)

    @property
    def encoder(self) -> Encoder:
        """An encoder for all tests that need no fresh one, so that a model is loaded once for the class."""
        key = repr((self.params, sorted(vars(self).items())))
        if "_made" not in vars(type(self)) or self._made[0] != key:
            type(self)._made = (key, self._make_fitted())
        return self._made[1]

    def _make_fitted(self) -> Encoder:
        return _fit(self.make_encoder(), self.items)

    def _samples(self) -> list[Any]:
        return [segment.sample for item in self.items for segment in self.encoder.decode(item)]

    def _vectors(self, encoder: Encoder | None = None) -> np.ndarray:
        return _embed(lambda: encoder or self.encoder, self.items)

    def _encode(self, segments: Sequence[Segment]) -> np.ndarray:
        return _encode(self.encoder, [segment.sample for segment in segments])

    def _face(self, encoder: Encoder, item: Item) -> tuple[list[tuple[float | None, float | None]], np.ndarray]:
        segments = encoder.decode(item)
        return [(segment.start, segment.end) for segment in segments], self._encode(segments)

    def _queries(self, contents: Sequence[Any]) -> list[str | Path]:
        return [item.content for item in _items(contents) if isinstance(item.content, str | Path)]

    def _assert_same(self, first: np.ndarray, second: np.ndarray, what: str) -> None:
        assert_same(self.encoder.space, first, second, self.tolerance, what)

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Answer:
        """Ask a fresh process, which imports the encoder's module alone where ``make_encoder`` is not overridden."""
        if type(self).make_encoder is not EncoderContract.make_encoder:
            return ask(partial(question, self.make_encoder, *arguments), type(self))
        make = partial(_build, self.encoder_class, dict(self.params))
        return ask(partial(question, make, *arguments), self.encoder_class)


def _encode(encoder: Encoder, samples: Sequence[Any]) -> np.ndarray:
    """Vectors that a later call cannot change; one test alone is about that."""
    return np.array(encoder.encode(samples))


def _fit(encoder: Encoder, items: Sequence[Item]) -> Encoder:
    """Have an encoder that learns do so."""
    if encoder.learns:
        encoder.restore(encoder.fit(items))
    return encoder


def _items(contents: Sequence[Any]) -> list[Item]:
    return [
        content if isinstance(content, Item) else Item(f"item-{number}", content)
        for number, content in enumerate(contents)
    ]


def _build(encoder_class: type[Encoder], params: Mapping[str, Any]) -> Encoder:
    return encoder_class(encoder_class.Params.model_validate(params))


def _renders(encoder: Encoder) -> list[str]:
    return [modality.renders for modality in encoder.query_modalities[:1]]


def _describe(make: Callable[[], Encoder]) -> tuple[Space, str]:
    encoder = make()
    return encoder.space, encoder.signature


def _embed(make: Callable[[], Encoder], items: Sequence[Item]) -> np.ndarray:
    encoder = make()
    if not encoder.state_hash:
        _fit(encoder, items)
    return _encode(encoder, [segment.sample for item in items for segment in encoder.decode(item)])


def _decode_all(encoder: Encoder, items: Sequence[Item], turn: int, start: Barrier) -> list[Sequence[Segment]]:
    """Decode the items beginning at another one on each thread, so that different items meet."""
    order = [(turn + step) % len(items) for step in range(len(items))]
    start.wait()
    decoded = {number: encoder.decode(items[number]) for number in order}
    return [decoded[number] for number in range(len(items))]


def _encode_turned(encoder: Encoder, samples: Sequence[Any], turn: int, start: Barrier) -> np.ndarray:
    """Encode the samples beginning at another one on each thread; the first to come loads the model."""
    turn %= len(samples)
    start.wait()
    return _encode(encoder, [*samples[turn:], *samples[:turn]])


@contextmanager
def _frequent_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
