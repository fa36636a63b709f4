"""Encoders whose vectors are wrong, or what they learn; each with the test of the contract that it fails."""

import sys
import time
import weakref

import numpy as np

from tiny_encoders import Tiny, TinyLearner


class SharedRows(Tiny):
    encode_is_thread_safe = True

    def encode(self, samples):
        self.rows = super().encode(samples)
        time.sleep(0.001)
        return self.rows


class Doubles(Tiny):
    def encode(self, samples):
        return super().encode(samples).astype(np.float64)


class ByColumns(Tiny):
    def encode(self, samples):
        return np.asfortranarray(super().encode(samples))


class NotANumber(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[[sample == "cherry" for sample in samples]] = np.nan
        return vectors


class Nought(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[[sample == "cherry" for sample in samples]] = 0.0
        return vectors


class Constant(Tiny):
    def encode(self, samples):
        return np.ones((len(samples), self.params.dimension), np.float32)


class PaddingLeaks(Tiny):
    def encode(self, samples):
        return super().encode(samples) + 0.1 * np.float32(max(map(len, samples), default=0))


class SortsAndForgets(Tiny):
    """It sorts a batch and puts it back in its old order only where there are several windows (or so it seems)."""

    def encode(self, samples):
        return super().encode(sorted(samples) if len(samples) <= self.encode_batch_size else samples)


class FirstOneWins(Tiny):
    """What the first encoder of a process learns spoils the others."""

    first = None

    def encode(self, samples):
        if type(self).first is None or type(self).first() is None:
            type(self).first = weakref.ref(self)
        shift = 0.0 if type(self).first() is self else 0.5
        return super().encode(samples) + np.float32(shift)


class HashedVectors(Tiny):
    def encode(self, samples):
        shift = np.random.default_rng(abs(hash("tiny"))).random(self.params.dimension, np.float32)
        return super().encode(samples) + shift


class NoEmptyBatch(Tiny):
    def encode(self, samples):
        return np.stack([super(NoEmptyBatch, self).encode([sample])[0] for sample in samples])


class FixedBuffer(Tiny):
    def encode(self, samples):
        return super().encode(samples)[: self.encode_batch_size]


class ReusesItsBuffer(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        if "buffer" not in vars(self) or len(self.buffer) < len(vectors):
            self.buffer = np.empty((256, vectors.shape[1]), np.float32)
        self.buffer[: len(vectors)] = vectors
        return self.buffer[: len(vectors)]


class LearnsObjects(TinyLearner):
    def fit(self, items):
        return {**super().fit(items), "names": np.array(["a", 1], object)}


class KeepsToItself(TinyLearner):
    def fit(self, items):
        self.weights = super().fit(items)["weights"]
        return {"nothing": np.zeros(1)}

    def encode(self, samples):
        return Tiny.encode(self, samples) * self.weights


class LearnsByChance(TinyLearner):
    def fit(self, items):
        return {**super().fit(items), "chance": np.random.default_rng().random(3)}


class FailsElsewhere(Tiny):
    """It works in the process whose module was imported by pytest."""

    def encode(self, samples):
        if "pytest_timeout" not in sys.modules:
            raise ValueError("only at home")
        return super().encode(samples)


WRONG = {
    "test_shape_and_dtype": [Doubles, ByColumns],
    "test_values_are_finite": [NotANumber],
    "test_vectors_have_a_direction": [Nought],
    "test_different_items_have_different_vectors": [Constant],
    "test_a_batch_equals_single_samples": [PaddingLeaks],
    "test_the_order_of_a_batch_does_not_matter": [SortsAndForgets],
    "test_encode_is_deterministic": [FirstOneWins],
    "test_vectors_are_stable_across_processes": [HashedVectors],
    "test_encode_is_thread_safe_where_it_says_so": [SharedRows],
    "test_an_empty_batch_gives_no_rows": [NoEmptyBatch],
    "test_a_batch_larger_than_encode_batch_size": [FixedBuffer],
    "test_encode_returns_vectors_of_its_own": [ReusesItsBuffer],
    "test_what_is_learnt_is_kept_as_arrays": [LearnsObjects, KeepsToItself],
    "test_fit_learns_the_same_from_the_same_items": [LearnsByChance],
}
