"""The contract of encoders, decoding and encoding: segments, shapes, and the same vectors in whatever way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import zip_longest
from threading import Barrier
from typing import Any

import numpy as np

from vicinal.errors import ItemError
from vicinal.plugin.encoder import Encoder
from vicinal.testing.checks import assert_refused, assert_same
from vicinal.testing.encoder_under_test import EncoderUnderTest, embed_items, encode_copy, make_items
from vicinal.types import Item, Segment

__all__ = ["VectorContract"]

THREADS = 8
MAX_LABEL_CHARS = 256


class VectorContract(EncoderUnderTest):
    """The tests of what ``decode`` and ``encode`` return."""

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

    def test_several_segments_have_times_or_labels(self) -> None:
        if self.encoder.segmented and not self.encoder.labelled:
            for segments in map(self.encoder.decode, self.items):
                assert len(segments) == 1 or all(segment.start is not None for segment in segments), (
                    "write Segment(sample, start, end), in seconds, or set labelled and give labels"
                )

    def test_segments_are_labelled_where_it_says_so(self) -> None:
        labels = [segment.label for item in self.items for segment in self.encoder.decode(item)]
        if not self.encoder.labelled:
            assert not any(labels), "set labelled, or the labels are lost"
            return
        assert self.encoder.segmented, "labelled needs segmented"
        assert all(0 < len(label) <= MAX_LABEL_CHARS for label in labels), f"a label has 1 to {MAX_LABEL_CHARS} letters"

    def test_samples_are_strings_where_samples_are_text(self) -> None:
        if self.encoder.samples_are_text:
            assert all(isinstance(sample, str) for sample in self._decode_samples())

    def test_decode_is_thread_safe(self) -> None:
        expected = [self._encode_item(self.encoder, item) for item in self.items]
        encoder, start = self._make_fitted(), Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool, _frequent_switches():
            calls = [pool.submit(_decode_all, encoder, self.items, turn, start) for turn in range(THREADS)]
        for call in calls:
            for item, segments, (times, vectors) in zip(self.items, call.result(), expected, strict=True):
                assert [(segment.start, segment.end) for segment in segments] == times, f"{item}"
                self._assert_same(
                    self._encode_segments(segments), vectors, f"{item} decoded on one of {THREADS} threads"
                )

    def test_bad_input_raises_item_error(self) -> None:
        assert self.bad, "give contents that must be refused, as `bad`"
        for item in make_items(self.bad):
            assert_refused(self.encoder.decode, item)

    def test_decode_many_equals_decode(self) -> None:
        if type(self.encoder).decode_many is Encoder.decode_many:
            return
        pairs = zip_longest(self.items, make_items(self.bad))
        mixed = [item for pair in pairs for item in pair if item is not None]
        answers, alone = self.encoder.decode_many(mixed), Encoder.decode_many(self.encoder, mixed)
        assert len(answers) == len(mixed), "give an answer for each item, in their order"
        for item, answer, expected in zip(mixed, answers, alone, strict=True):
            assert isinstance(answer, ItemError) == isinstance(expected, ItemError), (
                f"{item}: {answer}, alone: {expected}"
            )
            if not isinstance(answer, ItemError) and not isinstance(expected, ItemError):
                self._assert_same(
                    self._encode_segments(answer), self._encode_segments(expected), f"{item} among others and alone"
                )

    # Encoding

    def test_shape_and_dtype(self) -> None:
        space, vectors = self.encoder.space, self._embed_items()
        width, dtype = (space.dimension // 8, "uint8") if space.kind == "binary" else (space.dimension, "float32")
        assert isinstance(vectors, np.ndarray)
        assert (vectors.shape, vectors.dtype.name) == ((len(self._decode_samples()), width), dtype)
        assert vectors.flags.c_contiguous, "return np.ascontiguousarray(vectors)"

    def test_values_are_finite(self) -> None:
        assert np.isfinite(self._embed_items()).all()

    def test_vectors_have_a_direction(self) -> None:
        if self.encoder.space.metric in ("COSINE", "IP"):
            assert self._embed_items().any(axis=1).all(), "a zero vector is near to nothing; raise ItemError in decode"

    def test_different_items_have_different_vectors(self) -> None:
        assert len(np.unique(self._embed_items(), axis=0)) > 1

    def test_a_batch_equals_single_samples(self) -> None:
        singles = [encode_copy(self.encoder, [sample]) for sample in self._decode_samples()]
        self._assert_same(self._embed_items(), np.concatenate(singles), "a sample by itself and in a batch")

    def test_the_order_of_a_batch_does_not_matter(self) -> None:
        backwards = encode_copy(self.encoder, self._decode_samples()[::-1])
        self._assert_same(self._embed_items(), backwards[::-1], "a batch and its reverse")

    def test_encode_is_deterministic(self) -> None:
        first, tolerance = self._embed_items(), min(self.tolerance, 1e-6)
        assert_same(self.encoder.space, first, self._embed_items(), tolerance, "the same call twice")
        fresh = self._embed_items(self._make_fitted())
        assert_same(self.encoder.space, first, fresh, tolerance, "a freshly made encoder")

    def test_vectors_are_stable_across_processes(self) -> None:
        answer = self._ask_process(embed_items, self.items)
        self._assert_same(self._embed_items(), answer.value, "another process with other string hashes")

    def test_encode_is_thread_safe_where_it_says_so(self) -> None:
        if not self.encoder.encode_is_thread_safe:
            return
        samples, expected = self._decode_samples(), self._embed_items()
        encoder, start = self._make_fitted(), Barrier(THREADS)
        with ThreadPoolExecutor(THREADS) as pool, _frequent_switches():
            calls = [pool.submit(_encode_turned, encoder, samples, turn, start) for turn in range(THREADS)]
        for turn, call in enumerate(calls):
            turned = np.roll(expected, -turn, axis=0)
            self._assert_same(call.result(), turned, f"the samples encoded on {THREADS} threads at once")

    def test_encode_returns_vectors_of_its_own(self) -> None:
        samples = self._decode_samples()
        first = self.encoder.encode(samples[:1])
        before = np.array(first)
        self.encoder.encode(samples[1:])
        assert np.array_equal(first, before), "encode returns a buffer that its next call fills again; return a copy"

    def test_an_empty_batch_gives_no_rows(self) -> None:
        space = self.encoder.space
        width = space.dimension // 8 if space.kind == "binary" else space.dimension
        assert encode_copy(self.encoder, []).shape == (0, width)

    def test_a_batch_larger_than_encode_batch_size(self) -> None:
        samples, many = self._decode_samples(), self.encoder.encode_batch_size + 1
        rows = np.arange(many) % len(samples)
        vectors = encode_copy(self.encoder, [samples[row] for row in rows])
        self._assert_same(vectors, self._embed_items()[rows], f"{many} samples in one batch")


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
    return encode_copy(encoder, [*samples[turn:], *samples[:turn]])


@contextmanager
def _frequent_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
